"""The marts against an oracle: plain Python over the app's change log, one period and one record at a time.

The models compute 36 periods at once from spans of months; the oracle asks of each period's last day what was true.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from psycopg.rows import dict_row

from huiyang.database import Login, connect
from huiyang.geodesy import wgs84_to_gcj02
from huiyang.periods import Period, period_range
from huiyang.reference import read_reference
from huiyang.server import admin_connect
from huiyang.settings import BUSINESS_TIMEZONE, Settings
from operational_app import reference_data
from operational_app.facilities.models import FacilityType
from operational_app.schema import migrate_to_head
from pipelines import release
from pipelines.dbt_command import build_command, dbt_variables, ensure_manifest, run_dbt
from pipelines.extract import extract
from pipelines.warehouse_assets import SELECTIONS, marts_of
from tests.conftest import running_server
from tests.integration.warehouse_factory import SmallCity, at, insert

pytestmark = pytest.mark.any_postgres

Row = dict[str, Any]
MONTHS = list(period_range(Period.parse("2024-01"), Period.parse("2026-10")))
HALF_YEARS = list(period_range(Period.parse("2024-H1"), Period.parse("2026-H1")))


@dataclass(frozen=True, eq=False)
class City:
    """A city's app, and the marts built from it."""

    settings: Settings
    small_city: SmallCity
    deleted_orders: set[int]
    cut_off: int

    def mart(self, name: str) -> list[Row]:
        return self.query(f"select * from candidate.{name}")

    def query(self, sql: str) -> list[Row]:
        with connect(Login.BUILD, self.settings, row_factory=dict_row) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[arg-type, return-value]

    @cache  # noqa: B019  (one city a module)
    def log(self, table: str) -> dict[int, list[Row]]:
        """Versions of each record in the order of recording, as the app's log has them below the cut-off."""
        with admin_connect(self.settings, "app", row_factory=dict_row) as connection:
            rows = connection.execute(
                f"select * from changelog.{table} where change_txid < %s order by change_id", [self.cut_off]
            ).fetchall()
        versions = defaultdict(list)
        for row in rows:
            versions[row["id"]].append(row)
        return versions

    @cache  # noqa: B019
    def true_at(self, table: str, day: date) -> list[Row]:
        """The records that the oracle takes for true at the end of a day."""
        found = []
        for versions in self.log(table).values():
            if versions[-1]["change_op"] == "D":
                continue
            begun = [v for v in versions if local_date(v["effective_at"]) <= day]
            found.append(begun[-1] if begun else min(reversed(versions), key=lambda v: local_date(v["effective_at"])))
        return found

    @cached_property
    def _links(self) -> dict[int, int]:
        return {
            versions[-1]["merged_id"]: versions[-1]["survivor_id"]
            for versions in self.log("elder_merge").values()
            if versions[-1]["reverted_at"] is None
        }

    def survivor(self, elder_id: int) -> int:
        links = self._links
        while elder_id in links:
            elder_id = links[elder_id]
        return elder_id


def local_date(instant: Any) -> date:
    return instant.astimezone(BUSINESS_TIMEZONE).date()


def _start_build(settings: Settings, periods: list[Period], cut_off: int, as_of: Any) -> release.Build:
    manifest = json.loads(ensure_manifest(settings).read_text())
    marts = marts_of(manifest, periods[-1].cadence)
    return release.start_build(
        settings, periods=periods, lane=release.Lane.PROVISIONAL, cut_off=cut_off, as_of=as_of, actor="test",
        marts={m: periods[-1:] if m == release.QUALITY_MART else periods for m in marts},
        git_commit="test", orchestration_sha256="test",
    )  # fmt: skip


def build(settings: Settings, periods: list[Period], cut_off: int, as_of: Any) -> int:
    started = _start_build(settings, periods, cut_off, as_of)
    selection = SELECTIONS[periods[-1].cadence]
    run_dbt(settings, build_command(selection)[1:], dbt_variables(periods, cut_off, started.build_id))
    return started.build_id


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with (
        tempfile.TemporaryDirectory(prefix="huiyang-dbt-") as folder,
        running_server(Settings(home=Path(folder) / "home", postgres_admin_url=None)) as settings,
    ):
        migrate_to_head(settings)
        reference_data.load(settings)
        small_city = SmallCity(settings)
        deleted = delete_orders(settings)
        summary = extract(settings)
        build(settings, MONTHS, summary.cut_off, summary.as_of)
        yield City(settings, small_city, deleted, summary.cut_off)


