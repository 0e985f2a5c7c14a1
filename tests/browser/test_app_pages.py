"""The operational app as its users meet it: real Chromium, the real front door, the app in a process of its own.

Superset and Dagster are stood in for by a server that says who the front door told it is asking; the real ones behind
the door are tested with the cockpits and the pipelines.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from huiyang.database import Login, connect
from huiyang.platform import front_door
from huiyang.settings import PROJECT_ROOT, Settings
from operational_app.identity.access import OVERVIEW_COCKPIT
from operational_app.identity.models import RoleCode
from operational_app.identity.sessions import MAX_FAILURES
from tests.app_sample import CHIKAN, PASSWORD, XIASHAN_TOWN, Records, id_number, unique

CITY = "440800000000"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
NUMBER = id_number(date(1931, 7, 8), 613)


class Echo(BaseHTTPRequestHandler):
    """An application behind the front door: says who asks."""

    def do_GET(self) -> None:
        body = json.dumps({name: value for name, value in self.headers.items() if name.startswith("X-")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@dataclass
class Site:
    """A running installation as browsers reach it."""

    address: str
    records: Records
    browser: Browser
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def page(self, viewport: dict[str, int] = DESK) -> Iterator[Page]:
        """A page in a browser profile of its own; console errors and requests elsewhere fail the test."""
        context = self.browser.new_context(
            base_url=self.address, viewport=viewport, ignore_https_errors=True, locale="zh-CN"
        )
        context.on("console", self._listen)
        context.on("request", lambda request: self._watch(request.url))
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))
        try:
            yield context.new_page()
        finally:
            context.close()
        assert self.faults == []

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} {message.location['url']}")

    def _watch(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.faults.append(f"request to {urlsplit(url).netloc}")

    def expect_fault(self, words: str) -> None:
        """Takes back the console's word on an answer that the test wanted (a 403 or 404 is always told there)."""
        assert any(words in fault for fault in self.faults)
        self.faults[:] = [fault for fault in self.faults if words not in fault]


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    for first in range(21000, 29000, 10):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


def wait_for(url: str) -> None:
    deadline = monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert monotonic() < deadline, f"{url} does not answer"
            sleep(0.2)


@pytest.fixture(scope="module")
def site(installation: Settings) -> Iterator[Site]:
    with serving(installation) as found:
        yield found


@contextmanager
def serving(installation: Settings) -> Iterator[Site]:
    """The app of an installation behind its front door, and a browser."""
    first = free_ports(5)
    settings = installation.model_copy(update={"first_internal_port": first, "front_door_port": first + 4})
    variables = os.environ | {
        "HUIYANG_HOME": str(settings.home),
        "HUIYANG_FIRST_INTERNAL_PORT": str(first),
        "HUIYANG_FRONT_DOOR_PORT": str(first + 4),
        front_door.SECRET_VARIABLE: "front-door",
    }
    front_door.write_configuration(settings)
    app = [
        str(PROJECT_ROOT / ".venv/bin/python"), "-m", "uvicorn", "operational_app.main:create_app", "--factory",
        "--host", "127.0.0.1", "--port", str(settings.app_port), "--no-access-log", "--proxy-headers",
        "--forwarded-allow-ips", "127.0.0.1",
    ]  # fmt: skip
    with ExitStack() as stack:
        for port in (settings.superset_port, settings.dagster_port, settings.dagster_view_port):
            echo = ThreadingHTTPServer(("127.0.0.1", port), Echo)
            threading.Thread(target=echo.serve_forever, daemon=True).start()
            stack.callback(echo.shutdown)
        log = stack.enter_context((settings.home / "browser-tests.log").open("wb"))
        for command in (app, front_door.command(settings)):
            process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=variables, stdout=log, stderr=log)
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
        wait_for(f"http://127.0.0.1:{settings.app_port}/sign-in")
        deadline = monotonic() + 30
        while not front_door.answers(settings):
            assert monotonic() < deadline, "the front door does not answer"
            sleep(0.2)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        stack.callback(browser.close)
        yield Site(front_door.address(settings), Records(installation), browser)


@pytest.fixture(scope="module")
def staff(site: Site) -> str:
    return site.records.account(RoleCode.DATA_STAFF, division_code=CITY)


@pytest.fixture(scope="module")
def people(site: Site) -> dict[str, int]:
    """Elders whose names nobody else has: name → key."""
    return {
        "澹台福海": site.records.elder(
            "澹台福海", CHIKAN, sex="male", birth_date=date(1931, 7, 8), birth_month=date(1931, 7, 1), id_number=NUMBER,
            phone="13700009999", address="中山二路 5 号",
        ),
        "澹台玉兰": site.records.elder("澹台玉兰", XIASHAN_TOWN),
    }  # fmt: skip


