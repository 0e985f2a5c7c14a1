"""消息通知: told by acts and reminders, read by the recipient alone, through the pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from huiyang.database import Login, connect
from operational_app.identity.models import RoleCode
from operational_app.web.database import AppDatabase
from operational_app.web.services import today
from operational_app.workbench.reminders import remind
from tests.app_sample import XIASHAN, Browser, signed_in, unique
from tests.integration.test_app_joining import OWN_PASSWORD, decide, many_may_register, newcomer

__all__ = ["many_may_register"]
TOWN = "440803002000"
INBOX = "/notifications"


@pytest.fixture(scope="module")
def database(installation):
    found = AppDatabase(installation)
    yield found
    found.close()


def key_of(records, username):
    with connect(Login.LOADER, records.settings) as loader:
        return loader.execute("select id from identity.account where username = %s", [username]).fetchone()[0]


def titles(records, username):
    """What somebody was told, oldest first."""
    with connect(Login.LOADER, records.settings) as loader:
        rows = loader.execute(
            "select title from workbench.notification where account_id = %s order by id", [key_of(records, username)]
        )
        return [row[0] for row in rows]


@pytest.mark.feature(10)
class TestRequests:
    def test_who_decides_is_told_and_then_who_asked(self, app, records):
        manager = records.account(RoleCode.DEPARTMENT_MANAGER, division_code=TOWN)
        above = records.account(RoleCode.DEPARTMENT_MANAGER, division_code=XIASHAN)
        leader = records.account(RoleCode.LEADER, division_code=TOWN)
        username, browser = newcomer(app)
        answer = browser.post("/join/department/new", {"county": XIASHAN, "town": TOWN}, form_on="/join/department/new")
        assert answer.status_code == 303
        assert len([title for title in titles(records, manager) if "申请待办理" in title]) == 1
        assert titles(records, leader) == titles(records, above) == []
        office = signed_in(app, manager)
        assert office.get(f"{INBOX}/unread").json()["unread"] == 1
        page = office.get(INBOX).text
        key = re.search(r'action="/notifications/([0-9]+)"', page)[1]
        opened = office.post(f"{INBOX}/{key}", form_on=INBOX)
        assert office.get(opened.headers["location"]).status_code == 200
        assert office.get(f"{INBOX}/unread").json()["unread"] == 0
        assert decide(office, records, username, "return", reason="请补充科室").status_code == 303
        assert titles(records, username) == ["您的“加入政府部门”申请退回补正"]
        assert "申请退回补正" in browser.get(INBOX).text
        assert browser.post(f"{INBOX}/read", form_on=INBOX).status_code == 303
        assert browser.get(f"{INBOX}/unread").json()["unread"] == 0

    def test_a_refused_act_tells_nobody(self, app, records):
        username, browser = newcomer(app)
        form = "/join/department/new"
        browser.post(form, {"county": XIASHAN}, form_on=form)
        manager = records.account(RoleCode.DEPARTMENT_MANAGER, division_code=XIASHAN)
        office = signed_in(app, manager)
        assert decide(office, records, username, "return", reason="").status_code == 422
        assert titles(records, username) == []

    def test_the_next_level_is_told_where_nobody_decides(self, app, records):
        county = records.account(RoleCode.DEPARTMENT_MANAGER, division_code="440825000000")
        _, browser = newcomer(app)
        browser.post(
            "/join/department/new", {"county": "440825000000", "town": "440825102000"}, form_on="/join/department/new"
        )
        assert len(titles(records, county)) == 1

    def test_a_deadline_is_told_once(self, app, records, database):
        manager = records.account(RoleCode.DEPARTMENT_MANAGER, division_code="440803003000")
        username, browser = newcomer(app)
        browser.post(
            "/join/department/new", {"county": XIASHAN, "town": "440803003000"}, form_on="/join/department/new"
        )
        due = today() + timedelta(days=5)
        for on, told in (
            (due - timedelta(days=2), 0), (due - timedelta(days=1), 1), (due, 1), (due + timedelta(days=1), 2),
            (due + timedelta(days=9), 2),
        ):  # fmt: skip
            remind(database, on)
            assert len([title for title in titles(records, manager) if "时限" in title]) == told, on
        assert username not in " ".join(titles(records, manager))


def test_an_inbox_is_its_owners_alone(app, records):
    mine, others = (records.account(RoleCode.LEADER, division_code=XIASHAN) for _ in range(2))
    key = records.insert(
        "workbench.notification", account_id=key_of(records, mine), kind="other", title=unique("秘密"), address="/me"
    )
    title = titles(records, mine)[0]
    for username in (others, records.account(RoleCode.SYSTEM_ADMINISTRATOR)):
        browser = signed_in(app, username)
        assert title not in browser.get(INBOX).text
        token = browser.form_token("/me")
        assert browser.client.post(f"{INBOX}/{key}", data={"csrftoken": token}).status_code == 404
        browser.client.post(f"{INBOX}/read", data={"csrftoken": token})
    assert signed_in(app, mine).get(f"{INBOX}/unread").json()["unread"] == 1


def test_a_poll_does_not_keep_a_session_alive(app, records):
    username = records.account(RoleCode.LEADER, division_code=XIASHAN)
    browser = signed_in(app, username)
    with connect(Login.LOADER, records.settings) as loader:
        loader.execute(
            "update identity.sign_in_session set last_seen_at = now() - interval '29 minutes' where account_id = %s",
            [key_of(records, username)],
        )
    seen = "select now() - last_seen_at > interval '28 minutes' from identity.sign_in_session where account_id = %s"
    assert browser.get(f"{INBOX}/unread").status_code == 200
    with connect(Login.LOADER, records.settings) as loader:
        assert loader.execute(seen, [key_of(records, username)]).fetchone()[0]
    browser.get("/")
    with connect(Login.LOADER, records.settings) as loader:
        assert not loader.execute(seen, [key_of(records, username)]).fetchone()[0]


@pytest.mark.feature(5)
def test_a_role_given_and_taken_is_told(app, records):
    receiver = records.account(RoleCode.LEADER, division_code=XIASHAN)
    office = signed_in(app, records.account(RoleCode.SECURITY_ADMINISTRATOR))
    page = f"/accounts/{key_of(records, receiver)}"
    with connect(Login.LOADER, records.settings) as loader:
        role = loader.execute("select id from identity.role where code = %s", [RoleCode.AUDITOR]).fetchone()[0]
    for act in ("grant", "revoke"):
        assert office.post(f"{page}/{act}", {"role": str(role)}, form_on=page).status_code == 303
    told = titles(records, receiver)
    assert len(told) == 2 and "被授予角色" in told[0] and "已被收回" in told[1]


@pytest.mark.feature(12, 99)
def test_papers_that_run_out_are_told_to_their_managers(app, records, database):
    _, organization = records.institution(unique("敬老院"), XIASHAN)
    manager = records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)
    carer = records.account(RoleCode.PROVIDER_STAFF, organization_id=organization)
    ends = today() + timedelta(days=30)
    records.insert(
        "organizations.qualification", organization_id=organization, kind="food", number="F2", expires_on=ends
    )
    staff = records.insert(
        "workforce.staff", organization_id=organization, division_code=XIASHAN, sex="female", occupation="nurse",
        id_number_status="missing", phone_status="missing",
    )  # fmt: skip
    records.insert("workforce.certificate", staff_id=staff, kind="健康证", expires_on=ends)
    for _ in range(2):
        remind(database, today())
    told = titles(records, manager)
    assert len(told) == 2 and f"食品经营许可证照将于 {ends} 到期" in told[0] and "1 份人员证书" in told[1]
    assert titles(records, carer) == []
    assert re.search(r"人员证书到期或即将到期.*?1", signed_in(app, manager).get("/").text, re.S)
    remind(database, ends + timedelta(days=1))
    assert any("已于" in title for title in titles(records, manager))


@pytest.mark.feature(101)
def test_agreements_that_run_out_are_told_as_the_residents_page_counts_them(app, records, database):
    key, organization = records.institution(unique("敬老院"), XIASHAN)
    manager = records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)

    def stay(*ends, first=None, left=None, voided=None):
        values = {"first_id": first, "discharged_on": left, "discharge_reason": "home" if left else None}
        row = records.insert(
            "institutions.residency", institution_id=key, bed_id=records.bed(key),
            elder_id=records.elder(unique("老人"), XIASHAN), admitted_on=today() - timedelta(days=400), **values,
        )  # fmt: skip
        for days in ends:
            records.insert(
                "institutions.service_agreement", residency_id=row,
                expires_on=None if days is None else today() + timedelta(days=days), voided_at=voided,
            )  # fmt: skip
        return row

    stay(-5)  # ended
    stay(-50, 30)  # ends soon
    stay(-5, 31)  # renewed
    stay(-5, None)  # without an end
    stay()  # none at all
    stay(-5, left=today() - timedelta(days=1))  # gone
    stay(-5, voided=datetime.now(UTC))
    changed = stay(-5, left=today() - timedelta(days=9))
    stay(first=changed)  # changed beds: the first one's agreement counts
    for _ in range(2):
        remind(database, today())
    assert titles(records, manager) == ["本机构有 3 份入住合同已到期或即将到期"]
    text = signed_in(app, manager).get("/").text
    assert re.search(r"入住老人合同已到期.*?2.*?入住老人合同即将到期.*?1", text, re.S)


def test_somebody_who_signs_in_later_finds_what_was_told_before(app, records):
    username, browser = newcomer(app)
    browser.post("/join/department/new", {"county": XIASHAN, "town": TOWN}, form_on="/join/department/new")
    office = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=XIASHAN))
    assert decide(office, records, username, "reject", reason="岗位已满").status_code == 303
    later = Browser.of(app)
    later.sign_in(username, OWN_PASSWORD)
    assert "不予通过" in later.get(INBOX).text
