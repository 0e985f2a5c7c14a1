"""Registration, requests to join, the approval list: through their pages, from both sides."""

from __future__ import annotations

import io
import re
import threading
from datetime import timedelta

import pytest
from PIL import Image

from huiyang.database import Login, connect
from huiyang.identifiers import complete_uscc
from operational_app.identity.models import RoleCode
from operational_app.web.services import today
from tests.app_api import Client, is_problem
from tests.app_sample import CHIKAN, XIASHAN, Browser, signed_in, unique

CITY = "440800000000"
OWN_PASSWORD = "Zhan-Jiang.Hai7"


@pytest.fixture(scope="module")
def county(app, records):
    """A manager of the county's department."""
    return signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))


def picture(shade: int = 200) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (60, 40), (shade, 100, 50)).save(written, "JPEG")
    return written.getvalue()


def credit_code() -> str:
    return complete_uscc("92440802" + f"{int(unique()) % 10**9:09d}")


def newcomer(app) -> tuple[str, Browser]:
    """Somebody who registered, signed in."""
    username = unique("n")
    browser = Browser.of(app)
    data = {"username": username, "display_name": "新人", "new": OWN_PASSWORD, "again": OWN_PASSWORD}
    response = browser.post("/register", data, form_on="/register")
    assert response.status_code == 200 and "注册成功" in response.text, response.text
    assert browser.sign_in(username, OWN_PASSWORD).status_code == 303
    return username, browser


@pytest.fixture(autouse=True)
def many_may_register(monkeypatch):
    monkeypatch.setattr("operational_app.identity.rules.REGISTRATIONS_AT_MOST", 10_000)


def ask(browser, county=CHIKAN):
    """Asks to join a county's department."""
    return browser.post("/join/department/new", {"county": county}, form_on="/join/department/new")


def request_of(records, username):
    """(key, row_version, state) of somebody's newest request."""
    with connect(Login.LOADER, records.settings) as loader:
        return loader.execute(
            "select r.id, r.row_version, r.state from joining.join_request r join identity.account a"
            " on a.id = r.applicant_id where a.username = %s order by r.id desc limit 1", [username],
        ).fetchone()  # fmt: skip


def decide(browser, records, username, act, **data):
    key, version, _ = request_of(records, username)
    fields = {"row_version": str(version)} | {name: str(value) for name, value in data.items()}
    return browser.post(f"/joining/{key}/{act}", fields, form_on=f"/joining/{key}")


def apply_as_entity(browser, code, kind="provider", county=CHIKAN, leave_out=(), **more):
    """Hands in an entity's request with pictures of its papers."""
    end = (today() + timedelta(days=400)).isoformat()
    papers = {"provider": "service", "meal_provider": "food", "assessor": "assessor", "device_vendor": "product"}
    data = {
        "entity_kind": kind, "entity_name": f"康养服务有限公司{code[-4:]}", "credit_code": code, "county": county,
        "legal_person": "李大明", "address": "寸金路 1 号", "csrftoken": browser.form_token("/join/entity/new"),
    }  # fmt: skip
    files = {}
    for paper in ("licence", "authorisation", papers.get(kind, "service")):
        if paper not in leave_out:
            files[f"file-{paper}"] = (f"{paper}.jpg", picture(), "image/jpeg")
            data |= {f"number-{paper}": f"NO-{paper}", f"expires-{paper}": end}
    return browser.client.post("/join/entity/new", data=data | more, files=files)


def entity(app, records):
    """An entity of 赤坎区: (its key, credit code, its manager's user name, the manager's browser)."""
    code = credit_code()
    key = records.organization(unique("康"), CHIKAN, "provider", credit_code=code, credit_code_status="valid")
    manager = records.account(RoleCode.PROVIDER_MANAGER, organization_id=key)
    return key, code, manager, signed_in(app, manager)


def key_of(records, table, column, value):
    with connect(Login.LOADER, records.settings) as loader:
        return loader.execute(f"select id from identity.{table} where {column} = %s", [value]).fetchone()[0]


def account_key(records, username):
    return key_of(records, "account", "username", username)


def notified(records, address):
    """Distinct titles of what people were told about a page."""
    with connect(Login.LOADER, records.settings) as loader:
        found = loader.execute("select distinct title from workbench.notification where address = %s", [address])
        return [title for (title,) in found]


