"""Home service: orders, tracks and evaluations (`gongdan.csv`, `guiji.csv`, `pingjia.csv`).

Orders come from weekly plans: a worker has fixed places in the week, each filled by one recipient after another for
some months. So the same worker sees the same people again and again, and is never in two places at once, but where the
dirt says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from huiyang.geodesy import wgs84_to_gcj02
from migration.sample.calendar import (
    FIRST_DAY,
    LAST_DAY,
    days_of,
    demand,
    office_seconds,
    seconds_of,
)
from migration.sample.catalogue import ITEMS, PER_HOUR, item_codes
from migration.sample.columns import (
    Column,
    day,
    decimal,
    join,
    moment,
    number,
    pick,
    repeat,
    replaced,
    values_at,
    where,
)
from migration.sample.dirt import Truth, choose
from migration.sample.elder_tables import ElderRows
from migration.sample.files import CsvFile
from migration.sample.organizations import OPERATOR, Providers, Workers
from migration.sample.places import Places
from migration.sample.population import ALONE, DECEASED, LIVING, ORDINARY, Population
from migration.sample.subsidies import Grounds
from migration.sample.volumes import Volumes

ORDER_FILE, TRACK_FILE, EVALUATION_FILE = "gongdan.csv", "guiji.csv", "pingjia.csv"

#: Order status (old platform's code).
WAITING, ASSIGNED, ACCEPTED, IN_SERVICE, DONE, RATED, CANCELLED, RETURNED, VOID = 10, 20, 30, 40, 50, 51, 60, 61, 90
#: Order source (old platform's code).
FROM_OPERATOR, FROM_PROVIDER, FROM_FAMILY, FROM_PLAN, FROM_SCAN, FROM_FAMILY_BED = 1, 2, 3, 4, 5, 6

_FIRST_MONDAY = np.datetime64("2023-10-30")
_WEEKS = 157
#: Places in a day: minute of its start, and the longest visit in minutes that leaves time to get to the next.
_DAY_STARTS = np.array([480, 585, 675, 870, 975])
_DAY_LONGEST = np.array([60, 52, 60, 62, 90])
_WEEKDAY_WEIGHTS = np.array([1.0, 1.0, 1.0, 1.0, 0.95, 0.45, 0.22])
_PLAN_WEEKS = 26
_COPY_SHARE = 0.35
_LEAVING_SHARE = 0.12
_MEALS = np.array([item.category == "A01" for item in ITEMS])
_CHUNK = 200_000


@dataclass
class Orders:
    """Arrays over orders, in the order of their numbers.

    Attributes:
        person: position in `Population`; `elder_row` in `ElderRows` (of the original or the duplicate record).
        requested, scheduled, started, finished: seconds; the last two 0 where the visit did not happen.
        amount, subsidy: yuan.
        longitude, latitude: where the worker checked in, WGS-84.
        accuracy: metres.
        minutes: length of the visit.
    """

    person: np.ndarray
    elder_row: np.ndarray
    worker: np.ndarray
    item: np.ndarray
    source: np.ndarray
    status: np.ndarray
    requested: np.ndarray
    scheduled: np.ndarray
    started: np.ndarray
    finished: np.ndarray
    minutes: np.ndarray
    amount: np.ndarray
    subsidy: np.ndarray
    longitude: np.ndarray
    latitude: np.ndarray
    accuracy: np.ndarray

    @property
    def count(self) -> int:
        return len(self.person)

    @property
    def took_place(self) -> np.ndarray:
        """Positions of the orders whose visit ended."""
        return np.flatnonzero(self.finished > 0)

    def numbers(self) -> Column:
        """`DDBH`."""
        return join("GD", day(days_of(self.requested), "%Y%m%d"), number(np.arange(1, self.count + 1), 7))

    def take(self, positions: np.ndarray) -> Orders:
        """The orders at `positions`."""
        return Orders(**{f.name: getattr(self, f.name)[positions] for f in fields(self)})


# --- plans and visits ---


@dataclass(frozen=True)
class Visits:
    """The visits that take place: their plan, and the day of each. One order each."""

    plans: Plans
    plan: np.ndarray
    days: np.ndarray


def plan_visits(
    population: Population,
    places: Places,
    workers: Workers,
    volumes: Volumes,
    never_resident: np.ndarray,
    has_family_bed: np.ndarray,
    random: np.random.Generator,
) -> Visits:
    """As many visits as there shall be orders. Recipients get on file, and workers employed, before the first of them.

    Args:
        never_resident, has_family_bed: per person.
    """
    slots = round(volumes.orders / 72)
    while True:
        plans = _make_plans(slots, population, places, workers, never_resident, has_family_bed, random)
        plan, days = _take_place(plans, population, volumes.orders, random)
        if len(plan) >= volumes.orders:
            break
        slots = round(slots * 1.06 * volumes.orders / len(plan)) + 1
    keep = np.sort(random.choice(len(plan), volumes.orders, replace=False))
    plan, days = plan[keep], days[keep]
    first = np.full(population.count, np.datetime64("2100-01-01"))
    np.minimum.at(first, plans.person[plan], days)
    latest = first - random.integers(15, 120, population.count)
    population.registered = np.minimum(population.registered, latest)
    start, end = np.full(len(workers.code), LAST_DAY), np.full(len(workers.code), FIRST_DAY)
    np.minimum.at(start, plans.worker[plan], days)
    np.maximum.at(end, plans.worker[plan], days)
    workers.employed = start - random.integers(5, 400, len(start))
    left = end < LAST_DAY - 75
    workers.left[left] = end[left] + random.integers(1, 40, int(left.sum()))
    return Visits(plans, plan, days)


@dataclass(frozen=True)
class Plans:
    """Arrays over plans: who sees whom, when in the week, from which week to which (exclusive)."""

    person: np.ndarray
    worker: np.ndarray
    weekday: np.ndarray
    part_of_day: np.ndarray
    first_week: np.ndarray
    end_week: np.ndarray
    item: np.ndarray
    source: np.ndarray
    every: np.ndarray


def _make_plans(
    slots: int,
    population: Population,
    places: Places,
    workers: Workers,
    never_resident: np.ndarray,
    has_family_bed: np.ndarray,
    random: np.random.Generator,
) -> Plans:
    worker, weekday, part_of_day = _slots(slots, len(workers.code), random)
    first, end = _chains(worker, random)
    exists = first < np.minimum(end, _WEEKS)
    # A plan may serve the recipient of the worker's slot before it: several visits a week.
    same_worker = np.r_[False, worker[1:] == worker[:-1]]
    copied = exists & same_worker[:, None] & np.vstack([np.zeros((1, exists.shape[1]), bool), exists[:-1]])
    copied &= random.random(exists.shape) < _COPY_SHARE
    owner = np.where(copied, -1, np.arange(len(worker))[:, None])
    owner = np.maximum.accumulate(owner, axis=0)
    slot, place = np.nonzero(exists)
    base = owner[slot, place]
    keys, key_of = np.unique(base * exists.shape[1] + place, return_inverse=True)
    base_slot, base_place = np.divmod(keys, exists.shape[1])
    person_of_key = _recipients(
        workers.county[worker[base_slot]],
        workers.town[worker[base_slot]],
        first[base_slot, base_place],
        end[base_slot, base_place],
        population,
        places,
        never_resident,
        has_family_bed,
        random,
    )
    count = len(slot)
    weights = np.array([item.weight for item in ITEMS])
    any_item = random.choice(len(ITEMS), count, p=weights / weights.sum())
    meal = random.choice(len(ITEMS), count, p=weights * _MEALS / (weights * _MEALS).sum())
    at_noon = part_of_day[slot] == 2
    longest = _DAY_LONGEST[part_of_day[slot]]
    visit = next(n for n, item in enumerate(ITEMS) if item.name == "上门探访")
    too_long = np.array([item.shortest for item in ITEMS])[any_item] > longest - 5
    item = np.where(at_noon & (random.random(count) < 0.75), meal, np.where(too_long, visit, any_item))
    person = person_of_key[key_of]
    source = random.choice(
        np.array([FROM_PLAN, FROM_OPERATOR, FROM_PROVIDER, FROM_FAMILY, FROM_SCAN]),
        count,
        p=[0.62, 0.18, 0.1, 0.06, 0.04],
    )
    source = np.where(has_family_bed[person] & (random.random(count) < 0.8), FROM_FAMILY_BED, source)
    return Plans(
        person=person,
        worker=worker[slot],
        weekday=weekday[slot],
        part_of_day=part_of_day[slot],
        first_week=first[slot, place],
        end_week=np.minimum(end[slot, place], _WEEKS),
        item=item,
        source=source,
        every=random.choice(np.array([1, 2, 4]), count, p=[0.82, 0.14, 0.04]),
    )


def _slots(slots: int, workers: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Workers' places in the week: worker, weekday (Monday 0), part of the day; no worker has one twice."""
    share = random.gamma(3.0, 1.0, workers)
    each = np.minimum(np.maximum(1, np.rint(share / share.sum() * slots)).astype(int), 30)
    weights = np.log(np.repeat(_WEEKDAY_WEIGHTS, len(_DAY_STARTS)))
    keys = weights + random.gumbel(size=(workers, len(weights)))
    best = np.argsort(-keys, axis=1)
    taken = np.arange(len(weights)) < each[:, None]
    place = best[taken]
    return np.repeat(np.arange(workers), each), place // len(_DAY_STARTS), place % len(_DAY_STARTS)


