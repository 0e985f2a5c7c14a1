"""Makes the derived reference files from the raw ones: `python -m huiyang.reference.build <folder of the raw files>`.

Deterministic: the same raw files give the same bytes. Run it again only when a raw file changes, and look at the diff.
The raw files are named, with source and licence, in README.md beside this file. The lists that the bureau decides
(`ref_reporting_unit*`, `ref_service_category`, `ref_vital_range`) are kept by hand and not made here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import geopandas as gpd
import pandas as pd
import shapely
import typer

from huiyang.divisions import DivisionLevel, ancestor_at, division_level
from huiyang.reference import COUNTY_BOUNDARIES_FILE, REFERENCE_DIR, reference_file

CENSUS_BASIS = "2020年第七次全国人口普查，常住人口"
#: Columns of the census file: 男_0岁, 男_60到64岁, 女_85岁以上.
_AGE_COLUMN = re.compile(r"([男女])_(\d+)(?:到(\d+))?岁(以上)?")
_SEX_CODES = {"男": "male", "女": "female"}
_HOUSEHOLD_COLUMNS = {
    "家庭户数": "family_household_count",
    "家庭户人口数": "family_household_population",
    "一人户数": "one_person_household_count",
    "一代户数": "one_generation_household_count",
    "二代户数": "two_generation_household_count",
    "三代户数": "three_generation_household_count",
    "四代以上户数": "four_generation_household_count",
    "有65岁及以上老年人口的户数": "elder_65_household_count",
    "有一个老人": "one_elder_65_household_count",
    "有二个老人": "two_elder_65_household_count",
    "有三个及以上老人": "three_elder_65_household_count",
}
_LEVEL_NAMES = {
    DivisionLevel.CITY: "地级市",
    DivisionLevel.COUNTY: "县（市、区）",
    DivisionLevel.TOWN: "镇街",
    DivisionLevel.VILLAGE: "村社",
}
#: Side of the triangle (degrees) below which a corner goes; some 200 m, invisible on a map of the city.
SIMPLIFY_DEGREES = 0.002
_COORDINATE_DECIMALS = 5
#: An island below this area is not drawn as a ring of its own (it stays in the GeoJSON).
SMALLEST_RING_KM2 = 1.0
#: Asia North Albers equal area: areas in square metres.
_EQUAL_AREA_CRS = "ESRI:102025"


def build_divisions(raw: Path) -> pd.DataFrame:
    """`ref_division`: one row a division, by code, with the county and town it lies in."""
    source = pd.read_csv(raw, dtype=str).sort_values("division_code").set_index("division_code", drop=False)
    names = source["name"].to_dict()
    rows = []
    for code, name, stated_level in source[["division_code", "name", "level"]].itertuples(index=False):
        level = division_level(code)
        if level != stated_level:
            raise ValueError(f"{code} {name} is a {level} by its code, a {stated_level} by the file")
        above = [ancestor_at(code, upper) for upper in _LEVEL_NAMES]
        path = [ancestor for ancestor in above if ancestor is not None]
        county, town = above[1], above[2]
        rows.append(
            {
                "division_code": code,
                "name": name,
                "full_name": "".join(names[ancestor] for ancestor in path),
                "level": level.value,
                "level_name": _LEVEL_NAMES[level],
                "parent_code": path[-2] if len(path) > 1 else None,
                "county_code": county,
                "county_name": names[county] if county else None,
                "town_code": town,
                "town_name": names[town] if town else None,
                "is_pseudo": "true" if _is_pseudo(code) else "false",
            }
        )
    return pd.DataFrame(rows)


def _is_pseudo(code: str) -> bool:
    """Town segments from 400 and village segments from 400 are statistical units."""
    return int(code[6:9]) >= 400 or int(code[9:]) >= 400


def build_census(raw: Path) -> pd.DataFrame:
    """`ref_census_2020`: one row a county, sex and age group; the city is their sum and not in it."""
    source = _census_counties(raw)
    rows = []
    for column in source.columns:
        match = _AGE_COLUMN.fullmatch(column)
        if match is None:
            continue
        sex_name, age_from, age_to, open_ended = match.groups()
        group = f"{age_from}+" if open_ended else f"{age_from}-{age_to}" if age_to else age_from
        counties = source[["county_code", "county_name", column]]
        for county_code, county_name, population in counties.itertuples(index=False):
            rows.append(
                {
                    "county_code": county_code,
                    "county_name": county_name,
                    "sex": _SEX_CODES[sex_name],
                    "sex_name": sex_name,
                    "age_group": group,
                    "age_from": int(age_from),
                    "population": int(population),
                    "basis": CENSUS_BASIS,
                }
            )
    table = pd.DataFrame(rows).sort_values(["county_code", "sex", "age_from"], ascending=[True, False, True])
    if table["population"].sum() != source["人口数_合计"].sum():
        raise ValueError("the age groups of the census do not add up to its totals")
    return table


def build_households(raw: Path) -> pd.DataFrame:
    """`ref_household_2020`: one row a county; households by persons, generations and members of 65 and over."""
    source = _census_counties(raw)
    table = source[["county_code", "county_name", *_HOUSEHOLD_COLUMNS]].rename(columns=_HOUSEHOLD_COLUMNS)
    return table.assign(basis=CENSUS_BASIS).sort_values("county_code")


def _census_counties(raw: Path) -> pd.DataFrame:
    source = pd.read_csv(raw, dtype={"区划代码": str})
    counties = source[~source["区划代码"].str.endswith("00")].copy()
    counties.insert(0, "county_code", counties["区划代码"].str.ljust(12, "0"))
    return counties.rename(columns={"区县": "county_name"})


def build_boundaries(raw: Path) -> gpd.GeoDataFrame:
    """Nine counties with simplified boundaries in GCJ-02; each border is simplified once, so neighbours still meet.

    Columns county_code, county_name, geometry (MultiPolygon, degrees). No CRS is set: GCJ-02 has none.
    """
    source = gpd.read_file(raw).sort_values("division_code", ignore_index=True)
    simplified = shapely.coverage_simplify(source.geometry.to_numpy(), SIMPLIFY_DEGREES)
    rounded = shapely.set_precision(simplified, 10**-_COORDINATE_DECIMALS, mode="pointwise")
    if not (shapely.is_valid(rounded).all() and shapely.coverage_is_valid(rounded)):
        raise ValueError("the simplified counties overlap or leave gaps: choose another SIMPLIFY_DEGREES")
    return gpd.GeoDataFrame(
        {"county_code": source["division_code"].str.ljust(12, "0"), "county_name": source["name"]}, geometry=rounded
    )


def build_boundary_rings(boundaries: gpd.GeoDataFrame) -> pd.DataFrame:
    """`ref_county_boundary`: one row an outer ring big enough to draw, the largest of a county first.

    `ring_json` is `[[longitude, latitude], …]`, closed; longitude and latitude are a point inside the ring for labels.
    """
    rows = []
    for county_code, county_name, geometry in boundaries.itertuples(index=False):
        parts = list(shapely.get_parts(geometry))
        by_area = sorted(zip(area_km2(parts), parts, strict=True), key=lambda pair: -pair[0])
        drawn = [pair for pair in by_area if pair[0] >= SMALLEST_RING_KM2]
        for ring_number, (ring_area, polygon) in enumerate(drawn, start=1):
            inside = shapely.point_on_surface(polygon)
            rows.append(
                {
                    "county_code": county_code,
                    "county_name": county_name,
                    "ring_number": ring_number,
                    "ring_area_km2": round(ring_area, 1),
                    "longitude_gcj02": round(inside.x, _COORDINATE_DECIMALS),
                    "latitude_gcj02": round(inside.y, _COORDINATE_DECIMALS),
                    "ring_json": _compact_json(_rounded(polygon.exterior.coords)),
                }
            )
    return pd.DataFrame(rows)


def area_km2(geometries: list[shapely.Geometry]) -> list[float]:
    """Areas of geometries in degrees; the datum does not matter at this precision."""
    return (gpd.GeoSeries(geometries, crs="EPSG:4326").to_crs(_EQUAL_AREA_CRS).area / 1e6).tolist()


def boundaries_geojson(boundaries: gpd.GeoDataFrame) -> str:
    """A GeoJSON FeatureCollection, in GCJ-02 and not, as the standard has it, in WGS-84: the member `datum` says so."""
    features = [
        {
            "type": "Feature",
            "properties": {"county_code": county_code, "county_name": county_name},
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [
                    [_rounded(ring.coords) for ring in (polygon.exterior, *polygon.interiors)]
                    for polygon in shapely.get_parts(geometry)
                ],
            },
        }
        for county_code, county_name, geometry in boundaries.itertuples(index=False)
    ]
    return _compact_json({"type": "FeatureCollection", "datum": "GCJ-02", "features": features}) + "\n"


def _rounded(coordinates: shapely.coords.CoordinateSequence) -> list[list[float]]:
    return [[round(x, _COORDINATE_DECIMALS), round(y, _COORDINATE_DECIMALS)] for x, y in coordinates]


def _compact_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def build(
    raw_folder: Annotated[Path, typer.Argument(help="Folder with the three raw files.", exists=True, file_okay=False)],
    output_folder: Annotated[Path, typer.Option(help="Where to write.")] = REFERENCE_DIR,
) -> None:
    """Writes the derived reference files."""
    census = raw_folder / "zhanjiang_census2020_9counties.csv"
    boundaries = build_boundaries(raw_folder / "zhanjiang_counties.gcj02.geojson")
    tables = {
        "ref_division": build_divisions(raw_folder / "zhanjiang_divisions_2023.csv"),
        "ref_census_2020": build_census(census),
        "ref_household_2020": build_households(census),
        "ref_county_boundary": build_boundary_rings(boundaries),
    }
    for name, table in tables.items():
        path = output_folder / reference_file(name).name
        table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")
        typer.echo(f"{path.name}: {len(table)} rows")
    path = output_folder / COUNTY_BOUNDARIES_FILE.name
    path.write_text(boundaries_geojson(boundaries), encoding="utf-8")
    typer.echo(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    typer.run(build)
