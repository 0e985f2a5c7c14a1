"""Institutions with their beds, staff and stays: `jigou.xlsx`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from huiyang.geodesy import wgs84_to_gcj02
from migration.sample import people
from migration.sample.calendar import FIRST_DAY, LAST_DAY, random_days
from migration.sample.columns import Column, day, decimal, join, number, pick, values_at, where
from migration.sample.dirt import Truth, choose
from migration.sample.elder_tables import ElderRows
from migration.sample.files import Sheet, cells, write_workbook
from migration.sample.people import FEMALE, MALE
from migration.sample.places import Places
from migration.sample.population import ALONE, DECEASED, IN_INSTITUTION, LIVING, Population
from migration.sample.volumes import Volumes

FILE = "jigou.xlsx"
WELFARE_HOME, RESPECT_HOME, NURSING_HOME, CARE_CENTRE = 0, 1, 2, 3
_TYPES = ["社会福利院", "敬老院", "养老院", "护理院"]
_NATURES = ["公办", "公建民营", "民办"]
#: Reason of discharge (old platform's code).
HOME, TRANSFER, HOSPITAL, DEATH, OTHER_REASON = 1, 2, 3, 4, 9

_FIRST_ADMISSION = np.datetime64("2017-01-01")
_MEAN_STAY_DAYS = 1_050
_DEATH_SHARE = 0.34
_READMITTED_SHARE = 0.03
_OWN_COUNTY_SHARE = 0.92
#: No more of a county's elders than this share ever live in its own institutions (matters at demo scale).
_LARGEST_SHARE = 0.45
_BEDS_A_ROOM = 3


@dataclass(frozen=True)
class Institutions:
    """Arrays over institutions.

    Attributes:
        code: `YLJG` and four digits.
        kind, nature: positions in their lists of words.
        bed_count: beds on file.
        closed: NaT where it operates.
    """

    code: list[str]
    name: list[str]
    kind: np.ndarray
    nature: np.ndarray
    county: np.ndarray
    village: np.ndarray
    founded: np.ndarray
    closed: np.ndarray
    bed_count: np.ndarray


@dataclass
class Stays:
    """Arrays over stays; beds are numbered through all institutions.

    Attributes:
        bed_institution: per bed, its institution; `bed_rank`: its number within it, from 0.
        left: NaT while the person lives there.
        reason: code of the reason of discharge, 0 while there.
    """

    bed_institution: np.ndarray
    bed_rank: np.ndarray
    bed: np.ndarray
    person: np.ndarray
    admitted: np.ndarray
    left: np.ndarray
    reason: np.ndarray

    @property
    def current(self) -> np.ndarray:
        """Positions of the stays that go on."""
        return np.flatnonzero(np.isnat(self.left))


def make_institutions(places: Places, volumes: Volumes, random: np.random.Generator) -> Institutions:
    """A welfare home a county, respect homes in towns, private homes where people are."""
    counties, count = len(places.county_codes), volumes.institutions
    share = np.bincount(places.county, weights=places.weight)
    draw = random.random(count)
    kind = np.where(draw < 0.38, RESPECT_HOME, np.where(draw < 0.88, NURSING_HOME, CARE_CENTRE))
    kind[:counties] = WELFARE_HOME
    county = random.choice(counties, count, p=share / share.sum())
    county[:counties] = np.arange(counties)
    village = np.array([int(random.choice(np.flatnonzero(places.county == c))) for c in county])
    nature = np.select(
        [kind == WELFARE_HOME, kind == RESPECT_HOME],
        [0, random.choice(2, count, p=[0.7, 0.3])],
        np.where(random.random(count) < 0.12, 1, 2),
    )
    names: list[str] = []
    used: set[str] = set()
    brands = [
        "康泰",
        "福安",
        "颐和",
        "乐寿",
        "金晖",
        "静养",
        "海景",
        "椰林",
        "松柏",
        "百岁",
        "慈爱",
        "仁和",
        "祥和",
        "温馨",
        "阳光",
        "长青",
        "南山",
        "爱心",
        "幸福里",
        "安康",
    ]
    for n, (k, c, v) in enumerate(zip(kind.tolist(), county.tolist(), village.tolist(), strict=True)):
        seat, town = places.county_names[c], places.town_names[places.town[v]]
        if k == WELFARE_HOME:
            name = f"{seat}社会福利院"
        elif k == RESPECT_HOME:
            name = f"{seat}{town}敬老院"
        else:
            name = f"{seat}{brands[n % len(brands)]}{'养老院' if k == NURSING_HOME else '护理院'}"
        serial = next(s for s in ("", *(f"（{m}号院）" for m in range(2, 999))) if name + s not in used)
        used.add(name + serial)
        names.append(name + serial)
    size = np.select([kind == WELFARE_HOME, kind == RESPECT_HOME], [2.2, 0.55], 1.0) * random.lognormal(0, 0.4, count)
    beds = np.maximum(12, np.rint(size / size.sum() * volumes.beds)).astype(int)
    founded = random_days(
        np.full(count, np.datetime64("1998-01-01")), np.full(count, np.datetime64("2016-12-31")), random
    )
    newer = random.random(count) < 0.3
    founded[newer] = random_days(
        np.full(newer.sum(), np.datetime64("2017-01-01")), np.full(newer.sum(), LAST_DAY - 500), random
    )
    closed = np.full(count, np.datetime64("NaT"), dtype="datetime64[D]")
    gone = np.flatnonzero((kind == NURSING_HOME) & (random.random(count) < 0.05))
    closed[gone] = random_days(np.full(len(gone), FIRST_DAY + 100), np.full(len(gone), LAST_DAY - 30), random)
    code = [f"YLJG{n + 1:04d}" for n in range(count)]
    return Institutions(code, names, kind, nature, county, village, founded, closed, beds)


def make_stays(
    institutions: Institutions, population: Population, volumes: Volumes, random: np.random.Generator
) -> Stays:
    """Stays since the window began, of elders on file. Sets days of death, living arrangement and registration."""
    bed_institution = np.repeat(np.arange(len(institutions.code)), institutions.bed_count)
    starts = np.cumsum(institutions.bed_count) - institutions.bed_count
    bed_rank = np.arange(len(bed_institution)) - starts[bed_institution]
    occupancy = np.clip(random.normal(0.56, 0.16, len(institutions.code)), 0.2, 0.92)
    bed, admitted, left = _bed_chains(
        institutions, bed_institution, occupancy[bed_institution], volumes.residents, random
    )
    stays = Stays(
        bed_institution, bed_rank, bed, np.full(len(bed), -1), admitted, left, np.zeros(len(bed), dtype=np.int64)
    )
    ended = np.flatnonzero(~np.isnat(left))
    stays.reason[ended] = random.choice(
        np.array([HOME, TRANSFER, HOSPITAL, OTHER_REASON]), len(ended), p=[0.55, 0.2, 0.17, 0.08]
    )
    _assign_deaths(stays, institutions, population, ended, random)
    _assign_living(stays, institutions, population, random)
    residents = stays.person[stays.current]
    left_behind = population.spouse[residents]
    population.living[left_behind[left_behind >= 0]] = ALONE
    population.living[residents] = IN_INSTITUTION
    first = np.full(population.count, np.datetime64("2100-01-01"))
    np.minimum.at(first, stays.person, stays.admitted)
    population.registered = np.minimum(population.registered, first - random.integers(1, 90, population.count))
    return stays


def _bed_chains(
    institutions: Institutions,
    bed_institution: np.ndarray,
    occupancy: np.ndarray,
    residents: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One stay after the other in each bed; so many that go on as there shall be residents."""
    beds = len(bed_institution)
    opens = np.maximum(institutions.founded[bed_institution] + 60, _FIRST_ADMISSION)
    shuts = institutions.closed[bed_institution]
    gap = _MEAN_STAY_DAYS * (1 - occupancy) / occupancy
    current = opens + (random.exponential(1.0, beds) * gap * 0.6).astype(int)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    while (current <= LAST_DAY).any():
        length = np.maximum(15, random.exponential(_MEAN_STAY_DAYS, beds)).astype(int)
        end = current + length
        until = np.where(np.isnat(shuts), LAST_DAY + 1, shuts)
        cut = ~np.isnat(shuts) & (end > shuts)
        end = np.where(cut, shuts, end)
        rows = np.flatnonzero((current < until - 15) & (end > FIRST_DAY))
        parts.append((rows, current[rows], np.where(end[rows] > LAST_DAY, np.datetime64("NaT"), end[rows])))
        current = end + 1 + random.exponential(gap).astype(int)
        current = np.where(cut, LAST_DAY + 1, current)
    bed, admitted, left = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    going_on = np.flatnonzero(np.isnat(left))
    surplus = random.choice(going_on, max(0, len(going_on) - residents), replace=False)
    keep = np.setdiff1d(np.arange(len(bed)), surplus)
    keep = keep[np.lexsort((bed[keep], admitted[keep]))]
    return bed[keep], admitted[keep], left[keep]


