"""What the pages of beds and residents read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session, aliased

from operational_app.elders.models import Elder
from operational_app.institutions.models import (
    Bed,
    BedEvent,
    BedStatus,
    Building,
    Leave,
    Residency,
    ResidencyAct,
    ResidencyEvent,
    Room,
    ServiceAgreement,
)
from operational_app.institutions.rules import bed_label, shown_status

#: So long before its end an agreement is to be renewed.
RENEW_BEFORE = timedelta(days=30)
_EVENTS_SHOWN = 100


@dataclass(frozen=True)
class BedCell:
    """A bed on the board.

    Attributes:
        status: as shown: occupied where somebody lives, whatever was entered.
        name_of_resident: None where nobody lives or the person is out of sight.
        is_mismatch: entered as occupied, though nobody lives there.
    """

    bed: Bed
    status: BedStatus
    residency_id: int | None
    name_of_resident: str | None
    is_away: bool

    @property
    def label(self) -> str:
        return bed_label(self.bed.name)

    @property
    def is_mismatch(self) -> bool:
        return self.status is BedStatus.OCCUPIED and self.residency_id is None


@dataclass(frozen=True)
class RoomCells:
    room: Room
    beds: list[BedCell]


@dataclass(frozen=True)
class Floor:
    number: int
    rooms: list[RoomCells]


@dataclass(frozen=True)
class BuildingCells:
    building: Building
    floors: list[Floor]


@dataclass(frozen=True)
class Board:
    """床位图.

    Attributes:
        counts: beds by shown state; away: residents on leave.
    """

    buildings: list[BuildingCells]
    counts: dict[BedStatus, int]
    away: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def load_board(session: Session, institution_id: int) -> Board:
    """Every building, floor, room and bed of an institution, in the order of their names."""
    living = and_(Residency.bed_id == Bed.id, Residency.discharged_on.is_(None))
    away = and_(Leave.residency_id == Residency.id, Leave.ended_on.is_(None))
    # Any: an outer join may bring nothing, which the types of a select do not say.
    rows: Iterable[Any] = session.execute(
        select(Building, Room, Bed, Residency.id, Elder.name, Leave.id)
        .outerjoin(Room, Room.building_id == Building.id)
        .outerjoin(Bed, Bed.room_id == Room.id)
        .outerjoin(Residency, living)
        .outerjoin(Elder, Elder.id == Residency.elder_id)
        .outerjoin(Leave, away)
        .where(Building.institution_id == institution_id)
        .order_by(Building.name, Building.id, Room.floor, Room.name, func.length(Bed.name), Bed.name)
    )
    buildings: list[BuildingCells] = []
    counts: Counter[BedStatus] = Counter()
    away_count = 0
    for building, room, bed, residency_id, name, leave_id in rows:
        if not buildings or buildings[-1].building.id != building.id:
            buildings.append(BuildingCells(building, []))
        if room is None:
            continue
        floors = buildings[-1].floors
        if not floors or floors[-1].number != room.floor:
            floors.append(Floor(room.floor, []))
        rooms = floors[-1].rooms
        if not rooms or rooms[-1].room.id != room.id:
            rooms.append(RoomCells(room, []))
        if bed is None:
            continue
        status = shown_status(bed.status, has_resident=residency_id is not None)
        counts[status] += 1
        away_count += leave_id is not None
        rooms[-1].beds.append(BedCell(bed, status, residency_id, name, leave_id is not None))
    return Board(buildings, {status: counts[status] for status in BedStatus}, away_count)


@dataclass(frozen=True)
class BedChoice:
    """A bed that somebody can move into."""

    id: int
    label: str


def place(building: str, floor: int, room: str, bed: str) -> str:
    """甲楼 2 层 201 室 1床."""
    return f"{building} {floor} 层 {room} 室 {bed_label(bed)}"


def choices(session: Session, institution_id: int) -> list[BedChoice]:
    """Free and reserved beds where nobody lives, in the order of the board."""
    living = select(Residency.id).where(Residency.bed_id == Bed.id, Residency.discharged_on.is_(None))
    rows = session.execute(
        select(Bed.id, Building.name, Room.floor, Room.name, Bed.name, Bed.status)
        .join(Room, Room.id == Bed.room_id)
        .join(Building, Building.id == Room.building_id)
        .where(
            Bed.institution_id == institution_id, Bed.status.in_((BedStatus.FREE, BedStatus.RESERVED)),
            ~living.exists(),
        )
        .order_by(Building.name, Building.id, Room.floor, Room.name, func.length(Bed.name), Bed.name)
    )  # fmt: skip
    return [
        BedChoice(key, place(building, floor, room, bed) + ("（预订）" if status is BedStatus.RESERVED else ""))
        for key, building, floor, room, bed, status in rows
    ]


def place_of(session: Session, bed_id: int) -> str:
    row = session.execute(
        select(Building.name, Room.floor, Room.name, Bed.name)
        .join(Room, Room.building_id == Building.id)
        .join(Bed, Bed.room_id == Room.id)
        .where(Bed.id == bed_id)
    ).one()
    return place(*row)


def bed_events(session: Session, bed_id: int) -> Sequence[BedEvent]:
    """What happened to a bed, newest first."""
    return session.scalars(
        select(BedEvent).where(BedEvent.bed_id == bed_id).order_by(BedEvent.id.desc()).limit(_EVENTS_SHOWN)
    ).all()


@dataclass(frozen=True)
class ResidentRow:
    """A resident as the list shows them.

    Attributes:
        since: when the stay began, changes of beds included.
        contract: of the latest agreement: 有效, 即将到期, 已到期, or 未上传; expires_on: its end, None without one.
    """

    stay: Residency
    name: str | None
    place: str
    since: date
    leave: Leave | None
    contract: str
    expires_on: date | None

    def is_overdue(self, today: date) -> bool:
        """Not back when it was agreed."""
        return self.leave is not None and self.leave.due_back_on is not None and self.leave.due_back_on < today


def residents(session: Session, institution_id: int, today: date) -> list[ResidentRow]:
    """Everybody who lives in an institution, by bed."""
    first = aliased(Residency)
    rows = session.execute(
        select(Residency, Elder.name, Building.name, Room.floor, Room.name, Bed.name, Leave, first.admitted_on)
        .join(Bed, Bed.id == Residency.bed_id)
        .join(Room, Room.id == Bed.room_id)
        .join(Building, Building.id == Room.building_id)
        .outerjoin(Elder, Elder.id == Residency.elder_id)
        .outerjoin(Leave, and_(Leave.residency_id == Residency.id, Leave.ended_on.is_(None)))
        .outerjoin(first, first.id == Residency.first_id)
        .where(Residency.institution_id == institution_id, Residency.discharged_on.is_(None))
        .order_by(Building.name, Building.id, Room.floor, Room.name, func.length(Bed.name), Bed.name)
    ).all()
    ends = _latest_agreements(session, institution_id)
    found = []
    for stay, name, building, floor, room, bed, leave, since in rows:
        has_agreement = (stay.first_id or stay.id) in ends
        expires_on = ends.get(stay.first_id or stay.id)
        found.append(
            ResidentRow(
                stay, name, place(building, floor, room, bed), since or stay.admitted_on, leave,
                contract_state(expires_on, today) if has_agreement else "未上传", expires_on,
            )
        )  # fmt: skip
    return found


def contract_state(expires_on: date | None, today: date) -> str:
    """有效, 即将到期 (within RENEW_BEFORE) or 已到期; an agreement without an end is valid."""
    if expires_on is None or expires_on > today + RENEW_BEFORE:
        return "有效"
    return "即将到期" if expires_on >= today else "已到期"


def _latest_agreements(session: Session, institution_id: int) -> dict[int, date | None]:
    """First residency of a stay → the end of its agreement that lasts longest, None for one without an end."""
    first = func.coalesce(Residency.first_id, Residency.id)
    rows: Iterable[Any] = session.execute(
        select(first, func.max(ServiceAgreement.expires_on), func.bool_or(ServiceAgreement.expires_on.is_(None)))
        .join(ServiceAgreement, ServiceAgreement.residency_id == Residency.id)
        .where(Residency.institution_id == institution_id, ServiceAgreement.voided_at.is_(None))
        .group_by(first)
    )
    return {key: None if is_open else end for key, end, is_open in rows}


@dataclass(frozen=True)
class EventRow:
    event: ResidencyEvent
    moved: str


def events_of(session: Session, statement: Select[ResidencyEvent]) -> list[EventRow]:
    """Events, newest first, with the beds they name."""
    events = session.scalars(statement.order_by(ResidencyEvent.id.desc()).limit(_EVENTS_SHOWN)).all()
    keys = {key for event in events for key in (event.from_bed_id, event.to_bed_id) if key}
    rows = session.execute(
        select(Bed.id, Building.name, Room.floor, Room.name, Bed.name)
        .join(Room, Room.id == Bed.room_id)
        .join(Building, Building.id == Room.building_id)
        .where(Bed.id.in_(keys))
    )
    places = {key: place(building, floor, room, bed) for key, building, floor, room, bed in rows}
    return [EventRow(event, _moved(event, places)) for event in events]


def _moved(event: ResidencyEvent, places: dict[int, str]) -> str:
    old, new = places.get(event.from_bed_id or 0, ""), places.get(event.to_bed_id or 0, "")
    return f"{old} → {new}" if event.act is ResidencyAct.TRANSFER else old or new
