"""Who is subsidised for home service, on what ground and since when; the list of entitlements (`butie.csv`)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from migration.sample.calendar import LAST_DAY, days_of
from migration.sample.columns import Column, day, join, number, pick, repeat, replaced, values_at, where
from migration.sample.dirt import Truth, choose
from migration.sample.elder_tables import ElderRows
from migration.sample.family_beds import FamilyBeds
from migration.sample.files import CsvFile
from migration.sample.places import Places
from migration.sample.population import DIBAO, DIBIAN, TEKUN, YOUFU, Population

FILE = "butie.csv"
COLUMNS = ("BTBH", "LRBH", "LRXM", "BTLB", "BZED", "YXQS", "YXQZ", "ZT", "SHDW", "SHRQ", "DEL_FLAG")
#: Grounds beside the object categories 1–4 (old platform's code).
AGED, FAMILY_BED = 6, 7
IN_FORCE, STOPPED, EXPIRED = 1, 2, 3
AGED_FROM = 80

_NEVER = np.datetime64("NaT", "D")
_FIRST_GRANTED = np.datetime64("2023-01-01")
#: Share of an order's amount that the subsidy pays, and yuan a month where nobody needs more, by ground.
_SHARES = {TEKUN: 1.0, DIBAO: 1.0, DIBIAN: 0.5, YOUFU: 0.3, AGED: 0.2, FAMILY_BED: 0.5}
_AMOUNTS = {TEKUN: 600, DIBAO: 300, DIBIAN: 200, YOUFU: 100, AGED: 60, FAMILY_BED: 300}
#: An amount is granted in steps of so many yuan.
_STEP = 100
#: Reviewed every year; the others last as long as their ground.
_YEARLY = (DIBAO, DIBIAN, FAMILY_BED)
_UNKNOWN_ELDER = 91_000_000


@dataclass(frozen=True)
class Grounds:
    """Why each person is subsidised, and when. Arrays over persons.

    Attributes:
        category: an object category that is subsidised, 0 where none.
        aged_from: eightieth birthday.
        bed_from, bed_until: first day of a family bed and the first day no longer; NaT where none, or where it is open.
    """

    category: np.ndarray
    aged_from: np.ndarray
    bed_from: np.ndarray
    bed_until: np.ndarray

    def share_on(self, person: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Share of the amount that the subsidy pays for a person's service on a day, 0 to 1."""
        by_category = np.zeros(10)
        for category in (TEKUN, DIBAO, DIBIAN, YOUFU):
            by_category[category] = _SHARES[category]
        has_bed = (self.bed_from[person] <= days) & ~(self.bed_until[person] <= days)
        is_aged = self.aged_from[person] <= days
        other = np.where(has_bed, _SHARES[FAMILY_BED], np.where(is_aged, _SHARES[AGED], 0.0))
        return np.maximum(by_category[self.category[person]], other)


def make_grounds(population: Population, beds: FamilyBeds) -> Grounds:
    """The grounds of everyone on file."""
    bed_from, bed_until = np.full(population.count, _NEVER), np.full(population.count, _NEVER)
    opened = np.flatnonzero(~np.isnat(beds.opened))
    bed_from[beds.person[opened]], bed_until[beds.person[opened]] = beds.opened[opened], beds.closed[opened]
    supported = np.isin(population.category, (TEKUN, DIBAO, DIBIAN, YOUFU))
    category = np.where(supported, population.category, 0)
    return Grounds(category, population.birthday(AGED_FROM), bed_from, bed_until)


@dataclass
class Entitlements:
    """Arrays over entitlements, in the order of being granted.

    Attributes:
        person: position in `Population`.
        ground: object category, `AGED` or `FAMILY_BED`.
        first, last: days it holds, both included; `last` is NaT where it has no end.
        amount: yuan a month.
    """

    person: np.ndarray
    ground: np.ndarray
    first: np.ndarray
    last: np.ndarray
    amount: np.ndarray

    @property
    def count(self) -> int:
        return len(self.person)

    def take(self, positions: np.ndarray) -> Entitlements:
        """The entitlements at `positions`."""
        return Entitlements(**{f.name: getattr(self, f.name)[positions] for f in fields(self)})


@dataclass(frozen=True)
class Used:
    """What was paid for whom: arrays over the subsidised services that took place.

    Attributes:
        day: of the service.
        yuan: the subsidy.
    """

    person: np.ndarray
    day: np.ndarray
    yuan: np.ndarray


