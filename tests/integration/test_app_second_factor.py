"""One-time codes: bound, asked for at sign-in, required of administrators, lost ones reset at the machine."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyang.errors import HuiyangError
from operational_app.accounts import create_account, reset_account
from operational_app.identity.models import RoleCode
from operational_app.identity.second_factor import matching_step, new_secret
from operational_app.identity.sessions import MAX_FAILURES
from operational_app.main import create_app
from operational_app.web.services import now
from tests.app_sample import CHIKAN, PASSWORD, Browser, signed_in, unique

PAGE = "/me/second-factor"
OWN_PASSWORD = "Zhan-Jiang.Hai7"
NOON = datetime.fromisoformat("2026-11-23T12:00:15+08:00")


@pytest.fixture(scope="module")
def real(installation):
    """The app of an installation that is no demo, on the same database."""
    return create_app(installation.model_copy(update={"demo": False}))


def code_of(secret, steps=0):
    return pyotp.TOTP(secret).at(now() + timedelta(seconds=30 * steps))


def bind(browser):
    """Binds an authenticator; returns its secret."""
    page = browser.get(PAGE).text
    secret = re.search(r'<div class="code mt-2">([A-Z2-7]{32})</div>', page)[1]
    token = re.search(r'name="csrftoken" value="([0-9a-f]+)"', page)[1]
    response = browser.client.post(PAGE, data={"code": code_of(secret, -1), "csrftoken": token})
    assert response.status_code == 303, response.text
    return secret


def test_a_bound_account_needs_its_code_and_each_code_counts_once(app, records):
    username = records.account(RoleCode.LEADER, division_code=CHIKAN)
    secret = bind(signed_in(app, username))
    assert Browser.of(app).sign_in(username).status_code == 401, "the password alone is not enough"
    assert Browser.of(app).sign_in(username, code="000000").status_code == 401
    assert Browser.of(app).sign_in(username, code=code_of(secret, -1)).status_code == 401, "used up by binding"
    code = code_of(secret)
    assert Browser.of(app).sign_in(username, code=code).status_code == 303
    assert Browser.of(app).sign_in(username, code=code).status_code == 401, "seen over a shoulder, it opens nothing"
    assert Browser.of(app).sign_in(username, "wrong", code=code_of(secret, 1)).status_code == 401


def test_a_mistyped_code_binds_nothing_and_the_secret_stays(app, records):
    browser = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
    secret = re.search(r'<div class="code mt-2">([A-Z2-7]{32})</div>', browser.get(PAGE).text)[1]
    token = browser.form_token("/me")
    answer = browser.client.post(PAGE, data={"code": "12345", "csrftoken": token})
    assert "验证码不正确" in answer.text and secret in answer.text


def test_unbinding_needs_a_code(app, records):
    username = records.account(RoleCode.LEADER, division_code=CHIKAN)
    browser = signed_in(app, username)
    secret = bind(browser)
    assert "验证码不正确" in browser.post(f"{PAGE}/remove", {"code": "000000"}, form_on=PAGE).text
    assert browser.post(f"{PAGE}/remove", {"code": code_of(secret)}, form_on=PAGE).status_code == 303
    assert Browser.of(app).sign_in(username).status_code == 303


def test_codes_are_not_tried_out_at_a_session_left_open(app, records):
    username = records.account(RoleCode.LEADER, division_code=CHIKAN)
    browser = signed_in(app, username)
    secret = bind(browser)
    for _ in range(MAX_FAILURES):
        assert "验证码不正确" in browser.post(f"{PAGE}/remove", {"code": "000000"}, form_on=PAGE).text
    answer = browser.post(f"{PAGE}/remove", {"code": code_of(secret)}, form_on=PAGE)
    assert answer.status_code == 200 and "已锁定" in answer.text, "the right code, too late"
    assert "已于" in browser.get(PAGE).text, "still bound"
    assert Browser.of(app).sign_in(username, code=code_of(secret, 1)).status_code == 401, "locked for sign-in, too"
    tried = [event["details"] for event in records.audited(action="second_factor", outcome="failure")]
    assert tried[-1]["locked"] and not tried[-2]["locked"]


def test_administrators_get_nowhere_without_one(real, records):
    browser = signed_in(real, records.account(RoleCode.SYSTEM_ADMINISTRATOR))
    for path in ("/", "/accounts/list", "/auth/check"):
        response = browser.get(path, headers={"x-forwarded-uri": "/dagster/"})
        assert response.headers["location"] == PAGE, path
    assert "必须绑定" in browser.get(PAGE).text
    bind(browser)
    assert browser.get("/accounts/list").status_code == 200
    assert signed_in(real, records.account(RoleCode.LEADER, division_code=CHIKAN)).get("/").status_code == 200


class TestAtTheMachine:
    def test_the_first_administrator_and_a_lost_phone(self, app, installation, records):
        username = unique("chief")
        password = create_account(installation, username, "管理员", RoleCode.SYSTEM_ADMINISTRATOR)
        browser = Browser.of(app)
        assert browser.sign_in(username, password).status_code == 303
        data = {"current": password, "new": OWN_PASSWORD, "again": OWN_PASSWORD}
        assert browser.post("/me/password", data, form_on="/me/password").status_code == 303
        bind(browser)
        assert Browser.of(app).sign_in(username, OWN_PASSWORD).status_code == 401
        again = reset_account(installation, username)
        assert browser.get("/").headers["location"].startswith("/sign-in"), "sessions ended"
        assert Browser.of(app).sign_in(username, again).status_code == 303, "without a code"
        acts = [event["action"] for event in records.audited(remote_address="console")]
        assert acts[-2:] == ["account_create", "password_reset"]

    def test_what_is_wrong_is_said(self, installation, records):
        taken = records.account()
        for arguments, told in [
            (("Bad Name", "甲", "leader"), "no user name"), ((unique("x"), "甲", "emperor"), "no role emperor"),
            ((taken, "甲", "leader"), "exists"),
        ]:  # fmt: skip
            with pytest.raises(HuiyangError, match=told):
                create_account(installation, *arguments)
        with pytest.raises(HuiyangError, match="no account"):
            reset_account(installation, "nobody-at-all")


@given(st.integers(-4, 4), st.integers(-3, 3))
def test_codes_near_now_count_and_none_twice(off, used):
    """Oracle: pyotp's own window of one step, plus what was used before."""
    secret = new_secret()
    step = int(NOON.timestamp()) // 30
    code = pyotp.TOTP(secret).at((step + off) * 30)
    found = matching_step(secret, code, NOON, step + used)
    assert (found is not None) == (pyotp.TOTP(secret).verify(code, for_time=NOON, valid_window=1) and off > used)
    assert matching_step(secret, PASSWORD, NOON, None) is None
