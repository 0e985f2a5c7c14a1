"""Pure transforms of columns: what the old platform's text means. No database, no clock, no files.

A transform takes Arrow columns of text (or of an earlier transform's type) and options, and returns `Outcome`: as many
columns, rows that it could not read (their value is then missing) and rows that deserve a remark, by code. Codes are
explained to users by `migration.reasons`. Register with `@transform`; a mapping names transforms and their options.

Columns of few distinct values (dates of birth, phrases) are decided once per distinct value.
"""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from huiyang.divisions import DivisionLevel, DivisionTree
from huiyang.geodesy import gcj02_to_wgs84, grid_cells_500m
from huiyang.identifiers import (
    IdNumberStatus,
    PhoneStatus,
    UsccStatus,
    check_id_numbers,
    normalise_identifier,
    normalise_phone,
    phone_status,
    phone_statuses,
    uscc_statuses,
)
from huiyang.names import name_keys_many, normalise_name
from huiyang.settings import BUSINESS_TIMEZONE

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Outcome:
    """What a transform made of its columns.

    Attributes:
        columns: the results, each as long as the input.
        errors: reason code → (n,) bool, rows that hold something unreadable; their result is missing.
        warnings: the same for rows that were read with a remark.
    """

    columns: tuple[pa.Array, ...]
    errors: Mapping[str, np.ndarray] = field(default_factory=dict)
    warnings: Mapping[str, np.ndarray] = field(default_factory=dict)


Transform = Callable[..., Outcome]
TRANSFORMS: dict[str, Transform] = {}


def transform(function: Transform) -> Transform:
    """Registers a transform under its function's name."""
    TRANSFORMS[function.__name__] = function
    return function


def option_names(name: str) -> frozenset[str]:
    """The options that a transform accepts."""
    parameters = inspect.signature(TRANSFORMS[name]).parameters.values()
    return frozenset(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)


# --- text ---

#: What people type into a field that must not stay empty.
PLACEHOLDERS = frozenset(
    {"", "无", "-", "--", "/", "\\", "不详", "未知", "未填", "暂无", "null", "none", "n/a", "nan", "?", "？", "*"}
)
#: U+FFFD, control characters, and byte-order marks that a copy through the wrong encoding leaves behind.
_GARBAGE = re.compile("[\ufffd\ufeff\u200b\x00-\x08\x0b-\x1f\x7f]")


def _distinct(column: pa.Array, function: Callable[[str], Any], result_type: pa.DataType) -> pa.Array:
    """Applies a scalar function once per distinct text; missing stays missing."""
    encoded = column.dictionary_encode()
    results = pa.array([None if v is None else function(v) for v in encoded.dictionary.to_pylist()], result_type)
    return results.take(encoded.indices)


def _missing(column: pa.Array) -> np.ndarray:
    return np.asarray(column.is_null())


def _lost(before: pa.Array, after: pa.Array) -> np.ndarray:
    """Rows that held something and now hold nothing."""
    return _missing(after) & ~_missing(before)


def clean_text(text: str) -> str | None:
    """Trims, drops control characters, folds full-width forms of ASCII; None for a placeholder."""
    if not text.isascii():
        text = "".join([unicodedata.normalize("NFKC", c) if "！" <= c <= "～" or c == "\u3000" else c for c in text])
    text = " ".join(_GARBAGE.sub(" ", text).split())
    return None if text.lower() in PLACEHOLDERS else text


def _clean(column: pa.Array) -> pa.Array:
    """`clean_text` of a column. The common case, plain text without anything to clean, is decided by Arrow."""
    trimmed = pc.utf8_trim_whitespace(column)
    special = pc.match_substring_regex(trimmed, r"[\x00-\x1f\x7f！-～\x{3000}\x{fffd}\x{feff}\x{200b}]|  ")
    short = pc.less_equal(pc.utf8_length(trimmed), 4)
    rows = np.flatnonzero(pc.fill_null(pc.or_(special, short), False))
    if not len(rows):
        return trimmed
    return _replace(trimmed, rows, _distinct(trimmed.take(pa.array(rows)), clean_text, pa.string()))


def _replace(column: pa.Array, rows: np.ndarray, values: pa.Array) -> pa.Array:
    """The column with other values at ascending row numbers."""
    mask = np.zeros(len(column), dtype=bool)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), values)


@transform
def text(column: pa.Array, *, longest: int | None = None) -> Outcome:
    """Cleaned text. Longer than `longest` characters: cut, with a remark.

    GBK bytes that someone read as Latin-1 are read again rightly, with a remark; text that lost bytes is an error.
    """
    column, repaired = _repair_encoding(column)
    cleaned = _clean(column)
    lost = np.asarray(pc.fill_null(pc.match_substring_regex(column, "\ufffd|锟斤拷|烫烫烫"), False))
    cleaned = pc.if_else(pa.array(~lost), cleaned, pa.scalar(None, pa.string()))
    warnings = {"garbled_text_repaired": repaired}
    if longest is not None:
        too_long = np.asarray(pc.fill_null(pc.greater(pc.utf8_length(cleaned), longest), False))
        cleaned = pc.utf8_slice_codeunits(cleaned, 0, longest)
        warnings["text_cut"] = too_long
    return Outcome((cleaned,), {"garbled_text": lost}, warnings)


def repair_encoding(text: str) -> str | None:
    """GBK bytes read as Latin-1 (ÁúÑÒ) as the Chinese text they are; None where the text is not of that kind.

    Two Chinese characters at least, and two fifths of the bytes from the upper half: `naïve` is not mangled.
    """
    try:
        repaired = text.encode("latin-1").decode("gb18030")
    except UnicodeError:
        return None
    chinese = sum("\u3400" <= c <= "\u9fff" for c in repaired)
    upper = sum(c >= "\x80" for c in text)
    return repaired if chinese >= 2 and upper >= 0.4 * len(text) else None


