"""Tables of schema `institutions`. Disclosure fields: proxy of 《养老服务质量信息公开标准指引》, see facts.md."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded, personal
from operational_app.core.row_security import Scope
from operational_app.elders.models import AbilityLevel


class InstitutionType(Code):
    WELFARE_HOME = "welfare_home", "社会福利院"
    RESPECT_HOME = "respect_home", "敬老院"
    NURSING_HOME = "nursing_home", "养老院"
    CARE_CENTRE = "care_centre", "护理院（中心）"


class Nature(Code):
    PUBLIC = "public", "公办"
    PUBLIC_PRIVATE = "public_private", "公建民营"
    PRIVATE = "private", "民办"


class OperatingStatus(Code):
    OPERATING = "operating", "运营中"
    SUSPENDED = "suspended", "暂停运营"
    CLOSED = "closed", "已关闭"


class MedicalMode(Code):
    INTERNAL = "internal", "内设医疗机构"
    CONTRACTED = "contracted", "签约医疗机构"
    NONE = "none", "无"


class BedKind(Code):
    NURSING = "nursing", "护理型"
    ORDINARY = "ordinary", "普通型"


class BedStatus(Code):
    FREE = "free", "空闲"
    RESERVED = "reserved", "预订"
    OCCUPIED = "occupied", "入住"
    MAINTENANCE = "maintenance", "维修"
    CLOSED = "closed", "停用"


class Institution(Tracked, Base):
    """The disclosure profile of an institution."""

    __tablename__ = "institution"
    __table_args__ = (
        CheckConstraint("grade between 0 and 5", name="grade"),
        {"schema": "institutions"},
    )
    scope = Scope(division="division_code", organization="organization_id")

    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"), unique=True)
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"), index=True)
    institution_type: Mapped[InstitutionType] = mapped_column(coded(InstitutionType))
    nature: Mapped[Nature] = mapped_column(coded(Nature))
    operator_name: Mapped[str | None]
    grade: Mapped[int | None] = mapped_column(SmallInteger)  # GB/T 37276, 1–5; 0 rated as none; null not stated
    operating_status: Mapped[OperatingStatus] = mapped_column(coded(OperatingStatus))
    opened_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    land_area_m2: Mapped[Decimal | None]
    building_area_m2: Mapped[Decimal | None]
    licensed_bed_count: Mapped[int | None]
    nursing_bed_count: Mapped[int | None]
    full_time_bed_count: Mapped[int | None]
    day_care_bed_count: Mapped[int | None]
    admits_self_reliant: Mapped[bool | None]
    admits_partly_disabled: Mapped[bool | None]
    admits_disabled: Mapped[bool | None]
    admits_dementia: Mapped[bool | None]
    has_liability_insurance: Mapped[bool | None]
    bed_fee_min_yuan: Mapped[Decimal | None]
    bed_fee_max_yuan: Mapped[Decimal | None]
    nursing_fee_min_yuan: Mapped[Decimal | None]
    nursing_fee_max_yuan: Mapped[Decimal | None]
    meal_fee_min_yuan: Mapped[Decimal | None]
    meal_fee_max_yuan: Mapped[Decimal | None]
    deposit_min_yuan: Mapped[Decimal | None]
    deposit_max_yuan: Mapped[Decimal | None]
    medical_mode: Mapped[MedicalMode | None] = mapped_column(coded(MedicalMode))
    medical_insurance_designated: Mapped[bool | None]


class Building(Tracked, Base):
    """楼区."""

    __tablename__ = "building"
    __table_args__ = (UniqueConstraint("institution_id", "name"), {"schema": "institutions"})
    scope = Scope(parent=("institution_id", "institutions.institution", "id"))

    institution_id: Mapped[int] = mapped_column(ForeignKey("institutions.institution.id"))
    name: Mapped[str]


class Room(Tracked, Base):
    """房间 on a floor of a building."""

    __tablename__ = "room"
    __table_args__ = (UniqueConstraint("building_id", "floor", "name"), {"schema": "institutions"})
    scope = Scope(parent=("building_id", "institutions.building", "id"))

    building_id: Mapped[int] = mapped_column(ForeignKey("institutions.building.id"))
    floor: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]


class Bed(Tracked, Base):
    """床位. `institution_id` repeats the room's for the policy and for counts."""

    __tablename__ = "bed"
    __table_args__ = (
        UniqueConstraint("room_id", "name"),
        Index("ix_bed_institution_id", "institution_id"),
        {"schema": "institutions"},
    )
    scope = Scope(parent=("institution_id", "institutions.institution", "id"))

    institution_id: Mapped[int] = mapped_column(ForeignKey("institutions.institution.id"))
    room_id: Mapped[int] = mapped_column(ForeignKey("institutions.room.id"))
    bed_code: Mapped[str | None] = mapped_column(unique=True)  # 床位码, never parsed
    name: Mapped[str]
    kind: Mapped[BedKind] = mapped_column(coded(BedKind))
    status: Mapped[BedStatus] = mapped_column(coded(BedStatus), server_default="free")
    opened_on: Mapped[date | None]
    closed_on: Mapped[date | None]


class DischargeReason(Code):
    HOME = "home", "回家"
    TRANSFER = "transfer", "转院"
    HOSPITAL = "hospital", "住院"
    DEATH = "death", "身故"
    OTHER = "other", "其他"


#: Half-open: the day of discharge is free for the next resident.
_STAY = text("daterange(admitted_on, discharged_on, '[)')")


class Residency(Tracked, Base):
    """入住: a period of one elder in one bed. Two residents never share a bed, a resident never has two beds."""

    __tablename__ = "residency"
    __table_args__ = (
        CheckConstraint("discharged_on >= admitted_on", name="period"),
        ExcludeConstraint(("bed_id", "="), (_STAY, "&&"), name="ex_residency_bed"),
        ExcludeConstraint(("elder_id", "="), (_STAY, "&&"), name="ex_residency_elder"),
        {"schema": "institutions"},
    )
    scope = Scope(parent=("institution_id", "institutions.institution", "id"))

    institution_id: Mapped[int] = mapped_column(ForeignKey("institutions.institution.id"), index=True)
    bed_id: Mapped[int] = mapped_column(ForeignKey("institutions.bed.id"))
    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"))
    admitted_on: Mapped[date]
    discharged_on: Mapped[date | None]  # first day no longer in the bed
    discharge_reason: Mapped[DischargeReason | None] = mapped_column(coded(DischargeReason))
    ability_level: Mapped[AbilityLevel | None] = mapped_column(coded(AbilityLevel))
    care_level: Mapped[str | None]
    monthly_fee_yuan: Mapped[Decimal | None]


class ServiceAgreement(Tracked, Base):
    """服务合同 of a residency."""

    __tablename__ = "service_agreement"
    __table_args__ = {"schema": "institutions"}
    scope = Scope(parent=("residency_id", "institutions.residency", "id"))

    residency_id: Mapped[int] = mapped_column(ForeignKey("institutions.residency.id"), index=True)
    number: Mapped[str | None] = personal()
    signed_on: Mapped[date | None]
    expires_on: Mapped[date | None]
