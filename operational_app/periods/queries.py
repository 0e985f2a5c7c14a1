"""The periods of a cadence, each with its state, as the list shows them and reminders read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from huiyang.periods import Cadence, Period
from operational_app.inbox.models import ReleaseResult
from operational_app.periods import service
from operational_app.periods.models import Review, Task, TaskState
from operational_app.periods.rules import Facts, PeriodState, Plan, is_late, state_of

UNDER_WAY = (TaskState.WAITING, TaskState.RUNNING)
#: One more than a year, so that last year's is there to compare.
_SHOWN = {Cadence.MONTHLY: 13, Cadence.HALF_YEARLY: 4}


@dataclass(frozen=True)
class PeriodLine:
    """A period in the list.

    Attributes:
        release: the published one, or else the newest.
        task: what the pipelines are asked for and have not done yet.
    """

    period: Period
    state: PeriodState
    is_late: bool
    plan: Plan
    release: ReleaseResult | None
    task: Task | None


def period_lines(session: Session, cadence: Cadence, today: date) -> list[PeriodLine]:
    """The newest periods of a cadence, the current one first; none before the pipelines have told their rhythm."""
    plan = service.plan_of(session, cadence)
    if plan is None:
        return []
    current = Period.of_date(today, cadence)
    periods = [current.shifted(-back) for back in range(_SHOWN[cadence])]
    periods = [period for period in periods if period >= Period.parse(plan.first_period)]
    keys = [str(period) for period in periods]
    releases: dict[str, list[ReleaseResult]] = {key: [] for key in keys}
    for release in session.scalars(
        select(ReleaseResult).where(ReleaseResult.period.in_(keys)).order_by(ReleaseResult.release_id)
    ):
        releases[release.period].append(release)
    waiting = set(session.scalars(select(Review.period).where(Review.decision.is_(None), Review.period.in_(keys))))
    tasks = {task.period: task for task in session.scalars(select(Task).where(Task.state.in_(UNDER_WAY)))}
    since = service.first_refreshed(session, cadence)
    lines = []
    for period in periods:
        of_period = releases[str(period)]
        facts = Facts(
            service.signatures(of_period), str(period) in waiting, since, service.set_aside(of_period) is not None
        )
        newest = service.shown_release(of_period) or (of_period[-1] if of_period else None)
        state, late = state_of(period, plan, today, facts), is_late(period, plan, today, facts)
        lines.append(PeriodLine(period, state, late, plan, newest, tasks.get(str(period))))
    return lines
