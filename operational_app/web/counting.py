"""Counting for lists: up to a cap, and within a time. A list is worth waiting for, its total is not."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

#: Nobody pages through more.
MOST_LISTED = 10_000
_PATIENCE = "200ms"


def count_up_to(session: Session, statement: Select[*tuple[Any, ...]], most: int) -> int | None:
    """Rows of `statement`, counted up to `most`; None if that would take too long."""
    few = statement.order_by(None).limit(most).subquery()
    usual = session.scalar(text("select current_setting('statement_timeout')"))
    try:
        with session.begin_nested():
            _set_patience(session, _PATIENCE)
            count = session.scalar(select(func.count()).select_from(few)) or 0
            _set_patience(session, str(usual))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == "57014":  # query_canceled
            return None
        raise
    return count


def total_of(
    session: Session, statement: Select[*tuple[Any, ...]], skip: int, limit: int, got: int, most: int
) -> int | None:
    """Rows of `statement`, of which a page of `limit` after `skip` gave `got`; known at once where it is the last page.

    Otherwise counted, see `count_up_to`.
    """
    is_last = got < limit and (got > 0 or skip == 0)
    return skip + got if is_last else count_up_to(session, statement, most)


def _set_patience(session: Session, value: str) -> None:
    session.execute(text("select set_config('statement_timeout', :value, true)"), {"value": value})
