"""Tables of schema `home_service`."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Integer, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import AppendOnly, Base, Code, Tracked, coded, personal
from operational_app.core.row_security import Scope


class ServiceCategory(Tracked, Base):
    """二十大类: a first-level category, mapped to GB/T 43153-2023's seven types and to 六助一护."""

    __tablename__ = "service_category"
    __table_args__ = {"schema": "home_service"}

    category_code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    standard_type: Mapped[str]
    aid_type: Mapped[str]


class Pricing(Code):
    PER_VISIT = "per_visit", "按次"
    PER_MINUTE = "per_minute", "按时"


class ServiceItem(Tracked, Base):
    """服务项目 of the catalogue. Price in yuan a visit, or yuan an hour for `per_minute`."""

    __tablename__ = "service_item"
    __table_args__ = (
        CheckConstraint("minimum_minutes <= maximum_minutes", name="minutes"),
        {"schema": "home_service"},
    )

    item_code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    category_id: Mapped[int] = mapped_column(ForeignKey("home_service.service_category.id"), index=True)
    pricing: Mapped[Pricing] = mapped_column(coded(Pricing))
    price_yuan: Mapped[Decimal]
    minimum_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    maximum_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    is_offered: Mapped[bool] = mapped_column(server_default="true")


class Entitlement(Tracked, Base):
    """补贴资格: what a supported elder may use a month, in yuan, over a period."""

    __tablename__ = "entitlement"
    __table_args__ = {"schema": "home_service"}
    scope = Scope(parent=("elder_id", "elders.elder", "id"))

    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"), index=True)
    category: Mapped[str]
    monthly_amount_yuan: Mapped[Decimal]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]


class OrderSource(Code):
    OPERATOR = "operator", "运营商派单"
    PROVIDER = "provider", "服务商自建"
    FAMILY = "family", "家属下单"
    PLAN = "plan", "周期计划"
    SCAN = "scan", "扫码建单"
    FAMILY_BED = "family_bed", "家床上门"


class OrderStatus(Code):
    REQUESTED = "requested", "待派单"
    ASSIGNED = "assigned", "已派单"
    ACCEPTED = "accepted", "已接单"
    EN_ROUTE = "en_route", "上门中"
    IN_SERVICE = "in_service", "服务中"
    FINISHED = "finished", "已完成"
    CANCELLED = "cancelled", "已取消"
    RETURNED = "returned", "已退单"
    VOID = "void", "已作废"


class DoubtStatus(Code):
    NONE = "none", "无存疑"
    DOUBTFUL = "doubtful", "存疑"
    APPEALED = "appealed", "已申诉"
    REVIEWED = "reviewed", "已审核"
    VOID = "void", "已作废"


class DoubtSource(Code):
    SYSTEM = "system", "系统监管存疑"
    FOLLOW_UP = "follow_up", "回访存疑"


