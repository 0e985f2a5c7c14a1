"""Refreshing a period from the command line or a test: the same Dagster job as in its page, run in this process."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from huiyang.errors import HuiyangError
from huiyang.periods import Period
from huiyang.progress import Progress
from huiyang.settings import Settings
from pipelines.orchestration import load_orchestration
from pipelines.release import Lane, NotPublishable, first_built_period, refuse_over_official, release_of_run
from pipelines.warehouse import ensure_warehouse, refresh_lock


@dataclass(frozen=True)
class RefreshSummary:
    """What a refresh did.

    Attributes:
        built_from: first period that it built; earlier than `period` where history was missing.
        seconds: wall time.
    """

    release_id: int
    period: str
    built_from: str
    lane: str
    state: str
    accepted: bool
    completeness: str
    errors: str
    report_folder: str | None
    dagster_run_id: str
    seconds: float

    def __str__(self) -> str:
        what = f"Release {self.release_id} of {self.period} ({self.lane}) is {self.state}"
        history = "" if self.built_from == self.period else f", built from {self.built_from} on"
        verdict = "accepted" if self.accepted else "not accepted"
        return (
            f"{what}{history}, in {self.seconds:.0f} s. {verdict}: completeness {self.completeness},"
            f" records in error {self.errors}. Report: {self.report_folder or 'none'}."
        )


def refresh(
    settings: Settings,
    period: str,
    lane: str = "provisional",
    progress: Progress | None = None,
    actor: str | None = None,
    cut_off: int | None = None,
) -> RefreshSummary:
    """Brings a period up to date: extract, build, judge, release. The first time, with the history before it.

    Args:
        period: `2026-10` or `2026-H1`.
        lane: provisional publishes at once if publishable; official leaves a candidate for a reviewer.
        progress: called with what is being done and the fraction done.
        actor: who started it; default: the system user.
        cut_off: build the period as it was known at the end of an earlier extraction (`Release.cut_off`).

    Raises:
        HuiyangError: another refresh runs, the period is officially published, a model failed, or the result is not
            publishable. What was published before stays in each case.
    """
    started = time.monotonic()
    target = Period.parse(period)
    if lane not in set(Lane):
        raise HuiyangError(f"There is no lane {lane!r}.", "Use provisional or official.", exit_code=2)
    chosen_lane = Lane(lane)
    first = load_orchestration().first_period(target.cadence)
    if target < first:
        raise HuiyangError(
            f"{target} lies before the first period ({first}).",
            "orchestration.yaml says since when there is data (cadences, first_period).",
            exit_code=2,
        )
    ensure_warehouse(settings)
    # A clear answer before Dagster starts; the run takes the lock for itself.
    with refresh_lock(settings):
        refuse_over_official(settings, target, chosen_lane)
    run_id = _run_job(settings, target, chosen_lane, progress, actor or getpass.getuser(), cut_off)
    release = release_of_run(settings, run_id)
    if progress:
        progress("done", 1.0)
    return RefreshSummary(
        release_id=release.release_id,
        period=release.period,
        built_from=first_built_period(settings, release.release_id),
        lane=release.lane,
        state=release.state,
        accepted=release.accepted,
        completeness=f"{release.completeness_numerator}/{release.completeness_denominator}",
        errors=f"{release.error_numerator}/{release.error_denominator}",
        report_folder=release.report_folder,
        dagster_run_id=run_id,
        seconds=time.monotonic() - started,
    )


def _run_job(
    settings: Settings,
    target: Period,
    lane: Lane,
    progress: Progress | None,
    actor: str,
    cut_off: int | None,
) -> str:
    """Runs the job to its end; returns the run's id in Dagster."""
    import dagster as dg
    from dagster._core.errors import DagsterAssetCheckFailedError

    from huiyang.platform import dagster_home
    from pipelines.definitions import build_defs
    from pipelines.schedules import session_configuration
    from pipelines.session import partition_key

    overrides = {"progress": dg.ResourceDefinition.hardcoded_resource(progress)} if progress else {}
    definitions = build_defs(settings, overrides)
    with _environment(dagster_home.prepare(settings)):
        instance = dg.DagsterInstance.from_config(str(settings.dagster_home))
    # What Dagster does for its web server serves here too: by default it connects anew for every event, 1,400 times.
    instance.optimize_for_webserver(statement_timeout=600_000, pool_recycle=3600, max_overflow=4)
    # Dagster's page has the whole log; a terminal wants to hear of failures only.
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    run_id = str(uuid4())
    with instance:
        try:
            definitions.resolve_job_def(f"{target.cadence}_refresh").execute_in_process(
                instance=instance,
                partition_key=partition_key(target),
                run_id=run_id,
                run_config=session_configuration(lane, actor, cut_off) | quiet,
            )
        except DagsterAssetCheckFailedError:
            raise _not_publishable(settings, run_id) from None
        except dg.DagsterError as error:
            raise _root_cause(error) from error
    return run_id


def _not_publishable(settings: Settings, run_id: str) -> HuiyangError:
    release = release_of_run(settings, run_id)
    return NotPublishable(release, settings.report_dir / str(release.report_folder))


def _root_cause(error: BaseException) -> BaseException:
    """The error of ours that Dagster wrapped, if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HuiyangError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables for a block: Dagster reads its storage's URL from one, children must not."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
