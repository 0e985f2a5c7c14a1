"""The list 办理清单."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import case, select
from starlette.requests import Request

from operational_app.identity.access import Resource
from operational_app.joining.models import JoinRequest, RequestKind, RequestState
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.filters import DivisionFilter, code_filter
from operational_app.web.formats import division, minute
from operational_app.web.scoping import in_division
from operational_app.web.services import today

STATE_COLOURS = {
    RequestState.SUBMITTED: "blue",
    RequestState.RETURNED: "orange",
    RequestState.APPROVED: "green",
    RequestState.REJECTED: "red",
    RequestState.WITHDRAWN: "secondary",
}


@dataclass(frozen=True)
class JoinRow:
    id: int
    who: str
    kind: RequestKind
    division_code: str
    submitted_at: datetime
    due_on: date
    state: RequestState


def state_badge(state: RequestState, due: date, on: date) -> tuple[str, str]:
    """A request that waits beyond its day is marked."""
    if state is RequestState.SUBMITTED and due < on:
        return f"超期 {(on - due).days} 天", "red"
    return state.label, STATE_COLOURS[state]


def _badge(request: Request, row: JoinRow) -> tuple[str, str]:
    return state_badge(row.state, row.due_on, today())


class JoinView(ArchiveView):
    key = "joining"
    names_persons = True
    menu_label = "办理清单"
    resource = Resource.JOIN_APPROVALS
    record_address = "/joining/{id}"
    empty_text = "没有申请"
    list_filters = (
        code_filter("state", "状态", RequestState),
        code_filter("kind", "事项", RequestKind),
        DivisionFilter("division", "区划"),
    )
    fields = (
        column("who", "申请人", "record"),
        column("kind", "事项", is_short=True, getter=lambda request, row: row.kind.label),
        column("division_code", "区划", getter=lambda request, row: division(row.division_code)),
        column("submitted_at", "提交时间", is_short=True, getter=lambda request, row: minute(row.submitted_at)),
        column("due_on", "办理期限", is_short=True),
        column("state", "状态", "badge", getter=_badge),
    )

    def search(self, call: ListCall) -> Found:
        values = call.filters.values
        statement = select(JoinRequest).where(JoinRequest.applicant_id != call.actor.account_id)
        if state := values.get("state"):
            statement = statement.where(JoinRequest.state == state)
        if kind := values.get("kind"):
            statement = statement.where(JoinRequest.kind == kind)
        if code := values.get("division"):
            statement = statement.where(in_division(JoinRequest.division_code, code))
        total = count_up_to(call.session, statement, MOST_LISTED + 1)
        waiting_first = case((JoinRequest.state == RequestState.SUBMITTED, 0), else_=1)
        ordered = statement.order_by(waiting_first, JoinRequest.due_on, JoinRequest.id.desc())
        rows = [
            JoinRow(
                found.id, f"{found.entity_name or found.applicant_name}", found.kind, found.division_code,
                found.submitted_at, found.due_on, found.state,
            )
            for found in call.session.scalars(ordered.offset(call.skip).limit(call.limit))
        ]  # fmt: skip
        return found_page(rows, total, call.skip, call.limit)
