"""Tables of schema `facilities`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded, personal
from operational_app.core.row_security import Scope


class FacilityType(Code):
    CENTRE = "centre", "综合养老服务中心"
    STATION = "station", "社区养老服务站"
    CANTEEN = "canteen", "长者饭堂"
    DAY_CARE = "day_care", "日间照料中心"
    MUTUAL_AID = "mutual_aid", "互助养老点"


class FacilityLevel(Code):
    COUNTY = "county", "县级"
    TOWN = "town", "镇级"
    VILLAGE = "village", "村级"


class FacilityStatus(Code):
    OPERATING = "operating", "运营中"
    SUSPENDED = "suspended", "暂停"
    CLOSED = "closed", "已关闭"


class Facility(Tracked, Base):
    """社区养老设施."""

    __tablename__ = "facility"
    __table_args__ = {"schema": "facilities"}
    scope = Scope(division="division_code", organization="organization_id")

    name: Mapped[str]
    facility_type: Mapped[FacilityType] = mapped_column(coded(FacilityType))
    facility_level: Mapped[FacilityLevel] = mapped_column(coded(FacilityLevel))
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"), index=True)
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    address: Mapped[str | None]
    longitude_wgs84: Mapped[float | None]
    latitude_wgs84: Mapped[float | None]
    capacity: Mapped[int | None]  # beds, or seats of a canteen
    floor_area_m2: Mapped[Decimal | None]
    contact_name: Mapped[str | None] = personal()
    contact_phone_cipher: Mapped[bytes | None] = personal()
    opened_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    status: Mapped[FacilityStatus] = mapped_column(coded(FacilityStatus))


class DayCareEnrolment(Tracked, Base):
    """日间照料: an elder enrolled at a day-care facility over a period."""

    __tablename__ = "day_care_enrolment"
    __table_args__ = {"schema": "facilities"}
    scope = Scope(parent=("facility_id", "facilities.facility", "id"))

    facility_id: Mapped[int] = mapped_column(ForeignKey("facilities.facility.id"), index=True)
    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"), index=True)
    enrolled_on: Mapped[date]
    left_on: Mapped[date | None]
