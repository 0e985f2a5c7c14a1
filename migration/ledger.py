"""The migration's own tables (schema `migration`, `ledger.sql`): runs, ledger, quarantine; and what they remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from huiyang.errors import HuiyangError
from migration.mapping import Mapping
from migration.target import arrow_type, copy_in, read_table
from operational_app.core.base import Base

_DDL = Path(__file__).with_name("ledger.sql")
LOADED, MERGED, DUPLICATE, QUARANTINED = OUTCOMES = ("loaded", "merged", "duplicate", "quarantined")

LEDGER_SCHEMA = pa.schema(
    [
        ("run_id", pa.int32()),
        ("source_id", pa.int16()),
        ("row_number", pa.int64()),
        ("source_key", pa.string()),
        ("occurrence", pa.int16()),
        ("row_hash", pa.int64()),
        ("outcome", pa.string()),
        ("target_no", pa.int16()),
        ("target_id", pa.int64()),
        ("target_version", pa.int64()),
        ("value_hash", pa.int64()),
        ("sealed_hash", pa.int64()),
        ("reasons", pa.list_(pa.string())),
        ("warnings", pa.list_(pa.string())),
        ("alternate_key", pa.string()),
    ]
)


def ensure_tables(connection: psycopg.Connection) -> None:
    """Makes the migration's tables where they are missing."""
    connection.execute(_DDL.read_text(encoding="utf-8"))
    connection.commit()


def register_sources(connection: psycopg.Connection, mappings: Sequence[Mapping]) -> dict[str, int]:
    """Source ids by name; a new source gets its partition of the ledger."""
    ids: dict[str, int] = {}
    for mapping in mappings:
        row = connection.execute("select source_id from migration.source where name = %s", [mapping.name]).fetchone()
        if row is None:
            row = connection.execute(
                "insert into migration.source (name, title, file, source_table) values (%s, %s, %s, %s)"
                " returning source_id",
                [mapping.name, mapping.title, mapping.file, mapping.table],
            ).fetchone()
            assert row is not None
            connection.execute(
                sql.SQL("create table {} partition of migration.ledger for values in ({})").format(
                    sql.Identifier("migration", f"ledger_{mapping.name}"), sql.Literal(row[0])
                )
            )
        ids[mapping.name] = row[0]
        for number, target in mapping.numbered_targets:
            connection.execute(
                "insert into migration.source_target values (%s, %s, %s)"
                " on conflict (source_id, target_no) do update set target_table = excluded.target_table",
                [row[0], number, target.table],
            )
    connection.commit()
    return ids


@dataclass(frozen=True)
class Run:
    """A run of the migration. `resumed`: an earlier process of the same run ended before its end."""

    run_id: int
    resumed: bool


def lock(connection: psycopg.Connection) -> None:
    """Holds the migration for this connection.

    Raises:
        HuiyangError: another process migrates.
    """
    row = connection.execute("select pg_try_advisory_lock(hashtext('huiyang migration'))").fetchone()
    connection.commit()
    if not (row and row[0]):
        raise HuiyangError("Another migration of this installation is at work.", "Wait until it ends.")


def start_run(connection: psycopg.Connection, folder: Path, export_sha256: str) -> Run | None:
    """The run of an export: a new one, the unfinished one, or None where the newest finished run was of this export."""
    last = connection.execute(
        "select run_id, export_sha256, state from migration.run order by run_id desc limit 1"
    ).fetchone()
    if last is not None and last[1] == export_sha256:
        if last[2] == "done":
            return None
        connection.execute(
            "update migration.run set state = 'running', finished_at = null where run_id = %s", [last[0]]
        )
        connection.commit()
        return Run(last[0], resumed=True)
    if last is not None and last[2] != "done":
        connection.execute(
            "update migration.run set state = 'failed', finished_at = now() where run_id = %s", [last[0]]
        )
    row = connection.execute(
        "insert into migration.run (export_folder, export_sha256, state) values (%s, %s, 'running') returning run_id",
        [str(folder), export_sha256],
    ).fetchone()
    connection.commit()
    assert row is not None
    return Run(row[0], resumed=False)


def finish_run(connection: psycopg.Connection, run_id: int, state: str) -> None:
    connection.execute(
        "update migration.run set state = %s, finished_at = clock_timestamp() where run_id = %s", [state, run_id]
    )
    connection.commit()


@dataclass
class Entries:
    """Ledger entries of one chunk and target, columns as in `LEDGER_SCHEMA` less run and source."""

    row_number: np.ndarray
    source_key: pa.Array
    occurrence: np.ndarray
    row_hash: np.ndarray
    outcome: pa.Array
    target_no: int = 0
    target_id: pa.Array | None = None
    target_version: pa.Array | None = None
    value_hash: pa.Array | None = None
    sealed_hash: pa.Array | None = None
    reasons: list[list[str] | None] | None = None
    warnings: list[list[str] | None] | None = None
    alternate_key: pa.Array | None = None


