"""床位图, a bed's page, and bulk creation of rooms."""

from __future__ import annotations

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from operational_app.audit.service import Act
from operational_app.codes.models import SubjectKind
from operational_app.codes.pages import card_of
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Overtaken, Refused
from operational_app.institutions import rules, service
from operational_app.institutions.board import bed_events, load_board, place_of
from operational_app.institutions.desk import (
    CHANGES,
    Number,
    Text,
    institution_seen,
    may_change,
    notice_of,
    own_institution,
)
from operational_app.institutions.models import Bed, BedKind, BedStatus, Building, Residency, Room
from operational_app.web.rights import pages_of
from operational_app.web.services import page, session

router = pages_of(Resource.INSTITUTIONS)
_KINDS = {kind.value: kind for kind in BedKind}
_STATUSES = {status.value: status for status in BedStatus}
#: What the button of a move says.
_MOVES = {
    (BedStatus.FREE, BedStatus.RESERVED): "预订", (BedStatus.RESERVED, BedStatus.FREE): "取消预订",
    (BedStatus.FREE, BedStatus.MAINTENANCE): "报修", (BedStatus.MAINTENANCE, BedStatus.FREE): "维修完成",
    (BedStatus.FREE, BedStatus.CLOSED): "停用", (BedStatus.MAINTENANCE, BedStatus.CLOSED): "停用",
    (BedStatus.CLOSED, BedStatus.FREE): "重新启用", (BedStatus.OCCUPIED, BedStatus.FREE): "更正为空闲",
}  # fmt: skip


def _board_page(request: Request, key: int, error: str = "") -> Response:
    institution, organization = institution_seen(request, key)
    loaded = load_board(session(request), key)
    work_of(request).note(Act.LIST_READ, ("institutions.institution", key), list="beds")
    return page(
        request, "institutions/board.html", REFUSED if error else 200, title="床位图", key=key,
        organization=organization, board=loaded, statuses=list(BedStatus),
        shown=_STATUSES.get(request.query_params.get("state", "")), may_change=may_change(request, institution),
        error=error, notice=notice_of(request),
    )  # fmt: skip


@router.get("/institutions/{key:int}/beds")
def board(request: Request, key: int) -> Response:
    return _board_page(request, key)


def _bed(request: Request, key: int, bed_id: int) -> Bed:
    bed = session(request).get(Bed, bed_id)
    if bed is None or bed.institution_id != key:
        raise HTTPException(404)
    return bed


def _bed_page(
    request: Request, key: int, bed_id: int, error: str = "", typed: dict[str, str] | None = None
) -> Response:
    institution, organization = institution_seen(request, key)
    bed, work = _bed(request, key, bed_id), session(request)
    room = work.get_one(Room, bed.room_id)
    building = work.get_one(Building, room.building_id)
    as_it_is = {
        "building": building.name, "floor": str(room.floor), "room": room.name, "bed": bed.name,
        "kind": bed.kind.value,
    }  # fmt: skip
    stay = work.scalars(
        select(Residency).where(Residency.bed_id == bed.id, Residency.discharged_on.is_(None))
    ).one_or_none()
    has_resident = stay is not None
    if stay is not None:
        work_of(request).note(Act.ELDER_READ, ("elders.elder", stay.elder_id), on="bed")
    return page(
        request, "institutions/bed.html", REFUSED if error else 200, title=place_of(work, bed.id), key=key,
        organization=organization, bed=bed, stay=stay,
        status=rules.shown_status(bed.status, has_resident=has_resident),
        moves=[
            (to.value, _MOVES[bed.status, to]) for to in rules.moves_of(bed.status, has_resident=has_resident)
        ],
        receives=rules.why_not_receive(bed.status, has_resident=has_resident) is None,
        events=bed_events(work, bed.id), may_change=may_change(request, institution), error=error,
        notice=notice_of(request), card=card_of(request, SubjectKind.BED, bed.id), place=typed or as_it_is,
        versions={"building": building.row_version, "room": room.row_version, "bed": bed.row_version},
        kinds=[(kind.value, kind.label) for kind in BedKind],
    )  # fmt: skip


@router.get("/institutions/{key:int}/beds/{bed_id:int}")
def bed_page(request: Request, key: int, bed_id: int) -> Response:
    return _bed_page(request, key, bed_id)


