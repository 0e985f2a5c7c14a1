"""The export as its reader meets it: files, dirt against its truth, plausibility, repeatability, interruption.

One export at demo scale serves all tests. It is read here with means of its own, not with the migration's.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from python_calamine import CalamineWorkbook

from huiyang.divisions import division_tree
from huiyang.errors import HuiyangError
from huiyang.geodesy import distance_metres, gcj02_to_wgs84, wgs84_to_gcj02
from huiyang.identifiers import IdNumberStatus, PhoneStatus, UsccStatus, check_id_number, phone_status, uscc_status
from huiyang.reference.boundaries import counties_at
from huiyang.settings import PROJECT_ROOT, Scale
from migration.sample import ExportSummary, read_manifest, write_export
from migration.sample.assessments import ITEM_MAXIMA, level_of
from migration.sample.dirt import KINDS
from migration.sample.volumes import VOLUMES

SEED = 20260930
LAST_DAY = date(2026, 10, 31)
Row: TypeAlias = dict[str, str]
BED_KEY = ["统一社会信用代码", "楼栋", "房间号", "床位号"]


class Export:
    """An export's tables, read once."""

    def __init__(self, summary: ExportSummary) -> None:
        self.summary = summary
        self.directory = summary.directory

    @cached_property
    def sql(self) -> dict[str, pd.DataFrame]:
        """Tables of the dump; SQL's NULL is None."""
        text = (self.directory / "elders.sql").read_text(encoding="utf-8")
        tables = {}
        for name, body in re.findall(r"CREATE TABLE `(\w+)` \((.*?)\n\) ENGINE", text, re.DOTALL):
            columns = re.findall(r"^  `(\w+)`", body, re.MULTILINE)
            rows = []
            for line in re.findall(rf"^INSERT INTO `{name}` VALUES (.*);$", text, re.MULTILINE):
                values = [
                    None if bare == "NULL" else bare or re.sub(r"\\(.)", _unescape, quoted)
                    for quoted, bare in re.findall(r"'((?:[^'\\]|\\.)*)'|(NULL|\d+)", line)
                ]
                rows += [values[i : i + len(columns)] for i in range(0, len(values), len(columns))]
            tables[name] = pd.DataFrame(rows, columns=columns, dtype=object)
        return tables

    def csv(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.directory / name, encoding="gb18030", dtype=str, keep_default_na=False)

    def sheet(self, file: str, name: str) -> pd.DataFrame:
        rows = CalamineWorkbook.from_path(self.directory / file).get_sheet_by_name(name).to_python()
        return pd.DataFrame(rows[2:], columns=rows[1])

    def register(self, sheet: str) -> pd.DataFrame:
        """A register of the bureau."""
        return self.sheet("minzheng_mingce.xlsx", sheet)

    @cached_property
    def entitlements(self) -> pd.DataFrame:
        """With days parsed; without an end the far future."""
        entitlements = self.csv("butie.csv")
        entitlements["from"] = pd.to_datetime(entitlements["YXQS"], format="mixed")
        entitlements["until"] = pd.to_datetime(entitlements["YXQZ"], format="mixed").fillna(pd.Timestamp("2100-01-01"))
        return entitlements

    @cached_property
    def elders(self) -> pd.DataFrame:
        return self.sql["t_laoren"]

    @cached_property
    def orders(self) -> pd.DataFrame:
        """With times parsed, in the file's order."""
        orders = self.csv("gongdan.csv")
        for column in ("XDSJ", "YYSJ", "KSSJ", "JSSJ"):
            orders[f"{column}_time"] = pd.to_datetime(orders[column], format="mixed", errors="coerce")
        return orders

    @cached_property
    def stays(self) -> pd.DataFrame:
        stays = self.sheet("jigou.xlsx", "入住记录")
        stays["from"] = [parse_day(text) for text in stays["入住日期"]]
        stays["until"] = [parse_day(text) if text else None for text in stays["退住日期"]]
        return stays

    @cached_property
    def vital_signs(self) -> pd.DataFrame:
        parts = [self.csv(str(path.relative_to(self.directory))) for path in sorted(self.directory.glob("jiankang/*"))]
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def truth(self) -> pd.DataFrame:
        return pd.read_csv(self.directory / "truth.csv.gz", dtype=str, keep_default_na=False)

    def true(self, *kinds: str) -> pd.DataFrame:
        return self.truth[self.truth["kind"].isin(kinds)]

    def keys(self, *kinds: str) -> set[str]:
        return set(self.true(*kinds)["source_key"])


