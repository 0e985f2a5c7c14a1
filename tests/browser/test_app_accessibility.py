"""Every page for everybody: with axe-core, on a desk and on a phone, in Chinese, without errors on the console.

Nobody lists the pages. A walk follows the links that each demo account finds, from its menu on; a route that no walk
reaches fails the test, so a new page is looked at as soon as it stands. A page counts as another one where it offers
other fields and acts. `make test` looks at each once, by whoever finds it first; `make test-full` for every account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.routing import APIRoute, APIRouter
from playwright.sync_api import Page, expect

from huiyang.database import Login, connect
from huiyang.secret_store import load_secrets
from huiyang.settings import Settings
from operational_app.main import LISTS, ROUTERS
from pipelines.worker import tell_plans
from tests.app_sample import CHIKAN, PASSWORD, Records, unique
from tests.browser.test_app_pages import Site, serving, sign_in

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
#: Whoever may do most comes first.
ACCOUNTS = (
    "department.manager", "institution.manager", "provider.manager", "system.admin", "security.admin", "audit.admin",
    "data.staff", "operator", "auditor", "city.leader", "county.leader", "zone.leader", "provider.staff",
    "new.colleague",
)  # fmt: skip
#: Routes that show nobody a page, and why.
NO_PAGES = {
    "/divisions": "choices for a search form",
    "/auth/check": "asked by the front door",
    "/favicon.ico": "a picture",
    "/public/counties": "boundaries for the map",
    "/public/institutions/{key:int}/photos/{photo_id:int}/{size}": "a picture",
    "/notifications/unread": "the number of the bell",
    "/periods/{period}/progress": "a part of a page; test_app_periods looks at it",
    "/institutions/{key:int}/photos/{photo_id:int}/{size}": "a picture",
    "/quality/{release_id:int}/reports/{name}": "a file; test_expectations_report looks at it",
    "/c/{given:path}": "leads on; test_app_pages scans codes",
    "/institutions/{key:int}/agreements/{agreement_id:int}/file": "a file",
    "/join/documents/{key:int}": "a file",
    "/join/invitation/{token}": "by a secret that is told once; test_app_invitations follows it",
    "/.well-known/openid-configuration": "for applications, as are these; test_app_openid sees their pages",
    "/oauth/authorize": "leads on",
    "/oauth/jwks": "no page",
    "/oauth/userinfo": "no page",
    "/sign-in/upstream": "leads to the upstream provider, which a demo has none of",
    "/sign-in/upstream/callback": "as above",
    "/me/linked-identity": "as above",
    "/accounts/{key:int}/linked-identity": "as above",
}
#: Latin words that a Chinese user knows by them.
KNOWN_WORDS = frozenset(
    {
        "PDF", "Excel", "HTML", "JPG", "JPEG", "PNG", "MB", "IP", "ID", "OpenID", "Connect", "PKCE", "REST",
        "Chrome", "Linux",
    }
)  # fmt: skip
#: What has a name of its own: accounts, an application, its roles, what an application asks for.
NAMES = frozenset({"auditor", "operator", "canteen", "manager", "cashier", "openid", "profile", "api"})
LOOK = """() => {
    const texts = [document.title];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        if (!parent.closest("script, style, code, .code, textarea") && parent.checkVisibility()) {
            texts.push(walker.currentNode.textContent);
        }
    }
    for (const element of document.querySelectorAll("[placeholder], [aria-label], [title], [alt]")) {
        for (const name of ["placeholder", "aria-label", "title", "alt"]) texts.push(element.getAttribute(name) || "");
    }
    return {texts, wide: document.documentElement.scrollWidth - document.documentElement.clientWidth};
}"""

#: What the keyboard does not reach, or reaches unseen.
KEYBOARD = """() => {
    const missed = [];
    const fields = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
    for (const element of document.querySelectorAll(fields)) {
        if (element.matches(":disabled") || !element.checkVisibility({visibilityProperty: true})) continue;
        const look = () => {
            const style = getComputedStyle(element);
            return [style.outlineStyle, style.boxShadow, style.borderColor, style.backgroundColor].join();
        };
        document.activeElement.blur();
        const before = look();
        element.focus({focusVisible: true});
        if (document.activeElement !== element) missed.push("takes no focus: " + element.outerHTML);
        else if (look() === before) missed.push("focus is not seen: " + element.outerHTML);
    }
    document.activeElement.blur();
    for (const row of document.querySelectorAll("tr[data-href]")) {
        if (!row.querySelector(`a[href="${row.dataset.href}"]`)) missed.push("only a click opens " + row.dataset.href);
    }
    return missed.map((text) => text.slice(0, 200));
}"""


def routes_of(router: APIRouter) -> Iterator[APIRoute]:
    """The routes of a router and of those within it."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif within := getattr(route, "original_router", None):
            yield from routes_of(within)


