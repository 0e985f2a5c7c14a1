"""Tables of schema `periods`.

What the app asks of the pipelines stands in `task`; their worker takes it up and tells how far it is.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, Base, Code, Identified, coded


class TaskKind(Code):
    REFRESH = "refresh", "刷新数据"
    PUBLISH = "publish", "签发发布"
    ROLL_BACK = "roll_back", "回退版本"


class TaskState(Code):
    WAITING = "waiting", "排队中"
    RUNNING = "running", "进行中"
    DONE = "done", "已完成"
    FAILED = "failed", "未完成"
    WITHDRAWN = "withdrawn", "已撤回"


class Lane(Code):
    PROVISIONAL = "provisional", "快报"
    OFFICIAL = "official", "正式版"


class Decision(Code):
    SIGNED = "signed", "已签发"
    RETURNED = "returned", "已退回"


class Task(Identified, Base):
    """One thing asked of the pipelines.

    Attributes:
        release_id: of what is published or shown again; of a refresh, what came out.
        reason: why a published period is refreshed again, or an earlier release is shown again.
        username: whose name the release carries: `requested_by` as the pipelines know people.
        attempts: how often the worker began it; a killed worker begins again.
        step: what is being done, in Chinese; fraction: of the whole, 0–1.
        message: how it ended, in Chinese.
    """

    __tablename__ = "task"
    __table_args__ = (
        CheckConstraint("(kind = 'refresh') = (lane is not null)", name="lane_of_a_refresh"),
        CheckConstraint("kind = 'refresh' or release_id is not null", name="release_of_the_others"),
        CheckConstraint("kind <> 'roll_back' or reason <> ''", name="reason_of_going_back"),
        Index("uq_task_open", "period", unique=True, postgresql_where="state in ('waiting', 'running')"),
        Index("ix_task_period", "period", "id"),
        {"schema": "periods"},
    )

    kind: Mapped[TaskKind] = mapped_column(coded(TaskKind))
    period: Mapped[str]
    lane: Mapped[Lane | None] = mapped_column(coded(Lane))
    release_id: Mapped[int | None]
    reason: Mapped[str] = mapped_column(server_default="")
    requested_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    username: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=NOW)
    state: Mapped[TaskState] = mapped_column(coded(TaskState), server_default="waiting")
    attempts: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    step: Mapped[str] = mapped_column(server_default="")
    fraction: Mapped[Decimal] = mapped_column(Numeric(5, 4), server_default="0")
    message: Mapped[str] = mapped_column(server_default="")


class Review(Identified, Base):
    """送审: an official candidate handed to the reviewers; decided once, never by whoever handed it in."""

    __tablename__ = "review"
    __table_args__ = (
        UniqueConstraint("release_id"),
        CheckConstraint("decided_by <> submitted_by", name="not_by_oneself"),
        CheckConstraint("num_nulls(decision, decided_by, decided_at) in (0, 3)", name="decided_by_somebody"),
        CheckConstraint("decision <> 'returned' or reason <> ''", name="reason_of_a_return"),
        Index("ix_review_open", "submitted_at", postgresql_where="decision is null"),
        {"schema": "periods"},
    )

    release_id: Mapped[int]
    period: Mapped[str]
    submitted_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    submitted_at: Mapped[datetime] = mapped_column(server_default=NOW)
    note: Mapped[str] = mapped_column(server_default="")
    decision: Mapped[Decision | None] = mapped_column(coded(Decision))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(server_default="")
