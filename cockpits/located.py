"""YAML whose mappings and lists remember on which line each value stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from huiyang.settings import PROJECT_ROOT


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong in a definition, at a place that an editor can jump to."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        path = self.path.relative_to(PROJECT_ROOT) if self.path.is_relative_to(PROJECT_ROOT) else self.path
        return f"{path}:{self.line}: {self.message}"


class LocatedMapping(dict[str, Any]):
    """A mapping with `line` (its own) and `lines` (of each key)."""

    line: int = 1

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)


class LocatedList(list[Any]):
    """A list with `line` (its own) and `lines` (of each element)."""

    line: int = 1

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


class _Loader(yaml.SafeLoader):
    pass


def _mapping(loader: _Loader, node: yaml.MappingNode) -> LocatedMapping:
    loader.flatten_mapping(node)
    result = LocatedMapping()
    result.line = node.start_mark.line + 1
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        result[key] = loader.construct_object(value_node, deep=True)
        result.lines[key] = key_node.start_mark.line + 1
    return result


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> LocatedList:
    result = LocatedList()
    result.line = node.start_mark.line + 1
    for item in node.value:
        result.append(loader.construct_object(item, deep=True))
        result.lines.append(item.start_mark.line + 1)
    return result


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_SEQUENCE_TAG, _sequence)


def load(path: Path) -> LocatedMapping | Problem:
    """The file's mapping, or what is wrong with the file."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Problem(path, line, f"not YAML: {error.problem}")
    if not isinstance(content, LocatedMapping):
        return Problem(path, 1, "a mapping is expected")
    return content


def plain(value: Any) -> Any:
    """The same value without lines: dict, list and scalars that JSON and YAML write."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
