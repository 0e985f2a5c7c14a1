"""Sign-in across applications: we as provider, asked by Authlib's own client over HTTP, and as client of a provider.

The provider of the second half is the app itself, served on loopback, with an account that plays the province's.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from time import monotonic, sleep
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
import uvicorn
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.settings import Settings
from operational_app.identity.models import RoleCode
from operational_app.main import create_app
from operational_app.openid.keys import rotate, signing_keys
from operational_app.openid.upstream import upstream_of
from tests.app_sample import CHIKAN, PASSWORD, Browser, signed_in, unique

BACK = "https://elder.example.gov.cn/callback"
OUT = "https://elder.example.gov.cn/goodbye"
HOME = "https://elder.example.gov.cn/login"
VERIFIER = "v" * 20 + "0123456789-._~" * 3


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@contextmanager
def served(app) -> Iterator[None]:
    """The app over HTTP at the address that its settings call the issuer."""
    port = urlsplit(app.state_settings.public_address).port
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = monotonic() + 30
    while not server.started:
        assert monotonic() < deadline and thread.is_alive(), "the app does not listen"
        sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def settings(installation: Settings, port_settings: Callable[[], dict[str, int]]) -> Settings:
    port = port_settings()["front_door_port"]
    return installation.model_copy(update={"public_address": f"http://localhost:{port}"})


@pytest.fixture(scope="module")
def app(settings):
    app = create_app(settings)
    app.state_settings = settings
    with served(app):
        yield app


@pytest.fixture(scope="module")
def system(app, records):
    return signed_in(app, records.account(RoleCode.SYSTEM_ADMINISTRATOR))


@pytest.fixture(scope="module")
def security(app, records):
    return signed_in(app, records.account(RoleCode.SECURITY_ADMINISTRATOR))


@dataclass(frozen=True)
class Registered:
    """An application as its developers know it."""

    settings: Settings
    key: int
    client_id: str
    secret: str | None
    name: str
    redirect_uri: str = BACK

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    @property
    def page(self) -> str:
        return f"/applications/{self.key}"

    def client(self, **options) -> OAuth2Session:
        return OAuth2Session(
            self.client_id, self.secret, scope="openid profile", redirect_uri=self.redirect_uri,
            code_challenge_method="S256", token_endpoint_auth_method="client_secret_basic" if self.secret else "none",
            **options,
        )  # fmt: skip

    def address(self, **changes: str | None) -> str:
        """The path of a request to sign in; None leaves a parameter out."""
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri,
            "scope": "openid profile", "state": "a state/=?", "nonce": "n-0S6_WzA2Mj",
            "code_challenge": challenge(VERIFIER), "code_challenge_method": "S256",
        } | changes  # fmt: skip
        given = {name: value for name, value in asked.items() if value is not None}
        return f"/oauth/authorize?{urlencode(given)}"

    def redeem(self, code: str, **options) -> dict:
        """Tokens for a code; raises OAuthError."""
        options = {"code_verifier": VERIFIER} | options
        with self.client() as client:
            return client.fetch_token(
                f"{self.issuer}/oauth/token", grant_type="authorization_code", code=code, **options
            )

    def told(self, tokens: dict) -> requests.Response:
        header = {"Authorization": f"Bearer {tokens['access_token']}"}
        return requests.get(f"{self.issuer}/oauth/userinfo", headers=header, timeout=10)


def register(settings, system, *, is_public=False, redirect_uri=BACK, roles=("reader",), **changes) -> Registered:
    """An application made through the pages, with roles of these codes."""
    data = {
        "name": unique("智慧助餐"), "description": "助餐点管理", "icon": "fa-hand-holding-heart", "home_url": HOME,
        "redirect_uris": f"https://elder.example.gov.cn/other\n{redirect_uri}\n", "post_logout_redirect_uris": OUT,
        "is_active": "1", "row_version": "1",
    } | ({"is_public": "1"} if is_public else {}) | changes  # fmt: skip
    made = system.post("/applications/new", data, form_on="/applications/new")
    with connect(Login.LOADER, settings) as loader:
        key, client_id = loader.execute(
            "select id, client_id from identity.application where name = %s", [data["name"]]
        ).fetchone()
    secret = None
    if is_public:
        assert made.status_code == 303, made.text
    else:
        secret = re.search(r'data-testid="client-secret">([^<]+)<', made.text)[1]
    application = Registered(settings, key, client_id, secret, data["name"], redirect_uri)
    for code in roles:
        role = {"code": code, "name": f"角色{code}", "is_active": "1"}
        assert system.post(f"{application.page}/roles", role, form_on=application.page).status_code == 303
    return application


def give(settings, security, username: str, application: Registered, *codes: str) -> str:
    """Puts a person into a new group with these roles of the application; the group's page."""
    data = {"name": unique("应用组"), "is_active": "1", "row_version": "1"}
    group = security.post("/groups/new", data, form_on="/groups/new").headers["location"].split("?")[0]
    assert security.post(f"{group}/add", {"username": username}, form_on=group).status_code == 303
    assert set_roles(settings, security, group, application, *codes).status_code == 303
    return group