class TestRegistration:
    def test_a_newcomer_may_nothing_but_ask(self, app):
        _, browser = newcomer(app)
        page = browser.get("/").text
        assert "未授予角色" in page
        for path in ("/elders/list", "/joining/list", "/accounts/list"):
            assert browser.get(path).status_code == 403
        assert "加入政府部门" in browser.get("/join").text

    def test_what_is_wrong_is_said(self, app):
        browser = Browser.of(app)
        taken, _ = newcomer(app)
        good = {"username": unique("n"), "display_name": "某", "new": OWN_PASSWORD, "again": OWN_PASSWORD}
        for change, told in [
            ({"username": taken}, "已被使用"), ({"username": "坏"}, "用户名应为"), ({"display_name": ""}, "真实姓名"),
            ({"again": "x"}, "不一致"), ({"new": "short", "again": "short"}, "10–128 位"),
        ]:  # fmt: skip
            response = browser.post("/register", good | change, form_on="/register")
            assert response.status_code == 422 and told in response.text

    def test_a_flood_of_accounts_is_stopped(self, app, monkeypatch):
        newcomer(app)
        monkeypatch.setattr("operational_app.identity.rules.REGISTRATIONS_AT_MOST", 1)
        data = {"username": unique("n"), "display_name": "某", "new": OWN_PASSWORD, "again": OWN_PASSWORD}
        response = Browser.of(app).post("/register", data, form_on="/register")
        assert response.status_code == 422 and "太多" in response.text


