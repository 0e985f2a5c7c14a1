"""Accounts, departments, roles, groups, menu and the own account, through their pages."""

from __future__ import annotations

import re
import threading

import pytest

from huiyang.database import Login, connect
from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, PASSWORD, XIASHAN, Browser, signed_in, unique

CITY = "440800000000"
OWN_PASSWORD = "Zhan-Jiang.Hai7"


@pytest.fixture(scope="module")
def system(app, records):
    return signed_in(app, records.account(RoleCode.SYSTEM_ADMINISTRATOR))


@pytest.fixture(scope="module")
def security(app, records):
    return signed_in(app, records.account(RoleCode.SECURITY_ADMINISTRATOR))


def key_of(records, table, **named):
    ((column, value),) = named.items()
    with connect(Login.LOADER, records.settings) as loader:
        row = loader.execute(f"select id from identity.{table} where {column} = %s", [value]).fetchone()
    return row[0] if row else None


def account_key(records, username):
    return key_of(records, "account", username=username)


def role_key(records, role):
    return key_of(records, "role", code=role)


def make_account(browser, **more):
    """(username, one-time password) of an account made through the page."""
    username = unique("new")
    response = browser.post(
        "/accounts/new", {"username": username, "display_name": "新同事", **more}, form_on="/accounts/new"
    )
    assert response.status_code == 200, response.text
    password = re.search(r'data-testid="one-time-password">([^<]+)<', response.text)
    assert password, response.text
    return username, password[1]


def grant(browser, records, username, role):
    key = account_key(records, username)
    data = {"role": str(role_key(records, role))}
    return browser.post(f"/accounts/{key}/grant", data, form_on=f"/accounts/{key}")


def revoke(browser, records, username, role):
    key = account_key(records, username)
    data = {"role": str(role_key(records, role))}
    return browser.post(f"/accounts/{key}/revoke", data, form_on=f"/accounts/{key}")


def found_people(browser, name, **more):
    """The list's text after a search by name, which no address carries."""
    response = browser.post("/accounts/search", {"name": name, **more}, form_on="/accounts/list")
    assert response.status_code == 303, response.text
    return browser.get(response.headers["location"]).text


