"""Finding elders on file: conditions, and how each uses an index at 1.46 million rows.

Every list is ordered by what its leading condition's index is ordered by, so that a page is read from the index and
nothing is sorted: by division without a name, by name with one. A name typed in letters is a sequence of ranges
(pinyin spellings, then initials), listed one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from huiyang.field_crypto import FieldCrypto, IndexPurpose, row_context
from huiyang.identifiers import normalise_identifier, normalise_phone
from huiyang.names import normalise_name, pinyin_ranges, prefix_range
from operational_app.assessments.models import Assessment
from operational_app.core.row_security import ScopeSetting
from operational_app.elders.models import (
    AbilityLevel,
    CareRelation,
    EconomicCategory,
    Elder,
    ElderMerge,
    ElderStatus,
    LivingArrangement,
    Sex,
)
from operational_app.web.counting import total_of
from operational_app.web.formats import age_on, mask_id_number, mask_phone
from operational_app.web.scoping import division_ranges, in_bounds, in_scope

TABLE = "elders.elder"
_EVERYWHERE = ("0", ":")  # ":" follows "9"
_TAIL_DIGITS = 4


@dataclass(frozen=True)
class ElderQuery:
    """What is looked for; None does not matter.

    Attributes:
        name: characters (from the beginning), pinyin or initials.
        id_number: whole (15 or 18) or the last four.
        phone: whole or the last four.
        ages: full years, from and to, either may be open.
    """

    name: str | None = None
    id_number: str | None = None
    phone: str | None = None
    division: str | None = None
    sex: Sex | None = None
    ages: tuple[int | None, int | None] | None = None
    living_arrangement: LivingArrangement | None = None
    economic_category: EconomicCategory | None = None
    ability_level: AbilityLevel | None = None
    status: ElderStatus | None = None


@dataclass(frozen=True)
class ElderRow:
    """One line of the list; numbers are masked."""

    id: int
    name: str | None
    sex: str
    age: int | None
    id_number: str
    phone: str
    division_code: str
    living_arrangement: str
    economic_category: str
    ability_level: str | None
    status: ElderStatus
    is_merged: bool


def check_id_number(text: str) -> None:
    """
    Raises:
        ValueError: neither a whole ID number nor its last four.
    """
    number = normalise_identifier(text)
    if not (
        len(number) in (_TAIL_DIGITS, 15, 18) and number[:-1].isdigit() and (number[-1].isdigit() or number[-1] == "X")
    ):
        raise ValueError("身份证号请输入完整号码（15 或 18 位）或后四位")


def check_phone(text: str) -> None:
    """
    Raises:
        ValueError: neither a whole number nor its last four.
    """
    number = normalise_phone(text)
    if not (number.isdigit() and (len(number) == _TAIL_DIGITS or 7 <= len(number) <= 12)):
        raise ValueError("电话请输入完整号码或后四位")


def check_name(text: str) -> None:
    """
    Raises:
        ValueError: nothing to look for.
    """
    if not _name_parts(text):
        raise ValueError("姓名请输入汉字、拼音或首字母")


@dataclass(frozen=True)
class _Part:
    """A range of the key that rows are ordered by: the rows of a list come from one part after the other."""

    key: InstrumentedAttribute[Any]
    lo: str
    hi: str

    @property
    def condition(self) -> ColumnElement[bool]:
        return and_(self.key >= self.lo, self.key < self.hi)


def _name_parts(text: str) -> list[_Part]:
    """Where a typed name may be found, most likely first."""
    name = normalise_name(text)
    if not name:
        return []
    if not name.isascii():
        return [_Part(Elder.name, *prefix_range(name))]
    parts = [_Part(Elder.name_pinyin, lo, hi) for lo, hi in pinyin_ranges(name)]
    letters = "".join(character for character in name.lower() if character.isalnum())
    if letters:
        parts.append(_Part(Elder.name_initials, *prefix_range(letters)))
    return parts


def matching(query: ElderQuery, scope: ScopeSetting, crypto: FieldCrypto, today: date) -> list[ColumnElement[bool]]:
    """The conditions of a query, its name and ability level aside."""
    conditions = [in_bounds(Elder.division_code, scope, query.division)]
    if scope.organization_id is not None:
        conditions.append(Elder.id.in_(_cared_for_by(scope.organization_id)))
    if query.id_number:
        conditions.append(_blind(query.id_number, crypto, IndexPurpose.ID_NUMBER))
    if query.phone:
        conditions.append(_blind(query.phone, crypto, IndexPurpose.PHONE))
    if query.sex:
        conditions.append(Elder.sex == query.sex)
    if query.ages:
        conditions += _born_between(query.ages, today)
    if query.living_arrangement:
        conditions.append(Elder.living_arrangement == query.living_arrangement)
    if query.economic_category:
        conditions.append(Elder.economic_category == query.economic_category)
    if query.status:
        conditions.append(Elder.status == query.status)
    return conditions


def _cared_for_by(organization_id: int) -> Select[int]:
    return select(CareRelation.elder_id).where(
        CareRelation.organization_id == organization_id, CareRelation.ended_on.is_(None)
    )


def _blind(text: str, crypto: FieldCrypto, purpose: IndexPurpose) -> ColumnElement[bool]:
    is_id_number = purpose is IndexPurpose.ID_NUMBER
    number = normalise_identifier(text) if is_id_number else normalise_phone(text)
    if len(number) == _TAIL_DIGITS:
        column = Elder.id_number_tail_index if is_id_number else Elder.phone_tail_index
        tail = IndexPurpose.ID_NUMBER_TAIL4 if is_id_number else IndexPurpose.PHONE_TAIL4
        return column == crypto.blind_index(number, tail)
    column = Elder.id_number_index if is_id_number else Elder.phone_index
    return column == crypto.blind_index(number, purpose)


def _born_between(ages: tuple[int | None, int | None], today: date) -> list[ColumnElement[bool]]:
    """Aged from … to … today, both included: born after today's date (to + 1) years ago, not after (from) years ago."""
    youngest, oldest = ages
    conditions: list[ColumnElement[bool]] = []
    if youngest is not None:
        conditions.append(Elder.birth_date <= _years_before(today, youngest))
    if oldest is not None:
        conditions.append(Elder.birth_date > _years_before(today, oldest + 1))
    return conditions


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


