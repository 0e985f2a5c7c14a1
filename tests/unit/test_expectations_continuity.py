"""Whether a figure continues its past."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.continuity import Verdict, judge_continuity

figures = st.integers(0, 5_000_000).map(Decimal)
pasts = st.lists(figures, min_size=0, max_size=40)


def of(*numbers: int) -> list[Decimal]:
    return [Decimal(number) for number in numbers]


GROWING = of(*range(1000, 1360, 10))  # 36 months, 10 more each
SEASONAL = of(*([300, 310, 320, 330, 320, 310, 300, 310, 320, 330, 320, 150] * 3))  # the last month of a year is low


@pytest.mark.parametrize(
    ("past", "value", "verdict"),
    [
        (GROWING, 1360, Verdict.USUAL),
        (GROWING, 1250, Verdict.UNUSUAL),
        (GROWING, 1600, Verdict.UNUSUAL),
        (GROWING, 0, Verdict.VANISHED),
        (of(34, 34, 34, 34, 34, 34, 34, 34), 35, Verdict.USUAL),
        (of(34, 34, 34, 34, 34, 34, 34, 34), 30, Verdict.UNUSUAL),
        (of(0, 0, 0, 0, 0, 0, 0, 0), 0, Verdict.USUAL),
        (of(0, 0, 0, 0, 0, 0, 0, 0), 40, Verdict.UNUSUAL),
        (of(5, 7, 4, 6, 8, 5, 6, 7), 9, Verdict.USUAL),
        (of(100, 110), 120, Verdict.UNKNOWN),
        (of(1, 0, 2, 1, 1, 0, 2, 1), 0, Verdict.USUAL),
        ([], 120, Verdict.UNKNOWN),
        (SEASONAL[:-1], 150, Verdict.USUAL),  # as in the years before
        (SEASONAL[:-3], 150, Verdict.UNUSUAL),  # in a month that was never low
        (SEASONAL, 300, Verdict.USUAL),  # and back
    ],
)
def test_known_series(past: list[Decimal], value: int, verdict: Verdict) -> None:
    assert judge_continuity(past, Decimal(value), 12).verdict is verdict


@given(pasts, figures, st.sampled_from([2, 12]))
def test_the_range_says_what_the_verdict_says(past: list[Decimal], value: Decimal, periods_a_year: int) -> None:
    found = judge_continuity(past, value, periods_a_year)
    if found.low is None or found.high is None:
        assert found.verdict is Verdict.UNKNOWN
        return
    assert 0 <= found.low <= found.high
    assert (found.low <= value <= found.high) == (found.verdict is Verdict.USUAL)


@given(st.integers(1, 100_000), st.integers(7, 36))
def test_what_never_moved_may_stay(level: int, count: int) -> None:
    assert judge_continuity(of(*[level] * count), Decimal(level), 12).verdict is Verdict.USUAL


def test_a_negative_figure_is_an_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        judge_continuity(of(1, 2), Decimal(-1), 12)
