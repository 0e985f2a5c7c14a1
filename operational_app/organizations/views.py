"""The list 服务商 (market entities beside institutions), and one entity's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from huiyang.field_crypto import row_context
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, Number, done, notice_of, work_of
from operational_app.identity.administration import Refused
from operational_app.institutions.queries import matches_name, permits_of
from operational_app.organizations.managers import appoint, candidates, is_managed, why_not_appoint
from operational_app.organizations.models import (
    Organization,
    OrganizationKind,
    OrganizationKindCode,
    OrganizationStatus,
)
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.filters import ChoiceFilter, DivisionFilter, TextFilter, code_filter
from operational_app.web.formats import NOTHING, division, mask_phone
from operational_app.web.rights import pages_of
from operational_app.web.scoping import in_division
from operational_app.web.services import page, services, session, today
from operational_app.workforce.models import Staff

#: Institutions have a list of their own.
PROVIDER_KINDS = [kind for kind in OrganizationKindCode if kind is not OrganizationKindCode.INSTITUTION]
STATUS_COLOURS = {
    OrganizationStatus.ACTIVE: "green",
    OrganizationStatus.SUSPENDED: "orange",
    OrganizationStatus.CLOSED: "secondary",
}
_ORDER = {"name": Organization.name_pinyin, "division_code": Organization.division_code}


@dataclass(frozen=True)
class ProviderRow:
    """One line of the list."""

    id: int
    name: str
    kinds: str
    credit_code: str | None
    division_code: str
    status: OrganizationStatus


def kinds_of(work: Session, keys: Sequence[int]) -> dict[int, str]:
    """What each organization acts as: 服务商、评估机构."""
    statement = select(OrganizationKind.organization_id, OrganizationKind.kind)
    labels: dict[int, list[str]] = {}
    for key, kind in work.execute(statement.where(OrganizationKind.organization_id.in_(keys))):
        labels.setdefault(key, []).append(kind.label)
    return {key: "、".join(kinds) for key, kinds in labels.items()}


class ProviderView(ArchiveView):
    key = "providers"
    menu_label = "服务商"
    resource = Resource.PROVIDERS
    record_address = "/providers/{id}"
    empty_text = "没有符合条件的服务商"
    list_filters = (
        TextFilter("name", "名称", placeholder="名称、拼音、首字母或信用代码"),
        ChoiceFilter("kind", "类别", tuple((kind.value, kind.label) for kind in PROVIDER_KINDS)),
        code_filter("status", "状态", OrganizationStatus),
        DivisionFilter("division", "注册地"),
    )
    fields = (
        column("name", "名称", "record", sortable=True),
        column("kinds", "类别", is_short=True),
        column("credit_code", "统一社会信用代码", "code"),
        column("division_code", "注册地", sortable=True, getter=lambda request, row: division(row.division_code)),
        column("status", "状态", "badge", getter=lambda request, row: (row.status.label, STATUS_COLOURS[row.status])),
    )
    fields_default_sort = ("name",)

    def search(self, call: ListCall) -> Found:
        values = call.filters.values
        kinds = [values["kind"]] if "kind" in values else PROVIDER_KINDS
        acting = select(OrganizationKind.organization_id).where(OrganizationKind.kind.in_(kinds))
        statement = select(Organization).where(Organization.id.in_(acting))
        if name := values.get("name"):
            statement = statement.where(matches_name(name))
        if code := values.get("division"):
            statement = statement.where(in_division(Organization.division_code, code))
        if status := values.get("status"):
            statement = statement.where(Organization.status == status)
        total = count_up_to(call.session, statement, MOST_LISTED + 1)
        for field, direction in call.sorts:
            order = _ORDER[field]
            statement = statement.order_by(order.desc() if direction == "desc" else order)
        found = call.session.scalars(statement.order_by(Organization.id).offset(call.skip).limit(call.limit)).all()
        kinds_by_key = kinds_of(call.session, [row.id for row in found])
        rows = [
            ProviderRow(row.id, row.name, kinds_by_key.get(row.id, ""), row.credit_code, row.division_code, row.status)
            for row in found
        ]
        return found_page(rows, total, call.skip, call.limit)


router = pages_of(Resource.PROVIDERS)


@router.get("/providers/{key:int}")
def provider_page(request: Request, key: int) -> Response:
    return _provider_page(request, key)


@router.post("/providers/{key:int}/manager")
def appoint_manager(request: Request, key: int, account: Number) -> Response:
    """Appoints a manager where the entity has none."""
    work = work_of(request)
    organization = work.session.get(Organization, key)
    if organization is None:
        raise HTTPException(404)
    try:
        appoint(work, organization, account)
    except Refused as problem:
        work.session.rollback()
        return _provider_page(request, key, str(problem))
    return done(f"/providers/{key}", "granted")


def _provider_page(request: Request, key: int, error: str = "") -> HTMLResponse:
    work = session(request)
    organization = work.get(Organization, key)
    if organization is None:
        raise HTTPException(404)
    cipher = organization.contact_phone_cipher
    context = row_context("organizations.organization", "contact_phone_cipher", key)
    on = today()
    staff = work.scalar(
        select(func.count()).where(Staff.organization_id == key, or_(Staff.left_on.is_(None), Staff.left_on > on))
    )
    user = work_of(request)
    may_appoint = why_not_appoint(user) is None and not is_managed(user, key)
    return page(
        request,
        "organizations/file.html",
        REFUSED if error else 200,
        title=organization.name,
        organization=organization,
        kinds=kinds_of(work, [key]).get(key),
        colour=STATUS_COLOURS[organization.status],
        contact_phone=mask_phone(services(request).crypto.decrypt(cipher, context)) if cipher else NOTHING,
        permits=permits_of(work, key, on),
        staff=staff,
        may_appoint=may_appoint,
        people=[(person.id, f"{person.display_name}（{person.username}）") for person in candidates(user, key)]
        if may_appoint
        else [],
        error=error,
        notice=notice_of(request),
    )
