"""Requests to join: handed in, returned, decided. Every act is an event, in one transaction with what it brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from huiyang.identifiers import UsccStatus, normalise_identifier, uscc_status
from huiyang.names import initials_key, pinyin_key
from operational_app.audit.service import Act
from operational_app.core.row_security import whole_city, wider
from operational_app.core.uploads import Upload, keep
from operational_app.identity.access import Resource
from operational_app.identity.administration import Overtaken, Refused, Work, grant_role, update_row
from operational_app.identity.models import Account, Department, Role, RoleCode
from operational_app.identity.sessions import roles_of
from operational_app.joining import rules
from operational_app.joining.models import (
    DocumentKind,
    JoinAct,
    JoinDocument,
    JoinEvent,
    JoinRequest,
    RequestKind,
    RequestState,
)
from operational_app.organizations.models import (
    Organization,
    OrganizationKind,
    OrganizationKindCode,
    Qualification,
    QualificationKind,
)
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import holders_in_organization, nearest_holders, notify

OPEN_STATES = (RequestState.SUBMITTED, RequestState.RETURNED)
_LONGEST_TEXT = 500
_LONGEST_NAME = 100
_QUALIFICATIONS = {
    DocumentKind.LICENCE: QualificationKind.BUSINESS,
    DocumentKind.SERVICE: QualificationKind.SERVICE,
    DocumentKind.ASSESSOR: QualificationKind.SERVICE,
    DocumentKind.FOOD: QualificationKind.FOOD,
}


@dataclass(frozen=True)
class Entity:
    """A market entity as it describes itself."""

    kind: OrganizationKindCode
    name: str
    credit_code: str
    division_code: str
    legal_person: str
    address: str


@dataclass(frozen=True)
class Paper:
    """A document of a request.

    Attributes:
        upload: None keeps the file that was handed in before.
    """

    kind: DocumentKind
    upload: Upload | None
    number: str
    expires_on: date | None


# Handing in


def own_open_request(session: Session, account_id: int) -> JoinRequest | None:
    """The request that a person waits for, if any."""
    mine = select(JoinRequest).where(JoinRequest.applicant_id == account_id, JoinRequest.state.in_(OPEN_STATES))
    return session.scalars(mine).one_or_none()


def ask_for_department(work: Work, department_id: int | None, position: str, statement: str) -> JoinRequest:
    """Asks to join a department.

    Raises:
        Refused: no such department, or the person belongs somewhere or waits already.
    """
    department = work.session.get(Department, department_id) if department_id else None
    if department is None or not department.is_active:
        raise Refused("请选择要加入的部门。")
    return _submit(
        work,
        JoinRequest(
            kind=RequestKind.DEPARTMENT, department_id=department.id, division_code=department.division_code,
            unit_code=department.unit_code, position=_text(position, 50), statement=_text(statement) or "",
        ),
    )  # fmt: skip


def ask_for_membership(work: Work, credit_code: str, position: str, statement: str) -> JoinRequest:
    """Asks to join a market entity that is on the platform.

    Raises:
        Refused: no entity with that code, or the person belongs somewhere or waits already.
    """
    code = _credit_code(credit_code)
    scope = work.actor.scope
    with wider(work.session, scope, whole_city(scope)):
        found = work.session.execute(
            select(Organization.id, Organization.division_code).where(Organization.credit_code == code)
        ).one_or_none()
    if found is None:
        raise Refused("平台上没有这个统一社会信用代码的单位；如是新单位，请申请“市场主体入驻”。")
    organization_id, division_code = found
    return _submit(
        work,
        JoinRequest(
            kind=RequestKind.MEMBER, organization_id=organization_id, division_code=division_code,
            position=_text(position, 50), statement=_text(statement) or "",
        ),
    )  # fmt: skip


def ask_for_entity(work: Work, folder: Path, entity: Entity, statement: str, papers: Sequence[Paper]) -> JoinRequest:
    """Asks to bring a market entity onto the platform.

    Args:
        folder: where files are kept.

    Raises:
        Refused: a field or a paper is missing or wrong, or the person belongs somewhere or waits already.
    """
    _check_entity(work, entity, papers, {})
    request = _submit(
        work,
        JoinRequest(
            kind=RequestKind.ENTITY, division_code=entity.division_code, entity_kind=entity.kind,
            entity_name=entity.name.strip(), credit_code=_credit_code(entity.credit_code),
            legal_person=_text(entity.legal_person, 50), address=_text(entity.address, 200),
            statement=_text(statement) or "",
        ),
    )  # fmt: skip
    _keep_papers(work, folder, request, papers)
    return request


def correct_entity(
    work: Work, folder: Path, request: JoinRequest, entity: Entity, statement: str, papers: Sequence[Paper],
    row_version: int,
) -> None:  # fmt: skip
    """Hands a returned request in again; papers not given anew stay as they are."""
    _only_mine(work, request, RequestState.RETURNED)
    before = {paper.kind: paper.expires_on for paper in documents_of(work.session, request.id)}
    _check_entity(work, entity, papers, before)
    request.entity_kind, request.entity_name = entity.kind, entity.name.strip()
    request.credit_code, request.division_code = _credit_code(entity.credit_code), entity.division_code
    request.legal_person, request.address = _text(entity.legal_person, 50), _text(entity.address, 200)
    request.statement = _text(statement) or ""
    work.session.flush()
    _keep_papers(work, folder, request, papers)
    _move(work, request, RequestState.SUBMITTED, JoinAct.RESUBMIT, "", row_version)


def correct(work: Work, request: JoinRequest, position: str, statement: str, row_version: int) -> None:
    """Hands a returned request for a department or an entity's membership in again."""
    _only_mine(work, request, RequestState.RETURNED)
    request.position, request.statement = _text(position, 50), _text(statement) or ""
    work.session.flush()
    _move(work, request, RequestState.SUBMITTED, JoinAct.RESUBMIT, "", row_version)


