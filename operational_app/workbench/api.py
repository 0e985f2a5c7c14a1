"""To-dos and announcements over the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.api.operations import Asked, Done, Key, Line, Text, Told, Version, needs, operations
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import work_of
from operational_app.workbench import announcements
from operational_app.workbench.models import AnnouncementKind, Audience

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
    division_code: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = Field(
        None, description="只给这个区划；全市不填"
    )
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
