"""The protocol's endpoints: discovery, keys, authorization, token, userinfo, end of session."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from operational_app.identity import sessions
from operational_app.identity.sessions import AS_IDENTITY, Actor
from operational_app.openid.provider import (
    ALGORITHM,
    SCOPES,
    Client,
    EndOfSession,
    ProtocolRequest,
    Provider,
    person_for,
)
from operational_app.openid.rules import asked_age_seconds
from operational_app.web.errors import error_page
from operational_app.web.gate import (
    AUTHORIZE_PATH,
    DISCOVERY_PATH,
    END_SESSION_PATH,
    KEYS_PATH,
    SESSION_COOKIE,
    SIGN_IN_PATH,
    TOKEN_PATH,
    USERINFO_PATH,
    sign_in_address,
)
from operational_app.web.onward import onward
from operational_app.web.services import now, page, remote_address, services, session

router = APIRouter()
#: What clients may keep for a while; a new key is asked for when a token names it.
_KEPT = {"cache-control": "public, max-age=300"}
_UNSUPPORTED = {"request": "request_not_supported", "request_uri": "request_uri_not_supported"}
_LONGEST_VALUE = 4000
_PARAMETERS_OF_END = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


async def _form_of(request: Request) -> list[tuple[str, str]]:
    form = await request.form()
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


Form = Annotated[list[tuple[str, str]], Depends(_form_of)]


def _provider(request: Request) -> Provider:
    """The provider in the page's own transaction."""
    return Provider(session(request), services(request).settings, now(), remote_address(request))


@router.get(DISCOVERY_PATH)
def discovery(request: Request) -> JSONResponse:
    """OpenID Connect Discovery 1.0, section 3."""
    issuer = services(request).settings.issuer
    return JSONResponse(
        {
            "issuer": issuer,
            "authorization_endpoint": issuer + AUTHORIZE_PATH,
            "token_endpoint": issuer + TOKEN_PATH,
            "userinfo_endpoint": issuer + USERINFO_PATH,
            "jwks_uri": issuer + KEYS_PATH,
            "end_session_endpoint": issuer + END_SESSION_PATH,
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "roles", "name",
                "preferred_username", "department", "data_scope",
            ],
        },
        headers=_KEPT,
    )  # fmt: skip


@router.get(KEYS_PATH)
def keys(request: Request) -> JSONResponse:
    """The public keys, the signing one first."""
    public = [key.as_dict(private=False) for key in _provider(request).keys]
    return JSONResponse({"keys": public}, headers=_KEPT)


@router.get(AUTHORIZE_PATH)
def authorize(request: Request) -> Response:
    """Leads back to the application with a code, or with what is wrong.

    Until client and address are known to be right, nothing is told to an address (RFC 6749, 4.1.2.1): the user gets
    our own page.
    """
    pairs = request.query_params.multi_items()
    asked = dict(pairs)
    if len(asked) < len(pairs) or any("\0" in value or len(value) > _LONGEST_VALUE for value in asked.values()):
        return error_page(request, 400, "登录请求的参数有误，请联系该应用的管理员。")
    provider = _provider(request)
    client = provider.client(asked.get("client_id"))
    if client is None:
        return error_page(request, 400, "该应用没有在本平台登记，或者已停用。请联系系统管理员。")
    if not client.check_redirect_uri(asked.get("redirect_uri", "")):
        return error_page(request, 400, f"“{client.application.name}”请求返回的地址没有登记。请联系系统管理员。")
    return _authorize(request, provider, client, asked)