def sign_in(page: Page, username: str, password: str = PASSWORD) -> None:
    page.goto("/sign-in")
    page.get_by_label("用户名").fill(username)
    page.get_by_label("密码").fill(password)
    page.get_by_label("密码").press("Enter")


@pytest.mark.feature(1)
def test_from_sign_in_through_the_workbench_to_every_place(site: Site, staff: str) -> None:
    with site.page() as page:
        page.goto("/")
        assert "/sign-in" in page.url
        sign_in(page, staff)
        expect(page.get_by_role("heading", name=re.compile("好，测试员|深了，测试员"))).to_be_visible()
        menu = page.get_by_role("navigation", name="主菜单")
        for place in ("老人档案", "养老机构", "社区养老设施", "服务商", "服务工单", "数据质量"):
            menu.get_by_role("link", name=place).click()
            expect(page.get_by_role("heading", level=1, name=place)).to_be_visible()
            expect(menu.get_by_role("link", name=place)).to_have_attribute("aria-current", "page")
        page.get_by_role("link", name="工作台").click()
        figures = page.get_by_role("region", name="数据统计")
        for figure in ("在册老人", "机构床位", "家庭养老床位", "未办结报警", "本月完成工单"):
            expect(figures.get_by_text(figure, exact=True)).to_be_visible()
        with page.expect_popup() as opened:
            page.get_by_role("region", name="应用").get_by_role("link", name="总览驾驶舱").click()
        opened.value.wait_for_load_state()
        told = json.loads(opened.value.locator("body").inner_text())
        assert opened.value.url == f"{site.address}{OVERVIEW_COCKPIT}"
        assert (told["X-Huiyang-User"], told["X-Huiyang-Roles"]) == (staff, "cockpits,pipelines")


def test_a_wrong_password_and_the_lock(site: Site) -> None:
    username = site.records.account(RoleCode.LEADER, division_code=CHIKAN)
    with site.page() as page:
        for _ in range(MAX_FAILURES):
            sign_in(page, username, "wrong")
            expect(page.get_by_role("alert")).to_contain_text("用户名、密码或动态验证码不正确")
            expect(page.get_by_label("用户名")).to_have_value(username)
        sign_in(page, username)
        expect(page.get_by_role("alert")).to_contain_text("锁定 15 分钟")
        site.expect_fault("401")


def test_an_elder_is_found_by_the_last_four_and_revealed(site: Site, staff: str, people: dict[str, int]) -> None:
    with site.page() as page:
        sign_in(page, staff)
        page.goto("/elders/list")
        page.get_by_label("身份证号").fill(NUMBER[-4:].lower())
        page.get_by_label("姓名").fill("tantaifu")
        page.get_by_label("姓名").press("Enter")
        expect(page.get_by_role("row").filter(has_text="澹台福海")).to_contain_text(f"4408**********{NUMBER[-4:]}")
        assert NUMBER[-4:] not in page.url and "tantai" not in page.url
        page.reload()
        expect(page.get_by_label("身份证号")).to_have_value(NUMBER[-4:].lower())
        # A click anywhere in the row opens the record.
        page.get_by_role("row").filter(has_text="澹台福海").get_by_text("男", exact=True).click()
        expect(page.get_by_role("heading", level=1, name="澹台福海")).to_be_visible()
        assert "137****9999" in page.content() and "中山二路" not in page.content()
        page.get_by_role("button", name=re.compile("显示完整")).click()
        for text in (NUMBER, "13700009999", "中山二路 5 号"):
            expect(page.get_by_text(text)).to_be_visible()
        page.go_back()
        page.goto(f"/elders/{people['澹台福海']}")
        expect(page.get_by_text("中山二路 5 号")).not_to_be_visible()


def test_places_are_chosen_from_county_to_village(site: Site, staff: str, people: dict[str, int]) -> None:
    with site.page() as page:
        sign_in(page, staff)
        page.goto("/elders/list")
        page.get_by_label("姓名").fill("澹台")
        page.get_by_text("更多条件").click()
        county, town, village = (page.get_by_label(label, exact=True) for label in ("县区", "镇街", "村社"))
        expect(town).to_be_disabled()
        county.select_option(label="霞山区")
        expect(town).to_be_enabled()
        town.select_option(label="解放街道")
        expect(village).to_be_enabled()
        page.get_by_role("button", name="查询").click()
        expect(page.get_by_role("link", name="澹台玉兰")).to_be_visible()
        expect(page.get_by_role("link", name="澹台福海")).not_to_be_visible()
        expect(town).to_have_value(XIASHAN_TOWN)
        county.select_option(label="赤坎区")
        expect(village).to_be_disabled()


