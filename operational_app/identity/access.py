"""What a role may open. Whose records it sees there is row-level security's business, not this one's.

Deny by default: a page names its resource, a role lists its resources, and what is listed nowhere is shut. Issue 3
turns roles into data; the resources stay.
"""

from __future__ import annotations

from enum import StrEnum

from operational_app.identity.models import RoleCode


class Resource(StrEnum):
    """A page, an application or an act that needs a right."""

    WORKBENCH = "workbench"
    COCKPITS = "cockpits"
    PIPELINES = "pipelines"
    ELDERS = "elders"
    ELDER_NUMBERS = "elder_numbers"  # whole ID number, phone and address of an elder
    ELDER_HEALTH = "elder_health"  # medical history, assessments, vital signs of an elder
    INSTITUTIONS = "institutions"
    FACILITIES = "facilities"
    PROVIDERS = "providers"
    ORDERS = "orders"
    QUALITY = "quality"
    QUALITY_REPORTS = "quality_reports"


_ARCHIVES = {
    Resource.ELDERS,
    Resource.INSTITUTIONS,
    Resource.FACILITIES,
    Resource.PROVIDERS,
    Resource.ORDERS,
}
_PERSON = {Resource.ELDER_NUMBERS, Resource.ELDER_HEALTH}

ROLE_RESOURCES: dict[RoleCode, frozenset[Resource]] = {
    RoleCode.SYSTEM_ADMINISTRATOR: frozenset({Resource.COCKPITS, Resource.PIPELINES}),
    RoleCode.SECURITY_ADMINISTRATOR: frozenset(),
    RoleCode.AUDIT_ADMINISTRATOR: frozenset(),
    RoleCode.LEADER: frozenset({Resource.COCKPITS, Resource.QUALITY, *_ARCHIVES}),
    RoleCode.DATA_STAFF: frozenset(
        {Resource.COCKPITS, Resource.PIPELINES, Resource.QUALITY, Resource.QUALITY_REPORTS, *_ARCHIVES, *_PERSON}
    ),
    RoleCode.AUDITOR: frozenset({Resource.COCKPITS, Resource.QUALITY, Resource.QUALITY_REPORTS, *_ARCHIVES}),
    RoleCode.OPERATOR: frozenset(
        {
            Resource.COCKPITS,
            Resource.ELDERS,
            Resource.ELDER_NUMBERS,
            Resource.FACILITIES,
            Resource.PROVIDERS,
            Resource.ORDERS,
        }
    ),
    RoleCode.PROVIDER_STAFF: frozenset({Resource.ELDERS, Resource.ELDER_NUMBERS, Resource.ORDERS}),
    RoleCode.INSTITUTION_MANAGER: frozenset({Resource.ELDERS, Resource.INSTITUTIONS, *_PERSON}),
}


def may_open(role: RoleCode, resource: Resource) -> bool:
    """Whether the role has the right; everybody who is signed in has the workbench."""
    return resource is Resource.WORKBENCH or resource in ROLE_RESOURCES.get(role, frozenset())
