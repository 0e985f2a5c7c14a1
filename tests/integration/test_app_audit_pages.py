"""审计日志: for the audit administrator only, found by every condition, exported, itself recorded."""

from __future__ import annotations

import csv
import io
import re

import pytest
from starlette.testclient import TestClient

from huiyang.database import Login, connect
from operational_app.audit.heads import HeadFile
from operational_app.audit.sealing import Sealer, sealer_connection
from operational_app.audit.service import Act
from operational_app.identity.models import RoleCode
from operational_app.identity.sessions import IDLE_FOR, MAX_FAILURES
from operational_app.main import create_app
from tests.app_sample import CHIKAN, PASSWORD, Browser, Records, id_number, signed_in, unique

pytestmark = pytest.mark.any_postgres
CITY = "440800000000"


@pytest.fixture(scope="module")
def auditor(app, records):
    return signed_in(app, records.account(RoleCode.AUDIT_ADMINISTRATOR))


@pytest.fixture(scope="module")
def staff_name(records):
    return records.account(RoleCode.DATA_STAFF, division_code=CITY)


@pytest.fixture(scope="module")
def staff(app, staff_name):
    return signed_in(app, staff_name)


def key_of(records: Records, username: str) -> int:
    with connect(Login.LOADER, records.settings) as loader:
        return loader.execute("select id from identity.account where username = %s", [username]).fetchone()[0]


def listed(auditor: Browser, **form: str) -> str:
    response = auditor.post("/audit/search", form, form_on="/audit/list")
    assert response.status_code == 303
    page = auditor.get(response.headers["location"])
    assert page.status_code == 200, page.text
    return page.text


def rows(page: str) -> list[list[str]]:
    body = re.search(r"<tbody>(.*?)</tbody>", page, re.S).group(1)
    found = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr.*?</tr>", body, re.S)]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in found if len(row) > 1]


def seal(records: Records) -> None:
    records.settings.audit_heads.parent.mkdir(exist_ok=True)
    with sealer_connection(records.settings) as connection:
        sealer = Sealer(connection, HeadFile(records.settings.audit_heads))
        assert sealer.is_the_one()
        sealer.run_pass()


class TestWhoReads:
    def test_nobody_else_opens_it_and_the_attempt_is_recorded(self, app, records):
        for role in RoleCode:
            if role is RoleCode.AUDIT_ADMINISTRATOR:
                continue
            name = records.account(role, division_code=CITY)
            browser = signed_in(app, name)
            for path in ("/audit/list", "/audit/1"):
                assert browser.get(path).status_code == 403, role
            assert browser.post("/audit/export", form_on="/").status_code == 403
            assert browser.post("/audit/search", form_on="/").status_code == 403
            assert "/audit/list" not in browser.get("/").text
            denied = records.audited(account_id=key_of(records, name), outcome="denied")
            assert [event["details"]["path"] for event in denied] == [
                "/audit/list", "/audit/1", "/audit/export", "/audit/search",
            ]  # fmt: skip

    def test_the_right_without_the_duty_opens_nothing(self, app, records):
        """Somebody who gave the resource to another administrator gave no trail."""
        role = records.insert("identity.role", code=unique("role"), name=unique("自定角色"), duty="system")
        records.insert("identity.role_resource", role_id=role, resource_code="audit")
        name = records.account()
        records.insert("identity.account_role", account_id=key_of(records, name), role_id=role, duty="system")
        browser = signed_in(app, name)
        assert browser.get("/audit/list").status_code == 403
        assert browser.get("/audit/1").status_code == 403

    def test_a_revoked_duty_ends_at_once(self, app, records):
        name = records.account(RoleCode.AUDIT_ADMINISTRATOR)
        browser = signed_in(app, name)
        assert browser.get("/audit/list").status_code == 200
        with connect(Login.APP, records.settings) as connection:
            connection.execute("select set_config('huiyang.account_id', %s, true)", [str(key_of(records, name))])
            assert connection.execute("select count(*) > 0 from audit.audit_event").fetchone() == (True,)
        records.replace_roles(name)
        assert browser.get("/audit/list").status_code == 403
        with connect(Login.APP, records.settings) as connection:
            connection.execute("select set_config('huiyang.account_id', %s, true)", [str(key_of(records, name))])
            assert connection.execute("select count(*) from audit.audit_event").fetchone() == (0,)

    def test_the_own_sign_in_log_needs_no_right_to_the_trail(self, staff):
        assert "登录记录" in staff.get("/me").text


