"""The search form of a list: which conditions there are, how they are typed, what a request asks for.

A condition that is personal data (name, ID number, phone) never stands in an address: the form is posted, its
personal values are sealed, and the list is shown under an address that carries the sealed text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

from starlette.requests import Request

from huiyang.divisions import Division, DivisionLevel, division_tree
from operational_app.core.base import Code
from operational_app.core.row_security import ScopeSetting
from operational_app.web.services import actor, services

SEALED_PARAMETER = "find"
_LONGEST_TEXT = 50


@dataclass(frozen=True)
class Filter:
    """One condition. `kind` names its template part (`filters/<kind>.html`)."""

    name: str
    label: str
    kind: ClassVar[str] = ""

    def names(self) -> tuple[str, ...]:
        """The form fields that it consists of."""
        return (self.name,)

    def parse(self, given: Mapping[str, str]) -> Any:
        """The value from non-empty texts of its fields; None where it is not set.

        Raises:
            ValueError: what is wrong, in Chinese.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class TextFilter(Filter):
    """A text; `check` may refuse it. Personal texts are sealed."""

    placeholder: str = ""
    is_personal: bool = False
    check: Callable[[str], None] | None = None
    kind: ClassVar[str] = "text"

    def parse(self, given: Mapping[str, str]) -> str | None:
        value = given.get(self.name, "").strip()
        if not value:
            return None
        if len(value) > _LONGEST_TEXT:
            raise ValueError(f"{self.label}过长")
        if self.check:
            self.check(value)
        return value


@dataclass(frozen=True)
class ChoiceFilter(Filter):
    """One of a closed list of (value, label)."""

    choices: tuple[tuple[str, str], ...] = ()
    kind: ClassVar[str] = "choice"

    def parse(self, given: Mapping[str, str]) -> str | None:
        value = given.get(self.name)
        if not value:
            return None
        if value not in {choice for choice, _ in self.choices}:
            raise ValueError(f"{self.label}：没有这个选项")
        return value


def code_filter(name: str, label: str, code: type[Code]) -> ChoiceFilter:
    """A choice among the members of a closed list."""
    return ChoiceFilter(name, label, tuple((member.value, member.label) for member in code))


@dataclass(frozen=True)
class NumberRangeFilter(Filter):
    """Two whole numbers, either may be open; value (from, to)."""

    lowest: int = 0
    highest: int = 150
    unit: str = ""
    kind: ClassVar[str] = "number_range"

    def names(self) -> tuple[str, ...]:
        return (f"{self.name}_from", f"{self.name}_to")

    def parse(self, given: Mapping[str, str]) -> tuple[int | None, int | None] | None:
        first, last = (self._number(given.get(name)) for name in self.names())
        if first is None and last is None:
            return None
        if first is not None and last is not None and first > last:
            raise ValueError(f"{self.label}：起始值大于结束值")
        return first, last

    def _number(self, text: str | None) -> int | None:
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and self.lowest <= int(text) <= self.highest):
            raise ValueError(f"{self.label}应为 {self.lowest}–{self.highest} 的整数")
        return int(text)


@dataclass(frozen=True)
class DateRangeFilter(Filter):
    """Two days, both included, either may be open; value (from, to)."""

    kind: ClassVar[str] = "date_range"

    def names(self) -> tuple[str, ...]:
        return (f"{self.name}_from", f"{self.name}_to")

    def parse(self, given: Mapping[str, str]) -> tuple[date | None, date | None] | None:
        first, last = (self._day(given.get(name)) for name in self.names())
        if first is None and last is None:
            return None
        if first is not None and last is not None and first > last:
            raise ValueError(f"{self.label}：开始日期晚于结束日期")
        return first, last

    def _day(self, text: str | None) -> date | None:
        if not text:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{self.label}：日期无效") from None


@dataclass(frozen=True)
class DivisionFilter(Filter):
    """County, town, village, each choosing among the ones below the one before; value: the lowest one's code."""

    kind: ClassVar[str] = "division"

    def names(self) -> tuple[str, ...]:
        return ("county", "town", "village")

    def parse(self, given: Mapping[str, str]) -> str | None:
        code = None
        for name in self.names():
            code = given.get(name) or code
        if code is not None and code not in division_tree():
            raise ValueError(f"{self.label}：没有这个区划")
        return code


@dataclass(frozen=True)
class FilterValues:
    """What a request asks for.

    Attributes:
        raw: texts as typed, by form field, to show the form again.
        values: parsed, by filter name; what is not set is not there.
        errors: what cannot be understood, in Chinese.
    """

    raw: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def is_set(self) -> bool:
        return bool(self.values)


def parse_filters(filters: Sequence[Filter], given: Mapping[str, str]) -> FilterValues:
    """Parses each filter; one that fails is reported and left out."""
    found = FilterValues(raw={name: given[name] for f in filters for name in f.names() if given.get(name)})
    for f in filters:
        try:
            value = f.parse(found.raw)
        except ValueError as error:
            found.errors.append(str(error))
            continue
        if value is not None:
            found.values[f.name] = value
    return found


def read_filters(filters: Sequence[Filter], request: Request) -> FilterValues:
    """What the address of a list says, the sealed terms included."""
    given = {name: value for name, value in request.query_params.items() if name not in personal_names(filters)}
    sealed = request.query_params.get(SEALED_PARAMETER)
    terms = services(request).seal.open(sealed, actor(request).session_id) if sealed else {}
    found = parse_filters(filters, given | (terms or {}))
    if terms is None:
        found.errors.append("检索条件已失效，请重新输入")
    return found


def query_of(filters: Sequence[Filter], given: Mapping[str, str], request: Request) -> dict[str, str]:
    """Query parameters of the list for a posted form: personal terms sealed, the rest plain."""
    personal = personal_names(filters)
    filled = {name: given[name].strip() for f in filters for name in f.names() if given.get(name, "").strip()}
    query = {name: value for name, value in filled.items() if name not in personal}
    terms = {name: value for name, value in filled.items() if name in personal}
    if terms:
        query[SEALED_PARAMETER] = services(request).seal.seal(terms, actor(request).session_id)
    return query


def personal_names(filters: Sequence[Filter]) -> set[str]:
    return {f.name for f in filters if isinstance(f, TextFilter) and f.is_personal}


def divisions_in_scope(scope: ScopeSetting | None, divisions: Sequence[Division]) -> list[Division]:
    """Those of the divisions that lie in the scope or hold a part of it; all for an organization's people, for the
    administrators of accounts, and without a scope."""
    if scope is None or scope.all_accounts:
        return list(divisions)
    if scope.division_lo is None or scope.division_hi is None:
        return list(divisions) if scope.organization_id is not None else []
    lo, hi, towns = scope.division_lo, scope.division_hi, scope.towns
    found = []
    for division in divisions:
        prefix = division.code[: division.level.prefix_digits]
        if towns:
            if any(town.startswith(prefix) or prefix.startswith(town) for town in towns):
                found.append(division)
        elif lo <= division.code < hi or lo.startswith(prefix):
            found.append(division)
    return found


def division_choices(scope: ScopeSetting | None, raw: Mapping[str, str]) -> dict[str, list[Division]]:
    """Options of the three selects, given what is chosen above each; without a scope, of the whole city."""
    tree = division_tree()
    choices = {"county": divisions_in_scope(scope, tree.at_level(DivisionLevel.COUNTY)), "town": [], "village": []}
    for above, below in (("county", "town"), ("town", "village")):
        code = raw.get(above)
        if code and code in tree:
            choices[below] = divisions_in_scope(scope, tree.children(code))
    return choices
