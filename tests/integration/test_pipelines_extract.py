"""Extraction loses nothing and takes nothing twice, whoever writes meanwhile and whenever it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.server import admin_connect
from huiyang.settings import PROJECT_ROOT, Settings
from operational_app import reference_data
from operational_app.core.changelog import log_tables
from operational_app.schema import migrate_to_head
from pipelines.extract import ExtractSummary, extract, find_cut_off, newest_cut_off
from tests.conftest import running_server
from tests.integration.warehouse_factory import SmallCity, at, insert

pytestmark = pytest.mark.any_postgres


@pytest.fixture(scope="module")
def app() -> Iterator[Settings]:
    with (
        TemporaryDirectory(prefix="huiyang-extract-") as folder,
        running_server(Settings(home=Path(folder) / "home", postgres_admin_url=None)) as settings,
    ):
        migrate_to_head(settings)
        reference_data.load(settings)
        SmallCity(settings, elders=260, orders=60)
        yield settings


def add_elder(connection: psycopg.Connection) -> int:
    [elder] = insert(
        connection,
        "elders.elder",
        [
            {
                "sex": "male", "birth_month": date(1950, 1, 1), "id_number_status": "valid", "phone_status": "valid",
                "division_code": "440802001001", "has_address": True, "living_arrangement": "alone",
                "economic_category": "ordinary", "registered_on": date(2025, 1, 1),
                "effective_at": at(date(2025, 1, 1)),
            }
        ],
    )  # fmt: skip
    return elder


def raw(settings: Settings, query: str) -> list[Any]:
    with connect(Login.BUILD, settings) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def assert_raw_is_the_log(settings: Settings, cut_off: int) -> None:
    """Every logged row below the cut-off stands in raw once, as it is."""
    with admin_connect(settings, "app") as app, admin_connect(settings, "warehouse") as warehouse:
        for table in log_tables():
            names = ", ".join(name for name, _ in table.all_columns)
            query = f"select {names} from {{}}.{table.name} where change_txid < {cut_off} order by change_id"
            logged = app.execute(query.format("changelog")).fetchall()
            assert warehouse.execute(query.format("raw")).fetchall() == logged, table.name


def test_everything_arrives_once_and_nothing_personal(app: Settings) -> None:
    first = extract(app)
    assert_raw_is_the_log(app, first.cut_off)
    second = extract(app)
    assert second.total_rows == 0
    assert second.cut_off >= first.cut_off
    assert_raw_is_the_log(app, second.cut_off)
    columns = {
        row[0] for row in raw(app, "select column_name from information_schema.columns where table_schema='raw'")
    }
    assert "birth_month" in columns
    assert not columns & {"id_number_cipher", "phone_cipher", "birth_date", "serial_number", "agreement_number"}


def test_what_commits_late_comes_next_time(app: Settings) -> None:
    """A transaction that began first and commits last is neither lost nor, while it is open, half there."""
    with connect(Login.LOADER, app) as slow:
        late = add_elder(slow)
        with connect(Login.LOADER, app) as quick:
            early = add_elder(quick)
        first = extract(app)
        assert ids(app) & {early, late} == set(), "the quick one is newer than the oldest running transaction"
        slow.commit()
    second = extract(app)
    assert {early, late} <= ids(app)
    assert second.cut_off > first.cut_off
    assert_raw_is_the_log(app, second.cut_off)


def ids(settings: Settings) -> set[int]:
    return {row[0] for row in raw(settings, "select id from raw.elder")}


def test_writers_at_work_lose_nothing(app: Settings) -> None:
    stop = threading.Event()
    written: list[int] = []

    def write(seed: int) -> None:
        with connect(Login.LOADER, app) as connection:
            while not stop.is_set():
                written.append(add_elder(connection))
                time.sleep(0.001 * (seed % 3))
                connection.commit()

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    summaries: list[ExtractSummary] = []
    while len(summaries) < 4 or len(written) < 200:
        summaries.append(extract(app))
    stop.set()
    for writer in writers:
        writer.join()
    last = extract(app)
    assert_raw_is_the_log(app, last.cut_off)
    rows = raw(app, "select id from raw.elder where change_op = 'I'")
    assert sorted(row[0] for row in rows if row[0] in set(written)) == sorted(written)
    assert [s.cut_off for s in summaries] == sorted(s.cut_off for s in summaries)


def test_a_cut_off_is_an_extraction_that_ended(app: Settings) -> None:
    summary = extract(app)
    assert newest_cut_off(app) == (summary.cut_off, summary.as_of)
    assert find_cut_off(app, summary.cut_off)[0] == summary.cut_off
    with pytest.raises(HuiyangError, match="No extraction ended"):
        find_cut_off(app, summary.cut_off + 1)


def test_a_killed_extraction_is_continued(app: Settings) -> None:
    """SIGKILL in a load: what was not committed stays as it was, and the next run completes all."""
    with connect(Login.LOADER, app) as connection:
        for _ in range(5):
            add_elder(connection)
        connection.execute(
            "insert into health.vital_sign (elder_id, division_code, kind, value_1, measured_at)"
            " select 1, '440802001001', 'heart_rate', 70, timestamptz '2026-10-01' + g * interval '1 second'"
            " from generate_series(1, 150000) g"
        )
    program = "from huiyang.settings import get_settings\nfrom pipelines.extract import extract\n" \
        "extract(get_settings(), lambda table, done, total: print(table, flush=True))"  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT,
        env=os.environ | {"HUIYANG_HOME": str(app.home)}
        | ({"HUIYANG_POSTGRES_ADMIN_URL": app.postgres_admin_url} if app.postgres_admin_url else {}),
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "vital_sign":
            process.send_signal(signal.SIGKILL)
    process.wait()
    unfinished = raw(app, "select count(*) from raw.extract_batch where finished_at is null")
    assert unfinished[0][0] == 1
    summary = extract(app)
    assert summary.rows["vital_sign"] == 150_000
    assert_raw_is_the_log(app, summary.cut_off)


def test_new_columns_are_added_and_changed_types_refused(app: Settings) -> None:
    with connect(Login.BUILD, app) as connection:
        connection.execute("alter table raw.guardian drop column is_primary")
    extract(app)
    rows = raw(app, "select is_primary from raw.guardian")
    assert rows and not any(row[0] for row in rows), "the column is back, for what comes from now on"
    with connect(Login.BUILD, app) as connection:
        connection.execute("alter table raw.guardian alter column is_primary type text")
    with pytest.raises(HuiyangError, match=r"raw\.guardian\.is_primary is text"):
        extract(app)
    with connect(Login.BUILD, app) as connection:
        connection.execute("alter table raw.guardian alter column is_primary type boolean using is_primary::boolean")


def test_an_older_app_database_is_noticed(app: Settings) -> None:
    with connect(Login.BUILD, app) as connection:
        connection.execute("update raw.extract_watermark set txid = txid + 1000000000 where table_name = 'bed'")
    with pytest.raises(HuiyangError, match="restored or replaced"):
        extract(app)
    with connect(Login.BUILD, app) as connection:
        connection.execute("update raw.extract_watermark set txid = txid - 1000000000 where table_name = 'bed'")
