"""养老机构 over the REST API: profile, buildings and beds, residents and their agreements, staff."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request

from operational_app.api.operations import (
    Asked,
    Day,
    DivisionCode,
    Key,
    Line,
    Number,
    Told,
    Versioned,
    needs,
    operations,
)
from operational_app.api.paging import Page, Paging
from operational_app.audit.service import Act
from operational_app.elders.models import AbilityLevel, Elder
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import work_of
from operational_app.identity.administration import Refused, Work
from operational_app.institutions import board, queries, rules, service
from operational_app.institutions.desk import institution_seen, own_institution
from operational_app.institutions.models import (
    Bed,
    BedKind,
    BedStatus,
    DischargeReason,
    Institution,
    InstitutionType,
    Leave,
    MedicalMode,
    Nature,
    OperatingStatus,
    Premises,
    Residency,
    ResidencyAct,
    ResidencyEvent,
    ServiceAgreement,
)
from operational_app.web.services import services, session, today

router = operations("养老机构")
_SEEN, _CHANGES = needs(Resource.INSTITUTIONS), needs(Resource.INSTITUTION_CHANGES)
_MAKES = needs(Resource.INSTITUTION_CHANGES, creates=True)
Yuan = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=2)]


# The institution


class InstitutionTold(Told):
    id: int
    name: str = Field(description="机构名称")
    credit_code: str | None = Field(description="统一社会信用代码")
    institution_type: InstitutionType = Field(description="机构类型")
    nature: Nature = Field(description="机构性质")
    division_code: str = Field(description="12 位区划代码")
    grade: int | None = Field(description="等级（GB/T 37276），0 为未评定，null 为未填报")
    operating_status: OperatingStatus = Field(description="运营状态")
    beds: int = Field(description="床位，不含停用")
    residents: int = Field(description="今日入住人数")
    expired: int = Field(description="已过期的证照")
    expiring: int = Field(description="即将到期的证照")


class Disclosure(Told):
    """信息公开内容。"""

    operator_name: str | None
    opened_on: date | None
    land_area_m2: Decimal | None
    building_area_m2: Decimal | None
    licensed_bed_count: int | None
    nursing_bed_count: int | None
    full_time_bed_count: int | None
    day_care_bed_count: int | None
    admits_self_reliant: bool | None
    admits_partly_disabled: bool | None
    admits_disabled: bool | None
    admits_dementia: bool | None
    has_liability_insurance: bool | None
    bed_fee_min_yuan: Decimal | None
    bed_fee_max_yuan: Decimal | None
    nursing_fee_min_yuan: Decimal | None
    nursing_fee_max_yuan: Decimal | None
    meal_fee_min_yuan: Decimal | None
    meal_fee_max_yuan: Decimal | None
    deposit_min_yuan: Decimal | None
    deposit_max_yuan: Decimal | None
    medical_mode: MedicalMode | None
    medical_insurance_designated: bool | None
    premises: Premises | None


class PermitTold(Told):
    id: int
    kind: str = Field(description="证照种类")
    number: str | None
    issued_on: date | None
    expires_on: date | None
    absent_reason: str | None = Field(description="未取得的原因")
    state: str = Field(description="有效、即将到期、已过期或未取得")


class InstitutionFile(Told):
    id: int
    organization_id: int
    name: str
    credit_code: str | None
    division_code: str
    institution_type: InstitutionType
    nature: Nature
    grade: int | None
    operating_status: OperatingStatus
    address: str | None
    contact_phone: str = Field(description="联系电话，掩码显示")
    disclosure: Disclosure
    bed_count: int
    resident_count: int
    by_ability: dict[str, int] = Field(description="入住老人按能力等级")
    permits: list[PermitTold]
    institution_version: int = Field(description="修改机构信息时送回")
    organization_version: int = Field(description="修改机构信息时送回")


@router.get("/institutions", summary="机构列表", **_SEEN)
def institutions(
    request: Request,
    paging: Annotated[Paging, Depends()],
    name: Annotated[Line | None, Query(description="名称、拼音、首字母或信用代码")] = None,
    division: Annotated[DivisionCode | None, Query(description="所在地的 12 位区划代码")] = None,
    institution_type: InstitutionType | None = None,
    nature: Nature | None = None,
    operating_status: OperatingStatus | None = None,
) -> Page[InstitutionTold]:
    given = {
        "name": name, "division": division, "institution_type": institution_type, "nature": nature,
        "operating_status": operating_status,
    }  # fmt: skip
    statement = queries.listing({key: value for key, value in given.items() if value is not None})
    found, following = paging.page(statement, [Institution.id], lambda row: [row[0].id])
    keys = [row[0].id for row in found]
    page = queries.listing({}).where(Institution.id.in_(keys)).order_by(Institution.id)
    rows = queries.rows_of(session(request), page, today())
    return Page(items=[InstitutionTold.model_validate(row) for row in rows], next=following)


@router.get("/institutions/{key}", summary="机构信息", **_SEEN)
def institution_file(request: Request, key: Key) -> InstitutionFile:
    file = queries.load_file(session(request), key, services(request).crypto, today())
    if file is None:
        raise HTTPException(404)
    institution, organization = file.institution, file.organization
    return InstitutionFile(
        id=institution.id, organization_id=organization.id, name=organization.name,
        credit_code=organization.credit_code, division_code=institution.division_code,
        institution_type=institution.institution_type, nature=institution.nature, grade=institution.grade,
        operating_status=institution.operating_status, address=organization.address, contact_phone=file.contact_phone,
        disclosure=Disclosure.model_validate(institution), bed_count=file.bed_count,
        resident_count=file.resident_count, by_ability=file.by_ability,
        permits=[
            PermitTold(
                id=permit.id, kind=permit.kind.value, number=permit.number, issued_on=permit.issued_on,
                expires_on=permit.expires_on, absent_reason=permit.absent_reason, state=state,
            )
            for permit, state in file.permits
        ],
        institution_version=institution.row_version, organization_version=organization.row_version,
    )  # fmt: skip


# Buildings and beds


class BedTold(Told):
    id: int
    name: str
    kind: BedKind
    status: BedStatus = Field(description="有人入住即为 occupied")
    residency_id: int | None = Field(description="现住老人的入住编号")
    row_version: int


class RoomTold(Told):
    id: int
    building: str
    floor: int
    name: str
    beds: list[BedTold]


class BedMove(Versioned):
    to: BedStatus = Field(description="目标状态")
    reason: Line = Field(description="原因")


class NewRooms(Asked):
    building: Line = Field(description="楼区名称，没有则新建")
    floors: Line = Field(description="楼层，例如 2-4")
    rooms: Line = Field(description="每层的房间，例如 01-12")
    beds: Annotated[int, Field(strict=True, ge=1, le=12, description="每间床位数")]
    kind: BedKind = BedKind.NURSING


class RoomsMade(Told):
    beds: int = Field(description="新增的床位数")


class NewBed(Asked):
    kind: BedKind = BedKind.NURSING


@router.get("/institutions/{key}/rooms", summary="楼区、楼层、房间和床位", **_SEEN)
def rooms(request: Request, key: Key) -> list[RoomTold]:
    institution_seen(request, key)
    return [
        RoomTold(
            id=room.room.id, building=building.building.name, floor=floor.number, name=room.room.name,
            beds=[
                BedTold(
                    id=cell.bed.id, name=cell.bed.name, kind=cell.bed.kind, status=cell.status,
                    residency_id=cell.residency_id, row_version=cell.bed.row_version,
                )
                for cell in room.beds
            ],
        )
        for building in board.load_board(session(request), key).buildings
        for floor in building.floors
        for room in floor.rooms
    ]  # fmt: skip


@router.post("/institutions/{key}/rooms", summary="批量新增房间和床位", **_MAKES)
def make_rooms(request: Request, key: Key, asked: NewRooms) -> RoomsMade:
    """全部成功或全部不做。"""
    own_institution(request, key)
    work = work_of(request)
    try:
        floors, numbers = rules.number_range(asked.floors, "楼层"), rules.number_range(asked.rooms, "房间")
        wanted = rules.new_rooms(floors, numbers, asked.beds)
    except ValueError as problem:
        raise Refused(str(problem)) from problem
    made = service.settled(work, lambda: service.make_rooms(work, key, asked.building, wanted, asked.kind))
    return RoomsMade(beds=made)


@router.post("/institutions/{key}/rooms/{room_id}/beds", summary="加床", **_MAKES)
def add_bed(request: Request, key: Key, room_id: Key, asked: NewBed) -> RoomsMade:
    own_institution(request, key)
    work = work_of(request)
    service.settled(work, lambda: service.add_bed(work, key, room_id, asked.kind))
    return RoomsMade(beds=1)


@router.post("/institutions/{key}/beds/{bed_id}/move", summary="预订、报修、停用、启用床位", **_CHANGES)
def move_bed(request: Request, key: Key, bed_id: Key, asked: BedMove) -> BedTold:
    own_institution(request, key)
    work = work_of(request)
    bed = work.session.get(Bed, bed_id)
    if bed is None or bed.institution_id != key:
        raise HTTPException(404)
    service.settled(
        work,
        lambda: service.move_bed(
            work, key, bed_id, to=asked.to, reason=asked.reason, row_version=asked.row_version
        ),
    )  # fmt: skip
    bed = work.session.get_one(Bed, bed_id, populate_existing=True)
    return BedTold(
        id=bed.id, name=bed.name, kind=bed.kind, status=bed.status, residency_id=None, row_version=bed.row_version
    )


# Residents


class ResidentTold(Told):
    id: int = Field(description="入住编号")
    elder_id: int
    name: str | None = Field(description="老人姓名；不在查看范围内时为 null")
    bed_id: int
    place: str = Field(description="楼区、楼层、房间和床位")
    since: date = Field(description="入住日期，调床不中断")
    is_away: bool = Field(description="正在请假外出")
    contract: str = Field(description="合同：有效、即将到期、已到期或未上传")
    row_version: int


class EventTold(Told):
    act: ResidencyAct
    occurred_on: date
    reason: str
    account_name: str
    recorded_at: datetime


class AgreementTold(Told):
    id: int
    number: str | None
    signed_on: date | None
    expires_on: date | None
    clauses: list[str] = Field(description="合同包含的条款")
    file_name: str | None
    voided_at: datetime | None
    row_version: int


class StayTold(Told):
    id: int
    institution_id: int
    elder_id: int
    bed_id: int
    admitted_on: date
    discharged_on: date | None
    discharge_reason: DischargeReason | None
    ability_level: AbilityLevel | None
    care_level: str | None
    monthly_fee_yuan: Decimal | None
    row_version: int


class StayFile(StayTold):
    name: str | None = Field(description="老人姓名；不在查看范围内时为 null")
    is_away: bool
    events: list[EventTold]
    agreements: list[AgreementTold]


class Admission(Asked):
    name: Line = Field(description="老人姓名，与档案一致")
    id_number: Line = Field(description="完整身份证号；姓名和号码都相符才能办理")
    bed_id: Number
    admitted_on: Day
    ability_level: AbilityLevel | None = None
    care_level: Annotated[Line, Field(max_length=20)] = ""
    monthly_fee_yuan: Yuan | None = None
    reason: Line = ""


class Transfer(Versioned):
    bed_id: Number = Field(description="调往的床位")
    on: Day
    reason: Line


class Going(Versioned):
    on: Day
    due_back_on: Day | None = None
    reason: Line


class ComingBack(Versioned):
    on: Day
    reason: Line = ""


class Discharge(Versioned):
    on: Day
    why: DischargeReason = Field(description="home、transfer、hospital 或 other")
    reason: Line


class Death(Versioned):
    on: Day
    reason: Line


@router.get("/institutions/{key}/residents", summary="入住老人", **_SEEN)
def residents(request: Request, key: Key) -> list[ResidentTold]:
    """现住的全部老人，一个机构不分页。"""
    institution_seen(request, key)
    work = work_of(request)
    rows = board.residents(work.session, key, today())
    work.note(Act.LIST_READ, None, list="residents", rows=len(rows))
    return [
        ResidentTold(
            id=row.stay.id, elder_id=row.stay.elder_id, name=row.name, bed_id=row.stay.bed_id, place=row.place,
            since=row.since, is_away=row.leave is not None, contract=row.contract, row_version=row.stay.row_version,
        )
        for row in rows
    ]  # fmt: skip


def _stay(request: Request, key: int, residency_id: int) -> Residency:
    found = session(request).get(Residency, residency_id)
    if found is None or found.institution_id != key:
        raise HTTPException(404)
    return found


def _settled(request: Request, key: int, residency_id: int, act: Callable[[Work], Residency | None]) -> StayTold:
    """An act on a stay of one's own institution; answers the stay that goes on, the same where `act` names none."""
    own_institution(request, key)
    _stay(request, key, residency_id)
    work = work_of(request)
    following = service.settled(work, lambda: act(work))
    return _told(request, following.id if following else residency_id)