def _latest_is(level: AbilityLevel) -> list[ColumnElement[bool]]:
    """An assessment says `level`, and the elder has no later one."""
    later = aliased(Assessment)
    return [
        Assessment.ability_level == level,
        ~exists().where(
            later.elder_id == Assessment.elder_id,
            tuple_(later.assessed_on, later.id) > tuple_(Assessment.assessed_on, Assessment.id),
        ),
    ]


def find(
    session: Session,
    query: ElderQuery,
    scope: ScopeSetting,
    crypto: FieldCrypto,
    today: date,
    skip: int,
    limit: int,
    most: int,
) -> tuple[list[ElderRow], int | None]:
    """One page of elders, and how many there are, counted up to `most` + 1; None if counting takes too long.

    Args:
        skip, limit: the page.
        most: where counting ends.
    """
    source, parts = _source(query, scope)
    source = source.where(*matching(query, scope, crypto, today))
    counted, keys = 0, list[int]()
    is_counted = True
    earlier: list[_Part] = []
    for part in parts:
        here = source.where(part.condition, *(not_(other.condition) for other in earlier))
        offset, wanted = max(skip - counted, 0), limit - len(keys)
        page = session.scalars(here.order_by(part.key, Elder.id).offset(offset).limit(wanted)).all() if wanted else []
        keys += page
        count = total_of(session, here, offset, wanted, len(page), most + 1 - counted)
        counted += count or 0
        is_counted = is_counted and count is not None
        if query.name:  # a name may lie in several parts; a place lies in one
            earlier.append(part)
        if counted > most or (not is_counted and len(keys) == limit):
            break
    return _rows(session, keys, crypto, today), counted if is_counted else None


@dataclass(frozen=True)
class Place:
    """Where a page ended: in which part of the list, at which of its keys."""

    part: int
    key: str
    elder_id: int


def find_after(
    session: Session,
    query: ElderQuery,
    scope: ScopeSetting,
    crypto: FieldCrypto,
    today: date,
    after: Place | None,
    limit: int,
) -> tuple[list[ElderRow], Place | None]:
    """The elders after a place, in the order of `find`, and where they end; None at the list's end."""
    source, parts = _source(query, scope)
    source = source.where(*matching(query, scope, crypto, today))
    found: list[tuple[int, str, int]] = []
    for number, part in enumerate(parts):
        if after is not None and number < after.part:
            continue
        earlier = parts[:number] if query.name else ()  # a name may lie in several parts; a place lies in one
        here = source.add_columns(part.key).where(part.condition, *(not_(other.condition) for other in earlier))
        if after is not None and number == after.part:
            here = here.where(tuple_(part.key, Elder.id) > (after.key, after.elder_id))
        rows: Any = session.execute(here.order_by(part.key, Elder.id).limit(limit + 1 - len(found)))
        found += [(number, key, elder_id) for elder_id, key in rows]
        if len(found) > limit:
            break
    page = found[:limit]
    return _rows(session, [elder_id for _, _, elder_id in page], crypto, today), (
        Place(*page[-1]) if len(found) > limit else None
    )


