"""The overview cockpit with a city's figures, with a signed release and with none: what the demo's data cannot show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, sync_playwright

from huiyang.database import Login, connect
from huiyang.settings import Settings
from tests import published_sample
from tests.browser.test_overview_cockpit import (
    SIZES,
    WALL,
    assert_every_chart_is_drawn,
    assert_everything_is_chinese,
    assert_nothing_is_cut_off,
    assert_nothing_went_wrong,
    charts_of,
)
from tests.cockpit_server import CockpitServer, serve, visit
from tests.conftest import running_server
from tests.published_sample import Sample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cockpit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CockpitServer]:
    folder = tmp_path_factory.mktemp("city")
    with (
        running_server(Settings(home=folder / "home", postgres_admin_url=None)) as settings,
        serve(settings, folder / "gunicorn.log") as server,
    ):
        yield server


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as instance:
        yield instance


@pytest.mark.parametrize("size", SIZES)
def test_a_city_fits_in(cockpit: CockpitServer, playwright: Playwright, size: str) -> None:
    published_sample.load(cockpit.settings, Sample())
    with visit(playwright, cockpit, WALL, size=SIZES[size]) as seen:
        seen.wait_for_board()
        seen.screenshot(f"overview-city-{size}", full_page=size == "phone")
        assert_every_chart_is_drawn(seen.page, charts_of("phone" if size == "phone" else "layout"))
        assert_nothing_is_cut_off(seen.page)
        assert_everything_is_chinese(seen.page)
        assert_nothing_went_wrong(seen)
        assert seen.page.locator(".hy-kpi-value").first.inner_text() == "146万"
        assert "正式 · 已签发" in seen.page.locator(".hy-banner").inner_text()


def test_a_new_release_is_shown_at_once_and_an_old_one_again_after_a_rollback(
    cockpit: CockpitServer, playwright: Playwright
) -> None:
    for sample, elders in [
        (Sample(), "146"),
        (Sample(elders=1_480_000, release_id=18, lane="provisional", accepted=False), "148"),
        (Sample(), "146"),
    ]:
        published_sample.load(cockpit.settings, sample)
        with visit(playwright, cockpit, WALL) as seen:
            seen.wait_for_board()
            assert seen.page.locator(".hy-kpi-value").first.inner_text() == f"{elders}万"
            banner = seen.page.locator(".hy-banner").inner_text()
            assert ("快报 · 未审核" in banner) is (sample.lane == "provisional")
            assert ("未达标" in banner) is (not sample.accepted)
            assert ("完整率 100%" in banner) is sample.accepted
            assert_nothing_went_wrong(seen)


def test_a_board_without_data_says_so(cockpit: CockpitServer, playwright: Playwright) -> None:
    published_sample.load(cockpit.settings, Sample(release_id=19))
    with connect(Login.BUILD, cockpit.settings) as connection:
        for mart in (
            "overview_month",
            "elder_month",
            "care_mode_month",
            "facility_month",
            "alarm_month",
            "quality_month",
        ):
            connection.execute(f"truncate published.mart_{mart}")
    with visit(playwright, cockpit, WALL) as seen:
        seen.wait_for_board()
        seen.screenshot("overview-empty")
        for title in charts_of("layout"):
            if title not in {"版本横幅", "各县（市、区）老人分布"}:
                card = seen.page.locator(f'[data-test-chart-name="{title}"]')
                assert "暂无数据" in card.inner_text(), title
        assert_everything_is_chinese(seen.page)
        assert_nothing_went_wrong(seen)


def test_before_the_first_release_nothing_breaks(
    cockpit: CockpitServer, playwright: Playwright, tmp_path: Path
) -> None:
    with connect(Login.BUILD, cockpit.settings) as connection:
        connection.execute("drop schema published cascade")
    with visit(playwright, cockpit, WALL) as seen:
        seen.wait_for_board()
        seen.screenshot("overview-before-first-release")
        assert "尚未发布任何版本" in seen.page.locator('[data-test-chart-name="各县（市、区）老人分布"]').inner_text()
        assert seen.outside == []
        assert_everything_is_chinese(seen.page)