def delete_orders(settings: Settings) -> set[int]:
    """Only an administrator can delete, to remove what never was."""
    with admin_connect(settings, "app") as connection:
        rows = connection.execute(
            "select id from home_service.service_order where finished_at >= '2026-10-02' order by id limit 3"
        ).fetchall()
        ids = [row[0] for row in rows]
        connection.execute("delete from home_service.evaluation where order_id = any(%s)", [ids])
        connection.execute("delete from home_service.service_order where id = any(%s)", [ids])
    return set(ids)


# --- the oracle ---


def county_of(division: str) -> str:
    return division[:6] + "000000"


def town_of(division: str) -> str:
    return division[:9] + "000"


def age_group(birth_month: date | None, day: date) -> str | None:
    """None below 60."""
    if birth_month is None:
        return "未知"
    age = (day.year - birth_month.year) - (day.month < birth_month.month)
    if age < 60:
        return None
    return "85+" if age >= 85 else f"{age // 5 * 5}-{age // 5 * 5 + 4}"


def holds(row: Row, first: str, last: str, day: date) -> bool:
    """Begun by a day and not ended: the last date is the first day no longer."""
    return (row[first] is None or row[first] <= day) and (row[last] is None or row[last] > day)


def elders_on_file(city: City, day: date) -> dict[int, tuple[Row, str]]:
    found = {}
    for elder in city.true_at("elder", day):
        group = age_group(elder["birth_month"], day)
        gone = any(elder[c] is not None and elder[c] <= day for c in ("died_on", "moved_on"))
        if group and elder["registered_on"] <= day and not gone and city.survivor(elder["id"]) == elder["id"]:
            found[elder["id"]] = (elder, group)
    return found


def disabled(city: City, day: date) -> set[int]:
    latest: dict[int, Row] = {}
    for row in sorted(city.true_at("assessment", day), key=lambda row: (row["assessed_on"], row["id"])):
        if row["assessed_on"] <= day:
            latest[city.survivor(row["elder_id"])] = row
    return {
        elder
        for elder, row in latest.items()
        if row["ability_level"] in ("moderate", "severe", "complete")
        and (row["valid_until"] is None or row["valid_until"] >= day)
    }


def open_family_beds(city: City, day: date) -> list[Row]:
    return [
        bed
        for bed in city.true_at("family_bed", day)
        if bed["opened_on"] is not None and holds(bed, "opened_on", "closed_on", day)
    ]


SOME_MONTHS = [Period.parse(key) for key in ("2024-01", "2024-06", "2025-02", "2025-12", "2026-05", "2026-10")]


@pytest.mark.parametrize("period", SOME_MONTHS, ids=str)
def test_elders_by_town_sex_and_age_are_those_on_file_at_the_periods_end(city: City, period: Period) -> None:
    day = period.end_date
    expected: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    disabled_elders = disabled(city, day)
    for elder_id, (elder, group) in elders_on_file(city, day).items():
        sex = {"male": "男", "female": "女", "unknown": "未知"}[elder["sex"]]
        cell = expected[town_of(elder["division_code"]), sex, group]
        cell["elder_count"] += 1
        cell["living_alone_count"] += elder["living_arrangement"] == "alone"
        cell["hardship_count"] += elder["economic_category"] in ("tekun", "dibao", "dibian")
        cell["disabled_count"] += elder_id in disabled_elders
    columns = ("elder_count", "living_alone_count", "hardship_count", "disabled_count")
    found = {
        (row["town_code"], row["sex"], row["age_group"]): {c: row[c] for c in columns}
        for row in city.mart("mart_elder_month")
        if row["period"] == str(period)
    }
    assert sum(cell["elder_count"] for cell in expected.values()) > 100
    assert {key: {c: cell[c] for c in columns} for key, cell in expected.items()} == {
        key: cell for key, cell in found.items() if cell["elder_count"]
    }
    towns = read_reference("ref_division").query("level == 'town'").division_code
    assert {(t, s, g) for t in towns for s in ("男", "女") for g in ("60-64", "85+")} <= set(found), "zeros are shown"