def set_roles(settings, security, group: str, application: Registered, *codes: str):
    with connect(Login.LOADER, settings) as loader:
        keys = loader.execute(
            "select id from identity.application_role where application_id = %s and code = any(%s)",
            [application.key, list(codes)],
        ).fetchall()
        (version,) = loader.execute(
            "select row_version from identity.user_group where id = %s", [int(group.rsplit("/", 1)[1])]
        ).fetchone()
    page = f"{group}/applications"
    data = {"row_version": str(version), "role": [str(key) for (key,) in keys]}
    return security.post(page, data, form_on=page)


@pytest.fixture(scope="module")
def application(settings, app, system):
    return register(settings, system, roles=("reader", "editor"))


@pytest.fixture
def user(settings, app, records, security, application):
    """A person of 赤坎区 with the role `reader`: (name, signed-in browser)."""
    username = records.account(RoleCode.LEADER, division_code=CHIKAN, display_name="陈小梅")
    give(settings, security, username, application, "reader")
    return username, signed_in(app, username)


def answer(response) -> dict[str, str]:
    """Parameters that lead back to the application."""
    assert response.status_code == 302, response.text
    location = urlsplit(response.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == BACK
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def code_for(browser, application) -> str:
    return answer(browser.get(application.address()))["code"]


@pytest.mark.feature(1)
class TestSignIn:
    def test_authlibs_client_signs_in_from_discovery_to_userinfo(self, app, records, user, application):
        username, browser = user
        about = requests.get(f"{application.issuer}/.well-known/openid-configuration", timeout=10).json()
        assert about["issuer"] == application.issuer and about["code_challenge_methods_supported"] == ["S256"]
        with application.client() as client:
            address, state = client.create_authorization_url(
                about["authorization_endpoint"], code_verifier=VERIFIER, nonce="the-nonce"
            )
            back = browser.get(address.removeprefix(application.issuer))
            given = answer(back)
            assert given["state"] == state and given["iss"] == application.issuer
            tokens = client.fetch_token(
                about["token_endpoint"], authorization_response=back.headers["location"], code_verifier=VERIFIER
            )
            assert tokens["token_type"] == "Bearer" and tokens["expires_in"] == 600
            assert "refresh_token" not in tokens
            told = client.get(about["userinfo_endpoint"]).json()
        keys = KeySet.import_key_set(requests.get(about["jwks_uri"], timeout=10).json())
        token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
        claims = CodeIDToken(
            token.claims, token.header,
            {"iss": {"essential": True, "value": about["issuer"]},
             "aud": {"essential": True, "value": application.client_id}},
            {"nonce": "the-nonce", "access_token": tokens["access_token"], "client_id": application.client_id},
        )  # fmt: skip
        claims.validate()
        assert told == {name: claims[name] for name in told}
        with connect(Login.LOADER, records.settings) as loader:
            row = loader.execute("select id from identity.account where username = %s", [username]).fetchone()
        assert told == {
            "sub": str(row[0]), "name": "陈小梅", "preferred_username": username, "roles": ["reader"],
            "department": "赤坎区民政局", "data_scope": "赤坎区",
        }  # fmt: skip
        acts = records.audited(account_id=row[0], action="application_sign_in")
        assert [(act["target_id"], act["outcome"]) for act in acts] == [(application.key, "success")]

    def test_only_hashes_are_kept(self, settings, user, application):
        code = code_for(user[1], application)
        tokens = application.redeem(code)
        with connect(Login.LOADER, settings) as loader:
            for table in ("authorization_code", "access_token", "application"):
                stored = str(loader.execute(f"select * from identity.{table}").fetchall())
                for secret in (code, tokens["access_token"], application.secret):
                    assert secret not in stored
                    assert secret.encode().hex() not in stored.replace("\\x", "")

    def test_whoever_is_not_signed_in_signs_in_and_comes_back(self, app, user, application):
        browser = Browser.of(app)
        asked = browser.get(application.address())
        assert asked.status_code == 302 and asked.headers["location"].startswith("/sign-in?next=")
        target = parse_qs(urlsplit(asked.headers["location"]).query)["next"][0]
        done = browser.sign_in(user[0], next=target)
        # No redirect after a form: Chromium would hold the way back to the application against form-action.
        assert done.status_code == 200
        onward = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', done.text)[1].replace("&amp;", "&")
        assert "code" in answer(browser.get(onward))

    def test_without_openid_or_profile_in_the_scope(self, user, application):
        _, browser = user
        assert answer(browser.get(application.address(scope="profile")))["error"] == "invalid_scope"
        assert answer(browser.get(application.address(scope=None)))["error"] == "invalid_scope"
        code = answer(browser.get(application.address(scope="openid email")))["code"]
        tokens = application.redeem(code)
        assert tokens["scope"] == "openid"
        assert set(application.told(tokens).json()) == {"sub", "roles"}

    def test_silent_and_renewed_sign_in(self, app, user, application):
        username, browser = user
        stranger = Browser.of(app)
        refused = answer(stranger.get(application.address(prompt="none")))
        assert refused["error"] == "login_required" and refused["state"] == "a state/=?"
        assert "code" in answer(browser.get(application.address(prompt="none")))
        assert answer(browser.get(application.address(prompt="none login")))["error"] == "invalid_request"
        assert answer(browser.get(application.address(max_age="x")))["error"] == "invalid_request"
        assert "code" in answer(browser.get(application.address(max_age="600")))
        for asked in ({"prompt": "login"}, {"max_age": "0"}):
            again = browser.get(application.address(**asked)).headers["location"]
            assert again.startswith("/sign-in?next=") and again.endswith("&again=1")
            assert browser.get(again).status_code == 200, "signed in, and asked all the same"
            target = parse_qs(urlsplit(again).query)["next"][0]
            browser.post("/sign-in", {"username": username, "password": PASSWORD, "next": target}, form_on=again)
            assert "code" in answer(browser.get(target))

    def test_a_tile_of_the_workbench_leads_there(self, app, records, security, user, application):
        assert f'href="{HOME}"' in user[1].get("/").text and application.name in user[1].get("/").text
        other = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        assert application.name not in other.get("/").text

    def test_people_of_market_entities_enter_too(self, settings, app, records, security, application):
        name = unique("康乐养老院")
        _, organization = records.institution(name, CHIKAN)
        username = records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)
        give(settings, security, username, application, "reader")
        told = application.told(application.redeem(code_for(signed_in(app, username), application))).json()
        assert told["department"] is None and told["data_scope"] == name and told["roles"] == ["reader"]

    def test_a_public_client_needs_no_secret_but_its_verifier(self, settings, app, records, system, security):
        phone = register(settings, system, is_public=True, redirect_uri="http://127.0.0.1:7777/back")
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        give(settings, security, username, phone, "reader")
        back = signed_in(app, username).get(phone.address()).headers["location"]
        code = parse_qs(urlsplit(back).query)["code"][0]
        with pytest.raises(OAuthError) as refused:
            phone.redeem(code, code_verifier="w" * 43)
        assert refused.value.error == "invalid_grant"
        assert phone.told(phone.redeem(code)).json()["roles"] == ["reader"]
        with pytest.raises(OAuthError) as refused:
            replace(phone, secret="guessed").redeem(code)
        assert refused.value.error == "invalid_client"


