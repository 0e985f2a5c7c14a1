"""What two catalogues differ in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from operational_app.inbox.queries import SEVERITIES

#: The parts of a rule, as people read them, in the order shown.
PARTS = {
    "title": "问题", "theme": "主题", "record": "对象", "dimension": "质量维度", "severity": "程度",
    "definition": "定义", "applies": "适用记录", "violated": "判为不符合的条件", "compared": "比对依据",
    "owner": "责任方", "recommendation": "处理建议",
}  # fmt: skip
_REQUIRED_FIELDS = {
    "version": "版本", "effective_from": "适用期起", "effective_until": "适用期止", "basis": "依据",
    "registers": "须有外部名册的主题",
}  # fmt: skip


class Kind(StrEnum):
    ADDED = "新增"
    CHANGED = "修改"
    REMOVED = "删除"


@dataclass(frozen=True)
class Difference:
    """One part: what it is called, its text before and after."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """One rule, limit or list that is not as it was.

    Attributes:
        key: a rule's id; empty for what is no rule.
    """

    kind: Kind
    key: str
    title: str
    differences: tuple[Difference, ...]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What is not alike in two contents (`expectations.catalogue.Catalogue.content`): limits first, then rules in the
    order of the newer content, then those that are gone."""
    found = []
    limits = {label: label for label in {**before["acceptance"], **after["acceptance"]}}
    for title, names, part in (
        ("验收门槛", limits, "acceptance"), ("应填字段表", _REQUIRED_FIELDS, "required_fields"),
    ):  # fmt: skip
        if differences := _differences(names, before[part], after[part]):
            found.append(Change(Kind.CHANGED, "", title, differences))
    old = {rule["id"]: rule for rule in before["rules"]}
    new = {rule["id"]: rule for rule in after["rules"]}
    for key, rule in new.items():
        if differences := _differences(PARTS, old.get(key, {}), rule):
            found.append(Change(Kind.CHANGED if key in old else Kind.ADDED, key, rule["title"], differences))
    for key in old.keys() - new.keys():
        found.append(Change(Kind.REMOVED, key, old[key]["title"], _differences(PARTS, old[key], {})))
    return found


def _differences(
    names: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Difference, ...]:
    return tuple(
        Difference(label, _shown(name, before.get(name, "")), _shown(name, after.get(name, "")))
        for name, label in names.items()
        if before.get(name, "") != after.get(name, "")
    )


def _shown(name: str, value: str) -> str:
    return SEVERITIES[value][0] if name == "severity" and value in SEVERITIES else value
