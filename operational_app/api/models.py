"""Table of the API; schema `identity`, beside the accounts that it is about."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, Base, Identified, personal
from operational_app.core.row_security import ACCOUNT, ALL_ACCOUNTS, Scope


class IdempotencyKey(Identified, Base):
    """That an account has done something under a key of its own making, and what it was answered.

    Attributes:
        operation: method and path; body_sha256: of what was sent. The key is good for exactly these.
        answer_cipher: encrypted, for an answer may hold a one-time password; None while the first request runs.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("account_id", "key"), {"schema": "identity"})
    scope = Scope(condition=f"idempotency_key.account_id = {ACCOUNT} or {ALL_ACCOUNTS}")

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    key: Mapped[UUID]
    operation: Mapped[str]
    body_sha256: Mapped[bytes]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    answer_cipher: Mapped[bytes | None] = personal()
    made_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
