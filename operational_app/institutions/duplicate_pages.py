"""疑似重复机构: pairs of one county that may be one institution, for the bureau to look into."""

from __future__ import annotations

from anyio.to_thread import run_sync
from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.names import normalise_name
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Refused
from operational_app.institutions import duplicates
from operational_app.institutions.desk import Number, Text
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import actor, page, services, session

router = pages_of(Resource.INSTITUTIONS)
_ADDRESS = "/institutions/duplicates"
#: More than anybody works through at a time.
_MOST_SHOWN = 100


def _page(request: Request, error: str = "") -> Response:
    who, work = actor(request), session(request)
    if who.scope.organization_id is not None:
        raise HTTPException(403)
    name = normalise_name(request.query_params.get("name", ""))[:50]
    found = [
        doubt
        for doubt in duplicates.open_doubts(work, services(request).crypto)
        if name in doubt.one.name or name in doubt.other.name
    ]
    return page(
        request, "institutions/duplicates.html", REFUSED if error else 200, title="疑似重复机构",
        doubts=found[:_MOST_SHOWN], total=len(found), reviews=duplicates.reviews(work, name, _MOST_SHOWN), name=name,
        may_review=who.may(Resource.INSTITUTION_DUPLICATES), error=error,
        notice="已记录：确认不是重复。" if request.query_params.get("done") == "reviewed" else "",
    )  # fmt: skip


@router.get(_ADDRESS)
def duplicates_page(request: Request) -> Response:
    return _page(request)


@router.post(_ADDRESS, dependencies=[Depends(demand(Resource.INSTITUTION_DUPLICATES))])
async def review(request: Request, one: Number, other: Number, reason: Text = "") -> Response:
    return await run_sync(_review, request, one, other, reason)


def _review(request: Request, one: int, other: int, reason: str) -> Response:
    if actor(request).scope.organization_id is not None:
        raise HTTPException(403)
    work = work_of(request)
    try:
        duplicates.review(work, services(request).crypto, one, other, reason)
    except Refused as problem:
        work.session.rollback()
        return _page(request, str(problem))
    return done(_ADDRESS, "reviewed")
