"""Family beds with their devices and alarms: `jiachuang.xlsx` and `gaojing.csv`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from migration.sample import people
from migration.sample.assessments import Assessments, assessment_sheet
from migration.sample.calendar import FIRST_DAY, LAST_DAY, days_of, growth, random_days, seconds_of
from migration.sample.columns import Column, day, join, moment, number, pick, repeat, where
from migration.sample.elder_tables import ElderRows
from migration.sample.files import CsvFile, Sheet, cells, write_workbook
from migration.sample.institutions import Institutions, Stays
from migration.sample.organizations import BED_PROVIDER, DEVICE_VENDOR, Providers
from migration.sample.places import Places
from migration.sample.population import DECEASED, LIVING, Population
from migration.sample.volumes import Volumes

FILE, ALARM_FILE = "jiachuang.xlsx", "gaojing.csv"
#: Status (old platform's code).
APPLIED, OPEN, CLOSED, REJECTED = 0, 1, 2, 3
_REASONS = ["", "死亡", "入住养老机构", "家属申请撤床", "长期住院", "迁出本市"]
DIED, MOVED_IN, FAMILY, HOSPITAL, AWAY = 1, 2, 3, 4, 5
DEVICE_KINDS = [
    "摄像头",
    "呼叫器",
    "门磁感应器",
    "烟雾传感器",
    "煤气传感器",
    "红外感应器",
    "睡眠床垫",
    "智能手环",
    "血压计",
    "血糖仪",
]
_DEVICE_WEIGHTS = np.array([1.3, 2.6, 1.1, 1.5, 1.1, 1.0, 1.0, 0.9, 0.8, 0.35])
_CALL, _DOOR, _SMOKE, _GAS, _MATTRESS, _WRIST, _PRESSURE = 1, 2, 3, 4, 6, 7, 8
_MEAN_DEVICES = 4.9
_ALARMS_A_BED_MONTH = 0.3


@dataclass
class FamilyBeds:
    """Arrays over contracts, by day of application.

    Attributes:
        provider: position in `provider_codes`.
        applied, opened, closed: days, NaT where it did not happen.
    """

    person: np.ndarray
    provider: np.ndarray
    provider_codes: list[str]
    status: np.ndarray
    applied: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    reason: np.ndarray

    def codes(self) -> Column:
        """`JC` and seven digits."""
        return join("JC", number(np.arange(1, len(self.person) + 1), 7))

    @property
    def end(self) -> np.ndarray:
        """The last day of each bed's use, or of the window."""
        return np.where(np.isnat(self.closed), LAST_DAY, self.closed)


@dataclass(frozen=True)
class Devices:
    """Arrays over devices and over bindings (a device used again has two).

    Attributes:
        binding_device, binding_bed: positions; `bound`, `unbound`: days.
    """

    kind: np.ndarray
    vendor: np.ndarray
    installed: np.ndarray
    status: np.ndarray
    last_seen: np.ndarray
    binding_device: np.ndarray
    binding_bed: np.ndarray
    bound: np.ndarray
    unbound: np.ndarray

    def serials(self) -> Column:
        """`SBBH`: two letters of the kind and ten digits."""
        letters = ["SX", "HJ", "MC", "YG", "MQ", "HW", "CD", "SH", "XY", "XT"]
        count = len(self.kind)
        return join(pick(letters, self.kind), number(np.arange(count) * 7_919 % 10**10 + 86_0000_0000, 10))