def _repair_encoding(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The column with texts of `repair_encoding` replaced; (n,) bool, which ones."""
    repaired = np.zeros(len(column), dtype=bool)
    # Two neighbours from the upper half of Latin-1, and no Chinese at all.
    suspicious = pc.match_substring_regex(column, r"^[\x00-\x{ff}]*[\x{80}-\x{ff}][\x40-\x{ff}][\x00-\x{ff}]*$")
    rows = np.flatnonzero(pc.fill_null(suspicious, False))
    if not len(rows):
        return column, repaired
    texts = column.take(pa.array(rows)).to_pylist()
    results = [repair_encoding(value) for value in texts]
    repaired[rows] = [result is not None for result in results]
    return _replace(
        column, rows, pa.array([r or t for r, t in zip(results, texts, strict=True)], pa.string())
    ), repaired


@transform
def person_name(column: pa.Array) -> Outcome:
    """A person's name as `huiyang.names.normalise_name` writes it."""
    outcome = text(column)
    name = _distinct(outcome.columns[0], lambda v: normalise_name(v) or None, pa.string())
    return Outcome((name,), outcome.errors, outcome.warnings)


@transform
def name_keys(column: pa.Array) -> Outcome:
    """Sort and search keys of a name: pinyin, initials. Missing for a missing name."""
    names = column.to_pylist()
    missing = _missing(column)
    pinyin, initials = name_keys_many([name or "" for name in names])
    return Outcome(tuple(pa.array(keys, pa.string(), mask=missing) for keys in (pinyin, initials)))


@transform
def present(*columns: pa.Array) -> Outcome:
    """Whether any of the columns holds something."""
    found = np.zeros(len(columns[0]), dtype=bool)
    for column in columns:
        found |= ~_missing(_clean(column))
    return Outcome((pa.array(found),))


@transform
def first_of(*columns: pa.Array) -> Outcome:
    """The first of the columns that holds something."""
    return Outcome((pc.coalesce(*columns),))


@transform
def only_where(column: pa.Array, other: pa.Array, *, value: str) -> Outcome:
    """The column in rows where the other one says `value`, else missing."""
    chosen = pc.fill_null(pc.equal(other, value), False)
    return Outcome((pc.if_else(chosen, column, pa.scalar(None, column.type)),))


@transform
def concat(*columns: pa.Array, separator: str = "") -> Outcome:
    """The columns that hold something, joined."""
    # Not null_handling="skip": it loses rows in which every column is missing (pyarrow 26).
    pieces = [pc.fill_null(pc.binary_join_element_wise(pa.scalar(separator), c, pa.scalar("")), "") for c in columns]
    joined = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*pieces, pa.scalar("")), len(separator))
    return Outcome((_blank_to_null(joined),))


@transform
def split(column: pa.Array, *, separators: str = ",，、;；") -> Outcome:
    """A list of the parts between any of the separators, trimmed; an empty part is kept as a missing element.

    Parts keep their places: `a,,b` and a list beside it of three stay side by side.
    """
    pattern = f"[{re.escape(separators)}]"

    def decide(value: str) -> list[str | None] | None:
        parts = [clean_text(part) for part in re.split(pattern, value)]
        return parts if any(parts) else None

    return Outcome((_distinct(column, decide, pa.list_(pa.string())),))


@transform
def highest(column: pa.Array, *, order: Sequence[str], separators: str = ",，、;；") -> Outcome:
    """Of several codes in one field the one that comes first in `order`; where none does, the first."""
    rank = {normalise_code(code): position for position, code in enumerate(order)}

    def decide(value: str) -> str | None:
        parts = [normalise_code(part) for part in re.split(f"[{re.escape(separators)}]", value) if part.strip()]
        return min(parts, key=lambda part: rank.get(part, len(rank))) if parts else None

    return Outcome((_distinct(column, decide, pa.string()),))


@transform
def labelled(*columns: pa.Array, labels: Sequence[str], separator: str) -> Outcome:
    """The columns that hold something, each after its label, joined."""
    parts = [
        pc.binary_join_element_wise(pa.scalar(label), column, pa.scalar(""))
        for label, column in zip(labels, columns, strict=True)
    ]
    return concat(*parts, separator=separator)


@transform
def code_words(column: pa.Array, *, table: Mapping[str, str], separators: str = ",，、;；") -> Outcome:
    """Several codes in one field as words joined by 、; a code that the table does not know is an error."""
    known = {normalise_code(key): value for key, value in table.items()}
    pattern = f"[{re.escape(separators)}]"

    def decide(value: str) -> str | None:
        parts = [normalise_code(part) for part in re.split(pattern, value) if part.strip()]
        return "、".join(known[part] for part in parts) if parts and all(part in known for part in parts) else None

    cleaned = _clean(column)
    result = _distinct(cleaned, decide, pa.string())
    return Outcome((result,), {"unknown_code": _lost(cleaned, result)})


@transform
def codes(column: pa.Array, *, table: Mapping[str, str]) -> Outcome:
    """A code list of theirs in ours; text that the table does not know is an error. Keys are compared cleaned."""
    cleaned = _clean(column)
    known = {normalise_code(key): value for key, value in table.items()}
    # A placeholder such as 无 or 未知 may be a code of its own, so the table is asked before cleaning drops it.
    result = _distinct(column, lambda v: known.get(normalise_code(v)), pa.string())
    return Outcome((result,), {"unknown_code": _missing(result) & ~_missing(cleaned)})