@pytest.mark.feature(8, 10)
class TestDepartments:
    @pytest.mark.parametrize(
        ("division", "department"),
        [
            ({"county": CHIKAN}, "赤坎区民政局"),
            ({"county": CHIKAN, "town": "440802001000"}, "中华街道公共服务办公室"),
            ({"county": CHIKAN, "town": "440802001000", "village": "440802001001"}, "南方社区居委会"),
        ],
    )
    def test_joining_at_each_level_and_being_let_in(self, app, records, county, division, department):
        username, browser = newcomer(app)
        data = {**division, "position": "科员", "statement": "负责养老服务"}
        assert browser.post("/join/department/new", data, form_on="/join/department/new").status_code == 303
        own = browser.get("/join").text
        assert department in own and "待办理" in own and "选择申请事项" not in own
        key, _, _ = request_of(records, username)
        assert "新人" in county.get("/joining/list").text
        page = county.get(f"/joining/{key}").text
        assert department in page and "负责养老服务" in page
        leader = re.search(r'<option value="(\d+)">局领导</option>', page)[1]
        assert "数据专员" not in page, "only roles that the decider holds"
        assert decide(county, records, username, "approve", role=leader).status_code == 303
        assert browser.get("/institutions/list").status_code == 200, "acts on the next request"
        assert "已通过" in browser.get("/join").text
        acts = [event["details"]["step"] for event in records.audited(action="join", target_id=key)]
        assert acts == ["submit", "approve"]

    def test_the_city(self, app, records):
        username, browser = newcomer(app)
        assert browser.post("/join/department/new", {}, form_on="/join/department/new").status_code == 303
        assert "湛江市民政局" in browser.get("/join").text
        city = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CITY))
        assert decide(city, records, username, "approve").status_code == 303

    def test_only_those_in_charge_see_it(self, app, records, county):
        username, browser = newcomer(app)
        ask(browser, XIASHAN)
        key, version, _ = request_of(records, username)
        assert county.get(f"/joining/{key}").status_code == 404
        token = county.form_token("/joining/list")
        data = {"row_version": str(version), "csrftoken": token}
        assert county.client.post(f"/joining/{key}/approve", data=data).status_code == 404
        assert browser.get(f"/joining/{key}").status_code == 403
        stranger = newcomer(app)[1]
        assert stranger.get(f"/join/{key}/edit").status_code == 404

    def test_returned_corrected_rejected(self, app, records, county):
        username, browser = newcomer(app)
        ask(browser)
        without = decide(county, records, username, "return", reason=" ")
        assert without.status_code == 422 and "请填写理由" in without.text
        assert decide(county, records, username, "return", reason="请写明职务").status_code == 303
        assert "请写明职务" in browser.get("/join").text
        key, version, state = request_of(records, username)
        assert state == "returned"
        late = decide(county, records, username, "approve")
        assert late.status_code == 422 and "退回补正" in late.text
        data = {"position": "股长", "row_version": str(version)}
        assert browser.post(f"/join/{key}/edit", data, form_on=f"/join/{key}/edit").status_code == 303
        page = county.get(f"/joining/{key}").text
        assert "股长" in page and "补正后重新提交" in page and "请写明职务" in page
        assert decide(county, records, username, "reject", reason="非本单位人员").status_code == 303
        own = browser.get("/join").text
        assert "不予通过" in own and "非本单位人员" in own and "选择申请事项" in own, "may ask anew"

    def test_one_request_at_a_time_and_withdrawn(self, app, records):
        username, browser = newcomer(app)
        ask(browser)
        twice = ask(browser)
        assert twice.status_code == 422 and "已有一份申请在办理中" in twice.text
        key, version, _ = request_of(records, username)
        assert browser.post(f"/join/{key}/withdraw", {"row_version": str(version)}, form_on="/join").status_code == 303
        assert request_of(records, username)[2] == "withdrawn"
        assert ask(browser).status_code == 303

    def test_who_belongs_somewhere_does_not_ask(self, app, records):
        browser = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        response = ask(browser)
        assert response.status_code == 422 and "您已属于部门或单位" in response.text
        admin = signed_in(app, records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        response = admin.post("/join/department/new", {"county": CHIKAN}, form_on="/join/department/new")
        assert response.status_code == 422 and "管理员账号不能申请" in response.text

    def test_nobody_decides_their_own_whatever_the_way(self, app, records):
        username, browser = newcomer(app)
        ask(browser)
        records.replace_roles(username, RoleCode.DEPARTMENT_MANAGER)
        with connect(Login.LOADER, records.settings) as loader:
            loader.execute(
                "update identity.account set department_id = (select id from identity.department"
                " where division_code = %s and is_builtin and unit_code is null) where username = %s",
                [CHIKAN, username],
            )  # fmt: skip
        key, version, _ = request_of(records, username)
        assert browser.get(f"/joining/{key}").status_code == 404
        token = browser.form_token("/joining/list")
        data = {"row_version": str(version), "csrftoken": token}
        assert browser.client.post(f"/joining/{key}/approve", data=data).status_code in {404, 422}
        assert request_of(records, username)[2] == "submitted"
        import psycopg

        with connect(Login.LOADER, records.settings) as loader, pytest.raises(psycopg.errors.CheckViolation):
            loader.execute("update joining.join_request set decided_by = applicant_id where id = %s", [key])

    def test_two_deciders_exactly_one_wins(self, app, records):
        username, browser = newcomer(app)
        ask(browser)
        key, version, _ = request_of(records, username)
        deciders = [
            signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN)) for _ in range(2)
        ]
        tokens = [decider.form_token(f"/joining/{key}") for decider in deciders]
        acts, answers = ("approve", "reject"), []

        def run(decider, token, act):
            data = {"row_version": str(version), "reason": "不符", "csrftoken": token}
            answers.append(decider.client.post(f"/joining/{key}/{act}", data=data).status_code)

        threads = [threading.Thread(target=run, args=case) for case in zip(deciders, tokens, acts, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [303, 422]
        with connect(Login.LOADER, records.settings) as loader:
            events = loader.execute("select act from joining.join_event where request_id = %s", [key]).fetchall()
        assert len(events) == 2, "handed in, and decided once"

    def test_an_overdue_request_is_marked(self, app, records, county):
        username, browser = newcomer(app)
        ask(browser)
        key, _, _ = request_of(records, username)
        with connect(Login.LOADER, records.settings) as loader:
            loader.execute("update joining.join_request set due_on = current_date - 3 where id = %s", [key])
        assert "超期" in county.get("/joining/list").text


@pytest.mark.feature(9, 10)
class TestEntities:
    def test_an_entity_comes_onto_the_platform_with_its_manager_and_permits(self, app, records, county):
        username, browser = newcomer(app)
        code = credit_code()
        assert apply_as_entity(browser, code).status_code == 303
        key, _, _ = request_of(records, username)
        page = county.get(f"/joining/{key}").text
        assert code in page and "NO-licence" in page
        paper = re.search(r'href="(/join/documents/\d+)"', page)[1]
        answer = county.get(paper)
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert newcomer(app)[1].get(paper).status_code == 404
        assert decide(county, records, username, "approve").status_code == 303
        with connect(Login.LOADER, records.settings) as loader:
            organization, kinds, permits = loader.execute(
                "select o.id,"
                " (select array_agg(kind::text) from organizations.organization_kind where organization_id = o.id),"
                " (select count(expires_on) from organizations.qualification where organization_id = o.id)"
                " from organizations.organization o where credit_code = %s", [code],
            ).fetchone()  # fmt: skip
        assert kinds == ["provider"] and permits == 2
        assert "服务商管理员" in browser.get("/").text
        assert browser.get("/accounts/list").status_code == 200, "and makes people of its own"
        assert str(organization) in county.get(f"/providers/{organization}").url.path

    @pytest.mark.parametrize("kind", ["bed_provider", "assessor", "device_vendor", "meal_provider"])
    def test_each_kind_asks_for_its_own_papers(self, app, records, kind):
        _, browser = newcomer(app)
        missing = {"bed_provider": "养老服务资质", "assessor": "评估机构资质", "device_vendor": "产品检测报告",
                   "meal_provider": "食品经营许可证"}[kind]  # fmt: skip
        left_out = {"bed_provider": "service", "assessor": "assessor", "device_vendor": "product",
                    "meal_provider": "food"}[kind]  # fmt: skip
        refused = apply_as_entity(browser, credit_code(), kind, leave_out=(left_out,))
        assert refused.status_code == 422 and f"缺少{missing}" in refused.text
        assert apply_as_entity(browser, credit_code(), kind).status_code == 303

    def test_what_is_wrong_is_said_and_what_was_typed_stays(self, app, records):
        _, browser = newcomer(app)
        code, yesterday = credit_code(), (today() - timedelta(days=1)).isoformat()
        wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
        for more, told in [
            ({"credit_code": wrong}, "校验位不符"), ({"credit_code": "123"}, "应为 18 位"),
            ({"entity_kind": ""}, "类别"),
            ({"entity_name": " "}, "请填写单位名称"), ({"county": ""}, "所在的县"),
            ({"expires-licence": yesterday}, "已过有效期"), ({"number-licence": ""}, "请填写营业执照"),
        ]:  # fmt: skip
            response = apply_as_entity(browser, code, **more)
            assert response.status_code == 422 and told in response.text, more
            assert "李大明" in response.text
        token = browser.form_token("/join/entity/new")
        data = {
            "entity_kind": "provider",
            "entity_name": "甲",
            "credit_code": code,
            "county": CHIKAN,
            "csrftoken": token,
        }
        files = {"file-licence": ("a.jpg", b"MZ\x90 program", "image/jpeg")}
        response = browser.client.post("/join/entity/new", data=data, files=files)
        assert response.status_code == 422 and "不是可用的" in response.text

    def test_a_town_does_not_admit_entities(self, app, records):
        username, browser = newcomer(app)
        assert apply_as_entity(browser, credit_code(), town="440802001000").status_code == 303
        town = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code="440802001000"))
        key, _, _ = request_of(records, username)
        assert "由县（市、区）或市民政局办理" in town.get(f"/joining/{key}").text
        token = town.form_token("/joining/list")
        response = town.client.post(f"/joining/{key}/approve", data={"row_version": "1", "csrftoken": token})
        assert response.status_code == 422 and request_of(records, username)[2] == "submitted"

    def test_a_returned_paper_is_replaced_the_others_stay(self, app, records, county):
        username, browser = newcomer(app)
        code = credit_code()
        apply_as_entity(browser, code)
        decide(county, records, username, "return", reason="执照不清晰")
        key, version, _ = request_of(records, username)
        page = browser.get(f"/join/{key}/edit").text
        assert "执照不清晰" in page and page.count("已上传") == 3
        data = {
            "entity_kind": "provider", "entity_name": "改名公司", "credit_code": code, "county": CHIKAN,
            "row_version": str(version), "number-licence": "NEW-1", "number-service": "NO-service",
            "csrftoken": browser.form_token(f"/join/{key}/edit"),
        }  # fmt: skip
        files = {"file-licence": ("new.jpg", picture(90), "image/jpeg")}
        assert browser.client.post(f"/join/{key}/edit", data=data, files=files).status_code == 303
        page = county.get(f"/joining/{key}").text
        assert "new.jpg" in page and "NEW-1" in page and "authorisation.jpg" in page and "licence.jpg" not in page

    def test_a_known_code_gets_a_further_capacity_and_one_elsewhere_is_told(self, app, records, county):
        code = credit_code()
        known = records.organization(unique("老牌"), CHIKAN, "operator", credit_code=code, credit_code_status="valid")
        username, browser = newcomer(app)
        apply_as_entity(browser, code)
        assert decide(county, records, username, "approve").status_code == 303
        with connect(Login.LOADER, records.settings) as loader:
            kinds = loader.execute(
                "select array_agg(kind::text order by kind) from organizations.organization_kind"
                " where organization_id = %s",
                [known],
            ).fetchone()[0]  # fmt: skip
        assert kinds == ["operator", "provider"]
        elsewhere = credit_code()
        records.organization(unique("外县"), XIASHAN, "provider", credit_code=elsewhere, credit_code_status="valid")
        username, browser = newcomer(app)
        apply_as_entity(browser, elsewhere)
        refused = decide(county, records, username, "approve")
        assert refused.status_code == 422 and "管辖范围以外" in refused.text
        assert request_of(records, username)[2] == "submitted", "nothing half done"


