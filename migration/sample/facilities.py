"""Community facilities at county, town and village level: `sheshi.xlsx`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from huiyang.geodesy import wgs84_to_gcj02
from migration.sample import people
from migration.sample.calendar import FIRST_DAY, LAST_DAY, random_days
from migration.sample.columns import Column, day, decimal, join, number, pick, repeat, where
from migration.sample.elder_tables import ElderRows
from migration.sample.files import Sheet, cells, write_workbook
from migration.sample.organizations import HOME_PROVIDER, Providers
from migration.sample.places import Places, gcj02_to_bd09
from migration.sample.population import LIVING, Population
from migration.sample.volumes import Volumes

FILE = "sheshi.xlsx"
CENTRE, STATION, CANTEEN, DAY_CARE, MUTUAL_AID = range(5)
TYPES = ["综合养老服务中心", "社区养老服务站", "长者饭堂", "日间照料中心", "互助养老点"]
_LEVELS = ["县级", "镇级", "村级"]
#: The city's network: facilities per village, by kind; centres stand in every county and town.
_PER_VILLAGE = {STATION: 0.40, CANTEEN: 0.15, DAY_CARE: 0.07, MUTUAL_AID: 0.17}


@dataclass(frozen=True)
class Facilities:
    """Arrays over facilities."""

    kind: np.ndarray
    level: np.ndarray
    village: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    capacity: np.ndarray

    def codes(self) -> Column:
        """`SS` and five digits."""
        return join("SS", number(np.arange(1, len(self.kind) + 1), 5))

    def names(self, places: Places) -> Column:
        """Where it stands, and its kind."""
        county, town = places.county[self.village], places.town[self.village]
        seat = where(
            self.level == 0,
            pick(places.county_names, county),
            where(
                self.level == 1,
                join(pick(places.county_names, county), pick(places.town_names, town)),
                join(pick(places.town_names, town), pick(places.names, self.village)),
            ),
        )
        return join(seat, pick(TYPES, self.kind))


def make_facilities(places: Places, volumes: Volumes, random: np.random.Generator) -> Facilities:
    """A centre in every county and town, and the rest in villages, rather the larger ones."""
    share = volumes.facility_share
    kinds: list[int] = []
    levels: list[int] = []
    villages: list[int] = []
    for position in range(len(places.county_codes)):
        kinds.append(CENTRE)
        levels.append(0)
        villages.append(int(random.choice(np.flatnonzero(places.county == position))))
    towns = np.flatnonzero(~places.town_is_pseudo)
    for town in np.sort(
        random.choice(towns, max(len(places.county_codes), round(len(towns) * min(1, share * 2))), replace=False)
    ).tolist():
        kinds.append(CENTRE)
        levels.append(1)
        villages.append(int(random.choice(np.flatnonzero(places.town == town))))
    for village_kind, per_village in _PER_VILLAGE.items():
        weight = places.weight * np.where(places.is_urban == (village_kind == MUTUAL_AID), 0.2, 1.0)
        chosen = random.choice(
            len(places.codes), round(len(places.codes) * per_village * share), replace=False, p=weight / weight.sum()
        )
        kinds += [village_kind] * len(chosen)
        levels += [1 if village_kind in (CANTEEN, DAY_CARE) and n % 4 == 0 else 2 for n in range(len(chosen))]
        villages += np.sort(chosen).tolist()
    count = len(kinds)
    kind, level = np.array(kinds), np.array(levels)
    opened = random_days(
        np.full(count, np.datetime64("2016-01-01")), np.full(count, np.datetime64("2026-09-01")), random
    )
    closed = np.full(count, np.datetime64("NaT"), dtype="datetime64[D]")
    gone = np.flatnonzero((kind != CENTRE) & (random.random(count) < 0.03) & (opened < FIRST_DAY))
    closed[gone] = random_days(np.full(len(gone), FIRST_DAY), np.full(len(gone), LAST_DAY - 30), random)
    base = np.array([40, 12, 50, 20, 8])[kind] * np.where(level == 0, 2.0, np.where(level == 1, 1.3, 1.0))
    capacity = np.maximum(4, np.rint(base * random.lognormal(0, 0.25, count))).astype(int)
    return Facilities(kind, level, np.array(villages), opened, closed, capacity)


def write_facilities(
    directory: Path,
    facilities: Facilities,
    population: Population,
    places: Places,
    providers: Providers,
    rows: ElderRows,
    volumes: Volumes,
    random: np.random.Generator,
) -> dict[str, int]:
    """Writes `sheshi.xlsx`; rows by sheet."""
    sheets = [
        _facility_sheet(facilities, places, providers, random),
        _enrolment_sheet(facilities, population, places, rows, volumes, random),
    ]
    write_workbook(directory / FILE, sheets)
    return {f"{FILE}/{sheet.name}": sheet.row_count for sheet in sheets}


def _facility_sheet(facilities: Facilities, places: Places, providers: Providers, random: np.random.Generator) -> Sheet:
    count = len(facilities.kind)
    village = facilities.village
    county, town = places.county[village], places.town[village]
    longitude, latitude = gcj02_to_bd09(*wgs84_to_gcj02(*places.scatter(village, random)))
    home = providers.of_kind(HOME_PROVIDER)
    operator = home[(county * 5 + np.arange(count)) % len(home)]
    run_by_town = random.random(count) < 0.5
    is_closed = ~np.isnat(facilities.closed)
    path_to_town = join("湛江市/", pick(places.county_names, county), "/", pick(places.town_names, town))
    at_village = facilities.level == 2
    codes = where(
        at_village,
        pick(places.codes, village),
        where(facilities.level == 1, pick(places.town_codes, town), pick(places.county_codes, county)),
    )
    columns: dict[str, Column | list[str]] = {
        "设施编号": facilities.codes(),
        "设施名称": facilities.names(places),
        "设施类型": pick(TYPES, facilities.kind),
        "层级": pick(_LEVELS, facilities.level),
        "所属区划": where(
            at_village,
            join(path_to_town, "/", pick(places.names, village)),
            where(facilities.level == 1, path_to_town, join("湛江市/", pick(places.county_names, county))),
        ),
        "区划代码": where(np.arange(count) % 23 == 11, "", codes),
        "地址": join(
            "湛江市",
            pick(places.county_names, county),
            pick(places.town_names, town),
            pick(places.names, village),
            number(np.arange(count) * 11 % 150 + 1),
            "号",
        ),
        "经度": decimal(longitude, 6),
        "纬度": decimal(latitude, 6),
        "坐标系": repeat("BD09", count),
        "床位（餐位）数": where(random.random(count) < 0.05, "", number(facilities.capacity)),
        "建筑面积": join(number(facilities.capacity * random.integers(6, 15, count)), "㎡"),
        "运营方编号": where(run_by_town, "", pick(providers.code, operator)),
        "联系人": people.whole_names(
            count, random.integers(1, 3, count), np.full(count, np.datetime64("1980-01-01")), random
        ),
        "联系电话": number(people.mobiles(count, random)),
        "启用日期": where(
            random.random(count) < 0.15, day(facilities.opened, "%Y年{m}月{d}日"), day(facilities.opened)
        ),
        "停用日期": day(facilities.closed),
        "状态": pick(["运营中", "暂停", "已关闭"], np.where(is_closed, 2, np.where(np.arange(count) % 37 == 20, 1, 0))),
    }
    return Sheet("设施", "社区养老设施台账", cells(columns))


def _enrolment_sheet(
    facilities: Facilities,
    population: Population,
    places: Places,
    rows: ElderRows,
    volumes: Volumes,
    random: np.random.Generator,
) -> Sheet:
    """Elders enrolled for day care, each in a day-care centre of the own county."""
    centres = np.flatnonzero((facilities.kind == DAY_CARE) & np.isnat(facilities.closed))
    county_of_centre = places.county[facilities.village[centres]]
    able = (population.status == LIVING) & (population.age_on(LAST_DAY) > 66) & (population.ability <= 2)
    able &= np.isin(population.county, county_of_centre) & (population.living != 5)
    person = np.sort(random.choice(np.flatnonzero(able), volumes.day_care_elders, replace=False))
    centre = np.zeros(len(person), dtype=np.int64)
    for position in np.unique(county_of_centre).tolist():
        own = np.flatnonzero(population.county[person] == position)
        centre[own] = random.choice(centres[county_of_centre == position], len(own))
    start = random_days(
        np.maximum(np.maximum(facilities.opened[centre], FIRST_DAY), population.registered[person]),
        np.full(len(person), LAST_DAY - 5),
        random,
    )
    left = np.where(
        random.random(len(person)) < 0.3,
        random_days(start, np.full(len(person), LAST_DAY), random),
        np.datetime64("NaT"),
    )
    columns: dict[str, Column | list[str]] = {
        "登记编号": join("RT", number(np.arange(1, len(person) + 1), 6)),
        "设施编号": facilities.codes().take(pa.array(centre)),
        "老人编号": rows.numbers_of(person),
        "姓名": population.names.take(pa.array(person)),
        "开始日期": day(start),
        "结束日期": day(left),
    }
    return Sheet("日托登记", "日间照料老人登记表", cells(columns))
