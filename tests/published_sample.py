"""Schema `published` as the contract describes it, filled with figures of the city's size.

For tests of the cockpits that need large numbers, long names or a certain verdict without running the pipeline. The
pipeline's own release is tested where `released_installation` is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from psycopg import sql

from huiyang.database import Login, connect
from huiyang.periods import Period
from huiyang.reference import read_reference
from huiyang.settings import PROJECT_ROOT, Settings

CONTRACT = PROJECT_ROOT / "dbt_project" / "models" / "marts"
CITY_CODE, CITY_NAME = "440800000000", "湛江市"
AGE_GROUPS = ["60-64", "65-69", "70-74", "75-79", "80-84", "85+"]
ALARM_KINDS = ["紧急呼叫", "烟雾", "燃气", "跌倒", "体征异常", "离床", "门磁", "其他"]
FACILITY_TYPES = {
    "综合养老服务中心": "县级",
    "社区养老服务站": "镇级",
    "长者饭堂": "村级",
    "日间照料中心": "镇级",
    "互助养老点": "村级",
}
THEMES = ["老人", "养老机构", "社区设施", "家庭养老床位", "上门服务", "健康", "人员"]


@dataclass(frozen=True)
class Sample:
    """What the sample release is: size, lane and verdict."""

    elders: int = 1_460_000
    lane: str = "official"
    accepted: bool = True
    last_period: str = "2026-10"
    months: int = 36
    release_id: int = 17


def load(settings: Settings, sample: Sample | None = None) -> None:
    """Replaces schema `published` of the installation's warehouse by the sample and lets the cockpit login read it."""
    sample = sample or Sample()
    frames = make(sample)
    as_of = datetime(2026, 11, 5, 1, 30, tzinfo=UTC)
    accepted = sample.accepted
    release = {
        "release_id": "bigint", "lane": "text", "period": "text", "as_of": "timestamptz", "published_at": "timestamptz",
        "accepted": "boolean", "completeness_numerator": "bigint", "completeness_denominator": "bigint",
        "error_numerator": "bigint", "error_denominator": "bigint",
    }  # fmt: skip
    frames["current_release"] = pd.DataFrame(
        [(sample.release_id, sample.lane, sample.last_period, as_of, as_of, accepted,
          28_600_000 if accepted else 28_561_204, 28_600_000, 9_120 if accepted else 41_873, 2_860_000)],
        columns=list(release),
    )  # fmt: skip
    boundary = read_reference("ref_county_boundary")
    frames["ref_county_boundary"] = boundary
    types = column_types() | {
        "current_release": release,
        "ref_county_boundary": {
            name: "double precision" if name.endswith("gcj02") else "text" for name in boundary.columns
        },
    }
    with connect(Login.BUILD, settings) as connection:
        connection.execute("drop schema if exists published cascade")
        connection.execute("create schema published")
        for name, frame in frames.items():
            columns = dict(types[name])
            if name.startswith("mart_"):
                frame = frame.assign(lane=sample.lane, release_id=sample.release_id, as_of=as_of)
                columns |= {"lane": "text", "release_id": "bigint", "as_of": "timestamptz"}
            _write(connection, name, frame[list(columns)], columns)
        connection.execute("grant usage on schema published to huiyang_cockpit")
        connection.execute("grant select on all tables in schema published to huiyang_cockpit")


def column_types() -> dict[str, dict[str, str]]:
    """Mart -> column -> SQL type, from the contract."""
    models: list[dict[str, Any]] = []
    for path in sorted(Path(CONTRACT).glob("*.yml")):
        models += yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    return {
        model["name"]: {column["name"]: column["data_type"] for column in model["columns"]}
        for model in models
        if model["name"].startswith("mart_")
    }


def _write(connection: Any, name: str, frame: pd.DataFrame, columns: dict[str, str]) -> None:
    table = sql.Identifier("published", name)
    connection.execute(
        sql.SQL("create table {} ({})").format(
            table,
            sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(c), sql.SQL(t)) for c, t in columns.items()),
        )
    )
    with connection.cursor().copy(sql.SQL("copy {} from stdin").format(table)) as copy:
        for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False):
            copy.write_row(row)


