"""The list 编码管理: what has a code, what wants one, and what to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from operational_app.codes import queries
from operational_app.codes.models import SubjectKind
from operational_app.codes.rules import KINDS
from operational_app.identity.access import Resource
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, total_of
from operational_app.web.filters import ChoiceFilter, DivisionFilter, TextFilter
from operational_app.web.formats import division


@dataclass(frozen=True)
class KindFilter(ChoiceFilter):
    """A choice that is always made; the first unless another is."""

    kind: ClassVar[str] = "required_choice"

    def parse(self, given: Mapping[str, str]) -> str | None:
        return super().parse(given) or self.choices[0][0]


FILTERS = (
    KindFilter("kind", "编码类型", tuple((kind.value, kind.label) for kind in SubjectKind)),
    ChoiceFilter("state", "赋码情况", tuple((state.value, label) for state, label in queries.STATE_LABELS)),
    DivisionFilter("division", "所在地"),
    TextFilter("name", "机构名称", placeholder="名称、拼音或首字母"),
    TextFilter("code", "编码", placeholder="现编码，或旧平台编号"),
)


class CodesView(ArchiveView):
    key = "codes"
    names_persons = True
    menu_label = "编码管理"
    resource = Resource.CODES
    list_template = "codes/list.html"
    list_filters = FILTERS
    filters_shown = 5
    empty_text = "没有符合条件的对象"
    fields = (
        column("name", "名称"),
        column("division_code", "所在地", getter=lambda request, row: division(row.division_code)),
        column("code", "编码"),
    )

    def search(self, call: ListCall) -> Found:
        values = call.filters.values
        kind = KINDS[values["kind"]]
        statement = queries.listing(kind, values, call.actor.scope)
        if given := values.get("code"):
            statement = queries.with_code(call.session, kind, statement, given)
        rows = queries.rows_of(call.session, kind, statement.offset(call.skip).limit(call.limit))
        total = total_of(call.session, statement, call.skip, call.limit, len(rows), MOST_LISTED + 1)
        return found_page(rows, total, call.skip, call.limit)
