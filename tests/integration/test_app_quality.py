"""The workbench, the quality pages of a release, report files, demo accounts."""

from __future__ import annotations

import re
from datetime import date

import pytest

from huiyang.database import Login, connect
from huiyang.secret_store import load_secrets
from huiyang.settings import Settings
from operational_app.accounts import DemoAccount, ensure_demo_accounts
from operational_app.demo import ensure_demo_records
from operational_app.identity.models import RoleCode
from operational_app.inbox.queries import report_files
from tests.app_sample import CHIKAN, XIASHAN, XIASHAN_TOWN, ZONE_TOWN, Browser, signed_in, unique

CITY = "440800000000"
THEME = "老人"


@pytest.fixture(scope="module")
def users(app, records):
    """A signed-in browser for each kind of user of the quality pages."""
    return {
        "auditor": signed_in(app, records.account(RoleCode.AUDITOR, division_code=CITY)),
        "county": signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN)),
        "zone": signed_in(app, records.account(RoleCode.LEADER, unit_code="ZJ-JKQ")),
        "system": signed_in(app, records.account(RoleCode.SYSTEM_ADMINISTRATOR)),
    }


@pytest.fixture
def release(records, installation):
    """A release with figures of 赤坎区 and 霞山区, one rule that fails in both, and a report of three files."""
    elders = {code: records.elder(unique("错"), code) for code in (CHIKAN, XIASHAN_TOWN, ZONE_TOWN)}
    with records.release(report_folder=unique("2026-10/")) as release_id:
        for code, filled in ((CHIKAN, 100), (XIASHAN, 99), ("", 50)):
            records.result(
                "theme_result", release_id=release_id, theme=THEME, county_code=code, record_count=10,
                error_record_count=1 if code == XIASHAN else 0, field_due_count=100, field_filled_count=filled,
                record_due_count=12 if code else None, record_present_count=10 if code else None,
            )  # fmt: skip
        for rule_id, severity, count in (("elder.id_number", "error", 3), ("elder.holds", "critical", 0)):
            records.result(
                "rule_result", release_id=release_id, rule_id=rule_id, theme=THEME, dimension="准确性",
                severity=severity, title=f"身份证号校验不通过（{rule_id}）", recommendation="核对身份证原件后更正",
                checked_count=30, violation_count=count,
            )  # fmt: skip
        for code, key in elders.items():
            records.result(
                "violation", release_id=release_id, rule_id="elder.id_number", record_table="elder", record_id=key,
                division_code=code, first_seen_on=date(2026, 11, 2), evidence={},
            )  # fmt: skip
        with connect(Login.INBOX, installation) as inbox:
            folder = inbox.execute(
                "select report_folder from inbox.release_result where release_id = %s", [release_id]
            ).fetchone()[0]
        target = installation.report_dir / folder
        target.mkdir(parents=True)
        for name in ("验收报告.html", "验收报告.pdf", "验收报告.xlsx", "notes.txt"):
            (target / name).write_text("<h1>验收报告</h1>", encoding="utf-8")
        yield release_id, elders


