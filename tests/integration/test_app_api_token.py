"""A third-party application calls the REST API in a person's name: authorization code with PKCE, then the token."""

from __future__ import annotations

import base64
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from huiyang.database import Login, connect
from operational_app.identity.models import RoleCode
from tests.app_api import API, Client, is_problem
from tests.app_sample import CHIKAN, XIASHAN, Browser, signed_in, unique

BACK = "https://partner.example.gov.cn/callback"
VERIFIER = "v" * 43


class Partner:
    """A public application, registered through the pages, with one role that lets its people enter."""

    def __init__(self, app, records, *, may_call_api):
        self.app, self.settings, name = app, records.settings, unique("区县平台")
        self.system = signed_in(app, records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        self.form = {
            "name": name, "description": "", "icon": "fa-hand-holding-heart", "home_url": "",
            "redirect_uris": BACK, "post_logout_redirect_uris": "", "is_active": "1", "is_public": "1",
            "row_version": "1",
        } | ({"may_call_api": "1"} if may_call_api else {})  # fmt: skip
        made = self.system.post("/applications/new", self.form, form_on="/applications/new")
        assert made.status_code == 303, made.text
        self.key, self.client_id = self.row("select id, client_id from identity.application where name = %s", name)
        self.page = f"/applications/{self.key}"
        role = {"code": "user", "name": "使用人", "is_active": "1"}
        assert self.system.post(f"{self.page}/roles", role, form_on=self.page).status_code == 303
        self.security = signed_in(app, records.account(RoleCode.SECURITY_ADMINISTRATOR))

    def row(self, statement, *values):
        with connect(Login.LOADER, self.settings) as loader:
            return loader.execute(statement, values).fetchone()

    def admit(self, username):
        """Lets a person use the application, by a group."""
        data = {"name": unique("应用组"), "is_active": "1", "row_version": "1"}
        group = self.security.post("/groups/new", data, form_on="/groups/new").headers["location"].split("?")[0]
        assert self.security.post(f"{group}/add", {"username": username}, form_on=group).status_code == 303
        (role,) = self.row("select id from identity.application_role where application_id = %s", self.key)
        (version,) = self.row("select row_version from identity.user_group where id = %s", int(group.split("/")[-1]))
        given = {"row_version": str(version), "role": str(role)}
        assert self.security.post(f"{group}/applications", given, form_on=f"{group}/applications").status_code == 303

    def token_of(self, username, scope="openid api"):
        """(access token, granted scope) after a sign-in in a browser."""
        self.admit(username)
        challenge = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": BACK, "scope": scope,
            "state": "s", "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        back = signed_in(self.app, username).get(f"/oauth/authorize?{urlencode(asked)}")
        assert back.status_code == 302, back.text
        code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
        redeemed = Browser.of(self.app).client.post(
            "/oauth/token",
            data={
                "grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "client_id": self.client_id,
                "code_verifier": VERIFIER,
            },
        )  # fmt: skip
        assert redeemed.status_code == 200, redeemed.text
        return redeemed.json()["access_token"], redeemed.json()["scope"]

    def call(self, token, path, method="GET", **options):
        """Without any cookie, as a server of the partner's would."""
        headers = {"authorization": f"Bearer {token}"}
        return Browser.of(self.app).client.request(method, API + path, headers=headers, **options)


@pytest.fixture(scope="module")
def partner(app, records):
    return Partner(app, records, may_call_api=True)


@pytest.mark.feature(4)
class TestAccessToken:
    def test_it_opens_what_its_person_may_and_no_more(self, partner, records):
        here, _ = records.institution(unique("颐养院"), CHIKAN)
        there, _ = records.institution(unique("颐养院"), XIASHAN)
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        token, scope = partner.token_of(username)
        assert scope == "openid api"
        me = partner.call(token, "/me").json()
        assert me["username"] == username and me["csrf_token"] is None
        assert partner.call(token, f"/institutions/{here}").json()["id"] == here
        is_problem(partner.call(token, f"/institutions/{there}"), 404)
        is_problem(partner.call(token, "/roles"), 403)

    def test_it_changes_without_a_form_token_what_its_person_may_change(self, app, partner, records):
        institution, organization = records.institution(unique("颐养院"), CHIKAN)
        bed = records.bed(institution)
        username = records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)
        token, _ = partner.token_of(username)
        body = {"to": "reserved", "reason": "预留", "row_version": 1}
        moved = partner.call(token, f"/institutions/{institution}/beds/{bed}/move", "POST", json=body)
        assert moved.status_code == 200 and moved.json()["status"] == "reserved", moved.text
        rooms = Client.of(app, username).get(f"/institutions/{institution}/rooms").json()
        assert rooms[0]["beds"][0]["status"] == "reserved"

    def test_it_opens_no_page(self, partner, records):
        token, _ = partner.token_of(records.account(RoleCode.LEADER, division_code=CHIKAN))
        page = Browser.of(partner.app).client.get("/institutions", headers={"authorization": f"Bearer {token}"})
        assert page.status_code in (302, 303) and page.headers["location"].startswith("/sign-in")

    def test_without_the_scope_it_opens_nothing(self, app, partner, records):
        token, scope = partner.token_of(records.account(RoleCode.LEADER, division_code=CHIKAN), "openid profile")
        assert scope == "openid profile"
        is_problem(partner.call(token, "/me"), 401)
        signing_in_only = Partner(app, records, may_call_api=False)
        token, scope = signing_in_only.token_of(records.account(RoleCode.LEADER, division_code=CHIKAN))
        assert scope == "openid"
        is_problem(signing_in_only.call(token, "/me"), 401)

    @pytest.mark.parametrize(
        "change",
        [
            "issued_at = issued_at - interval '11 min', expires_at = expires_at - interval '11 min'",
            "revoked_at = now()",
        ],
    )
    def test_once_expired_or_revoked_it_opens_nothing(self, partner, records, change):
        token, _ = partner.token_of(records.account(RoleCode.LEADER, division_code=CHIKAN))
        assert partner.call(token, "/me").status_code == 200
        with connect(Login.LOADER, partner.settings) as loader:
            changed = loader.execute(
                f"update identity.access_token set {change} where token_sha256 = %s",
                [sha256(token.encode()).digest()],
            )
            assert changed.rowcount == 1
        is_problem(partner.call(token, "/me"), 401)

    def test_it_opens_the_api_no_longer_once_its_application_may_not_call_it(self, app, records):
        partner = Partner(app, records, may_call_api=True)
        token, _ = partner.token_of(records.account(RoleCode.LEADER, division_code=CHIKAN))
        assert partner.call(token, "/me").status_code == 200
        (version,) = partner.row("select row_version from identity.application where id = %s", partner.key)
        unticked = {name: value for name, value in partner.form.items() if name != "may_call_api"}
        done = partner.system.post(partner.page, unticked | {"row_version": str(version)}, form_on=partner.page)
        assert done.status_code == 303, done.text
        is_problem(partner.call(token, "/me"), 401)
        bearer = {"authorization": f"Bearer {token}"}  # it still tells the application who has signed in
        assert Browser.of(app).client.get("/oauth/userinfo", headers=bearer).status_code == 200

    def test_it_ends_with_its_application_and_its_person(self, app, records):
        partner = Partner(app, records, may_call_api=True)
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        token, _ = partner.token_of(username)
        records.replace_roles(username, RoleCode.PROVIDER_STAFF)
        is_problem(partner.call(token, "/institutions"), 403)
        (version,) = partner.row("select row_version from identity.application where id = %s", partner.key)
        shut = {name: value for name, value in partner.form.items() if name != "is_active"}
        done = partner.system.post(partner.page, shut | {"row_version": str(version)}, form_on=partner.page)
        assert done.status_code == 303, done.text
        is_problem(partner.call(token, "/me"), 401)
