"""The overview cockpit in a real browser, on the release that the pipeline published from the demo's data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, Playwright, expect, sync_playwright

from huiyang.database import Login, connect
from huiyang.settings import PROJECT_ROOT, Settings
from tests.cockpit_server import CockpitServer, Visit, run_in_superset, serve, visit

BOARD = "/superset/dashboard/overview/"
WALL = f"{BOARD}?standalone=2&show_filters=0"
SIZES = {"wall": (1920, 1080), "desk": (1366, 768), "phone": (390, 844)}
#: Latin letters that a Chinese page may show: standards, codes, file types.
LATIN_ALLOWED = re.compile(r"GCJ-02|PDF|CSV|Excel")


@pytest.fixture(scope="module")
def cockpit(released_installation: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CockpitServer]:
    with serve(released_installation, tmp_path_factory.mktemp("superset") / "gunicorn.log") as server:
        yield server


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as instance:
        yield instance


def charts_of(part: str) -> list[str]:
    """Titles of the charts that the board's definition shows, in its order."""
    assets = PROJECT_ROOT / "cockpits" / "assets"
    names = re.findall(r"chart: (\w+)", str(_board()[part]).replace("'", ""))
    return [yaml.safe_load((assets / "charts" / f"{name}.yaml").read_text(encoding="utf-8"))["title"] for name in names]


