"""Where the running Superset and the definitions part, in either direction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cockpits import theme
from cockpits.compile import Document
from cockpits.definitions import is_ours
from cockpits.live import LiveAsset
from cockpits.normalise import differences, normalise
from cockpits.policies import tombstones


@dataclass
class Drift:
    """UUIDs by what is the matter.

    Attributes:
        missing: defined, not live.
        changed: defined and live, but not the same; with the differences.
        retired: ours by its UUID or by a tombstone, live, no longer defined: `prune` removes it.
        foreign: live, made by somebody in the browser; left alone.
        themes: names of themes that are missing or not as defined.
    """

    missing: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    retired: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    themes: list[str] = field(default_factory=list)

    @property
    def to_apply(self) -> bool:
        return bool(self.missing or self.changed or self.themes)


def theme_document(board_theme: theme.DashboardTheme) -> dict[str, str]:
    """A theme as Superset stores it."""
    return {
        "theme_name": board_theme.title,
        "json_data": json.dumps(board_theme.tokens, ensure_ascii=False, sort_keys=True),
    }


def find_drift(
    wanted: Mapping[str, Document], live: Mapping[str, LiveAsset], live_themes: Mapping[str, Mapping[str, str]]
) -> Drift:
    """Compares both sides."""
    drift = Drift()
    for uuid, document in wanted.items():
        if uuid not in live:
            drift.missing.append(uuid)
            continue
        found = differences(normalise(document.kind, document.content), normalise(document.kind, live[uuid].content))
        if sorted(document.roles) != sorted(live[uuid].roles):
            found.append(f"roles: {sorted(live[uuid].roles)} -> {sorted(document.roles)}")
        if found:
            drift.changed[uuid] = found
    buried = tombstones()
    for uuid in live.keys() - wanted.keys():
        (drift.retired if is_ours(uuid) or uuid in buried else drift.foreign).append(uuid)
    for board_theme in theme.DASHBOARD_THEMES.values():
        if live_themes.get(board_theme.uuid) != theme_document(board_theme):
            drift.themes.append(board_theme.name)
    return drift


def report(drift: Drift, wanted: Mapping[str, Document], live: Mapping[str, LiveAsset]) -> list[str]:
    """The drift as lines for a person."""
    lines = [f"theme {name}: to be set" for name in drift.themes]
    lines += [f"missing   {wanted[uuid].kind}/{wanted[uuid].name}" for uuid in drift.missing]
    for uuid, found in drift.changed.items():
        lines.append(f"changed   {wanted[uuid].kind}/{wanted[uuid].name}")
        lines += [f"            {line}" for line in found]
    lines += [f"retired   {live[uuid].kind}: {live[uuid].title} (`prune` removes it)" for uuid in drift.retired]
    lines += [f"by hand   {live[uuid].kind}: {live[uuid].title} (left alone)" for uuid in drift.foreign]
    return lines
