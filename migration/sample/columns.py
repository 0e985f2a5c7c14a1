"""Columns of text, built whole: Arrow string arrays from numpy arrays, without a Python object per row.

Everything the old platform exports is text (varchar everything), so each exported column is a `pa.StringArray`. A text
taken from a short list (`pick`) costs the same as a number; joins and replacements run in Arrow's kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Column: TypeAlias = pa.StringArray

_FIRST_DAY = date(1890, 1, 1)
_LAST_DAY = date(2060, 12, 31)
_FIRST_DAY_NUMBER = int(np.datetime64(_FIRST_DAY, "D").astype(int))
SECONDS_A_DAY = 86_400

#: Ways in which the old platform's clients wrote a date; the first is what its current version writes.
DATE_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%Y/{m}/{d}", "%Y年{m}月{d}日", "%Y.%m.%d")


def pick(values: Sequence[str], indexes: np.ndarray) -> Column:
    """`values[i]` for each i."""
    return pa.array(list(values), pa.string()).take(pa.array(indexes))


def texts(values: Sequence[str | None]) -> Column:
    """A column of given texts; None is SQL's NULL."""
    return pa.array(list(values), pa.string())


def repeat(value: str, count: int) -> Column:
    """The same text `count` times."""
    return pa.repeat(pa.scalar(value, pa.string()), count)


def join(*parts: Column | str) -> Column:
    """The parts of each row one after the other; NULL where one is NULL."""
    return pc.binary_join_element_wise(*(pa.scalar(part) if isinstance(part, str) else part for part in parts), "")


def number(values: np.ndarray, width: int = 0) -> Column:
    """Non-negative whole numbers, with leading zeros up to `width`."""
    values = np.asarray(values, dtype=np.int64)
    if width == 0:
        return pa.array(values).cast(pa.string())
    return pc.utf8_slice_codeunits(pa.array(values + 10**width).cast(pa.string()), 1)


def decimal(values: np.ndarray, digits: int) -> Column:
    """Non-negative numbers with a fixed number of decimal digits."""
    scaled = np.rint(np.asarray(values, dtype=float) * 10**digits).astype(np.int64)
    return join(number(scaled // 10**digits), ".", number(scaled % 10**digits, digits))


def where(condition: np.ndarray, then: Column | str, otherwise: Column | str) -> Column:
    """Row by row one of two columns."""
    then, otherwise = (pa.scalar(side) if isinstance(side, str) else side for side in (then, otherwise))
    return pc.if_else(pa.array(np.asarray(condition, dtype=bool)), then, otherwise)


def nullable(column: Column, present: np.ndarray) -> Column:
    """NULL where not present."""
    return pc.if_else(pa.array(np.asarray(present, dtype=bool)), column, pa.scalar(None, pa.string()))


def replaced(column: Column, rows: np.ndarray, values: Sequence[str]) -> Column:
    """The column with other texts at `rows` (positions, each once, ascending)."""
    if len(rows) == 0:
        return column
    mask = np.zeros(len(column), dtype=bool)
    mask[rows] = True
    return pc.replace_with_mask(column, mask, pa.array(list(values), pa.string()))


def values_at(column: Column, rows: np.ndarray) -> list[str]:
    """The texts at `rows`."""
    return column.take(pa.array(rows)).to_pylist()


@cache
def _days(format_: str) -> pa.StringArray:
    days = (_FIRST_DAY + timedelta(days=n) for n in range((_LAST_DAY - _FIRST_DAY).days + 1))
    return texts([day.strftime(format_).format(m=day.month, d=day.day) for day in days])


@cache
def _clock(format_: str) -> pa.StringArray:
    return texts(
        [
            format_.format(h=second // 3600, m=second // 60 % 60, s=second % 60, H=f"{second // 3600:02d}")
            for second in range(SECONDS_A_DAY)
        ]
    )


def day(days: np.ndarray, format_: str = DATE_FORMATS[0]) -> Column:
    """Dates (datetime64[D]) as text; NaT becomes the empty text."""
    days = np.asarray(days, dtype="datetime64[D]")
    missing = np.isnat(days)
    offsets = np.where(missing, 0, days.astype(np.int64) - _FIRST_DAY_NUMBER)
    column = _days(format_).take(pa.array(offsets))
    return where(missing, "", column) if missing.any() else column


def day_in_formats(days: np.ndarray, formats: np.ndarray) -> Column:
    """Dates, each in its own of `DATE_FORMATS` (by position)."""
    days = np.asarray(days, dtype="datetime64[D]")
    column = day(days)
    for position, format_ in enumerate(DATE_FORMATS[1:], start=1):
        chosen = formats == position
        if chosen.any():
            column = where(chosen, day(days, format_), column)
    return column


def moment(seconds: np.ndarray, present: np.ndarray | None = None, *, slashes: np.ndarray | None = None) -> Column:
    """Wall-clock times (seconds since 1970-01-01 in Shanghai) as `2026-10-31 08:05:00`.

    Args:
        present: where False, the empty text.
        slashes: where True, as `2026/10/31 8:05`, to the minute.
    """
    seconds = np.asarray(seconds, dtype=np.int64)
    days, rest = seconds // SECONDS_A_DAY, seconds % SECONDS_A_DAY
    days = days.astype("datetime64[D]")
    column = join(day(days), " ", _clock("{H}:{m:02d}:{s:02d}").take(pa.array(rest)))
    if slashes is not None and slashes.any():
        short = join(day(days, DATE_FORMATS[2]), " ", _clock("{h}:{m:02d}").take(pa.array(rest)))
        column = where(slashes, short, column)
    return column if present is None else where(present, column, "")


def sql_value(column: Column, *, escape: bool) -> Column:
    """As a MySQL literal: quoted, NULL where NULL; escaped as mysqldump does where the text may need it."""
    if escape:
        for plain, escaped in (("\\", "\\\\"), ("'", "\\'"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
            column = pc.replace_substring(column, plain, escaped)
    return pc.coalesce(join("'", column, "'"), pa.scalar("NULL"))


def csv_value(column: Column) -> Column:
    """As a CSV field: quoted only where a comma, a quote or a line break wants it."""
    needs = pc.match_substring_regex(column, '[,"\r\n]')
    if not pc.any(needs).as_py():
        return column
    return pc.if_else(needs, join('"', pc.replace_substring(column, '"', '""'), '"'), column)


def text_bytes(column: Column) -> memoryview | bytes:
    """All texts of a column one after the other, UTF-8."""
    if len(column) == 0:
        return b""
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    return memoryview(column.buffers()[2])[offsets[0] : offsets[-1]]
