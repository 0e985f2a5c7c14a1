"""Which papers an entity hands in, by when a request is due, who decides it. A refusal is Chinese text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from operational_app.joining.models import DocumentKind, RequestKind, RequestState
from operational_app.organizations.models import OrganizationKindCode

#: Row 9 of the plan: who may apply.
ENTITY_KINDS = (
    OrganizationKindCode.PROVIDER,
    OrganizationKindCode.BED_PROVIDER,
    OrganizationKindCode.ASSESSOR,
    OrganizationKindCode.DEVICE_VENDOR,
    OrganizationKindCode.MEAL_PROVIDER,
)
_PAPERS = (DocumentKind.LICENCE, DocumentKind.AUTHORISATION)
REQUIRED_DOCUMENTS: Mapping[OrganizationKindCode, tuple[DocumentKind, ...]] = {
    OrganizationKindCode.PROVIDER: (*_PAPERS, DocumentKind.SERVICE),
    OrganizationKindCode.BED_PROVIDER: (*_PAPERS, DocumentKind.SERVICE),
    OrganizationKindCode.ASSESSOR: (*_PAPERS, DocumentKind.ASSESSOR),
    OrganizationKindCode.DEVICE_VENDOR: (*_PAPERS, DocumentKind.PRODUCT),
    OrganizationKindCode.MEAL_PROVIDER: (*_PAPERS, DocumentKind.FOOD),
}
#: Papers with a number and an end, which are watched afterwards.
PERMITS = (DocumentKind.LICENCE, DocumentKind.SERVICE, DocumentKind.ASSESSOR, DocumentKind.FOOD)
#: Natural days to decide. The bureau may set others: 行政许可法 第四十二条 allows twenty working days at most.
DAYS_TO_DECIDE = {RequestKind.DEPARTMENT: 5, RequestKind.ENTITY: 20, RequestKind.MEMBER: 5}
_COUNTY_DIGITS = 6


def due_on(kind: RequestKind, submitted: date) -> date:
    return submitted + timedelta(days=DAYS_TO_DECIDE[kind])


@dataclass(frozen=True)
class Decider:
    """Whoever wants to decide.

    Attributes:
        division_lo: start of their division range; None for people of an organization.
        has_unit: of a reporting unit, which decides as a county does.
    """

    account_id: int
    division_lo: str | None
    has_unit: bool
    organization_id: int | None


def is_county_or_above(division_lo: str | None, *, has_unit: bool) -> bool:
    """Whether a department is a county's, the city's or a reporting unit's.

    Args:
        division_lo: start of its division range; None for people of an organization.
    """
    return has_unit or (division_lo is not None and len(division_lo) <= _COUNTY_DIGITS)


def why_not_decide(
    decider: Decider,
    kind: RequestKind,
    state: RequestState,
    applicant_id: int,
    organization_id: int | None,
    *,
    is_managed: bool = True,
) -> str | None:
    """Why somebody may not decide a request that their scope shows them.

    A department decides on its own people, and whoever is above it; an entity is admitted by the county or the city,
    who also let people into an entity that has no manager.

    Args:
        is_managed: the entity to join has somebody who lets people in.
    """
    if decider.account_id == applicant_id:
        return "申请人不能办理自己的申请。"
    if state is not RequestState.SUBMITTED:
        return f"该申请{state.label}，不能再办理。"
    if kind is RequestKind.MEMBER and (is_managed or decider.organization_id is not None):
        return None if decider.organization_id == organization_id else "应由该单位的管理员办理。"
    if decider.division_lo is None:
        return "应由政府部门办理。"
    if kind is not RequestKind.DEPARTMENT and not is_county_or_above(decider.division_lo, has_unit=decider.has_unit):
        what = "市场主体入驻" if kind is RequestKind.ENTITY else "没有管理员的单位"
        return f"{what}由县（市、区）或市民政局办理。"
    return None


def missing_documents(kind: OrganizationKindCode, given: Mapping[DocumentKind, date | None], today: date) -> list[str]:
    """What is missing or has run out among an entity's papers.

    Args:
        given: paper → until when it is valid; None for one without an end.
    """
    missing = [f"缺少{paper.label}" for paper in REQUIRED_DOCUMENTS[kind] if paper not in given]
    return missing + [f"{paper.label}已过有效期" for paper, until in given.items() if until and until < today]
