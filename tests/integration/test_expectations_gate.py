"""The gate on a real warehouse: clean records pass, and every rule finds its deliberately failing case and no other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import psycopg
import pytest

from expectations import gate, store
from expectations.catalogue import SUBJECTS, Catalogue
from expectations.gate import run_gate
from expectations.results import GateResult
from expectations.rule import Dimension, Rule, Severity, Subject, Theme
from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.settings import Settings
from tests.integration.expectations_cases import _GENERIC, _SPECIFIC, CASES, CATALOGUE
from tests.integration.expectations_factory import (
    AS_OF,
    KEYS,
    OTHER_COUNTY,
    PERIOD,
    PERIOD_END,
    World,
    create_record_tables,
    fill,
)

pytestmark = pytest.mark.any_postgres

RULES = sorted(CASES)
_THEME_OF = {subject.table: subject.theme for subject in SUBJECTS if subject.counts}


@dataclass(frozen=True)
class Judged:
    """Worlds and what the gate made of them.

    Attributes:
        broken: world number → (rule, record table, key) of its violations.
    """

    result: GateResult
    worlds: list[World]
    broken: dict[int, set[tuple[str, str, int]]]

    def rules_broken(self, number: int) -> set[str]:
        return {rule_id for rule_id, _, _ in self.broken[number]}


Judge = Callable[..., Judged]


@pytest.fixture(scope="module")
def judge(bare_server: Settings) -> Judge:
    """Fills a schema with worlds and runs the gate on it."""

    def run(schema: str, worlds: list[World], *, change: str | None = None) -> Judged:
        with connect(Login.BUILD, bare_server, autocommit=True) as connection:
            create_record_tables(connection, schema)
            fill(connection, schema, worlds)
            if change:
                connection.execute(change)  # type: ignore[arg-type]
        result = run_gate(bare_server, PERIOD, PERIOD_END, schema, as_of=AS_OF)
        broken: dict[int, set[tuple[str, str, int]]] = defaultdict(set)
        for found in store.read_violations(bare_server, result.gate_run_id):
            broken[found.record_id // KEYS - 1].add((found.rule_id, found.record_table, found.record_id))
        return Judged(result, worlds, broken)

    return run


@pytest.fixture(scope="module")
def spoiled(judge: Judge) -> Judged:
    """A world for each rule, spoiled for it, and one left clean at the end, all in one run."""
    worlds = [World(number) for number in range(len(RULES) + 1)]
    for world, rule_id in zip(worlds, RULES, strict=False):
        CASES[rule_id].spoil(world)
    return judge("gate_spoiled", worlds)


@pytest.fixture(scope="module")
def clean(judge: Judge) -> Judged:
    return judge("gate_clean", [World(number) for number in range(3)])


def test_no_case_is_for_a_rule_that_does_not_exist() -> None:
    assert set(_SPECIFIC) | set(_GENERIC) <= set(CASES) == {rule.id for rule in CATALOGUE.rules}


@pytest.mark.parametrize("rule_id", RULES)
def test_each_rule_finds_its_failing_case_and_no_other_rule_does(spoiled: Judged, rule_id: str) -> None:
    number = RULES.index(rule_id)
    assert spoiled.rules_broken(number) == {rule_id} | CASES[rule_id].also
    assert (rule_id, CATALOGUE[rule_id].subject.table) in {found[:2] for found in spoiled.broken[number]}


def test_a_clean_world_among_spoiled_ones_breaks_nothing(spoiled: Judged) -> None:
    assert spoiled.broken[len(RULES)] == set()


def test_clean_records_are_publishable_and_accepted(clean: Judged) -> None:
    result = clean.result
    assert [r.rule_id for r in result.rule_results if not r.holds] == []
    assert result.publishable and result.accepted_by_figures
    assert result.verdict.against_publishing == result.verdict.against_acceptance == ()
    assert result.totals.completeness_numerator == result.totals.completeness_denominator > 0
    assert result.totals.error_record_count == 0 < result.totals.record_count


def test_critical_violations_forbid_publishing_and_errors_acceptance(spoiled: Judged) -> None:
    assert not spoiled.result.publishable
    assert not spoiled.result.accepted_by_figures


def test_every_county_is_in_every_theme(clean: Judged) -> None:
    cells = Counter(row["theme"] for row in clean.result.theme_results)
    assert cells == {theme.value: 9 for theme in Theme}
    elsewhere = [row for row in clean.result.theme_results if row["county_code"] != "440802000000"]
    assert all(row["record_count"] == 0 for row in elsewhere)


def test_counts_of_themes_are_those_of_the_records(spoiled: Judged) -> None:
    """Counted again in Python, from the worlds' rows and the keys of the violations."""
    records: Counter[tuple[str, str]] = Counter()
    for world in spoiled.worlds:
        for table, theme in _THEME_OF.items():
            for row in world.rows[table]:
                records[theme, row["county_code"]] += 1
    county_of = {
        (table, row["id"]): row["county_code"]
        for world in spoiled.worlds
        for table in _THEME_OF
        for row in world.rows[table]
    }
    in_error = {
        (table, key)
        for found in spoiled.broken.values()
        for rule_id, table, key in found
        if CATALOGUE[rule_id].severity is not Severity.WARNING and table in _THEME_OF
    }
    errors = Counter((_THEME_OF[table], county_of[table, key]) for table, key in in_error)
    missing: Counter[str] = Counter()
    for found in spoiled.broken.values():
        missing.update(_THEME_OF[table] for rule_id, table, _ in found if "-REQ-" in rule_id)
    shown = {(row["theme"], row["county_code"]): row for row in spoiled.result.theme_results}
    assert {key: row["record_count"] for key, row in shown.items() if row["record_count"]} == records
    assert {key: row["error_record_count"] for key, row in shown.items() if row["error_record_count"]} == errors
    for theme in Theme:
        rows = [row for row in spoiled.result.theme_results if row["theme"] == theme]
        assert sum(row["field_due_count"] - row["field_filled_count"] for row in rows) == missing[theme]