def normalise_code(text: str) -> str:
    """NFKC without spaces, lower case: `０１ ` and `01` are one code."""
    return "".join(unicodedata.normalize("NFKC", str(text)).split()).lower()


_TRUE = frozenset({"1", "y", "yes", "true", "t", "是", "有", "√", "已", "主", "在用"})
_FALSE = frozenset({"0", "n", "no", "false", "f", "否", "无", "×", "x", "未", "没有", "停用"})


@transform
def boolean(column: pa.Array) -> Outcome:
    """是/否, 1/0, Y/N and their like."""

    def decide(value: str) -> bool | None:
        code = normalise_code(value)
        return True if code in _TRUE else False if code in _FALSE else None

    result = _distinct(column, decide, pa.bool_())
    return Outcome((result,), {"unknown_code": _missing(result) & ~_missing(_clean(column)) & ~_missing(column)})


# --- numbers ---

_NUMBER = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:[eE]([+-]?\d+))?")
#: Units a number may carry, as factors onto the unit the mapping asks for; yuan, square metres, minutes.
_UNITS: dict[str, int | Decimal] = {
    "": 1, "元": 1, "¥": 1, "￥": 1, "rmb": 1, "万": 10_000, "万元": 10_000, "千元": 1_000,
    "平方米": 1, "㎡": 1, "m2": 1, "m²": 1, "平米": 1, "平": 1, "亩": Decimal("666.6667"), "公顷": 10_000,
    "层": 1, "楼": 1, "张": 1, "人": 1, "个": 1, "床": 1, "次": 1, "分": 1, "岁": 1,
    "分钟": 1, "min": 1, "小时": 60, "时": 60, "h": 60,
    "元/月": 1, "/月": 1, "元/次": 1, "元/小时": 1, "%": 1, "℃": 1, "bpm": 1, "mmhg": 1, "mmol/l": 1,
}  # fmt: skip
_HOURS_MINUTES = re.compile(r"(\d+)(?:小时|时|h)(\d+)(?:分钟|分|min)")


def parse_number(text: str) -> Decimal | None:
    """A number with thousands separators, full-width digits, a currency sign or one of the known units; else None."""
    plain = normalise_code(text).replace(",", "")
    match = _HOURS_MINUTES.fullmatch(plain)
    if match:
        return Decimal(int(match[1]) * 60 + int(match[2]))
    match = _NUMBER.search(plain)
    if match is None:
        return None
    factor = _UNITS.get(plain[: match.start()] + plain[match.end() :])
    try:
        return None if factor is None else Decimal(match[0]) * factor
    except InvalidOperation:
        return None


@transform
def decimal(
    column: pa.Array,
    *,
    places: int = 2,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Outcome:
    """A decimal number of so many places, rounded half up; out of range is an error.

    Returns:
        decimal128(18, places)
    """
    kind = pa.decimal128(18, places)
    quantum = Decimal(1).scaleb(-places)
    low = None if minimum is None else Decimal(str(minimum))
    high = None if maximum is None else Decimal(str(maximum))

    def decide(value: str) -> Decimal | None:
        number = parse_number(value)
        if number is None or abs(number) >= 10 ** (18 - places):
            return None
        return number.quantize(quantum, "ROUND_HALF_UP")

    plain = np.asarray(pc.fill_null(pc.match_substring_regex(column, rf"^-?\d{{1,12}}(\.\d{{1,{places}}})?$"), False))
    result = pc.cast(column, kind) if plain.all() and len(column) else _distinct(_clean(column), decide, kind)
    errors = {"bad_number": _lost(_clean(column), result)}
    outside = np.zeros(len(column), dtype=bool)
    if low is not None:
        outside |= np.asarray(pc.fill_null(pc.less(result, pa.scalar(low.quantize(quantum), kind)), False))
    if high is not None:
        outside |= np.asarray(pc.fill_null(pc.greater(result, pa.scalar(high.quantize(quantum), kind)), False))
    if outside.any():
        result = pc.if_else(pa.array(outside), pa.scalar(None, kind), result)
    return Outcome((result,), errors | {"out_of_range": outside})


@transform
def integer(column: pa.Array, *, minimum: int | None = None, maximum: int | None = None) -> Outcome:
    """A whole number; `12.0` is one, `12.5` is an error, as is what lies out of range. Returns int64."""

    def decide(value: str) -> int | None:
        number = parse_number(value)
        return (
            int(number) if number is not None and number == number.to_integral_value() and abs(number) < 2**62 else None
        )

    cleaned = _clean(column)
    result = _distinct(cleaned, decide, pa.int64())
    errors = {"bad_number": _lost(cleaned, result)}
    outside = np.zeros(len(column), dtype=bool)
    if minimum is not None:
        outside |= np.asarray(pc.fill_null(pc.less(result, minimum), False))
    if maximum is not None:
        outside |= np.asarray(pc.fill_null(pc.greater(result, maximum), False))
    if outside.any():
        result = pc.if_else(pa.array(outside), pa.scalar(None, pa.int64()), result)
    return Outcome((result,), errors | {"out_of_range": outside})


# --- dates and times ---

_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?)?月?|(\d{2})(\d{2}))(?:[ t].*)?")
_DATE_TIME = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[ t]?"
    r"(\d{1,2})[:时点](\d{1,2})(?:[:分](\d{1,2})(?:\.(\d{1,6}))?秒?)?分?"
    r"(z|[+-]\d{2}:?\d{2})?"
)
_COMPACT_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})")
#: Day 0 of Excel's calendar, with its leap year of 1900 that never was.
_EXCEL_EPOCH = date(1899, 12, 30)
#: Shanghai has had no summer time since 1991; the old platform is younger.
_SHANGHAI_OFFSET = timedelta(hours=8)
_SHANGHAI = timezone(_SHANGHAI_OFFSET)
_ZERO_DATES = frozenset({"0000-00-00", "0000-00-00 00:00:00", "1900-01-00", "0"})


