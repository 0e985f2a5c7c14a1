"""What Superset holds now, in the form that its own exports have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from cockpits.application import applier


@dataclass(frozen=True)
class LiveAsset:
    """An asset in the running Superset."""

    kind: str
    id: int
    title: str
    content: dict[str, Any]
    roles: tuple[str, ...] = ()


def live_assets() -> dict[str, LiveAsset]:
    """UUID -> asset, for every database, dataset, chart and dashboard. Needs Superset's application context."""
    from superset.commands.chart.export import ExportChartsCommand
    from superset.commands.dashboard.export import ExportDashboardsCommand
    from superset.commands.dataset.export import ExportDatasetsCommand
    from superset.connectors.sqla.models import SqlaTable
    from superset.extensions import db
    from superset.models.core import Database
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice
    from superset.utils import json
    from superset.utils.core import override_user

    assets: dict[str, LiveAsset] = {}
    for database in db.session.query(Database):
        content = database.export_to_dict(
            recursive=False, include_parent_ref=False, include_defaults=True, export_uuids=True
        )
        content["extra"] = json.loads(content.get("extra") or "{}")
        assets[str(database.uuid)] = LiveAsset("databases", database.id, database.database_name, content)
    for model, kind, command, title in (
        (SqlaTable, "datasets", ExportDatasetsCommand, "table_name"),
        (Slice, "charts", ExportChartsCommand, "slice_name"),
        (Dashboard, "dashboards", ExportDashboardsCommand, "dashboard_title"),
    ):
        for item in db.session.query(model):
            with override_user(applier()):
                content = yaml.safe_load(command._file_content(item))
            roles = tuple(sorted(role.name for role in item.roles)) if kind == "dashboards" else ()
            assets[str(item.uuid)] = LiveAsset(kind, item.id, getattr(item, title), content, roles)
    return assets


def live_themes() -> dict[str, dict[str, Any]]:
    """UUID -> theme (theme_name, json_data)."""
    from superset.extensions import db
    from superset.models.core import Theme

    return {
        str(item.uuid): {"theme_name": item.theme_name, "json_data": item.json_data} for item in db.session.query(Theme)
    }