def make_entitlements(
    population: Population, grounds: Grounds, at_home: np.ndarray, used: Used, random: np.random.Generator
) -> Entitlements:
    """Everyone at home who has a ground has an entitlement on each day that the ground holds, and never two at once.

    An object category goes before the others. Who has a family bed is entitled by it while it is open, by age before
    and after. The amount covers what was used in every month.

    Args:
        at_home: per person; the others live in an institution or did.
        used: see `Used`.
    """
    granted = np.maximum(population.registered + random.integers(0, 11, population.count), _FIRST_GRANTED)
    gone = np.where(np.isnat(population.died), population.moved, population.died)
    is_plain = (grounds.category == 0) & at_home
    has_bed = ~np.isnat(grounds.bed_from)
    never = np.full(population.count, _NEVER)
    aged, by_bed = np.full(population.count, AGED), np.full(population.count, FAMILY_BED)
    of_age = np.maximum(grounds.aged_from, granted)
    bed_ended = ~np.isnat(grounds.bed_until)
    #: Who, on what ground, from when, until when: per person.
    parts = [
        ((grounds.category > 0) & at_home, grounds.category, granted, never),
        (is_plain & has_bed, by_bed, grounds.bed_from, grounds.bed_until - 1),
        (is_plain & has_bed, aged, of_age, grounds.bed_from - 1),
        (is_plain & bed_ended, aged, np.maximum(grounds.aged_from, grounds.bed_until), never),
        (is_plain & ~has_bed, aged, of_age, never),
    ]
    person = np.concatenate([np.flatnonzero(who) for who, *_ in parts])
    ground = np.concatenate([why[who] for who, why, _, _ in parts])
    first = np.concatenate([since[who] for who, _, since, _ in parts])
    last = np.concatenate([until[who] for who, _, _, until in parts])
    last = np.where(np.isnat(last), _next_review(ground, first), last)
    last = np.fmin(last, gone[person])
    made = np.flatnonzero((first <= LAST_DAY) & ~(last < first))
    person, ground, first, last = person[made], ground[made], first[made], last[made]
    base = np.zeros(10, dtype=np.int64)
    base[list(_AMOUNTS)] = list(_AMOUNTS.values())
    largest = _largest_month(used, population.count)[person]
    in_steps = -(-largest // _STEP).astype(np.int64) * _STEP
    amount = np.where(largest <= base[ground], base[ground], in_steps)
    order = np.lexsort((person, first))
    return Entitlements(person, ground, first, last, amount).take(order)


def _next_review(ground: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The last day before the yearly review that comes next after the export; NaT where none is held."""
    months = first.astype("datetime64[M]")
    day_of_month = np.minimum((first - months).astype(int), 27)
    years = (LAST_DAY.astype("datetime64[M]") - months).astype(int) // 12 + 1
    review = (months + years * 12).astype("datetime64[D]") + day_of_month
    review = np.where(review > LAST_DAY + 1, review, review + 366)
    return np.where(np.isin(ground, _YEARLY), review - 1, _NEVER)


def _largest_month(used: Used, persons: int) -> np.ndarray:
    """Yuan that each person used in the month in which it was most."""
    months = used.day.astype("datetime64[M]").astype(np.int64)
    keys, position = np.unique(used.person * 4096 + months, return_inverse=True)
    largest = np.zeros(persons)
    np.maximum.at(largest, keys // 4096, np.bincount(position, weights=used.yuan, minlength=len(keys)))
    return largest


def write_entitlements(
    directory: Path,
    entitlements: Entitlements,
    used: Used,
    population: Population,
    places: Places,
    rows: ElderRows,
    truth: Truth,
    random: np.random.Generator,
) -> int:
    """Writes `butie.csv`; its rows."""
    keys = join("BT", number(np.arange(1, entitlements.count + 1), 8))
    elder_row = rows.original[entitlements.person]
    last = entitlements.last.copy()
    once = np.bincount(entitlements.person, minlength=population.count)[entitlements.person] == 1
    recipients = np.unique(used.person)
    holder = np.full(population.count, -1)
    holder[entitlements.person] = np.arange(entitlements.count)
    candidates = holder[recipients[holder[recipients] >= 0]]
    candidates = np.sort(candidates[once[candidates]])

    missing = choose("entitlement_missing", candidates, random, of=len(recipients))
    candidates = np.setdiff1d(candidates, missing, assume_unique=True)
    numbers = rows.numbers_of(entitlements.person)
    truth.add("entitlement_missing", FILE, "", "LRBH", values_at(numbers, missing), values_at(keys, missing))

    middle = _middle_service(used, entitlements, candidates)
    candidates = candidates[~np.isnat(middle)]
    middle = middle[~np.isnat(middle)]
    expired = choose("entitlement_expired", candidates, random, of=len(recipients))
    originals = values_at(day(last), expired)
    last[expired] = middle[np.searchsorted(candidates, expired)] - 1
    truth.add("entitlement_expired", FILE, "", "YXQZ", values_at(keys, expired), originals)

    untouched = np.setdiff1d(np.arange(entitlements.count), np.concatenate([missing, expired]))
    twice = (rows.duplicate[entitlements.person] >= 0) & ~(last <= LAST_DAY)
    doubled = choose("entitlement_double", untouched[twice[untouched]], random, of=entitlements.count)
    untouched = np.setdiff1d(untouched, doubled, assume_unique=True)
    is_used = np.isin(entitlements.person, recipients)
    strangers = choose("entitlement_elder_unknown", untouched[~is_used[untouched]], random, of=entitlements.count)

    shown = np.setdiff1d(np.arange(entitlements.count), missing, assume_unique=True)
    written = np.concatenate([shown, doubled])
    is_second = np.arange(len(written)) >= len(shown)
    duplicate = rows.duplicate[entitlements.person[doubled]]
    elder_row, first = elder_row[written], entitlements.first[written]
    elder_row[is_second] = duplicate
    first[is_second] = np.maximum(first[is_second], days_of(rows.created[duplicate]))
    last = last[written]
    numbers = rows.number.take(pa.array(elder_row))
    lost = np.searchsorted(shown, strangers)
    truth.add("entitlement_elder_unknown", FILE, "", "LRBH", values_at(keys, strangers), values_at(numbers, lost))
    numbers = replaced(numbers, lost, [f"LR440802{_UNKNOWN_ELDER + n:08d}" for n in range(len(lost))])
    second_keys = join("BT", number(np.arange(1, len(doubled) + 1) + entitlements.count, 8))
    truth.add(
        "entitlement_double",
        FILE,
        "",
        "LRBH",
        second_keys.to_pylist(),
        values_at(rows.numbers_of(entitlements.person), doubled),
        values_at(keys, doubled),
    )
    return _write(
        directory,
        entitlements.take(written),
        pa.concat_arrays([keys.take(pa.array(shown)), second_keys]),
        numbers,
        first,
        last,
        population,
        places,
        random,
    )


def _middle_service(used: Used, entitlements: Entitlements, candidates: np.ndarray) -> np.ndarray:
    """The day of the middle one of each candidate's subsidised services after the first month of the entitlement;
    NaT where there are fewer than three of them."""
    result = np.full(len(candidates), _NEVER)
    order = np.lexsort((used.day, used.person))
    person, days = used.person[order], used.day[order]
    holders = entitlements.person[candidates]
    start, stop = np.searchsorted(person, holders), np.searchsorted(person, holders, side="right")
    enough = stop - start >= 3
    middle = days[((start + stop) // 2)[enough]]
    result[enough] = np.where(middle > entitlements.first[candidates[enough]] + 30, middle, _NEVER)
    return result


def _write(
    directory: Path,
    entitlements: Entitlements,
    keys: Column,
    numbers: Column,
    first: np.ndarray,
    last: np.ndarray,
    population: Population,
    places: Places,
    random: np.random.Generator,
) -> int:
    count, person = entitlements.count, entitlements.person
    gone = population.status[person] > 0
    status = np.where(last <= LAST_DAY, np.where(gone, STOPPED, EXPIRED), IN_FORCE)
    slashes = random.random(count) < 0.12
    with_unit = random.random(count) < 0.08
    amounts = number(entitlements.amount)
    with CsvFile(directory / FILE, COLUMNS) as target:
        target.write(
            {
                "BTBH": keys,
                "LRBH": numbers,
                "LRXM": population.names.take(pa.array(person)),
                "BTLB": number(entitlements.ground),
                "BZED": where(with_unit, join(amounts, "元/月"), join(amounts, ".00")),
                "YXQS": where(slashes, day(first, "%Y/{m}/{d}"), day(first)),
                "YXQZ": where(slashes, day(last, "%Y/{m}/{d}"), day(last)),
                "ZT": number(status),
                "SHDW": join(pick(places.county_names, population.county[person]), "民政局"),
                "SHRQ": day(first - random.integers(0, 15, count)),
                "DEL_FLAG": repeat("0", count),
            }
        )
        return target.rows