def make(sample: Sample) -> dict[str, pd.DataFrame]:
    """Every mart as a frame without the columns that publishing adds."""
    random = np.random.default_rng(17)
    divisions = read_reference("ref_division")
    counties = divisions[divisions.level == "county"]
    towns = divisions[divisions.level == "town"]
    census = read_reference("ref_census_2020")
    census60 = census[census.age_from >= 60].groupby("county_code").population.sum()
    last = Period.parse(sample.last_period)
    periods = [last.shifted(-back) for back in reversed(range(sample.months))]
    share = (census60 / census60.sum()).reindex(counties.division_code).to_numpy()

    months = []
    for number, period in enumerate(periods):
        growth = 1 - 0.0025 * (len(periods) - 1 - number)
        season = 1 + 0.12 * np.cos((period.start_date.month - 1) / 12 * 2 * np.pi)
        elders = np.round(sample.elders * share * growth)
        beds = np.round(30_000 * share * (0.86 + 0.14 * growth))
        frame = pd.DataFrame(
            {
                "period": str(period),
                "period_end": period.end_date,
                "unit_code": counties.division_code.to_numpy(),
                "unit_name": counties.name.to_numpy(),
                "unit_type": "county",
                "elder_count": elders,
                "elder_80_count": np.round(elders * 0.212),
                "living_alone_count": np.round(elders * 0.118),
                "disabled_count": np.round(elders * 0.064),
                "hardship_count": np.round(elders * 0.041),
                "census_60_count": census60.reindex(counties.division_code).to_numpy(),
                "institution_count": np.round(300 * share * (0.9 + 0.1 * growth)),
                "licensed_bed_count": beds,
                "open_bed_count": np.round(beds * 0.93),
                "resident_count": np.round(beds * (0.44 + 0.08 * random.random(len(share)))),
                "facility_count": np.round(1_900 * share * growth),
                "family_bed_count": np.round(40_000 * share * (0.35 + 0.65 * (number + 1) / len(periods))),
                "device_count": np.round(200_000 * share * (0.35 + 0.65 * (number + 1) / len(periods))),
                "order_count": np.round(500_000 * share * season * growth * (0.95 + 0.1 * random.random(len(share)))),
            }
        )
        frame["order_minutes"] = frame.order_count * 52
        frame["order_amount_yuan"] = frame.order_count * 48
        frame["subsidy_amount_yuan"] = frame.order_count * 31
        frame["doubt_order_count"] = np.round(frame.order_count * 0.013)
        frame["alarm_count"] = np.round(frame.family_bed_count * 0.21 * season)
        frame["alarm_closed_count"] = np.round(frame.alarm_count * 0.974)
        frame["institution_elder_count"] = np.round(frame.resident_count * 0.97)
        frame["community_elder_count"] = np.round(frame.family_bed_count * 1.12)
        frame["home_elder_count"] = frame.elder_count - frame.institution_elder_count - frame.community_elder_count
        figures = frame.columns[5:]
        city = pd.DataFrame([frame[figures].sum()]).assign(
            period=str(period),
            period_end=frame.period_end[0],
            unit_code=CITY_CODE,
            unit_name=CITY_NAME,
            unit_type="city",
        )
        overlay = (frame.iloc[[1]][figures] * 0.3).round()
        overlay = overlay.assign(
            period=str(period), period_end=frame.period_end[0], unit_code="ZJ-JKQ", unit_name="湛江经开区",
            unit_type="overlay", census_60_count=np.nan,
        )  # fmt: skip
        months.append(pd.concat([frame, city, overlay], ignore_index=True))
    overview = pd.concat(months, ignore_index=True)
    for column in overview.columns[5:]:
        overview[column] = overview[column].astype("Int64")

    county_of = counties.set_index("division_code").name
    town_keys = pd.DataFrame(
        {
            "county_code": towns.parent_code.to_numpy(),
            "county_name": county_of.reindex(towns.parent_code).to_numpy(),
            "town_code": towns.division_code.to_numpy(),
            "town_name": towns.name.to_numpy(),
        }
    )
    marts = {
        "mart_overview_month": overview,
        "mart_care_mode_month": _care_modes(overview),
        "mart_elder_month": _elders(town_keys, overview, census),
        "mart_facility_month": _facilities(town_keys, periods[-13:], random),
        "mart_family_bed_month": _family_beds(town_keys, overview),
        "mart_alarm_month": _alarms(town_keys, overview),
        "mart_institution_month": _institutions(town_keys, periods[-13:], random),
        "mart_quality_month": _quality(counties, periods[-1], sample),
        "mart_order_month": _orders(town_keys, overview),
        "mart_health_month": _health(counties, periods[-13:]),
    }
    return marts


