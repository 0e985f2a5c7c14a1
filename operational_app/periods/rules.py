"""The state of a period from what is known of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from huiyang.periods import Period
from operational_app.core.base import Code


class PeriodState(Code):
    HISTORY = "history", "历史数据"  # came with the first refresh; nobody signs it
    OPEN = "open", "采集中"
    CLOSING = "closing", "补录中"
    PREPARING = "preparing", "待送审"
    IN_REVIEW = "in_review", "待签发"
    PUBLISHED = "published", "已签发"
    CORRECTED = "corrected", "已更正"
    ROLLED_BACK = "rolled_back", "已回退"


#: Who acts next, where somebody has to.
NEXT_STEPS = {
    PeriodState.OPEN: "期末后进入补录",
    PeriodState.CLOSING: "各责任方补录数据，补录截止后由数据专员刷新正式版",
    PeriodState.PREPARING: "由数据专员刷新正式版，核实后送审",
    PeriodState.IN_REVIEW: "由审核人签发或退回",
}


@dataclass(frozen=True)
class Plan:
    """The rhythm of a cadence, from orchestration.yaml.

    Attributes:
        correction_days: how long after the period's end data may be corrected.
        due_days: how long after the period's end the official release is due.
    """

    first_period: str
    correction_days: int
    due_days: int

    def corrections_until(self, period: Period) -> date:
        return period.end_date + timedelta(days=self.correction_days)

    def due_on(self, period: Period) -> date:
        return period.end_date + timedelta(days=self.due_days)


@dataclass(frozen=True)
class Facts:
    """What is known of a period.

    Attributes:
        signed: how many official releases of it have been published.
        in_review: one waits for its signature.
        since: the first period of the cadence that was refreshed for its own sake; None before the first refresh.
        is_rolled_back: an earlier release is shown in place of one that was published after it.
    """

    signed: int
    in_review: bool
    since: Period | None
    is_rolled_back: bool = False


def is_history(period: Period, facts: Facts, today: date) -> bool:
    """Whether it lies before what the platform was asked for: before the first refresh, all but the last period."""
    since = facts.since or Period.of_date(today, period.cadence).previous
    return period < since and not facts.signed and not facts.in_review


def state_of(period: Period, plan: Plan, today: date, facts: Facts) -> PeriodState:
    """The one state of a period."""
    if facts.in_review:
        return PeriodState.IN_REVIEW
    if facts.is_rolled_back:
        return PeriodState.ROLLED_BACK
    if facts.signed:
        return PeriodState.CORRECTED if facts.signed > 1 else PeriodState.PUBLISHED
    if is_history(period, facts, today):
        return PeriodState.HISTORY
    if today <= period.end_date:
        return PeriodState.OPEN
    return PeriodState.CLOSING if today <= plan.corrections_until(period) else PeriodState.PREPARING


def is_late(period: Period, plan: Plan, today: date, facts: Facts) -> bool:
    """Whether the official release is overdue."""
    return not facts.signed and today > plan.due_on(period) and not is_history(period, facts, today)


def seconds_left(seconds: float, fraction: float) -> float | None:
    """What work that took so long for a fraction of the whole still takes, if it goes on like this; None too early."""
    return seconds * (1 - fraction) / fraction if fraction >= 0.05 else None
