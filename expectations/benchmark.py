"""The gate's cost beside one hand-written pass with the same rules, in the same run."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from statistics import median

import psycopg
from psycopg import sql

from expectations.catalogue import SUBJECTS, Catalogue, catalogue_for
from expectations.gate import SESSION_OPTIONS, run_gate
from expectations.results import GateResult
from expectations.rule import RecordPeriod
from expectations.subjects import subject_sql
from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.periods import Period
from huiyang.settings import Settings

EMPTY_SCHEMA = "benchmark_without_records"


@dataclass(frozen=True)
class GateMeasurement:
    """Medians in seconds over the records of one period.

    Attributes:
        hand_written_seconds: one `select count(*) filter (where …), …` a record table, with every rule.
        gate_seconds: the whole gate, with keys of violations, figures and verdicts stored. Importing Great
            Expectations is not in it: a process pays for it once.
        hand_written_fixed_seconds, gate_fixed_seconds: the same rules over the same tables without a record.
        import_seconds: that import, where this process had not done it yet.
        steps: the gate's seconds by step.
    """

    record_count: int
    rule_count: int
    violation_count: int
    hand_written_seconds: float
    gate_seconds: float
    hand_written_fixed_seconds: float
    gate_fixed_seconds: float
    import_seconds: float
    steps: dict[str, float]

    @property
    def ratio(self) -> float:
        return self.gate_seconds / self.hand_written_seconds

    @property
    def ratio_without_fixed(self) -> float:
        """What the ratio tends to as records grow in number."""
        return (self.gate_seconds - self.gate_fixed_seconds) / (
            self.hand_written_seconds - self.hand_written_fixed_seconds
        )


def measure(settings: Settings, repetitions: int = 3) -> GateMeasurement:
    """Measures both on the records that the last gate run judged; they alternate, so that load hits both.

    Raises:
        HuiyangError: no gate has run yet.
    """
    with connect(Login.BUILD, settings, autocommit=True, options=SESSION_OPTIONS) as connection:
        records = _last_records(connection)
        # First, so that the last run is again one over records.
        fixed = _measure(settings, connection, _without_records(connection, records), repetitions)
        connection.execute(f"drop schema {EMPTY_SCHEMA} cascade")
        full = _measure(settings, connection, records, repetitions)
    return GateMeasurement(
        record_count=full.result.totals.record_count,
        rule_count=len(full.result.rule_results),
        violation_count=sum(rule.violation_count for rule in full.result.rule_results),
        hand_written_seconds=median(full.by_hand),
        gate_seconds=median(full.by_gate),
        hand_written_fixed_seconds=median(fixed.by_hand),
        gate_fixed_seconds=median(fixed.by_gate),
        import_seconds=fixed.import_seconds,
        steps={name: median(step[name] for step in full.steps) for name in full.steps[0]},
    )


@dataclass
class _Timings:
    result: GateResult
    by_hand: list[float]
    by_gate: list[float]
    steps: list[dict[str, float]]
    import_seconds: float


def _measure(settings: Settings, connection: psycopg.Connection, records: RecordPeriod, repetitions: int) -> _Timings:
    catalogue = catalogue_for(records.last_day)
    by_hand, by_gate, steps, import_seconds = [], [], [], 0.0
    for _ in range(repetitions):
        started = time.perf_counter()
        violations = _one_pass(connection, catalogue, records)
        by_hand.append(time.perf_counter() - started)
        started = time.perf_counter()
        result = run_gate(settings, records.period, records.last_day, records.schema, as_of=records.as_of)
        seconds = dict(result.seconds)
        import_seconds = max(import_seconds, importing := seconds.pop("import"))
        by_gate.append(time.perf_counter() - started - importing)
        steps.append(seconds)
        found = sum(rule.violation_count for rule in result.rule_results)
        if found != violations:
            raise HuiyangError(
                f"The hand-written pass counts {violations} violations, the gate {found}.",
                "The record tables changed during the measurement: measure again.",
            )
    return _Timings(result, by_hand, by_gate, steps, import_seconds)


def _without_records(connection: psycopg.Connection, records: RecordPeriod) -> RecordPeriod:
    """The same tables with nothing in them: what a gate costs before its first record."""
    connection.execute(f"drop schema if exists {EMPTY_SCHEMA} cascade")
    connection.execute(f"create schema {EMPTY_SCHEMA}")
    for (name,) in connection.execute(
        "select relname from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'p', 'v')",
        [records.schema],
    ).fetchall():
        connection.execute(
            sql.SQL("create table {} (like {})").format(
                sql.Identifier(EMPTY_SCHEMA, name), sql.Identifier(records.schema, name)
            )
        )
    return replace(records, schema=EMPTY_SCHEMA)


def _last_records(connection: psycopg.Connection) -> RecordPeriod:
    row = None
    if connection.execute("select to_regclass('quality.gate_run')").fetchone() != (None,):
        row = connection.execute(
            "select period, period_end, as_of, record_schema from quality.gate_run where state = 'finished'"
            " order by gate_run_id desc limit 1"
        ).fetchone()
    if row is None:
        raise HuiyangError("No quality gate has run yet.", "Run `huiyang refresh` first.")
    period, last_day, as_of, schema = row
    return RecordPeriod(period, Period.parse(period).start_date, last_day, as_of, schema)


def _one_pass(connection: psycopg.Connection, catalogue: Catalogue, records: RecordPeriod) -> int:
    """Counts what breaks each rule, one statement a table; the sum of all."""
    total = 0
    for subject in SUBJECTS:
        counts = ", ".join(f"count(*) filter (where {rule.predicate})" for rule in catalogue.of(subject))
        row = connection.execute(f"select {counts} from ({subject_sql(subject, records)}) as subject").fetchone()
        assert row is not None
        total += sum(row)
    return total
