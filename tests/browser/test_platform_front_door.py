"""App, cockpits and pipelines behind one origin, in a real browser: no error in the console, nothing from outside."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

from huiyang.platform import front_door
from huiyang.secret_store import load_secrets
from huiyang.settings import COCKPIT_PATH, DAGSTER_PATH, Settings
from tests.cockpit_server import CHROMIUM_FLAGS


@dataclass
class Visitor:
    """A signed-in browser that notes what went wrong and what left the origin."""

    page: Page
    origin: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", self._note_refusal)
        self.page.on("request", self._note)

    def _note_refusal(self, answer: Response) -> None:
        if answer.status >= 400:
            self.errors.append(f"{answer.status} {answer.url}")

    def _note(self, request: object) -> None:
        url = str(request.url)  # type: ignore[attr-defined]
        if not url.startswith((self.origin, self.origin.replace("https", "wss"), "data:", "blob:")):
            self.outside.append(url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # The installation's authority is not in Chromium's store; integration tests check the certificate itself.
        yield playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*CHROMIUM_FLAGS, "--ignore-certificate-errors"]
        )


@pytest.fixture
def visitor(browser: Browser, running_installation: Settings) -> Iterator[Visitor]:
    origin = front_door.address(running_installation)
    context = browser.new_context(base_url=origin, ignore_https_errors=True, locale="zh-CN")
    visitor = Visitor(context.new_page(), origin)
    visitor.page.goto("/sign-in")
    visitor.page.fill("#username", "data.staff")
    visitor.page.fill("#password", load_secrets(running_installation.secrets_file)["demo_password"])
    visitor.page.click("button[type=submit]")
    visitor.page.wait_for_url(f"{origin}/")
    yield visitor
    context.close()


@pytest.mark.feature(1)
def test_the_workbench_leads_on_to_cockpits_and_pipelines_without_another_sign_in(visitor: Visitor) -> None:
    page = visitor.page
    addresses = page.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    cockpit = next(address for address in addresses if address and address.startswith(f"{COCKPIT_PATH}/"))
    pipelines = next(address for address in addresses if address and address.startswith(DAGSTER_PATH))
    page.goto(cockpit)
    expect(page.locator(".grid-container")).to_be_visible(timeout=60_000)
    page.wait_for_load_state("networkidle")  # with everything drawn, leaving it makes Superset offer its colours
    page.goto(pipelines)
    expect(page.get_by_text("Overview").first).to_be_visible(timeout=60_000)
    assert visitor.outside == []
    assert visitor.errors == []


def test_the_pipelines_page_lives_on_when_the_door_ends_its_socket(visitor: Visitor) -> None:
    page = visitor.page
    sockets: list[str] = []
    page.on("websocket", lambda opened: sockets.append(opened.url))
    page.goto(f"{DAGSTER_PATH}/runs")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(12_000)  # the door ends a socket after 5 seconds; the page opens the next
    assert len(sockets) >= 2
    expect(page.get_by_text("Success").first).to_be_visible()
    assert visitor.errors == []
