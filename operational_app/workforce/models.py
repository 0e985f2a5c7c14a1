"""Tables of schema `workforce`."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded, personal
from operational_app.core.row_security import Scope
from operational_app.elders.models import Sex


class Occupation(Code):
    CARE_WORKER = "care_worker", "护理员（服务人员）"
    NURSE = "nurse", "护士"
    DOCTOR = "doctor", "医生"
    SOCIAL_WORKER = "social_worker", "社会工作者"
    MANAGER = "manager", "管理人员"
    LOGISTICS = "logistics", "后勤人员"
    OTHER = "other", "其他"


class Staff(Tracked, Base):
    """工作人员: a person employed by an organization over a period; occupation `care_worker` is the 服务人员."""

    __tablename__ = "staff"
    __table_args__ = (
        Index("ix_staff_name", "name", "id"),
        {"schema": "workforce"},
    )
    scope = Scope(division="division_code", organization="organization_id")

    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    name: Mapped[str | None] = personal()
    name_pinyin: Mapped[str | None] = personal()
    name_initials: Mapped[str | None] = personal()
    sex: Mapped[Sex] = mapped_column(coded(Sex))
    birth_month: Mapped[date | None]
    id_number_cipher: Mapped[bytes | None] = personal()
    id_number_index: Mapped[bytes | None] = personal(index=True)
    id_number_status: Mapped[str]
    phone_cipher: Mapped[bytes | None] = personal()
    phone_index: Mapped[bytes | None] = personal(index=True)
    phone_status: Mapped[str]
    occupation: Mapped[Occupation] = mapped_column(coded(Occupation))
    education: Mapped[str | None]
    employed_on: Mapped[date | None]
    left_on: Mapped[date | None]


class Certificate(Tracked, Base):
    """A vocational certificate or health check of a staff member."""

    __tablename__ = "certificate"
    __table_args__ = {"schema": "workforce"}
    scope = Scope(parent=("staff_id", "workforce.staff", "id"))

    staff_id: Mapped[int] = mapped_column(ForeignKey("workforce.staff.id"), index=True)
    kind: Mapped[str]
    level: Mapped[str | None]
    number: Mapped[str | None] = personal()
    issued_on: Mapped[date | None]
    expires_on: Mapped[date | None]
