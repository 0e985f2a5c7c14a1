"""The definitions in assets/: datasets, charts, dashboards, as their files say it.

A definition refers to others by file name: a dashboard to charts, a chart to its dataset, a dataset to a relation of
the dbt contract or to an SQL file. Superset's UUIDs are derived from these names.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cockpits import located
from cockpits.located import LocatedMapping, Problem

ASSETS_DIR = Path(__file__).parent / "assets"

#: Every identity of ours begins with these bytes, so that what is ours can be told from what somebody added by hand.
_OUR_PREFIX = b"huiy"

_KEYS: dict[str, tuple[set[str], set[str]]] = {
    # kind: (required, allowed besides)
    "datasets": ({"title"}, {"relation", "sql", "columns", "metrics", "text"}),
    "charts": ({"title", "dataset", "viz", "params"}, {"text", "definitions", "template", "uuid"}),
    "dashboards": (
        {"title", "questions", "theme", "roles", "layout"},
        {"filters", "phone", "refresh_seconds", "uuid"},
    ),
}


def identity(kind: str, name: str) -> str:
    """The UUID (version 8, our prefix) of an asset, e.g. `identity("charts", "overview_map")`."""
    raw = bytearray(_OUR_PREFIX + hashlib.sha256(f"{kind}/{name}".encode()).digest()[:12])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def is_ours(asset_uuid: str | uuid.UUID) -> bool:
    """Whether a definition of ours, of today or of the past, made this UUID."""
    return uuid.UUID(str(asset_uuid)).bytes[:4] == _OUR_PREFIX


@dataclass
class Definition:
    """One file of assets/datasets, charts or dashboards.

    Attributes:
        beside: files that belong to it (SQL, template) by their key: (path, text).
    """

    kind: str
    name: str
    path: Path
    source: LocatedMapping
    beside: dict[str, tuple[Path, str]] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """Derived from the name, or kept from the browser where the asset was made there."""
        return str(self.source.get("uuid") or identity(self.kind, self.name))

    def get(self, key: str, default: Any = None) -> Any:
        return self.source.get(key, default)

    def problem(self, message: str, key: str | None = None, line: int | None = None) -> Problem:
        """A problem of this definition, at a key or line of its file."""
        return Problem(self.path, line or (self.source.line_of(key) if key else self.source.line), message)


@dataclass
class Definitions:
    """Everything under assets/, by name; files that cannot be read are among the problems."""

    root: Path
    datasets: dict[str, Definition] = field(default_factory=dict)
    charts: dict[str, Definition] = field(default_factory=dict)
    dashboards: dict[str, Definition] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def of_kind(self, kind: str) -> dict[str, Definition]:
        found: dict[str, Definition] = getattr(self, kind)
        return found


def load_definitions(root: Path = ASSETS_DIR) -> Definitions:
    """Reads every definition; never raises for what is wrong in one."""
    result = Definitions(root)
    for kind, (required, allowed) in _KEYS.items():
        for path in sorted((root / kind).glob("*.yaml")):
            source = located.load(path)
            if isinstance(source, Problem):
                result.problems.append(source)
                continue
            definition = Definition(kind, path.stem, path, source)
            for key in sorted(required - source.keys()):
                result.problems.append(definition.problem(f"`{key}` is missing"))
            for key in sorted(source.keys() - required - allowed):
                result.problems.append(definition.problem(f"`{key}` is not known here", key))
            if required <= source.keys():
                _read_beside(definition, root, result.problems)
                result.of_kind(kind)[path.stem] = definition
    return result


def _read_beside(definition: Definition, root: Path, problems: list[Problem]) -> None:
    for key, folder in (("sql", "datasets"), ("template", "templates")):
        if name := definition.get(key):
            path = root / folder / name
            if path.is_file():
                definition.beside[key] = (path, path.read_text(encoding="utf-8").rstrip("\n"))
            else:
                problems.append(definition.problem(f"there is no {path.name} in {folder}/", key))
