"""数据补录: what a refresh finds becomes tasks of the records' owners; the next one closes them or sends them back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from expectations.rule import Owner, Theme
from huiyang.database import Login, connect
from huiyang.server import admin_connect
from operational_app.core.row_security import whole_city
from operational_app.fix_tasks.models import OWNERS
from operational_app.fix_tasks.notices import remind_of_fixes
from operational_app.fix_tasks.verification import take_up
from operational_app.identity.models import RoleCode
from operational_app.inbox.queries import THEMES
from operational_app.main import create_app
from operational_app.web.database import AppDatabase
from pipelines.worker import tell_plans
from tests.app_sample import CHIKAN, XIASHAN, ZONE_TOWN, Records, id_number, signed_in, unique
from tests.integration.test_app_notifications import titles

PHONE, HOURS = "ELD-REQ-phone_status", "ORD-09"
TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
_RULES = {
    PHONE: ("老人", "完整性", "warning", "老人缺联系电话", "镇街民政部门", "elder", False),
    "STF-REQ-phone": ("人员", "完整性", "warning", "工作人员缺联系电话", "所属组织", "staff", False),
    "BED-03": ("养老机构", "一致性", "error", "床位状态与入住不符", "养老机构", "bed", False),
    HOURS: ("上门服务", "准确性", "error", "服务时长异常", "服务商", "service_order", True),
}


@pytest.fixture(scope="module")
def records(own_installation):
    tell_plans(own_installation)
    with connect(Login.INBOX, own_installation) as inbox:
        for rule_id, (theme, dimension, severity, title, owner, table, of_period) in _RULES.items():
            inbox.execute(
                "insert into inbox.rule values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [rule_id, theme, dimension, severity, title, f"{title}。", "补录或更正。", owner, table, of_period],
            )
    return Records(own_installation)


@pytest.fixture(scope="module")
def app(records):
    return create_app(records.settings)


@pytest.fixture(scope="module")
def database(records):
    found = AppDatabase(records.settings)
    yield found
    found.close()


class Refresh:
    """What refreshes found, one after the other."""

    def __init__(self, records, database):
        self.records, self.database = records, database

    def __call__(self, *found, period="2026-10", as_of=NOW, at=NOW, did_not_run=()):
        """Delivers a release that found (rule, table, key, division), and takes it up. Returns its number."""
        with connect(Login.INBOX, self.records.settings) as inbox:
            (key,) = inbox.execute("select coalesce(max(release_id), 0) + 1 from inbox.release_result").fetchone()
        self.records.result(
            "release_result", release_id=key, period=period, lane="official", state="candidate", as_of=as_of,
            published_at=None, publishable=True, accepted=False, completeness_numerator=1, completeness_denominator=2,
            error_numerator=0, error_denominator=1,
        )  # fmt: skip
        for rule_id, rule in _RULES.items():
            theme, dimension, severity, title, *_ = rule
            self.records.result(
                "rule_result", release_id=key, rule_id=rule_id, theme=theme, dimension=dimension, severity=severity,
                title=title, recommendation="", checked_count=9, violation_count=0, ran=rule_id not in did_not_run,
            )  # fmt: skip
        for rule_id, table, record_id, division in found:
            self.records.result(
                "violation", release_id=key, rule_id=rule_id, record_table=table, record_id=record_id,
                division_code=division, first_seen_on=date(2026, 10, 31),
            )  # fmt: skip
        assert take_up(self.database, at) == [key]
        return key


@pytest.fixture(scope="module")
def refresh(records, database):
    return Refresh(records, database)


def task(records, rule_id, record_id):
    with connect(Login.LOADER, records.settings, row_factory=psycopg.rows.dict_row) as loader:
        return loader.execute(
            "select * from fix_tasks.fix_task where rule_id = %s and record_id = %s", [rule_id, record_id]
        ).fetchone()


def moves(records, key):
    with connect(Login.LOADER, records.settings) as loader:
        rows = loader.execute("select act from fix_tasks.fix_event where task_id = %s order by id", [key])
        return [act for (act,) in rows]


def counts(records, release_id):
    with connect(Login.LOADER, records.settings) as loader:
        return loader.execute(
            "select opened, found_again, closed from fix_tasks.verification where release_id = %s", [release_id]
        ).fetchone()


@pytest.fixture
def elder(records):
    return records.elder("林大海", CHIKAN, id_number=id_number())


@pytest.fixture(scope="module")
def clerk(app, records):
    return signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=CHIKAN))


@pytest.fixture(scope="module")
def city_clerk(app, records):
    return signed_in(app, records.account(RoleCode.DATA_STAFF, division_code="440800000000"))


@pytest.fixture(scope="module")
def manager_name(records):
    return records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN)


def answer(browser, found, **changed):
    form = {"note": "已补录联系电话", "row_version": found["row_version"]} | changed
    return browser.post(f"/fix-tasks/{found['id']}/answer", form, form_on="/me")


@pytest.mark.feature(22)
class TestLoop:
    def test_found_answered_and_verified(self, records, refresh, clerk, city_clerk, elder):
        first = refresh((PHONE, "elder", elder, CHIKAN))
        found = task(records, PHONE, elder)
        assert (found["state"], found["due_on"], found["organization_id"]) == ("open", TODAY + timedelta(30), None)
        assert counts(records, first)[0] == 1
        assert "老人缺联系电话" in clerk.get("/fix-tasks/list?state=open").text
        page = clerk.get(f"/fix-tasks/{found['id']}").text
        assert f'href="/elders/{elder}"' in page and "镇街民政部门" in page and "2026-12-24" in page
        assert answer(clerk, found).status_code == 303
        assert task(records, PHONE, elder)["state"] == "answered"
        second = refresh()
        after = task(records, PHONE, elder)
        assert (after["state"], after["closed_at"]) == ("closed", NOW) and counts(records, second)[2] == 1
        assert moves(records, found["id"]) == ["found", "answered", "closed"]
        assert f"第 {second} 版数据" in clerk.get(f"/fix-tasks/{found['id']}").text
        assert (
            "新发出 0 条任务，核验未通过 0 条，核销 1 条；之后尚有 0 条未核销"
            in city_clerk.get(f"/quality/{second}").text
        )
        assert "核销" not in clerk.get(f"/quality/{second}").text  # the whole city's counts

    def test_what_was_not_mended_comes_back(self, records, refresh, clerk, elder):
        broken = (PHONE, "elder", elder, CHIKAN)
        refresh(broken)
        answer(clerk, task(records, PHONE, elder))
        later = NOW + timedelta(days=10)
        release_id = refresh(broken, at=later)
        found = task(records, PHONE, elder)
        assert (found["state"], found["found_again"]) == ("open", 1)
        assert found["due_on"] == TODAY + timedelta(40) and counts(records, release_id)[1] == 1
        assert "核验未通过" in clerk.get(f"/fix-tasks/{found['id']}").text
        refresh()
        refresh(broken)
        assert moves(records, found["id"]) == ["found", "answered", "found_again", "closed", "returned"]
        refresh()

    def test_it_also_closes_what_nobody_answered(self, records, refresh, elder):
        refresh((PHONE, "elder", elder, CHIKAN))
        refresh()
        assert task(records, PHONE, elder)["state"] == "closed"

    def test_a_release_is_taken_up_once(self, refresh, database, elder):
        refresh((PHONE, "elder", elder, CHIKAN))
        assert take_up(database, NOW) == []
        refresh()

    def test_an_older_period_says_nothing_of_standing_records(self, records, refresh, elder):
        refresh((PHONE, "elder", elder, CHIKAN))
        refresh(period="2025-03")
        assert task(records, PHONE, elder)["state"] == "open"
        other = records.elder("陈小明", CHIKAN, id_number=id_number())
        refresh((PHONE, "elder", elder, CHIKAN), (PHONE, "elder", other, CHIKAN), period="2025-03")
        assert task(records, PHONE, other) is None
        refresh()

    def test_a_record_of_a_period_is_verified_by_refreshes_of_that_period_only(self, records, refresh):
        provider = records.organization(unique("服务商"), CHIKAN, "provider")
        person = records.elder("李四", CHIKAN, id_number=id_number())
        order = records.order(person, provider, CHIKAN)
        refresh((HOURS, "service_order", order, CHIKAN), period="2026-09")
        found = task(records, HOURS, order)
        assert (found["period_start"], found["period_end"]) == (date(2026, 9, 1), date(2026, 9, 30))
        assert found["organization_id"] == provider
        refresh(period="2026-10")
        assert task(records, HOURS, order)["state"] == "open"
        refresh(
            period="2026-H2", as_of=datetime(2026, 10, 31, tzinfo=UTC), did_not_run=[HOURS]
        )  # covers the month, but did not look
        assert task(records, HOURS, order)["state"] == "open"
        refresh(period="2026-09")
        assert task(records, HOURS, order)["state"] == "closed"

    def test_it_follows_the_record_to_another_county(self, records, refresh, elder):
        refresh((PHONE, "elder", elder, CHIKAN))
        refresh((PHONE, "elder", elder, XIASHAN))
        assert task(records, PHONE, elder)["division_code"] == XIASHAN
        refresh()


@pytest.mark.feature(22)
class TestWhose:
    def test_an_institution_sees_its_own_and_a_neighbour_does_not(self, app, records, refresh):
        name = unique("颐养院")
        institution, organization = records.institution(name, CHIKAN)
        bed = records.bed(institution)
        _, other = records.institution(unique("颐养院"), CHIKAN)
        refresh(("BED-03", "bed", bed, CHIKAN))
        found = task(records, "BED-03", bed)
        assert found["organization_id"] == organization
        manager = signed_in(app, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization))
        neighbour = signed_in(app, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=other))
        page = manager.get(f"/fix-tasks/{found['id']}")
        assert f"/institutions/{institution}/beds/{bed}" in page.text
        listed = manager.get("/fix-tasks/list").text
        assert f"/fix-tasks/{found['id']}" in listed and f"养老机构：{name}" in listed
        assert neighbour.get(f"/fix-tasks/{found['id']}").status_code == 404
        assert f"/fix-tasks/{found['id']}" not in neighbour.get("/fix-tasks/list").text
        assert answer(neighbour, found).status_code == 404
        assert "数据补录待办理" in manager.get("/").text
        refresh()

    def test_another_county_does_not_see_it(self, app, records, refresh, elder):
        refresh((PHONE, "elder", elder, CHIKAN))
        found = task(records, PHONE, elder)
        stranger = signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=XIASHAN))
        assert stranger.get(f"/fix-tasks/{found['id']}").status_code == 404
        leader = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        assert leader.get(f"/fix-tasks/{found['id']}").status_code == 403
        refresh()


class TestAnswer:
    def test_it_needs_a_word_and_the_newest_form(self, records, refresh, clerk, elder):
        refresh((PHONE, "elder", elder, CHIKAN))
        found = task(records, PHONE, elder)
        silent = answer(clerk, found, note="  ")
        assert silent.status_code == 422 and "请写明做了什么" in silent.text
        long = answer(clerk, found, note="长" * 501)
        assert long.status_code == 422 and "说明最多 500 字" in long.text and "长" * 501 in long.text
        stale = answer(clerk, found, row_version=found["row_version"] + 5)
        assert stale.status_code == 422 and "刚被他人修改" in stale.text
        assert answer(clerk, found).status_code == 303
        again = answer(clerk, task(records, PHONE, elder))
        assert again.status_code == 422 and "这条任务已是“待核验”" in again.text
        refresh()

    def test_many_at_once_leave_what_is_no_longer_open(self, records, refresh, clerk):
        people = [records.elder("周全", CHIKAN, id_number=id_number()) for _ in range(3)]
        refresh(*((PHONE, "elder", person, CHIKAN) for person in people))
        found = [task(records, PHONE, person) for person in people]
        answer(clerk, found[0])
        form = {"id": [str(one["id"]) for one in found], "note": "已按名册补录", "query": "state=open&skip=25"}
        done = clerk.post("/fix-tasks/answer", form, form_on="/me")
        assert done.headers["location"] == "/fix-tasks/list?state=open&answered=2"
        assert "已报告处理 2 条" in clerk.get(done.headers["location"]).text
        assert {task(records, PHONE, person)["state"] for person in people} == {"answered"}
        none = clerk.post("/fix-tasks/answer", {"note": "已处理"}, form_on="/me")
        assert none.status_code == 422 and "请先勾选任务" in none.text
        refresh()


class TestWaiver:
    @pytest.fixture
    def found(self, records, refresh, elder):
        refresh((PHONE, "elder", elder, CHIKAN))
        yield task(records, PHONE, elder)
        refresh()

    def ask(self, browser, found, until=TODAY + timedelta(90), reason="老人不使用电话"):
        form = {"reason": reason, "until": str(until), "row_version": found["row_version"]}
        return browser.post(f"/fix-tasks/{found['id']}/waiver", form, form_on="/me")

    def decide(self, browser, found, decision, reason=""):
        form = {"decision": decision, "reason": reason}
        return browser.post(f"/fix-tasks/{found['id']}/waiver/decision", form, form_on="/me")

    def test_a_second_person_grants_it_and_it_ends(
        self, app, records, refresh, database, clerk, found, manager_name, elder
    ):
        manager = signed_in(app, manager_name)
        assert self.ask(clerk, found).status_code == 303
        assert any("申请豁免" in title for title in titles(records, manager_name))
        assert self.decide(clerk, found, "granted").status_code == 403  # has not the right
        assert "同意" in manager.get(f"/fix-tasks/{found['id']}").text
        assert self.decide(manager, found, "granted").status_code == 303
        assert task(records, PHONE, elder)["state"] == "waived"
        late = self.decide(manager, found, "refused", "不妥")
        assert late.status_code == 422 and "没有待审批的豁免申请" in late.text
        refresh((PHONE, "elder", elder, CHIKAN))
        assert task(records, PHONE, elder)["state"] == "waived"  # found as before, and nobody is asked
        with database.transaction(whole_city(all_accounts=True)) as session:
            remind_of_fixes(session, TODAY + timedelta(91))
        after = task(records, PHONE, elder)
        assert (after["state"], after["due_on"]) == ("open", TODAY + timedelta(121))
        assert moves(records, found["id"])[-3:] == ["waiver_asked", "waiver_granted", "waiver_ended"]

    def test_nobody_decides_on_the_own_request(self, app, records, found, manager_name, elder):
        manager = signed_in(app, manager_name)
        self.ask(manager, found)
        assert 'value="granted"' not in manager.get(f"/fix-tasks/{found['id']}").text
        own = self.decide(manager, found, "granted")
        assert own.status_code == 422 and "不能审批自己提出的豁免" in own.text
        with admin_connect(records.settings, "app") as admin, pytest.raises(psycopg.errors.CheckViolation):
            admin.execute(
                "update fix_tasks.waiver set decision = 'granted', decided_by = asked_by, decided_at = now()"
                " where task_id = %s", [found["id"]],
            )  # fmt: skip

    @pytest.mark.parametrize("until", [TODAY, TODAY + timedelta(400), "下月"])
    def test_it_needs_a_day_within_a_year(self, clerk, found, until):
        refused = self.ask(clerk, found, until)
        assert refused.status_code == 422 and "豁免期限应在明天至一年之内" in refused.text

    def test_refusing_needs_a_reason_and_the_task_stays(self, app, records, clerk, found, manager_name, elder):
        manager = signed_in(app, manager_name)
        self.ask(clerk, found)
        twice = self.ask(clerk, task(records, PHONE, elder))
        assert twice.status_code == 422 and "已有待审批的豁免申请" in twice.text
        silent = self.decide(manager, found, "refused")
        assert silent.status_code == 422 and "请写明不同意的原因" in silent.text
        assert self.decide(manager, found, "refused", "可由村居登门登记").status_code == 303
        assert task(records, PHONE, elder)["state"] == "open"
        assert "可由村居登门登记" in clerk.get(f"/fix-tasks/{found['id']}").text


def test_owners_and_themes_are_those_of_the_catalogue():
    assert set(OWNERS) == {owner.value for owner in Owner} and [theme.value for theme in Theme] == THEMES


class TestReminders:
    def test_the_people_of_a_reporting_unit_are_told_of_its_towns_before_the_county(
        self, app, records, refresh, database
    ):
        zone = records.account(RoleCode.DATA_STAFF, division_code="440800000000", unit_code="ZJ-JKQ")
        county = records.account(RoleCode.DATA_STAFF, division_code=XIASHAN)
        person = records.elder("吴阿婆", ZONE_TOWN, id_number=id_number())
        refresh((PHONE, "elder", person, ZONE_TOWN))
        with database.transaction(whole_city(all_accounts=True)) as session:
            remind_of_fixes(session, TODAY + timedelta(days=28))
        assert any("补录" in title for title in titles(records, zone))
        assert not any("补录" in title for title in titles(records, county))
        refresh()

    def test_due_and_overdue_are_told_once_to_the_nearest_desk(self, app, records, refresh, database, elder):
        county = records.account(RoleCode.DATA_STAFF, division_code=XIASHAN)
        city = records.account(RoleCode.DATA_STAFF, division_code="440800000000")
        refresh((PHONE, "elder", elder, XIASHAN))

        def remind(days):
            with database.transaction(whole_city(all_accounts=True)) as session:
                remind_of_fixes(session, TODAY + timedelta(days=days))

        remind(1)
        assert not any("补录" in title for title in titles(records, county))
        remind(28)
        remind(28)
        assert [title for title in titles(records, county) if "补录" in title] == [
            "有 1 条数据补录任务即将到期或已逾期"
        ]
        remind(41)
        remind(41)
        assert [title for title in titles(records, city) if "上一级" in title] == [
            "有 1 条数据补录任务逾期未办结，现报上一级督办"
        ]
        found = task(records, PHONE, elder)
        assert found["escalated_on"] == TODAY + timedelta(41) and moves(records, found["id"]) == ["found", "escalated"]
        assert f"/fix-tasks/{found['id']}" in signed_in(app, county).get("/fix-tasks/list?late=escalated").text
        refresh()