@pytest.mark.feature(2)
class TestAccounts:
    def test_a_new_account_must_choose_a_password_of_its_own(self, app, records, system):
        username, password = make_account(system, county=CHIKAN, position="科员")
        browser = Browser.of(app)
        assert browser.sign_in(username, password).status_code == 303
        for path in ("/", "/elders/list", "/accounts/list"):
            assert browser.get(path).headers["location"] == "/me/password", path
        for new, told in [
            ("short1A", "10–128 位"), ("alllowercaseletters", "至少三种"), (f"{username}-A1b", "不能包含用户名"),
            ("Password-2026", "过于常见"), (password, "不能与当前密码相同"),
        ]:  # fmt: skip
            data = {"current": password, "new": new, "again": new}
            response = browser.post("/me/password", data, form_on="/me/password")
            assert response.status_code == 422 and told in response.text, new
        wrong = {"current": "wrong", "new": OWN_PASSWORD, "again": OWN_PASSWORD}
        assert "当前密码不正确" in browser.post("/me/password", wrong, form_on="/me/password").text
        differing = {"current": password, "new": OWN_PASSWORD, "again": OWN_PASSWORD + "x"}
        assert "不一致" in browser.post("/me/password", differing, form_on="/me/password").text
        right = {"current": password, "new": OWN_PASSWORD, "again": OWN_PASSWORD}
        assert browser.post("/me/password", right, form_on="/me/password").status_code == 303
        assert "未授予角色" in browser.get("/").text
        assert Browser.of(app).sign_in(username, password).status_code == 401
        assert Browser.of(app).sign_in(username, OWN_PASSWORD).status_code == 303

    def test_what_is_wrong_with_a_new_account_is_said_and_nothing_lost(self, records, system):
        taken, _ = make_account(system, county=CHIKAN)
        for data, told in [
            ({"username": "X!", "display_name": "李四", "county": CHIKAN}, "用户名应为"),
            ({"username": taken, "display_name": "李四", "county": CHIKAN}, "已被使用"),
            ({"username": unique("u"), "display_name": " ", "county": CHIKAN}, "请填写姓名"),
            ({"username": unique("u"), "display_name": "李四"}, "请选择所属部门"),
        ]:
            response = system.post("/accounts/new", data, form_on="/accounts/new")
            assert response.status_code == 422 and told in response.text
            assert f'value="{data["display_name"].strip()}"' in response.text or not data["display_name"].strip()

    def test_the_list_finds_and_pages(self, records, system):
        username, _ = make_account(system, county=XIASHAN)
        found = system.post("/accounts/search", {"name": username}, form_on="/accounts/list")
        assert username not in found.headers["location"], "no name in an address"
        assert username in system.get(found.headers["location"]).text
        assert username not in system.get(f"/accounts/list?county={CHIKAN}").text

    def test_shutting_ends_every_session_at_once_and_opening_lets_in_again(self, app, records, system):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        browser, page = signed_in(app, username), f"/accounts/{account_key(records, username)}"
        assert system.post(f"{page}/shut", form_on=page).status_code == 303
        assert browser.get("/").headers["location"].startswith("/sign-in")
        assert Browser.of(app).sign_in(username).status_code == 401
        assert "已停用" in system.get(page).text
        assert system.post(f"{page}/open", form_on=page).status_code == 303
        assert Browser.of(app).sign_in(username).status_code == 303

    def test_a_reset_password_opens_once_and_the_old_one_no_more(self, app, records, system):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        page = f"/accounts/{account_key(records, username)}"
        response = system.post(f"{page}/reset", form_on=page)
        password = re.search(r'data-testid="one-time-password">([^<]+)<', response.text)[1]
        assert Browser.of(app).sign_in(username).status_code == 401
        browser = Browser.of(app)
        assert browser.sign_in(username, password).status_code == 303
        assert browser.get("/").headers["location"] == "/me/password"
        acts = [event["action"] for event in records.audited(target_id=account_key(records, username))]
        assert "password_reset" in acts

    def test_a_stale_form_changes_nothing(self, records, system):
        username, _ = make_account(system, county=CHIKAN)
        page = f"/accounts/{account_key(records, username)}"
        for name, status in (("甲", 303), ("乙", 422)):
            data = {"display_name": name, "position": "", "row_version": "1"}
            response = system.post(page, data, form_on=page)
            assert response.status_code == status
        assert "刚被他人修改" in response.text and "甲" in response.text
        with connect(Login.LOADER, records.settings) as loader:
            row = loader.execute("select display_name from identity.account where username = %s", [username]).fetchone()
        assert row == ("甲",)

    def test_administrators_are_not_changed_from_a_page(self, records, system):
        other = account_key(records, records.account(RoleCode.AUDIT_ADMINISTRATOR))
        form = system.form_token("/accounts/new")
        for act in ("shut", "reset"):
            response = system.client.post(f"/accounts/{other}/{act}", data={"csrftoken": form})
            assert response.status_code == 422 and "服务器上维护" in response.text

    def test_a_manager_sees_and_changes_only_people_of_the_own_scope(self, app, records):
        manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        inside = records.account(RoleCode.LEADER, division_code="440802001000")
        outside = records.account(RoleCode.LEADER, division_code=XIASHAN)
        above = records.account(RoleCode.LEADER, division_code=CITY)
        assert manager.get(f"/accounts/{account_key(records, inside)}").status_code == 200
        for username in (outside, above):
            key = account_key(records, username)
            assert manager.get(f"/accounts/{key}").status_code == 404
            token = manager.form_token("/accounts/new")
            assert manager.client.post(f"/accounts/{key}/reset", data={"csrftoken": token}).status_code == 404
        refused = manager.post(
            "/accounts/new", {"username": unique("u"), "display_name": "某某", "county": XIASHAN},
            form_on="/accounts/new",
        )  # fmt: skip
        assert refused.status_code == 422 and "不在您的管辖范围内" in refused.text

    def test_a_unit_manager_makes_people_of_the_unit(self, app, records):
        manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, unit_code="ZJ-JKQ"))
        username, _ = make_account(manager)
        listed = manager.get("/accounts/list").text
        assert username in listed and "湛江经开区民政局" in listed

    def test_who_has_no_right_is_refused(self, app, records, security):
        leader = signed_in(app, records.account(RoleCode.LEADER, division_code=CITY))
        for path in ("/accounts/list", "/accounts/new", "/departments/list", "/roles/list", "/groups/list"):
            assert leader.get(path).status_code == 403, path
        assert security.get("/accounts/new").status_code == 403, "security gives rights, it makes no accounts"
        assert security.get("/resources/list").status_code == 403


