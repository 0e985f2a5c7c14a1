"""Tables of schema `organizations`."""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded, personal
from operational_app.core.row_security import Scope


class OrganizationKindCode(Code):
    INSTITUTION = "institution", "养老机构"
    OPERATOR = "operator", "运营商"
    PROVIDER = "provider", "服务商"
    BED_PROVIDER = "bed_provider", "家床服务商"
    ASSESSOR = "assessor", "评估机构"
    DEVICE_VENDOR = "device_vendor", "安居设备服务商"
    MEAL_PROVIDER = "meal_provider", "助餐服务商"


class OrganizationStatus(Code):
    ACTIVE = "active", "正常"
    SUSPENDED = "suspended", "暂停"
    CLOSED = "closed", "注销"


class QualificationKind(Code):
    BUSINESS = "business", "登记证书"
    INSTITUTION_FILING = "institution_filing", "养老机构备案"
    FIRE = "fire", "消防"
    FOOD = "food", "食品经营许可"
    MEDICAL = "medical", "医疗机构执业许可"
    SERVICE = "service", "服务资质"


class Organization(Tracked, Base):
    """A market entity or public body."""

    __tablename__ = "organization"
    __table_args__ = (
        Index("ix_organization_credit_code", "credit_code", unique=True, postgresql_where="credit_code is not null"),
        CheckConstraint("longitude_wgs84 between -180 and 180 and latitude_wgs84 between -90 and 90", name="position"),
        {"schema": "organizations"},
    )
    scope = Scope(division="division_code", organization="id")

    organization_code: Mapped[str | None] = mapped_column(unique=True)  # 机构码, never parsed
    name: Mapped[str]
    name_pinyin: Mapped[str] = mapped_column(index=True)
    name_initials: Mapped[str] = mapped_column(index=True)
    credit_code: Mapped[str | None]  # unified social credit code, GB 32100
    credit_code_status: Mapped[str]
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"), index=True)
    address: Mapped[str | None]  # a place of business is public
    longitude_wgs84: Mapped[float | None]
    latitude_wgs84: Mapped[float | None]
    legal_person: Mapped[str | None] = personal()
    contact_name: Mapped[str | None] = personal()
    contact_phone_cipher: Mapped[bytes | None] = personal()
    contact_phone_status: Mapped[str]
    registrar: Mapped[str | None]
    established_on: Mapped[date | None]
    status: Mapped[OrganizationStatus] = mapped_column(coded(OrganizationStatus), server_default="active")
    closed_on: Mapped[date | None]


class OrganizationKind(Tracked, Base):
    """A capacity in which an organization acts; one organization may have several."""

    __tablename__ = "organization_kind"
    __table_args__ = (
        UniqueConstraint("organization_id", "kind"),
        {"schema": "organizations"},
    )
    scope = Scope(parent=("organization_id", "organizations.organization", "id"))

    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"))
    kind: Mapped[OrganizationKindCode] = mapped_column(coded(OrganizationKindCode), index=True)
    since: Mapped[date | None]
    until: Mapped[date | None]


class Qualification(Tracked, Base):
    """A licence or permit, or the stated reason why there is none."""

    __tablename__ = "qualification"
    __table_args__ = {"schema": "organizations"}
    scope = Scope(parent=("organization_id", "organizations.organization", "id"))

    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    kind: Mapped[QualificationKind] = mapped_column(coded(QualificationKind))
    number: Mapped[str | None]
    issued_on: Mapped[date | None]
    expires_on: Mapped[date | None]
    absent_reason: Mapped[str | None]
