"""Scope and division conditions said once more in a query.

Row-level security decides what is seen; these conditions only let the planner use an index on division codes, which
it cannot do with the policy's `or`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from huiyang.divisions import subtree_range
from operational_app.core.row_security import ScopeSetting


def in_division(column: InstrumentedAttribute[Any], code: str) -> ColumnElement[bool]:
    """`column` lies in the subtree of `code`."""
    lo, hi = subtree_range(code)
    return and_(column >= lo, column < hi)


def in_scope(column: InstrumentedAttribute[Any], scope: ScopeSetting) -> ColumnElement[bool]:
    """`column` lies in the scope's divisions; true for an organization's people, whose scope is no division."""
    if scope.division_lo is None:
        return true()
    if scope.towns:
        return or_(*(and_(column >= town, column < _next(town)) for town in scope.towns))
    return and_(column >= scope.division_lo, column < scope.division_hi)


def _next(prefix: str) -> str:
    return f"{int(prefix) + 1:0{len(prefix)}d}"
