"""信息维护: the disclosure profile and the permits, for the institution's manager."""

from __future__ import annotations

from anyio.to_thread import run_sync
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from huiyang.divisions import county_of
from huiyang.field_crypto import row_context
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Refused
from operational_app.institutions import duplicates, profile
from operational_app.institutions.desk import CHANGES, notice_of, own_institution
from operational_app.institutions.duplicate_rules import Doubt
from operational_app.institutions.map_pages import county_features, tiles_of, with_map
from operational_app.institutions.models import Institution
from operational_app.institutions.queries import permits_of
from operational_app.organizations.models import Organization, Qualification, QualificationKind
from operational_app.web.rights import pages_of
from operational_app.web.services import page, services, session, today

router = pages_of(Resource.INSTITUTIONS)


async def texts_of(request: Request) -> dict[str, str]:
    """The form's texts."""
    form = await request.form(max_files=0, max_fields=100)
    return {name: value for name, value in form.items() if isinstance(value, str)}


def contact_phone(request: Request, organization: Organization) -> str | None:
    cipher = organization.contact_phone_cipher
    context = row_context("organizations.organization", "contact_phone_cipher", organization.id)
    return services(request).crypto.decrypt(cipher, context) if cipher else None


def duplicates_of(request: Request, institution: Institution, organization: Organization) -> list[Doubt]:
    """Institutions that may be the same one."""
    crypto = services(request).crypto
    return duplicates.doubts_about(work_of(request), crypto, duplicates.candidate_of(crypto, institution, organization))


def _profile_page(
    request: Request, key: int, given: dict[str, str] | None = None, problem: Refused | None = None
) -> Response:
    institution, organization = own_institution(request, key)
    stored = profile.form_of(institution, organization, contact_phone(request, organization))
    asks_about_place = isinstance(problem, profile.Unconfirmed) or bool(given and given.get(profile.CONFIRMED))
    shown = page(
        request, "institutions/profile.html", REFUSED if problem else 200, title="信息维护", key=key,
        organization=organization, given=given or stored, identity=profile.IDENTITY_FIELDS,
        sections=profile.PROFILE_SECTIONS, datums=list(profile.DATUMS.items()),
        permits=permits_of(session(request), organization.id, today()),
        meter=profile.meter(session(request), institution, organization),
        doubts=duplicates_of(request, institution, organization), error=str(problem or ""), notice=notice_of(request),
        confirmed=profile.CONFIRMED if asks_about_place else None, acknowledged=duplicates.ACKNOWLEDGED,
        made=problem.doubts if isinstance(problem, duplicates.LikelyDuplicates) else [],
        county=county_of(organization.division_code), **tiles_of(request),
    )  # fmt: skip
    return with_map(request, shown)


@router.get("/institutions/counties", dependencies=CHANGES)
def counties(request: Request) -> Response:
    """The ground of the position's map, for managers, who have no other map."""
    return JSONResponse(county_features(), headers={"cache-control": "private, max-age=86400"})


@router.get("/institutions/{key:int}/profile", dependencies=CHANGES)
def profile_page(request: Request, key: int) -> Response:
    return _profile_page(request, key)


@router.post("/institutions/{key:int}/profile", dependencies=CHANGES)
async def save_profile(request: Request, key: int) -> Response:
    return await run_sync(_save_profile, request, key, await texts_of(request))


def _save_profile(request: Request, key: int, given: dict[str, str]) -> Response:
    own_institution(request, key)
    work = work_of(request)
    try:
        profile.save(work, services(request).crypto, key, given)
    except Refused as problem:
        work.session.rollback()
        return _profile_page(request, key, given, problem)
    return done(f"/institutions/{key}/profile", "saved")


# Permits


def _permit_page(
    request: Request, key: int, permit: Qualification | None, given: dict[str, str] | None = None, error: str = ""
) -> Response:
    _, organization = own_institution(request, key)
    names = ("kind", "number", "issued_on", "expires_on", "absent_reason", "row_version")
    stored = {name: profile.shown(getattr(permit, name)) for name in names} if permit else {}
    return page(
        request, "institutions/permit.html", REFUSED if error else 200, title="证照", key=key, permit=permit,
        organization=organization, given=given or stored, error=error,
        kinds=[(kind.value, kind.label) for kind in QualificationKind],
    )  # fmt: skip


def _permit(request: Request, key: int, permit_id: int) -> Qualification:
    _, organization = own_institution(request, key)
    found = (
        session(request)
        .scalars(
            select(Qualification).where(Qualification.id == permit_id, Qualification.organization_id == organization.id)
        )
        .one_or_none()
    )
    if found is None:
        raise HTTPException(404)
    return found


@router.get("/institutions/{key:int}/permits/new", dependencies=CHANGES)
def new_permit(request: Request, key: int) -> Response:
    return _permit_page(request, key, None)


@router.get("/institutions/{key:int}/permits/{permit_id:int}", dependencies=CHANGES)
def permit_page(request: Request, key: int, permit_id: int) -> Response:
    return _permit_page(request, key, _permit(request, key, permit_id))


@router.post("/institutions/{key:int}/permits/new", dependencies=CHANGES)
async def make_permit(request: Request, key: int) -> Response:
    return await run_sync(_save_permit, request, key, None, await texts_of(request))


@router.post("/institutions/{key:int}/permits/{permit_id:int}", dependencies=CHANGES)
async def save_permit(request: Request, key: int, permit_id: int) -> Response:
    return await run_sync(_save_permit, request, key, permit_id, await texts_of(request))


def _save_permit(request: Request, key: int, permit_id: int | None, given: dict[str, str]) -> Response:
    _, organization = own_institution(request, key)
    permit = _permit(request, key, permit_id) if permit_id is not None else None
    work = work_of(request)
    try:
        profile.save_permit(work, organization.id, permit_id, given)
    except Refused as problem:
        work.session.rollback()
        return _permit_page(request, key, permit, given, str(problem))
    return done(f"/institutions/{key}/profile", "permit")
