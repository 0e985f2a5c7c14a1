"""Loads the reference tables of `huiyang.reference` into the app: divisions, reporting units, census, the catalogue's
first-level categories. Safe to run again: a row is inserted, updated where it differs, or left alone; none is deleted.
What identity begins with (built-in roles and resources, a department for each division) is made beside it.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from huiyang.database import Login, connect
from huiyang.reference import read_reference
from huiyang.settings import Settings
from operational_app.identity import access

#: Table → (reference file, columns of both, key). Parents before children.
_TABLES: dict[str, tuple[str, list[str], list[str]]] = {
    "reference.division": (
        "ref_division",
        ["division_code", "name", "full_name", "level", "parent_code", "is_pseudo"],
        ["division_code"],
    ),
    "reference.reporting_unit": ("ref_reporting_unit", ["unit_code", "name"], ["unit_code"]),
    "reference.reporting_unit_division": (
        "ref_reporting_unit_division",
        ["unit_code", "division_code"],
        ["unit_code", "division_code"],
    ),
    "reference.census_population": (
        "ref_census_2020",
        ["county_code", "sex", "age_group", "population"],
        ["county_code", "sex", "age_group"],
    ),
    "home_service.service_category": (
        "ref_service_category",
        ["category_code", "name", "standard_type", "aid_type"],
        ["category_code"],
    ),
}
#: Since when a reference row counts as true: before anything that refers to it.
_EFFECTIVE_AT = "2020-01-01 00:00:00+08"


def load(settings: Settings) -> dict[str, int]:
    """Brings the app's reference tables to the files' content, in one transaction as the login `loader`.

    Returns:
        table → rows inserted or changed; all zero when run again.
    """
    with connect(Login.LOADER, settings) as connection:
        changed = {table: _load_table(connection, table, *source) for table, source in _TABLES.items()}
        access.ensure(connection)
        return changed


def _load_table(connection: psycopg.Connection, table: str, file: str, columns: list[str], key: list[str]) -> int:
    frame = read_reference(file)[columns].astype(object)
    rows = frame.where(frame.notna(), None).values.tolist()
    tracked = table == "home_service.service_category"
    names = [*columns, "effective_at"] if tracked else columns
    others = [column for column in columns if column not in key]
    target = sql.Identifier(*table.split("."))
    if others:
        changes: sql.Composable = sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c)) for c in others
        )
        if tracked:
            changes = sql.SQL("{}, row_version = t.row_version + 1, effective_at = now()").format(changes)
        differs = sql.SQL(" or ").join(
            sql.SQL("t.{0} is distinct from excluded.{0}").format(sql.Identifier(c)) for c in others
        )
        on_conflict: sql.Composable = sql.SQL("do update set {} where {}").format(changes, differs)
    else:
        on_conflict = sql.SQL("do nothing")
    statement = sql.SQL("insert into {} as t ({}) values ({}) on conflict ({}) {}").format(
        target,
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(sql.Placeholder() for _ in names),
        sql.SQL(", ").join(map(sql.Identifier, key)),
        on_conflict,
    )
    if tracked:
        rows = [[*row, _EFFECTIVE_AT] for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
        return cursor.rowcount
