"""The acceptance report's page as its readers see it: desk, phone and print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from expectations.gate import run_gate
from expectations.report import render_html
from expectations.report_content import KEYS_SHOWN, build_content
from expectations.store import read_violations
from huiyang.database import Login, connect
from huiyang.settings import Settings
from tests.integration.expectations_factory import (
    AS_OF,
    PERIOD,
    PERIOD_END,
    SomeRelease,
    World,
    create_record_tables,
    fill,
)


@pytest.fixture(scope="module")
def report_page(bare_server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with 300 violations of one rule."""
    world = World(0)
    for _ in range(300):
        world.new("elder", phone_status="invalid")
    with connect(Login.BUILD, bare_server, autocommit=True) as connection:
        create_record_tables(connection, "gate_browser")
        fill(connection, "gate_browser", [world])
    gate = run_gate(bare_server, PERIOD, PERIOD_END, "gate_browser", as_of=AS_OF)
    content = build_content(SomeRelease(3), gate, read_violations(bare_server, gate.gate_run_id, limit=KEYS_SHOWN))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield instance
        instance.close()


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
def test_the_page_fits_and_stays_on_the_machine(browser: Browser, report_page: Path, width: int, height: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": height})
    requests: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(report_page.as_uri())
    assert requests == [report_page.as_uri()] and messages == []
    # Wide tables scroll in their own frame; the page itself does not.
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.get_by_role("heading", name="湛江市养老服务数据质量验收报告").is_visible()
    assert page.locator(".verdicts dd").first.inner_text().startswith("可发布")
    cut = page.locator(".rules td, .rules th").evaluate_all(
        "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.innerText)"
    )
    assert cut == []
    page.close()


def test_print_repeats_table_heads_and_loses_nothing(browser: Browser, report_page: Path) -> None:
    page = browser.new_page()
    page.goto(report_page.as_uri())
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.locator("thead").first.evaluate("head => getComputedStyle(head).display") == "table-header-group"
    assert page.pdf(format="A4", landscape=True).startswith(b"%PDF-")
    page.close()
