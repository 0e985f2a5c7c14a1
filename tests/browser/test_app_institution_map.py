"""The map of institutions in a real browser: in step with its list, nothing from outside, and without WebGL."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from huiyang.database import Login, connect
from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, unique
from tests.browser.test_app_pages import DESK, PHONE, Site, sign_in, site

__all__ = ["site"]
pytestmark = pytest.mark.feature(98)


@pytest.fixture(scope="module")
def word(site: Site) -> str:
    """A word in the names of three institutions; two have a position, of these one a free bed."""
    word = unique("海风")
    for place, bed in ((110.36, "free"), (110.38, "maintenance"), (None, "free")):
        key, organization = site.records.institution(unique(word), CHIKAN)
        site.records.bed(key, status=bed)
        with connect(Login.LOADER, site.records.settings) as loader:
            loader.execute(
                "update organizations.organization set longitude_wgs84 = %s, latitude_wgs84 = %s where id = %s",
                [place, place and 21.27, organization],
            )
    return word


@pytest.fixture(scope="module")
def leader(site: Site) -> str:
    return site.records.account(RoleCode.LEADER, division_code=CHIKAN)


def drawn(page: Page, count: int) -> None:
    expect(page.locator("[data-map]")).to_have_attribute("data-drawn", str(count), timeout=20_000)


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_map_and_the_list_are_in_step(site: Site, word: str, leader: str, viewport: dict[str, int]) -> None:
    with site.page(viewport) as page:
        sign_in(page, leader)
        page.goto(f"/map?name={word}")
        drawn(page, 2)
        cards = page.locator("[data-institution]")
        expect(cards).to_have_count(3)
        expect(page.locator("canvas")).to_be_visible()
        page.get_by_label("只看有空床").check()
        expect(cards).to_have_count(2)
        drawn(page, 1)
        assert "vacancy=1" in page.url
        show = page.get_by_role("button", name="在地图上看")
        show.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".maplibregl-popup")).to_contain_text("空床 1 张")
        page.get_by_label("社区养老设施").check()
        page.get_by_label("机构名称").fill("没有这家")
        page.keyboard.press("Enter")
        expect(page.get_by_text("没有符合条件的机构")).to_be_visible()
        drawn(page, 0)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_public_page_works_for_a_stranger_on_a_phone(site: Site, word: str) -> None:
    with site.page(PHONE) as page:
        page.goto("/public/institutions")
        page.get_by_label("机构名称").fill(word)
        page.keyboard.press("Enter")
        expect(page.locator("[data-institution]")).to_have_count(3)
        drawn(page, 2)
        page.locator("[data-institution] a").first.click()
        expect(page.get_by_role("heading", name="收费标准")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_without_webgl_the_list_still_answers(site: Site, word: str, leader: str) -> None:
    with site.page() as page:
        page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        sign_in(page, leader)
        page.goto(f"/map?name={word}")
        expect(page.get_by_text("不支持地图显示")).to_be_visible()
        page.get_by_label("只看有空床").check()
        expect(page.locator("[data-institution]")).to_have_count(2)