def test_a_county_cannot_open_another_countys_elder(site: Site, people: dict[str, int]) -> None:
    username = site.records.account(RoleCode.LEADER, division_code=CHIKAN)
    with site.page() as page:
        sign_in(page, username)
        page.goto(f"/elders/{people['澹台福海']}")
        expect(page.get_by_role("heading", level=1, name="澹台福海")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("显示完整"))).to_have_count(0)
        page.goto(f"/elders/{people['澹台玉兰']}")
        expect(page.get_by_text("不在您的管辖范围内")).to_be_visible()
        site.expect_fault("404")


def test_institutions_from_the_list_to_the_page(site: Site, staff: str) -> None:
    name = unique("碧海") + "养老院"
    key, organization = site.records.institution(name, XIASHAN_TOWN, licensed_bed_count=10, grade=5)
    site.records.bed(key)
    site.records.insert(
        "organizations.qualification",
        organization_id=organization,
        kind="food",
        number="F1",
        expires_on=date(2025, 1, 1),
    )
    with site.page() as page:
        sign_in(page, staff)
        page.goto("/institutions/list")
        page.get_by_label("机构名称").fill(name[:6])
        page.get_by_label("机构性质").select_option(label="民办")
        page.get_by_role("button", name="查询").click()
        expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("1 项已过期")
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("region", name="证照")).to_contain_text("已过期")
        expect(page.get_by_role("region", name="机构身份")).to_contain_text("五级")
        page.get_by_role("link", name="返回养老机构").click()
        expect(page.get_by_role("heading", level=1, name="养老机构")).to_be_visible()


def test_from_a_failing_rule_to_its_record_and_the_report(site: Site, staff: str, people: dict[str, int]) -> None:
    records, settings = site.records, site.records.settings
    folder = unique("browser-")
    (settings.report_dir / folder).mkdir(parents=True)
    (settings.report_dir / folder / "验收报告.pdf").write_bytes(b"%PDF-1.7 ")
    with records.release(report_folder=folder) as release_id:
        records.result(
            "theme_result", release_id=release_id, theme="老人", county_code=CHIKAN, record_count=200,
            error_record_count=1, field_due_count=1000, field_filled_count=999,
        )  # fmt: skip
        records.result(
            "rule_result", release_id=release_id, rule_id="ELD-1", theme="老人", dimension="准确性", severity="error",
            title="身份证号校验不通过", recommendation="核对原件", checked_count=200, violation_count=1,
        )  # fmt: skip
        records.result(
            "violation", release_id=release_id, rule_id="ELD-1", record_table="elder", record_id=people["澹台福海"],
            division_code=CHIKAN, first_seen_on=date(2026, 11, 2),
        )  # fmt: skip
        with site.page() as page:
            sign_in(page, staff)
            page.goto("/quality")
            expect(page.get_by_text("未达标", exact=True).first).to_be_visible()
            expect(page.get_by_text("99.99%").first).to_be_visible()
            page.get_by_role("region", name="各主题").get_by_text("老人", exact=True).click()
            expect(page.get_by_role("row", name=re.compile("赤坎区"))).to_contain_text("999 / 1,000")
            with page.expect_download() as download:
                page.get_by_role("link", name=re.compile("验收报告.pdf")).click()
            assert download.value.suggested_filename == "验收报告.pdf"
            page.get_by_role("link", name="身份证号校验不通过").click()
            page.get_by_role("link", name="查看记录").click()
            expect(page.get_by_role("heading", level=1, name="澹台福海")).to_be_visible()


def test_a_session_that_ended_leads_back_to_where_one_was(site: Site, people: dict[str, int]) -> None:
    username = site.records.account(RoleCode.DATA_STAFF, division_code=CITY)
    with site.page() as page:
        sign_in(page, username)
        page.goto("/elders/list?sex=male")
        with connect(Login.LOADER, site.records.settings) as loader:
            loader.execute(
                "update identity.sign_in_session set ended_at = now() where account_id ="
                " (select id from identity.account where username = %s)",
                [username],
            )
        # A script's request of a page that is still open finds the door shut too, and the page says so.
        page.get_by_label("县区", exact=True).select_option(label="霞山区", force=True)
        expect(page.get_by_role("status")).to_contain_text("登录已超时")
        page.get_by_label("用户名").fill(username)
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="登录").click()
        expect(page.get_by_role("heading", level=1, name="老人档案")).to_be_visible()
        assert page.url.endswith("/elders/list?sex=male")
        site.expect_fault("401")


