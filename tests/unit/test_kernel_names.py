"""Pinyin keys: readings of surnames, order, and that a typed query finds what it should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import lazy_pinyin

from huiyang.names import (
    SURNAME_READINGS,
    initials_key,
    name_keys_many,
    normalise_name,
    pinyin_key,
    pinyin_ranges,
    prefix_range,
)

HAN = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)


@pytest.mark.parametrize(
    ("name", "key", "initials"),
    [
        ("陈志强", "chen zhi qiang", "czq"),
        ("单雄信", "shan xiong xin", "sxx"),
        ("仇英", "qiu ying", "qy"),
        ("曾国藩", "zeng guo fan", "zgf"),
        ("李曾单", "li ceng dan", "lcd"),
        ("尉迟恭", "yu chi gong", "ycg"),
        ("欧阳修", "ou yang xiu", "oyx"),
        ("吕布", "lv bu", "lb"),
        ("黄重阳", "huang chong yang", "hcy"),
        ("陈长青", "chen chang qing", "ccq"),
        ("张 三", "zhang san", "zs"),
        ("阿卜杜拉•买买提", "a bo du la mai mai ti", "abdlmmt"),
        ("Lee Ｍing", "lee ming", "lm"),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_keys(name: str | None, key: str, initials: str):
    assert pinyin_key(name) == key
    assert initials_key(name) == initials
    assert name_keys_many([name, name]) == ([key] * 2, [initials] * 2)


def test_one_surname_sorts_wholly_before_the_next():
    names = ["程安", "陈志强", "陈刚", "先觉", "席安"]
    assert sorted(names, key=pinyin_key) == ["陈刚", "陈志强", "程安", "席安", "先觉"]


@given(st.text(HAN, min_size=1, max_size=3))
def test_given_names_read_as_pypinyin_reads_them(given_name: str):
    assert pinyin_key("李" + given_name) == " ".join(["li", *lazy_pinyin(given_name)])


@given(st.lists(st.none() | st.text(max_size=6), max_size=10))
def test_column_agrees_with_scalar(names: list[str | None]):
    assert name_keys_many(names) == ([pinyin_key(n) for n in names], [initials_key(n) for n in names])


@given(st.sampled_from(sorted(SURNAME_READINGS)), st.text(HAN, min_size=1, max_size=2), st.data())
def test_every_typed_beginning_finds_the_name(surname: str, given_name: str, data: st.DataObject):
    key = pinyin_key(surname + given_name)
    if not key.replace(" ", "").isascii() or not all(any(v in s for v in "aeiouv") for s in key.split()):
        return  # a character without a reading, or an interjection such as 呣
    typed = data.draw(st.sampled_from([key, key.replace(" ", "")]))
    typed = typed[: data.draw(st.integers(1, len(typed)))].strip()
    assert any(lo <= key < hi for lo, hi in pinyin_ranges(typed)), (typed, key)


def test_ranges():
    assert [lo for lo, _ in pinyin_ranges("xian")] == ["xian", "xi an", "xia n", "xi a n"]
    assert [lo for lo, _ in pinyin_ranges("Chen ZhiQ")] == ["chen zhi q"]
    assert [lo for lo, _ in pinyin_ranges("lü'x")] == ["lv x"]
    assert pinyin_ranges("qqq") == []
    assert pinyin_ranges("") == []
    assert len(pinyin_ranges("an" * 30)) <= 12


@given(st.text(max_size=4), st.text(max_size=4))
def test_prefix_range_holds_exactly_what_starts_so(prefix: str, text: str):
    lo, hi = prefix_range(prefix)
    for candidate in (prefix + text, text):
        if "\U0010ffff" not in candidate:
            assert (lo <= candidate < hi) == candidate.startswith(prefix)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("　张 三 ", "张三"),
        ("Lee   Ming", "Lee Ming"),
        ("买买提 ・ 阿里", "买买提·阿里"),
        ("阿里.买买提", "阿里·买买提"),
        (None, ""),
    ],
)
def test_normalise_name(text: str | None, name: str):
    assert normalise_name(text) == name
