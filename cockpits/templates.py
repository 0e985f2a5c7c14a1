"""Handlebars templates: shared parts in front, texts of the contract filled in, and what they read checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cockpits.contract import Relation
from cockpits.located import Problem

SHARED_FILE = "_shared.hbs"
_MARK = "{{!-- 以上为共用部分 --}}"
_TOKEN = re.compile(r"\[\[(label|text):(\w+)\.(\w+)\]\]")
_FIELD = re.compile(r"(?:this|data\.\d+|\.\.)\.(\w+)")


def expand(template: str, shared: str, contract: dict[str, Relation]) -> str:
    """The template as Superset gets it. Unknown tokens stay; `problems_of` reports them.

    Indentation goes: four spaces after a tag that markdown does not know would be code to Superset's renderer.
    """

    def text(match: re.Match[str]) -> str:
        relation = contract.get(match[2])
        column = relation.columns.get(match[3]) if relation else None
        if column is None:
            return match[0]
        return column.label if match[1] == "label" else column.text

    lines = (line.strip() for line in f"{shared}\n{_MARK}\n{template}".splitlines())
    return "\n".join(_TOKEN.sub(text, line) for line in lines if line)


def own_part(expanded: str) -> str:
    """What follows the shared parts."""
    return expanded.partition(f"{_MARK}\n")[2] or expanded


def problems_of(template: str, path: Path, fields: set[str], contract: dict[str, Relation]) -> Iterator[Problem]:
    """Fields that the chart's query does not give, and tokens that the contract does not know."""
    for number, line in enumerate(template.splitlines(), start=1):
        for name in _FIELD.findall(line):
            if name not in fields:
                yield Problem(path, number, f"the chart's query gives no `{name}`")
        for _, relation, column in _TOKEN.findall(line):
            if relation not in contract or column not in contract[relation].columns:
                yield Problem(path, number, f"`{relation}.{column}` is not published")
