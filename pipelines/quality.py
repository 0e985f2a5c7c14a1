"""Between the build and the release: calls the quality gate, its reports and its delivery to the app's inbox.

`expectations` is imported inside the functions: Great Expectations takes seconds to import, which the code location
must not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from huiyang.progress import Progress
from huiyang.settings import BUSINESS_TIMEZONE, Settings
from pipelines.release import Build, Release, Verdict, get_release, set_report_folder

if TYPE_CHECKING:
    from expectations.results import GateResult


@dataclass(frozen=True)
class Judgement:
    """The gate's result as releases need it.

    Attributes:
        quality_rows: rows of mart_quality_month, by column name.
        gate_run_id: the run in `quality.gate_run`.
        gate: what reports and delivery take.
    """

    verdict: Verdict
    quality_rows: Sequence[Mapping[str, Any]]
    gate_run_id: int
    gate: GateResult


def judge(settings: Settings, build: Build, progress: Progress) -> Judgement:
    """Runs the gate on the records of the running build."""
    from expectations.gate import run_gate

    gate = run_gate(
        settings,
        str(build.period),
        build.period.end_date,
        record_schema="candidate",
        progress=progress,
        as_of=build.as_of.astimezone(BUSINESS_TIMEZONE).date(),
    )
    verdict = Verdict(
        publishable=gate.publishable,
        accepted_by_figures=gate.accepted_by_figures,
        completeness_numerator=gate.totals.completeness_numerator,
        completeness_denominator=gate.totals.completeness_denominator,
        error_numerator=gate.totals.error_record_count,
        error_denominator=gate.totals.record_count,
        critical_violations=sum(r.violation_count for r in gate.rule_results if r.severity == "critical"),
    )
    return Judgement(verdict, gate.theme_results, gate.gate_run_id, gate)


def report_and_deliver(settings: Settings, release_id: int, judgement: Judgement) -> Release:
    """Writes the acceptance reports and sends the results to the app's inbox. Safe to run again."""
    from expectations.deliver import deliver
    from expectations.report import write_reports

    folder = write_reports(settings, get_release(settings, release_id), judgement.gate)
    set_report_folder(settings, release_id, str(folder.relative_to(settings.report_dir)))
    release = get_release(settings, release_id)
    deliver(settings, release, judgement.gate)
    return release