def _unescape(match: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r", "0": "\0"}.get(match[1], match[1])


def parse_day(text: str) -> date:
    """A day as the old platform's clients write it, Excel day numbers included."""
    if re.fullmatch(r"\d{5}", text):
        return date(1899, 12, 30) + timedelta(days=int(text))
    if re.fullmatch(r"\d{8}", text):
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    year, month, day = (int(part) for part in re.fullmatch(r"(\d+)\D(\d+)\D(\d+)日?", text).groups())  # type: ignore[union-attr]
    return date(year, month, day)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    directory = tmp_path_factory.mktemp("export") / "demo"
    return Export(write_export(directory, Scale.DEMO, SEED))


def test_files_are_those_of_the_manifest(export: Export) -> None:
    manifest = json.loads((export.directory / "manifest.json").read_text(encoding="utf-8"))
    listed = {entry["name"]: entry for entry in manifest["files"]}
    present = {
        str(path.relative_to(export.directory))
        for path in export.directory.rglob("*")
        if path.is_file() and path.suffix != ".jpg"
    }
    assert present == {*listed, "manifest.json", "truth.csv.gz"}
    for name, entry in listed.items():
        content = (export.directory / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
    assert manifest["seed"] == SEED
    assert manifest["scale"] == "demo"


def test_rows_are_those_of_the_manifest(export: Export) -> None:
    rows = dict(export.summary.rows)
    for table, frame in export.sql.items():
        assert len(frame) == rows.pop(f"elders.sql/{table}")
    for name in list(rows):
        file, _, sheet = name.partition("/")
        frame = export.sheet(file, sheet) if file.endswith(".xlsx") else export.csv(name)
        assert len(frame) == rows[name], name
        assert len(frame) > 0, name
    assert sum(file.rows for file in export.summary.files) == sum(export.summary.rows.values())


def test_keys_are_unique(export: Export) -> None:
    assert export.elders["LRBH"].is_unique
    for table in export.sql.values():
        assert table["ID"].is_unique
    sheets = {
        "jigou.xlsx": ("机构信息", "床位", "工作人员", "入住记录"),
        "jiachuang.xlsx": ("签约", "评估", "设备", "设备绑定"),
        "sheshi.xlsx": ("设施", "日托登记"),
        "minzheng_mingce.xlsx": ("养老机构备案", "社区设施"),
    }
    for file, sheet in ((file, sheet) for file, names in sheets.items() for sheet in names):
        assert export.sheet(file, sheet).iloc[:, 0].is_unique, sheet
    for name in ("fuwushang", "fuwurenyuan", "fuwuxiangmu", "pingjia", "zhaopian", "gaojing", "butie"):
        file = f"{name}.csv"
        assert export.csv(file).iloc[:, 0].is_unique, file
    assert not export.register("床位登记").duplicated(BED_KEY).any()
    assert export.vital_signs["CLBH"].is_unique


def test_every_reference_leads_somewhere_but_for_the_orphans(export: Export) -> None:
    elders, orders = set(export.elders["LRBH"]), export.orders
    workers, items = set(export.csv("fuwurenyuan.csv")["RYBH"]), set(export.csv("fuwuxiangmu.csv")["XMBM"])
    providers, institutions = (
        set(export.csv("fuwushang.csv")["JGBH"]),
        set(export.sheet("jigou.xlsx", "机构信息")["机构编号"]),
    )
    beds, contracts = set(export.sheet("jigou.xlsx", "床位")["床位编码"]), export.sheet("jiachuang.xlsx", "签约")
    assert set(orders.loc[~orders["LRBH"].isin(elders), "DDBH"]) == export.keys("order_elder_unknown")
    assert set(orders.loc[~orders["RYBH"].isin(workers | {""}), "DDBH"]) == export.keys("order_worker_unknown")
    assert set(orders["XMBM"]) <= items
    assert set(orders["FWSBH"]) <= providers
    assert set(export.stays["床位编码"]) <= beds
    assert set(contracts["服务商编号"]) <= providers | institutions
    for frame, column in (
        (export.stays, "老人编号"),
        (contracts, "老人编号"),
        (export.sheet("jiachuang.xlsx", "评估"), "老人编号"),
        (export.sheet("sheshi.xlsx", "日托登记"), "老人编号"),
        (export.csv("gaojing.csv"), "LRBH"),
        (export.vital_signs, "LRBH"),
    ):
        assert set(frame[column]) <= elders
    bindings = export.sheet("jiachuang.xlsx", "设备绑定")
    assert set(bindings["设备编号"]) <= set(export.sheet("jiachuang.xlsx", "设备")["设备编号"])
    assert set(bindings["合同编号"]) <= set(contracts["合同编号"])
    for name in ("guiji.csv", "pingjia.csv", "zhaopian.csv"):
        assert set(export.csv(name)["DDBH"]) <= set(orders["DDBH"]), name
    ids = set(export.elders["ID"])
    guardians = export.sql["t_jianhuren"]
    assert set(guardians.loc[~guardians["LAOREN_ID"].isin(ids), "ID"]) == export.keys("guardian_orphan")
    assert set(export.sql["t_bingshi"]["LAOREN_ID"]) <= ids
    assert set(export.sql["t_jingji"]["LAOREN_ID"]) <= ids


# --- elders ---


def test_living_elders_are_the_cells_of_the_scale(export: Export) -> None:
    elders = export.elders
    real = elders[(elders["DEL_FLAG"] == "0") & ~elders["LRBH"].isin(export.keys("elder_duplicate"))]
    assert (real["ZT"] == "0").sum() == export.summary.counts["elders"] == 11_720
    assert (real["ZT"] == "1").sum() == export.summary.counts["elders_deceased"]
    assert (real["ZT"] == "2").sum() == export.summary.counts["elders_moved_away"]
    assert (real["SWRQ"].notna() == (real["ZT"] == "1")).all()
    assert (real["QCRQ"].notna() == (real["ZT"] == "2")).all()


def _denominator(export: Export, of: str) -> int:
    elders = export.elders
    return {
        "elders": int((elders["DEL_FLAG"] == "0").sum()) - len(export.keys("elder_duplicate")),
        "guardians": len(export.sql["t_jianhuren"]),
        "orders": export.orders["DDBH"].nunique(),
        "photos": len(export.csv("zhaopian.csv")),
        "residencies": len(export.stays),
        "recipients": _persons(export, _subsidised(export)).nunique(),
        "entitlements": len(export.entitlements),
        "institutions": len(export.sheet("jigou.xlsx", "机构信息")),
        "beds": len(export.sheet("jigou.xlsx", "床位")),
        "facilities": len(export.sheet("sheshi.xlsx", "设施")),
        "vital signs": len(export.vital_signs),
    }[of]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.id)
def test_dirt_comes_at_its_stated_rate(export: Export, kind) -> None:  # type: ignore[no-untyped-def]
    found = export.true(kind.id)["source_key"].nunique()
    expected = kind.rate * _denominator(export, kind.of)
    assert abs(found - expected) <= max(2, 0.15 * expected), (found, expected)


def test_there_are_at_least_twelve_kinds_and_every_one_is_documented() -> None:
    readme = (PROJECT_ROOT / "migration/sample/README.md").read_text(encoding="utf-8")
    assert len(KINDS) >= 12
    for kind in KINDS.values():
        assert f"| `{kind.id}` | {kind.rate * 100:g} % of {kind.of} | {kind.description} |" in readme


def test_readme_names_every_column(export: Export) -> None:
    readme = (PROJECT_ROOT / "migration/sample/README.md").read_text(encoding="utf-8")
    columns = [c for table in export.sql.values() for c in table.columns]
    for path in (*export.directory.glob("*.csv"), export.directory / "jiankang/202610.csv.gz"):
        columns += list(export.csv(str(path.relative_to(export.directory))).columns)
    missing = [c for c in columns if c not in readme]
    assert missing == []


def _elders_by_number(export: Export) -> dict[str, Row]:
    return {row["LRBH"]: row for row in export.elders.to_dict("records")}


def test_id_numbers_are_dirty_exactly_where_the_truth_says(export: Export) -> None:
    rows = _elders_by_number(export)
    originals = dict(
        zip(export.truth["source_key"] + export.truth["kind"], export.truth["original_value"], strict=True)
    )
    duplicates = export.keys("elder_duplicate")
    seen = Counter()
    for number, row in rows.items():
        if row["DEL_FLAG"] == "2" or number in duplicates:
            continue
        text = row["SFZH"] or ""
        status = check_id_number(text.strip("-无")).status
        if status is IdNumberStatus.MISSING:
            kind = "id_number_missing"
        elif status is IdNumberStatus.BAD_CHECKSUM:
            kind = "id_number_checksum"
        else:
            assert status is IdNumberStatus.VALID
            kind = "id_number_short" if len(text) == 15 else ""
        if kind:
            original = originals[number + kind]
            assert check_id_number(original).status is IdNumberStatus.VALID
            seen[kind] += 1
            if kind == "id_number_short":
                assert check_id_number(text).number == original
            if kind == "id_number_checksum":
                assert sum(a != b for a, b in zip(text.upper(), original, strict=True)) == 1
    assert seen == {kind: len(export.keys(kind)) for kind in seen}
    assert len(seen) == 3


def test_birth_dates_agree_with_the_id_number_but_for_the_dirt(export: Export) -> None:
    dirty = export.keys("birth_date_contradicts_id", "birth_date_impossible")
    wrong, formats = set(), Counter()
    for number, row in _elders_by_number(export).items():
        check = check_id_number((row["SFZH"] or "").strip("-无"))
        formats[re.sub(r"\d+", "9", row["CSRQ"])] += 1
        if check.birth_date is None:
            continue
        try:
            agrees = parse_day(row["CSRQ"]) == check.birth_date
        except ValueError:
            agrees = False
        if not agrees:
            wrong.add(number)
    assert wrong == dirty
    assert set(formats) >= {"9-9-9", "9", "9/9/9", "9年9月9日", "9.9.9"}
    for row in export.true("birth_date_impossible").to_dict("records"):
        assert parse_day(row["original_value"]).year < 1967


def test_phones_are_malformed_exactly_where_the_truth_says(export: Export) -> None:
    bad = {
        number
        for number, row in _elders_by_number(export).items()
        if any(phone_status(part) is PhoneStatus.INVALID for part in row["LXDH"].split(","))
    }
    assert bad == export.keys("phone_malformed")
    assert any("," in row["LXDH"] for row in _elders_by_number(export).values())


def test_divisions_are_missing_or_stale_exactly_where_the_truth_says(export: Export) -> None:
    tree = division_tree()
    by_path: dict[str, str] = {d.full_name: d.code for d in tree}
    missing, stale, unknown = set(), set(), set()
    for number, row in _elders_by_number(export).items():
        plain = re.sub("[/-]", "", row["SSQH"])
        code = by_path[plain]
        if row["QHDM"] == "":
            (missing if code[9:] != "000" else unknown).add(number)
        elif row["QHDM"] not in tree:
            stale.add(number)
        else:
            assert row["QHDM"] == code
    assert missing == export.keys("division_code_missing")
    assert stale == export.keys("division_code_stale")
    assert unknown == export.keys("division_village_unknown")
    originals = export.true("division_code_missing", "division_code_stale", "division_village_unknown")
    rows = _elders_by_number(export)
    for row in originals.to_dict("records"):
        full_name = tree[row["original_value"]].full_name
        assert full_name.startswith(re.sub("[/-]", "", rows[row["source_key"]]["SSQH"]))


def test_positions_lie_in_the_county_but_for_the_dirt(export: Export) -> None:
    elders = export.elders[(export.elders["JD"] != "") & (export.elders["ZBX"] == "GCJ02")]
    longitude, latitude = elders["JD"].astype(float).to_numpy(), elders["WD"].astype(float).to_numpy()
    swapped = longitude < latitude
    assert set(elders.loc[swapped, "LRBH"]) == export.keys("position_swapped")
    right = elders[~swapped & ~elders["LRBH"].isin(export.keys("position_wrong_datum"))]
    found = counties_at(*gcj02_to_wgs84(right["JD"].astype(float).to_numpy(), right["WD"].astype(float).to_numpy()))
    tree = division_tree()
    inside = [code is not None and tree[code].name in path for code, path in zip(found, right["SSQH"], strict=True)]
    assert np.mean(inside) > 0.998
    rows = _elders_by_number(export)
    for row in export.true("position_wrong_datum").to_dict("records"):
        there = rows[row["source_key"]]
        shifted = wgs84_to_gcj02(float(there["JD"]), float(there["WD"]))
        original = [float(part) for part in row["original_value"].split(",")]
        assert float(distance_metres(*shifted, *original)) < 0.5
    assert set(export.elders["ZBX"]) == {"GCJ02", "BD09", ""}


def test_texts_are_spoilt_exactly_where_the_truth_says(export: Export) -> None:
    spoilt = {
        number
        for number, row in _elders_by_number(export).items()
        if any("\x80" <= c <= "\xff" for c in row["XM"] + row["DZ"])
    }
    assert spoilt == export.keys("text_mojibake")
    rows = _elders_by_number(export)
    for row in export.true("text_mojibake", "text_truncated").to_dict("records"):
        text = rows[row["source_key"]][row["field"]]
        if row["kind"] == "text_mojibake":
            assert text.encode("latin-1").decode("gb18030") == row["original_value"]
        else:
            assert row["original_value"].startswith(text)
            assert len(text) < len(row["original_value"])


def test_duplicates_are_the_same_person_written_differently(export: Export) -> None:
    rows = _elders_by_number(export)
    ways = Counter()
    for row in export.true("elder_duplicate").to_dict("records"):
        one, other = rows[row["survivor_key"]], rows[row["source_key"]]
        assert one["LRBH"] not in export.keys("elder_duplicate")
        assert int(one["ID"]) < int(other["ID"])
        sexes = {"0": "", "1": "男", "2": "女"}
        assert len({sexes.get(row["XB"], row["XB"]) for row in (one, other)} - {""}) <= 1
        homes = {re.sub("[/-]", "", row["SSQH"]) for row in (one, other)}
        assert len(homes) == 1 or one["LRBH"] in export.keys("division_village_unknown")
        ways["name"] += one["XM"] != other["XM"]
        ways["id"] += (one["SFZH"] or "").upper() != (other["SFZH"] or "").upper()
        ways["phone"] += one["LXDH"] != other["LXDH"]
        ways["nothing"] += one["XM"] == other["XM"] and one["SFZH"] == other["SFZH"] and one["LXDH"] == other["LXDH"]
    total = len(export.keys("elder_duplicate"))
    assert 0.2 * total < ways["name"] < 0.5 * total
    assert 0.3 * total < ways["id"] < 0.7 * total
    assert ways["nothing"] < 0.25 * total


def test_deleted_rows_are_tests_and_have_nothing_beside(export: Export) -> None:
    deleted = export.elders[export.elders["DEL_FLAG"] == "2"]
    assert len(deleted) > 10
    assert deleted["XM"].str.startswith("测试").all()
    for table in ("t_jianhuren", "t_bingshi", "t_jingji"):
        assert not export.sql[table]["LAOREN_ID"].isin(deleted["ID"]).any()


def test_lists_in_one_field_are_aligned(export: Export) -> None:
    history = export.sql["t_bingshi"]
    codes, names, dates = (history[c].str.split(s) for c, s in (("JBDM", ","), ("JBMC", "、"), ("QZSJ", ",")))
    assert (codes.str.len() == names.str.len()).all()
    assert (codes.str.len() == dates.str.len()).all()
    assert codes.str.len().max() >= 4
    pairs = {pair for row in zip(codes, names, strict=True) for pair in zip(*row, strict=True)}
    assert len(pairs) == 12


def test_children_bear_the_fathers_name(export: Export) -> None:
    names = export.elders.set_index("ID")[["XM", "XB", "LRBH"]]
    spoilt = export.keys("text_mojibake") | export.keys("elder_duplicate")
    guardians = export.sql["t_jianhuren"].query("GX in ['2', '3']")
    children = guardians.join(names.rename(columns={"XM": "XM_elder"}), on="LAOREN_ID", how="inner")
    of_men = children[children["XB"].isin(["1", "男"]) & ~children["LRBH"].isin(spoilt)]
    assert (of_men["XM"].str[0] == of_men["XM_elder"].str[0]).all()


def test_economic_periods_follow_one_another(export: Export) -> None:
    economy = export.sql["t_jingji"]
    for _, own in economy[economy.duplicated("LAOREN_ID", keep=False)].groupby("LAOREN_ID"):
        first, second = own.to_dict("records")
        assert first["YXQS"] <= first["YXQZ"] == second["YXQS"]
        assert second["YXQZ"] is None


# --- home service ---


def test_times_of_orders_are_in_order_but_for_the_dirt(export: Export) -> None:
    orders = export.orders.drop_duplicates("DDBH")
    ended = orders[orders["JSSJ"] != ""]
    turned = ended[ended["JSSJ_time"] < ended["KSSJ_time"]]
    assert set(turned["DDBH"]) == export.keys("order_end_before_start")
    moved = ended["DDBH"].isin(export.keys("worker_overlap"))
    clean = ended[~ended["DDBH"].isin(turned["DDBH"]) & ~moved]
    assert (clean["XDSJ_time"] <= clean["KSSJ_time"]).all()
    assert ended["KSSJ_time"].min() >= pd.Timestamp(2023, 11, 1)
    assert ended["JSSJ_time"].max() < pd.Timestamp(2026, 11, 1)
    slashes = orders["XDSJ"].str.contains("/")
    assert (orders.loc[slashes, "XDSJ_time"].max()) < orders.loc[~slashes, "XDSJ_time"].min()


def test_a_worker_is_in_one_place_at_a_time_but_for_the_dirt(export: Export) -> None:
    overlaps = _overlapping(export, "RYBH", exclude=("order_end_before_start", "order_worker_unknown"))
    assert overlaps == export.keys("worker_overlap")


def test_an_elder_is_visited_by_one_worker_at_a_time(export: Export) -> None:
    excluded = ("order_end_before_start", "order_elder_unknown", "worker_overlap")
    assert _overlapping(export, "LRBH", exclude=excluded) == set()


def _overlapping(export: Export, who: str, exclude: tuple[str, ...]) -> set[str]:
    orders = export.orders.drop_duplicates("DDBH")
    orders = orders[(orders["JSSJ"] != "") & ~orders["DDBH"].isin(export.keys(*exclude))]
    orders = orders.sort_values([who, "KSSJ_time"])
    same = orders[who] == orders[who].shift()
    return set(orders.loc[same & (orders["KSSJ_time"] < orders["JSSJ_time"].shift()), "DDBH"])


def test_orders_repeated_are_whole_rows(export: Export) -> None:
    columns = [c for c in export.orders.columns if not c.endswith("_time")]
    again = export.orders[export.orders.duplicated("DDBH")]
    assert set(again["DDBH"]) == export.keys("order_repeated")
    assert export.orders.duplicated(columns).sum() == len(again)
    assert export.orders["DDBH"].nunique() == 10_000


def test_orders_after_death_are_those_of_the_truth(export: Export) -> None:
    died = export.elders.set_index("LRBH")["SWRQ"].dropna()
    orders = export.orders.drop_duplicates("DDBH")
    death = pd.to_datetime(orders["LRBH"].map(died))
    late = orders[(orders["JSSJ"] != "") & (orders["KSSJ_time"].dt.normalize() > death)]
    assert set(late["DDBH"]) == export.keys("order_after_death") - export.keys("order_elder_unknown")
    assert len(late) > 0


def test_demand_follows_week_and_year_and_grows(export: Export) -> None:
    orders = export.orders[export.orders["JSSJ"] != ""]
    start = orders["KSSJ_time"]
    hour = start.dt.hour + start.dt.minute / 60
    assert hour.between(7, 18.5).mean() > 0.995
    weekdays = start.dt.day_of_week.value_counts(normalize=True)
    assert weekdays[[0, 1, 2, 3, 4]].sum() > 0.78
    assert weekdays[6] < weekdays[5] < weekdays[[0, 1, 2, 3, 4]].mean()
    by_day = start.dt.date.value_counts()
    for new_year in (date(2024, 2, 10), date(2025, 1, 29), date(2026, 2, 17)):
        holiday = sum(by_day.get(new_year + timedelta(days=d), 0) for d in range(7))
        before = sum(by_day.get(new_year - timedelta(days=28 - d), 0) for d in range(7))
        assert holiday < 0.5 * before
    years = start.dt.to_period("M")
    assert years.between("2025-11", "2026-10").sum() > 1.25 * years.between("2023-11", "2024-10").sum()


def test_the_same_worker_comes_again_to_the_same_elder(export: Export) -> None:
    visits = export.orders.groupby(["LRBH", "RYBH"]).size()
    assert visits.median() >= 8
    assert (visits >= 20).sum() > 50


def test_amounts_add_up(export: Export) -> None:
    orders = export.orders
    amounts = orders[["DDJE", "BTJE", "ZFJE"]].map(lambda text: round(float(text) * 100))
    assert (amounts["DDJE"] == amounts["BTJE"] + amounts["ZFJE"]).all()
    assert (amounts["BTJE"] > 0).mean() > 0.25
    assert (amounts.loc[orders["JSSJ"] == "", "DDJE"] == 0).all()
    settled = orders[orders["JSYF"] != ""]
    assert (settled["JSYF"] > settled["YYSJ_time"].dt.strftime("%Y%m")).all()
    assert settled["DDZT"].isin(["50", "51"]).all()


def test_workers_are_employed_when_they_work(export: Export) -> None:
    workers = export.csv("fuwurenyuan.csv").set_index("RYBH")
    orders = export.orders[export.orders["RYBH"].isin(workers.index) & (export.orders["JSSJ"] != "")]
    started = pd.to_datetime(orders["RYBH"].map(workers["RZRQ"]))
    left = pd.to_datetime(orders["RYBH"].map(workers["LZRQ"]), errors="coerce")
    assert (orders["KSSJ_time"] > started).all()
    assert (left.isna() | (orders["KSSJ_time"].dt.normalize() <= left)).all()
    assert ((workers["LZRQ"] != "") == (workers["ZT"] == "N")).all()


def test_elders_are_on_file_before_they_are_served(export: Export) -> None:
    registered = export.elders.set_index("LRBH")["JDRQ"]
    orders = export.orders[~export.orders["DDBH"].isin(export.keys("order_elder_unknown"))]
    assert (orders["XDSJ_time"] > pd.to_datetime(orders["LRBH"].map(registered))).all()


def test_tracks_lead_to_the_home(export: Export) -> None:
    tracks = export.csv("guiji.csv")
    sizes = tracks.groupby("DDBH").size()
    assert sizes.between(10, 20).all()
    finished = export.orders[export.orders["JSSJ"] != ""]["DDBH"].nunique()
    assert 0.25 < len(sizes) / finished < 0.35
    last = tracks.groupby("DDBH").last().join(export.orders.drop_duplicates("DDBH").set_index("DDBH")[["QDJD", "QDWD"]])
    apart = distance_metres(*(last[c].astype(float).to_numpy() for c in ("JD", "WD", "QDJD", "QDWD")))
    assert np.percentile(apart, 99) < 60
    first = tracks.groupby("DDBH").first()
    begin, end = ([part[c].astype(float).to_numpy() for c in ("JD", "WD")] for part in (first, last))
    way = distance_metres(*begin, *end)
    assert np.median(way) > 300


def test_only_rated_orders_have_evaluations(export: Export) -> None:
    evaluations = export.csv("pingjia.csv")
    rated = set(export.orders.loc[export.orders["DDZT"] == "51", "DDBH"])
    assert set(evaluations["DDBH"]) == rated
    assert set(evaluations["ZHPF"]) == {*"12345", "非常不满意", "不满意", "一般", "满意", "非常满意"}


def test_photos_on_file_carry_the_hash_of_their_row(export: Export) -> None:
    photos = export.csv("zhaopian.csv")
    assert photos["SHA256"].str.fullmatch("[0-9a-f]{64}").all()
    files = sorted(export.directory.glob("zhaopian/*/*.jpg"))
    assert len(files) == 240
    rows = photos.set_index("WJLJ")
    scenes = set()
    for path in files:
        content = path.read_bytes()
        row = rows.loc[str(path.relative_to(export.directory))]
        assert hashlib.sha256(content).hexdigest() == row["SHA256"]
        assert len(content) == int(row["WJDX"]) <= 40_000
        image = Image.open(BytesIO(content))
        image.load()
        scenes.add(image.resize((8, 8)).tobytes())
    assert len(scenes) > 225
    reused = export.true("photo_reused")
    of_order, hashes = photos.set_index("ZPBH")["DDBH"], photos.set_index("ZPBH")["SHA256"]
    assert (of_order[reused["source_key"]].to_numpy() != of_order[reused["survivor_key"]].to_numpy()).all()
    assert (hashes[reused["source_key"]].to_numpy() == hashes[reused["survivor_key"]].to_numpy()).all()
    assert photos["SHA256"].duplicated().sum() == len(reused)
    stored = {str(path.relative_to(export.directory)) for path in files}
    assert photos[photos["ZPBH"].isin(reused["source_key"])]["WJLJ"].isin(stored).any()


# --- institutions, family beds, facilities ---


def test_a_bed_has_one_resident_at_a_time_but_for_the_dirt(export: Export) -> None:
    dirty = export.keys("bed_double_occupancy")
    assert _double(export.stays[~export.stays["入住编号"].isin(dirty)], "床位编码") == set()
    involved = _double(export.stays, "床位编码")
    for row in export.true("bed_double_occupancy").to_dict("records"):
        stay = export.stays.set_index("入住编号").loc[row["source_key"]]
        assert stay["床位编码"] in involved
        assert stay["床位编码"] != row["original_value"]
        assert stay["床位编码"].split("-")[0] == row["original_value"].split("-")[0]


def test_a_resident_has_one_bed_at_a_time(export: Export) -> None:
    assert _double(export.stays, "老人编号") == set()
    assert export.stays["老人编号"].duplicated().any()  # some came back


def _double(stays: pd.DataFrame, what: str) -> set[str]:
    ordered = stays.sort_values([what, "from"])
    until = ordered["until"].map(lambda day: day or date.max)
    same = ordered[what] == ordered[what].shift()
    return set(ordered.loc[same & (ordered["from"] < until.shift().fillna(date.min)), what])


def test_residents_beds_and_disclosure_agree(export: Export) -> None:
    stays, houses = export.stays, export.sheet("jigou.xlsx", "机构信息")
    current = stays[stays["until"].isna()]
    assert len(current) == 1_500
    assert (
        current.groupby("机构编号").size() == houses.set_index("机构编号")["月末在院人数"].astype(int)[lambda n: n > 0]
    ).all()
    beds = export.sheet("jigou.xlsx", "床位")
    assert (beds.groupby("机构编号").size() == houses.set_index("机构编号")["总床位数"].astype(int)).all()
    assert (beds["床位状态"] == "2").sum() == 1_500
    assert all(uscc_status(code) is UsccStatus.VALID for code in houses["统一社会信用代码"])
    for permit, reason in (
        ("消防许可证号", "无消防原因"),
        ("食品经营许可证号", "无食品许可原因"),
        ("医疗许可证号", "无医疗许可原因"),
    ):
        assert ((houses[permit] == "") != (houses[reason] == "")).all()
    living = export.elders.set_index("LRBH").loc[current["老人编号"]]
    assert (living["ZT"] == "0").all()
    assert living["JZQK"].isin(["5", "9"]).all()


def test_who_died_in_an_institution_died_on_that_day(export: Export) -> None:
    died = export.elders.set_index("LRBH")["SWRQ"]
    gone = export.stays[export.stays["退住原因"] == "4"]
    assert len(gone) > 50
    assert (died[gone["老人编号"]].to_numpy() == gone["until"].astype(str).to_numpy()).all()
    others = export.stays[export.stays["退住原因"] != "4"]
    assert died[others["老人编号"]].isna().all()


def test_assessments_follow_the_standard(export: Export) -> None:
    sheet = export.sheet("jiachuang.xlsx", "评估")
    scores = np.array([[int(part) for part in text.split(",")] for text in sheet["各项得分"]])
    assert scores.shape[1] == 26
    assert ((scores >= 0) & (scores <= ITEM_MAXIMA)).all()
    assert (scores.sum(axis=1) == sheet["总分"].astype(int)).all()
    flags = [(sheet[c] == "Y").to_numpy() for c in ("痴呆", "精神障碍", "昏迷")]
    level = level_of(scores.sum(axis=1), flags[0], flags[1], sheet["意外事件次数"].astype(int).to_numpy(), flags[2])
    words = np.array(["能力完好", "轻度失能", "中度失能", "重度失能", "完全失能"])
    assert (words[level] == sheet["能力等级"]).all()
    assert set(sheet["能力等级"]) == set(words)
    first = sheet[sheet["评估原因"] == "首次评估"]
    assert len(first) > 1_000
    # The elder's record shows the last assessment.
    days = sheet.assign(day=[parse_day(text) for text in sheet["评估日期"]], level=level)
    last = days.sort_values("day", kind="stable").groupby("老人编号")["level"].last()
    on_file = export.elders.set_index("LRBH").loc[last.index, "NLDJ"]
    assert (on_file[on_file != ""].astype(int) == last[on_file != ""]).all()


def test_an_elder_has_one_family_bed_and_dates_in_order(export: Export) -> None:
    contracts = export.sheet("jiachuang.xlsx", "签约")
    assert len(contracts) == 400
    opened = contracts[contracts["建床日期"] != ""]
    assert not opened["老人编号"].duplicated().any()
    assert (opened["申请日期"] <= opened["建床日期"]).all()
    closed = contracts[contracts["撤床日期"] != ""]
    assert (closed["建床日期"] < closed["撤床日期"]).all()
    assert set(closed["状态"]) == {"2"}
    assert set(contracts["状态"]) == set("0123")
    died = export.elders.set_index("LRBH")["SWRQ"]
    dead = closed[closed["撤床原因"] == "死亡"]
    assert (died[dead["老人编号"]].to_numpy() == dead["撤床日期"].to_numpy()).all()
    admitted = export.stays.set_index("老人编号")["from"]
    moved = closed[closed["撤床原因"] == "入住养老机构"]
    assert (admitted[moved["老人编号"]].astype(str).to_numpy() == moved["撤床日期"].to_numpy()).all()


def test_a_device_is_bound_once_at_a_time_and_alarms_while_bound(export: Export) -> None:
    bindings = export.sheet("jiachuang.xlsx", "设备绑定").sort_values(["设备编号", "绑定日期"])
    until = bindings["解绑日期"].where(bindings["解绑日期"] != "", "9999")
    same = bindings["设备编号"] == bindings["设备编号"].shift()
    assert same.any()
    assert not (same & (bindings["绑定日期"] < until.shift())).any()
    assert bindings.groupby("合同编号").size().max() >= 5
    spans = defaultdict(list)
    for row in bindings.to_dict("records"):
        spans[row["设备编号"], row["老人编号"]].append((row["绑定日期"], row["解绑日期"] or "9999"))
    alarms = export.csv("gaojing.csv")
    for alarm in alarms.to_dict("records"):
        assert any(a <= alarm["GJSJ"][:10] <= b for a, b in spans[alarm["SBBH"], alarm["LRBH"]])
        assert alarm["XYSJ"] == "" or alarm["GJSJ"] < alarm["XYSJ"]
        assert alarm["BJSJ"] == "" or alarm["XYSJ"] < alarm["BJSJ"]


def test_facilities_stand_at_their_level(export: Export) -> None:
    facilities = export.sheet("sheshi.xlsx", "设施")
    tree = division_tree()
    by_path = {d.full_name: d.level.value for d in tree}
    levels = {"县级": "county", "镇级": "town", "村级": "village"}
    assert [by_path[path.replace("/", "")] for path in facilities["所属区划"]] == [
        levels[x] for x in facilities["层级"]
    ]
    counties = facilities[(facilities["层级"] == "县级") & (facilities["设施类型"] == "综合养老服务中心")]
    assert len(counties) == 9
    assert facilities["设施类型"].nunique() == 5
    assert 200 < len(facilities) < 320


# --- subsidies ---


def _subsidised(export: Export) -> pd.DataFrame:
    """Services that took place with a subsidy, as they truly were: elders who are not on file left out."""
    orders = export.orders
    paid = (orders["BTJE"].astype(float) > 0) & ~orders["DDBH"].isin(export.keys("order_elder_unknown"))
    return orders[paid].drop_duplicates("DDBH")


def _persons(export: Export, rows: pd.DataFrame) -> pd.Series:
    """`LRBH` of the person's first record."""
    first = export.true("elder_duplicate").set_index("source_key")["survivor_key"]
    return rows["LRBH"].map(first).fillna(rows["LRBH"])


def _with_entitlements(export: Export) -> pd.DataFrame:
    """Subsidised services beside all entitlements of their elder; `holds`: on that day."""
    orders = _subsidised(export).assign(person=lambda rows: _persons(export, rows))
    # Of turned times the true start is in the truth file.
    true_start = export.true("order_end_before_start").set_index("source_key")["original_value"]
    start = pd.to_datetime(orders["DDBH"].map(true_start)).fillna(orders["KSSJ_time"])
    orders["served"] = start.dt.normalize()
    granted = export.entitlements.assign(person=lambda rows: _persons(export, rows)).drop(columns="LRBH")
    joined = orders.merge(granted, on="person", how="left")
    joined["holds"] = (joined["from"] <= joined["served"]) & (joined["served"] <= joined["until"])
    return joined


def test_whoever_is_subsidised_is_entitled_on_that_day_but_for_the_dirt(export: Export) -> None:
    services = _with_entitlements(export).groupby("DDBH").agg({"holds": "max", "person": "first", "served": "first"})
    assert len(services) > 3_000
    without = services[~services["holds"]]
    late = without.index.isin(export.keys("order_after_death"))
    entitlements = export.entitlements.set_index("BTBH")["LRBH"]
    lacking = export.keys("entitlement_missing")
    ended = set(entitlements[sorted(export.keys("entitlement_expired"))])
    # Every service without a valid entitlement is one that the truth names, and each named elder has some.
    assert set(without.loc[~late, "person"]) == lacking | ended
    assert not set(entitlements) & lacking


def test_nobody_is_entitled_twice_at_once_but_for_the_dirt(export: Export) -> None:
    granted = export.entitlements.assign(person=lambda rows: _persons(export, rows))
    granted = granted.sort_values(["person", "from", "BTBH"])
    earlier_end = granted.groupby("person")["until"].shift()
    overlapping = granted[earlier_end >= granted["from"]]
    doubled = export.true("entitlement_double").set_index("source_key")
    assert set(overlapping["person"]) == set(doubled["original_value"])
    assert len(overlapping) == len(doubled)
    first = granted.set_index("BTBH")
    same = first.loc[doubled["survivor_key"], "person"].to_numpy() == first.loc[doubled.index, "person"].to_numpy()
    assert same.all()
    assert set(granted.loc[~granted["LRBH"].isin(export.elders["LRBH"]), "BTBH"]) == export.keys(
        "entitlement_elder_unknown"
    )


def test_a_month_s_subsidy_stays_below_the_amount_granted(export: Export) -> None:
    services = _with_entitlements(export).query("holds").drop_duplicates("DDBH")
    amounts = services["BZED"].str.removesuffix("元/月").astype(float)
    used = services["BTJE"].astype(float).groupby([services["BTBH"], services["served"].dt.to_period("M")]).sum()
    granted = amounts.groupby(services["BTBH"]).first()
    assert (used <= granted[used.index.get_level_values(0)].to_numpy()).all()
    assert set(granted) >= {60, 100, 200, 300, 600}


def test_age_and_family_bed_are_grounds_from_their_day_on(export: Export) -> None:
    """The share of the amount that is paid, by what holds on the day of the service."""
    services = _with_entitlements(export).query("holds and DDJE != '0.00'").drop_duplicates("DDBH")
    share = (services["BTJE"].astype(float) / services["DDJE"].astype(float)).round(2)
    born = {number: check_id_number(row["SFZH"] or "").birth_date for number, row in _elders_by_number(export).items()}
    birthday = pd.to_datetime(services["person"].map(born))
    aged = services["BTLB"] == "6"
    years = services["served"].dt.year - birthday.dt.year
    before = services["served"].dt.strftime("%m%d") < birthday.dt.strftime("%m%d")
    known = aged & birthday.notna() & ~services["person"].isin(export.keys("id_number_checksum"))
    assert known.sum() > 100 and ((years - before)[known] >= 80).all()
    assert set(share[aged]) <= {0.19, 0.2, 0.21}
    contracts = export.sheet("jiachuang.xlsx", "签约").query("建床日期 != ''").set_index("老人编号")
    by_bed = services[services["BTLB"] == "7"]
    opened = pd.to_datetime(by_bed["person"].map(contracts["建床日期"]))
    closed = pd.to_datetime(by_bed["person"].map(contracts["撤床日期"]).replace("", "2100-01-01"))
    assert len(by_bed) > 100
    assert ((opened <= by_bed["served"]) & (by_bed["served"] < closed)).all()


# --- the bureau's registers ---


def test_registers_and_platform_agree_but_for_the_dirt(export: Export) -> None:
    houses = export.sheet("jigou.xlsx", "机构信息").set_index("机构编号")
    listed = export.register("养老机构备案")
    codes, here = set(listed["统一社会信用代码"]), set(houses["统一社会信用代码"])
    wrong = export.true("register_code_wrong").set_index("source_key")["original_value"]
    mistyped = listed.set_index("备案编号").loc[wrong.index, "统一社会信用代码"]
    assert all(uscc_status(code) is UsccStatus.BAD_CHECKSUM for code in mistyped)
    absent = set(export.true("register_institution_absent")["original_value"])
    unregistered = export.true("institution_unregistered")
    assert codes - here == absent | set(mistyped)
    assert here - codes == set(unregistered["original_value"]) | set(wrong)
    assert (houses.loc[unregistered["source_key"], "统一社会信用代码"] == list(unregistered["original_value"])).all()
    assert (houses.loc[unregistered["source_key"], "运营状态"] != "已关停").all()
    assert len(absent) == 2 and len(unregistered) == 1
    closed = houses.loc[houses["运营状态"] == "已关停", "统一社会信用代码"]
    assert set(listed.loc[listed["备案状态"] == "已注销", "统一社会信用代码"]) == set(closed)

    beds = export.sheet("jigou.xlsx", "床位")
    beds["统一社会信用代码"] = beds["机构编号"].map(houses["统一社会信用代码"])
    on_platform = set(beds[BED_KEY].agg("|".join, axis=1))
    in_register = set(export.register("床位登记")[BED_KEY].agg("|".join, axis=1))
    assert in_register - on_platform == export.keys("register_bed_absent")
    assert {key.split("|")[0] for key in on_platform - in_register} == set(unregistered["original_value"])

    names = set(export.sheet("sheshi.xlsx", "设施")["设施名称"])
    assert set(export.register("社区设施")["设施名称"]) - names == set(
        export.true("register_facility_absent")["original_value"]
    )


# --- vital signs ---

#: Wider than any value that the clean generator gives, in the stated unit.
PLAUSIBLE = {
    ("XL", "次/分"): (40, 160),
    ("XY", "mmHg"): (40, 220),
    ("XY", "kPa"): (5.5, 29),
    ("XT", "mmol/L"): (2.8, 25),
    ("XT", "mg/dL"): (50, 440),
    ("XYBHD", "%"): (80, 100),
    ("TW", "℃"): (35, 40),
    ("TW", "℉"): (95, 104),
}


def test_vital_signs_are_out_of_range_exactly_where_the_truth_says(export: Export) -> None:
    strange = set()
    signs = export.vital_signs
    for row in signs.to_dict("records"):
        low, high = PLAUSIBLE[row["CLLX"], row["DW"]]
        if not all(low <= float(part) <= high for part in row["CLZ"].split("/")):
            strange.add(row["CLBH"])
    assert strange == export.keys("vital_out_of_range", "vital_wrong_unit")
    assert len(signs) == 50_000
    assert set(signs["DW"]) == {unit for _, unit in PLAUSIBLE}


def test_vital_signs_lie_in_their_month_and_in_the_elders_life(export: Export) -> None:
    signs = export.vital_signs
    time = pd.to_datetime(signs["CLSJ"], format="mixed")
    assert (time.dt.strftime("%Y%m") == signs["CLBH"].str[2:8]).all()
    died = pd.to_datetime(signs["LRBH"].map(export.elders.set_index("LRBH")["SWRQ"]))
    assert (died.isna() | (time.dt.normalize() <= died)).all()
    months = signs["CLBH"].str[2:8].value_counts().sort_index()
    assert len(months) == 36
    assert months.iloc[-1] > 2 * months.iloc[0]


# --- the call ---


def _tree_hash(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(directory)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process(export: Export, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from huiyang.settings import Scale;"
        "from migration.sample import write_export;"
        f"write_export(Path(sys.argv[1]), Scale.DEMO, {SEED})"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/New_York", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-c", code, tmp_path / "again"], check=True, cwd=PROJECT_ROOT, env=environment)
    assert _tree_hash(tmp_path / "again") == _tree_hash(export.directory)


def test_a_second_call_does_nothing(export: Export) -> None:
    before = {path: path.stat().st_mtime_ns for path in export.directory.rglob("*")}
    steps: list[str] = []
    again = write_export(export.directory, Scale.DEMO, SEED, lambda step, done, total: steps.append(step))
    assert again.was_present
    assert steps == []
    assert (again.files, again.rows, again.dirt) == (export.summary.files, export.summary.rows, export.summary.dirt)
    assert {path: path.stat().st_mtime_ns for path in export.directory.rglob("*")} == before


class Stop(BaseException):
    """Like Ctrl-C, at a chosen step."""


@pytest.fixture
def small_volumes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few of everything but elders, where only the call matters."""
    few = replace(
        VOLUMES[Scale.DEMO], orders=400, vital_signs=2_000, photo_files=12, beds=300, residents=120, family_beds=60
    )
    monkeypatch.setitem(VOLUMES, Scale.DEMO, few)


@pytest.mark.usefixtures("small_volumes")
def test_interruption_leaves_the_former_export_and_the_next_call_replaces_it(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    first = write_export(directory, Scale.DEMO, 1)
    before = _tree_hash(directory)

    def stop(step: str, done: int, total: int) -> None:
        if step == "gongdan.csv":
            raise Stop

    with pytest.raises(Stop):
        write_export(directory, Scale.DEMO, 2, stop)
    assert _tree_hash(directory) == before
    seen: list[tuple[str, int, int]] = []
    second = write_export(directory, Scale.DEMO, 2, lambda *step: seen.append(step))
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert second.seed == 2
    assert second.counts["elders"] == first.counts["elders"]
    assert {file.sha256 for file in second.files}.isdisjoint(
        file.sha256 for file in first.files if file.name != "fuwuxiangmu.csv"
    )
    assert set(second.seconds) == {step for step, _, _ in seen}
    assert all(any(done == total for s, done, total in seen if s == step) for step in second.seconds)
    # A file cut short is noticed and the export made anew.
    (directory / "pingjia.csv").write_bytes((directory / "pingjia.csv").read_bytes()[:-100])
    assert read_manifest(directory) is None


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(HuiyangError, match="no export"):
        write_export(tmp_path, Scale.DEMO, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(HuiyangError) as caught:
        write_export(tmp_path / "file" / "demo", Scale.DEMO, 1)
    assert str(tmp_path) in caught.value.problem
    assert caught.value.remedy


def _sql_rows(path: Path, table: str) -> Iterator[list[str]]:
    """The rows of a table as their raw values, line by line, for exports that are too large to hold."""
    with path.open(encoding="utf-8") as handle:
        for line in handle:
            if line.startswith(f"INSERT INTO `{table}` VALUES "):
                for row in re.findall(r"\((\d+(?:,(?:NULL|'(?:[^'\\]|\\.)*'))+)\)[,;]", line):
                    yield [value.strip("'") for value in re.findall(r"NULL|'(?:[^'\\]|\\.)*'|\d+", row)]


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_the_census_is_met_to_the_person_in_the_file(tmp_path: Path) -> None:
    summary = write_export(tmp_path / "census", Scale.CENSUS, SEED)
    with gzip.open(tmp_path / "census" / "truth.csv.gz", "rt", encoding="utf-8") as handle:
        truth = pd.read_csv(handle, dtype=str, keep_default_na=False)
    duplicates = set(truth.loc[truth["kind"] == "elder_duplicate", "source_key"])
    born = dict(truth.loc[truth["field"] == "CSRQ", ["source_key", "original_value"]].itertuples(index=False))
    tree = division_tree()
    county_of_path = {county.full_name: county.code for county in tree.children(tree.root.code)}
    header = re.search(
        r"CREATE TABLE `t_laoren` \((.*?)\n\) ENGINE", _head(tmp_path / "census" / "elders.sql"), re.DOTALL
    )
    columns = re.findall(r"^  `(\w+)`", header[1], re.MULTILINE)  # type: ignore[index]
    found: Counter[tuple[str, str, str]] = Counter()
    for values in _sql_rows(tmp_path / "census" / "elders.sql", "t_laoren"):
        row = dict(zip(columns, values, strict=True))
        if row["ZT"] != "0" or row["DEL_FLAG"] != "0" or row["LRBH"] in duplicates or row["XB"] == "0":
            if row["XB"] == "0" and row["ZT"] == "0" and row["DEL_FLAG"] == "0" and row["LRBH"] not in duplicates:
                found["unknown", "", ""] += 1
            continue
        day = parse_day(born.get(row["LRBH"], row["CSRQ"]))
        age = LAST_DAY.year - day.year - ((day.month, day.day) > (LAST_DAY.month, LAST_DAY.day))
        county = next(code for path, code in county_of_path.items() if re.sub("[/-]", "", row["SSQH"]).startswith(path))
        group = "85+" if age >= 85 else f"{age // 5 * 5}-{age // 5 * 5 + 4}"
        found[county, "male" if row["XB"] in "1男" else "female", group] += 1
    unknown = found.pop(("unknown", "", ""))
    path = PROJECT_ROOT / "huiyang/reference/ref_census_2020.csv"
    census = pd.read_csv(path, dtype={"county_code": str}, encoding="utf-8")
    census = census[census["age_from"] >= 60].set_index(["county_code", "sex", "age_group"])["population"]
    missing = {cell: count - found[cell] for cell, count in census.items()}
    assert sum(missing.values()) == unknown  # the sex of these is not written
    assert min(missing.values()) >= 0
    assert unknown < 0.003 * 1_171_973
    assert summary.counts["elders"] == 1_171_973


def _head(path: Path) -> str:
    with path.open(encoding="utf-8") as handle:
        return handle.read(8_000)
