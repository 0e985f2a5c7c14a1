"""Pages that register applications, and that give their roles to user groups."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import (
    REFUSED,
    Checked,
    Number,
    Text,
    done,
    notice_of,
    once_more,
    seen,
    work_of,
)
from operational_app.identity.administration import Refused
from operational_app.identity.models import UserGroup
from operational_app.openid import administration as office
from operational_app.openid.models import Application
from operational_app.web.gate import DISCOVERY_PATH
from operational_app.web.rights import pages_of
from operational_app.web.services import page, services

applications = pages_of(Resource.APPLICATIONS)
groups = pages_of(Resource.GROUPS)
router = APIRouter()


def _application_page(
    request: Request, application: Application | None, given: dict[str, Any], error: str = ""
) -> Response:
    issuer = services(request).settings.issuer
    return page(
        request, "openid/application.html", REFUSED if error else 200,
        title=application.name if application else "登记应用", application=application, given=given, error=error,
        notice=notice_of(request), roles=office.roles_of(work_of(request), application.id) if application else [],
        icons=list(office.ICONS.items()), issuer=issuer, discovery=issuer + DISCOVERY_PATH,
    )  # fmt: skip


def _as_it_is(request: Request, key: int) -> tuple[Application, dict[str, Any]]:
    application = seen(request, Application, key)
    return application, {
        "name": application.name, "description": application.description, "icon": application.icon,
        "home_url": application.home_url or "", "redirect_uris": "\n".join(application.redirect_uris),
        "post_logout_redirect_uris": "\n".join(application.post_logout_redirect_uris),
        "is_active": application.is_active, "is_public": application.is_public,
        "may_call_api": application.may_call_api, "row_version": application.row_version,
    }  # fmt: skip


def _secret_page(request: Request, application: Application, secret: str) -> Response:
    return page(
        request, "openid/application_secret.html", title="客户端密钥", application=application, secret=secret,
        discovery=services(request).settings.issuer + DISCOVERY_PATH,
    )  # fmt: skip


@applications.get("/applications/new")
def new_application(request: Request) -> Response:
    given = {
        "icon": next(iter(office.ICONS)), "is_active": True, "is_public": False, "may_call_api": False,
        "row_version": 1,
    }  # fmt: skip
    return _application_page(request, None, given)


@applications.get("/applications/{key:int}")
def application_page(request: Request, key: int) -> Response:
    return _application_page(request, *_as_it_is(request, key))


@applications.post("/applications/new")
@applications.post("/applications/{key:int}")
def save_application(
    request: Request,
    row_version: Number,
    key: int | None = None,
    name: Text = "",
    description: Text = "",
    icon: Text = "",
    home_url: Text = "",
    redirect_uris: Text = "",
    post_logout_redirect_uris: Text = "",
    is_active: Checked = "",
    is_public: Checked = "",
    may_call_api: Checked = "",
) -> Response:
    work = work_of(request)
    application = seen(request, Application, key) if key else None
    given: dict[str, Any] = {
        "name": name, "description": description, "icon": icon, "home_url": home_url, "redirect_uris": redirect_uris,
        "post_logout_redirect_uris": post_logout_redirect_uris, "is_active": bool(is_active),
        "is_public": bool(is_public), "may_call_api": bool(may_call_api), "row_version": row_version,
    }  # fmt: skip
    try:
        saved, secret = office.save_application(work, application, **given)
    except Refused as problem:
        return once_more(request, key, problem, given, _as_it_is, _application_page)
    if secret:
        return _secret_page(request, saved, secret)
    return done(f"/applications/{saved.id}")


@applications.post("/applications/{key:int}/secret")
def new_secret(request: Request, key: int) -> Response:
    application, work = seen(request, Application, key), work_of(request)
    try:
        secret = office.new_secret(work, application)
    except Refused as problem:
        work.session.rollback()
        return _application_page(request, *_as_it_is(request, key), str(problem))
    return _secret_page(request, application, secret)


@applications.post("/applications/{key:int}/roles")
def save_role(request: Request, key: int, code: Text = "", name: Text = "", is_active: Checked = "") -> Response:
    application, work = seen(request, Application, key), work_of(request)
    try:
        office.save_role(work, application, code=code.strip(), name=name, is_active=bool(is_active))
    except Refused as problem:
        work.session.rollback()
        return _application_page(request, *_as_it_is(request, key), str(problem))
    return done(f"/applications/{key}")


# Roles of groups


def _group_page(request: Request, group: UserGroup, held: set[int], error: str = "") -> Response:
    return page(
        request, "openid/group_applications.html", REFUSED if error else 200, title=f"{group.name}：应用角色",
        group=group, offered=office.offered_roles(work_of(request)), held=held, error=error, notice=notice_of(request),
    )  # fmt: skip


@groups.get("/groups/{key:int}/applications")
def group_page(request: Request, key: int) -> Response:
    return _group_page(request, seen(request, UserGroup, key), office.roles_of_group(work_of(request), key))


@groups.post("/groups/{key:int}/applications")
def give_roles(
    request: Request, key: int, row_version: Number, role: Annotated[list[int] | None, Form()] = None
) -> Response:
    group, work = seen(request, UserGroup, key), work_of(request)
    try:
        office.give_roles(work, group, role or (), row_version)
    except Refused as problem:
        work.session.rollback()
        held = office.roles_of_group(work, key)
        return _group_page(request, seen(request, UserGroup, key), held, str(problem))
    return done(f"/groups/{key}/applications", "granted")


for part in (applications, groups):
    router.include_router(part)
