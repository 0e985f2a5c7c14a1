"""Signing in and out, lock-out, sessions, forms, the front door's question: the app on a real database."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute

from huiyang.database import Login, connect
from huiyang.secret_store import ensure_secrets
from huiyang.server import admin_connect
from huiyang.settings import Settings
from operational_app.identity.models import RoleCode
from operational_app.identity.sessions import IDLE_FOR, LASTS_FOR, MAX_FAILURES, sign_in
from operational_app.main import ROUTERS, create_app
from operational_app.web.database import AppDatabase
from operational_app.web.gate import MACHINE_PATHS, OPEN_PATHS, PUBLIC_PREFIX, SESSION_COOKIE
from operational_app.web.services import now
from tests.app_sample import CHIKAN, PASSWORD, Browser, signed_in


@pytest.fixture
def leader(records):
    return records.account(RoleCode.LEADER, division_code=CHIKAN)


def account_id(records, username):
    with connect(Login.LOADER, records.settings) as loader:
        return loader.execute("select id from identity.account where username = %s", [username]).fetchone()[0]


def change_account(records, username, assignment):
    with connect(Login.LOADER, records.settings) as loader:
        loader.execute(f"update identity.account set {assignment} where username = %s", [username])


def age_session(records, username, **age: object):
    """Makes the user's sessions older, as the clock would."""
    with connect(Login.LOADER, records.settings) as loader:
        for column, by in age.items():
            loader.execute(
                f"update identity.sign_in_session set {column} = {column} - %s where account_id = %s",
                [by, account_id(records, username)],
            )


