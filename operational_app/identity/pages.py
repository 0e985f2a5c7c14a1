"""Signing in and out, and the front door's question who may open another application."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from huiyang.settings import COCKPIT_PATH, DAGSTER_PATH
from operational_app.audit.service import Act, record
from operational_app.identity import administration, sessions
from operational_app.identity.access import Resource
from operational_app.identity.sessions import LASTS_FOR, LOCKED_FOR, MAX_FAILURES
from operational_app.web.errors import error_page
from operational_app.web.gate import (
    CHECK_PATH,
    ICON_PATH,
    REGISTER_PATH,
    SESSION_COOKIE,
    SIGN_IN_PATH,
    SIGN_OUT_PATH,
    forwarded_path,
    is_navigation,
    plain_path,
    safe_target,
    sign_in_address,
)
from operational_app.web.look import asset
from operational_app.web.onward import onward
from operational_app.web.services import now, page, remote_address, services, session

router = APIRouter()
#: Applications behind the front door: prefix of their addresses → right.
_APPLICATIONS = {COCKPIT_PATH: Resource.COCKPITS, DAGSTER_PATH: Resource.PIPELINES}
#: What the applications are told, each of the rights that the person has.
_RIGHTS_ELSEWHERE = (
    Resource.COCKPITS, Resource.COCKPIT_ADMINISTRATION, Resource.PIPELINES, Resource.PIPELINE_ADMINISTRATION,
)  # fmt: skip
_LOCKED_MINUTES = int(LOCKED_FOR.total_seconds() // 60)
_REFUSED = (
    f"用户名、密码或动态验证码不正确，或者账号已暂时锁定。连续输错 {MAX_FAILURES} 次将锁定 {_LOCKED_MINUTES} 分钟。"
)


@router.get(SIGN_IN_PATH)
def sign_in_page(request: Request, next: str = "/", expired: str = "", again: str = "") -> Response:
    if request.state.actor is not None and not again:
        return RedirectResponse(safe_target(next), status_code=302)
    notice = "登录已超时或已退出，请重新登录。" if expired else ""
    return page(request, "identity/sign_in.html", title="登录", next=safe_target(next), notice=notice, error="")


@router.post(SIGN_IN_PATH)
def sign_in(
    request: Request,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    database = services(request).database
    token = None
    if username and password and len(username) <= 64 and len(password) <= 256 and "\0" not in username:
        token = sessions.sign_in(
            database,
            username.strip(),
            password,
            now(),
            remote_address(request),
            request.headers.get("user-agent"),
            code=code[:10],
            crypto=services(request).crypto,
        )
    if token is None:
        return page(
            request, "identity/sign_in.html", 401, title="登录", next=safe_target(next), notice="", error=_REFUSED,
            username=username[:64],
        )  # fmt: skip
    if request.state.actor is not None:  # somebody else's session in the same browser ends
        sessions.sign_out(session(request), request.state.actor, now(), remote_address(request))
    response = onward(request, safe_target(next))
    response.set_cookie(
        SESSION_COOKIE, token, max_age=int(LASTS_FOR.total_seconds()), secure=True, httponly=True, samesite="lax",
        path="/",
    )  # fmt: skip
    return response


@router.get(REGISTER_PATH)
def register_page(request: Request, next: str = "/join") -> Response:
    return page(request, "identity/register.html", title="注册账号", given={}, error="", next=safe_target(next))


@router.post(REGISTER_PATH)
def register(
    request: Request,
    username: Annotated[str, Form()] = "",
    display_name: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/join",
) -> Response:
    target = safe_target(next)
    try:
        with services(request).database.transaction(sessions.AS_IDENTITY) as work:
            administration.register(
                work, username=username.strip(), display_name=display_name, password=new, again=again, at=now(),
                remote_address=remote_address(request),
            )  # fmt: skip
    except administration.Refused as problem:
        given = {"username": username[:64], "display_name": display_name[:100]}
        return page(
            request, "identity/register.html", 422, title="注册账号", given=given, error=str(problem), next=target
        )
    notice = "注册成功，请登录后申请加入部门或单位，或者接受邀请。"
    return page(
        request, "identity/sign_in.html", title="登录", next=target, notice=notice, error="", username=username.strip()
    )


@router.post(SIGN_OUT_PATH)
def sign_out(request: Request) -> Response:
    sessions.sign_out(session(request), request.state.actor, now(), remote_address(request))
    response = RedirectResponse(SIGN_IN_PATH, status_code=303)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


@router.get(ICON_PATH)
def icon() -> RedirectResponse:
    """What browsers ask for beside pages of the applications behind the front door."""
    return RedirectResponse(asset("huiyang/mark.svg"), status_code=302)


@router.get(CHECK_PATH)
def check(request: Request) -> Response:
    """The front door's forward_auth: who may open the application at `X-Forwarded-Uri`.

    204 with `X-Huiyang-User` and `X-Huiyang-Roles` (the rights that mean something there) lets the request through; any
    other answer goes to the browser:
    302 to the sign-in page, 401 to a script without a session, 403 where the role has no right.
    """
    actor = request.state.actor
    if actor is None:
        if not is_navigation(request):
            return Response(status_code=401)
        target = request.headers.get("x-forwarded-uri", "/")
        return RedirectResponse(sign_in_address(safe_target(target)), status_code=302)
    path = forwarded_path(request)
    resource = next((right for prefix, right in _APPLICATIONS.items() if f"{path}/".startswith(f"{prefix}/")), None)
    if resource is None or not actor.may(resource):
        return error_page(request, 403)
    if is_navigation(request):  # the pages' own requests are too many, and say no more
        record(
            session(request), Act.APPLICATION_OPEN, account_id=actor.account_id, remote_address=remote_address(request),
            details={"path": plain_path(path)},
        )  # fmt: skip
    rights = [right for right in _RIGHTS_ELSEWHERE if actor.may(right)]
    return Response(status_code=204, headers={"X-Huiyang-User": actor.username, "X-Huiyang-Roles": ",".join(rights)})