@pytest.mark.feature(13)
class TestMembers:
    def test_a_person_asks_and_the_entitys_manager_lets_in(self, app, records, county):
        code = credit_code()
        organization = records.organization(
            unique("康"), CHIKAN, "provider", credit_code=code, credit_code_status="valid"
        )
        manager = signed_in(app, records.account(RoleCode.PROVIDER_MANAGER, organization_id=organization))
        username, browser = newcomer(app)
        unknown = browser.post("/join/member/new", {"credit_code": credit_code()}, form_on="/join/member/new")
        assert unknown.status_code == 422 and "没有这个统一社会信用代码" in unknown.text
        data = {"credit_code": code, "position": "护理员"}
        assert browser.post("/join/member/new", data, form_on="/join/member/new").status_code == 303
        key, _, _ = request_of(records, username)
        assert "应由该单位的管理员办理" in county.get(f"/joining/{key}").text
        other = signed_in(
            app,
            records.account(
                RoleCode.PROVIDER_MANAGER, organization_id=records.organization(unique("别"), CHIKAN, "provider")
            ),
        )
        assert other.get(f"/joining/{key}").status_code == 404
        page = manager.get(f"/joining/{key}").text
        staff = re.search(r'<option value="(\d+)">服务商人员</option>', page)[1]
        assert "局领导" not in page
        assert decide(manager, records, username, "approve", role=staff).status_code == 303
        assert browser.get("/orders/list").status_code == 200

    def test_returned_corrected_and_rejected_as_the_applicant_sees_it(self, app, records):
        _, code, _, manager = entity(app, records)
        username, browser = newcomer(app)
        data = {"credit_code": code, "position": "护理"}
        assert browser.post("/join/member/new", data, form_on="/join/member/new").status_code == 303
        blank = decide(manager, records, username, "return", reason=" ")
        assert blank.status_code == 422 and "请填写理由" in blank.text
        assert decide(manager, records, username, "return", reason="岗位请写全称").status_code == 303
        own = browser.get("/join").text
        assert "退回补正" in own and "岗位请写全称" in own and "补正并重新提交" in own and "选择申请事项" not in own
        assert "退回补正" in browser.get("/notifications").text
        key, version, state = request_of(records, username)
        assert state == "returned"
        form = browser.get(f"/join/{key}/edit").text
        assert "退回原因：岗位请写全称" in form and 'value="护理"' in form
        stale = {"position": "养老护理员", "row_version": str(version - 1)}
        refused = browser.post(f"/join/{key}/edit", stale, form_on=f"/join/{key}/edit")
        assert refused.status_code == 422 and "刚被他人修改" in refused.text
        fresh = {"position": "养老护理员", "row_version": str(version)}
        assert browser.post(f"/join/{key}/edit", fresh, form_on=f"/join/{key}/edit").status_code == 303
        assert "养老护理员" in manager.get(f"/joining/{key}").text
        assert decide(manager, records, username, "reject", reason="不是本单位人员").status_code == 303
        own = browser.get("/join").text
        assert "不予通过" in own and "不是本单位人员" in own and "选择申请事项" in own, "may ask anew"
        assert browser.get("/orders/list").status_code == 403, "a rejected person may nothing"
        late = decide(manager, records, username, "approve")
        assert late.status_code == 422 and "不能再办理" in late.text
        assert browser.post("/join/member/new", data, form_on="/join/member/new").status_code == 303


