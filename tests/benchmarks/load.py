"""Extraction of the change log against a bare binary COPY of the same rows into an unlogged table."""

from __future__ import annotations

import statistics
import time

from huiyang.database import Login, connect
from huiyang.settings import Settings
from operational_app import reference_data
from operational_app.core.changelog import HEADER, log_tables
from operational_app.schema import migrate_to_head
from pipelines.extract import extract
from pipelines.warehouse import build_connection

ROWS = 1_000_000
REPEATS = 3
BLOCK_BYTES = 1 << 17


def _fill(settings: Settings) -> None:
    """Generated vital signs: a narrow row, where the cost per row shows."""
    with connect(Login.LOADER, settings) as loader:
        loader.execute("select maintenance.ensure_month_partitions('health.vital_sign', '2026-01-01', '2026-10-01')")
        loader.execute(
            "insert into health.vital_sign (elder_id, division_code, kind, value_1, value_2, measured_at)"
            " select n %% 10000, '440802000000', 'blood_pressure', 120 + n %% 40, 70 + n %% 20,"
            " timestamptz '2026-01-01 08:00+08' + n * interval '20 seconds' from generate_series(1, %s) n",
            [ROWS],
        )


def _bare_copy(settings: Settings) -> float:
    """Seconds of the denominator: COPY binary of the same rows from memory into an unlogged table."""
    log = next(table for table in log_tables() if table.name == "vital_sign")
    columns = ", ".join(f"{name} {kind}" for name, kind in log.all_columns)
    casts = ", ".join(f"{name}::{kind}" for name, kind in log.all_columns)
    with connect(Login.EXTRACT, settings) as source, build_connection(settings) as target:
        target.execute("create schema if not exists benchmark")
        target.execute("drop table if exists benchmark.bare")
        target.execute(f"create unlogged table benchmark.bare ({columns})")
        # Read into memory first, untimed: the denominator is the load alone.
        with source.cursor().copy(f"copy (select {casts} from changelog.vital_sign) to stdout (format binary)") as out:
            data = b"".join(out)
        started = time.perf_counter()
        with target.cursor().copy("copy benchmark.bare from stdin (format binary)") as into:
            for start in range(0, len(data), BLOCK_BYTES):
                into.write(data[start : start + BLOCK_BYTES])
        target.commit()
        seconds = time.perf_counter() - started
        target.execute("drop table benchmark.bare")
    return seconds


def _extraction(settings: Settings) -> float:
    """Seconds of the product's own extraction, from an empty `raw`."""
    with build_connection(settings) as warehouse:
        warehouse.execute("truncate raw.vital_sign")
        warehouse.execute("update raw.extract_watermark set txid = 0")
    started = time.perf_counter()
    extract(settings)
    return time.perf_counter() - started


def measure(settings: Settings) -> tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]:
    """The section's title, note, header and rows."""
    migrate_to_head(settings)
    reference_data.load(settings)
    _fill(settings)
    extract(settings)
    pairs = [(_bare_copy(settings), _extraction(settings)) for _ in range(REPEATS)]
    bare = statistics.median(pair[0] for pair in pairs)
    ours = statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
    with build_connection(settings) as warehouse:
        warehouse.execute("truncate raw.vital_sign")
    with connect(Login.OWNER, settings) as owner:
        owner.execute("truncate health.vital_sign")
    return (
        "Extraction",
        f"{ROWS:,} vital signs of {len(HEADER) + 7} columns, median of {REPEATS} pairs."
        " Target: at least 80 % of the denominator.",
        ("path", "seconds", "million rows/s"),
        [
            ("denominator: COPY binary from memory, unlogged table", f"{bare:.2f}", f"{ROWS / bare / 1e6:.2f}"),
            (
                "`extract`: read and load, watermark, logged table",
                f"{ours:.2f}",
                f"{ROWS / ours / 1e6:.2f}",
            ),
            ("ratio", f"{ratio:.0%}", ""),
        ],
    )
