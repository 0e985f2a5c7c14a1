"""期次管理 through its pages: refresh, watch, submit, sign, return, go back; who may, and who is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from huiyang.database import Login, connect
from huiyang.periods import Cadence, Period
from huiyang.server import admin_connect
from operational_app.identity.models import RoleCode
from operational_app.main import create_app
from operational_app.web.database import AppDatabase
from operational_app.workbench.reminders import remind
from pipelines.orchestration import load_orchestration
from pipelines.worker import tell_plans
from tests.app_sample import CHIKAN, signed_in
from tests.integration.test_app_notifications import key_of, titles

CITY = "440800000000"
_periods = iter([f"{year}-{month:02d}" for year in (2025, 2024) for month in range(1, 13)])


@pytest.fixture(scope="module")
def app(installation):
    tell_plans(installation)
    return create_app(installation)


class Desk:
    """Data staff and reviewers of the city, each with a browser."""

    def __init__(self, app, records):
        self.records = records
        self.staff_name = records.account(RoleCode.DATA_STAFF, division_code=CITY)
        self.reviewer_name = records.account(RoleCode.AUDITOR, division_code=CITY)
        self.both_name = records.account(RoleCode.AUDITOR, RoleCode.DATA_STAFF, division_code=CITY)
        self.unlisted_name = records.account(RoleCode.AUDITOR, division_code=CITY)
        with connect(Login.INBOX, records.settings) as inbox:
            inbox.execute(
                "update inbox.cadence_plan set reviewers = reviewers || %s", [[self.reviewer_name, self.both_name]]
            )
        self.staff, self.reviewer, self.both, self.unlisted = (
            signed_in(app, name)
            for name in (self.staff_name, self.reviewer_name, self.both_name, self.unlisted_name)
        )  # fmt: skip


@pytest.fixture(scope="module")
def desk(app, records):
    return Desk(app, records)


@pytest.fixture
def period():
    return next(_periods)


@pytest.fixture
def candidate(records, period) -> Iterator[int]:
    """An official candidate of the test's period, not accepted."""
    with records.release(period=period, state="candidate", published_at=None) as release_id:
        yield release_id
        with admin_connect(records.settings, "app") as app:  # the next test's release has this number again
            app.execute("delete from periods.review where release_id = %s", [release_id])


def act(browser, path, data=None):
    """Presses a button; the page it stands on may not show it to this user."""
    return browser.post(path, data, form_on="/me")


