"""Tables of schema `devices`. Serial numbers identify a home and stay in the app."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded, personal
from operational_app.core.row_security import Scope


class DeviceKind(Code):
    CAMERA = "camera", "摄像头"
    CALLER = "caller", "呼叫器"
    DOOR = "door", "门磁感应器"
    SMOKE = "smoke", "烟雾传感器"
    GAS = "gas", "煤气传感器"
    INFRARED = "infrared", "红外感应器"
    MATTRESS = "mattress", "睡眠床垫"
    WRISTBAND = "wristband", "手环"
    BLOOD_PRESSURE = "blood_pressure", "血压计"
    GLUCOSE = "glucose", "血糖仪"
    OTHER = "other", "其他"


class DeviceStatus(Code):
    ONLINE = "online", "在线"
    OFFLINE = "offline", "离线"
    FAULTY = "faulty", "故障"
    RETIRED = "retired", "停用"


class Device(Tracked, Base):
    """设备 device."""

    __tablename__ = "device"
    __table_args__ = {"schema": "devices"}
    scope = Scope(division="division_code", organization="organization_id")

    serial_number: Mapped[str] = personal(unique=True)
    kind: Mapped[DeviceKind] = mapped_column(coded(DeviceKind))
    model: Mapped[str | None]
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    status: Mapped[DeviceStatus] = mapped_column(coded(DeviceStatus))
    installed_on: Mapped[date | None]
    last_seen_at: Mapped[datetime | None]


class DeviceBinding(Tracked, Base):
    """绑定: a device watches one elder over a period, usually for a family bed."""

    __tablename__ = "device_binding"
    __table_args__ = (
        Index("uq_device_binding_active", "device_id", unique=True, postgresql_where="unbound_on is null"),
        CheckConstraint("unbound_on >= bound_on", name="period"),
        {"schema": "devices"},
    )
    scope = Scope(parent=("device_id", "devices.device", "id"))

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.device.id"), index=True)
    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"), index=True)
    family_bed_id: Mapped[int | None] = mapped_column(ForeignKey("family_beds.family_bed.id"), index=True)
    bound_on: Mapped[date]
    unbound_on: Mapped[date | None]


class AlarmKind(Code):
    CALL = "call", "紧急呼叫"
    SMOKE = "smoke", "烟雾"
    GAS = "gas", "燃气"
    FALL = "fall", "跌倒"
    VITAL = "vital", "体征异常"
    BED_EXIT = "bed_exit", "离床"
    DOOR = "door", "门磁"
    OTHER = "other", "其他"


class AlarmStatus(Code):
    RAISED = "raised", "待处理"
    ACKNOWLEDGED = "acknowledged", "处理中"
    CLOSED = "closed", "已办结"


class Alarm(Tracked, Base):
    """报警 alarm."""

    __tablename__ = "alarm"
    __table_args__ = (
        Index("ix_alarm_elder_id_raised_at", "elder_id", "raised_at"),
        Index("ix_alarm_raised_at", "raised_at"),
        Index(
            "ix_alarm_open", "division_code",
            postgresql_include=["organization_id"], postgresql_where="status <> 'closed'",
        ),
        {"schema": "devices"},
    )  # fmt: skip
    scope = Scope(division="division_code", organization="organization_id")

    device_id: Mapped[int | None] = mapped_column(ForeignKey("devices.device.id"))
    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    kind: Mapped[AlarmKind] = mapped_column(coded(AlarmKind))
    status: Mapped[AlarmStatus] = mapped_column(coded(AlarmStatus))
    raised_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
