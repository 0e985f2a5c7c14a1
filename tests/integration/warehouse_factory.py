"""A small city in the app's tables, written as the login loader, for tests of the warehouse.

Deterministic by seed. It has what the models must get right: people who register, turn 60, die, move, are merged;
stays, beds and bindings that begin and end; rows that were revised, with an earlier truth; towns of an overlay unit.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from huiyang.database import Login, connect
from huiyang.settings import BUSINESS_TIMEZONE, Settings

#: Villages: two of 霞山 in the overlay unit 湛江经开区, others of four counties.
VILLAGES = (
    "440802001001", "440802002001", "440803070001", "440803001001", "440811072001", "440811173201", "440883001001",
    "440882450498", "440825100201",
)  # fmt: skip
FIRST, LAST = date(2024, 1, 1), date(2026, 10, 31)


def at(day: date, hour: int = 9) -> datetime:
    """An instant of a business day."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=BUSINESS_TIMEZONE)


def insert(connection: psycopg.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """Inserts rows of equal columns; returns their ids."""
    rows = list(rows)
    if not rows:
        return []
    names = list(rows[0])
    statement = sql.SQL("insert into {} ({}) values ({}) returning id").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(map(sql.Placeholder, names)),
    )
    ids = []
    with connection.cursor() as cursor:
        for row in rows:
            ids.append(cursor.execute(statement, row).fetchone()[0])
    return ids


