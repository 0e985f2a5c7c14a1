"""Snapshots of what Dagster loads: assets, partitions, jobs, checks, schedules; and what loading does not do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from huiyang.errors import HuiyangError
from huiyang.secret_store import ensure_secrets
from huiyang.settings import PROJECT_ROOT, Settings
from operational_app.core.changelog import log_tables
from pipelines.definitions import build_defs
from pipelines.orchestration import ENVIRONMENT_VARIABLE, SCHEDULES

SNAPSHOT = Path(__file__).with_name("test_pipelines_definitions.json")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation without a server: loading needs none."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home)
    ensure_secrets(settings.secrets_file)
    return settings


@pytest.fixture(scope="module")
def definitions(settings: Settings) -> dg.Definitions:
    return build_defs(settings)


def layer(key: dg.AssetKey) -> str:
    return key.path[0]


def snapshot(definitions: dg.Definitions) -> dict[str, Any]:
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    tables = {str(log.name) for log in log_tables()}

    assets = {}
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.path):
        if key.path[-1].removeprefix("stg_").removeprefix("int_") in tables and layer(key) != "marts":
            continue  # one for each logged table: counted below
        node = graph.get(key)
        made = "made" if node.is_executable else "external"
        assets["/".join(key.path)] = f"{made}, {str(node.partitions_def).partition(', starting')[0]}"
    return {
        "assets": assets,
        "checks": sorted("/".join(c.asset_key.path) + ":" + c.name for c in graph.asset_check_keys),
        "jobs": {
            job.name: sorted({layer(key) for key in job.asset_layer.executable_asset_keys})
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if job.name != "__ASSET_JOB"
        },
        "schedules": {s.name: [s.cron_schedule, s.execution_timezone] for s in repository.schedule_defs},
    }


def test_definitions_are_as_the_snapshot_says(definitions: dg.Definitions) -> None:
    found = snapshot(definitions)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8")), "UPDATE_SNAPSHOTS=1 writes it anew"


def test_every_logged_table_passes_through_raw_staging_and_records(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for log in log_tables():
        raw, staging = dg.AssetKey(["raw", str(log.name)]), dg.AssetKey(["staging", f"stg_{log.name}"])
        assert dg.AssetKey(["app", log.source_schema, str(log.name)]) in graph.get(raw).parent_keys
        if graph.has(staging):
            assert raw in graph.get(staging).parent_keys


def test_a_job_makes_all_that_its_marts_need_and_no_mart_of_another_cadence(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for job_name, other in (("monthly_refresh", "_half_year"), ("half_yearly_refresh", "_month")):
        keys = definitions.resolve_job_def(job_name).asset_layer.executable_asset_keys
        marts = [key for key in keys if layer(key) in ("marts", "published")]
        assert marts
        assert not [key for key in marts if key.path[-1].endswith(other)]
        for key in keys:
            for parent in graph.get(key).parent_keys:
                assert parent in keys or parent.path[0] == "app", f"{key} needs {parent}"


def test_publication_is_blocked_by_the_gate(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for cadence in ("monthly", "half_yearly"):
        candidate = dg.AssetKey(["release", f"{cadence}_candidate"])
        checks = {key.name: graph.get(key).blocking for key in graph.get_check_keys_for_assets({candidate})}
        assert checks == {"publishable": True, "accepted_by_figures": False}
        for key in graph.get_all_asset_keys():
            if key.path[0] == "published" and key.path[-1].endswith("_month" if cadence == "monthly" else "_half_year"):
                assert candidate in graph.get(key).parent_keys


def test_loading_needs_no_server_no_network_and_no_great_expectations(settings: Settings) -> None:
    program = """
import socket, sys
def refuse(*arguments, **options):
    raise AssertionError(f"connects to {arguments}")
socket.socket.connect = refuse
import psycopg, psycopg2
psycopg.connect = psycopg2.connect = refuse
from pipelines.definitions import defs
definitions = defs()
assert "monthly_refresh" in {job.name for job in definitions.get_repository_def().get_all_jobs()}
assert "great_expectations" not in sys.modules
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, capture_output=True, text=True,
        env=os.environ | {"HUIYANG_HOME": str(settings.home)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def ticks(definitions: dg.Definitions, name: str, when: datetime) -> Any:
    repository = definitions.get_repository_def()
    context = dg.build_schedule_context(scheduled_execution_time=when, repository_def=repository)
    return repository.get_schedule_def(name).evaluate_tick(context)


def test_schedules_follow_the_file_not_the_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    when = datetime(2026, 11, 6, 19, tzinfo=UTC)  # 03:00 of the 7th in Shanghai
    demo = build_defs(settings)
    assert {s.name for s in demo.get_repository_def().schedule_defs} == set(SCHEDULES)
    assert not ticks(demo, "monthly_official", when).run_requests, "not enabled in the demo"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "production")
    production = build_defs(settings)
    [official] = ticks(production, "monthly_official", when).run_requests
    assert official.partition_key == "2026-10"
    assert official.run_config["resources"]["session"]["config"] == {
        "lane": "official", "actor": "schedule:monthly_official",
    }  # fmt: skip
    [daily] = ticks(production, "daily_provisional", when).run_requests
    assert daily.partition_key == "2026-11"
    assert daily.run_config["resources"]["session"]["config"]["lane"] == "provisional"
    [half] = ticks(production, "half_yearly_official", datetime(2027, 1, 15, 20, tzinfo=UTC)).run_requests
    assert half.partition_key == "2026-07"
    assert ticks(production, "event_log_pruning", when).run_requests
    assert ticks(production, "statutory_duties", when).run_requests


def test_an_undeclared_environment_does_not_load(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "staging")
    with pytest.raises(HuiyangError, match="environment `staging`"):
        build_defs(settings)
