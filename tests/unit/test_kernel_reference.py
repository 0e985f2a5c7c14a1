"""Reference tables: totals of the sources, keys that meet, boundaries whose neighbours still meet."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import typer
import yaml
from typer.testing import CliRunner

from huiyang.divisions import DivisionLevel, division_tree
from huiyang.geodesy import wgs84_to_gcj02
from huiyang.reference import COUNTY_BOUNDARIES_FILE, REFERENCE_DIR, read_reference, reference_file
from huiyang.reference.boundaries import counties_at, county_shapes_gcj02, random_points_in_county
from huiyang.reference.build import area_km2, boundaries_geojson, build, build_boundaries, build_census, build_divisions

COUNTIES = [division.code for division in division_tree().at_level(DivisionLevel.COUNTY)]
TABLES = sorted(path.stem for path in REFERENCE_DIR.glob("ref_*.csv"))
#: Areas of the raw boundaries in km², by the same projection; `build_boundaries` may change each by less than 1 %.
RAW_AREAS_KM2 = {
    "440802000000": 63.490,
    "440803000000": 119.149,
    "440804000000": 564.375,
    "440811000000": 926.756,
    "440823000000": 2147.774,
    "440825000000": 2118.765,
    "440881000000": 2827.949,
    "440882000000": 3794.058,
    "440883000000": 942.924,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_described_for_dbt_column_by_column(name: str):
    seeds = yaml.safe_load((REFERENCE_DIR / "_seeds.yml").read_text(encoding="utf-8"))["seeds"]
    assert sorted(seed["name"] for seed in seeds) == TABLES
    seed = next(seed for seed in seeds if seed["name"] == name)
    columns = read_reference(name).columns.tolist()
    assert [column["name"] for column in seed["columns"]] == columns
    assert list(seed["config"]["column_types"]) == columns
    assert seed["description"] and all(column["description"] for column in seed["columns"])
    assert f"`{name}.csv`" in (REFERENCE_DIR / "README.md").read_text(encoding="utf-8")


def test_census_totals():
    census = read_reference("ref_census_2020")
    assert census["population"].sum() == 6_981_236
    assert census.loc[census["age_from"] >= 60, "population"].sum() == 1_171_973
    assert census.loc[census["age_from"] >= 65, "population"].sum() == 832_753
    assert census.loc[census["age_from"] >= 80, "population"].sum() == 219_711
    assert not census.duplicated(["county_code", "sex", "age_group"]).any()
    assert sorted(census["county_code"].unique()) == COUNTIES
    assert census.groupby("county_code").size().eq(2 * 19).all()
    assert census["basis"].eq("2020年第七次全国人口普查，常住人口").all()


def test_households_of_elders_add_up():
    households = read_reference("ref_household_2020")
    assert households["county_code"].tolist() == COUNTIES
    parts = [f"{number}_elder_65_household_count" for number in ("one", "two", "three")]
    assert households[parts].sum(axis=1).equals(households["elder_65_household_count"])
    assert households["elder_65_household_count"].sum() == 599_186


def test_reporting_units_name_their_towns_as_the_tree_does():
    tree = division_tree()
    for row in read_reference("ref_reporting_unit_division").itertuples():
        town = tree[row.division_code]
        assert (town.name, tree[town.parent_code].name) == (row.division_name, row.county_name)


def test_service_categories_map_to_the_standard():
    categories = read_reference("ref_service_category")
    assert len(categories) == 20
    standard_types = ["生活照料", "基础照护", "健康管理", "探访关爱", "精神慰藉", "委托代办", "家庭生活环境适老化改造"]
    assert set(categories["standard_type"]) == set(standard_types)
    assert set(categories["aid_type"]) == {"助餐", "助洁", "助浴", "助医", "助行", "助急", "护理", "未归入"}
    assert not categories["name"].duplicated().any()
    assert categories["confirmation"].eq("待市民政局确认").all()


def test_vital_ranges():
    ranges = read_reference("ref_vital_range")
    assert (ranges["low"] < ranges["high"]).all()
    assert set(ranges["vital_kind"]) == {"heart_rate", "blood_pressure", "glucose", "oxygen", "temperature"}
    assert ranges.set_index(["vital_kind", "component"]).index.is_unique


# --- boundaries ---


def test_neighbours_meet_without_gap_or_overlap():
    shapes = list(county_shapes_gcj02().values())
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert max(shapely.area(shapely.intersection(a, b)) for a, b in combinations(shapes, 2)) == 0
    # 15 pairs share a border in the raw data, and still do.
    assert sum(shapely.length(shapely.intersection(a, b)) > 0 for a, b in combinations(shapes, 2)) == 15
    # Borders that no longer meet would leave slivers; the union has only the three holes (water) of the raw data.
    union = shapely.union_all(shapes)
    holes = [shapely.Polygon(ring) for part in shapely.get_parts(union) for ring in part.interiors]
    assert sorted(area_km2(holes)) == pytest.approx([0.52, 2.31, 3.01], rel=0.1)


def test_areas_change_by_less_than_one_percent():
    shapes = county_shapes_gcj02()
    areas = dict(zip(shapes, area_km2(list(shapes.values())), strict=True))
    assert areas.keys() == RAW_AREAS_KM2.keys()
    for county_code, raw_area in RAW_AREAS_KM2.items():
        assert areas[county_code] == pytest.approx(raw_area, rel=0.01)


def test_files_are_small_enough_for_a_page():
    assert COUNTY_BOUNDARIES_FILE.stat().st_size < 150_000
    assert reference_file("ref_county_boundary").stat().st_size < 150_000


def test_rings_are_the_shapes():
    rings = read_reference("ref_county_boundary")
    assert rings["county_code"].unique().tolist() == COUNTIES
    shapes = county_shapes_gcj02()
    for row in rings.itertuples():
        ring = shapely.Polygon(json.loads(row.ring_json))
        assert ring.is_valid
        assert json.loads(row.ring_json)[0] == json.loads(row.ring_json)[-1]
        assert any(ring.equals(shapely.Polygon(part.exterior)) for part in shapely.get_parts(shapes[row.county_code]))
        assert ring.contains(shapely.Point(row.longitude_gcj02, row.latitude_gcj02))
        assert row.ring_area_km2 >= 1
    assert rings.groupby("county_code")["ring_number"].apply(lambda n: n.tolist() == list(range(1, len(n) + 1))).all()


def test_random_points_lie_in_their_county_and_differ_by_seed():
    for county_code, shape in county_shapes_gcj02().items():
        longitude, latitude = random_points_in_county(county_code, 500, np.random.default_rng(7))
        assert longitude.shape == latitude.shape == (500,)
        assert shapely.contains_xy(shapely.buffer(shape, 1e-9), *wgs84_to_gcj02(longitude, latitude)).all()
        assert (counties_at(longitude, latitude) == county_code).mean() > 0.99
    again = random_points_in_county(county_code, 500, np.random.default_rng(7))
    assert np.array_equal(np.column_stack(again), np.column_stack([longitude, latitude]))
    other = random_points_in_county(county_code, 500, np.random.default_rng(8))
    assert not np.array_equal(other[0], longitude)
    assert [len(column) for column in random_points_in_county(county_code, 0, np.random.default_rng(7))] == [0, 0]


def test_points_outside_the_city_are_in_no_county():
    # Guangzhou, and the open sea.
    assert counties_at([113.26, 111.5], [23.13, 20.5]).tolist() == [None, None]
    with pytest.raises(KeyError):
        random_points_in_county("440100000000", 1, np.random.default_rng(1))


# --- the script that makes them, on small raw files in the shape of the real ones ---


@pytest.fixture
def raw_folder(tmp_path: Path) -> Path:
    divisions = pd.DataFrame(
        [
            ("440802450401", "机关社区", "village", "440802450000"),
            ("440800000000", "湛江市", "city", "440000000000"),
            ("440802000000", "赤坎区", "county", "440800000000"),
            ("440802450000", "开发区", "town", "440802000000"),
        ],
        columns=["division_code", "name", "level", "parent_code"],
    )
    divisions.to_csv(tmp_path / "zhanjiang_divisions_2023.csv", index=False)
    census = {"区划代码": ["440800", "440802"], "区县": ["湛江市", "赤坎区"], "人口数_合计": 16}
    census |= {"男_0岁": 1, "女_0岁": 2, "男_60到64岁": 3, "女_60到64岁": 4, "男_85岁以上": 6, "女_85岁以上": 0}
    households = ["家庭户数", "家庭户人口数", "一人户数", "一代户数", "二代户数", "三代户数", "四代以上户数"]
    households += ["有65岁及以上老年人口的户数", "有一个老人", "有二个老人", "有三个及以上老人"]
    census |= {column: index for index, column in enumerate(households)}
    pd.DataFrame(census).to_csv(tmp_path / "zhanjiang_census2020_9counties.csv", index=False)
    # Two counties that share a wavy border of 200 points.
    y = np.linspace(21.0, 21.4, 200)
    border = list(zip(110.4 + 0.001 * np.sin(y * 900), y, strict=True))
    west = shapely.MultiPolygon([shapely.Polygon([*border, (110.0, 21.4), (110.0, 21.0)])])
    east = shapely.MultiPolygon([shapely.Polygon([*border, (110.8, 21.4), (110.8, 21.0)])])
    frame = gpd.GeoDataFrame(
        {"division_code": ["440803", "440802"], "name": ["霞山区", "赤坎区"]}, geometry=[east, west], crs="EPSG:4326"
    )
    frame.to_file(tmp_path / "zhanjiang_counties.gcj02.geojson", driver="GeoJSON")
    return tmp_path


def test_build_writes_the_same_bytes_twice(raw_folder: Path, tmp_path: Path):
    app = typer.Typer()
    app.command()(build)
    outputs = [tmp_path / "first", tmp_path / "second"]
    for output in outputs:
        output.mkdir()
        result = CliRunner().invoke(app, [str(raw_folder), "--output-folder", str(output)])
        assert result.exit_code == 0, result.output
    files = sorted(path.name for path in outputs[0].iterdir())
    assert files == [
        "county_boundaries.geojson",
        "ref_census_2020.csv",
        "ref_county_boundary.csv",
        "ref_division.csv",
        "ref_household_2020.csv",
    ]
    for name in files:
        assert (outputs[0] / name).read_bytes() == (outputs[1] / name).read_bytes()
        assert b"\r" not in (outputs[0] / name).read_bytes()


def test_simplified_borders_are_shared(raw_folder: Path):
    boundaries = build_boundaries(raw_folder / "zhanjiang_counties.gcj02.geojson")
    assert boundaries["county_code"].tolist() == ["440802000000", "440803000000"]
    assert shapely.get_num_coordinates(boundaries.geometry.to_numpy()).max() < 150  # of 203
    assert shapely.coverage_is_valid(boundaries.geometry.to_numpy())
    assert json.loads(boundaries_geojson(boundaries))["datum"] == "GCJ-02"


def test_built_divisions_and_census(raw_folder: Path):
    divisions = build_divisions(raw_folder / "zhanjiang_divisions_2023.csv").set_index("division_code")
    village = divisions.loc["440802450401"]
    assert village["full_name"] == "湛江市赤坎区开发区机关社区"
    assert (village["parent_code"], village["town_name"]) == ("440802450000", "开发区")
    assert village["county_code"] == "440802000000"
    assert divisions["is_pseudo"].to_dict() == {
        "440800000000": "false",
        "440802000000": "false",
        "440802450000": "true",
        "440802450401": "true",
    }
    census = build_census(raw_folder / "zhanjiang_census2020_9counties.csv")
    assert census[["sex", "age_group", "population"]].to_numpy().tolist() == [
        ["male", "0", 1],
        ["male", "60-64", 3],
        ["male", "85+", 6],
        ["female", "0", 2],
        ["female", "60-64", 4],
        ["female", "85+", 0],
    ]


def test_contradictions_in_raw_files_stop_the_build(raw_folder: Path):
    path = raw_folder / "zhanjiang_divisions_2023.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("赤坎区,county", "赤坎区,town"), encoding="utf-8")
    with pytest.raises(ValueError, match="440802000000"):
        build_divisions(path)
    path = raw_folder / "zhanjiang_census2020_9counties.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",16,", ",17,"), encoding="utf-8")
    with pytest.raises(ValueError, match="add up"):
        build_census(path)
