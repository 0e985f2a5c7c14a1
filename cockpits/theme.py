"""Colours, type and spacing as tokens: one place for Superset's pages, the wall theme and chart palettes."""

from __future__ import annotations

from typing import Any

FONT_FAMILY = '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC", sans-serif'

#: Okabe and Ito's palette, reordered and lightened for a dark ground: distinguishable with any colour vision.
CATEGORICAL: list[str] = ["#4FC3F7", "#FFB74D", "#2BD4A8", "#F48FB1", "#F0E442", "#B39DDB", "#FF8A65", "#90A4AE"]
SEQUENTIAL: list[str] = ["#123B63", "#14568A", "#1874AF", "#2695CF", "#55B8E6", "#9ADAF5"]

CATEGORICAL_SCHEME: dict[str, Any] = {
    "id": "huiyang",
    "description": "湛江慧养",
    "label": "湛江慧养",
    "isDefault": True,
    "colors": CATEGORICAL,
}
SEQUENTIAL_SCHEME: dict[str, Any] = {
    "id": "huiyang_sequential",
    "description": "湛江慧养",
    "label": "湛江慧养",
    "isDiverging": False,
    "isDefault": True,
    "colors": SEQUENTIAL,
}

_COMMON: dict[str, Any] = {
    "brandAppName": "湛江慧养 · 驾驶舱",
    "brandLogoAlt": "湛江慧养",
    "brandLogoUrl": "",
    "brandLogoHref": "/",
    "fontFamily": FONT_FAMILY,
    "fontUrls": [],
    "borderRadius": 6,
}
#: Superset's own pages and desk boards.
DESK: dict[str, Any] = {
    "algorithm": "default",
    "token": _COMMON | {"colorPrimary": "#0B63A5", "colorLink": "#0B63A5", "colorInfo": "#0B63A5"},
}
