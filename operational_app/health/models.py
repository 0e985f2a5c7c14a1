"""Tables of schema `health`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import DateTime, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import AppendOnly, Base, Code, coded
from operational_app.core.row_security import Scope


class VitalKind(Code):
    """Kind and unit of the stored values."""

    HEART_RATE = "heart_rate", "心率"  # beats a minute
    BLOOD_PRESSURE = "blood_pressure", "血压"  # mmHg; value_1 systolic, value_2 diastolic
    GLUCOSE = "glucose", "血糖"  # mmol/L
    OXYGEN = "oxygen", "血氧"  # per cent
    TEMPERATURE = "temperature", "体温"  # °C


class VitalSign(AppendOnly, Base):
    """体征: one measurement. Monthly partitions by time of measurement."""

    __tablename__ = "vital_sign"
    __table_args__ = (
        Index("ix_vital_sign_elder_id_measured_at", "elder_id", "measured_at"),
        {
            "schema": "health",
            "info": {"partition_by": "measured_at"},
            "postgresql_partition_by": "RANGE (measured_at)",
        },
    )
    scope = Scope(division="division_code")

    elder_id: Mapped[int]
    division_code: Mapped[str]
    kind: Mapped[VitalKind] = mapped_column(coded(VitalKind))
    value_1: Mapped[Decimal] = mapped_column(Numeric(6, 2))
    value_2: Mapped[Decimal | None] = mapped_column(Numeric(6, 2))
    measured_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    device_id: Mapped[int | None]
