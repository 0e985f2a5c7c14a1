"""Record tables for tests of the gate: small worlds of related records that break no rule, which a case then spoils.

Each world has keys of its own, so one gate run judges many, and a violation's key tells whose it is.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from expectations.catalogue import SUBJECTS
from huiyang.reference import reference_file
from huiyang.settings import BUSINESS_TIMEZONE
from operational_app import models  # noqa: F401  (fills the registry of tables)
from operational_app.core.changelog import log_tables

PERIOD, PERIOD_END, AS_OF = "2026-10", date(2026, 10, 31), date(2026, 11, 5)
VILLAGE, TOWN, OTHER_COUNTY = "440802001001", "440802001000", "440882001001"
#: Keys of one world: first key … + KEYS - 1.
KEYS = 1000
_TABLES = sorted({subject.table for subject in SUBJECTS} | {"service_item", "building", "room"})
Row = dict[str, Any]


def at(day: date, hour: int = 9, minute: int = 0) -> datetime:
    """An instant of a business day."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=BUSINESS_TIMEZONE)


class World:
    """Records that belong together. `rows[table]` holds them; `new(table, …)` adds one that breaks no rule by itself.

    Args:
        number: from 0.
    """

    def __init__(self, number: int) -> None:
        self.first_key = (number + 1) * KEYS
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self._next = defaultdict(int)  # type: ignore[var-annotated]
        self.institution_org = self.organization("institution")
        self.provider = self.organization("provider")
        self.bed_provider = self.organization("bed_provider")
        self.assessor = self.organization("assessor")
        # at home, served, with a family bed; in an institution; and one with nothing but a contact
        self.recipient = self.new("elder", living_arrangement="spouse")
        self.resident = self.new("elder", living_arrangement="institution", birth_month=date(1938, 5, 1))
        self.plain = self.new("elder", birth_month=date(1950, 2, 1))
        self.new("economic_status", elder_id=self.plain["id"], valid_from=date(2024, 1, 1), valid_until=None)
        self.assessment = self.new("assessment", elder_id=self.recipient["id"], reason="first")
        self.new("assessment", elder_id=self.resident["id"], reason="first", **scores(16, 8, 18, 8, "moderate"))
        self.institution = self.new("institution", organization_id=self.institution_org["id"])
        for kind in ("institution_filing", "fire", "food"):
            self.new("qualification", organization_id=self.institution_org["id"], kind=kind)
        self.building = self.new("building")
        self.room = self.new("room")
        self.bed = self.new("bed", status="occupied")
        self.free_bed = self.new("bed")
        self.stay = self.new(
            "residency", elder_id=self.resident["id"], bed_id=self.bed["id"], admitted_on=date(2025, 5, 1),
            discharged_on=None, discharge_reason=None, ability_level="moderate",
        )  # fmt: skip
        self.new("residency")
        self.institution_worker = self.new("staff", organization_id=self.institution_org["id"])
        self.worker = self.new("staff")
        for worker in (self.institution_worker, self.worker):
            self.new("certificate", staff_id=worker["id"])
        self.new("guardian", is_primary=True)
        self.new("medical_history", condition_group="hypertension")
        self.new("care_relation", ended_on=None, kind="home_service")
        self.facility = self.new("facility")
        self.enrolment = self.new("day_care_enrolment", left_on=None)
        self.family_bed = self.new(
            "family_bed", elder_id=self.recipient["id"], status="open", applied_on=date(2025, 1, 5),
            opened_on=date(2025, 1, 20), subsidy_yuan=3000,
        )  # fmt: skip
        self.closed_family_bed = self.new(
            "family_bed", status="closed", opened_on=date(2024, 7, 1), closed_on=date(2024, 12, 1),
            applied_on=date(2024, 6, 1), close_reason="迁居",
        )  # fmt: skip
        self.meter = self.new("device", kind="blood_pressure")
        self.caller = self.new("device", kind="caller")
        for device in (self.meter, self.caller):
            self.new(
                "device_binding", device_id=device["id"], elder_id=self.recipient["id"],
                family_bed_id=self.family_bed["id"], bound_on=date(2025, 1, 21), unbound_on=None,
            )  # fmt: skip
        self.alarm = self.new("alarm")
        self.entitlement = self.new(
            "entitlement", elder_id=self.recipient["id"], valid_from=date(2026, 1, 1), valid_until=date(2026, 12, 31)
        )
        self.item = self.new("service_item")
        self.order = self.new("service_order")
        self.cancelled_order = self.cancelled()
        self.evaluation = self.new("evaluation", order_id=self.order["id"])
        self.new("vital_sign", kind="heart_rate", value_1=75)
        self.new("vital_sign", kind="blood_pressure", value_1=130, value_2=80, device_id=self.meter["id"])
        self.new("due_register")
        bed_place = f"{self.building['name']}/{self.room['name']}/{self.bed['name']}"
        self.new("due_register", register_key=f"{self.institution_org['credit_code']}/{bed_place}")

    def new(self, table: str, **changes: Any) -> Row:
        """Adds a record with defaults that break no rule; a key given stays."""
        serial = self._next[table] = self._next[table] + 1
        defaults = getattr(self, f"_{table}")(self.first_key + serial, serial)
        division = {"county_code": VILLAGE[:6] + "000000", "town_code": VILLAGE[:9] + "000"}
        row = {"id": self.first_key + serial, **defaults, **division, **changes}
        if code := row.get("division_code"):
            row |= {"county_code": code[:6] + "000000", "town_code": code[:9] + "000"}
        self.rows[table].append(row)
        if table == "service_order" and row["status"] == "finished":
            for moment in ("before", "after"):
                self.new("photo", order_id=row["id"], moment=moment, taken_at=row["started_at"])
        return row

    def organization(self, kind: str, **changes: Any) -> Row:
        """An organization with a capacity."""
        row = self.new("organization", **changes)
        self.new("organization_kind", organization_id=row["id"], kind=kind)
        return row

    def cancelled(self, **changes: Any) -> Row:
        """An order that was never served."""
        return self.new(
            "service_order",
            **{
                "status": "cancelled", "staff_id": None, "started_at": None, "finished_at": None,
                "service_minutes": None, "amount_yuan": 0, "subsidy_yuan": 0, "self_paid_yuan": 0,
                "settled_month": None,
            }
            | changes,
        )  # fmt: skip

    def deceased(self, died_on: date, **changes: Any) -> Row:
        """An elder who has died."""
        return self.new("elder", status="deceased", died_on=died_on, **changes)

    # --- defaults ---

    def _elder(self, key: int, serial: int) -> Row:
        return {
            "elder_code": f"440802Z{key:07d}0", "sex": "female", "birth_month": date(1945, 3, 1),
            "id_number_status": "valid", "phone_status": "valid", "division_code": VILLAGE, "has_address": True,
            "cell_500m": "N04693E24571", "living_arrangement": "spouse", "economic_category": "ordinary",
            "registered_on": date(2024, 1, 10), "status": "active",
        }  # fmt: skip

    def _guardian(self, key: int, serial: int) -> Row:
        return {
            "elder_id": self.plain["id"], "relationship_to_elder": "子女", "phone_status": "valid",
            "is_primary": False,
        }  # fmt: skip

    def _medical_history(self, key: int, serial: int) -> Row:
        return {"elder_id": self.plain["id"], "condition_group": "other"}

    def _economic_status(self, key: int, serial: int) -> Row:
        return {
            "elder_id": self.plain["id"], "category": "ordinary",
            "valid_from": date(1990 + serial, 1, 1), "valid_until": date(1990 + serial, 12, 31),
        }  # fmt: skip

    def _assessment(self, key: int, serial: int) -> Row:
        return {
            "elder_id": self.plain["id"], "division_code": VILLAGE, "organization_id": self.assessor["id"],
            "reason": "routine", "assessed_on": date(2026, 3, 1) + timedelta(days=serial),
            "valid_until": date(2027, 2, 28), "has_dementia": False, "has_mental_disorder": False,
            "risk_event_count": 0, "is_comatose": False,
        } | scores(28, 13, 25, 14, "mild")  # fmt: skip

    def _care_relation(self, key: int, serial: int) -> Row:
        return {
            "elder_id": self.recipient["id"], "organization_id": self.provider["id"], "division_code": VILLAGE,
            "kind": "home_service", "started_on": date(2025, 1, 1), "ended_on": date(2025, 6, 1),
        }  # fmt: skip

    def _organization(self, key: int, serial: int) -> Row:
        return {
            "organization_code": f"44{key // 10000:04d}J{key % 10000:04d}0", "name": f"组织{key}",
            "credit_code": f"52440802{key:010d}", "credit_code_status": "valid", "division_code": VILLAGE,
            "address": "人民大道 1 号", "longitude_wgs84": 110.36, "latitude_wgs84": 21.27,
            "contact_phone_status": "valid", "established_on": date(2015, 1, 1), "status": "active",
        }  # fmt: skip

    def _organization_kind(self, key: int, serial: int) -> Row:
        kinds = ("operator", "device_vendor", "meal_provider")
        return {"organization_id": self.rows["organization"][0]["id"], "kind": kinds[serial % 3]}

    def _institution(self, key: int, serial: int) -> Row:
        return {
            "organization_id": self.institution_org["id"], "division_code": VILLAGE, "institution_type": "nursing_home",
            "nature": "private", "operator_name": "运营方", "grade": 2, "operating_status": "operating",
            "opened_on": date(2016, 1, 1), "land_area_m2": 3000, "building_area_m2": 2000, "licensed_bed_count": 10,
            "nursing_bed_count": 5, "full_time_bed_count": 8, "day_care_bed_count": 2, "admits_self_reliant": True,
            "admits_partly_disabled": True, "admits_disabled": False, "admits_dementia": False,
            "has_liability_insurance": True, "bed_fee_min_yuan": 800, "bed_fee_max_yuan": 1500,
            "nursing_fee_min_yuan": 500, "nursing_fee_max_yuan": 2500, "meal_fee_min_yuan": 600,
            "meal_fee_max_yuan": 600, "deposit_min_yuan": 3000, "deposit_max_yuan": 5000, "medical_mode": "contracted",
            "medical_insurance_designated": False,
        }  # fmt: skip

    def institution_apart(self, **changes: Any) -> Row:
        """A further institution with an organization, permits and a registration of its own, without beds."""
        organization = self.organization("institution")
        self.new("due_register", register_key=organization["credit_code"])
        for kind in ("institution_filing", "fire", "food"):
            self.new("qualification", organization_id=organization["id"], kind=kind)
        return self.new("institution", **{"organization_id": organization["id"]} | changes)

    def _qualification(self, key: int, serial: int) -> Row:
        return {
            "organization_id": self.provider["id"], "kind": "business", "number": f"证{key}",
            "issued_on": date(2024, 1, 1), "expires_on": date(2028, 12, 31),
        }  # fmt: skip

    def _building(self, key: int, serial: int) -> Row:
        return {"institution_id": self.institution["id"], "name": f"{serial}栋"}

    def _room(self, key: int, serial: int) -> Row:
        return {"building_id": self.building["id"], "floor": 3, "name": f"30{serial}"}

    def _bed(self, key: int, serial: int) -> Row:
        return {
            "institution_id": self.institution["id"], "room_id": self.room["id"], "bed_code": f"440802C{key:06d}0",
            "name": f"{serial}", "kind": "nursing", "status": "free", "opened_on": date(2016, 2, 1),
        }  # fmt: skip

    def _residency(self, key: int, serial: int) -> Row:
        return {
            "institution_id": self.institution["id"], "bed_id": self.free_bed["id"], "elder_id": self.plain["id"],
            "admitted_on": date(2024, 2, 1), "discharged_on": date(2024, 6, 1), "discharge_reason": "home",
            "ability_level": "mild", "care_level": "二级", "monthly_fee_yuan": 2300,
        }  # fmt: skip

    def _facility(self, key: int, serial: int) -> Row:
        return {
            "name": f"日间照料中心{key}", "facility_type": "day_care", "facility_level": "village",
            "division_code": VILLAGE, "organization_id": self.provider["id"], "address": "中山一路 2 号",
            "longitude_wgs84": 110.37, "latitude_wgs84": 21.26, "capacity": 20, "floor_area_m2": 150,
            "opened_on": date(2022, 3, 1), "status": "operating",
        }  # fmt: skip

    def _day_care_enrolment(self, key: int, serial: int) -> Row:
        return {
            "facility_id": self.facility["id"], "elder_id": self.plain["id"], "enrolled_on": date(2026, 1, 1),
            "left_on": date(2026, 3, 1),
        }  # fmt: skip

    def _family_bed(self, key: int, serial: int) -> Row:
        return {
            "elder_id": self.plain["id"], "organization_id": self.bed_provider["id"], "division_code": VILLAGE,
            "status": "rejected", "applied_on": date(2026, 10, 20),
        }  # fmt: skip

    def _device(self, key: int, serial: int) -> Row:
        return {
            "kind": "wristband", "model": "W1", "organization_id": self.bed_provider["id"], "division_code": VILLAGE,
            "status": "online", "installed_on": date(2025, 1, 21), "last_seen_at": at(date(2026, 10, 31)),
        }  # fmt: skip

    def _device_binding(self, key: int, serial: int) -> Row:
        return {
            "device_id": self.meter["id"], "elder_id": self.recipient["id"], "family_bed_id": self.family_bed["id"],
            "bound_on": date(2025, 1, 20), "unbound_on": date(2025, 1, 21),
        }  # fmt: skip

    def _alarm(self, key: int, serial: int) -> Row:
        raised = at(date(2026, 10, 5), 10, serial)
        return {
            "device_id": self.caller["id"], "elder_id": self.recipient["id"],
            "organization_id": self.bed_provider["id"], "division_code": VILLAGE, "kind": "call", "status": "closed",
            "raised_at": raised, "acknowledged_at": raised + timedelta(minutes=2),
            "closed_at": raised + timedelta(minutes=30), "outcome": "误触",
        }  # fmt: skip

    def _entitlement(self, key: int, serial: int) -> Row:
        return {
            "elder_id": self.plain["id"], "category": "dibao", "monthly_amount_yuan": 500,
            "valid_from": date(1990 + serial, 1, 1), "valid_until": date(1990 + serial, 12, 31),
        }  # fmt: skip

    def _service_item(self, key: int, serial: int) -> Row:
        return {"pricing": "per_visit", "price_yuan": 60}

    def _service_order(self, key: int, serial: int) -> Row:
        started = at(date(2026, 10, 1) + timedelta(days=serial))
        return {
            "order_number": f"G{key}", "elder_id": self.recipient["id"], "provider_id": self.provider["id"],
            "staff_id": self.worker["id"], "item_id": self.item["id"], "division_code": VILLAGE, "source": "operator",
            "status": "finished", "doubt_status": "none", "requested_at": started - timedelta(days=1),
            "scheduled_at": started, "started_at": started, "finished_at": started + timedelta(hours=1),
            "service_minutes": 60, "amount_yuan": 60, "subsidy_yuan": 40, "self_paid_yuan": 20,
            "settled_month": "2026-10",
        }  # fmt: skip

    def _photo(self, key: int, serial: int) -> Row:
        order = self.rows["service_order"][0]
        return {"order_id": order["id"], "moment": "during", "taken_at": order["started_at"], "is_stored": True}

    def _evaluation(self, key: int, serial: int) -> Row:
        order = self.order if serial == 1 else self.new("service_order")
        return {
            "order_id": order["id"], "score": 5, "attitude_score": 5, "quality_score": 4,
            "evaluated_at": order["finished_at"] + timedelta(hours=3),
        }  # fmt: skip

    def _vital_sign(self, key: int, serial: int) -> Row:
        return {
            "elder_id": self.recipient["id"], "division_code": VILLAGE, "kind": "heart_rate", "value_1": 72,
            "measured_at": at(date(2026, 10, 6), 7, serial),
        }  # fmt: skip

    def _staff(self, key: int, serial: int) -> Row:
        return {
            "organization_id": self.provider["id"], "division_code": VILLAGE, "sex": "female",
            "birth_month": date(1980, 6, 1), "id_number_status": "valid", "phone_status": "valid",
            "occupation": "care_worker" if serial <= 2 else "manager", "education": "初中",
            "employed_on": date(2020, 1, 1),
        }  # fmt: skip

    def _certificate(self, key: int, serial: int) -> Row:
        return {
            "staff_id": self.worker["id"], "kind": "健康证明", "level": None,
            "issued_on": date(2026, 1, 1) + timedelta(days=serial), "expires_on": date(2027, 3, 1),
        }  # fmt: skip

    def _due_register(self, key: int, serial: int) -> Row:
        code = "credit_code" if serial == 1 else "organization_code"
        return {
            "theme": "养老机构", "register_name": "备案名册", "register_key": self.institution_org[code],
            "division_code": VILLAGE, "due_from": date(2020, 1, 1),
        }  # fmt: skip


