"""The list 老人档案."""

from __future__ import annotations

from operational_app.audit.service import Act
from operational_app.elders import search
from operational_app.elders.models import AbilityLevel, EconomicCategory, ElderStatus, LivingArrangement, Sex
from operational_app.identity.access import Resource
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED
from operational_app.web.filters import DivisionFilter, FilterValues, NumberRangeFilter, TextFilter, code_filter
from operational_app.web.formats import division

STATUS_COLOURS = {ElderStatus.ACTIVE: "green", ElderStatus.DECEASED: "secondary", ElderStatus.MOVED_AWAY: "orange"}
_PERSONAL_TERMS = ("name", "id_number", "phone")


def status_badge(status: ElderStatus, *, is_merged: bool) -> tuple[str, str]:
    """(text, colour) of a record's state."""
    return ("已合并", "yellow") if is_merged else (status.label, STATUS_COLOURS[status])


class ElderView(ArchiveView):
    key = "elders"
    menu_label = "老人档案"
    resource = Resource.ELDERS
    record_address = "/elders/{id}"
    empty_text = "没有符合条件的老人"
    filters_shown = 4
    list_filters = (
        TextFilter("name", "姓名", placeholder="汉字、拼音或首字母", is_personal=True, check=search.check_name),
        TextFilter(
            "id_number", "身份证号", placeholder="完整号码或后四位", is_personal=True, check=search.check_id_number
        ),
        TextFilter("phone", "电话", placeholder="完整号码或后四位", is_personal=True, check=search.check_phone),
        NumberRangeFilter("ages", "年龄", unit="周岁"),
        DivisionFilter("division", "居住地"),
        code_filter("sex", "性别", Sex),
        code_filter("status", "在册状态", ElderStatus),
        code_filter("living_arrangement", "居住状况", LivingArrangement),
        code_filter("economic_category", "对象类别", EconomicCategory),
        code_filter("ability_level", "能力等级", AbilityLevel),
    )
    fields = (
        column("name", "姓名", "record", is_short=True),
        column("sex", "性别"),
        column("age", "年龄", is_number=True),
        column("id_number", "身份证号", "code"),
        column("phone", "电话", "code"),
        column("division_code", "居住地", getter=lambda request, row: division(row.division_code)),
        column("living_arrangement", "居住状况", is_short=True, on_phone=False),
        column("economic_category", "对象类别", is_short=True, on_phone=False),
        column("ability_level", "能力等级", is_short=True, on_phone=False),
        column(
            "status", "状态", "badge", getter=lambda request, row: status_badge(row.status, is_merged=row.is_merged)
        ),
    )

    def act_of_read(self, asked: FilterValues) -> Act:
        return Act.ELDER_SEARCH if any(name in asked.values for name in _PERSONAL_TERMS) else Act.LIST_READ

    def search(self, call: ListCall) -> Found:
        query = search.ElderQuery(**call.filters.values)
        rows, total = search.find(
            call.session, query, call.actor.scope, call.services.crypto, call.today, call.skip, call.limit, MOST_LISTED
        )
        return found_page(rows, total, call.skip, call.limit)
