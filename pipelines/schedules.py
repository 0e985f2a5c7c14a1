"""Jobs, and when they run: `orchestration.yaml` declares each schedule for each environment, without a fallback.

A schedule's status in Dagster is only what it was first deployed with: whoever clicks it in the page wins for ever.
So every schedule is running for Dagster, and one that is not enabled in the file skips its ticks.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from huiyang.periods import Cadence, Period
from huiyang.settings import BUSINESS_TIMEZONE
from pipelines.orchestration import Orchestration, load_orchestration
from pipelines.release import Lane
from pipelines.session import partition_key
from pipelines.warehouse_assets import marts_of

#: Runs deleted at a time: each is a transaction of its own.
_PRUNED_AT_ONCE = 50


def refresh_job(
    cadence: Cadence,
    manifest: Mapping[str, Any],
    duty_checks: Sequence[dg.AssetChecksDefinition],
) -> UnresolvedAssetJobDefinition:
    """From extraction to publication, for a cadence's periods."""
    published = dg.AssetSelection.assets(*(["published", mart] for mart in marts_of(manifest, cadence)))
    # The app's tables are not ours to make; raw is extracted, and the seeds are loaded, as a whole.
    everything = (published.upstream() - dg.AssetSelection.groups("app")) | dg.AssetSelection.groups("raw", "reference")
    return dg.define_asset_job(
        f"{cadence}_refresh",
        # Duties are asked by a job of their own: a provisional refresh does not fulfil them.
        selection=everything - dg.AssetSelection.checks(*duty_checks),
        description="自变更日志抽取，至发布；快报自动发布，正式版等待审核。",
    )


def duties_job(checks: Sequence[dg.AssetChecksDefinition]) -> UnresolvedAssetJobDefinition:
    """Asks whether what is due was published."""
    return dg.define_asset_job(
        "statutory_duties", selection=dg.AssetSelection.checks(*checks), description="检查法定期限。"
    )


def event_log_pruning_job() -> dg.JobDefinition:
    """Deletes runs with their events that are older than orchestration.yaml keeps; the table grows without bound."""

    @dg.op
    def prune_event_log(context: dg.OpExecutionContext) -> int:
        days = load_orchestration().retention.event_log_days
        before = datetime.now(UTC) - timedelta(days=days)
        pruned = 0
        while True:
            old = context.instance.get_run_records(
                dg.RunsFilter(created_before=before), limit=_PRUNED_AT_ONCE, ascending=True
            )
            finished = [record.dagster_run for record in old if record.dagster_run.is_finished]
            for run in finished:
                context.instance.delete_run(run.run_id)
            pruned += len(finished)
            if len(finished) < _PRUNED_AT_ONCE:
                break
        context.log.info(f"{pruned} runs older than {days} days are deleted.")
        return pruned

    @dg.job(description="清理过期的运行日志。", executor_def=dg.in_process_executor)
    def event_log_pruning() -> None:
        prune_event_log()

    return event_log_pruning


Job = dg.JobDefinition | UnresolvedAssetJobDefinition
Target = Callable[[datetime], dg.RunRequest]


def all_schedules(
    orchestration: Orchestration, jobs: Mapping[Cadence, Job], maintenance: Sequence[Job]
) -> list[dg.ScheduleDefinition]:
    """Every schedule of `pipelines.orchestration.SCHEDULES`, as the current environment declares it."""
    by_name = {job.name: job for job in maintenance}
    return [
        _schedule(orchestration, "daily_provisional", jobs[Cadence.MONTHLY], _running_month),
        _schedule(orchestration, "monthly_official", jobs[Cadence.MONTHLY], _official(Cadence.MONTHLY)),
        _schedule(orchestration, "half_yearly_official", jobs[Cadence.HALF_YEARLY], _official(Cadence.HALF_YEARLY)),
        _schedule(orchestration, "event_log_pruning", by_name["event_log_pruning"], _plain),
        _schedule(orchestration, "statutory_duties", by_name["statutory_duties"], _plain),
    ]


def _schedule(orchestration: Orchestration, name: str, job: Job, target: Target) -> dg.ScheduleDefinition:
    declared = orchestration.schedule(name)

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=declared.cron,
        execution_timezone=BUSINESS_TIMEZONE.key,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not declared.enabled:
            return dg.SkipReason("orchestration.yaml 未启用此任务。")
        return target(context.scheduled_execution_time)

    return evaluate


def session_configuration(lane: Lane, actor: str, cut_off: int | None = None) -> dict[str, Any]:
    """Run configuration of a refresh."""
    session: dict[str, Any] = {"lane": lane.value, "actor": actor}
    if cut_off is not None:
        session["cut_off"] = cut_off
    return {"resources": {"session": {"config": session}}}


def _running_month(now: datetime) -> dg.RunRequest:
    """快报 of the month that runs; on its first day still of the one that just ended."""
    period = Period.of_instant(now - timedelta(days=1), Cadence.MONTHLY)
    return dg.RunRequest(
        partition_key=partition_key(period),
        run_config=session_configuration(Lane.PROVISIONAL, "schedule:daily_provisional"),
    )


def _official(cadence: Cadence) -> Target:
    def request(now: datetime) -> dg.RunRequest:
        period = Period.last_complete(now, cadence)
        return dg.RunRequest(
            partition_key=partition_key(period),
            run_config=session_configuration(Lane.OFFICIAL, f"schedule:{cadence}_official"),
        )

    return request


def _plain(now: datetime) -> dg.RunRequest:
    return dg.RunRequest()