class TestRefusals:
    def test_what_is_not_registered_is_told_nothing(self, user, application):
        for changes in (
            {"client_id": "unknown"}, {"client_id": None}, {"client_id": "\0"}, {"redirect_uri": None},
            {"redirect_uri": BACK + "/"}, {"redirect_uri": BACK.upper()}, {"redirect_uri": BACK + "?x=1"},
            {"redirect_uri": "https://evil.example/\"'<>地址"},
        ):  # fmt: skip
            response = user[1].get(application.address(**changes))
            assert response.status_code == 400 and "location" not in response.headers, changes
        twice = user[1].get(application.address() + f"&redirect_uri={BACK}")
        assert twice.status_code == 400 and "参数有误" in twice.text

    def test_what_is_wrong_otherwise_is_told_to_the_application(self, user, application):
        for changes, error in (
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"response_type": '"<码>'}, "unsupported_response_type"),
            ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
            ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge": "short"}, "invalid_request"),
            ({"response_mode": "form_post"}, "invalid_request"),
            ({"request": "ey"}, "request_not_supported"),
            ({"nonce": "n" * 1000}, "invalid_request"),
        ):
            told = answer(user[1].get(application.address(**changes)))
            assert told["error"] == error and told["state"] == "a state/=?", changes
            assert told["iss"] == application.issuer and "code" not in told

    def test_a_code_counts_once_and_its_second_use_kills_the_token(self, records, user, application):
        code = code_for(user[1], application)
        tokens = application.redeem(code)
        assert application.told(tokens).status_code == 200
        with pytest.raises(OAuthError) as refused:
            application.redeem(code)
        assert refused.value.error == "invalid_grant"
        assert application.told(tokens).status_code == 401
        denied = records.audited(action="application_sign_in", outcome="denied", target_id=application.key)
        assert denied[-1]["details"] == {"why": "code used twice"}

    def test_two_uses_at_once_give_at_most_one_token_and_it_dies(self, user, application):
        code, given = code_for(user[1], application), []

        def redeem() -> None:
            try:
                given.append(application.redeem(code))
            except OAuthError as refused:
                given.append(refused.error)

        both = [threading.Thread(target=redeem) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(30)
        assert sum(isinstance(item, dict) for item in given) == 1 and given.count("invalid_grant") == 1
        tokens = next(item for item in given if isinstance(item, dict))
        assert application.told(tokens).status_code == 401

    def test_a_code_is_bound_to_verifier_address_client_and_time(self, settings, user, system, application):
        other = register(settings, system)
        code = code_for(user[1], application)
        wrong = [
            (application, {"code_verifier": "w" * 43}, "invalid_grant"),
            (application, {"code_verifier": None}, "invalid_request"),
            (application, {"redirect_uri": "https://elder.example.gov.cn/other"}, "invalid_grant"),
            (other, {}, "invalid_grant"),
            (replace(application, secret="x" * 43), {}, "invalid_client"),
            (replace(application, secret=None), {}, "invalid_client"),
            (replace(application, client_id="app-unknown"), {}, "invalid_client"),
        ]
        for who, changes, error in wrong:
            with pytest.raises(OAuthError) as refused:
                who.redeem(code, **changes)
            assert refused.value.error == error, (changes, error)
        tokens = application.redeem(code)
        assert application.told(tokens).status_code == 200, "none of them used the code up"
        late = code_for(user[1], application)
        with connect(Login.LOADER, settings) as loader:
            moved = loader.execute(
                "update identity.authorization_code set issued_at = issued_at - interval '61 s',"
                " expires_at = expires_at - interval '61 s' where code_sha256 = %s",
                [sha256(late.encode()).digest()],
            )
            assert moved.rowcount == 1
        with pytest.raises(OAuthError) as refused:
            application.redeem(late)
        assert refused.value.error == "invalid_grant"

    def test_the_token_endpoint_answers_nonsense_as_the_standard_says(self, application):
        url = f"{application.issuer}/oauth/token"
        basic = (application.client_id, application.secret)
        for data, error in (
            ({}, "unsupported_grant_type"),
            ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
            ({"grant_type": "authorization_code"}, "invalid_request"),
            ({"grant_type": "authorization_code", "code": "\0"}, "invalid_request"),
            ({"grant_type": "authorization_code", "code": "nope"}, "invalid_grant"),
        ):
            response = requests.post(url, data=data, auth=basic, timeout=10)
            assert (response.status_code, response.json()["error"]) == (400, error)
            assert response.headers["cache-control"] == "no-store"
        data = {"grant_type": "authorization_code", "code": "x"}
        response = requests.post(url, data=data, headers={"Authorization": "Basic /w=="}, timeout=10)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
        refused = requests.post(url, data=data, auth=(application.client_id, "wrong"), timeout=10)
        assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Basic")
        assert requests.post(url, data=b"x" * 2_000_000, auth=basic, timeout=10).status_code == 413
        assert requests.get(url, timeout=10).status_code == 404

    def test_a_cookie_opens_nothing_where_applications_ask(self, app, user, application):
        assert user[1].get("/oauth/userinfo").status_code == 401
        assert user[1].get("/oauth/userinfo").headers["www-authenticate"] == "Bearer"
        for given in ("Bearer", "Bearer nonsense", "Basic x", "Bearer \u00e9"):
            response = requests.get(
                f"{application.issuer}/oauth/userinfo", headers={"Authorization": given.encode()}, timeout=10
            )
            assert response.status_code == 401, given
        assert "set-cookie" not in Browser.of(app).get("/oauth/jwks").headers

    def test_a_link_from_another_site_leaves_open_forms_alone(self, app, user, application):
        """A browser shows no `strict` cookie then; a new one would end the forms of its other tabs."""
        response = Browser.of(app).get(application.address())
        assert "set-cookie" not in response.headers

    def test_an_id_token_of_somebody_else_does_not_hold(self, user, application):
        tokens = application.redeem(code_for(user[1], application))
        keys = KeySet.import_key_set(requests.get(f"{application.issuer}/oauth/jwks", timeout=10).json())
        head, body, seal = tokens["id_token"].split(".")
        forged = base64.urlsafe_b64decode(body + "==").replace(b'"reader"', b'"editor"')
        body = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
        with pytest.raises(JoseError):
            jwt.decode(f"{head}.{body}.{seal}", keys, algorithms=["RS256"])
        assert "d" not in keys.as_dict()["keys"][0], "public keys only"


@pytest.mark.feature(4)
class TestRoles:
    def test_without_a_role_nobody_gets_in_and_the_refusal_says_so(self, settings, app, records, security, application):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        browser = signed_in(app, username)
        refused = browser.get(application.address())
        assert refused.status_code == 403 and f"您没有“{application.name}”的角色" in refused.text
        assert answer(browser.get(application.address(prompt="none")))["error"] == "access_denied"
        group = give(settings, security, username, application, "reader", "editor")
        tokens = application.redeem(code_for(browser, application))
        assert application.told(tokens).json()["roles"] == ["editor", "reader"]
        set_roles(settings, security, group, application, "editor")
        assert application.told(tokens).json()["roles"] == ["editor"], "acts on the next request"
        assert set_roles(settings, security, group, application).status_code == 303
        assert application.told(tokens).status_code == 401
        assert browser.get(application.address()).status_code == 403

    def test_a_role_lost_before_the_exchange_gives_no_token(self, settings, app, records, security, application):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        group = give(settings, security, username, application, "reader")
        code = code_for(signed_in(app, username), application)
        set_roles(settings, security, group, application)
        with pytest.raises(OAuthError) as refused:
            application.redeem(code)
        assert refused.value.error == "invalid_grant"

    def test_what_ends_the_session_ends_the_token(self, app, records, user, application, system):
        username, _ = user
        for end in ("sign out", "end", "shut", "idle"):
            browser = signed_in(app, username)
            tokens = application.redeem(code_for(browser, application))
            assert application.told(tokens).status_code == 200
            with connect(Login.LOADER, records.settings) as loader:
                (key,) = loader.execute("select id from identity.account where username = %s", [username]).fetchone()
                if end == "idle":
                    loader.execute(
                        "update identity.sign_in_session set last_seen_at = now() - interval '31 min'"
                        " where account_id = %s", [key],
                    )  # fmt: skip
            if end == "sign out":
                assert browser.post("/sign-out", form_on="/me").status_code == 303
            elif end == "end":
                second = signed_in(app, username)
                found = re.findall(r'action="(/me/sessions/\d+/end)"', second.get("/me").text)
                for act in found:
                    second.post(act, form_on="/me")
            elif end == "shut":
                system.post(f"/accounts/{key}/shut", form_on=f"/accounts/{key}")
            assert application.told(tokens).status_code == 401, end
            if end == "shut":
                system.post(f"/accounts/{key}/open", form_on=f"/accounts/{key}")

    def test_a_token_lives_ten_minutes(self, settings, user, application):
        tokens = application.redeem(code_for(user[1], application))
        with connect(Login.LOADER, settings) as loader:
            moved = loader.execute(
                "update identity.access_token set issued_at = issued_at - interval '10 min',"
                " expires_at = expires_at - interval '10 min' where token_sha256 = %s",
                [sha256(tokens["access_token"].encode()).digest()],
            )
            assert moved.rowcount == 1
        assert application.told(tokens).status_code == 401

    def test_administrators_hold_no_role_in_applications(self, app, records, settings, application, security):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        give(settings, security, username, application, "reader")
        records.replace_roles(username, RoleCode.SYSTEM_ADMINISTRATOR)
        browser = signed_in(app, username)
        assert browser.get(application.address()).status_code == 403
        assert application.name not in browser.get("/").text

    def test_a_stale_form_gives_nothing(self, settings, records, security, application):
        group = give(settings, security, records.account(division_code=CHIKAN), application, "reader")
        page = f"{group}/applications"
        stale = security.post(page, {"row_version": "1"}, form_on=page)
        assert stale.status_code == 422 and "刚被他人修改" in stale.text
        assert "checked" in security.get(page).text


@pytest.mark.feature(4)
class TestRegistering:
    def test_who_may(self, app, records, system, security):
        assert system.get("/applications/list").status_code == 200
        for role in (RoleCode.SECURITY_ADMINISTRATOR, RoleCode.AUDIT_ADMINISTRATOR, RoleCode.DEPARTMENT_MANAGER):
            browser = signed_in(app, records.account(role, division_code=CHIKAN))
            for path in ("/applications/list", "/applications/new"):
                assert browser.get(path).status_code == 403
        group = security.post(
            "/groups/new", {"name": unique("组"), "is_active": "1", "row_version": "1"}, form_on="/groups/new"
        ).headers["location"].split("?")[0]  # fmt: skip
        assert system.get(f"{group}/applications").status_code == 403

    def test_the_secret_is_shown_once_and_a_new_one_ends_the_old(self, settings, app, records, system, security):
        application = register(settings, system)
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        give(settings, security, username, application, "reader")
        browser = signed_in(app, username)
        tokens = application.redeem(code_for(browser, application))
        assert application.secret not in system.get(application.page).text
        shown = system.post(f"{application.page}/secret", form_on=application.page)
        renewed = replace(application, secret=re.search(r'data-testid="client-secret">([^<]+)<', shown.text)[1])
        assert application.told(tokens).status_code == 401
        code = code_for(browser, application)
        with pytest.raises(OAuthError) as refused:
            application.redeem(code)
        assert refused.value.error == "invalid_client"
        assert renewed.told(renewed.redeem(code)).status_code == 200
        acts = [act["details"].get("what") for act in records.audited(target_id=application.key)]
        assert "secret" in acts

    def test_a_shut_application_is_out_at_once(self, settings, app, records, system, security):
        application = register(settings, system)
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        give(settings, security, username, application, "reader")
        browser = signed_in(app, username)
        tokens, code = application.redeem(code_for(browser, application)), code_for(browser, application)
        data = {
            "name": application.name, "icon": "fa-coins", "redirect_uris": BACK, "row_version": "1", "is_active": "",
        }  # fmt: skip
        assert system.post(application.page, data, form_on=application.page).status_code == 303
        assert application.told(tokens).status_code == 401
        refused = browser.get(application.address())
        assert refused.status_code == 400 and "已停用" in refused.text
        with pytest.raises(OAuthError):
            application.redeem(code)
        assert application.name not in browser.get("/").text
        stale = system.post(application.page, data, form_on=application.page)
        assert stale.status_code == 422 and "刚被他人修改" in stale.text

    def test_what_is_wrong_is_said_and_nothing_lost(self, system, application):
        good = {"name": unique("应用"), "icon": "fa-coins", "redirect_uris": BACK, "is_active": "1", "row_version": "1"}
        for change, told in (
            ({"name": " "}, "请填写应用名称"),
            ({"name": application.name}, "已有名称为"),
            ({"icon": "fa-evil"}, "请选择图标"),
            ({"redirect_uris": " \n"}, "至少一个"),
            ({"redirect_uris": "http://elder.example/"}, "应以 https:// 开头"),
            ({"redirect_uris": "https://a.example/#x"}, "不能带 #"),
            ({"redirect_uris": "https://*.example/"}, "不允许的字符"),
            ({"redirect_uris": "https://user@a.example/"}, "不是正确的网址"),
            ({"redirect_uris": "javascript:alert(1)"}, "不是正确的网址"),
            ({"home_url": "//evil.example"}, "应以 https:// 开头"),
        ):
            response = system.post("/applications/new", good | change, form_on="/applications/new")
            assert response.status_code == 422 and told in response.text, change
        for role, told in (({"code": "Bad Code", "name": "甲"}, "角色代码应"), ({"code": "ok"}, "请填写角色名称")):
            response = system.post(f"{application.page}/roles", role, form_on=application.page)
            assert response.status_code == 422 and told in response.text

    def test_the_list_finds(self, system, application):
        found = system.post("/applications/search", {"name": application.name}, form_on="/applications/list")
        assert application.client_id in system.get(found.headers["location"]).text


class TestEnd:
    def test_the_user_confirms_and_goes_back_to_the_registered_address(self, app, user, application):
        browser = signed_in(app, user[0])
        tokens = application.redeem(code_for(browser, application))
        asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": OUT, "state": "s1"}
        page = f"/oauth/logout?{urlencode(asked)}"
        assert "确认后将退出" in browser.get(page).text
        assert application.told(tokens).status_code == 200, "nothing has ended yet"
        done = browser.post("/oauth/logout", asked, form_on=page)
        assert done.status_code == 200 and f"url={OUT}?state=s1" in done.text
        assert application.told(tokens).status_code == 401
        assert browser.get("/").headers["location"].startswith("/sign-in")
        assert browser.get(page).headers["location"] == f"{OUT}?state=s1"

    def test_nobody_is_led_elsewhere(self, app, user, application):
        for asked in (
            {"post_logout_redirect_uri": OUT, "client_id": application.client_id},
            {"post_logout_redirect_uri": OUT, "id_token_hint": "e30.e30.x"},
            {"post_logout_redirect_uri": "https://evil.example/"},
        ):
            response = Browser.of(app).get(f"/oauth/logout?{urlencode(asked)}")
            assert response.headers["location"] == "/sign-in", asked
        assert user[1].client.post("/oauth/logout").status_code == 403, "another site's form ends nothing"
        assert user[1].get("/").status_code == 200


def test_two_keys_are_published_the_newer_one_signs_and_older_tokens_still_hold(settings, user, application):
    def published() -> list[dict]:
        return requests.get(f"{application.issuer}/oauth/jwks", timeout=10).json()["keys"]

    tokens = application.redeem(code_for(user[1], application))
    before = published()
    rotate(settings.secrets_file)
    after = published()
    assert len(after) == 2 and after[1] == before[0]
    assert settings.secrets_file.stat().st_mode & 0o777 == 0o600
    keys = KeySet.import_key_set({"keys": after})
    assert jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).header["kid"] == after[1]["kid"]
    newer = application.redeem(code_for(user[1], application))
    assert jwt.decode(newer["id_token"], keys, algorithms=["RS256"]).header["kid"] == after[0]["kid"]
    rotate(settings.secrets_file)
    assert [key["kid"] for key in published()][1] == after[0]["kid"] and len(published()) == 2
    assert len(signing_keys(settings.secrets_file)) == 2