def _told(request: Request, residency_id: int) -> StayTold:
    found = session(request).get_one(Residency, residency_id, populate_existing=True)
    return StayTold.model_validate(found)


@router.get("/institutions/{key}/residents/{residency_id}", summary="入住详情", **_SEEN)
def stay_file(request: Request, key: Key, residency_id: Key) -> StayFile:
    institution_seen(request, key)
    stay, work = _stay(request, key, residency_id), work_of(request)
    legs = service.chain(work.session, stay)
    elder = work.session.get(Elder, stay.elder_id)
    if elder is not None:
        work.note(Act.ELDER_READ, ("elders.elder", elder.id), on="residency")
    events = board.events_of(work.session, select(ResidencyEvent).where(ResidencyEvent.residency_id.in_(legs)))
    agreements = work.session.scalars(
        select(ServiceAgreement).where(ServiceAgreement.residency_id.in_(legs)).order_by(ServiceAgreement.id.desc())
    )
    away = select(Leave.id).where(Leave.residency_id.in_(legs), Leave.ended_on.is_(None))
    return StayFile(
        **StayTold.model_validate(stay).model_dump(), name=elder.name if elder else None,
        is_away=work.session.scalar(away) is not None,
        events=[EventTold.model_validate(row.event) for row in events],
        agreements=[AgreementTold.model_validate(agreement) for agreement in agreements],
    )  # fmt: skip


