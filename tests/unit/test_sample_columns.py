"""Columns of text: the helpers against the obvious way of doing the same."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migration.sample import columns

DAYS = st.dates(date(1890, 1, 1), date(2060, 12, 31))
SECONDS = st.integers(0, 2_000_000_000)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_numbers(values: list[int]) -> None:
    assert columns.number(np.array(values)).to_pylist() == [str(v) for v in values]


def test_numbers_with_leading_zeros() -> None:
    assert columns.number(np.array([0, 7, 1234]), 4).to_pylist() == ["0000", "0007", "1234"]


@settings(deadline=None)
@given(st.lists(st.floats(0, 180), min_size=1), st.sampled_from([1, 2, 6]))
def test_decimals_are_rounded_to_their_digits(values: list[float], digits: int) -> None:
    for text, value in zip(columns.decimal(np.array(values), digits).to_pylist(), values, strict=True):
        assert len(text.split(".")[1]) == digits
        assert float(text) == pytest.approx(value, abs=0.51 * 10**-digits)


@settings(deadline=None)
@given(st.lists(DAYS, min_size=1), st.data())
def test_days_in_mixed_formats(days: list[date], data: st.DataObject) -> None:
    formats = data.draw(st.lists(st.integers(0, 4), min_size=len(days), max_size=len(days)))
    written = columns.day_in_formats(np.array(days, dtype="datetime64[D]"), np.array(formats)).to_pylist()
    expected = [
        (
            f"{d:%Y-%m-%d}",
            f"{d:%Y%m%d}",
            f"{d.year}/{d.month}/{d.day}",
            f"{d.year}年{d.month}月{d.day}日",
            f"{d:%Y.%m.%d}",
        )[format_]
        for d, format_ in zip(days, formats, strict=True)
    ]
    assert written == expected


def test_no_day_is_an_empty_text() -> None:
    assert columns.day(np.array(["2026-10-31", "NaT"], dtype="datetime64[D]")).to_pylist() == ["2026-10-31", ""]


@settings(deadline=None)
@given(st.lists(SECONDS, min_size=1))
def test_moments(seconds: list[int]) -> None:
    every_second = np.arange(len(seconds)) % 2 == 1
    written = columns.moment(np.array(seconds), slashes=every_second).to_pylist()
    for position, (text, second) in enumerate(zip(written, seconds, strict=True)):
        wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
        short = f"{wall.year}/{wall.month}/{wall.day} {wall.hour}:{wall.minute:02d}"
        assert text == (short if position % 2 else f"{wall:%Y-%m-%d %H:%M:%S}")


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1))
def test_csv_fields_read_back(values: list[str]) -> None:
    clean = [value.replace("\0", "") for value in values]
    lines = columns.text_bytes(columns.join(columns.csv_value(columns.texts(clean)), ",x\r\n"))
    read = list(csv.reader(io.StringIO(bytes(lines).decode(), newline="")))
    assert [row[0] for row in read] == clean


def test_replacement_touches_only_its_rows() -> None:
    column = columns.texts(["a", "b", "c"])
    assert columns.replaced(column, np.array([0, 2]), ["x", "y"]).to_pylist() == ["x", "b", "y"]
    assert columns.values_at(column, np.array([2, 1])) == ["c", "b"]


def test_a_sliced_column_gives_only_its_own_bytes() -> None:
    assert bytes(columns.text_bytes(columns.texts(["陈", "林", "黄"]).slice(1, 1))).decode() == "林"