def test_who_was_revoked_is_out_of_the_cockpits_at_once(site: Site) -> None:
    username = site.records.account(RoleCode.LEADER, division_code=CITY)
    with site.page() as page:
        sign_in(page, username)
        page.goto(OVERVIEW_COCKPIT)
        assert username in page.locator("body").inner_text()
        page.goto("/dagster/")
        expect(page.get_by_role("heading", name="没有权限")).to_be_visible()
        site.expect_fault("403")
        with connect(Login.LOADER, site.records.settings) as loader:
            loader.execute("update identity.account set is_active = false where username = %s", [username])
        page.goto(OVERVIEW_COCKPIT)
        expect(page.get_by_role("heading", name="登录")).to_be_visible()


@pytest.mark.feature(30)
def test_a_code_is_issued_printed_scanned_by_a_stranger_and_replaced(
    site: Site, staff: str, people: dict[str, int]
) -> None:
    key = people["澹台玉兰"]
    with site.page() as page:
        sign_in(page, staff)
        page.goto(f"/elders/{key}")
        card = page.get_by_role("region", name="长者码")
        card.get_by_role("button", name="赋码").click()
        code = page.locator(".code.fw-bold").inner_text()
        expect(page.get_by_role("img", name=f"长者码 {code} 的二维码")).to_be_visible()
        page.goto("/codes/list?kind=elder&state=current")
        page.get_by_label("编码", exact=True).fill(code)
        page.get_by_role("button", name="查询", exact=True).click()
        page.get_by_label("全选本页").check()
        with page.expect_download() as printed:
            page.get_by_role("button", name="打印所选").click()
        assert printed.value.suggested_filename.startswith("长者码标签-")
    with site.page(PHONE) as phone:
        phone.goto(f"/c/{code}")
        expect(phone.get_by_role("heading", name="登录")).to_be_visible()
        assert code not in phone.locator("main, form").first.inner_text()
        phone.get_by_label("用户名").fill(staff)
        phone.get_by_label("密码").fill(PASSWORD)
        phone.get_by_label("密码").press("Enter")
        expect(phone.get_by_role("heading", level=1, name="澹台玉兰")).to_be_visible()
        card = phone.get_by_role("region", name="长者码")
        card.get_by_text("补发", exact=True).click()
        card.get_by_label("补发原因").select_option(label="遗失补发")
        card.get_by_role("button", name="确认补发，原编码立即失效").click()
        expect(phone.get_by_role("cell", name="已补发新码")).to_be_visible()
        phone.goto(f"/c/{code}")
        expect(phone.get_by_role("heading", name="无法打开")).to_be_visible()
        site.expect_fault("404")


def test_on_a_phone(site: Site, staff: str, people: dict[str, int]) -> None:
    with site.page(PHONE) as page:
        sign_in(page, staff)
        paths = ["/", "/elders/list", f"/elders/{people['澹台福海']}", "/institutions/list", "/orders/list", "/quality"]
        for path in [*paths, "/codes/list", f"/codes/elder/{people['澹台福海']}"]:
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        menu = page.get_by_role("navigation", name="主菜单")
        expect(menu).not_to_be_visible()
        page.get_by_role("button", name="打开菜单").click()
        menu.get_by_role("link", name="老人档案").click()
        expect(page.get_by_role("heading", level=1, name="老人档案")).to_be_visible()
        page.locator(".user-button:visible").click()
        page.get_by_role("button", name="退出登录").locator("visible=true").click()
        expect(page.get_by_role("heading", name="登录")).to_be_visible()
        page.goto("/elders/list")
        assert "/sign-in" in page.url


def test_by_keyboard_and_with_labels(site: Site, staff: str, people: dict[str, int]) -> None:
    with site.page() as page:
        sign_in(page, staff)
        page.goto("/elders/list")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("姓名")).to_be_focused()
        page.keyboard.type("澹台")
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="澹台福海")).to_be_visible()
        places = ("/elders/list", "/institutions/list", "/orders/list", "/quality", "/codes/list")
        for path in (*places, f"/elders/{people['澹台福海']}", f"/codes/elder/{people['澹台福海']}"):
            page.goto(path)
            nameless = page.evaluate(
                """() => [...document.querySelectorAll("input:not([type=hidden]), select, button, a")]
                    .filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim()))
                    .map((e) => e.outerHTML)"""
            )
            assert nameless == [], path
            assert page.locator("h1").count() == 1, path
