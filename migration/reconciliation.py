"""Does it add up? Per source table: counts, and what the target holds against what was meant to be written.

The counts come from three sides: the export's manifest, the reader, the ledger (counted by PostgreSQL). The values are
hashed when they are written and hashed again by PostgreSQL from what it stored; encrypted values are read back,
decrypted and hashed. A difference is a failed migration, not a footnote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from huiyang.errors import HuiyangError
from huiyang.field_crypto import get_field_crypto, row_context
from huiyang.settings import Settings
from migration.hashing import value_hash_sql
from migration.ledger import OUTCOMES
from migration.mapping import Mapping, Target
from migration.sealing import sealed_hashes
from migration.source_loader import hashed_columns, sealed_fields
from migration.target import read_columns


@dataclass(frozen=True)
class SourceReconciliation:
    """One source table of one run.

    Attributes:
        manifest_rows: what the export says it has; None without a manifest.
        rows: read. The four outcomes add up to it.
        target_rows: distinct rows the ledger names and the target has.
        compared, mismatched: target rows whose plain values were compared, and differ or are missing.
        sealed_compared, sealed_mismatched: the same for encrypted values.
    """

    name: str
    title: str
    data_class: str
    manifest_rows: int | None
    rows: int
    loaded: int
    merged: int
    duplicate: int
    quarantined: int
    target_rows: int
    compared: int
    mismatched: int
    sealed_compared: int
    sealed_mismatched: int

    @property
    def adds_up(self) -> bool:
        return self.rows == self.loaded + self.merged + self.duplicate + self.quarantined and self.manifest_rows in (
            None,
            self.rows,
        )

    @property
    def is_complete(self) -> bool:
        return self.adds_up and not self.mismatched and not self.sealed_mismatched


def reconcile(
    connection: psycopg.Connection,
    settings: Settings,
    run_id: int,
    source_id: int,
    mapping: Mapping,
    rows: int,
    manifest_rows: int | None,
    sealed_sample: int,
    absent: dict[str, int],
) -> SourceReconciliation:
    """Checks one source table and stores the result in `migration.reconciliation`.

    Args:
        rows: rows read in this run.
        sealed_sample: of a table with more rows than this, every n-th is decrypted, so that about so many are.
        absent: rows by outcome that the ledger holds of a former export and this one lacks; they are not counted.
    """
    # The tables were filled a moment ago and have no statistics: a nested loop would be a wrong guess.
    connection.execute("set local enable_nestloop = off")
    connection.execute("set local work_mem = '256MB'")
    outcomes = {
        outcome: count - absent.get(outcome, 0) for outcome, count in _outcomes(connection, run_id, source_id).items()
    }
    compared = mismatched = sealed_compared = sealed_mismatched = target_rows = 0
    for number, target in mapping.numbered_targets:
        if target.match_on:
            continue
        found, here, wrong = _compare_plain(connection, run_id, source_id, number, target)
        compared, mismatched = compared + here, mismatched + wrong
        if number == 0:
            target_rows = found
        here, wrong = _compare_sealed(connection, settings, run_id, source_id, number, target, sealed_sample)
        sealed_compared, sealed_mismatched = sealed_compared + here, sealed_mismatched + wrong
    result = SourceReconciliation(
        mapping.name, mapping.title, mapping.data_class, manifest_rows, rows,
        outcomes["loaded"], outcomes["merged"], outcomes["duplicate"], outcomes["quarantined"],
        target_rows, compared, mismatched, sealed_compared, sealed_mismatched,
    )  # fmt: skip
    connection.execute("delete from migration.reconciliation where run_id = %s and source_id = %s", [run_id, source_id])
    connection.execute(
        "insert into migration.reconciliation values"
        " (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            run_id, source_id, manifest_rows, rows, result.loaded, result.merged, result.duplicate, result.quarantined,
            target_rows, compared, mismatched, sealed_compared, sealed_mismatched, result.is_complete,
        ],
    )  # fmt: skip
    connection.commit()
    return result


def _outcomes(connection: psycopg.Connection, run_id: int, source_id: int) -> dict[str, int]:
    """Rows of the ledger by outcome, the newest entry of each; counted by PostgreSQL."""
    former = connection.execute(
        "select exists (select 1 from migration.source_run where source_id = %s and run_id <> %s)", [source_id, run_id]
    ).fetchone()
    # Without a former run every entry is the newest of its row, and a million rows need not be sorted to know it.
    entries = "current_ledger" if former and former[0] else "ledger"
    query = sql.SQL("select outcome, count(*) from {} where source_id = %s and target_no = 0 group by outcome").format(
        sql.Identifier("migration", entries)
    )
    return dict.fromkeys(OUTCOMES, 0) | dict(connection.execute(query, [source_id]).fetchall())


def _compare_plain(
    connection: psycopg.Connection, run_id: int, source_id: int, number: int, target: Target
) -> tuple[int, int, int]:
    """(rows found in the target, rows compared, rows that differ or are missing) of what this run wrote."""
    table = target.sqlalchemy_table
    query = sql.SQL(
        "select count(distinct t.id), count(*), count(*) filter (where t.id is null or {hash} <> l.value_hash)"
        " from migration.ledger l left join {table} t on t.id = l.target_id"
        " where l.source_id = %s and l.run_id = %s and l.target_no %% 100 = %s and l.value_hash is not null"
    ).format(hash=value_hash_sql(hashed_columns(target), "t"), table=sql.Identifier(str(table.schema), table.name))
    row = connection.execute(query, [source_id, run_id, number]).fetchone()
    assert row is not None
    return row


def _compare_sealed(
    connection: psycopg.Connection,
    settings: Settings,
    run_id: int,
    source_id: int,
    number: int,
    target: Target,
    sample: int,
) -> tuple[int, int]:
    fields = sealed_fields(target)
    if not fields:
        return 0, 0
    names = [f"{f.name}_cipher" for f in fields]
    table = target.sqlalchemy_table
    total = connection.execute(
        "select count(*) from migration.ledger where source_id = %s and run_id = %s and target_no %% 100 = %s"
        " and sealed_hash is not null",
        [source_id, run_id, number],
    ).fetchone()
    assert total is not None
    step = max(1, -(-total[0] // sample))
    query = sql.SQL(
        "select l.target_id, l.sealed_hash, {} from migration.ledger l left join {} t on t.id = l.target_id"
        " where l.source_id = %s and l.run_id = %s and l.target_no %% 100 = %s and l.sealed_hash is not null"
        " and l.ledger_id %% %s = 0"
    ).format(
        sql.SQL(", ").join(sql.Identifier("t", name) for name in names), sql.Identifier(str(table.schema), table.name)
    )
    ids, expected, *ciphers = read_columns(connection, query, [source_id, run_id, number, step])
    texts = [
        _decrypted(settings, values, [row_context(table.fullname, name, i) for i in ids])
        for name, values in zip(names, ciphers, strict=True)
    ]
    found = sealed_hashes(settings, texts)
    return len(ids), sum(a != b for a, b in zip(found, expected, strict=True))


def _decrypted(settings: Settings, values: Sequence[bytes | None], contexts: Sequence[str]) -> list[str | None]:
    """The values in the clear; one that does not decrypt becomes a text that no hash expects."""
    crypto = get_field_crypto(settings)
    result: list[str | None] = []
    for value, context in zip(values, contexts, strict=True):
        try:
            result.append(None if value is None else crypto.decrypt(value, context))
        except HuiyangError:
            result.append("\x00does not decrypt")
    return result
