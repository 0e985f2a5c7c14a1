"""`elders.sql`: the four tables of elders (`t_laoren`, `t_jianhuren`, `t_bingshi`, `t_jingji`) as a MySQL dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from huiyang.geodesy import wgs84_to_gcj02
from huiyang.identifiers import ID_CHECK_CHARACTERS
from migration.sample import people
from migration.sample.calendar import LAST_DAY, days_of, office_seconds, random_days, seconds_of
from migration.sample.columns import (
    DATE_FORMATS,
    Column,
    day,
    day_in_formats,
    decimal,
    join,
    moment,
    nullable,
    number,
    pick,
    repeat,
    replaced,
    values_at,
    where,
)
from migration.sample.dirt import Truth, choose, mojibake
from migration.sample.files import MySqlDump, SqlColumn, SqlTable
from migration.sample.people import FEMALE, LOOK_ALIKES, MALE
from migration.sample.places import Places, gcj02_to_bd09
from migration.sample.population import DECEASED, DIBAO, DISEASES, LIVING, MOVED, ORDINARY, TEKUN, Population

FILE = "elders.sql"
ORIGINAL, DUPLICATE, DELETED = 0, 1, 2
#: Test entries that clerks made and deleted (soft-delete flag set), as a share of the originals.
DELETED_SHARE = 0.003
_CHUNK = 200_000

_V = "varchar(64) DEFAULT NULL"
_AUDIT = (
    SqlColumn("DEL_FLAG", "char(1) DEFAULT '0'", "删除标志（0代表存在 2代表删除）"),
    SqlColumn("CREATE_BY", _V, "创建者"),
    SqlColumn("CREATE_TIME", "varchar(32) DEFAULT NULL", "创建时间"),
)
LAOREN = SqlTable(
    "t_laoren",
    "老人基本信息",
    (
        SqlColumn("ID", "bigint(20) NOT NULL AUTO_INCREMENT", "主键"),
        SqlColumn("LRBH", "varchar(32) NOT NULL", "老人编号"),
        SqlColumn("XM", "varchar(64) DEFAULT NULL", "姓名", free_text=True),
        SqlColumn("XB", "varchar(4) DEFAULT NULL", "性别"),
        SqlColumn("SFZH", "varchar(32) DEFAULT NULL", "身份证号"),
        SqlColumn("CSRQ", "varchar(32) DEFAULT NULL", "出生日期"),
        SqlColumn("MZ", "varchar(16) DEFAULT NULL", "民族"),
        SqlColumn("WHCD", "varchar(4) DEFAULT NULL", "文化程度"),
        SqlColumn("HYZK", "varchar(4) DEFAULT NULL", "婚姻状况"),
        SqlColumn("LXDH", _V, "联系电话，多个以逗号分隔"),
        SqlColumn("SSQH", "varchar(255) DEFAULT NULL", "所属区划（名称）"),
        SqlColumn("QHDM", "varchar(12) DEFAULT NULL", "区划代码"),
        SqlColumn("DZ", "varchar(255) DEFAULT NULL", "居住地址", free_text=True),
        SqlColumn("JD", "varchar(20) DEFAULT NULL", "经度"),
        SqlColumn("WD", "varchar(20) DEFAULT NULL", "纬度"),
        SqlColumn("ZBX", "varchar(8) DEFAULT NULL", "坐标系"),
        SqlColumn("HH", "varchar(20) DEFAULT NULL", "户号"),
        SqlColumn("JZQK", "varchar(4) DEFAULT NULL", "居住情况"),
        SqlColumn("DXLB", "varchar(16) DEFAULT NULL", "对象类别，多个以逗号分隔"),
        SqlColumn("NLDJ", "varchar(4) DEFAULT NULL", "能力等级"),
        SqlColumn("JDRQ", "varchar(32) DEFAULT NULL", "建档日期"),
        SqlColumn("ZT", "varchar(4) DEFAULT NULL", "状态"),
        SqlColumn("SWRQ", "varchar(32) DEFAULT NULL", "死亡日期"),
        SqlColumn("QCRQ", "varchar(32) DEFAULT NULL", "迁出日期"),
        SqlColumn("BZ", "varchar(500) DEFAULT NULL", "备注", free_text=True),
        *_AUDIT,
        SqlColumn("UPDATE_TIME", "varchar(32) DEFAULT NULL", "更新时间"),
    ),
    ("PRIMARY KEY (`ID`)", "KEY `idx_lrbh` (`LRBH`)", "KEY `idx_sfzh` (`SFZH`)"),
)
JIANHUREN = SqlTable(
    "t_jianhuren",
    "监护人（紧急联系人）",
    (
        SqlColumn("ID", "bigint(20) NOT NULL AUTO_INCREMENT", "主键"),
        SqlColumn("LAOREN_ID", "bigint(20) DEFAULT NULL", "老人主键"),
        SqlColumn("XM", _V, "姓名"),
        SqlColumn("GX", "varchar(4) DEFAULT NULL", "与老人关系"),
        SqlColumn("SJH", "varchar(32) DEFAULT NULL", "手机号"),
        SqlColumn("SFDY", "char(1) DEFAULT NULL", "是否第一联系人"),
        *_AUDIT,
    ),
    ("PRIMARY KEY (`ID`)", "KEY `idx_laoren` (`LAOREN_ID`)"),
)
BINGSHI = SqlTable(
    "t_bingshi",
    "病史",
    (
        SqlColumn("ID", "bigint(20) NOT NULL AUTO_INCREMENT", "主键"),
        SqlColumn("LAOREN_ID", "bigint(20) DEFAULT NULL", "老人主键"),
        SqlColumn("JBDM", _V, "疾病代码，多个以逗号分隔"),
        SqlColumn("JBMC", "varchar(255) DEFAULT NULL", "疾病名称，多个以顿号分隔"),
        SqlColumn("QZSJ", "varchar(255) DEFAULT NULL", "确诊时间，与疾病代码一一对应"),
        SqlColumn("XQ", "varchar(500) DEFAULT NULL", "详情", free_text=True),
        SqlColumn("GMS", _V, "过敏史"),
        *_AUDIT,
    ),
    ("PRIMARY KEY (`ID`)", "KEY `idx_laoren` (`LAOREN_ID`)"),
)
JINGJI = SqlTable(
    "t_jingji",
    "经济状况",
    (
        SqlColumn("ID", "bigint(20) NOT NULL AUTO_INCREMENT", "主键"),
        SqlColumn("LAOREN_ID", "bigint(20) DEFAULT NULL", "老人主键"),
        SqlColumn("JJLB", "varchar(4) DEFAULT NULL", "经济类别"),
        SqlColumn("SRLY", "varchar(16) DEFAULT NULL", "收入来源，多个以逗号分隔"),
        SqlColumn("YSR", "varchar(32) DEFAULT NULL", "月收入"),
        SqlColumn("SRDJ", "varchar(4) DEFAULT NULL", "收入档次"),
        SqlColumn("YXQS", "varchar(16) DEFAULT NULL", "有效期始"),
        SqlColumn("YXQZ", "varchar(16) DEFAULT NULL", "有效期止"),
        *_AUDIT,
    ),
    ("PRIMARY KEY (`ID`)", "KEY `idx_laoren` (`LAOREN_ID`)"),
)

_CLERKS = ["admin", "import", "zjmz01", "chikan_gly", "leizhou_gly", "lianjiang02", "wuchuan_gly", "suixi01"]
_ROADS = [
    "人民大道",
    "中山路",
    "跃进路",
    "解放路",
    "建设路",
    "海滨大道",
    "椹川大道",
    "康宁路",
    "军民路",
    "民享路",
    "新华路",
    "文明路",
    "东堤路",
    "百园路",
    "幸福路",
    "育才路",
    "和平路",
    "友谊路",
    "南华路",
    "绿塘路",
]
_HAMLETS = [
    "村",
    "上村",
    "下村",
    "老村",
    "新村",
    "东村",
    "西村",
    "仔村",
    "北村",
    "后塘村",
    "坡尾村",
    "塘边村",
    "岭脚村",
]
_REMARKS = [
    "",
    "已入户核实",
    "儿子在外务工，\n平时由邻居照看",
    '老人说"不用上门"',
    "地址待核\\勿删",
    "听力差，敲门要大声",
    "O型血，备注'高血压'",
    "旧系统导入",
]
_REMARK_WEIGHTS = [0.915, 0.04, 0.008, 0.004, 0.004, 0.012, 0.005, 0.012]
_PATH_SEPARATORS = ["/", "-", ""]
_MINORITIES = [("01", "汉族"), ("08", "壮族"), ("13", "瑶族"), ("19", "黎族"), ("06", "苗族")]


@dataclass(frozen=True)
class ElderRows:
    """The records of `t_laoren`, in the order of their creation (and so of ID): originals, duplicates, deleted tests.

    Attributes:
        person: position in `Population`.
        kind: ORIGINAL, DUPLICATE or DELETED.
        row_id: `ID`.
        created: seconds.
        number: `LRBH`.
        original: per person, the position of its original record.
        duplicate: per person, the position of its duplicate, -1 where none.
    """

    person: np.ndarray
    kind: np.ndarray
    row_id: np.ndarray
    created: np.ndarray
    number: Column
    original: np.ndarray
    duplicate: np.ndarray

    @property
    def count(self) -> int:
        return len(self.person)

    def numbers_of(self, persons: np.ndarray) -> Column:
        """`LRBH` of the original records of persons."""
        return self.number.take(pa.array(self.original[persons]))


def make_elder_rows(population: Population, places: Places, random: np.random.Generator) -> ElderRows:
    """One record a person, and those that should not be there."""
    count = population.count
    registered = seconds_of(population.registered) + office_seconds(count, random)
    settled = (population.status == LIVING) & (population.registered < LAST_DAY - 60)
    doubled = choose("elder_duplicate", np.flatnonzero(settled), random, of=count)
    again = random_days(population.registered[doubled] + 20, np.full(len(doubled), LAST_DAY), random)
    deleted = np.sort(random.choice(count, round(count * DELETED_SHARE), replace=False))
    person = np.concatenate([np.arange(count), doubled, deleted])
    kind = np.repeat([ORIGINAL, DUPLICATE, DELETED], [count, len(doubled), len(deleted)])
    created = np.concatenate(
        [registered, seconds_of(again) + office_seconds(len(again), random), registered[deleted] + 600]
    )
    order = np.lexsort((person, created))
    person, kind, created = person[order], kind[order], created[order]
    row_id = np.cumsum(1 + (random.random(len(person)) < 0.01) * random.integers(1, 4, len(person)))
    county = pick([code[:6] for code in places.county_codes], population.county[person])
    original, duplicate = np.zeros(count, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    original[person[kind == ORIGINAL]] = np.flatnonzero(kind == ORIGINAL)
    duplicate[person[kind == DUPLICATE]] = np.flatnonzero(kind == DUPLICATE)
    return ElderRows(person, kind, row_id, created, join("LR", county, number(row_id, 8)), original, duplicate)


def write_elders(
    directory: Path,
    population: Population,
    places: Places,
    rows: ElderRows,
    truth: Truth,
    random: np.random.Generator,
    progress: Callable[[int, int], None],
) -> dict[str, int]:
    """Writes the dump; rows by table.

    Args:
        progress: called with records of elders written and their number.
    """
    with MySqlDump(directory / FILE, "ylpt_zhanjiang") as dump:
        dump.table(LAOREN, _elder_chunks(population, places, rows, truth, random, progress))
        dump.table(JIANHUREN, _guardian_chunks(population, rows, truth, random))
        dump.table(BINGSHI, _disease_chunks(population, rows, random))
        dump.table(JINGJI, _economy_chunks(population, rows, random))
        return dump.rows


# --- t_laoren ---


def _elder_chunks(
    population: Population,
    places: Places,
    rows: ElderRows,
    truth: Truth,
    random: np.random.Generator,
    progress: Callable[[int, int], None],
) -> Iterator[dict[str, Column]]:
    dirty = _choose_dirt(rows, random)
    for start in range(0, rows.count, _CHUNK):
        stop = min(start + _CHUNK, rows.count)
        in_chunk = {
            kind: positions[slice(*np.searchsorted(positions, (start, stop)))] - start
            for kind, positions in dirty.items()
        }
        yield _ElderChunk(population, places, rows, start, stop, in_chunk, truth, random).columns()
        progress(stop, rows.count)


def _choose_dirt(rows: ElderRows, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Positions of records by kind of dirt. Kinds that concern the same field never meet in one record."""
    free = np.flatnonzero(rows.kind == ORIGINAL)
    count = len(free)
    chosen: dict[str, np.ndarray] = {}
    for group in (
        (
            "id_number_short",
            "id_number_checksum",
            "id_number_missing",
            "birth_date_contradicts_id",
            "birth_date_impossible",
        ),
        ("phone_malformed",),
        ("division_code_missing", "division_code_stale", "division_village_unknown"),
        ("text_mojibake", "text_truncated"),
        ("position_wrong_datum", "position_swapped"),
    ):
        candidates = free
        for kind in group:
            chosen[kind] = choose(kind, candidates, random, of=count)
            candidates = np.setdiff1d(candidates, chosen[kind], assume_unique=True)
    return chosen


