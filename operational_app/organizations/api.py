"""本单位信息 over the REST API: the own record with its permits, and who manages it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field
from starlette.requests import Request

from operational_app.api.operations import Asked, Day, Done, Key, Line, Told, Versioned, needs, operations
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import work_of
from operational_app.institutions.queries import permits_of
from operational_app.organizations.models import Organization, OrganizationStatus, QualificationKind
from operational_app.organizations.own_pages import contact_phone_of, keep_permit, managers_of, own, own_permit, save
from operational_app.web.services import services, session, today

router = operations("本单位信息")


class PermitTold(Told):
    id: int
    kind: QualificationKind
    number: str | None
    issued_on: date | None
    expires_on: date | None
    state: str = Field(description="有效、即将到期、已过期或未取得")


class OrganizationTold(Told):
    id: int
    name: str
    credit_code: str | None
    division_code: str
    address: str | None
    legal_person: str | None
    contact_name: str | None
    contact_phone: str = Field(description="掩码显示")
    status: OrganizationStatus
    permits: list[PermitTold]
    row_version: int


class ManagerTold(Told):
    username: str
    display_name: str
    roles: str


class OrganizationChange(Versioned):
    address: Line = ""
    legal_person: Line = ""
    contact_name: Line = ""
    contact_phone: Line = Field("", description="不填则保留原号码")


class PermitChange(Asked):
    number: Annotated[Line, Field(max_length=50)] = Field(description="编号")
    issued_on: Day | None = None
    expires_on: Day | None = Field(None, description="有效期至；长期有效不填")


class NewPermit(PermitChange):
    kind: QualificationKind


def _told(request: Request, found: Organization) -> OrganizationTold:
    return OrganizationTold(
        id=found.id, name=found.name, credit_code=found.credit_code, division_code=found.division_code,
        address=found.address, legal_person=found.legal_person, contact_name=found.contact_name,
        contact_phone=contact_phone_of(request, found), status=found.status,
        permits=[
            PermitTold(
                id=permit.id, kind=permit.kind, number=permit.number, issued_on=permit.issued_on,
                expires_on=permit.expires_on, state=state,
            )
            for permit, state in permits_of(session(request), found.id, today())
        ],
        row_version=found.row_version,
    )  # fmt: skip


@router.get("/organization", summary="本单位信息", **needs(Resource.OWN_ORGANIZATION))
def own_organization(request: Request) -> OrganizationTold:
    return _told(request, own(request))


@router.put("/organization", summary="修改本单位信息", **needs(Resource.OWN_ORGANIZATION))
def change_organization(request: Request, asked: OrganizationChange) -> OrganizationTold:
    given = asked.model_dump(include={"address", "legal_person", "contact_name"})
    work = work_of(request)
    save(work, services(request).crypto, own(request).id, given, asked.contact_phone, asked.row_version)
    return _told(request, own(request))


@router.post("/organization/permits", summary="新增证照", **needs(Resource.OWN_ORGANIZATION, creates=True))
def add_permit(request: Request, asked: NewPermit) -> Done:
    made = keep_permit(
        work_of(request), own(request), None, asked.kind, asked.number, asked.issued_on, asked.expires_on
    )  # fmt: skip
    return Done(id=made.id)


@router.put("/organization/permits/{key}", summary="更新证照", **needs(Resource.OWN_ORGANIZATION))
def change_permit(request: Request, key: Key, asked: PermitChange) -> OrganizationTold:
    work, organization = work_of(request), own(request)
    permit = own_permit(work, organization, key)
    keep_permit(work, organization, permit, permit.kind, asked.number, asked.issued_on, asked.expires_on)
    return _told(request, own(request))


@router.get("/organization/managers", summary="本单位人员", **needs(Resource.OWN_ORGANIZATION))
def managers(request: Request) -> list[ManagerTold]:
    return [
        ManagerTold(username=username, display_name=name, roles=roles)
        for username, name, roles in managers_of(session(request), own(request).id)
    ]
