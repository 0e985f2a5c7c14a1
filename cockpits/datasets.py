"""A dataset's columns and metrics with their texts, resolved against the contract."""

from __future__ import annotations

from dataclasses import dataclass, field

from cockpits.contract import Column, Relation
from cockpits.definitions import Definition
from cockpits.lineage import columns_of_expression, output_columns
from cockpits.located import LocatedMapping, Problem

_TIME_TYPES = {"date", "timestamptz", "timestamp"}


@dataclass(frozen=True)
class Metric:
    """A saved metric of a dataset."""

    name: str
    expression: str
    label: str
    text: str


@dataclass(frozen=True)
class Dataset:
    """A dataset as charts see it."""

    definition: Definition
    columns: dict[str, Column]
    metrics: dict[str, Metric] = field(default_factory=dict)

    @property
    def time_columns(self) -> list[str]:
        return [column.name for column in self.columns.values() if column.data_type in _TIME_TYPES]


def resolve(definition: Definition, contract: dict[str, Relation]) -> tuple[Dataset | None, list[Problem]]:
    """The dataset, or None with the reasons."""
    if ("relation" in definition.source) == ("sql" in definition.source):
        return None, [definition.problem("either `relation` or `sql` is needed")]
    if "relation" in definition.source:
        columns, problems = _relation_columns(definition, contract)
    else:
        columns, problems = _sql_columns(definition, contract)
    if problems:
        return None, problems
    metrics, problems = _metrics(definition, columns)
    return (None if problems else Dataset(definition, columns, metrics)), problems


def _relation_columns(definition: Definition, contract: dict[str, Relation]) -> tuple[dict[str, Column], list[Problem]]:
    name = definition.get("relation")
    if name not in contract:
        return {}, [definition.problem(f"`{name}` is not published", "relation")]
    return dict(contract[name].columns), []


def _sql_columns(definition: Definition, contract: dict[str, Relation]) -> tuple[dict[str, Column], list[Problem]]:
    if "sql" not in definition.beside:
        return {}, []  # the missing file is a problem already
    path, sql = definition.beside["sql"]
    outputs, problems = output_columns(sql, path, contract)
    own = definition.get("columns") or LocatedMapping()
    columns: dict[str, Column] = {}
    for output in outputs:
        given = own.get(output.name)
        if given is not None:
            label, text = given.get("label", output.name), given.get("text")
            columns[output.name] = Column(output.name, given.get("type", "text"), f"{label}：{text}" if text else label)
        elif output.origin is not None:
            columns[output.name] = Column(output.name, output.origin.data_type, output.origin.text)
        else:
            problems.append(
                definition.problem(f"column `{output.name}` is computed: give it a label and a type", "columns")
            )
    names = {output.name for output in outputs}
    problems += [
        definition.problem(f"the SQL gives no column `{name}`", line=own.line_of(name))
        for name in own
        if outputs and name not in names
    ]
    return columns, problems


def _metrics(definition: Definition, columns: dict[str, Column]) -> tuple[dict[str, Metric], list[Problem]]:
    metrics, problems = {}, []
    given: LocatedMapping = definition.get("metrics") or LocatedMapping()
    for name, metric in given.items():
        line = given.line_of(name)
        if summed := metric.get("sum"):
            if summed not in columns:
                problems.append(definition.problem(f"metric `{name}`: there is no column `{summed}`", line=line))
                continue
            column = columns[summed]
            metrics[name] = Metric(name, f"sum({summed})", metric.get("label", column.label), column.text)
            continue
        if not {"expression", "label", "text"} <= metric.keys():
            problems.append(
                definition.problem(f"metric `{name}` needs `sum`, or `expression`, `label` and `text`", line=line)
            )
            continue
        line = metric.line_of("expression")
        read, error = columns_of_expression(metric["expression"])
        if error:
            problems.append(definition.problem(f"metric `{name}`: not SQL: {error}", line=line))
        problems += [
            definition.problem(f"metric `{name}`: there is no column `{column}`", line=line)
            for column in sorted(read - columns.keys())
        ]
        metrics[name] = Metric(name, metric["expression"], metric["label"], metric["text"])
    return metrics, problems
