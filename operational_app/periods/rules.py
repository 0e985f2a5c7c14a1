"""The state of a period from what is known of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from huiyang.periods import Period
from operational_app.core.base import Code


class PeriodState(Code):
    OPEN = "open", "采集中"
    CLOSING = "closing", "补录中"
    PREPARING = "preparing", "待送审"
    IN_REVIEW = "in_review", "待签发"
    PUBLISHED = "published", "已签发"
    CORRECTED = "corrected", "已更正"


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


def state_of(period: Period, plan: Plan, today: date, *, signed: int, in_review: bool) -> PeriodState:
    """
    Args:
        signed: how many official releases of the period have been published.
        in_review: one waits for its signature.
    """
    if in_review:
        return PeriodState.IN_REVIEW
    if signed:
        return PeriodState.CORRECTED if signed > 1 else PeriodState.PUBLISHED
    if today <= period.end_date:
        return PeriodState.OPEN
    return PeriodState.CLOSING if today <= plan.corrections_until(period) else PeriodState.PREPARING


def is_late(period: Period, plan: Plan, today: date, *, signed: int) -> bool:
    """Whether the official release is overdue."""
    return not signed and today > plan.due_on(period)


def seconds_left(seconds: float, fraction: float) -> float | None:
    """What work that took so long for a fraction of the whole still takes, if it goes on like this; None too early."""
    return seconds * (1 - fraction) / fraction if fraction >= 0.05 else None
