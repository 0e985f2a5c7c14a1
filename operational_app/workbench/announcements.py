"""公告与更新日志: written for an audience, shown from a time on, with a receipt for each first reading (row 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.divisions import division_tree, subtree_range
from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.audit.service import Act
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, Number, Text, done, notice_of, work_of
from operational_app.identity.administration import Refused, Work, update_row
from operational_app.identity.models import Account, Department
from operational_app.identity.sessions import Actor
from operational_app.organizations.models import Organization
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.filters import TextFilter, code_filter
from operational_app.web.formats import division, minute
from operational_app.web.rights import pages_of
from operational_app.web.services import actor, now, page, session
from operational_app.workbench.models import Announcement, AnnouncementKind, AnnouncementRead, Audience

reading = pages_of(Resource.WORKBENCH)
writing = pages_of(Resource.ANNOUNCEMENTS)
router = APIRouter()
_LONGEST_TITLE, _LONGEST_BODY = 80, 5_000
_SHOWN = 50
_AUDIENCES = {audience.value: audience for audience in Audience}
_KINDS = {kind.value: kind for kind in AnnouncementKind}


def shown_to(who: Actor, own_division: str | None, at: datetime) -> ColumnElement[bool]:
    """What a person is to see now.

    Args:
        own_division: where the person's department or organization is; None for administrators, who see what goes to
            everybody.
    """
    of_organization = who.scope.organization_id is not None
    audiences = [Audience.EVERYBODY, Audience.ORGANIZATIONS if of_organization else Audience.GOVERNMENT]
    above = [own_division[:digits].ljust(12, "0") for digits in (4, 6, 9, 12)] if own_division else []
    return and_(
        Announcement.audience.in_(audiences),
        or_(Announcement.division_code.is_(None), Announcement.division_code.in_(above)),
        Announcement.publish_from <= at,
        func.coalesce(Announcement.publish_until, literal(datetime.max.replace(tzinfo=BUSINESS_TIMEZONE))) > at,
        Announcement.withdrawn_at.is_(None),
    )


def own_division(work: Session, who: Actor) -> str | None:
    """Where the person's department or organization is."""
    if who.scope.organization_id is not None:
        statement: Select[Any] = select(Organization.division_code).where(Organization.id == who.scope.organization_id)
    else:
        own = Account.department_id == Department.id
        statement = select(Department.division_code).join(Account, own).where(Account.id == who.account_id)
    code: str | None = work.scalar(statement)
    return code


@dataclass(frozen=True)
class Shown:
    """An announcement as its reader sees it in a list."""

    id: int
    kind: AnnouncementKind
    title: str
    publish_from: datetime
    is_read: bool


