"""The audit administrator at work in a real browser, on a desk and on a phone."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from operational_app.audit.heads import HeadFile
from operational_app.audit.sealing import Sealer, sealer_connection
from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN
from tests.browser.test_app_administration import assert_fits
from tests.browser.test_app_pages import PHONE, Site, sign_in, site

__all__ = ["site"]  # the fixture of the other module


def test_from_a_leader_s_look_to_the_auditor_s_finding(site: Site, tmp_path: Path) -> None:
    leader = site.records.account(RoleCode.DATA_STAFF, division_code=CHIKAN)
    elder = site.records.elder("公孙大娘", CHIKAN)
    with site.page() as page:
        sign_in(page, leader)
        page.goto(f"/elders/{elder}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("公孙大娘")
        page.goto("/elders/list")
        page.goto("/audit/list")
        expect(page.get_by_role("heading", level=1)).to_contain_text("没有权限")
        site.expect_fault("403")
    heads = HeadFile(site.records.settings.audit_heads)
    heads.path.parent.mkdir(exist_ok=True)
    with sealer_connection(site.records.settings) as connection:
        Sealer(connection, heads).run_pass()
    with site.page() as page:
        sign_in(page, site.records.account(RoleCode.AUDIT_ADMINISTRATOR))
        page.get_by_role("navigation", name="主菜单").get_by_role("link", name="审计日志").click()
        page.get_by_label("人员").fill(leader)
        page.get_by_role("button", name="查询").click()
        rows = page.get_by_role("table").get_by_role("row")
        expect(rows).to_have_count(5)  # the head, refused, list, file, sign-in
        expect(rows.nth(1)).to_contain_text("访问页面")
        expect(rows.nth(1)).to_contain_text("拒绝")
        expect(rows.nth(3)).to_contain_text(f"老人 {elder}")
        with page.expect_download() as download:
            page.get_by_role("button", name="导出当前结果").click()
        file = tmp_path / "audit.csv"
        download.value.save_as(file)
        assert file.read_text("utf-8-sig").count(leader) == 4 and "公孙大娘" not in file.read_text("utf-8-sig")
        assert download.value.suggested_filename.startswith("审计日志-")
        rows.nth(2).get_by_role("link").click()
        expect(page.get_by_text("一致", exact=True)).to_be_visible()
        assert_fits(page)
    with site.page(PHONE) as page:
        sign_in(page, site.records.account(RoleCode.AUDIT_ADMINISTRATOR))
        page.goto("/audit/list")
        assert_fits(page)
        page.get_by_role("table").get_by_role("link").first.click()
        expect(page.get_by_role("heading", level=2, name="封存")).to_be_visible()
        assert_fits(page)