def _chains(worker: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First and end week of each slot's plans, one after the other; some slots open later than the window.

    Some workers leave, and their slots end with them.
    """
    slots = len(worker)
    leaves = np.where(
        random.random(worker.max() + 1) < _LEAVING_SHARE, random.integers(20, 145, worker.max() + 1), _WEEKS
    )
    last = leaves[worker]
    opened = np.where(random.random(slots) < 0.42, -random.integers(0, 20, slots), random.integers(0, 150, slots))
    first, end = [], []
    current = opened
    while (current < _WEEKS).any():
        length = 6 + random.exponential(_PLAN_WEEKS, slots).astype(int)
        first.append(np.minimum(np.maximum(current, 0), last))
        end.append(np.minimum(current + length, last))
        current = current + length + random.exponential(3.0, slots).astype(int)
    return np.stack(first, axis=1), np.stack(end, axis=1)


def _recipients(
    county: np.ndarray,
    town: np.ndarray,
    first_week: np.ndarray,
    end_week: np.ndarray,
    population: Population,
    places: Places,
    never_resident: np.ndarray,
    has_family_bed: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Another person for each plan, in the worker's county and near the worker's town, rather those in need."""
    age = population.age_on(FIRST_DAY)
    weight = 1.0 + 9.0 * (population.category != ORDINARY) + 4.0 * (population.ability >= 2) + 2.0 * (age > 78)
    weight += 2.0 * (population.living == ALONE) + 12.0 * has_family_bed
    eligible = never_resident & (age > 61.5)
    result = np.zeros(len(county), dtype=np.int64)
    for position in range(len(places.county_codes)):
        plans = np.flatnonzero(county == position)
        here = eligible & (population.county == position)
        pool = np.flatnonzero(here & (population.status == LIVING))
        if len(plans) > len(pool):
            raise ValueError(f"{len(plans)} plans for {len(pool)} recipients")
        keys = np.log(weight[pool]) + random.gumbel(size=len(pool))
        chosen = pool[np.argsort(-keys)[: len(plans)]]
        chosen = chosen[np.argsort(population.village[chosen], kind="stable")]
        result[plans[np.argsort(town[plans], kind="stable")]] = chosen
        # A few recipients died while the plan ran.
        dead = np.flatnonzero(here & (population.status == DECEASED) & (population.died > FIRST_DAY + 60))
        weeks = (population.died[dead] - _FIRST_MONDAY).astype(int) // 7
        random.shuffle(plans)
        free = plans[: max(3, len(plans) // 20)]
        for person, week in zip(dead.tolist(), weeks.tolist(), strict=True):
            fits = np.flatnonzero((first_week[free] + 3 < week) & (week < end_week[free]))
            if len(fits):
                result[free[fits[0]]] = person
                free = np.delete(free, fits[0])
    return result


def _take_place(
    plans: Plans, population: Population, orders: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The visits that take place: plan and day. None after the recipient's death, but for the dirt."""
    lengths = plans.end_week - plans.first_week
    plan = np.repeat(np.arange(len(lengths)), lengths)
    nth = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    days = _FIRST_MONDAY + (plans.first_week[plan] + nth) * 7 + plans.weekday[plan]
    happens = (nth % plans.every[plan] == 0) & (days >= FIRST_DAY) & (days <= LAST_DAY)
    happens &= random.random(len(days)) < demand(days)
    died = population.died[plans.person[plan]]
    after_death = ~np.isnat(died) & (days > died)
    shortly_after = np.flatnonzero(happens & after_death & (days < died + 150))
    happens &= np.isnat(died) | (days < died)
    happens[choose("order_after_death", shortly_after, random, of=orders)] = True
    return plan[happens], days[happens]


def make_orders(
    visits: Visits,
    population: Population,
    rows: ElderRows,
    grounds: Grounds,
    random: np.random.Generator,
) -> Orders:
    """The orders of the visits, sorted by the time of request."""
    plan, plan_of, days = visits.plans, visits.plan, visits.days
    count = len(plan_of)
    person, item, part = plan.person[plan_of], plan.item[plan_of], plan.part_of_day[plan_of]
    month = days.astype("datetime64[M]").astype(int) % 12 + 1
    early = (part == 0) & ((month == 7) | (month == 8))  # before the heat
    scheduled = seconds_of(days) + _DAY_STARTS[part] * 60 + (plan_of % 3) * 300 - early * 1800
    shortest = np.array([i.shortest for i in ITEMS])[item]
    longest = np.minimum(np.array([i.longest for i in ITEMS])[item], _DAY_LONGEST[part])
    minutes = np.maximum(
        5, np.rint(shortest + random.beta(2.2, 2.0, count) * np.maximum(longest - shortest, 0))
    ).astype(int)
    started = scheduled + np.clip(random.normal(0, 260, count), -600, 600).astype(int)
    finished = started + minutes * 60 + random.integers(0, 50, count)
    source = plan.source[plan_of]
    lead = np.where(source == FROM_PLAN, random.integers(3, 8, count), random.integers(1, 4, count))
    lead = np.where(source == FROM_SCAN, 0, lead)
    requested = np.where(
        lead > 0, seconds_of(days - lead) + office_seconds(count, random), started - random.integers(60, 400, count)
    )
    draw = random.random(count)
    status = np.select([draw < 0.035, draw < 0.043, draw < 0.055], [CANCELLED, RETURNED, VOID], DONE)
    # Some visits of the last afternoon are not closed yet when the export is drawn.
    open_ = (days == LAST_DAY) & (part >= 3)
    status = np.where(open_, random.choice(np.array([WAITING, ASSIGNED, ACCEPTED, IN_SERVICE]), count), status)
    begun = np.isin(status, (DONE, VOID, IN_SERVICE))
    ended = np.isin(status, (DONE, VOID))
    prices, charges = np.array([i.price for i in ITEMS]), np.array([i.charge for i in ITEMS])
    amount = np.where(charges[item] == PER_HOUR, np.rint(prices[item] * minutes / 60 * 100) / 100, prices[item])
    amount = np.where(ended, amount, 0.0)
    share = grounds.share_on(person, days)
    distance = np.where(
        random.random(count) < 0.015, random.uniform(400, 5000, count), np.abs(random.normal(0, 22, count))
    )
    bearing = random.uniform(0, 2 * np.pi, count)
    duplicate = rows.duplicate[person]
    created = np.where(duplicate >= 0, rows.created[duplicate], np.iinfo(np.int64).max)
    uses_duplicate = (requested > created) & (plan_of % 5 < 2)
    orders = Orders(
        person=person,
        elder_row=np.where(uses_duplicate, duplicate, rows.original[person]),
        worker=plan.worker[plan_of],
        item=item,
        source=source,
        status=np.where((status == DONE) & (random.random(count) < 0.42), RATED, status),
        requested=requested,
        scheduled=scheduled,
        started=np.where(begun, started, 0),
        finished=np.where(ended, finished, 0),
        minutes=minutes,
        amount=amount,
        subsidy=np.rint(amount * share * 100) / 100,
        longitude=population.longitude[person] + distance * np.cos(bearing) / 103_900,
        latitude=population.latitude[person] + distance * np.sin(bearing) / 110_700,
        accuracy=np.where(
            random.random(count) < 0.02, random.uniform(100, 600, count), random.lognormal(2.4, 0.5, count)
        ),
    )
    return orders.take(np.lexsort((orders.scheduled, orders.requested)))


# --- files ---

ORDER_COLUMNS = (
    "DDBH",
    "LRBH",
    "LRXM",
    "FWSBH",
    "YYSBH",
    "RYBH",
    "XMBM",
    "XMMC",
    "FWDZ",
    "DDLY",
    "DDZT",
    "CYZT",
    "CYLY",
    "CYYY",
    "XDSJ",
    "YYSJ",
    "KSSJ",
    "JSSJ",
    "FWSC",
    "DDJE",
    "BTJE",
    "ZFJE",
    "JSYF",
    "QDJD",
    "QDWD",
    "QDJDU",
    "DEL_FLAG",
)
TRACK_COLUMNS = ("DDBH", "RYBH", "XH", "DWSJ", "JD", "WD", "JDU")
EVALUATION_COLUMNS = ("PJBH", "DDBH", "ZHPF", "TDPF", "ZLPF", "PJNR", "PJR", "PJSJ")

#: Clients before this day wrote times with slashes and without seconds.
_NEW_CLIENT = np.datetime64("2024-06-01")
_DOUBT_REASONS = ["SCBZ", "WZYC", "ZPYC", "WZYC,SCBZ", "SJCT", "LRFR", "SBBG"]
_UNKNOWN_ELDER = 90_000_000


@dataclass(frozen=True)
class OrderDirt:
    """Positions of orders by kind of dirt; no order has two."""

    end_before_start: np.ndarray
    elder_unknown: np.ndarray
    worker_unknown: np.ndarray
    overlap: np.ndarray
    repeated: np.ndarray


def spoil_orders(orders: Orders, random: np.random.Generator, truth: Truth) -> OrderDirt:
    """Chooses the dirty orders; puts each overlapping visit into the same worker's visit before it."""
    ended = orders.took_place
    count = orders.count
    chosen: list[np.ndarray] = []
    candidates = ended
    for kind in ("order_end_before_start", "order_elder_unknown", "order_worker_unknown", "order_repeated"):
        picked = choose(kind, candidates, random, of=count)
        chosen.append(picked)
        candidates = np.setdiff1d(candidates, picked, assume_unique=True)
    by_worker = ended[np.lexsort((orders.started[ended], orders.worker[ended]))]
    before, after = by_worker[:-1], by_worker[1:]
    same_day = (orders.worker[before] == orders.worker[after]) & (
        orders.started[after] // 86_400 == orders.started[before] // 86_400
    )
    elsewhere = orders.person[before] != orders.person[after]
    # Every other pair at most, so that no visit is moved whose neighbour moves too.
    pairs = np.flatnonzero(same_day & elsewhere & np.isin(after, candidates) & (np.arange(len(before)) % 2 == 0))
    pairs = pairs[np.isin(before[pairs], candidates)]
    moved = choose("worker_overlap", pairs, random, of=count)
    overlap = after[moved]
    keys = orders.numbers()
    truth.add(
        "worker_overlap",
        ORDER_FILE,
        "",
        "KSSJ,JSSJ",
        values_at(keys, overlap),
        values_at(moment(orders.started[overlap]), np.arange(len(overlap))),
    )
    shift = orders.started[before[moved]] + 120 - orders.started[overlap]
    for times in (orders.scheduled, orders.started, orders.finished):
        times[overlap] += shift
    return OrderDirt(chosen[0], chosen[1], chosen[2], np.sort(overlap), chosen[3])


def write_orders(
    directory: Path,
    orders: Orders,
    dirt: OrderDirt,
    population: Population,
    places: Places,
    rows: ElderRows,
    workers: Workers,
    providers: Providers,
    truth: Truth,
    random: np.random.Generator,
    progress: Callable[[int, int], None],
) -> int:
    """Writes `gongdan.csv`; its rows."""
    keys = orders.numbers()
    late = np.flatnonzero((orders.finished > 0) & (days_of(orders.started) > population.died[orders.person]))
    truth.add(
        "order_after_death",
        ORDER_FILE,
        "",
        "KSSJ",
        values_at(keys, late),
        values_at(day(population.died[orders.person[late]]), np.arange(len(late))),
    )
    with CsvFile(directory / ORDER_FILE, ORDER_COLUMNS, ("FWDZ", "CYYY")) as target:
        for start in range(0, orders.count, _CHUNK):
            stop = min(start + _CHUNK, orders.count)
            chunk = _order_columns(
                orders, start, stop, dirt, population, places, rows, workers, providers, truth, random
            )
            target.write(chunk)
            again = _within(dirt.repeated, start, stop)
            truth.add(
                "order_repeated",
                ORDER_FILE,
                "",
                "DDBH",
                values_at(chunk["DDBH"], again),
                None,
                values_at(chunk["DDBH"], again),
            )
            target.write({name: column.take(pa.array(again)) for name, column in chunk.items()})
            progress(stop, orders.count)
        return target.rows


def _within(positions: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Ascending positions that fall into a stretch, counted from its start."""
    return positions[slice(*np.searchsorted(positions, (start, stop)))] - start


def _order_columns(
    orders: Orders,
    start: int,
    stop: int,
    dirt: OrderDirt,
    population: Population,
    places: Places,
    rows: ElderRows,
    workers: Workers,
    providers: Providers,
    truth: Truth,
    random: np.random.Generator,
) -> dict[str, Column]:
    part = orders.take(np.arange(start, stop))
    count = stop - start
    keys = orders.numbers().slice(start, count)
    begun, ended = part.started > 0, part.finished > 0
    slashes = days_of(part.requested) < _NEW_CLIENT
    turned = _within(dirt.end_before_start, start, stop)
    truth.add(
        "order_end_before_start",
        ORDER_FILE,
        "",
        "KSSJ,JSSJ",
        values_at(keys, turned),
        values_at(moment(part.started), turned),
    )
    shown_start, shown_end = part.started.copy(), part.finished.copy()
    shown_start[turned], shown_end[turned] = part.finished[turned], part.started[turned]
    elder = rows.number.take(pa.array(part.elder_row))
    no_elder = _within(dirt.elder_unknown, start, stop)
    truth.add("order_elder_unknown", ORDER_FILE, "", "LRBH", values_at(keys, no_elder), values_at(elder, no_elder))
    elder = replaced(elder, no_elder, [f"LR440802{_UNKNOWN_ELDER + start + n:08d}" for n in no_elder.tolist()])
    worker = pick(workers.code, part.worker)
    no_worker = _within(dirt.worker_unknown, start, stop)
    truth.add("order_worker_unknown", ORDER_FILE, "", "RYBH", values_at(keys, no_worker), values_at(worker, no_worker))
    worker = replaced(worker, no_worker, [f"RY9{(start + n) % 100_000:05d}" for n in no_worker.tolist()])
    worker = where(np.isin(part.status, (WAITING, ASSIGNED)), "", worker)
    provider = workers.provider[part.worker]
    operators = np.flatnonzero(providers.kind == OPERATOR)
    operator_of_county = np.zeros(len(places.county_codes), dtype=np.int64)
    operator_of_county[providers.county[operators]] = operators
    doubtful = ended & (random.random(count) < 0.03)
    void = part.status == VOID
    doubt = np.where(void, 4, np.where(doubtful, random.choice(np.array([1, 2, 3]), count, p=[0.45, 0.2, 0.35]), 0))
    settled = days_of(part.finished).astype("datetime64[M]") + 1
    last_settled = LAST_DAY.astype("datetime64[M]")
    is_settled = ended & ~void & ((settled < last_settled) | ((settled == last_settled) & (random.random(count) < 0.8)))
    is_settled &= ~np.isin(doubt, (1, 2))
    longitude, latitude = wgs84_to_gcj02(part.longitude, part.latitude)
    village = population.village[part.person]
    style = random.choice(3, count, p=[0.9, 0.07, 0.03])
    hours = join(number(part.minutes // 60), "小时", number(part.minutes % 60), "分")
    minutes = where(
        style == 1,
        join(number(part.minutes), "分钟"),
        where((style == 2) & (part.minutes >= 60), hours, number(part.minutes)),
    )
    return {
        "DDBH": keys,
        "LRBH": elder,
        "LRXM": population.names.take(pa.array(part.person)),
        "FWSBH": pick(providers.code, provider),
        "YYSBH": where(
            random.random(count) < 0.1, "", pick(providers.code, operator_of_county[population.county[part.person]])
        ),
        "RYBH": worker,
        "XMBM": pick(item_codes(), part.item),
        "XMMC": pick([item.name for item in ITEMS], part.item),
        "FWDZ": join(
            pick(places.county_names, places.county[village]),
            pick(places.town_names, places.town[village]),
            pick(places.names, village),
            number(population.house_number[part.person]),
            "号",
        ),
        "DDLY": number(part.source),
        "DDZT": number(part.status),
        "CYZT": number(doubt),
        "CYLY": pick(["", "1", "2"], np.where(doubt > 0, 1 + (random.random(count) < 0.3), 0)),
        "CYYY": where(
            doubt > 0,
            pick(_DOUBT_REASONS, random.choice(len(_DOUBT_REASONS), count, p=[0.3, 0.25, 0.1, 0.1, 0.1, 0.1, 0.05])),
            "",
        ),
        "XDSJ": moment(part.requested, slashes=slashes),
        "YYSJ": moment(part.scheduled, slashes=slashes),
        "KSSJ": moment(shown_start, begun, slashes=slashes),
        "JSSJ": moment(shown_end, ended, slashes=slashes),
        "FWSC": where(ended, minutes, ""),
        "DDJE": decimal(part.amount, 2),
        "BTJE": decimal(part.subsidy, 2),
        "ZFJE": decimal(part.amount - part.subsidy, 2),
        "JSYF": where(is_settled, day(settled.astype("datetime64[D]"), "%Y%m"), ""),
        "QDJD": where(begun, decimal(longitude, 6), ""),
        "QDWD": where(begun, decimal(latitude, 6), ""),
        "QDJDU": where(begun, decimal(part.accuracy, 1), ""),
        "DEL_FLAG": repeat("0", count),
    }


def write_tracks(
    directory: Path, orders: Orders, workers: Workers, volumes: Volumes, random: np.random.Generator
) -> int:
    """Writes `guiji.csv` for a share of the visits since a day: 10–20 points each, towards the home and there."""
    visits = orders.took_place
    visits = visits[days_of(orders.started[visits]) >= np.datetime64(volumes.tracked_from)]
    visits = visits[random.random(len(visits)) < volumes.tracked_share]
    points = random.integers(10, 21, len(visits))
    bearing, distance = random.uniform(0, 2 * np.pi, len(visits)), random.uniform(300, 1500, len(visits))
    keys = orders.numbers()
    with CsvFile(directory / TRACK_FILE, TRACK_COLUMNS) as target:
        for start in range(0, len(visits), _CHUNK // 15):
            part = slice(start, start + _CHUNK // 15)
            each = points[part]
            order = np.repeat(visits[part], each)
            nth = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
            progress = nth / np.repeat(each - 1, each)
            begin = orders.started[order] - 900
            times = begin + (progress * (orders.finished[order] - begin)).astype(np.int64)
            remaining = np.clip(1 - (times - begin) / 900, 0, 1) * np.repeat(distance[part], each)
            east = remaining * np.cos(np.repeat(bearing[part], each)) + random.normal(0, 9, len(order))
            north = remaining * np.sin(np.repeat(bearing[part], each)) + random.normal(0, 9, len(order))
            longitude, latitude = wgs84_to_gcj02(
                orders.longitude[order] + east / 103_900, orders.latitude[order] + north / 110_700
            )
            target.write(
                {
                    "DDBH": keys.take(pa.array(order)),
                    "RYBH": pick(workers.code, orders.worker[order]),
                    "XH": number(nth + 1),
                    "DWSJ": moment(times),
                    "JD": decimal(longitude, 6),
                    "WD": decimal(latitude, 6),
                    "JDU": decimal(random.lognormal(2.4, 0.5, len(order)), 1),
                }
            )
        return target.rows


_COMMENTS = [
    "",
    "很好",
    "服务态度好，手脚麻利",
    "阿姨很耐心",
    "按时上门",
    "一般",
    "来晚了",
    "时间太短，没打扫干净",
    "谢谢政府",
    "老人满意",
    "做得不错,下次还选她",
    '沟通时说"等一下"就走了',
]


def write_evaluations(directory: Path, orders: Orders, random: np.random.Generator) -> int:
    """Writes `pingjia.csv`: one row per order of status 51."""
    rated = np.flatnonzero(orders.status == RATED)
    count = len(rated)
    score = random.choice(np.array([5, 4, 3, 2, 1]), count, p=[0.66, 0.23, 0.07, 0.025, 0.015])
    attitude = np.clip(score + random.choice(np.array([-1, 0, 1]), count, p=[0.1, 0.8, 0.1]), 1, 5)
    quality = np.clip(score + random.choice(np.array([-1, 0, 1]), count, p=[0.12, 0.8, 0.08]), 1, 5)
    good = np.array([0.45, 0.14, 0.12, 0.08, 0.08, 0.01, 0.005, 0.005, 0.05, 0.04, 0.015, 0.005])
    bad = np.array([0.4, 0, 0, 0, 0, 0.2, 0.2, 0.15, 0, 0, 0, 0.05])
    comment = np.where(
        score >= 4,
        random.choice(len(_COMMENTS), count, p=good / good.sum()),
        random.choice(len(_COMMENTS), count, p=bad / bad.sum()),
    )
    words = pick(["", "非常不满意", "不满意", "一般", "满意", "非常满意"], score)
    when = orders.finished[rated] + random.integers(300, 3 * 86_400, count)
    with CsvFile(directory / EVALUATION_FILE, EVALUATION_COLUMNS, ("PJNR",)) as target:
        for start in range(0, count, _CHUNK):
            part = slice(start, start + _CHUNK)
            length = len(rated[part])
            target.write(
                {
                    "PJBH": join("PJ", number(np.arange(start + 1, start + length + 1), 8)),
                    "DDBH": orders.numbers().take(pa.array(rated[part])),
                    "ZHPF": where(
                        np.arange(start, start + length) % 9 == 4, words.slice(start, length), number(score[part])
                    ),
                    "TDPF": number(attitude[part]),
                    "ZLPF": number(quality[part]),
                    "PJNR": pick(_COMMENTS, comment[part]),
                    "PJR": pick(["老人", "家属", "电话回访"], random.choice(3, length, p=[0.45, 0.35, 0.2])),
                    "PJSJ": moment(when[part]),
                }
            )
        return target.rows