def withdraw(work: Work, request: JoinRequest, row_version: int) -> None:
    """The applicant takes the request back."""
    _only_mine(work, request, *OPEN_STATES)
    _move(work, request, RequestState.WITHDRAWN, JoinAct.WITHDRAW, "", row_version)


def _submit(work: Work, request: JoinRequest) -> JoinRequest:
    account = work.session.get_one(Account, work.actor.account_id)
    if account.department_id or account.organization_id:
        raise Refused("您已属于部门或单位；调动请联系本部门管理员。")
    if any(role.duty != "business" for role in roles_of(work.session, account.id)):
        raise Refused("管理员账号不能申请加入部门或单位。")
    request.applicant_id, request.applicant_name = account.id, account.display_name
    request.submitted_at, request.due_on = work.at, rules.due_on(request.kind, work.at.date())
    try:
        with work.session.begin_nested():
            work.session.add(request)
    except IntegrityError as error:
        raise Refused("您已有一份申请在办理中，请等待结果或先撤回。") from error
    _event(work, request, JoinAct.SUBMIT, "")
    return request


def _check_entity(
    work: Work, entity: Entity, papers: Sequence[Paper], before: Mapping[DocumentKind, date | None]
) -> None:
    if entity.kind not in rules.ENTITY_KINDS:
        raise Refused("请选择申请入驻的类别。")
    if not entity.name.strip() or len(entity.name) > _LONGEST_NAME:
        raise Refused(f"请填写单位名称，不超过 {_LONGEST_NAME} 个字。")
    _credit_code(entity.credit_code)
    if not entity.division_code:
        raise Refused("请选择单位所在的县（市、区）。")
    given = dict(before) | {paper.kind: paper.expires_on for paper in papers}
    if missing := rules.missing_documents(entity.kind, given, work.at.date()):
        raise Refused("；".join(missing) + "。")
    for paper in papers:
        if paper.upload is None and paper.kind not in before:
            raise Refused(f"请上传{paper.kind.label}的文件。")
        if paper.kind in rules.PERMITS and not paper.number.strip():
            raise Refused(f"请填写{paper.kind.label}的编号。")


def _credit_code(text: str) -> str:
    code = normalise_identifier(text)
    status = uscc_status(code)
    if status is UsccStatus.MISSING:
        raise Refused("请填写统一社会信用代码。")
    if status is not UsccStatus.VALID:
        reasons = {UsccStatus.BAD_LENGTH: "应为 18 位", UsccStatus.BAD_CHECKSUM: "校验位不符，请核对每一位"}
        raise Refused(f"统一社会信用代码不正确：{reasons.get(status, '含有不允许的字符')}。")
    return code


