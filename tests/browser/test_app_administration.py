"""Accounts, joining and announcements in a real browser, on a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, unique
from tests.browser.test_app_pages import PHONE, Site, sign_in, site

__all__ = ["site"]  # the fixture of the other module
OWN_PASSWORD = "Zhan-Jiang.Hai7"


def assert_fits(page: Page) -> None:
    """Nothing reaches beyond the screen's width."""
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), page.url


def choose_county(page: Page, name: str) -> None:
    page.get_by_label("县区").select_option(label=name)
    expect(page.get_by_label("镇街")).to_be_enabled()


@pytest.mark.feature(2)
def test_a_new_colleague_from_the_first_form_to_the_first_page(site: Site) -> None:
    username = unique("chen")
    with site.page() as page:
        sign_in(page, site.records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        page.get_by_role("navigation", name="主菜单").get_by_role("link", name="账号管理").click()
        page.get_by_role("link", name="新增账号").click()
        page.get_by_label("用户名").fill(username)
        page.get_by_label("姓名").fill("陈小明")
        choose_county(page, "赤坎区")
        page.get_by_role("button", name="新增账号").click()
        password = page.get_by_test_id("one-time-password").inner_text()
    with site.page() as page:
        sign_in(page, site.records.account(RoleCode.SECURITY_ADMINISTRATOR))
        page.goto("/accounts/list")
        page.get_by_label("用户名或姓名").fill(username)
        page.get_by_role("button", name="查询").click()
        page.get_by_role("link", name=username).click()
        page.get_by_label("授予角色").select_option(label="局领导")
        page.get_by_role("button", name="授予", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("已授予")
    with site.page(PHONE) as page:
        sign_in(page, username, password)
        expect(page.get_by_role("heading", level=1, name="修改密码")).to_be_visible()
        assert_fits(page)
        page.get_by_label("当前密码").fill(password)
        page.get_by_label("新密码", exact=True).fill(OWN_PASSWORD)
        page.get_by_label("再输一次新密码").fill(OWN_PASSWORD)
        page.get_by_role("button", name="修改密码").click()
        expect(page.get_by_role("status")).to_contain_text("密码已修改")
        assert_fits(page)
        page.goto("/institutions/list")
        expect(page.get_by_role("heading", level=1, name="养老机构")).to_be_visible()


@pytest.mark.feature(7, 8, 10)
def test_registering_asking_to_join_and_being_let_in(site: Site) -> None:
    username = unique("luo")
    with site.page(PHONE) as page:
        page.goto("/sign-in")
        page.get_by_role("link", name="注册").click()
        assert_fits(page)
        page.get_by_label("用户名").fill(username)
        page.get_by_label("真实姓名").fill("柯小曼")
        page.get_by_label("密码", exact=True).fill(OWN_PASSWORD)
        page.get_by_label("再输一次密码").fill(OWN_PASSWORD)
        page.get_by_role("button", name="注册").click()
        page.get_by_label("密码").fill(OWN_PASSWORD)
        page.get_by_role("button", name="登录").click()
        page.get_by_role("link", name="加入政府部门").click()
        choose_county(page, "赤坎区")
        page.get_by_label("职务").fill("科员")
        assert_fits(page)
        page.get_by_role("button", name="提交申请").click()
        expect(page.get_by_text("待办理", exact=True)).to_be_visible()
        assert_fits(page)
    with site.page() as page:
        sign_in(page, site.records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        page.get_by_role("region", name="待办事项").get_by_role("link", name="申请待办理").click()
        page.get_by_role("link", name="柯小曼").last.click()
        page.get_by_label("通过并授予角色").select_option(label="局领导")
        page.get_by_role("button", name="通过", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("已通过")
    with site.page() as page:
        sign_in(page, username, OWN_PASSWORD)
        expect(page.get_by_text("局领导 · 管辖范围：赤坎区")).to_be_visible()


@pytest.mark.feature(6)
def test_an_announcement_is_written_and_read(site: Site) -> None:
    title = unique("防台风提醒")
    with site.page() as page:
        sign_in(page, site.records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        page.goto("/announcements/new")
        page.get_by_label("标题").fill(title)
        page.get_by_label("正文").fill("请各机构检查门窗。")
        choose_county(page, "赤坎区")
        page.get_by_role("button", name="发布").click()
        expect(page.get_by_role("status")).to_contain_text("已保存")
    with site.page(PHONE) as page:
        sign_in(page, site.records.account(RoleCode.LEADER, division_code=CHIKAN))
        page.get_by_role("region", name="公告通知").get_by_role("link", name=title).click()
        expect(page.get_by_text("请各机构检查门窗。")).to_be_visible()
        assert_fits(page)


def test_every_administrators_page_fits_a_phone_and_has_labels(site: Site) -> None:
    pages = {
        RoleCode.SYSTEM_ADMINISTRATOR: (
            "/accounts/list", "/accounts/new", "/departments/list", "/departments/new", "/resources/list",
            "/resources/new", "/announcements/list", "/announcements/new", "/me", "/me/password", "/me/second-factor",
        ),
        RoleCode.SECURITY_ADMINISTRATOR: ("/accounts/list", "/roles/list", "/roles/new", "/groups/list", "/groups/new"),
    }  # fmt: skip
    unlabelled = (
        "[...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')]"
        ".filter((field) => !field.labels?.length && !field.ariaLabel).map((field) => field.outerHTML)"
    )
    for role, paths in pages.items():
        with site.page(PHONE) as page:
            sign_in(page, site.records.account(role))
            for path in paths:
                page.goto(path)
                assert_fits(page)
                assert page.evaluate(unlabelled) == [], path
