"""The state of a period."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyang.periods import Period
from operational_app.periods.rules import Facts, PeriodState, Plan, is_late, seconds_left, state_of

PLAN = Plan("2023-11", correction_days=5, due_days=10)
OCTOBER = Period.parse("2026-10")
SINCE = Period.parse("2026-09")


@pytest.mark.parametrize(
    ("day", "signed", "in_review", "state", "late"),
    [
        (date(2026, 10, 31), 0, False, PeriodState.OPEN, False),
        (date(2026, 11, 1), 0, False, PeriodState.CLOSING, False),
        (date(2026, 11, 5), 0, False, PeriodState.CLOSING, False),
        (date(2026, 11, 6), 0, False, PeriodState.PREPARING, False),
        (date(2026, 11, 10), 0, False, PeriodState.PREPARING, False),
        (date(2026, 11, 11), 0, False, PeriodState.PREPARING, True),
        (date(2026, 11, 11), 0, True, PeriodState.IN_REVIEW, True),
        (date(2026, 11, 11), 1, False, PeriodState.PUBLISHED, False),
        (date(2026, 11, 11), 1, True, PeriodState.IN_REVIEW, False),
        (date(2026, 11, 11), 2, False, PeriodState.CORRECTED, False),
    ],
)
def test_from_collection_to_correction(day: date, signed: int, in_review: bool, state: PeriodState, late: bool) -> None:
    facts = Facts(signed, in_review, SINCE)
    assert (state_of(OCTOBER, PLAN, day, facts), is_late(OCTOBER, PLAN, day, facts)) == (state, late)


@pytest.mark.parametrize("since", [None, Period.parse("2026-11"), Period.parse("2026-12")])
def test_what_came_with_the_first_refresh_is_not_overdue(since: Period | None) -> None:
    facts = Facts(0, False, since)
    assert state_of(OCTOBER, PLAN, date(2026, 12, 31), facts) is PeriodState.HISTORY
    assert not is_late(OCTOBER, PLAN, date(2026, 12, 31), facts)
    assert state_of(OCTOBER, PLAN, date(2026, 12, 31), Facts(1, False, since)) is PeriodState.PUBLISHED


def test_a_period_that_shows_an_earlier_release_says_so() -> None:
    facts = Facts(1, False, SINCE, is_rolled_back=True)
    assert state_of(OCTOBER, PLAN, date(2026, 11, 20), facts) is PeriodState.ROLLED_BACK
    assert state_of(OCTOBER, PLAN, date(2026, 11, 20), Facts(1, True, SINCE, True)) is PeriodState.IN_REVIEW


def test_before_the_first_refresh_the_last_period_is_the_one_to_do() -> None:
    assert state_of(OCTOBER, PLAN, date(2026, 11, 20), Facts(0, False, None)) is PeriodState.PREPARING


@given(st.dates(date(2024, 1, 1), date(2030, 1, 1)), st.integers(0, 3), st.booleans())
def test_what_is_late_is_unsigned_and_over(day: date, signed: int, in_review: bool) -> None:
    facts = Facts(signed, in_review, SINCE)
    if is_late(OCTOBER, PLAN, day, facts):
        assert not signed and state_of(OCTOBER, PLAN, day, facts) in (PeriodState.PREPARING, PeriodState.IN_REVIEW)


def test_time_left() -> None:
    assert seconds_left(60, 0.5) == 60
    assert seconds_left(60, 0.01) is None
