"""For every rule of the catalogue a way to spoil a clean world so that exactly this rule is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from expectations.catalogue import catalogue_for
from expectations.rule import Rule
from tests.integration.expectations_factory import (
    AS_OF,
    OTHER_COUNTY,
    PERIOD_END,
    TOWN,
    VILLAGE,
    Row,
    World,
    at,
    scores,
)

Spoil = Callable[[World], object]
DAY = timedelta(days=1)
FUTURE = AS_OF + DAY
NOBODY = 999_999_999
NO_DIVISION = VILLAGE[:6] + "999999"


@dataclass(frozen=True)
class Case:
    """One deliberately failing case.

    Attributes:
        also: further rules that the same defect cannot but break.
    """

    spoil: Spoil
    also: frozenset[str] = frozenset()


def new(table: str, **changes: object) -> Case:
    """A further record with a defect."""
    return Case(lambda world: world.new(table, **changes))


def case(spoil: Spoil, *also: str) -> Case:
    return Case(spoil, frozenset(also))


def _twice(table: str, **changes: object) -> Case:
    """Two further records alike in the given columns."""

    def spoil(world: World) -> None:
        for _ in range(2):
            world.new(table, **changes)

    return Case(spoil)


def _same_key(world: World, table: str) -> None:
    if table == "institution":
        first, second = world.institution_apart(), world.institution_apart()
    elif table == "organization":
        first, second = world.organization("operator"), world.new(table)
    elif table == "service_order":
        first, second = world.cancelled(), world.cancelled()
    else:
        first, second = world.new(table), world.new(table)
    second["id"] = first["id"]


def _organization(count: int = 1, **changes: object) -> Case:
    """Further organizations with a defect, each with a capacity."""

    def spoil(world: World) -> None:
        for _ in range(count):
            world.organization("operator", **changes)

    return Case(spoil)


def _unfilled(column: str) -> object:
    if column.endswith("_status"):
        return "missing"
    if column in ("sex", "living_arrangement", "economic_category"):
        return "unknown"
    return False if column == "has_address" else None


def _dead_recipient(world: World, died_on: date = date(2026, 9, 1)) -> Row:
    return world.deceased(died_on)


def _at_home_of(world: World, elder: Row, **changes: object) -> Row:
    """An open family bed of an elder with all that belongs to it."""
    bed = world.new(
        "family_bed", **{"elder_id": elder["id"], "status": "open", "applied_on": date(2026, 1, 5),
        "opened_on": date(2026, 2, 1), "subsidy_yuan": 3000} | changes,
    )  # fmt: skip
    device = world.new("device")
    world.new(
        "device_binding", device_id=device["id"], elder_id=elder["id"], family_bed_id=bed["id"],
        bound_on=date(2026, 2, 1), unbound_on=None,
    )  # fmt: skip
    return bed


def _assessed_elder(world: World, **changes: object) -> Row:
    elder = world.new("elder", **changes)
    world.new("assessment", elder_id=elder["id"], assessed_on=date(2026, 1, 2))
    return elder


def _stay(world: World, elder: Row, **changes: object) -> Row:
    """An open stay of an elder in a bed of its own."""
    bed = world.new("bed", status="occupied")
    return world.new(
        "residency", **{"elder_id": elder["id"], "bed_id": bed["id"], "admitted_on": date(2026, 1, 5),
        "discharged_on": None, "discharge_reason": None} | changes,
    )  # fmt: skip


# --- elders ---


def _moved_to_an_institution(world: World) -> None:
    _stay(world, world.new("elder", living_arrangement="children"))


def _other_category(world: World) -> None:
    elder = world.new("elder", economic_category="dibao")
    world.new("economic_status", elder_id=elder["id"], valid_from=date(2025, 1, 1), valid_until=None)


def _second_primary(world: World) -> None:
    world.new("guardian", is_primary=True)


def _dementia_without_assessment(world: World) -> None:
    world.new("medical_history", elder_id=world.recipient["id"], condition_group="dementia")


def _late_assessment(world: World) -> None:
    elder = _dead_recipient(world)
    world.new("assessment", elder_id=elder["id"], assessed_on=date(2026, 9, 2))


def _care_after_death(world: World) -> None:
    world.new("care_relation", elder_id=_dead_recipient(world)["id"], ended_on=None)


# --- institutions ---


def _crowded(world: World) -> None:
    world.institution |= {
        "licensed_bed_count": 1, "nursing_bed_count": 1, "full_time_bed_count": 1, "day_care_bed_count": 0
    }  # fmt: skip
    _stay(world, world.new("elder", living_arrangement="institution"))


def _closed_with_residents(world: World) -> None:
    institution = world.institution_apart(operating_status="closed", closed_on=date(2026, 9, 1))
    bed = world.new("bed", institution_id=institution["id"], status="occupied")
    elder = world.new("elder", living_arrangement="institution")
    world.new(
        "residency", institution_id=institution["id"], bed_id=bed["id"], elder_id=elder["id"],
        admitted_on=date(2026, 1, 5), discharged_on=None, discharge_reason=None,
    )  # fmt: skip


def _without(kind: str) -> Case:
    """The institution has no permit of a kind on file."""

    def spoil(world: World) -> None:
        for row in world.rows["qualification"]:
            if row["kind"] == kind:
                world.rows["qualification"].remove(row)
                return

    return Case(spoil)


def _no_care_worker(world: World) -> None:
    world.institution_worker["occupation"] = "nurse"


def _ghost_occupancy(world: World) -> None:
    world.new("bed", status="occupied")


def _closed_owner(world: World) -> None:
    institution = world.institution_apart()
    owner = next(o for o in world.rows["organization"] if o["id"] == institution["organization_id"])
    owner |= {"status": "closed", "closed_on": date(2026, 8, 1)}


def _bed_of_closed_institution(world: World) -> None:
    institution = world.institution_apart(operating_status="closed", closed_on=date(2026, 9, 1))
    world.new("bed", institution_id=institution["id"])


def _bed_elsewhere(world: World) -> None:
    other = world.institution_apart()
    bed = world.new("bed", institution_id=other["id"])
    world.new("residency", bed_id=bed["id"])


def _dead_resident(world: World) -> None:
    _stay(world, _dead_recipient(world))


def _two_stays(world: World) -> None:
    elder = world.new("elder", living_arrangement="institution")
    _stay(world, elder)
    _stay(world, elder)


def _shared_bed(world: World) -> None:
    elder = world.new("elder", living_arrangement="institution")
    world.new(
        "residency", elder_id=elder["id"], bed_id=world.bed["id"], admitted_on=date(2026, 3, 1),
        discharged_on=None, discharge_reason=None,
    )  # fmt: skip


def _died_but_on_file(world: World) -> None:
    world.new("residency", discharge_reason="death")


def _expired(world: World) -> None:
    world.new("qualification", kind="service", issued_on=date(2020, 1, 1), expires_on=date(2026, 9, 30))


# --- facilities ---


def _full_day_care(world: World) -> None:
    facility = world.new("facility", capacity=1)
    for elder in (world.plain, world.new("elder")):
        world.new("day_care_enrolment", facility_id=facility["id"], elder_id=elder["id"], left_on=None)


# --- family beds ---


def _dead_at_home(world: World) -> None:
    elder = world.deceased(date(2026, 9, 1))
    world.new("assessment", elder_id=elder["id"], assessed_on=date(2026, 1, 2))
    bed = _at_home_of(world, elder)
    binding = world.rows["device_binding"][-1]
    binding |= {"elder_id": elder["id"], "unbound_on": date(2026, 9, 1)}
    other = world.new("device")
    # A device still watches the bed, bound to nobody who died.
    world.new(
        "device_binding", device_id=other["id"], elder_id=world.plain["id"], family_bed_id=bed["id"],
        bound_on=date(2026, 9, 2), unbound_on=None,
    )  # fmt: skip


def _bed_and_residency(world: World) -> None:
    elder = _assessed_elder(world, living_arrangement="institution")
    _at_home_of(world, elder)
    _stay(world, elder)


def _two_family_beds(world: World) -> None:
    elder = _assessed_elder(world)
    _at_home_of(world, elder)
    _at_home_of(world, elder)


def _unwatched(world: World) -> None:
    bed = _at_home_of(world, _assessed_elder(world))
    world.rows["device_binding"].pop()
    assert bed["status"] == "open"


def _far_bed(world: World) -> None:
    _at_home_of(world, _assessed_elder(world, division_code=OTHER_COUNTY))


def _bed_of_provider(world: World) -> None:
    world.new("family_bed", organization_id=world.provider["id"])


def _retired_but_bound(world: World) -> None:
    world.caller["status"] = "retired"


def _device_of_two(world: World) -> None:
    elder = world.new("elder")
    world.new(
        "device_binding", device_id=world.meter["id"], elder_id=elder["id"], family_bed_id=None,
        bound_on=date(2026, 1, 1), unbound_on=None,
    )  # fmt: skip


def _bound_to_closed_bed(world: World) -> None:
    device = world.new("device")
    world.new(
        "device_binding", device_id=device["id"], elder_id=world.plain["id"],
        family_bed_id=world.closed_family_bed["id"], bound_on=date(2024, 7, 2), unbound_on=None,
    )  # fmt: skip


def _watching_the_dead(world: World) -> None:
    device = world.new("device")
    world.new(
        "device_binding", device_id=device["id"], elder_id=_dead_recipient(world)["id"], family_bed_id=None,
        bound_on=date(2026, 1, 1), unbound_on=None,
    )  # fmt: skip


def _alarm_of_the_dead(world: World) -> None:
    elder = _dead_recipient(world)
    device = world.new("device")
    world.new(
        "device_binding", device_id=device["id"], elder_id=elder["id"], family_bed_id=None,
        bound_on=date(2026, 1, 1), unbound_on=date(2026, 10, 20),
    )  # fmt: skip
    world.new("alarm", elder_id=elder["id"], device_id=device["id"])


def _open_alarm(raised_on: date) -> dict[str, object]:
    return {
        "raised_at": at(raised_on), "acknowledged_at": at(raised_on, 10), "closed_at": None, "status": "acknowledged"
    }  # fmt: skip


# --- home service ---


def _served_after_death(world: World) -> None:
    elder = _dead_recipient(world)
    world.new("service_order", elder_id=elder["id"], subsidy_yuan=0, self_paid_yuan=60)


def _overlapping_visits(world: World) -> None:
    first = world.new("service_order")
    start = first["started_at"] + timedelta(minutes=30)
    world.new(
        "service_order", elder_id=world.plain["id"], subsidy_yuan=0, self_paid_yuan=60, started_at=start,
        finished_at=start + timedelta(hours=1),
    )  # fmt: skip


def _without_photos(world: World, moments: tuple[str, ...]) -> None:
    order = world.new("service_order")
    world.rows["photo"] = [
        row for row in world.rows["photo"] if row["order_id"] != order["id"] or row["moment"] not in moments
    ]


def _served_resident(world: World) -> None:
    world.new("service_order", elder_id=world.resident["id"], subsidy_yuan=0, self_paid_yuan=60)


def _served_by(**worker: object) -> Case:
    def spoil(world: World) -> None:
        staff = world.new("staff", **worker)
        world.new("service_order", staff_id=staff["id"])

    return Case(spoil)


def _served_by_other(world: World) -> None:
    world.new("service_order", staff_id=world.institution_worker["id"])


def _provider_without_capacity(world: World) -> None:
    staff = world.new("staff", organization_id=world.assessor["id"])
    world.new("service_order", provider_id=world.assessor["id"], staff_id=staff["id"])


def _provider_gone(world: World) -> None:
    provider = world.organization("provider", status="closed", closed_on=date(2026, 10, 1))
    staff = world.new("staff", organization_id=provider["id"], left_on=date(2026, 10, 31))
    world.new("service_order", provider_id=provider["id"], staff_id=staff["id"])


def _same_visit_twice(world: World) -> None:
    first = world.new("service_order")
    other = world.new("staff")
    world.new("service_order", staff_id=other["id"], started_at=first["started_at"], finished_at=first["finished_at"])


def _served_on_expired_entitlement(world: World) -> None:
    world.new("entitlement")
    world.new("service_order", elder_id=world.plain["id"])


def _second_evaluation(world: World) -> None:
    world.new("evaluation", order_id=world.order["id"], evaluated_at=at(PERIOD_END))


def _entitled_after_death(world: World) -> None:
    world.new("entitlement", elder_id=_dead_recipient(world)["id"], valid_from=date(2026, 1, 1), valid_until=None)


def _measured_after_death(world: World) -> None:
    world.new("vital_sign", elder_id=_dead_recipient(world)["id"])


# --- workforce ---


def _uncertified(world: World) -> None:
    world.new("staff", occupation="care_worker")


def _staff_of_closed(world: World) -> None:
    organization = world.organization("device_vendor", status="closed", closed_on=date(2026, 8, 1))
    world.new("staff", organization_id=organization["id"])


def _expired_certificate(world: World) -> None:
    world.new("certificate", kind="养老护理员证", issued_on=date(2020, 1, 1), expires_on=date(2026, 9, 30))


def _absent(world: World) -> None:
    world.new("due_register", register_key="52440802MISSING001")


def _unregistered(world: World) -> None:
    world.institution_apart()
    world.rows["due_register"].pop()


def _odd_registry(world: World) -> None:
    world.new("due_register", theme="健康", register_key="x")


_SPECIFIC: dict[str, Case] = {
    "ELD-01": new("elder", id_number_status="bad_checksum"),
    "ELD-02": new("elder", phone_status="invalid"),
    "ELD-03": new("elder", division_code=TOWN),
    "ELD-04": new("elder", birth_month=date(1902, 1, 1)),
    "ELD-05": new("elder", birth_month=date(1990, 1, 1)),
    "ELD-06": new("elder", birth_month=date(1945, 3, 2)),
    "ELD-07": new("elder", registered_on=FUTURE),
    "ELD-08": new("elder", status="deceased"),
    "ELD-09": new("elder", moved_on=date(2026, 5, 1)),
    "ELD-10": new("elder", status="deceased", died_on=date(1944, 1, 1)),
    "ELD-11": new("elder", birth_month=date(1915, 1, 1)),
    "ELD-12": new("elder", living_arrangement="institution"),
    "ELD-13": case(_moved_to_an_institution),
    "ELD-14": case(_other_category),
    "ELD-15": new("elder", living_arrangement="alone", birth_month=date(1940, 1, 1)),
    "ELD-16": new("elder", cell_500m="4693-24571"),
    "ELD-17": new("elder", elder_code="440802194503012"),
    "ELD-18": _twice("elder", elder_code="440802Z99999990"),
    "GRD-01": new("guardian", phone_status="invalid"),
    "GRD-02": case(_second_primary),
    "MED-01": new("medical_history", condition_group="hypertension"),
    "MED-02": case(_dementia_without_assessment),
    "ECO-01": new("economic_status", valid_from=date(1990, 3, 1), valid_until=date(1990, 2, 1)),
    "ECO-02": new("economic_status", valid_from=date(2025, 6, 1), valid_until=date(2025, 12, 31)),
    "ASM-01": new("assessment", self_care_score=20, total_score=80),
    "ASM-02": new("assessment", ability_level="moderate"),
    "ASM-03": new("assessment", **scores(33, 13, 25, 9, "mild")),
    "ASM-04": new("assessment", assessed_on=date(2026, 4, 1), valid_until=date(2026, 3, 1)),
    "ASM-05": new("assessment", assessed_on=FUTURE),
    "ASM-06": case(_late_assessment),
    "ASM-07": _twice("assessment", reason="first"),
    "ASM-08": _twice("assessment", assessed_on=date(2026, 8, 1)),
    "ASM-09": new("assessment", risk_event_count=-1),
    "CRE-01": new("care_relation", kind="friend"),
    "CRE-02": new("care_relation", started_on=date(2025, 7, 1)),
    "CRE-03": new("care_relation", ended_on=None),
    "CRE-04": case(_care_after_death),
    "ORG-01": _organization(credit_code_status="bad_checksum"),
    "ORG-02": _organization(credit_code="524408020000000000", count=2),
    "ORG-03": _organization(contact_phone_status="invalid"),
    "ORG-04": _organization(status="closed"),
    "ORG-05": _organization(longitude_wgs84=21.27, latitude_wgs84=110.36),
    "ORG-06": _organization(established_on=FUTURE),
    "ORG-07": _organization(organization_code="440802J99990", count=2),
    "ORG-08": _organization(organization_code="J9999"),
    "ORG-09": _organization(credit_code=None),
    "ORG-10": new("organization"),
    "ORG-11": _organization(name="重名组织", count=2),
    "ORG-12": _organization(status="closed", closed_on=date(2014, 1, 1)),
    "KND-01": new("organization_kind", since=date(2026, 2, 1), until=date(2026, 1, 1)),
    "KND-02": new("organization_kind", kind="institution"),
    "INS-01": new("institution"),
    "INS-02": case(_crowded, "INS-03"),
    "INS-03": case(lambda world: world.institution.update(licensed_bed_count=1, nursing_bed_count=1,
                                                         full_time_bed_count=1, day_care_bed_count=0)),
    "INS-04": case(lambda world: world.institution.update(nursing_bed_count=11)),
    "INS-05": case(lambda world: world.institution.update(bed_fee_min_yuan=1600)),
    "INS-06": case(lambda world: world.institution.update(deposit_max_yuan=600_000)),
    "INS-07": case(lambda world: world.institution_apart(
        operating_status="closed", opened_on=date(2026, 5, 1), closed_on=date(2026, 4, 1))),
    "INS-08": case(lambda world: world.institution_apart(opened_on=FUTURE)),
    "INS-09": case(lambda world: world.institution_apart(closed_on=date(2026, 9, 1))),
    "INS-10": case(_closed_with_residents, "BED-07"),
    "INS-11": case(lambda world: world.institution.update(grade=7)),
    "INS-12": _without("institution_filing"),
    "INS-13": _without("fire"),
    "INS-14": _without("food"),
    "INS-15": case(lambda world: world.institution.update(medical_mode="internal")),
    "INS-16": case(_no_care_worker),
    "INS-17": case(_ghost_occupancy, "BED-03"),
    "INS-18": case(lambda world: world.institution_apart(division_code=OTHER_COUNTY)),
    "INS-19": case(lambda world: world.institution.update(building_area_m2=Decimal("2"))),
    "INS-20": case(lambda world: world.institution_apart(
        licensed_bed_count=9999)),
    "INS-21": case(_closed_owner),
    "BED-01": _twice("bed", bed_code="440802C9999990"),
    "BED-02": new("bed", bed_code="A-301-2"),
    "BED-03": case(lambda world: (world.bed.update(status="free"), world.free_bed.update(status="occupied"))),
    "BED-04": new("bed", status="closed"),
    "BED-05": new("bed", status="closed", closed_on=date(2015, 1, 1)),
    "BED-06": new("bed", name="1"),
    "BED-07": case(_bed_of_closed_institution),
    "RES-01": case(_bed_elsewhere),
    "RES-02": new("residency", admitted_on=date(2024, 7, 1)),
    "RES-03": case(_dead_resident),
    "RES-04": case(_two_stays),
    "RES-05": case(_shared_bed, "INS-17"),
    "RES-06": new("residency", admitted_on=FUTURE, discharged_on=None, discharge_reason=None),
    "RES-07": case(_died_but_on_file),
    "RES-08": case(lambda world: world.stay.update(ability_level="severe")),
    "RES-09": new("residency", monthly_fee_yuan=230_000),
    "RES-10": new("residency", admitted_on=date(2015, 5, 1)),
    "QUA-01": new("qualification", issued_on=AS_OF, expires_on=AS_OF - DAY),
    "QUA-02": new("qualification", issued_on=FUTURE),
    "QUA-03": new("qualification", number=None),
    "QUA-04": new("qualification", absent_reason="办理中"),
    "QUA-05": _twice("qualification", number="证重复"),
    "QUA-06": case(_expired),
    "FAC-01": new("facility", longitude_wgs84=113.26, latitude_wgs84=23.13),
    "FAC-02": new("facility", status="closed"),
    "FAC-03": new("facility", division_code=TOWN),
    "FAC-04": new("facility", capacity=0),
    "FAC-05": new("facility", status="closed", closed_on=date(2021, 1, 1)),
    "FAC-06": new("facility", opened_on=FUTURE),
    "FAC-07": _twice("facility", name="重名设施"),
    "FAC-08": new("facility", floor_area_m2=1),
    "FAC-09": case(_full_day_care),
    "DCE-01": new("day_care_enrolment", enrolled_on=date(2026, 4, 1)),
    "DCE-02": new("day_care_enrolment", enrolled_on=FUTURE, left_on=None),
    "DCE-03": case(lambda world: world.new(
        "day_care_enrolment", elder_id=_dead_recipient(world)["id"], left_on=None)),
    "DCE-04": case(lambda world: world.new(
        "day_care_enrolment", facility_id=world.new("facility", facility_type="canteen")["id"])),
    "DCE-05": new("day_care_enrolment", left_on=None),
    "FBD-01": new("family_bed", opened_on=date(2026, 10, 25), closed_on=date(2026, 10, 25)),
    "FBD-02": new("family_bed", status="closed", applied_on=date(2023, 1, 1), opened_on=date(2023, 6, 1),
                  closed_on=date(2023, 5, 1), close_reason="迁居"),
    "FBD-03": new("family_bed", status="closed", applied_on=date(2023, 7, 1), opened_on=date(2023, 6, 1),
                  closed_on=date(2023, 8, 1), close_reason="迁居"),
    "FBD-04": new("family_bed", status="open", opened_on=FUTURE, subsidy_yuan=0),
    "FBD-05": case(_dead_at_home, "BND-04"),
    "FBD-06": case(_bed_and_residency),
    "FBD-07": case(_two_family_beds),
    "FBD-08": case(lambda world: _at_home_of(world, world.new("elder"))),
    "FBD-09": case(_unwatched),
    "FBD-10": new("family_bed", subsidy_yuan=30_000),
    "FBD-11": new("family_bed", status="applied", applied_on=date(2026, 9, 1)),
    "FBD-12": case(_far_bed),
    "FBD-13": case(_bed_of_provider),
    "DEV-01": new("device", installed_on=FUTURE),
    "DEV-02": new("device", last_seen_at=at(date(2026, 10, 20))),
    "DEV-03": case(_retired_but_bound),
    "BND-01": new("device_binding", unbound_on=date(2025, 1, 19)),
    "BND-02": new("device_binding", bound_on=FUTURE, unbound_on=None),
    "BND-03": case(_device_of_two),
    "BND-04": case(lambda world: world.new("device_binding", elder_id=world.plain["id"])),
    "BND-05": case(_bound_to_closed_bed),
    "BND-06": case(_watching_the_dead),
    "ALM-01": new("alarm", raised_at=at(date(2026, 10, 5), 10, 30), acknowledged_at=at(date(2026, 10, 5), 10),
                  closed_at=at(date(2026, 10, 5), 11)),
    "ALM-02": new("alarm", closed_at=at(date(2026, 10, 4))),
    "ALM-03": new("alarm", raised_at=at(date(2026, 10, 5)), acknowledged_at=at(date(2026, 10, 5), 11),
                  closed_at=at(date(2026, 10, 5), 10)),
    "ALM-04": new("alarm", closed_at=None),
    "ALM-05": new("alarm", **_open_alarm(date(2026, 10, 20))),
    "ALM-06": case(_alarm_of_the_dead),
    "ALM-07": case(lambda world: world.new("alarm", elder_id=world.plain["id"])),
    "ALM-08": _twice("alarm", raised_at=at(date(2026, 10, 6)), acknowledged_at=at(date(2026, 10, 6), 10),
                     closed_at=at(date(2026, 10, 6), 11)),
    "SRV-01": _twice("service_order", order_number="G重复"),
    "SRV-02": new("service_order", requested_at=at(date(2026, 10, 1)), finished_at=at(date(2026, 10, 2), 20),
                  started_at=at(date(2026, 10, 2), 21)),
    "SRV-03": new("service_order", service_minutes=90),
    "SRV-04": case(lambda world: world.new(
        "service_order", started_at=at(date(2026, 10, 30)), finished_at=at(date(2026, 10, 30), 9, 2),
        service_minutes=2)),
    "SRV-05": new("service_order", self_paid_yuan=25),
    "SRV-06": case(lambda world: world.cancelled(amount_yuan=-5, self_paid_yuan=-5)),
    "SRV-07": case(_served_after_death),
    "SRV-08": case(_served_on_expired_entitlement),
    "SRV-09": case(_overlapping_visits),
    "SRV-10": case(lambda world: _without_photos(world, ("before", "after"))),
    "SRV-11": case(lambda world: _without_photos(world, ("after",))),
    "SRV-12": case(_served_resident),
    "SRV-13": _served_by(employed_on=date(2026, 10, 31)),
    "SRV-14": case(_served_by_other),
    "SRV-15": case(_provider_without_capacity),
    "SRV-16": case(_provider_gone),
    "SRV-17": new("service_order", settled_month="202610"),
    "SRV-18": new("service_order", settled_month="2026-09"),
    "SRV-19": new("service_order", requested_at=at(date(2026, 10, 30))),
    "SRV-20": new("service_order", doubt_status="doubtful", doubt_reason="GPS"),
    "SRV-21": case(_same_visit_twice),
    "SRV-22": new("service_order", amount_yuan=65, self_paid_yuan=25),
    "SRV-23": case(lambda world: world.cancelled(amount_yuan=40, subsidy_yuan=40)),
    "SRV-24": case(lambda world: world.new("service_order", elder_id=world.plain["id"])),
    "PHO-01": new("photo", is_stored=False),
    "PHO-02": new("photo", taken_at=at(date(2026, 9, 1))),
    "EVA-01": case(_second_evaluation),
    "EVA-02": new("evaluation", attitude_score=6),
    "EVA-03": new("evaluation", evaluated_at=at(date(2026, 10, 1), 1)),
    "EVA-04": case(lambda world: world.new("evaluation", order_id=world.cancelled_order["id"],
                                          evaluated_at=at(PERIOD_END))),
    "ENT-01": new("entitlement", valid_from=date(1990, 3, 1), valid_until=date(1990, 2, 1)),
    "ENT-02": new("entitlement", monthly_amount_yuan=0),
    "ENT-03": _twice("entitlement", valid_from=date(1980, 1, 1), valid_until=date(1980, 12, 31)),
    "ENT-04": case(_entitled_after_death),
    "VIT-01": new("vital_sign", kind="temperature", value_1=98),
    "VIT-02": new("vital_sign", kind="blood_pressure", value_1=80, value_2=120),
    "VIT-03": new("vital_sign", value_2=60),
    "VIT-04": _twice("vital_sign", measured_at=at(date(2026, 10, 20))),
    "VIT-05": case(_measured_after_death),
    "VIT-06": case(lambda world: world.new("vital_sign", device_id=world.caller["id"])),
    "STF-01": new("staff", id_number_status="bad_date"),
    "STF-02": new("staff", phone_status="invalid"),
    "STF-03": new("staff", left_on=date(2019, 1, 1)),
    "STF-04": new("staff", employed_on=FUTURE),
    "STF-05": new("staff", birth_month=date(1940, 1, 1)),
    "STF-06": new("staff", birth_month=date(1980, 6, 2)),
    "STF-07": case(_uncertified),
    "STF-08": case(_staff_of_closed),
    "STF-09": new("staff", birth_month=date(2006, 1, 1)),
    "CRT-01": new("certificate", issued_on=date(2026, 5, 1), expires_on=date(2026, 4, 1)),
    "CRT-02": new("certificate", issued_on=FUTURE),
    "CRT-03": case(_expired_certificate),
    "CRT-04": _twice("certificate", level="五级", issued_on=date(2026, 7, 1)),
    "DUE-01": new("due_register", due_until=date(2019, 1, 1)),
    "DUE-02": case(_odd_registry),
    "DUE-03": case(_absent),
    "DUE-04": case(_unregistered),
}  # fmt: skip

#: Cases of generic rules that need more than one changed column.
_GENERIC: dict[str, Case] = {
    "SRV-CODE-doubt_status": new("service_order", doubt_status="??", doubt_source="system", doubt_reason="GPS"),
    "SRV-CODE-doubt_source": new("service_order", doubt_status="doubtful", doubt_source="??", doubt_reason="GPS"),
    "SRV-REQ-doubt_reason": new("service_order", doubt_status="doubtful", doubt_source="system"),
    "BND-REF-elder": new("device_binding", elder_id=NOBODY, family_bed_id=None),
    "SRV-REF-elder": case(lambda world: world.cancelled(elder_id=NOBODY)),
    "SRV-REQ-started_at": case(lambda world: world.new("service_order").update(started_at=None)),
    "SRV-REF-provider": case(lambda world: world.cancelled(provider_id=NOBODY)),
    "ALM-CODE-status": new("alarm", **_open_alarm(PERIOD_END) | {"status": "??"}),
    "RES-REF-institution": case(lambda world: world.new("residency", institution_id=NOBODY), "RES-01"),
    "INS-REF-organization": new("institution", organization_id=NOBODY, operating_status="suspended"),
    "ORG-REQ-credit_code_status": _organization(credit_code=None, credit_code_status="missing"),
    "RES-REQ-ability_level": case(lambda world: world.stay.update(ability_level=None)),
    "RES-REQ-care_level": case(lambda world: world.stay.update(care_level=None)),
    "RES-REQ-monthly_fee_yuan": case(lambda world: world.stay.update(monthly_fee_yuan=None)),
    "FBD-REQ-subsidy_yuan": case(lambda world: world.family_bed.update(subsidy_yuan=None)),
    "FBD-REQ-close_reason": case(lambda world: world.closed_family_bed.update(close_reason=None)),
    "VIT-REQ-value_2": new("vital_sign", kind="blood_pressure", value_1=130),
}  # fmt: skip


def _generic(rule: Rule) -> Case:
    """A case made from the rule's kind; the subject's table and the column are in its id."""
    table, (_, kind, *rest) = rule.subject.table, rule.id.split("-")
    make = _makers(table)
    if kind == "KEY":
        return Case(lambda world: _same_key(world, table))
    if kind == "DIV":
        return make(division_code=NO_DIVISION)
    if kind == "CODE":
        return make(**{rest[0]: "??"})
    if kind == "REF":
        keys = {
            "elder": "elder_id", "assessor": "organization_id", "organization": "organization_id",
            "institution": "institution_id", "bed": "bed_id", "facility": "facility_id", "device": "device_id",
            "family_bed": "family_bed_id", "operator": "operator_id", "staff": "staff_id", "item": "item_id",
        }  # fmt: skip
        return make(**{keys[rest[0]]: NOBODY})
    assert kind == "REQ", rule.id
    return make(**{rest[0]: _unfilled(rest[0])})


def _makers(table: str) -> Callable[..., Case]:
    """How a further record of a table is made that belongs to nothing else."""
    if table == "institution":
        return lambda **changes: case(lambda world: world.institution_apart(**changes))
    if table == "organization":
        return _organization
    return lambda **changes: new(table, **changes)


CATALOGUE = catalogue_for(PERIOD_END)
CASES: dict[str, Case] = {
    rule.id: _SPECIFIC.get(rule.id) or _GENERIC.get(rule.id) or _generic(rule) for rule in CATALOGUE.rules
}
