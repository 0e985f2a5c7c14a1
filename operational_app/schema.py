"""The operational database's schema: brought to head by Alembic, and the DDL that models imply beyond their tables.

`python -m operational_app.schema NAME` writes what the models need as one SQL file, the body of the initial revision;
later revisions are written by hand as usual. A test holds the migrated database against the models.
"""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from huiyang.database import Login, sqlalchemy_url
from huiyang.settings import Settings
from operational_app import models  # noqa: F401  (fills the metadata)
from operational_app.core.base import AppendOnly, Base, mapped_tables
from operational_app.core.changelog import LOG_SCHEMA, log_ddl, log_tables
from operational_app.core.row_security import policy_ddl

MIGRATIONS = Path(__file__).parent / "migrations"

_PARTITION_FUNCTION = """
create function maintenance.ensure_month_partitions(parent text, first_month date, last_month date)
returns integer language plpgsql security definer set search_path = '' as $$
declare
    month date := date_trunc('month', first_month);
    made integer := 0;
    partition text;
begin
    if parent not in ({parents}) then
        raise exception 'not a partitioned table of the app: %', parent;
    end if;
    perform pg_advisory_xact_lock(hashtext(parent));
    while month <= last_month loop
        partition := format('%s_%s', parent, to_char(month, 'YYYY_MM'));
        if to_regclass(partition) is null then
            execute format(
                'create table %s partition of %s for values from (%L) to (%L)',
                partition, parent,
                month::timestamp at time zone 'Asia/Shanghai',
                (month + interval '1 month')::timestamp at time zone 'Asia/Shanghai'
            );
            made := made + 1;
        end if;
        month := month + interval '1 month';
    end loop;
    return made;
end $$
"""


def _areas() -> list[str]:
    return sorted({str(table.schema) for table in Base.metadata.tables.values()})


def _table_grants() -> list[str]:
    """What the logins may do: the app never deletes, event tables are never changed, the inbox is read."""
    append_only = {table.fullname for model, table in mapped_tables() if issubclass(model, AppendOnly)}
    statements = []
    for table in Base.metadata.sorted_tables:
        name = table.fullname
        if table.schema == "inbox":
            statements.append(f"grant select on {name} to huiyang_app")
            statements.append(f"grant select, insert, update, delete on {name} to huiyang_inbox")
            continue
        if table.schema == "audit":
            statements.append(f"grant insert on {name} to huiyang_app, huiyang_loader, huiyang_inbox")
            continue
        if table.schema == "reference" and table.name != "due_register":
            statements.append(f"grant select on {name} to huiyang_app, huiyang_inbox")
            statements.append(f"grant select, insert, update on {name} to huiyang_loader")
            continue
        verbs = "select, insert" if name in append_only else "select, insert, update"
        statements.append(f"grant {verbs} on {name} to huiyang_app, huiyang_loader")
    return statements


def initial_ddl() -> list[str]:
    """Every statement that makes the schema from nothing, in order."""
    dialect = postgresql.dialect()
    statements = []
    for area in [*_areas(), LOG_SCHEMA, "maintenance", "migration"]:
        statements.append(f"create schema {area}")
    for area in _areas():
        statements.append(f"grant usage on schema {area} to huiyang_app, huiyang_loader")
    statements += [
        f"grant usage on schema {LOG_SCHEMA} to huiyang_extract",
        "grant usage on schema maintenance to huiyang_app, huiyang_loader",
        "grant usage, create on schema migration to huiyang_loader",
        "grant usage on schema inbox, reference, audit to huiyang_inbox",
    ]
    for table in Base.metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            statements.append(str(CreateIndex(index).compile(dialect=dialect)))
    partitioned = [t.fullname for t in Base.metadata.sorted_tables if t.info.get("partition_by")]
    statements.append(_PARTITION_FUNCTION.format(parents=", ".join(f"'{name}'" for name in partitioned)).strip())
    statements.append("revoke all on function maintenance.ensure_month_partitions from public")
    statements.append("grant execute on function maintenance.ensure_month_partitions to huiyang_app, huiyang_loader")
    statements += _table_grants()
    for model, table in mapped_tables():
        if model.scope is not None:
            statements += policy_ddl(str(table.schema), table.name, model.scope)
    statements.append("create policy inbox_writes on inbox.violation to huiyang_inbox using (true) with check (true)")
    for log in log_tables():
        statements += log_ddl(log)
    return statements


def _config(settings: Settings) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["settings"] = settings
    return config


def migrate_to_head(settings: Settings) -> None:
    """Brings the database `app` to the newest revision as the owner, and makes month partitions for a year to come."""
    command.upgrade(_config(settings), "head")
    engine = create_engine(sqlalchemy_url(Login.OWNER, settings))
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if table.info.get("partition_by"):
                connection.exec_driver_sql(
                    "select maintenance.ensure_month_partitions(%s, (now() - interval '1 month')::date,"
                    " (now() + interval '12 months')::date)",
                    (table.fullname,),
                )
    engine.dispose()


if __name__ == "__main__":
    target = MIGRATIONS / "versions" / f"{sys.argv[1]}.sql"
    target.write_text("\n;\n".join(line.rstrip() for line in initial_ddl()) + "\n")