@pytest.mark.feature(5)
class TestRoles:
    def test_a_role_of_the_installation_opens_exactly_its_resources(self, app, records, system, security):
        name = unique("查询岗")
        data = {
            "name": name,
            "description": "只看机构",
            "is_active": "1",
            "row_version": "1",
            "resource": "institutions",
        }
        made = security.post("/roles/new", data, form_on="/roles/new")
        assert made.status_code == 303
        role = int(made.headers["location"].split("/")[2].split("?")[0])
        username = records.account(division_code=CHIKAN)
        browser = signed_in(app, username)
        assert browser.get("/institutions/list").status_code == 403
        page = f"/accounts/{account_key(records, username)}"
        assert security.post(f"{page}/grant", {"role": str(role)}, form_on=page).status_code == 303
        assert browser.get("/institutions/list").status_code == 200, "acts on the next request"
        assert browser.get("/elders/list").status_code == 403
        change = data | {"resource": "facilities", "row_version": "1"}
        assert security.post(f"/roles/{role}", change, form_on=f"/roles/{role}").status_code == 303
        assert browser.get("/institutions/list").status_code == 403
        assert browser.get("/facilities/list").status_code == 200
        stale = security.post(f"/roles/{role}", change | {"resource": "elders"}, form_on=f"/roles/{role}")
        assert stale.status_code == 422 and "刚被他人修改" in stale.text
        shut = {**data, "resource": "facilities", "row_version": "2", "is_active": ""}
        assert security.post(f"/roles/{role}", shut, form_on=f"/roles/{role}").status_code == 303
        assert browser.get("/facilities/list").status_code == 403

    def test_no_business_role_administers_and_no_administrator_is_changed(self, records, security):
        data = {"name": unique("岗"), "is_active": "1", "row_version": "1", "resource": "roles"}
        refused = security.post("/roles/new", data, form_on="/roles/new")
        assert refused.status_code == 422 and "不能包含系统管理" in refused.text
        key = role_key(records, RoleCode.SYSTEM_ADMINISTRATOR)
        token = security.form_token("/roles/new")
        data = {"name": "系统", "row_version": "1", "resource": "elders", "csrftoken": token}
        assert security.client.post(f"/roles/{key}", data=data).status_code == 422
        assert "三员分立" in security.get(f"/roles/{key}").text

    def test_a_taken_name_and_an_empty_one(self, security):
        for name, told in (("局领导", "已有名称为"), ("  ", "请填写角色名称")):
            data = {"name": name, "is_active": "1", "row_version": "1"}
            response = security.post("/roles/new", data, form_on="/roles/new")
            assert response.status_code == 422 and told in response.text

    def test_the_menu_is_named_ordered_and_extended_by_the_installation(self, app, records, system, security):
        label, link = unique("省平台"), "https://elder.example.gov.cn/"
        data = {"label": label, "url": link, "position": "5", "is_shown": "1", "row_version": "1"}
        made = system.post("/resources/new", data, form_on="/resources/new")
        node = made.headers["location"].split("?")[0]
        with connect(Login.LOADER, records.settings) as loader:
            code = loader.execute("select code from identity.resource where label = %s", [label]).fetchone()[0]
        role = {"name": unique("省平台岗"), "is_active": "1", "row_version": "1", "resource": code}
        key = security.post("/roles/new", role, form_on="/roles/new").headers["location"].split("/")[2].split("?")[0]
        username = records.account(division_code=CITY)
        browser = signed_in(app, username)
        page = f"/accounts/{account_key(records, username)}"
        security.post(f"{page}/grant", {"role": key}, form_on=page)
        assert f'href="{link}"' in browser.get("/").text
        hidden = data | {"is_shown": "", "row_version": "1"}
        assert system.post(node, hidden, form_on=node).status_code == 303
        assert link not in browser.get("/").text
        for url in ("javascript:alert(1)", "//evil.example", "http://plain.example", "/\\evil"):
            bad = system.post("/resources/new", data | {"url": url}, form_on="/resources/new")
            assert bad.status_code == 422 and "链接应以" in bad.text


