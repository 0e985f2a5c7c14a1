"""How values are written on a page."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_app.web import formats


def test_a_share_never_looks_as_if_it_had_crossed_a_threshold():
    assert formats.percent(99_999, 100_000) == "99.99%"
    assert formats.percent(100_000, 100_000) == "100.00%"
    assert formats.percent(9_999, 1_000_000) == "0.99%"
    assert formats.percent(10_001, 1_000_000) == "1.01%"
    assert formats.percent(1, 1_000_000) == "0.01%"
    assert formats.percent(0, 1_000_000) == "0.00%"
    assert formats.percent(1, 100) == "1.00%"


@given(st.integers(1, 10**7).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_a_shown_share_stands_on_the_same_side_of_each_threshold(counts):
    part, total = counts
    shown, exact = Decimal(formats.percent(part, total).rstrip("%")), Decimal(100) * part / total
    for threshold in (Decimal(0), Decimal(1), Decimal(100)):
        assert (shown > threshold) == (exact > threshold) and (shown < threshold) == (exact < threshold)
    assert abs(shown - exact) <= Decimal("0.015")


def test_a_share_without_a_denominator_is_a_dash():
    assert formats.percent(0, 0) == formats.percent(3, None) == formats.percent(None, 3) == "—"


@pytest.mark.parametrize(
    ("value", "shown"),
    [("44080219450312123X", "4408**********123X"), ("1234567", "*******"), ("", "—"), (None, "—")],
)
def test_an_id_number_is_masked(value, shown):
    assert formats.mask_id_number(value) == shown


@pytest.mark.parametrize(("value", "shown"), [("13812345678", "138****5678"), ("2222222", "*******"), (None, "—")])
def test_a_phone_is_masked(value, shown):
    assert formats.mask_phone(value) == shown


@given(st.text("0123456789X", min_size=1, max_size=30))
def test_a_mask_hides_what_lies_between_and_keeps_the_length(number):
    masked = formats.mask_id_number(number)
    assert len(masked) == len(number)
    assert masked[4:-4] == "*" * max(len(number) - 8, 0) or set(masked) == {"*"}


def test_age_in_full_years():
    assert formats.age_on(date(1946, 11, 23), date(2026, 11, 23)) == 80
    assert formats.age_on(date(1946, 11, 24), date(2026, 11, 23)) == 79
    assert formats.age_on(date(1944, 2, 29), date(2027, 2, 28)) == 82
    assert formats.age_on(None, date(2026, 11, 23)) is None


def test_times_are_those_of_zhanjiang():
    assert formats.minute(datetime(2026, 10, 31, 16, 5, tzinfo=UTC)) == "2026-11-01 00:05"


def test_a_division_is_told_from_the_county_down():
    assert formats.division("440803070002") == "霞山区泉庄街道海滨北社区居委会"
    assert formats.division("440800000000") == "湛江市"
    assert formats.division("110101000000") == formats.division(None) == "—"


def test_fees():
    assert formats.fee_range(Decimal(1000), Decimal("2500.5")) == "1,000.00 – 2,500.50"
    assert formats.fee_range(None, Decimal(300)) == "300.00"
    assert formats.fee_range(None, None) == "—"