def write_entries(connection: psycopg.Connection, run_id: int, source_id: int, entries: Entries) -> None:
    count = len(entries.row_number)
    if not count:
        return
    columns = [
        pa.repeat(pa.scalar(run_id, pa.int32()), count),
        pa.repeat(pa.scalar(source_id, pa.int16()), count),
        pa.array(entries.row_number, pa.int64()),
        entries.source_key,
        pa.array(entries.occurrence.astype(np.int16)),
        pa.array(entries.row_hash),
        entries.outcome,
        pa.repeat(pa.scalar(entries.target_no, pa.int16()), count),
        *(
            pa.nulls(count, pa.int64()) if column is None else column
            for column in (entries.target_id, entries.target_version, entries.value_hash, entries.sealed_hash)
        ),
        *(
            pa.nulls(count, pa.list_(pa.string())) if lists is None else pa.array(lists, pa.list_(pa.string()))
            for lists in (entries.reasons, entries.warnings)
        ),
        pa.nulls(count, pa.string()) if entries.alternate_key is None else entries.alternate_key,
    ]
    copy_in(connection, "migration.ledger", pa.RecordBatch.from_arrays(columns, schema=LEDGER_SCHEMA))


@dataclass(frozen=True)
class Known:
    """What the ledger knows of a source: the newest entry of each row, by `key\\x1foccurrence`.

    Attributes:
        index: of the rows' main targets.
        row_hash, outcome, target_id (-1 for none): aligned with `index`.
        others: target number → the same for further targets.
    """

    index: pd.Index
    row_hash: np.ndarray
    outcome: np.ndarray
    target_id: np.ndarray
    target_version: np.ndarray
    others: dict[int, tuple[pd.Index, np.ndarray]] = field(default_factory=dict)


_KNOWN = pa.schema(
    [
        ("key", pa.string()),
        ("row_hash", pa.int64()),
        ("outcome", pa.string()),
        ("target_no", pa.int64()),
        ("target_id", pa.int64()),
        ("target_version", pa.int64()),
    ]
)


def read_known(connection: psycopg.Connection, source_id: int) -> Known:
    """The ledger's newest entries of one source."""
    query = sql.SQL(
        "select source_key || chr(31) || occurrence, row_hash, outcome, target_no, coalesce(target_id, -1),"
        " coalesce(target_version, 0) from migration.ledger where source_id = {} order by ledger_id"
    ).format(sql.Literal(source_id))
    entries = read_table(connection, query, _KNOWN)
    numbers = entries["target_no"].to_numpy()
    by_target: dict[int, tuple[pd.Index, pa.Table]] = {}
    for number in sorted(set(numbers.tolist()) | {0}):
        part = entries.filter(pa.array(numbers == number))
        index = pd.Index(part["key"].to_numpy(), dtype=object)
        newest = ~index.duplicated(keep="last")
        by_target[number] = index[newest], part.filter(pa.array(newest))
    index, main = by_target.pop(0)
    return Known(
        index,
        main["row_hash"].to_numpy(),
        main["outcome"].to_numpy(),
        main["target_id"].to_numpy(),
        main["target_version"].to_numpy(),
        others={number: (keys, part["target_id"].to_numpy()) for number, (keys, part) in by_target.items()},
    )


class Lookup:
    """Keys → a value each: ids, or another attribute of the rows meant. See `evaluation.KeyLookup`."""

    def __init__(self, index: pd.Index, values: pa.Array, quarantined: np.ndarray) -> None:
        self._index, self._values, self._quarantined = index, values, quarantined

    def find(self, keys: pa.Array) -> tuple[pa.Array, np.ndarray]:
        """(values, missing where there is no row; bool, the key is known, its row quarantined)."""
        encoded = keys.dictionary_encode()
        if not len(self._index) or not len(encoded.dictionary):
            return pa.nulls(len(keys), self._values.type), np.zeros(len(keys), dtype=bool)
        found = self._index.get_indexer(pd.Index(encoded.dictionary.to_pylist(), dtype=object))
        by_key = self._values.take(pa.array(found, mask=found < 0))
        flags = pa.array(np.where(found >= 0, self._quarantined[found], False))
        rows = encoded.indices
        return by_key.take(rows), np.asarray(pc.fill_null(flags.take(rows), False))