class TestList:
    def test_the_menu_leads_there(self, auditor):
        assert 'href="/audit/list"' in auditor.get("/").text
        assert "审计日志" in auditor.get("/audit/list").text

    def test_each_condition_finds_what_it_says(self, app, auditor, records, staff, staff_name):
        elder = records.elder("夏侯惇", CHIKAN)
        assert staff.get(f"/elders/{elder}").status_code == 200
        assert staff.get("/accounts/list").status_code == 403
        mine = rows(listed(auditor, person=staff_name))
        assert {row[1] for row in mine} == {f"测试员（{staff_name}）"}
        read = rows(listed(auditor, target_table="elders.elder", target_id=str(elder)))
        assert [(row[2], row[3], row[4]) for row in read] == [("查看老人档案", f"老人 {elder}", "成功")]
        refused = rows(listed(auditor, person=staff_name, outcome="denied"))
        assert refused and {row[2] for row in refused} == {"访问页面"}
        assert rows(listed(auditor, person=staff_name, action="elder_reveal")) == []
        assert rows(listed(auditor, person=unique("nobody"))) == []
        at = {row[5] for row in mine}
        assert len(at) == 1
        assert rows(listed(auditor, person=staff_name, remote_address="192.0.2.77")) == []

    def test_days_are_days_in_zhanjiang_both_included(self, auditor, records, staff, staff_name):
        today = mine_day(auditor, staff_name)
        assert rows(listed(auditor, person=staff_name, days_from=today, days_to=today))
        assert rows(listed(auditor, person=staff_name, days_to="2020-01-01")) == []
        assert rows(listed(auditor, person=staff_name, days_from="2099-01-01")) == []

    def test_bad_conditions_are_answered(self, auditor):
        assert "对象编号应为数字" in listed(auditor, target_id="abc")
        assert "来源地址应为 IP 地址" in listed(auditor, remote_address="here")
        assert auditor.get("/audit/list?action=nothing").status_code == 200

    def test_reading_it_is_recorded_without_the_persons_name(self, auditor, records, staff_name):
        listed(auditor, person=staff_name, action="sign_in")
        event = records.audited(action="audit_read")[-1]
        assert event["details"]["terms"] == ["person"]
        assert event["details"]["filters"] == {"action": "登录"}
        assert staff_name not in str(event["details"])


def mine_day(auditor: Browser, name: str) -> str:
    return rows(listed(auditor, person=name))[0][0][:10]


class TestEvent:
    def test_its_page_says_everything_in_chinese(self, auditor, records, staff, staff_name):
        staff.get("/elders/list?sex=female&county=440802000000")
        event = records.audited(account_id=key_of(records, staff_name), action="list_read")[-1]
        page = auditor.get(f"/audit/{event['id']}").text
        for text in ("查看名单", "老人档案", "性别：女", "赤坎区", "等待封存", staff_name):
            assert text in page, text
        seal(records)
        page = auditor.get(f"/audit/{event['id']}").text
        assert "一致" in page and "不一致" not in page and "已写入" in page
        assert re.search(r"第 \d+ 批", page)
        assert records.audited(action="audit_read", target_id=event["id"])

    def test_a_changed_event_says_so(self, auditor, records, staff, staff_name):
        from huiyang.server import admin_connect

        staff.get("/elders/list")
        event = records.audited(account_id=key_of(records, staff_name), action="list_read")[-1]
        seal(records)
        change = "update audit.audit_event set outcome = %s where id = %s"
        with admin_connect(records.settings, "app") as admin:
            admin.execute(change, ["denied", event["id"]])
            assert "与封存时不一致" in auditor.get(f"/audit/{event['id']}").text
            admin.execute(change, ["success", event["id"]])
        assert "与封存时不一致" not in auditor.get(f"/audit/{event['id']}").text

    def test_there_is_no_such_event(self, auditor):
        assert auditor.get("/audit/999999999999").status_code == 404


