"""The tree of statutory divisions (区划), and the reporting units that lie across it.

A division is known by its 12-digit text code (2+2+2+3+3 digits: province, city, county, town, village). A name alone
never identifies one: the city has two 海滨街道 and two 附城镇. Reporting units (湛江经开区, 奋勇高新区) are no
divisions: they are lists of towns in other counties, with short codes of their own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from huiyang.reference import reference_file


class DivisionLevel(StrEnum):
    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    TOWN = "town"
    VILLAGE = "village"

    @property
    def prefix_digits(self) -> int:
        """How many leading digits of the code a division of this level shares with all below it."""
        return _PREFIX_DIGITS[self]


_PREFIX_DIGITS = {
    DivisionLevel.PROVINCE: 2,
    DivisionLevel.CITY: 4,
    DivisionLevel.COUNTY: 6,
    DivisionLevel.TOWN: 9,
    DivisionLevel.VILLAGE: 12,
}
_CODE_DIGITS = 12


def division_level(code: str) -> DivisionLevel:
    """The level that the form of a code says.

    Raises:
        ValueError: not 12 digits, or a gap (a town of no county).
    """
    if len(code) != _CODE_DIGITS or not (code.isascii() and code.isdigit()):
        raise ValueError(f"not a division code: {code!r}")
    segments = [code[:2], code[2:4], code[4:6], code[6:9], code[9:]]
    filled = [int(segment) > 0 for segment in segments]
    depth = sum(filled)
    if depth == 0 or not all(filled[:depth]):
        raise ValueError(f"not a division code: {code!r}")
    return list(DivisionLevel)[depth - 1]


def ancestor_at(code: str, level: DivisionLevel) -> str | None:
    """The code of the division at `level` that `code` is or lies in; None where `code` is above that level."""
    own = division_level(code)
    if own.prefix_digits < level.prefix_digits:
        return None
    return code[: level.prefix_digits].ljust(_CODE_DIGITS, "0")


def county_of(code: str) -> str | None:
    """The county that `code` is or lies in; None for a city or province."""
    return ancestor_at(code, DivisionLevel.COUNTY)


def town_of(code: str) -> str | None:
    """The town that `code` is or lies in; None for a county and above."""
    return ancestor_at(code, DivisionLevel.TOWN)


def parent_of(code: str) -> str | None:
    """The division one level up; None for a province."""
    levels = list(DivisionLevel)
    above = levels.index(division_level(code)) - 1
    return ancestor_at(code, levels[above]) if above >= 0 else None


def ancestors_of(code: str) -> list[str]:
    """From the parent up to the province."""
    parent = parent_of(code)
    return [] if parent is None else [parent, *ancestors_of(parent)]


def subtree_range(code: str) -> tuple[str, str]:
    """(lo, hi): a 12-digit code lies in the subtree of `code` if lo <= code < hi as text.

    `440802000000` → (`440802`, `440803`). Text ranges keep their index under row-level security, where LIKE does not.
    """
    prefix = code[: division_level(code).prefix_digits]
    return prefix, f"{int(prefix) + 1:0{len(prefix)}d}"


@dataclass(frozen=True)
class Division:
    """One row of `ref_division.csv`.

    Attributes:
        full_name: from the city down, 湛江市赤坎区寸金街道.
        is_pseudo: a statistical unit (开发区, 农场生活区) without an administration of its own.
    """

    code: str
    name: str
    full_name: str
    level: DivisionLevel
    parent_code: str | None
    is_pseudo: bool


@dataclass(frozen=True)
class ReportingUnit:
    """An overlay unit and the towns that belong to it."""

    code: str
    name: str
    town_codes: tuple[str, ...]


class DivisionTree:
    """Divisions by code, with their relations."""

    def __init__(self, divisions: Iterable[Division], reporting_units: Iterable[ReportingUnit]) -> None:
        self._divisions = {division.code: division for division in divisions}
        self.reporting_units = tuple(reporting_units)
        self._children: dict[str | None, list[Division]] = {}
        for division in self._divisions.values():
            self._children.setdefault(division.parent_code, []).append(division)
        self._units_of_town: dict[str, list[ReportingUnit]] = {}
        for unit in self.reporting_units:
            for town_code in unit.town_codes:
                self._units_of_town.setdefault(town_code, []).append(unit)

    def __contains__(self, code: object) -> bool:
        return code in self._divisions

    def __getitem__(self, code: str) -> Division:
        return self._divisions[code]

    def __iter__(self) -> Iterator[Division]:
        return iter(self._divisions.values())

    def __len__(self) -> int:
        return len(self._divisions)

    @property
    def root(self) -> Division:
        """The city."""
        return self._children[None][0]

    def children(self, code: str) -> list[Division]:
        """One level down, by code."""
        return list(self._children.get(code, []))

    def at_level(self, level: DivisionLevel, within: str | None = None) -> list[Division]:
        """All divisions of a level, by code; `within` limits them to one subtree."""
        lo, hi = subtree_range(within or self.root.code)
        return [d for d in self._divisions.values() if d.level is level and lo <= d.code < hi]

    def find(self, name: str, within: str | None = None) -> list[Division]:
        """Every division of that name, by code; more than one is normal. `within` limits them to one subtree."""
        lo, hi = subtree_range(within or self.root.code)
        return [d for d in self._divisions.values() if d.name == name and lo <= d.code < hi]

    def reporting_units_of(self, code: str) -> list[ReportingUnit]:
        """The overlay units that a town, or a village by its town, belongs to; empty above the town level."""
        town_code = town_of(code)
        return list(self._units_of_town.get(town_code, [])) if town_code else []


@cache
def division_tree() -> DivisionTree:
    """The tree of the reference data, read once."""
    with reference_file("ref_division").open(encoding="utf-8", newline="") as handle:
        divisions = [
            Division(
                code=row["division_code"],
                name=row["name"],
                full_name=row["full_name"],
                level=DivisionLevel(row["level"]),
                parent_code=row["parent_code"] or None,
                is_pseudo=row["is_pseudo"] == "true",
            )
            for row in csv.DictReader(handle)
        ]
    members: dict[str, list[str]] = {}
    with reference_file("ref_reporting_unit_division").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            members.setdefault(row["unit_code"], []).append(row["division_code"])
    with reference_file("ref_reporting_unit").open(encoding="utf-8", newline="") as handle:
        units = [
            ReportingUnit(row["unit_code"], row["name"], tuple(members[row["unit_code"]]))
            for row in csv.DictReader(handle)
        ]
    return DivisionTree(divisions, units)
