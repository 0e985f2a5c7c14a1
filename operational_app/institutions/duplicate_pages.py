"""疑似重复机构: pairs of one county that may be one institution, for the bureau to look into."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from operational_app.identity.access import Resource
from operational_app.institutions import duplicate_rules, duplicates
from operational_app.web.rights import pages_of
from operational_app.web.services import actor, page, services, session

router = pages_of(Resource.INSTITUTIONS)
#: More than anybody works through at a time.
_MOST_SHOWN = 200


@router.get("/institutions/duplicates")
def duplicates_page(request: Request) -> Response:
    if actor(request).scope.organization_id is not None:
        raise HTTPException(403)
    found = duplicate_rules.doubts_among(duplicates.candidates(session(request), services(request).crypto))
    return page(
        request, "institutions/duplicates.html", title="疑似重复机构", doubts=found[:_MOST_SHOWN], total=len(found)
    )