@router.post("/institutions/{key:int}/beds/{bed_id:int}", dependencies=CHANGES)
def move_bed(
    request: Request, key: int, bed_id: int, row_version: Number, to: Text = "", reason: Text = ""
) -> Response:
    own_institution(request, key)
    _bed(request, key, bed_id)
    work = work_of(request)
    try:
        target = _STATUSES.get(to)
        if target is None:
            raise Refused("请选择要办理的事项。")
        service.settled(
            work,
            lambda: service.move_bed(work, key, bed_id, to=target, reason=reason, row_version=row_version),
        )
    except Refused as problem:
        work.session.rollback()
        return _bed_page(request, key, bed_id, str(problem))
    return done(f"/institutions/{key}/beds/{bed_id}", "bed")


@router.post("/institutions/{key:int}/beds/{bed_id:int}/place", dependencies=CHANGES)
def correct_place(
    request: Request, key: int, bed_id: int, building_version: Number, room_version: Number, bed_version: Number,
    building: Text = "", floor: Text = "", room: Text = "", bed: Text = "", kind: Text = "",
) -> Response:  # fmt: skip
    """Corrects the names of bed, room and building, the floor, the kind."""
    own_institution(request, key)
    _bed(request, key, bed_id)
    work = work_of(request)
    try:
        if kind not in _KINDS:
            raise Refused("请选择床位类型。")
        form = service.PlaceForm(
            building, floor, room, bed, _KINDS[kind], building_version, room_version, bed_version,
        )  # fmt: skip
        service.settled(work, lambda: service.correct_place(work, key, bed_id, form))
    except Refused as problem:
        work.session.rollback()
        typed = None if isinstance(problem, Overtaken) else {
            "building": building, "floor": floor, "room": room, "bed": bed, "kind": kind,
        }  # fmt: skip
        return _bed_page(request, key, bed_id, str(problem), typed)
    return done(f"/institutions/{key}/beds/{bed_id}", "saved")


@router.post("/institutions/{key:int}/rooms/{room_id:int}/beds", dependencies=CHANGES)
def add_bed(request: Request, key: int, room_id: int, kind: Text = BedKind.NURSING.value) -> Response:
    own_institution(request, key)
    work = work_of(request)
    try:
        service.settled(work, lambda: service.add_bed(work, key, room_id, _KINDS.get(kind, BedKind.NURSING)))
    except Refused as problem:
        work.session.rollback()
        return _board_page(request, key, str(problem))
    return done(f"/institutions/{key}/beds", "beds")


def _rooms_page(
    request: Request, key: int, given: dict[str, str], plan: list[rules.NewRoom] | None = None, error: str = ""
) -> Response:
    _, organization = institution_seen(request, key)
    names = session(request).scalars(select(Building.name).where(Building.institution_id == key).order_by("name"))
    floors: dict[int, list[rules.NewRoom]] = {}
    for room in plan or []:
        floors.setdefault(room.floor, []).append(room)
    return page(
        request, "institutions/rooms_new.html", REFUSED if error else 200, title="批量新增房间和床位", key=key,
        organization=organization, given=given, floors=floors, rooms=len(plan or []),
        beds=sum(len(room.beds) for room in plan or []), buildings=names.all(), error=error,
        kinds=[(kind.value, kind.label) for kind in BedKind],
    )  # fmt: skip


@router.get("/institutions/{key:int}/rooms/new", dependencies=CHANGES)
def new_rooms(request: Request, key: int) -> Response:
    own_institution(request, key)
    return _rooms_page(request, key, {"building": "", "floors": "", "rooms": "", "beds": "2", "kind": "nursing"})


@router.post("/institutions/{key:int}/rooms/new", dependencies=CHANGES)
def make_rooms(
    request: Request, key: int, building: Text = "", floors: Text = "", rooms: Text = "", beds: Text = "",
    kind: Text = "", step: Text = "preview",
) -> Response:  # fmt: skip
    """Shows what would be made; with `step=create` makes it."""
    own_institution(request, key)
    work = work_of(request)
    given = {"building": building, "floors": floors, "rooms": rooms, "beds": beds, "kind": kind}
    try:
        try:
            if not beds.strip().isdecimal():
                raise ValueError("每间床位数应为 1 至 12。")
            wanted = rules.new_rooms(rules.number_range(floors, "楼层"), rules.number_range(rooms, "房间"), int(beds))
        except ValueError as problem:
            raise Refused(str(problem)) from problem
        if kind not in _KINDS:
            raise Refused("请选择床位类型。")
        if step != "create":
            service.plan_rooms(work, key, building, wanted)
            return _rooms_page(request, key, given, wanted)
        service.settled(work, lambda: service.make_rooms(work, key, building, wanted, _KINDS[kind]))
    except Refused as problem:
        work.session.rollback()
        return _rooms_page(request, key, given, error=str(problem))
    return done(f"/institutions/{key}/beds", "beds")
