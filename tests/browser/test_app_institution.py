"""An institution's manager at the bed board, with the keyboard and on a phone; every page fits its window."""

from __future__ import annotations

import re
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, id_number, unique
from tests.browser.test_app_pages import DESK, PHONE, Site, sign_in, site

__all__ = ["site"]
NUMBER = id_number(date(1938, 2, 3))


@pytest.fixture(scope="module")
def house(site: Site) -> tuple[str, str]:
    """(address of an institution with a room of two beds, its manager)."""
    key, organization = site.records.institution(unique("颐年院"), CHIKAN)
    building = site.records.insert("institutions.building", institution_id=key, name="甲楼")
    room = site.records.insert("institutions.room", building_id=building, floor=2, name="201")
    for name in ("1床", "2床"):
        site.records.insert(
            "institutions.bed", institution_id=key, room_id=room, kind="nursing", status="free", name=name
        )
    site.records.elder("司徒月娥", CHIKAN, id_number=NUMBER, birth_date=date(1938, 2, 3))
    return f"/institutions/{key}", site.records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


@pytest.mark.feature(100)
@pytest.mark.feature(101)
def test_from_the_board_to_admission_leave_and_back(site: Site, house: tuple[str, str]) -> None:
    address, manager = house
    with site.page() as page:
        sign_in(page, manager)
        page.goto(f"{address}/beds")
        bed = page.get_by_role("link", name=re.compile("1床 空闲"))
        bed.focus()
        page.keyboard.press("Enter")
        page.get_by_role("link", name="办理入住").click()
        page.get_by_label("姓名").fill("司徒月娥")
        page.get_by_label("身份证号").fill(NUMBER)
        page.get_by_label("身份证号").press("Enter")
        expect(page.get_by_text("1938 年生")).to_be_visible()
        assert NUMBER not in page.url
        page.get_by_role("button", name="办理入住").click()
        expect(page.get_by_role("status")).to_have_text("入住已办理。")
        summary = page.locator("summary", has_text="请假外出")
        summary.focus()
        page.keyboard.press("Enter")
        page.locator("#leave-reason").fill("探亲")
        page.get_by_role("button", name="登记请假").click()
        expect(page.get_by_role("status")).to_have_text("请假外出已登记。")
        page.goto(f"{address}/beds")
        expect(page.get_by_role("link", name=re.compile("1床 请假 司徒月娥"))).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("2床 空闲"))).to_be_visible()


@pytest.mark.feature(100)
def test_a_beds_place_is_corrected_on_a_phone(site: Site, house: tuple[str, str]) -> None:
    address, manager = house
    with site.page(PHONE) as page:
        sign_in(page, manager)
        page.goto(f"{address}/beds")
        page.get_by_role("link", name=re.compile("2床 空闲")).click()
        page.get_by_label("楼区", exact=False).fill("松鹤楼")
        page.get_by_label("楼层", exact=False).fill("6")
        fits(page)
        page.get_by_role("region", name="修改信息").get_by_role("button", name="保存").click()
        expect(page.get_by_role("status")).to_have_text("已保存。")
        page.goto(f"{address}/beds")
        expect(page.get_by_role("heading", name="松鹤楼")).to_be_visible()
        expect(page.get_by_role("heading", name="6 层")).to_be_visible()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_fits_and_every_field_has_its_label(
    site: Site, house: tuple[str, str], viewport: dict[str, int]
) -> None:
    address, manager = house
    with site.page(viewport) as page:
        sign_in(page, manager)
        for path in ("", "/beds", "/residents", "/staff", "/profile", "/admission", "/rooms/new", "/staff/new"):
            page.goto(address + path)
            fits(page)
            fields = page.locator("main input:not([type=hidden]), main select, main textarea")
            nameless = fields.evaluate_all(
                "fields => fields.filter(f => !f.labels || !f.labels.length).map(f => f.name)"
            )
            assert nameless == [], path
            doubled = page.locator("main [id]").evaluate_all(
                "nodes => nodes.map(n => n.id).filter((id, i, all) => all.indexOf(id) !== i)"
            )
            assert doubled == [], path
