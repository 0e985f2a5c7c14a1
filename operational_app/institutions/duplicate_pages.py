"""疑似重复机构: pairs of one county that may be one institution, for the bureau to look into."""

from __future__ import annotations

from itertools import combinations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.geodesy import distance_metres
from operational_app.identity.access import Resource
from operational_app.institutions import disclosure, rules
from operational_app.institutions.disclosure import Disclosed
from operational_app.institutions.profile import SAME_PLACE_METRES
from operational_app.web.rights import pages_of
from operational_app.web.services import actor, page, session, today

router = pages_of(Resource.INSTITUTIONS)


def likely_pairs(institutions: list[Disclosed]) -> list[tuple[Disclosed, Disclosed, str]]:
    """Pairs of one county and why they are doubted, those of one county together."""
    found = []
    for one, other in combinations(sorted(institutions, key=lambda it: it.county_code or ""), 2):
        if one.county_code is None or one.county_code != other.county_code:
            continue
        reasons = ["名称相近"] if rules.looks_alike(one.name, other.name) else []
        if one.position_wgs84 and other.position_wgs84:
            metres = float(distance_metres(*one.position_wgs84, *other.position_wgs84))
            reasons += [f"相距 {metres:.0f} 米"] if metres <= SAME_PLACE_METRES else []
        if reasons:
            found.append((one, other, "，".join(reasons)))
    return found


@router.get("/institutions/duplicates")
def duplicates(request: Request) -> Response:
    if actor(request).scope.organization_id is not None:
        raise HTTPException(403)
    pairs = likely_pairs(disclosure.disclosed(session(request), today()))
    return page(request, "institutions/duplicates.html", title="疑似重复机构", pairs=pairs)
