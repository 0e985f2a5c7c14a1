"""The demo export in the operational database: reconciled, and right where the truth file knows what is right."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
import pytest
from openpyxl import load_workbook

from huiyang.database import Login, connect
from huiyang.field_crypto import get_field_crypto, row_context
from huiyang.settings import Settings
from migration.load import run_migration


@dataclass(frozen=True)
class Piece:
    """One piece of dirt, from the truth file."""

    table: str
    key: str
    field: str
    original: str
    survivor: str


@pytest.fixture(scope="module")
def truth(demo_installation: Settings) -> dict[str, list[Piece]]:
    pieces: dict[str, list[Piece]] = defaultdict(list)
    path = demo_installation.legacy_export_dir / "truth.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            piece = Piece(
                row["source_table"], row["source_key"], row["field"], row["original_value"], row["survivor_key"]
            )
            pieces[row["kind"]].append(piece)
    return pieces


@pytest.fixture
def database(demo_installation: Settings) -> Iterator[psycopg.Connection]:
    with connect(Login.LOADER, demo_installation, autocommit=True) as connection:
        yield connection


def ledger(database: psycopg.Connection, source: str) -> dict[str, tuple[str, int | None, list[str], list[str]]]:
    """Source key → outcome, target id, reasons, warnings of its first occurrence."""
    rows = database.execute(
        "select l.source_key, l.outcome, l.target_id, coalesce(l.reasons, '{}'), coalesce(l.warnings, '{}')"
        " from migration.current_ledger l join migration.source s using (source_id)"
        " where s.name = %s and l.target_no = 0 and l.occurrence = 1",
        [source],
    )
    return {key: tuple(rest) for key, *rest in rows}  # type: ignore[misc]


@pytest.fixture
def elders(database: psycopg.Connection) -> dict[str, tuple[str, int | None, list[str], list[str]]]:
    return ledger(database, "elders")


def values(
    database: psycopg.Connection, table: str, columns: str, ids: list[int | None]
) -> dict[int, tuple[object, ...]]:
    rows = database.execute(f"select id, {columns} from {table} where id = any(%s)", [ids])
    return {row[0]: row[1:] for row in rows}


def test_everything_adds_up(database: psycopg.Connection, demo_installation: Settings):
    """Counts from three sides: manifest, reader, ledger; and every value compared with what PostgreSQL stored."""
    manifest = json.loads((demo_installation.legacy_export_dir / "manifest.json").read_text())
    rows = database.execute(
        "select s.name, r.* from migration.reconciliation r join migration.source s using (source_id)"
    ).fetchall()
    assert len(rows) == 27
    counted = 0
    for name, _, _, in_manifest, read, loaded, merged, duplicate, quarantined, target, compared, wrong, *rest in rows:
        _, sealed_wrong, complete, _ = rest
        assert read == in_manifest == loaded + merged + duplicate + quarantined, name
        assert complete and not wrong and not sealed_wrong, name
        assert target >= loaded and compared >= loaded, name
        counted += read
    assert counted == sum(manifest["rows"].values())
    assert sum(row[12] for row in rows) > 30_000  # decrypted and compared


def test_report_says_the_same_without_personal_data(database: psycopg.Connection, demo_installation: Settings):
    folder = demo_installation.report_dir / "migration"
    text = (folder / "run_1.md").read_text()
    assert "全部数据表逐行对账一致" in text and "同一床位在此期间已有他人入住" in text
    book = load_workbook(folder / "run_1.xlsx", read_only=True)
    assert book.sheetnames == ["对账", "隔离原因", "备注"]
    assert book["对账"].max_row == 28
    names = [row[0] for row in database.execute("select name from elders.elder where name is not null limit 500")]
    assert not [name for name in names if name in text]


def test_a_second_run_of_the_same_export_does_nothing(database: psycopg.Connection, demo_installation: Settings):
    count = "select (select count(*) from migration.ledger), (select max(change_id) from changelog.elder)"
    with connect(Login.OWNER, demo_installation) as owner:
        before = owner.execute(count.replace("migration.ledger", "elders.elder")).fetchone()
        summary = run_migration(demo_installation, demo_installation.legacy_export_dir, None)
        assert summary.already_done and summary.sources == ()
        assert owner.execute(count.replace("migration.ledger", "elders.elder")).fetchone() == before


def test_another_migration_at_work(demo_installation: Settings):
    from huiyang.errors import HuiyangError

    with connect(Login.LOADER, demo_installation) as other:
        other.execute("select pg_advisory_lock(hashtext('huiyang migration'))")
        with pytest.raises(HuiyangError, match="Another migration"):
            run_migration(demo_installation, demo_installation.legacy_export_dir, None)


class TestIdNumbers:
    def found(
        self, database: psycopg.Connection, settings: Settings, elders: dict, pieces: list[Piece]
    ) -> list[tuple[str | None, str, str]]:
        """(stored number, status, true number) per piece."""
        rows = values(
            database, "elders.elder", "id_number_cipher, id_number_status", [elders[p.key][1] for p in pieces]
        )
        crypto = get_field_crypto(settings)
        result = []
        for piece in pieces:
            elder_id = elders[piece.key][1]
            assert elder_id is not None
            cipher, status = rows[elder_id]
            context = row_context("elders.elder", "id_number_cipher", elder_id)
            result.append((None if cipher is None else crypto.decrypt(cipher, context), status, piece.original))  # type: ignore[arg-type]
        return result

    def test_short_ones_are_completed_to_the_true_number(self, database, demo_installation, elders, truth):
        for number, status, original in self.found(database, demo_installation, elders, truth["id_number_short"]):
            assert (number, status) == (original.upper(), "valid")

    def test_wrong_check_characters_are_kept_and_marked(self, database, demo_installation, elders, truth):
        for number, status, original in self.found(database, demo_installation, elders, truth["id_number_checksum"]):
            assert status == "bad_checksum" and number != original.upper() and len(number) == 18

    def test_missing(self, database, demo_installation, elders, truth):
        found = self.found(database, demo_installation, elders, truth["id_number_missing"])
        assert {(number, status) for number, status, _ in found} == {(None, "missing")}


def test_birth_dates_that_contradict_a_valid_id_number_yield_to_it(database, elders, truth):
    pieces = truth["birth_date_contradicts_id"]
    rows = values(database, "elders.elder", "birth_date, birth_month", [elders[p.key][1] for p in pieces])
    for piece in pieces:
        true = date.fromisoformat(piece.original)
        assert rows[elders[piece.key][1]] == (true, true.replace(day=1))
        assert "id_birth_date_mismatch:SFZH" in elders[piece.key][3]


def test_impossible_birth_dates_come_from_the_id_number(database, elders, truth):
    pieces = truth["birth_date_impossible"]
    rows = values(database, "elders.elder", "birth_date, id_number_status", [elders[p.key][1] for p in pieces])
    for piece in pieces:
        birth, status = rows[elders[piece.key][1]]
        assert (birth == date.fromisoformat(piece.original)) if status == "valid" else birth is None
        assert {"bad_date:CSRQ", "date_out_of_range:CSRQ"} & set(elders[piece.key][3])


@pytest.mark.parametrize("kind", ["division_code_missing", "division_code_stale"])
def test_divisions_are_found_by_their_path(database, elders, truth, kind):
    rows = values(database, "elders.elder", "division_code", [elders[p.key][1] for p in truth[kind]])
    assert truth[kind] and all(rows[elders[p.key][1]] == (p.original,) for p in truth[kind])


def test_unknown_villages_become_their_town(database, elders, truth):
    pieces = truth["division_village_unknown"]
    rows = values(database, "elders.elder", "division_code", [elders[p.key][1] for p in pieces])
    assert pieces and all(rows[elders[p.key][1]] == (p.original[:9] + "000",) for p in pieces)


def test_mangled_names_and_addresses_are_read_again(database, demo_installation, elders, truth):
    pieces = truth["text_mojibake"]
    rows = values(database, "elders.elder", "name, address_cipher, name_pinyin", [elders[p.key][1] for p in pieces])
    crypto = get_field_crypto(demo_installation)
    for piece in pieces:
        elder_id = elders[piece.key][1]
        name, address, pinyin = rows[elder_id]
        if piece.field == "XM":
            assert name == piece.original and pinyin.isascii()
        else:
            assert crypto.decrypt(address, row_context("elders.elder", "address_cipher", elder_id)) == piece.original


def test_swapped_positions_are_put_right(database, elders, truth):
    from huiyang.geodesy import distance_metres, gcj02_to_wgs84

    pieces = truth["position_swapped"]
    rows = values(database, "elders.elder", "longitude_wgs84, latitude_wgs84", [elders[p.key][1] for p in pieces])
    for piece in pieces:
        true = gcj02_to_wgs84(*map(float, piece.original.split(",")))
        assert float(distance_metres(*rows[elders[piece.key][1]], *true)) < 1


def test_malformed_phones_are_kept_and_marked(database, elders, truth):
    pieces = truth["phone_malformed"]
    rows = values(
        database, "elders.elder", "phone_status, phone_cipher is not null", [elders[p.key][1] for p in pieces]
    )
    assert {rows[elders[p.key][1]] for p in pieces} == {("invalid", True)}


def test_duplicates_are_linked_and_nobody_else(database, elders, truth):
    """Recall and precision of the links; every source row's own record stays."""
    true = {frozenset((p.key, p.survivor)) for p in truth["elder_duplicate"]}
    key_of = {target: key for key, (_, target, _, _) in elders.items() if target is not None}
    links = {
        frozenset((key_of[survivor], key_of[merged]))
        for survivor, merged in database.execute("select survivor_id, merged_id from elders.elder_merge")
    }
    assert len(links & true) / len(links) >= 0.999
    assert len(links & true) / len(true) >= 0.98
    assert sum(outcome == "merged" for outcome, *_ in elders.values()) == len(links)


