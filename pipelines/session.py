"""What a run of a refresh carries: the lock, what was asked for, who hears of its progress."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg

from huiyang.periods import Cadence, Period
from huiyang.progress import Progress
from huiyang.settings import BUSINESS_TIMEZONE, Settings
from pipelines.orchestration import Orchestration
from pipelines.warehouse import ensure_warehouse, refresh_lock


class RefreshSession(dg.ConfigurableResource):
    """One refresh: holds the lock while the run lasts, from the command line as from Dagster's page.

    Attributes:
        lane: provisional, or official, which a reviewer publishes.
        actor: who started it; that person cannot review it.
        cut_off: a transaction id at which an extraction ended, to build a period as it was known then; by default the
            newest.
    """

    lane: str = "provisional"
    actor: str = "dagster"
    cut_off: int | None = None
    settings: dg.ResourceDependency[Settings]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["RefreshSession"]:
        ensure_warehouse(self.settings)
        with refresh_lock(self.settings):
            yield self


def part_of(progress: Progress, prefix: str, start: float, end: float) -> Progress:
    """Progress of a part of the whole, from `start` to `end`."""

    def report(what: str, done: float, total: float = 1, /) -> None:
        progress(f"{prefix}: {what}", start + (end - start) * (done / total if total else 0))

    return report


def monthly_partitions(orchestration: Orchestration) -> dg.MonthlyPartitionsDefinition:
    """Months in Asia/Shanghai, the running one included: the daily provisional release is of that one."""
    first = orchestration.first_period(Cadence.MONTHLY)
    return dg.MonthlyPartitionsDefinition(
        start_date=str(first), fmt="%Y-%m", timezone=BUSINESS_TIMEZONE.key, end_offset=1
    )


def half_yearly_partitions(orchestration: Orchestration) -> dg.TimeWindowPartitionsDefinition:
    """Half-years; Dagster's keys name the first month: `2026-07` is 2026-H2."""
    first = orchestration.first_period(Cadence.HALF_YEARLY)
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 0 1 1,7 *", start=f"{first.start_date:%Y-%m}", fmt="%Y-%m",
        timezone=BUSINESS_TIMEZONE.key, end_offset=1,
    )  # fmt: skip


def partition_key(period: Period) -> str:
    """A period's key in Dagster."""
    return f"{period.start_date:%Y-%m}"


def period_of_partition(key: str, cadence: Cadence) -> Period:
    """The inverse of `partition_key`."""
    return Period.of_date(date.fromisoformat(f"{key}-01"), cadence)