@pytest.mark.parametrize("period", SOME_MONTHS, ids=str)
def test_care_modes_add_up_and_institution_goes_before_community(city: City, period: Period) -> None:
    day = period.end_date
    on_file = elders_on_file(city, day)
    in_institution = {
        city.survivor(stay["elder_id"])
        for stay in city.true_at("residency", day)
        if holds(stay, "admitted_on", "discharged_on", day)
    } & set(on_file)
    in_community = {city.survivor(bed["elder_id"]) for bed in open_family_beds(city, day)}
    in_community |= {
        city.survivor(row["elder_id"])
        for row in city.true_at("day_care_enrolment", day)
        if holds(row, "enrolled_on", "left_on", day)
    }
    in_community = (in_community & set(on_file)) - in_institution
    rows = {
        (row["unit_code"], row["care_mode"]): row
        for row in city.mart("mart_care_mode_month")
        if row["period"] == str(period)
    }
    expected = {"机构": len(in_institution), "社区": len(in_community)}
    expected["居家"] = len(on_file) - sum(expected.values())
    assert {mode: rows["440800000000", mode]["elder_count"] for mode in expected} == expected
    counties = Counter(county_of(on_file[elder][0]["division_code"]) for elder in in_institution)
    assert {code: rows[code, "机构"]["elder_count"] for code in counties} == dict(counties)
    members = set(read_reference("ref_reporting_unit_division").query("unit_code == 'ZJ-JKQ'").division_code)
    overlay = sum(town_of(on_file[elder][0]["division_code"]) in members for elder in in_community)
    assert rows["ZJ-JKQ", "社区"]["elder_count"] == overlay


@pytest.mark.parametrize("period", SOME_MONTHS, ids=str)
def test_institutions_and_their_stock(city: City, period: Period) -> None:
    day = period.end_date
    beds = Counter(
        bed["institution_id"]
        for bed in city.true_at("bed", day)
        if holds(bed, "opened_on", "closed_on", day) and not (bed["status"] == "closed" and bed["closed_on"] is None)
    )
    residents: dict[int, set[int]] = defaultdict(set)
    for stay in city.true_at("residency", day):
        if holds(stay, "admitted_on", "discharged_on", day):
            residents[stay["institution_id"]].add(city.survivor(stay["elder_id"]))
    staff, care_workers = Counter(), Counter()
    for person in city.true_at("staff", day):
        if holds(person, "employed_on", "left_on", day):
            staff[person["organization_id"]] += 1
            care_workers[person["organization_id"]] += person["occupation"] == "care_worker"
    expected = {
        i["id"]: (
            i["licensed_bed_count"], beds[i["id"]], len(residents[i["id"]]),
            staff[i["organization_id"]], care_workers[i["organization_id"]],
        )
        for i in city.true_at("institution", day)
        if holds(i, "opened_on", "closed_on", day)
    }  # fmt: skip
    columns = ("licensed_bed_count", "open_bed_count", "resident_count", "staff_count", "care_worker_count")
    found = {
        row["institution_id"]: tuple(row[c] for c in columns)
        for row in city.mart("mart_institution_month")
        if row["period"] == str(period)
    }
    assert found == expected


def test_institutions_stand_where_the_public_map_shows_them(city: City) -> None:
    places = {row["id"]: row for row in city.true_at("organization", MONTHS[-1].end_date)}
    owners = {row["id"]: row["organization_id"] for row in city.true_at("institution", MONTHS[-1].end_date)}
    for row in city.mart("mart_institution_month"):
        place = places[owners[row["institution_id"]]]
        longitude, latitude = wgs84_to_gcj02(place["longitude_wgs84"], place["latitude_wgs84"])
        assert row["longitude_gcj02"] == pytest.approx(float(longitude), abs=1e-9)
        assert row["latitude_gcj02"] == pytest.approx(float(latitude), abs=1e-9)


@pytest.mark.parametrize("period", SOME_MONTHS, ids=str)
def test_facilities(city: City, period: Period) -> None:
    day = period.end_date
    expected: Counter[tuple[str, str]] = Counter()
    capacity: Counter[tuple[str, str]] = Counter()
    for facility in city.true_at("facility", day):
        if holds(facility, "opened_on", "closed_on", day) and facility["status"] != "suspended":
            key = town_of(facility["division_code"]), facility["facility_type"]
            expected[key] += 1
            capacity[key] += facility["capacity"]
    labels = {type_.label: type_.value for type_ in FacilityType}
    found: Counter[tuple[str, str]] = Counter()
    found_capacity: Counter[tuple[str, str]] = Counter()
    for row in city.mart("mart_facility_month"):
        if row["period"] == str(period):
            key = row["town_code"], labels[row["facility_type"]]
            found[key] += row["facility_count"]
            found_capacity[key] += row["capacity"]
    assert found == expected
    assert +found_capacity == +capacity