def test_deleted_rows_are_counted_and_not_loaded(database, elders):
    deleted = [key for key, (outcome, _, reasons, _) in elders.items() if "deleted_in_source" in reasons]
    assert deleted and all(elders[key][0] == "quarantined" for key in deleted)
    assert database.execute("select count(*) from elders.elder where name like '测试%'").fetchone() == (0,)


@pytest.mark.parametrize(
    ("kind", "source", "reason"),
    [
        ("guardian_orphan", "guardians", "orphan:LAOREN_ID"),
        ("order_elder_unknown", "orders", "orphan:LRBH"),
        ("bed_double_occupancy", "residencies", "bed_occupied"),
    ],
)
def test_facts_that_cannot_be_are_quarantined(database, truth, kind, source, reason):
    found = ledger(database, source)
    marked = {key for key, (outcome, _, reasons, _) in found.items() if reason in reasons and outcome == "quarantined"}
    true = {piece.key for piece in truth[kind]}
    # Of two stays in one bed the later one is quarantined, whichever of the two the dirt moved.
    assert marked == true if kind != "bed_double_occupancy" else len(marked) >= len(true) * 0.9


def test_no_bed_and_no_elder_is_taken_twice(database):
    overlaps = database.execute(
        "select count(*) from institutions.residency a"
        " join institutions.residency b on b.id > a.id and a.bed_id = b.bed_id"
        " and daterange(a.admitted_on, a.discharged_on) && daterange(b.admitted_on, b.discharged_on)"
    ).fetchone()
    assert overlaps == (0,)


