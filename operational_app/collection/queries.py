"""What pages of collection read, in sets: the last period's figures, the platform's own counts, progress."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from huiyang.divisions import ReportingUnit, division_tree
from huiyang.periods import Period
from operational_app.collection.forms import FieldKind, form_of
from operational_app.collection.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    Filing,
    FilingState,
    SubjectKind,
    Submission,
)
from operational_app.elders.models import AbilityLevel
from operational_app.facilities.models import DayCareEnrolment, Facility
from operational_app.institutions.models import DischargeReason, Institution, Residency
from operational_app.web.scoping import in_division

_NO_PREVIOUS: tuple[str | None, Mapping[str, str]] = (None, {})


def previous_figures(session: Session, filings: Sequence[Filing]) -> dict[int, tuple[str | None, Mapping[str, str]]]:
    """Of each filing the last earlier period that was accepted, with its figures as stored.

    Args:
        filings: of one kind and period.
    """
    found: dict[int, tuple[str | None, Mapping[str, str]]] = {filing.id: _NO_PREVIOUS for filing in filings}
    for column, subject in (
        (Filing.institution_id, SubjectKind.INSTITUTION),
        (Filing.facility_id, SubjectKind.FACILITY),
    ):
        keys = [filing.id for filing in filings if filing.subject is subject]
        if not keys:
            continue
        now, before = aliased(Filing), aliased(Filing)
        statement = (
            select(now.id, before.period, Submission.figures)
            .join(
                before,
                and_(
                    before.kind == now.kind, getattr(before, column.key) == getattr(now, column.key),
                    before.period < now.period, before.accepted_number.is_not(None),
                ),
            )
            .join(
                Submission,
                and_(Submission.filing_id == before.id, Submission.number == before.accepted_number),
            )
            .where(now.id.in_(keys))
            .ext(distinct_on(now.id))
            .order_by(now.id, before.period.desc())
        )  # fmt: skip
        for key, period, figures in session.execute(statement):
            found[key] = (period, figures)
    return found


def system_figures(session: Session, filings: Sequence[Filing]) -> dict[int, dict[str, str]]:
    """The platform's own counts for each filing, as stored; a field that it cannot count is left out.

    Args:
        filings: of one kind and period.
    """
    found: dict[int, dict[str, str]] = {filing.id: {} for filing in filings}
    if not filings:
        return found
    period = Period.parse(filings[0].period)
    institutions = {f.institution_id: f.id for f in filings if f.institution_id is not None}
    facilities = {f.facility_id: f.id for f in filings if f.facility_id is not None}
    if filings[0].kind is CampaignKind.OPERATING:
        for key, figures in _residents(session, list(institutions), period).items():
            found[institutions[key]] = figures
        for key, count in _day_care(session, list(facilities), period.end_date).items():
            found[facilities[key]] = {"day_care_count": str(count)}
        return found
    for institution in session.scalars(select(Institution).where(Institution.id.in_(list(institutions)))):
        found[institutions[institution.id]] = _profile(institution, SubjectKind.INSTITUTION)
    for facility in session.scalars(select(Facility).where(Facility.id.in_(list(facilities)))):
        found[facilities[facility.id]] = _profile(facility, SubjectKind.FACILITY)
    return found


def _profile(record: object, subject: SubjectKind) -> dict[str, str]:
    """What the subject's own record says of the fields of base data; a record's column has its field's name."""
    figures = {}
    for field in form_of(CampaignKind.BASE, subject).fields:
        value = getattr(record, field.code, None)
        if value is None:
            continue
        if field.kind is FieldKind.YES_NO:
            figures[field.code] = "yes" if value else "no"
        elif field.kind is FieldKind.AMOUNT:
            figures[field.code] = str(Decimal(value).quantize(Decimal("0.01")))
        else:
            figures[field.code] = str(getattr(value, "value", value))
    return figures


def _residents(session: Session, keys: Sequence[int], period: Period) -> dict[int, dict[str, str]]:
    """Residents at a month's end by ability level, admissions, discharges and deaths, of institutions that register
    residents on the platform.

    A stay that began with a change of beds is no admission; one that ended with one is no discharge.
    """
    start, after = period.start_date, period.next.start_date
    in_house = and_(Residency.admitted_on < after, func.coalesce(Residency.discharged_on, after) >= after)
    left = and_(
        Residency.discharged_on >= start, Residency.discharged_on < after,
        Residency.discharge_reason.is_distinct_from(DischargeReason.BED_CHANGE),
    )  # fmt: skip
    admitted = and_(Residency.admitted_on >= start, Residency.admitted_on < after, Residency.first_id.is_(None))
    died = Residency.discharge_reason.is_not_distinct_from(DischargeReason.DEATH)
    levels = [
        func.count().filter(in_house, Residency.ability_level == level).label(f"resident_{level.value}")
        for level in AbilityLevel
    ]
    statement = (
        select(
            Residency.institution_id,
            func.count().filter(in_house).label("resident_count"),
            *levels,
            func.count().filter(in_house, Residency.ability_level.is_(None)).label("resident_unassessed"),
            func.count().filter(admitted).label("admission_count"),
            func.count().filter(left, ~died).label("discharge_count"),
            func.count().filter(left, died).label("death_count"),
        )
        .where(Residency.institution_id.in_(keys))
        .group_by(Residency.institution_id)
    )
    return {
        row["institution_id"]: {name: str(value) for name, value in row.items() if name != "institution_id"}
        for row in session.execute(statement).mappings()
    }


