"""Numbers that identify a person, an organisation or a paper: check, complete, classify. No database, no clock.

Every check exists twice: for one text (pages, rules) and for a column of them (migration, gates, at 1.46 million).
The column version decides the clean majority with numpy and hands the rest to the scalar one, so both always agree.
A check first normalises (`normalise_identifier`): full-width digits, spaces, hyphens and a lower-case x are a matter
of typing, not of validity.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from stdnum.cn import uscc as stdnum_uscc
from stdnum.iso7064 import mod_37_36

Texts: TypeAlias = Sequence[str | None] | np.ndarray | pd.Series


class Sex(StrEnum):
    """The two sexes that GB 11643 encodes."""

    MALE = "male"
    FEMALE = "female"


class IdNumberStatus(StrEnum):
    """What is wrong with a resident ID number, the first reason found; the value is stored."""

    MISSING = "missing"
    VALID = "valid"
    BAD_LENGTH = "bad_length"
    BAD_CHARACTERS = "bad_characters"
    BAD_DATE = "bad_date"
    BAD_CHECKSUM = "bad_checksum"


class IdNumberWarning(StrEnum):
    """What deserves a look although the number itself is right."""

    #: 15 digits, as issued before 1999-10: upgraded, but never protected by a checksum.
    SHORT_FORM = "short_form"
    #: Issued by a county that has since been abolished; normal for elders of 吴川, 廉江 and 雷州.
    ABOLISHED_DIVISION = "abolished_division"
    #: The first two digits are no province of GB/T 2260.
    UNKNOWN_PROVINCE = "unknown_province"
    SEX_MISMATCH = "sex_mismatch"
    BIRTH_DATE_MISMATCH = "birth_date_mismatch"


class UsccStatus(StrEnum):
    """What is wrong with a unified social credit code; the value is stored."""

    MISSING = "missing"
    VALID = "valid"
    BAD_LENGTH = "bad_length"
    BAD_CHARACTERS = "bad_characters"
    BAD_CHECKSUM = "bad_checksum"


class PhoneStatus(StrEnum):
    MISSING = "missing"
    VALID = "valid"
    INVALID = "invalid"


class PhoneKind(StrEnum):
    MOBILE = "mobile"
    LANDLINE = "landline"


class CodeKind(StrEnum):
    """The codes that this platform issues on paper and QR; the value is the type letter inside the code."""

    INSTITUTION = "J"  # 机构码
    BED = "C"  # 床位码
    ELDER = "Z"  # 长者码


#: GB 11643-1999, 4.3: weights of the 17 digits; the check character is looked up by the weighted sum modulo 11.
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECK_CHARACTERS = "10X98765432"
#: Nobody born earlier can be alive.
EARLIEST_BIRTH = date(1880, 1, 1)
#: 440821 吴川县, 440822 廉江县, 440824 海康县: became cities with codes of their own (440883, 440881, 440882).
ABOLISHED_DIVISIONS = frozenset({"440821", "440822", "440824"})
#: GB/T 2260 provinces; 81–83 stand for residence permits of Hong Kong, Macao and Taiwan, 91 for foreigners' cards.
PROVINCES = frozenset(
    str(code)
    for codes in (
        range(11, 16),
        range(21, 24),
        range(31, 38),
        range(41, 47),
        range(50, 55),
        range(61, 66),
        (71, 81, 82, 83, 91),
    )
    for code in codes
)
#: GB 32100-2015, 5.2: no I, O, S, V, Z.
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
#: Decimal digits of the serial inside a code, per county: 9,999 institutions, 999,999 beds, 9,999,999 elders.
CODE_SERIAL_DIGITS = {CodeKind.INSTITUTION: 4, CodeKind.BED: 6, CodeKind.ELDER: 7}

_ISO7064_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TYPING = re.compile(r"[\s\-‐‑‒–—−]+")
_MOBILE = re.compile(r"1[3-9]\d{9}", re.ASCII)
#: Area code (2 digits for 10 and 2x, else 3) after a 0 and a local number of 7 or 8 digits; or the local number alone.
_LANDLINE = re.compile(r"(?:0(?:10|2\d|[3-9]\d\d))?[2-8]\d{6,7}", re.ASCII)
_COUNTRY_PREFIX = re.compile(r"^(?:(?:\+|00)86|86(?=1[3-9]\d{9}$))", re.ASCII)
_EXTENSION = re.compile(r"转\d+$", re.ASCII)


def normalise_identifier(text: str | None) -> str:
    """NFKC, upper case, without spaces and hyphens; "" for None."""
    if not text:
        return ""
    return _TYPING.sub("", unicodedata.normalize("NFKC", text)).upper()


# --- resident ID number, GB 11643 ---


def id_number_check_character(body: str) -> str:
    """The 18th character for 17 digits."""
    total = sum(int(digit) * weight for digit, weight in zip(body, ID_WEIGHTS, strict=True))
    return ID_CHECK_CHARACTERS[total % 11]


def upgrade_id_number(text: str) -> str:
    """15 digits → 18: the century 19 goes in, the check character is appended. Anything else comes back normalised.

    Source: GB 11643-1999, which replaced the 15-digit form of 1989. Nobody who was born before 1900 and got one lives.
    """
    number = normalise_identifier(text)
    if len(number) == 15 and number.isascii() and number.isdigit():
        body = f"{number[:6]}19{number[6:]}"
        return body + id_number_check_character(body)
    return number


def id_number_status(text: str | None, *, as_of: date | None = None) -> IdNumberStatus:
    """Classifies a resident ID number of 18 or, as old data has it, 15 characters.

    The division prefix never decides: prefixes of abolished counties are right for those who got them.

    Args:
        as_of: a birth date after this day is a bad date; without it, the future is not looked at.
    """
    number = normalise_identifier(text)
    if not number:
        return IdNumberStatus.MISSING
    if len(number) not in (15, 18):
        return IdNumberStatus.BAD_LENGTH
    digits = number if len(number) == 15 or number[-1] != "X" else number[:-1]
    if not (digits.isascii() and digits.isdigit()):
        return IdNumberStatus.BAD_CHARACTERS
    upgraded = upgrade_id_number(number)
    birth = _birth_date(upgraded)
    if birth is None or birth < EARLIEST_BIRTH or (as_of is not None and birth > as_of):
        return IdNumberStatus.BAD_DATE
    if upgraded[17] != id_number_check_character(upgraded[:17]):
        return IdNumberStatus.BAD_CHECKSUM
    return IdNumberStatus.VALID


@dataclass(frozen=True)
class IdNumberCheck:
    """All that may be read from a resident ID number. Residence may not, so it is not here.

    Attributes:
        number: 18 characters where the status is valid, else the normalised text.
        sex, birth_date: None unless valid.
    """

    status: IdNumberStatus
    number: str
    sex: Sex | None
    birth_date: date | None
    warnings: frozenset[IdNumberWarning]


def check_id_number(
    text: str | None, *, sex: str | None = None, birth_date: date | None = None, as_of: date | None = None
) -> IdNumberCheck:
    """Status, parts and soft warnings of a resident ID number.

    Args:
        sex: `male` or `female` as recorded beside the number; anything else is not compared.
        birth_date: as recorded beside the number; None is not compared.
        as_of: see `id_number_status`.
    """
    status = id_number_status(text, as_of=as_of)
    normalised = normalise_identifier(text)
    if status is not IdNumberStatus.VALID:
        return IdNumberCheck(status, normalised, None, None, frozenset())
    number = upgrade_id_number(normalised)
    number_sex = Sex.MALE if int(number[16]) % 2 else Sex.FEMALE
    number_birth = _birth_date(number)
    found = {
        IdNumberWarning.SHORT_FORM: len(normalised) == 15,
        IdNumberWarning.ABOLISHED_DIVISION: number[:6] in ABOLISHED_DIVISIONS,
        IdNumberWarning.UNKNOWN_PROVINCE: number[:2] not in PROVINCES,
        IdNumberWarning.SEX_MISMATCH: sex in (Sex.MALE, Sex.FEMALE) and sex != number_sex,
        IdNumberWarning.BIRTH_DATE_MISMATCH: birth_date is not None and birth_date != number_birth,
    }
    return IdNumberCheck(status, number, number_sex, number_birth, frozenset(w for w, is_so in found.items() if is_so))


def id_number_statuses(texts: Texts, *, as_of: date | None = None) -> np.ndarray:
    """`id_number_status` of a column.

    Returns:
        object array of the status values (plain text, as stored), as long as `texts`.
    """
    values = _as_texts(texts)
    plain = _plain_id_numbers(values, as_of)
    result = np.full(len(values), None, dtype=object)
    result[plain.rows] = plain.status
    for row in _other_rows(len(values), plain.rows):
        result[row] = id_number_status(values[row], as_of=as_of).value
    return result


def check_id_numbers(
    texts: Texts,
    *,
    sexes: Texts | None = None,
    birth_dates: Sequence[date | None] | np.ndarray | pd.Series | None = None,
    as_of: date | None = None,
) -> pd.DataFrame:
    """`check_id_number` of a column.

    Returns:
        one row per text: `status` (text), `number` (18 characters where valid, else the normalised text), `sex` (male,
        female, None), `birth_date` (NaT unless valid) and one bool column per IdNumberWarning, named by its value.
    """
    values = _as_texts(texts)
    count = len(values)
    plain = _plain_id_numbers(values, as_of)
    rows, digits, valid = plain.rows, plain.digits, plain.status == IdNumberStatus.VALID.value
    status = np.full(count, None, dtype=object)
    number = np.array(values, dtype=object)
    sex = np.full(count, None, dtype=object)
    birth = np.full(count, np.datetime64("NaT"), dtype="datetime64[D]")
    division = np.full(count, -1)
    status[rows] = plain.status
    sex[rows[valid]] = np.where(digits[valid, 16] % 2 == 1, Sex.MALE.value, Sex.FEMALE.value)
    birth[rows] = np.where(valid, plain.birth, np.datetime64("NaT"))
    division[rows] = np.where(valid, digits[:, :6] @ (10 ** np.arange(5, -1, -1)), -1)
    short_form = np.zeros(count, dtype=bool)
    for row in _other_rows(count, rows):
        check = check_id_number(values[row], as_of=as_of)
        status[row], number[row] = check.status.value, check.number
        if check.sex is not None:
            sex[row], birth[row], division[row] = check.sex.value, check.birth_date, int(check.number[:6])
            short_form[row] = IdNumberWarning.SHORT_FORM in check.warnings
    is_valid = division >= 0
    recorded_sex = np.array(_as_texts(sexes), dtype=object) if sexes is not None else sex
    recorded_birth = (
        np.array(pd.to_datetime(pd.Series(birth_dates)), dtype="datetime64[D]") if birth_dates is not None else birth
    )
    return pd.DataFrame(
        {
            "status": status,
            "number": number,
            "sex": sex,
            "birth_date": birth,
            IdNumberWarning.SHORT_FORM.value: short_form,
            IdNumberWarning.ABOLISHED_DIVISION.value: np.isin(division, [int(code) for code in ABOLISHED_DIVISIONS]),
            IdNumberWarning.UNKNOWN_PROVINCE.value: is_valid
            & ~np.isin(division // 10000, [int(code) for code in PROVINCES]),
            IdNumberWarning.SEX_MISMATCH.value: is_valid
            & np.isin(recorded_sex, [Sex.MALE.value, Sex.FEMALE.value])
            & (recorded_sex != sex),
            IdNumberWarning.BIRTH_DATE_MISMATCH.value: is_valid & ~np.isnat(recorded_birth) & (recorded_birth != birth),
        }
    )


def complete_id_numbers(bodies: Texts) -> np.ndarray:
    """Appends the check character to 17 digits each.

    Returns:
        array of dtype U18.

    Raises:
        ValueError: a body is not 17 digits.
    """
    rows, characters = _fixed_width(_as_texts(bodies), 17)
    digits = characters.astype(np.int64) - ord("0")
    if len(rows) != len(bodies) or (digits < 0).any() or (digits > 9).any():
        raise ValueError("a resident ID number is completed from 17 digits")
    check = _code_points(ID_CHECK_CHARACTERS)[digits @ ID_WEIGHTS % 11]
    return _to_texts(np.column_stack([characters, check]))


def _birth_date(number: str) -> date | None:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


@dataclass(frozen=True)
class _PlainIdNumbers:
    """The rows that hold 18 ASCII characters of the right kind, decided by numpy."""

    rows: np.ndarray  # (n,) positions
    digits: np.ndarray  # (n, 18) integers; the last is 10 for X
    birth: np.ndarray  # (n,) datetime64[D], NaT where there is no such day
    status: np.ndarray  # (n,) status values as objects


def _plain_id_numbers(values: list[str | None], as_of: date | None) -> _PlainIdNumbers:
    rows, characters = _fixed_width(values, 18)
    digits = characters.astype(np.int64) - ord("0")
    digits[characters[:, 17] == ord("X"), 17] = 10
    plain = ((digits >= 0) & (digits <= 9)).all(axis=1)
    plain |= ((digits[:, :17] >= 0) & (digits[:, :17] <= 9)).all(axis=1) & (characters[:, 17] == ord("X"))
    rows, digits = rows[plain], digits[plain]
    birth = _birth_dates(digits)
    check = np.array([10 if c == "X" else int(c) for c in ID_CHECK_CHARACTERS])[digits[:, :17] @ ID_WEIGHTS % 11]
    status = np.full(len(rows), IdNumberStatus.VALID.value, dtype=object)
    status[check != digits[:, 17]] = IdNumberStatus.BAD_CHECKSUM.value
    bad_date = np.isnat(birth) | (birth < np.datetime64(EARLIEST_BIRTH))
    if as_of is not None:
        bad_date |= birth > np.datetime64(as_of)
    status[bad_date] = IdNumberStatus.BAD_DATE.value
    return _PlainIdNumbers(rows, digits, birth, status)


def _birth_dates(digits: np.ndarray) -> np.ndarray:
    """(n, 18) digits → datetime64[D], NaT where there is no such day."""
    year = digits[:, 6:10] @ (1000, 100, 10, 1)
    month = digits[:, 10:12] @ (10, 1)
    day = digits[:, 12:14] @ (10, 1)
    in_calendar = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    start = (np.where(in_calendar, year, 1970) - 1970).astype("datetime64[Y]").astype("datetime64[M]")
    month_start = start + (np.where(in_calendar, month, 1) - 1)
    result = month_start.astype("datetime64[D]") + (np.where(in_calendar, day, 1) - 1)
    exists = in_calendar & (result.astype("datetime64[M]") == month_start)
    return np.where(exists, result, np.datetime64("NaT"))


# --- unified social credit code, GB 32100 ---


def uscc_status(text: str | None) -> UsccStatus:
    """Classifies a unified social credit code.

    Not `stdnum.cn.uscc.validate`: that wants digits in the first two places, where the standard also has letters
    (A, N, Y registrars).
    """
    code = normalise_identifier(text)
    if not code:
        return UsccStatus.MISSING
    if len(code) != 18:
        return UsccStatus.BAD_LENGTH
    division = code[2:8]
    if any(c not in USCC_ALPHABET for c in code) or not (division.isascii() and division.isdigit()):
        return UsccStatus.BAD_CHARACTERS
    return UsccStatus.VALID if stdnum_uscc.calc_check_digit(code[:17]) == code[17] else UsccStatus.BAD_CHECKSUM


def uscc_statuses(texts: Texts) -> np.ndarray:
    """`uscc_status` of a column; object array of the status values."""
    values = _as_texts(texts)
    rows, characters = _fixed_width(values, 18)
    indexes = _alphabet_indexes(characters, USCC_ALPHABET)
    plain = (indexes >= 0).all(axis=1) & (indexes[:, 2:8] <= 9).all(axis=1)
    rows, indexes = rows[plain], indexes[plain]
    right = (31 - indexes[:, :17] @ USCC_WEIGHTS % 31) % 31 == indexes[:, 17]
    result = np.full(len(values), None, dtype=object)
    result[rows] = np.where(right, UsccStatus.VALID.value, UsccStatus.BAD_CHECKSUM.value)
    for row in _other_rows(len(values), rows):
        result[row] = uscc_status(values[row]).value
    return result


def complete_uscc(body: str) -> str:
    """Appends the check character to 17 characters of the alphabet."""
    return body + stdnum_uscc.calc_check_digit(body)


# --- phones ---


def normalise_phone(text: str | None) -> str:
    """The number as dialled inside China: no spaces, hyphens, brackets, country prefix or extension; "" for None."""
    number = re.sub(r"[()]", "", normalise_identifier(text))
    number = _EXTENSION.sub("", number)
    inland = _COUNTRY_PREFIX.sub("", number)
    if inland == number or _MOBILE.fullmatch(inland) or inland.startswith("0"):
        return inland
    return f"0{inland}"  # abroad, an area code is written without its 0


def phone_kind(text: str | None) -> PhoneKind | None:
    """Mobile (11 digits from 13 to 19), landline (with or without area code), or None: neither.

    Source: the industry ministry's numbering plan for public networks (mobile 1[3-9]; area codes 10, 2x, [3-9]xx).
    """
    number = normalise_phone(text)
    if _MOBILE.fullmatch(number):
        return PhoneKind.MOBILE
    return PhoneKind.LANDLINE if _LANDLINE.fullmatch(number) else None


def phone_status(text: str | None) -> PhoneStatus:
    """Whether the text has the form of a number that can be dialled."""
    if not normalise_phone(text):
        return PhoneStatus.MISSING
    return PhoneStatus.VALID if phone_kind(text) else PhoneStatus.INVALID


def phone_statuses(texts: Texts) -> np.ndarray:
    """`phone_status` of a column; object array of the status values."""
    values = _as_texts(texts)
    rows, characters = _fixed_width(values, 11)
    digits = characters.astype(np.int64) - ord("0")
    mobile = ((digits >= 0) & (digits <= 9)).all(axis=1) & (digits[:, 0] == 1) & (digits[:, 1] >= 3)
    rows = rows[mobile]
    result = np.full(len(values), None, dtype=object)
    result[rows] = PhoneStatus.VALID.value
    for row in _other_rows(len(values), rows):
        result[row] = phone_status(values[row]).value
    return result


# --- codes of this platform: 机构码, 床位码, 长者码 ---


def issue_code(division_code: str, kind: CodeKind, serial: int) -> str:
    """Makes a code: 6 digits of the issuing county, type letter, serial, check character (ISO 7064 MOD 37,36).

    A code is never parsed: its division means only where it was issued.

    Args:
        division_code: a division of at least 6 digits; the first 6 go in.
        serial: from 1, unique per county and kind.

    Raises:
        ValueError: not a division code, or the serial does not fit.
    """
    digits = CODE_SERIAL_DIGITS[kind]
    if len(division_code) < 6 or not (division_code.isascii() and division_code.isdigit()):
        raise ValueError(f"not a division code: {division_code!r}")
    if not 1 <= serial < 10**digits:
        raise ValueError(f"serial {serial} does not fit into {digits} digits")
    body = f"{division_code[:6]}{kind.value}{serial:0{digits}d}"
    return body + mod_37_36.calc_check_digit(body)


def is_issued_code(text: str | None, kind: CodeKind) -> bool:
    """Whether the text has the form and the check character of a code of this kind; not whether it was ever issued."""
    code = normalise_identifier(text)
    form = rf"\d{{6}}{kind.value}\d{{{CODE_SERIAL_DIGITS[kind]}}}[0-9A-Z]"
    return bool(re.fullmatch(form, code, re.ASCII)) and bool(mod_37_36.is_valid(code))


def issue_codes(division_codes: Texts, kind: CodeKind, serials: np.ndarray) -> np.ndarray:
    """`issue_code` of columns.

    Returns:
        array of text (dtype U), as long as the arguments.

    Raises:
        ValueError: as `issue_code`.
    """
    digits = CODE_SERIAL_DIGITS[kind]
    serials = np.asarray(serials, dtype=np.int64)
    divisions = [value[:6] if value else None for value in _as_texts(division_codes)]
    rows, division = _fixed_width(divisions, 6)
    if len(rows) != len(serials) or (division < ord("0")).any() or (division > ord("9")).any():
        raise ValueError("not a column of division codes as long as the serials")
    if ((serials < 1) | (serials >= 10**digits)).any():
        raise ValueError(f"a serial does not fit into {digits} digits")
    letter = np.full((len(serials), 1), ord(kind.value), dtype=np.uint32)
    serial = (serials[:, None] // 10 ** np.arange(digits - 1, -1, -1) % 10 + ord("0")).astype(np.uint32)
    characters = np.column_stack([division, letter, serial])
    modulus = len(_ISO7064_ALPHABET)
    check = np.full(len(serials), modulus // 2)
    for index in _alphabet_indexes(characters, _ISO7064_ALPHABET).T:
        check = (np.where(check == 0, modulus, check) * 2 % (modulus + 1) + index) % modulus
    check = (1 - np.where(check == 0, modulus, check) * 2 % (modulus + 1)) % modulus
    return _to_texts(np.column_stack([characters, _code_points(_ISO7064_ALPHABET)[check]]))


# --- columns of text as arrays of code points ---


def _as_texts(texts: Texts) -> list[str | None]:
    """A plain list; whatever is not text (None, NaN, NA) becomes None."""
    values: Iterable[Any] = texts.tolist() if isinstance(texts, (np.ndarray, pd.Series)) else texts
    return [value if isinstance(value, str) else None for value in values]


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _fixed_width(values: list[str | None], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the texts of exactly `width` characters, and their code points (n, width)."""
    lengths = np.fromiter((len(value) if value else 0 for value in values), dtype=np.int64, count=len(values))
    rows = np.flatnonzero(lengths == width)
    joined = "".join([values[row] or "" for row in rows.tolist()])
    return rows, _code_points(joined).reshape(-1, width)


def _to_texts(characters: np.ndarray) -> np.ndarray:
    """Code points (n, width) → array of text."""
    width = characters.shape[1]
    return np.ascontiguousarray(characters, dtype=np.uint32).view(f"<U{width}").reshape(-1)


def _alphabet_indexes(characters: np.ndarray, alphabet: str) -> np.ndarray:
    """Position of each code point in the alphabet, -1 where it is not in it."""
    table = np.full(128, -1)
    table[_code_points(alphabet)] = np.arange(len(alphabet))
    return np.where(characters < 128, table[np.minimum(characters, 127)], -1)


def _other_rows(count: int, rows: np.ndarray) -> list[int]:
    """The positions below `count` that are not in `rows`."""
    others = np.ones(count, dtype=bool)
    others[rows] = False
    return np.flatnonzero(others).tolist()