@pytest.fixture(scope="module")
def province(settings, app, system, port_settings, tmp_path_factory):
    """The app once more, as the client of `app`: (its settings, the app, how it is registered there)."""
    own = f"https://localhost:{port_settings()['front_door_port']}"
    known = register(settings, system, redirect_uri=f"{own}/sign-in/upstream/callback")
    secret = tmp_path_factory.mktemp("upstream") / "secret"
    secret.write_text(f"{known.secret}\n")
    secret.chmod(0o600)
    below = settings.model_copy(
        update={
            "public_address": own, "upstream_issuer": settings.issuer, "upstream_client_id": known.client_id,
            "upstream_client_secret_file": secret,
        }
    )  # fmt: skip
    return create_app(below), known


@dataclass
class Traveller:
    """One browser, signed in above, on its way below."""

    above: Browser
    below: Browser
    provider: Registered

    def go(self, *, start: str = "/sign-in/upstream?next=/me"):
        """From the button on the sign-in page back to us."""
        out = self.below.get(start)
        assert out.status_code == 302, out.text
        address = out.headers["location"]
        assert address.startswith(f"{self.provider.issuer}/oauth/authorize?")
        back = self.above.get(address.removeprefix(self.provider.issuer))
        assert back.status_code == 302, back.text
        self.answered = "/" + back.headers["location"].split("/", 3)[3]
        return self.below.get(self.answered)


