"""Sign-in across applications in real Chromium: another site's application, our front door with its certificate.

The application stands at 127.0.0.1, ours at localhost: two sites, so cookies and policies act as between strangers.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from authlib.integrations.requests_client import OAuth2Session
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from huiyang.database import Login, connect
from huiyang.platform import front_door
from huiyang.settings import Settings
from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, unique
from tests.browser.test_app_pages import DESK, PHONE, Site, sign_in, site

__all__ = ["site"]  # the fixture of the other module


class Canteen(ThreadingHTTPServer):
    """A third party's application (助餐管理): signs in with us and shows whom it got."""

    client_id = secret = name = page = ""

    def __init__(self, site: Site, settings: Settings) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.address, self.issuer = f"http://127.0.0.1:{self.server_port}", site.address
        self.authority = str(front_door.authority_file(settings))
        self.verifiers: dict[str, str] = {}
        self.id_token = ""

    def client(self) -> OAuth2Session:
        return OAuth2Session(
            self.client_id, self.secret, scope="openid profile", redirect_uri=f"{self.address}/callback",
            code_challenge_method="S256",
        )  # fmt: skip


class _Visit(BaseHTTPRequestHandler):
    server: Canteen

    def do_GET(self) -> None:
        parts, canteen = urlsplit(self.path), self.server
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/login":
            verifier = unique("v") + "x" * 50
            address, state = canteen.client().create_authorization_url(
                f"{canteen.issuer}/oauth/authorize", code_verifier=verifier
            )
            canteen.verifiers[state] = verifier
            self._lead(address)
        elif parts.path == "/callback":
            client = canteen.client()
            tokens = client.fetch_token(
                f"{canteen.issuer}/oauth/token", code=asked["code"], grant_type="authorization_code",
                code_verifier=canteen.verifiers.pop(asked["state"]), verify=canteen.authority,
            )  # fmt: skip
            canteen.id_token = tokens["id_token"]
            told = client.get(f"{canteen.issuer}/oauth/userinfo", verify=canteen.authority).json()
            roles = ",".join(told["roles"])
            self._show(f"<h1>欢迎，{html.escape(told['name'])}</h1><p>{roles}</p><a href='/login'>再次登录</a>")
        elif parts.path == "/logout":
            back = {"id_token_hint": canteen.id_token, "post_logout_redirect_uri": f"{canteen.address}/goodbye"}
            self._lead(f"{canteen.issuer}/oauth/logout?{urlencode(back)}")
        elif parts.path == "/goodbye":
            self._show("<h1>再见</h1>")
        else:
            self.send_error(404)

    def _lead(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.end_headers()

    def _show(self, text: str) -> None:
        body = f'<!DOCTYPE html><html lang="zh"><meta charset="utf-8"><title>助餐</title>{text}</html>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def visiting(site: Site, viewport: dict[str, int] = DESK) -> Iterator[BrowserContext]:
    """A browser profile that may visit both sites; anything on its console fails the test."""
    context = site.browser.new_context(
        base_url=site.address, viewport=viewport, ignore_https_errors=True, locale="zh-CN"
    )
    faults: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # A password that the test types wrongly, and the third party's missing icon.
        if message.type == "error" and "401" not in message.text and "favicon" not in message.location["url"]:
            faults.append(message.text)

    context.on("console", listen)
    try:
        yield context
    finally:
        context.close()
    assert faults == []


@pytest.fixture(scope="module")
def canteen(site: Site, installation: Settings) -> Iterator[Canteen]:
    """The application, registered by the system administrator in the pages, and a group that has its role."""
    server = Canteen(site, installation)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = unique("助餐管理")
    with visiting(site) as context:
        page = context.new_page()
        sign_in(page, site.records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        page.get_by_role("navigation", name="主菜单").get_by_role("link", name="应用管理").click()
        page.get_by_role("link", name="登记应用").click()
        page.get_by_label("应用名称").fill(name)
        page.get_by_label("工作台入口地址").fill(f"{server.address}/login")
        page.get_by_label("登录后返回的地址").fill(f"{server.address}/callback")
        page.get_by_label("退出后返回的地址").fill(f"{server.address}/goodbye")
        page.get_by_role("button", name="保存").click()
        server.secret = page.get_by_test_id("client-secret").inner_text()
        page.get_by_role("link", name="已记下，继续").click()
        page.get_by_label("角色代码").fill("cook")
        page.get_by_label("名称", exact=True).fill("厨师")
        page.get_by_role("button", name="保存角色").click()
        expect(page.get_by_role("status")).to_contain_text("已保存")
        expect(page.get_by_role("cell", name="厨师")).to_be_visible()
        own_page = page.url
    with connect(Login.LOADER, installation) as loader:
        row = loader.execute("select client_id from identity.application where name = %s", [name]).fetchone()
    assert row is not None
    server.client_id, server.name, server.page = row[0], name, urlsplit(own_page).path
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def cook(site: Site, canteen: Canteen) -> str:
    """Somebody whose group the security administrator gave the role."""
    username, group = site.records.account(RoleCode.LEADER, division_code=CHIKAN), unique("助餐组")
    with visiting(site) as context:
        page = context.new_page()
        sign_in(page, site.records.account(RoleCode.SECURITY_ADMINISTRATOR))
        page.goto("/groups/new")
        page.get_by_label("用户组名称").fill(group)
        page.get_by_role("button", name="保存").click()
        page.get_by_label("按用户名加入").fill(username)
        page.get_by_role("button", name="加入").click()
        page.get_by_role("link", name="应用角色").click()
        page.get_by_role("group", name=canteen.name).get_by_label("厨师").check()
        page.get_by_role("button", name="保存").click()
        expect(page.get_by_role("status")).to_contain_text("已授予")
    return username


@pytest.mark.feature(1)
def test_from_the_application_through_our_form_and_back(site: Site, canteen: Canteen, cook: str) -> None:
    with visiting(site) as context:
        page = context.new_page()
        page.goto(f"{canteen.address}/login")
        expect(page.get_by_role("heading", name="登录")).to_be_visible()
        page.get_by_label("用户名").fill(cook)
        page.get_by_label("密码").fill("wrong")
        page.get_by_label("密码").press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("密码").fill("correct-horse-battery-staple")
        page.get_by_label("密码").press("Enter")
        expect(page.get_by_role("heading", name="欢迎，测试员")).to_be_visible()
        assert page.url.startswith(canteen.address)
        expect(page.get_by_text("cook")).to_be_visible()
        page.goto(f"{canteen.address}/logout")
        page.get_by_role("button", name="退出登录").click()
        expect(page.get_by_role("heading", name="再见")).to_be_visible()
        page.goto("/")
        assert "/sign-in" in page.url


@pytest.mark.feature(1)
def test_one_click_on_the_workbench_and_open_forms_stay_good(site: Site, canteen: Canteen, cook: str) -> None:
    with visiting(site) as context:
        page = context.new_page()
        sign_in(page, cook)
        own = context.new_page()
        own.goto("/me")
        with context.expect_page() as opened:
            page.get_by_role("link", name=canteen.name).click()
        there = opened.value
        expect(there.get_by_role("heading", name="欢迎，测试员")).to_be_visible()
        # From the other site now, with which the browser sends no `strict` cookie.
        with there.expect_navigation(url="**/callback**"):
            there.get_by_role("link", name="再次登录").click()
        expect(there.get_by_role("heading", name="欢迎，测试员")).to_be_visible()
        own.get_by_label("职务").fill("主任")
        own.get_by_role("button", name="保存").click()
        expect(own.get_by_role("status")).to_contain_text("已保存")


@pytest.mark.feature(4)
def test_somebody_without_a_role_is_told_why(site: Site, canteen: Canteen) -> None:
    context = site.browser.new_context(base_url=site.address, ignore_https_errors=True, locale="zh-CN")
    page = context.new_page()
    sign_in(page, site.records.account(RoleCode.LEADER, division_code=CHIKAN))
    expect(page.get_by_role("heading", name="应用")).to_be_visible()
    expect(page.get_by_role("link", name=canteen.name)).to_have_count(0)
    page.goto(f"{canteen.address}/login")
    expect(page.get_by_text("不能进入该应用")).to_be_visible()
    context.close()


@pytest.mark.feature(4)
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_pages_fit(site: Site, canteen: Canteen, viewport: dict[str, int]) -> None:
    def fits(page: Page) -> bool:
        return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))

    with visiting(site, viewport) as context:
        page = context.new_page()
        sign_in(page, site.records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        for path in ("/applications/list", "/applications/new", canteen.page):
            page.goto(path)
            assert fits(page), path
