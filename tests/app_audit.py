"""An audit trail for tests: a server of its own, whose trail each test finds empty and may damage."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from huiyang.database import Login, connect
from huiyang.platform.installation import environment
from huiyang.server import admin_connect
from huiyang.settings import PROJECT_ROOT, Settings
from operational_app.audit.heads import HeadFile
from operational_app.audit.sealing import Sealer, sealer_connection
from operational_app.schema import migrate_to_head
from tests.conftest import running_server


class Trail:
    """The trail of one installation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.heads = HeadFile(settings.audit_heads)
        self._started: list[subprocess.Popen[bytes]] = []

    def clear(self) -> None:
        self.as_superuser("truncate audit.audit_event, audit.unsealed, audit.seal, audit.seal_entry")
        self.heads.path.parent.mkdir(exist_ok=True)
        self.heads.path.unlink(missing_ok=True)

    def stop(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(20)

    def as_superuser(self, statement: str, *values: Any) -> list[DictRow]:
        """What somebody with the database's highest rights can do."""
        with admin_connect(self.settings, "app", row_factory=dict_row) as admin:
            cursor = admin.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    @staticmethod
    def record_in(connection: psycopg.Connection, details: dict[str, Any] | None = None) -> None:
        connection.execute(
            "insert into audit.audit_event (account_id, action, target_table, target_id, outcome, remote_address,"
            " details) values (7, 'elder_read', 'elders.elder', 12, 'success', '10.1.2.3', %s)",
            [Jsonb(details or {})],
        )

    def record(self, count: int, details: dict[str, Any] | None = None) -> list[int]:
        """So many events, each committed by itself; returns their keys."""
        with connect(Login.APP, self.settings, autocommit=True) as app:
            for _ in range(count):
                self.record_in(app, details)
        newest = self.as_superuser("select id from audit.audit_event order by id desc limit %s", count)
        return sorted(row["id"] for row in newest)

    @contextmanager
    def sealer(self, *, as_the_one: bool = True) -> Iterator[Sealer]:
        with sealer_connection(self.settings) as connection:
            sealer = Sealer(connection, self.heads)
            assert not as_the_one or sealer.is_the_one()
            yield sealer

    def run_pass(self) -> int:
        """One pass of a sealer that was just started."""
        with self.sealer() as sealer:
            return sealer.run_pass()

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """A process of the installation; it ends with the test."""
        variables = os.environ | environment(self.settings, serving=True)
        process = subprocess.Popen(command, env=variables, cwd=PROJECT_ROOT)
        self._started.append(process)
        return process

    def wait_until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def seals(self) -> list[DictRow]:
        return self.as_superuser("select * from audit.seal order by number")

    def keys_of(self, number: int) -> list[int]:
        rows = self.as_superuser("select event_id from audit.seal_entry where seal_number = %s order by 1", number)
        return [row["event_id"] for row in rows]

    def waiting(self) -> list[int]:
        return [row["event_id"] for row in self.as_superuser("select event_id from audit.unsealed order by 1")]

    def count(self, table: str) -> int:
        return int(self.as_superuser(f"select count(*) from audit.{table}")[0]["count"])

    def batches(self, *sizes: int) -> list[int]:
        """So many sealed batches of so many events; the keys of the events."""
        keys = []
        for size in sizes:
            keys += self.record(size)
            assert self.run_pass() == size
        return keys

    def set_back_to(self, number: int) -> None:
        """The database as a backup taken after that batch restores it."""
        self.as_superuser(
            "delete from audit.audit_event where id in (select event_id from audit.seal_entry where seal_number > %s)",
            number,
        )
        self.as_superuser("delete from audit.seal_entry where seal_number > %s", number)
        self.as_superuser("delete from audit.seal where number > %s", number)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="huiyang-audit-") as folder:
        home = Path(folder) / "home"
        with running_server(Settings(home=home, postgres_admin_url=None)) as settings:
            migrate_to_head(settings)
            yield settings


@pytest.fixture
def trail(own_server: Settings) -> Iterator[Trail]:
    trail = Trail(own_server)
    trail.clear()
    yield trail
    trail.stop()
