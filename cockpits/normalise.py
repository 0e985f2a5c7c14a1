"""One form for what is wanted and for what is live, so that the two can be compared."""

from __future__ import annotations

import copy
from typing import Any

#: Keys that say nothing about an asset -> why. A dotted key stands inside another.
DROPPED: dict[str, dict[str, str]] = {
    "databases": {
        "version": "of the format",
        "allow_csv_upload": "an import calls it allow_file_upload",
        "allow_file_upload": "an export may leave it out",
        "configuration_method": "how the form in the browser was filled in",
        "password": "never leaves Superset",
    },
    "datasets": {
        "version": "of the format",
        "always_filter_main_dttm": "not imported by this version",
        "folders": "how the chart builder groups columns",
        "cache_timeout": "exported from the database where the dataset has none",
    },
    "charts": {
        "version": "of the format",
        "query_context": "written by the browser from params",
        "params.datasource": "this installation's number of the dataset, which dataset_uuid names",
        "params.slice_id": "this installation's number of the chart",
        "params.dashboards": "where the chart is shown, which the dashboards say",
        "params.dashboardId": "where the browser came from",
        "params.url_params": "where the browser came from",
        "params.extra_form_data": "filters of a moment",
        "params.force": "a request's",
        "params.result_format": "a request's",
        "params.result_type": "a request's",
    },
    "dashboards": {
        "version": "of the format",
        "metadata.shared_label_colors": "the browser writes them on display",
        "metadata.map_label_colors": "the browser writes them on display",
        "metadata.color_scheme_domain": "the browser writes it on display",
        "metadata.global_chart_configuration": "the browser fills in the charts' numbers",
        "metadata.chart_configuration": "the browser fills in the charts' numbers",
        "metadata.remote_id": "where an import came from",
    },
}
_FILTER_DROPPED = ("chartsInScope", "tabsInScope")


def normalise(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """The content to compare by: without what says nothing and what is empty, in one order."""
    return _filled(stripped(kind, content))


def stripped(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """The content without what says nothing, with UUIDs for this installation's numbers."""
    result = copy.deepcopy(content)
    for key in DROPPED[kind]:
        outer, _, inner = key.partition(".")
        if inner:
            (result.get(outer) or {}).pop(inner, None)
        else:
            result.pop(outer, None)
    if kind == "datasets":
        result["columns"] = {item["column_name"]: item for item in result.get("columns") or []}
        result["metrics"] = {item["metric_name"]: item for item in result.get("metrics") or []}
    if kind == "dashboards":
        _dashboard(result)
    return result


def _dashboard(result: dict[str, Any]) -> None:
    uuid_of_number = {}
    for element in (result.get("position") or {}).values():
        if isinstance(element, dict) and element.get("type") == "CHART":
            uuid_of_number[element["meta"].pop("chartId", None)] = element["meta"].get("uuid")
        if isinstance(element, dict) and "children" in element and element["type"] == "CHART":
            element.pop("children")
    for native_filter in (result.get("metadata") or {}).get("native_filter_configuration") or []:
        for key in _FILTER_DROPPED:
            native_filter.pop(key, None)
        scope = native_filter.get("scope") or {}
        scope["excluded"] = sorted(str(uuid_of_number.get(number, number)) for number in scope.get("excluded") or [])


def _filled(value: Any) -> Any:
    """Without keys whose value is empty: an export leaves some of them out, an import writes them."""
    if isinstance(value, dict):
        items = ((str(key), _filled(item)) for key, item in value.items())
        return {key: item for key, item in sorted(items) if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [_filled(item) for item in value]
    return value


def differences(wanted: Any, live: Any, at: str = "") -> list[str]:
    """Where two normalised documents differ, as `place: live -> wanted`."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return [
            line
            for key in sorted(wanted.keys() | live.keys())
            for line in differences(wanted.get(key), live.get(key), f"{at}.{key}" if at else key)
        ]
    if wanted == live:
        return []
    return [f"{at}: {_short(live)} -> {_short(wanted)}"]


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