def _authorize(request: Request, provider: Provider, client: Client, asked: dict[str, str]) -> Response:
    """Answers a request that may be answered to its address."""
    protocol = ProtocolRequest("GET", provider.issuer + AUTHORIZE_PATH, request.headers, asked.items())

    def refuse(error: str, description: str | None = None) -> Response:
        told = OAuth2Error(description, error=error, state=asked.get("state"), redirect_uri=asked["redirect_uri"])
        return provider.handle_error_response(protocol, told)

    actor: Actor | None = request.state.actor
    if asked.get("response_type") != "code":
        return refuse("unsupported_response_type")
    if asked.get("response_mode", "query") != "query":
        return refuse("invalid_request", "The only response_mode is query.")
    for name, error in _UNSUPPORTED.items():
        if name in asked:
            return refuse(error)
    try:
        grant = provider.get_consent_grant(protocol, end_user=actor)
        oldest = asked_age_seconds(asked.get("max_age"))
    except OAuth2Error as error:
        return provider.handle_error_response(protocol, error)
    except ValueError:
        return refuse("invalid_request", "max_age is a number of seconds.")
    prompts = set(asked.get("prompt", "").split())
    silent = "none" in prompts
    if actor is None or prompts & {"login", "select_account"} or _is_too_old(provider, actor, oldest):
        if silent:
            return refuse("login_required")
        # Both have then been fulfilled.
        rest = {name: value for name, value in asked.items() if name not in ("prompt", "max_age")}
        return RedirectResponse(
            sign_in_address(f"{AUTHORIZE_PATH}?{urlencode(rest)}", again=actor is not None), status_code=302
        )
    person = person_for(provider.session, actor, client.application.id)
    if person is None:
        if silent:
            return refuse("access_denied")
        return error_page(
            request, 403,
            f"您没有“{client.application.name}”的角色，不能进入该应用。如确有需要，请联系安全管理员将您加入有关用户组。",
        )  # fmt: skip
    return provider.create_authorization_response(protocol, grant_user=person, grant=grant)


def _is_too_old(provider: Provider, actor: Actor, oldest: int | None) -> bool:
    """Whether the sign-in is longer ago than so many seconds."""
    if oldest is None:
        return False
    return (provider.at - provider.signed_in_at(actor)).total_seconds() > oldest


@router.post(TOKEN_PATH)
def token(request: Request, form: Form) -> Response:
    """Exchanges a code. What was decided stays decided, refusals too, so it has a transaction of its own."""
    found = services(request)
    with found.database.transaction(AS_IDENTITY) as work:
        provider = Provider(work, found.settings, now(), remote_address(request))
        try:
            if any("\0" in value for _, value in form):
                raise ValueError
            protocol = ProtocolRequest("POST", provider.issuer + TOKEN_PATH, request.headers, form)
            answer: Response = provider.create_token_response(protocol)
        except ValueError:  # credentials that are no text
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        return answer


@router.get(USERINFO_PATH)
@router.post(USERINFO_PATH)
def userinfo(request: Request) -> Response:
    """Claims about the token's person, as they are now (RFC 6750; Core, 5.3)."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    found = services(request)
    told: dict[str, Any] | None = None
    if kind.lower() == "bearer" and given.isascii():
        with found.database.transaction(AS_IDENTITY) as work:
            known = Provider(work, found.settings, now(), remote_address(request)).person_of_token(given.strip())
            if known:
                person, scope = known
                told = person.claims(scope)
    if told is None:
        challenge = 'Bearer error="invalid_token"' if given else "Bearer"
        return JSONResponse({"error": "invalid_token"}, status_code=401, headers={"www-authenticate": challenge})
    return JSONResponse(told)


@router.get(END_SESSION_PATH)
def ask_end_of_session(request: Request) -> Response:
    """Asks the user, whom any site can send here, whether to sign out (RP-Initiated Logout 1.0, section 2)."""
    asked = dict(request.query_params)
    back = _way_back(request, asked)
    if request.state.actor is None:
        return RedirectResponse(back or SIGN_IN_PATH, status_code=302)
    given = {name: asked[name] for name in _PARAMETERS_OF_END if name in asked}
    return page(request, "openid/sign_out.html", title="退出登录", given=given)


@router.post(END_SESSION_PATH)
def end_session(request: Request, form: Form) -> Response:
    """Ends the session, and with it every token that came from it."""
    back = _way_back(request, dict(form))
    if request.state.actor is not None:
        sessions.sign_out(session(request), request.state.actor, now(), remote_address(request))
    response = onward(request, back or SIGN_IN_PATH)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


def _way_back(request: Request, asked: dict[str, str]) -> str | None:
    """The application's registered address after signing out, if the request proves that it is the application's."""
    provider = _provider(request)
    try:
        if any("\0" in value for value in asked.values()):
            return None
        protocol = ProtocolRequest("GET", provider.issuer + END_SESSION_PATH, request.headers, asked.items())
        way: str | None = EndOfSession(provider).validate_request(protocol).redirect_uri
    except (OAuth2Error, ValueError):
        return None
    return way