class TestExport:
    def test_a_file_with_what_the_list_shows(self, auditor, records, staff, staff_name):
        staff.get("/elders/list")
        found = auditor.post("/audit/search", {"person": staff_name}, form_on="/audit/list").headers["location"]
        address = re.search(r'action="(/audit/export[^"]*)"', auditor.get(found).text).group(1).replace("&amp;", "&")
        response = auditor.post(address, form_on=found)
        assert response.status_code == 200 and response.headers["content-type"].startswith("text/csv")
        assert response.text.startswith("\ufeff")
        lines = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))
        assert {line["人员"] for line in lines} == {f"测试员（{staff_name}）"}
        assert {int(line["编号"]) for line in lines} == {
            event["id"] for event in records.audited(account_id=key_of(records, staff_name))
        }
        event = records.audited(action="audit_export")[-1]
        assert event["details"] == {"terms": ["person"], "rows": len(lines)}

    def test_no_cell_is_a_formula(self, auditor, records, app):
        with connect(Login.APP, records.settings) as connection:
            connection.execute(
                "insert into audit.audit_event (action, outcome, remote_address)"
                " values ('=1+1', 'success', '192.0.2.9')"
            )
        found = auditor.post("/audit/search", {"remote_address": "192.0.2.9"}, form_on="/audit/list")
        address = found.headers["location"]
        text = auditor.post(f"/audit/export?{address.partition('?')[2]}", form_on=address).text
        assert "'=1+1" in text

    def test_bad_conditions_export_nothing(self, auditor):
        assert auditor.post("/audit/export?target_id=abc", form_on="/audit/list").status_code == 400


def test_every_action_that_pages_record_has_a_chinese_name():
    assert all(act.label and not act.label.isascii() for act in Act)


