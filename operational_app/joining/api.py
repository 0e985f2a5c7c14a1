"""加入和入驻申请 over the REST API: asking, correcting, withdrawing, deciding. A paper's file itself is the page's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import Field
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request

from operational_app.api.operations import Asked as Sent
from operational_app.api.operations import Done, Key, Line, Number, Told, Versioned, needs, operations
from operational_app.api.paging import Page, Paging
from operational_app.audit.service import Act
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import seen, work_of
from operational_app.identity.administration import Refused
from operational_app.identity.models import Role
from operational_app.joining import invitations, service
from operational_app.joining.invitation_pages import may_try
from operational_app.joining.models import (
    DocumentKind,
    Invitation,
    JoinAct,
    JoinEvent,
    JoinRequest,
    RequestKind,
    RequestState,
)
from operational_app.organizations.models import OrganizationKindCode
from operational_app.web.services import session

router = operations("加入和入驻")


class RequestTold(Told):
    id: int
    kind: RequestKind = Field(description="事项：department 加入部门，member 加入单位，entity 市场主体入驻")
    state: RequestState = Field(description="submitted 待办理，returned 退回补正，approved、rejected、withdrawn")
    applicant_name: str = Field(description="申请人")
    position: str | None = Field(description="职务")
    division_code: str = Field(description="12 位区划代码")
    department_id: int | None
    organization_id: int | None
    entity_kind: OrganizationKindCode | None = Field(description="申请入驻的类别")
    entity_name: str | None
    credit_code: str | None = Field(description="统一社会信用代码")
    statement: str = Field(description="申请说明")
    submitted_at: datetime
    due_on: date = Field(description="办理期限")
    decided_at: datetime | None
    row_version: int


class DocumentTold(Told):
    id: int
    kind: DocumentKind
    number: str | None
    expires_on: date | None
    file_name: str
    media_type: str
    size_bytes: int


class EventTold(Told):
    act: JoinAct
    account_name: str = Field(description="办理人")
    reason: str
    recorded_at: datetime


class RequestFile(RequestTold):
    documents: list[DocumentTold] = Field(description="材料；文件在页面下载")
    events: list[EventTold] = Field(description="办理经过")
    why_not: str | None = Field(description="当前账号不能办理的原因；可以办理时为 null")


class AskedDepartment(Sent):
    department_id: Number = Field(description="要加入的部门")
    position: Annotated[Line, Field(max_length=50)] = ""
    statement: Line = ""


class AskedMembership(Sent):
    credit_code: Line = Field(description="单位的统一社会信用代码")
    position: Annotated[Line, Field(max_length=50)] = ""
    statement: Line = ""


class Correction(Versioned):
    position: Annotated[Line, Field(max_length=50)] = ""
    statement: Line = ""


class Approval(Versioned):
    role_id: Number | None = Field(None, description="授予的角色，必须是办理人可以授予的；市场主体入驻时不填")


class Reason(Versioned):
    reason: Line = Field(description="理由，申请人会看到")


def _file(request: Request, found: JoinRequest) -> RequestFile:
    work = work_of(request)
    events = work.session.scalars(select(JoinEvent).where(JoinEvent.request_id == found.id).order_by(JoinEvent.id))
    told = RequestTold.model_validate(found).model_dump()
    return RequestFile(
        **told,
        documents=[DocumentTold.model_validate(paper) for paper in service.documents_of(work.session, found.id)],
        events=[EventTold.model_validate(event) for event in events],
        why_not=service.why_not_decide(work, found),
    )


def _own(request: Request, key: int) -> JoinRequest:
    found = seen(request, JoinRequest, key)
    if found.applicant_id != work_of(request).actor.account_id:
        raise HTTPException(404)
    return found


# Asking


@router.get("/join-requests/own", summary="我的申请", **needs(Resource.WORKBENCH))
def own_requests(request: Request) -> list[RequestTold]:
    mine = select(JoinRequest).where(JoinRequest.applicant_id == work_of(request).actor.account_id)
    found = session(request).scalars(mine.order_by(JoinRequest.id.desc()).limit(100))
    return [RequestTold.model_validate(row) for row in found]


@router.post("/join-requests/department", summary="申请加入部门", **needs(Resource.WORKBENCH, creates=True))
def ask_for_department(request: Request, asked: AskedDepartment) -> Done:
    work = work_of(request)
    return Done(id=service.ask_for_department(work, asked.department_id, asked.position, asked.statement).id)


@router.post("/join-requests/member", summary="申请加入单位", **needs(Resource.WORKBENCH, creates=True))
def ask_for_membership(request: Request, asked: AskedMembership) -> Done:
    work = work_of(request)
    return Done(id=service.ask_for_membership(work, asked.credit_code, asked.position, asked.statement).id)


@router.post("/join-requests/{key}/correct", summary="补正后重新提交", **needs(Resource.WORKBENCH))
def correct(request: Request, key: Key, asked: Correction) -> RequestFile:
    """部门、单位的加入申请；市场主体入驻的材料在页面补正。"""
    found = _own(request, key)
    if found.kind is RequestKind.ENTITY:
        raise HTTPException(404, "市场主体入驻申请请在页面补正材料。")
    service.correct(work_of(request), found, asked.position, asked.statement, asked.row_version)
    return _file(request, found)


@router.post("/join-requests/{key}/withdraw", summary="撤回申请", **needs(Resource.WORKBENCH))
def withdraw(request: Request, key: Key, asked: Versioned) -> RequestFile:
    found = _own(request, key)
    service.withdraw(work_of(request), found, asked.row_version)
    return _file(request, found)


# Deciding


@router.get("/join-requests", summary="办理清单", **needs(Resource.JOIN_APPROVALS))
def requests(
    request: Request,
    paging: Annotated[Paging, Depends()],
    state: Annotated[RequestState | None, Query(description="状态")] = None,
    kind: Annotated[RequestKind | None, Query(description="事项")] = None,
) -> Page[RequestTold]:
    """管辖范围内他人的申请，新的在前。"""
    work = work_of(request)
    statement = select(JoinRequest).where(JoinRequest.applicant_id != work.actor.account_id)
    if state:
        statement = statement.where(JoinRequest.state == state)
    if kind:
        statement = statement.where(JoinRequest.kind == kind)
    rows, following = paging.page(statement, [JoinRequest.id], lambda row: [row[0].id], newest_first=True)
    work.note(Act.LIST_READ, None, list="joining", rows=len(rows))
    return Page(items=[RequestTold.model_validate(row[0]) for row in rows], next=following)


def _waiting(request: Request, key: int) -> JoinRequest:
    """A request of somebody else's; the own ones are decided by others and read at `/join-requests/own`."""
    found = seen(request, JoinRequest, key)
    if found.applicant_id == work_of(request).actor.account_id:
        raise HTTPException(404)
    return found


