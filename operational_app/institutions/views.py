"""The list 养老机构."""

from __future__ import annotations

from typing import Any

from operational_app.identity.access import Resource
from operational_app.institutions import queries
from operational_app.institutions.models import Institution, InstitutionType, Nature, OperatingStatus
from operational_app.institutions.queries import InstitutionRow
from operational_app.organizations.models import Organization
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.filters import ChoiceFilter, DivisionFilter, TextFilter, code_filter
from operational_app.web.formats import division, percent

STATUS_COLOURS = {
    OperatingStatus.OPERATING: "green",
    OperatingStatus.SUSPENDED: "orange",
    OperatingStatus.CLOSED: "secondary",
}
GRADES = {0: "未评定", 1: "一级", 2: "二级", 3: "三级", 4: "四级", 5: "五级"}
_ORDER = {
    "name": Organization.name_pinyin,
    "division_code": Institution.division_code,
    "grade": Institution.grade,
}


def grade_label(grade: int | None) -> str | None:
    """Grade by GB/T 37276."""
    return None if grade is None else GRADES[grade]


def _permits(request: Any, row: InstitutionRow) -> tuple[str, str] | None:
    if row.expired:
        return f"{row.expired} 项已过期", "red"
    return (f"{row.expiring} 项即将到期", "orange") if row.expiring else None


class InstitutionView(ArchiveView):
    key = "institutions"
    menu_label = "养老机构"
    resource = Resource.INSTITUTIONS
    record_address = "/institutions/{id}"
    empty_text = "没有符合条件的养老机构"
    list_filters = (
        TextFilter("name", "机构名称", placeholder="名称、拼音、首字母或信用代码"),
        code_filter("institution_type", "机构类型", InstitutionType),
        code_filter("nature", "机构性质", Nature),
        code_filter("operating_status", "运营状态", OperatingStatus),
        DivisionFilter("division", "所在地"),
        ChoiceFilter("grade", "等级", tuple((str(grade), label) for grade, label in GRADES.items())),
    )
    fields = (
        column("name", "机构名称", "record", sortable=True),
        column("institution_type", "类型", is_short=True, getter=lambda request, row: row.institution_type.label),
        column("nature", "性质", is_short=True, on_phone=False, getter=lambda request, row: row.nature.label),
        column("division_code", "所在地", sortable=True, getter=lambda request, row: division(row.division_code)),
        column("grade", "等级", sortable=True, is_short=True, getter=lambda request, row: grade_label(row.grade)),
        column("beds", "床位", "number", is_number=True),
        column("residents", "入住", "number", is_number=True),
        column(
            "occupancy", "入住率", is_number=True, getter=lambda request, row: percent(row.residents, row.beds)
        ),
        column("permits", "证照", "badge", getter=_permits),
        column(
            "operating_status", "状态", "badge",
            getter=lambda request, row: (row.operating_status.label, STATUS_COLOURS[row.operating_status]),
        ),
    )  # fmt: skip
    fields_default_sort = ("name",)

    def search(self, call: ListCall) -> Found:
        statement = queries.listing(call.filters.values)
        total = count_up_to(call.session, statement, MOST_LISTED + 1)
        for name, direction in call.sorts:
            key = _ORDER[name]
            statement = statement.order_by(key.desc().nulls_last() if direction == "desc" else key)
        page = statement.order_by(Institution.id).offset(call.skip).limit(call.limit)
        return found_page(queries.rows_of(call.session, page, call.today), total, call.skip, call.limit)