def _source(query: ElderQuery, scope: ScopeSetting) -> tuple[Select[int], list[_Part]]:
    """Where keys come from, and the parts in whose order.

    Without a name, an ability level leads: elders are found through their assessments, in the order of those.
    """
    source = select(Elder.id)
    parts = _name_parts(query.name) if query.name else []
    if query.ability_level is None:
        place = Elder.division_code
    elif parts:
        assessed = select(Assessment.id).where(Assessment.elder_id == Elder.id, *_latest_is(query.ability_level))
        source = source.where(assessed.exists())
        place = Elder.division_code
    else:
        source = source.join(Assessment, Assessment.elder_id == Elder.id).where(*_latest_is(query.ability_level))
        place = Assessment.division_code
    if not parts:
        # Somebody who moved was assessed elsewhere, so a chosen division narrows the elders only.
        ranges = division_ranges(scope, query.division if query.ability_level is None else None)
        parts = [_Part(place, lo, hi) for lo, hi in (ranges if ranges is not None else [_EVERYWHERE])]
    return source, parts


def _rows(session: Session, keys: Sequence[int], crypto: FieldCrypto, today: date) -> list[ElderRow]:
    elders = {elder.id: elder for elder in session.scalars(select(Elder).where(Elder.id.in_(keys)))} if keys else {}
    levels = latest_levels(session, list(elders))
    merged = merged_into(session, list(elders))
    rows = []
    for key in keys:
        elder = elders.get(key)
        if elder is None:
            continue
        level = levels.get(key)
        rows.append(
            ElderRow(
                id=elder.id,
                name=elder.name,
                sex=elder.sex.label,
                age=age_on(elder.birth_date or elder.birth_month, elder.died_on or today),
                id_number=mask_id_number(read_cipher(crypto, elder, "id_number_cipher")),
                phone=mask_phone(read_cipher(crypto, elder, "phone_cipher")),
                division_code=elder.division_code,
                living_arrangement=elder.living_arrangement.label,
                economic_category=elder.economic_category.label,
                ability_level=level.label if level else None,
                status=elder.status,
                is_merged=key in merged,
            )
        )
    return rows


def read_cipher(crypto: FieldCrypto, elder: Elder, column: str) -> str | None:
    """The plain text of an encrypted column of an elder."""
    value = getattr(elder, column)
    return None if value is None else crypto.decrypt(value, row_context(TABLE, column, elder.id))


def latest_levels(session: Session, keys: Sequence[int]) -> dict[int, AbilityLevel]:
    """Ability level of the latest assessment, by elder."""
    if not keys:
        return {}
    statement = (
        select(Assessment.elder_id, Assessment.ability_level)
        .where(Assessment.elder_id.in_(keys))
        .order_by(Assessment.elder_id, Assessment.assessed_on.desc(), Assessment.id.desc())
        .ext(distinct_on(Assessment.elder_id))
    )
    return dict(session.execute(statement).all())


def merged_into(session: Session, keys: Sequence[int]) -> dict[int, int]:
    """Those of the elders that are the same person as another: key → survivor's key."""
    if not keys:
        return {}
    statement = select(ElderMerge.merged_id, ElderMerge.survivor_id).where(
        ElderMerge.merged_id.in_(keys), ElderMerge.reverted_at.is_(None)
    )
    return dict(session.execute(statement).all())


def count_persons(session: Session, scope: ScopeSetting) -> int:
    """Persons on file (在册) in the scope, merged records not counted: dear for the city, so callers keep it."""
    is_counted = [in_scope(Elder.division_code, scope), Elder.status == ElderStatus.ACTIVE]
    records = session.scalar(select(func.count()).select_from(Elder).where(*is_counted)) or 0
    merged = (
        select(func.count())
        .select_from(ElderMerge)
        .join(Elder, Elder.id == ElderMerge.merged_id)
        .where(ElderMerge.reverted_at.is_(None), *is_counted)
    )
    return records - (session.scalar(merged) or 0)
