"""Acts on residents, beds and agreements of an institution: each checked, in one transaction, audited, with its event.

Order of locks, the same everywhere, so that two acts wait and do not block each other: elder, residency, beds by key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from psycopg.errors import DeadlockDetected, ExclusionViolation, UniqueViolation
from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.orm import Session

from huiyang.divisions import division_tree, subtree_range
from huiyang.field_crypto import FieldCrypto, IndexPurpose
from huiyang.identifiers import normalise_identifier
from huiyang.names import normalise_name
from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.audit.service import Act, record
from operational_app.core.row_security import wider
from operational_app.core.uploads import Upload, keep
from operational_app.elders.models import AbilityLevel, CareRelation, Elder, ElderMerge, ElderStatus, LivingArrangement
from operational_app.identity.administration import Overtaken, Refused, Stale, Work, update_row
from operational_app.institutions import rules
from operational_app.institutions.models import (
    AgreementClause,
    Bed,
    BedEvent,
    BedKind,
    BedStatus,
    Building,
    DischargeReason,
    Institution,
    Leave,
    Residency,
    ResidencyAct,
    ResidencyEvent,
    Room,
    ServiceAgreement,
)

_RESIDENCY = "residency"  # CareRelation.kind
_LONGEST_TEXT, _LONGEST_PLACE = 200, 20
_FLOOR = re.compile(r"-?[0-9]{1,2}")
_BUSY = "同时有其他人在办理，请稍后再试。"
_TAKEN = {
    "ex_residency_bed": "该床位在这段时间已有老人入住，请另选床位或核对日期。",
    "ex_residency_elder": "该老人在这段时间已在一张床位上入住（可能在其他机构），不能重复入住。",
}
_Result = TypeVar("_Result")
#: What a manager may choose when a resident leaves.
DISCHARGE_REASONS = (
    DischargeReason.HOME, DischargeReason.TRANSFER, DischargeReason.HOSPITAL, DischargeReason.OTHER,
)  # fmt: skip


def settled(work: Work, act: Callable[[], _Result]) -> _Result:
    """Does an act as the only one: where another was faster, the user is told; a deadlock is tried once more.

    Raises:
        Refused: by the act, or because somebody else was faster.
    """
    for is_last in (False, True):
        try:
            result = act()
            work.session.flush()
            return result
        except DBAPIError as error:
            work.session.rollback()
            if isinstance(error.orig, ExclusionViolation):
                raise Overtaken(_TAKEN.get(error.orig.diag.constraint_name or "", _BUSY)) from error
            if isinstance(error.orig, UniqueViolation):
                raise Overtaken("同样的内容刚刚已经登记，请刷新后核对。") from error
            if not isinstance(error.orig, DeadlockDetected):
                raise
            if is_last:
                raise Overtaken(_BUSY) from error
    raise AssertionError("unreachable")


def _whole_city(work: Work) -> AbstractContextManager[None]:
    """The step sees every elder and residency of the city: somebody who shows papers is not yet in one's care."""
    lo, hi = subtree_range(division_tree().root.code)
    scope = work.actor.scope
    return wider(work.session, scope, replace(scope, division_lo=lo, division_hi=hi, towns=()))


def _refuse(problem: str | None, why: type[Refused] = Refused) -> None:
    if problem:
        raise why(problem)


def _reason(text: str, *, required: bool = True) -> str:
    reason = " ".join(text.split())
    if not reason and required:
        raise Refused("请填写原因。")
    if len(reason) > _LONGEST_TEXT:
        raise Refused(f"原因不能超过 {_LONGEST_TEXT} 个字。")
    return reason


def _since(day: date) -> datetime:
    return datetime.combine(day, time.min, BUSINESS_TIMEZONE)


# Who is to be admitted


def find_by_papers(work: Work, crypto: FieldCrypto, name: str, id_number: str) -> int | None:
    """The elder with exactly this name and whole ID number, wherever in the city; None for every kind of mismatch.

    Whoever knows both has the person's papers in front of them. Only the key comes back; the look is recorded.
    """
    number = normalise_identifier(id_number)
    with _whole_city(work):
        found = work.session.scalars(
            select(Elder.id).where(
                Elder.id_number_index == crypto.blind_index(number, IndexPurpose.ID_NUMBER),
                Elder.name == normalise_name(name),
                ~select(ElderMerge.id)
                .where(ElderMerge.merged_id == Elder.id, ElderMerge.reverted_at.is_(None))
                .exists(),
            )
        ).all()
    record(
        work.session, Act.ELDER_SEARCH, account_id=work.actor.account_id, remote_address=work.remote_address,
        details={"by": "papers", "found": len(found)},
    )  # fmt: skip
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Candidate:
    """What the form of admission says of a person.

    Attributes:
        why_not: why the person cannot be admitted, in Chinese.
    """

    elder_id: int
    name: str
    sex: str
    birth_date: date | None
    division_code: str
    why_not: str | None


