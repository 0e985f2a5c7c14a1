"""Which institutions may be one and the same, and why: pure, over plain values.

What is compared: names without place and kind, the subject part of the credit code (GB 32100: characters 9 to 17, the
organization's own number, which stays when it registers anew), address, phone, position.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations, product

from huiyang.geodesy import distance_metres
from operational_app.core.base import Code

#: Two institutions so close may be one.
SAME_PLACE_METRES = 50
_COMMON_WORDS = re.compile(
    "湛江市?|赤坎区?|霞山区?|坡头区?|麻章区?|遂溪县?|徐闻县?|廉江市?|雷州市?|吴川市?|广东省?|养老服务|有限责任公司|有限公司|"
    "养老院|敬老院|福利院|护理院|养老中心|服务中心|中心|老年公寓|公寓|颐养院|[（）()\\s]"
)
_PLACE = re.compile("^(广东省)?(湛江市)?(赤坎区|霞山区|坡头区|麻章区|遂溪县|徐闻县|廉江市|雷州市|吴川市)?")
_SIMILAR = 0.8
_GRAM = "gram"
#: More than SAME_PLACE_METRES north to south anywhere, and east to west below 25° north: the city ends at 22°.
_CELL_DEGREES = 0.0005
#: The longest two names of which one can be alike to the other without two neighbouring characters in common.
_SHORT = 3


class Likeness(Code):
    """What two institutions have in common."""

    NAME = "name", "名称相近"
    CREDIT_CODE = "credit_code", "信用代码中的主体标识码相同"
    ADDRESS = "address", "地址相同"
    PHONE = "phone", "联系电话相同"
    POSITION = "position", "位置相近"


@dataclass(frozen=True)
class Candidate:
    """One institution as it is compared.

    Attributes:
        key: id of its organization; institution_id: of its disclosure profile.
        county_code: only institutions of one county are compared; None is compared with nobody.
        phone: as dialled, without spaces. position_wgs84: (longitude, latitude) in degrees.
    """

    key: int
    institution_id: int
    name: str
    county_code: str | None
    credit_code: str | None = None
    address: str | None = None
    phone: str | None = None
    position_wgs84: tuple[float, float] | None = None


@dataclass(frozen=True)
class Doubt:
    """Why two institutions may be one.

    Attributes:
        likenesses: in the order of Likeness. metres: between them, where that is a reason.
    """

    one: Candidate
    other: Candidate
    likenesses: tuple[Likeness, ...]
    metres: float | None = None

    @property
    def why(self) -> str:
        apart = "" if self.metres is None else f"相距 {self.metres:.0f} 米"
        return "，".join(apart if like is Likeness.POSITION else like.label for like in self.likenesses)

    @property
    def pair(self) -> tuple[int, int]:
        """Keys of both, the smaller one first."""
        return min(self.one.key, self.other.key), max(self.one.key, self.other.key)


@dataclass(frozen=True)
class _Name:
    """A name as it is compared: what is left without place and kind, and its characters, each with its how-manieth."""

    core: str
    characters: frozenset[tuple[str, int]]


@dataclass(frozen=True)
class _Compared:
    """A candidate with what is compared, made once."""

    it: Candidate
    name: _Name
    subject: str | None
    place: str | None


def _name_of(name: str) -> _Name:
    core, counts = _COMMON_WORDS.sub("", name), Counter[str]()
    characters = []
    for character in core:
        counts[character] += 1
        characters.append((character, counts[character]))
    return _Name(core, frozenset(characters))


def looks_alike(one: str, other: str) -> bool:
    """Two names that may be one institution: what is left without place and kind is equal or nearly so."""
    return one == other or _alike(_name_of(one), _name_of(other))


def _may_be_alike(one: _Name, other: _Name) -> bool:
    """Whatever their order, no more than the common characters can match."""
    return 2.0 * len(one.characters & other.characters) >= _SIMILAR * (len(one.core) + len(other.core))


def _alike(one: _Name, other: _Name) -> bool:
    if not one.core or not other.core or not _may_be_alike(one, other):
        return False
    left, right = sorted((one.core, other.core))  # the matcher's answer depends on the order
    return left == right or SequenceMatcher(None, left, right).ratio() >= _SIMILAR


def subject_code(credit_code: str | None) -> str | None:
    """主体标识码, characters 9 to 17 of a credit code."""
    return credit_code[8:17] if credit_code is not None and len(credit_code) == 18 else None


def address_key(address: str | None) -> str | None:
    """An address as it is compared; None without a number of a house: a village alone is no address."""
    text = re.sub(r"[\s,，。、]", "", unicodedata.normalize("NFKC", address or ""))
    text = _PLACE.sub("", text)
    return text if re.search(r"\d", text) else None


def doubt_of(one: Candidate, other: Candidate) -> Doubt | None:
    """Why two institutions may be one; None where nothing says so."""
    return _doubt_of(_compared(one), _compared(other))


def _compared(it: Candidate) -> _Compared:
    return _Compared(it, _name_of(it.name), subject_code(it.credit_code), address_key(it.address))


def _doubt_of(left: _Compared, right: _Compared) -> Doubt | None:
    one, other = left.it, right.it
    if one.key == other.key or one.county_code is None or one.county_code != other.county_code:
        return None
    found: list[Likeness] = []
    if one.name == other.name or _alike(left.name, right.name):
        found.append(Likeness.NAME)
    for likeness, mine, theirs in (
        (Likeness.CREDIT_CODE, left.subject, right.subject),
        (Likeness.ADDRESS, left.place, right.place),
        (Likeness.PHONE, one.phone, other.phone),
    ):
        if mine is not None and mine == theirs:
            found.append(likeness)
    metres = _metres_within(one.position_wgs84, other.position_wgs84)
    if metres is not None:
        found.append(Likeness.POSITION)
    return Doubt(one, other, tuple(found), metres) if found else None


def _metres_within(one: tuple[float, float] | None, other: tuple[float, float] | None) -> float | None:
    """How far apart two places are; None where that is more than SAME_PLACE_METRES, or unknown."""
    if one is None or other is None or any(abs(a - b) > _CELL_DEGREES for a, b in zip(one, other, strict=True)):
        return None
    metres = float(distance_metres(*one, *other))
    return metres if metres <= SAME_PLACE_METRES else None


def doubts_among(candidates: Sequence[Candidate]) -> list[Doubt]:
    """Every pair of candidates that may be one, by county and in their order.

    Only those are compared that share a block (some of a name's neighbouring characters, a code, an address, a phone,
    a place): the answer is that of comparing each with each. Two names that are alike (2 × matches ÷ lengths ≥ 0.8)
    leave at most a fifth of their characters unmatched, each of which ends at most one run of matches; beyond five
    characters together, one run is therefore two long.
    """
    compared = [_compared(candidate) for candidate in candidates]
    blocks: dict[tuple[str, tuple[Hashable, ...]], list[int]] = defaultdict(list)
    for number, it in enumerate(compared):
        if it.it.county_code is not None:
            for block in _blocks(it):
                blocks[it.it.county_code, block].append(number)
    pairs: set[tuple[int, int]] = set()
    for (_, (kind, *_)), numbers in blocks.items():
        found = combinations(numbers, 2)
        if kind == _GRAM:  # many share the characters of their town: most of these pairs end here
            names = {number: compared[number].name for number in numbers}
            pairs.update(pair for pair in found if _may_be_alike(names[pair[0]], names[pair[1]]))
        else:
            pairs.update(found)
    ordered = sorted(pairs, key=lambda pair: (compared[pair[0]].it.county_code or "", pair))
    return [doubt for one, other in ordered if (doubt := _doubt_of(compared[one], compared[other])) is not None]


def _blocks(it: _Compared) -> Iterator[tuple[Hashable, ...]]:
    yield "name", it.it.name
    grams = {it.name.core[n : n + 2] for n in range(len(it.name.core) - 1)}
    if len(it.name.core) <= _SHORT:
        grams |= set(it.name.core)
    for gram in grams:
        yield _GRAM, gram
    for likeness, value in (
        (Likeness.CREDIT_CODE, it.subject),
        (Likeness.ADDRESS, it.place),
        (Likeness.PHONE, it.it.phone),
    ):
        if value is not None:
            yield likeness, value
    if it.it.position_wgs84 is not None:
        # Its own cell and the next ones: two places less than a cell apart share at least one.
        column, row = (int(degrees // _CELL_DEGREES) for degrees in it.it.position_wgs84)
        for block in product((column, column + 1), (row, row + 1)):
            yield Likeness.POSITION, block
