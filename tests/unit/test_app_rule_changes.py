"""What two catalogues differ in."""

from __future__ import annotations

from copy import deepcopy

from expectations.catalogue import catalogues
from operational_app.inbox.queries import SEVERITIES
from operational_app.rule_catalogue.rules import PARTS, Kind, changes

CONTENT = catalogues()[-1].content


def test_every_part_of_a_rule_has_a_name_and_no_other_has() -> None:
    assert all(set(rule) == {*PARTS, "id"} for rule in CONTENT["rules"])


def test_alike_is_no_change() -> None:
    assert changes(CONTENT, deepcopy(CONTENT)) == []


def test_each_part_that_differs_is_named_once() -> None:
    for name, label in PARTS.items():
        changed = deepcopy(CONTENT)
        changed["rules"][3][name] += "改"
        [change] = changes(CONTENT, changed)
        assert (change.kind, change.key) == (Kind.CHANGED, CONTENT["rules"][3]["id"])
        [difference] = change.differences
        before = CONTENT["rules"][3][name]
        assert (difference.label, difference.before) == (label, SEVERITIES[before][0] if name == "severity" else before)


def test_added_and_removed_mirror_each_other() -> None:
    fewer = deepcopy(CONTENT)
    gone = fewer["rules"].pop(0)
    [removed], [added] = changes(CONTENT, fewer), changes(fewer, CONTENT)
    assert (removed.kind, added.kind) == (Kind.REMOVED, Kind.ADDED)
    assert removed.key == added.key == gone["id"]
    assert [(d.label, d.before) for d in removed.differences] == [(d.label, d.after) for d in added.differences]


def test_a_loosened_limit_and_another_list_of_fields_are_changes() -> None:
    changed = deepcopy(CONTENT)
    changed["acceptance"]["错误率"] = "低于 5%"
    changed["required_fields"]["version"] = "2099.1"
    limit, fields = changes(CONTENT, changed)
    assert limit.title == "验收门槛" and limit.differences[0].after == "低于 5%"
    assert fields.title == "应填字段表" and fields.differences[0].after == "2099.1"