@pytest.mark.feature(12)
class TestLastManager:
    """An entity's last manager may be shut, for an account may be in wrong hands; the bureau appoints another."""

    def test_shut_the_bureau_is_told_and_appoints_another(self, app, records, county):
        organization, _, manager, _ = entity(app, records)
        key = account_key(records, manager)
        staff = records.account(RoleCode.PROVIDER_STAFF, organization_id=organization)
        page = county.get(f"/providers/{organization}")
        assert page.status_code == 200 and "指定管理员" not in page.text
        refused = county.post(
            f"/providers/{organization}/manager", {"account": str(account_key(records, staff))}, form_on="/joining/list"
        )
        assert refused.status_code == 422 and "已有管理员" in refused.text
        administrator = signed_in(app, records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        assert "唯一的管理员" in administrator.get(f"/accounts/{key}").text
        shut = administrator.post(f"/accounts/{key}/shut", {}, form_on=f"/accounts/{key}")
        assert shut.status_code == 303
        (told,) = notified(records, f"/providers/{organization}")
        assert "已没有管理员" in told
        assert "没有管理员" in county.get(f"/providers/{organization}").text
        foreign = records.account(RoleCode.PROVIDER_STAFF, organization_id=entity(app, records)[0])
        wrong = county.post(
            f"/providers/{organization}/manager", {"account": str(account_key(records, foreign))},
            form_on="/joining/list",
        )  # fmt: skip
        assert wrong.status_code == 422 and "请选择该单位的人员" in wrong.text
        named = county.post(
            f"/providers/{organization}/manager", {"account": str(account_key(records, staff))},
            form_on=f"/providers/{organization}",
        )  # fmt: skip
        assert named.status_code == 303, named.text
        assert signed_in(app, staff).get("/organization").status_code == 200
        town = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=XIASHAN))
        assert town.get(f"/providers/{organization}").status_code == 404

    def test_the_role_taken_away_and_somebody_let_in_by_the_bureau(self, app, records, county):
        organization, code, manager, _ = entity(app, records)
        key = account_key(records, manager)
        security = signed_in(app, records.account(RoleCode.SECURITY_ADMINISTRATOR))
        role = key_of(records, "role", "code", RoleCode.PROVIDER_MANAGER)
        taken = security.post(f"/accounts/{key}/revoke", {"role": str(role)}, form_on=f"/accounts/{key}")
        assert taken.status_code == 303 and len(notified(records, f"/providers/{organization}")) == 1
        username, browser = newcomer(app)
        data = {"credit_code": code, "position": "院长"}
        assert browser.post("/join/member/new", data, form_on="/join/member/new").status_code == 303
        request, _, _ = request_of(records, username)
        town = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code="440802001000"))
        assert town.get(f"/joining/{request}").status_code == 404, "the entity is the county's"
        assert decide(county, records, username, "approve").status_code == 303
        assert username in county.get(f"/providers/{organization}").text

    def test_one_of_two_managers_may_go_without_a_word(self, app, records):
        organization, _, _, browser = entity(app, records)
        second = records.account(RoleCode.PROVIDER_MANAGER, organization_id=organization)
        key = account_key(records, second)
        assert "唯一的管理员" not in browser.get(f"/accounts/{key}").text
        assert browser.post(f"/accounts/{key}/shut", {}, form_on=f"/accounts/{key}").status_code == 303
        assert notified(records, f"/providers/{organization}") == []