def scores(self_care: int, movement: int, mental: int, social: int, level: str) -> Row:
    """The scores of an assessment with their sum."""
    return {
        "self_care_score": self_care, "movement_score": movement, "mental_score": mental, "social_score": social,
        "total_score": self_care + movement + mental + social, "ability_level": level,
    }  # fmt: skip


def create_record_tables(connection: psycopg.Connection, schema: str) -> None:
    """Empty record tables `int_<table>` with the columns of the change log, and the reference divisions."""
    connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
    columns = {str(log.name): log.columns for log in log_tables()}
    for table in _TABLES:
        connection.execute(
            sql.SQL("create table {} ({})").format(
                sql.Identifier(schema, f"int_{table}"),
                sql.SQL(", ").join(
                    sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))  # type: ignore[arg-type]
                    for name, kind in (*columns[table], ("county_code", "text"), ("town_code", "text"))
                ),
            )
        )
    ensure_divisions(connection)


def ensure_divisions(connection: psycopg.Connection) -> None:
    """`reference.ref_division` as dbt's seed makes it, where it is not there yet."""
    connection.execute("create schema if not exists reference")
    if connection.execute("select to_regclass('reference.ref_division')").fetchone() != (None,):
        return
    with reference_file("ref_division").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    names = list(rows[0])
    connection.execute(
        sql.SQL("create table reference.ref_division ({})").format(
            sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
        )
    )
    copy = sql.SQL("copy reference.ref_division ({}) from stdin").format(sql.SQL(", ").join(map(sql.Identifier, names)))
    with connection.cursor() as cursor, cursor.copy(copy) as target:
        for row in rows:
            target.write_row([row[name] or None for name in names])