def cells(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def tasks(records, period):
    """(kind, state, reason, user name) of a period's tasks, oldest first."""
    with connect(Login.LOADER, records.settings) as loader:
        return loader.execute(
            "select kind, state, reason, username from periods.task where period = %s order by id", [period]
        ).fetchall()


def set_task(records, period, **values):
    with connect(Login.LOADER, records.settings) as loader:
        for name, value in values.items():
            loader.execute(
                psycopg.sql.SQL("update periods.task set {} = %s where period = %s").format(
                    psycopg.sql.Identifier(name)
                ),
                [value, period],
            )


@contextmanager
def published(records, period, **values):
    with records.release(period=period, **values) as release_id:
        yield release_id


class TestRefresh:
    def test_it_is_asked_for_watched_and_taken_back(self, desk, records, period):
        answer = act(desk.staff, f"/periods/{period}/refresh", {"lane": "provisional"})
        page = cells(desk.staff.get(answer.headers["location"]).text)
        assert "已提交，正在排队" in page and "刷新数据 （快报） 排队中" in page.replace("据（", "据 （")
        assert tasks(records, period) == [("refresh", "waiting", "", desk.staff_name)]
        again = act(desk.both, f"/periods/{period}/refresh", {"lane": "official"})
        assert again.status_code == 422 and f"{period} 已有任务在排队或进行" in again.text
        with connect(Login.LOADER, records.settings) as loader:
            (key,) = loader.execute("select id from periods.task where period = %s", [period]).fetchone()
        other = act(desk.both, f"/periods/{period}/tasks/{key}/withdraw")
        assert other.status_code == 422 and "只能撤回自己发起的任务" in other.text
        set_task(records, period, state="running", step="计算指标", fraction=0.4)
        part = cells(desk.staff.get(f"/periods/{period}/progress").text)
        assert "进行中" in part and "计算指标，已完成 40%" in part
        late = act(desk.staff, f"/periods/{period}/tasks/{key}/withdraw")
        assert late.status_code == 422 and "任务已经开始，不能撤回" in late.text
        set_task(records, period, state="waiting")
        act(desk.staff, f"/periods/{period}/tasks/{key}/withdraw")
        assert tasks(records, period) == [("refresh", "withdrawn", "", desk.staff_name)]
        assert "data-poll" not in desk.staff.get(f"/periods/{period}/progress").text
        [event] = [
            e for e in records.audited(target_table="periods.task", target_id=key)
            if e["details"].get("task") == "已撤回"
        ]  # fmt: skip
        assert event["account_id"] == key_of(records, desk.staff_name)

    @pytest.mark.parametrize(
        ("period", "lane", "problem"),
        [
            ("2031-01", "provisional", "只能刷新 2023-11 至今的期次"),
            ("2020-01", "official", "只能刷新 2023-11 至今的期次"),
            ("2025-02", "", "请选择快报或正式版"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, desk, records, period, lane, problem):
        answer = act(desk.staff, f"/periods/{period}/refresh", {"lane": lane})
        assert answer.status_code == 422 and problem in answer.text
        assert tasks(records, period) == []

    def test_no_period_is_no_page(self, desk):
        assert desk.staff.get("/periods/2025-13").status_code == 404
        assert desk.staff.get("/periods/nothing").status_code == 404

    def test_the_running_month_has_no_official_version_yet(self, desk, records):
        from operational_app.web.services import today

        period = f"{today():%Y-%m}"
        answer = act(desk.staff, f"/periods/{period}/refresh", {"lane": "official"})
        assert answer.status_code == 422 and "补录窗口到" in answer.text
        assert tasks(records, period) == []

    def test_a_signed_period_is_corrected_with_a_reason_only(self, desk, records, period):
        with published(records, period):
            over = act(desk.staff, f"/periods/{period}/refresh", {"lane": "provisional"})
            assert over.status_code == 422 and "快报不能覆盖它" in over.text
            bare = act(desk.staff, f"/periods/{period}/refresh", {"lane": "official", "reason": "  "})
            assert bare.status_code == 422 and "请填写更正原因" in bare.text
            act(desk.staff, f"/periods/{period}/refresh", {"lane": "official", "reason": "补录迟到的工单"})
            assert tasks(records, period) == [("refresh", "waiting", "补录迟到的工单", desk.staff_name)]
            with published(records, period):
                assert "已更正" in cells(desk.staff.get(f"/periods/{period}").text)


class TestReview:
    def test_from_submission_to_signature(self, desk, records, candidate, period):
        answer = act(desk.staff, f"/periods/{period}/releases/{candidate}/submit", {"note": "已核实"})
        assert "待签发" in cells(desk.staff.get(answer.headers["location"]).text)
        told = f"{period} 正式版（第 {candidate} 版）等待签发"
        assert told in titles(records, desk.reviewer_name) and told not in titles(records, desk.staff_name)
        page = cells(desk.reviewer.get(f"/periods/{period}").text)
        assert "核实情况：已核实" in page and "签发意见" in page
        bare = act(desk.reviewer, f"/periods/{period}/releases/{candidate}/sign", {"reason": ""})
        assert bare.status_code == 422 and "未达标，请写明仍予签发的理由" in bare.text
        act(desk.reviewer, f"/periods/{period}/releases/{candidate}/sign", {"reason": "限期整改"})
        assert tasks(records, period) == [("publish", "waiting", "限期整改", desk.reviewer_name)]
        again = act(desk.both, f"/periods/{period}/releases/{candidate}/sign", {"reason": "也同意"})
        assert again.status_code == 422 and "刚被处理：已签发" in again.text

    def test_it_comes_back_with_the_reason(self, desk, records, candidate, period):
        act(desk.staff, f"/periods/{period}/releases/{candidate}/submit", {"note": ""})
        bare = act(desk.reviewer, f"/periods/{period}/releases/{candidate}/return", {"reason": " "})
        assert bare.status_code == 422 and "请填写退回原因" in bare.text
        act(desk.reviewer, f"/periods/{period}/releases/{candidate}/return", {"reason": "徐闻县工单数有误"})
        assert "徐闻县工单数有误" in desk.staff.get(f"/periods/{period}").text
        assert f"{period} 正式版（第 {candidate} 版）被退回" in titles(records, desk.staff_name)
        assert tasks(records, period) == []
        twice = act(desk.staff, f"/periods/{period}/releases/{candidate}/submit", {"note": ""})
        assert twice.status_code == 422 and "这一版已经送审" in twice.text

    def test_nobody_signs_their_own(self, desk, records, candidate, period):
        act(desk.both, f"/periods/{period}/releases/{candidate}/submit", {"note": ""})
        assert "请由另一位审核人办理" in desk.both.get(f"/periods/{period}").text
        for decision in ("sign", "return"):
            own = act(desk.both, f"/periods/{period}/releases/{candidate}/{decision}", {"reason": "同意"})
            assert own.status_code == 422 and "不能审核自己的版本" in own.text
        with connect(Login.LOADER, records.settings) as loader, pytest.raises(psycopg.errors.CheckViolation):
            loader.execute(
                "update periods.review set decision = 'signed', decided_at = now(), decided_by = submitted_by"
                " where release_id = %s",
                [candidate],
            )

    def test_a_reviewer_stands_in_the_orchestration(self, desk, candidate, period):
        act(desk.staff, f"/periods/{period}/releases/{candidate}/submit", {"note": ""})
        answer = act(desk.unlisted, f"/periods/{period}/releases/{candidate}/sign", {"reason": "同意"})
        assert answer.status_code == 422 and "不在编排设置的审核人名单中" in answer.text

    def test_striking_figures_need_a_word(self, desk, records, candidate, period):
        records.result(
            "figure_change", release_id=candidate, indicator="mart_overview_month.elder_count", title="在册老人数",
            unit_code=CITY, value=1, previous=100, last_year=None, published=None, low=90, high=110,
            verdict="unusual",
        )  # fmt: skip
        assert "1 项超出常见范围" in cells(desk.staff.get(f"/periods/{period}").text)
        bare = act(desk.staff, f"/periods/{period}/releases/{candidate}/submit", {"note": ""})
        assert bare.status_code == 422 and "有 1 项数字超出常见范围，请写明核实情况" in bare.text

    def test_only_the_newest_publishable_candidate_is_submitted(self, desk, records, candidate, period):
        with records.release(period=period, state="rejected", published_at=None, publishable=False) as newer:
            rejected = act(desk.staff, f"/periods/{period}/releases/{newer}/submit", {"note": ""})
            assert rejected.status_code == 422 and "只有可发布的正式版候选可以送审" in rejected.text
            older = act(desk.staff, f"/periods/{period}/releases/{candidate}/submit", {"note": ""})
            assert older.status_code == 422 and "有更新的正式版候选" in older.text
        missing = act(desk.staff, f"/periods/{period}/releases/{candidate + 100}/submit", {"note": ""})
        assert missing.status_code == 422 and "没有这个版本" in missing.text


def test_an_earlier_release_is_shown_again_with_a_reason(desk, records, period):
    with published(records, period, state="superseded") as earlier, published(records, period) as shown:
        assert "回退到此版" in desk.reviewer.get(f"/periods/{period}").text
        bare = act(desk.reviewer, f"/periods/{period}/releases/{earlier}/roll-back", {"reason": ""})
        assert bare.status_code == 422 and "请填写回退原因" in bare.text
        same = act(desk.reviewer, f"/periods/{period}/releases/{shown}/roll-back", {"reason": "试试"})
        assert same.status_code == 422 and "只能回退到以前发布过的版本" in same.text
        act(desk.reviewer, f"/periods/{period}/releases/{earlier}/roll-back", {"reason": "工单重复计入"})
    assert tasks(records, period) == [("roll_back", "waiting", "工单重复计入", desk.reviewer_name)]


def test_a_period_that_was_rolled_back_says_what_is_published(desk, records, period):
    with (
        published(records, period) as shown,
        published(records, period, state="superseded") as signed,
        published(records, period, state="candidate", published_at=None),
    ):
        page = cells(desk.staff.get(f"/periods/{period}").text)
        assert "已回退" in page and f"现在发布的是第 {shown} 版" in page and f"签发的第 {signed} 版" in page


def test_the_list_tells_each_periods_state(desk, period):
    page = cells(desk.staff.get("/periods").text)
    for text in ("运营数据（月度）", "基础数据（半年）", "采集中", "补录截止", "签发期限"):
        assert text in page, text


class TestRights:
    def test_who_may_only_look_does_nothing(self, app, records, desk, candidate, period):
        leader = signed_in(app, records.account(RoleCode.LEADER, division_code=CITY))
        page = leader.get(f"/periods/{period}").text
        assert "开始刷新" not in page and 'value="official"' not in page
        assert act(leader, f"/periods/{period}/refresh", {"lane": "official"}).status_code == 403
        assert act(desk.reviewer, f"/periods/{period}/refresh", {"lane": "official"}).status_code == 403
        act(desk.staff, f"/periods/{period}/releases/{candidate}/submit", {"note": ""})
        assert act(desk.staff, f"/periods/{period}/releases/{candidate}/sign", {"reason": "同意"}).status_code == 403
        operator = signed_in(app, records.account(RoleCode.OPERATOR, division_code=CITY))
        assert operator.get("/periods").status_code == 403

    def test_a_county_does_not_act_for_the_city(self, app, records, period):
        county = signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=CHIKAN))
        assert "开始刷新" not in county.get(f"/periods/{period}").text
        answer = act(county, f"/periods/{period}/refresh", {"lane": "official"})
        assert answer.status_code == 422 and "只有市级人员可以办理" in answer.text
        assert tasks(records, period) == []


@pytest.mark.feature(22)
def test_who_acts_next_is_told_before_the_day_and_both_when_it_has_passed(desk, records, period, candidate):
    due = Period.parse(period).end_date + timedelta(
        days=load_orchestration().cadences[Cadence.MONTHLY].due_days
    )  # fmt: skip
    database = AppDatabase(records.settings)

    def told(name, on):
        remind(database, due + timedelta(days=on))
        return [title for title in titles(records, name) if period in title and "期限" in title]

    try:
        assert told(desk.staff_name, -5) == []
        [soon] = told(desk.staff_name, -2)
        assert soon == f"{period} 正式版将于 {due} 到签发期限，现在待送审"
        assert told(desk.reviewer_name, -2) == []
        assert "下一步 由数据专员刷新正式版，核实后送审" in cells(desk.reviewer.get(f"/periods/{period}").text)
        assert act(desk.staff, f"/periods/{period}/releases/{candidate}/submit", {"note": "已核实"}).status_code == 303
        assert "下一步 由审核人签发或退回" in cells(desk.staff.get(f"/periods/{period}").text)
        [waits] = told(desk.reviewer_name, -1)
        assert waits.endswith("现在待签发") and told(desk.staff_name, -1) == [soon]
        late = f"{period} 正式版已超过签发期限（{due}）"
        assert told(desk.staff_name, 1) == [soon, late] and told(desk.reviewer_name, 9) == [waits, late]
    finally:
        database.close()