def _keep_papers(work: Work, folder: Path, request: JoinRequest, papers: Sequence[Paper]) -> None:
    present = {paper.kind: paper for paper in documents_of(work.session, request.id)}
    for paper in papers:
        old = present.get(paper.kind)
        if paper.upload is None:
            if old:
                old.number, old.expires_on = _text(paper.number, 50), paper.expires_on
            continue
        if old:
            old.removed_at = work.at
        work.session.add(
            JoinDocument(
                request_id=request.id, kind=paper.kind, number=_text(paper.number, 50), expires_on=paper.expires_on,
                file_name=paper.upload.name, media_type=paper.upload.media_type, sha256=keep(folder, paper.upload),
                size_bytes=len(paper.upload.content), added_at=work.at,
            )
        )  # fmt: skip
    work.session.flush()


def documents_of(session: Session, request_id: int) -> list[JoinDocument]:
    """The papers of a request that count."""
    statement = select(JoinDocument).where(JoinDocument.request_id == request_id, JoinDocument.removed_at.is_(None))
    return list(session.scalars(statement.order_by(JoinDocument.id)))


# Deciding


def why_not_decide(work: Work, request: JoinRequest) -> str | None:
    scope = work.actor.scope
    decider = rules.Decider(
        work.actor.account_id, scope.division_lo, scope.unit_code is not None, scope.organization_id
    )
    is_managed = True
    if request.kind is RequestKind.MEMBER and request.organization_id is not None and scope.organization_id is None:
        with wider(work.session, scope, replace(scope, all_accounts=True)):
            is_managed = has_manager(work.session, request.organization_id)
    return rules.why_not_decide(
        decider, request.kind, request.state, request.applicant_id, request.organization_id, is_managed=is_managed
    )


def has_manager(session: Session, organization_id: int) -> bool:
    """Whether somebody in an organization lets people in.

    Args:
        session: under a scope that holds the organization's accounts.
    """
    return bool(holders_in_organization(session, organization_id, Resource.JOIN_APPROVALS))


def send_back(work: Work, request: JoinRequest, reason: str, row_version: int) -> None:
    """Returns a request for correction; the reason tells what to correct."""
    _may_decide(work, request)
    _move(work, request, RequestState.RETURNED, JoinAct.RETURN, _reason(reason), row_version)


def reject(work: Work, request: JoinRequest, reason: str, row_version: int) -> None:
    _may_decide(work, request)
    _move(work, request, RequestState.REJECTED, JoinAct.REJECT, _reason(reason), row_version)


def approve(work: Work, request: JoinRequest, role: Role | None, row_version: int) -> None:
    """Lets the applicant in, with a role that the decider may give; an entity comes onto the platform with its manager.

    Raises:
        Refused: not this user's to decide, decided meanwhile, a role beyond the user's own rights, or a credit code
            that another organization has.
    """
    _may_decide(work, request)
    _move(work, request, RequestState.APPROVED, JoinAct.APPROVE, "", row_version)
    if request.kind is RequestKind.ENTITY:
        request.organization_id = _admit(work, request)
        role = work.session.scalars(select(Role).where(Role.code == RoleCode.PROVIDER_MANAGER)).one()
    scope = work.actor.scope
    with wider(work.session, scope, replace(scope, all_accounts=True)):
        account = work.session.get_one(Account, request.applicant_id)
        if account.department_id or account.organization_id:
            raise Refused("申请人已加入其他部门或单位。")
        account.department_id = request.department_id
        account.organization_id = None if request.department_id else request.organization_id
        account.position = request.position or account.position
        account.row_version += 1
        work.session.flush()
        if role is not None:
            grant_role(work, account, role, on_admission=request.kind is RequestKind.ENTITY)
        work.note(Act.ACCOUNT_CHANGE, ("identity.account", account.id), joined=request.kind.value)


