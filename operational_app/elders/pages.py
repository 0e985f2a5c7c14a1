"""An elder's page. Opening it is recorded, and so is every look at whole numbers."""

from __future__ import annotations

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from operational_app.audit.service import Act, record
from operational_app.codes.models import SubjectKind
from operational_app.codes.pages import card_of
from operational_app.elders.file import load_file
from operational_app.elders.search import TABLE
from operational_app.elders.views import status_badge
from operational_app.identity.access import Resource
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import actor, page, remote_address, services, session, today

router = pages_of(Resource.ELDERS)


@router.get("/elders/{key:int}")
def elder_page(request: Request, key: int) -> HTMLResponse:
    return _show(request, key, reveal=False)


@router.post("/elders/{key:int}/reveal", dependencies=[Depends(demand(Resource.ELDER_NUMBERS))])
def revealed_elder_page(request: Request, key: int) -> HTMLResponse:
    return _show(request, key, reveal=True)


def _show(request: Request, key: int, *, reveal: bool) -> HTMLResponse:
    who, work = actor(request), session(request)
    file = load_file(
        work, key, services(request).crypto, today(), reveal=reveal, with_health=who.may(Resource.ELDER_HEALTH)
    )
    if file is None:
        raise HTTPException(404)
    act = Act.ELDER_REVEAL if reveal else Act.ELDER_READ
    record(work, act, account_id=who.account_id, remote_address=remote_address(request), target=(TABLE, key))
    return page(
        request,
        "elders/file.html",
        title=file.elder.name or "未登记姓名",
        file=file,
        badge=status_badge(file.elder.status, is_merged=file.survivor_id is not None),
        may_reveal=who.may(Resource.ELDER_NUMBERS),
        may_see_health=who.may(Resource.ELDER_HEALTH),
        card=card_of(request, SubjectKind.ELDER, key),
    )