def cells(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_before_the_first_refresh(app, users, records):
    with connect(Login.INBOX, records.settings) as inbox:
        if inbox.execute("select 1 from inbox.release_result").fetchone():
            pytest.skip("another test has refreshed this installation")
    assert "还没有数据质量结果" in users["auditor"].get("/quality").text
    assert "还没有刷新过数据" in users["auditor"].get("/").text


def test_verdicts_and_figures_of_the_newest_release(users, release):
    release_id, _ = release
    page = cells(users["auditor"].get("/quality").text)
    for text in (
        "可发布", "未达标", "2026-10", f"第 {release_id} 版", "正式", "2026-11-01 08:00", "99.99%", "99,999 / 100,000",
        "1.20%", "12 / 1,000",
    ):  # fmt: skip
        assert text in page, text
    assert "老人 完整率 83.00% 249 / 300 项 错误率 3.33% 1 / 30 条 记录 30 已登记 / 应登记 —" in page
    assert "赤坎区 100.00% 100 / 100 0.00% 0 / 10 10 / 12" in page
    assert "未归属 50.00% 50 / 100 0.00% 0 / 10" in page
    assert "身份证号校验不通过（elder.id_number） 错误 老人 准确性 3 核对身份证原件后更正" in page
    assert "elder.holds" not in page, "a rule that holds is not listed"


def test_a_county_sees_its_own_figures_and_records(users, release):
    release_id, elders = release
    page = cells(users["county"].get(f"/quality/{release_id}").text)
    assert "赤坎区 100.00% 100 / 100" in page and "霞山区" not in page and "合计" not in page and "未归属" not in page
    assert "准确性 1 核对身份证原件后更正" in page and "只计管辖范围内的记录" in page
    rule = users["county"].get(f"/quality/{release_id}/rules/elder.id_number").text
    assert f"/elders/{elders[CHIKAN]}" in rule and f"/elders/{elders[XIASHAN_TOWN]}" not in rule
    outside = f"/quality/{release_id}/rules/elder.id_number?county={XIASHAN}"
    assert users["county"].get(outside).status_code == 404


@pytest.fixture
def changes(records, release):
    """Figures of the city, two counties and a reporting unit beside the last period; one has vanished."""
    release_id, _ = release
    for unit, value, verdict in ((CITY, 11_720, "usual"), (CHIKAN, 0, "vanished"), (XIASHAN, 930, "unusual")):
        records.result(
            "figure_change", release_id=release_id, indicator="mart_overview_month.elder_count", title="在册老人数",
            unit_code=unit, value=value, previous=1_000, last_year=500, published=1_200, low=950, high=1_050,
            verdict=verdict,
        )  # fmt: skip
    records.result(
        "figure_change", release_id=release_id, indicator="mart_overview_month.order_count", title="完成工单数",
        unit_code="ZJ-JKQ", value=7, previous=None, last_year=None, published=None, low=None, high=None,
        verdict="unknown",
    )  # fmt: skip
    return release_id


def test_figures_are_shown_beside_those_before(users, changes):
    auditor = users["auditor"]
    assert "有 2 项数字超出常见范围，发布前请核实" in cells(auditor.get(f"/quality/{changes}").text)
    city = cells(auditor.get(f"/quality/{changes}/changes").text)
    assert "霞山区 1 项超出常见范围" in city
    assert "在册老人数 11,720 +10,720 +1072.0% +11,220 +2244.0% +10,520 +876.7% 950 – 1,050 正常" in city
    county = cells(auditor.get(f"/quality/{changes}/changes?unit={CHIKAN}").text)
    assert "在册老人数 0 -1,000 -100.0%" in county and "本期归零" in county
    zone = cells(auditor.get(f"/quality/{changes}/changes?unit=ZJ-JKQ").text)
    assert "完成工单数 7 — — — 历史不足" in zone and "较已发布" not in zone
    assert auditor.get(f"/quality/{changes}/changes?unit=nothing").status_code == 404
    assert auditor.get(f"/quality/{changes + 1}/changes").status_code == 404


def test_a_county_compares_its_own_figures_only(users, changes):
    county = users["county"]
    assert "有 1 项数字超出常见范围" in cells(county.get(f"/quality/{changes}").text)
    page = cells(county.get(f"/quality/{changes}/changes").text)
    assert "本期归零" in page and "11,720" not in page and "霞山区" not in page
    for unit in (CITY, XIASHAN, "ZJ-JKQ"):
        assert county.get(f"/quality/{changes}/changes?unit={unit}").status_code == 404
    zone = cells(users["zone"].get(f"/quality/{changes}/changes").text)
    assert "完成工单数 7" in zone and "11,720" not in zone
    assert users["system"].get(f"/quality/{changes}/changes").status_code == 403


def test_a_reporting_unit_sees_the_records_of_its_towns(users, release):
    release_id, elders = release
    page = users["zone"].get(f"/quality/{release_id}").text
    assert "没有整县数据" in page
    rule = users["zone"].get(f"/quality/{release_id}/rules/elder.id_number").text
    assert f"/elders/{elders[ZONE_TOWN]}" in rule and f"/elders/{elders[XIASHAN_TOWN]}" not in rule


def test_from_a_rule_to_the_record(users, release):
    release_id, elders = release
    auditor = users["auditor"]
    page = auditor.get(f"/quality/{release_id}/rules/elder.id_number?county={XIASHAN}").text
    links = re.findall(r'<a href="(/elders/\d+)">查看记录', page)
    assert set(links) == {f"/elders/{elders[XIASHAN_TOWN]}", f"/elders/{elders[ZONE_TOWN]}"}
    assert auditor.get(links[0]).status_code == 200
    assert auditor.get(f"/quality/{release_id}/rules/elder.id_number?number=2").status_code == 404
    assert auditor.get(f"/quality/{release_id}/rules/nothing").status_code == 404


def test_many_records_are_paged(users, release, records):
    release_id, _ = release
    for key in range(10_000_001, 10_000_121):
        records.result(
            "violation", release_id=release_id, rule_id="elder.id_number", record_table="certificate", record_id=key,
            division_code=CHIKAN, first_seen_on=date(2026, 11, 2),
        )  # fmt: skip
    seen: set[str] = set()
    for number in (1, 2, 3):
        page = users["county"].get(f"/quality/{release_id}/rules/elder.id_number?number={number}").text
        assert f"第 {number} / 3 页" in page
        seen |= set(re.findall(r'<div class="code">(\d+)</div>', page))
    assert len(seen) == 121
    assert "证书" in page, "a record without a page is named all the same"


def test_reports_are_for_auditors(users, release, records, installation):
    release_id, _ = release
    auditor = users["auditor"]
    page = auditor.get(f"/quality/{release_id}").text
    assert page.index("验收报告.html") < page.index("验收报告.pdf") < page.index("验收报告.xlsx")
    assert "notes.txt" not in page and "验收报告.pdf" not in users["county"].get(f"/quality/{release_id}").text
    html = auditor.get(f"/quality/{release_id}/reports/验收报告.html")
    assert html.status_code == 200 and "验收报告" in html.text
    assert "sandbox" in html.headers["content-security-policy"]
    pdf = auditor.get(f"/quality/{release_id}/reports/验收报告.pdf")
    assert pdf.headers["content-type"] == "application/pdf" and "attachment" in pdf.headers["content-disposition"]
    for name in ("notes.txt", "..%2F..%2Fsecrets.json", "secrets.json"):
        assert auditor.get(f"/quality/{release_id}/reports/{name}").status_code == 404
    assert users["county"].get(f"/quality/{release_id}/reports/验收报告.pdf").status_code == 403
    downloads = records.audited(action="report_download", target_id=release_id)[-2:]
    assert [event["details"]["file"] for event in downloads] == ["验收报告.html", "验收报告.pdf"]


def test_a_report_folder_outside_the_reports_shows_nothing(installation, records):
    from operational_app.inbox.models import ReleaseResult

    for folder in ("../..", "/etc", "nowhere", None):
        assert report_files(ReleaseResult(report_folder=folder), installation.report_dir) == []


class TestWorkbench:
    def test_what_a_leader_of_a_county_finds(self, users, release, records):
        records.elder(unique("数"), CHIKAN)
        page = users["county"].get("/").text
        text = cells(page)
        assert "测试员" in text and "局领导 · 管辖范围：赤坎区" in text
        assert "待整改" not in text and "未达标" in text  # leaders mend no records
        assert 'href="/cockpits/superset/dashboard/overview/"' in page and 'href="/dagster/"' not in page
        assert int(re.search(r"在册老人 ([\d,]+) 人", text).group(1).replace(",", "")) >= 1
        for label in ("运营中的养老机构", "机构床位", "家庭养老床位", "未办结报警", "本月完成工单"):
            assert label in text

    def test_figures_are_those_of_the_scope(self, app, records):
        town = "440825001000"
        browser = signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=town))
        for _ in range(3):
            records.elder(unique("徐"), town)
        kept, merged = records.elder(unique("徐"), town), records.elder(unique("徐"), town)
        records.insert(
            "elders.elder_merge", survivor_id=kept, merged_id=merged, merged_at="2026-01-01", reason="同一人"
        )
        records.elder(unique("徐"), town, status="deceased", died_on=date(2025, 1, 1))
        assert "在册老人 4 人" in cells(browser.get("/").text)

    def test_what_an_administrator_finds(self, users):
        page = users["system"].get("/").text
        assert 'href="/dagster/"' in page and 'href="/elders/list"' not in page
        assert "在册老人" not in page and "待办事项" in page

    def test_who_may_open_nothing_is_told_so(self, app, records):
        browser = signed_in(app, records.account(division_code=CITY))
        assert "您的角色目前没有可打开的应用" in browser.get("/").text


