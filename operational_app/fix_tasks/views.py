"""The list 数据补录."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from starlette.requests import Request

from operational_app.fix_tasks import queries
from operational_app.fix_tasks.models import OWNERS, FixState
from operational_app.fix_tasks.queries import FixRow
from operational_app.identity.access import Resource
from operational_app.inbox.queries import SEVERITIES, THEMES, record_name
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, total_of
from operational_app.web.filters import ChoiceFilter, DivisionFilter, TextFilter, code_filter
from operational_app.web.formats import division
from operational_app.web.services import today


def _badge(request: Request, row: FixRow) -> tuple[str, str]:
    return state_badge(row, today())


def state_badge(row: FixRow, on: date) -> tuple[str, str]:
    """A task that waits beyond its day is marked."""
    task = row.task
    if task.state is FixState.OPEN and task.due_on < on:
        return f"逾期 {(on - task.due_on).days} 天", "red"
    return task.state.label, queries.STATE_COLOURS[task.state]


class FixTaskView(ArchiveView):
    key = "fix-tasks"
    menu_label = "数据补录"
    resource = Resource.FIX_TASKS
    list_template = "fix_tasks/list.html"
    record_address = "/fix-tasks/{id}"
    empty_text = "没有符合条件的补录任务"
    picks = True
    record_word = "任务"
    filters_shown: ClassVar[int] = 5
    list_filters = (
        code_filter("state", "状态", FixState),
        ChoiceFilter("severity", "程度", tuple((value, label) for value, (label, _) in SEVERITIES.items())),
        ChoiceFilter("late", "时限", queries.LATENESS),
        ChoiceFilter("owner", "责任方", tuple((owner, owner) for owner in OWNERS)),
        DivisionFilter("division", "所在地"),
        ChoiceFilter("theme", "主题", tuple((theme, theme) for theme in THEMES)),
        TextFilter("rule", "规则编号", placeholder="如 ELD-REQ-phone_status"),
    )
    fields = (
        column("title", "问题", "record", getter=lambda request, row: row.rule.title),
        column(
            "record", "记录", is_short=True,
            getter=lambda request, row: f"{record_name(row.task.record_table)} {row.task.record_id}",
        ),
        column("division", "所在地", getter=lambda request, row: division(row.task.division_code)),
        column("owner", "责任方", getter=lambda request, row: row.owner),
        column("due_on", "办理期限", is_short=True, getter=lambda request, row: row.task.due_on),
        column("state", "状态", "badge", getter=_badge),
    )  # fmt: skip

    def is_pickable(self, row: FixRow) -> bool:
        return row.task.state is FixState.OPEN

    def search(self, call: ListCall) -> Found:
        statement = queries.listing(call.filters.values, call.actor.scope, call.today)
        rows = queries.rows_of(call.session, call.session.execute(statement.offset(call.skip).limit(call.limit)))
        total = total_of(call.session, statement, call.skip, call.limit, len(rows), MOST_LISTED + 1)
        return found_page(rows, total, call.skip, call.limit)