def _assign_deaths(
    stays: Stays, institutions: Institutions, population: Population, ended: np.ndarray, random: np.random.Generator
) -> None:
    """Stays that end with death, of elders who are on file as deceased; their day of death becomes the stay's end."""
    county = institutions.county[stays.bed_institution[stays.bed]]
    dying = ended[random.random(len(ended)) < _DEATH_SHARE]
    for position in range(county.max() + 1):
        wanted = dying[county[dying] == position]
        dead = np.flatnonzero(
            (population.status == DECEASED) & (population.county == position) & (population.age_group >= 3)
        )
        random.shuffle(dead)
        dead = dead[: len(dead) * 3 // 5]
        count = min(len(wanted), len(dead))
        stays.person[wanted[:count]] = dead[:count]
        stays.reason[wanted[:count]] = DEATH
        population.died[dead[:count]] = stays.left[wanted[:count]]


def _assign_living(
    stays: Stays, institutions: Institutions, population: Population, random: np.random.Generator
) -> None:
    age = population.age_on(LAST_DAY)
    weight = np.exp((age - 70) / 7) * (1 + 2.5 * population.ability) * np.where(population.spouse < 0, 2.5, 1.0)
    county = institutions.county[stays.bed_institution[stays.bed]]
    eligible = (population.status == LIVING) & (age >= 70)
    keys = np.log(weight) + random.gumbel(size=population.count)
    for position in range(county.max() + 1):
        wanted = np.flatnonzero((stays.person < 0) & (county == position))
        pool = np.flatnonzero(eligible & (population.county == position))
        # Where a county has many beds, people from elsewhere fill them.
        own = min(round(len(wanted) * _OWN_COUNTY_SHARE), round(len(pool) * _LARGEST_SHARE))
        chosen = pool[np.argsort(-keys[pool])[:own]]
        stays.person[random.choice(wanted, own, replace=False)] = chosen
        eligible[chosen] = False
    rest = np.flatnonzero(stays.person < 0)
    pool = np.flatnonzero(eligible)
    if len(rest) > len(pool):
        raise ValueError(f"{len(rest)} stays for {len(pool)} elders")
    stays.person[rest] = random.permutation(pool[np.argsort(-keys[pool])[: len(rest)]])
    # Some came back: the person of a stay that ended takes the place of one who came later.
    went_home = np.flatnonzero(np.isin(stays.reason, (HOME, HOSPITAL)))
    returning = random.choice(went_home, round(len(went_home) * _READMITTED_SHARE), replace=False)
    replaceable = np.setdiff1d(np.flatnonzero(stays.reason != DEATH), returning)
    for earlier in returning.tolist():
        fits = (county[replaceable] == county[earlier]) & (stays.admitted[replaceable] > stays.left[earlier] + 5)
        if fits.any():
            later = int(random.choice(replaceable[fits]))
            stays.person[later] = stays.person[earlier]
            replaceable = replaceable[replaceable != later]


# --- the workbook ---


@dataclass(frozen=True)
class WrittenInstitutions:
    """What `jigou.xlsx` holds.

    Attributes:
        rows: by sheet.
        credit_codes: of each institution, as written.
    """

    rows: dict[str, int]
    credit_codes: list[str]


def write_institutions(
    directory: Path,
    institutions: Institutions,
    stays: Stays,
    population: Population,
    places: Places,
    rows: ElderRows,
    truth: Truth,
    random: np.random.Generator,
) -> WrittenInstitutions:
    """Writes `jigou.xlsx`."""
    shown_bed = _double_occupancy(institutions, stays, random, truth)
    institution_sheet = _institution_sheet(institutions, stays, places, random)
    sheets = [
        institution_sheet,
        _bed_sheet(institutions, stays, random),
        _staff_sheet(institutions, stays, random),
        _stay_sheet(institutions, stays, shown_bed, population, rows, random),
    ]
    write_workbook(directory / FILE, sheets)
    return WrittenInstitutions(
        {f"{FILE}/{sheet.name}": sheet.row_count for sheet in sheets}, institution_sheet.columns["统一社会信用代码"]
    )


def _stay_keys(stays: Stays) -> Column:
    return join("RZ", number(np.arange(1, len(stays.bed) + 1), 7))


def _double_occupancy(
    institutions: Institutions, stays: Stays, random: np.random.Generator, truth: Truth
) -> np.ndarray:
    """The bed written for each stay: a few are put into a bed of the same house that is taken at the time."""
    shown = stays.bed.copy()
    moved = choose("bed_double_occupancy", stays.current, random, of=len(stays.bed))
    institution = stays.bed_institution[stays.bed]
    done = []
    for stay in moved.tolist():
        others = stays.current[(institution[stays.current] == institution[stay]) & (stays.current != stay)]
        others = np.setdiff1d(others, moved)
        if len(others):
            shown[stay] = stays.bed[int(random.choice(others))]
            done.append(stay)
    positions = np.array(done, dtype=np.int64)
    originals = _bed_codes(institutions, stays, stays.bed[positions]).to_pylist()
    truth.add("bed_double_occupancy", FILE, "入住记录", "床位编码", values_at(_stay_keys(stays), positions), originals)
    return shown


def _ranges(low: np.ndarray, high: np.ndarray) -> Column:
    return where(low == high, number(low), join(number(low), "-", number(high)))


def _institution_sheet(institutions: Institutions, stays: Stays, places: Places, random: np.random.Generator) -> Sheet:
    count = len(institutions.code)
    village, county = institutions.village, institutions.county
    town = places.town[village]
    public = institutions.nature == 0
    credit = people.credit_codes(
        count, np.where(public, "12", np.where(random.random(count) < 0.8, "52", "91")), random
    )
    longitude, latitude = wgs84_to_gcj02(*places.scatter(village, random))
    beds = institutions.bed_count
    nursing = np.rint(beds * random.uniform(0.2, 0.9, count)).astype(int)
    day_care = np.where(random.random(count) < 0.3, random.integers(4, 21, count), 0)
    current = np.bincount(stays.bed_institution[stays.bed[stays.current]], minlength=count)
    grade = np.where(
        random.random(count) < 0.45, random.choice(np.array([1, 2, 3, 4, 5]), count, p=[0.2, 0.35, 0.3, 0.1, 0.05]), 0
    )
    bed_fee = 300 + random.integers(0, 12, count) * 50 + np.where(public, 0, 300)
    care_fee = 200 + random.integers(0, 8, count) * 100
    meal_fee = 300 + random.integers(0, 9, count) * 50
    deposit = np.where(public, 0, random.integers(1, 7, count) * 1000)
    no_fire, no_food, has_medical = (random.random(count) < share for share in (0.06, 0.05, 0.3))
    closed = ~np.isnat(institutions.closed)
    suspended = ~closed & (np.arange(count) % 41 == 30)
    founded = day(institutions.founded)
    #: Excel's own day number, where a cell was typed as a date.
    as_number = where(
        random.random(count) < 0.06, number((institutions.founded - np.datetime64("1899-12-30")).astype(int)), founded
    )
    operator = [f"{name.removesuffix('（2号院）')}运营管理有限公司" for name in institutions.name]
    sex, born = random.integers(1, 3, (2, count)), np.full(count, np.datetime64("1972-03-01"))
    admits = random.choice(4, count, p=[0.15, 0.3, 0.35, 0.2])
    medical = np.where(has_medical, 0, np.where(random.random(count) < 0.75, 1, 2))
    serial = np.arange(count)
    columns: dict[str, Column | list[str]] = {
        "机构编号": institutions.code,
        "机构名称": institutions.name,
        "统一社会信用代码": credit,
        "机构类型": pick(_TYPES, institutions.kind),
        "成立日期": as_number,
        "所属区划": join(
            "湛江市/",
            pick(places.county_names, county),
            "/",
            pick(places.town_names, town),
            "/",
            pick(places.names, village),
        ),
        "区划代码": where(serial % 19 == 7, "", pick(places.codes, village)),
        "地址": join(
            "湛江市",
            pick(places.county_names, county),
            pick(places.town_names, town),
            pick(places.names, village),
            number(serial * 17 % 300 + 1),
            "号",
        ),
        "经度": decimal(longitude, 6),
        "纬度": decimal(latitude, 6),
        "坐标系": pick(["GCJ02"], np.zeros(count, dtype=int)),
        "星级": pick(
            ["无", "一星级", "二星级", "三星级", "四星级", "五星级", ""],
            np.where((grade == 0) & (serial % 3 == 0), 6, grade),
        ),
        "法定代表人": people.whole_names(count, sex[0], born, random),
        "登记机关": join(
            pick(places.county_names, county),
            pick(["民政局", "市场监督管理局"], np.array([code[0] == "9" for code in credit]).astype(int)),
        ),
        "联系人": people.whole_names(count, sex[1], born, random),
        "联系电话": where(
            random.random(count) < 0.5, people.landlines(count, random), number(people.mobiles(count, random))
        ),
        "备案编号": where(
            serial % 11 == 5,
            "",
            filing_numbers(institutions),
        ),
        "总床位数": number(beds),
        "护理型床位数": number(nursing),
        "全托床位数": number(beds - day_care),
        "日托床位数": number(day_care),
        "占地面积": join(number(beds * random.integers(30, 60, count)), "平方米"),
        "建筑面积": join(number(beds * random.integers(20, 42, count)), "㎡"),
        "场所性质": pick(
            ["自有", "租赁", "无偿使用"], np.where(public, 0, random.choice(3, count, p=[0.25, 0.6, 0.15]))
        ),
        "消防许可证号": where(no_fire, "", join("湛公消验字", number(2000 + serial), "号")),
        "无消防原因": where(no_fire, "正在整改", ""),
        "食品经营许可证号": where(no_food, "", join("JY34408", number(10**9 + serial * 7919 % 10**9))),
        "无食品许可原因": where(no_food, pick(["外包供餐", "办理中"], serial % 2), ""),
        "医疗许可证号": where(has_medical, join("PDY", number(440800000 + serial)), ""),
        "无医疗许可原因": where(has_medical, "", "未设医疗机构"),
        "经营性质": pick(_NATURES, institutions.nature),
        "运营方": where(institutions.nature == 0, "", pick(operator, serial)),
        "收住对象": pick(["自理,部分失能", "自理,部分失能,失能", "自理,部分失能,失能,失智", "部分失能,失能"], admits),
        "责任险": pick(["是", "否"], (random.random(count) < 0.15).astype(int)),
        "床位费": _ranges(bed_fee, bed_fee + random.integers(0, 6, count) * 200),
        "护理费": _ranges(care_fee, care_fee + random.integers(1, 12, count) * 150),
        "伙食费": _ranges(meal_fee, meal_fee + random.integers(0, 3, count) * 100),
        "押金": _ranges(deposit, deposit),
        "医疗服务方式": pick(["内设医疗机构", "签约医疗机构", "无"], medical),
        "医保定点": pick(["是", "否"], np.where(has_medical & (random.random(count) < 0.7), 0, 1)),
        "月末在院人数": number(current),
        "运营状态": pick(["运营中", "暂停运营", "已关停"], np.where(closed, 2, np.where(suspended, 1, 0))),
        "关停日期": day(institutions.closed),
    }
    return Sheet("机构信息", "湛江市养老机构信息表（导出时间：2026-11-01）", cells(columns))


def filing_numbers(institutions: Institutions) -> Column:
    """`44082016养备0001`: each institution's number in the bureau's register."""
    year = institutions.founded.astype("datetime64[Y]").astype(int) + 1970
    return join("4408", number(year), "养备", number(np.arange(1, len(year) + 1), 4))


def _bed_codes(institutions: Institutions, stays: Stays, beds: np.ndarray) -> Column:
    """`YLJG0001-A-03-301-2`: house, building, floor, room, bed."""
    building, floor, room, place = bed_places(stays, beds)
    return join(
        pick(institutions.code, stays.bed_institution[beds]),
        "-",
        pick(list("ABCDEFGH"), building),
        "-",
        number(floor, 2),
        "-",
        number(floor * 100 + room),
        "-",
        number(place),
    )


def bed_places(stays: Stays, beds: np.ndarray) -> tuple[np.ndarray, ...]:
    """Building (0, 1, …), floor, room on the floor and bed in the room."""
    rank = stays.bed_rank[beds]
    room, place = np.divmod(rank, _BEDS_A_ROOM)
    floor, room = np.divmod(room, 12)
    building, floor = np.divmod(floor, 5)
    return building, floor + 1, room + 1, place + 1


def _bed_sheet(institutions: Institutions, stays: Stays, random: np.random.Generator) -> Sheet:
    beds = np.arange(len(stays.bed_institution))
    taken = np.zeros(len(beds), dtype=bool)
    taken[stays.bed[stays.current]] = True
    draw = random.random(len(beds))
    shut = ~np.isnat(institutions.closed[stays.bed_institution])
    status = np.select([taken, shut, draw < 0.015, draw < 0.04, draw < 0.05], [2, 4, 1, 3, 4], 0)
    building, floor, room, place = bed_places(stays, beds)
    first = np.full(len(beds), np.datetime64("2100-01-01"))
    np.minimum.at(first, stays.bed, stays.admitted)
    opened = np.minimum(institutions.founded[stays.bed_institution] + 40, first)
    closed = np.where(
        status == 4, np.where(shut, institutions.closed[stays.bed_institution], LAST_DAY - 20), np.datetime64("NaT")
    )
    columns: dict[str, Column | list[str]] = {
        "床位编码": _bed_codes(institutions, stays, beds),
        "机构编号": pick(institutions.code, stays.bed_institution),
        "楼栋": join(pick(list("ABCDEFGH"), building), "栋"),
        "楼层": join(number(floor), "楼"),
        "房间号": number(floor * 100 + room),
        "床位号": number(place),
        "床位类型": pick(["H", "P"], (random.random(len(beds)) < 0.45).astype(int)),
        "床位状态": number(status),
        "启用日期": day(opened),
        "停用日期": day(closed),
    }
    return Sheet("床位", "养老机构床位表", cells(columns))


_POSTS = ["护理员", "护士", "医生", "社工", "院长", "后勤"]


def _staff_sheet(institutions: Institutions, stays: Stays, random: np.random.Generator) -> Sheet:
    residents = np.bincount(stays.bed_institution[stays.bed[stays.current]], minlength=len(institutions.code))
    carers = np.maximum(2, np.rint(residents / random.uniform(4.5, 11, len(residents)))).astype(int)
    each = np.stack(
        [
            carers,
            np.maximum(1, carers // 5),
            (residents > 60).astype(int),
            (residents > 40).astype(int),
            np.ones_like(carers),
            np.maximum(1, carers // 3),
        ],
        axis=1,
    )
    flat = each.ravel()
    cell = np.repeat(np.arange(flat.size), flat)
    institution, post = np.divmod(cell, len(_POSTS))
    count = len(cell)
    sex = np.where(random.random(count) < np.where(np.isin(post, (2, 4, 5)), 0.5, 0.88), FEMALE, MALE)
    born = random_days(np.full(count, np.datetime64("1963-01-01")), np.full(count, np.datetime64("2003-12-31")), random)
    employed = random_days(
        np.maximum(institutions.founded[institution], born + 19 * 366), np.full(count, LAST_DAY - 10), random
    )
    left = np.full(count, np.datetime64("NaT"), dtype="datetime64[D]")
    gone = np.flatnonzero((random.random(count) < 0.12) & (employed < LAST_DAY - 200))
    left[gone] = random_days(np.maximum(employed[gone] + 60, FIRST_DAY), np.full(len(gone), LAST_DAY - 5), random)
    shut = np.flatnonzero(~np.isnat(institutions.closed[institution]))
    left[shut] = np.maximum(institutions.closed[institution[shut]], employed[shut] + 1)
    prefixes = random.choice(
        np.array([440802, 440803, 440804, 440811, 440823, 440825, 440881, 440882, 440883, 450921]), count
    )
    certified = np.where(post == 0, random.random(count) < 0.7, np.isin(post, (1, 2, 3)))
    certificate = pick(["养老护理员证", "护士执业证书", "医师执业证书", "社会工作者证", "", ""], post)
    columns: dict[str, Column | list[str]] = {
        "人员编号": join("JGRY", number(np.arange(1, count + 1), 5)),
        "机构编号": pick(institutions.code, institution),
        "姓名": people.whole_names(count, sex, born, random),
        "性别": pick(["男", "女"], sex - 1),
        "身份证号": people.id_texts(people.id_numbers(prefixes, born, sex)),
        "出生日期": day(born, "%Y/{m}/{d}"),
        "联系电话": number(people.mobiles(count, random)),
        "岗位": pick(_POSTS, post),
        "学历": pick(
            ["小学", "初中", "高中", "大专", "本科"], random.choice(5, count, p=[0.08, 0.42, 0.28, 0.16, 0.06])
        ),
        "证书名称": where(certified, certificate, ""),
        "证书等级": where(
            certified & (post == 0), pick(["初级", "中级", "高级"], random.choice(3, count, p=[0.6, 0.3, 0.1])), ""
        ),
        "证书编号": where(certified, join("ZS", number(random.integers(0, 10**8, count), 8)), ""),
        "证书有效期": where(certified, day(LAST_DAY + random.integers(-90, 900, count)), ""),
        "入职日期": day(employed),
        "离职日期": day(left),
    }
    return Sheet("工作人员", "养老机构工作人员表", cells(columns))


def _stay_sheet(
    institutions: Institutions,
    stays: Stays,
    shown_bed: np.ndarray,
    population: Population,
    rows: ElderRows,
    random: np.random.Generator,
) -> Sheet:
    count = len(stays.bed)
    person = stays.person
    fee = 1_100 + population.ability[person] * 450 + random.integers(0, 14, count) * 50
    style = random.random(count)
    admitted = where(
        style < 0.04,
        number((stays.admitted - np.datetime64("1899-12-30")).astype(int)),
        where(style < 0.2, day(stays.admitted, "%Y/{m}/{d}"), day(stays.admitted)),
    )
    signed = stays.admitted - random.integers(0, 6, count)
    columns: dict[str, Column | list[str]] = {
        "入住编号": _stay_keys(stays),
        "机构编号": pick(institutions.code, stays.bed_institution[stays.bed]),
        "床位编码": _bed_codes(institutions, stays, shown_bed),
        "老人编号": rows.numbers_of(person),
        "姓名": population.names.take(pa.array(person)),
        "身份证号": people.id_texts(population.id_body[person]),
        "入住日期": admitted,
        "退住日期": day(stays.left),
        "退住原因": where(stays.reason == 0, "", number(stays.reason)),
        "能力等级": where(random.random(count) < 0.08, "", number(population.ability[person])),
        "护理等级": pick(["三级护理", "二级护理", "一级护理", "一级护理", "特级护理"], population.ability[person]),
        "月收费": where(style > 0.9, join(number(fee), "元/月"), number(fee)),
        "合同编号": where(style > 0.97, "", join("HT", day(signed, "%Y%m%d"), number(np.arange(count) % 10_000, 4))),
        "合同签订日期": day(signed),
        "合同到期日期": day(signed + 365 * random.integers(1, 6, count)),
    }
    return Sheet("入住记录", "养老机构入住老人表（含历史）", cells(columns))