def fill(connection: psycopg.Connection, schema: str, worlds: Iterable[World]) -> None:
    """Writes the worlds' records."""
    columns = {str(log.name): [name for name, _ in log.columns] for log in log_tables()}
    worlds = list(worlds)
    for table in _TABLES:
        names = [*columns[table], "county_code", "town_code"]
        copy = sql.SQL("copy {} ({}) from stdin").format(
            sql.Identifier(schema, f"int_{table}"), sql.SQL(", ").join(map(sql.Identifier, names))
        )
        with connection.cursor() as cursor, cursor.copy(copy) as target:
            for world in worlds:
                for row in world.rows[table]:
                    assert set(row) <= set(names), (table, set(row) - set(names))
                    target.write_row([row.get(name) for name in names])


@dataclass(frozen=True)
class SomeRelease:
    """A release as reports and deliveries need it."""

    release_id: int
    period: str = PERIOD
    lane: str = "official"
    state: str = "candidate"
    accepted: bool = False
    as_of: datetime = datetime(2026, 11, 5, 2, 30, tzinfo=BUSINESS_TIMEZONE)
    cut_off: int = 982_347
    git_commit: str = "3f9c2d17a0b4"
    orchestration_sha256: str = "ab12" * 16
    started_by: str = "data_staff"
    published_at: datetime | None = None
    report_folder: str | None = None
