"""Signing in through the provider above us; tying its identities to the own account, or as administrator to others'."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from huiyang.errors import HuiyangError
from operational_app.identity import sessions
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, Text, done, notice_of, seen, work_of
from operational_app.identity.administration import Refused, holder_of
from operational_app.identity.models import Account
from operational_app.identity.rules import why_not_change_account
from operational_app.identity.sessions import AS_IDENTITY, LASTS_FOR, Actor
from operational_app.openid import upstream
from operational_app.openid.upstream import Upstream, UpstreamError, upstream_of
from operational_app.web.errors import error_page
from operational_app.web.gate import (
    SESSION_COOKIE,
    UPSTREAM_CALLBACK_PATH,
    UPSTREAM_PATH,
    safe_target,
)
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import actor, now, page, remote_address, services, session

_COOKIE = "__Host-huiyang-upstream"
_JOURNEY_LASTS = timedelta(minutes=10)
#: The seal of a journey that began before anybody was known; sessions count from 1.
_NO_SESSION = 0
_OWN = "/me/linked-identity"
_log = logging.getLogger("huiyang.app")
router = APIRouter()
own = pages_of(Resource.WORKBENCH)
accounts = pages_of(Resource.ACCOUNTS)


def _upstream(request: Request) -> Upstream:
    """The provider.

    Raises:
        HTTPException: 404, there is none; 503, its settings are wrong (the log says how).
    """
    try:
        found = upstream_of(services(request).settings)
    except HuiyangError as error:
        _log.error("%s", error)
        raise HTTPException(503, "省统一身份认证没有配置好，请联系系统管理员，或使用用户名和密码登录。") from error
    if found is None:
        raise HTTPException(404)
    return found


@router.get(UPSTREAM_PATH)
def set_out(request: Request, next: str = "/") -> Response:
    """Sends the browser to the provider; what must come back stands sealed in a cookie."""
    try:
        journey = _upstream(request).set_out(now())
    except UpstreamError as problem:
        return error_page(request, 503, str(problem))
    sealed = services(request).seal.seal(
        {
            "state": journey.state, "nonce": journey.nonce, "verifier": journey.verifier, "next": safe_target(next),
            "at": now().isoformat(),
        },
        _NO_SESSION,
    )  # fmt: skip
    response = RedirectResponse(journey.address, status_code=302)
    response.set_cookie(
        _COOKIE, sealed, max_age=int(_JOURNEY_LASTS.total_seconds()), secure=True, httponly=True, samesite="lax",
        path="/",
    )  # fmt: skip
    return response


@router.get(UPSTREAM_CALLBACK_PATH)
def come_back(request: Request) -> Response:
    """Signs in whoever the identity is tied to; offers somebody who is signed in to tie it."""
    found, provider = services(request), _upstream(request)
    journey = found.seal.open(request.cookies.get(_COOKIE, ""), _NO_SESSION)
    if journey is None or datetime.fromisoformat(journey["at"]) < now() - _JOURNEY_LASTS:
        return error_page(request, 400, "登录请求已失效，请重新登录。")
    try:
        subject = provider.subject(
            dict(request.query_params), journey["state"], journey["nonce"], journey["verifier"], now()
        )
    except UpstreamError as problem:
        return error_page(request, 400, str(problem))
    who: Actor | None = request.state.actor
    response = _tie(request, provider, who, subject) if who else _sign_in(request, provider, subject, journey["next"])
    response.delete_cookie(_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


def _sign_in(request: Request, provider: Upstream, subject: str, target: str) -> Response:
    with services(request).database.transaction(AS_IDENTITY) as work:
        account = upstream.account_of(work, provider.issuer, subject)
        if account is None:
            return error_page(
                request, 403,
                "您的省统一身份还没有绑定本平台的账号。请先用用户名和密码登录，在“个人中心”绑定；没有账号的，请联系所在部门的管理员。",
            )  # fmt: skip
        if problem := upstream.why_not_sign_in(work, account, now()):
            return error_page(request, 403, problem)
        token = sessions.start_session(
            work, account.id, now(), remote_address(request), request.headers.get("user-agent"), through="upstream"
        )
    response = RedirectResponse(safe_target(target), status_code=302)
    response.set_cookie(
        SESSION_COOKIE, token, max_age=int(LASTS_FOR.total_seconds()), secure=True, httponly=True, samesite="lax",
        path="/",
    )  # fmt: skip
    return response


def _tie(request: Request, provider: Upstream, who: Actor, subject: str) -> Response:
    """Asks whether the identity is to be tied: another site may have led the browser here."""
    with services(request).database.transaction(AS_IDENTITY) as work:
        account = upstream.account_of(work, provider.issuer, subject)
        tied_to = account.id if account else None
    if tied_to == who.account_id:
        return RedirectResponse(_OWN, status_code=302)
    if tied_to is not None:
        return error_page(request, 403, "该省统一身份已绑定本平台的另一个账号，请先解除原有绑定。")
    sealed = services(request).seal.seal({"subject": subject, "at": now().isoformat()}, who.session_id)
    return page(request, "openid/link.html", title="绑定省统一身份", subject=subject, sealed=sealed)


def _own_page(request: Request, error: str = "") -> Response:
    tie = upstream.link_of(session(request), actor(request).account_id, _upstream(request).issuer)
    return page(
        request, "openid/linked_identity.html", REFUSED if error else 200, title="省统一身份", tie=tie, error=error,
        notice=notice_of(request), start=f"{UPSTREAM_PATH}?next={_OWN}", address=_OWN, back=("/me", "个人中心"),
        may_name_subject=False,
    )  # fmt: skip


@own.get(_OWN)
def own_page(request: Request) -> Response:
    return _own_page(request)


@own.post(_OWN)
def tie_own(request: Request, sealed: Text = "") -> Response:
    """Ties the identity that has just been proven in this session."""
    given = services(request).seal.open(sealed, actor(request).session_id)
    if given is None or "subject" not in given or datetime.fromisoformat(given["at"]) < now() - _JOURNEY_LASTS:
        return _own_page(request, "绑定请求已失效，请重新绑定。")
    work = work_of(request)
    try:
        upstream.link(work, work.actor.account_id, _upstream(request).issuer, given["subject"])
    except Refused as problem:
        work.session.rollback()
        return _own_page(request, str(problem))
    return done(_OWN)


@own.post(f"{_OWN}/end")
def untie_own(request: Request) -> Response:
    work = work_of(request)
    try:
        upstream.unlink(work, work.actor.account_id, _upstream(request).issuer)
    except Refused as problem:
        work.session.rollback()
        return _own_page(request, str(problem))
    return done(_OWN)


def _account_page(request: Request, key: int, error: str = "") -> Response:
    account = seen(request, Account, key)
    tie = upstream.link_of(session(request), key, _upstream(request).issuer)
    return page(
        request, "openid/linked_identity.html", REFUSED if error else 200,
        title=f"{account.display_name}：省统一身份", tie=tie, error=error, notice=notice_of(request), start=None,
        address=f"/accounts/{key}/linked-identity", back=(f"/accounts/{key}", "账号"), may_name_subject=True,
    )  # fmt: skip


def _act(request: Request, key: int, *, subject: str | None) -> Response:
    """Ties (without a subject: unties) for somebody else; who may is who may reset that person's password."""
    account, work = seen(request, Account, key), work_of(request)
    issuer = _upstream(request).issuer
    try:
        if problem := why_not_change_account(work.holder, holder_of(work.session, account)):
            raise Refused(problem)
        if subject is None:
            upstream.unlink(work, key, issuer)
        else:
            upstream.link(work, key, issuer, subject)
    except Refused as problem:
        work.session.rollback()
        return _account_page(request, key, str(problem))
    return done(f"/accounts/{key}/linked-identity", "saved")


_changes_accounts = [Depends(demand(Resource.ACCOUNT_CHANGES))]


@accounts.get("/accounts/{key:int}/linked-identity", dependencies=_changes_accounts)
def account_page(request: Request, key: int) -> Response:
    return _account_page(request, key)


@accounts.post("/accounts/{key:int}/linked-identity", dependencies=_changes_accounts)
def tie_account(request: Request, key: int, subject: Text = "") -> Response:
    return _act(request, key, subject=subject)


@accounts.post("/accounts/{key:int}/linked-identity/end", dependencies=_changes_accounts)
def untie_account(request: Request, key: int) -> Response:
    return _act(request, key, subject=None)


for part in (own, accounts):
    router.include_router(part)
