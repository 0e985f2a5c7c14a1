"""Identifiers against their standards' vectors, independent oracles, and each column version against its scalar one."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as stdnum_uscc
from stdnum.iso7064 import mod_11_2, mod_37_36

from huiyang.identifiers import (
    CODE_SERIAL_DIGITS,
    USCC_ALPHABET,
    CodeKind,
    IdNumberStatus,
    IdNumberWarning,
    PhoneKind,
    PhoneStatus,
    Sex,
    UsccStatus,
    check_id_number,
    check_id_numbers,
    complete_id_numbers,
    complete_uscc,
    id_number_check_character,
    id_number_status,
    id_number_statuses,
    is_issued_code,
    issue_code,
    issue_codes,
    normalise_identifier,
    normalise_phone,
    phone_kind,
    phone_status,
    phone_statuses,
    upgrade_id_number,
    uscc_status,
    uscc_statuses,
)

DIGITS = st.text("0123456789", min_size=17, max_size=17)
BIRTHS = st.dates(date(1900, 1, 1), date(1999, 12, 31))


@st.composite
def id_numbers(draw: st.DrawFn) -> str:
    division = draw(st.sampled_from(["440802", "440821", "440882", "110105", "990000"]))
    body = f"{division}{draw(BIRTHS):%Y%m%d}{draw(st.integers(0, 999)):03d}"
    return body + id_number_check_character(body)


@st.composite
def dirty(draw: st.DrawFn, clean: st.SearchStrategy[str]) -> str | None:
    """Legacy dirt around a right number: cut, typed, full-width, another character, something else, nothing."""
    text = draw(clean)
    change = draw(st.sampled_from(["none", "cut", "replace", "wide", "space", "short", "other", "missing", "lower"]))
    position = draw(st.integers(0, len(text) - 1))
    replacement = draw(st.characters(codec="utf-8") | st.sampled_from("0123456789Xx０９Ⅷ²"))
    return {
        "none": text,
        "cut": text[:position],
        "replace": text[:position] + replacement + text[position + 1 :],
        "wide": "".join(chr(ord(c) + 0xFEE0) for c in text),
        "space": f"{text[:position]} {text[position:]}",
        "short": text[:6] + text[8:17],
        "other": draw(st.text(max_size=20)),
        "missing": None,
        "lower": text.lower(),
    }[change]


def test_standard_vectors():
    assert id_number_status("11010519491231002X") is IdNumberStatus.VALID
    assert id_number_status("11010519491231002x") is IdNumberStatus.VALID
    assert uscc_status("53640000MJX173680A") is UsccStatus.VALID
    assert uscc_status("53640000MJX173672F") is UsccStatus.VALID


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (None, "missing"),
        ("  ", "missing"),
        ("1101051949123100", "bad_length"),
        ("1101051949123100X2", "bad_characters"),
        ("１１０１０５１９４９１２３１００２Ｘ", "valid"),
        ("110105 19491231 002X", "valid"),
        ("110105194912310021", "bad_checksum"),
        ("110105194902300022", "bad_date"),
        ("110105491231002", "valid"),
        ("11010549123100X", "bad_characters"),
        ("110105490231002", "bad_date"),
        ("²10105194912310021", "bad_checksum"),  # NFKC makes ² a 2
        ("١10105194912310021", "bad_characters"),  # an Arabic-Indic digit is no digit of the standard
    ],
)
def test_id_number_status(text: str | None, status: str):
    assert id_number_status(text).value == status
    assert id_number_statuses([text]).tolist() == [status]


@given(DIGITS)
def test_id_check_character_is_iso_7064_mod_11_2(body: str):
    assert id_number_check_character(body) == mod_11_2.calc_check_digit(body)


@given(id_numbers(), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(number: str, position: int, shift: int):
    wrong = number[:position] + str((int(number[position]) + shift) % 10) + number[position + 1 :]
    assert id_number_status(wrong) in (IdNumberStatus.BAD_CHECKSUM, IdNumberStatus.BAD_DATE)


@given(id_numbers(), st.integers(0, 15))
def test_two_swapped_digits_are_always_found(number: str, position: int):
    swapped = number[:position] + number[position + 1] + number[position] + number[position + 2 :]
    assert (id_number_status(swapped) is IdNumberStatus.VALID) == (swapped == number)


@given(BIRTHS, st.integers(0, 999))
def test_upgrade_keeps_division_birth_and_sequence(birth: date, sequence: int):
    upgraded = upgrade_id_number(f"440821{birth:%y%m%d}{sequence:03d}")
    assert upgraded[:17] == f"440821{birth:%Y%m%d}{sequence:03d}"
    assert id_number_status(upgraded) is IdNumberStatus.VALID


def test_future_birth_is_a_bad_date_only_as_of_a_day():
    number = complete_id_numbers(["44080220300101001"])[0]
    assert id_number_status(number) is IdNumberStatus.VALID
    assert id_number_status(number, as_of=date(2026, 10, 31)) is IdNumberStatus.BAD_DATE


def test_check_reads_sex_and_birth_and_warns_softly():
    # Born before 1983 on an abolished Zhanjiang code, which stdnum's own validator rejects.
    number = complete_id_numbers(["44082119400229005"])[0]
    check = check_id_number(number, sex="female", birth_date=date(1940, 2, 28))
    assert check.status is IdNumberStatus.VALID
    assert (check.sex, check.birth_date) == (Sex.MALE, date(1940, 2, 29))
    assert check.warnings == {
        IdNumberWarning.ABOLISHED_DIVISION,
        IdNumberWarning.SEX_MISMATCH,
        IdNumberWarning.BIRTH_DATE_MISMATCH,
    }
    assert check_id_number(number, sex="unknown").warnings == {IdNumberWarning.ABOLISHED_DIVISION}
    assert check_id_number("440802400229005").warnings == {IdNumberWarning.SHORT_FORM}
    assert not hasattr(check, "division_code")  # residence is never derived


@given(st.lists(dirty(id_numbers()), max_size=30))
def test_id_columns_agree_with_scalars(texts: list[str | None]):
    as_of = date(2026, 10, 31)
    assert id_number_statuses(texts, as_of=as_of).tolist() == [id_number_status(t, as_of=as_of).value for t in texts]
    table = check_id_numbers(
        texts, sexes=["male"] * len(texts), birth_dates=[date(1950, 1, 1)] * len(texts), as_of=as_of
    )
    assert len(table) == len(texts)
    for text, row in zip(texts, table.itertuples(), strict=True):
        check = check_id_number(text, sex="male", birth_date=date(1950, 1, 1), as_of=as_of)
        assert row.status == check.status.value
        assert row.number == check.number
        assert (None if pd.isna(row.sex) else row.sex) == check.sex
        assert (None if pd.isna(row.birth_date) else row.birth_date.date()) == check.birth_date
        assert {warning for warning in IdNumberWarning if getattr(row, warning.value)} == check.warnings


def test_columns_accept_series_and_arrays_with_gaps():
    texts = ["11010519491231002X", None, "x"]
    expected = ["valid", "missing", "bad_length"]
    assert id_number_statuses(pd.Series(texts)).tolist() == expected
    assert id_number_statuses(pd.Series(texts, dtype=object)).tolist() == expected
    assert id_number_statuses(np.array(texts, dtype=object)).tolist() == expected
    assert id_number_statuses([]).tolist() == []
    with pytest.raises(ValueError, match="17 digits"):
        complete_id_numbers(["4408021940022900"])


@given(st.lists(DIGITS, min_size=1, max_size=20))
def test_completed_column_agrees_with_scalar(bodies: list[str]):
    assert complete_id_numbers(bodies).tolist() == [body + id_number_check_character(body) for body in bodies]


@st.composite
def credit_codes(draw: st.DrawFn) -> str:
    first = draw(st.sampled_from(["11", "51", "52", "53", "91", "92", "93", "N1", "Y1"]))
    division = draw(st.text("0123456789", min_size=6, max_size=6))
    return complete_uscc(first + division + draw(st.text(USCC_ALPHABET, min_size=9, max_size=9)))


@given(credit_codes())
def test_credit_code_agrees_with_stdnum_where_stdnum_applies(code: str):
    assert uscc_status(code) is UsccStatus.VALID
    if code[:2].isdigit():
        assert stdnum_uscc.is_valid(code)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", "missing"),
        ("53640000MJX17368", "bad_length"),
        ("53640000MJI173680A", "bad_characters"),
        ("53640A00MJX173680A", "bad_characters"),
        ("53640000MJX173680B", "bad_checksum"),
        ("53640000mjx173680a", "valid"),
    ],
)
def test_credit_code_status(code: str, status: str):
    assert uscc_status(code).value == status


@given(st.lists(dirty(credit_codes()), max_size=30))
def test_credit_code_column_agrees_with_scalar(texts: list[str | None]):
    assert uscc_statuses(texts).tolist() == [uscc_status(text).value for text in texts]


@pytest.mark.parametrize(
    ("text", "kind", "dialled"),
    [
        ("13812345678", PhoneKind.MOBILE, "13812345678"),
        ("+86 138-1234-5678", PhoneKind.MOBILE, "13812345678"),
        ("008613812345678", PhoneKind.MOBILE, "13812345678"),
        ("8613812345678", PhoneKind.MOBILE, "13812345678"),
        ("（0759）338 1234", PhoneKind.LANDLINE, "07593381234"),
        ("+86 759 3381234", PhoneKind.LANDLINE, "07593381234"),
        ("0759-3381234转801", PhoneKind.LANDLINE, "07593381234"),
        ("3381234", PhoneKind.LANDLINE, "3381234"),
        ("010-62345678", PhoneKind.LANDLINE, "01062345678"),
    ],
)
def test_phone_kinds(text: str, kind: PhoneKind, dialled: str):
    assert phone_kind(text) is kind
    assert phone_status(text) is PhoneStatus.VALID
    assert normalise_phone(text) == dialled


@pytest.mark.parametrize(
    "text", ["12812345678", "1381234567", "138123456789", "0000000", "无", "0059-3381234", "١٣٨١٢٣٤٥٦٧٨1"]
)
def test_wrong_phones(text: str):
    assert phone_kind(text) is None
    assert phone_status(text) is PhoneStatus.INVALID


@given(st.lists(dirty(st.from_regex(r"1[3-9][0-9]{9}|0759[2-8][0-9]{6}", fullmatch=True)), max_size=30))
def test_phone_column_agrees_with_scalar(texts: list[str | None]):
    assert phone_statuses(texts).tolist() == [phone_status(text).value for text in texts]


@given(st.sampled_from(CodeKind), st.integers(1, 9999), st.sampled_from(["440802000000", "440883", "440825101203"]))
def test_issued_codes_agree_with_stdnum_and_their_column(kind: CodeKind, serial: int, division: str):
    code = issue_code(division, kind, serial)
    assert mod_37_36.is_valid(code)
    assert is_issued_code(code.lower(), kind)
    assert not any(is_issued_code(code, other) for other in CodeKind if other is not kind)
    assert issue_codes([division], kind, np.array([serial])).tolist() == [code]


@given(st.sampled_from(CodeKind), st.integers(1, 9999), st.data())
def test_one_wrong_character_of_a_code_is_found(kind: CodeKind, serial: int, data: st.DataObject):
    code = issue_code("440802", kind, serial)
    position = data.draw(st.integers(0, len(code) - 1))
    wrong = code[:position] + data.draw(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")) + code[position + 1 :]
    assert is_issued_code(wrong, kind) == (wrong == code)


def test_serials_and_divisions_that_do_not_fit():
    for kind, digits in CODE_SERIAL_DIGITS.items():
        for serial in (0, 10**digits):
            with pytest.raises(ValueError, match="does not fit"):
                issue_code("440802", kind, serial)
            with pytest.raises(ValueError, match="does not fit"):
                issue_codes(["440802"], kind, np.array([serial]))
    for division in ("4408", "44080X"):
        with pytest.raises(ValueError, match="division"):
            issue_code(division, CodeKind.BED, 1)
        with pytest.raises(ValueError, match="division"):
            issue_codes([division], CodeKind.BED, np.array([1]))


@given(st.text("0123456789Xxab -—　０９Ｘ（）"))
def test_normalising_twice_changes_nothing(text: str):
    once = normalise_identifier(text)
    assert normalise_identifier(once) == once
