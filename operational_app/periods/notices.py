"""Who is told that an official release is due, or overdue; each once."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy.orm import Session

from huiyang.periods import Cadence
from operational_app.identity.access import Resource
from operational_app.periods.queries import period_lines
from operational_app.periods.rules import PeriodState
from operational_app.periods.service import city_holders
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import notify

_DUE_SOON = timedelta(days=3)
#: Who acts next, by the state that a period waits in.
_NEXT = {PeriodState.PREPARING: Resource.PERIOD_REFRESH, PeriodState.IN_REVIEW: Resource.PERIOD_REVIEW}


def remind_of_periods(session: Session, today: date) -> None:
    """Tells whoever acts next that the day is near, and data staff and reviewers both that it has passed.

    Args:
        session: under a scope that holds the whole city and all accounts.
    """
    for line in (line for cadence in Cadence for line in period_lines(session, cadence, today)):
        period, due = str(line.period), line.plan.due_on(line.period)
        if line.is_late:
            rights, key = set(_NEXT.values()), f"period-late-{period}"
            title = f"{period} 正式版已超过签发期限（{due}）"
        elif line.state in _NEXT and due <= today + _DUE_SOON:
            rights, key = {_NEXT[line.state]}, f"period-due-{period}-{line.state}"
            title = f"{period} 正式版将于 {due} 到签发期限，现在{line.state.label}"
        else:
            continue
        told = {account for right in rights for account in city_holders(session, right)}
        notify(session, sorted(told), NotificationKind.REQUEST_DUE, title, f"/periods/{period}", key)
