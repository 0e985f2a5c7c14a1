"""Tables of schema `rule_catalogue`. The catalogues themselves are told by the pipelines (`inbox.catalogue`)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, Base, Code, Identified, coded


class ApprovalDecision(Code):
    APPROVED = "approved", "批准"
    RETURNED = "returned", "退回"


class Approval(Identified, Base):
    """A changed catalogue put to the reviewers: asked for by one person, decided by another.

    A catalogue that was returned may be put to them again; one that is approved stays so.
    """

    __tablename__ = "approval"
    __table_args__ = (
        CheckConstraint("decided_by <> asked_by", name="not_by_oneself"),
        CheckConstraint("num_nulls(decision, decided_by, decided_at) in (0, 3)", name="decided_by_somebody"),
        CheckConstraint("reason <> ''", name="has_a_reason"),
        CheckConstraint("decision <> 'returned' or answer <> ''", name="reason_of_a_return"),
        Index(
            "uq_approval_standing", "catalogue_id", unique=True, postgresql_where="decision is distinct from 'returned'"
        ),
        {"schema": "rule_catalogue"},
    )

    catalogue_id: Mapped[int] = mapped_column(ForeignKey("inbox.catalogue.id"))
    reason: Mapped[str]
    asked_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    asked_at: Mapped[datetime] = mapped_column(server_default=NOW)
    decision: Mapped[ApprovalDecision | None] = mapped_column(coded(ApprovalDecision))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(server_default="")