def test_record_completeness_comes_from_the_register(spoiled: Judged) -> None:
    """Each world has one entry that is present; one has one that is absent, one has one that cannot be verified."""
    rows = [row for row in spoiled.result.theme_results if row["record_due_count"] is not None]
    absent = {(row["theme"], (row["record_due_count"] or 0) - (row["record_present_count"] or 0)) for row in rows}
    assert {key for key in absent if key[1]} == {("养老机构", 1), ("健康", 1)}


def test_the_register_is_asked_about_the_period_s_end_and_the_own_county(judge: Judge) -> None:
    revoked, by_code, elsewhere, moved_bed = (World(number) for number in range(4))
    revoked.institution_apart()
    revoked.rows["due_register"][-1]["due_until"] = date(2026, 10, 30)
    institution = by_code.institution_apart()
    entry = by_code.rows["due_register"][-1]
    [owner] = [row for row in by_code.rows["organization"] if row["id"] == institution["organization_id"]]
    entry["register_key"] = owner["organization_code"]
    # No register has come from that county: whether its institutions are registered is not known.
    elsewhere.institution_apart(division_code=OTHER_COUNTY)
    elsewhere.rows["due_register"].pop()
    moved_bed.bed["name"] = "99"
    judged = judge("gate_register", [revoked, by_code, elsewhere, moved_bed])
    assert [judged.rules_broken(number) for number in range(4)] == [{"DUE-04"}, set(), {"INS-18"}, {"DUE-03"}]


def test_without_a_register_completeness_cannot_be_shown(judge: Judge) -> None:
    result = judge("gate_no_register", [World(0)], change="delete from gate_no_register.int_due_register").result
    assert result.totals.record_due_count is None
    assert result.missing_registers == (Theme.INSTITUTION,)
    assert result.publishable and not result.accepted_by_figures


def test_a_missing_column_is_a_critical_failure(judge: Judge) -> None:
    judged = judge("gate_no_column", [World(0)], change="alter table gate_no_column.int_elder drop column died_on")
    problems = {r.rule_id: r for r in judged.result.rule_results if r.problem}
    assert {"ELD-08", "SRV-07", "VIT-05"} <= set(problems)
    assert all("died_on" in str(r.problem) and r.severity is Severity.CRITICAL for r in problems.values())
    assert problems["ELD-08"].violation_count == len(judged.worlds[0].rows["elder"])
    assert not judged.result.publishable and not judged.result.accepted_by_figures
    assert any("未能执行" in reason and "died_on" in reason for reason in judged.result.verdict.against_publishing)
    others = [r for r in judged.result.rule_results if not r.problem]
    assert len(others) == len(CATALOGUE.rules) - len(problems) and all(r.holds for r in others)
    assert sum(r.checked_count > 0 for r in others) > 250


def test_a_missing_table_is_a_critical_failure(judge: Judge) -> None:
    result = judge("gate_no_table", [World(0)], change="drop table gate_no_table.int_vital_sign").result
    problems = {r.rule_id for r in result.rule_results if r.problem}
    assert problems == {r.id for r in CATALOGUE.rules if r.subject.table == "vital_sign"}
    assert not result.publishable