@pytest.fixture
def traveller(settings, app, records, security, province):
    below, known = province
    username = records.account(RoleCode.LEADER, division_code=CHIKAN)
    give(settings, security, username, known, "reader")
    return Traveller(signed_in(app, username), Browser.of(below), known)


@pytest.mark.feature(1)
class TestUpstream:
    def test_one_ties_oneself_and_then_signs_in_there(self, records, traveller, province):
        below, _ = province
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        assert "省统一身份认证登录" in traveller.below.get("/sign-in").text
        unknown = traveller.go()
        assert unknown.status_code == 403 and "还没有绑定" in unknown.text
        traveller.below = signed_in(below, username)
        offered = traveller.go()
        assert offered.status_code == 200 and "确认绑定" in offered.text
        sealed = re.search(r'name="sealed" value="([^"]+)"', offered.text)[1]
        tied = traveller.below.post("/me/linked-identity", {"sealed": sealed}, form_on="/me")
        assert tied.status_code == 303
        assert "解除绑定" in traveller.below.get("/me/linked-identity").text
        traveller.below = Browser.of(below)
        done = traveller.go()
        assert (done.status_code, done.headers["location"]) == (302, "/me")
        assert username in traveller.below.get("/me").text
        assert records.audited(action="sign_in", details='{"through": "upstream"}')
        traveller.below.post("/me/linked-identity/end", form_on="/me/linked-identity")
        traveller.below = Browser.of(below)
        assert traveller.go().status_code == 403

    def test_an_administrator_ties_by_the_providers_key_not_by_name(self, records, traveller, province, system):
        below, _ = province
        office = signed_in(below, records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        username = records.account(RoleCode.LEADER, division_code=CHIKAN)
        subject = re.search(r"账号 (\S+)<", traveller.above.get("/").text)[1]
        with connect(Login.LOADER, records.settings) as loader:
            keys = dict(
                loader.execute(
                    "select username, id from identity.account where username = any(%s)", [[subject, username]]
                ).fetchall()
            )
        page = f"/accounts/{keys[username]}/linked-identity"
        assert office.post(page, {"subject": str(keys[subject])}, form_on=page).status_code == 303
        again = office.post(page, {"subject": "another"}, form_on="/me")
        assert again.status_code == 422 and "已有绑定" in again.text
        assert traveller.go().status_code == 302
        assert username in traveller.below.get("/me").text
        records.replace_roles(username, RoleCode.SYSTEM_ADMINISTRATOR)
        refused = Traveller(traveller.above, Browser.of(below), traveller.provider).go()
        assert refused.status_code == 403 and "管理员账号不能" in refused.text
        records.replace_roles(username, RoleCode.LEADER)
        for confirmed_at, status in (("now()", 403), ("null", 302)):
            with connect(Login.LOADER, records.settings) as loader:
                loader.execute(
                    f"update identity.account set totp_confirmed_at = {confirmed_at} where id = %s", [keys[username]]
                )
            came = Traveller(traveller.above, Browser.of(below), traveller.provider).go()
            assert came.status_code == status and ("动态验证码" in came.text) == (status == 403)
        assert office.post(f"/accounts/{keys[username]}/shut", form_on="/me").status_code == 303
        refused = Traveller(traveller.above, Browser.of(below), traveller.provider).go()
        assert refused.status_code == 403 and "已停用" in refused.text

    def test_an_answer_counts_for_the_browser_that_asked_and_once(self, traveller, province):
        below, _ = province
        traveller.go()
        stranger = Browser.of(below).get(traveller.answered)
        assert stranger.status_code == 400 and "已失效" in stranger.text
        assert traveller.below.get(traveller.answered).status_code == 400, "the journey is over"
        traveller.below.get("/sign-in/upstream")
        for changed in (
            re.sub("state=[^&]+", "state=other", traveller.answered),
            re.sub("iss=[^&]+", "iss=https%3A%2F%2Fevil.example", traveller.answered),
            re.sub("&?iss=[^&]+", "", traveller.answered),
        ):
            assert traveller.below.get(changed).status_code == 400

    def test_what_is_not_configured_is_not_there(self, app, user):
        assert "省统一身份" not in Browser.of(app).get("/sign-in").text
        assert user[1].get("/me/linked-identity").status_code == 404
        assert Browser.of(app).get("/sign-in/upstream").status_code == 404

    def test_a_provider_that_does_not_answer_leaves_the_password(self, settings, province, port_settings):
        dead = f"http://localhost:{port_settings()['front_door_port']}"
        found = province[1]
        secret_file = settings.home / "upstream-secret"
        secret_file.write_text("x")
        secret_file.chmod(0o600)
        lonely = settings.model_copy(
            update={"upstream_issuer": dead, "upstream_client_id": found.client_id,
                    "upstream_client_secret_file": secret_file}
        )  # fmt: skip
        response = Browser.of(create_app(lonely)).get("/sign-in/upstream")
        assert response.status_code == 503 and "使用用户名和密码登录" in response.text
        for wrong in (
            {"upstream_client_id": None}, {"upstream_issuer": "http://province.example"},
            {"upstream_client_secret_file": settings.home / "missing"},
        ):  # fmt: skip
            with pytest.raises(HuiyangError):
                upstream_of(lonely.model_copy(update=wrong))
        secret_file.chmod(0o644)
        with pytest.raises(HuiyangError, match="other users"):
            upstream_of(lonely)
        told = Browser.of(create_app(lonely)).get("/sign-in/upstream")
        assert told.status_code == 503 and "没有配置好" in told.text and str(secret_file) not in told.text