@pytest.mark.feature(3)
class TestDepartments:
    def test_every_division_and_unit_has_its_department(self, system):
        listed = system.get(f"/departments/list?county={CHIKAN}").text
        assert "赤坎区民政局" in listed and "中华街道公共服务办公室" in listed
        found = system.post("/departments/search", {"name": "经开区"}, form_on="/departments/list")
        assert "湛江经开区民政局" in system.get(found.headers["location"]).text

    def test_a_section_takes_people_and_shuts_only_when_empty(self, app, records, system):
        name = unique("养老服务股")
        made = system.post("/departments/new", {"name": name, "county": CHIKAN}, form_on="/departments/new")
        page = made.headers["location"].split("?")[0]
        username, _ = make_account(system, section=page.split("/")[-1])
        assert name in system.get(f"/accounts/{account_key(records, username)}").text
        again = system.post("/departments/new", {"name": name, "county": CHIKAN}, form_on="/departments/new")
        assert again.status_code == 422 and "已有名称为" in again.text
        refused = system.post(page, {"name": name}, form_on=page)
        assert refused.status_code == 422 and "还有 1 个启用的账号" in refused.text
        account = f"/accounts/{account_key(records, username)}"
        system.post(f"{account}/shut", form_on=account)
        assert system.post(page, {"name": name}, form_on=page).status_code == 303
        assert "已停用" in system.get(f"/departments/list?county={CHIKAN}").text


@pytest.mark.feature(4)
class TestGroups:
    def test_a_groups_roles_are_its_members(self, app, records, security):
        name, username = unique("督导组"), records.account(division_code=CHIKAN)
        browser = signed_in(app, username)
        data = {"name": name, "is_active": "1", "row_version": "1", "role": str(role_key(records, RoleCode.LEADER))}
        group = security.post("/groups/new", data, form_on="/groups/new").headers["location"].split("?")[0]
        assert security.post(f"{group}/add", {"username": username}, form_on=group).status_code == 303
        assert browser.get("/institutions/list").status_code == 200
        assert f"用户组“{name}”" in security.get(f"/accounts/{account_key(records, username)}").text
        twice = security.post(f"{group}/add", {"username": username}, form_on=group)
        assert twice.status_code == 422 and "已在本组" in twice.text
        unknown = security.post(f"{group}/add", {"username": "nobody"}, form_on=group)
        assert unknown.status_code == 422 and "没有用户名" in unknown.text
        member = {"account": str(account_key(records, username))}
        assert security.post(f"{group}/remove", member, form_on=group).status_code == 303
        assert browser.get("/institutions/list").status_code == 403

    def test_administrators_stay_out_and_get_nothing_from_a_group(self, app, records, security):
        administrator = records.account(RoleCode.SYSTEM_ADMINISTRATOR)
        data = {
            "name": unique("组"), "is_active": "1", "row_version": "1",
            "role": str(role_key(records, RoleCode.LEADER)),
        }  # fmt: skip
        group = security.post("/groups/new", data, form_on="/groups/new").headers["location"].split("?")[0]
        refused = security.post(f"{group}/add", {"username": administrator}, form_on=group)
        assert refused.status_code == 422 and "不能同时承担" in refused.text
        with connect(Login.LOADER, records.settings) as loader:  # even if a row gets there
            loader.execute(
                "insert into identity.user_group_member (group_id, account_id, added_by) values (%s, %s, %s)",
                [int(group.split("/")[-1]), account_key(records, administrator), account_key(records, administrator)],
            )
        assert signed_in(app, administrator).get("/institutions/list").status_code == 403
        admin_role = {"name": unique("组"), "is_active": "1", "row_version": "1"}
        admin_role["role"] = str(role_key(records, RoleCode.SECURITY_ADMINISTRATOR))
        refused = security.post("/groups/new", admin_role, form_on="/groups/new")
        assert refused.status_code == 422 and "只能授予业务角色" in refused.text