def test_signing_in_opens_the_workbench_and_out_shuts_it(app, records, leader):
    browser = Browser.of(app)
    assert browser.get("/").headers["location"] == "/sign-in"
    response = browser.sign_in(leader)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = response.headers["set-cookie"]
    for part in ("__Host-", "HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "测试员" in browser.get("/").text
    response = browser.post("/sign-out", form_on="/")
    assert response.status_code == 303
    assert browser.get("/").headers["location"] == "/sign-in"
    acts = [(event["action"], event["outcome"]) for event in records.audited(account_id=account_id(records, leader))]
    assert acts == [("sign_in", "success"), ("sign_out", "success")]


def test_an_ended_token_opens_nothing(app, leader):
    browser = signed_in(app, leader)
    token = browser.client.cookies[SESSION_COOKIE]
    browser.post("/sign-out", form_on="/")
    thief = Browser.of(app)
    thief.client.cookies.set(SESSION_COOKIE, token)
    assert thief.get("/").headers["location"] == "/sign-in?expired=1"


def test_the_database_holds_no_token(records, app, leader):
    browser = signed_in(app, leader)
    token = browser.client.cookies[SESSION_COOKIE]
    with admin_connect(records.settings, "app") as connection:
        rows = connection.execute("select s::text from identity.sign_in_session s").fetchall()
    assert rows and not any(token in row[0] for row in rows)


def test_after_signing_in_the_wanted_page_opens(app, leader):
    browser = Browser.of(app)
    location = browser.get("/elders/list?sex=male").headers["location"]
    assert location == "/sign-in?next=%2Felders%2Flist%3Fsex%3Dmale"
    assert 'name="next" value="/elders/list?sex=male"' in browser.get(location).text
    assert browser.sign_in(leader, next="/elders/list?sex=male").headers["location"] == "/elders/list?sex=male"
    assert browser.get("/sign-in?next=/quality").headers["location"] == "/quality"
    elsewhere = Browser.of(app)
    assert elsewhere.sign_in(leader, next="https://evil.example/").headers["location"] == "/"


def test_a_wrong_password_and_an_unknown_name_are_told_the_same(app, records, leader):
    browser = Browser.of(app)
    wrong, unknown = browser.sign_in(leader, "wrong"), browser.sign_in("nobody-" + leader, "wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert "用户名、密码或动态验证码不正确" in wrong.text
    assert wrong.text.replace(leader, "") == unknown.text.replace("nobody-" + leader, "")
    assert Browser.of(app).sign_in("\0" * 3, "x").status_code == 401
    assert Browser.of(app).sign_in("x" * 10_000, "x").status_code == 401
    failed = records.audited(account_id=account_id(records, leader), action="sign_in", outcome="failure")
    assert len(failed) == 1 and failed[0]["details"] == {"locked": False}


def test_lock_out_after_failures_and_release_after_a_while(app, records, leader):
    browser = Browser.of(app)
    for _ in range(MAX_FAILURES):
        assert browser.sign_in(leader, "wrong").status_code == 401
    assert browser.sign_in(leader).status_code == 401, "locked: the right password does not help"
    change_account(records, leader, "locked_until = now() - interval '1 second'")
    assert browser.sign_in(leader, "wrong").status_code == 401
    assert browser.sign_in(leader).status_code == 303


def test_success_forgets_earlier_failures(app, records, leader):
    change_account(records, leader, f"failed_sign_ins = {MAX_FAILURES - 1}")
    assert signed_in(app, leader)
    assert Browser.of(app).sign_in(leader, "wrong").status_code == 401
    assert signed_in(app, leader)


def test_many_guesses_at_once_get_no_more_than_the_allowed_number(installation, records, leader):
    database = AppDatabase(installation)
    guesses = MAX_FAILURES + 4
    threads = [
        threading.Thread(target=sign_in, args=[database, leader, "wrong", now(), None]) for _ in range(guesses)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sign_in(database, leader, PASSWORD, now(), None) is None
    database.close()
    failed = records.audited(account_id=account_id(records, leader), outcome="failure")
    assert [event["details"]["locked"] for event in failed].count(False) == MAX_FAILURES
    assert len(failed) == guesses + 1


def test_idle_and_old_sessions_end(app, records):
    for age in ({"last_seen_at": IDLE_FOR}, {"started_at": LASTS_FOR, "last_seen_at": timedelta(0)}):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        browser = signed_in(app, username)
        age_session(records, username, **age)
        response = browser.get("/elders/list")
        assert response.headers["location"] == "/sign-in?next=%2Felders%2Flist&expired=1"
        assert "登录已超时" in browser.get(response.headers["location"]).text


def test_use_keeps_a_session_alive_and_polling_does_not(app, records):
    username = records.account(RoleCode.SYSTEM_ADMINISTRATOR)
    browser = signed_in(app, username)
    almost = IDLE_FOR - timedelta(minutes=1)
    polling = {"x-forwarded-uri": "/dagster/graphql", "sec-fetch-mode": "cors"}
    age_session(records, username, last_seen_at=almost)
    assert browser.get("/auth/check", headers=polling).status_code == 204
    age_session(records, username, last_seen_at=timedelta(minutes=2))
    assert browser.get("/auth/check", headers=polling).status_code == 401
    browser = signed_in(app, username)
    for _ in range(2):
        age_session(records, username, last_seen_at=almost)
        assert browser.get("/").status_code == 200


def test_a_change_of_the_account_acts_on_the_next_request(app, records, leader):
    browser = signed_in(app, leader)
    assert browser.get("/quality").status_code == 200
    records.replace_roles(leader, RoleCode.OPERATOR)
    assert browser.get("/quality").status_code == 403
    change_account(records, leader, "is_active = false")
    assert browser.get("/").headers["location"] == "/sign-in?expired=1"
    assert Browser.of(app).sign_in(leader).status_code == 401


def test_somebody_elses_session_in_the_same_browser_ends(app, records, leader):
    browser = signed_in(app, leader)
    token = browser.client.cookies[SESSION_COOKIE]
    form = browser.form_token("/")  # the sign-in page itself leads on
    other = records.account(RoleCode.AUDIT_ADMINISTRATOR)
    response = browser.client.post(
        "/sign-in", data={"username": other, "password": PASSWORD, "csrftoken": form}
    )  # fmt: skip
    assert response.status_code == 303
    thief = Browser.of(app)
    thief.client.cookies.set(SESSION_COOKIE, token)
    assert thief.get("/").status_code == 302


def test_a_form_that_is_not_ours_changes_nothing(app, leader):
    browser = signed_in(app, leader)
    token = browser.form_token("/")
    assert browser.client.post("/sign-out").status_code == 403
    assert browser.client.post("/sign-out", data={"csrftoken": "0" * 64}).status_code == 403
    assert (
        browser.client.post("/sign-out", data={"csrftoken": signed_in(app, leader).form_token("/")}).status_code == 403
    )
    refused = browser.client.post("/sign-out", content=b"x" * 2_000_000, headers={"content-type": "text/plain"})
    assert refused.status_code == 403 and "页面已过期" in refused.text
    assert browser.get("/").status_code == 200
    assert browser.client.post("/sign-out", headers={"x-csrftoken": token}).status_code == 303


def test_signing_in_needs_a_form_of_ours_too(app, leader):
    stranger = Browser.of(app)
    response = stranger.client.post("/sign-in", data={"username": leader, "password": PASSWORD})
    assert response.status_code == 403 and SESSION_COOKIE not in stranger.client.cookies


@pytest.mark.parametrize(
    ("role", "path", "status", "rights"),
    [
        (RoleCode.LEADER, "/cockpits/superset/dashboard/overview/", 204, "cockpits"),
        (RoleCode.LEADER, "/cockpits", 204, "cockpits"),
        (RoleCode.LEADER, "/dagster/", 403, ""),
        (RoleCode.LEADER, "/cockpits-of-others/", 403, ""),
        (RoleCode.LEADER, "", 403, ""),
        (
            RoleCode.SYSTEM_ADMINISTRATOR,
            "/dagster/runs?x=1",
            204,
            "cockpits,cockpit_administration,pipelines,pipeline_administration",
        ),
        (RoleCode.SECURITY_ADMINISTRATOR, "/cockpits/", 403, ""),
        (RoleCode.INSTITUTION_MANAGER, "/cockpits/", 403, ""),
    ],
)
def test_the_front_doors_question(app, records, role, path, status, rights):
    username = records.account(role, division_code=CHIKAN)
    response = signed_in(app, username).get("/auth/check", headers={"x-forwarded-uri": path} if path else {})
    assert response.status_code == status
    if status == 204:
        assert response.headers["x-huiyang-user"] == username
        assert response.headers["x-huiyang-roles"] == rights
    else:
        assert "没有权限" in response.text and "x-huiyang-user" not in response.headers


def test_the_front_door_sends_a_stranger_to_sign_in(app):
    stranger = Browser.of(app)
    uri = "/cockpits/superset/dashboard/overview/?a=1"
    response = stranger.get("/auth/check", headers={"x-forwarded-uri": uri})
    assert response.status_code == 302
    assert response.headers["location"] == "/sign-in?next=%2Fcockpits%2Fsuperset%2Fdashboard%2Foverview%2F%3Fa%3D1"
    script = {"x-forwarded-uri": uri, "sec-fetch-mode": "cors", "accept": "application/json"}
    assert stranger.get("/auth/check", headers=script).status_code == 401


def test_a_revoked_session_is_refused_at_the_front_doors_next_question(app, records, leader):
    browser = signed_in(app, leader)
    asked = {"x-forwarded-uri": "/cockpits/"}
    assert browser.get("/auth/check", headers=asked).status_code == 204
    with connect(Login.LOADER, records.settings) as loader:
        loader.execute(
            "update identity.sign_in_session set ended_at = now() where account_id = %s", [account_id(records, leader)]
        )
    assert browser.get("/auth/check", headers=asked).status_code == 302


def test_every_page_is_shut_to_a_stranger_and_names_its_right(app):
    stranger = Browser.of(app)
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 15
    for route in routes:
        if route.path in OPEN_PATHS | MACHINE_PATHS:
            continue
        if route.path.startswith(PUBLIC_PREFIX):  # a form there would be open to everybody
            assert route.methods == {"GET"}
            continue
        demanded = [d.call for d in route.dependant.dependencies if hasattr(d.call, "resource")]
        assert demanded or route.path == "/sign-out", route.path
        path = route.path.replace("{key:int}", "1").replace("{release_id:int}", "1").replace("{rule_id}", "x")
        for method in route.methods:
            response = stranger.client.request(method, path.replace("{name}", "x"))
            assert response.status_code in (302, 303) and response.headers["location"].startswith("/sign-in"), path
    for path in ("/elders/list", "/elders/create", "/elders/detail?pk=1", "/_api/elders/action", "/anything"):
        assert stranger.get(path).status_code == 302


def test_pages_carry_the_headers_that_keep_them_safe(app, leader):
    browser = signed_in(app, leader)
    for path in ("/", "/elders/list", "/nothing-here"):
        headers = browser.get(path).headers
        assert "'unsafe" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
    style = browser.get("/static/huiyang/app.css")
    assert "immutable" in style.headers["cache-control"]


def test_errors_are_told_in_chinese(app, leader):
    browser = signed_in(app, leader)
    for path, status, words in (
        ("/nothing-here", 404, "没有找到"),
        ("/elders/999999999", 404, "不在您的管辖范围内"),
        ("/elders/abc", 404, "没有找到"),
        ("/elders/list?page=100000", 400, "页码超出范围"),
        ("/elders/list?page_size=7", 400, "请求有误"),
        ("/quality/1/reports/x.pdf", 403, "没有权限"),
    ):
        response = browser.get(path)
        assert response.status_code == status, path
        assert words in response.text and "<html" in response.text
    assert browser.client.post("/elders/list", data={"csrftoken": browser.form_token("/")}).status_code == 405


def test_a_denied_page_is_recorded(app, records, leader):
    browser = signed_in(app, leader)
    assert browser.get("/quality/1/reports/x.pdf").status_code == 403
    denied = records.audited(account_id=account_id(records, leader), outcome="denied")
    assert [event["details"]["path"] for event in denied] == ["/quality/1/reports/x.pdf"]


def test_a_database_that_does_not_answer_is_said_so(tmp_path):
    settings = Settings(home=tmp_path, postgres_admin_url=None)
    ensure_secrets(settings.secrets_file)
    browser = Browser.of(create_app(settings))
    assert browser.get("/sign-in").status_code == 200
    browser.client.cookies.set(SESSION_COOKIE, "some token")
    response = browser.get("/")
    assert response.status_code == 503 and "数据库暂时没有响应" in response.text