def candidate(work: Work, elder_id: int) -> Candidate:
    """A person that was found, looked at once more."""
    with _whole_city(work):
        elder = work.session.get_one(Elder, elder_id, populate_existing=True)
        why_not = _why_not_admit(work.session, elder)
        found = Candidate(
            elder.id, elder.name or "未登记姓名", elder.sex.label, elder.birth_date, elder.division_code, why_not
        )
        work.session.expunge(elder)
    return found


def _why_not_admit(session: Session, elder: Elder) -> str | None:
    """
    Args:
        session: under a scope that sees every residency.
    """
    if elder.status is ElderStatus.DECEASED:
        return "该老人档案已登记为已故，不能办理入住；如登记有误，请联系老人所在镇街更正。"
    living = select(Residency.institution_id).where(Residency.elder_id == elder.id, Residency.discharged_on.is_(None))
    if session.scalars(living.limit(1)).first() is not None:
        return "该老人目前已有入住登记（本机构或其他机构），请先办理退住。"
    return None


# Acts


@dataclass(frozen=True)
class Admission:
    """What a form of admission says."""

    elder_id: int
    bed_id: int
    admitted_on: date
    ability_level: AbilityLevel | None
    care_level: str
    monthly_fee_yuan: Decimal | None
    reason: str


def admit(work: Work, institution_id: int, form: Admission) -> Residency:
    """入住: an elder moves into a free or reserved bed, and the institution sees the elder from now on.

    Raises:
        Refused: dead, resident elsewhere, the bed not free, a day that cannot be.
    """
    session, today = work.session, work.at.date()
    institution = session.get_one(Institution, institution_id)
    reason = _reason(form.reason, required=False) or "入住"
    _refuse(rules.why_not_on(form.admitted_on, today))
    with _whole_city(work):
        elder = session.get_one(Elder, form.elder_id, populate_existing=True, with_for_update=True)
        _refuse(_why_not_admit(session, elder), Overtaken)
        last = session.scalar(select(func.max(Residency.discharged_on)).where(Residency.elder_id == elder.id))
        _refuse(rules.why_not_on(form.admitted_on, today, last=last, what="该老人上一次退住"))
        bed = _locked_bed(work, institution_id, form.bed_id)
        _refuse(rules.why_not_receive(bed.status, has_resident=_resident_of(session, bed.id) is not None), Overtaken)
        last = session.scalar(select(func.max(Residency.discharged_on)).where(Residency.bed_id == bed.id))
        _refuse(rules.why_not_on(form.admitted_on, today, last=last, what="该床位上一位老人退住"))
        stay = Residency(
            institution_id=institution_id, bed_id=bed.id, elder_id=elder.id, admitted_on=form.admitted_on,
            ability_level=form.ability_level, care_level=form.care_level.strip()[:20] or None,
            monthly_fee_yuan=form.monthly_fee_yuan, effective_at=_since(form.admitted_on),
        )  # fmt: skip
        session.add(stay)
        session.flush()
        session.execute(
            insert(CareRelation)
            .values(
                elder_id=elder.id, organization_id=institution.organization_id,
                division_code=institution.division_code, kind=_RESIDENCY, started_on=form.admitted_on,
            )
            .on_conflict_do_nothing()
        )  # fmt: skip
        elder.living_arrangement = LivingArrangement.INSTITUTION
        elder.row_version += 1
        session.flush()
    _move(work, bed, BedStatus.OCCUPIED, reason)
    _happened(work, stay, elder, ResidencyAct.ADMIT, form.admitted_on, reason, to_bed=bed.id)
    return stay


