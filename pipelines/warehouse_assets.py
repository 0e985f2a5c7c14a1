"""Assets up to the marts: the app's tables, raw, and everything that dbt builds.

One definition holds all of dbt: what is rebuilt each time is unpartitioned, marts are partitioned by their cadence, and
a job selects the marts of one cadence. Splitting it would lose failures at the split.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliEventMessage, dbt_assets
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from huiyang.errors import HuiyangError
from huiyang.periods import Cadence, Period, period_range
from huiyang.progress import Progress
from huiyang.settings import Settings
from operational_app import models  # noqa: F401  (log_tables() reads the registry that it fills)
from operational_app.core.changelog import log_tables
from pipelines import release
from pipelines.dbt_command import dbt_variables, start_build_process
from pipelines.extract import extract, find_cut_off, newest_cut_off
from pipelines.orchestration import load_orchestration, orchestration_sha256
from pipelines.retries import retry_when_unreachable
from pipelines.session import RefreshSession, part_of, period_of_partition
from pipelines.versions import git_commit

#: dbt's tag of the marts of a cadence.
TAGS = {Cadence.MONTHLY: "monthly", Cadence.HALF_YEARLY: "half_yearly"}
#: Everything that a refresh of a cadence builds: the seeds (some are published as they are), the records that the gate
#: reads, the marts, and what they need.
SELECTIONS = {cadence: f"resource_type:seed +tag:records +tag:{tag}" for cadence, tag in TAGS.items()}


def _texts_of_logs(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Logged table → its Chinese description, as dbt's source has it."""
    return {source["name"]: source["description"] for source in manifest["sources"].values()}


def app_tables(manifest: Mapping[str, Any]) -> list[dg.AssetSpec]:
    """The operational app's tables, where lineage begins."""
    texts = _texts_of_logs(manifest)
    return [
        dg.AssetSpec(
            ["app", log.source_schema, str(log.name)],
            group_name="app",
            kinds={"postgres"},
            description=f"业务库：{texts[str(log.name)]}",
        )
        for log in log_tables()
    ]


