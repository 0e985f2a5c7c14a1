"""The list 社区养老设施, and one facility's page."""

from __future__ import annotations

from sqlalchemy import func, or_, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from operational_app.facilities.models import (
    DayCareEnrolment,
    Facility,
    FacilityLevel,
    FacilityStatus,
    FacilityType,
)
from operational_app.identity.access import Resource
from operational_app.organizations.models import Organization
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.filters import DivisionFilter, TextFilter, code_filter
from operational_app.web.formats import division
from operational_app.web.rights import pages_of
from operational_app.web.scoping import in_division
from operational_app.web.services import page, session, today

STATUS_COLOURS = {
    FacilityStatus.OPERATING: "green",
    FacilityStatus.SUSPENDED: "orange",
    FacilityStatus.CLOSED: "secondary",
}
_ORDER = {"name": Facility.name, "division_code": Facility.division_code, "capacity": Facility.capacity}


class FacilityView(ArchiveView):
    key = "facilities"
    menu_label = "社区养老设施"
    resource = Resource.FACILITIES
    record_address = "/facilities/{id}"
    empty_text = "没有符合条件的社区养老设施"
    list_filters = (
        TextFilter("name", "设施名称", placeholder="名称中的文字"),
        code_filter("facility_type", "设施类型", FacilityType),
        code_filter("facility_level", "级别", FacilityLevel),
        code_filter("status", "状态", FacilityStatus),
        DivisionFilter("division", "所在地"),
    )
    fields = (
        column("name", "设施名称", "record", sortable=True),
        column("facility_type", "类型", is_short=True, getter=lambda request, row: row.facility_type.label),
        column("facility_level", "级别", getter=lambda request, row: row.facility_level.label),
        column("division_code", "所在地", sortable=True, getter=lambda request, row: division(row.division_code)),
        column("capacity", "容量（床、座）", "number", sortable=True, is_number=True),
        column("opened_on", "启用日期", getter=lambda request, row: row.opened_on and row.opened_on.isoformat()),
        column("status", "状态", "badge", getter=lambda request, row: (row.status.label, STATUS_COLOURS[row.status])),
    )
    fields_default_sort = ("division_code",)

    def search(self, call: ListCall) -> Found:
        values = call.filters.values
        statement = select(Facility)
        if name := values.get("name"):
            statement = statement.where(Facility.name.contains(name, autoescape=True))
        if code := values.get("division"):
            statement = statement.where(in_division(Facility.division_code, code))
        for key in (Facility.facility_type, Facility.facility_level, Facility.status):
            if (value := values.get(key.key)) is not None:
                statement = statement.where(key == value)
        total = count_up_to(call.session, statement, MOST_LISTED + 1)
        for field, direction in call.sorts:
            order = _ORDER[field]
            statement = statement.order_by(order.desc().nulls_last() if direction == "desc" else order)
        rows = call.session.scalars(statement.order_by(Facility.id).offset(call.skip).limit(call.limit)).all()
        return found_page(rows, total, call.skip, call.limit)


router = pages_of(Resource.FACILITIES)


@router.get("/facilities/{key:int}")
def facility_page(request: Request, key: int) -> HTMLResponse:
    work = session(request)
    facility = work.get(Facility, key)
    if facility is None:
        raise HTTPException(404)
    on = today()
    enrolled = work.scalar(
        select(func.count()).where(
            DayCareEnrolment.facility_id == key,
            DayCareEnrolment.enrolled_on <= on,
            or_(DayCareEnrolment.left_on.is_(None), DayCareEnrolment.left_on > on),
        )
    )
    return page(
        request,
        "facilities/file.html",
        title=facility.name,
        facility=facility,
        colour=STATUS_COLOURS[facility.status],
        operator=work.scalar(select(Organization.name).where(Organization.id == facility.organization_id)),
        enrolled=enrolled,
    )
