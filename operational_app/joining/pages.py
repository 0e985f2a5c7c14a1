"""Asking to join (in 个人中心), and deciding (办理清单)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from fastapi import APIRouter
from sqlalchemy import select
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from operational_app.audit.service import Act
from operational_app.core.uploads import LARGEST_BYTES, UploadRefused, judge, kept
from operational_app.identity import administration as office
from operational_app.identity import rules as identity_rules
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, Number, Text, done, notice_of, seen, work_of
from operational_app.identity.administration import Refused, Work
from operational_app.identity.models import Account, Department, Duty, Role
from operational_app.identity.views import department_name
from operational_app.joining import invitation_pages, rules, service
from operational_app.joining.models import DocumentKind, JoinDocument, JoinEvent, JoinRequest, RequestKind, RequestState
from operational_app.joining.service import Entity, Paper
from operational_app.joining.views import state_badge
from operational_app.organizations.models import Organization, OrganizationKindCode
from operational_app.web.rights import pages_of
from operational_app.web.services import page, services, session, today

asking = pages_of(Resource.WORKBENCH)
deciding = pages_of(Resource.JOIN_APPROVALS)
router = APIRouter()
_KINDS = {kind.value: kind for kind in RequestKind}
_ENTITY_KINDS = {kind.value: kind for kind in rules.ENTITY_KINDS}
_PAPERS = [kind for kind in DocumentKind if kind is not DocumentKind.OTHER]


def _parts(request: Request, record: JoinRequest) -> dict[str, Any]:
    """What both sides see of a request."""
    work = session(request)
    department = work.get(Department, record.department_id) if record.department_id else None
    organization = work.get(Organization, record.organization_id) if record.organization_id else None
    events = work.scalars(select(JoinEvent).where(JoinEvent.request_id == record.id).order_by(JoinEvent.id)).all()
    return {
        "record": record, "documents": service.documents_of(work, record.id), "events": events,
        "state": state_badge(record.state, record.due_on, today()),
        "target": (
            department_name(department) if department else organization.name if organization else record.entity_name
        ),
    }  # fmt: skip


# Asking


@asking.get("/join")
def own_requests(request: Request) -> Response:
    work = work_of(request)
    mine = work.session.scalars(
        select(JoinRequest).where(JoinRequest.applicant_id == work.actor.account_id).order_by(JoinRequest.id.desc())
    ).all()
    account = work.session.get_one(Account, work.actor.account_id)
    return page(
        request, "joining/own.html", title="申请加入", requests=[_parts(request, record) for record in mine],
        may_ask=not (account.department_id or account.organization_id) and work.actor.duty is Duty.BUSINESS
        and service.own_open_request(work.session, account.id) is None,
        notice=notice_of(request),
    )  # fmt: skip


def _form_page(
    request: Request, kind: RequestKind, given: dict[str, Any], record: JoinRequest | None = None, error: str = ""
) -> Response:
    papers = {paper.kind.value: paper for paper in service.documents_of(session(request), record.id)} if record else {}
    sections = session(request).scalars(
        select(Department).where(Department.is_active, ~Department.is_builtin | Department.unit_code.is_not(None))
    )
    return page(
        request, "joining/form.html", REFUSED if error else 200, title=kind.label, kind=kind.value, given=given,
        record=record, error=error, papers=papers, paper_kinds=_PAPERS, permits=set(rules.PERMITS),
        entity_kinds=[(code, label.label) for code, label in _ENTITY_KINDS.items()],
        required={
            code: [paper.label for paper in rules.REQUIRED_DOCUMENTS[kind]] for code, kind in _ENTITY_KINDS.items()
        },
        sections=[(section.id, department_name(section)) for section in sections],
        largest=LARGEST_BYTES // 1_000_000,
        why=_last_reason(request, record) if record else "",
    )  # fmt: skip


def _last_reason(request: Request, record: JoinRequest) -> str:
    reasons = select(JoinEvent.reason).where(JoinEvent.request_id == record.id, JoinEvent.reason != "")
    return session(request).scalar(reasons.order_by(JoinEvent.id.desc()).limit(1)) or ""


@asking.get("/join/{kind:str}/new")
def new_request(request: Request, kind: str) -> Response:
    if kind not in _KINDS:
        raise HTTPException(404)
    return _form_page(request, _KINDS[kind], {})


@asking.get("/join/{key:int}/edit")
def edit_request(request: Request, key: int) -> Response:
    record = _own(request, key)
    if record.state is not RequestState.RETURNED:
        raise HTTPException(404)
    codes = _division_fields(record.division_code)
    given = {
        "position": record.position, "statement": record.statement, "entity_kind": record.entity_kind,
        "entity_name": record.entity_name, "credit_code": record.credit_code, "legal_person": record.legal_person,
        "address": record.address, **codes,
    }  # fmt: skip
    return _form_page(request, record.kind, given, record)


def _division_fields(code: str) -> dict[str, str]:
    fields = {"county": code[:6] + "000000"}
    if code[6:9] != "000":
        fields["town"] = code[:9] + "000"
    if code[9:] != "000":
        fields["village"] = code
    return fields


def _own(request: Request, key: int) -> JoinRequest:
    record = seen(request, JoinRequest, key)
    if record.applicant_id != work_of(request).actor.account_id:
        raise HTTPException(404)
    return record


@asking.post("/join/{kind:str}/new")
async def submit_request(request: Request, kind: str) -> Response:
    if kind not in _KINDS:
        raise HTTPException(404)
    form = await _read_form(request)
    return await _in_thread(_submit, request, _KINDS[kind], form)


@asking.post("/join/{key:int}/edit")
async def submit_again(request: Request, key: int) -> Response:
    form = await _read_form(request)
    return await _in_thread(_resubmit, request, key, form)


async def _in_thread(work: Callable[..., Response], *arguments: object) -> Response:
    from anyio.to_thread import run_sync

    return await run_sync(lambda: work(*arguments))


async def _read_form(request: Request) -> dict[str, Any]:
    """Texts as they are, files as (name, content)."""
    form: FormData = await request.form(max_files=len(_PAPERS), max_fields=60)
    read: dict[str, Any] = {}
    for name, value in form.items():
        read[name] = (value.filename or "", await value.read()) if isinstance(value, UploadFile) else value
    await form.close()
    return read


def _submit(request: Request, kind: RequestKind, form: dict[str, Any]) -> Response:
    work, folder = work_of(request), services(request).settings.upload_dir
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        if kind is RequestKind.DEPARTMENT:
            service.ask_for_department(
                work, _department(work, given), given.get("position", ""), given.get("statement", "")
            )
        elif kind is RequestKind.MEMBER:
            service.ask_for_membership(
                work, given.get("credit_code", ""), given.get("position", ""), given.get("statement", "")
            )
        else:
            service.ask_for_entity(work, folder, _entity(given), given.get("statement", ""), _papers(form, {}))
    except (Refused, UploadRefused) as problem:
        work.session.rollback()
        return _form_page(request, kind, given, error=str(problem))
    return done("/join", "submitted")


def _resubmit(request: Request, key: int, form: dict[str, Any]) -> Response:
    work, folder, record = work_of(request), services(request).settings.upload_dir, _own(request, key)
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    version = int(given.get("row_version", "0")) if given.get("row_version", "0").isdigit() else 0
    kind = record.kind
    try:
        if kind is RequestKind.ENTITY:
            before = {paper.kind: paper for paper in service.documents_of(work.session, key)}
            service.correct_entity(
                work, folder, record, _entity(given), given.get("statement", ""), _papers(form, before), version
            )
        else:
            service.correct(work, record, given.get("position", ""), given.get("statement", ""), version)
    except (Refused, UploadRefused) as problem:
        work.session.rollback()
        return _form_page(request, kind, given, _own(request, key), str(problem))
    return done("/join", "submitted")


def _department(work: Work, given: dict[str, str]) -> int | None:
    section = given.get("section", "")
    if section.isdigit():
        return int(section)
    code = given.get("village") or given.get("town") or given.get("county")
    here = Department.division_code == code if code else Department.parent_id.is_(None)
    return work.session.scalar(select(Department.id).where(here, Department.unit_code.is_(None), Department.is_builtin))


def _entity(given: dict[str, str]) -> Entity:
    kind = _ENTITY_KINDS.get(given.get("entity_kind", ""))
    return Entity(
        kind or OrganizationKindCode.INSTITUTION,  # which is refused: institutions are filed, not admitted here
        given.get("entity_name", ""), given.get("credit_code", ""),
        given.get("village") or given.get("town") or given.get("county") or "", given.get("legal_person", ""),
        given.get("address", ""),
    )  # fmt: skip


def _papers(form: dict[str, Any], before: dict[DocumentKind, JoinDocument]) -> list[Paper]:
    papers = []
    for kind in _PAPERS:
        number, until = str(form.get(f"number-{kind}", "")), str(form.get(f"expires-{kind}", ""))
        file = form.get(f"file-{kind}")
        upload = judge(*file) if isinstance(file, tuple) and file[0] else None
        if upload is None and kind not in before and not (number or until):
            continue
        try:
            expires_on = date.fromisoformat(until) if until else None
        except ValueError as error:
            raise Refused(f"{kind.label}的有效期不是日期。") from error
        papers.append(Paper(kind, upload, number, expires_on))
    return papers


@asking.post("/join/{key:int}/withdraw")
def withdraw(request: Request, key: int, row_version: Number) -> Response:
    record, work = _own(request, key), work_of(request)
    try:
        service.withdraw(work, record, row_version)
    except Refused as problem:
        raise HTTPException(409, str(problem)) from problem
    return done("/join", "withdrawn")


@asking.get("/join/documents/{key:int}")
def document(request: Request, key: int) -> Response:
    """A paper, for whoever may see its request."""
    paper = seen(request, JoinDocument, key)
    try:
        path = kept(services(request).settings.upload_dir, paper.sha256)
    except FileNotFoundError:
        raise HTTPException(404, "文件不在服务器上，请联系系统管理员。") from None
    work_of(request).note(Act.FILE_READ, ("joining.join_document", key))
    # A PDF is downloaded, not opened in our origin.
    how = "inline" if paper.media_type.startswith("image/") else "attachment"
    return FileResponse(
        path, media_type=paper.media_type, filename=paper.file_name, content_disposition_type=how,
        headers={"content-security-policy": "default-src 'none'; sandbox"},
    )  # fmt: skip


# Deciding


def _decision_page(request: Request, record: JoinRequest, error: str = "") -> Response:
    work = work_of(request)
    if record.applicant_id == work.actor.account_id:
        raise HTTPException(404)
    why_not = service.why_not_decide(work, record)
    of_organization = record.kind is not RequestKind.DEPARTMENT
    receiver = identity_rules.Holder(record.applicant_id, frozenset(), Duty.BUSINESS, of_organization)
    roles = [
        role
        for role in work.session.scalars(select(Role).where(Role.is_active).order_by(Role.id))
        if identity_rules.why_not_grant(work.holder, office.role_facts(work.session, role), receiver) is None
    ]
    return page(
        request, "joining/decision.html", REFUSED if error else 200, title=record.kind.label, **_parts(request, record),
        roles=roles, why_not=why_not, error=error, notice=notice_of(request),
    )  # fmt: skip


@deciding.get("/joining/{key:int}")
def decision_page(request: Request, key: int) -> Response:
    return _decision_page(request, seen(request, JoinRequest, key))


def _decide(request: Request, key: int, act: Callable[[Work, JoinRequest], None], what: str) -> Response:
    record, work = seen(request, JoinRequest, key), work_of(request)
    try:
        act(work, record)
    except Refused as problem:
        work.session.rollback()
        return _decision_page(request, seen(request, JoinRequest, key), str(problem))
    return done(f"/joining/{key}", what)


@deciding.post("/joining/{key:int}/approve")
def approve(request: Request, key: int, row_version: Number, role: Text = "") -> Response:
    given = seen(request, Role, int(role)) if role.isdigit() else None
    return _decide(request, key, lambda work, record: service.approve(work, record, given, row_version), "approved")


@deciding.post("/joining/{key:int}/return")
def send_back(request: Request, key: int, row_version: Number, reason: Text = "") -> Response:
    return _decide(request, key, lambda work, record: service.send_back(work, record, reason, row_version), "returned")


@deciding.post("/joining/{key:int}/reject")
def reject(request: Request, key: int, row_version: Number, reason: Text = "") -> Response:
    return _decide(request, key, lambda work, record: service.reject(work, record, reason, row_version), "rejected")


for part in (asking, deciding, invitation_pages.router):
    router.include_router(part)
