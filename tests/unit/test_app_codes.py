"""The rule of own codes: what its check character promises, and that a million differ."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.iso7064 import mod_37_36

from huiyang.identifiers import CODE_SERIAL_DIGITS, CodeKind, issue_code, issue_codes
from operational_app.codes.labels import label_lines, scan_address
from operational_app.codes.models import SubjectKind
from operational_app.codes.queries import SubjectRow
from operational_app.codes.rules import LONGEST_NOTE, REISSUE_REASONS, as_printed, kind_of, pick_reason

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@st.composite
def codes(draw: st.DrawFn) -> tuple[SubjectKind, str]:
    kind = draw(st.sampled_from(SubjectKind))
    division = draw(st.integers(100000, 999999))
    serial = draw(st.integers(1, 10 ** CODE_SERIAL_DIGITS[kind.letter] - 1))
    return kind, issue_code(str(division), kind.letter, serial)


@given(codes(), st.data())
def test_every_single_wrong_character_is_found(issued: tuple[SubjectKind, str], data: st.DataObject) -> None:
    kind, code = issued
    assert kind_of(code) is kind
    for place in range(len(code)):
        other = data.draw(st.sampled_from(ALPHABET.replace(code[place], "")))
        assert kind_of(code[:place] + other + code[place + 1 :]) is None


@given(codes())
def test_a_swap_of_neighbours_is_found_unless_they_follow_each_other_in_the_alphabet(
    issued: tuple[SubjectKind, str],
) -> None:
    """ISO 7064: hybrid systems find nearly all. What MOD 37,36 misses is, in one state of 36, a swap of two characters
    that are neighbours in its alphabet (Z and 0 are, too)."""
    _, code = issued
    for place in range(len(code) - 1):
        left, right = code[place], code[place + 1]
        swapped = code[:place] + right + left + code[place + 2 :]
        if left != right and mod_37_36.is_valid(swapped):
            assert (ALPHABET.index(left) - ALPHABET.index(right)) % 36 in (1, 35)


def test_fewer_than_one_swap_in_a_hundred_is_missed() -> None:
    serials = np.arange(1, 20_001)
    found = missed = 0
    for code in issue_codes(["440802"] * len(serials), CodeKind.ELDER, serials).tolist():
        for place in range(7, 13):
            if code[place] != code[place + 1]:
                swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
                is_missed = mod_37_36.is_valid(swapped)
                missed += is_missed
                found += not is_missed
    assert missed * 100 < found


@pytest.mark.feature(30)
def test_a_million_codes_of_the_rule_never_collide() -> None:
    counties = np.repeat(
        ["440802", "440803", "440804", "440811", "440823", "440825", "440881", "440882", "440883"], 111_112
    )
    made = issue_codes(counties, CodeKind.ELDER, np.tile(np.arange(1, 111_113), 9))
    assert len(made) > 1_000_000
    assert len(np.unique(made)) == len(made)


@given(codes())
def test_typing_a_code_by_hand_is_understood(issued: tuple[SubjectKind, str]) -> None:
    kind, code = issued
    typed = f" {code[:6]}-{code[6:].lower()} "
    assert as_printed(typed) == code
    assert kind_of(typed) is kind


@given(st.text())
def test_any_text_is_either_one_kind_or_none(text: str) -> None:
    kind = kind_of(text)
    assert kind is None or re.fullmatch(r"\d{6}[JCZ]\d{4,7}[0-9A-Z]", as_printed(text))


def test_reasons_are_chosen_and_other_is_explained() -> None:
    assert pick_reason("lost", REISSUE_REASONS, "").label == "遗失补发"
    assert pick_reason("other", REISSUE_REASONS, "门牌翻新").value == "other"
    for given_reason, note, problem in (
        ("", "", "请选择"),
        ("first", "", "请选择"),
        ("other", "", "请填写说明"),
        ("lost", "长" * (LONGEST_NOTE + 1), "最多"),
    ):
        with pytest.raises(ValueError, match=problem):
            pick_reason(given_reason, REISSUE_REASONS, note)


def test_an_elders_label_says_nothing_about_the_person() -> None:
    elder = SubjectRow(SubjectKind.ELDER, 1, "陈阿婆", None, "440802000000", "440802Z0000001J")
    bed = SubjectRow(SubjectKind.BED, 2, "1 号楼 3 层 301 室 2 床", "康宁养老院", "440802000000", "440802C000001S")
    assert label_lines(elder) == []
    assert label_lines(bed) == ["康宁养老院", "1 号楼 3 层 301 室 2 床"]
    assert scan_address("https://huiyang.example:8443", str(elder.code)).endswith(":8443/c/440802Z0000001J")