def transfer(work: Work, residency_id: int, *, bed_id: int, on: date, reason: str, row_version: int) -> Residency:
    """调床: the stay goes on in another bed of the same institution, as a residency of its own.

    Raises:
        Refused: away on leave, the bed not free, a day that cannot be, stale.
    """
    reason = _reason(reason)
    stay, elder = _locked_stay(work, residency_id, row_version)
    if _open_leave(work.session, stay.id):
        raise Refused("老人正在请假外出，请先登记返院。")
    if bed_id == stay.bed_id:
        raise Refused("老人已在这张床位上，请选择另一张床位。")
    _check_day(work, stay, on)
    beds = {key: _locked_bed(work, stay.institution_id, key) for key in sorted((stay.bed_id, bed_id))}
    old, new = beds[stay.bed_id], beds[bed_id]
    _refuse(rules.why_not_receive(new.status, has_resident=_resident_of(work.session, new.id) is not None), Overtaken)
    last = work.session.scalar(select(func.max(Residency.discharged_on)).where(Residency.bed_id == new.id))
    _refuse(rules.why_not_on(on, work.at.date(), last=last, what="该床位上一位老人退住"))
    _end(stay, on, DischargeReason.BED_CHANGE)
    work.session.flush()
    following = Residency(
        institution_id=stay.institution_id, bed_id=new.id, elder_id=stay.elder_id, admitted_on=on,
        ability_level=stay.ability_level, care_level=stay.care_level, monthly_fee_yuan=stay.monthly_fee_yuan,
        first_id=stay.first_id or stay.id, effective_at=_since(on),
    )  # fmt: skip
    work.session.add(following)
    work.session.flush()
    _move(work, old, BedStatus.FREE, reason)
    _move(work, new, BedStatus.OCCUPIED, reason)
    _happened(work, following, elder, ResidencyAct.TRANSFER, on, reason, from_bed=old.id, to_bed=new.id)
    return following


def go_on_leave(
    work: Work, residency_id: int, *, on: date, due_back_on: date | None, reason: str, row_version: int
) -> None:
    """请假外出: the bed stays the resident's.

    Raises:
        Refused: away already, a day that cannot be, stale.
    """
    reason = _reason(reason)
    stay, elder = _locked_stay(work, residency_id, row_version)
    if _open_leave(work.session, stay.id):
        raise Refused("老人已在请假外出，请先登记返院。")
    _check_day(work, stay, on)
    if due_back_on is not None and due_back_on < on:
        raise Refused("预计返院日期不能早于离院日期。")
    work.session.add(Leave(residency_id=stay.id, started_on=on, due_back_on=due_back_on, reason=reason))
    _touch(stay, on)
    _happened(work, stay, elder, ResidencyAct.LEAVE, on, reason, from_bed=stay.bed_id)


def come_back(work: Work, residency_id: int, *, on: date, reason: str, row_version: int) -> None:
    """返院 after leave.

    Raises:
        Refused: not away, a day that cannot be, stale.
    """
    reason = _reason(reason, required=False) or "返院"
    stay, elder = _locked_stay(work, residency_id, row_version)
    leave = _open_leave(work.session, stay.id)
    if leave is None:
        raise Refused("老人没有请假外出，不需要登记返院。")
    _check_day(work, stay, on)
    leave.ended_on = on
    _touch(stay, on)
    _happened(work, stay, elder, ResidencyAct.RETURN, on, reason, to_bed=stay.bed_id)


