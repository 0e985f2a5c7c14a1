"""A dashboard's layout: rows, columns, charts and texts in the file, Superset's grid positions in the application.

Widths are twelfths of the page, heights are units of 8 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cockpits.definitions import Definition
from cockpits.located import LocatedList, LocatedMapping, Problem

COLUMNS = 12


@dataclass
class Node:
    """One element: `row` and `column` hold others; `chart` is named; `definitions` is the generated text (口径)."""

    kind: str
    line: int
    name: str = ""
    width: int = COLUMNS
    height: int = 0
    children: list[Node] = field(default_factory=list)


def read_layout(dashboard: Definition, part: str) -> tuple[list[Node], list[Problem]]:
    """The rows of `layout`, or of `phone`, whose elements each take a row of their own."""
    problems: list[Problem] = []
    source = dashboard.get(part)
    if not isinstance(source, LocatedList):
        return [], [dashboard.problem(f"`{part}` is a list", part)]
    nodes = [_node(item, dashboard, problems) for item in source]
    if part == "phone":
        nodes = [Node("row", node.line, children=[node]) for node in nodes]
    for node in nodes:
        if node.kind != "row":
            problems.append(dashboard.problem("a layout consists of rows", line=node.line))
        if sum(child.width for child in node.children) > COLUMNS:
            problems.append(dashboard.problem(f"a row is wider than {COLUMNS}", line=node.line))
    return nodes, problems


def _node(item: Any, dashboard: Definition, problems: list[Problem]) -> Node:
    if isinstance(item, LocatedMapping):
        for kind in ("row", "column"):
            if kind in item:
                children = [_node(child, dashboard, problems) for child in item[kind]]
                return Node(kind, item.line, width=item.get("width", COLUMNS), children=children)
        for kind in ("chart", "definitions"):
            if kind in item:
                if not isinstance(item.get("height"), int):
                    problems.append(dashboard.problem("`height` is missing", line=item.line))
                name = item[kind] if kind == "chart" else ""
                return Node(kind, item.line, name, item.get("width", COLUMNS), item.get("height", 0))
    line = getattr(item, "line", dashboard.source.line)
    problems.append(dashboard.problem("row, column, chart or definitions is expected", line=line))
    return Node("row", line)


def positions(title: str, rows: list[Node], chart_of: dict[str, tuple[int, str, str]], text: str) -> dict[str, Any]:
    """Superset's position document.

    Args:
        chart_of: chart name -> (number within this document, UUID, title).
        text: what `definitions` shows, as markdown.
    """
    document: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"id": "ROOT_ID", "type": "ROOT", "children": ["GRID_ID"]},
        "HEADER_ID": {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": title}},
    }
    count = 0

    def add(node: Node, parents: list[str]) -> str:
        nonlocal count
        count += 1
        key = f"CHART-{node.name}" if node.kind == "chart" else f"{node.kind.upper()}-{count}"
        if node.kind == "chart":
            number, chart_uuid, chart_title = chart_of[node.name]
            meta: dict[str, Any] = {
                "chartId": number, "uuid": chart_uuid, "sliceName": chart_title,
                "width": node.width, "height": node.height,
            }  # fmt: skip
        elif node.kind == "definitions":
            key = f"MARKDOWN-{count}"
            meta = {"code": text, "width": node.width, "height": node.height}
        elif node.kind == "column":
            meta = {"background": "BACKGROUND_TRANSPARENT", "width": node.width}
        else:
            meta = {"background": "BACKGROUND_TRANSPARENT"}
        children = [add(child, [*parents, key]) for child in node.children]
        kind = "MARKDOWN" if node.kind == "definitions" else node.kind.upper()
        document[key] = {"id": key, "type": kind, "children": children, "parents": parents, "meta": meta}
        return key

    grid = [add(row, ["ROOT_ID", "GRID_ID"]) for row in rows]
    document["GRID_ID"] = {"id": "GRID_ID", "type": "GRID", "children": grid, "parents": ["ROOT_ID"]}
    return document


def layout_of(position: dict[str, Any], chart_names: dict[str, str]) -> list[dict[str, Any]]:
    """The file's form of a position document; `chart_names` are by UUID.

    Raises:
        KeyError: a chart that has no definition.
    """

    def read(key: str) -> dict[str, Any]:
        element = position[key]
        meta = element.get("meta", {})
        size = {"width": meta.get("width"), "height": meta.get("height")}
        if element["type"] == "CHART":
            return {"chart": chart_names[meta["uuid"]], **size}
        if element["type"] == "MARKDOWN":
            return {"definitions": True, **size}
        result: dict[str, Any] = {element["type"].lower(): [read(child) for child in element["children"]]}
        if element["type"] == "COLUMN":
            result["width"] = meta["width"]
        return result

    return [read(key) for key in position["GRID_ID"]["children"]]