def _board() -> dict[str, object]:
    path = PROJECT_ROOT / "cockpits" / "assets" / "dashboards" / "overview.yaml"
    board: dict[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return board


def assert_every_chart_is_drawn(page: Page, titles: list[str]) -> None:
    """No card is missing, empty or an error; every canvas has more than its ground on it."""
    shown = page.locator("[data-test=chart-grid-component]").evaluate_all(
        "cards => cards.map(card => card.getAttribute('data-test-chart-name'))"
    )
    assert sorted(shown) == sorted(titles)
    for title in titles:
        card = page.locator(f'[data-test-chart-name="{title}"]')
        assert card.locator('[role="alert"], .ant-empty, .hy-empty').count() == 0, title
        if card.locator("canvas").count():
            card.scroll_into_view_if_needed()
            colours = card.locator("canvas").first.evaluate(
                "canvas => new Set(new Uint32Array(canvas.getContext('2d')"
                ".getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"
            )
            assert colours > 20, f"{title} is blank"
        else:
            assert card.locator(".handlebars").inner_text().strip(), title


def assert_nothing_is_cut_off(page: Page) -> None:
    """No text of our templates is wider or higher than its place."""
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.handlebars [class^="hy-"]')]
        .filter(e => e.children.length === 0 && e.textContent.trim() && e.getBoundingClientRect().width > 0)
        .filter(e => {
            const card = e.closest('.dashboard-component-chart-holder').getBoundingClientRect();
            const box = e.getBoundingClientRect();
            const ownWidth = e instanceof HTMLElement && getComputedStyle(e).display !== 'inline';
            return ownWidth && e.scrollWidth > e.clientWidth + 1
                || box.right > card.right + 1 || box.bottom > card.bottom + 1 || box.left < card.left - 1;
        })
        .map(e => e.getAttribute('class') + ': ' + e.textContent)"""
    )
    assert cut == []


def assert_nothing_went_wrong(seen: Visit) -> None:
    assert seen.errors == []
    assert seen.outside == []


def visible_texts(page: Page) -> set[str]:
    """Every text, tooltip and placeholder on the page."""
    return set(
        page.evaluate(
            """() => {
            const texts = [];
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const node = walker.currentNode;
                if (!['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(node.parentElement.tagName)) texts.push(node.textContent);
            }
            for (const element of document.querySelectorAll('[title], [placeholder]'))
                texts.push(element.getAttribute('title') || '', element.getAttribute('placeholder') || '');
            return texts.map(text => text.trim()).filter(text => text);
        }"""
        )
    )


def assert_everything_is_chinese(page: Page) -> None:
    english = {text for text in visible_texts(page) if re.search(r"[A-Za-z]{2,}", LATIN_ALLOWED.sub("", text))}
    assert english == set()


def chinese_count(number: int) -> str:
    """As the board shows it: whole below ten thousand, else in 万 with at most two decimals."""
    if number < 10_000:
        return f"{number:,}"
    return f"{int(number / 100 + 0.5) / 100:,.2f}".rstrip("0").rstrip(".") + "万"


def without_spaces(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.feature(15)
@pytest.mark.parametrize("size", SIZES)
def test_the_board_is_whole_in_every_size(cockpit: CockpitServer, playwright: Playwright, size: str) -> None:
    with visit(playwright, cockpit, WALL if size == "wall" else BOARD, size=SIZES[size]) as seen:
        seen.wait_for_board()
        seen.screenshot(f"overview-{size}", full_page=size != "wall")
        if size == "phone":
            assert "/overview-phone/" in seen.page.url
        assert_every_chart_is_drawn(seen.page, charts_of("phone" if size == "phone" else "layout"))
        assert_nothing_is_cut_off(seen.page)
        assert_everything_is_chinese(seen.page)
        assert_nothing_went_wrong(seen)
        if size == "wall":
            bottom = seen.page.locator('[data-test-chart-name="当月报警（按类型与办结）"]').bounding_box()
            assert bottom is not None
            assert bottom["y"] + bottom["height"] <= 1080


@pytest.mark.feature(15)
def test_the_figures_are_those_of_the_release(cockpit: CockpitServer, playwright: Playwright) -> None:
    with connect(Login.COCKPIT, cockpit.settings) as connection:
        (elders, institutions, facilities, beds, orders, alarms) = connection.execute(
            "select elder_count, institution_count, facility_count, family_bed_count, order_count, alarm_count"
            " from published.mart_overview_month where unit_type = 'city' and period = '2026-10'"
        ).fetchone()  # type: ignore[misc]
        counties = connection.execute(
            "select unit_name, elder_count from published.mart_overview_month"
            " where unit_type = 'county' and period = '2026-10'"
        ).fetchall()
        (release_id, lane, accepted) = connection.execute(
            "select release_id, lane, accepted from published.current_release"
        ).fetchone()  # type: ignore[misc]
    with visit(playwright, cockpit, WALL) as seen:
        seen.wait_for_board()
        values = [without_spaces(text) for text in seen.page.locator(".hy-kpi-value").all_inner_texts()]
        assert [values[index] for index in (0, 1, 3, 4, 5, 6)] == [
            chinese_count(number) for number in (elders, institutions, facilities, beds, orders, alarms)
        ]
        labels = without_spaces(str(seen.page.locator(".hy-map-wide").text_content()))
        ranking = without_spaces(seen.page.locator(".hy-ranking").inner_text())
        assert len(counties) == 9
        for name, count in counties:
            assert f"{name}{chinese_count(count)}人" in labels
            assert f"{name}{chinese_count(count)}" in ranking
        fills = seen.page.locator(".hy-map-wide .hy-county path").evaluate_all(
            "paths => paths.map(path => getComputedStyle(path).fill)"
        )
        assert len(fills) == 9 and len(set(fills)) == 5, "the counties' shades tell their numbers"
        banner = seen.page.locator(".hy-banner").inner_text()
        assert "2026年10月" in banner
        assert f"版本 {release_id}" in banner
        assert ("快报 · 未审核" if lane == "provisional" else "正式 · 已签发") in banner
        assert ("未达标" in banner) is (not accepted)


@pytest.mark.feature(15)
def test_a_county_can_be_chosen(cockpit: CockpitServer, playwright: Playwright) -> None:
    with connect(Login.COCKPIT, cockpit.settings) as connection:
        (elders,) = connection.execute(
            "select elder_count from published.mart_overview_month where unit_name = '廉江市' and period = '2026-10'"
        ).fetchone()  # type: ignore[misc]
    with visit(playwright, cockpit, BOARD, size=(1600, 1000)) as seen:
        seen.wait_for_board()
        page = seen.page
        page.locator('[data-test="filter-bar__expand-button"]').click()
        page.locator('[data-test="form-item-value"] .ant-select').click()
        page.locator(".ant-select-item-option", has_text="廉江市").click()
        page.locator('[data-test="filter-bar__apply-button"]').click()
        expect(page.locator(".hy-kpi-value").first).to_contain_text(f"{elders:,}", timeout=30_000)
        assert_everything_is_chinese(page)
        assert_nothing_went_wrong(seen)


@pytest.mark.feature(15)
def test_the_definition_of_a_figure_is_at_hand_in_chinese(cockpit: CockpitServer, playwright: Playwright) -> None:
    with visit(playwright, cockpit, BOARD, size=(1600, 1000)) as seen:
        seen.wait_for_board()
        page = seen.page
        assert "期末在册" in str(page.locator(".hy-kpi").first.get_attribute("title"))
        card = page.locator('[data-test-chart-name="年龄结构（按性别）"]')
        card.hover()
        card.get_by_role("button", name="更多选项").click()
        page.get_by_text("查看口径").click()
        expect(card).to_contain_text("【口径】")
        page.locator('[data-test="actions-trigger"]').click()
        expect(page.get_by_text("设置自动刷新")).to_be_visible()
        assert_everything_is_chinese(page)
        assert_nothing_went_wrong(seen)


def test_who_may_see_it(cockpit: CockpitServer, playwright: Playwright) -> None:
    board = cockpit.address(BOARD)
    request = playwright.request.new_context()
    for role, status in [("cockpits", 200), ("cockpit_administration", 200), ("pipelines", 403), ("unheard_of", 403)]:
        answer = request.get(cockpit.address("/api/v1/dashboard/overview"), headers=cockpit.headers(role))
        assert answer.status == status, role
    # Without the front door's secret, or with a wrong one, a name counts for nothing.
    for headers in (
        {},
        {"X-Huiyang-User": "test-cockpits", "X-Huiyang-Roles": "cockpits"},
        cockpit.headers("cockpits") | {"X-Front-Door": "0" * 64},
    ):
        answer = request.get(board, headers=headers, max_redirects=0)
        assert (answer.status, answer.headers.get("location", "")[:16]) == (302, "/cockpits/login/")
    # A role that the app took away is gone with the next request.
    headers = cockpit.headers("cockpits", user="test-moved")
    assert request.get(cockpit.address("/api/v1/dashboard/overview"), headers=headers).status == 200
    moved = headers | {"X-Huiyang-Roles": "pipelines"}
    assert request.get(cockpit.address("/api/v1/dashboard/overview"), headers=moved).status == 403


def test_readers_can_neither_query_nor_change(cockpit: CockpitServer, playwright: Playwright) -> None:
    headers = cockpit.headers("cockpits")
    request = playwright.request.new_context()
    for path in ("/sqllab/", "/explore/", "/databaseview/list/", "/users/list/", "/roles/list/"):
        answer = request.get(cockpit.address(path), headers=headers, max_redirects=0)
        assert answer.status in {302, 403, 404}, path
    for path in ("/api/v1/database/", "/api/v1/sqllab/", "/api/v1/rowlevelsecurity/", "/api/v1/security/users/"):
        assert request.get(cockpit.address(path), headers=headers).status in {403, 404}, path
    token = request.get(cockpit.address("/api/v1/security/csrf_token/"), headers=headers)
    assert token.status in {403, 404}, "no security interface at all"
    answer = request.post(
        cockpit.address("/api/v1/sqllab/execute/"), headers=headers, data={"database_id": 1, "sql": "select 1"}
    )
    assert answer.status in {400, 403, 404}


def test_what_is_done_in_the_browser_is_seen_exported_and_undone(cockpit: CockpitServer, tmp_path: Path) -> None:
    result = run_in_superset(cockpit.settings, PROJECT_ROOT / "tests" / "cockpit_changes.py", str(tmp_path))
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["at_first"] == [], "applying leaves no drift"
    assert found["drifted"] == [
        "changed   charts/facility_types",
        "            params.donut: False -> True",
        "            slice_name: '改过的标题' -> '社区养老设施（按类型）'",
        "retired   charts: 退役图表 (`prune` removes it)",
        "by hand   charts: 张三的图表 (left alone)",
    ]
    assert found["exported"] == ["charts/facility_types.yaml"]
    exported = yaml.safe_load((tmp_path / "charts" / "facility_types.yaml").read_text(encoding="utf-8"))
    original = PROJECT_ROOT / "cockpits" / "assets" / "charts" / "facility_types.yaml"
    expected = yaml.safe_load(original.read_text(encoding="utf-8"))
    expected["title"] = "改过的标题"
    expected["params"]["donut"] = False
    assert exported == expected
    assert found["applied"][0] == "changed   charts/facility_types"
    assert found["applied_again"] == []
    assert found["pruned"] == ["charts: 退役图表"]
    assert "张三的图表" in found["titles"], "what somebody made is never touched"
    assert found["at_last"] == []
