"""The map of institutions in a real browser: in step with its list, nothing from outside, and without WebGL."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from huiyang.database import Login, connect
from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, unique
from tests.browser.test_app_pages import DESK, PHONE, Site, sign_in, site

__all__ = ["site"]
pytestmark = pytest.mark.feature(98)
#: A town of 赤坎区 in which only this file has canteens.
CANTEENS = "440802003000"


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
    for kind, town, count in (("canteen", CANTEENS, 2), ("station", CANTEENS, 1), ("canteen", "440802002000", 1)):
        for _ in range(count):
            site.records.insert(
                "facilities.facility", name=unique(word), facility_type=kind, facility_level="village",
                division_code=town, status="operating", longitude_wgs84=110.35, latitude_wgs84=21.26,
            )  # fmt: skip
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
        kinds = page.get_by_label("设施类型")
        expect(kinds).to_be_hidden()
        page.get_by_label("社区养老设施").check()
        frame = page.locator("[data-map]")
        expect(frame).to_have_attribute("data-facilities-drawn", re.compile("[1-9]"))
        before = int(frame.get_attribute("data-facilities-drawn") or "")
        kinds.select_option(label="长者饭堂")
        page.get_by_label("设施所在镇街").select_option(CANTEENS)
        expect(frame).to_have_attribute("data-facilities-drawn", "2")
        assert before > 2
        expect(page.get_by_text("2 处有位置的设施")).to_be_visible()
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


@pytest.mark.parametrize(("viewport", "typed"), [(DESK, "110.3611"), (PHONE, "110.3644")], ids=["desk", "phone"])
def test_a_tap_on_the_small_map_fills_the_position(site: Site, viewport: dict[str, int], typed: str) -> None:
    key, organization = site.records.institution(unique("临海居"), CHIKAN)
    manager = site.records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)
    with site.page(viewport) as page:
        sign_in(page, manager)
        page.goto(f"/institutions/{key}/profile")
        small = page.locator("[data-position-map]")
        expect(small).to_have_attribute("data-ready", "1", timeout=20_000)
        expect(page.get_by_text("还没有位置")).to_be_visible()
        longitude, latitude = page.get_by_label("经度"), page.get_by_label("纬度")
        page.get_by_label("坐标来源").select_option("gcj02")
        small.locator("canvas").click()
        expect(page.locator(".maplibregl-marker")).to_have_attribute("aria-label", "所填位置")
        x, y = float(longitude.input_value()), float(latitude.input_value())
        # The middle of the frame is the middle of the county.
        assert abs(x - 110.36) < 0.1 and abs(y - 21.27) < 0.1
        assert page.get_by_label("坐标来源").input_value() == "wgs84"
        # The keyboard: numbers move the marker; the map's middle can be taken with a button.
        longitude.fill(typed)
        longitude.press("Tab")
        expect(small).to_have_attribute("data-marked", f"{typed},{y:.6f}".rstrip("0"))
        page.get_by_label("坐标来源").select_option("gcj02")
        expect(small).to_have_attribute("data-marked", "")
        centre = page.get_by_role("button", name="以地图中心为位置")
        centre.focus()
        page.keyboard.press("Enter")
        expect(longitude).to_have_value(f"{typed}00")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_role("button", name="保存", exact=True).click()
        expect(page.get_by_text("已保存。")).to_be_visible()
        expect(page.get_by_label("经度")).to_have_value(typed)


def test_without_webgl_the_numbers_are_enough(site: Site) -> None:
    key, organization = site.records.institution(unique("观潮居"), CHIKAN)
    manager = site.records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)
    with site.page() as page:
        page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        sign_in(page, manager)
        page.goto(f"/institutions/{key}/profile")
        expect(page.locator("[data-position-map]")).to_be_hidden()
        page.get_by_label("经度").fill("110.3577")
        page.get_by_label("纬度").fill("21.2707")
        page.get_by_role("button", name="保存", exact=True).click()
        expect(page.get_by_text("已保存。")).to_be_visible()
