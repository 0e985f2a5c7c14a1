"""Rules of institutions, over plain values: moves of beds, days of a stay, new rooms, care workers, completeness."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from operational_app.elders.models import AbilityLevel
from operational_app.institutions.models import BedStatus

# Beds

#: Where a person may move a bed by hand; residents come and go by admission, transfer and discharge.
_MOVES = {
    BedStatus.FREE: {BedStatus.RESERVED, BedStatus.MAINTENANCE, BedStatus.CLOSED},
    BedStatus.RESERVED: {BedStatus.FREE},
    BedStatus.OCCUPIED: {BedStatus.FREE},  # only where nobody lives: a wrong entry
    BedStatus.MAINTENANCE: {BedStatus.FREE, BedStatus.CLOSED},
    BedStatus.CLOSED: {BedStatus.FREE},
}
_RECEIVES = {BedStatus.FREE, BedStatus.RESERVED}


def shown_status(status: BedStatus, *, has_resident: bool) -> BedStatus:
    """What a board shows: a bed with a resident is occupied, whatever was entered by hand."""
    return BedStatus.OCCUPIED if has_resident else status


def moves_of(status: BedStatus, *, has_resident: bool) -> list[BedStatus]:
    """Where the bed may be moved by hand now, in the order of BedStatus."""
    return [] if has_resident else [to for to in BedStatus if to in _MOVES[status]]


def why_not_move(status: BedStatus, to: BedStatus, *, has_resident: bool) -> str | None:
    """Why a bed cannot be moved by hand, in Chinese; None if it can."""
    if has_resident:
        return f"床位上有入住老人，不能改为“{to.label}”，请先办理调床或退住。"
    if to not in _MOVES[status]:
        return f"床位现为“{status.label}”，不能改为“{to.label}”。"
    return None


def why_not_receive(status: BedStatus, *, has_resident: bool) -> str | None:
    """Why nobody can move into a bed now."""
    if has_resident:
        return "该床位刚刚已有老人入住，请另选床位。"
    if status not in _RECEIVES:
        return f"该床位现为“{status.label}”，不能入住，请另选床位。"
    return None


# Days


def why_not_on(day: date, today: date, *, last: date | None = None, what: str = "上一次变动") -> str | None:
    """Why an act cannot have happened on `day`.

    Args:
        last: the day of what came before; the same day is allowed. what: its name.
    """
    if day > today:
        return "日期不能晚于今天。"
    if last is not None and day < last:
        return f"日期不能早于{what}（{last.isoformat()}）。"
    return None


# New rooms

MOST_NEW_BEDS = 600
_RANGE = re.compile(r"(\d{1,2})(?:\s*[-–—~至到]\s*(\d{1,2}))?")


@dataclass(frozen=True)
class NewRoom:
    """A room to be made: its floor, its name, the names of its beds."""

    floor: int
    name: str
    beds: tuple[str, ...]


def number_range(text: str, what: str) -> range:
    """ "2-5" → 2, 3, 4, 5; "3" → 3.

    Raises:
        ValueError: no such range, in Chinese.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{what}请填写一个数或一个范围，例如 2-5。")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last:
        raise ValueError(f"{what}应从 1 开始，并且从小到大。")
    return range(first, last + 1)


def new_rooms(floors: range, rooms: range, beds_per_room: int) -> list[NewRoom]:
    """Rooms named floor and two digits: floors 2–3, rooms 1–2 → 201, 202, 301, 302.

    Raises:
        ValueError: no bed in a room, or too many at once, in Chinese.
    """
    if not 1 <= beds_per_room <= 12:
        raise ValueError("每间床位数应为 1 至 12。")
    count = len(floors) * len(rooms) * beds_per_room
    if count > MOST_NEW_BEDS:
        raise ValueError(f"一次最多新增 {MOST_NEW_BEDS} 张床位，现在是 {count} 张，请分批新增。")
    beds = tuple(f"{number}床" for number in range(1, beds_per_room + 1))
    return [NewRoom(floor, f"{floor}{room:02d}", beds) for floor in floors for room in rooms]


def bed_label(name: str) -> str:
    """A bed as people call it: old data has "1" where new beds are "1床"."""
    return f"{name}床" if name.isdecimal() else name


def next_bed_name(names: Collection[str]) -> str:
    """The first "n床" whose number no bed of the room has, however it is written."""
    taken = {int(number) for name in names for number in re.findall(r"\d+", name)}
    return f"{next(number for number in range(1, len(taken) + 2) if number not in taken)}床"


# Care workers


@dataclass(frozen=True)
class RatioNorm:
    """Residents for one care worker: at most, and at best (facts.md, Institutions)."""

    label: str
    levels: frozenset[AbilityLevel]
    at_best: int
    at_most: int


