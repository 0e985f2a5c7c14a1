"""工作人员 of an institution with their certificates, and care workers against the norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.field_crypto import row_context
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Refused
from operational_app.institutions import profile
from operational_app.institutions.desk import CHANGES, institution_seen, may_change, notice_of, own_institution
from operational_app.institutions.profile_pages import texts_of
from operational_app.institutions.queries import EXPIRES_SOON
from operational_app.web.formats import NOTHING, mask_id_number, mask_phone
from operational_app.web.rights import pages_of
from operational_app.web.services import page, services, session, today
from operational_app.workforce.models import Certificate, Occupation, Staff

router = pages_of(Resource.INSTITUTIONS)
_CERTIFICATES = ("养老护理员证", "护士执业证书", "医师执业证书", "社会工作者证", "健康证", "消防设施操作员证", "厨师证")
_FORMER = "former"


def certificate_state(certificate: Certificate) -> str:
    if certificate.expires_on is None or certificate.expires_on > today() + EXPIRES_SOON:
        return "有效"
    return "即将到期" if certificate.expires_on >= today() else "已过期"


@router.get("/institutions/{key:int}/staff")
def staff_list(request: Request, key: int) -> Response:
    institution, organization = institution_seen(request, key)
    is_former = request.query_params.get("show") == _FORMER
    people = session(request).scalars(
        select(Staff)
        .where(
            Staff.organization_id == organization.id,
            Staff.left_on.is_not(None) if is_former else Staff.left_on.is_(None),
        )
        .order_by(Staff.occupation, Staff.name_pinyin, Staff.id)
    ).all()  # fmt: skip
    held: dict[int, list[tuple[Certificate, str]]] = {}
    for certificate in session(request).scalars(
        select(Certificate).where(Certificate.staff_id.in_([person.id for person in people])).order_by(Certificate.id)
    ):
        held.setdefault(certificate.staff_id, []).append((certificate, certificate_state(certificate)))
    return page(
        request, "institutions/staff.html", title="工作人员", key=key, organization=organization, is_former=is_former,
        people=[(person, held.get(person.id, [])) for person in people],
        need=profile.staff_need(session(request), institution), may_change=may_change(request, institution),
        expiring=sum(state != "有效" for states in held.values() for _, state in states), notice=notice_of(request),
    )  # fmt: skip


def _person(request: Request, key: int, staff_id: int) -> Staff:
    _, organization = institution_seen(request, key)
    staff = session(request).get(Staff, staff_id)
    if staff is None or staff.organization_id != organization.id:
        raise HTTPException(404)
    return staff


def _person_page(
    request: Request, key: int, staff: Staff | None, given: dict[str, str] | None = None, error: str = ""
) -> Response:
    _, organization = own_institution(request, key)
    names = ("name", "occupation", "education", "employed_on", "row_version")
    stored = {name: profile.shown(getattr(staff, name)) for name in names} if staff else {}
    certificates = (
        session(request).scalars(
            select(Certificate).where(Certificate.staff_id == staff.id).order_by(Certificate.id.desc())
        )
        if staff
        else ()
    )
    return page(
        request, "institutions/staff_person.html", REFUSED if error else 200,
        title=(staff.name or "未登记姓名") if staff else "新增工作人员", key=key, organization=organization,
        staff=staff,
        given=stored | (given or {}), error=error, today=today(), kinds=_CERTIFICATES,
        id_number=mask_id_number(_plain(request, staff, "id_number_cipher")) if staff else NOTHING,
        phone=mask_phone(_plain(request, staff, "phone_cipher")) if staff else NOTHING,
        occupations=[(occupation.value, occupation.label) for occupation in Occupation],
        certificates=[(certificate, certificate_state(certificate)) for certificate in certificates],
        notice=notice_of(request),
    )  # fmt: skip


def _plain(request: Request, staff: Staff, column: str) -> str | None:
    cipher = getattr(staff, column)
    return (
        services(request).crypto.decrypt(cipher, row_context("workforce.staff", column, staff.id)) if cipher else None
    )


@router.get("/institutions/{key:int}/staff/new", dependencies=CHANGES)
def new_person(request: Request, key: int) -> Response:
    return _person_page(request, key, None)


@router.get("/institutions/{key:int}/staff/{staff_id:int}", dependencies=CHANGES)
def person_page(request: Request, key: int, staff_id: int) -> Response:
    return _person_page(request, key, _person(request, key, staff_id))


def _act(
    request: Request, key: int, staff_id: int | None, given: dict[str, str], act: Callable[[], Any], what: str
) -> Response:
    """Does an act on a person of the user's own institution; a refusal is told on the person's page."""
    own_institution(request, key)
    if staff_id is not None:
        _person(request, key, staff_id)
    work = work_of(request)
    try:
        made = act()
    except Refused as problem:
        work.session.rollback()
        staff = _person(request, key, staff_id) if staff_id is not None else None
        return _person_page(request, key, staff, given if what == "staff" else None, str(problem))
    shown = made.id if isinstance(made, Staff) else staff_id
    return done(f"/institutions/{key}/staff/{shown}", what)


def _save(request: Request, key: int, staff_id: int | None, given: dict[str, str]) -> Response:
    def act() -> Staff:
        institution, _ = own_institution(request, key)
        return profile.save_staff(work_of(request), services(request).crypto, institution, staff_id, given)

    return _act(request, key, staff_id, given, act, "staff")


@router.post("/institutions/{key:int}/staff/new", dependencies=CHANGES)
async def make_person(request: Request, key: int) -> Response:
    return await run_sync(_save, request, key, None, await texts_of(request))


@router.post("/institutions/{key:int}/staff/{staff_id:int}", dependencies=CHANGES)
async def save_person(request: Request, key: int, staff_id: int) -> Response:
    return await run_sync(_save, request, key, staff_id, await texts_of(request))


@router.post("/institutions/{key:int}/staff/{staff_id:int}/certificates", dependencies=CHANGES)
async def add_certificate(request: Request, key: int, staff_id: int) -> Response:
    given = await texts_of(request)
    return await run_sync(
        _act, request, key, staff_id, given,
        lambda: profile.add_certificate(work_of(request), staff_id, given), "certificate",
    )  # fmt: skip


@router.post("/institutions/{key:int}/staff/{staff_id:int}/end", dependencies=CHANGES)
async def end_employment(request: Request, key: int, staff_id: int) -> Response:
    given = await texts_of(request)
    return await run_sync(
        _act, request, key, staff_id, given,
        lambda: profile.end_employment(work_of(request), staff_id, given), "staff-left",
    )  # fmt: skip
