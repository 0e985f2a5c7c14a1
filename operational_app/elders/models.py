"""Tables of schema `elders`.

Names are searched by equality and prefix on stored keys (name, pinyin, initials); ID number and phone are encrypted
(SM4-GCM) and found through blind indexes (HMAC-SM3 of the whole and of the last four).
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded, personal
from operational_app.core.row_security import ORGANIZATION, Scope


class Sex(Code):
    MALE = "male", "男"
    FEMALE = "female", "女"
    UNKNOWN = "unknown", "未知"


class ElderStatus(Code):
    ACTIVE = "active", "在册"
    DECEASED = "deceased", "已故"
    MOVED_AWAY = "moved_away", "迁出"


class LivingArrangement(Code):
    ALONE = "alone", "独居"
    SPOUSE = "spouse", "与配偶同住"
    CHILDREN = "children", "与子女同住"
    OTHERS = "others", "与其他人同住"
    INSTITUTION = "institution", "入住机构"
    UNKNOWN = "unknown", "未知"


class EconomicCategory(Code):
    """对象类别: who is supported from public money, and why."""

    TEKUN = "tekun", "特困"
    DIBAO = "dibao", "低保"
    DIBIAN = "dibian", "低保边缘"
    YOUFU = "youfu", "优抚"
    JISHENG = "jisheng", "计划生育特殊家庭"
    ORDINARY = "ordinary", "普通"
    UNKNOWN = "unknown", "未知"


class AbilityLevel(Code):
    """GB/T 42195-2022, five levels."""

    INTACT = "intact", "能力完好"
    MILD = "mild", "轻度失能"
    MODERATE = "moderate", "中度失能"
    SEVERE = "severe", "重度失能"
    COMPLETE = "complete", "完全失能"


class Elder(Tracked, Base):
    """老人 elder: one person on file. Visible by division, or to the organization that cares for the person."""

    __tablename__ = "elder"
    __table_args__ = (
        # What lists filter by stands in the index: at 1.46 million rows a filter must not fetch the rows it drops.
        Index("ix_elder_name", "name", "id", postgresql_include=["division_code"]),
        Index("ix_elder_name_pinyin", "name_pinyin", "id", postgresql_include=["division_code"]),
        Index("ix_elder_name_initials", "name_initials", "id", postgresql_include=["division_code"]),
        Index(
            "ix_elder_division_code", "division_code", "id",
            postgresql_include=["sex", "birth_date", "living_arrangement", "economic_category", "status"],
        ),
        Index("ix_elder_economic_category", "economic_category", "division_code", "id"),
        Index("ix_elder_birth_date", "birth_date"),
        Index("ix_elder_not_active", "status", "division_code", "id", postgresql_where="status <> 'active'"),
        Index("ix_elder_without_code", "division_code", "id", postgresql_where="elder_code is null"),
        CheckConstraint("longitude_wgs84 between -180 and 180 and latitude_wgs84 between -90 and 90", name="position"),
        CheckConstraint("(status = 'deceased') = (died_on is not null)", name="died_on"),
        {"schema": "elders"},
    )  # fmt: skip
    scope = Scope(
        division="division_code",
        condition="exists (select 1 from elders.care_relation r where r.elder_id = elder.id"
        f" and r.organization_id = {ORGANIZATION} and r.ended_on is null)",
    )

    elder_code: Mapped[str | None] = mapped_column(unique=True)  # 长者码, never parsed, holds no birth date
    name: Mapped[str | None] = personal()
    name_pinyin: Mapped[str | None] = personal()
    name_initials: Mapped[str | None] = personal()
    sex: Mapped[Sex] = mapped_column(coded(Sex))
    birth_date: Mapped[date | None] = personal()
    birth_month: Mapped[date | None]  # first day of the month; the day of birth stays in the app
    id_number_cipher: Mapped[bytes | None] = personal()
    id_number_index: Mapped[bytes | None] = personal(index=True)
    id_number_tail_index: Mapped[bytes | None] = personal(index=True)
    id_number_status: Mapped[str]
    phone_cipher: Mapped[bytes | None] = personal()
    phone_index: Mapped[bytes | None] = personal(index=True)
    phone_tail_index: Mapped[bytes | None] = personal(index=True)
    phone_status: Mapped[str]
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))  # residence
    address_cipher: Mapped[bytes | None] = personal()
    has_address: Mapped[bool]
    longitude_wgs84: Mapped[float | None] = personal()
    latitude_wgs84: Mapped[float | None] = personal()
    cell_500m: Mapped[str | None]  # grid cell of the position; the position itself stays in the app
    ethnicity: Mapped[str | None]
    education: Mapped[str | None]
    marital_status: Mapped[str | None]
    living_arrangement: Mapped[LivingArrangement] = mapped_column(coded(LivingArrangement))
    economic_category: Mapped[EconomicCategory] = mapped_column(coded(EconomicCategory))
    registered_on: Mapped[date]
    status: Mapped[ElderStatus] = mapped_column(coded(ElderStatus), server_default="active")
    died_on: Mapped[date | None]
    moved_on: Mapped[date | None]
    photo_sha256: Mapped[str | None] = personal()


class Guardian(Tracked, Base):
    """监护人 / 紧急联系人 of an elder."""

    __tablename__ = "guardian"
    __table_args__ = {"schema": "elders"}
    scope = Scope(parent=("elder_id", "elders.elder", "id"))

    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"), index=True)
    name: Mapped[str | None] = personal()
    relationship_to_elder: Mapped[str]
    phone_cipher: Mapped[bytes | None] = personal()
    phone_index: Mapped[bytes | None] = personal(index=True)
    phone_status: Mapped[str]
    is_primary: Mapped[bool] = mapped_column(server_default="false")


class ConditionGroup(Code):
    """Chronic disease groups used in tags and statistics; the wording on file is encrypted."""

    HYPERTENSION = "hypertension", "高血压"
    DIABETES = "diabetes", "糖尿病"
    HEART = "heart", "冠心病等心脏病"
    STROKE = "stroke", "脑卒中"
    DEMENTIA = "dementia", "认知障碍（痴呆）"
    COPD = "copd", "慢性阻塞性肺病"
    ARTHRITIS = "arthritis", "关节病"
    CANCER = "cancer", "恶性肿瘤"
    MENTAL = "mental", "精神障碍"
    FRACTURE = "fracture", "骨折"
    OTHER = "other", "其他"


class MedicalHistory(Tracked, Base):
    """病史: one condition of one elder."""

    __tablename__ = "medical_history"
    __table_args__ = {"schema": "elders"}
    scope = Scope(parent=("elder_id", "elders.elder", "id"))

    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"), index=True)
    condition_group: Mapped[ConditionGroup] = mapped_column(coded(ConditionGroup))
    detail_cipher: Mapped[bytes | None] = personal()
    diagnosed_on: Mapped[date | None] = personal()


class EconomicStatus(Tracked, Base):
    """经济状况 of an elder from a date on."""

    __tablename__ = "economic_status"
    __table_args__ = {"schema": "elders"}
    scope = Scope(parent=("elder_id", "elders.elder", "id"))

    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"), index=True)
    category: Mapped[EconomicCategory] = mapped_column(coded(EconomicCategory))
    income_source: Mapped[str | None]
    monthly_income_yuan: Mapped[Decimal | None] = personal()
    income_band: Mapped[str | None]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]


class ElderMerge(Tracked, Base):
    """A dated link: `merged` is the same person as `survivor`. Facts keep their key, so a merge can be undone."""

    __tablename__ = "elder_merge"
    __table_args__ = (
        Index("uq_elder_merge_active", "merged_id", unique=True, postgresql_where="reverted_at is null"),
        CheckConstraint("survivor_id <> merged_id", name="two_records"),
        {"schema": "elders"},
    )
    scope = Scope(parent=("survivor_id", "elders.elder", "id"))

    survivor_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"), index=True)
    merged_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"))
    merged_at: Mapped[datetime]
    reverted_at: Mapped[datetime | None]
    reason: Mapped[str]


class CareRelation(Tracked, Base):
    """Which organization cares for an elder; what lets the organization see the person."""

    __tablename__ = "care_relation"
    __table_args__ = (
        Index("ix_care_relation_organization_id_elder_id", "organization_id", "elder_id"),
        Index(
            "uq_care_relation_active",
            "elder_id",
            "organization_id",
            "kind",
            unique=True,
            postgresql_where="ended_on is null",
        ),
        {"schema": "elders"},
    )
    # No policy through the elder: the elder's policy asks this table.
    scope = Scope(division="division_code", organization="organization_id")

    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"))
    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"))
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    kind: Mapped[str]  # residency, family_bed, home_service
    started_on: Mapped[date]
    ended_on: Mapped[date | None]
