"""To-dos, notifications and announcements over the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends
from pydantic import AwareDatetime, Field
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.api.operations import Asked, DivisionCode, Done, Key, Line, Text, Told, Version, needs, operations
from operational_app.api.paging import Page, Paging
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import work_of
from operational_app.web.services import now, session
from operational_app.workbench import announcements, notifications
from operational_app.workbench.models import AnnouncementKind, Audience, Notification, NotificationKind
from operational_app.workbench.todo import to_dos

router = operations("工作台")


class ShownTold(Told):
    id: int
    kind: AnnouncementKind
    title: str
    publish_from: datetime
    is_read: bool


class AnnouncementTold(Told):
    id: int
    kind: AnnouncementKind
    title: str
    body: str
    publish_from: datetime
    publish_until: datetime | None
    row_version: int


class NewAnnouncement(Asked):
    kind: AnnouncementKind
    title: Annotated[Line, Field(max_length=80)]
    body: Text
    audience: Audience
    division_code: DivisionCode | None = Field(None, description="只给这个区划；全市不填")
    publish_from: AwareDatetime | None = Field(None, description="不填则立即发布")
    publish_until: AwareDatetime | None = None


class AnnouncementChange(NewAnnouncement):
    row_version: Version


def _form(asked: NewAnnouncement) -> dict[str, str]:
    """The fields as the page's form holds them: times to the minute in the city's zone."""
    times = {"publish_from": asked.publish_from, "publish_until": asked.publish_until}
    return {"kind": asked.kind.value, "title": asked.title, "body": asked.body, "audience": asked.audience.value} | {
        name: at.astimezone(BUSINESS_TIMEZONE).strftime("%Y-%m-%dT%H:%M") if at else "" for name, at in times.items()
    }


class ToDoTold(Told):
    label: str = Field(description="事项")
    count: int = Field(description="件数")
    url: str = Field(description="办理页面")
    is_more: bool = Field(description="实际多于 count")
    is_late: bool = Field(description="其中有逾期的")


class NotificationTold(Told):
    id: int
    kind: NotificationKind
    title: str
    address: str = Field(description="所说事项的页面")
    created_at: datetime
    read_at: datetime | None


@router.get("/me/to-dos", summary="我的待办事项", **needs(Resource.WORKBENCH))
def own_to_dos(request: Request) -> list[ToDoTold]:
    work = work_of(request)
    return [ToDoTold.model_validate(found) for found in to_dos(work.session, work.actor, work.at)]


@router.get("/me/notifications", summary="我的消息通知", **needs(Resource.WORKBENCH))
def own_notifications(request: Request, paging: Annotated[Paging, Depends()]) -> Page[NotificationTold]:
    """最新的在前。"""
    rows, following = paging.page(
        select(Notification), [Notification.id], lambda row: [row[0].id], newest_first=True
    )  # fmt: skip
    return Page(items=[NotificationTold.model_validate(row[0]) for row in rows], next=following)


@router.post("/me/notifications/read", summary="全部标为已读", status_code=204, **needs(Resource.WORKBENCH))
def read_notifications(request: Request) -> Response:
    notifications.read(session(request), now())
    return Response(status_code=204)


@router.post("/me/notifications/{key}/read", summary="标为已读", **needs(Resource.WORKBENCH))
def read_notification(request: Request, key: Key) -> NotificationTold:
    found = session(request).get(Notification, key)
    if found is None:
        raise HTTPException(404)
    notifications.read(session(request), now(), key)
    return NotificationTold.model_validate(session(request).get_one(Notification, key, populate_existing=True))


@router.get("/announcements", summary="给我的公告", **needs(Resource.WORKBENCH))
def shown(request: Request) -> list[ShownTold]:
    """最新的 50 条。"""
    work = work_of(request)
    found = announcements.announcements_for(work.session, work.actor, work.at)
    return [ShownTold.model_validate(row) for row in found]


@router.get("/announcements/{key}", summary="阅读公告", **needs(Resource.WORKBENCH))
def read(request: Request, key: Key) -> AnnouncementTold:
    """首次阅读记入已读。"""
    found = announcements.read(work_of(request), key)
    if found is None:
        raise HTTPException(404)
    return AnnouncementTold.model_validate(found)


@router.post("/announcements", summary="新增公告", **needs(Resource.ANNOUNCEMENTS, creates=True))
def make(request: Request, asked: NewAnnouncement) -> Done:
    return Done(id=announcements.save(work_of(request), None, _form(asked), asked.division_code, 0))


@router.put("/announcements/{key}", summary="修改公告", **needs(Resource.ANNOUNCEMENTS))
def change(request: Request, key: Key, asked: AnnouncementChange) -> Done:
    found = announcements.written(request, key)
    return Done(
        id=announcements.save(work_of(request), found, _form(asked), asked.division_code, asked.row_version)
    )  # fmt: skip


@router.post("/announcements/{key}/withdraw", summary="撤下公告", **needs(Resource.ANNOUNCEMENTS))
def withdraw(request: Request, key: Key) -> Done:
    announcements.withdraw(work_of(request), announcements.written(request, key))
    return Done(id=key)
