"""Comparison of definitions with what is live, and the roles that the app's roles become."""

from __future__ import annotations

import copy
import itertools

from cockpits import compile as compiler
from cockpits.definitions import identity, load_definitions
from cockpits.drift import find_drift, report, theme_document
from cockpits.live import LiveAsset
from cockpits.normalise import differences, normalise
from cockpits.policies import permissions_by_role, superset_roles_of
from cockpits.theme import CATEGORICAL, DASHBOARD_THEMES
from operational_app.identity.access import Resource

URI = "postgresql+psycopg2://huiyang_cockpit:XXXXXXXXXX@localhost/warehouse"
WANTED = compiler.compile_assets(load_definitions(), uri=URI)
THEMES = {theme.uuid: theme_document(theme) for theme in DASHBOARD_THEMES.values()}
MAP = identity("charts", "county_map")
BOARD = identity("dashboards", "overview")
COCKPIT_RIGHTS = {Resource.COCKPITS, Resource.COCKPIT_ADMINISTRATION}


def as_superset_holds_it() -> dict[str, LiveAsset]:
    """What an export gives back: other order, other numbers, bookkeeping of the browser."""
    live = {}
    for number, (uuid, document) in enumerate(WANTED.items(), start=100):
        content = copy.deepcopy(document.content)
        if document.kind == "charts":
            content["params"] |= {"datasource": "7__table", "slice_id": number, "force": False}
            content["query_context"] = "{}"
        if document.kind == "datasets":
            content["columns"].reverse()
            content |= {"always_filter_main_dttm": False, "folders": None}
        if document.kind == "dashboards":
            numbers = {}
            for element in content["position"].values():
                if isinstance(element, dict) and element.get("type") == "CHART":
                    old = element["meta"]["chartId"]
                    numbers[old] = element["meta"]["chartId"] = old + 1000
            for item in content["metadata"]["native_filter_configuration"]:
                item["scope"]["excluded"] = [numbers[old] for old in reversed(item["scope"]["excluded"])]
                item["chartsInScope"] = [1, 2, 3]
            content["metadata"]["shared_label_colors"] = ["男"]
        live[uuid] = LiveAsset(document.kind, number, document.name, content, document.roles)
    return live


def test_what_was_applied_has_not_drifted() -> None:
    drift = find_drift(WANTED, as_superset_holds_it(), THEMES)
    assert not drift.to_apply
    assert report(drift, WANTED, as_superset_holds_it()) == []


def test_a_change_in_the_browser_is_named() -> None:
    live = as_superset_holds_it()
    live[MAP].content["slice_name"] = "地图"
    drift = find_drift(WANTED, live, THEMES)
    assert drift.changed == {MAP: ["slice_name: '地图' -> '各县（市、区）老人分布'"]}


def test_a_role_that_was_added_to_a_board_is_drift() -> None:
    live = as_superset_holds_it()
    board = live[BOARD]
    live[BOARD] = LiveAsset(board.kind, board.id, board.title, board.content, (*board.roles, "Public"))
    (found,) = find_drift(WANTED, live, THEMES).changed[BOARD]
    assert found.startswith("roles: ['Public', 'cockpit_viewer']")


def test_missing_retired_and_foreign_assets_are_told_apart() -> None:
    live = as_superset_holds_it()
    del live[MAP]
    retired, foreign = identity("charts", "no_longer_there"), "2b1b4b1e-6d3c-4f0e-9b1a-0d6c5c1f7a11"
    live[retired] = LiveAsset("charts", 1, "旧图表", {})
    live[foreign] = LiveAsset("charts", 2, "张三的图表", {})
    drift = find_drift(WANTED, live, THEMES)
    assert (drift.missing, drift.retired, drift.foreign) == ([MAP], [retired], [foreign])
    assert drift.to_apply


def test_a_theme_that_was_changed_is_set_again() -> None:
    themes = {uuid: document | {"json_data": "{}"} for uuid, document in THEMES.items()}
    assert find_drift(WANTED, as_superset_holds_it(), themes).themes == ["wall"]


def test_differences_name_the_place() -> None:
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}}) == ["a.b: 3 -> 1", "c: nothing -> 2"]


def test_normalising_twice_changes_nothing() -> None:
    for document in WANTED.values():
        if document.kind in {"charts", "databases"}:
            once = normalise(document.kind, document.content)
            assert normalise(document.kind, once) == once


def test_only_named_rights_open_a_cockpit() -> None:
    assert superset_roles_of(Resource.COCKPITS) == ("cockpit_viewer",)
    assert superset_roles_of(Resource.COCKPIT_ADMINISTRATION) == ("Admin",)
    assert not any(superset_roles_of(right) for right in (*set(Resource) - COCKPIT_RIGHTS, "anything else"))


def test_readers_may_neither_write_nor_query_by_themselves() -> None:
    allowed_writes = {"DashboardFilterStateRestApi", "DashboardPermalinkRestApi"}
    for permission, view in permissions_by_role()["cockpit_viewer"]:
        assert "SQL" not in view.upper() or view == "Superset"
        assert not permission.startswith(("can_sqllab", "can_csv", "can_export", "all_", "can_explore"))
        assert permission != "can_write" or view in allowed_writes


def test_series_differ_in_lightness_too() -> None:
    """Neighbouring colours can be told apart without seeing colour: relative luminance, WCAG 2.2."""

    def luminance(colour: str) -> float:
        channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for first, second in itertools.pairwise(CATEGORICAL):
        assert abs(luminance(first) - luminance(second)) > 0.02
