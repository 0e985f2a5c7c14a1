"""Writing to the operational database: Arrow types of its columns, ranges of keys, binary COPY, updates in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pgpq
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
)

_SIMPLE_TYPES: list[tuple[type[Any], pa.DataType]] = [
    (SmallInteger, pa.int16()),
    (BigInteger, pa.int64()),
    (Integer, pa.int32()),
    (Boolean, pa.bool_()),
    (Date, pa.date32()),
    (DateTime, pa.timestamp("us", tz="UTC")),
    (Double, pa.float64()),
    (LargeBinary, pa.binary()),
]


def arrow_type(column: Column[Any]) -> pa.DataType:
    """The Arrow type whose binary form is that of the column; text for everything that PostgreSQL keeps as text."""
    kind = column.type
    if isinstance(kind, ARRAY):
        return pa.list_(pa.int16() if isinstance(kind.item_type, SmallInteger) else pa.string())
    if isinstance(kind, Numeric) and not isinstance(kind, Double):
        return pa.decimal128(kind.precision or 38, kind.scale or 0)
    return next((arrow for python, arrow in _SIMPLE_TYPES if isinstance(kind, python)), pa.string())


def allocate_ids(connection: psycopg.Connection, table: str, count: int) -> np.ndarray:
    """Takes `count` identity keys of a table; (count,) int64. Keys of an aborted transaction are lost, not reused."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute("select nextval(pg_get_serial_sequence(%s, 'id')) from generate_series(1, %s)", [table, count])
        return np.fromiter((row[0] for row in cursor), dtype=np.int64, count=count)


def copy_in(connection: psycopg.Connection, table: str, rows: pa.RecordBatch) -> None:
    """Appends rows by binary COPY; the batch's columns have the table's names and types."""
    if not rows.num_rows:
        return
    encoder = pgpq.ArrowToPostgresBinaryEncoder(rows.schema)
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, rows.schema.names))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(encoder.write_header())
        copy.write(encoder.write_batch(rows))
        copy.write(encoder.finish())


@contextmanager
def _staged(connection: psycopg.Connection, table: Table, rows: pa.RecordBatch) -> Iterator[sql.Composable]:
    """The rows in an unlogged table of schema `migration`, gone at the end: COPY refuses tables with row security."""
    stage = sql.Identifier("migration", f"stage_{table.schema}_{table.name}")
    listed = sql.SQL(", ").join(map(sql.Identifier, rows.schema.names))
    name = sql.Identifier(str(table.schema), table.name)
    connection.execute(sql.SQL("create unlogged table {} as select {} from {} limit 0").format(stage, listed, name))
    copy_in(connection, f"migration.stage_{table.schema}_{table.name}", rows)
    yield stage
    connection.execute(sql.SQL("drop table {}").format(stage))


def insert_rows(connection: psycopg.Connection, table: Table, rows: pa.RecordBatch) -> None:
    """Inserts rows in one statement, so the change log pays once; columns have the table's names and types."""
    if not rows.num_rows:
        return
    listed = sql.SQL(", ").join(map(sql.Identifier, rows.schema.names))
    with _staged(connection, table, rows) as stage:
        connection.execute(
            sql.SQL("insert into {} ({}) select {} from {}").format(
                sql.Identifier(str(table.schema), table.name), listed, listed, stage
            )
        )


def update_rows(connection: psycopg.Connection, table: Table, rows: pa.RecordBatch) -> None:
    """Sets the batch's columns where the table's `id` is the batch's; one statement, so the change log pays once."""
    if not rows.num_rows:
        return
    columns = [column for column in rows.schema.names if column != "id"]
    assignments = sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(column)) for column in columns)
    with _staged(connection, table, rows) as stage:
        connection.execute(
            sql.SQL("update {} t set {}, row_version = t.row_version + 1 from {} s where s.id = t.id").format(
                sql.Identifier(str(table.schema), table.name), assignments, stage
            )
        )


def read_table(connection: psycopg.Connection, query: sql.Composable, schema: pa.Schema) -> pa.Table:
    """A query's rows as an Arrow table, by COPY: for the millions of keys that Python objects are too slow for.

    Args:
        query: without parameters; its columns are those of `schema`.
        schema: texts, whole numbers, booleans.
    """
    with connection.cursor() as cursor:
        buffer = pa.BufferOutputStream()
        with cursor.copy(sql.SQL("copy ({}) to stdout (format csv, force_quote *)").format(query)) as copy:
            for block in copy:
                buffer.write(block)
    content = buffer.getvalue()
    if not content.size:
        return schema.empty_table()
    return pa_csv.read_csv(
        pa.BufferReader(content),
        read_options=pa_csv.ReadOptions(column_names=schema.names),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=schema, null_values=[""], true_values=["t"], false_values=["f"],
            strings_can_be_null=True, quoted_strings_can_be_null=False,
        ),
    ).combine_chunks()  # fmt: skip


def read_columns(
    connection: psycopg.Connection,
    query: sql.Composable | str,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> list[tuple[Any, ...]]:
    """The columns of a query's rows, as tuples; empty tuples where there are none."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(query, parameters)  # type: ignore[arg-type]
        rows = cursor.fetchall()
        width = len(cursor.description or ())
    return list(zip(*rows, strict=True)) if rows else [() for _ in range(width)]
