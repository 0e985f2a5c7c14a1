"""Filling in a filing in real Chromium: saved as it is typed, gone on with elsewhere, pasted from a spreadsheet."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from operational_app.identity.models import RoleCode
from operational_app.web.services import today
from tests.app_sample import unique
from tests.browser.test_app_pages import DESK, PHONE, Site, sign_in, site

__all__ = ["site"]
#: 遂溪县, which no other browser test uses.
SUIXI = "440823000000"


@pytest.fixture(scope="module")
def asked(site: Site) -> tuple[int, int, str, str]:
    """(campaign, filing, the institution's manager, the county's data staff)."""
    _, organization = site.records.institution(unique("遂溪院"), SUIXI)
    manager = site.records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)
    office = site.records.account(RoleCode.DATA_STAFF, division_code=SUIXI)
    due: date = today() + timedelta(days=10)
    with site.page() as page:
        sign_in(page, office)
        page.goto("/collection/new")
        page.get_by_label("期间").fill("2024-05")
        page.get_by_label("截止日期").fill(str(due))
        page.get_by_label("社区养老设施").uncheck()
        page.get_by_role("button", name="开始采集").click()
        expect(page.get_by_role("status")).to_contain_text("采集任务已开始")
        campaign = int(page.url.split("/")[-1].split("?")[0])
        filing = int(str(page.get_by_role("link", name="遂溪院").first.get_attribute("href")).split("/")[-1])
    return campaign, filing, manager, office


def _saved(page: Page) -> None:
    expect(page.locator("[data-saved]")).to_contain_text("已自动保存")


@pytest.mark.feature(98)
def test_saved_as_it_is_typed_and_gone_on_with_elsewhere(site: Site, asked: tuple[int, int, str, str]) -> None:
    _, filing, manager, _ = asked
    address = f"/collection/filings/{filing}"
    with site.page() as page, site.page(PHONE) as phone:
        for one in (page, phone):
            sign_in(one, manager)
            one.goto(address)
        staff = page.locator("#figure-staff_count")
        staff.fill("12")
        staff.press("Tab")
        _saved(page)
        expect(page.locator("[data-confirmed]")).to_have_text("1")
        late = phone.locator("#figure-staff_count")  # a page loaded before
        late.fill("15")
        late.press("Tab")
        expect(phone.locator("[data-row=staff_count]")).to_contain_text("您填写的内容还没有保存")
        expect(late).to_have_value("15")
        phone.locator("#figure-care_worker_count").fill("九个")
        phone.locator("#figure-care_worker_count").press("Tab")
        expect(phone.locator("[data-row=care_worker_count]")).to_contain_text("不是数字")
        site.expect_fault("409")
        site.expect_fault("422")
        page.goto("/collection")
        page.goto(address)
        expect(page.locator("#figure-staff_count")).to_have_value("12")


def test_a_block_from_a_spreadsheet_fills_the_grid(site: Site, asked: tuple[int, int, str, str]) -> None:
    campaign, filing, _, office = asked
    with site.page() as page:
        sign_in(page, office)
        page.goto(f"/collection/{campaign}/grid?subject=institution")
        cell = page.locator(f"[name=cell-{filing}-available_bed_count]")
        cell.focus()
        page.evaluate(
            """name => {
                const data = new DataTransfer();
                data.setData("text/plain", "60\\t52\\r\\n");
                document.querySelector(`[name="${name}"]`).dispatchEvent(
                    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
            }""",
            f"cell-{filing}-available_bed_count",
        )
        expect(page.locator(f"[name=cell-{filing}-resident_count]")).to_have_value("52")
        expect(page.locator("[data-pasted]")).to_contain_text("已填入 2 格")
        page.get_by_role("button", name="检查并保存本页").click()
        expect(page.get_by_text("已保存。")).to_be_visible()
        expect(page.locator(f"[name=cell-{filing}-resident_count]")).to_have_value("52")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_fits_and_every_field_has_its_label(
    site: Site, asked: tuple[int, int, str, str], viewport: dict[str, int]
) -> None:
    campaign, filing, _, office = asked
    with site.page(viewport) as page:
        sign_in(page, office)
        pages = ("", "/new", f"/{campaign}", f"/{campaign}/grid", f"/{campaign}/import", f"/filings/{filing}")
        for path in pages:
            page.goto(f"/collection{path}")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url
            fields = page.locator("main input:not([type=hidden]), main select, main textarea")
            nameless = fields.evaluate_all(
                "fields => fields.filter(f => !f.labels?.length && !f.getAttribute('aria-label')).map(f => f.name)"
            )
            assert nameless == [], page.url