def _admit(work: Work, request: JoinRequest) -> int:
    """The request's entity as an organization: a new one, or the known one with a further capacity."""
    assert request.entity_kind and request.entity_name
    organization = work.session.scalars(
        select(Organization).where(Organization.credit_code == request.credit_code)
    ).one_or_none()
    if organization is None:
        organization = Organization(
            name=request.entity_name, name_pinyin=pinyin_key(request.entity_name),
            name_initials=initials_key(request.entity_name), credit_code=request.credit_code,
            credit_code_status=UsccStatus.VALID.value, division_code=request.division_code, address=request.address,
            legal_person=request.legal_person, contact_phone_status="missing",
        )  # fmt: skip
        try:
            with work.session.begin_nested():
                work.session.add(organization)
        except IntegrityError as error:
            raise Refused("该统一社会信用代码已登记在您管辖范围以外的单位，请与市民政局核对。") from error
    has_kind = select(OrganizationKind.id).where(
        OrganizationKind.organization_id == organization.id, OrganizationKind.kind == request.entity_kind
    )
    if work.session.scalar(has_kind) is None:
        work.session.add(
            OrganizationKind(organization_id=organization.id, kind=request.entity_kind, since=work.at.date())
        )
    for paper in documents_of(work.session, request.id):
        if kind := _QUALIFICATIONS.get(paper.kind):
            work.session.add(
                Qualification(
                    organization_id=organization.id, kind=kind, number=paper.number, expires_on=paper.expires_on
                )
            )
    work.session.flush()
    return organization.id


def _may_decide(work: Work, request: JoinRequest) -> None:
    if problem := why_not_decide(work, request):
        raise (Refused if request.state is RequestState.SUBMITTED else Overtaken)(problem)


def _only_mine(work: Work, request: JoinRequest, *states: RequestState) -> None:
    if request.applicant_id != work.actor.account_id or request.state not in states:
        raise Overtaken(f"该申请{request.state.label}，不能再修改。")


def _move(work: Work, request: JoinRequest, state: RequestState, act: JoinAct, reason: str, row_version: int) -> None:
    """Moves a request on if nobody else did meanwhile: two deciders at once, exactly one wins."""
    is_decision = state in (RequestState.APPROVED, RequestState.REJECTED)
    values: dict[str, object] = {"state": state}
    if is_decision:
        values |= {"decided_at": work.at, "decided_by": work.actor.account_id}
    if act is JoinAct.RESUBMIT:
        values |= {"submitted_at": work.at, "due_on": rules.due_on(request.kind, work.at.date())}
    update_row(work, JoinRequest, request.id, row_version, values, JoinRequest.state == request.state)
    work.session.refresh(request)
    _event(work, request, act, reason)


def _event(work: Work, request: JoinRequest, act: JoinAct, reason: str) -> None:
    work.session.add(
        JoinEvent(
            request_id=request.id, account_id=work.actor.account_id, account_name=work.actor.display_name, act=act,
            reason=reason,
        )
    )  # fmt: skip
    work.session.flush()
    work.note(Act.JOIN, ("joining.join_request", request.id), step=act.value)
    _tell(work, request)


def _tell(work: Work, request: JoinRequest) -> None:
    """Tells whoever has to act next, or how it ended."""
    if request.state is RequestState.SUBMITTED:
        scope = work.actor.scope
        with wider(work.session, scope, replace(scope, all_accounts=True)):
            recipients = deciders_of(work.session, request)
        title = f"一份“{request.kind.label}”申请待办理，请于 {request.due_on:%Y-%m-%d} 前办结"
        told = [account_id for account_id in recipients if account_id != request.applicant_id]
        notify(work.session, told, NotificationKind.REQUEST_WAITS, title, f"/joining/{request.id}")
    elif request.state is not RequestState.WITHDRAWN:
        title = f"您的“{request.kind.label}”申请{request.state.label}"
        notify(work.session, [request.applicant_id], NotificationKind.REQUEST_RESULT, title, "/join")


def deciders_of(session: Session, request: JoinRequest) -> list[int]:
    """Who is asked to decide a request; `rules.why_not_decide` lets their superiors decide it, too.

    Args:
        session: under a scope that holds all accounts.
    """
    own: list[int] = []
    if request.kind is RequestKind.MEMBER and request.organization_id is not None:
        own = holders_in_organization(session, request.organization_id, Resource.JOIN_APPROVALS)
    return own or nearest_holders(
        session, Resource.JOIN_APPROVALS, request.division_code, request.unit_code,
        from_county=request.kind is not RequestKind.DEPARTMENT,
    )  # fmt: skip


def _reason(text: str) -> str:
    reason = _text(text)
    if not reason:
        raise Refused("请填写理由，申请人会看到。")
    return reason


def _text(text: str, longest: int = _LONGEST_TEXT) -> str | None:
    """The text without needless space; None if empty.

    Raises:
        Refused: too long.
    """
    cleaned = text.strip()
    if len(cleaned) > longest:
        raise Refused(f"填写的内容超过 {longest} 个字：{cleaned[:20]}…")
    return cleaned or None
