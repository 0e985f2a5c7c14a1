"""本单位信息: a market entity's people look after its own record, contact and permits (row 12)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.field_crypto import FieldCrypto, row_context
from huiyang.identifiers import PhoneStatus, normalise_phone, phone_status
from operational_app.audit.service import Act
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, Number, Text, done, notice_of, work_of
from operational_app.identity.administration import Refused, Work, update_row
from operational_app.identity.models import Account, AccountRole, Role
from operational_app.institutions.queries import permits_of
from operational_app.organizations.models import Organization, Qualification, QualificationKind
from operational_app.organizations.views import STATUS_COLOURS, kinds_of
from operational_app.web.formats import mask_phone
from operational_app.web.rights import pages_of
from operational_app.web.services import page, services, session, today

router = pages_of(Resource.OWN_ORGANIZATION)
_TABLE = "organizations.organization"
_KINDS = {kind.value: kind for kind in QualificationKind}


def own(request: Request) -> Organization:
    """The organization of the user.

    Raises:
        HTTPException: 404 for a government user who was given the right by mistake.
    """
    key = work_of(request).actor.scope.organization_id
    organization = session(request).get(Organization, key) if key else None
    if organization is None:
        raise HTTPException(404, "您不属于任何市场主体。")
    return organization


def _page(request: Request, given: dict[str, str] | None = None, error: str = "") -> Response:
    organization, work = own(request), session(request)
    return page(
        request, "organizations/own.html", REFUSED if error else 200, title="本单位信息", organization=organization,
        kinds=kinds_of(work, [organization.id]).get(organization.id), colour=STATUS_COLOURS[organization.status],
        contact_phone=contact_phone_of(request, organization),
        permits=permits_of(work, organization.id, today()), managers=managers_of(work, organization.id),
        permit_kinds=[(code, kind.label) for code, kind in _KINDS.items()], error=error, notice=notice_of(request),
        given=given
        or {
            "address": organization.address or "", "legal_person": organization.legal_person or "",
            "contact_name": organization.contact_name or "",
        },
    )  # fmt: skip


def contact_phone_of(request: Request, organization: Organization) -> str:
    """Masked."""
    cipher = organization.contact_phone_cipher
    context = row_context(_TABLE, "contact_phone_cipher", organization.id)
    return mask_phone(services(request).crypto.decrypt(cipher, context)) if cipher else "未登记"


def managers_of(work: Session, organization_id: int) -> list[tuple[str, str, str]]:
    """(user name, name, roles) of the organization's people."""
    rows = work.execute(
        select(Account.username, Account.display_name, func.coalesce(func.string_agg(Role.name, "、"), "未授予"))
        .outerjoin(AccountRole, (AccountRole.account_id == Account.id) & AccountRole.revoked_at.is_(None))
        .outerjoin(Role, Role.id == AccountRole.role_id)
        .where(Account.organization_id == organization_id, Account.is_active)
        .group_by(Account.id)
        .order_by(Account.username)
    )
    return [(str(username), str(name), str(roles)) for username, name, roles in rows]


@router.get("/organization")
def own_organization(request: Request) -> Response:
    return _page(request)


@router.post("/organization")
def save_organization(
    request: Request,
    row_version: Number,
    address: Text = "",
    legal_person: Text = "",
    contact_name: Text = "",
    contact_phone: Text = "",
) -> Response:
    work, organization = work_of(request), own(request)
    given = {"address": address, "legal_person": legal_person, "contact_name": contact_name}
    try:
        save(work, services(request).crypto, organization.id, given, contact_phone, row_version)
    except Refused as problem:
        work.session.rollback()
        return _page(request, given, str(problem))
    return done("/organization")


def save(
    work: Work, crypto: FieldCrypto, key: int, given: dict[str, str], contact_phone: str, row_version: int
) -> None:
    """Changes the record of an organization; an empty phone leaves the stored one.

    Raises:
        Refused: a phone that is none, a text that is too long, stale.
    """
    values: dict[str, object] = {name: _short(text) for name, text in given.items()}
    if contact_phone.strip():
        if phone_status(contact_phone) is not PhoneStatus.VALID:
            raise Refused("联系电话不正确。")
        context = row_context(_TABLE, "contact_phone_cipher", key)
        values["contact_phone_cipher"] = crypto.encrypt(normalise_phone(contact_phone), context)
        values["contact_phone_status"] = PhoneStatus.VALID.value
    update_row(work, Organization, key, row_version, values | {"effective_at": work.at})
    work.note(Act.ORGANIZATION_CHANGE, (_TABLE, key), fields=sorted(values))


def _short(text: str) -> str | None:
    if len(text) > 200:
        raise Refused("填写的内容过长。")
    return text.strip() or None


@router.post("/organization/permits")
def save_permit(
    request: Request,
    kind: Text = "",
    number: Text = "",
    issued_on: Text = "",
    expires_on: Text = "",
    permit: Text = "",
) -> Response:
    """A new permit, or a new number and end of a known one (`permit`: its key)."""
    work, organization = work_of(request), own(request)
    try:
        if kind not in _KINDS:
            raise Refused("请选择证照种类并填写编号。")
        begins, ends = _day(issued_on, "发证日期"), _day(expires_on, "有效期")
        record = own_permit(work, organization, int(permit)) if permit.isdigit() else None
        keep_permit(work, organization, record, _KINDS[kind], number, begins, ends)
    except Refused as problem:
        work.session.rollback()
        return _page(request, error=str(problem))
    return done("/organization")


def own_permit(work: Work, organization: Organization, key: int) -> Qualification:
    """
    Raises:
        HTTPException: 404 for a permit that is not the organization's.
    """
    record = work.session.get(Qualification, key)
    if record is None or record.organization_id != organization.id:
        raise HTTPException(404)
    return record


def keep_permit(
    work: Work,
    organization: Organization,
    permit: Qualification | None,
    kind: QualificationKind,
    number: str,
    issued_on: date | None,
    expires_on: date | None,
) -> Qualification:
    """A new permit, or what a known one says now.

    Raises:
        Refused: no number, one that is too long, an end before the beginning.
    """
    if not number.strip():
        raise Refused("请选择证照种类并填写编号。")
    if issued_on and expires_on and expires_on <= issued_on:
        raise Refused("有效期应晚于发证日期。")
    record = permit or Qualification()
    record.organization_id, record.kind, record.number = organization.id, kind, _short(number)
    record.issued_on, record.expires_on, record.absent_reason = issued_on, expires_on, None
    work.session.add(record)
    work.session.flush()
    work.note(Act.ORGANIZATION_CHANGE, ("organizations.qualification", record.id), fields=["permit"])
    return record


def _day(text: str, what: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Refused(f"{what}不是日期。") from error
