"""What the pages of codes read: lists of things with their codes, one thing's card, what labels say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from operational_app.codes.models import IssuedCode, LegacyCode, SubjectKind
from operational_app.codes.rules import as_printed, kind_of
from operational_app.codes.service import SUBJECTS, resolve_legacy
from operational_app.core.row_security import ScopeSetting
from operational_app.elders.models import Elder, ElderMerge, ElderStatus
from operational_app.identity.models import Account
from operational_app.institutions.models import Bed, BedStatus, Building, Institution, Room
from operational_app.institutions.queries import matches_name
from operational_app.organizations.models import Organization, OrganizationStatus
from operational_app.web.scoping import in_bounds

#: Its organization is registered elsewhere.
_OUTSIDE = "辖区外单位"


class CodeState(StrEnum):
    """What a list can be narrowed to."""

    CURRENT = "current"
    NEVER = "never"
    REVOKED = "revoked"


STATE_LABELS = ((CodeState.CURRENT, "已赋码"), (CodeState.NEVER, "未赋码"), (CodeState.REVOKED, "已吊销"))


@dataclass(frozen=True)
class SubjectRow:
    """One thing that has a code or wants one.

    Attributes:
        name: of the institution or the elder; of a bed its place in the house.
        house: of a bed, the institution's name.
        code: the current one.
    """

    kind: SubjectKind
    id: int
    name: str
    house: str | None
    division_code: str
    code: str | None


def listing(kind: SubjectKind, asked: Mapping[str, Any], scope: ScopeSetting) -> Select[*tuple[Any, ...]]:
    """Things in use, and things with a code, in the order of labels: by place, then name; columns as in `_row`.

    Args:
        asked: `division`, `name` (of the institution), `state` as the list's filters give them.
    """
    statement = _SELECTS[kind](asked.get("division"), scope)
    code, in_use = _CODES[kind], _IN_USE[kind]()
    state = asked.get("state")
    if state == CodeState.CURRENT:
        statement = statement.where(code.is_not(None))
    elif state == CodeState.NEVER:
        statement = statement.where(code.is_(None), in_use, ~_was_coded(kind))
    elif state == CodeState.REVOKED:
        statement = statement.where(code.is_(None), _was_coded(kind))
    else:
        statement = statement.where(or_(code.is_not(None), in_use))
    if name := asked.get("name"):
        statement = statement.where(false() if kind is SubjectKind.ELDER else matches_name(name))
    return statement


def with_code(session: Session, kind: SubjectKind, statement: Select[*tuple[Any, ...]], given: str) -> Any:
    """The statement, narrowed to the thing with this code of today or number of the old platform."""
    if kind_of(given) is kind:
        return statement.where(_CODES[kind] == as_printed(given))
    key = resolve_legacy(session, kind, given)
    return statement.where(_KEYS[kind] == key if key is not None else false())


def rows_of(session: Session, kind: SubjectKind, statement: Select[*tuple[Any, ...]]) -> list[SubjectRow]:
    return [_row(kind, row) for row in session.execute(statement)]


def find_rows(session: Session, kind: SubjectKind, keys: Sequence[int], scope: ScopeSetting) -> list[SubjectRow]:
    """The things of these keys that the scope sees, in the order of labels."""
    return rows_of(session, kind, _SELECTS[kind](None, scope).where(_KEYS[kind].in_(keys)))


def _row(kind: SubjectKind, row: Any) -> SubjectRow:
    if kind is not SubjectKind.BED:
        return SubjectRow(kind, row.id, row.name or "未登记姓名", None, row.division_code, row.code)
    bed = row.name if row.name.endswith("床") else f"{row.name} 床"
    place = f"{row.building} {row.floor} 层 {row.room} 室 {bed}"
    return SubjectRow(kind, row.id, place, row.house or _OUTSIDE, row.division_code, row.code)


def _elders(division: str | None, scope: ScopeSetting) -> Select[*tuple[Any, ...]]:
    return (
        select(Elder.id, Elder.name, Elder.division_code, Elder.elder_code.label("code"))
        .where(in_bounds(Elder.division_code, scope, division))
        .order_by(Elder.division_code, Elder.id)
    )


def _beds(division: str | None, scope: ScopeSetting) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Bed.id, Bed.name, Institution.division_code, Bed.bed_code.label("code"), Organization.name.label("house"),
            Building.name.label("building"), Room.floor, Room.name.label("room"),
        )
        .join(Institution, Institution.id == Bed.institution_id)
        .join(Room, Room.id == Bed.room_id)
        .join(Building, Building.id == Room.building_id)
        .outerjoin(Organization, Organization.id == Institution.organization_id)
        .where(in_bounds(Institution.division_code, scope, division))
        .order_by(
            Organization.name_pinyin, Institution.id, Building.name, Room.floor, Room.name, func.length(Bed.name),
            Bed.name, Bed.id,
        )
    )  # fmt: skip


def _organizations(division: str | None, scope: ScopeSetting) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Organization.id, Organization.name, Organization.division_code, Organization.organization_code.label("code")
        )
        .where(in_bounds(Organization.division_code, scope, division))
        .order_by(Organization.name_pinyin, Organization.id)
    )


_SELECTS = {SubjectKind.ELDER: _elders, SubjectKind.BED: _beds, SubjectKind.INSTITUTION: _organizations}
_CODES: dict[SubjectKind, Any] = {
    SubjectKind.ELDER: Elder.elder_code,
    SubjectKind.BED: Bed.bed_code,
    SubjectKind.INSTITUTION: Organization.organization_code,
}
_KEYS: dict[SubjectKind, Any] = {
    SubjectKind.ELDER: Elder.id,
    SubjectKind.BED: Bed.id,
    SubjectKind.INSTITUTION: Organization.id,
}


def _elder_in_use() -> ColumnElement[bool]:
    merged = select(literal(1)).where(ElderMerge.merged_id == Elder.id, ElderMerge.reverted_at.is_(None))
    return and_(Elder.status == ElderStatus.ACTIVE, ~merged.exists())


_IN_USE = {
    SubjectKind.ELDER: _elder_in_use,
    SubjectKind.BED: lambda: Bed.status != BedStatus.CLOSED,
    SubjectKind.INSTITUTION: lambda: Organization.status != OrganizationStatus.CLOSED,
}


def _was_coded(kind: SubjectKind) -> ColumnElement[bool]:
    return select(literal(1)).where(getattr(IssuedCode, SUBJECTS[kind].column) == _KEYS[kind]).exists()


@dataclass(frozen=True)
class History:
    """One code of a thing, holding or past, with the names of who issued and revoked it."""

    issued: IssuedCode
    issuer: str | None
    revoker: str | None


def history_of(session: Session, kind: SubjectKind, key: int) -> list[History]:
    """All codes that a thing ever had, newest first."""
    issuer, revoker = aliased(Account), aliased(Account)
    statement = (
        select(IssuedCode, issuer.display_name, revoker.display_name)
        .outerjoin(issuer, issuer.id == IssuedCode.issued_by)
        .outerjoin(revoker, revoker.id == IssuedCode.revoked_by)
        .where(getattr(IssuedCode, SUBJECTS[kind].column) == key)
        .order_by(IssuedCode.id.desc())
    )
    return [History(*row) for row in session.execute(statement)]


def legacy_numbers_of(session: Session, kind: SubjectKind, key: int) -> list[str]:
    """Numbers of the old platform that mean this thing; of an elder, those of merged duplicates too."""
    keys = [key]
    if kind is SubjectKind.ELDER:  # asked for first: an `or` with a subquery would read all of a city's numbers
        merged = select(ElderMerge.merged_id).where(ElderMerge.survivor_id == key, ElderMerge.reverted_at.is_(None))
        keys += session.scalars(merged)
    is_meant = getattr(LegacyCode, SUBJECTS[kind].column).in_(keys)
    return list(session.scalars(select(LegacyCode.legacy_code).where(is_meant).order_by(LegacyCode.legacy_code)))


def profile_of(session: Session, organization_id: int) -> int | None:
    """The institution that an organization runs, if it runs one."""
    return session.scalar(select(Institution.id).where(Institution.organization_id == organization_id))


def institution_of(session: Session, bed_id: int) -> int | None:
    """The institution that a bed stands in."""
    return session.scalar(select(Bed.institution_id).where(Bed.id == bed_id))


def only(statement: Select[*tuple[Any, ...]], kind: SubjectKind, keys: Sequence[int]) -> Select[*tuple[Any, ...]]:
    """The statement, narrowed to these things."""
    return statement.where(_KEYS[kind].in_(keys))
