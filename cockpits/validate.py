"""The whole chain, offline: dashboard -> chart -> dataset -> published column, with file and line of what breaks it.

Superset itself drops an unknown chart from a dashboard without a word, and shows an unknown column to the reader as an
error; here both are found before anything is applied.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from cockpits import templates, theme
from cockpits.contract import Relation, load_contract
from cockpits.datasets import Dataset, resolve
from cockpits.definitions import Definition, Definitions, load_definitions
from cockpits.layout import Node, read_layout
from cockpits.located import LocatedList, Problem
from cockpits.policies import ROLES_FILE
from cockpits.references import query_fields, references


def validate(definitions: Definitions | None = None, contract: dict[str, Relation] | None = None) -> list[Problem]:
    """Everything that is wrong in the definitions, sorted by file and line; empty if they may be applied."""
    definitions = definitions or load_definitions()
    contract = contract or load_contract()
    problems = list(definitions.problems)
    datasets: dict[str, Dataset] = {}
    for name, definition in definitions.datasets.items():
        dataset, found = resolve(definition, contract)
        problems += found
        if dataset:
            datasets[name] = dataset
    for chart in definitions.charts.values():
        problems += _chart(chart, definitions, datasets, contract)
    for dashboard in definitions.dashboards.values():
        problems += _dashboard(dashboard, definitions, datasets)
    problems += _unused(definitions)
    return sorted(set(problems))


def _chart(
    chart: Definition, definitions: Definitions, datasets: dict[str, Dataset], contract: dict[str, Relation]
) -> Iterator[Problem]:
    name = chart.get("dataset")
    if name not in definitions.datasets:
        yield chart.problem(f"there is no dataset `{name}`", "dataset")
        return
    texts = chart.get("definitions") or LocatedList()
    for line, text in zip(texts.lines, texts, strict=True):
        relation, _, column = text.partition(".")
        if relation not in contract or column not in contract[relation].columns:
            yield chart.problem(f"`{text}` is not published", line=line)
    if name not in datasets:
        return  # its problems are reported where they are
    dataset = datasets[name]
    params = chart.get("params")
    for reference in references(params):
        if reference.is_metric and reference.name not in dataset.metrics:
            yield chart.problem(f"dataset `{name}` has no metric `{reference.name}`", line=reference.line)
        elif not reference.is_metric and reference.name not in dataset.columns:
            yield chart.problem(f"dataset `{name}` has no column `{reference.name}`", line=reference.line)
    if "template" in chart.beside:
        path, template = chart.beside["template"]
        yield from templates.problems_of(template, path, query_fields(params), contract)


def _dashboard(dashboard: Definition, definitions: Definitions, datasets: dict[str, Dataset]) -> Iterator[Problem]:
    if dashboard.get("theme") not in theme.DASHBOARD_THEMES:
        yield dashboard.problem(f"there is no theme `{dashboard.get('theme')}`", "theme")
    if len(dashboard.get("questions")) != 5:
        yield dashboard.problem("name the five questions that its leader asks first", "questions")
    known_roles = yaml.safe_load(ROLES_FILE.read_text(encoding="utf-8"))["roles"]
    for role in dashboard.get("roles"):
        if role not in known_roles:
            yield dashboard.problem(f"there is no role `{role}` in {ROLES_FILE.name}", "roles")
    for part in ("layout", "phone"):
        if part not in dashboard.source:
            continue
        nodes, problems = read_layout(dashboard, part)
        yield from problems
        for node in _flat(nodes):
            if node.kind == "chart" and node.name not in definitions.charts:
                yield dashboard.problem(f"there is no chart `{node.name}`", line=node.line)
    for native_filter in dashboard.get("filters") or []:
        name, column = native_filter.get("dataset"), native_filter.get("column")
        line = native_filter.line_of("column")
        if name not in definitions.datasets:
            yield dashboard.problem(f"there is no dataset `{name}`", line=native_filter.line_of("dataset"))
        elif name in datasets and column not in datasets[name].columns:
            yield dashboard.problem(f"dataset `{name}` has no column `{column}`", line=line)


def _unused(definitions: Definitions) -> Iterator[Problem]:
    """Charts on no dashboard and datasets behind no chart are left-overs."""
    shown = {
        node.name
        for dashboard in definitions.dashboards.values()
        for part in ("layout", "phone")
        if part in dashboard.source
        for node in _flat(read_layout(dashboard, part)[0])
    }
    for name, chart in definitions.charts.items():
        if name not in shown:
            yield chart.problem("no dashboard shows this chart")
    used = {chart.get("dataset") for chart in definitions.charts.values()}
    used |= {
        item.get("dataset") for dashboard in definitions.dashboards.values() for item in dashboard.get("filters") or []
    }
    for name, dataset in definitions.datasets.items():
        if name not in used:
            yield dataset.problem("no chart reads this dataset")


def _flat(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _flat(node.children)