def parse_date(text: str) -> date | None:
    """A day, or None: 1940-01-02, 1940/1/2, 1940.1.2, 19400102, 1940年1月2日, also with a time; Excel's number."""
    plain = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    match = _DATE.fullmatch(plain)
    try:
        if match:
            month, day = (match[2], match[3]) if match[2] else (match[4], match[5])
            return date(int(match[1]), int(month), int(day)) if day else None
        if re.fullmatch(r"\d{4,5}(?:\.\d+)?", plain) and 1 <= float(plain) < 80_000:
            return _EXCEL_EPOCH + timedelta(days=int(float(plain)))
    except ValueError:
        return None
    return None


def parse_timestamp(text: str) -> datetime | None:
    """A date and time as the old platform writes them, Shanghai time unless an offset says otherwise; UTC, or None.

    Also 14 digits, 10 digits (Unix seconds), 13 digits (milliseconds) and an Excel day number with a fraction.
    A date without a time is its midnight.
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    try:
        if re.fullmatch(r"\d{10}|\d{13}", plain):
            return datetime.fromtimestamp(int(plain) / (1 if len(plain) == 10 else 1000), UTC)
        if match := _COMPACT_TIME.fullmatch(plain):
            year, month, day, hour, minute, second = map(int, match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=_SHANGHAI).astimezone(UTC)
        if match := _DATE_TIME.fullmatch(plain):
            year, month, day, hour, minute, second = (int(match[group] or 0) for group in range(1, 7))
            microsecond = int((match[7] or "0").ljust(6, "0"))
            zone = _zone(match[8])
            return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone).astimezone(UTC)
        if re.fullmatch(r"\d{4,5}\.\d+", plain) and 1 <= float(plain) < 80_000:
            return _midnight(_EXCEL_EPOCH) + timedelta(seconds=round(float(plain) * 86_400))
    except (ValueError, OverflowError):
        return None
    day_only = parse_date(plain)
    return None if day_only is None else _midnight(day_only)


def _zone(offset: str | None) -> timezone:
    if offset is None:
        return _SHANGHAI
    if offset == "z":
        return UTC
    digits = offset[1:].replace(":", "")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-span if offset[0] == "-" else span)


def _midnight(day: date) -> datetime:
    """The instant that a Shanghai day begins."""
    return datetime.combine(day, time.min, _SHANGHAI).astimezone(UTC)


def _without_zero_dates(column: pa.Array) -> pa.Array:
    cleaned = _clean(column)
    return pc.if_else(
        pc.fill_null(pc.is_in(cleaned, pa.array(sorted(_ZERO_DATES))), False), pa.scalar(None, pa.string()), cleaned
    )


@transform
def calendar_date(column: pa.Array, *, earliest: date | None = None, latest: date | None = None) -> Outcome:
    """A day, in any of the forms of `parse_date`; 0000-00-00 is missing. Outside [earliest, latest] is an error."""
    cleaned = _without_zero_dates(column)
    result = _distinct(cleaned, parse_date, pa.date32())
    return _bounded(result, {"bad_date": _lost(cleaned, result)}, earliest, latest, pa.date32())


@transform
def day_before(column: pa.Array) -> Outcome:
    """The last day that holds, where the source names the first that no longer does; takes dates."""
    return Outcome((pc.subtract(column.cast(pa.int32()), pa.scalar(1, pa.int32())).cast(pa.date32()),))


@transform
def partial_date(column: pa.Array, *, earliest: date | None = None, latest: date | None = None) -> Outcome:
    """A day, or the first day of the month or year that is all the source knows: `2015`, `2015年`, `2015-03`."""

    def decide(value: str) -> date | None:
        match = re.fullmatch(r"(\d{4})(?:年|[-/.年](\d{1,2})月?)?", normalise_code(value))
        if match is None:
            return parse_date(value)
        month = int(match[2] or 1)
        return date(int(match[1]), month, 1) if int(match[1]) and 1 <= month <= 12 else None

    cleaned = _without_zero_dates(column)
    result = _distinct(cleaned, decide, pa.date32())
    return _bounded(result, {"bad_date": _lost(cleaned, result)}, earliest, latest, pa.date32())


@transform
def open_ended_date(column: pa.Array) -> Outcome:
    """A day; `长期` (no end) is missing and no error."""
    unlimited = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), "长期"), False)
    return calendar_date(pc.if_else(unlimited, pa.scalar(None, pa.string()), column))


@transform
def timestamp(column: pa.Array, *, earliest: date | None = None, latest: date | None = None) -> Outcome:
    """An instant, in any of the forms of `parse_timestamp`."""
    if pa.types.is_timestamp(column.type):
        return Outcome((column,))
    plain = np.asarray(pc.fill_null(pc.match_substring_regex(column, r"^[12]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d$"), False))
    rows = np.flatnonzero(plain)
    others = np.flatnonzero(~plain)
    result = pa.nulls(len(column), TIMESTAMP)
    if len(rows):
        usual = column if not len(others) else column.take(pa.array(rows))
        try:
            local = pc.cast(usual, pa.timestamp("us"))
            shifted = pc.subtract(local, pa.scalar(_SHANGHAI_OFFSET, pa.duration("us")))
            utc = pc.assume_timezone(shifted, "UTC")
        except pa.ArrowInvalid:  # a day such as 2026-02-30 among them
            utc = _distinct(usual, parse_timestamp, TIMESTAMP)
        result = utc if not len(others) else _replace(result, rows, utc)
    cleaned = column
    if len(others):
        rest = _without_zero_dates(column.take(pa.array(others)))
        result = _replace(result, others, _distinct(rest, parse_timestamp, TIMESTAMP))
        cleaned = _replace(column, others, rest)
    errors = {"bad_date": _lost(cleaned, result)}
    low = None if earliest is None else _midnight(earliest)
    high = None if latest is None else _midnight(latest + timedelta(days=1))
    return _bounded(result, errors, low, high, TIMESTAMP)


def _bounded(result: pa.Array, errors: dict[str, np.ndarray], low: Any, high: Any, kind: pa.DataType) -> Outcome:
    outside = np.zeros(len(result), dtype=bool)
    if low is not None:
        outside |= np.asarray(pc.fill_null(pc.less(result, pa.scalar(low, kind)), False))
    if high is not None:
        outside |= np.asarray(pc.fill_null(pc.greater(result, pa.scalar(high, kind)), False))
    if outside.any():
        result = pc.if_else(pa.array(outside), pa.scalar(None, kind), result)
    return Outcome((result,), errors | {"date_out_of_range": outside})


@transform
def to_date(column: pa.Array) -> Outcome:
    """The Shanghai day of an instant."""
    local = pc.local_timestamp(pc.cast(column, pa.timestamp("us", tz=str(BUSINESS_TIMEZONE))))
    return Outcome((pc.cast(local, pa.date32()),))


@transform
def to_instant(column: pa.Array) -> Outcome:
    """The Shanghai midnight that a day begins with."""
    midnight = pc.subtract(pc.cast(column, pa.timestamp("us")), pa.scalar(_SHANGHAI_OFFSET, pa.duration("us")))
    return Outcome((pc.assume_timezone(midnight, "UTC"),))


@transform
def month_start(column: pa.Array) -> Outcome:
    """The first day of a date's month."""
    return Outcome((pc.cast(pc.floor_temporal(column, unit="month"), pa.date32()),))


