"""The warehouse's own tables beside dbt's models, and the one lock of those who change it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.settings import Settings

#: Sessions of a refresh carry this application name, so that the next one finds what a killed one left running.
REFRESH_APPLICATION = "huiyang-refresh"
_LOCK_SECONDS = 2.0
_DDL = Path(__file__).with_name("warehouse.sql")


class RefreshRunning(HuiyangError):
    """Another refresh, publication or rollback holds the lock."""


def ensure_warehouse(settings: Settings) -> None:
    """Makes or completes the schemas raw, store, release, candidate and published. Safe to run again, and at once."""
    with connect(Login.BUILD, settings) as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('huiyang warehouse schema'))")
        connection.execute("set local client_min_messages = warning")
        connection.execute(_DDL.read_text())


@contextmanager
def refresh_lock(settings: Settings) -> Iterator[None]:
    """Only one refresh (or publication, or rollback) at a time, however it was started.

    The lock belongs to a session and ends with it, so a killed holder frees it. What other sessions of a killed
    refresh still run is ended on entry: they could otherwise commit into the next one's work.

    Raises:
        HuiyangError: another refresh holds it.
    """
    with connect(Login.BUILD, settings, autocommit=True, application_name=f"{REFRESH_APPLICATION}-lock") as connection:
        if not _try_lock(connection):
            raise RefreshRunning(
                "Another refresh, publication or rollback is running.",
                "Wait until it ends (`huiyang status` shows it), then run this again.",
            )
        _end_leftover_sessions(connection)
        try:
            yield
        finally:
            if not connection.closed:
                connection.execute("select pg_advisory_unlock(hashtext('huiyang refresh'))")


def _try_lock(connection: psycopg.Connection) -> bool:
    """Waits a moment: the session of a killed holder takes one to end."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        row = connection.execute("select pg_try_advisory_lock(hashtext('huiyang refresh'))").fetchone()
        if row and row[0]:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)


def _end_leftover_sessions(connection: psycopg.Connection) -> None:
    connection.execute(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        " where pid <> pg_backend_pid() and usename = current_user and application_name like %s",
        [REFRESH_APPLICATION + "%"],
    )


def build_connection(settings: Settings, **options: object) -> psycopg.Connection:
    """A connection as login build that belongs to a refresh."""
    return connect(Login.BUILD, settings, application_name=REFRESH_APPLICATION, **options)
