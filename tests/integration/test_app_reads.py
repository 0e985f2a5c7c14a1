"""Pages of one record read it by index: what is a blink of the demo's thousands is seconds of a city's millions."""

from __future__ import annotations

import time

import pytest

from huiyang.database import Login, connect
from huiyang.secret_store import load_secrets
from huiyang.server import admin_connect
from huiyang.settings import Settings
from operational_app import main
from operational_app.web.database import AppDatabase
from tests.app_sample import signed_in

#: A smaller table the planner reads whole, and rightly.
LARGE = 5_000


def _rows_read_whole(settings: Settings) -> dict[str, int]:
    """Rows read by sequential scans so far, per large table."""
    with admin_connect(settings, "app") as connection:
        return dict(
            connection.execute(
                "select schemaname || '.' || relname, seq_tup_read from pg_stat_user_tables where n_live_tup > %s",
                [LARGE],
            ).fetchall()
        )


@pytest.fixture(scope="module")
def survivor(demo_installation) -> int:
    """An elder with merged files: the page that asks for most."""
    with connect(Login.LOADER, demo_installation) as loader:
        row = loader.execute(
            "select survivor_id from elders.elder_merge where reverted_at is null"
            " group by 1 order by count(*) desc, 1 limit 1"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_an_elders_file_reads_no_large_table_whole(demo_installation, survivor, monkeypatch):
    database = AppDatabase(demo_installation)
    monkeypatch.setattr(main, "AppDatabase", lambda settings: database)
    before = _rows_read_whole(demo_installation)
    assert "elders.elder" in before and "codes.legacy_code" in before
    password = load_secrets(demo_installation.secrets_file)["demo_password"]
    browser = signed_in(main.create_app(demo_installation), "operator", password)
    assert browser.get(f"/elders/{survivor}").status_code == 200
    database.engine.dispose()  # a server process hands its counts in when it ends
    time.sleep(1)
    after = _rows_read_whole(demo_installation)
    assert {table: count - before[table] for table, count in after.items() if count != before[table]} == {}
