"""Which institutions may be one: names, codes, addresses, phones, places; in blocks as with each against each."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_app.institutions import duplicate_rules as rules
from operational_app.institutions.duplicate_rules import Candidate, Likeness

pytestmark = pytest.mark.feature(98)
HOUSE = Candidate(
    1, 11, "赤坎颐年院", "440802000000", "52440802MJ0000017X", "湛江市赤坎区寸金路 1 号", "07593338888", (110.36, 21.27)
)
ELSE = Candidate(2, 12, "晨光照护之家", "440802000000")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("湛江市赤坎区福康养老院", "福康养老院", True),
        ("福康颐养院", "湛江福康老年公寓有限公司", True),
        ("福康养老院", "福寿养老院", False),
        ("赤坎区养老院", "赤坎区敬老院", False),
        ("赤坎养老院", "赤坎养老院", True),
        ("石岭镇敬老院", "石岭街敬老院", False),
        ("金晖", "金银晖", True),
    ],
)
def test_names_alike(one: str, other: str, alike: bool) -> None:
    assert rules.looks_alike(one, other) is rules.looks_alike(other, one) is alike


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (ELSE, None),
        (replace(ELSE, name="赤坎区颐年院"), "名称相近"),
        (replace(ELSE, credit_code="91440800MJ00000170"), "信用代码中的主体标识码相同"),
        (replace(ELSE, credit_code="52440802MJ00000270"), None),
        (replace(ELSE, address="广东省湛江市赤坎区寸金路１号"), "地址相同"),
        (replace(ELSE, address="寸金路11号"), None),
        (replace(ELSE, phone="07593338888"), "联系电话相同"),
        (replace(ELSE, position_wgs84=(110.3603, 21.27)), "相距 31 米"),
        (replace(ELSE, position_wgs84=(110.3605, 21.27)), None),
        (replace(ELSE, phone="07593338888", position_wgs84=(110.36, 21.27)), "联系电话相同，相距 0 米"),
        (replace(HOUSE, key=2, county_code="440803000000"), None),
        (HOUSE, None),
    ],
)
def test_why_two_may_be_one(other: Candidate, why: str | None) -> None:
    there, back = rules.doubt_of(HOUSE, other), rules.doubt_of(other, HOUSE)
    assert (there and there.why) == (back and back.why) == why


def test_a_village_alone_and_places_without_a_county_are_no_reason() -> None:
    village = replace(HOUSE, name="甲", credit_code=None, address="良垌镇平田村", phone=None, position_wgs84=None)
    assert rules.doubt_of(village, replace(village, key=2, name="乙")) is None
    assert rules.doubt_of(replace(HOUSE, county_code=None), replace(HOUSE, key=2, county_code=None)) is None


def _maybe(values: list[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.none(), st.sampled_from(values))


_DEGREES = st.integers(-4, 4).map(lambda n: n * 0.00017)
_MANY = st.lists(
    st.builds(
        Candidate,
        key=st.integers(1, 60),
        institution_id=st.just(0),
        name=st.one_of(
            st.text(alphabet="福康寿安镇2", min_size=0, max_size=7).map(lambda text: f"廉江市{text}敬老院"),
            st.text(alphabet="福康", min_size=1, max_size=12),
        ),
        county_code=_maybe(["440802000000", "440803000000"]),
        credit_code=_maybe(["52440802MJ0000017X", "91440800MJ00000170", "91440800MJ00000270", "短"]),
        address=_maybe(["寸金路1号", "赤坎区寸金路 １号", "寸金路", ""]),
        phone=_maybe(["07593338888", "13800000000"]),
        position_wgs84=st.one_of(
            st.none(), st.tuples(_DEGREES.map(lambda d: 110.36 + d), _DEGREES.map(lambda d: 21.27 + d))
        ),
    ),
    max_size=25,
    unique_by=lambda it: it.key,
)


@given(_MANY)
def test_blocks_find_what_comparing_each_with_each_finds(many: list[Candidate]) -> None:
    plain = [doubt for one, other in combinations(many, 2) if (doubt := rules.doubt_of(one, other)) is not None]
    found = rules.doubts_among(many)
    assert len(found) == len(plain) and set(found) == set(plain)
    assert [doubt.one.county_code for doubt in found] == sorted(doubt.one.county_code or "" for doubt in found)
    assert all(doubt.likenesses == tuple(like for like in Likeness if like in doubt.likenesses) for doubt in found)