def test_orders_with_unusable_times_or_workers_are_loaded_and_marked(database, truth):
    orders = ledger(database, "orders")
    turned, strangers = truth["order_end_before_start"], truth["order_worker_unknown"]
    rows = values(
        database,
        "home_service.service_order",
        "started_at, finished_at, staff_id, status",
        [orders[p.key][1] for p in turned + strangers],
    )
    for piece in turned:
        assert rows[orders[piece.key][1]][:2] == (None, None)
        assert "end_before_start:JSSJ" in orders[piece.key][3]
    for piece in strangers:
        assert rows[orders[piece.key][1]][2] is None
        assert "orphan:RYBH" in orders[piece.key][3]


def test_repeated_orders_are_duplicates(database, truth):
    repeated = database.execute(
        "select l.source_key from migration.ledger l join migration.source s using (source_id)"
        " where s.name = 'orders' and l.outcome = 'duplicate'"
    ).fetchall()
    assert sorted(key for (key,) in repeated) == sorted(piece.key for piece in truth["order_repeated"])


def test_vital_signs_in_another_unit_are_converted(database, truth):
    vitals = ledger(database, "vital_signs")
    pieces = truth["vital_wrong_unit"]
    rows = values(database, "health.vital_sign", "kind, value_1", [vitals[p.key][1] for p in pieces])
    right = 0
    for piece in pieces:
        written, unit = piece.original.rsplit(" ", 1)
        first = float(written.split("/")[0])
        stored = {"kPa": first * 7.50062, "mg/dL": first / 18, "℉": (first - 32) / 1.8}.get(unit, first)
        row = rows.get(vitals[piece.key][1] or -1)
        right += row is not None and abs(float(row[1]) - stored) <= max(1.0 if row[0] == "blood_pressure" else 0.11, 0)
    assert right / len(pieces) >= 0.97


