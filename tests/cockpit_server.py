"""Superset with the checkout's cockpits, serving one installation's `published`, and a browser that looks at it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Playwright

from huiyang.platform.installation import environment
from huiyang.platform.processes import SUPERSET_BIN, superset_variables
from huiyang.secret_store import load_secrets
from huiyang.server import end_with_parent
from huiyang.settings import COCKPIT_PATH, PROJECT_ROOT, Settings

CHROMIUM_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
#: Pictures of each board and size, for people to look at.
SCREENSHOTS = PROJECT_ROOT / "var" / "screenshots"


#: Cards there are, none loads, and each has drawn something or says why not.
_ALL_IS_DRAWN = """() => {
    const cards = [...document.querySelectorAll('[data-test=chart-grid-component]')];
    return cards.length > 0 && !document.querySelector('[data-test=loading-indicator], .loading')
        && cards.every(card => card.querySelector('canvas, .handlebars [class^=hy-], [role=alert], .ant-empty'));
}"""


@dataclass
class CockpitServer:
    """A running Superset: its origin, and the headers that the front door would send."""

    settings: Settings
    port: int

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def headers(self, role: str = "cockpits", user: str = "") -> dict[str, str]:
        return {
            "X-Front-Door": load_secrets(self.settings.secrets_file)["front_door"],
            "X-Huiyang-User": user or f"test-{role}",
            "X-Huiyang-Roles": role,
        }

    def address(self, path: str) -> str:
        return f"{self.origin}{COCKPIT_PATH}{path}"


def run_in_superset(settings: Settings, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Python in Superset's environment, for one installation."""
    return subprocess.run(
        [SUPERSET_BIN / "python", *arguments],
        cwd=PROJECT_ROOT, env=_variables(settings), capture_output=True, text=True,
    )  # fmt: skip


@contextmanager
def serve(settings: Settings, log: Path) -> Iterator[CockpitServer]:
    """Applies the cockpits and serves them for the length of a block."""
    applied = run_in_superset(settings, "-m", "cockpits", "apply")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                SUPERSET_BIN / "gunicorn", "superset.app:create_app()", "--bind", f"127.0.0.1:{port}",
                "--workers", "1", "--worker-class", "gthread", "--threads", "8", "--timeout", "120",
                "--no-control-socket",
            ],
            cwd=PROJECT_ROOT, env=_variables(settings), stdout=output, stderr=output, preexec_fn=end_with_parent,
        )  # fmt: skip
        try:
            _wait_until_it_answers(f"http://127.0.0.1:{port}{COCKPIT_PATH}/health", process, log)
            yield CockpitServer(settings, port)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _variables(settings: Settings) -> dict[str, str]:
    return os.environ | environment(settings) | superset_variables(settings)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"Superset does not answer: {log.read_text()}")


@dataclass
class Visit:
    """A page with what went wrong on it.

    Attributes:
        errors: console errors, exceptions, refused answers.
        outside: addresses that left the origin.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def wait_for_board(self) -> None:
        """Until every chart of the board has an answer and has drawn it."""
        self.page.wait_for_selector(".dashboard-component-chart-holder", timeout=90_000)
        # Twice: the board is mounted anew when its filters get their key. Between the two, ECharts' animation.
        for pause in (1500, 500):
            self.page.wait_for_function(_ALL_IS_DRAWN, timeout=90_000)
            self.page.wait_for_timeout(pause)

    def screenshot(self, name: str, *, full_page: bool = False) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page)


@contextmanager
def visit(
    playwright: Playwright,
    server: CockpitServer,
    path: str,
    *,
    size: tuple[int, int] = (1920, 1080),
    role: str = "cockpits",
) -> Iterator[Visit]:
    """Opens a page as somebody in a browser of its own and watches it."""
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
    phone = size[0] < 700
    try:
        context: BrowserContext = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, screen={"width": size[0], "height": size[1]},
            is_mobile=phone, has_touch=phone, device_scale_factor=2 if phone else 1,
            locale="zh-CN", timezone_id="Asia/Shanghai", extra_http_headers=server.headers(role),
        )  # fmt: skip
        page = context.new_page()
        seen = Visit(page)
        page.on("console", lambda m: seen.errors.append(f"{m.type}: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: seen.errors.append(f"exception: {error}"))
        page.on("response", lambda r: seen.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on(
            "request",
            lambda r: None if r.url.startswith((server.origin, "data:", "blob:")) else seen.outside.append(r.url),
        )
        page.goto(server.address(path))
        yield seen
    finally:
        browser.close()
