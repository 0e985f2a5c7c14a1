"""Extraction of the change log against a bare binary COPY of the same rows into an unlogged table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Literal

from huiyang.database import Login, connect
from huiyang.server import admin_connect
from huiyang.settings import Settings
from operational_app import reference_data
from operational_app.core.changelog import log_tables
from operational_app.schema import migrate_to_head
from pipelines.extract import copy_blocks, extract
from pipelines.warehouse import build_connection

ROWS = 3_000_000
REPEATS = 5


def _fill(settings: Settings) -> None:
    """Generated vital signs: a narrow row, where the cost per row shows."""
    with connect(Login.LOADER, settings) as loader:
        loader.execute("select maintenance.ensure_month_partitions('health.vital_sign', '2026-01-01', '2028-01-01')")
        loader.execute(
            "insert into health.vital_sign (elder_id, division_code, kind, value_1, value_2, measured_at)"
            " select n %% 10000, '440802000000', 'blood_pressure', 120 + n %% 40, 70 + n %% 20,"
            " timestamptz '2026-01-01 08:00+08' + n * interval '20 seconds' from generate_series(1, %s) n",
            [ROWS],
        )
    # What autovacuum does a minute later, in the middle of the measurement.
    with admin_connect(settings, "app") as admin:
        admin.execute("vacuum (analyze) health.vital_sign")


class _Halves:
    """The rows that extraction loads, byte for byte, with its reading and its writing apart."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        log = next(table for table in log_tables() if table.name == "vital_sign")
        columns = (*log.all_columns, ("batch_id", "bigint"))
        self.columns = len(columns)
        self._definition = ", ".join(f"{name} {kind}" for name, kind in columns)
        casts = ", ".join(f"{name}::{kind}" for name, kind in log.all_columns)
        self._select = f"copy (select {casts}, 1::bigint from changelog.vital_sign) to stdout (format binary)"
        with connect(Login.EXTRACT, settings, autocommit=True) as source:
            self._blocks = list(copy_blocks(source, self._select))

    def read(self) -> None:
        """Reads as the extraction does, and drops what it got."""
        with connect(Login.EXTRACT, self._settings, autocommit=True) as source:
            for _ in copy_blocks(source, self._select):
                pass

    def write(self, kind: Literal["unlogged", ""]) -> None:
        """COPY from memory into a new table: unlogged, or safe from a crash as `raw` is."""
        with build_connection(self._settings) as target:
            target.execute("create schema if not exists benchmark")
            target.execute(f"create {kind} table benchmark.bare ({self._definition})")
            with target.cursor().copy("copy benchmark.bare from stdin (format binary)") as into:
                for block in self._blocks:
                    into.write(block)

    def drop(self) -> None:
        with build_connection(self._settings) as target:
            target.execute("drop table if exists benchmark.bare")


def _empty_raw(settings: Settings) -> None:
    with build_connection(settings) as warehouse:
        warehouse.execute("truncate raw.vital_sign")
        warehouse.execute("update raw.extract_watermark set txid = 0 where table_name = 'vital_sign'")


def _settle(settings: Settings) -> None:
    """Nobody pays for what another wrote before: pages are on disk, segments of the log stand ready."""
    with admin_connect(settings) as admin:
        admin.execute("checkpoint")


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(settings: Settings) -> tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]:
    """The section's title, note, header and rows."""
    migrate_to_head(settings)
    reference_data.load(settings)
    _fill(settings)
    extract(settings)
    fixed = statistics.median(_seconds(lambda: extract(settings)) for _ in range(REPEATS))
    halves = _Halves(settings)
    # A path's preparation is not timed. They alternate, so that load hits all.
    paths: dict[str, tuple[Callable[[], None], Callable[[], object]]] = {
        "bare": (halves.drop, lambda: halves.write("unlogged")),
        "logged": (halves.drop, lambda: halves.write("")),
        "read": (halves.drop, halves.read),
        "ours": (lambda: _empty_raw(settings), lambda: extract(settings)),
    }
    seconds: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(REPEATS):
        for path, (prepare, action) in paths.items():
            prepare()
            _settle(settings)
            seconds[path].append(_seconds(action))
    pairs = list(zip(*seconds.values(), strict=True))
    ratio = statistics.median(bare / ours for bare, _, _, ours in pairs)
    limit = statistics.median(bare / max(logged, read) for bare, logged, read, _ in pairs)
    with build_connection(settings) as warehouse:
        warehouse.execute("truncate raw.vital_sign")
        warehouse.execute("drop schema benchmark cascade")
    with connect(Login.OWNER, settings) as owner:
        owner.execute("truncate health.vital_sign")

    def row(path: str, key: str) -> tuple[str, str, str]:
        median = statistics.median(seconds[key])
        return path, f"{median:.2f}", f"{ROWS / median / 1e6:.2f}"

    return (
        "Extraction",
        f"{ROWS:,} vital signs of {halves.columns} columns, median of {REPEATS} rounds of all four paths, a checkpoint"
        " before each.\nTarget: at least 80 % of the denominator. The limit is the slower half alone: `raw` must"
        " survive a crash,\nso it goes through PostgreSQL's log, and the denominator does not.",
        ("path", "seconds", "million rows/s"),
        [
            row("denominator: COPY binary from memory, unlogged table", "bare"),
            row("writing half: the same into a logged table", "logged"),
            row("reading half: COPY out of the change log, dropped", "read"),
            row("`extract`: read and load, watermark, logged table", "ours"),
            (f"of it fixed: `extract` of nothing, {len(log_tables())} tables", f"{fixed:.2f}", ""),
            ("ratio", f"{ratio:.0%}", ""),
            ("ratio of the slower half alone", f"{limit:.0%}", ""),
        ],
    )
