"""The warehouse's schema `quality`: what gate runs leave behind, and how an auditor reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from expectations.catalogue import Catalogue
from expectations.catalogue.building_blocks import lookups_for
from expectations.results import RuleResult, ThemeResult, Verdict, Violation
from expectations.rule import RecordPeriod, Rule, Subject
from expectations.subjects import REFERENCE_SCHEMA, subject_sql
from huiyang.database import Login, connect
from huiyang.settings import Settings

SCHEMA = "quality"
#: The table of violations, a partition a run.
VIOLATION = "violation"
_DDL = Path(__file__).with_name("quality.sql")


def ensure_schema(connection: psycopg.Connection) -> None:
    """Makes or completes schema `quality`. Safe to run again, and at once."""
    connection.execute("select pg_advisory_xact_lock(hashtext('huiyang quality schema'))")
    connection.execute("set local client_min_messages = warning")
    connection.execute(_DDL.read_text())  # a file of ours


def start_run(connection: psycopg.Connection, records: RecordPeriod, catalogue: Catalogue) -> int:
    """Registers a run with an empty set of violations; clears away what killed runs left."""
    leftovers = connection.execute("select gate_run_id from quality.gate_run where state = 'running'").fetchall()
    for (run_id,) in leftovers:
        connection.execute(sql.SQL("drop table if exists {}").format(_partition(run_id)))
        connection.execute("delete from quality.gate_run where gate_run_id = %s", [run_id])
    row = connection.execute(
        "insert into quality.gate_run"
        " (period, period_end, as_of, record_schema, catalogue_sha256, required_fields_version)"
        " values (%s, %s, %s, %s, %s, %s) returning gate_run_id",
        [
            records.period, records.last_day, records.as_of, records.schema, catalogue.sha256,
            catalogue.required_fields.version,
        ],
    ).fetchone()  # fmt: skip
    assert row is not None
    run_id = int(row[0])
    connection.execute(
        sql.SQL("create table {} partition of quality.violation for values in ({})").format(
            _partition(run_id), sql.Literal(run_id)
        )
    )
    return run_id


def violation_partition(run_id: int) -> str:
    """The name of a run's partition of `quality.violation`."""
    return f"{VIOLATION}_r{run_id}"


def _partition(run_id: int) -> sql.Identifier:
    return sql.Identifier(SCHEMA, violation_partition(run_id))


def runs_with_violations(connection: psycopg.Connection) -> list[int]:
    """Finished runs whose violations are still stored, attached or not, oldest first; never the newest.

    The newest may just have judged a build whose release is not recorded yet.
    """
    if connection.execute("select to_regclass(%s)", [f"{SCHEMA}.gate_run"]).fetchone() == (None,):
        return []
    return [
        row[0]
        for row in connection.execute(
            "select gate_run_id from quality.gate_run where state = 'finished'"
            " and gate_run_id < (select max(gate_run_id) from quality.gate_run where state = 'finished')"
            " and to_regclass(%s || '.' || %s || '_r' || gate_run_id) is not null order by gate_run_id",
            [SCHEMA, VIOLATION],
        )
    ]


def find_violations(
    connection: psycopg.Connection, run_id: int, subject: Subject, rules: Sequence[Rule], records: RecordPeriod
) -> None:
    """Adds the violating records of failing rules of one subject to temporary table `found`, in one pass over it.

    Made as a table of its own first: PostgreSQL does that in parallel, and an insert never.
    """
    broken = " or ".join(f"({rule.predicate})" for rule in rules)
    marks = ", ".join(f"case when {rule.predicate} then '{rule.id}' end" for rule in rules)
    division = "division_code" if subject.has_own_division else "cast(null as text)"
    connection.execute(
        f"create temporary table found_here on commit drop as select rule_id, '{subject.table}' as record_table,"
        " coalesce(id, 0) as record_id,"
        " coalesce(own.division_code, town.division_code, county.division_code, city.division_code) as division_code,"
        " coalesce(county.division_code, '') as county_code"
        f" from (select id, {division} as own_code, county_code, town_code, array[{marks}] as marks"
        f" from ({subject_sql(subject, records, lookups_for(subject, rules))}) as subject where {broken}) as broken"
        " cross join lateral unnest(marks) as mark (rule_id)"
        f" left join {REFERENCE_SCHEMA}.ref_division as own on own.division_code = own_code"
        f" left join {REFERENCE_SCHEMA}.ref_division as town on town.division_code = broken.town_code"
        f" left join {REFERENCE_SCHEMA}.ref_division as county on county.division_code = broken.county_code"
        " and county.level = 'county'"
        f" cross join (select division_code from {REFERENCE_SCHEMA}.ref_division where level = 'city') as city"
        " where rule_id is not null"
    )
    connection.execute("insert into found select * from found_here")
    connection.execute("drop table found_here")