class ServiceOrder(Tracked, Base):
    """工单 service order. Belongs to the period in which its service ended."""

    __tablename__ = "service_order"
    __table_args__ = (
        CheckConstraint("finished_at >= started_at", name="times"),
        CheckConstraint("amount_yuan >= 0 and subsidy_yuan >= 0 and self_paid_yuan >= 0", name="amounts"),
        Index("ix_service_order_elder_id_finished_at", "elder_id", "finished_at"),
        Index("ix_service_order_provider_id_finished_at", "provider_id", "finished_at"),
        Index("ix_service_order_staff_id_started_at", "staff_id", "started_at"),
        # Lists and counts by time and by place read these alone: division and provider are what the policy asks.
        Index(
            "ix_service_order_requested_at", "requested_at", "id",
            postgresql_include=["division_code", "provider_id", "status"],
        ),
        Index(
            "ix_service_order_finished_at", "finished_at", "id",
            postgresql_include=["division_code", "provider_id", "status"],
        ),
        Index(
            "ix_service_order_division_code", "division_code", "finished_at", "id",
            postgresql_include=["provider_id", "status"],
        ),
        Index(
            "ix_service_order_doubtful", "requested_at", "id",
            postgresql_include=["division_code", "provider_id", "doubt_status"],
            postgresql_where="doubt_status <> 'none'",
        ),
        {"schema": "home_service"},
    )  # fmt: skip
    scope = Scope(division="division_code", organization="provider_id")

    order_number: Mapped[str] = mapped_column(unique=True)
    client_key: Mapped[UUID | None] = personal(unique=True)
    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"))
    provider_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"))
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("workforce.staff.id"))
    item_id: Mapped[int] = mapped_column(ForeignKey("home_service.service_item.id"))
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    source: Mapped[OrderSource] = mapped_column(coded(OrderSource))
    status: Mapped[OrderStatus] = mapped_column(coded(OrderStatus))
    doubt_status: Mapped[DoubtStatus] = mapped_column(coded(DoubtStatus), server_default="none")
    doubt_source: Mapped[DoubtSource | None] = mapped_column(coded(DoubtSource))
    doubt_reason: Mapped[str | None]
    requested_at: Mapped[datetime]
    scheduled_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    service_minutes: Mapped[int | None] = mapped_column(Integer)
    amount_yuan: Mapped[Decimal]
    subsidy_yuan: Mapped[Decimal]
    self_paid_yuan: Mapped[Decimal]
    settled_month: Mapped[str | None]  # YYYY-MM of the settlement, which money belongs to
    start_longitude_wgs84: Mapped[float | None] = personal()
    start_latitude_wgs84: Mapped[float | None] = personal()
    start_accuracy_m: Mapped[float | None] = personal()


class OrderEvent(AppendOnly, Base):
    """A move of an order's state machine: from, to, who, when, why."""

    __tablename__ = "order_event"
    __table_args__ = {"schema": "home_service", "info": {"stays_in_app": True}}
    scope = Scope(parent=("order_id", "home_service.service_order", "id"))

    order_id: Mapped[int] = mapped_column(ForeignKey("home_service.service_order.id"), index=True)
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    happened_at: Mapped[datetime]
    account_id: Mapped[int | None]
    reason: Mapped[str | None]


class TrackPoint(AppendOnly, Base):
    """轨迹 point of a worker on an order. Monthly partitions; never leaves the app."""

    __tablename__ = "track_point"
    __table_args__ = {
        "schema": "home_service",
        "info": {"stays_in_app": True, "partition_by": "located_at"},
        "postgresql_partition_by": "RANGE (located_at)",
    }
    scope = Scope(parent=("order_id", "home_service.service_order", "id"))

    order_id: Mapped[int] = mapped_column(index=True)
    located_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    longitude_wgs84: Mapped[float]
    latitude_wgs84: Mapped[float]
    accuracy_m: Mapped[float | None]


class PhotoMoment(Code):
    BEFORE = "before", "服务前"
    DURING = "during", "服务中"
    AFTER = "after", "服务后"


class Photo(Tracked, Base):
    """服务照片 of an order: the file lies in the upload store under its hash."""

    __tablename__ = "photo"
    __table_args__ = {"schema": "home_service"}
    scope = Scope(parent=("order_id", "home_service.service_order", "id"))

    order_id: Mapped[int] = mapped_column(ForeignKey("home_service.service_order.id"), index=True)
    moment: Mapped[PhotoMoment] = mapped_column(coded(PhotoMoment))
    taken_at: Mapped[datetime | None]
    sha256: Mapped[str] = personal(index=True)
    perceptual_hash: Mapped[int | None] = personal(index=True)  # 64 bit, signed
    is_stored: Mapped[bool]  # the export may name a file that it does not hold


class Evaluation(Tracked, Base):
    """服务评价 of an order by the elder or family, 1 to 5."""

    __tablename__ = "evaluation"
    __table_args__ = (
        UniqueConstraint("order_id"),
        CheckConstraint("score between 1 and 5", name="score"),
        {"schema": "home_service"},
    )
    scope = Scope(parent=("order_id", "home_service.service_order", "id"))

    order_id: Mapped[int] = mapped_column(ForeignKey("home_service.service_order.id"))
    score: Mapped[int] = mapped_column(SmallInteger)
    attitude_score: Mapped[int | None] = mapped_column(SmallInteger)
    quality_score: Mapped[int | None] = mapped_column(SmallInteger)
    comment: Mapped[str | None] = personal()
    evaluated_at: Mapped[datetime]