def _with_rules(monkeypatch: pytest.MonkeyPatch, *rules: Rule) -> None:
    catalogue = Catalogue(rules, CATALOGUE.required_fields)
    monkeypatch.setattr(gate, "catalogue_for", lambda period_end: catalogue)


def _rule(rule_id: str, violated: str) -> Rule:
    subject: Subject = next(subject for subject in SUBJECTS if subject.table == "elder")
    return Rule(rule_id, subject, Dimension.ACCURACY, Severity.WARNING, "题", "义", violated, "改")


def test_a_rule_that_breaks_off_does_not_hide_the_others(
    clean: Judged, bare_server: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_rules(monkeypatch, _rule("A", "1 / (id - id) > 0"), _rule("B", "sex = 'female'"))
    result = run_gate(bare_server, PERIOD, PERIOD_END, "gate_clean", as_of=AS_OF)
    broken, other = result.rule_results
    assert "division by zero" in str(broken.problem) and broken.severity is Severity.CRITICAL
    assert other.problem is None and other.violation_count == 9
    assert not result.publishable


def test_keys_that_are_not_what_was_counted_stop_the_gate(
    clean: Judged, bare_server: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_rules(monkeypatch, _rule("A", "nextval('quality.gate_run_gate_run_id_seq') % 2 = 0"))
    with pytest.raises(HuiyangError, match="not those counted"):
        run_gate(bare_server, PERIOD, PERIOD_END, "gate_clean", as_of=AS_OF)


def test_a_violation_keeps_the_day_on_which_it_was_first_seen(spoiled: Judged, bare_server: Settings) -> None:
    def first_seen(run: GateResult) -> set[date]:
        return {found.first_seen_on for found in store.read_violations(bare_server, run.gate_run_id, "ELD-01")}

    later = run_gate(bare_server, "2026-11", date(2026, 11, 30), "gate_spoiled", as_of=date(2026, 12, 5))
    assert first_seen(spoiled.result) == first_seen(later) == {PERIOD_END}
    earlier = run_gate(bare_server, "2026-09", date(2026, 9, 30), "gate_spoiled", as_of=AS_OF)
    again = run_gate(bare_server, PERIOD, PERIOD_END, "gate_spoiled", as_of=AS_OF)
    assert first_seen(earlier) == first_seen(again) == {date(2026, 9, 30)}
    # The same records, rules and dates give the same figures, whatever ran between.
    assert again.rule_results == spoiled.result.rule_results
    assert again.theme_results == spoiled.result.theme_results
    assert again.verdict == spoiled.result.verdict


def test_a_killed_run_leaves_nothing_that_the_next_one_does_not_clear(clean: Judged, bare_server: Settings) -> None:
    with connect(Login.BUILD, bare_server) as connection:
        killed = store.start_run(connection, gate.RecordPeriod(PERIOD, PERIOD_END, PERIOD_END, AS_OF), CATALOGUE)
    run_gate(bare_server, PERIOD, PERIOD_END, "gate_clean", as_of=AS_OF)
    with connect(Login.BUILD, bare_server) as connection:
        assert connection.execute("select 1 from quality.gate_run where state = 'running'").fetchone() is None
        assert connection.execute("select to_regclass(%s)", [f"quality.violation_r{killed}"]).fetchone() == (None,)
        views = connection.execute("select 1 from information_schema.views where table_schema = 'quality'").fetchall()
        assert views == []


def test_only_keys_are_stored(spoiled: Judged, bare_server: Settings) -> None:
    """What the gate writes holds no value of a record: keys, codes of divisions and counts."""
    with connect(Login.BUILD, bare_server) as connection:
        columns = {
            row[0]
            for row in connection.execute(
                "select column_name from information_schema.columns where table_schema = 'quality'"
                " and table_name in ('violation', 'first_seen')"
            )
        }
        stored = connection.execute(
            "select count(*) from quality.violation where gate_run_id = %s", [spoiled.result.gate_run_id]
        ).fetchone()
    assert columns == {
        "gate_run_id", "rule_id", "record_table", "record_id", "division_code", "county_code", "first_seen_on"
    }  # fmt: skip
    assert stored == (sum(r.violation_count for r in spoiled.result.rule_results),)


def test_a_cockpit_cannot_read_violations(spoiled: Judged, bare_server: Settings) -> None:
    with (
        connect(Login.COCKPIT, bare_server) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select * from quality.violation")
