"""Periods tile time without gap or overlap, in Asia/Shanghai."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyang.errors import HuiyangError
from huiyang.periods import Cadence, Period, period_range

CADENCES = st.sampled_from(Cadence)
INSTANTS = st.integers(631152000, 3786912000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))  # 1990–2090


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-10", date(2026, 10, 1), date(2026, 10, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2025-12", date(2025, 12, 1), date(2025, 12, 31)),
        ("2026-H1", date(2026, 1, 1), date(2026, 6, 30)),
        ("2026-H2", date(2026, 7, 1), date(2026, 12, 31)),
    ],
)
def test_parse(text: str, start: date, end: date):
    period = Period.parse(text)
    assert str(period) == text
    assert (period.start_date, period.end_date) == (start, end)


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-13", "2026-00", "2026-1", "2026-H3", "2026-h1", "26-10", "0000-01", "２０２６-10", "2026-10\n"],
)
def test_what_is_no_period_says_so(text: str):
    with pytest.raises(HuiyangError) as caught:
        Period.parse(text)
    assert repr(text) in caught.value.problem
    assert "2026-H1" in caught.value.remedy
    assert caught.value.exit_code == 2


@given(INSTANTS, CADENCES)
def test_an_instant_lies_in_its_period(instant: datetime, cadence: Cadence):
    period = Period.of_instant(instant, cadence)
    assert period.start_instant <= instant < period.end_instant
    assert Period.last_complete(instant, cadence).end_instant == period.start_instant
    assert Period.parse(str(period)) == period
    assert period.previous.next == period
    assert period.shifted(12 // cadence.months).same_period_last_year == period
    assert period.end_date + timedelta(days=1) == period.next.start_date


def test_midnight_in_shanghai_decides():
    assert str(Period.of_instant(datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC), Cadence.MONTHLY)) == "2026-10"
    assert str(Period.of_instant(datetime(2026, 10, 31, 16, 0, tzinfo=UTC), Cadence.MONTHLY)) == "2026-11"
    with pytest.raises(ValueError, match="time zone"):
        Period.of_instant(datetime(2026, 10, 31), Cadence.MONTHLY)  # noqa: DTZ001


def test_history_of_36_months():
    periods = [str(p) for p in period_range(Period.parse("2023-11"), Period.parse("2026-10"))]
    assert len(periods) == 36
    assert periods == sorted(set(periods))
    assert list(period_range(Period.parse("2026-10"), Period.parse("2026-09"))) == []
    with pytest.raises(ValueError, match="cadence"):
        list(period_range(Period.parse("2026-10"), Period.parse("2026-H2")))


def test_months_of_a_half_year():
    assert [str(m) for m in Period.parse("2026-H2").months()] == [f"2026-{m:02d}" for m in range(7, 13)]
    assert Period.parse("2026-02").months() == [Period.parse("2026-02")]
