"""养老机构信息公开: what anybody may see of institutions that are operating, without signing in.

Only what disclosure asks for and no person: neither residents nor names or numbers of staff. Nobody is signed in here
whatever cookie comes along (see the gate), so that answers are the same for all and may be cached.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock
from typing import Literal

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from operational_app.core.row_security import set_scope, whole_city
from operational_app.institutions import disclosure
from operational_app.institutions.desk import institution_seen
from operational_app.institutions.map_pages import county_features, search_page, with_map
from operational_app.institutions.models import Institution, OperatingStatus
from operational_app.institutions.photo_pages import picture
from operational_app.institutions.photos import photos_of
from operational_app.institutions.queries import permits_of
from operational_app.organizations.models import Organization
from operational_app.web.services import now, page, remote_address, services, session, today

_IS_OPERATING = Institution.operating_status == OperatingStatus.OPERATING
_CACHE = "public, max-age=300"


class Allowance:
    """So many requests an address and minute; the busiest addresses are remembered, the others forgotten."""

    MOST_ADDRESSES = 10_000

    def __init__(self, most: int, within: timedelta = timedelta(minutes=1)) -> None:
        self._most, self._within = most, within
        self._counts: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._lock = Lock()

    def take(self, address: str, at: datetime) -> bool:
        """Whether this request is still within the allowance."""
        with self._lock:
            since, count = self._counts.get(address, (at, 0))
            if at - since >= self._within:
                since, count = at, 0
            self._counts[address] = (since, count + 1)
            self._counts.move_to_end(address)
            if len(self._counts) > self.MOST_ADDRESSES:
                self._counts.popitem(last=False)
            return count < self._most


#: A page with its thirty photos, several times over; an office behind one address, too.
_allowance = Allowance(600)


def _open_to_all(request: Request) -> None:
    if not services(request).settings.public_disclosure:
        raise HTTPException(404)
    if not _allowance.take(remote_address(request) or "", now()):
        raise HTTPException(429, "访问过于频繁，请一分钟后再试。")
    set_scope(session(request), whole_city())


router = APIRouter(prefix="/public", dependencies=[Depends(_open_to_all)])


@router.get("/institutions")
def public_list(request: Request) -> Response:
    counted = services(request).figures.get(
        "public institutions", now(), lambda: disclosure.disclosed(session(request), today(), _IS_OPERATING)
    )
    shown = search_page(request, "institutions/public_list.html", counted.value, counted.at, title="养老机构信息公开")
    shown.headers["cache-control"] = _CACHE
    return with_map(request, shown)


@router.get("/counties")
def public_counties(request: Request) -> Response:
    return JSONResponse(county_features(), headers={"cache-control": "public, max-age=86400"})


def _operating(request: Request, key: int) -> tuple[Institution, Organization]:
    """
    Raises:
        HTTPException: 404.
    """
    return institution_seen(request, key, _IS_OPERATING, otherwise="没有这家机构，或者它没有在运营。")


@router.get("/institutions/{key:int}")
def public_institution(request: Request, key: int) -> Response:
    institution, organization = _operating(request, key)
    work = session(request)
    [facts] = disclosure.disclosed(work, today(), Institution.id == key)
    response = page(
        request, "institutions/public_file.html", title=organization.name, it=institution, organization=organization,
        facts=facts, permits=permits_of(work, organization.id, today()), photos=photos_of(work, key), at=now(),
    )  # fmt: skip
    response.headers["cache-control"] = _CACHE
    return response


@router.get("/institutions/{key:int}/photos/{photo_id:int}/{size}")
def public_photo(request: Request, key: int, photo_id: int, size: Literal["small", "full"]) -> Response:
    _operating(request, key)
    return picture(request, key, photo_id, size, _CACHE)
