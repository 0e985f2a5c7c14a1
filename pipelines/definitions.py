"""The one assembly point: `build_defs()` puts assets, checks, jobs and schedules together for Dagster.

Assets live in `warehouse_assets` and `release_assets`, duties in `duties`, jobs and schedules in `schedules`. Loading
reads the dbt project and orchestration.yaml, nothing else: no database, no network, no Great Expectations.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from huiyang.periods import Cadence
from huiyang.settings import Settings, get_settings
from pipelines import duties, release_assets, schedules, warehouse_assets
from pipelines.dbt_command import ensure_manifest
from pipelines.orchestration import load_orchestration
from pipelines.session import RefreshSession, half_yearly_partitions, monthly_partitions


def _silent(what: str, done: float, total: float = 1, /) -> None:
    """Nobody waits at a run from Dagster's page; it has a log of its own."""


def build_defs(settings: Settings | None = None, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Everything that Dagster shows and runs.

    Args:
        settings: default: the process's.
        resource_overrides: instead of the resources `settings`, `session`, `progress`.

    Raises:
        HuiyangError: orchestration.yaml or the dbt project is wrong.
    """
    # Backfill policies are "beta" in Dagster's words; its version is pinned.
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    settings = settings or get_settings()
    orchestration = load_orchestration()
    partitions: dict[Cadence, dg.PartitionsDefinition] = {
        Cadence.MONTHLY: monthly_partitions(orchestration),
        Cadence.HALF_YEARLY: half_yearly_partitions(orchestration),
    }
    manifest_path = ensure_manifest(settings)
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    dbt = warehouse_assets.dbt_models(manifest_path, warehouse_assets.WarehouseTranslator(partitions))
    duty_checks = [duties.duty_check(cadence) for cadence in Cadence]
    jobs = {c: schedules.refresh_job(c, manifest, duty_checks) for c in Cadence}
    maintenance: list[schedules.Job] = [schedules.event_log_pruning_job(), schedules.duties_job(duty_checks)]
    resources: dict[str, Any] = {
        "settings": dg.ResourceDefinition.hardcoded_resource(settings),
        "session": RefreshSession.configure_at_launch(settings=settings),
        "progress": dg.ResourceDefinition.hardcoded_resource(_silent),
    }
    return dg.Definitions(
        assets=[
            *warehouse_assets.app_tables(manifest),
            warehouse_assets.raw_tables(manifest),
            dbt,
            *(release_assets.candidate(cadence, manifest, partitions[cadence]) for cadence in Cadence),
            *(release_assets.published(cadence, manifest, partitions[cadence]) for cadence in Cadence),
            *release_assets.cockpits(manifest),
        ],
        asset_checks=duty_checks,
        jobs=[*jobs.values(), *maintenance],
        schedules=schedules.all_schedules(orchestration, jobs, maintenance),
        resources=resources | dict(resource_overrides or {}),
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster -m pipelines.definitions` loads."""
    return build_defs()
