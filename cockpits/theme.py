"""Colours, type and spacing as tokens: one place for Superset's pages, the wall theme and chart palettes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpits.definitions import identity

FONT_FAMILY = '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC", sans-serif'

#: Okabe and Ito's palette, reordered and lightened for a dark ground: distinguishable with any colour vision.
CATEGORICAL: list[str] = ["#4FC3F7", "#FFB74D", "#2BD4A8", "#F48FB1", "#F0E442", "#B39DDB", "#E57350", "#90A4AE"]
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
    "brandLogoUrl": "/huiyang/logo.svg",  # pages.own_files
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


@dataclass(frozen=True)
class DashboardTheme:
    """A board's look: tokens for Superset's own components, a style sheet for our templates and the page."""

    name: str
    title: str
    tokens: dict[str, Any]

    @property
    def uuid(self) -> str:
        return identity("themes", self.name)

    def css(self, assets: Path) -> str:
        return (assets / "themes" / f"{self.name}.css").read_text(encoding="utf-8")


#: Superset leaves a third of a small chart empty.
_GRID: dict[str, Any] = {"top": 32, "bottom": 4, "left": 8, "right": 28, "containLabel": True}

#: Wall: dark, for 1920×1080 and wider.
WALL = DashboardTheme(
    "wall",
    "湛江慧养 · 大屏",
    {
        "algorithm": "dark",
        "token": _COMMON
        | {
            "colorPrimary": "#4FC3F7",
            "colorLink": "#4FC3F7",
            "colorInfo": "#4FC3F7",
            "colorBgBase": "#06142B",
            "colorBgContainer": "#0B2240",
            "colorBgElevated": "#12305A",
            "colorBgLayout": "#06142B",
            "colorText": "#E6F1FF",
            "colorTextSecondary": "#A9C4E6",
            "colorBorder": "#1D4170",
            "colorBorderSecondary": "#163459",
            "colorSplit": "#17375F",
        },
        # No buttons 全选/反选 in legends, text large enough to be read from across a room, no axis text left out.
        "echartsOptionsOverrides": {
            "legend": {"selector": False, "itemWidth": 12, "itemHeight": 10, "textStyle": {"fontSize": 12}},
            "textStyle": {"fontSize": 12},
        },
        "echartsOptionsOverridesByChartType": {
            "pie": {"legend": {"right": 8, "top": "middle", "itemGap": 12}},
            "echarts_timeseries_bar": {"grid": _GRID, "legend": {"top": 0, "left": 0}},
            "echarts_area": {"grid": _GRID, "legend": {"top": 0, "left": 0}},
        },
    },
)
DASHBOARD_THEMES = {theme.name: theme for theme in (WALL,)}