def discharge(work: Work, residency_id: int, *, on: date, why: DischargeReason, reason: str, row_version: int) -> None:
    """退住, or death: the bed is free from that day on, and the elder's file leaves the institution's sight.

    Raises:
        Refused: gone already, a day that cannot be, stale.
    """
    reason = _reason(reason)
    if why is not DischargeReason.DEATH and why not in DISCHARGE_REASONS:
        raise Refused("请选择退住原因。")
    stay, elder = _locked_stay(work, residency_id, row_version)
    _check_day(work, stay, on)
    bed = _locked_bed(work, stay.institution_id, stay.bed_id)
    if leave := _open_leave(work.session, stay.id):
        leave.ended_on = on
    _end(stay, on, why)
    is_dead = why is DischargeReason.DEATH
    with _whole_city(work):
        if elder.living_arrangement is LivingArrangement.INSTITUTION:
            elder.living_arrangement = LivingArrangement.UNKNOWN
        if is_dead and elder.status is not ElderStatus.DECEASED:
            elder.status, elder.died_on = ElderStatus.DECEASED, on
        elder.row_version += 1
    institution = work.session.get_one(Institution, stay.institution_id)
    work.session.execute(
        update(CareRelation)
        .where(
            CareRelation.elder_id == elder.id, CareRelation.organization_id == institution.organization_id,
            CareRelation.kind == _RESIDENCY, CareRelation.ended_on.is_(None),
        )
        .values(ended_on=func.greatest(CareRelation.started_on, on), row_version=CareRelation.row_version + 1)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    _move(work, bed, BedStatus.FREE, why.label)
    act = ResidencyAct.DEATH if is_dead else ResidencyAct.DISCHARGE
    _happened(work, stay, elder, act, on, f"{why.label}：{reason}", from_bed=bed.id)


def _locked_stay(work: Work, residency_id: int, row_version: int) -> tuple[Residency, Elder]:
    """The residency and its elder, held until the transaction ends."""
    with _whole_city(work):
        key = work.session.scalar(select(Residency.elder_id).where(Residency.id == residency_id))
        elder = work.session.get_one(Elder, key, populate_existing=True, with_for_update=True)
    stay = work.session.get_one(Residency, residency_id, populate_existing=True, with_for_update=True)
    if stay.discharged_on is not None:
        raise Overtaken("该老人已办理退住或调床，请返回入住老人列表核对。")
    if stay.row_version != row_version:
        raise Stale
    return stay, elder


def _locked_bed(work: Work, institution_id: int, bed_id: int) -> Bed:
    try:
        bed = work.session.get_one(Bed, bed_id, populate_existing=True, with_for_update=True)
    except NoResultFound:
        raise Refused("请选择床位。") from None
    if bed.institution_id != institution_id:
        raise Refused("请选择本机构的床位。")
    return bed


def _resident_of(session: Session, bed_id: int) -> int | None:
    living = select(Residency.id).where(Residency.bed_id == bed_id, Residency.discharged_on.is_(None))
    return session.scalars(living).first()


def _open_leave(session: Session, residency_id: int) -> Leave | None:
    away = select(Leave).where(Leave.residency_id == residency_id, Leave.ended_on.is_(None))
    return session.scalars(away).one_or_none()


def _check_day(work: Work, stay: Residency, day: date) -> None:
    """Not in the future, not before the last event of the stay."""
    session = work.session
    leaves = session.scalar(
        select(func.max(func.greatest(Leave.started_on, Leave.ended_on))).where(Leave.residency_id == stay.id)
    )
    event = session.scalar(select(func.max(ResidencyEvent.occurred_on)).where(ResidencyEvent.residency_id == stay.id))
    last = max(filter(None, (stay.admitted_on, leaves, event)))
    _refuse(rules.why_not_on(day, work.at.date(), last=last))


def _touch(stay: Residency, day: date) -> None:
    stay.row_version += 1
    stay.effective_at = _since(day)


def _end(stay: Residency, day: date, why: DischargeReason) -> None:
    stay.discharged_on, stay.discharge_reason = day, why
    _touch(stay, day)


def _move(work: Work, bed: Bed, to: BedStatus, reason: str) -> None:
    if bed.status is to:
        return
    _bed_happened(work, bed.id, bed.status, to, reason)
    bed.status = to
    bed.row_version += 1


def _bed_happened(work: Work, bed_id: int, was: BedStatus | None, to: BedStatus, reason: str) -> None:
    work.session.add(
        BedEvent(
            bed_id=bed_id, from_status=was, to_status=to, reason=reason, account_id=work.actor.account_id,
            account_name=work.actor.display_name,
        )
    )  # fmt: skip


def _happened(
    work: Work, stay: Residency, elder: Elder, act: ResidencyAct, on: date, reason: str, *,
    from_bed: int | None = None, to_bed: int | None = None,
) -> None:  # fmt: skip
    work.session.add(
        ResidencyEvent(
            institution_id=stay.institution_id, residency_id=stay.id, elder_id=elder.id, elder_name=elder.name,
            act=act, occurred_on=on, from_bed_id=from_bed, to_bed_id=to_bed, reason=reason,
            account_id=work.actor.account_id, account_name=work.actor.display_name,
        )
    )  # fmt: skip
    work.session.flush()
    work.note(Act.RESIDENCY_CHANGE, ("institutions.residency", stay.id), kind=act.value)


# Beds


def move_bed(work: Work, institution_id: int, bed_id: int, *, to: BedStatus, reason: str, row_version: int) -> None:
    """Reserves, releases, repairs, closes or reopens a bed.

    Raises:
        Refused: somebody lives there, no such move, stale.
    """
    reason = _reason(reason)
    bed = _locked_bed(work, institution_id, bed_id)
    if bed.row_version != row_version:
        raise Stale
    has_resident = _resident_of(work.session, bed.id) is not None
    _refuse(rules.why_not_move(bed.status, to, has_resident=has_resident))
    bed.closed_on = work.at.date() if to is BedStatus.CLOSED else None
    _move(work, bed, to, reason)
    work.session.flush()
    work.note(Act.BED_CHANGE, ("institutions.bed", bed.id), to=to.value)


def plan_rooms(work: Work, institution_id: int, building: str, rooms: Sequence[rules.NewRoom]) -> str:
    """The building's name as it will be stored, after a look whether its rooms are all new.

    Raises:
        Refused: no name, or some of the rooms exist.
    """
    name = " ".join(building.split())
    if not name or len(name) > 20:
        raise Refused("请填写楼区名称，不超过 20 个字。")
    existing = work.session.execute(
        select(Room.floor, Room.name)
        .join(Building, Building.id == Room.building_id)
        .where(Building.institution_id == institution_id, Building.name == name)
    ).all()
    taken = {(floor, room) for floor, room in existing}
    twice = [room.name for room in rooms if (room.floor, room.name) in taken]
    if twice:
        shown = "、".join(twice[:10]) + (f" 等 {len(twice)} 间" if len(twice) > 10 else "")
        raise Refused(f"“{name}”已有房间 {shown}，没有新增任何房间；请修改范围后重试。")
    return name


def make_rooms(work: Work, institution_id: int, building: str, new: Sequence[rules.NewRoom], kind: BedKind) -> int:
    """Makes the rooms with their beds, all or none; returns how many beds.

    Raises:
        Refused: see `plan_rooms`.
    """
    session = work.session
    # Two at once are looked at one after the other.
    session.get_one(Institution, institution_id, populate_existing=True, with_for_update=True)
    name = plan_rooms(work, institution_id, building, new)
    found = session.scalars(
        select(Building).where(Building.institution_id == institution_id, Building.name == name)
    ).one_or_none()
    if found is None:
        found = Building(institution_id=institution_id, name=name)
        session.add(found)
        session.flush()
    rooms = [Room(building_id=found.id, floor=room.floor, name=room.name) for room in new]
    session.add_all(rooms)
    session.flush()
    beds = [
        Bed(institution_id=institution_id, room_id=room.id, name=bed, kind=kind, opened_on=work.at.date())
        for room, planned in zip(rooms, new, strict=True)
        for bed in planned.beds
    ]
    _add_beds(work, beds, "批量新增")
    work.note(Act.BED_CHANGE, ("institutions.institution", institution_id), rooms=len(rooms), beds=len(beds))
    return len(beds)


def add_bed(work: Work, institution_id: int, room_id: int, kind: BedKind) -> None:
    """One more bed in a room.

    Raises:
        Refused: no such room in the institution.
    """
    room = work.session.get(Room, room_id, with_for_update=True)
    building = work.session.get(Building, room.building_id) if room else None
    if room is None or building is None or building.institution_id != institution_id:
        raise Refused("请选择本机构的房间。")
    names = work.session.scalars(select(Bed.name).where(Bed.room_id == room_id)).all()
    name = rules.next_bed_name(names)
    bed = Bed(institution_id=institution_id, room_id=room_id, name=name, kind=kind, opened_on=work.at.date())
    _add_beds(work, [bed], "加床")
    work.note(Act.BED_CHANGE, ("institutions.bed", bed.id), to=BedStatus.FREE.value)


@dataclass(frozen=True)
class PlaceForm:
    """What a form says of a bed and of the room and building around it, each with the version that the form shows."""

    building: str
    floor: str
    room: str
    bed: str
    kind: BedKind
    building_version: int
    room_version: int
    bed_version: int


def correct_place(work: Work, institution_id: int, bed_id: int, form: PlaceForm) -> None:
    """Corrects names, floor and kind. What is said of a room or building is true for all beds in it.

    Raises:
        Refused: an empty or too long name, no floor, a name that stands there already, stale.
    """
    session = work.session
    bed = _locked_bed(work, institution_id, bed_id)
    room = session.get_one(Room, bed.room_id)
    building = session.get_one(Building, room.building_id)
    names = {what: " ".join(text.split()) for what, text in
             (("楼区名称", form.building), ("房间名称", form.room), ("床位名称", form.bed))}  # fmt: skip
    for what, name in names.items():
        if not name or len(name) > _LONGEST_PLACE:
            raise Refused(f"请填写{what}，不超过 {_LONGEST_PLACE} 个字。")
    building_name, room_name, bed_name = names.values()
    if not _FLOOR.fullmatch(form.floor.strip()):
        raise Refused("楼层应为一个数字，地下一层写 -1。")
    floor = int(form.floor)
    here = [Building.institution_id == institution_id, Building.name == building_name, Building.id != building.id]
    _refuse(f"本机构已有楼区“{building_name}”。" if session.scalar(select(Building.id).where(*here)) else None)
    beside = [Room.building_id == building.id, Room.floor == floor, Room.name == room_name, Room.id != room.id]
    _refuse(f"{floor} 层已有房间“{room_name}”。" if session.scalar(select(Room.id).where(*beside)) else None)
    within = [Bed.room_id == room.id, Bed.name == bed_name, Bed.id != bed.id]
    _refuse(f"这个房间已有床位“{bed_name}”。" if session.scalar(select(Bed.id).where(*within)) else None)
    wanted: list[tuple[Building | Room | Bed, int, dict[str, object]]] = [
        (building, form.building_version, {"name": building_name}),
        (room, form.room_version, {"floor": floor, "name": room_name}),
        (bed, form.bed_version, {"name": bed_name, "kind": form.kind}),
    ]
    changes = [
        (type(row), row.id, version, {name: value for name, value in values.items() if getattr(row, name) != value})
        for row, version, values in wanted
    ]
    for model, key, version, values in changes:
        if values:
            update_row(work, model, key, version, values)
            fields = [f"{model.__tablename__}.{name}" for name in sorted(values)]
            work.note(Act.BED_CHANGE, ("institutions.bed", bed_id), fields=fields)


def _add_beds(work: Work, beds: Sequence[Bed], reason: str) -> None:
    work.session.add_all(beds)
    work.session.flush()
    for bed in beds:
        _bed_happened(work, bed.id, None, BedStatus.FREE, reason)
    work.session.flush()


# Agreements


@dataclass(frozen=True)
class AgreementForm:
    """What a form of an agreement says."""

    number: str
    signed_on: date
    expires_on: date | None
    clauses: Sequence[str]
    upload: Upload | None


def add_agreement(work: Work, residency_id: int, folder: Path, form: AgreementForm) -> ServiceAgreement:
    """A signed agreement of a stay, with its paper.

    Raises:
        Refused: no file, an end before the beginning, signed in the future.
    """
    stay = work.session.get_one(Residency, residency_id)
    if form.upload is None:
        raise Refused("请选择合同文件。")
    _refuse(rules.why_not_on(form.signed_on, work.at.date()))
    if form.expires_on is not None and form.expires_on <= form.signed_on:
        raise Refused("合同到期日应晚于签订日。")
    clauses = [clause.value for clause in AgreementClause if clause.value in form.clauses]
    if not clauses:
        raise Refused("请勾选合同包含的条款。")
    agreement = ServiceAgreement(
        residency_id=stay.id, number=form.number.strip()[:50] or None, signed_on=form.signed_on,
        expires_on=form.expires_on, clauses=clauses, file_name=form.upload.name, media_type=form.upload.media_type,
        sha256=form.upload.sha256, size_bytes=len(form.upload.content), effective_at=_since(form.signed_on),
    )  # fmt: skip
    work.session.add(agreement)
    work.session.flush()
    keep(folder, form.upload)
    work.note(Act.AGREEMENT_CHANGE, ("institutions.service_agreement", agreement.id), clauses=clauses)
    return agreement


def void_agreement(work: Work, agreement_id: int, row_version: int) -> None:
    """An agreement that was recorded by mistake; its paper and the entry stay.

    Raises:
        Refused: void already, stale.
    """
    agreement = work.session.get_one(ServiceAgreement, agreement_id, populate_existing=True, with_for_update=True)
    if agreement.voided_at is not None or agreement.row_version != row_version:
        raise Stale
    agreement.voided_at = work.at
    agreement.row_version += 1
    work.session.flush()
    work.note(Act.AGREEMENT_CHANGE, ("institutions.service_agreement", agreement.id), voided=True)


def chain(session: Session, stay: Residency) -> list[int]:
    """Keys of the residencies that make up one stay, changes of beds included."""
    first = stay.first_id or stay.id
    return list(
        session.scalars(
            select(Residency.id)
            .where(or_(Residency.id == first, Residency.first_id == first))
            .order_by(Residency.admitted_on, Residency.id)
        )
    )
