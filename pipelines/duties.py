"""Statutory duties: the official release of each period by its due day, as a check on the published marts.

Dagster's freshness policies know no partitions, and a provisional publication would satisfy them; these checks ask the
releases themselves.
"""

from datetime import datetime, timedelta

import dagster as dg

from huiyang.periods import Cadence, Period
from huiyang.settings import BUSINESS_TIMEZONE, Settings
from pipelines import release
from pipelines.orchestration import CadenceSettings, load_orchestration
from pipelines.warehouse import ensure_warehouse

#: The published asset of each cadence that carries the check.
CHECKED_MART = {Cadence.MONTHLY: "mart_overview_month", Cadence.HALF_YEARLY: "mart_institution_base_half_year"}


def due_period(cadence: Cadence, settings: CadenceSettings, now: datetime) -> Period | None:
    """The latest period whose official release is due at an instant; None if none is yet."""
    period = Period.last_complete(now, cadence)
    while now < due_instant(period, settings):
        period = period.previous
    return period if period >= Period.parse(settings.first_period) else None


def due_instant(period: Period, settings: CadenceSettings) -> datetime:
    """When the official release of a period is due: the end of the due day in Asia/Shanghai."""
    return period.end_instant + timedelta(days=settings.due_days)


def duty_check(cadence: Cadence) -> dg.AssetChecksDefinition:
    """Fails while the latest due period has no official release."""

    @dg.asset_check(
        asset=dg.AssetKey(["published", CHECKED_MART[cadence]]),
        name=f"{cadence}_official_release_in_time",
        description="最近一个到期的期是否已签发正式版（期限见 orchestration.yaml 的 due_days）。",
    )
    def official_release_in_time(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        ensure_warehouse(settings)
        rules = load_orchestration().cadences[cadence]
        period = due_period(cadence, rules, datetime.now(BUSINESS_TIMEZONE))
        if period is None:
            return dg.AssetCheckResult(passed=True, metadata={"due": "none yet"})
        in_time = release.has_official(settings, period)
        return dg.AssetCheckResult(
            passed=in_time,
            metadata={"period": str(period), "due": due_instant(period, rules).isoformat(), "published": in_time},
        )

    return official_release_in_time