class _ElderChunk:
    """Builds the columns of a stretch of records."""

    def __init__(
        self,
        population: Population,
        places: Places,
        rows: ElderRows,
        start: int,
        stop: int,
        dirty: dict[str, np.ndarray],
        truth: Truth,
        random: np.random.Generator,
    ) -> None:
        self.population, self.places, self.rows, self.dirty, self.truth, self.random = (
            population,
            places,
            rows,
            dirty,
            truth,
            random,
        )
        self.person = rows.person[start:stop]
        self.kind = rows.kind[start:stop]
        self.created = rows.created[start:stop]
        self.row_id = rows.row_id[start:stop]
        self.number = rows.number.slice(start, stop - start)
        self.count = stop - start
        self.duplicates = np.flatnonzero(self.kind == DUPLICATE)
        #: How each duplicate differs: 0 name, 1 short ID, 2 no ID, 3 wrong ID, 4 only in its formats.
        self.variant = random.choice(5, len(self.duplicates), p=[0.35, 0.2, 0.15, 0.1, 0.2])

    def columns(self) -> dict[str, Column]:
        """A column per name of `LAOREN`."""
        p, person, random = self.population, self.person, self.random
        path, code = self._division()
        longitude, latitude, datum = self._position()
        name, address = self._name(), self._address()
        name, address = self._mojibake(name, address)
        self._record_duplicates()
        updated = self.created + random.integers(0, 200, self.count) * 86_400
        has_update = (random.random(self.count) < 0.4) & (updated < seconds_of(np.array(LAST_DAY)))
        return {
            "ID": number(self.row_id),
            "LRBH": self.number,
            "XM": name,
            "XB": pick(["0", "1", "2", "男", "女"], self._sex()),
            "SFZH": self._id_number(),
            "CSRQ": self._birth_date(),
            "MZ": self._ethnicity(),
            "WHCD": where(random.random(self.count) < 0.06, "", number(p.education[person])),
            "HYZK": where(random.random(self.count) < 0.03, "", number(p.marital[person])),
            "LXDH": self._phone(),
            "SSQH": path,
            "QHDM": code,
            "DZ": address,
            "JD": longitude,
            "WD": latitude,
            "ZBX": datum,
            "HH": join("HH", number(p.household[person] + 1, 8)),
            "JZQK": where(random.random(self.count) < 0.04, "9", number(p.living[person])),
            "DXLB": self._category(),
            "NLDJ": where(random.random(self.count) < 0.05, "", number(p.ability[person])),
            "JDRQ": day(days_of(self.created)),
            "ZT": number(p.status[person]),
            "SWRQ": nullable(day(p.died[person]), p.status[person] == DECEASED),
            "QCRQ": nullable(day(p.moved[person]), p.status[person] == MOVED),
            "BZ": pick(_REMARKS, random.choice(len(_REMARKS), self.count, p=_REMARK_WEIGHTS)),
            "DEL_FLAG": pick(["0", "2"], (self.kind == DELETED).astype(int)),
            "CREATE_BY": pick(_CLERKS, self.row_id // 977 % len(_CLERKS)),
            "CREATE_TIME": moment(self.created),
            "UPDATE_TIME": nullable(moment(updated), has_update),
        }

    def _true(self, kind: str, field: str, originals: list[str]) -> None:
        keys = values_at(self.number, self.dirty[kind])
        self.truth.add(kind, FILE, LAOREN.name, field, keys, originals)

    def _record_duplicates(self) -> None:
        survivors = values_at(self.rows.numbers_of(self.person), self.duplicates)
        keys = values_at(self.number, self.duplicates)
        self.truth.add("elder_duplicate", FILE, LAOREN.name, "LRBH", keys, None, survivors)

    def _sex(self) -> np.ndarray:
        """Positions in 0 1 2 男 女: mostly codes, words from an early import, now and then unknown."""
        sex = self.population.sex[self.person]
        words = (self.row_id < np.quantile(self.rows.row_id, 0.08)) & (self.row_id % 3 == 0)
        return np.where(self.random.random(self.count) < 0.002, 0, np.where(words, sex + 2, sex))

    def _name(self) -> Column:
        names = self.population.names.take(pa.array(self.person))
        typos = self.duplicates[self.variant == 0]
        names = replaced(names, typos, [misspelt(name) for name in values_at(names, typos)])
        tests = np.flatnonzero(self.kind == DELETED)
        return replaced(names, tests, [f"测试{row_id % 100:02d}" for row_id in self.row_id[tests].tolist()])

    def _id_number(self) -> Column:
        bodies = self.population.id_body[self.person]
        column = people.id_texts(bodies)
        for kind, change in (("id_number_short", _short_form), ("id_number_checksum", _wrong_digit)):
            rows = self.dirty[kind]
            originals = values_at(column, rows)
            self._true(kind, "SFZH", originals)
            column = replaced(column, rows, [change(text) for text in originals])
        missing = self.dirty["id_number_missing"]
        self._true("id_number_missing", "SFZH", values_at(column, missing))
        ways = self.random.integers(0, 4, len(missing))
        column = replaced(column, missing, [("", "-", "无", "")[way] for way in ways.tolist()])
        lower = (self.row_id % 4 == 0) & (people.id_check_positions(bodies) == ID_CHECK_CHARACTERS.index("X"))
        column = where(lower, pc.utf8_lower(column), column)
        for variant, change in ((1, _short_form), (2, lambda _: ""), (3, _wrong_digit)):
            rows = self.duplicates[self.variant == variant]
            column = replaced(column, rows, [change(text) for text in values_at(column, rows)])
        # The clerks' way of leaving a field out changed with a version: empty text first, NULL later.
        gone = np.zeros(self.count, dtype=bool)
        gone[missing[ways == 3]] = True
        return nullable(column, ~gone)

    def _birth_date(self) -> Column:
        born = self.population.born[self.person]
        formats = self.random.choice(len(DATE_FORMATS), self.count, p=[0.45, 0.30, 0.15, 0.06, 0.04])
        wrong = self.dirty["birth_date_contradicts_id"]
        self._true("birth_date_contradicts_id", "CSRQ", values_at(day(born), wrong))
        # Typing errors and lunar dates: a year off, a month off, or some thirty days early.
        shift = self.random.choice(np.array([-366, -365, 365, 366, -31, -29, 30, 3652]), len(wrong))
        shown = born.copy()
        shown[wrong] = born[wrong] + shift
        column = day_in_formats(shown, formats)
        rows = self.dirty["birth_date_impossible"]
        self._true("birth_date_impossible", "CSRQ", values_at(day(born), rows))
        year = born[rows].astype("datetime64[Y]").astype(int) + 1970
        ways = self.random.integers(0, 5, len(rows))
        shapes = ("{y}-02-30", "{y}-13-05", "{y}0000", "{y}/4/31", "1800-01-01")
        return replaced(
            column, rows, [shapes[way].format(y=y) for way, y in zip(ways.tolist(), year.tolist(), strict=True)]
        )

    def _ethnicity(self) -> Column:
        group = np.where(self.random.random(self.count) < 0.992, 0, self.random.integers(1, 5, self.count))
        style = self.random.choice(3, self.count, p=[0.7, 0.25, 0.05])
        codes = pick([code for code, _ in _MINORITIES], group)
        return where(style == 0, codes, where(style == 1, pick([name for _, name in _MINORITIES], group), ""))

    def _phone(self) -> Column:
        mobile = self.population.mobile[self.person]
        other = self.random.random(len(self.duplicates)) < 0.4
        mobile = mobile.copy()
        mobile[self.duplicates[other]] = people.mobiles(int(other.sum()), self.random)
        landline = people.landlines(self.count, self.random)
        column = where(mobile > 0, number(mobile), "")
        draw = self.random.random(self.count)
        only_landline = (mobile == 0) & (draw < 0.35)
        both = (mobile > 0) & (draw < 0.07)
        second = (mobile > 0) & (draw >= 0.07) & (draw < 0.10)
        column = where(only_landline, landline, column)
        column = where(both, join(column, ",", landline), column)
        column = where(second, join(column, ",", number(people.mobiles(self.count, self.random))), column)
        rows = self.dirty["phone_malformed"]
        proper = number(np.where(mobile > 0, mobile, people.mobiles(self.count, self.random)))
        originals = values_at(proper, rows)
        self._true("phone_malformed", "LXDH", originals)
        ways = self.random.integers(0, 5, len(rows)).tolist()
        return replaced(column, rows, [_malformed(text, way) for text, way in zip(originals, ways, strict=True)])

    def _division(self) -> tuple[Column, Column]:
        """Name path and code."""
        places, village = self.places, self.population.village[self.person]
        town, county = places.town[village], places.county[village]
        separator = pick(_PATH_SEPARATORS, self.random.choice(3, self.count, p=[0.84, 0.08, 0.08]))
        county_name, town_name = pick(places.county_names, county), pick(places.town_names, town)
        to_town = join("湛江市", separator, county_name, separator, town_name)
        path = join(to_town, separator, pick(places.names, village))
        code = pick(places.codes, village)
        unknown = self.dirty["division_village_unknown"]
        for kind in ("division_code_missing", "division_code_stale", "division_village_unknown"):
            self._true(kind, "QHDM", values_at(code, self.dirty[kind]))
        stale = self.dirty["division_code_stale"]
        code = replaced(code, stale, [_stale_code(text) for text in values_at(code, stale)])
        for rows in (self.dirty["division_code_missing"], unknown):
            code = replaced(code, rows, [""] * len(rows))
        return replaced(path, unknown, values_at(to_town, unknown)), code

    def _address(self) -> Column:
        p, places = self.population, self.places
        village, house = p.village[self.person], p.house_number[self.person]
        front = join(
            "湛江市", pick(places.county_names, places.county[village]), pick(places.town_names, places.town[village])
        )
        block, flat = house % 7 + 1, (house % 9 + 1) * 100 + house % 4 + 1
        urban = join(
            front,
            pick(_ROADS, (village * 7 + house) % len(_ROADS)),
            number(house),
            "号",
            number(block),
            "栋",
            number(flat),
            "房",
        )
        hamlet = pick(_HAMLETS, (village + house // 20) % len(_HAMLETS))
        stem = pick([_village_stem(name) for name in places.names], village)
        rural = join(front, pick(places.names, village), stem, hamlet, number(house), "号")
        address = where(places.is_urban[village], urban, rural)
        rows = self.dirty["text_truncated"]
        originals = values_at(address, rows)
        self._true("text_truncated", "DZ", originals)
        return replaced(address, rows, [text[: len(text) // 2] for text in originals])

    def _mojibake(self, name: Column, address: Column) -> tuple[Column, Column]:
        rows = self.dirty["text_mojibake"]
        result = []
        for field, column in (("XM", name), ("DZ", address)):
            originals = values_at(column, rows)
            self._true("text_mojibake", field, originals)
            result.append(replaced(column, rows, [mojibake(text) for text in originals]))
        return result[0], result[1]

    def _position(self) -> tuple[Column, Column, Column]:
        """Longitude, latitude and the name of the datum: GCJ-02 of the current client, BD-09 of an older one."""
        p = self.population
        true_longitude, true_latitude = p.longitude[self.person], p.latitude[self.person]
        longitude, latitude = wgs84_to_gcj02(true_longitude, true_latitude)
        style = self.random.choice(3, self.count, p=[0.88, 0.08, 0.04])
        wrong, swapped = self.dirty["position_wrong_datum"], self.dirty["position_swapped"]
        style[wrong] = style[swapped] = 0
        baidu_longitude, baidu_latitude = gcj02_to_bd09(longitude, latitude)
        longitude, latitude = (
            np.where(style == 1, baidu_longitude, longitude),
            np.where(style == 1, baidu_latitude, latitude),
        )
        as_gcj02 = join(decimal(longitude, 6), ",", decimal(latitude, 6))
        for kind in ("position_wrong_datum", "position_swapped"):
            self._true(kind, "JD,WD", values_at(as_gcj02, self.dirty[kind]))
        longitude[wrong], latitude[wrong] = true_longitude[wrong], true_latitude[wrong]
        longitude[swapped], latitude[swapped] = latitude[swapped], longitude[swapped]
        return (
            where(style == 2, "", decimal(longitude, 6)),
            where(style == 2, "", decimal(latitude, 6)),
            pick(["GCJ02", "BD09", ""], style),
        )

    def _category(self) -> Column:
        p = self.population
        first, second = p.category[self.person], p.second_category[self.person]
        both = where(
            self.row_id % 2 == 0, join(number(first), ",", number(second)), join(number(second), ",", number(first))
        )
        column = where(second > 0, both, number(first))
        return where((first == ORDINARY) & (self.random.random(self.count) < 0.1), "", column)


def misspelt(name: str) -> str:
    """The name with one character mistaken for a look-alike or homophone, or with one left out or doubled."""
    for position in range(len(name) - 1, -1, -1):
        if name[position] in LOOK_ALIKES:
            return name[:position] + LOOK_ALIKES[name[position]] + name[position + 1 :]
    return name[:-1] if len(name) > 2 else name + name[-1]


def _short_form(number_18: str) -> str:
    return number_18[:6] + number_18[8:17] if len(number_18) == 18 else number_18


def _wrong_digit(number_18: str) -> str:
    """One digit of the serial changed by two (the sex stays), the check character as it was."""
    if len(number_18) != 18:
        return number_18
    position = 14 + int(number_18[16]) % 3
    return f"{number_18[:position]}{(int(number_18[position]) + 2) % 10}{number_18[position + 1 :]}"


def _malformed(mobile: str, way: int) -> str:
    return (mobile[:-1], mobile + mobile[-1], mobile[:3] + "O" + mobile[4:], mobile[:7] + "****", mobile * 2)[way]


def _stale_code(code: str) -> str:
    """A code of an older list: the development zone's former pseudo county, or a village number given up since."""
    if code[:9] in _DEVELOPMENT_ZONE:
        return "440890" + code[6:]
    return f"{code[:9]}{int(code[9:]) % 100 + 700}"


_DEVELOPMENT_ZONE = frozenset({"440803070", "440803071", "440811070", "440811071", "440811072", "440811173"})


def _village_stem(name: str) -> str:
    for suffix in ("社区居民委员会", "社区居委会", "居民委员会", "村民委员会", "居委会", "村委会", "生活区", "社区"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


# --- the tables beside ---


def _audit(rows: ElderRows, positions: np.ndarray) -> dict[str, Column]:
    """Flags and times of records that were made together with the elder's."""
    return {
        "DEL_FLAG": pick(["0", "2"], (rows.kind[positions] == DELETED).astype(int)),
        "CREATE_BY": pick(_CLERKS, rows.row_id[positions] // 977 % len(_CLERKS)),
        "CREATE_TIME": moment(rows.created[positions] + 90),
    }


#: Relation: code, share, minimum and maximum years by which the guardian is younger.
_SPOUSE, _SON, _DAUGHTER, _IN_LAW, _GRANDCHILD, _SIBLING, _CADRE = 1, 2, 3, 4, 5, 6, 8
_RELATIONS = np.array([_SON, _DAUGHTER, _IN_LAW, _GRANDCHILD, _SIBLING, 7, 9])
_RELATION_SHARES = [0.52, 0.25, 0.07, 0.06, 0.05, 0.03, 0.02]


def _guardian_chunks(
    population: Population, rows: ElderRows, truth: Truth, random: np.random.Generator
) -> Iterator[dict[str, Column]]:
    last_id = 0
    no_elder = int(rows.row_id[-1]) + 100_000
    for start in range(0, rows.count, _CHUNK):
        positions = np.arange(start, min(start + _CHUNK, rows.count))
        listed = random.choice(3, len(positions), p=[0.12, 0.70, 0.18])
        listed[rows.kind[positions] == DELETED] = 0
        owner = np.repeat(positions, listed)
        is_first = np.r_[True, owner[1:] != owner[:-1]]
        person = rows.person[owner]
        relation = random.choice(_RELATIONS, len(owner), p=_RELATION_SHARES)
        spouse = population.spouse[person]
        relation = np.where((spouse >= 0) & is_first & (random.random(len(owner)) < 0.35), _SPOUSE, relation)
        supported = (population.category[person] == TEKUN) & is_first
        relation = np.where(supported & (random.random(len(owner)) < 0.6), _CADRE, relation)
        own_sex = np.where(population.sex[person] == MALE, FEMALE, MALE)
        sex = np.select(
            [relation == _SON, np.isin(relation, (_DAUGHTER, _IN_LAW)), relation == _SPOUSE],
            [MALE, FEMALE, own_sex],
            random.integers(1, 3, len(owner)),
        )
        # Children carry the father's surname: the man's own, or that of the woman's husband where he is on file.
        father = np.where((population.sex[person] == FEMALE) & (spouse >= 0), spouse, person)
        drawn = random.choice(len(people.SURNAMES), len(owner), p=people.surnames()[1])
        child = np.isin(relation, (_SON, _DAUGHTER)) & ((population.sex[person] == MALE) | (spouse >= 0))
        surname = np.where(child, population.surname[father], drawn)
        born = population.born[person] + np.where(relation == _GRANDCHILD, 50, 27) * 365
        first, second = people.given_names(sex, born, random)
        name = join(pick(people.surnames()[0], surname), first, second)
        wedded = np.flatnonzero(relation == _SPOUSE)
        name = replaced(name, wedded, values_at(population.names, spouse[wedded]))
        mobile = people.mobiles(len(owner), random)
        mobile[wedded] = np.where(
            population.mobile[spouse[wedded]] > 0, population.mobile[spouse[wedded]], mobile[wedded]
        )
        own_id = np.arange(last_id + 1, last_id + 1 + len(owner))
        last_id += len(owner)
        elder_id = rows.row_id[owner]
        orphans = choose("guardian_orphan", len(owner), random)
        truth.add(
            "guardian_orphan",
            FILE,
            JIANHUREN.name,
            "LAOREN_ID",
            values_at(number(own_id), orphans),
            values_at(number(elder_id), orphans),
        )
        elder_id[orphans] = no_elder + orphans
        yield {
            "ID": number(own_id),
            "LAOREN_ID": number(elder_id),
            "XM": name,
            "GX": number(relation),
            "SJH": where(random.random(len(owner)) < 0.03, "", number(mobile)),
            "SFDY": pick(["N", "Y"], is_first.astype(int)),
            **_audit(rows, owner),
        }


_TREATMENTS = ["", "长期服药", "规律服药，控制可", "曾住院治疗", '医嘱：低盐低脂饮食；"定期复查"', "家属述偶有头晕"]


def _disease_chunks(
    population: Population, rows: ElderRows, random: np.random.Generator
) -> Iterator[dict[str, Column]]:
    """One record per elder who has any: codes, names and dates of diagnosis side by side in one field each."""
    last_id = 0
    for start in range(0, rows.count, _CHUNK):
        positions = np.arange(start, min(start + _CHUNK, rows.count))
        bits = population.diseases[rows.person[positions]]
        recorded = (bits > 0) & (rows.kind[positions] != DELETED) & (random.random(len(positions)) < 0.9)
        positions, bits = positions[recorded], bits[recorded]
        age = (LAST_DAY - population.born[rows.person[positions]]).astype(int) / 365
        codes, names, dates = (repeat("", len(bits)) for _ in range(3))
        before = np.zeros(len(bits), dtype=bool)
        for place, (code, name, _, _) in enumerate(DISEASES):
            has = (bits >> place & 1).astype(bool)
            since = np.maximum(2026 - random.integers(0, 15, len(bits)), 2026 - (age - 55).astype(int))
            month = random.integers(1, 13, len(bits))
            style = random.integers(0, 4, len(bits))
            year = number(np.minimum(since, 2025))
            shown = where(style == 0, year, where(style == 1, join(year, "年"), join(year, "-", number(month, 2))))
            shown = where(style == 3, "", shown)
            comma, enumeration = (pick(["", mark], (before & has).astype(int)) for mark in (",", "、"))
            codes = join(codes, comma, where(has, code, ""))
            names = join(names, enumeration, where(has, name, ""))
            dates = join(dates, comma, where(has, shown, ""))
            before |= has
        own_id = np.arange(last_id + 1, last_id + 1 + len(bits))
        last_id += len(bits)
        allergy = random.choice(4, len(bits), p=[0.3, 0.62, 0.05, 0.03])
        yield {
            "ID": number(own_id),
            "LAOREN_ID": number(rows.row_id[positions]),
            "JBDM": codes,
            "JBMC": names,
            "QZSJ": dates,
            "XQ": pick(_TREATMENTS, random.choice(len(_TREATMENTS), len(bits), p=[0.5, 0.2, 0.15, 0.08, 0.02, 0.05])),
            "GMS": pick(["", "无", "青霉素", "磺胺类"], allergy),
            **_audit(rows, positions),
        }


def _economy_chunks(
    population: Population, rows: ElderRows, random: np.random.Generator
) -> Iterator[dict[str, Column]]:
    """A record for three in four elders, and a second one for some whose support began later."""
    last_id = 0
    for start in range(0, rows.count, _CHUNK):
        positions = np.arange(start, min(start + _CHUNK, rows.count))
        category = population.category[rows.person[positions]]
        supported = category != ORDINARY
        number_of = np.where(supported, np.where(random.random(len(positions)) < 0.3, 2, 1), 0)
        number_of = np.where(~supported & (random.random(len(positions)) < 0.72), 1, number_of)
        number_of[rows.kind[positions] == DELETED] = 0
        owner = np.repeat(positions, number_of)
        is_last = np.r_[owner[1:] != owner[:-1], True]
        person = rows.person[owner]
        category = np.where(is_last, population.category[person], ORDINARY)
        earlier = days_of(rows.created[owner])
        changed = np.minimum(earlier + random.integers(100, 700, len(owner)), LAST_DAY)
        # Both records of one elder agree on the day of the change: it is drawn for the later and copied back.
        is_only = np.r_[True, owner[1:] != owner[:-1]] & is_last
        change_day = np.where(is_last, changed, np.r_[changed[1:], changed[-1:]])
        valid_from = np.where(is_last & ~is_only, change_day, earlier)
        pension = np.exp(random.normal(6.2, 0.75, len(owner)))
        income = np.where(category == TEKUN, 1100 + random.integers(0, 200, len(owner)), np.minimum(pension, 9000))
        income = np.rint(np.where(category == DIBAO, 600 + random.integers(0, 200, len(owner)), income))
        whole = income.astype(np.int64)
        style = random.choice(4, len(owner), p=[0.7, 0.2, 0.05, 0.05])
        shown = where(style == 1, join(number(whole), "元"), number(whole))
        shown = where(
            (style == 2) & (whole >= 1000), join(number(whole // 1000), ",", number(whole % 1000, 3), ".00"), shown
        )
        shown = where(style == 3, "", shown)
        source = np.select(
            [category == TEKUN, category == DIBAO, whole > 1500], [0, 1, 2], random.integers(3, 6, len(owner))
        )
        own_id = np.arange(last_id + 1, last_id + 1 + len(owner))
        last_id += len(owner)
        yield {
            "ID": number(own_id),
            "LAOREN_ID": number(rows.row_id[owner]),
            "JJLB": number(category),
            "SRLY": pick(["4", "4,2", "1", "2", "2,3", "1,2"], source),
            "YSR": shown,
            "SRDJ": number(np.digitize(whole, [500, 1000, 2000, 3500, 5000]) + 1),
            "YXQS": day(valid_from),
            "YXQZ": nullable(day(change_day), ~is_last),
            **_audit(rows, owner),
        }
