"""What the data dictionary says of types and grain, held against a warehouse that was built."""

from __future__ import annotations

import psycopg
from psycopg import sql

from dbt_project.dictionary import Model, models
from huiyang.database import Login, connect
from huiyang.settings import Settings

SCHEMAS = {"marts": "published", "intermediate": "intermediate", "records": "candidate", "staging": "staging"}


def test_types_and_grain_are_as_the_dictionary_says(released_installation: Settings) -> None:
    with connect(Login.BUILD, released_installation, autocommit=True) as connection:
        built: dict[str, dict[str, str]] = {}
        for schema, relation, column, kind in connection.execute(
            "select nspname, relname, attname, format_type(atttypid, atttypmod) from pg_attribute"
            " join pg_class on pg_class.oid = attrelid join pg_namespace on pg_namespace.oid = relnamespace"
            " where nspname = any(%s) and attnum > 0 and not attisdropped",
            [list(SCHEMAS.values())],
        ):
            built.setdefault(f"{schema}.{relation}", {})[column] = kind
        wrong: list[str] = []
        checked = 0
        for model in models({}):
            # Half-yearly marts are not refreshed here, and a staging view that nothing reads is not built.
            if found := built.get(f"{SCHEMAS[model.layer]}.{model.name}"):
                checked += 1
                wrong += [
                    f"{model.name}.{column['name']}: {found.get(column['name'])}"
                    for column in model.columns
                    if found.get(column["name"]) != column["data_type"].replace(", ", ",")
                ]
                wrong += [f"{model.name}: {model.grain}"] * repeats(connection, model)
    assert checked > 75
    assert not wrong


def repeats(connection: psycopg.Connection, model: Model) -> bool:
    """Whether two rows of a model have the same grain."""
    statement = sql.SQL("select exists (select from {} group by {} having count(*) > 1)").format(
        sql.Identifier(SCHEMAS[model.layer], model.name), sql.SQL(", ").join(map(sql.Identifier, model.grain))
    )
    row = connection.execute(statement).fetchone()
    assert row is not None
    return bool(row[0])
