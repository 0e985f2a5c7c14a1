"""The division tree: forms of codes, subtrees as text ranges, same names, overlay units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyang.divisions import (
    DivisionLevel,
    ancestor_at,
    ancestors_of,
    county_of,
    division_level,
    division_tree,
    parent_of,
    subtree_range,
    town_of,
)

TREE = division_tree()
DIVISIONS = st.sampled_from(list(TREE))


def test_counts_of_2023():
    counts = {level: len(TREE.at_level(level)) for level in DivisionLevel}
    assert counts == {"province": 0, "city": 1, "county": 9, "town": 125, "village": 1992}
    assert len(TREE) == 2127
    pseudo = [division for division in TREE if division.is_pseudo]
    assert sum(division.level is DivisionLevel.TOWN for division in pseudo) == 3
    assert sum(division.level is DivisionLevel.VILLAGE for division in pseudo) == 19


@given(DIVISIONS)
def test_the_code_tells_what_the_table_says(division):
    assert division_level(division.code) is division.level
    if division.parent_code is None:
        assert division == TREE.root
    else:
        assert parent_of(division.code) == division.parent_code
        assert division in TREE.children(division.parent_code)
        assert division.full_name == TREE[division.parent_code].full_name + division.name


@given(DIVISIONS, DIVISIONS)
def test_subtree_range_holds_exactly_the_descendants(upper, lower):
    lo, hi = subtree_range(upper.code)
    assert (lo <= lower.code < hi) == (lower.code == upper.code or upper.code in ancestors_of(lower.code))


def test_examples():
    assert subtree_range("440802000000") == ("440802", "440803")
    assert subtree_range("440800000000") == ("4408", "4409")
    assert subtree_range("440882450000") == ("440882450", "440882451")
    assert ancestors_of("440802001001") == ["440802001000", "440802000000", "440800000000", "440000000000"]
    assert (county_of("440802001001"), town_of("440802001001")) == ("440802000000", "440802001000")
    assert (county_of("440800000000"), town_of("440802000000"), parent_of("440000000000")) == (None, None, None)
    assert ancestor_at("440802001001", DivisionLevel.VILLAGE) == "440802001001"


@pytest.mark.parametrize(
    "code", ["", "440802", "44080200100X", "000000000000", "440800001000", "440802000001", "４４０８０２００００００"]
)
def test_what_is_no_code(code: str):
    with pytest.raises(ValueError, match="division code"):
        division_level(code)
    with pytest.raises(ValueError, match="division code"):
        subtree_range(code)


def test_a_name_alone_identifies_nothing():
    assert len(TREE.find("海滨街道")) == 2
    assert len(TREE.find("附城镇")) == 2
    assert [division.full_name for division in TREE.find("海滨街道", within="440803000000")] == ["湛江市霞山区海滨街道"]
    assert TREE.find("不存在的镇") == []


def test_overlay_units_lie_across_the_tree():
    units = {unit.code: unit for unit in TREE.reporting_units}
    assert set(units) == {"ZJ-JKQ", "ZJ-FY"}
    assert {county_of(code) for code in units["ZJ-JKQ"].town_codes} == {"440803000000", "440811000000"}
    assert all(TREE[code].level is DivisionLevel.TOWN for unit in units.values() for code in unit.town_codes)
    assert not any(unit.code in TREE for unit in TREE.reporting_units)
    assert [unit.name for unit in TREE.reporting_units_of("440811173000")] == ["湛江经开区"]
    assert [unit.name for unit in TREE.reporting_units_of("440882450401")] == ["奋勇高新区"]
    assert TREE.reporting_units_of("440802001001") == []
    assert TREE.reporting_units_of("440811000000") == []