@transform
def month_text(column: pa.Array) -> Outcome:
    """A settlement month as YYYY-MM: from 2026-10, 202610, 2026年10月, 2026/10 or a day in it."""

    def decide(value: str) -> str | None:
        match = re.match(r"(\d{4})[-/.年]?(\d{1,2})(?!\d)|(\d{4})(\d{2})", normalise_code(value))
        if match is None:
            return None
        year, month = (match[1], match[2]) if match[1] else (match[3], match[4])
        return f"{year}-{int(month):02d}" if 1 <= int(month) <= 12 else None

    cleaned = _clean(column)
    result = _distinct(cleaned, decide, pa.string())
    return Outcome((result,), {"bad_date": _lost(cleaned, result)})


# --- identifiers ---


@transform
def id_number(
    column: pa.Array, sex: pa.Array | None = None, birth: pa.Array | None = None, *, as_of: date | None = None
) -> Outcome:
    """A resident ID number (GB 11643).

    15 digits become 18. An invalid number is kept as it was typed, normalised: it is evidence, and its status says so.

    Returns:
        number, status (IdNumberStatus), sex by number, birth date by number (the last two only where valid).
    """
    texts = column.to_pylist()
    sexes = None if sex is None else sex.to_pylist()
    births = None if birth is None else np.asarray(birth.cast(pa.int32()).to_numpy(zero_copy_only=False), dtype=float)
    birth_dates = None
    if births is not None:
        birth_dates = np.full(len(births), np.datetime64("NaT"), dtype="datetime64[D]")
        known = ~np.isnan(births)
        birth_dates[known] = births[known].astype(np.int64).astype("datetime64[D]")
    checked = check_id_numbers(texts, sexes=sexes, birth_dates=birth_dates, as_of=as_of)
    status = checked["status"].to_numpy(dtype=object)
    missing = status == IdNumberStatus.MISSING.value
    number = pa.array(checked["number"].to_numpy(dtype=object), pa.string(), mask=missing)
    placeholder = _lost(column, _clean(column))
    if placeholder.any():  # 无, 不详: nothing, not a number of wrong length
        status = np.where(placeholder, IdNumberStatus.MISSING.value, status)
        number = pc.if_else(pa.array(placeholder), pa.scalar(None, pa.string()), number)
    birth_by_number = pa.array(checked["birth_date"].to_numpy().astype("datetime64[D]"), pa.date32(), from_pandas=True)
    warnings = {
        f"id_{name}": checked[name].to_numpy(dtype=bool)
        for name in ("short_form", "sex_mismatch", "birth_date_mismatch")
    }
    invalid = ~np.isin(status, [IdNumberStatus.VALID.value, IdNumberStatus.MISSING.value])
    sex_by_number = pa.array(checked["sex"].to_numpy(dtype=object), pa.string(), from_pandas=True)
    return Outcome(
        (number, pa.array(status, pa.string()), sex_by_number, birth_by_number), {}, warnings | {"id_invalid": invalid}
    )


@transform
def phone(column: pa.Array) -> Outcome:
    """A phone number as dialled inside China, and its status (PhoneStatus). An invalid one is kept as typed.

    Of several in one field the first valid one counts, else the first.
    """
    cleaned = _first_phone(_clean(column))
    number = _normalised(cleaned, normalise_phone, r"^1[3-9]\d{9}$")
    status = phone_statuses(cleaned.to_pylist())
    return Outcome((number, pa.array(status, pa.string())), {}, {"phone_invalid": status == PhoneStatus.INVALID.value})


