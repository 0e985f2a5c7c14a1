"""Dagster's instance of an installation: storage in the database `dagster`, one code location, no telemetry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from huiyang.database import Login, sqlalchemy_url
from huiyang.server import make_run_folder
from huiyang.server_address import run_folder
from huiyang.settings import PROJECT_ROOT, Settings

CODE_MODULE = "pipelines.definitions"
DATABASE_VARIABLE = "HUIYANG_DAGSTER_DATABASE_URL"


def code_socket(settings: Settings) -> Path:
    """The socket of the one process that holds the definitions; web server and daemon share it."""
    return run_folder(settings, "dagster") / "code.sock"


def _instance(settings: Settings) -> dict[str, Any]:
    return {
        "storage": {"postgres": {"postgres_url": {"env": DATABASE_VARIABLE}}},
        "local_artifact_storage": {
            "module": "dagster.core.storage.root",
            "class": "LocalArtifactStorage",
            "config": {"base_dir": str(settings.dagster_home)},
        },
        "compute_logs": {
            "module": "dagster.core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(settings.log_dir / "dagster")},
        },
        # Two refreshes at a time would fight for the same two cores and the same warehouse.
        "concurrency": {"runs": {"max_concurrent_runs": 1}},
        # A run whose process was killed is found and marked failed within minutes.
        "run_monitoring": {"enabled": True, "start_timeout_seconds": 180, "poll_interval_seconds": 30},
        "retention": {
            "schedule": {"purge_after_days": 90},
            "sensor": {"purge_after_days": {"skipped": 7, "failure": 30, "success": -1}},
        },
        "telemetry": {"enabled": False},
        # A banner that fetches news from a public host otherwise.
        "nux": {"enabled": False},
    }


def _workspace(settings: Settings) -> dict[str, Any]:
    return {"load_from": [{"grpc_server": {"socket": str(code_socket(settings)), "location_name": CODE_MODULE}}]}


def prepare(settings: Settings) -> dict[str, str]:
    """Writes `dagster.yaml` and `workspace.yaml`, and gives the environment in which Dagster finds its instance.

    Returns:
        DAGSTER_HOME and the storage's URL; the latter is a secret and stands in no file.
    """
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    make_run_folder(code_socket(settings).parent)
    for name, content in (("dagster.yaml", _instance(settings)), ("workspace.yaml", _workspace(settings))):
        text = yaml.safe_dump(content, sort_keys=False)
        path = settings.dagster_home / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    # With its driver: SQLAlchemy 2.1 takes psycopg 3 by default, with which Dagster's NOTIFY fails.
    url = sqlalchemy_url(Login.DAGSTER, settings, driver="psycopg2")
    # Hundreds of small events a run: a crash of the machine may cost the last of them, which decide nothing.
    url = url.update_query_dict({"options": "-csynchronous_commit=off"})
    return {
        "DAGSTER_HOME": str(settings.dagster_home),
        DATABASE_VARIABLE: url.render_as_string(hide_password=False),
        "PYTHONPATH": str(PROJECT_ROOT),
    }
