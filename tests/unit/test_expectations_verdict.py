"""The two verdicts from counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from expectations.results import RuleResult, ThemeResult, Totals, judge
from expectations.rule import Dimension, Owner, Severity, Theme

WHOLE = Totals(
    record_count=10_000, error_record_count=99, field_due_count=50_000, field_filled_count=50_000,
    record_due_count=35, record_present_count=35,
)  # fmt: skip


def result(severity: Severity, violations: int, problem: str | None = None) -> RuleResult:
    return RuleResult(
        "X-01",
        Theme.ELDER,
        Dimension.ACCURACY,
        severity,
        "题",
        "义。",
        "改。",
        Owner.TOWN,
        "elder",
        10,
        violations,
        problem,
    )


def test_whole_and_below_one_per_cent_is_accepted() -> None:
    verdict = judge([result(Severity.CRITICAL, 0), result(Severity.ERROR, 99)], WHOLE, [])
    assert verdict.publishable and verdict.accepted_by_figures


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"error_record_count": 100}, "错误率不低于 1%"),
        ({"field_filled_count": 49_999}, "字段完整率不足 100%：应填 50,000 项，缺 1 项"),
        ({"record_present_count": 34}, "记录完整率不足 100%：应有 35 条，缺 1 条"),
        ({"record_count": 0, "error_record_count": 0}, "没有记录"),
    ],
)
def test_what_stands_against_acceptance_is_named(change: dict[str, int], reason: str) -> None:
    verdict = judge([], replace(WHOLE, **change), [])
    assert verdict.publishable and not verdict.accepted_by_figures
    assert any(reason in line for line in verdict.against_acceptance)


def test_a_register_that_should_be_there_is_needed() -> None:
    verdict = judge([], replace(WHOLE, record_due_count=None, record_present_count=None), [Theme.INSTITUTION])
    assert not verdict.accepted_by_figures
    assert verdict.against_acceptance == ("养老机构没有外部应有名册，记录完整率无从证明",)


def test_one_critical_violation_forbids_both() -> None:
    verdict = judge([result(Severity.CRITICAL, 1)], WHOLE, [])
    assert not verdict.publishable and not verdict.accepted_by_figures
    assert verdict.against_publishing == ("严重规则 X-01（题）有 1 条违反",)


def test_a_rule_that_could_not_run_says_why() -> None:
    verdict = judge([result(Severity.CRITICAL, 1, "缺少列 died_on")], WHOLE, [])
    assert verdict.against_publishing == ("规则 X-01（题）未能执行：缺少列 died_on",)


def test_totals_add_up_and_leave_out_what_no_register_covers() -> None:
    row = ThemeResult(
        theme="老人", county_code="1", county_name="甲", record_count=5, error_record_count=1, field_due_count=9,
        field_filled_count=8, record_due_count=None, record_present_count=None,
    )  # fmt: skip
    registered = ThemeResult(**{**row, "theme": "养老机构", "record_due_count": 4, "record_present_count": 3})  # type: ignore[typeddict-item]
    totals = Totals.over([row, registered])
    assert totals == Totals(10, 2, 18, 16, 4, 3)
    assert (totals.completeness_numerator, totals.completeness_denominator) == (19, 22)
    assert Totals.over([row]).record_due_count is None
