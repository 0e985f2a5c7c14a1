"""Rules of institutions: beds, days, new rooms, care workers, the completeness of a profile."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_app.elders.models import AbilityLevel
from operational_app.institutions import rules
from operational_app.institutions.models import BedStatus

pytestmark = pytest.mark.feature(100)
STATUSES = st.sampled_from(list(BedStatus))


class Ward:
    """The oracle: a bed as a carer sees it. It is empty or somebody lies in it; a sign may hang on it."""

    def __init__(self) -> None:
        self.lies_here = False
        self.sign = BedStatus.FREE

    def comes(self) -> bool:
        if self.lies_here or self.sign not in (BedStatus.FREE, BedStatus.RESERVED):
            return False
        self.lies_here, self.sign = True, BedStatus.OCCUPIED
        return True

    def goes(self) -> None:
        self.lies_here, self.sign = False, BedStatus.FREE

    def hang(self, sign: BedStatus) -> bool:
        """Everything leads back to free; out of free to any sign; a bed under repair may be given up."""
        if self.lies_here or sign is BedStatus.OCCUPIED or sign is self.sign:
            return False
        if BedStatus.FREE not in (sign, self.sign) and (self.sign, sign) != (BedStatus.MAINTENANCE, BedStatus.CLOSED):
            return False
        self.sign = sign
        return True


@given(st.lists(st.one_of(st.sampled_from(["come", "go"]), STATUSES), max_size=30))
def test_a_bed_moves_as_on_a_ward(acts: list[str | BedStatus]) -> None:
    ward, status, lives_here = Ward(), BedStatus.FREE, False
    for act in acts:
        if act == "come":
            received = rules.why_not_receive(status, has_resident=lives_here) is None
            assert received == ward.comes()
            if received:
                status, lives_here = BedStatus.OCCUPIED, True
        elif act == "go":
            if lives_here:
                ward.goes()
                status, lives_here = BedStatus.FREE, False
        else:
            to = BedStatus(act)
            moved = rules.why_not_move(status, to, has_resident=lives_here) is None
            assert moved == (to in rules.moves_of(status, has_resident=lives_here)) == ward.hang(to)
            if moved:
                status = to
        assert (rules.shown_status(status, has_resident=lives_here) is BedStatus.OCCUPIED) == lives_here
        assert (status, lives_here) == (ward.sign, ward.lies_here)


@given(STATUSES, STATUSES)
def test_a_bed_with_a_resident_goes_nowhere_whatever_was_entered(status: BedStatus, to: BedStatus) -> None:
    assert rules.why_not_move(status, to, has_resident=True)
    assert rules.why_not_receive(status, has_resident=True)
    assert rules.shown_status(status, has_resident=True) is BedStatus.OCCUPIED


def test_days() -> None:
    now, last = date(2026, 11, 23), date(2026, 11, 20)
    assert rules.why_not_on(now, now, last=now) is None
    assert "晚于今天" in (rules.why_not_on(date(2026, 11, 24), now) or "")
    assert "2026-11-20" in (rules.why_not_on(date(2026, 11, 19), now, last=last) or "")


@pytest.mark.parametrize(("text", "numbers"), [("3", [3]), ("2-5", [2, 3, 4, 5]), ("01－1", None), ("01-02", [1, 2])])
def test_ranges(text: str, numbers: list[int] | None) -> None:
    if numbers is None:
        with pytest.raises(ValueError, match="范围"):
            rules.number_range(text, "楼层")
    else:
        assert list(rules.number_range(text, "楼层")) == numbers


@given(st.integers(1, 9), st.integers(0, 3), st.integers(1, 9), st.integers(0, 9), st.integers(1, 4))
def test_new_rooms_have_names_of_their_own(floor: int, floors: int, room: int, rooms: int, beds: int) -> None:
    made = rules.new_rooms(range(floor, floor + floors + 1), range(room, room + rooms + 1), beds)
    assert len({(each.floor, each.name) for each in made}) == len(made) == (floors + 1) * (rooms + 1)
    assert all(each.name.startswith(str(each.floor)) and len(set(each.beds)) == beds for each in made)


def test_next_bed_name_fills_the_first_gap() -> None:
    assert rules.next_bed_name(["1床", "3床"]) == "2床"
    assert rules.next_bed_name([]) == "1床"
    assert rules.next_bed_name(["1", "2 床"]) == "3床"
    assert [rules.bed_label(name) for name in ("1", "1床", "靠窗")] == ["1床", "1床", "靠窗"]


@pytest.mark.feature(99)
@given(st.dictionaries(st.sampled_from([*AbilityLevel, None]), st.integers(0, 300)), st.integers(0, 200))
def test_care_workers_by_the_norm(residents: dict[AbilityLevel | None, int], workers: int) -> None:
    """Facts.md: 自理 15-20:1, 部分失能 8-12:1, 完全失能 3-5:1; groups are added before rounding."""
    count = {level: residents.get(level, 0) for level in AbilityLevel}
    partly = count[AbilityLevel.MILD] + count[AbilityLevel.MODERATE]
    fully = count[AbilityLevel.SEVERE] + count[AbilityLevel.COMPLETE]
    need = rules.staff_need(residents, workers)
    assert need.needed == ceil(Fraction(count[AbilityLevel.INTACT], 20) + Fraction(partly, 12) + Fraction(fully, 5))
    assert need.wanted == ceil(Fraction(count[AbilityLevel.INTACT], 15) + Fraction(partly, 8) + Fraction(fully, 3))
    assert need.missing == max(need.needed - workers, 0)
    assert need.unassessed == residents.get(None, 0)


@pytest.mark.feature(98)
def test_completeness_names_what_is_missing_and_why() -> None:
    filled = {field.key: True for field in rules.DISCLOSURE_FIELDS}
    assert rules.completeness(filled).missing == ()
    meter = rules.completeness(filled | {"fire": False})
    assert (meter.total - meter.filled, meter.missing[0].label) == (1, "消防手续") and meter.missing[0].why
    without = {key: True for key in filled if key != "operator_name"}
    assert rules.completeness(without).missing[0].key == "operator_name"
    assert rules.completeness(without, needs_operator=False).missing == ()
    assert rules.completeness({}).filled == 0
