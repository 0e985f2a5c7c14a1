"""What a gate run found: the values that reports, deliveries and releases take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypedDict

from expectations.figures import is_complete, is_error_rate_accepted
from expectations.rule import Dimension, Owner, Rule, Severity, Theme


class ThemeResult(TypedDict):
    """Counts of one theme in one county; keys are the columns of mart_quality_month.

    `county_code` is empty, and `county_name` 未归属, for records that belong to no county. `record_due_count` and
    `record_present_count` are None where no outside register covers the theme there.
    """

    theme: str
    county_code: str
    county_name: str
    record_count: int
    error_record_count: int
    field_due_count: int
    field_filled_count: int
    record_due_count: int | None
    record_present_count: int | None


@dataclass(frozen=True)
class RuleResult:
    """One rule's outcome.

    Attributes:
        severity: the rule's, or critical where it could not run.
        violation_count: records that broke it. A rule that could not run counts every record as failing, at least one.
        problem: why it could not run, in Chinese; else None.
        of_period: its records belong to one period each, see Subject.
    """

    rule_id: str
    theme: Theme
    dimension: Dimension
    severity: Severity
    title: str
    definition: str
    recommendation: str
    owner: Owner
    record_table: str
    checked_count: int
    violation_count: int
    problem: str | None = None
    of_period: bool = False

    @classmethod
    def of(cls, rule: Rule, checked: int, violations: int, problem: str | None = None) -> RuleResult:
        return cls(
            rule.id, rule.theme, rule.dimension, rule.severity if problem is None else Severity.CRITICAL, rule.title,
            rule.definition, rule.recommendation, rule.owner, rule.subject.table, checked, violations, problem,
            rule.subject.of_period,
        )  # fmt: skip

    @property
    def holds(self) -> bool:
        return self.violation_count == 0


@dataclass(frozen=True)
class Violation:
    """A record that broke a rule.

    Attributes:
        division_code: the finest known division of the record.
        first_seen_on: business date.
    """

    rule_id: str
    record_table: str
    record_id: int
    division_code: str
    county_code: str
    first_seen_on: date


@dataclass(frozen=True)
class Totals:
    """Sums over themes and counties; `record_due_count` and `record_present_count` are None without any register."""

    record_count: int
    error_record_count: int
    field_due_count: int
    field_filled_count: int
    record_due_count: int | None
    record_present_count: int | None

    @classmethod
    def over(cls, rows: Iterable[ThemeResult]) -> Totals:
        rows = list(rows)
        registered = [row for row in rows if row["record_due_count"] is not None]
        return cls(
            record_count=sum(row["record_count"] for row in rows),
            error_record_count=sum(row["error_record_count"] for row in rows),
            field_due_count=sum(row["field_due_count"] for row in rows),
            field_filled_count=sum(row["field_filled_count"] for row in rows),
            record_due_count=sum(row["record_due_count"] or 0 for row in registered) if registered else None,
            record_present_count=sum(row["record_present_count"] or 0 for row in registered) if registered else None,
        )

    @property
    def completeness_numerator(self) -> int:
        """Filled fields and present records: both must be whole, so they are one figure."""
        return self.field_filled_count + (self.record_present_count or 0)

    @property
    def completeness_denominator(self) -> int:
        return self.field_due_count + (self.record_due_count or 0)


@dataclass(frozen=True)
class Verdict:
    """The two verdicts by figures, with what stands against each, in Chinese.

    Acceptance (达标) needs the reviewer's signature besides.
    """

    publishable: bool
    accepted_by_figures: bool
    against_publishing: tuple[str, ...]
    against_acceptance: tuple[str, ...]


def judge(rule_results: Iterable[RuleResult], totals: Totals, missing_registers: Iterable[Theme]) -> Verdict:
    """The verdicts. Counts are compared as integers.

    Args:
        missing_registers: themes whose record completeness should be shown by an outside register, and is not.
    """
    critical = [r for r in rule_results if r.severity is Severity.CRITICAL and not r.holds]
    against_publishing = [
        f"规则 {r.rule_id}（{r.title}）未能执行：{r.problem}"
        if r.problem
        else f"严重规则 {r.rule_id}（{r.title}）有 {r.violation_count:,} 条违反"
        for r in critical
    ]
    against_acceptance = []
    if totals.record_count == 0:
        against_acceptance.append("没有记录，无从验收")
    if not is_complete(totals.field_filled_count, totals.field_due_count):
        missing = totals.field_due_count - totals.field_filled_count
        against_acceptance.append(f"字段完整率不足 100%：应填 {totals.field_due_count:,} 项，缺 {missing:,} 项")
    if totals.record_due_count is not None and totals.record_present_count is not None:
        absent = totals.record_due_count - totals.record_present_count
        if absent:
            against_acceptance.append(f"记录完整率不足 100%：应有 {totals.record_due_count:,} 条，缺 {absent:,} 条")
    against_acceptance += [f"{theme}没有外部应有名册，记录完整率无从证明" for theme in missing_registers]
    if not is_error_rate_accepted(totals.error_record_count, totals.record_count):
        against_acceptance.append(
            f"错误率不低于 1%：{totals.record_count:,} 条记录中 {totals.error_record_count:,} 条有错误"
        )
    if critical:
        against_acceptance.append("不可发布的版本不能达标")
    return Verdict(not critical, not against_acceptance, tuple(against_publishing), tuple(against_acceptance))


@dataclass(frozen=True)
class GateResult:
    """A gate run's results; the violations themselves stand in the warehouse (`expectations.store`).

    Attributes:
        as_of: business date of the cut-off.
        county_names: county code → name, for display.
        seconds: how long the run took, by step.
    """

    gate_run_id: int
    period: str
    period_end: date
    as_of: date
    catalogue_sha256: str
    required_fields_version: str
    required_fields_basis: str
    verdict: Verdict
    totals: Totals
    rule_results: tuple[RuleResult, ...]
    theme_results: tuple[ThemeResult, ...]
    missing_registers: tuple[Theme, ...]
    county_names: Mapping[str, str]
    started_at: datetime
    finished_at: datetime
    seconds: Mapping[str, float]

    @property
    def publishable(self) -> bool:
        return self.verdict.publishable

    @property
    def accepted_by_figures(self) -> bool:
        return self.verdict.accepted_by_figures
