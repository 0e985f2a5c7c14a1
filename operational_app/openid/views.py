"""The list of applications that sign in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from operational_app.identity.access import Resource
from operational_app.openid.models import Application, ApplicationRole
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.filters import TextFilter


@dataclass(frozen=True)
class ApplicationRow:
    id: int
    name: str
    client_id: str
    kind: str
    roles: str | None
    is_active: bool


class ApplicationView(ArchiveView):
    key = "applications"
    menu_label = "应用管理"
    resource = Resource.APPLICATIONS
    record_address = "/applications/{id}"
    new_address = "/applications/new"
    new_label = "登记应用"
    empty_text = "还没有登记应用"
    list_filters = (TextFilter("name", "应用名称"),)
    fields = (
        column("name", "应用", "record"),
        column("client_id", "客户端标识", is_short=True, on_phone=False),
        column("kind", "类型", is_short=True, on_phone=False),
        column("roles", "角色"),
        column(
            "is_active", "状态", "badge",
            getter=lambda request, row: ("启用", "green") if row.is_active else ("已停用", "secondary"),
        ),
    )  # fmt: skip

    def search(self, call: ListCall) -> Found:
        roles = (
            select(func.string_agg(ApplicationRole.name, "、"))
            .where(ApplicationRole.application_id == Application.id, ApplicationRole.is_active)
            .scalar_subquery()
        )
        statement: Select[Any] = select(Application, roles)
        if name := call.filters.values.get("name"):
            statement = statement.where(Application.name.contains(name, autoescape=True))
        total = count_up_to(call.session, statement, MOST_LISTED + 1)
        ordered = statement.order_by(Application.name).offset(call.skip).limit(call.limit)
        found: list[Any] = list(call.session.execute(ordered))
        rows = [
            ApplicationRow(
                item.id, item.name, item.client_id, "公开客户端" if item.is_public else "机密客户端", names,
                item.is_active,
            )
            for item, names in found
        ]  # fmt: skip
        return found_page(rows, total, call.skip, call.limit)
