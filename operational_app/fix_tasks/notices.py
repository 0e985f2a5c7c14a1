"""Who is told of fix tasks that are due, and of those that nobody has mended in time; in sets, each told once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from huiyang.divisions import ancestors_of, county_of, division_tree
from operational_app.fix_tasks.models import FixAct, FixState, FixTask
from operational_app.fix_tasks.service import end_waivers
from operational_app.identity.access import Resource
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import (
    Notice,
    holders_by_division,
    holders_by_organization,
    notify_all,
)

_DUE_SOON = timedelta(days=3)
_LIST = "/fix-tasks/list?state=open"


def remind_of_fixes(session: Session, today: date) -> None:
    """Ends waivers, reminds owners of what is due, tells the next level of what is overdue.

    Args:
        session: under a scope that holds the whole city and all accounts.
    """
    end_waivers(session, today)
    desks = holders_by_division(session, Resource.FIX_TASKS)
    organizations = holders_by_organization(
        session, select(FixTask.organization_id).where(FixTask.state == FixState.OPEN), Resource.FIX_TASKS
    )
    notify_all(session, _due(session, today, organizations, desks))
    notify_all(session, _escalated(session, today, organizations, desks))


#: Division or reporting unit → accounts of its department that look after fix tasks.
_Desks = dict[str, list[int]]


def _nearest(desks: _Desks, code: str, above: str | None = None) -> tuple[str, Collection[int]]:
    """The lowest level, from a division upwards, that has somebody; `above`: only what lies above that level.

    In a reporting unit's towns the unit stands where the county stands elsewhere.
    """
    units = division_tree().reporting_units_of(code)
    levels = [
        units[0].code if units and county_of(level) == level else level for level in (code, *ancestors_of(code))
    ]  # fmt: skip
    for level in levels[levels.index(above) + 1 :] if above else levels:
        if level in desks:
            return level, desks[level]
    return division_tree().root.code, ()


def _due(session: Session, today: date, organizations: dict[int, list[int]], desks: _Desks) -> list[Notice]:
    """One line a week for each desk: how many are due within three days or overdue."""
    counted = session.execute(
        select(FixTask.organization_id, FixTask.division_code, func.count())
        .where(FixTask.state == FixState.OPEN, FixTask.due_on <= today + _DUE_SOON)
        .group_by(FixTask.organization_id, FixTask.division_code)
    )
    totals: dict[tuple[int | None, str], int] = {}
    told: dict[tuple[int | None, str], Collection[int]] = {}
    for organization_id, code, count in counted:
        if organization_id in organizations:
            desk: tuple[int | None, str] = (organization_id, "")
            told[desk] = organizations[organization_id]
        else:
            level, people = _nearest(desks, code)
            desk = (None, level)
            told[desk] = people
        totals[desk] = totals.get(desk, 0) + count
    year, week, _ = today.isocalendar()
    return [
        Notice(
            told[desk], NotificationKind.FIX_TASK, f"有 {count} 条数据补录任务即将到期或已逾期", _LIST,
            f"fixes-due-{year}-{week}",
        )
        for desk, count in totals.items()
    ]  # fmt: skip


def _escalated(session: Session, today: date, organizations: dict[int, list[int]], desks: _Desks) -> list[Notice]:
    """Tasks overdue for longer than the plan allows are marked once, and the level above their desk is told."""
    moved = session.execute(
        text(
            f"""
            with moved as (
                update fix_tasks.fix_task as task set escalated_on = :today, row_version = task.row_version + 1
                from inbox.fix_plan as plan
                where plan.severity = task.severity and task.state = '{FixState.OPEN}' and task.escalated_on is null
                and task.due_on + cast(plan.escalate_days as integer) < :today
                returning task.id, task.organization_id, task.division_code
            ), told as (
                insert into fix_tasks.fix_event (task_id, act) select id, '{FixAct.ESCALATED}' from moved
            )
            select organization_id, division_code, count(*) from moved group by 1, 2
            """
        ),
        {"today": today},
    )
    totals: dict[str, int] = {}
    told: dict[str, Collection[int]] = {}
    rows: Iterable[Any] = moved
    for organization_id, code, count in rows:
        level, people = _nearest(desks, code)
        if organization_id not in organizations:  # that was the desk itself
            level, people = _nearest(desks, code, above=level)
        told[level] = people
        totals[level] = totals.get(level, 0) + count
    return [
        Notice(
            told[level], NotificationKind.FIX_TASK, f"有 {count} 条数据补录任务逾期未办结，现报上一级督办",
            "/fix-tasks/list?late=escalated", f"fixes-escalated-{today}",
        )
        for level, count in totals.items()
    ]  # fmt: skip
