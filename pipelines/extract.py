"""Extraction: the change log of `app` into the warehouse's `raw`, losing nothing and taking nothing twice.

A run takes the changes of transactions below the oldest one still running (`txid_to`), in every table up to the same
point; that point is the cut-off. What is running now commits with a higher transaction id and comes next time. The
position reached stands in the warehouse and is written in the transaction that loads the rows, so a run killed at any
moment is continued by the next one. Rows pass as PostgreSQL's binary COPY format, undecoded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import psycopg
from psycopg import pq, sql
from psycopg.pq.abc import PGresult

from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.progress import Progress
from huiyang.settings import Settings
from operational_app import models  # noqa: F401  (log_tables() reads the registry that it fills)
from operational_app.core.changelog import LOG_SCHEMA, LogTable, log_tables
from pipelines.warehouse import build_connection, ensure_warehouse

RAW_SCHEMA = "raw"
#: One write to the warehouse per so many bytes: libpq hands COPY data out row by row. Large blocks are slower: while
#: one fills up, the warehouse waits.
_BLOCK_BYTES = 1 << 14
#: A commit waits for the disk: small tables share one, which comes after the table that fills it up.
_ROWS_PER_COMMIT = 100_000
#: Header and trailer of PostgreSQL's binary COPY format without a row between.
_NO_ROWS = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff"


@dataclass(frozen=True)
class ExtractSummary:
    """One finished extraction.

    Attributes:
        cut_off: transaction id; every change below it is in `raw`.
        as_of: when the app's database stated it.
        rows: rows loaded by this run, per table.
        seconds: wall time of the whole run.
    """

    batch_id: int
    cut_off: int
    as_of: datetime
    seconds: float
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())

    @property
    def rows_per_second(self) -> float:
        return self.total_rows / self.seconds if self.seconds else 0.0


def extract(settings: Settings, progress: Progress | None = None) -> ExtractSummary:
    """Brings `raw` up to the newest cut-off.

    Args:
        progress: called with a table's name and the fraction done before each table.

    Raises:
        HuiyangError: the app's database is older than what was extracted from it, or a column changed its type.
    """
    started = time.monotonic()
    ensure_warehouse(settings)
    tables = log_tables()
    rows: dict[str, int] = {}
    with (
        connect(Login.EXTRACT, settings, autocommit=True) as app,
        build_connection(settings) as warehouse,
    ):
        with warehouse.transaction():
            _ensure_raw_tables(warehouse, tables)
        cut_off, as_of = _oldest_running_transaction(app)
        batch_id = _begin_batch(warehouse, tables, cut_off, as_of)
        uncommitted = 0
        for position, table in enumerate(tables):
            if progress:
                progress(str(table.name), position, len(tables))
            rows[table.name] = _load_table(app, warehouse, table, cut_off, batch_id)
            uncommitted += rows[table.name]
            if uncommitted >= _ROWS_PER_COMMIT:
                warehouse.commit()
                uncommitted = 0
        warehouse.execute(
            "update raw.extract_batch set finished_at = clock_timestamp(), rows = %s where batch_id = %s",
            [sum(rows.values()), batch_id],
        )
    return ExtractSummary(batch_id, cut_off, as_of, time.monotonic() - started, rows)


def _oldest_running_transaction(app: psycopg.Connection) -> tuple[int, datetime]:
    """Every transaction below it has ended: none of its changes can still appear."""
    row = app.execute("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, clock_timestamp()").fetchone()
    assert row is not None
    return row[0], row[1]


def _begin_batch(warehouse: psycopg.Connection, tables: list[LogTable], cut_off: int, as_of: datetime) -> int:
    """Registers the run, and the tables that are new; returns its number."""
    with warehouse.transaction():
        row = warehouse.execute(
            "insert into raw.extract_batch (txid_from, txid_to, cut_off_at)"
            " select coalesce(min(txid), 0), %s, %s from raw.extract_watermark returning batch_id",
            [cut_off, as_of],
        ).fetchone()
        assert row is not None
        warehouse.execute(
            "insert into raw.extract_watermark (table_name, txid, batch_id)"
            " select name, 0, %s from unnest(%s::text[]) as name on conflict do nothing",
            [row[0], [table.name for table in tables]],
        )
    return row[0]


def _load_table(
    app: psycopg.Connection, warehouse: psycopg.Connection, table: LogTable, cut_off: int, batch_id: int
) -> int:
    """Loads one table's changes in the warehouse's current transaction; returns the number of rows."""
    row = warehouse.execute(
        "select txid from raw.extract_watermark where table_name = %s for update", [table.name]
    ).fetchone()
    assert row is not None
    watermark: int = row[0]
    if cut_off < watermark:
        raise HuiyangError(
            f"The app's database stands at transaction {cut_off}, but {table.name} was extracted up to {watermark}: "
            "the database was restored or replaced.",
            "Drop the schema `raw` of the warehouse and refresh again; everything is then extracted anew.",
        )
    names = [name for name, _ in table.all_columns]
    # The casts hold both sides to the same types: binary COPY would misread another type of the same length.
    select = sql.SQL(
        "copy (select {columns}, {batch}::bigint from {source} where {range}) to stdout (format binary)"
    ).format(
        columns=sql.SQL(", ").join(
            sql.SQL("{}::{}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in table.all_columns
        ),
        batch=sql.Literal(batch_id),
        source=sql.Identifier(LOG_SCHEMA, table.name),
        range=sql.SQL("change_txid >= {} and change_txid < {}").format(sql.Literal(watermark), sql.Literal(cut_off)),
    )
    insert = sql.SQL("copy {target} ({columns}, batch_id) from stdin (format binary)").format(
        target=sql.Identifier(RAW_SCHEMA, table.name), columns=sql.SQL(", ").join(map(sql.Identifier, names))
    )
    blocks = copy_blocks(app, select.as_string(app))
    first = next(blocks)
    loaded = 0
    if first != _NO_ROWS:
        with warehouse.cursor() as into:
            with into.copy(insert) as target:
                for block in chain([first], blocks):
                    target.write(block)
            loaded = into.rowcount
    warehouse.execute(
        "update raw.extract_watermark set txid = %s, batch_id = %s where table_name = %s",
        [cut_off, batch_id, table.name],
    )
    return loaded


def copy_blocks(connection: psycopg.Connection, statement: str) -> Iterator[bytearray]:
    """Yields the output of a `copy … to stdout` in blocks.

    libpq hands it out row by row; psycopg's own `Copy` costs 1.2 µs for each, which is more than the two servers need
    together. This loop costs a third of that.
    """
    libpq = connection.pgconn
    _expect(libpq.exec_(statement.encode()), pq.ExecStatus.COPY_OUT)
    block = bytearray()
    while True:
        size, data = libpq.get_copy_data(0)
        if size < 0:
            break
        block += data
        if len(block) >= _BLOCK_BYTES:
            yield block
            block = bytearray()
    result = libpq.get_result()
    while libpq.get_result() is not None:
        pass
    _expect(result, pq.ExecStatus.COMMAND_OK)
    yield block


def _expect(result: PGresult | None, status: pq.ExecStatus) -> None:
    if result is None or result.status != status:
        raise psycopg.errors.error_from_result(result) if result else psycopg.OperationalError("connection lost")


def _ensure_raw_tables(warehouse: psycopg.Connection, tables: list[LogTable]) -> None:
    """Makes missing tables and columns. Nothing is dropped: what the app no longer logs keeps its history."""
    warehouse.execute("select pg_advisory_xact_lock(hashtext('huiyang warehouse schema'))")
    existing: dict[str, dict[str, str]] = {}
    for table_name, column, kind in warehouse.execute(
        "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a"
        " join pg_class c on c.oid = a.attrelid where c.relnamespace = 'raw'::regnamespace and a.attnum > 0"
        " and not a.attisdropped and c.relkind = 'r'"
    ):
        existing.setdefault(table_name, {})[column] = kind
    for table in tables:
        columns = (*table.all_columns, ("batch_id", "bigint"))
        target = sql.Identifier(RAW_SCHEMA, table.name)
        if table.name not in existing:
            body = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(k)) for n, k in columns)
            warehouse.execute(sql.SQL("create table {} ({})").format(target, body))
            continue
        for name, kind in columns:
            known = existing[table.name].get(name)
            if known is None:
                warehouse.execute(
                    sql.SQL("alter table {} add column {} {}").format(target, sql.Identifier(name), sql.SQL(kind))
                )
            elif _plain(known) != _plain(kind):
                raise HuiyangError(
                    f"raw.{table.name}.{name} is {known} in the warehouse, but {kind} in the app.",
                    "A logged column never changes its type: give the new meaning a new column.",
                )


def _plain(kind: str) -> str:
    """`NUMERIC(14, 2)` and `numeric(14,2)`, `double precision` and `float8` are the same type."""
    return kind.lower().replace(" ", "").replace("character varying", "text")


def newest_cut_off(settings: Settings) -> tuple[int, datetime]:
    """Transaction id and time of the newest finished extraction.

    Raises:
        HuiyangError: nothing was extracted yet.
    """
    with build_connection(settings) as warehouse:
        row = warehouse.execute(
            "select txid_to, cut_off_at from raw.extract_batch where finished_at is not null"
            " order by batch_id desc limit 1"
        ).fetchone()
    if row is None:
        raise HuiyangError("Nothing was extracted yet.", "Run `huiyang refresh`, which begins with it.")
    return row[0], row[1]


def find_cut_off(settings: Settings, cut_off: int) -> tuple[int, datetime]:
    """The same for an earlier extraction, by the transaction id at which it ended.

    Raises:
        HuiyangError: no extraction ended there, so `raw` may lack changes below it or hold some above.
    """
    with build_connection(settings) as warehouse:
        row = warehouse.execute(
            "select txid_to, cut_off_at from raw.extract_batch where finished_at is not null and txid_to = %s"
            " order by batch_id limit 1",
            [cut_off],
        ).fetchone()
    if row is None:
        raise HuiyangError(
            f"No extraction ended at the cut-off {cut_off}.", "`huiyang release list` shows the cut-offs of releases."
        )
    return row[0], row[1]
