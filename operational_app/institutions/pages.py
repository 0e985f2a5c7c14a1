"""An institution's page: disclosure profile, permits, beds, staff, residents."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from operational_app.codes.models import SubjectKind
from operational_app.codes.pages import card_of
from operational_app.identity.access import Resource
from operational_app.institutions import (
    bed_pages,
    duplicate_pages,
    photo_pages,
    profile,
    profile_pages,
    residency_pages,
    staff_pages,
)
from operational_app.institutions.desk import may_change
from operational_app.institutions.models import BedKind, BedStatus
from operational_app.institutions.queries import load_file
from operational_app.institutions.views import STATUS_COLOURS, grade_label
from operational_app.web.rights import pages_of
from operational_app.web.services import actor, page, services, session, today

router = pages_of(Resource.INSTITUTIONS)


@router.get("/institutions/{key:int}")
def institution_page(request: Request, key: int) -> HTMLResponse:
    file = load_file(session(request), key, services(request).crypto, today())
    if file is None:
        raise HTTPException(404)
    return page(
        request,
        "institutions/file.html",
        title=file.organization.name,
        file=file,
        grade=grade_label(file.institution.grade),
        colour=STATUS_COLOURS[file.institution.operating_status],
        bed_kinds=[kind.label for kind in BedKind],
        bed_statuses=[status.label for status in BedStatus],
        may_see_elders=actor(request).may(Resource.ELDERS),
        may_change=may_change(request, file.institution),
        key=key,
        meter=profile.meter(session(request), file.institution, file.organization),
        doubts=profile_pages.duplicates_of(request, file.institution, file.organization),
        card=card_of(request, SubjectKind.INSTITUTION, file.organization.id),
    )


for part in (bed_pages, residency_pages, staff_pages, profile_pages, photo_pages, duplicate_pages):
    router.include_router(part.router)
