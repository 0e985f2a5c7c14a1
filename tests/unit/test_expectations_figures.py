"""Percentages never cross a threshold by rounding; verdicts compare integers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.figures import THRESHOLDS_PERCENT, format_percentage, is_complete, is_error_rate_accepted

_shares = st.integers(1, 10**13).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole)))
#: Shares within a few records of a threshold, where rounding is tempted.
_tight_shares = st.tuples(st.integers(10, 10**13), st.sampled_from([0, 1, 100]), st.integers(-3, 3)).map(
    lambda t: (min(max(t[0] * t[1] // 100 + t[2], 0), t[0]), t[0])
)


@pytest.mark.parametrize(
    ("numerator", "denominator", "text"),
    [
        (99_996, 100_000, "99.996%"),
        (999_999_999, 1_000_000_000, "99.9999999%"),
        (7, 7, "100%"),
        (0, 7, "0%"),
        (1, 100, "1%"),
        (996, 100_000, "0.996%"),
        (1_004, 100_000, "1.004%"),
        (1, 1_460_000, "0.0001%"),
        (1, 3, "33.33%"),
        (2, 3, "66.67%"),
        (0, 0, "—"),
    ],
)
def test_known_figures(numerator: int, denominator: int, text: str) -> None:
    assert format_percentage(numerator, denominator) == text


@given(st.one_of(_shares, _tight_shares))
def test_display_is_near_and_on_the_same_side_of_every_threshold(share: tuple[int, int]) -> None:
    numerator, denominator = share
    exact = Fraction(100 * numerator, denominator)
    shown = Fraction(Decimal(format_percentage(numerator, denominator).removesuffix("%")))
    assert abs(shown - exact) <= Fraction(1, 200)
    for limit in THRESHOLDS_PERCENT:
        assert (shown > limit) == (exact > limit)
        assert (shown < limit) == (exact < limit)


@given(st.one_of(_shares, _tight_shares))
def test_a_verdict_and_its_display_agree(share: tuple[int, int]) -> None:
    numerator, denominator = share
    text = format_percentage(numerator, denominator)
    assert is_complete(numerator, denominator) == (text == "100%")
    assert is_error_rate_accepted(numerator, denominator) == (Decimal(text.removesuffix("%")) < 1)


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 5), (6, 5), (1, 0), (0, -1)])
def test_what_is_no_share_is_refused(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match="not a share"):
        format_percentage(numerator, denominator)


def test_nothing_is_neither_complete_nor_free_of_error() -> None:
    assert not is_complete(0, 0)
    assert not is_error_rate_accepted(0, 0)