@pytest.mark.feature(5)
class TestGranting:
    def test_nobody_grants_what_they_do_not_hold(self, app, records):
        manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        colleague = records.account(division_code=CHIKAN)
        assert grant(manager, records, colleague, RoleCode.LEADER).status_code == 303
        for role in (RoleCode.DATA_STAFF, RoleCode.SYSTEM_ADMINISTRATOR, RoleCode.PROVIDER_STAFF):
            response = grant(manager, records, colleague, role)
            assert response.status_code == 422, role
        page = manager.get(f"/accounts/{account_key(records, colleague)}").text
        offered = re.findall(r'<option value="\d+">([^<]+)</option>', page)
        assert "局领导" not in offered, "held already"
        assert "数据专员" not in offered and "系统管理员" not in offered and "机构管理员" not in offered

    def test_nobody_grants_to_oneself(self, app, records, security):
        username = records.account(RoleCode.SECURITY_ADMINISTRATOR)
        browser = signed_in(app, username)
        token = browser.form_token("/roles/new")
        data = {"role": str(role_key(records, RoleCode.LEADER)), "csrftoken": token}
        response = browser.client.post(f"/accounts/{account_key(records, username)}/grant", data=data)
        assert response.status_code == 422 and "不能给自己授权" in response.text

    def test_the_three_administrations_stay_apart(self, records, security):
        username = records.account(RoleCode.AUDIT_ADMINISTRATOR)
        for role in (RoleCode.SYSTEM_ADMINISTRATOR, RoleCode.SECURITY_ADMINISTRATOR):
            assert "不能同时承担" in grant(security, records, username, role).text
        business = records.account(RoleCode.LEADER, division_code=CITY)
        assert "不能由同一人承担" in grant(security, records, business, RoleCode.SYSTEM_ADMINISTRATOR).text
        import psycopg

        with connect(Login.LOADER, records.settings) as loader, pytest.raises(psycopg.errors.ExclusionViolation):
            loader.execute(
                "insert into identity.account_role (account_id, role_id, duty)"
                " select %s, id, duty from identity.role where code = 'system_administrator'",
                [account_key(records, username)],
            )

    def test_two_grants_at_once_exactly_one_wins(self, app, records):
        granters = [signed_in(app, records.account(RoleCode.SECURITY_ADMINISTRATOR)) for _ in range(2)]
        username, answers = records.account(), []
        roles = (RoleCode.SYSTEM_ADMINISTRATOR, RoleCode.AUDIT_ADMINISTRATOR)
        threads = [
            threading.Thread(target=lambda b=b, r=r: answers.append(grant(b, records, username, r).status_code))
            for b, r in zip(granters, roles, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [303, 422]

    def test_a_revoked_role_is_gone_on_the_next_request(self, app, records, security):
        username = records.account(RoleCode.LEADER, division_code=CITY)
        browser, page = signed_in(app, username), f"/accounts/{account_key(records, username)}"
        assert browser.get("/quality").status_code in {200, 302}
        data = {"role": str(role_key(records, RoleCode.LEADER))}
        assert security.post(f"{page}/revoke", data, form_on=page).status_code == 303
        assert browser.get("/quality").status_code == 403
        check = browser.get("/auth/check", headers={"x-forwarded-uri": "/cockpits/"})
        assert check.status_code == 403, "and so the front door shuts the cockpits"
        again = security.post(f"{page}/revoke", data, form_on=page)
        assert again.status_code == 422 and "已没有角色" in again.text


@pytest.mark.feature(13, 14)
class TestOrganizationPeople:
    def test_a_manager_makes_people_of_the_own_organization_and_gives_them_roles(self, app, records):
        organization = records.organization(unique("康护服务"), CHIKAN, "provider")
        manager = signed_in(app, records.account(RoleCode.PROVIDER_MANAGER, organization_id=organization))
        username, _ = make_account(manager, county=XIASHAN)
        assert grant(manager, records, username, RoleCode.PROVIDER_STAFF).status_code == 303
        assert grant(manager, records, username, RoleCode.LEADER).status_code == 422
        assert grant(manager, records, username, RoleCode.INSTITUTION_MANAGER).status_code == 422
        with connect(Login.LOADER, records.settings) as loader:
            row = loader.execute(
                "select organization_id, department_id from identity.account where username = %s", [username]
            ).fetchone()
        assert row == (organization, None), "whatever the form says"
        stranger = records.account(
            RoleCode.PROVIDER_STAFF, organization_id=records.organization(unique("别家"), CHIKAN, "provider")
        )
        assert manager.get(f"/accounts/{account_key(records, stranger)}").status_code == 404
        assert stranger not in manager.get("/accounts/list").text

    def test_people_are_found_named_and_their_roles_given_and_taken_at_once(self, app, records):
        organization = records.organization(unique("康护服务"), CHIKAN, "provider")
        manager = signed_in(app, records.account(RoleCode.PROVIDER_MANAGER, organization_id=organization))
        colleague = records.account(organization_id=organization)
        other = records.organization(unique("别家"), CHIKAN, "provider")
        stranger = records.account(RoleCode.PROVIDER_STAFF, organization_id=other)
        assert colleague in found_people(manager, colleague)
        assert "没有符合条件的账号" in found_people(manager, stranger)
        page = f"/accounts/{account_key(records, colleague)}"
        data = {"display_name": "周小兰", "position": "护理组长", "row_version": "1"}
        assert manager.post(page, data, form_on=page).status_code == 303
        assert "周小兰" in manager.get(page).text and "护理组长" in manager.get(page).text
        worker = signed_in(app, colleague)
        assert worker.get("/orders/list").status_code == 403
        assert grant(manager, records, colleague, RoleCode.PROVIDER_STAFF).status_code == 303
        assert worker.get("/orders/list").status_code == 200
        assert revoke(manager, records, colleague, RoleCode.PROVIDER_STAFF).status_code == 303
        assert worker.get("/orders/list").status_code == 403, "taken on the next request"
        token = {"csrftoken": manager.form_token("/accounts/new")}
        theirs = f"/accounts/{account_key(records, stranger)}"
        taken = token | {"role": str(role_key(records, RoleCode.PROVIDER_STAFF))}
        assert manager.client.post(f"{theirs}/revoke", data=taken).status_code == 404
        assert manager.client.post(theirs, data=token | data).status_code == 404


@pytest.mark.feature(12)
class TestManagersOfAnOrganization:
    def test_a_manager_makes_another_and_unmakes_them(self, app, records):
        organization = records.organization(unique("康护服务"), CHIKAN, "provider")
        chief = records.account(RoleCode.PROVIDER_MANAGER, organization_id=organization)
        manager = signed_in(app, chief)
        colleague = records.account(RoleCode.PROVIDER_STAFF, organization_id=organization)
        deputy = signed_in(app, colleague)
        for path in ("/organization", "/accounts/list"):
            assert deputy.get(path).status_code == 403
        assert grant(manager, records, colleague, RoleCode.PROVIDER_MANAGER).status_code == 303
        for path in ("/organization", "/accounts/list"):
            assert deputy.get(path).status_code == 200
        own = f"/accounts/{account_key(records, chief)}"
        taken = {
            "role": str(role_key(records, RoleCode.PROVIDER_MANAGER)), "csrftoken": manager.form_token("/accounts/new"),
        }  # fmt: skip
        refused = manager.client.post(f"{own}/revoke", data=taken)
        assert refused.status_code == 422 and "不能收回自己的角色" in refused.text, "so one manager always remains"
        assert revoke(manager, records, colleague, RoleCode.PROVIDER_MANAGER).status_code == 303
        assert deputy.get("/organization").status_code == 403
        acts = [event["action"] for event in records.audited(target_id=account_key(records, colleague))]
        assert acts.count("role_grant") == 1 and acts.count("role_revoke") == 1

    def test_staff_make_no_manager(self, app, records):
        organization = records.organization(unique("康护服务"), CHIKAN, "provider")
        staff = records.account(RoleCode.PROVIDER_STAFF, organization_id=organization)
        colleague = records.account(organization_id=organization)
        browser = signed_in(app, staff)
        data = {
            "role": str(role_key(records, RoleCode.PROVIDER_MANAGER)), "csrftoken": browser.form_token("/me"),
        }  # fmt: skip
        response = browser.client.post(f"/accounts/{account_key(records, colleague)}/grant", data=data)
        assert response.status_code == 403
        assert signed_in(app, colleague).get("/organization").status_code == 403


@pytest.mark.feature(11)
class TestGovernmentPeople:
    def test_a_manager_cannot_take_over_a_stronger_account(self, app, records):
        manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        stronger = records.account(RoleCode.DATA_STAFF, division_code=CHIKAN)
        page = f"/accounts/{account_key(records, stronger)}"
        token = manager.form_token("/accounts/new")
        response = manager.client.post(f"{page}/reset", data={"csrftoken": token})
        assert response.status_code == 422 and "权限比您大" in response.text
        assert Browser.of(app).sign_in(stronger).status_code == 303, "the password is as it was"

    def test_position_and_role_of_a_colleague(self, app, records):
        manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        username, _ = make_account(manager, county=CHIKAN, position="股长")
        page = f"/accounts/{account_key(records, username)}"
        data = {"display_name": "陈大文", "position": "副科长", "row_version": "1"}
        assert manager.post(page, data, form_on=page).status_code == 303
        assert "副科长" in manager.get(page).text and "陈大文" in manager.get(page).text

    def test_people_are_found_by_name_role_and_place_of_the_own_scope_only(self, app, records):
        manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        leader = records.account(RoleCode.LEADER, division_code="440802001000")
        roleless = records.account(division_code="440802001000")
        outside = records.account(RoleCode.LEADER, division_code=XIASHAN)
        assert leader in found_people(manager, leader)
        assert "没有符合条件的账号" in found_people(manager, outside)
        assert "没有符合条件的账号" in found_people(manager, leader, role="数据专员")
        assert leader in found_people(manager, leader, role="局领导")
        assert "没有符合条件的账号" in found_people(manager, roleless, role="局领导")
        assert leader in found_people(manager, leader, county=CHIKAN, town="440802001000")

    def test_a_manager_gives_and_takes_a_role_and_both_act_at_once(self, app, records):
        manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        colleague = records.account(division_code=CHIKAN)
        browser = signed_in(app, colleague)
        assert browser.get("/institutions/list").status_code == 403
        assert grant(manager, records, colleague, RoleCode.LEADER).status_code == 303
        assert browser.get("/institutions/list").status_code == 200
        assert revoke(manager, records, colleague, RoleCode.LEADER).status_code == 303
        assert browser.get("/institutions/list").status_code == 403
        acts = [event["action"] for event in records.audited(target_id=account_key(records, colleague))]
        assert acts.count("role_grant") == 1 and acts.count("role_revoke") == 1

    def test_a_manager_takes_no_role_above_the_own_and_none_of_other_places(self, app, records):
        manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        stronger = records.account(RoleCode.DATA_STAFF, division_code=CHIKAN)
        elsewhere = records.account(RoleCode.LEADER, division_code=XIASHAN)
        token = manager.form_token("/accounts/new")
        for username, role, status in (
            (stronger, RoleCode.DATA_STAFF, 422),
            (elsewhere, RoleCode.LEADER, 404),
        ):
            data = {"role": str(role_key(records, role)), "csrftoken": token}
            response = manager.client.post(f"/accounts/{account_key(records, username)}/revoke", data=data)
            assert response.status_code == status
        assert signed_in(app, stronger).get("/quality").status_code == 200
        assert signed_in(app, elsewhere).get("/institutions/list").status_code == 200


@pytest.mark.feature(7)
class TestOwnAccount:
    def test_real_name_and_numbers_are_kept_masked_and_encrypted(self, app, records):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        browser = signed_in(app, username)
        data = {
            "display_name": "陈海生", "position": "局长", "phone": "138 0013 8000", "id_number": "11010519491231002X",
            "row_version": "1",
        }  # fmt: skip
        assert browser.post("/me", data, form_on="/me").status_code == 303
        page = browser.get("/me").text
        assert "陈海生" in page and "138****8000" in page and "1101**********002X" in page
        assert "13800138000" not in page and "11010519491231002X" not in page
        with connect(Login.LOADER, records.settings) as loader:
            row = loader.execute(
                "select id_number_cipher, phone_cipher from identity.account where username = %s", [username]
            ).fetchone()
        assert b"1101" not in bytes(row[0]) and b"138" not in bytes(row[1])
        for change, told in [
            ({"id_number": "110105194912310021"}, "身份证号不正确"), ({"phone": "12345"}, "手机号码不正确"),
            ({"display_name": " "}, "请填写姓名"), ({"row_version": "1"}, "刚被他人修改"),
        ]:  # fmt: skip
            wrong = {"display_name": "甲", "row_version": "2", "phone": "", "id_number": ""} | change
            response = browser.post("/me", wrong, form_on="/me")
            assert response.status_code == 422 and told in response.text

    def test_a_change_of_password_ends_the_other_sessions_only(self, app, records):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        here, there = signed_in(app, username), signed_in(app, username)
        data = {"current": PASSWORD, "new": OWN_PASSWORD, "again": OWN_PASSWORD}
        assert here.post("/me/password", data, form_on="/me/password").status_code == 303
        assert here.get("/me").status_code == 200
        assert there.get("/me").headers["location"].startswith("/sign-in")

    def test_own_sessions_are_listed_and_ended_and_others_are_not(self, app, records):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        here, there = signed_in(app, username), signed_in(app, username)
        key = re.search(r'action="/me/sessions/(\d+)/end"', here.get("/me").text)[1]
        assert here.post(f"/me/sessions/{key}/end", form_on="/me").status_code == 303
        assert there.get("/me").headers["location"].startswith("/sign-in")
        other = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        with connect(Login.LOADER, records.settings) as loader:
            mine = loader.execute(
                "select max(id) from identity.sign_in_session where account_id = %s", [account_key(records, username)]
            ).fetchone()[0]
        assert other.post(f"/me/sessions/{mine}/end", form_on="/me").status_code == 404

    def test_the_own_sign_in_log_tells_of_failures(self, app, records):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        Browser.of(app).sign_in(username, "wrong")
        page = signed_in(app, username).get("/me").text
        assert "失败" in page and "成功" in page


def test_a_default_is_the_time_of_writing(records):
    """A default of 'now()' in quotes is the time when the table was made."""
    from huiyang.server import admin_connect

    with admin_connect(records.settings, "app") as connection:
        constant = connection.execute(
            "select d.adrelid::regclass::text, pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d"
            " where pg_get_expr(d.adbin, d.adrelid) ~ '^''\\d{4}-.*timestamp'"
        ).fetchall()
    assert constant == []
