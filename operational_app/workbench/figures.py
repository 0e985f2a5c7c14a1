"""Figures of the workbench: live counts in a scope, dear at city scale, so that the page keeps them for minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.core.row_security import ScopeSetting
from operational_app.devices.models import Alarm, AlarmStatus
from operational_app.elders.search import count_persons
from operational_app.facilities.models import Facility, FacilityStatus
from operational_app.family_beds.models import FamilyBed, FamilyBedStatus
from operational_app.home_service.models import OrderStatus, ServiceOrder
from operational_app.identity.access import Resource
from operational_app.institutions.models import Bed, BedStatus, Institution, OperatingStatus, Residency
from operational_app.web.scoping import in_scope


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        note: what else is worth knowing, in small.
        url: the list behind it.
    """

    label: str
    value: int
    unit: str
    note: str = ""
    url: str | None = None


@dataclass(frozen=True)
class _Kind:
    resource: Resource
    count: Callable[[Session, ScopeSetting, date], list[Figure]]


def figures_for(session: Session, scope: ScopeSetting, resources: frozenset[Resource], today: date) -> list[Figure]:
    """All figures that the rights allow, in the scope."""
    return [figure for kind in _KINDS if kind.resource in resources for figure in kind.count(session, scope, today)]


def cache_key(scope: ScopeSetting, resources: frozenset[Resource], today: date) -> tuple[object, ...]:
    """Users of one scope and the same rights see the same figures."""
    return replace(scope, account_id=None), resources, today


def _elders(session: Session, scope: ScopeSetting, today: date) -> list[Figure]:
    return [Figure("在册老人", count_persons(session, scope), "人", url="/elders/list")]


def _institutions(session: Session, scope: ScopeSetting, today: date) -> list[Figure]:
    operating = select(func.count()).select_from(Institution).where(
        Institution.operating_status == OperatingStatus.OPERATING
    )  # fmt: skip
    beds = select(func.count()).select_from(Bed).where(Bed.status != BedStatus.CLOSED)
    residents = (
        select(func.count())
        .select_from(Residency)
        .where(
            Residency.admitted_on <= today,
            or_(Residency.discharged_on.is_(None), Residency.discharged_on > today),
        )
    )
    return [
        Figure("运营中的养老机构", session.scalar(operating) or 0, "家", url="/institutions/list"),
        Figure("机构床位", session.scalar(beds) or 0, "张", f"入住 {session.scalar(residents) or 0:,} 人"),
    ]


def _facilities(session: Session, scope: ScopeSetting, today: date) -> list[Figure]:
    operating = select(func.count()).select_from(Facility).where(Facility.status == FacilityStatus.OPERATING)
    return [Figure("社区养老设施", session.scalar(operating) or 0, "处", url="/facilities/list")]


def _family_beds(session: Session, scope: ScopeSetting, today: date) -> list[Figure]:
    in_bed = [in_scope(FamilyBed.division_code, scope), FamilyBed.status == FamilyBedStatus.OPEN]
    alarms = [in_scope(Alarm.division_code, scope), Alarm.status != AlarmStatus.CLOSED]
    return [
        Figure(
            "家庭养老床位",
            session.scalar(select(func.count()).select_from(FamilyBed).where(*in_bed)) or 0,
            "张",
            "在床",
        ),
        Figure("未办结报警", session.scalar(select(func.count()).select_from(Alarm).where(*alarms)) or 0, "起"),
    ]


def _orders(session: Session, scope: ScopeSetting, today: date) -> list[Figure]:
    this_month = today.replace(day=1)
    last_month = _month_before(this_month)

    def finished(first: date, before: date | None) -> int:
        conditions = [
            in_scope(ServiceOrder.division_code, scope),
            ServiceOrder.finished_at >= datetime.combine(first, time(), BUSINESS_TIMEZONE),
            ServiceOrder.status == OrderStatus.FINISHED,
        ]
        if before is not None:
            conditions.append(ServiceOrder.finished_at < datetime.combine(before, time(), BUSINESS_TIMEZONE))
        return session.scalar(select(func.count()).select_from(ServiceOrder).where(*conditions)) or 0

    before_now = finished(last_month, this_month)
    return [Figure("本月完成工单", finished(this_month, None), "单", f"上月 {before_now:,} 单", "/orders/list")]


def _month_before(first_day: date) -> date:
    is_january = first_day.month == 1
    return first_day.replace(year=first_day.year - is_january, month=12 if is_january else first_day.month - 1)


_KINDS = (
    _Kind(Resource.ELDERS, _elders),
    _Kind(Resource.INSTITUTIONS, _institutions),
    _Kind(Resource.FACILITIES, _facilities),
    _Kind(Resource.ELDERS, _family_beds),
    _Kind(Resource.ORDERS, _orders),
)