def test_impossible_vital_signs_are_quarantined(database, truth):
    vitals = ledger(database, "vital_signs")
    pieces = truth["vital_out_of_range"]
    assert sum(vitals[p.key][0] == "quarantined" for p in pieces) / len(pieces) >= 0.95


def test_quarantine_is_encrypted_explained_and_readable_with_the_key(database, demo_installation):
    row = database.execute(
        "select q.quarantine_id, q.payload, q.reason_text, q.source_key from migration.quarantine q"
        " join migration.source s using (source_id) where s.name = 'orders' order by 1 limit 1"
    ).fetchone()
    assert row is not None
    quarantine_id, payload, text, key = row
    original = json.loads(
        get_field_crypto(demo_installation).decrypt(
            payload, row_context("migration.quarantine", "payload", quarantine_id)
        )
    )
    assert original["DDBH"] == key and original["LRXM"].encode() not in payload
    assert text == "“老人”指向的记录在导出中不存在"


def test_photos_are_stored_under_their_hash(database, demo_installation: Settings):
    import hashlib

    stored = database.execute(
        "select distinct sha256, perceptual_hash from home_service.photo where is_stored"
    ).fetchall()
    folder = demo_installation.legacy_export_dir / "zhaopian"
    in_files = {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.jpg")}
    assert {sha256 for sha256, _ in stored} <= in_files
    assert len(stored) >= 0.95 * len(in_files)  # the others' orders are quarantined
    for sha256, fingerprint in stored[:20]:
        path = demo_installation.upload_dir / sha256[:2] / f"{sha256}.jpg"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256 and fingerprint is not None
    assert not list(Path(demo_installation.upload_dir).rglob("*.[0-9]*"))  # nothing half written


def test_reused_photos_are_found_by_their_hash(database, truth):
    photos = ledger(database, "photos")
    pairs = [
        (photos[p.key][1], photos[p.survivor][1])
        for p in truth["photo_reused"]
        if photos[p.key][1] and photos[p.survivor][1]
    ]
    rows = values(database, "home_service.photo", "sha256", [i for pair in pairs for i in pair])
    assert pairs and all(rows[a] == rows[b] for a, b in pairs)


def test_who_is_cared_for_by_whom(database):
    """Every resident, family bed and recipient opens the elder to the organization that serves."""
    missing = database.execute(
        "select count(*) from institutions.residency r join institutions.institution i on i.id = r.institution_id"
        " where r.discharged_on is null and not exists ("
        "select 1 from elders.care_relation c where c.elder_id = r.elder_id"
        " and c.organization_id = i.organization_id and c.kind = 'residency' and c.ended_on is null)"
    ).fetchone()
    kinds = dict(database.execute("select kind, count(*) from elders.care_relation group by 1").fetchall())
    assert missing == (0,)
    assert set(kinds) == {"residency", "family_bed", "home_service"}


def test_the_living_on_file_are_the_census_s(database, demo_installation: Settings):
    """Duplicates taken out, exactly the number of persons that the export's maker put in."""
    manifest = json.loads((demo_installation.legacy_export_dir / "manifest.json").read_text())
    found = database.execute(
        "select count(*) from elders.elder e where status = 'active'"
        " and not exists (select 1 from elders.elder_merge m where m.merged_id = e.id and m.reverted_at is null)"
    ).fetchone()
    assert found is not None
    assert abs(found[0] - manifest["counts"]["elders"]) <= 0.02 * manifest["dirt"]["elder_duplicate"] + 1


def test_one_economic_status_ends_before_the_next_begins(database: psycopg.Connection):
    """The source's end is exclusive, `valid_until` is the last day that holds: no day belongs to two."""
    spans, overlapping = database.execute(
        "select count(*) filter (where next_from is not null),"
        " count(*) filter (where valid_until >= next_from) from ("
        "select valid_until, lead(valid_from) over (partition by elder_id order by valid_from, id) as next_from"
        " from elders.economic_status) as spans"
    ).fetchone()  # type: ignore[misc]
    assert spans > 100
    assert overlapping == 0


# --- subsidies ---

#: Each subsidised service that took place beside the elder that counts; `held`: an entitlement holds on its day.
_SUBSIDISED = """
with person as (
    select e.id, coalesce(m.survivor_id, e.id) as person_id
    from elders.elder e left join elders.elder_merge m on m.merged_id = e.id and m.reverted_at is null
), granted as (
    select p.person_id, t.valid_from, t.valid_until from home_service.entitlement t join person p on p.id = t.elder_id
)
select o.id, p.person_id, exists (
    select 1 from granted g where g.person_id = p.person_id
    and (o.started_at at time zone 'Asia/Shanghai')::date between g.valid_from and coalesce(g.valid_until, 'infinity')
) as held
from home_service.service_order o join person p on p.id = o.elder_id
where o.subsidy_yuan > 0 and o.started_at is not null
"""


def person_of(database: psycopg.Connection, ids: set[int | None]) -> set[int]:
    """The elders' records that count, merged ones resolved."""
    rows = database.execute(
        "select coalesce(m.survivor_id, e.id) from elders.elder e"
        " left join elders.elder_merge m on m.merged_id = e.id and m.reverted_at is null where e.id = any(%s)",
        [list(ids)],
    )
    return {row[0] for row in rows}


def test_an_honest_subsidised_service_has_its_entitlement(database, elders, truth):
    entitlements, orders = ledger(database, "entitlements"), ledger(database, "orders")
    expired = values(
        database, "home_service.entitlement", "elder_id", [entitlements[p.key][1] for p in truth["entitlement_expired"]]
    )
    lacking = person_of(database, {elders[p.key][1] for p in truth["entitlement_missing"]})
    ended = person_of(database, {row[0] for row in expired.values()})
    late = {orders[p.key][1] for p in truth["order_after_death"]}
    # A duplicate that nobody could link has no entitlement of its own.
    unlinked = person_of(database, {elders[p.key][1] for p in truth["elder_duplicate"] if elders[p.key][0] != "merged"})
    served = database.execute(_SUBSIDISED).fetchall()
    without = {person for order, person, held in served if not held and order not in late} - unlinked
    assert len(served) > 3_000
    assert without == lacking | ended


def test_entitlements_end_where_the_source_says(database, truth):
    entitlements = ledger(database, "entitlements")
    rows = values(
        database,
        "home_service.entitlement",
        "valid_until, category, monthly_amount_yuan",
        [entitlements[p.key][1] for p in truth["entitlement_expired"]],
    )
    for piece in truth["entitlement_expired"]:
        valid_until, category, amount = rows[entitlements[piece.key][1]]
        assert valid_until is not None and valid_until.isoformat() < (piece.original or "9999")
        assert category in {"特困", "低保", "低保边缘", "优抚", "80周岁及以上", "家庭养老床位"} and amount > 0


def test_an_entitlement_of_nobody_is_quarantined(database, truth):
    found = ledger(database, "entitlements")
    marked = {key for key, (outcome, _, reasons, _) in found.items() if reasons == ["orphan:LRBH"]}
    assert marked == {piece.key for piece in truth["entitlement_elder_unknown"]}
    assert sum(outcome == "quarantined" for outcome, *_ in found.values()) == len(marked)


def test_one_person_has_two_entitlements_at_once_only_where_the_source_granted_two(database, elders, truth):
    overlapping = database.execute(
        "with person as (select e.id, coalesce(m.survivor_id, e.id) as person_id from elders.elder e"
        " left join elders.elder_merge m on m.merged_id = e.id and m.reverted_at is null)"
        " select distinct pa.person_id from home_service.entitlement a join person pa on pa.id = a.elder_id"
        " join person pb on pb.person_id = pa.person_id join home_service.entitlement b"
        " on b.elder_id = pb.id and b.id > a.id"
        " and daterange(a.valid_from, a.valid_until, '[]') && daterange(b.valid_from, b.valid_until, '[]')"
    ).fetchall()
    merged = {p.survivor for p in truth["elder_duplicate"] if elders[p.key][0] == "merged"}
    doubled = {elders[p.original][1] for p in truth["entitlement_double"] if p.original in merged}
    assert {row[0] for row in overlapping} == person_of(database, doubled) != set()


# --- the bureau's registers ---


def due(database: psycopg.Connection, register: str) -> set[str]:
    """Keys of a register."""
    rows = database.execute("select register_key from reference.due_register where register_name = %s", [register])
    return {row[0] for row in rows}


def test_institutions_of_register_and_platform(database, truth):
    register, due_codes = ledger(database, "due_institutions"), due(database, "养老机构备案名册")
    for piece in truth["register_code_wrong"]:
        outcome, _, reasons, _ = register[piece.key]
        assert (outcome, reasons) == ("quarantined", ["credit_code_invalid:统一社会信用代码"])
    houses = database.execute(
        "select o.credit_code from institutions.institution i join organizations.organization o"
        " on o.id = i.organization_id"
    )
    here = {row[0] for row in houses}
    absent = {piece.original for piece in truth["register_institution_absent"]}
    outside = {piece.original for kind in ("institution_unregistered", "register_code_wrong") for piece in truth[kind]}
    assert absent and outside
    assert due_codes - here == absent
    assert here - due_codes == outside


def test_beds_of_register_and_platform(database, truth):
    beds = database.execute(
        "select o.credit_code || '/' || g.name || '/' || r.name || '/' || b.name from institutions.bed b"
        " join institutions.room r on r.id = b.room_id join institutions.building g on g.id = r.building_id"
        " join institutions.institution i on i.id = b.institution_id"
        " join organizations.organization o on o.id = i.organization_id"
    )
    here, due_beds = {row[0] for row in beds}, due(database, "养老机构床位登记册")
    assert due_beds - here == {piece.key.replace("|", "/") for piece in truth["register_bed_absent"]} != set()
    unregistered = {piece.original for piece in truth["institution_unregistered"]}
    assert {key.split("/")[0] for key in here - due_beds} == unregistered


def test_facilities_of_register_and_platform(database, truth):
    here = {row[0] for row in database.execute("select name from facilities.facility")}
    absent = {piece.original for piece in truth["register_facility_absent"]}
    assert due(database, "社区养老服务设施名册") - here == absent != set()


def test_register_entries_belong_to_a_county_and_to_a_time(database):
    rows = database.execute(
        "select count(*), count(*) filter (where d.level = 'county'), min(due_from), max(due_from)"
        " from reference.due_register r join reference.division d using (division_code)"
    ).fetchone()
    assert rows is not None
    total, of_counties, first, last = rows
    assert total == of_counties > 3_000
    assert first.year < 2010 and last < date(2026, 11, 1)


@pytest.mark.feature(28, 29, 30)
def test_everything_in_use_has_a_code_and_its_old_number_finds_it(database: psycopg.Connection) -> None:
    without = database.execute(
        "select (select count(*) from elders.elder as elder where status = 'active' and elder_code is null"
        " and not exists (select 1 from elders.elder_merge as merge where merge.merged_id = elder.id)),"
        " (select count(*) from institutions.bed where status <> 'closed' and bed_code is null),"
        " (select count(*) from organizations.organization where status <> 'closed' and organization_code is null)"
    ).fetchone()
    assert without == (0, 0, 0)
    for source, kind, column in (
        ("elders", "elder", "elder_id"), ("beds", "bed", "bed_id"), ("institutions", "institution", "organization_id"),
    ):  # fmt: skip
        loaded = {key for key, (outcome, *_) in ledger(database, source).items() if outcome == "loaded"}
        known = database.execute(
            f"select legacy_code, {column} from codes.legacy_code where kind = %s", [kind]
        ).fetchall()
        assert loaded and loaded <= {number for number, key in known if key is not None}