class SmallCity:
    """Fills the app's tables; the keys that tests need are attributes."""

    def __init__(self, settings: Settings, *, elders: int = 300, orders: int = 400, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self._villages = self._existing_villages(settings)
        with connect(Login.LOADER, settings) as connection:
            connection.execute("select maintenance.ensure_month_partitions('health.vital_sign', %s, %s)", [FIRST, LAST])
            self.organizations = self._organizations(connection)
            self.elders = self._elders(connection, elders)
            self._institutions(connection)
            self._facilities(connection)
            self._family_beds(connection)
            self._assessments(connection)
            self._alarms(connection)
            self._orders(connection, orders)
            self._vital_signs(connection)
            self._revisions(connection)

    @staticmethod
    def _existing_villages(settings: Settings) -> list[str]:
        with connect(Login.LOADER, settings) as connection:
            known = connection.execute(
                "select min(division_code) from reference.division where level = 'village' and left(division_code, 9)"
                " in (select left(unnest(%s::text[]), 9)) group by left(division_code, 9) order by 1",
                [list(VILLAGES)],
            ).fetchall()
        return [row[0] for row in known]

    def _day(self, first: date = FIRST, last: date = LAST) -> date:
        return first + timedelta(days=self._random.randrange(max((last - first).days, 1)))

    def _village(self) -> str:
        return self._random.choice(self._villages)

    def _later(self, day: date, most: int, share: float) -> date | None:
        """A later day within the history for a share of cases, else none."""
        if self._random.random() > share:
            return None
        later = day + timedelta(days=self._random.randrange(1, most))
        return later if later <= LAST else None

    def _organizations(self, connection: psycopg.Connection) -> list[int]:
        rows = [
            {
                "name": f"测试组织{n}", "name_pinyin": f"ce shi {n}", "name_initials": f"cs{n}",
                "credit_code_status": "missing", "contact_phone_status": "missing", "division_code": self._village(),
                "longitude_wgs84": 110.3 + n / 100, "latitude_wgs84": 21.2 + n / 100,
                "effective_at": at(FIRST), "status": "active",
            }
            for n in range(12)
        ]  # fmt: skip
        return insert(connection, "organizations.organization", rows)

    def _elders(self, connection: psycopg.Connection, count: int) -> list[int]:
        rows = []
        for n in range(count):
            registered = self._day(date(2022, 1, 1), date(2026, 10, 1))
            died = self._later(registered, 900, 0.12)
            moved = None if died else self._later(registered, 900, 0.06)
            rows.append(
                {
                    "sex": self._random.choice(["male", "female"] if n % 50 else ["unknown"]),
                    "birth_month": None if n % 60 == 0 else date(self._random.randrange(1932, 1968), n % 12 + 1, 1),
                    "id_number_status": "valid",
                    "phone_status": "valid",
                    "division_code": self._village(),
                    "has_address": True,
                    "living_arrangement": self._random.choice(["alone", "spouse", "children"]),
                    "economic_category": self._random.choice(["ordinary", "tekun", "dibao", "dibian", "youfu"]),
                    "registered_on": registered,
                    "status": "deceased" if died else "moved_away" if moved else "active",
                    "died_on": died,
                    "moved_on": moved,
                    "effective_at": at(died or moved or registered),
                }
            )
        return insert(connection, "elders.elder", rows)

    def _institutions(self, connection: psycopg.Connection) -> None:
        self.institutions = []
        residents = self._random.sample(self.elders, len(self.elders) // 5)
        for n, organization in enumerate(self.organizations[:5]):
            [institution] = insert(
                connection,
                "institutions.institution",
                [
                    {
                        "organization_id": organization, "division_code": self._village(),
                        "institution_type": "nursing_home", "nature": ["public", "public_private", "private"][n % 3],
                        "grade": n, "operating_status": "closed" if n == 4 else "operating",
                        "opened_on": date(2024, 1 + 2 * n, 15), "closed_on": date(2026, 3, 10) if n == 4 else None,
                        "licensed_bed_count": 20 + n, "effective_at": at(date(2026, 3, 10) if n == 4 else FIRST),
                    }
                ],
            )  # fmt: skip
            self.institutions.append(institution)
            [building] = insert(connection, "institutions.building", [{"institution_id": institution, "name": "一区"}])
            [room] = insert(connection, "institutions.room", [{"building_id": building, "floor": 1, "name": "101"}])
            beds = insert(
                connection,
                "institutions.bed",
                [
                    {
                        "institution_id": institution, "room_id": room, "name": f"{b}", "kind": "nursing",
                        "status": "closed" if b == 9 else "free", "opened_on": date(2024, 1 + b, 1),
                        "closed_on": date(2026, 5, 1) if b == 9 else None, "effective_at": at(FIRST),
                    }
                    for b in range(10)
                ],
            )  # fmt: skip
            for bed in beds:
                elder, admitted = residents.pop(), self._day(date(2024, 2, 1))
                insert(
                    connection,
                    "institutions.residency",
                    [
                        {
                            "institution_id": institution, "bed_id": bed, "elder_id": elder, "admitted_on": admitted,
                            "discharged_on": self._later(admitted, 500, 0.4), "effective_at": at(admitted),
                        }
                    ],
                )  # fmt: skip
            insert(
                connection,
                "workforce.staff",
                [
                    {
                        "organization_id": organization, "division_code": self._village(), "sex": "female",
                        "id_number_status": "valid", "phone_status": "valid",
                        "occupation": self._random.choice(["care_worker", "nurse"]), "employed_on": day,
                        "left_on": self._later(day, 600, 0.3), "effective_at": at(day),
                    }
                    for day in (self._day() for _ in range(8))
                ],
            )  # fmt: skip

    def _facilities(self, connection: psycopg.Connection) -> None:
        facilities = insert(
            connection,
            "facilities.facility",
            [
                {
                    "name": f"设施{n}", "facility_type": ["centre", "station", "canteen", "day_care"][n % 4],
                    "facility_level": ["county", "town", "village"][n % 3],
                    "division_code": "440803000000" if n == 0 else self._village(), "capacity": 10 * n,
                    "opened_on": day, "closed_on": self._later(day, 400, 0.2),
                    "status": "suspended" if n == 7 else "operating", "effective_at": at(day),
                }
                for n, day in enumerate(self._day() for _ in range(20))
            ],
        )  # fmt: skip
        insert(
            connection,
            "facilities.day_care_enrolment",
            [
                {
                    "facility_id": self._random.choice(facilities), "elder_id": elder, "enrolled_on": day,
                    "left_on": self._later(day, 300, 0.5), "effective_at": at(day),
                }
                for elder, day in ((elder, self._day()) for elder in self._random.sample(self.elders, 30))
            ],
        )  # fmt: skip

    def _family_beds(self, connection: psycopg.Connection) -> None:
        self.family_beds = []
        for elder in self._random.sample(self.elders, 60):
            opened = self._day()
            closed = self._later(opened, 500, 0.4)
            village = self._village()
            [bed] = insert(
                connection,
                "family_beds.family_bed",
                [
                    {
                        "elder_id": elder, "organization_id": self.organizations[6], "division_code": village,
                        "status": "closed" if closed else "open", "opened_on": opened, "closed_on": closed,
                        "effective_at": at(closed or opened),
                    }
                ],
            )  # fmt: skip
            self.family_beds.append(bed)
            devices = insert(
                connection,
                "devices.device",
                [
                    {
                        "serial_number": f"SN-{bed}-{n}-{self._random.random()}", "kind": "smoke",
                        "division_code": village, "status": "online", "effective_at": at(opened),
                    }
                    for n in range(3)
                ],
            )  # fmt: skip
            insert(
                connection,
                "devices.device_binding",
                [
                    {
                        "device_id": device, "elder_id": elder, "family_bed_id": bed, "bound_on": opened,
                        "unbound_on": closed, "effective_at": at(opened),
                    }
                    for device in devices
                ],
            )  # fmt: skip

    def _assessments(self, connection: psycopg.Connection) -> None:
        levels = ["intact", "mild", "moderate", "severe", "complete"]
        insert(
            connection,
            "assessments.assessment",
            [
                {
                    "elder_id": elder, "division_code": self._village(), "reason": "first", "assessed_on": day,
                    "valid_until": None if self._random.random() < 0.2 else day + timedelta(days=365),
                    "ability_level": self._random.choice(levels), "effective_at": at(day),
                }
                for elder, day in ((self._random.choice(self.elders), self._day()) for _ in range(200))
            ],
        )  # fmt: skip

    def _alarms(self, connection: psycopg.Connection) -> None:
        rows = []
        for _ in range(150):
            raised = at(self._day(), self._random.randrange(24))
            acknowledged = raised + timedelta(seconds=self._random.randrange(5, 600))
            is_closed = self._random.random() < 0.8
            rows.append(
                {
                    "elder_id": self._random.choice(self.elders), "division_code": self._village(),
                    "kind": self._random.choice(["call", "smoke", "fall"]),
                    "status": "closed" if is_closed else "raised", "raised_at": raised,
                    "acknowledged_at": acknowledged if is_closed else None, "effective_at": raised,
                }
            )  # fmt: skip
        insert(connection, "devices.alarm", rows)

    def _orders(self, connection: psycopg.Connection, count: int) -> None:
        category = connection.execute("select id from home_service.service_category order by id limit 2").fetchall()
        items = insert(
            connection,
            "home_service.service_item",
            [
                {
                    "item_code": f"I{n}-{self._random.random()}", "name": f"项目{n}", "category_id": category[n % 2][0],
                    "pricing": "per_visit", "price_yuan": Decimal("40"), "effective_at": at(FIRST),
                }
                for n in range(4)
            ],
        )  # fmt: skip
        self.orders = []
        for n in range(count):
            # The last hour of a month in Shanghai is another month in UTC's afternoon: periods must not slip.
            day = self._day()
            started = at(day, self._random.choice([8, 14, 22]))
            finished = started + timedelta(minutes=self._random.randrange(20, 90))
            status = self._random.choices(["finished", "void", "cancelled", "in_service"], [80, 8, 8, 4])[0]
            amount = Decimal(self._random.randrange(20, 200))
            rated = status == "finished" and self._random.random() < 0.6
            has_times = status == "finished" or (status == "void" and n % 2)
            [order] = insert(
                connection,
                "home_service.service_order",
                [
                    {
                        "order_number": f"O{n}-{self._random.random()}", "elder_id": self._random.choice(self.elders),
                        "provider_id": self._random.choice(self.organizations[7:10]),
                        "item_id": self._random.choice(items), "division_code": self._village(), "source": "operator",
                        "status": status, "doubt_status": self._random.choice(["none"] * 8 + ["doubtful", "reviewed"]),
                        "requested_at": started - timedelta(days=2), "scheduled_at": started,
                        "started_at": started if has_times else None, "finished_at": finished if has_times else None,
                        "service_minutes": (finished - started).seconds // 60 if has_times else None,
                        "amount_yuan": amount, "subsidy_yuan": amount / 2, "self_paid_yuan": amount / 2,
                        "effective_at": finished,
                    }
                ],
            )  # fmt: skip
            self.orders.append(order)
            if rated:
                insert(
                    connection,
                    "home_service.evaluation",
                    [
                        {
                            "order_id": order, "score": self._random.randrange(1, 6), "evaluated_at": finished,
                            "effective_at": finished + timedelta(days=3),
                        }
                    ],
                )  # fmt: skip

    def _vital_signs(self, connection: psycopg.Connection) -> None:
        rows = []
        for _ in range(500):
            kind = self._random.choice(["heart_rate", "blood_pressure"])
            rows.append(
                {
                    "elder_id": self._random.choice(self.elders), "division_code": self._village(), "kind": kind,
                    "value_1": Decimal(self._random.randrange(55, 150)),
                    "value_2": Decimal(self._random.randrange(50, 100)) if kind == "blood_pressure" else None,
                    "measured_at": at(self._day(), self._random.randrange(24)),
                }
            )  # fmt: skip
        insert(connection, "health.vital_sign", rows)

    def _revisions(self, connection: psycopg.Connection) -> None:
        """Later truths, a correction of the past, and merges with a chain."""
        for elder in self._random.sample(self.elders, 40):
            connection.execute(
                "update elders.elder set living_arrangement = 'alone', division_code = %s, effective_at = %s"
                " where id = %s",
                [self._village(), at(self._day(date(2025, 1, 1))), elder],
            )
        for elder in self._random.sample(self.elders, 10):
            connection.execute(
                "update elders.elder set economic_category = 'dibao', effective_at = %s where id = %s",
                [at(date(2024, 6, 1)), elder],
            )
        for order in self._random.sample(self.orders, 20):
            connection.execute(
                "update home_service.service_order set doubt_status = 'doubtful', effective_at = %s where id = %s",
                [at(self._day(date(2026, 1, 1))), order],
            )
        a, b, c, d, e = self._random.sample(self.elders, 5)
        insert(
            connection,
            "elders.elder_merge",
            [
                {
                    "survivor_id": survivor, "merged_id": merged, "merged_at": datetime(2026, 9, 1, tzinfo=UTC),
                    "reverted_at": reverted, "reason": "同一人", "effective_at": datetime(2026, 9, 1, tzinfo=UTC),
                }
                for survivor, merged, reverted in (
                    (b, a, None), (c, b, None), (d, e, datetime(2026, 9, 20, tzinfo=UTC)),
                )
            ],
        )  # fmt: skip
        self.merged = {a: c, b: c}
        self.unmerged = e
        self._files(connection, [a, b, c, d, e])

    def _files(self, connection: psycopg.Connection, elders: list[int]) -> None:
        """What each of five files says: the first three are one person's, the last two were, and are no more.

        Every file has a first contact and two records of one condition; economic statuses of the first three: the
        survivor's in 2025, one that overlaps it, one that does not.
        """
        began = at(date(2024, 1, 1))
        for elder in elders:
            insert(
                connection, "elders.guardian",
                [{"elder_id": elder, "name": "某", "relationship_to_elder": "子女", "phone_status": "missing",
                  "is_primary": True, "effective_at": began}],
            )  # fmt: skip
            insert(
                connection, "elders.medical_history",
                [{"elder_id": elder, "condition_group": group, "effective_at": began}
                 for group in ("hypertension", "hypertension", "other")],
            )  # fmt: skip
        spans = [
            (date(2025, 7, 1), None),
            (date(2023, 1, 1), date(2024, 12, 31)),
            (date(2025, 1, 1), date(2025, 12, 31)),
        ]
        insert(
            connection, "elders.economic_status",
            [{"elder_id": elder, "category": "dibao", "valid_from": first, "valid_until": last, "effective_at": began}
             for elder, (first, last) in zip(elders, spans, strict=False)],
        )  # fmt: skip