@router.post("/institutions/{key}/residents", summary="办理入住", **_MAKES)
def admit(request: Request, key: Key, asked: Admission) -> StayTold:
    own_institution(request, key)
    work = work_of(request)
    elder_id = service.find_by_papers(work, services(request).crypto, asked.name, asked.id_number)
    if elder_id is None:
        raise Refused("没有查到姓名和身份证号都相符的老人，请对照证件核对。")
    form = service.Admission(
        elder_id, asked.bed_id, asked.admitted_on, asked.ability_level, asked.care_level, asked.monthly_fee_yuan,
        asked.reason,
    )  # fmt: skip
    stay = service.settled(work, lambda: service.admit(work, key, form))
    return _told(request, stay.id)


@router.post("/institutions/{key}/residents/{residency_id}/transfer", summary="调床", **_CHANGES)
def transfer(request: Request, key: Key, residency_id: Key, asked: Transfer) -> StayTold:
    """答复的是新床位上的入住，编号与原来不同。"""
    return _settled(request, key, residency_id, lambda work: service.transfer(work, residency_id, **dict(asked)))


@router.post("/institutions/{key}/residents/{residency_id}/leave", summary="请假外出", **_CHANGES)
def leave(request: Request, key: Key, residency_id: Key, asked: Going) -> StayTold:
    return _settled(request, key, residency_id, lambda work: service.go_on_leave(work, residency_id, **dict(asked)))