@pytest.mark.parametrize("period", SOME_MONTHS, ids=str)
def test_family_beds_and_their_devices(city: City, period: Period) -> None:
    day = period.end_date
    beds = {bed["id"]: bed for bed in city.true_at("family_bed", day)}

    def moved(column: str) -> Counter[str]:
        return Counter(
            town_of(bed["division_code"]) for bed in beds.values() if bed[column] and same_month(bed[column], day)
        )

    open_ = Counter(town_of(bed["division_code"]) for bed in open_family_beds(city, day))
    devices = Counter(
        town_of(beds[binding["family_bed_id"]]["division_code"])
        for binding in city.true_at("device_binding", day)
        if holds(binding, "bound_on", "unbound_on", day)
    )
    rows = [row for row in city.mart("mart_family_bed_month") if row["period"] == str(period)]
    for column, expected in (
        ("opened_count", moved("opened_on")), ("closed_count", moved("closed_on")), ("open_count", open_),
        ("device_count", devices),
    ):  # fmt: skip
        assert {row["town_code"]: row[column] for row in rows if row[column]} == dict(expected), column
    assert len(rows) == 125, "every town appears"


def same_month(first: date, second: date) -> bool:
    return (first.year, first.month) == (second.year, second.month)


@pytest.mark.parametrize("period", SOME_MONTHS, ids=str)
def test_orders_belong_to_the_period_of_their_services_end(city: City, period: Period) -> None:
    day = period.end_date
    items = {row["id"]: row["category_id"] for row in city.true_at("service_item", day)}
    categories = {row["id"]: row["name"] for row in city.true_at("service_category", day)}
    ratings = {row["order_id"]: row["score"] for row in city.true_at("evaluation", day)}
    expected: dict[tuple[str, int, str], Counter[str]] = defaultdict(Counter)
    for order in city.true_at("service_order", day):
        ended = order["finished_at"] if order["status"] == "finished" else None
        if order["status"] == "void":
            ended = order["finished_at"] or order["scheduled_at"] or order["requested_at"]
        if ended is None or not same_month(local_date(ended), day):
            continue
        cell = expected[town_of(order["division_code"]), order["provider_id"], categories[items[order["item_id"]]]]
        if order["status"] == "void":
            cell["void_count"] += 1
            continue
        cell["order_count"] += 1
        cell["order_minutes"] += order["service_minutes"]
        cell["amount_yuan"] += order["amount_yuan"]
        cell["subsidy_yuan"] += order["subsidy_yuan"]
        cell["doubt_count"] += order["doubt_status"] != "none"
        cell["rated_count"] += order["id"] in ratings
        cell["rating_sum"] += ratings.get(order["id"], 0)
    found = {
        (row["town_code"], row["provider_id"], row["category_name"]): row
        for row in city.mart("mart_order_month")
        if row["period"] == str(period)
    }
    assert set(found) == set(expected)
    for key, cell in expected.items():
        for column in (
            "order_count", "order_minutes", "amount_yuan", "subsidy_yuan", "doubt_count", "void_count", "rated_count",
            "rating_sum",
        ):  # fmt: skip
            assert found[key][column] == cell[column], (key, column)


@pytest.mark.parametrize("period", SOME_MONTHS, ids=str)
def test_alarms_and_the_median_of_their_response(city: City, period: Period) -> None:
    day = period.end_date
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for alarm in city.true_at("alarm", day):
        if same_month(local_date(alarm["raised_at"]), day):
            groups[town_of(alarm["division_code"]), alarm["kind"]].append(alarm)
    labels = {"紧急呼叫": "call", "烟雾": "smoke", "跌倒": "fall"}
    found = {
        (row["town_code"], labels[row["alarm_kind"]]): row
        for row in city.mart("mart_alarm_month")
        if row["period"] == str(period)
    }
    assert set(found) == set(groups)
    for key, alarms in groups.items():
        assert found[key]["alarm_count"] == len(alarms)
        assert found[key]["closed_count"] == sum(alarm["status"] == "closed" for alarm in alarms)
        times = [(a["acknowledged_at"] - a["raised_at"]).total_seconds() for a in alarms if a["acknowledged_at"]]
        expected = None if not times else median(times)
        assert found[key]["response_seconds_median"] == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("period", SOME_MONTHS, ids=str)
