"""Scope and division conditions said once more in a query.

Row-level security decides what is seen; these conditions only let the planner use an index on division codes, which
it cannot do with the policy's `or`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from huiyang.divisions import subtree_range
from operational_app.core.row_security import ScopeSetting

_TOWN_DIGITS = 9


def division_ranges(scope: ScopeSetting, division: str | None = None) -> list[tuple[str, str]] | None:
    """Half-open ranges of division codes that the scope covers, in order, narrowed to the subtree of `division`.

    None for people of an organization, whose scope is no division (a `division` still narrows theirs).
    """
    if scope.division_lo is None or scope.division_hi is None:
        return [subtree_range(division)] if division else None
    if scope.towns:
        ranges = [(town, f"{int(town) + 1:0{len(town)}d}") for town in sorted(scope.towns)]
    else:
        ranges = [(scope.division_lo, scope.division_hi)]
    if division is None:
        return ranges
    lo, hi = subtree_range(division)
    narrowed = [(max(lo, start), min(hi, end)) for start, end in ranges]
    return [(start, end) for start, end in narrowed if start < end]


def in_scope(
    column: InstrumentedAttribute[Any], scope: ScopeSetting, division: str | None = None
) -> ColumnElement[bool]:
    """`column` lies in the scope's divisions, and in the subtree of `division`."""
    ranges = division_ranges(scope, division)
    if ranges is None:
        return true()
    return or_(false(), *(and_(column >= lo, column < hi) for lo, hi in ranges))


def in_bounds(
    column: InstrumentedAttribute[Any], scope: ScopeSetting, division: str | None = None
) -> ColumnElement[bool]:
    """`in_scope` for a list that is ordered by something else: a reporting unit's towns are one range and a filter.

    Six ranges would tempt the planner to collect and sort all their rows for the first twenty-five.
    """
    ranges = division_ranges(scope, division)
    if not ranges or not scope.towns:
        return in_scope(column, scope, division)
    lo, hi = ranges[0][0], ranges[-1][1]
    return and_(column >= lo, column < hi, func.left(column, _TOWN_DIGITS).in_(scope.towns))


def in_division(column: InstrumentedAttribute[Any], code: str) -> ColumnElement[bool]:
    """`column` lies in the subtree of `code`."""
    lo, hi = subtree_range(code)
    return and_(column >= lo, column < hi)
