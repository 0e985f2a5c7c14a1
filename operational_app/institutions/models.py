"""Tables of schema `institutions`. Disclosure fields: proxy of 《养老服务质量信息公开标准指引》, see facts.md."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, AppendOnly, Base, Code, Identified, Tracked, coded, personal
from operational_app.core.row_security import ORGANIZATION, Scope
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


class Premises(Code):
    OWNED = "owned", "自有"
    RENTED = "rented", "租赁"
    LENT = "lent", "无偿使用"


#: No personal data, but nothing that the warehouse asks for: the column stays in the app.
_IN_APP_ONLY = {"personal": True}


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
    premises: Mapped[Premises | None] = mapped_column(coded(Premises), info=_IN_APP_ONLY)


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
    BED_CHANGE = "bed_change", "院内调床"


#: Half-open: the day of discharge is free for the next resident.
_STAY = text("daterange(admitted_on, discharged_on, '[)')")


class Residency(Tracked, Base):
    """入住: a period of one elder in one bed. Two residents never share a bed, a resident never has two beds.

    Attributes:
        first_id: after a change of beds, the residency that the stay began with; None for that one itself.
    """

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
    first_id: Mapped[int | None] = mapped_column(ForeignKey("institutions.residency.id"), index=True, info=_IN_APP_ONLY)


class Leave(Identified, Base):
    """请假外出: days on which a resident is away and keeps the bed.

    Attributes:
        due_back_on: as agreed; ended_on: the day of return, None while away.
    """

    __tablename__ = "leave"
    __table_args__ = (
        CheckConstraint("due_back_on >= started_on and ended_on >= started_on", name="period"),
        Index("uq_leave_open", "residency_id", unique=True, postgresql_where="ended_on is null"),
        Index("ix_leave_residency_id", "residency_id"),
        {"schema": "institutions"},
    )
    scope = Scope(parent=("residency_id", "institutions.residency", "id"))

    residency_id: Mapped[int] = mapped_column(ForeignKey("institutions.residency.id"))
    started_on: Mapped[date]
    due_back_on: Mapped[date | None]
    ended_on: Mapped[date | None]
    reason: Mapped[str]


class ResidencyAct(Code):
    ADMIT = "admit", "入住"
    TRANSFER = "transfer", "调床"
    LEAVE = "leave", "请假外出"
    RETURN = "return", "返院"
    DISCHARGE = "discharge", "退住"
    DEATH = "death", "身故"


class ResidencyEvent(AppendOnly, Base):
    """One act on a residency: who, when, why, from which bed to which.

    Attributes:
        elder_name: as the institution knew the resident; the elder's own file is out of its sight after the stay.
        occurred_on: the day it is true in the world.
    """

    __tablename__ = "residency_event"
    __table_args__ = ({"schema": "institutions", "info": {"stays_in_app": True}},)
    scope = Scope(parent=("institution_id", "institutions.institution", "id"))

    institution_id: Mapped[int] = mapped_column(ForeignKey("institutions.institution.id"), index=True)
    residency_id: Mapped[int] = mapped_column(ForeignKey("institutions.residency.id"), index=True)
    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"))
    elder_name: Mapped[str | None] = personal()
    act: Mapped[ResidencyAct] = mapped_column(coded(ResidencyAct))
    occurred_on: Mapped[date]
    from_bed_id: Mapped[int | None] = mapped_column(ForeignKey("institutions.bed.id"))
    to_bed_id: Mapped[int | None] = mapped_column(ForeignKey("institutions.bed.id"))
    reason: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    account_name: Mapped[str] = personal()


class BedEvent(AppendOnly, Base):
    """One move of a bed from state to state; `from_status` is None for a new bed."""

    __tablename__ = "bed_event"
    __table_args__ = ({"schema": "institutions", "info": {"stays_in_app": True}},)
    scope = Scope(parent=("bed_id", "institutions.bed", "id"))

    bed_id: Mapped[int] = mapped_column(ForeignKey("institutions.bed.id"), index=True)
    from_status: Mapped[BedStatus | None] = mapped_column(coded(BedStatus, "from_status"))
    to_status: Mapped[BedStatus] = mapped_column(coded(BedStatus, "to_status"))
    reason: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    account_name: Mapped[str] = personal()


class AgreementClause(Code):
    """The nine clause groups of a service agreement (facts.md, Institutions)."""

    PARTIES = "parties", "当事人信息"
    CONTACTS = "contacts", "联系人"
    CARE = "care", "照料护理等级、内容和方式"
    PRICE = "price", "收费标准和支付方式"
    TERM = "term", "服务期限和场所"
    CHANGE = "change", "变更、解除与终止"
    RESETTLEMENT = "resettlement", "暂停或终止服务时的安置"
    BREACH = "breach", "违约责任与争议解决"
    OTHER = "other", "其他约定"


class ServiceAgreement(Tracked, Base):
    """服务合同 of a residency; the signed paper is kept by its hash (`core.uploads`).

    Attributes:
        clauses: values of AgreementClause that the paper contains.
        voided_at: it was recorded by mistake.
    """

    __tablename__ = "service_agreement"
    __table_args__ = {"schema": "institutions"}
    scope = Scope(parent=("residency_id", "institutions.residency", "id"))

    residency_id: Mapped[int] = mapped_column(ForeignKey("institutions.residency.id"), index=True)
    number: Mapped[str | None] = personal()
    signed_on: Mapped[date | None]
    expires_on: Mapped[date | None]
    clauses: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", info=_IN_APP_ONLY)
    file_name: Mapped[str | None] = personal()
    media_type: Mapped[str | None] = mapped_column(info=_IN_APP_ONLY)
    sha256: Mapped[str | None] = mapped_column(info=_IN_APP_ONLY)
    size_bytes: Mapped[int | None] = mapped_column(info=_IN_APP_ONLY)
    added_at: Mapped[datetime] = mapped_column(server_default=NOW, info=_IN_APP_ONLY)
    voided_at: Mapped[datetime | None] = mapped_column(info=_IN_APP_ONLY)


class PhotoKind(Code):
    ENTRANCE = "entrance", "门头外观"
    ROOM = "room", "老人房间"
    DINING = "dining", "餐厅厨房"
    ACTIVITY = "activity", "活动区"
    CARE = "care", "医疗护理"
    OUTDOORS = "outdoors", "院落"
    FIRE = "fire", "消防设施"
    OTHER = "other", "其他"


class Photo(Identified, Base):
    """A public photo, kept by its hash (`core.uploads`); what is taken down stays on record.

    Attributes:
        small_sha256: of its thumbnail.
        account_id: who handed it in; None for the sample's drawings.
    """

    __tablename__ = "photo"
    __table_args__ = (
        CheckConstraint("not (is_cover and removed_at is not null)", name="cover_is_shown"),
        Index("ix_photo_institution_id", "institution_id"),
        Index("uq_photo_cover", "institution_id", unique=True, postgresql_where="is_cover"),
        {"schema": "institutions"},
    )
    scope = Scope(parent=("institution_id", "institutions.institution", "id"))

    institution_id: Mapped[int] = mapped_column(ForeignKey("institutions.institution.id"))
    kind: Mapped[PhotoKind] = mapped_column(coded(PhotoKind))
    caption: Mapped[str | None]
    position: Mapped[int]
    is_cover: Mapped[bool]
    sha256: Mapped[str]
    small_sha256: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    added_at: Mapped[datetime] = mapped_column(server_default=NOW)
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    row_version: Mapped[int] = mapped_column(server_default="1")


class DuplicateReview(AppendOnly, Base):
    """核实: somebody says that two institutions are not one, whatever they have in common.

    Attributes:
        organization_id, other_id: of the pair, the smaller key first.
        division_code: of one of them; a pair lies in one county.
        likenesses: values of duplicate_rules.Likeness that were known then; another one doubts the pair again.
    """

    __tablename__ = "duplicate_review"
    __table_args__ = (
        CheckConstraint("organization_id < other_id", name="ordered"),
        {"schema": "institutions", "info": {"stays_in_app": True}},
    )
    scope = Scope(
        division="division_code", organization="organization_id",
        condition=f"duplicate_review.other_id = {ORGANIZATION}",
    )  # fmt: skip

    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    likenesses: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reason: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    account_name: Mapped[str] = personal()