def test_health(city: City, period: Period) -> None:
    bounds = {(r.vital_kind, r.component): (r.low, r.high) for r in read_reference("ref_vital_range").itertuples()}
    measured: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for versions in city.log("vital_sign").values():
        if same_month(local_date(versions[0]["measured_at"]), period.end_date):
            measured[county_of(versions[0]["division_code"]), versions[0]["kind"]].append(versions[0])

    def is_abnormal(row: Row) -> bool:
        values = [(row[c], bounds.get((row["kind"], c))) for c in ("value_1", "value_2")]
        return any(v is not None and b and not (Decimal(str(b[0])) <= v <= Decimal(str(b[1]))) for v, b in values)

    labels = {"心率": "heart_rate", "血压": "blood_pressure"}
    found = {
        (row["county_code"], labels[row["vital_kind"]]): row
        for row in city.mart("mart_health_month")
        if row["period"] == str(period) and row["vital_kind"] in labels
    }
    assert len(found) == 9 * 2, "every county appears"
    for key, row in found.items():
        signs = measured[key]
        assert row["measurement_count"] == len(signs)
        assert row["measured_elder_count"] == len({city.survivor(sign["elder_id"]) for sign in signs})
        assert row["abnormal_count"] == sum(map(is_abnormal, signs))


def test_overview_adds_up_to_the_marts_by_theme(city: City) -> None:
    overview = city.mart("mart_overview_month")
    assert len(overview) == len(MONTHS) * 12, "city, nine counties, two overlay units in each period"
    by_unit = {(row["period"], row["unit_code"]): row for row in overview}
    counties = {row["unit_code"] for row in overview if row["unit_type"] == "county"}
    totals = {
        "elder_count": ("mart_elder_month", "elder_count"),
        "resident_count": ("mart_institution_month", "resident_count"),
        "facility_count": ("mart_facility_month", "facility_count"),
        "device_count": ("mart_family_bed_month", "device_count"), "order_count": ("mart_order_month", "order_count"),
        "order_amount_yuan": ("mart_order_month", "amount_yuan"), "alarm_count": ("mart_alarm_month", "alarm_count"),
    }  # fmt: skip
    for column, (mart, source) in totals.items():
        sums: Counter[str] = Counter()
        for row in city.mart(mart):
            sums[row["period"]] += row[source]
        for period in map(str, MONTHS):
            city_row = by_unit[period, "440800000000"]
            assert city_row[column] == sums[period], (column, period)
            assert city_row[column] == sum(by_unit[period, county][column] for county in counties), (column, period)
    for row in overview:
        modes = ("home_elder_count", "community_elder_count", "institution_elder_count")
        assert row["elder_count"] == sum(row[mode] for mode in modes)
        assert (row["census_60_count"] is None) == (row["unit_type"] == "overlay")
    census = read_reference("ref_census_2020")
    assert by_unit["2026-10", "440800000000"]["census_60_count"] == census[census.age_from >= 60].population.sum()


# --- time and cut-off ---


def rows_of(city: City, mart: str, period: Period) -> list[Row]:
    rows = [row for row in city.mart(mart) if row["period"] == str(period)]
    return sorted(rows, key=lambda row: tuple(map(str, row.values())))


def test_records_are_those_true_at_the_periods_end(city: City) -> None:
    day = MONTHS[-1].end_date
    expected = {
        row["id"]: (row["division_code"], row["living_arrangement"])
        for row in city.true_at("elder", day)
        if city.survivor(row["id"]) == row["id"]
    }
    rows = city.query("select * from candidate.int_elder")
    assert {row["id"]: (row["division_code"], row["living_arrangement"]) for row in rows} == expected
    assert all(row["town_code"] == town_of(row["division_code"]) for row in rows)
    merged = city.small_city.merged
    stays = city.query("select elder_id from candidate.int_residency")
    assert not {row["elder_id"] for row in stays} & set(merged), "facts carry the survivor's key"
    orders = city.query("select * from candidate.int_service_order")
    assert {row["id"] for row in orders} == {
        order["id"]
        for order in city.true_at("service_order", day)
        if order["status"] in ("finished", "void", "cancelled", "returned")
        and same_month(local_date(order["finished_at"] or order["scheduled_at"]), day)
    }


