"""养老一张图: the institutions of the user's scope on the county map and in a list, both by one set of conditions.

Positions and boundaries leave here in WGS-84, the datum (to a few centimetres) of 天地图's CGCS2000.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

import shapely
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from huiyang.divisions import division_tree
from huiyang.geodesy import gcj02_to_wgs84
from huiyang.reference.boundaries import county_shapes_gcj02
from operational_app.facilities.models import Facility, FacilityStatus, FacilityType
from operational_app.identity.access import Resource
from operational_app.institutions import disclosure
from operational_app.institutions.models import Nature
from operational_app.institutions.photos import covers_of
from operational_app.institutions.views import GRADES
from operational_app.web.gate import policy_with_tiles
from operational_app.web.rights import pages_of
from operational_app.web.scoping import in_division
from operational_app.web.services import actor, now, page, services, session, today

router = pages_of(Resource.INSTITUTION_MAP)
#: Divisions that the map's facilities are asked for.
_PLACES = ("county", "town")


@router.get("/map")
def map_page(request: Request) -> Response:
    found = disclosure.disclosed(session(request), today())
    shown = search_page(
        request, "institutions/map.html", found, now(), title="养老一张图",
        has_facilities=actor(request).may(Resource.FACILITIES),
        facility_types=[(kind.value, kind.label) for kind in FacilityType], facility_towns=_towns(request),
    )  # fmt: skip
    return with_map(request, shown)


def _towns(request: Request) -> list[tuple[str, list[tuple[str, str]]]]:
    """(county, its towns as (code, name)) of the user's scope."""
    tree, scope = division_tree(), actor(request).scope
    lo, hi = scope.division_lo or "", scope.division_hi or ""
    found = []
    for county in tree.children(tree.root.code):
        towns = [
            (town.code, town.name)
            for town in tree.children(county.code)
            if lo <= town.code < hi and (not scope.towns or town.code[:9] in scope.towns)
        ]
        found += [(county.name, towns)] if towns else []
    return found


def search_page(
    request: Request, template: str, institutions: list[disclosure.Disclosed], at: datetime, **context: Any
) -> Response:
    """A page of those institutions that meet the conditions of its address.

    Args:
        at: when the free beds were counted.
    """
    given = dict(request.query_params)
    wanted, problems = disclosure.wanted_of(given)
    found = [it for it in institutions if disclosure.matches(it, wanted)]
    return page(
        request, template, found=found, total=len(institutions), by_county=disclosure.by_county(found), given=given,
        problems=problems, counties=disclosure.county_choices(), medical=disclosure.MEDICAL_CHOICES, at=at,
        natures=[(nature.value, nature.label) for nature in Nature],
        grades=[(str(grade), label) for grade, label in GRADES.items()],
        covers=covers_of(session(request)), **tiles_of(request), **context,
    )  # fmt: skip


def tiles_of(request: Request) -> dict[str, Any]:
    """What a page with a map says of its tiles."""
    settings = services(request).settings
    approval = f"　审图号：{settings.map_tile_approval}" if settings.map_tile_approval else ""
    return {"tile_url": settings.map_tile_url, "tile_attribution": settings.map_tile_attribution + approval}


def with_map(request: Request, response: Response) -> Response:
    """Opens the page to the host of the tiles, if there is one."""
    if tile_url := services(request).settings.map_tile_url:
        response.headers["content-security-policy"] = policy_with_tiles(tile_url)
    return response


@router.get("/map/counties")
def counties(request: Request) -> Response:
    return JSONResponse(county_features(), headers={"cache-control": "private, max-age=86400"})


@cache
def county_features() -> dict[str, Any]:
    """GeoJSON (degrees, WGS-84): each county's area with its code, and a point in its largest part with its name."""
    features = []
    for code, shape in county_shapes_gcj02().items():
        area = _in_wgs84(shape)
        middle = max(shapely.get_parts(area), key=shapely.area).representative_point()
        features.append(_feature({"code": code}, json.loads(shapely.to_geojson(area))))
        name = {"name": division_tree()[code].name}
        features.append(_feature(name, json.loads(shapely.to_geojson(middle))))
    return {"type": "FeatureCollection", "features": features}


def _feature(properties: dict[str, Any], geometry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _in_wgs84(shape: shapely.MultiPolygon) -> shapely.Geometry:
    coordinates = shapely.get_coordinates(shape)
    longitude, latitude = gcj02_to_wgs84(coordinates[:, 0], coordinates[:, 1])
    moved = [[round(x, 5), round(y, 5)] for x, y in zip(longitude.tolist(), latitude.tolist(), strict=True)]
    return shapely.set_coordinates(shapely.from_wkb(shape.wkb), moved)


@router.get("/map/facilities")
def facilities(request: Request) -> Response:
    """社区养老设施 as GeoJSON (degrees, WGS-84), of a `county`, a `town` and a `type` where the address names them."""
    if not actor(request).may(Resource.FACILITIES):
        raise HTTPException(403)
    given = {name: request.query_params[name] for name in _PLACES if request.query_params.get(name)}
    conditions = [in_division(Facility.division_code, code) for code in given.values() if code in division_tree()]
    kind = request.query_params.get("type", "")
    if len(conditions) < len(given) or kind not in ("", *FacilityType):
        raise HTTPException(400, "没有这种设施类型或这个区划。")
    if kind:
        conditions.append(Facility.facility_type == kind)
    rows = session(request).execute(
        select(Facility.id, Facility.name, Facility.facility_type, Facility.longitude_wgs84, Facility.latitude_wgs84)
        .where(
            Facility.status != FacilityStatus.CLOSED,
            Facility.longitude_wgs84.is_not(None),
            Facility.latitude_wgs84.is_not(None),
            *conditions,
        )
        .order_by(Facility.id)
    )
    features = [
        _feature(
            {"address": f"/facilities/{key}", "name": name, "note": kind.label},
            {"type": "Point", "coordinates": [x, y]},
        )
        for key, name, kind, x, y in rows
    ]
    return JSONResponse({"type": "FeatureCollection", "features": features})