@pytest.mark.feature(12)
def test_own_permits_over_the_api(app, records):
    organization, _, name, _ = entity(app, records)
    manager = Client.of(app, name)
    made = manager.post(
        "/organization/permits", {"kind": "business", "number": "NO-1", "expires_on": "2020-01-01"}
    )  # fmt: skip
    assert made.status_code == 201, made.text
    key = made.json()["id"]
    (told,) = manager.get("/organization").json()["permits"]
    assert told["state"] == "已过期" and told["number"] == "NO-1"
    wrong = {"number": "NO-2", "issued_on": "2026-01-01", "expires_on": "2025-01-01"}
    assert "应晚于" in is_problem(manager.send("PUT", f"/organization/permits/{key}", wrong), 422)
    assert "编号" in is_problem(manager.send("PUT", f"/organization/permits/{key}", {"number": " "}), 422)
    until = (today() + timedelta(days=400)).isoformat()
    changed = manager.send("PUT", f"/organization/permits/{key}", {"number": "NO-2", "expires_on": until})
    (told,) = changed.json()["permits"]
    assert (told["id"], told["state"], told["number"]) == (key, "有效", "NO-2")
    other = Client.of(app, entity(app, records)[2])
    is_problem(other.send("PUT", f"/organization/permits/{key}", {"number": "X"}), 404)
    staff = Client.of(app, records.account(RoleCode.PROVIDER_STAFF, organization_id=organization))
    is_problem(staff.post("/organization/permits", {"kind": "business", "number": "X"}), 403)
