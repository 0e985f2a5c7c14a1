"""Tables of schema `audit`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, AppendOnly, Base


class AuditEvent(AppendOnly, Base):
    """One act: sign-in, change, export or read of sensitive data. Committed with the act's transaction.

    Every column enters the seal: a new one needs a new format in `operational_app.audit.canonical`. A trigger puts
    each new event into `Unsealed`.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_happened_at", "happened_at", "id"),
        Index("ix_audit_event_account_id", "account_id", "happened_at", "id"),
        Index("ix_audit_event_action", "action", "happened_at", "id"),
        Index("ix_audit_event_target", "target_table", "target_id", "happened_at", "id"),
        Index("ix_audit_event_remote_address", "remote_address", "happened_at", "id"),
        Index("ix_audit_event_not_success", "happened_at", "id", postgresql_where="outcome <> 'success'"),
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


class Unsealed(Base):
    """An event that waits for its seal. Written with the event, so that none is missed, however late it commits."""

    __tablename__ = "unsealed"
    __table_args__ = ({"schema": "audit"},)

    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class Seal(Base):
    """One sealed batch; `head` chains it to the batch before. Digests are SM3, 32 bytes.

    Attributes:
        number: ascending; one is left out only where a database was set back behind the second medium.
        kept_at: when the second medium had the head; not part of it.
        pruned_at: when the events were removed for their age; not part of the head either.
    """

    __tablename__ = "seal"
    __table_args__ = (
        UniqueConstraint("previous_head"),
        Index("ix_seal_not_kept", "number", postgresql_where="kept_at is null"),
        {"schema": "audit"},
    )

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    format: Mapped[int]
    first_event_id: Mapped[int]
    last_event_id: Mapped[int]
    event_count: Mapped[int]
    events_digest: Mapped[bytes] = mapped_column(LargeBinary)
    previous_head: Mapped[bytes] = mapped_column(LargeBinary)
    head: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime]
    kept_at: Mapped[datetime | None]
    pruned_at: Mapped[datetime | None]


class SealEntry(Base):
    """Which batch holds an event, and the digest that the event had when it was sealed."""

    __tablename__ = "seal_entry"
    __table_args__ = (
        Index("ix_seal_entry_seal_number", "seal_number", "event_id"),
        {"schema": "audit"},
    )

    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seal_number: Mapped[int] = mapped_column(ForeignKey("audit.seal.number"))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