def test_merged_files_of_one_person_agree(city: City) -> None:
    """The survivor's file leads; what another says of the same is merged, not lost. Undone merges give both back."""
    (a, b), c = city.small_city.merged, city.small_city.merged[next(iter(city.small_city.merged))]
    e = city.small_city.unmerged
    contacts = city.query("select * from candidate.int_guardian order by id")
    assert [row["is_primary"] for row in contacts if row["elder_id"] == c] == [False, False, True], "none is lost"
    assert [row["is_primary"] for row in contacts if row["elder_id"] == e] == [True]
    conditions = city.query("select * from candidate.int_medical_history")
    groups = {key: sorted(row["condition_group"] for row in conditions if row["elder_id"] == key) for key in (c, e)}
    assert groups[c] == ["hypertension", "hypertension", "other", "other", "other"], "one file's own repetition stays"
    assert groups[e] == ["hypertension", "hypertension", "other"]
    kept = {row["id"] for row in conditions if row["elder_id"] == c and row["condition_group"] == "hypertension"}
    logged = city.log("medical_history")
    assert {logged[key][-1]["elder_id"] for key in kept} == {c}, "the survivor's own"
    statuses = city.query("select * from candidate.int_economic_status")
    spans = sorted(row["valid_from"] for row in statuses if row["elder_id"] == c)
    assert spans == [date(2023, 1, 1), date(2025, 1, 1)], "the overlapping one of another file is left out"
    assert not {row["elder_id"] for row in (*contacts, *conditions, *statuses)} & {a, b}


def test_a_deleted_record_never_was(city: City) -> None:
    assert city.deleted_orders <= set(city.log("service_order")), "the log remembers it"
    assert all(
        order["id"] not in city.deleted_orders for order in city.query("select id from candidate.int_service_order")
    )
    assert (
        not {photo["order_id"] for photo in city.query("select * from candidate.int_evaluation")} & city.deleted_orders
    )


def test_a_past_period_rebuilt_at_its_cut_off_gives_the_same_rows(city: City) -> None:
    """What the app learns later, merges included, does not reach an old cut-off; at a new one it does."""
    settings = city.settings
    with connect(Login.LOADER, settings) as connection:
        elders = insert(
            connection,
            "elders.elder",
            [
                {
                    "sex": "male", "birth_month": date(1950, 1, 1), "id_number_status": "valid",
                    "phone_status": "valid", "division_code": "440802001001", "has_address": True,
                    "living_arrangement": "alone",
                    "economic_category": "ordinary", "registered_on": date(2025, 1, 1),
                    "effective_at": at(date(2025, 1, 1)),
                }
                for _ in range(3)
            ],
        )  # fmt: skip
        insert(
            connection,
            "elders.elder_merge",
            [
                {
                    "survivor_id": elders[0], "merged_id": elders[1], "merged_at": at(date(2026, 10, 1)),
                    "reason": "同一人", "effective_at": at(date(2026, 10, 1)),
                }
            ],
        )  # fmt: skip
    later = extract(settings)
    period = Period.parse("2026-05")
    before = {m: rows_of(city, m, period) for m in ("mart_elder_month", "mart_order_month", "mart_overview_month")}
    build(settings, [period], city.cut_off, later.as_of)
    assert {mart: rows_of(city, mart, period) for mart in before} == before
    build(settings, [period], later.cut_off, later.as_of)
    total = sum(row["elder_count"] for row in city.mart("mart_elder_month"))
    assert total == sum(row["elder_count"] for row in before["mart_elder_month"]) + 2, "three files, two people"


def test_half_yearly_base_data(city: City) -> None:
    with connect(Login.BUILD, city.settings) as connection:
        as_of = connection.execute("select cut_off_at from raw.extract_batch limit 1").fetchone()[0]  # type: ignore[index]
    build(city.settings, HALF_YEARS, city.cut_off, as_of)
    rows = city.mart("mart_institution_base_half_year")
    for period in HALF_YEARS:
        expected = {
            i["id"]
            for i in city.true_at("institution", period.end_date)
            if holds(i, "opened_on", "closed_on", period.end_date)
        }
        assert {row["institution_id"] for row in rows if row["period"] == str(period)} == expected
    facilities = {row["facility_id"] for row in city.mart("mart_facility_base_half_year") if row["period"] == "2026-H1"}
    assert facilities == {
        f["id"]
        for f in city.true_at("facility", date(2026, 6, 30))
        if holds(f, "opened_on", "closed_on", date(2026, 6, 30)) and f["status"] != "suspended"
    }
