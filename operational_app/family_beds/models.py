"""Tables of schema `family_beds`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded, personal
from operational_app.core.row_security import Scope


class FamilyBedStatus(Code):
    APPLIED = "applied", "申请中"
    OPEN = "open", "在床"
    CLOSED = "closed", "已撤床"
    REJECTED = "rejected", "未通过"


class FamilyBed(Tracked, Base):
    """家庭养老床位: one bed of one elder from opening to closing. An elder never has two open beds."""

    __tablename__ = "family_bed"
    __table_args__ = (
        CheckConstraint("closed_on >= opened_on", name="period"),
        ExcludeConstraint(
            ("elder_id", "="),
            (text("daterange(opened_on, closed_on, '[)')"), "&&"),
            where=text("opened_on is not null"),
            name="ex_family_bed_elder",
        ),
        {"schema": "family_beds"},
    )
    scope = Scope(division="division_code", organization="organization_id")

    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"), index=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"), index=True)
    agreement_number: Mapped[str | None] = personal()
    status: Mapped[FamilyBedStatus] = mapped_column(coded(FamilyBedStatus))
    applied_on: Mapped[date | None]
    opened_on: Mapped[date | None]
    closed_on: Mapped[date | None]  # first day no longer open
    close_reason: Mapped[str | None]
    subsidy_yuan: Mapped[Decimal | None]
