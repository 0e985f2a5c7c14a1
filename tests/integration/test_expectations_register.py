"""The demo's quality results against its truth: the registers in both directions, entitlements and services."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from expectations.rule import Theme
from huiyang.database import Login, connect
from huiyang.settings import Settings


@dataclass(frozen=True)
class Judged:
    """The demo's newest gate run.

    Attributes:
        truth: kind of dirt → source keys.
        due, present: by theme, entries of registers and those on file; None without a register.
        violations: rule → keys of the records in the app.
    """

    truth: dict[str, set[str]]
    due: dict[str, int | None]
    present: dict[str, int | None]
    violations: dict[str, set[int]]


@pytest.fixture(scope="module")
def app(released_installation: Settings) -> Iterator[psycopg.Connection]:
    with connect(Login.LOADER, released_installation, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def judged(released_installation: Settings) -> Judged:
    truth: dict[str, set[str]] = {}
    path = released_installation.legacy_export_dir / "truth.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            truth.setdefault(row["kind"], set()).add(row["source_key"])
    with connect(Login.BUILD, released_installation, autocommit=True) as connection:
        run = connection.execute("select max(gate_run_id) from quality.gate_run where period = '2026-10'").fetchone()
        themes = connection.execute(
            "select theme, sum(record_due_count)::int, sum(record_present_count)::int from quality.theme_result"
            " where gate_run_id = %s group by theme",
            run,
        ).fetchall()
        violations: dict[str, set[int]] = {}
        for rule_id, record_id in connection.execute(
            "select rule_id, record_id from quality.violation where gate_run_id = %s", run
        ):
            violations.setdefault(rule_id, set()).add(record_id)
    return Judged(
        truth, {theme: due for theme, due, _ in themes}, {theme: there for theme, _, there in themes}, violations
    )


def source_keys(app: psycopg.Connection, source: str, ids: set[int]) -> set[str]:
    """The old platform's or the register's keys of records."""
    rows = app.execute(
        "select l.source_key from migration.current_ledger l join migration.source s using (source_id)"
        " where s.name = %s and l.target_no = 0 and l.target_id = any(%s)",
        [source, list(ids)],
    )
    return {row[0] for row in rows}


def test_what_is_due_and_what_is_there(app: psycopg.Connection, judged: Judged):
    """Counted again in the app: entries due on the period's last day, less those that the truth says are absent."""
    due = Counter(
        dict(
            app.execute(
                "select theme, count(*) from reference.due_register where due_from <= '2026-10-31'"
                " and coalesce(due_until, 'infinity') >= '2026-10-31' group by theme"
            ).fetchall()
        )
    )
    absent = {
        Theme.INSTITUTION: len(judged.truth["register_institution_absent"]) + len(judged.truth["register_bed_absent"]),
        Theme.FACILITY: len(judged.truth["register_facility_absent"]),
    }
    assert due[Theme.INSTITUTION] > 2_900 and due[Theme.FACILITY] > 250
    assert {theme: judged.due[theme] for theme in absent} == due
    assert {theme: judged.due[theme] - judged.present[theme] for theme in absent} == absent  # type: ignore[operator]
    assert {judged.due[theme] for theme in Theme if theme not in absent} == {None}


def test_entries_without_a_record_are_those_that_the_truth_names(app: psycopg.Connection, judged: Judged):
    missing = judged.violations["DUE-03"]
    assert source_keys(app, "due_institutions", missing) == judged.truth["register_institution_absent"]
    assert source_keys(app, "due_beds", missing) == judged.truth["register_bed_absent"]
    assert source_keys(app, "due_facilities", missing) == judged.truth["register_facility_absent"]


def test_institutions_that_the_register_lacks(app: psycopg.Connection, judged: Judged):
    """One without registration, and one whose code the bureau mistyped: its entry is quarantined, it stands alone."""
    codes = app.execute(
        "select o.credit_code from institutions.institution i join organizations.organization o"
        " on o.id = i.organization_id where i.id = any(%s)",
        [list(judged.violations["DUE-04"])],
    )
    due = {row[0] for row in app.execute("select register_key from reference.due_register")}
    assert {row[0] for row in codes}.isdisjoint(due)
    kinds = ("institution_unregistered", "register_code_wrong")
    assert len(judged.violations["DUE-04"]) == sum(len(judged.truth[kind]) for kind in kinds) > 0


def test_subsidised_services_break_the_rules_only_where_the_truth_says(app: psycopg.Connection, judged: Judged):
    """SRV-08: the entitlement had run out. SRV-24: there is none. Honest services break neither."""
    late = judged.violations.get("SRV-08", set())
    expired = app.execute(
        "select elder_id from home_service.entitlement where id in (select l.target_id from migration.current_ledger l"
        " join migration.source s using (source_id) where s.name = 'entitlements' and l.source_key = any(%s))",
        [list(judged.truth["entitlement_expired"])],
    )
    elders = {row[0] for row in expired}
    served = app.execute(
        "select id, elder_id from home_service.service_order where id = any(%s)",
        [list(late | judged.violations.get("SRV-24", set()))],
    )
    elder_of = dict(served.fetchall())
    orders = source_keys(app, "orders", late)
    assert late and {elder_of[order] for order in late} <= elders and not orders & judged.truth["order_after_death"]
    without = source_keys(app, "elders", {elder_of[order] for order in judged.violations.get("SRV-24", set())})
    assert without <= judged.truth["entitlement_missing"] | judged.truth["elder_duplicate"]
    rows = app.execute("select count(*) from home_service.service_order where subsidy_yuan > 0").fetchone()
    assert rows is not None and rows[0] > 3_000


def test_whoever_was_granted_twice_is_found_after_the_merge(app: psycopg.Connection, judged: Judged):
    assert source_keys(app, "entitlements", judged.violations["ENT-03"]) == judged.truth["entitlement_double"]