class Lookups:
    """Lookups of one run. Keys are read once for all attributes asked of them."""

    _KEYS = pa.schema([("key", pa.string()), ("id", pa.int64()), ("quarantined", pa.bool_())])

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._keys: dict[tuple[tuple[tuple[int, int], ...], bool], tuple[pd.Index, np.ndarray, np.ndarray]] = {}

    def of_sources(self, targets: tuple[tuple[int, int], ...], alternate: bool, table: str, attribute: str) -> Lookup:
        """By legacy key.

        Args:
            targets: source id and target number; of several sources the first that knows a key holds.
            alternate: by the sources' alternate key.
            table: the targets' table; `attribute` is the column wanted of it.
        """
        if (targets, alternate) not in self._keys:
            self._keys[targets, alternate] = self._read_keys(targets, alternate)
        index, ids, quarantined = self._keys[targets, alternate]
        return Lookup(index, self._attributes(ids, table, attribute), quarantined)

    def of_table(self, table: str, by: str, attribute: str) -> Lookup:
        """By a column of the table's own, such as a category's code."""
        query = sql.SQL("select {0}, id, false from {1} where {0} is not null").format(
            sql.Identifier(by), sql.Identifier(*table.split("."))
        )
        rows = read_table(self._connection, query, self._KEYS)
        index = pd.Index(rows["key"].to_numpy(), dtype=object)
        values = self._attributes(rows["id"].to_numpy(), table, attribute)
        return Lookup(index, values, np.zeros(len(index), dtype=bool))

    def keep(self, source_ids: set[int]) -> None:
        """Forgets the keys of all other sources: a city's elders are a lot of them."""
        self._keys = {
            key: value for key, value in self._keys.items() if source_ids & {source_id for source_id, _ in key[0]}
        }

    def _read_keys(
        self, targets: tuple[tuple[int, int], ...], alternate: bool
    ) -> tuple[pd.Index, np.ndarray, np.ndarray]:
        # The first row with a key is the one that others mean; a repeated one was a duplicate or a conflict.
        main_only = sql.SQL(
            "select {key}, coalesce(target_id, -1), outcome = 'quarantined' from migration.ledger"
            " where source_id = {source} and target_no = 0 and occurrence = 1 and {key} is not null order by ledger_id"
        )
        of_target = sql.SQL(
            "select main.{key}, coalesce(wanted.target_id, -1), main.outcome = 'quarantined'"
            " from migration.ledger main left join migration.ledger wanted"
            " on wanted.source_id = main.source_id and wanted.source_key = main.source_key"
            " and wanted.occurrence = 1 and wanted.target_no = {target}"
            " where main.source_id = {source} and main.target_no = 0 and main.occurrence = 1"
            " and main.{key} is not null order by main.ledger_id, wanted.ledger_id"
        )
        key = sql.Identifier("alternate_key" if alternate else "source_key")
        parts = [
            read_table(
                self._connection,
                (of_target if target else main_only).format(
                    key=key, source=sql.Literal(source), target=sql.Literal(target)
                ),
                self._KEYS,
            )
            for source, target in targets
        ]
        # Of one source the newest entry holds, of several sources the first.
        rows = pa.concat_tables(parts[::-1])
        index = pd.Index(rows["key"].to_numpy(), dtype=object)
        newest = ~index.duplicated(keep="last")
        return index[newest], rows["id"].to_numpy()[newest], rows["quarantined"].to_numpy()[newest]

    def _attributes(self, ids: np.ndarray, table: str, attribute: str) -> pa.Array:
        """A column of the rows with these ids, missing for -1 and for rows that are gone."""
        if attribute == "id":
            return pa.array(ids, mask=ids < 0)
        column = Base.metadata.tables[table].columns[attribute]
        query = sql.SQL("select id, {} from {}").format(sql.Identifier(attribute), sql.Identifier(*table.split(".")))
        rows = read_table(self._connection, query, pa.schema([("id", pa.int64()), (attribute, arrow_type(column))]))
        position = pd.Index(rows["id"].to_numpy()).get_indexer(ids)
        values = rows[attribute].combine_chunks()
        return values.take(pa.array(position, mask=position < 0))


class SeenKeys:
    """How often each key came up so far in a source, and the hash of the row it first came with.

    64-bit hashes of keys, in a few sorted runs: 16 bytes a row.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adds rows in the order of the source.

        Args:
            keys: (n,) int64 hashes of keys.
            rows: (n,) int64 hashes of rows.

        Returns:
            occurrence, from 1; hash of the first row with that key.
        """
        if not len(keys):
            return keys, rows
        order = np.argsort(keys, kind="stable")
        sorted_keys = keys[order]
        starts = np.r_[True, sorted_keys[1:] != sorted_keys[:-1]]
        group = np.cumsum(starts) - 1
        first_position = np.flatnonzero(starts)
        within = np.arange(len(keys)) - first_position[group]
        occurrence = np.empty(len(keys), dtype=np.int64)
        first = np.empty(len(keys), dtype=np.int64)
        occurrence[order] = within + 1
        first[order] = rows[order][first_position][group]
        before = np.zeros(len(keys), dtype=np.int64)
        for run_keys, run_rows in self._runs:
            left = np.searchsorted(run_keys, keys, side="left")
            right = np.searchsorted(run_keys, keys, side="right")
            here = right > left
            first = np.where(here & (before == 0), run_rows[np.minimum(left, len(run_rows) - 1)], first)
            before += right - left
        self._runs.append((sorted_keys, rows[order]))
        # Neighbours of like size are merged, older rows first, so a query asks a handful of runs.
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            (older_keys, older_rows), (newer_keys, newer_rows) = self._runs[-2:]
            merged = np.r_[older_keys, newer_keys]
            order = np.argsort(merged, kind="stable")
            self._runs[-2:] = [(merged[order], np.r_[older_rows, newer_rows][order])]
        return occurrence + before, first
