"""Providers, operators and other market entities (`fuwushang.csv`) and the care workers of home service
(`fuwurenyuan.csv`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from huiyang.geodesy import wgs84_to_gcj02
from migration.sample import people
from migration.sample.calendar import FIRST_DAY, LAST_DAY, random_days
from migration.sample.columns import day, decimal, join, number, pick, repeat, replaced, texts, where
from migration.sample.files import CsvFile
from migration.sample.people import FEMALE, MALE
from migration.sample.places import Places
from migration.sample.volumes import Volumes

PROVIDER_FILE, WORKER_FILE = "fuwushang.csv", "fuwurenyuan.csv"
#: Kinds of entity (old platform's code).
OPERATOR, HOME_PROVIDER, BED_PROVIDER, ASSESSOR, DEVICE_VENDOR, MEAL_PROVIDER = 1, 2, 3, 4, 5, 6

_BRANDS = [
    "康乐",
    "福寿",
    "颐年",
    "夕阳红",
    "安馨",
    "孝心",
    "益年",
    "长乐",
    "爱晚",
    "南粤",
    "海湾",
    "椿萱",
    "鹤寿",
    "百福",
    "德馨",
    "悦龄",
    "松龄",
    "慈康",
    "同济",
    "和瑞",
    "广怡",
    "泰康年",
    "睦邻",
    "家安",
]
_STEMS = {
    OPERATOR: "养老服务运营有限公司",
    HOME_PROVIDER: "居家养老服务有限公司",
    BED_PROVIDER: "护理服务中心",
    ASSESSOR: "老年人能力评估中心",
    DEVICE_VENDOR: "智能科技有限公司",
    MEAL_PROVIDER: "餐饮配送有限公司",
}


@dataclass(frozen=True)
class Providers:
    """Entities other than institutions. Arrays over entities.

    Attributes:
        code: the old platform's number, `FWS` and four digits.
        kinds: the codes of its kinds, joined by commas.
        county: where it is registered.
        founded, closed: days; `closed` is NaT where it exists.
    """

    code: list[str]
    name: list[str]
    kind: np.ndarray
    kinds: list[str]
    county: np.ndarray
    village: np.ndarray
    founded: np.ndarray
    closed: np.ndarray

    def of_kind(self, kind: int) -> np.ndarray:
        """Positions of those that act in a kind and exist."""
        acts = np.array([str(kind) in kinds.split(",") for kinds in self.kinds])
        return np.flatnonzero(acts & np.isnat(self.closed))


@dataclass
class Workers:
    """Care workers. Arrays over workers.

    Attributes:
        code: `RY` and six digits.
        provider: position in `Providers`.
        town: position of the town they mostly work in.
        employed, left: days; `left` is NaT while they work.
    """

    code: list[str]
    provider: np.ndarray
    county: np.ndarray
    town: np.ndarray
    sex: np.ndarray
    born: np.ndarray
    employed: np.ndarray
    left: np.ndarray


def make_providers(places: Places, volumes: Volumes, random: np.random.Generator) -> Providers:
    """An operator for the city and one a county, then home-service providers spread by population, then the others."""
    counties = len(places.county_codes)
    weight = np.bincount(places.county, weights=places.weight)
    people_share = weight / weight.sum()
    home = volumes.providers
    kind = np.repeat(
        [OPERATOR, HOME_PROVIDER, BED_PROVIDER, ASSESSOR, DEVICE_VENDOR, MEAL_PROVIDER],
        [volumes.operators, home, max(4, home // 6), max(4, home // 15), max(3, home // 20), max(4, home // 10)],
    )
    count = len(kind)
    county = np.where(
        kind == OPERATOR,
        np.maximum(np.arange(count) - 1, 0) % counties,
        np.where(
            np.arange(count) % 2 == 0, np.arange(count) % counties, random.choice(counties, count, p=people_share)
        ),
    )
    # Each county has at least two home-service providers.
    county[volumes.operators : volumes.operators + 2 * counties] = np.arange(2 * counties) % counties
    village = np.array([int(random.choice(np.flatnonzero(places.county == c))) for c in county])
    also = random.random(count)
    kinds = [
        f"{k},{BED_PROVIDER}"
        if k == HOME_PROVIDER and a < 0.3
        else f"{k},{MEAL_PROVIDER}"
        if k == HOME_PROVIDER and a < 0.4
        else str(k)
        for k, a in zip(kind.tolist(), also.tolist(), strict=True)
    ]
    names: list[str] = []
    for position, (k, c) in enumerate(zip(kind.tolist(), county.tolist(), strict=True)):
        seat = "湛江市" if position == 0 else places.county_names[c]
        brand, serial = _BRANDS[position * 7 % len(_BRANDS)], position // len(_BRANDS)
        names.append(f"{seat}{brand}{'' if serial == 0 else '一二三四五六七八九十'[serial % 10]}{_STEMS[k]}")
    founded = random_days(
        np.full(count, np.datetime64("2012-01-01")), np.full(count, np.datetime64("2023-06-30")), random
    )
    closed = np.full(count, np.datetime64("NaT"), dtype="datetime64[D]")
    gone = np.flatnonzero((kind != OPERATOR) & (random.random(count) < 0.04))
    gone = gone[gone >= volumes.operators + 2 * counties]
    closed[gone] = random_days(np.full(len(gone), FIRST_DAY), np.full(len(gone), LAST_DAY - 60), random)
    code = [f"FWS{position + 1:04d}" for position in range(count)]
    return Providers(code, names, kind, kinds, county, village, founded, closed)


def make_workers(providers: Providers, places: Places, volumes: Volumes, random: np.random.Generator) -> Workers:
    """Care workers of the home-service providers; when each was employed follows from the orders later."""
    home = providers.of_kind(HOME_PROVIDER)
    count = volumes.workers
    size = random.pareto(2.0, len(home)) + 0.6
    extra = random.choice(home, max(0, count - len(home)), p=size / size.sum())
    provider = np.sort(np.concatenate([home[:count], extra]))
    county = providers.county[provider]
    weight = np.bincount(places.town, weights=places.weight, minlength=len(places.town_codes))
    town = np.zeros(count, dtype=np.int64)
    for position in range(len(places.county_codes)):
        rows = np.flatnonzero(county == position)
        own = np.flatnonzero(places.town_county == position)
        town[rows] = random.choice(own, len(rows), p=weight[own] / weight[own].sum())
    born = random_days(np.full(count, np.datetime64("1964-01-01")), np.full(count, np.datetime64("2002-12-31")), random)
    order = np.lexsort((town, provider))
    return Workers(
        code=[f"RY{position + 1:06d}" for position in range(count)],
        provider=provider,
        county=county,
        town=town[order],
        sex=np.where(random.random(count) < 0.87, FEMALE, MALE),
        born=born,
        employed=np.full(count, LAST_DAY - 200, dtype="datetime64[D]"),
        left=np.full(count, np.datetime64("NaT"), dtype="datetime64[D]"),
    )


PROVIDER_COLUMNS = (
    "JGBH",
    "JGMC",
    "JGLX",
    "TYSHXYDM",
    "XKZMC",
    "XKZH",
    "XKYXQ",
    "FDDBR",
    "LXR",
    "LXDH",
    "SSQH",
    "QHDM",
    "DZ",
    "JD",
    "WD",
    "CLRQ",
    "ZT",
    "ZXRQ",
    "DEL_FLAG",
)
WORKER_COLUMNS = (
    "RYBH",
    "JGBH",
    "XM",
    "XB",
    "SFZH",
    "CSRQ",
    "LXDH",
    "ZYLX",
    "WHCD",
    "ZSMC",
    "ZSBH",
    "ZSYXQ",
    "RZRQ",
    "LZRQ",
    "ZT",
    "DEL_FLAG",
)


def write_providers(directory: Path, providers: Providers, places: Places, random: np.random.Generator) -> int:
    """Writes `fuwushang.csv`; its rows."""
    count = len(providers.code)
    is_centre = np.isin(providers.kind, (BED_PROVIDER, ASSESSOR))
    credit = people.credit_codes(count, np.where(is_centre, "52", "91"), random)
    sex, born = random.integers(1, 3, (2, count)), np.full((2, count), np.datetime64("1975-06-01"))
    licence = pick(
        ["养老服务机构登记证书", "营业执照", "老年人能力评估机构备案", "食品经营许可证"],
        np.select([providers.kind == ASSESSOR, providers.kind == MEAL_PROVIDER, is_centre], [2, 3, 0], 1),
    )
    issued = providers.founded + random.integers(5, 60, count)
    expires = issued + random.integers(10, 20, count) * 365
    longitude, latitude = wgs84_to_gcj02(*places.scatter(providers.village, random))
    is_closed = ~np.isnat(providers.closed)
    town, county = places.town[providers.village], places.county[providers.village]
    suspended = ~is_closed & (np.arange(count) % 29 == 17)
    with CsvFile(directory / PROVIDER_FILE, PROVIDER_COLUMNS, ("JGLX", "LXDH", "DZ")) as target:
        target.write(
            {
                "JGBH": texts(providers.code),
                "JGMC": texts(providers.name),
                "JGLX": texts(providers.kinds),
                "TYSHXYDM": texts(credit),
                "XKZMC": licence,
                "XKZH": join("粤湛许字", number(1000 + np.arange(count)), "号"),
                "XKYXQ": where(random.random(count) < 0.1, "长期", day(expires)),
                "FDDBR": people.whole_names(count, sex[0], born[0], random),
                "LXR": people.whole_names(count, sex[1], born[1], random),
                "LXDH": where(
                    random.random(count) < 0.3,
                    join(number(people.mobiles(count, random)), ",", people.landlines(count, random)),
                    number(people.mobiles(count, random)),
                ),
                "SSQH": join(
                    "湛江市/",
                    pick(places.county_names, county),
                    "/",
                    pick(places.town_names, town),
                    "/",
                    pick(places.names, providers.village),
                ),
                "QHDM": pick(places.codes, providers.village),
                "DZ": join(
                    "湛江市",
                    pick(places.county_names, county),
                    pick(places.town_names, town),
                    pick(places.names, providers.village),
                    number(np.arange(count) * 13 % 180 + 1),
                    "号",
                ),
                "JD": decimal(longitude, 6),
                "WD": decimal(latitude, 6),
                "CLRQ": day(providers.founded, "%Y/{m}/{d}"),
                "ZT": pick(["1", "2", "3"], np.where(is_closed, 2, np.where(suspended, 1, 0))),
                "ZXRQ": day(providers.closed, "%Y/{m}/{d}"),
                "DEL_FLAG": repeat("0", count),
            }
        )
        return target.rows


def write_workers(directory: Path, workers: Workers, providers: Providers, random: np.random.Generator) -> int:
    """Writes `fuwurenyuan.csv`; its rows. `workers.employed` and `left` must be final."""
    count = len(workers.code)
    prefixes = random.choice(np.array([440802, 440803, 440804, 440811, 440823, 440825, 440881, 440882, 440883]), count)
    level = random.choice(5, count, p=[0.15, 0.45, 0.25, 0.12, 0.03])
    names = pick(["", "养老护理员（五级）", "养老护理员（四级）", "养老护理员（三级）", "护士执业证书"], level)
    has_health = random.random(count) < 0.8
    certificate = people.mobiles(count, random) % 10**8
    left = ~np.isnat(workers.left)
    both = where(has_health, where(level > 0, join(names, ",健康证"), "健康证"), names)
    numbers = where(level > 0, join("Y440800", number(certificate, 8)), "")
    health = join("JK", number(certificate % 10**6, 6))
    expires = LAST_DAY + random.integers(-60, 300, count)
    column = people.id_texts(people.id_numbers(prefixes, workers.born, workers.sex))
    blank = np.flatnonzero(np.arange(count) % 97 == 60)
    with CsvFile(directory / WORKER_FILE, WORKER_COLUMNS, ("ZSMC", "ZSBH")) as target:
        target.write(
            {
                "RYBH": texts(workers.code),
                "JGBH": pick(providers.code, workers.provider),
                "XM": people.whole_names(count, workers.sex, workers.born, random),
                "XB": pick(["男", "女"], workers.sex - 1),
                "SFZH": replaced(column, blank, [""] * len(blank)),
                "CSRQ": day(workers.born, "%Y%m%d"),
                "LXDH": number(people.mobiles(count, random)),
                "ZYLX": pick(
                    ["HLY", "HS", "SG", "QT"], np.where(level == 4, 1, random.choice(4, count, p=[0.93, 0, 0.04, 0.03]))
                ),
                "WHCD": number(random.choice(np.array([2, 3, 4, 5, 6]), count, p=[0.15, 0.45, 0.27, 0.1, 0.03])),
                "ZSMC": both,
                "ZSBH": where(has_health, where(level > 0, join(numbers, ",", health), health), numbers),
                "ZSYXQ": where(has_health, day(expires), ""),
                "RZRQ": day(workers.employed),
                "LZRQ": day(workers.left),
                "ZT": pick(["Y", "N"], left.astype(int)),
                "DEL_FLAG": repeat("0", count),
            }
        )
        return target.rows
