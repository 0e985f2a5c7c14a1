"""Assets from the quality gate to what cockpits read: candidate, published marts, cockpits.

For each cadence: `release/<cadence>_candidate` runs the gate on what was built, records the verdicts, writes the
reports and delivers the results to the app's inbox; its check `publishable` blocks. `published/<mart>` are the views; a
provisional run publishes them, an official one waits for a reviewer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from huiyang.periods import Cadence
from huiyang.progress import Progress
from huiyang.settings import Settings
from pipelines import comparison, quality, release
from pipelines.orchestration import load_orchestration
from pipelines.retries import retry_when_unreachable
from pipelines.session import RefreshSession, part_of
from pipelines.warehouse_assets import marts_of

PUBLISHABLE = "publishable"
ACCEPTED = "accepted_by_figures"


def candidate_key(cadence: Cadence) -> dg.AssetKey:
    return dg.AssetKey(["release", f"{cadence}_candidate"])


def candidate(
    cadence: Cadence, manifest: Mapping[str, Any], partitions: dg.PartitionsDefinition
) -> dg.AssetsDefinition:
    """The asset that judges a build and makes it a release."""
    key = candidate_key(cadence)
    records = sorted(
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["path"].startswith("records/")
    )

    @dg.asset(
        key=key,
        deps=[["records", name] for name in records] + [["marts", name] for name in marts_of(manifest, cadence)],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="release",
        kinds={"greatexpectations"},
        description="质量闸门的结论、待发布版本、验收报告、与以往各期的比较；结果送入业务库收件箱。",
        check_specs=[
            dg.AssetCheckSpec(
                PUBLISHABLE, asset=key, blocking=True, description="可发布：对账、键与契约成立，未违反关键规则。"
            ),
            dg.AssetCheckSpec(ACCEPTED, asset=key, description="达标（数值）：完整率恰为 100%，错误率低于 1%。"),
        ],
    )
    def judge(
        context: dg.AssetExecutionContext,
        session: RefreshSession,
        settings: dg.ResourceParam[Settings],
        progress: dg.ResourceParam[Progress],
    ) -> dg.MaterializeResult:
        with retry_when_unreachable():
            build = release.running_build(settings)
        result = quality.judge(settings, build, part_of(progress, "quality gate", 0.6, 0.85))
        release_id = release.record_candidate(settings, build, result.verdict, result.quality_rows, result.gate_run_id)
        progress("acceptance report", 0.86)
        quality.report_and_deliver(settings, release_id, result)
        comparison.compare_and_deliver(settings, release_id, manifest)
        verdict = result.verdict
        figures: dict[str, str | int] = {
            "completeness": f"{verdict.completeness_numerator}/{verdict.completeness_denominator}",
            "errors": f"{verdict.error_numerator}/{verdict.error_denominator}",
            "critical_violations": verdict.critical_violations,
        }
        return dg.MaterializeResult(
            metadata={"release_id": release_id, "lane": build.lane.value, "cut_off": build.cut_off, **figures},
            check_results=[
                dg.AssetCheckResult(passed=verdict.publishable, check_name=PUBLISHABLE, metadata=figures),
                dg.AssetCheckResult(
                    passed=verdict.accepted_by_figures,
                    check_name=ACCEPTED,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata=figures,
                ),
            ],
        )

    return judge


def published(
    cadence: Cadence, manifest: Mapping[str, Any], partitions: dg.PartitionsDefinition
) -> dg.AssetsDefinition:
    """The views that cockpits read, repointed together."""
    marts = marts_of(manifest, cadence)
    texts = {node["name"]: node["description"] for node in manifest["nodes"].values()}

    @dg.multi_asset(
        name=f"publish_{cadence}",
        specs=[
            dg.AssetSpec(
                ["published", mart],
                deps=[["marts", mart], candidate_key(cadence)],
                partitions_def=partitions,
                skippable=True,
                group_name="published",
                kinds={"postgres"},
                description=f"驾驶舱所读的已发布数据：{texts[mart]}",
            )
            for mart in marts
        ],
        can_subset=False,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def publish(
        context: dg.AssetExecutionContext,
        session: RefreshSession,
        settings: dg.ResourceParam[Settings],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult]:
        found = release.release_of_run(settings, context.run.run_id)
        if found.lane == release.Lane.OFFICIAL:
            context.log.info(f"Release {found.release_id} is official and waits for a reviewer.")
            return
        progress("publication", 0.95)
        with retry_when_unreachable():
            found = release.publish_locked(
                settings, found.release_id, actor=session.actor, reviewer=None, orchestration=load_orchestration()
            )
        release.tell_app(settings, found)
        for mart in marts:
            yield dg.MaterializeResult(asset_key=["published", mart], metadata={"release_id": found.release_id})

    return publish


def cockpits(manifest: Mapping[str, Any]) -> Sequence[dg.AssetSpec]:
    """Superset's dashboards, as dbt's exposures name them: lineage ends with what people look at."""
    return [
        dg.AssetSpec(
            ["cockpits", exposure["name"]],
            deps=[["published", node.rpartition(".")[2]] for node in exposure["depends_on"]["nodes"]],
            group_name="cockpits",
            kinds={"superset"},
            description=exposure["description"],
            metadata={"title": exposure["label"]},
        )
        for exposure in sorted(manifest["exposures"].values(), key=lambda exposure: str(exposure["name"]))
    ]