@router.get("/join-requests/{key}", summary="申请详情", **needs(Resource.JOIN_APPROVALS))
def request_file(request: Request, key: Key) -> RequestFile:
    return _file(request, _waiting(request, key))


@router.post("/join-requests/{key}/approve", summary="通过", **needs(Resource.JOIN_APPROVALS))
def approve(request: Request, key: Key, asked: Approval) -> RequestFile:
    found = _waiting(request, key)
    role = seen(request, Role, asked.role_id) if asked.role_id else None
    service.approve(work_of(request), found, role, asked.row_version)
    return _file(request, found)


@router.post("/join-requests/{key}/return", summary="退回补正", **needs(Resource.JOIN_APPROVALS))
def send_back(request: Request, key: Key, asked: Reason) -> RequestFile:
    found = _waiting(request, key)
    service.send_back(work_of(request), found, asked.reason, asked.row_version)
    return _file(request, found)


@router.post("/join-requests/{key}/reject", summary="不予通过", **needs(Resource.JOIN_APPROVALS))
def reject(request: Request, key: Key, asked: Reason) -> RequestFile:
    found = _waiting(request, key)
    service.reject(work_of(request), found, asked.reason, asked.row_version)
    return _file(request, found)


# Invitations


class InvitationTold(Told):
    id: int
    position: str | None
    role_id: int | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    state: str = Field(description="待使用、已使用、已撤销或已过期")
    row_version: int


class InvitationMade(InvitationTold):
    token: str = Field(description="链接口令，只答复这一次")
    code: str = Field(description="邀请码，只答复这一次")


class AskedInvitation(Sent):
    position: Annotated[Line, Field(max_length=50)] = Field(description="岗位")
    days: Number = Field(invitations.USUAL_DAYS, description="有效天数：1、3、7、14 或 30")
    role_id: Number | None = Field(None, description="加入后授予的角色，必须是邀请人可以授予的")


class FollowedInvitation(Sent):
    secret: Annotated[Line, Field(max_length=100)] = Field(description="链接口令或邀请码")


def _invitation(request: Request, found: Invitation) -> dict[str, Any]:
    state, _ = invitations.state_of(found, work_of(request).at)
    names = [name for name in InvitationTold.model_fields if name != "state"]
    return {name: getattr(found, name) for name in names} | {"state": state}


@router.get("/invitations", summary="本单位的邀请", **needs(Resource.JOIN_APPROVALS))
def own_invitations(request: Request) -> list[InvitationTold]:
    """最近 100 份，新的在前。"""
    work = work_of(request)
    found = invitations.listed(work.session, invitations.own_organization(work).id)
    return [InvitationTold(**_invitation(request, each)) for each in found]


# Not kept for a repeated key: the answer holds the secret.
@router.post("/invitations", summary="邀请一人", status_code=201, **needs(Resource.JOIN_APPROVALS))
def invite(request: Request, asked: AskedInvitation) -> InvitationMade:
    made, secret = invitations.invite(work_of(request), asked.position, asked.days, asked.role_id)
    return InvitationMade(**_invitation(request, made), token=secret.token, code=secret.code)


@router.post("/invitations/{key}/revoke", summary="撤销邀请", **needs(Resource.JOIN_APPROVALS))
def revoke_invitation(request: Request, key: Key, asked: Versioned) -> InvitationTold:
    found = seen(request, Invitation, key)
    invitations.revoke(work_of(request), found, asked.row_version)
    return InvitationTold(**_invitation(request, seen(request, Invitation, key)))


@router.post("/invitations/accept", summary="接受邀请", status_code=204, **needs(Resource.WORKBENCH))
def accept_invitation(request: Request, asked: FollowedInvitation) -> None:
    """无效、已使用、已撤销、已过期的答复相同；连续无效会暂停。"""
    if not may_try(request):
        raise Refused(invitations.NOT_VALID)
    invitations.accept(work_of(request), asked.secret)
