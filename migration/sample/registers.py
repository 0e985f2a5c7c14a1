"""The civil-affairs bureau's own registers, kept outside the old platform: `minzheng_mingce.xlsx`.

Institutions on record (备案) by credit code, their registered beds, community facilities. They say what is due; the
platform says what is there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from huiyang.identifiers import USCC_ALPHABET
from migration.sample import people
from migration.sample.calendar import LAST_DAY, random_days
from migration.sample.columns import Column, day, join, number, pick, replaced, texts, values_at, where
from migration.sample.dirt import Truth, choose
from migration.sample.facilities import MUTUAL_AID, TYPES, Facilities
from migration.sample.files import Sheet, cells, write_workbook
from migration.sample.institutions import FILE as INSTITUTIONS_FILE
from migration.sample.institutions import Institutions, Stays, bed_places, filing_numbers
from migration.sample.places import Places

FILE = "minzheng_mingce.xlsx"
INSTITUTIONS, BEDS, FACILITIES = "养老机构备案", "床位登记", "社区设施"
_DATE = "%Y年{m}月{d}日"
_BRANDS = ["银发", "怡养", "永康", "聚福", "和乐", "金秋", "恒春", "鸿福", "悦享", "锦年", "乐康", "顺康"]
#: No house has so many beds in a room, so that an added one is nobody's.
_FURTHER_BED = 9


def write_registers(
    directory: Path,
    institutions: Institutions,
    credit_codes: list[str],
    stays: Stays,
    facilities: Facilities,
    places: Places,
    truth: Truth,
    random: np.random.Generator,
) -> dict[str, int]:
    """Writes `minzheng_mingce.xlsx`; rows by sheet.

    Args:
        credit_codes: of the institutions, as the platform has them.
    """
    unregistered = choose("institution_unregistered", np.flatnonzero(np.isnat(institutions.closed)), random)
    truth.add(
        "institution_unregistered",
        INSTITUTIONS_FILE,
        "机构信息",
        "统一社会信用代码",
        [institutions.code[n] for n in unregistered.tolist()],
        [credit_codes[n] for n in unregistered.tolist()],
    )
    known = np.setdiff1d(np.arange(len(credit_codes)), unregistered, assume_unique=True)
    sheets = [
        _institution_sheet(institutions, credit_codes, known, places, truth, random),
        _bed_sheet(institutions, credit_codes, known, stays, places, truth, random),
        _facility_sheet(facilities, places, truth, random),
    ]
    write_workbook(directory / FILE, sheets)
    return {f"{FILE}/{sheet.name}": sheet.row_count for sheet in sheets}


def _county_codes(places: Places, county: np.ndarray) -> Column:
    return pick([code[:6] for code in places.county_codes], county)


def _institution_sheet(
    institutions: Institutions,
    credit_codes: list[str],
    known: np.ndarray,
    places: Places,
    truth: Truth,
    random: np.random.Generator,
) -> Sheet:
    """Those that the platform has, then those that it lacks."""
    open_ = known[np.isnat(institutions.closed[known])]
    wrong = choose("register_code_wrong", open_, random, of=len(credit_codes))
    further = len(choose("register_institution_absent", len(credit_codes), random))
    numbers = filing_numbers(institutions).take(pa.array(known))
    codes = texts([credit_codes[n] for n in known.tolist()])
    at = np.searchsorted(known, wrong)
    originals = values_at(codes, at)
    truth.add("register_code_wrong", FILE, INSTITUTIONS, "统一社会信用代码", values_at(numbers, at), originals)
    codes = replaced(codes, at, [_mistyped(code) for code in originals])

    county = random.choice(len(places.county_codes), further)
    registered = random_days(np.full(further, np.datetime64("2025-11-01")), np.full(further, LAST_DAY - 20), random)
    new_names = [
        f"{places.county_names[c]}{_BRANDS[n % len(_BRANDS)]}康养中心{n // len(_BRANDS) or ''}"
        for n, c in enumerate(county.tolist())
    ]
    new_numbers = join(
        "4408",
        number(registered.astype("datetime64[Y]").astype(int) + 1970),
        "养备",
        number(np.arange(1, further + 1) + len(credit_codes), 4),
    )
    new_codes = people.credit_codes(further, np.full(further, "52"), random)
    truth.add(
        "register_institution_absent",
        FILE,
        INSTITUTIONS,
        "统一社会信用代码",
        new_numbers.to_pylist(),
        new_codes,
    )
    closed = np.concatenate([institutions.closed[known], np.full(further, np.datetime64("NaT", "D"))])
    licensed = institutions.founded[known] + random.integers(20, 56, len(known))
    counties = np.concatenate([institutions.county[known], county])
    columns: dict[str, Column | list[str]] = {
        "备案编号": pa.concat_arrays([numbers, new_numbers]),
        "机构名称": [*(institutions.name[n] for n in known.tolist()), *new_names],
        "统一社会信用代码": pa.concat_arrays([codes, texts(new_codes)]),
        "所在县（市、区）": pick(places.county_names, counties),
        "行政区划代码": _county_codes(places, counties),
        "核定床位数": number(np.concatenate([institutions.bed_count[known], random.integers(12, 61, further)])),
        "备案状态": where(np.isnat(closed), "已备案", "已注销"),
        "备案日期": day(np.concatenate([licensed, registered]), _DATE),
        "注销日期": day(closed, _DATE),
    }
    return Sheet(INSTITUTIONS, "湛江市养老机构备案名册（市民政局，截至2026年10月31日）", cells(columns))


def _mistyped(code: str) -> str:
    """One character of the serial is another, so that the check character fails."""
    character = USCC_ALPHABET[(USCC_ALPHABET.index(code[12]) + 1) % 10]
    return code[:12] + character + code[13:]


def _bed_sheet(
    institutions: Institutions,
    credit_codes: list[str],
    known: np.ndarray,
    stays: Stays,
    places: Places,
    truth: Truth,
    random: np.random.Generator,
) -> Sheet:
    """The beds of registered houses, then some that the platform lacks."""
    is_known = np.zeros(len(credit_codes), dtype=bool)
    is_known[known] = True
    beds = np.flatnonzero(is_known[stays.bed_institution])
    still_open = beds[np.isnat(institutions.closed[stays.bed_institution[beds]])]
    beside = choose("register_bed_absent", still_open, random, of=len(stays.bed_institution))
    building, floor, room, place = bed_places(stays, np.concatenate([beds, beside]))
    place[len(beds) :] = _FURTHER_BED
    house = stays.bed_institution[np.concatenate([beds, beside])]
    code = pick(credit_codes, house)
    room_number = number(floor * 100 + room)
    block = join(pick(list("ABCDEFGH"), building), "栋")
    keys = join(code, "|", block, "|", room_number, "|", number(place))
    truth.add("register_bed_absent", FILE, BEDS, "床位号", keys.to_pylist()[len(beds) :])
    columns: dict[str, Column | list[str]] = {
        "统一社会信用代码": code,
        "机构名称": pick(institutions.name, house),
        "行政区划代码": _county_codes(places, institutions.county[house]),
        "楼栋": block,
        "楼层": number(floor),
        "房间号": room_number,
        "床位号": number(place),
        "登记日期": day(institutions.founded[house] + 40, _DATE),
        "注销日期": day(institutions.closed[house], _DATE),
    }
    return Sheet(BEDS, "湛江市养老机构床位登记册（市民政局，截至2026年10月31日）", cells(columns))


def _facility_sheet(facilities: Facilities, places: Places, truth: Truth, random: np.random.Generator) -> Sheet:
    """The platform's facilities, then some that it lacks: mutual-aid points in villages that have none."""
    count = len(facilities.kind)
    without = np.setdiff1d(np.arange(len(places.codes)), facilities.village[facilities.kind == MUTUAL_AID])
    further = len(choose("register_facility_absent", count, random))
    village = np.sort(random.choice(without, further, replace=False))
    opened = random_days(np.full(further, np.datetime64("2025-06-01")), np.full(further, LAST_DAY - 10), random)
    beside = Facilities(
        kind=np.full(further, MUTUAL_AID),
        level=np.full(further, 2),
        village=village,
        opened=opened,
        closed=np.full(further, np.datetime64("NaT", "D")),
        capacity=np.full(further, 8),
    )
    names = pa.concat_arrays([facilities.names(places), beside.names(places)])
    all_villages = np.concatenate([facilities.village, village])
    keys = join("MZSS", number(np.arange(1, count + further + 1), 5))
    truth.add(
        "register_facility_absent",
        FILE,
        FACILITIES,
        "设施名称",
        keys.to_pylist()[count:],
        names.to_pylist()[count:],
    )
    columns: dict[str, Column | list[str]] = {
        "登记号": keys,
        "设施名称": names,
        "设施类别": pick(TYPES, np.concatenate([facilities.kind, beside.kind])),
        "所在县（市、区）": pick(places.county_names, places.county[all_villages]),
        "行政区划代码": _county_codes(places, places.county[all_villages]),
        "投入使用日期": day(np.concatenate([facilities.opened, opened]), _DATE),
        "停用日期": day(np.concatenate([facilities.closed, beside.closed]), _DATE),
    }
    return Sheet(FACILITIES, "湛江市社区养老服务设施名册（市民政局，截至2026年10月31日）", cells(columns))
