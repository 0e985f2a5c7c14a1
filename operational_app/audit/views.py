"""The list 审计日志, for the audit administrator only."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select
from starlette.requests import Request

from operational_app.audit import queries
from operational_app.audit.labels import OBJECTS
from operational_app.audit.models import AuditEvent
from operational_app.audit.service import Act, Outcome
from operational_app.identity.access import Resource
from operational_app.identity.models import Duty
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, total_of
from operational_app.web.database import AppDatabase
from operational_app.web.filters import (
    ChoiceFilter,
    DateRangeFilter,
    FilterValues,
    TextFilter,
    code_filter,
)
from operational_app.web.formats import second
from operational_app.web.services import actor

OUTCOME_COLOURS = {Outcome.SUCCESS: "green", Outcome.FAILURE: "orange", Outcome.DENIED: "red"}
_MOST_DIGITS = 18


def badge_of(outcome: Outcome | str) -> tuple[str, str]:
    """(text, colour)"""
    return (outcome.label, OUTCOME_COLOURS[outcome]) if isinstance(outcome, Outcome) else (outcome, "secondary")


def check_key(text: str) -> None:
    """
    Raises:
        ValueError: no number.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ValueError("对象编号应为数字")


def check_address(text: str) -> None:
    """
    Raises:
        ValueError: no IP address.
    """
    if text != queries.CONSOLE:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError("来源地址应为 IP 地址") from None


def matching(database: AppDatabase, asked: FilterValues) -> Select[AuditEvent]:
    """The events that a request asks for."""
    values = dict(asked.values)
    if "target_id" in values:
        values["target_id"] = int(values["target_id"])
    person = values.pop("person", None)
    return queries.listing(values, queries.accounts_called(database, person) if person else None)


def is_audit_administrator(request: Request) -> bool:
    """Whether the trail may be opened: the right alone is not enough; row-level security asks for the duty, too."""
    who = actor(request)
    return who.may(Resource.AUDIT) and who.duty is Duty.AUDIT


class AuditView(ArchiveView):
    key = "audit"
    menu_label = "审计日志"
    resource = Resource.AUDIT
    list_template = "audit/list.html"
    record_address = "/audit/{id}"
    empty_text = "没有符合条件的记录"
    filters_shown = 3
    list_filters = (
        DateRangeFilter("days", "时间"),
        TextFilter("person", "人员", placeholder="姓名或用户名，完整填写", is_personal=True),
        code_filter("action", "操作", Act),
        code_filter("outcome", "结果", Outcome),
        ChoiceFilter("target_table", "对象", tuple(OBJECTS.items())),
        TextFilter("target_id", "对象编号", check=check_key),
        TextFilter("remote_address", "来源地址", is_personal=True, check=check_address),
    )
    fields = (
        column(
            "happened_at", "时间", "record", is_short=True, getter=lambda request, row: second(row.happened_at)
        ),
        column("person", "人员"),
        column("action", "操作"),
        column("target", "对象"),
        column("outcome", "结果", "badge", getter=lambda request, row: badge_of(row.outcome)),
        column("remote_address", "来源地址", is_short=True),
        column(
            "batch", "封存批次", is_short=True,
            getter=lambda request, row: f"第 {row.batch} 批" if row.batch is not None else "待封存",
        ),
    )  # fmt: skip

    def is_accessible(self, request: Request) -> bool:
        return is_audit_administrator(request)

    def act_of_read(self, asked: FilterValues) -> Act:
        return Act.AUDIT_READ

    def search(self, call: ListCall) -> Found:
        statement = matching(call.services.database, call.filters)
        events: Sequence[Any] = call.session.scalars(statement.offset(call.skip).limit(call.limit)).all()
        total = total_of(call.session, statement, call.skip, call.limit, len(events), MOST_LISTED + 1)
        return found_page(queries.rows_of(call.session, call.services.database, events), total, call.skip, call.limit)
