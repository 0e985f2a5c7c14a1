"""What the pages of 养老机构 read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session

from huiyang.field_crypto import FieldCrypto, row_context
from huiyang.identifiers import normalise_identifier
from huiyang.names import normalise_name, pinyin_ranges, prefix_range
from operational_app.elders.models import Elder
from operational_app.institutions.models import (
    Bed,
    BedStatus,
    Institution,
    InstitutionType,
    Nature,
    OperatingStatus,
    Residency,
    Room,
)
from operational_app.organizations.models import Organization, Qualification
from operational_app.web.formats import NOTHING, mask_phone
from operational_app.web.scoping import in_division
from operational_app.workforce.models import Certificate, Occupation, Staff

#: A permit is called close to its end so long before it.
EXPIRES_SOON = timedelta(days=90)
_MOST_RESIDENTS = 100


@dataclass(frozen=True)
class InstitutionRow:
    """One line of the list.

    Attributes:
        beds: not closed; residents: today.
        expired, expiring: permits past their end, permits that end within EXPIRES_SOON.
    """

    id: int
    name: str
    credit_code: str | None
    institution_type: InstitutionType
    nature: Nature
    division_code: str
    grade: int | None
    operating_status: OperatingStatus
    beds: int
    residents: int
    expired: int
    expiring: int


def matches_name(name: str) -> ColumnElement[bool]:
    """An organization whose name holds these characters, or starts with this pinyin or these initials.

    Organizations are a few thousand at most, so that a search inside the name is cheap.
    """
    text = normalise_name(name)
    if not text.isascii():
        return Organization.name.contains(text, autoescape=True)
    ranges = [(Organization.name_pinyin, *r) for r in pinyin_ranges(text)]
    ranges.append((Organization.name_initials, *prefix_range(text.lower().replace(" ", ""))))
    return or_(
        Organization.credit_code == normalise_identifier(text),
        *(and_(column >= lo, column < hi) for column, lo, hi in ranges),
    )


def listing(values: dict[str, Any]) -> Select[Institution, Organization]:
    """Institutions with their organizations, for the conditions of the list (filter name → value)."""
    statement = select(Institution, Organization).join(Organization, Organization.id == Institution.organization_id)
    if name := values.get("name"):
        statement = statement.where(matches_name(name))
    if code := values.get("division"):
        statement = statement.where(in_division(Institution.division_code, code))
    for column in (Institution.institution_type, Institution.nature, Institution.operating_status):
        if (value := values.get(column.key)) is not None:
            statement = statement.where(column == value)
    if (grade := values.get("grade")) is not None:
        statement = statement.where(Institution.grade == int(grade))
    return statement


def rows_of(session: Session, statement: Select[Institution, Organization], today: date) -> list[InstitutionRow]:
    """The rows of one page of `listing`, with their counts."""
    found = session.execute(statement).all()
    keys = [institution.id for institution, _ in found]
    organizations = [organization.id for _, organization in found]
    beds = _grouped(
        session, Bed.institution_id, Bed.institution_id.in_(keys), Bed.status != BedStatus.CLOSED
    )  # fmt: skip
    residents = _grouped(session, Residency.institution_id, Residency.institution_id.in_(keys), *_living_in(today))
    permits = Qualification.organization_id
    expired = _grouped(session, permits, permits.in_(organizations), Qualification.expires_on < today)
    expiring = _grouped(
        session, permits, permits.in_(organizations), Qualification.expires_on.between(today, today + EXPIRES_SOON)
    )
    return [
        InstitutionRow(
            id=institution.id,
            name=organization.name,
            credit_code=organization.credit_code,
            institution_type=institution.institution_type,
            nature=institution.nature,
            division_code=institution.division_code,
            grade=institution.grade,
            operating_status=institution.operating_status,
            beds=beds.get(institution.id, 0),
            residents=residents.get(institution.id, 0),
            expired=expired.get(organization.id, 0),
            expiring=expiring.get(organization.id, 0),
        )
        for institution, organization in found
    ]


def _grouped(session: Session, key: Any, *conditions: ColumnElement[bool]) -> dict[int, int]:
    statement = select(key, func.count()).where(*conditions).group_by(key)
    return dict(session.execute(statement).all())


def lives_there(today: date) -> ColumnElement[bool]:
    """Somebody lives in the bed."""
    return select(Residency.id).where(Residency.bed_id == Bed.id, *_living_in(today)).exists()


def _living_in(today: date) -> tuple[ColumnElement[bool], ...]:
    return (
        Residency.admitted_on <= today,
        or_(Residency.discharged_on.is_(None), Residency.discharged_on > today),
    )


@dataclass(frozen=True)
class InstitutionFile:
    """What an institution's page shows.

    Attributes:
        beds: (kind, status) → count. staff: occupation → (count, of which with a certificate).
        residents: (residency, elder or None where the user may not see the person, room and bed).
        by_ability: level's label → residents.
    """

    institution: Institution
    organization: Organization
    contact_phone: str
    permits: Sequence[tuple[Qualification, str]]
    beds: dict[tuple[str, str], int]
    bed_count: int
    staff: dict[Occupation, tuple[int, int]]
    residents: Sequence[tuple[Residency, Elder | None, str]]
    resident_count: int
    by_ability: dict[str, int]


def load_file(session: Session, key: int, crypto: FieldCrypto, today: date) -> InstitutionFile | None:
    """The file of institution `key`; None where there is none in the session's scope."""
    row = session.execute(listing({}).where(Institution.id == key)).one_or_none()
    if row is None:
        return None
    institution, organization = row
    cipher = organization.contact_phone_cipher
    context = row_context("organizations.organization", "contact_phone_cipher", organization.id)
    # A bed with a resident is occupied, whatever was entered by hand (rules.shown_status).
    shown = case((lives_there(today), literal(BedStatus.OCCUPIED, Bed.status.type)), else_=Bed.status).label("shown")
    by_bed = select(Bed.kind, shown).where(Bed.institution_id == key).subquery()
    counted = select(by_bed.c.kind, by_bed.c.shown, func.count()).group_by(by_bed.c.kind, by_bed.c.shown)
    rows: Iterable[Any] = session.execute(counted)
    beds = {(kind.label, status.label): count for kind, status, count in rows}
    by_ability = session.execute(
        select(Residency.ability_level, func.count())
        .where(Residency.institution_id == key, *_living_in(today))
        .group_by(Residency.ability_level)
    ).all()
    return InstitutionFile(
        institution=institution,
        organization=organization,
        contact_phone=mask_phone(crypto.decrypt(cipher, context)) if cipher else NOTHING,
        permits=permits_of(session, organization.id, today),
        beds=beds,
        bed_count=sum(count for (_, status), count in beds.items() if status != BedStatus.CLOSED.label),
        staff=_staff(session, organization.id, today),
        residents=_residents(session, key, today),
        resident_count=sum(count for _, count in by_ability),
        by_ability={level.label if level else "未评估": count for level, count in by_ability},
    )