def _city_and_counties(overview: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return overview[overview.unit_type == "city"], overview[overview.unit_type == "county"]


def _care_modes(overview: pd.DataFrame) -> pd.DataFrame:
    keys = ["period", "period_end", "unit_code", "unit_name", "unit_type"]
    parts = []
    for mode, column, planned in [
        ("居家", "home_elder_count", 0.90),
        ("社区", "community_elder_count", 0.07),
        ("机构", "institution_elder_count", 0.03),
    ]:
        part = overview[keys].assign(
            care_mode=mode, elder_count=overview[column], elder_total=overview.elder_count, planned_share=planned
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _spread(town_keys: pd.DataFrame, county_rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """County figures spread evenly over the county's towns."""
    size = town_keys.groupby("county_code").town_code.transform("count")
    merged = town_keys.assign(_size=size).merge(
        county_rows[["unit_code", "period", "period_end", *columns]], left_on="county_code", right_on="unit_code"
    )
    for column in columns:
        merged[column] = (merged[column].astype(float) / merged._size).round().astype("Int64")
    return merged.drop(columns=["_size", "unit_code"])


def _elders(town_keys: pd.DataFrame, overview: pd.DataFrame, census: pd.DataFrame) -> pd.DataFrame:
    _, counties = _city_and_counties(overview)
    counties = counties[counties.period >= str(counties.period.max())]
    base = _spread(town_keys, counties, ["elder_count", "living_alone_count", "disabled_count", "hardship_count"])
    old = census[census.age_from >= 60].copy()
    old["age_group"] = np.where(old.age_from >= 85, "85+", old.age_group)
    weights = old.groupby(["sex_name", "age_group"]).population.sum()
    weights = weights / weights.sum()
    parts = []
    for (sex, age_group), weight in weights.items():
        part = base.assign(sex=sex, age_group=age_group)
        for column in ["elder_count", "living_alone_count", "disabled_count", "hardship_count"]:
            part[column] = (base[column].astype(float) * weight).round().astype("Int64")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _facilities(town_keys: pd.DataFrame, periods: list[Period], random: np.random.Generator) -> pd.DataFrame:
    parts = []
    for period in periods:
        for kind, level in FACILITY_TYPES.items():
            count = random.integers(1, 8, len(town_keys))
            parts.append(
                town_keys.assign(
                    period=str(period), period_end=period.end_date, facility_type=kind, facility_level=level,
                    facility_count=count, capacity=count * 30,
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _family_beds(town_keys: pd.DataFrame, overview: pd.DataFrame) -> pd.DataFrame:
    _, counties = _city_and_counties(overview)
    frame = _spread(town_keys, counties, ["family_bed_count", "device_count"])
    frame = frame.rename(columns={"family_bed_count": "open_count"})
    return frame.assign(
        opened_count=(frame.open_count.astype(float) * 0.04).round().astype("Int64"),
        closed_count=(frame.open_count.astype(float) * 0.012).round().astype("Int64"),
    )


def _alarms(town_keys: pd.DataFrame, overview: pd.DataFrame) -> pd.DataFrame:
    _, counties = _city_and_counties(overview)
    base = _spread(town_keys, counties, ["alarm_count", "alarm_closed_count"])
    weights = [0.26, 0.03, 0.02, 0.11, 0.27, 0.17, 0.1, 0.04]
    parts = []
    for kind, weight in zip(ALARM_KINDS, weights, strict=True):
        parts.append(
            base.assign(
                alarm_kind=kind,
                alarm_count=(base.alarm_count.astype(float) * weight).round().astype("Int64"),
                closed_count=(base.alarm_closed_count.astype(float) * weight).round().astype("Int64"),
                response_seconds_median=95,
            )
        )
    return pd.concat(parts, ignore_index=True)


def _institutions(town_keys: pd.DataFrame, periods: list[Period], random: np.random.Generator) -> pd.DataFrame:
    count = 300
    towns = town_keys.iloc[random.integers(0, len(town_keys), count)].reset_index(drop=True)
    beds = random.integers(30, 240, count)
    base = towns.assign(
        institution_id=np.arange(1, count + 1),
        institution_name=[f"{town}康养中心{number}" for number, town in enumerate(towns.town_name, 1)],
        nature=random.choice(["公办", "公建民营", "民办"], count, p=[0.45, 0.2, 0.35]),
        grade=random.choice(["一星", "二星", "三星", "四星", "五星", "未评定"], count),
        longitude_gcj02=110.3 + random.normal(0, 0.25, count),
        latitude_gcj02=21.2 + random.normal(0, 0.25, count),
        licensed_bed_count=beds,
        open_bed_count=np.round(beds * 0.93).astype(int),
        resident_count=np.round(beds * 0.48).astype(int),
        care_worker_count=np.round(beds * 0.09).astype(int),
        staff_count=np.round(beds * 0.17).astype(int),
    )
    return pd.concat(
        [base.assign(period=str(period), period_end=period.end_date) for period in periods], ignore_index=True
    )


def _quality(counties: pd.DataFrame, period: Period, sample: Sample) -> pd.DataFrame:
    rows = []
    for theme in THEMES:
        for county in counties.itertuples():
            records = 40_000
            missing = 0 if sample.accepted else 900
            rows.append(
                {
                    "period": str(period), "period_end": period.end_date, "theme": theme,
                    "county_code": county.division_code, "county_name": county.name, "record_count": records,
                    "error_record_count": 120 if sample.accepted else 640, "field_due_count": records * 10,
                    "field_filled_count": records * 10 - missing, "record_due_count": pd.NA,
                    "record_present_count": records,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _orders(town_keys: pd.DataFrame, overview: pd.DataFrame) -> pd.DataFrame:
    _, counties = _city_and_counties(overview)
    recent = counties[counties.period >= sorted(counties.period.unique())[-13]]
    base = _spread(town_keys, recent, ["order_count", "order_minutes", "order_amount_yuan", "subsidy_amount_yuan"])
    base = base.rename(columns={"order_amount_yuan": "amount_yuan", "subsidy_amount_yuan": "subsidy_yuan"})
    return base.assign(
        provider_id=1, provider_name="湛江市慧养居家养老服务有限公司", category_name="助餐服务",
        doubt_count=(base.order_count.astype(float) * 0.013).round().astype("Int64"), void_count=0,
        rated_count=base.order_count, rating_sum=base.order_count * 4,
    )  # fmt: skip


def _health(counties: pd.DataFrame, periods: list[Period]) -> pd.DataFrame:
    rows = [
        (str(period), period.end_date, county.division_code, county.name, kind, 900, 36_000, 1_400)
        for period in periods
        for county in counties.itertuples()
        for kind in ["心率", "血压", "血糖", "血氧", "体温"]
    ]
    columns = [
        "period", "period_end", "county_code", "county_name", "vital_kind", "measured_elder_count", "measurement_count",
        "abnormal_count",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


if __name__ == "__main__":
    from huiyang.settings import get_settings

    load(get_settings())