RATIO_NORMS = (
    RatioNorm("自理", frozenset({AbilityLevel.INTACT}), 15, 20),
    RatioNorm("部分失能", frozenset({AbilityLevel.MILD, AbilityLevel.MODERATE}), 8, 12),
    RatioNorm("完全失能", frozenset({AbilityLevel.SEVERE, AbilityLevel.COMPLETE}), 3, 5),
)


@dataclass(frozen=True)
class StaffNeed:
    """
    Attributes:
        groups: (norm, residents). unassessed: residents of no level, counted in no group.
        needed: care workers at least; wanted: at best.
    """

    groups: tuple[tuple[RatioNorm, int], ...]
    unassessed: int
    needed: int
    wanted: int
    care_workers: int

    @property
    def missing(self) -> int:
        return max(self.needed - self.care_workers, 0)


def staff_need(residents: Mapping[AbilityLevel | None, int], care_workers: int) -> StaffNeed:
    """Care workers that the norm asks for: fractions of the groups are added first and rounded up once."""
    groups = tuple((norm, sum(residents.get(level, 0) for level in norm.levels)) for norm in RATIO_NORMS)
    needed = sum((Fraction(count, norm.at_most) for norm, count in groups), Fraction())
    wanted = sum((Fraction(count, norm.at_best) for norm, count in groups), Fraction())
    return StaffNeed(groups, residents.get(None, 0), -(-needed // 1), -(-wanted // 1), care_workers)


# Disclosure profile


@dataclass(frozen=True)
class DisclosureField:
    """One thing that has to be disclosed, and why it matters to whom."""

    key: str
    label: str
    why: str


_FAMILIES = "家属选择机构时首先看这一项"
_PERMITS = "没有许可的机构不能备案、不能享受补贴；确实没有的要写明原因"
DISCLOSURE_FIELDS = (
    DisclosureField("credit_code", "统一社会信用代码", "与登记、补贴、信用信息核对的唯一依据"),
    DisclosureField("established_on", "成立日期", "机构身份的必填公开项"),
    DisclosureField("legal_person", "法定代表人", "机构身份的必填公开项，事故和投诉时的责任人"),
    DisclosureField("registrar", "登记机关", "机构身份的必填公开项"),
    DisclosureField("address", "地址", "家属据此找到机构"),
    DisclosureField("contact", "联系人和联系电话", "家属咨询、主管部门应急联系"),
    DisclosureField("position", "经纬度位置", "没有位置就不能出现在养老一张图上"),
    DisclosureField("opened_on", "开业日期", "统计运营年限"),
    DisclosureField("grade", "等级", "等级评定结果影响补贴和家属选择；未评定也要选“未评定”"),
    DisclosureField("operator_name", "运营方", "公办和公建民营机构要公开由谁运营"),
    DisclosureField("beds", "核定、护理型、全日托、日托床位数", "入住率、护理型床位占比都由此计算"),
    DisclosureField("areas", "占地面积和建筑面积", "核对床均面积"),
    DisclosureField("premises", "房屋性质", "租赁场所要关注租期，关系到服务能否持续"),
    DisclosureField("admits", "收住对象", _FAMILIES),
    DisclosureField("insurance", "责任保险", "发生意外时的赔付保障"),
    DisclosureField("bed_fee", "床位费", _FAMILIES),
    DisclosureField("nursing_fee", "护理费", _FAMILIES),
    DisclosureField("meal_fee", "餐费", _FAMILIES),
    DisclosureField("deposit", "押金", "押金监管和家属知情"),
    DisclosureField("medical", "医疗条件和医保定点", "失能老人家属最关心的条件"),
    DisclosureField("fire", "消防手续", _PERMITS),
    DisclosureField("food", "食品经营许可", _PERMITS),
    DisclosureField("medical_permit", "医疗机构执业许可", _PERMITS),
    DisclosureField("staff", "工作人员", "护理人员配比由此计算"),
)


@dataclass(frozen=True)
class Completeness:
    """How much of the disclosure profile is filled; counts, so that nothing is rounded up to complete."""

    filled: int
    total: int
    missing: tuple[DisclosureField, ...]


def completeness(is_filled: Mapping[str, bool], *, needs_operator: bool = True) -> Completeness:
    """The meter of a profile.

    Args:
        is_filled: by key of DISCLOSURE_FIELDS; what is not named is missing.
        needs_operator: a private institution runs itself.
    """
    fields = [field for field in DISCLOSURE_FIELDS if needs_operator or field.key != "operator_name"]
    missing = tuple(field for field in fields if not is_filled.get(field.key, False))
    return Completeness(len(fields) - len(missing), len(fields), missing)


def all_filled(values: Iterable[object]) -> bool:
    """None of them is unstated."""
    return all(value is not None and value != "" for value in values)