def store_violations(connection: psycopg.Connection, run_id: int, seen_on: date) -> None:
    """Moves `found` into the run's partition, with the day on which each was first seen in any run."""
    # Not `on conflict`: it would lock every known row, and most are known.
    connection.execute(
        "update quality.first_seen set first_seen_on = %(day)s from found"
        " where first_seen.rule_id = found.rule_id and first_seen.record_table = found.record_table"
        " and first_seen.record_id = found.record_id and first_seen_on > %(day)s",
        {"day": seen_on},
    )
    connection.execute(
        "insert into quality.first_seen select distinct rule_id, record_table, record_id, %s::date from found"
        " left join quality.first_seen using (rule_id, record_table, record_id) where first_seen_on is null",
        [seen_on],
    )
    connection.execute(
        sql.SQL(
            "insert into {} select %s, rule_id, record_table, record_id, division_code, county_code, first_seen_on"
            " from found inner join quality.first_seen using (rule_id, record_table, record_id)"
        ).format(_partition(run_id)),
        [run_id],
    )
    connection.execute(sql.SQL("analyze {}").format(_partition(run_id)))


def finish_run(
    connection: psycopg.Connection,
    run_id: int,
    rule_results: Iterable[RuleResult],
    theme_results: Iterable[ThemeResult],
    verdict: Verdict,
) -> None:
    """Stores the counts and closes the run."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into quality.rule_result values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (run_id, r.rule_id, r.theme, r.dimension, r.severity, r.record_table, r.checked_count,
                 r.violation_count, r.problem)
                for r in rule_results
            ],
        )  # fmt: skip
        cursor.executemany(
            "insert into quality.theme_result values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (run_id, t["theme"], t["county_code"], t["record_count"], t["error_record_count"],
                 t["field_due_count"], t["field_filled_count"], t["record_due_count"], t["record_present_count"])
                for t in theme_results
            ],
        )  # fmt: skip
    connection.execute(
        "update quality.gate_run set state = 'finished', finished_at = clock_timestamp(), publishable = %s,"
        " accepted_by_figures = %s where gate_run_id = %s",
        [verdict.publishable, verdict.accepted_by_figures, run_id],
    )


def read_violations(
    settings: Settings, gate_run_id: int, rule_id: str | None = None, limit: int | None = None
) -> Iterator[Violation]:
    """Violations of a run, of one rule or all, by rule and key; streamed.

    Args:
        limit: at most so many of each rule.
    """
    with connect(Login.BUILD, settings) as connection, connection.cursor(
        name="violations", row_factory=class_row(Violation)
    ) as cursor:  # fmt: skip
        cursor.itersize = 20_000
        cursor.execute(
            "select rule_id, record_table, record_id, division_code, county_code, first_seen_on from ("
            "select *, row_number() over (partition by rule_id order by record_table, record_id) as position"
            " from quality.violation where gate_run_id = %(run)s and (%(rule)s::text is null or rule_id = %(rule)s)"
            ") as numbered where %(limit)s::bigint is null or position <= %(limit)s"
            " order by rule_id, record_table, record_id",
            {"run": gate_run_id, "rule": rule_id, "limit": limit},
        )
        yield from cursor
