"""Brings back into the definitions what somebody changed in the browser, in the definitions' own form.

Texts that the contract gives (labels, definitions of columns) are not brought back: they belong to dbt. A rewritten
file loses its comments; a template that was edited in the browser has the contract's texts where it had tokens.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from cockpits import templates
from cockpits.apply import compare, masked_uri
from cockpits.compile import DEFINITIONS_HEADING, PHONE_SUFFIX, Document, compile_assets
from cockpits.contract import load_contract
from cockpits.definitions import Definition, Definitions, load_definitions
from cockpits.layout import layout_of
from cockpits.live import LiveAsset
from cockpits.located import plain
from cockpits.normalise import stripped
from huiyang.errors import HuiyangError

_COMPILED_PARAMS = {"viz_type", "annotation_layers", "handlebarsTemplate"}


def export(folder: Path | None = None) -> list[Path]:
    """Writes what differs; returns the files written.

    Args:
        folder: where to; None: over the definitions.

    Raises:
        HuiyangError: a board of ours shows a chart whose dataset is not defined here.
    """
    definitions = load_definitions()
    contract = load_contract()
    wanted = compile_assets(definitions, contract, uri=masked_uri())
    drift, live = compare(wanted)
    root = folder or definitions.root
    shared = (definitions.root / "templates" / templates.SHARED_FILE).read_text(encoding="utf-8")
    written: list[Path] = []
    new_charts = _charts_made_in_the_browser(wanted, live)
    for uuid, name in new_charts.items():
        written += _write(root / "charts" / f"{name}.yaml", _new_chart(uuid, live[uuid], definitions))
    for uuid in drift.changed:
        document, content = wanted[uuid], stripped(wanted[uuid].kind, live[uuid].content)
        if document.kind == "charts":
            definition = definitions.charts[document.name]
            source = plain(definition.source) | _chart(content, plain(definition.get("params")))
            if "template" in definition.beside:
                template = content["params"].get("handlebarsTemplate") or ""
                if template != templates.expand(definition.beside["template"][1], shared, contract):
                    path = root / "templates" / definition.get("template")
                    written += _write_text(path, templates.own_part(template))
            written += _write(root / "charts" / f"{document.name}.yaml", source)
        elif document.kind == "dashboards":
            written += _dashboard(document, content, definitions, new_charts, root)
        elif document.kind == "datasets":
            written += _dataset(definitions.datasets[document.name], content, root)
    return sorted(set(written))


def _charts_made_in_the_browser(wanted: dict[str, Document], live: dict[str, LiveAsset]) -> dict[str, str]:
    """UUID -> new definition name, for charts that a board of ours shows and no definition has."""
    found = {}
    for uuid, document in wanted.items():
        if document.kind != "dashboards" or uuid not in live:
            continue
        for element in live[uuid].content["position"].values():
            if isinstance(element, dict) and element.get("type") == "CHART":
                chart_uuid = element["meta"]["uuid"]
                if chart_uuid not in wanted:
                    found[chart_uuid] = "chart_" + re.sub(r"\W", "", chart_uuid)[:8]
    return found


def _new_chart(uuid: str, chart: LiveAsset, definitions: Definitions) -> dict[str, Any]:
    content = stripped("charts", chart.content)
    names = {definition.uuid: name for name, definition in definitions.datasets.items()}
    if content["dataset_uuid"] not in names:
        raise HuiyangError(
            f"Chart {chart.title} reads a dataset that is not defined here.", "Define the dataset first, then export."
        )
    return {"uuid": uuid, "dataset": names[content["dataset_uuid"]], **_chart(content, {})}


def _chart(content: dict[str, Any], defined: dict[str, Any]) -> dict[str, Any]:
    """Parameters keep the definition's order."""
    text = (content.get("description") or "").partition(DEFINITIONS_HEADING)[0].strip()
    live = {key: value for key, value in content["params"].items() if key not in _COMPILED_PARAMS}
    params = {key: live[key] for key in defined if key in live} | live
    result = {"title": content["slice_name"], "viz": content["viz_type"], "params": params}
    return result | ({"text": text} if text else {})


def _dashboard(
    document: Document, content: dict[str, Any], definitions: Definitions, new_charts: dict[str, str], root: Path
) -> list[Path]:
    name = document.name.removesuffix(PHONE_SUFFIX)
    definition = definitions.dashboards[name]
    names = {chart.uuid: chart_name for chart_name, chart in definitions.charts.items()} | new_charts
    source = plain(definition.source)
    rows = layout_of(content["position"], names)
    if document.name == name:
        source |= {"title": content["dashboard_title"], "layout": rows}
        source["refresh_seconds"] = content["metadata"].get("refresh_frequency", 0)
    else:
        source["phone"] = [
            {key: value for key, value in item.items() if key != "width"} for row in rows for item in row["row"]
        ]
    path = root / "dashboards" / f"{name}.yaml"
    written = _write(path, source)
    if (content.get("css") or "").strip() != document.content["css"].strip():
        written += _write_text(root / "themes" / f"{definition.get('theme')}.css", content.get("css") or "")
    return written


def _dataset(definition: Definition, content: dict[str, Any], root: Path) -> list[Path]:
    written = []
    if "sql" in definition.beside and content.get("sql") != definition.beside["sql"][1]:
        written += _write_text(root / "datasets" / definition.get("sql"), content.get("sql") or "")
    kept = plain(definition.get("metrics") or {})
    metrics = {}
    for name, metric in content["metrics"].items():
        own = kept.get(name, {})
        if own.get("sum") and metric["expression"] == f"sum({own['sum']})":
            metrics[name] = own
        else:
            metrics[name] = {
                "label": metric.get("verbose_name") or name,
                "text": metric.get("description") or metric.get("verbose_name") or name,
                "expression": metric["expression"],
            }
    if metrics != kept:
        source = plain(definition.source) | {"metrics": metrics}
        written += _write(root / "datasets" / f"{definition.name}.yaml", source)
    return written


def _write(path: Path, source: dict[str, Any]) -> list[Path]:
    return _write_text(path, yaml.safe_dump(source, allow_unicode=True, sort_keys=False, width=120))


def _write_text(path: Path, text: str) -> list[Path]:
    text = text.rstrip("\n") + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [path]
