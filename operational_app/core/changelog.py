"""The change log: what happened to every business row, append-only, in commit-safe order, without personal data.

Each tracked table has a typed log table of the same name in schema `changelog`: `change_id`, `change_op` (I, U, D),
`change_txid` (the writing transaction), `recorded_at`, then the table's columns less those marked personal. A
statement-level trigger writes it, so a bulk load pays once a statement. Append-only event tables are their own log and
appear there as views of the same shape.

A reader takes only rows whose `change_txid` is below the oldest running transaction: those are complete. A reader that
goes by time or by the highest key loses what commits late.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from operational_app.core.base import AppendOnly, Tracked, mapped_tables

LOG_SCHEMA = "changelog"
HEADER = (
    ("change_id", "bigint"),
    ("change_op", "text"),
    ("change_txid", "bigint"),
    ("recorded_at", "timestamp with time zone"),
)


@dataclass(frozen=True)
class LogTable:
    """One table of the change log.

    Attributes:
        name: its name in schema `changelog` (and in the warehouse's `raw`).
        source_schema: the business area that it comes from.
        columns: (name, PostgreSQL type) after the header.
        append_only: an event table that is its own log.
    """

    name: str
    source_schema: str
    columns: tuple[tuple[str, str], ...]
    append_only: bool

    @property
    def all_columns(self) -> tuple[tuple[str, str], ...]:
        return HEADER + self.columns


def _columns(table: Table, skip: frozenset[str]) -> tuple[tuple[str, str], ...]:
    dialect = postgresql.dialect()
    columns = []
    for column in table.columns:
        if column.info.get("personal") or column.name in skip:
            continue
        kind = column.type.compile(dialect).lower()
        columns.append((column.name, "text" if kind.startswith("varchar") else kind))
    return tuple(columns)


def log_tables() -> list[LogTable]:
    """Every table of the change log, by name."""
    tables = []
    for model, table in mapped_tables():
        if issubclass(model, Tracked):
            tables.append(LogTable(table.name, str(table.schema), _columns(table, frozenset()), append_only=False))
        elif issubclass(model, AppendOnly) and not table.info.get("stays_in_app"):
            skip = frozenset({"change_txid", "recorded_at"})
            tables.append(LogTable(table.name, str(table.schema), _columns(table, skip), append_only=True))
    names = [table.name for table in tables]
    assert len(names) == len(set(names)), "two tracked tables of one name would share a log"
    return sorted(tables, key=lambda table: table.name)


def log_ddl(log: LogTable) -> list[str]:
    """Statements that make one log table with its triggers, or the view that stands for it."""
    target, source = f"{LOG_SCHEMA}.{log.name}", f"{log.source_schema}.{log.name}"
    names = ", ".join(name for name, _ in log.columns)
    if log.append_only:
        return [
            f"create view {target} with (security_invoker = true) as"
            f" select id as change_id, 'I'::text as change_op, change_txid, recorded_at, {names} from {source}",
            f"grant usage on schema {log.source_schema} to huiyang_extract",
            f"grant select (change_txid, recorded_at, {names}) on {source} to huiyang_extract",
            f"create policy extract_reads on {source} for select to huiyang_extract using (true)",
            f"create index ix_{log.name}_change_txid on {source} using brin (change_txid)",
            f"grant select on {target} to huiyang_extract",
        ]
    columns = ", ".join(f"{name} {kind}" for name, kind in log.columns)
    statements = [
        f"create table {target} (change_id bigint generated always as identity, change_op text not null,"
        " change_txid bigint not null default (pg_current_xact_id()::text)::bigint,"
        f" recorded_at timestamp with time zone not null default clock_timestamp(), {columns})",
        f"create index ix_{log.name}_log_txid on {target} using brin (change_txid)",
        f"create function {LOG_SCHEMA}.log_{log.name}() returns trigger language plpgsql security definer"
        f" set search_path = '' as $$ begin insert into {target} (change_op, {names})"
        f" select left(tg_op, 1), {names} from changed; return null; end $$",
        f"revoke all on function {LOG_SCHEMA}.log_{log.name}() from public",
        f"grant select on {target} to huiyang_extract",
    ]
    for operation, rows in (("insert", "new"), ("update", "new"), ("delete", "old")):
        statements.append(
            f"create trigger log_{operation} after {operation} on {source} referencing {rows} table as changed"
            f" for each statement execute function {LOG_SCHEMA}.log_{log.name}()"
        )
    return statements