@router.post("/institutions/{key}/residents/{residency_id}/return", summary="返院", **_CHANGES)
def come_back(request: Request, key: Key, residency_id: Key, asked: ComingBack) -> StayTold:
    return _settled(request, key, residency_id, lambda work: service.come_back(work, residency_id, **dict(asked)))


@router.post("/institutions/{key}/residents/{residency_id}/discharge", summary="退住", **_CHANGES)
def discharge(request: Request, key: Key, residency_id: Key, asked: Discharge) -> StayTold:
    if asked.why not in service.DISCHARGE_REASONS:
        raise Refused("请选择退住原因。")
    return _settled(request, key, residency_id, lambda work: service.discharge(work, residency_id, **dict(asked)))


@router.post("/institutions/{key}/residents/{residency_id}/death", summary="身故", **_CHANGES)
def death(request: Request, key: Key, residency_id: Key, asked: Death) -> StayTold:
    """老人档案同时改为已故。"""
    why = DischargeReason.DEATH
    return _settled(
        request, key, residency_id, lambda work: service.discharge(work, residency_id, why=why, **dict(asked))
    )


@router.post("/institutions/{key}/agreements/{agreement_id}/void", summary="作废合同", **_CHANGES)
def void_agreement(request: Request, key: Key, agreement_id: Key, asked: Versioned) -> AgreementTold:
    own_institution(request, key)
    work = work_of(request)
    found = work.session.get(ServiceAgreement, agreement_id)
    if found is None:
        raise HTTPException(404)
    _stay(request, key, found.residency_id)
    service.settled(work, lambda: service.void_agreement(work, agreement_id, asked.row_version))
    return AgreementTold.model_validate(work.session.get_one(ServiceAgreement, agreement_id, populate_existing=True))