class TestWhatIsRecorded:
    def test_lists_of_people_are_one_event_with_conditions_and_count(self, staff, records, staff_name):
        account = key_of(records, staff_name)
        name = f"欧阳{unique()}"
        records.elder(name, CHIKAN, id_number=None)
        before = len(records.audited(account_id=account))
        page = staff.post("/elders/search", {"name": name, "sex": "female"}, form_on="/elders/list")
        staff.get(page.headers["location"])
        events = records.audited(account_id=account)[before:]
        assert [event["action"] for event in events] == ["list_read", "elder_search"]  # the form's page, the answer's
        assert events[1]["details"] == {
            "list": "elders", "rows": 1, "found": 1, "terms": ["name"], "filters": {"sex": "女"},
        }  # fmt: skip
        assert name not in str(events)
        staff.get("/orders/list")
        staff.get("/codes/list")
        lists = [event["details"]["list"] for event in records.audited(account_id=account, action="list_read")[-2:]]
        assert lists == ["orders", "codes"]

    def test_a_lock_out_is_an_event_of_its_own(self, app, records):
        name = records.account(RoleCode.LEADER, division_code=CITY)
        for _ in range(MAX_FAILURES):
            assert Browser.of(app).sign_in(name, "wrong").status_code == 401
        assert Browser.of(app).sign_in(name).status_code == 401
        acts = [event["action"] for event in records.audited(account_id=key_of(records, name))]
        assert acts == ["sign_in"] * MAX_FAILURES + ["account_lock", "sign_in"]

    def test_an_idle_session_ends_with_an_event(self, app, records):
        name = records.account(RoleCode.LEADER, division_code=CITY)
        account = key_of(records, name)
        for comes_again in (
            lambda browser: browser.get("/elders/list"), lambda _: signed_in(app, name),
        ):  # fmt: skip
            browser = signed_in(app, name)
            with connect(Login.LOADER, records.settings) as loader:
                loader.execute(
                    "update identity.sign_in_session set last_seen_at = now() - %s where account_id = %s"
                    " and ended_at is null",
                    [IDLE_FOR, account],
                )
            comes_again(browser)
            browser.get("/elders/list")
        ended = records.audited(account_id=account, action="session_expire")
        assert len(ended) == 2 == len({event["target_id"] for event in ended})

    def test_an_idle_session_to_which_nobody_comes_back_ends_with_an_event(self, app, records):
        left, in_use = (records.account(RoleCode.LEADER, division_code=CITY) for _ in range(2))
        signed_in(app, left)
        stays = signed_in(app, in_use)
        with connect(Login.LOADER, records.settings) as loader:
            loader.execute(
                "update identity.sign_in_session set last_seen_at = now() - %s where account_id = %s",
                [IDLE_FOR, key_of(records, left)],
            )
        for _ in range(2):
            with TestClient(create_app(records.settings)) as client:  # its start begins the hourly work
                client.get("/sign-in")
        assert len(records.audited(account_id=key_of(records, left), action="session_expire")) == 1
        assert not records.audited(account_id=key_of(records, in_use), action="session_expire")
        assert stays.get("/").status_code == 200

    def test_wrong_current_passwords_lock_the_account_as_wrong_sign_ins_do(self, app, records):
        name = records.account(RoleCode.LEADER, division_code=CITY)
        browser = signed_in(app, name)

        def change(current, new="Zhan-Jiang.Hai7"):
            data = {"current": current, "new": new, "again": new}
            return browser.post("/me/password", data, form_on="/me/password").text

        for _ in range(MAX_FAILURES - 1):
            assert "当前密码不正确" in change("wrong")
        assert "10–128 位" in change(PASSWORD, "short"), "the right one sets the count back"
        assert Browser.of(app).sign_in(name).status_code == 303
        for _ in range(MAX_FAILURES):
            assert "当前密码不正确" in change("wrong")
        assert "账号已锁定" in change(PASSWORD), "locked: the right password does not help"
        assert Browser.of(app).sign_in(name).status_code == 401
        assert len(records.audited(account_id=key_of(records, name), action="account_lock")) == 1

    def test_refusals_of_pages_and_forms_are_recorded(self, app, records, staff, staff_name):
        account = key_of(records, staff_name)
        before = len(records.audited(account_id=account))
        staff.get("/elders/999999999")
        staff.get("/no-such-page")
        staff.client.post("/me", data={"csrftoken": "wrong"})
        staff.post("/me", {"row_version": "1", "display_name": ""}, form_on="/me")
        events = records.audited(account_id=account)[before:]
        assert [(event["outcome"], event["details"]["status"], event["details"]["path"]) for event in events] == [
            ("failure", 404, "/elders/999999999"), ("denied", 403, "/me"), ("failure", 422, "/me"),
        ]  # fmt: skip

    def test_opening_a_cockpit_is_one_event_whatever_its_page_asks_for(self, app, records):
        name = records.account(RoleCode.LEADER, division_code=CITY)
        browser, uri = signed_in(app, name), "/cockpits/superset/dashboard/overview/?a=1"
        script = {"x-forwarded-uri": "/cockpits/api/v1/chart/data", "sec-fetch-mode": "cors"}
        for headers in ({"x-forwarded-uri": uri, "sec-fetch-mode": "navigate"}, script, script):
            assert browser.get("/auth/check", headers=headers).status_code == 204
        events = records.audited(account_id=key_of(records, name), action="application_open")
        assert [event["details"] for event in events] == [{"path": "/cockpits/superset/dashboard/overview/"}]

    def test_residents_and_beds_of_an_institution(self, app, records, staff, staff_name):
        house, _ = records.institution(unique("安康养老院"), CHIKAN)
        for page in ("residents", "beds"):
            assert staff.get(f"/institutions/{house}/{page}").status_code == 200
        events = records.audited(account_id=key_of(records, staff_name), target_id=house, action="list_read")
        assert [event["details"]["list"] for event in events] == ["residents", "beds"]

    def test_an_act_whose_recording_fails_does_not_happen(self, app, records, staff):
        """The trail and the act stand or fall together."""
        from huiyang.server import admin_connect

        elder = records.elder(f"令狐{unique()}", CHIKAN)
        with admin_connect(records.settings, "app") as admin:
            admin.execute("revoke insert (action) on audit.audit_event from huiyang_app")
            try:
                assert staff.get(f"/elders/{elder}").status_code == 500
            finally:
                admin.execute("grant insert (action) on audit.audit_event to huiyang_app")
        assert staff.get(f"/elders/{elder}").status_code == 200

    def test_no_name_and_no_number_stands_in_the_trail(self, app, records, staff, staff_name):
        name, number = f"慕容{unique()}", id_number()
        elder = records.elder(name, CHIKAN, id_number=number, phone="13800138000")
        for form in ({"name": name}, {"id_number": number}, {"phone": "13800138000"}):
            staff.get(staff.post("/elders/search", form, form_on="/elders/list").headers["location"])
        staff.get(f"/elders/{elder}")
        staff.post(f"/elders/{elder}/reveal", form_on=f"/elders/{elder}")
        staff.get(f"/c/{number}")
        text = str(records.audited(account_id=key_of(records, staff_name)))
        assert "elder_reveal" in text
        for personal in (name, number, "13800138000"):
            assert personal not in text