def _day_care(session: Session, keys: Sequence[int], end: date) -> dict[int, int]:
    statement = (
        select(DayCareEnrolment.facility_id, func.count())
        .where(
            DayCareEnrolment.facility_id.in_(keys), DayCareEnrolment.enrolled_on <= end,
            func.coalesce(DayCareEnrolment.left_on, end) >= end,
        )
        .group_by(DayCareEnrolment.facility_id)
    )  # fmt: skip
    return {row[0]: row[1] for row in session.execute(statement)}


@dataclass
class Progress:
    """How far a county's filings are."""

    code: str
    counts: dict[FilingState, int]
    overdue: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def progress(session: Session, campaigns: Sequence[int], today: date) -> dict[int, list[Progress]]:
    """By campaign and county (of what the user sees), counties in order of their codes."""
    county: ColumnElement[str] = func.left(Filing.division_code, 6)
    late = func.count().filter(
        Filing.due_on < today, Filing.state.in_((FilingState.DUE, FilingState.DRAFT, FilingState.RETURNED))
    )
    rows = session.execute(
        select(Filing.campaign_id, county, Filing.state, func.count(), late)
        .where(Filing.campaign_id.in_(campaigns))
        .group_by(Filing.campaign_id, county, Filing.state)
    )
    found: dict[int, dict[str, Progress]] = defaultdict(dict)
    for campaign_id, prefix, state, count, overdue in rows:
        part = found[campaign_id].setdefault(prefix, Progress(f"{prefix}000000", {}))
        part.counts[state] = count
        part.overdue += overdue
    return {key: [parts[code] for code in sorted(parts)] for key, parts in found.items()}


def unit_progress(session: Session, campaign_id: int, today: date) -> list[tuple[str, Progress]]:
    """(name, progress) of the reporting units of which the user sees filings; counties count the same filings, too."""
    units = division_tree().reporting_units
    towns = {code[:9]: unit for unit in units for code in unit.town_codes}
    town: ColumnElement[str] = func.left(Filing.division_code, 9)
    late = func.count().filter(Filing.due_on < today, Filing.state.in_(_TO_FILL))
    rows = session.execute(
        select(town, Filing.state, func.count(), late)
        .where(Filing.campaign_id == campaign_id, in_unit(*units))
        .group_by(town, Filing.state)
    )
    found: dict[str, Progress] = {}
    for prefix, state, count, overdue in rows:
        part = found.setdefault(towns[prefix].code, Progress(towns[prefix].code, {}))
        part.counts[state] = part.counts.get(state, 0) + count
        part.overdue += overdue
    return [(unit.name, found[unit.code]) for unit in units if unit.code in found]


def in_unit(*units: ReportingUnit) -> ColumnElement[bool]:
    """A filing lies in one of the reporting units."""
    return or_(*(in_division(Filing.division_code, code) for unit in units for code in unit.town_codes))


def campaigns_seen(session: Session, skip: int, limit: int) -> list[Campaign]:
    """Open ones first, then the newest."""
    statement = select(Campaign).order_by(Campaign.state.desc(), Campaign.due_on.desc(), Campaign.id.desc())
    return list(session.scalars(statement.offset(skip).limit(limit)))


def subjects_of(session: Session, campaign_id: int) -> list[SubjectKind]:
    """Kinds of subjects that the user sees in a campaign."""
    institutions, facilities = session.execute(
        select(func.count(Filing.institution_id), func.count(Filing.facility_id)).where(
            Filing.campaign_id == campaign_id
        )
    ).one()
    counts = {SubjectKind.INSTITUTION: institutions, SubjectKind.FACILITY: facilities}
    return [subject for subject, count in counts.items() if count]


@dataclass(frozen=True)
class Waiting:
    """How many filings wait, and whether some are late or were reminded of."""

    count: int
    is_late: bool


_TO_FILL = (FilingState.DUE, FilingState.DRAFT, FilingState.RETURNED)


def waiting_to_fill(session: Session, organization_id: int | None, today: date) -> Waiting:
    """What the user's organization has to file; for government staff what no organization files itself."""
    whose = Filing.organization_id.is_(None) if organization_id is None else Filing.organization_id == organization_id
    count, first_due = session.execute(
        select(func.count(), func.min(Filing.due_on))
        .join(Campaign, Campaign.id == Filing.campaign_id)
        .where(Filing.state.in_(_TO_FILL), whose, Campaign.state == CampaignState.OPEN)
    ).one()
    return Waiting(count, first_due is not None and first_due < today)


def waiting_to_check(session: Session, account_id: int, today: date) -> Waiting:
    """What was handed in by others."""
    count, first_due = session.execute(
        select(func.count(), func.min(Filing.due_on)).where(
            Filing.state == FilingState.SUBMITTED, Filing.submitted_by != account_id
        )
    ).one()
    return Waiting(count, first_due is not None and first_due < today)
