"""Tables of schema `audit`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, AppendOnly, Base


class AuditEvent(AppendOnly, Base):
    """One act: sign-in, change, export or read of sensitive data. Committed with the act's transaction."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_happened_at", "happened_at"),
        {"schema": "audit", "info": {"stays_in_app": True}},
    )

    happened_at: Mapped[datetime] = mapped_column(server_default=NOW)
    account_id: Mapped[int | None]
    action: Mapped[str]
    target_table: Mapped[str | None]
    target_id: Mapped[int | None]
    outcome: Mapped[str]
    remote_address: Mapped[str | None]
    details: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")
