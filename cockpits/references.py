"""What a chart's parameters refer to: columns and metrics of its dataset, each with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cockpits.lineage import columns_of_expression
from cockpits.located import LocatedList, LocatedMapping

_COLUMN_KEYS = ("x_axis", "entity", "series", "granularity_sqla", "line_column", "spatial", "size", "dimension")
_COLUMN_LIST_KEYS = ("groupby", "columns", "all_columns", "groupbyRows", "groupbyColumns", "groupby_b")
_METRIC_KEYS = ("metric", "secondary_metric", "sort_by_metric", "timeseries_limit_metric", "series_limit_metric")
_METRIC_LIST_KEYS = ("metrics", "metrics_b", "percent_metrics", "tooltip_metrics")


@dataclass(frozen=True)
class Reference:
    """One mention of a column or a saved metric."""

    is_metric: bool
    name: str
    line: int


def references(params: LocatedMapping) -> Iterator[Reference]:
    """Every column and metric that a chart's form data names."""
    for key in _COLUMN_KEYS:
        if isinstance(params.get(key), str):
            yield Reference(False, params[key], params.line_of(key))
    for key in _COLUMN_LIST_KEYS:
        for line, item in _items(params, key):
            if isinstance(item, str):
                yield Reference(False, item, line)
    for key in _METRIC_KEYS:
        if params.get(key) is not None and not isinstance(params[key], bool):
            yield from _metric(params[key], params.line_of(key))
    for key in _METRIC_LIST_KEYS:
        for line, item in _items(params, key):
            yield from _metric(item, line)
    for key in ("adhoc_filters", "adhoc_filters_b"):
        for line, item in _items(params, key):
            if item.get("expressionType") == "SIMPLE":
                yield Reference(False, item["subject"], line)
            else:
                yield from (Reference(False, name, line) for name in columns_of_expression(item["sqlExpression"])[0])
    for line, item in _items(params, "order_by_cols"):
        yield Reference(False, json.loads(item)[0], line)


def query_fields(params: dict[str, Any]) -> set[str]:
    """The names of the columns in the result of a chart that lists raw columns or groups."""
    fields = {*params.get("all_columns", []), *params.get("groupby", [])}
    return fields | {metric for metric in params.get("metrics", []) if isinstance(metric, str)}


def _items(params: LocatedMapping, key: str) -> Iterator[tuple[int, Any]]:
    items = params.get(key)
    if isinstance(items, LocatedList):
        yield from zip(items.lines, items, strict=True)


def _metric(metric: Any, line: int) -> Iterator[Reference]:
    if isinstance(metric, str):
        yield Reference(True, metric, line)
    elif metric.get("expressionType") == "SIMPLE":
        yield Reference(False, metric["column"]["column_name"], line)
    else:
        yield from (Reference(False, name, line) for name in columns_of_expression(metric["sqlExpression"])[0])
