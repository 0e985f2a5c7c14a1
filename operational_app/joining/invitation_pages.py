"""邀请人员 (of an entity's manager), and following an invitation (of whoever was given one)."""

from __future__ import annotations

import segno
from fastapi import APIRouter
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from operational_app.codes.pages import public_address
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, Number, Text, done, notice_of, seen, work_of
from operational_app.identity.administration import Refused
from operational_app.identity.models import Account
from operational_app.joining import invitations
from operational_app.joining.models import Invitation
from operational_app.web.rights import pages_of
from operational_app.web.services import actor, now, page, services

following = pages_of(Resource.WORKBENCH)
inviting = pages_of(Resource.JOIN_APPROVALS)
router = APIRouter()
LINK = "/join/invitation/{token}"


def may_try(request: Request) -> bool:
    """Whether the user may try a secret; the try is counted, whatever becomes of the request."""
    who = actor(request)
    with services(request).database.transaction(who.scope) as counting:
        return invitations.count_attempt(counting, who.account_id, now())


# Inviting


def _page(
    request: Request, given: dict[str, str] | None = None, error: str = "", secret: invitations.Secret | None = None
) -> Response:
    work = work_of(request)
    try:
        organization = invitations.own_organization(work)
    except Refused as problem:
        raise HTTPException(404, str(problem)) from problem
    found = invitations.listed(work.session, organization.id)
    keys = {key for it in found for key in (it.invited_by, it.used_by) if key}
    people = select(Account.id, Account.display_name).where(Account.id.in_(keys))
    link = public_address(request) + LINK.format(token=secret.token) if secret else ""
    return page(
        request, "joining/invitations.html", REFUSED if error else 200, title="邀请人员", organization=organization,
        why_not=invitations.why_not_invite(work.session, organization, work.at), error=error,
        notice=notice_of(request), given=given or {"days": str(invitations.USUAL_DAYS)},
        days=[(str(days), f"{days} 天") for days in invitations.DAYS],
        roles=[(str(role.id), role.name) for role in invitations.grantable(work)],
        rows=[(it, invitations.state_of(it, work.at)) for it in found],
        people={row.id: row.display_name for row in work.session.execute(people)}, secret=secret, link=link,
        picture=segno.make(link).svg_data_uri(scale=4) if link else "",
    )  # fmt: skip


@inviting.get("/organization/invitations")
def invitations_page(request: Request) -> Response:
    return _page(request)


@inviting.post("/organization/invitations")
def invite(request: Request, position: Text = "", days: Text = "", role: Text = "") -> Response:
    """Shows link and code, this once."""
    work = work_of(request)
    try:
        role_id = int(role) if role.isdigit() else None
        _, secret = invitations.invite(work, position, int(days) if days.isdigit() else 0, role_id)
    except Refused as problem:
        work.session.rollback()
        return _page(request, {"position": position, "days": days, "role": role}, str(problem))
    return _page(request, secret=secret)


@inviting.post("/organization/invitations/{key:int}/revoke")
def revoke(request: Request, key: int, row_version: Number) -> Response:
    work, found = work_of(request), seen(request, Invitation, key)
    try:
        invitations.revoke(work, found, row_version)
    except Refused as problem:
        work.session.rollback()
        return _page(request, error=str(problem))
    return done("/organization/invitations", "revoked_invitation")


# Following


def _offer(request: Request, given: str) -> Response:
    work = work_of(request)
    try:
        if not may_try(request):
            raise Refused(invitations.NOT_VALID)
        invitation, organization = invitations.look_at(work, given)
    except Refused as problem:
        work.session.rollback()
        return _refused(request, problem)
    return page(
        request, "joining/invitation.html", title="接受邀请", organization=organization, invitation=invitation,
        given=given, error="",
    )  # fmt: skip


def _refused(request: Request, problem: Refused) -> Response:
    return page(request, "joining/invitation.html", REFUSED, title="接受邀请", error=str(problem), invitation=None)


@following.get("/join/invitation")
def code_page(request: Request) -> Response:
    return page(request, "joining/invitation.html", title="接受邀请", error="", invitation=None)


@following.post("/join/invitation")
def show_by_code(request: Request, code: Text = "") -> Response:
    return _offer(request, code[:100])


@following.get(LINK)
def show_by_link(request: Request, token: str) -> Response:
    return _offer(request, token[:100])


@following.post("/join/invitation/accept")
def accept(request: Request, secret: Text = "") -> Response:
    work = work_of(request)
    try:
        if not may_try(request):
            raise Refused(invitations.NOT_VALID)
        invitations.accept(work, secret[:100])
    except Refused as problem:
        work.session.rollback()
        return _refused(request, problem)
    return done("/join", "joined")


for part in (inviting, following):
    router.include_router(part)