def _first_phone(column: pa.Array) -> pa.Array:
    several = np.flatnonzero(pc.fill_null(pc.match_substring_regex(column, "[,，、;；/]"), False))
    if not len(several):
        return column
    choices = [
        [part.strip() for part in re.split("[,，、;；/]", value) if part.strip()]
        for value in column.take(pa.array(several)).to_pylist()
    ]
    chosen = [
        next((part for part in parts if phone_status(part) is PhoneStatus.VALID), parts[0] if parts else None)
        for parts in choices
    ]
    return _replace(column, several, pa.array(chosen, pa.string()))


def _normalised(column: pa.Array, function: Callable[[str | None], str], normal_form: str) -> pa.Array:
    """A normalisation, applied only where the text is not in its normal form already."""
    rows = np.flatnonzero(~np.asarray(pc.fill_null(pc.match_substring_regex(column, normal_form), True)))
    if not len(rows):
        return column
    return _replace(
        column, rows, pa.array([function(v) or None for v in column.take(pa.array(rows)).to_pylist()], pa.string())
    )


@transform
def credit_code(column: pa.Array) -> Outcome:
    """A unified social credit code (GB 32100) and its status (UsccStatus). An invalid one is no code: it is dropped."""
    cleaned = _clean(column)
    normalised = pa.array([normalise_identifier(v) or None for v in cleaned.to_pylist()], pa.string())
    status = uscc_statuses(normalised.to_pylist())
    valid = pa.array(status == UsccStatus.VALID.value)
    bad = ~np.isin(status, [UsccStatus.VALID.value, UsccStatus.MISSING.value])
    return Outcome(
        (pc.if_else(valid, normalised, pa.scalar(None, pa.string())), pa.array(status, pa.string())),
        {},
        {"credit_code_invalid": bad},
    )


# --- positions ---

#: Zhanjiang with its waters and a margin, WGS-84 degrees; a position of the city outside it is a mistake.
LONGITUDE_RANGE, LATITUDE_RANGE = (109.3, 111.0), (20.1, 22.1)
_BD09_FACTOR = np.pi * 3000.0 / 180.0


def bd09_to_gcj02(longitude_bd09: np.ndarray, latitude_bd09: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Baidu's further shift undone; the published reconstruction is exact to about a metre."""
    x, y = longitude_bd09 - 0.0065, latitude_bd09 - 0.006
    radius = np.sqrt(x * x + y * y) - 0.00002 * np.sin(y * _BD09_FACTOR)
    angle = np.arctan2(y, x) - 0.000003 * np.cos(x * _BD09_FACTOR)
    return radius * np.cos(angle), radius * np.sin(angle)


def _degrees(column: pa.Array) -> np.ndarray:
    """float64, NaN where missing or no number."""
    if pa.types.is_floating(column.type):
        return column.to_numpy(zero_copy_only=False)
    numeric = pc.match_substring_regex(column, r"^\s*-?\d{1,3}(\.\d+)?\s*$")
    plain = pc.if_else(numeric, pc.utf8_trim_whitespace(column), pa.scalar(None, pa.string()))
    return pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False)


@transform
def position(
    longitude: pa.Array, latitude: pa.Array, datum: pa.Array | None = None, *, default_datum: str = "gcj02"
) -> Outcome:
    """A position in the city, in WGS-84 degrees rounded to 1e-6 (0.1 m).

    Args:
        datum: wgs84, gcj02 or bd09 per row; `default_datum` where missing.

    Longitude and latitude in each other's place are put right, with a remark; zero is missing; what lies outside the
    city is an error.

    Returns:
        longitude_wgs84, latitude_wgs84.
    """
    x, y = _degrees(longitude).copy(), _degrees(latitude).copy()
    stated = (
        ~_missing(_clean(longitude)) | ~_missing(_clean(latitude))
        if pa.types.is_string(longitude.type)
        else ~(np.isnan(x) & np.isnan(y))
    )
    zero = (np.abs(x) < 1e-9) & (np.abs(y) < 1e-9)
    x[zero], y[zero] = np.nan, np.nan
    swapped = _inside(y, x, margin=0.05)
    x[swapped], y[swapped] = y[swapped], x[swapped].copy()
    kinds = np.full(len(x), default_datum, dtype=object)
    if datum is not None:
        given = np.array(datum.to_pylist(), dtype=object)
        kinds = np.where(given == None, kinds, given)  # noqa: E711  (element-wise)
    for kind in ("bd09", "gcj02"):
        rows = np.flatnonzero((kinds == kind) & ~np.isnan(x) & ~np.isnan(y))
        if not len(rows):
            continue
        here = (x[rows], y[rows])
        if kind == "bd09":
            here = bd09_to_gcj02(*here)
        x[rows], y[rows] = gcj02_to_wgs84(*here)
    wrong = stated & ~zero & ~_inside(x, y)
    x[wrong | np.isnan(y)], y[wrong | np.isnan(x)] = np.nan, np.nan
    y[np.isnan(x)] = np.nan
    columns = tuple(pa.array(np.round(values, 6), from_pandas=True) for values in (x, y))
    return Outcome(columns, {"position_outside": wrong}, {"position_swapped": swapped, "position_zero": zero & stated})


def _inside(x: np.ndarray, y: np.ndarray, margin: float = 0.0) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (
            (x >= LONGITUDE_RANGE[0] - margin)
            & (x <= LONGITUDE_RANGE[1] + margin)
            & (y >= LATITUDE_RANGE[0] - margin)
            & (y <= LATITUDE_RANGE[1] + margin)
        )


