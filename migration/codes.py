"""Codes for what was migrated, and the old platform's numbers beside them, so that old paper still finds its record."""

from __future__ import annotations

from sqlalchemy import Connection, create_engine, text

from huiyang.database import Login, sqlalchemy_url
from huiyang.settings import Settings
from operational_app.codes.models import SubjectKind
from operational_app.codes.service import SUBJECTS, issue_missing

#: Kind → (source, table of its rows that the kind's codes name).
_SOURCES = (
    (SubjectKind.ELDER, "elders", "elders.elder"),
    (SubjectKind.BED, "beds", "institutions.bed"),
    (SubjectKind.INSTITUTION, "institutions", "organizations.organization"),
    (SubjectKind.INSTITUTION, "providers", "organizations.organization"),
)
_KEEP_NUMBERS = """
insert into codes.legacy_code as known (kind, legacy_code, {column})
select :kind, entry.source_key, entry.target_id
from migration.current_ledger as entry
join migration.source using (source_id)
join migration.source_target as target on target.source_id = entry.source_id and target.target_no = entry.target_no
where source.name = :source and target.target_table = :table
    and entry.occurrence = 1 and entry.target_id is not null
on conflict (kind, legacy_code) do update set {column} = excluded.{column}
where known.{column} <> excluded.{column}
"""


def issue_codes(settings: Settings) -> int:
    """Gives a code to everything in use that never had one, in one statement a kind; a second call changes nothing.

    Returns:
        codes issued.
    """
    engine = create_engine(sqlalchemy_url(Login.LOADER, settings))
    try:
        issued = 0
        for kind in SubjectKind:
            with engine.begin() as connection:
                issued += issue_missing(connection, kind)
        with engine.begin() as connection:
            _keep_numbers(connection)
    finally:
        engine.dispose()
    return issued


def _keep_numbers(connection: Connection) -> None:
    for kind, source, table in _SOURCES:
        statement = text(_KEEP_NUMBERS.format(column=SUBJECTS[kind].column))
        connection.execute(statement, {"kind": kind.value, "source": source, "table": table})
