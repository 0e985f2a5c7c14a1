"""The gate in front of every page: who asks, under which scope, is the form ours, and is the answer safe to show.

Order of a request: static files pass; the session's cookie becomes an actor; without one only the sign-in page, the
front door's question and the doors of sign-in across applications are open; a request that changes something must carry
a form token; then the page works in one transaction under the actor's scope, committed before the first byte of a good
answer leaves, rolled back otherwise. What other applications ask for by themselves (MACHINE_PATHS) is apart: they have
no browser, so neither session nor form counts there, and what they may know depends on the secret or token they show.
The REST API (API_PATH) is for both: with an access token there is no cookie and no form, without one it is like a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote, urlsplit

from anyio.to_thread import run_sync
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from operational_app.audit.service import Act, Outcome, record
from operational_app.core.row_security import ScopeSetting
from operational_app.identity.models import Duty
from operational_app.identity.sessions import AS_IDENTITY, Actor, find_actor
from operational_app.openid.provider import API_SCOPE, Provider
from operational_app.web.forms import (
    FORM_COOKIE,
    FORM_FIELD,
    FORM_HEADER,
    form_token,
    form_token_is_right,
    new_form_cookie,
)
from operational_app.web.problems import problem
from operational_app.web.services import Services, now, remote_address

SESSION_COOKIE = "__Host-huiyang-session"
STATIC_PREFIX = "/static/"
SIGN_IN_PATH = "/sign-in"
CHECK_PATH = "/auth/check"
ICON_PATH = "/favicon.ico"
OWN_PASSWORD_PATH = "/me/password"
SECOND_FACTOR_PATH = "/me/second-factor"
#: Asked by every open page each minute, which is no use of the session.
UNREAD_PATH = "/notifications/unread"
SIGN_OUT_PATH = "/sign-out"
REGISTER_PATH = "/register"
AUTHORIZE_PATH = "/oauth/authorize"
END_SESSION_PATH = "/oauth/logout"
UPSTREAM_PATH = "/sign-in/upstream"
UPSTREAM_CALLBACK_PATH = "/sign-in/upstream/callback"
#: Open without a session. Everything else is shut, whatever is added later.
OPEN_PATHS = frozenset(
    {
        SIGN_IN_PATH,
        REGISTER_PATH,
        CHECK_PATH,
        ICON_PATH,
        AUTHORIZE_PATH,
        END_SESSION_PATH,
        UPSTREAM_PATH,
        UPSTREAM_CALLBACK_PATH,
    }
)
DISCOVERY_PATH = "/.well-known/openid-configuration"
KEYS_PATH = "/oauth/jwks"
TOKEN_PATH = "/oauth/token"
USERINFO_PATH = "/oauth/userinfo"
#: Asked by other applications, not by browsers of users: nobody is signed in there, whatever cookie comes along.
MACHINE_PATHS = frozenset({DISCOVERY_PATH, KEYS_PATH, TOKEN_PATH, USERINFO_PATH})
API_PATH = "/api/v1"
#: Open to everybody, and only read: nobody is signed in there, whatever cookie comes along, so that answers are cached.
PUBLIC_PREFIX = "/public/"
#: Answers without a form. They get no form cookie: a browser that another site sends here shows none (it is `strict`),
#: and a new one would break the forms of its other tabs.
_WITHOUT_FORM = MACHINE_PATHS | {CHECK_PATH, AUTHORIZE_PATH, UPSTREAM_PATH}
#: Where somebody with a one-time password may go.
_OPEN_BEFORE_OWN_PASSWORD = frozenset({OWN_PASSWORD_PATH, SIGN_OUT_PATH, ICON_PATH, UNREAD_PATH})
_OPEN_BEFORE_SECOND_FACTOR = _OPEN_BEFORE_OWN_PASSWORD | {SECOND_FACTOR_PATH}
#: Answers to somebody signed in that the audit trail keeps: no right; not there or out of scope; against a rule.
_REFUSALS = {403: Outcome.DENIED, 404: Outcome.FAILURE, 422: Outcome.FAILURE}
_PLAIN_PART = re.compile(r"([a-z][a-z0-9_.-]{0,39}|\d{1,9})?")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Forms are short; one with files (their own limit: core.uploads) may hold a handful of papers.
_LARGEST_FORM_BYTES = 1_000_000
_LARGEST_UPLOAD_BYTES = 40_000_000
_SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def policy_with_tiles(tile_url: str) -> str:
    """The content security policy of a page whose map takes tiles from another host."""
    parts = urlsplit(tile_url)
    policy = _SECURITY_HEADERS["content-security-policy"]
    return policy.replace("connect-src 'self'", f"connect-src 'self' {parts.scheme}://{parts.netloc}").replace(
        "img-src 'self' data:", "img-src 'self' data: blob:"
    )


class Gate:
    """ASGI middleware.

    Args:
        services: what pages find at `request.state.services`.
        refuse: makes the answer to a form that is not ours.
    """

    def __init__(self, app: ASGIApp, services: Services, refuse: Callable[[Request], Response]) -> None:
        self._app = app
        self._services = services
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(STATIC_PREFIX):
            await self._app(scope, receive, _with_static_headers(send))
            return
        await _Passage(self._app, self._services, self._refuse, scope, receive, send).run()


class _Passage:
    """One request on its way through the gate."""

    def __init__(
        self,
        app: ASGIApp,
        services: Services,
        refuse: Callable[[Request], Response],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._app, self._services, self._refuse = app, services, refuse
        self._scope, self._receive, self._send = scope, receive, send
        self._request = Request(scope, receive)
        self._form_cookie = self._request.cookies.get(FORM_COOKIE, "")
        self._has_form_cookie = bool(self._form_cookie)

    async def run(self) -> None:
        request, state = self._request, self._request.state
        state.services, state.actor = self._services, None  # an error page needs them, whatever fails
        is_machine = request.url.path in MACHINE_PATHS
        is_api = request.url.path.startswith(f"{API_PATH}/")
        bearer = _bearer(request) if is_api else None
        is_public = request.url.path.startswith(PUBLIC_PREFIX) and request.method in _SAFE_METHODS
        token = None if is_machine or is_public or bearer is not None else request.cookies.get(SESSION_COOKIE)
        actor = await run_sync(self._find_actor, token) if token else None
        if bearer is not None:
            actor = await run_sync(self._find_actor_of_token, bearer)
        if not self._has_form_cookie:
            self._form_cookie = new_form_cookie()
        state.actor = actor
        state.session_token = token if actor else None
        state.csrf_token = form_token(self._services.form_key, self._form_cookie, state.session_token)
        if is_api and (why_not := self._why_not_call(actor)) is not None:
            await self._answer(why_not)
            return
        if is_api and not self._scope["path"].isprintable():
            # No address of ours. The patterns of routes end in `$`, which also matches before a final line feed.
            await self._answer(problem(404))
            return
        if is_api and request.method not in _SAFE_METHODS:
            body = await self._read_body()
            if body is None:
                await self._answer(problem(413))
                return
            state.body_sha256 = sha256(body).digest()
            self._receive = _replay(body, self._receive)
            if bearer is None and not self._api_form_is_ours():
                await self._answer(problem(403, "缺少或错误的 X-CSRFToken，请从 GET /api/v1/me 重新取得。"))
                return
        if actor is None and not is_machine and not is_public and request.url.path not in OPEN_PATHS:
            await self._answer(_ask_to_sign_in(request, was_signed_in=bool(token)))
            return
        if actor and actor.must_change_password and request.url.path not in _OPEN_BEFORE_OWN_PASSWORD:
            await self._answer(_ask_first_for(OWN_PASSWORD_PATH, "请先修改一次性密码", request))
            return
        if actor and self._lacks_second_factor(actor) and request.url.path not in _OPEN_BEFORE_SECOND_FACTOR:
            await self._answer(_ask_first_for(SECOND_FACTOR_PATH, "请先绑定动态验证码", request))
            return
        if request.method not in _SAFE_METHODS and not is_api:
            if is_machine:
                body = await self._read_body()
                if body is None:
                    await self._answer(JSONResponse({"error": "invalid_request"}, status_code=413))
                    return
                self._receive = _replay(body, self._receive)
            elif not await self._form_is_ours():
                if actor:
                    await run_sync(self._record_refusal, actor, 403)
                await self._answer(self._refuse(request))
                return
        session = self._services.database.session(actor.scope if actor else ScopeSetting())
        state.session = session
        started = False

        async def send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                if message["status"] < 400:
                    await run_sync(session.commit)
                else:
                    await run_sync(session.rollback)
                    if actor and message["status"] in _REFUSALS and self._is_worth_noting(message["status"]):
                        await run_sync(self._record_refusal, actor, message["status"])
                started = True
                self._dress(message)
            await self._send(message)

        try:
            await self._app(self._scope, self._receive, send)
        except BaseException:
            if not started:
                await run_sync(session.rollback)
            raise
        finally:
            await run_sync(session.close)

    def _find_actor(self, token: str) -> Actor | None:
        path = self._request.url.path
        with self._services.database.transaction(AS_IDENTITY) as session:
            in_use = path != UNREAD_PATH and (path != CHECK_PATH or is_a_persons_doing(self._request))
            return find_actor(session, token, now(), in_use=in_use)

    def _find_actor_of_token(self, token: str) -> Actor | None:
        """Whose access token it is, if it was given for the API; none of an application that was shut, or ended."""
        with self._services.database.transaction(AS_IDENTITY) as session:
            provider = Provider(session, self._services.settings, now(), remote_address(self._request))
            found = provider.person_of_token(token)
            return found[0].actor if found and API_SCOPE in found[1].split() else None

    def _why_not_call(self, actor: Actor | None) -> Response | None:
        """What somebody is told who may not call the API at all."""
        if actor is None:
            return problem(401)
        if actor.must_change_password:
            return problem(403, "请先在页面修改一次性密码。")
        if self._lacks_second_factor(actor):
            return problem(403, "请先在页面绑定动态验证码。")
        return None

    def _api_form_is_ours(self) -> bool:
        given = self._request.headers.get(FORM_HEADER)
        return self._has_form_cookie and form_token_is_right(self._request.state.csrf_token, given)

    def _lacks_second_factor(self, actor: Actor) -> bool:
        """Administrators need one, except in a demo, whose password stands on the operator's screen anyway."""
        is_required = actor.duty is not Duty.BUSINESS and not self._services.settings.demo
        return is_required and not actor.has_second_factor

    async def _form_is_ours(self) -> bool:
        given = self._request.headers.get(FORM_HEADER)
        if given is None:
            body = await self._read_body()
            if body is None:
                return False
            form = await Request(self._scope, _replay(body, self._receive)).form()
            value = form.get(FORM_FIELD)
            given = value if isinstance(value, str) else None
            await form.close()
            self._receive = _replay(body, self._receive)
        return self._has_form_cookie and form_token_is_right(self._request.state.csrf_token, given)

    async def _read_body(self) -> bytes | None:
        """The whole body; None if it is too large. Only somebody signed in hands in files."""
        has_files = self._request.headers.get("content-type", "").startswith("multipart/form-data")
        largest = _LARGEST_UPLOAD_BYTES if has_files and self._request.state.actor else _LARGEST_FORM_BYTES
        body = bytearray()
        async for chunk in self._request.stream():
            body += chunk
            if len(body) > largest:
                return None
        return bytes(body)

    def _is_worth_noting(self, status: int) -> bool:
        """A record that is not there may be another's; a page that is not there was mistyped."""
        return status != 404 or any(part.isdigit() for part in self._request.url.path.split("/"))

    def _record_refusal(self, actor: Actor, status: int) -> None:
        """What a page was refused with was rolled back with it; this stays."""
        with self._services.database.transaction() as session:
            record(
                session, Act.ACCESS, account_id=actor.account_id, remote_address=remote_address(self._request),
                outcome=_REFUSALS[status],
                details={"path": plain_path(self._request.url.path), "method": self._request.method, "status": status},
            )  # fmt: skip

    async def _answer(self, response: Response) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(message)
            await self._send(message)

        await response(self._scope, self._receive, send)

    def _dress(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in _SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        path = self._request.url.path
        if not self._has_form_cookie and path not in _WITHOUT_FORM and not path.startswith(PUBLIC_PREFIX):
            cookie = Response()
            cookie.set_cookie(FORM_COOKIE, self._form_cookie, secure=True, httponly=True, samesite="strict", path="/")
            headers.append("set-cookie", cookie.headers["set-cookie"])


def _bearer(request: Request) -> str | None:
    """The access token that a request shows, right or wrong; None where it shows none."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else None


def plain_path(path: str) -> str:
    """A path for the audit trail: page names and keys of records; whatever else was typed may be anything."""
    return "/".join(part if _PLAIN_PART.fullmatch(part) else "…" for part in path.split("/"))


def is_navigation(request: Request) -> bool:
    """Whether a browser asks for a page to show, and not a script for data."""
    mode = request.headers.get("sec-fetch-mode")
    return mode == "navigate" if mode else "application/json" not in request.headers.get("accept", "")


def is_a_persons_doing(request: Request) -> bool:
    """Whether a request that the front door asks about counts as use of the session.

    The pipelines' page polls as long as it is open; only its navigations count. A cockpit asks when somebody looks.
    """
    return is_navigation(request) or not forwarded_path(request).startswith("/dagster")


def forwarded_path(request: Request) -> str:
    """The path that the front door was asked for."""
    return urlsplit(request.headers.get("x-forwarded-uri", "")).path


def _ask_to_sign_in(request: Request, *, was_signed_in: bool) -> Response:
    if not is_navigation(request):
        return JSONResponse({"detail": "未登录或会话已失效"}, status_code=401)
    # What a form was to change is lost with its session; a page is found again after signing in.
    is_page = request.method in _SAFE_METHODS
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "") if is_page else "/"
    return RedirectResponse(sign_in_address(target, was_signed_in=was_signed_in), status_code=302 if is_page else 303)


def _ask_first_for(path: str, what: str, request: Request) -> Response:
    if not is_navigation(request):
        return JSONResponse({"detail": what}, status_code=403)
    return RedirectResponse(path, status_code=303)


def sign_in_address(target: str, *, was_signed_in: bool = False, again: bool = False) -> str:
    """The sign-in page that leads on to `target`, a path of ours.

    Args:
        again: the page is shown to somebody who is signed in, too.
    """
    parts = []
    if target not in ("", "/"):
        parts.append(f"next={quote(target, safe='')}")
    if was_signed_in:
        parts.append("expired=1")
    if again:
        parts.append("again=1")
    return SIGN_IN_PATH + (f"?{'&'.join(parts)}" if parts else "")


def safe_target(target: str | None) -> str:
    """`target` if it is a path of this installation, else `/`: a link must not lead a signed-in user elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    if any(ord(character) < 32 or character == "\\" for character in target) or urlsplit(target).netloc:
        return "/"
    return target


def _replay(body: bytes, afterwards: Receive) -> Receive:
    """Gives a body that was read once more, then what comes after it."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return await afterwards()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _with_static_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["x-content-type-options"] = "nosniff"
            if message["status"] == 200:
                # Addresses of static files carry a hash of their content.
                headers["cache-control"] = "public, max-age=31536000, immutable"
        await send(message)

    return wrapped
