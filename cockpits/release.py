"""Which release the cockpits show."""

from __future__ import annotations

from functools import cache

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ProgrammingError

from huiyang.database import Login, sqlalchemy_url


@cache
def _engine() -> Engine:
    return create_engine(sqlalchemy_url(Login.COCKPIT, driver="psycopg2"), pool_size=2, pool_pre_ping=True)


def current_release() -> str:
    """The id of the release that `published` shows, as text; empty before the first one."""
    with _engine().connect() as connection:
        try:
            return str(connection.execute(text("select release_id from published.current_release")).scalar() or "")
        except ProgrammingError:  # no release yet, so no view
            return ""