def announcements_for(work: Session, who: Actor, at: datetime, limit: int = _SHOWN) -> list[Shown]:
    """What a person is to see now, newest first."""
    receipt = and_(AnnouncementRead.announcement_id == Announcement.id, AnnouncementRead.account_id == who.account_id)
    rows = work.execute(
        select(
            Announcement.id, Announcement.kind, Announcement.title, Announcement.publish_from,
            AnnouncementRead.id.is_not(None),
        )
        .outerjoin(AnnouncementRead, receipt)
        .where(shown_to(who, own_division(work, who), at))
        .order_by(Announcement.publish_from.desc(), Announcement.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [Shown(*row) for row in rows]


@reading.get("/announcements")
def announcements(request: Request) -> Response:
    found = announcements_for(session(request), actor(request), now())
    return page(request, "workbench/announcements.html", title="公告与更新日志", announcements=found)


@reading.get("/announcements/{key:int}")
def announcement(request: Request, key: int) -> Response:
    found = read(work_of(request), key)
    if found is None:
        raise HTTPException(404)
    return page(request, "workbench/announcement.html", title=found.title, announcement=found)


def read(work: Work, key: int) -> Announcement | None:
    """An announcement that is shown to the user, with a receipt for the first reading."""
    session, who = work.session, work.actor
    found = session.scalars(
        select(Announcement).where(Announcement.id == key, shown_to(who, own_division(session, who), work.at))
    ).one_or_none()
    if found is not None:
        receipt = insert(AnnouncementRead).values(announcement_id=key, account_id=who.account_id)
        session.execute(receipt.on_conflict_do_nothing())
    return found


# Writing


@dataclass(frozen=True)
class _Row:
    id: int
    title: str
    kind: AnnouncementKind
    audience: str
    publish_from: datetime
    state: tuple[str, str]
    reads: int


def state_of(announcement: Announcement, at: datetime) -> tuple[str, str]:
    """(text, colour)."""
    if announcement.withdrawn_at:
        return "已撤下", "secondary"
    if announcement.publish_from > at:
        return "待发布", "blue"
    if announcement.publish_until and announcement.publish_until <= at:
        return "已到期", "secondary"
    return "已发布", "green"


def _own_writings(who: Actor) -> ColumnElement[bool]:
    """Texts that a writer looks after: those for the own subtree; whoever sees the whole city looks after all."""
    scope = who.scope
    if scope.division_lo is None:
        return Announcement.created_by == who.account_id
    root_lo, _ = subtree_range(division_tree().root.code)
    if scope.division_lo == root_lo:
        return Announcement.id.is_not(None)
    return and_(Announcement.division_code >= scope.division_lo, Announcement.division_code < scope.division_hi)


class AnnouncementView(ArchiveView):
    key = "announcements"
    menu_label = "公告管理"
    resource = Resource.ANNOUNCEMENTS
    record_address = "/announcements/{id}/edit"
    new_address = "/announcements/new"
    new_label = "新增公告"
    empty_text = "还没有公告"
    list_filters = (TextFilter("title", "标题"), code_filter("kind", "类别", AnnouncementKind))
    fields = (
        column("title", "标题", "record"),
        column("kind", "类别", is_short=True, getter=lambda request, row: row.kind.label),
        column("audience", "对象"),
        column("publish_from", "发布时间", is_short=True, getter=lambda request, row: minute(row.publish_from)),
        column("reads", "已读人数", is_number=True),
        column("state", "状态", "badge"),
    )

    def search(self, call: ListCall) -> Found:
        values, at = call.filters.values, now()
        reads = select(func.count()).where(AnnouncementRead.announcement_id == Announcement.id).scalar_subquery()
        statement = select(Announcement, reads).where(_own_writings(call.actor))
        if title := values.get("title"):
            statement = statement.where(Announcement.title.contains(title, autoescape=True))
        if kind := values.get("kind"):
            statement = statement.where(Announcement.kind == kind)
        total = count_up_to(call.session, statement, MOST_LISTED + 1)
        ordered = statement.order_by(Announcement.publish_from.desc(), Announcement.id.desc())
        rows = [
            _Row(
                found.id, found.title, found.kind,
                found.audience.label + (f"（{division(found.division_code)}）" if found.division_code else ""),
                found.publish_from, state_of(found, at), count,
            )
            for found, count in call.session.execute(ordered.offset(call.skip).limit(call.limit)).tuples()
        ]  # fmt: skip
        return found_page(rows, total, call.skip, call.limit)


def _form_page(request: Request, given: dict[str, Any], found: Announcement | None = None, error: str = "") -> Response:
    readers: Sequence[Any] = ()
    if found:
        readers = (
            session(request)
            .execute(
                select(Account.display_name, Account.username, AnnouncementRead.read_at)
                .join(AnnouncementRead, AnnouncementRead.account_id == Account.id)
                .where(AnnouncementRead.announcement_id == found.id)
                .order_by(AnnouncementRead.read_at)
                .limit(500)
            )
            .all()
        )
    return page(
        request, "workbench/announcement_form.html", REFUSED if error else 200,
        title=found.title if found else "新增公告", found=found, given=given, readers=readers, error=error,
        state=state_of(found, now()) if found else None, notice=notice_of(request),
        kinds=[(code, kind.label) for code, kind in _KINDS.items()],
        audiences=[(code, audience.label) for code, audience in _AUDIENCES.items()],
    )  # fmt: skip


def written(request: Request, key: int) -> Announcement:
    found = (
        session(request)
        .scalars(select(Announcement).where(Announcement.id == key, _own_writings(actor(request))))
        .one_or_none()
    )
    if found is None:
        raise HTTPException(404)
    return found


@writing.get("/announcements/new")
def new_announcement(request: Request) -> Response:
    return _form_page(request, {"publish_from": _local(now()), "row_version": 1})


@writing.get("/announcements/{key:int}/edit")
def edit_announcement(request: Request, key: int) -> Response:
    found = written(request, key)
    return _form_page(request, _given(found), found)


def _given(found: Announcement) -> dict[str, Any]:
    given: dict[str, Any] = {
        "kind": found.kind.value, "title": found.title, "body": found.body, "audience": found.audience.value,
        "publish_from": _local(found.publish_from), "row_version": found.row_version,
        "publish_until": _local(found.publish_until) if found.publish_until else "",
    }  # fmt: skip
    if code := found.division_code:
        given["county"] = code[:6].ljust(12, "0")
        if code[6:9] != "000":
            given["town"] = code[:9].ljust(12, "0")
    return given


def _local(at: datetime) -> str:
    return at.astimezone(BUSINESS_TIMEZONE).strftime("%Y-%m-%dT%H:%M")


@writing.post("/announcements/new")
@writing.post("/announcements/{key:int}/edit")
def save_announcement(
    request: Request,
    row_version: Number,
    key: int | None = None,
    kind: Text = "",
    title: Text = "",
    body: Text = "",
    audience: Text = "",
    publish_from: Text = "",
    publish_until: Text = "",
    county: Text = "",
    town: Text = "",
    village: Text = "",
) -> Response:
    work = work_of(request)
    found = written(request, key) if key else None
    given = {
        "kind": kind, "title": title, "body": body, "audience": audience, "publish_from": publish_from,
        "publish_until": publish_until, "county": county, "town": town, "village": village, "row_version": row_version,
    }  # fmt: skip
    try:
        saved = save(work, found, given, village or town or county or None, row_version)
    except Refused as problem:
        work.session.rollback()
        return _form_page(request, given, written(request, key) if key else None, str(problem))
    return done(f"/announcements/{saved}/edit")


def save(
    work: Work, found: Announcement | None, given: dict[str, Any], division_code: str | None, row_version: int
) -> int:
    title, body = str(given["title"]).strip(), str(given["body"]).strip()
    if not title or len(title) > _LONGEST_TITLE:
        raise Refused(f"请填写标题，不超过 {_LONGEST_TITLE} 个字。")
    if not body or len(body) > _LONGEST_BODY:
        raise Refused(f"请填写正文，不超过 {_LONGEST_BODY} 个字。")
    if given["kind"] not in _KINDS or given["audience"] not in _AUDIENCES:
        raise Refused("请选择类别和对象。")
    begins, ends = _time(given["publish_from"], "发布时间") or work.at, _time(given["publish_until"], "截止时间")
    if ends and ends <= begins:
        raise Refused("截止时间应晚于发布时间。")
    scope = work.actor.scope
    if scope.division_lo is not None and not _covers(scope.division_lo, str(scope.division_hi), division_code):
        raise Refused("公告的区划应在您的管辖范围内。")
    values: dict[str, object] = {
        "kind": _KINDS[given["kind"]], "title": title, "body": body, "audience": _AUDIENCES[given["audience"]],
        "division_code": division_code, "publish_from": begins, "publish_until": ends,
    }  # fmt: skip
    if found is None:
        found = Announcement(**values, created_by=work.actor.account_id)
        work.session.add(found)
        work.session.flush()
    else:
        update_row(work, Announcement, found.id, row_version, values)
    work.note(Act.ANNOUNCE, ("workbench.announcement", found.id))
    return found.id


def withdraw(work: Work, found: Announcement) -> None:
    """It is shown no more; the text stays for those who wrote it."""
    found.withdrawn_at = work.at
    found.row_version += 1
    work.session.flush()
    work.note(Act.ANNOUNCE, ("workbench.announcement", found.id), withdrawn=True)


def _covers(lo: str, hi: str, division_code: str | None) -> bool:
    if division_code is None:
        return lo == subtree_range(division_tree().root.code)[0]
    return division_code in division_tree() and lo <= division_code < hi


def _time(text: str, what: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=BUSINESS_TIMEZONE) if text else None
    except ValueError as error:
        raise Refused(f"{what}不正确。") from error


@writing.post("/announcements/{key:int}/withdraw")
def withdraw_announcement(request: Request, key: int) -> Response:
    withdraw(work_of(request), written(request, key))
    return done(f"/announcements/{key}/edit")


for part in (reading, writing):
    router.include_router(part)