#: Pattern of an address → how it is recognised, in the order in which the app asks.
PLACES = {
    route.path: route.path_regex for router in ROUTERS for route in routes_of(router) if "GET" in route.methods
} | {f"/{view.key}/list": re.compile(f"^/{view.key}/list$") for view in LISTS}


def place_of(path: str) -> str | None:
    return next((place for place, pattern in PLACES.items() if pattern.match(path)), None)


@dataclass
class Walk:
    """What was looked at so far.

    Attributes:
        reached: places that somebody came to.
        shapes: places with what they offered; each is looked at once.
        findings: what is to be mended.
    """

    site: Site
    reached: set[str] = field(default_factory=set)
    shapes: set[tuple[str, frozenset[str]]] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)

    def take(self, page: Page, *starts: str) -> None:
        """Follows links from `starts`, pictures and data that a page loads too; one address of each place."""
        waiting, known = list(starts), {place_of(urlsplit(start).path) for start in starts}
        while waiting:
            address = waiting.pop(0)
            answer = page.request.get(address, max_redirects=0)
            place = place_of(urlsplit(address).path)
            assert place is not None and answer.status < 400, (address, answer.status)
            self.reached.add(place)
            # A report stands alone, without scripts: tests/browser/test_expectations_report.py looks at it.
            is_report = "sandbox" in answer.headers["content-security-policy"]
            if is_report or not answer.headers.get("content-type", "").startswith("text/html"):
                continue
            html = answer.text()
            shape = (place, frozenset(re.findall(r'<(?:input|select|textarea|button)[^>]* name="(\w+)"', html)))
            if shape not in self.shapes:
                self.shapes.add(shape)
                page.goto(address)
                self.look(page, place)
            for link in re.findall(r'(?:href|src|data-[\w-]+)="([^"#]+)"', html):
                target = urlsplit(urljoin(page.url, link.replace("&amp;", "&")))
                found = place_of(target.path) if target.netloc == urlsplit(page.url).netloc else None
                if found is not None and found not in known:
                    known.add(found)
                    waiting.append(target.path + (f"?{target.query}" if target.query else ""))

    def look(self, page: Page, name: str) -> None:
        """Looks at the page that is open, on a desk and on a phone."""
        page.emulate_media(reduced_motion="reduce")  # colours are there at once
        page.evaluate(AXE)
        for viewport in (DESK, PHONE):
            where = f"{name} at {viewport['width']}"
            found: dict[str, Any] = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
            for violation in found["violations"]:
                if violation["impact"] in ("serious", "critical"):
                    for node in violation["nodes"][:3]:
                        self.findings.append(f"{where}: {violation['id']}: {node['html'][:200]} {_why(node)}")
            seen = page.evaluate(LOOK)
            if seen["wide"] > 0:
                self.findings.append(f"{where}: {seen['wide']} px too wide")
            if words := {word for text in seen["texts"] for word in foreign_words(text)}:
                self.findings.append(f"{where}: {sorted(words)}")
        page.set_viewport_size(DESK)
        self.findings += [f"{name}: {missed}" for missed in page.evaluate(KEYBOARD)]
        self.findings += [f"{name}: {fault}" for fault in self.site.faults]
        self.site.faults.clear()


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for check in (*node["any"], *node["all"], *node["none"]))[:200]


def foreign_words(text: str) -> set[str]:
    """Words of Latin letters alone: no codes, file names, addresses or user names."""
    chunks = re.split(r"[\s　-〿一-鿿＀-￯“”‘’·…—,;()]+", text)
    return {chunk for chunk in chunks if re.fullmatch(r"[A-Za-z]{2,}", chunk)} - KNOWN_WORDS - NAMES


@pytest.fixture(scope="module")
def demo(demo_installation: Settings) -> Iterator[Site]:
    """The demo with a release that has something to mend."""
    records = Records(demo_installation)
    tell_plans(demo_installation)
    with serving(demo_installation) as site, records.release() as release_id:
        with connect(Login.LOADER, demo_installation) as loader:
            (elder,) = loader.execute("select min(id) from elders.elder").fetchone() or (None,)
        records.result(
            "theme_result", release_id=release_id, theme="老人", county_code=CHIKAN, record_count=200,
            error_record_count=1, field_due_count=1000, field_filled_count=999,
        )  # fmt: skip
        records.result(
            "rule_result", release_id=release_id, rule_id="ELD-1", theme="老人", dimension="准确性", severity="error",
            title="身份证号校验不通过", recommendation="核对原件", checked_count=200, violation_count=1,
        )  # fmt: skip
        records.result(
            "violation", release_id=release_id, rule_id="ELD-1", record_table="elder", record_id=elder,
            division_code=CHIKAN, first_seen_on=date(2026, 11, 2),
        )  # fmt: skip
        with connect(Login.INBOX, records.settings) as inbox:
            inbox.execute(
                "insert into inbox.rule values ('ELD-1', '老人', '准确性', 'error', '身份证号校验不通过', '核对。',"
                " '核对原件', '镇街民政部门', 'elder', false) on conflict do nothing"
            )
        records.insert(
            "fix_tasks.fix_task", rule_id="ELD-1", record_table="elder", record_id=elder, owner="镇街民政部门",
            severity="error", division_code=CHIKAN, first_seen_on=date(2026, 11, 2), opened_release_id=release_id,
            opened_at=datetime(2026, 11, 2, tzinfo=UTC), due_on=date(2026, 11, 12),
        )  # fmt: skip
        yield site