def permits_of(session: Session, organization_id: int, today: date) -> list[tuple[Qualification, str]]:
    """Permits with their state: 已过期, 即将到期, 有效, or 未取得 with the reason beside it."""
    statement = select(Qualification).where(Qualification.organization_id == organization_id)
    found = []
    for permit in session.scalars(statement.order_by(Qualification.kind, Qualification.expires_on)):
        if permit.number is None and permit.absent_reason:
            state = "未取得"
        elif permit.expires_on is not None and permit.expires_on < today:
            state = "已过期"
        elif permit.expires_on is not None and permit.expires_on <= today + EXPIRES_SOON:
            state = "即将到期"
        else:
            state = "有效"
        found.append((permit, state))
    return found


def _staff(session: Session, organization_id: int, today: date) -> dict[Occupation, tuple[int, int]]:
    has_certificate = (
        select(Certificate.id)
        .where(Certificate.staff_id == Staff.id, or_(Certificate.expires_on.is_(None), Certificate.expires_on >= today))
        .exists()
    )
    statement = (
        select(Staff.occupation, func.count(), func.count().filter(has_certificate))
        .where(Staff.organization_id == organization_id, or_(Staff.left_on.is_(None), Staff.left_on > today))
        .group_by(Staff.occupation)
    )
    return {occupation: (count, certified) for occupation, count, certified in session.execute(statement)}


def _residents(session: Session, key: int, today: date) -> list[tuple[Residency, Elder | None, str]]:
    statement = (
        select(Residency, Elder, Room.floor, Room.name, Bed.name)
        .join(Bed, Bed.id == Residency.bed_id)
        .join(Room, Room.id == Bed.room_id)
        .outerjoin(Elder, Elder.id == Residency.elder_id)
        .where(Residency.institution_id == key, *_living_in(today))
        .order_by(Room.floor, Room.name, Bed.name)
        .limit(_MOST_RESIDENTS)
    )
    return [(stay, elder, f"{floor} 层 {room} {bed}") for stay, elder, floor, room, bed in session.execute(statement)]