class TestDemoAccounts:
    def test_each_account_signs_in_with_the_demo_password(self, app, installation, records):
        records.institution(unique("演示养老院"), CHIKAN)
        records.organization(unique("演示服务商"), CHIKAN, "provider")
        accounts = ensure_demo_accounts(installation)
        assert {account.role_label for account in accounts} == {role.label for role in RoleCode}
        assert {account.scope_label for account in accounts} >= {"湛江市", "赤坎区", "湛江经开区", "平台"}
        password = load_secrets(installation.secrets_file)["demo_password"]
        for account in accounts:
            assert account.password == password
            browser = Browser.of(app)
            assert browser.sign_in(account.username, password).status_code == 303
            assert account.scope_label in browser.get("/").text
        stored = self.stored(installation, accounts)
        assert ensure_demo_accounts(installation) == accounts
        assert self.stored(installation, accounts) == stored, "made again, they are the same"

    @staticmethod
    def stored(installation: Settings, accounts: list[DemoAccount]) -> list[tuple[object, ...]]:
        with connect(Login.LOADER, installation) as app:
            return app.execute(
                "select id, username, password_hash, organization_id from identity.account"
                " where username = any(%s) order by id",
                [[account.username for account in accounts]],
            ).fetchall()

    def test_a_demo_shows_a_request_and_announcements_once(self, app, installation):
        for _ in range(2):
            accounts = ensure_demo_accounts(installation)
            ensure_demo_records(installation)
        password = accounts[0].password
        manager = signed_in(app, "department.manager", password)
        assert manager.get("/joining/list").text.count("罗晓雯") == 1
        newcomer = signed_in(app, "new.colleague", password)
        assert "待办理" in newcomer.get("/join").text
        assert newcomer.get("/elders/list").status_code == 403

    def test_an_installation_that_is_no_demo_has_none(self, app, installation):
        accounts = ensure_demo_accounts(installation)
        browser = Browser.of(app)
        browser.sign_in(accounts[0].username, accounts[0].password)
        assert ensure_demo_accounts(installation.model_copy(update={"demo": False})) == []
        assert browser.get("/").status_code == 302
        assert Browser.of(app).sign_in(accounts[0].username, accounts[0].password).status_code == 401
        assert ensure_demo_accounts(installation) == accounts
        assert Browser.of(app).sign_in(accounts[0].username, accounts[0].password).status_code == 303
