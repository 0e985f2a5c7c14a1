"""The pages of 消息通知, and the number that the bell of every page asks for."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from operational_app.identity.access import Resource
from operational_app.web.gate import UNREAD_PATH
from operational_app.web.rights import pages_of
from operational_app.web.services import now, page, session
from operational_app.workbench import notifications
from operational_app.workbench.models import Notification

router = pages_of(Resource.WORKBENCH)


@router.get("/notifications")
def inbox(request: Request) -> Response:
    found = notifications.latest(session(request))
    return page(
        request, "workbench/notifications.html", title="消息通知", notifications=found,
        unread=sum(item.read_at is None for item in found),
    )  # fmt: skip


@router.get(UNREAD_PATH)
def unread(request: Request) -> dict[str, int]:
    return {"unread": notifications.unread_count(session(request))}


@router.post("/notifications/read")
def read_all(request: Request) -> Response:
    notifications.read(session(request), now())
    return RedirectResponse("/notifications", status_code=303)


@router.post("/notifications/{key:int}")
def open_one(request: Request, key: int) -> Response:
    """Marks it as read and leads to what it is about."""
    found = session(request).get(Notification, key)
    if found is None:
        raise HTTPException(404)
    notifications.read(session(request), now(), key)
    return RedirectResponse(found.address, status_code=303)
