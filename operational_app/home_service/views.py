"""The list 服务工单, and one order's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.elders.models import Elder
from operational_app.home_service.models import (
    DoubtStatus,
    Evaluation,
    OrderStatus,
    Photo,
    ServiceItem,
    ServiceOrder,
)
from operational_app.identity.access import Resource
from operational_app.organizations.models import Organization
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, total_of
from operational_app.web.filters import DateRangeFilter, DivisionFilter, TextFilter, code_filter
from operational_app.web.formats import division, minute
from operational_app.web.rights import pages_of
from operational_app.web.scoping import in_bounds
from operational_app.web.services import actor, page, session
from operational_app.workforce.models import Staff

_GREEN, _GREY, _BLUE, _RED = "green", "secondary", "blue", "red"
STATUS_COLOURS = dict.fromkeys(OrderStatus, _BLUE) | {
    OrderStatus.FINISHED: _GREEN,
    OrderStatus.CANCELLED: _GREY,
    OrderStatus.RETURNED: _GREY,
    OrderStatus.VOID: _GREY,
}
DOUBT_COLOURS = dict.fromkeys(DoubtStatus, _GREY) | {DoubtStatus.DOUBTFUL: _RED, DoubtStatus.APPEALED: "orange"}


def doubt_badge(status: DoubtStatus) -> tuple[str, str] | None:
    """(text, colour); nothing for an order without doubt."""
    return None if status is DoubtStatus.NONE else (status.label, DOUBT_COLOURS[status])


@dataclass(frozen=True)
class NamedOrder:
    """An order with the names that its keys stand for; None for what lies outside the scope."""

    id: int
    order: ServiceOrder
    elder: str | None
    item: str | None
    provider: str | None

    @property
    def times(self) -> tuple[str, str]:
        """When it was asked for, when the service ended."""
        return minute(self.order.requested_at), minute(self.order.finished_at)


def _finished_between(days: tuple[date | None, date | None]) -> list[ColumnElement[bool]]:
    """Finished on the business days from … to …, both included."""
    first, last = days
    conditions: list[ColumnElement[bool]] = []
    if first is not None:
        conditions.append(ServiceOrder.finished_at >= datetime.combine(first, time(), BUSINESS_TIMEZONE))
    if last is not None:
        next_day = last + timedelta(days=1)
        conditions.append(ServiceOrder.finished_at < datetime.combine(next_day, time(), BUSINESS_TIMEZONE))
    return conditions


class OrderView(ArchiveView):
    key = "orders"
    names_persons = True
    menu_label = "服务工单"
    resource = Resource.ORDERS
    record_address = "/orders/{id}"
    empty_text = "没有符合条件的工单"
    filters_shown = 5
    list_filters = (
        TextFilter("order_number", "工单号", placeholder="完整工单号"),
        code_filter("status", "状态", OrderStatus),
        code_filter("doubt_status", "存疑", DoubtStatus),
        DateRangeFilter("finished", "完成日期"),
        DivisionFilter("division", "服务地"),
    )
    fields = (
        column("order_number", "工单号", "record", getter=lambda request, row: row.order.order_number),
        column("elder", "老人", is_short=True),
        column("item", "服务项目"),
        column("provider", "服务商"),
        column("division_code", "服务地", getter=lambda request, row: division(row.order.division_code)),
        column("times", "下单 / 完成", "lines", getter=lambda request, row: row.times),
        column(
            "amount_yuan", "金额（元）", "yuan", is_number=True,
            getter=lambda request, row: row.order.amount_yuan,
        ),
        column(
            "status", "状态", "badge",
            getter=lambda request, row: (row.order.status.label, STATUS_COLOURS[row.order.status]),
        ),
        column(
            "doubt_status", "存疑", "badge",
            getter=lambda request, row: doubt_badge(row.order.doubt_status),
        ),
    )  # fmt: skip

    def search(self, call: ListCall) -> Found:
        values = call.filters.values
        conditions = [in_bounds(ServiceOrder.division_code, call.actor.scope, values.get("division"))]
        if number := values.get("order_number"):
            conditions.append(ServiceOrder.order_number == number)
        for key in (ServiceOrder.status, ServiceOrder.doubt_status):
            if (value := values.get(key.key)) is not None:
                conditions.append(key == value)
        if days := values.get("finished"):
            conditions += _finished_between(days)
        # In the order of the index that finds them.
        at = ServiceOrder.finished_at if "finished" in values else ServiceOrder.requested_at
        # Keys first: they stand in the index, the rows do not.
        keys = select(ServiceOrder.id).where(*conditions)
        found = call.session.scalars(
            keys.order_by(at.desc(), ServiceOrder.id.desc()).offset(call.skip).limit(call.limit)
        ).all()
        total = total_of(call.session, keys, call.skip, call.limit, len(found), MOST_LISTED + 1)
        orders = call.session.scalars(select(ServiceOrder).where(ServiceOrder.id.in_(found)))
        orders_by_key = {order.id: order for order in orders}
        rows = with_names(call.session, [orders_by_key[key] for key in found if key in orders_by_key])
        return found_page(rows, total, call.skip, call.limit)


def with_names(work: Session, orders: Sequence[ServiceOrder]) -> list[NamedOrder]:
    """The orders with the names of elder, item and provider; those outside the scope stay unnamed."""

    def names(model: Any, keys: set[int]) -> dict[int, str | None]:
        return dict(work.execute(select(model.id, model.name).where(model.id.in_(keys))).all())

    elders = names(Elder, {order.elder_id for order in orders})
    items = names(ServiceItem, {order.item_id for order in orders})
    providers = names(Organization, {order.provider_id for order in orders})
    return [
        NamedOrder(
            order.id, order, elders.get(order.elder_id), items.get(order.item_id), providers.get(order.provider_id)
        )
        for order in orders
    ]


router = pages_of(Resource.ORDERS)


@router.get("/orders/{key:int}")
def order_page(request: Request, key: int) -> HTMLResponse:
    work = session(request)
    order = work.get(ServiceOrder, key)
    if order is None:
        raise HTTPException(404)
    named = with_names(work, [order])[0]
    return page(
        request,
        "home_service/file.html",
        title=f"工单 {order.order_number}",
        order=order,
        named=named,
        colour=STATUS_COLOURS[order.status],
        doubt_colour=DOUBT_COLOURS[order.doubt_status],
        worker=work.scalar(select(Staff.name).where(Staff.id == order.staff_id)),
        evaluation=work.scalars(select(Evaluation).where(Evaluation.order_id == key)).first(),
        photo_count=work.scalar(select(func.count()).where(Photo.order_id == key)),
        may_see_elders=actor(request).may(Resource.ELDERS),
    )