@transform
def grid_cell(longitude_wgs84: pa.Array, latitude_wgs84: pa.Array) -> Outcome:
    """The 500 m cell of a position."""
    cells = grid_cells_500m(*(c.to_numpy(zero_copy_only=False) for c in (longitude_wgs84, latitude_wgs84)))
    return Outcome((pa.array(cells, pa.string()),))


# --- divisions ---


class DivisionResolver:
    """Finds the division that a legacy row means.

    In this order: the code, if it is one of today's; the full path of names; a code that is known to be stale; the
    lowest known ancestor of the code, with a remark. Never a bare name: two towns of the city are called 海滨街道.

    Args:
        tree: today's divisions.
        stale_codes: 12-digit code of former years → today's code.
    """

    def __init__(self, tree: DivisionTree, stale_codes: Mapping[str, str]) -> None:
        self._codes = {division.code for division in tree}
        self._by_path: dict[str, str] = {}
        root = tree.root.name
        for division in tree:
            path = normalise_code(division.full_name)
            self._by_path[path] = division.code
            self._by_path[path.removeprefix(root)] = division.code
        self._by_path.pop("", None)
        self._stale = dict(stale_codes)

    def resolve(self, code: str | None, path: str | None) -> tuple[str | None, str | None]:
        """(division code or None, remark or None)."""
        digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", code or ""))
        full = digits.ljust(12, "0") if len(digits) in (6, 9, 12) else None
        if full in self._codes:
            return full, None
        by_path = self._by_path.get(
            re.sub(r"^广东省", "", normalise_code(path or "")).replace("/", "").replace("-", "")
        )
        if by_path is not None:
            return by_path, "division_by_name" if digits else None
        if full in self._stale:
            return self._stale[full], "division_stale"
        if full is not None:
            for length in (9, 6):
                parent = full[:length].ljust(12, "0")
                if parent in self._codes:
                    return parent, "division_parent"
        return None, None


@transform
def division(
    code: pa.Array, path: pa.Array | None = None, *, resolver: DivisionResolver, lowest: str = "village"
) -> Outcome:
    """The 12-digit division code. `lowest` = town cuts it to the town."""
    paths = pa.nulls(len(code), pa.string()) if path is None else path
    joined = pc.binary_join_element_wise(pc.fill_null(code, ""), pc.fill_null(paths, ""), pa.scalar("\x1f"))
    encoded = joined.dictionary_encode()
    resolved = [
        resolver.resolve(*(part or None for part in both.split("\x1f"))) for both in encoded.dictionary.to_pylist()
    ]
    prefix_digits = DivisionLevel(lowest).prefix_digits
    found = [None if value is None else value[:prefix_digits].ljust(12, "0") for value, _ in resolved]
    result = pa.array(found, pa.string()).take(encoded.indices)
    remarks = pa.array([remark for _, remark in resolved], pa.string()).take(encoded.indices)
    warnings = {
        name: np.asarray(pc.fill_null(pc.equal(remarks, name), False))
        for name in ("division_by_name", "division_stale", "division_parent")
    }
    stated = ~_missing(_clean(code)) | ~_missing(_clean(paths))
    return Outcome((result,), {"division_unknown": _missing(result) & stated}, warnings)


# --- ranges, words in words ---


@transform
def number_range(column: pa.Array, *, places: int = 2, minimum: float = 0) -> Outcome:
    """`300-500` as two decimals; a single number is both ends."""
    cleaned = _clean(column)
    ends = pc.split_pattern_regex(pc.fill_null(cleaned, ""), r"\s*[-~—–至到]\s*", max_splits=1)
    first, count = pc.list_element(ends, 0), pc.list_value_length(ends)
    second = pa.array([v[-1] for v in ends.to_pylist()], pa.string())
    outcomes = [decimal(_blank_to_null(part), places=places, minimum=minimum) for part in (first, second)]
    bad = np.logical_or.reduce([mask for outcome in outcomes for mask in outcome.errors.values()])
    backwards = np.asarray(pc.fill_null(pc.less(outcomes[1].columns[0], outcomes[0].columns[0]), False))
    bad |= backwards | (np.asarray(count) > 2)
    nothing = pa.scalar(None, outcomes[0].columns[0].type)
    return Outcome(tuple(pc.if_else(pa.array(bad), nothing, o.columns[0]) for o in outcomes), {"bad_number": bad})