def newcomers(records: Records) -> list[str]:
    """Somebody who has not asked to join yet, and somebody whose request came back."""
    returned = records.account()
    with connect(Login.LOADER, records.settings) as loader:
        (account,) = loader.execute("select id from identity.account where username = %s", [returned]).fetchone() or (
            None,
        )
    records.insert(
        "joining.join_request", kind="entity", state="returned", applicant_id=account, applicant_name="测试员",
        division_code=CHIKAN, entity_kind="provider", entity_name=unique("安康服务"), credit_code="91440800MA4UABCD1X",
        legal_person="测试员", address="人民大道 1 号", due_on=date(2026, 12, 1),
    )  # fmt: skip
    return [records.account(), returned]


def walked(demo: Site, *, anew: bool) -> Walk:
    """Takes the walk of every account.

    Args:
        anew: each account looks at everything it finds.
    """
    walk = Walk(demo)
    with demo.page(DESK) as page:
        page.goto("/sign-in")
        walk.take(page, "/sign-in", "/public/institutions")
    password = load_secrets(demo.records.settings.secrets_file)["demo_password"]
    people = [(username, password) for username in ACCOUNTS]
    for username, password in [*people, *((username, PASSWORD) for username in newcomers(demo.records))]:
        if anew:
            walk.shapes.clear()
        with demo.page(DESK) as page:
            sign_in(page, username, password)
            page.wait_for_url("**/")
            walk.take(page, "/", "/me", "/oauth/logout")
    return walk


def test_every_page_is_open_to_everybody(demo: Site) -> None:
    walk = walked(demo, anew=False)
    assert not walk.findings, "\n".join(walk.findings)
    assert set(PLACES) - walk.reached - set(NO_PAGES) == set(), "no link leads there, or no demo account may follow it"
    assert set(NO_PAGES) <= set(PLACES)


@pytest.mark.slow
def test_every_page_as_every_account_sees_it(demo: Site) -> None:
    walk = walked(demo, anew=True)
    assert not walk.findings, "\n".join(walk.findings)


def test_pages_of_errors(demo: Site) -> None:
    walk = Walk(demo)
    with demo.page() as page:
        sign_in(page, "auditor", load_secrets(demo.records.settings.secrets_file)["demo_password"])
        page.wait_for_url("**/")
        for path, status in (("/accounts/list", "403"), ("/elders/999999999", "404"), ("/nothing", "404")):
            page.goto(path)
            demo.expect_fault(status)
            walk.look(page, path)
    assert not walk.findings, "\n".join(walk.findings)


def test_menus_with_the_keyboard(demo: Site) -> None:
    with demo.page() as page:
        sign_in(page, "department.manager", load_secrets(demo.records.settings.secrets_file)["demo_password"])
        page.wait_for_url("**/")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        user = page.get_by_role("button", name=re.compile("刘素云"))
        user.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="个人中心")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("link", name="个人中心")).not_to_be_visible()
        expect(user).to_be_focused()
        page.keyboard.press("Shift+Tab")
        expect(page.get_by_role("link", name=re.compile("消息通知"))).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1, name="消息通知")).to_be_visible()
        page.set_viewport_size(PHONE)
        page.get_by_role("button", name="打开菜单").focus()
        page.keyboard.press("Enter")
        first = page.get_by_role("navigation", name="主菜单").get_by_role("link").first
        expect(first).to_be_visible()
        for _ in range(4):  # over the name of the place, the bell and the user
            page.keyboard.press("Tab")
        expect(first).to_be_focused()


@pytest.mark.feature(1)
def test_the_bell_tells_what_is_unread(demo: Site) -> None:
    records = demo.records
    username = records.account()
    with connect(Login.LOADER, records.settings) as loader:
        (account,) = loader.execute("select id from identity.account where username = %s", [username]).fetchone() or (
            None,
        )
    title = unique("请核对")
    records.insert("workbench.notification", account_id=account, kind="other", title=title, address="/me")
    with demo.page(PHONE) as page:
        sign_in(page, username)
        bell = page.get_by_role("link", name="消息通知，1 条未读")
        bell.click()
        page.get_by_role("button", name=re.compile(title)).click()
        expect(page.get_by_role("heading", level=1, name="个人中心")).to_be_visible()
        expect(page.get_by_role("link", name="消息通知", exact=True)).to_be_visible()
