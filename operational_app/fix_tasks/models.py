"""Tables of schema `fix_tasks`."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, AppendOnly, Base, Code, Identified, coded
from operational_app.core.row_security import Scope

#: Who mends, as expectations.rule.Owner names them → whether that is an office; every other owner is the organization
#: that the record belongs to.
OWNERS = {
    "镇街民政部门": True, "县（市、区）民政局": True, "养老机构": False, "社区设施运营方": False, "服务商": False,
    "家床服务商": False, "评估机构": False, "所属组织": False, "平台运维": True,
}  # fmt: skip


class FixState(Code):
    OPEN = "open", "待补录"
    ANSWERED = "answered", "待核验"  # the owner says it is mended; the next refresh looks
    WAIVED = "waived", "已豁免"
    CLOSED = "closed", "已核销"  # a refresh no longer finds it


class FixAct(Code):
    FOUND = "found", "检查发现"
    FOUND_AGAIN = "found_again", "核验未通过"
    RETURNED = "returned", "再次出现"  # after it had been closed
    ANSWERED = "answered", "报告已处理"
    CLOSED = "closed", "核验通过，核销"
    ESCALATED = "escalated", "逾期上报"
    WAIVER_ASKED = "waiver_asked", "申请豁免"
    WAIVER_GRANTED = "waiver_granted", "同意豁免"
    WAIVER_REFUSED = "waiver_refused", "不同意豁免"
    WAIVER_ENDED = "waiver_ended", "豁免到期"


class WaiverDecision(Code):
    GRANTED = "granted", "同意"
    REFUSED = "refused", "不同意"


class FixTask(Identified, Base):
    """One record that breaks one rule, from when it is found until it is found no more; there is one a record and rule.

    Attributes:
        owner: who mends it, in Chinese; see expectations.rule.Owner.
        organization_id: of the owner, where the owner is an organization.
        period_start, period_end: of a record that belongs to a period: only a refresh that covers it can verify.
        first_seen_on: when any refresh first found it.
        opened_release_id: the release that opened it, last if it came back.
        found_again: how often a refresh still found it after its owner's answer, or anew after it was closed.
    """

    __tablename__ = "fix_task"
    __table_args__ = (
        UniqueConstraint("rule_id", "record_table", "record_id"),
        CheckConstraint("(state = 'closed') = (closed_at is not null)", name="closed_when"),
        CheckConstraint("num_nulls(period_start, period_end) in (0, 2)", name="whole_period"),
        Index("ix_fix_task_waiting", "division_code", "due_on", postgresql_where="state <> 'closed'"),
        Index("ix_fix_task_organization_id", "organization_id", "due_on", postgresql_where="state <> 'closed'"),
        Index("ix_fix_task_due", "due_on", postgresql_where="state = 'open'"),
        Index("ix_fix_task_record", "record_table", "record_id"),
        {"schema": "fix_tasks"},
    )
    scope = Scope(division="division_code", organization="organization_id")

    rule_id: Mapped[str] = mapped_column(ForeignKey("inbox.rule.rule_id"))
    record_table: Mapped[str]
    record_id: Mapped[int]
    owner: Mapped[str]
    severity: Mapped[str]
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))
    period_start: Mapped[date | None]
    period_end: Mapped[date | None]
    first_seen_on: Mapped[date]
    opened_at: Mapped[datetime]
    opened_release_id: Mapped[int]
    due_on: Mapped[date]
    state: Mapped[FixState] = mapped_column(coded(FixState), server_default="open")
    found_again: Mapped[int] = mapped_column(server_default="0")
    escalated_on: Mapped[date | None]
    closed_at: Mapped[datetime | None]
    row_version: Mapped[int] = mapped_column(server_default="1")


class FixEvent(AppendOnly, Base):
    """A move of a fix task: who or which release, when, and what was said."""

    __tablename__ = "fix_event"
    __table_args__ = (Index("ix_fix_event_task_id", "task_id"), {"schema": "fix_tasks", "info": {"stays_in_app": True}})
    scope = Scope(parent=("task_id", "fix_tasks.fix_task", "id"))

    task_id: Mapped[int] = mapped_column(ForeignKey("fix_tasks.fix_task.id"))
    act: Mapped[FixAct] = mapped_column(coded(FixAct))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    release_id: Mapped[int | None]
    note: Mapped[str] = mapped_column(server_default="")


class Waiver(Identified, Base):
    """豁免: a record that rightly breaks a rule, until a day. Asked for by one person, decided by another.

    It spares the owner the reminders; the record counts in completeness and error rate as before (ADR 0008).
    """

    __tablename__ = "waiver"
    __table_args__ = (
        CheckConstraint("decided_by <> asked_by", name="not_by_oneself"),
        CheckConstraint("num_nulls(decision, decided_by, decided_at) in (0, 3)", name="decided_by_somebody"),
        CheckConstraint("reason <> ''", name="has_a_reason"),
        Index("uq_waiver_open", "task_id", unique=True, postgresql_where="decision is null"),
        Index("ix_waiver_task_id", "task_id"),
        {"schema": "fix_tasks"},
    )
    scope = Scope(parent=("task_id", "fix_tasks.fix_task", "id"))

    task_id: Mapped[int] = mapped_column(ForeignKey("fix_tasks.fix_task.id"))
    reason: Mapped[str]
    until: Mapped[date]
    asked_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    asked_at: Mapped[datetime] = mapped_column(server_default=NOW)
    decision: Mapped[WaiverDecision | None] = mapped_column(coded(WaiverDecision))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(server_default="")


class Verification(Base):
    """A release whose violations have been taken up: once, whole.

    Attributes:
        known_on: the day of which the release tells: its period's end, or its cut-off if that is earlier.
        opened, found_again, closed: tasks; `remaining`: not closed afterwards.
    """

    __tablename__ = "verification"
    __table_args__ = ({"schema": "fix_tasks"},)

    release_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    known_on: Mapped[date]
    taken_up_at: Mapped[datetime]
    opened: Mapped[int]
    found_again: Mapped[int]
    closed: Mapped[int]
    remaining: Mapped[int]
