"""Pictures of the guides, taken anew from a running demo: `HUIYANG_HOME=… python -m tests.browser.pictures [name …]`.

Only the demo's synthetic people are seen, and no page with a secret is opened.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from huiyang.platform import front_door
from huiyang.secret_store import load_secrets
from huiyang.settings import PROJECT_ROOT, Settings, get_settings

FOLDER = PROJECT_ROOT / "docs" / "pictures"
WIDTH = 1280
#: The menu's width: a guide shows what is right of it, but for the workbench.
MENU = 240
COLOURS = 96


@dataclass(frozen=True)
class Picture:
    """
    Attributes:
        user: a demo account; its password is the demo's.
        path: the page; `follow` is a link to click on it, by its words.
        height: pixels from the page's top; whole: with the menu.
    """

    name: str
    user: str
    path: str
    height: int
    follow: str = ""
    whole: bool = False


PICTURES = (
    Picture("workbench", "department.manager", "/", 900, whole=True),
    Picture("join", "new.colleague", "/join", 900),
    Picture("joining-list", "department.manager", "/joining/list", 620),
    Picture("joining-decision", "department.manager", "/joining/list", 1000, follow="tbody tr a"),
    Picture("accounts", "department.manager", "/accounts/list", 640),
    Picture("announcements", "system.admin", "/announcements/list", 560),
    Picture("elders", "operator", "/elders/list", 760),
    Picture("orders", "operator", "/orders/list", 760),
    Picture("organization", "provider.manager", "/organization", 1000),
)


def take(browser: Browser, settings: Settings, picture: Picture) -> Path:
    """Signs in, opens the page, and keeps its upper part as a small PNG."""
    context = browser.new_context(
        base_url=front_door.address(settings), ignore_https_errors=True, locale="zh-CN",
        viewport={"width": WIDTH, "height": 900},
    )  # fmt: skip
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("#username", picture.user)
    page.fill("#password", load_secrets(settings.secrets_file)["demo_password"])
    page.click("button[type=submit]")
    page.wait_for_url("**/")
    page.goto(picture.path)
    page.wait_for_load_state("networkidle")
    if picture.follow:
        page.locator(picture.follow).first.click()
        page.wait_for_load_state("networkidle")
    with Image.open(io.BytesIO(page.screenshot(full_page=True))) as shot:
        box = (0 if picture.whole else MENU, 0 if picture.whole else 60, WIDTH, min(picture.height, shot.height))
        small = shot.convert("RGB").crop(box).quantize(COLOURS, dither=Image.Dither.NONE)
    context.close()
    target = FOLDER / f"{picture.name}.png"
    small.save(target, optimize=True)
    return target


def main() -> None:
    settings, wanted = get_settings(), set(sys.argv[1:])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--lang=zh-CN"])
        for picture in PICTURES:
            if not wanted or picture.name in wanted:
                target = take(browser, settings, picture)
                sys.stdout.write(f"{target.relative_to(PROJECT_ROOT)} {target.stat().st_size // 1000} kB\n")


if __name__ == "__main__":
    main()