def make_family_beds(
    population: Population,
    places: Places,
    providers: Providers,
    institutions: Institutions,
    stays: Stays,
    volumes: Volumes,
    random: np.random.Generator,
) -> FamilyBeds:
    """Contracts of elders who need care at home. Gets them on file in time."""
    count = volumes.family_beds
    resident = np.zeros(population.count, dtype=bool)
    resident[stays.person] = True
    age = population.age_on(LAST_DAY)
    free = ~resident & (age > 66)
    weight = (0.04 + population.ability * 3.0) * np.exp((age - 70) / 12) * np.where(population.category < 4, 4.0, 1.0)
    dead = _draw(
        np.flatnonzero(free & (population.status == DECEASED) & (population.died > FIRST_DAY + 90)),
        weight,
        count // 16,
        random,
    )
    first_stays = stays.admitted > FIRST_DAY + 150
    once = np.bincount(stays.person, minlength=population.count) == 1
    moved_in = np.flatnonzero(first_stays & once[stays.person] & (population.status[stays.person] == LIVING))
    moved_in = random.choice(moved_in, min(len(moved_in), count // 40), replace=False)
    living = _draw(
        np.flatnonzero(free & (population.status == LIVING)), weight, count - len(dead) - len(moved_in), random
    )
    person = np.concatenate([dead, stays.person[moved_in], living])
    until = np.concatenate([population.died[dead], stays.admitted[moved_in], np.full(len(living), LAST_DAY)])
    # Openings grow with the platform: the later of two draws.
    window = np.maximum((until - (FIRST_DAY - 150)).astype(int) - 25, 1)
    opened = until - 25 - (window * np.minimum(random.random(count), random.random(count))).astype(int)
    applied = opened - random.integers(4, 40, count)
    closed = np.full(count, np.datetime64("NaT"), dtype="datetime64[D]")
    reason = np.zeros(count, dtype=np.int64)
    closed[: len(dead) + len(moved_in)] = until[: len(dead) + len(moved_in)]
    reason[: len(dead)], reason[len(dead) : len(dead) + len(moved_in)] = DIED, MOVED_IN
    rest = np.arange(len(dead) + len(moved_in), count)
    ends = rest[(random.random(len(rest)) < 0.13) & (opened[rest] < LAST_DAY - 60)]
    closed[ends] = random_days(opened[ends] + 30, np.full(len(ends), LAST_DAY), random)
    reason[ends] = random.choice(np.array([FAMILY, HOSPITAL, AWAY]), len(ends), p=[0.6, 0.3, 0.1])
    status = np.where(np.isnat(closed), OPEN, CLOSED)
    still = np.setdiff1d(rest, ends)
    asking = still[random.random(len(still)) < 0.04]
    refused = np.setdiff1d(still, asking)
    refused = refused[random.random(len(refused)) < 0.035]
    status[asking], status[refused] = APPLIED, REJECTED
    applied[asking] = LAST_DAY - random.integers(0, 30, len(asking))
    opened[asking] = opened[refused] = np.datetime64("NaT")
    population.registered[person] = np.minimum(population.registered[person], applied - random.integers(1, 60, count))
    order = np.lexsort((person, applied))
    codes = [*(providers.code[p] for p in providers.of_kind(BED_PROVIDER)), *institutions.code]
    seats = np.concatenate([providers.county[providers.of_kind(BED_PROVIDER)], institutions.county])
    open_ = np.concatenate([np.ones(len(codes) - len(institutions.code), dtype=bool), np.isnat(institutions.closed)])
    county = population.county[person]
    provider = np.zeros(count, dtype=np.int64)
    for position in range(len(places.county_codes)):
        own = np.flatnonzero((seats == position) & open_)
        rows = np.flatnonzero(county == position)
        provider[rows] = random.choice(own[: max(4, len(own) // 3)], len(rows))
    columns = (person, provider, status, applied, opened, closed, reason)
    person, provider, status, applied, opened, closed, reason = (column[order] for column in columns)
    return FamilyBeds(person, provider, codes, status, applied, opened, closed, reason)


def _draw(pool: np.ndarray, weight: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """`count` of the pool, the heavier rather."""
    keys = np.log(weight[pool]) + random.gumbel(size=len(pool))
    return pool[np.argsort(-keys)[:count]]


def make_devices(beds: FamilyBeds, providers: Providers, random: np.random.Generator) -> Devices:
    """Up to five devices a bed; some of a closed bed are used again."""
    used = np.flatnonzero(~np.isnat(beds.opened))
    each = np.minimum(5, 3 + random.binomial(2, _MEAN_DEVICES / 2 - 1.5, len(used)))
    bed = np.repeat(used, each)
    count = len(bed)
    keys = np.log(_DEVICE_WEIGHTS) + random.gumbel(size=(len(used), len(_DEVICE_WEIGHTS)))
    ranking = np.argsort(-keys, axis=1)
    kind = ranking[np.arange(ranking.shape[1]) < each[:, None]]
    bound = beds.opened[bed] + random.integers(0, 6, count)
    bound = np.minimum(bound, beds.end[bed])
    unbound = beds.closed[bed]
    vendors = providers.of_kind(DEVICE_VENDOR)
    draw = random.random(count)
    free = ~np.isnat(unbound)
    # What came back from a closed bed lies in store: retired, faulty or switched off.
    status = np.select([free & (draw < 0.7), draw < 0.04, free | (draw < 0.14)], [9, 2, 0], 1)
    last_seen = seconds_of(np.where(free, unbound, LAST_DAY)) + random.integers(0, 86_400, count)
    last_seen -= np.where(status == 0, random.integers(1, 40, count) * 86_400, 0)
    last_seen = np.maximum(last_seen, seconds_of(bound) + 3600)
    # Devices that came back go to beds opened later.
    returned = np.flatnonzero(free & (random.random(count) < 0.3))
    late = used[beds.opened[used] > FIRST_DAY + 60]
    targets = late[random.integers(0, max(len(late), 1), len(returned))] if len(late) else late
    fits = beds.opened[targets] > unbound[returned] + 5
    again, target = returned[fits], targets[fits]
    status[again] = np.where(np.isnat(beds.closed[target]), 1, 9)
    last_seen[again] = seconds_of(beds.end[target]) + random.integers(0, 86_400, len(again))
    return Devices(
        kind=kind,
        vendor=vendors[bed % len(vendors)],
        installed=bound,
        status=status,
        last_seen=last_seen,
        binding_device=np.concatenate([np.arange(count), again]),
        binding_bed=np.concatenate([bed, target]),
        bound=np.concatenate([bound, beds.opened[target]]),
        unbound=np.concatenate([unbound, beds.closed[target]]),
    )


def write_family_beds(
    directory: Path,
    beds: FamilyBeds,
    devices: Devices,
    assessments: Assessments,
    population: Population,
    places: Places,
    providers: Providers,
    rows: ElderRows,
    random: np.random.Generator,
) -> dict[str, int]:
    """Writes `jiachuang.xlsx`; rows by sheet."""
    sheets = [
        _contract_sheet(beds, population, places, rows, random),
        assessment_sheet(assessments, population, rows, providers, random),
        _device_sheet(devices, providers),
        _binding_sheet(beds, devices, rows),
    ]
    write_workbook(directory / FILE, sheets)
    return {f"{FILE}/{sheet.name}": sheet.row_count for sheet in sheets}


def _contract_sheet(
    beds: FamilyBeds, population: Population, places: Places, rows: ElderRows, random: np.random.Generator
) -> Sheet:
    person = beds.person
    count = len(person)
    village = population.village[person]
    subsidy = pick(["200", "300元/月", "500", "500元/月"], random.choice(4, count, p=[0.3, 0.2, 0.35, 0.15]))
    columns: dict[str, Column | list[str]] = {
        "合同编号": beds.codes(),
        "老人编号": rows.numbers_of(person),
        "姓名": population.names.take(pa.array(person)),
        "身份证号": people.id_texts(population.id_body[person]),
        "服务商编号": pick(beds.provider_codes, beds.provider),
        "所属区划": join(
            "湛江市/",
            pick(places.county_names, places.county[village]),
            "/",
            pick(places.town_names, places.town[village]),
            "/",
            pick(places.names, village),
        ),
        "区划代码": pick(places.codes, village),
        "申请日期": day(beds.applied),
        "建床日期": day(beds.opened),
        "撤床日期": day(beds.closed),
        "撤床原因": pick(_REASONS, beds.reason),
        "状态": number(beds.status),
        "补贴标准": where(np.isin(beds.status, (OPEN, CLOSED)), subsidy, ""),
        "经办人": pick(["陈工", "林工", "黄工", "吴工", "梁工"], random.integers(0, 5, count)),
    }
    return Sheet("签约", "家庭养老床位签约台账", cells(columns))


def _device_sheet(devices: Devices, providers: Providers) -> Sheet:
    models = [f"{letter}-{n}" for letter, n in zip("CHMYGRSWXT", range(100, 200, 10), strict=True)]
    columns: dict[str, Column | list[str]] = {
        "设备编号": devices.serials(),
        "设备类型": pick(DEVICE_KINDS, devices.kind),
        "型号": pick(models, devices.kind),
        "厂商编号": pick(providers.code, devices.vendor),
        "安装日期": day(devices.installed),
        "状态": number(devices.status),
        "最后在线时间": moment(devices.last_seen),
    }
    return Sheet("设备", "家床智能设备台账", cells(columns))


def _binding_sheet(beds: FamilyBeds, devices: Devices, rows: ElderRows) -> Sheet:
    count = len(devices.binding_device)
    columns: dict[str, Column | list[str]] = {
        "绑定编号": join("BD", number(np.arange(1, count + 1), 7)),
        "设备编号": devices.serials().take(pa.array(devices.binding_device)),
        "合同编号": beds.codes().take(pa.array(devices.binding_bed)),
        "老人编号": rows.numbers_of(beds.person[devices.binding_bed]),
        "绑定日期": day(devices.bound),
        "解绑日期": day(devices.unbound),
    }
    return Sheet("设备绑定", "家床设备绑定记录", cells(columns))


ALARM_COLUMNS = ("GJBH", "SBBH", "HTBH", "LRBH", "GJLX", "GJSJ", "XYSJ", "BJSJ", "GJZT", "CLJG", "DEL_FLAG")
_ALARM_CODES = ["SOS", "YG", "RQ", "DD", "TZ", "LC", "MC", "QT"]
_ALARM_OF_DEVICE = {_CALL: 0, _SMOKE: 1, _GAS: 2, _WRIST: 3, _PRESSURE: 4, _MATTRESS: 5, _DOOR: 6, 9: 4, 0: 3, 5: 7}
_OUTCOMES = ["误报，老人平安", "电话确认平安", "家属已到场", "派员上门处置", "转120急救", "设备故障已报修", "测试"]


def write_alarms(
    directory: Path, beds: FamilyBeds, devices: Devices, rows: ElderRows, random: np.random.Generator
) -> int:
    """Writes `gaojing.csv`: alarms of bound devices over the window; its rows."""
    start = np.maximum(devices.bound, FIRST_DAY)
    end = np.where(np.isnat(devices.unbound), LAST_DAY, devices.unbound)
    span = np.maximum((end - start).astype(int), 0)
    loud = np.array([0.4, 2.4, 0.8, 0.6, 0.3, 0.3, 1.4, 1.0, 0.6, 0.2])[devices.kind[devices.binding_device]]
    expected = span / 30.4 * loud * _ALARMS_A_BED_MONTH / _MEAN_DEVICES
    binding = np.repeat(np.arange(len(span)), random.poisson(expected))
    when = seconds_of(start[binding]) + (random.random(len(binding)) * (span[binding] + 1) * 86_400).astype(np.int64)
    keep = random.random(len(when)) < growth(days_of(when))
    order = np.argsort(when[keep], kind="stable")
    binding, when = binding[keep][order], when[keep][order]
    count = len(when)
    device = devices.binding_device[binding]
    answer = when + np.minimum(random.lognormal(4.2, 0.9, count), 7_000).astype(int)
    close = answer + np.minimum(random.lognormal(6.6, 1.0, count), 200_000).astype(int)
    recent = days_of(when) >= LAST_DAY - 1
    state = np.where(recent & (random.random(count) < 0.3), random.integers(0, 2, count), 2)
    outcome = random.choice(len(_OUTCOMES), count, p=[0.36, 0.3, 0.1, 0.12, 0.02, 0.06, 0.04])
    kinds = np.array([_ALARM_OF_DEVICE[k] for k in range(len(DEVICE_KINDS))])[devices.kind[device]]
    with CsvFile(directory / ALARM_FILE, ALARM_COLUMNS) as target:
        target.write(
            {
                "GJBH": join("GJ", number(np.arange(1, count + 1), 8)),
                "SBBH": devices.serials().take(pa.array(device)),
                "HTBH": beds.codes().take(pa.array(devices.binding_bed[binding])),
                "LRBH": rows.numbers_of(beds.person[devices.binding_bed[binding]]),
                "GJLX": pick(_ALARM_CODES, kinds),
                "GJSJ": moment(when),
                "XYSJ": moment(answer, state >= 1),
                "BJSJ": moment(close, state == 2),
                "GJZT": number(state),
                "CLJG": where(state == 2, pick(_OUTCOMES, outcome), ""),
                "DEL_FLAG": repeat("0", count),
            }
        )
        return target.rows