def raw_tables(manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """`raw.<table>`, all in one extraction: one cut-off holds for all of them."""
    texts = _texts_of_logs(manifest)

    @dg.multi_asset(
        name="extract_changelog",
        specs=[
            dg.AssetSpec(
                ["raw", str(log.name)],
                deps=[["app", log.source_schema, str(log.name)]],
                group_name="raw",
                kinds={"postgres"},
                description=f"抽取的变更日志，只增不改：{texts[str(log.name)]}",
            )
            for log in log_tables()
        ],
        can_subset=False,
    )
    def extract_changelog(
        context: dg.AssetExecutionContext,
        session: RefreshSession,
        settings: dg.ResourceParam[Settings],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult]:
        with retry_when_unreachable():
            summary = extract(settings, part_of(progress, "extract", 0, 0.15))
        context.log.info(f"{summary.total_rows} rows, {summary.rows_per_second:.0f} rows/s, cut-off {summary.cut_off}")
        for table, rows in summary.rows.items():
            yield dg.MaterializeResult(
                asset_key=["raw", str(table)],
                metadata={"rows": rows, "cut_off": summary.cut_off, "as_of": summary.as_of.isoformat()},
            )

    return extract_changelog


class WarehouseTranslator(DagsterDbtTranslator):
    """Asset keys by layer, partitions by cadence, Chinese descriptions as they stand in dbt."""

    def __init__(self, partitions: Mapping[Cadence, dg.PartitionsDefinition]) -> None:
        super().__init__()
        self._partitions = partitions

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey(["raw", dbt_resource_props["name"]])
        return dg.AssetKey([self.layer(dbt_resource_props), dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return self.layer(dbt_resource_props)

    def get_partitions_def(self, dbt_resource_props: Mapping[str, Any]) -> dg.PartitionsDefinition | None:
        for cadence, tag in TAGS.items():
            if tag in dbt_resource_props.get("tags", []):
                return self._partitions[cadence]
        return None

    @staticmethod
    def layer(props: Mapping[str, Any]) -> str:
        """Folder below models/, or `reference` for seeds."""
        return "reference" if props["resource_type"] == "seed" else str(Path(props["path"]).parts[0])


def marts_of(manifest: Mapping[str, Any], cadence: Cadence) -> list[str]:
    """Names of the marts of a cadence."""
    return sorted(
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and TAGS[cadence] in node["tags"]
    )


def dbt_models(manifest_path: Path, translator: WarehouseTranslator) -> dg.AssetsDefinition:
    """Every model and seed; a run starts one build and runs dbt once."""
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))

    @dbt_assets(
        manifest=manifest_path,
        select=" ".join(SELECTIONS.values()),
        exclude="resource_type:unit_test",
        dagster_dbt_translator=translator,
        backfill_policy=dg.BackfillPolicy.single_run(),
        name="dbt_build",
    )
    def dbt_build(
        context: dg.AssetExecutionContext,
        session: RefreshSession,
        settings: dg.ResourceParam[Settings],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[Any]:
        cadence = Cadence.HALF_YEARLY if _selects_half_yearly(context, manifest, translator) else Cadence.MONTHLY
        marts = marts_of(manifest, cadence)
        with retry_when_unreachable():
            periods = _periods_to_build(settings, session, context.partition_key_range, cadence, marts)
            build = _start_build(settings, session, periods, marts, context.run.run_id)
        variables = dbt_variables(periods, build.cut_off, build.build_id)
        yield from _run_build(context, settings, SELECTIONS[cadence], variables, manifest, translator, progress)

    return dbt_build


def _selects_half_yearly(
    context: dg.AssetExecutionContext, manifest: Mapping[str, Any], translator: WarehouseTranslator
) -> bool:
    half_yearly = {dg.AssetKey(["marts", name]) for name in marts_of(manifest, Cadence.HALF_YEARLY)}
    return bool(half_yearly & context.selected_asset_keys)


def _periods_to_build(
    settings: Settings,
    session: RefreshSession,
    asked: dg.PartitionKeyRange,
    cadence: Cadence,
    marts: Sequence[str],
) -> list[Period]:
    """The periods of the run, with the history before them that was never published."""
    first, last = period_of_partition(asked.start, cadence), period_of_partition(asked.end, cadence)
    if session.cut_off is None:
        # The gate judges the target only: no release holds quality rows of the history before it.
        filled = [mart for mart in marts if mart != release.QUALITY_MART]
        first = min(first, release.missing_from(settings, last, filled, load_orchestration().first_period(cadence)))
    return list(period_range(first, last))


def _start_build(
    settings: Settings, session: RefreshSession, periods: Sequence[Period], marts: Sequence[str], run_id: str
) -> release.Build:
    cut_off, as_of = newest_cut_off(settings) if session.cut_off is None else find_cut_off(settings, session.cut_off)
    lane = release.Lane(session.lane)
    release.refuse_over_official(settings, periods[-1], lane)
    load_orchestration()  # nothing is built under settings that are wrong
    return release.start_build(
        settings,
        periods=periods,
        # The gate judges the target only.
        marts={mart: periods[-1:] if mart == release.QUALITY_MART else periods for mart in marts},
        lane=lane, cut_off=cut_off, as_of=as_of, actor=session.actor, git_commit=git_commit(),
        orchestration_sha256=orchestration_sha256(), dagster_run_id=run_id,
    )  # fmt: skip


def _run_build(
    context: dg.AssetExecutionContext,
    settings: Settings,
    selection: str,
    variables: Mapping[str, Any],
    manifest: Mapping[str, Any],
    translator: WarehouseTranslator,
    progress: Progress,
) -> Iterator[Any]:
    """Runs dbt and yields Dagster's events for each node.

    Raises:
        HuiyangError: dbt failed; the message names the first models and tests that did.
    """
    process = start_build_process(settings, selection, variables)
    assert process.stdout is not None
    failures: list[str] = []
    for line in process.stdout:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            context.log.info(line.rstrip())
            continue
        if event["info"]["level"] == "error":
            failures.append(event["info"]["msg"].strip())
        data = event["data"]
        if "index" in data and data.get("total") and data.get("node_info", {}).get("node_name"):
            progress(f"dbt {data['node_info']['node_name']}", 0.15 + 0.45 * data["index"] / data["total"])
        message: DbtCliEventMessage = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
        yield from message.to_default_asset_events(manifest, translator, context)
    if process.wait():
        raise HuiyangError(
            "dbt failed: " + " | ".join(failures[:3] or ["without a message"]),
            f"What is published is untouched. See {settings.log_dir / 'dbt' / 'dbt.log'}.",
        )