def _blank_to_null(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


@transform
def contains(column: pa.Array, *, word: str, separators: str = ",，、;；") -> Outcome:
    """Whether a list of words has the word; missing where there is no list."""

    def decide(value: str) -> bool:
        return word in [part.strip() for part in re.split(f"[{re.escape(separators)}]", value)]

    return Outcome((_distinct(_clean(column), decide, pa.bool_()),))


@transform
def extract(column: pa.Array, *, pattern: str) -> Outcome:
    """The first group of a regular expression, missing where it does not match."""
    compiled = re.compile(pattern)

    def decide(value: str) -> str | None:
        match = compiled.search(value)
        return match[1] if match else None

    return Outcome((_distinct(column, decide, pa.string()),))


@transform
def else_export_time(column: pa.Array, *, export_time: datetime) -> Outcome:
    """An instant, or the time of the export where the source has none."""
    return Outcome((pc.fill_null(column, pa.scalar(export_time, TIMESTAMP)),))


# --- measurements ---

MMHG_PER_KPA = 7.50062
MG_DL_PER_MMOL_L = 18.0  # glucose
#: Kind of measurement → lowest and highest value of a living person, in the stored unit. Outside: not a measurement.
PLAUSIBLE = {
    "heart_rate": (25, 250),
    "systolic": (50, 280),
    "diastolic": (25, 180),
    "glucose": (1.0, 35.0),
    "oxygen": (50, 100),
    "temperature": (33.0, 43.0),
}


@dataclass(frozen=True)
class _Unit:
    """A unit of a kind of measurement: value in the stored unit = value × factor + offset."""

    factor: float
    offset: float = 0.0


#: Kind → unit as written, normalised → how it converts. The first is the stored unit.
_VITAL_UNITS = {
    "heart_rate": {"次/分": _Unit(1), "bpm": _Unit(1)},
    "blood_pressure": {"mmhg": _Unit(1), "kpa": _Unit(MMHG_PER_KPA)},
    "glucose": {"mmol/l": _Unit(1), "mg/dl": _Unit(1 / MG_DL_PER_MMOL_L)},
    "oxygen": {"%": _Unit(1), "": _Unit(100)},
    "temperature": {"°c": _Unit(1), "°f": _Unit(1 / 1.8, -32 / 1.8)},
}
_VITAL_PLACES = {"heart_rate": 0, "blood_pressure": 0, "glucose": 1, "oxygen": 0, "temperature": 1}


@transform
def vital_sign(kind: pa.Array, value: pa.Array, unit: pa.Array) -> Outcome:
    """A measurement in the stored unit of its kind (beats a minute, mmHg, mmol/L, per cent, °C).

    A value that is implausible in the stated unit and plausible in exactly one other unit of its kind was measured in
    that one: it is converted, with a remark. Implausible in every unit: an error.

    Args:
        kind: VitalKind values.
        value: `76`, `138/86`.
        unit: as written.

    Returns:
        value_1, value_2 (diastolic pressure; missing for the other kinds), decimal128(6, 2).
    """
    count = len(kind)
    halves = split_pair(value).columns
    raw = np.column_stack([_plain_numbers(half) for half in halves])
    kinds = np.array(kind.to_pylist(), dtype=object)
    written = np.array([normalise_code(u or "") for u in unit.to_pylist()], dtype=object)
    result = np.full((count, 2), np.nan)
    converted, bad = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for name, units in _VITAL_UNITS.items():
        rows = np.flatnonzero(kinds == name)
        if not len(rows):
            continue
        options = np.stack([raw[rows] * u.factor + u.offset for u in units.values()])  # (units, rows, 2)
        plausible = np.stack([_is_plausible(name, option) for option in options])
        stated = np.array([list(units).index(u) if u in units else 0 for u in written[rows].tolist()])
        fits_stated = plausible[stated, np.arange(len(rows))]
        # Units of one factor (次/分, bpm) are no alternatives to each other.
        distinct = np.array([list(units.values()).index(u) == n for n, u in enumerate(units.values())])
        others = plausible & distinct[:, None]
        only_other = ~fits_stated & (others.sum(axis=0) == 1)
        chosen = np.where(only_other, np.argmax(others, axis=0), stated)
        result[rows] = np.round(options[chosen, np.arange(len(rows))], _VITAL_PLACES[name])
        converted[rows] = only_other
        bad[rows] = ~fits_stated & ~only_other
    unreadable = np.isnan(raw[:, 0]) & value.is_valid().to_numpy(zero_copy_only=False)
    result[bad] = np.nan
    columns = tuple(
        pc.cast(pa.array(result[:, n], pa.float64(), from_pandas=True), pa.decimal128(6, 2)) for n in range(2)
    )
    return Outcome(
        columns, {"out_of_range": bad & ~unreadable, "bad_number": unreadable}, {"unit_converted": converted}
    )


def _is_plausible(kind: str, values: np.ndarray) -> np.ndarray:
    """(rows, 2) in the stored unit → (rows,) bool."""
    first, second = values[:, 0], values[:, 1]
    with np.errstate(invalid="ignore"):
        if kind == "blood_pressure":
            (low, high), (low_2, high_2) = PLAUSIBLE["systolic"], PLAUSIBLE["diastolic"]
            return (first >= low) & (first <= high) & (second >= low_2) & (second <= high_2) & (first > second)
        low, high = PLAUSIBLE[kind]
        return (first >= low) & (first <= high) & np.isnan(second)


def _plain_numbers(column: pa.Array) -> np.ndarray:
    """float64; NaN where missing or no plain number."""
    trimmed = pc.utf8_trim_whitespace(column)
    numeric = pc.match_substring_regex(trimmed, r"^-?\d{1,9}(\.\d+)?$")
    return pc.cast(pc.if_else(numeric, trimmed, pa.scalar(None, pa.string())), pa.float64()).to_numpy(
        zero_copy_only=False
    )


@transform
def split_pair(column: pa.Array, *, separator: str = "/") -> Outcome:
    """`138/86` as two texts; a single value leaves the second missing."""
    parts = pc.split_pattern(pc.fill_null(column, ""), separator, max_splits=1)
    rows = parts.to_pylist()
    first = pa.array([row[0] or None for row in rows], pa.string())
    second = pa.array([row[1] or None if len(row) > 1 else None for row in rows], pa.string())
    return Outcome((first, second))


@transform
def integer_list(column: pa.Array, *, length: int, maxima: Sequence[int]) -> Outcome:
    """`4,4,3,…` as whole numbers, each from 0 to its maximum; another number of them, or one beyond: an error."""

    def decide(value: str) -> list[int] | None:
        parts = [part.strip() for part in value.split(",")]
        if len(parts) != length or not all(part.isascii() and part.isdigit() for part in parts):
            return None
        numbers = [int(part) for part in parts]
        return numbers if all(number <= top for number, top in zip(numbers, maxima, strict=True)) else None

    cleaned = _clean(column)
    result = _distinct(cleaned, decide, pa.list_(pa.int16()))
    return Outcome((result,), {"bad_number": _lost(cleaned, result)})
