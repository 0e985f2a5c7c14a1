"""Which columns an SQL file reads and gives, checked against the contract without a database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from cockpits.contract import Column, Relation
from cockpits.located import Problem

SCHEMA = "published"
DIALECT = "postgres"


@dataclass(frozen=True)
class OutputColumn:
    """A column of the result; `origin` is the published column that it passes on, unchanged or summed, if it does."""

    name: str
    origin: Column | None


def output_columns(sql: str, path: Path, contract: dict[str, Relation]) -> tuple[list[OutputColumn], list[Problem]]:
    """The result's columns in order, and every reference to what the contract does not have."""
    try:
        query: Any = sqlglot.parse_one(sql, dialect=DIALECT)
    except ParseError as error:
        detail = error.errors[0]
        return [], [Problem(path, detail["line"] or 1, f"not SQL: {detail['description']}")]
    if problems := _unknown_tables(query, path, contract):
        return [], problems
    schema: dict[str, object] = {
        SCHEMA: {
            relation.name: {column.name: column.data_type for column in relation.columns.values()}
            for relation in contract.values()
        }
    }
    by_name = {column.name: _line(column) for column in query.find_all(exp.Column)}
    try:
        qualified: Any = qualify(query, schema=schema, dialect=DIALECT, quote_identifiers=False)
    except OptimizeError as error:
        message = str(error).splitlines()[0]
        line = next((by_name[word] for word in re.findall(r"\w+", message) if word in by_name), 1)
        return [], [Problem(path, line, message)]
    scope = build_scope(qualified)
    if scope is None:
        return [], [Problem(path, 1, "a query is expected")]
    select = qualified.selects
    return [OutputColumn(column.alias_or_name, _origin(column, scope, contract)) for column in select], []


def columns_of_expression(expression: str) -> tuple[set[str], str | None]:
    """The columns that a metric's expression reads, and what is wrong with it, if anything."""
    try:
        parsed = sqlglot.parse_one(expression, dialect=DIALECT)
    except ParseError as error:
        return set(), error.errors[0]["description"]
    return {column.name for column in parsed.find_all(exp.Column)}, None


def _unknown_tables(query: Any, path: Path, contract: dict[str, Relation]) -> list[Problem]:
    """Every relation outside `published`, or not in it."""
    own = {cte.alias_or_name for cte in query.find_all(exp.CTE)}
    problems = []
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name in own):
            continue
        if table.db != SCHEMA:
            problems.append(Problem(path, _line(table), f"`{table.name}` is not read from schema {SCHEMA}"))
        elif table.name not in contract:
            problems.append(Problem(path, _line(table), f"`{table.name}` is not published"))
    return problems


def _line(node: Any) -> int:
    for identifier in node.find_all(exp.Identifier):
        if "line" in identifier.meta:
            return int(identifier.meta["line"])
    return 1


def _origin(node: Any, scope: Any, contract: dict[str, Relation]) -> Column | None:
    alias, node = node.alias_or_name, node.unalias()
    if isinstance(node, exp.Sum) and node.this.name == alias:
        node = node.this
    if not isinstance(node, exp.Column):
        return None
    source = scope.sources.get(node.table)
    if isinstance(source, exp.Table):
        relation = contract.get(source.name)
        return relation.columns.get(node.name) if relation else None
    if isinstance(source, Scope):
        query: Any = source.expression
        # The sqlglot that Superset pins calls it otherwise than the newer one.
        branches = getattr(source, "set_operation_scopes", None) or getattr(source, "union_scopes", None)
        branch: Any = branches[0] if branches else source
        for index, column in enumerate(query.selects if isinstance(query, exp.Query) else []):
            if column.alias_or_name == node.name:
                return _origin(branch.expression.selects[index], branch, contract)
    return None
