"""The quality gate: runs the catalogue over the records of a period and gives the two verdicts.

One bundled query a subject counts checked and violating records (Great Expectations); the keys of violating records
come from one further pass over each subject that has any, limited to its failing rules, inside the warehouse. What is
stored must equal what was counted. A rule that cannot run is a critical failure.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from expectations import store
from expectations.catalogue import SUBJECTS, Catalogue, catalogue_for
from expectations.catalogue.building_blocks import lookups_of
from expectations.catalogue.registers import DUE, DUE_REGISTER
from expectations.results import GateResult, RuleResult, ThemeResult, Totals, judge
from expectations.rule import Dimension, RecordPeriod, Rule, Severity, Subject, Theme
from expectations.subjects import REFERENCE_SCHEMA, subject_sql
from huiyang.database import Login, connect, sqlalchemy_url
from huiyang.errors import HuiyangError
from huiyang.periods import Period
from huiyang.progress import Progress
from huiyang.settings import BUSINESS_TIMEZONE, Settings

if TYPE_CHECKING:
    from expectations.gx_rules import Outcome, RuleRunner

#: Sessions of a refresh carry names that begin so; the next refresh ends those that a killed one left.
APPLICATION_NAME = "huiyang-refresh-gate"
#: Joins with the elders of a city are hashed in memory.
SESSION_OPTIONS = "-c work_mem=256MB"
UNATTRIBUTED = "未归属"


def run_gate(
    settings: Settings,
    period: str,
    period_end: date,
    record_schema: str = "candidate",
    progress: Progress | None = None,
    *,
    as_of: date | None = None,
) -> GateResult:
    """Judges the records of a period and stores the results in schema `quality` of the warehouse.

    Args:
        period: key of the period, `2026-10`.
        period_end: its last day.
        record_schema: schema of the record tables `int_<table>`.
        as_of: business date of the cut-off; nothing known lies after it. Default: today, or the period's end if later.

    Raises:
        HuiyangError: the reference divisions are missing, or a stored set of violations is not what was counted.
    """
    tell: Progress = progress or _silent
    records = RecordPeriod(
        period, Period.parse(period).start_date, period_end, as_of or _today(period_end), record_schema
    )
    catalogue = catalogue_for(period_end)
    started_at, clock = datetime.now(BUSINESS_TIMEZONE), _Stopwatch()
    with _connection(settings) as connection:
        # One gate at a time: the subjects' views have fixed names. The lock ends with the session.
        connection.execute("select pg_advisory_lock(hashtext('huiyang quality gate'))")
        _require_reference(connection)
        with connection.transaction():
            store.ensure_schema(connection)
            run_id = store.start_run(connection, records, catalogue)
        results = _run_rules(settings, connection, catalogue, records, tell, clock)
        with connection.transaction():
            tell("violations", 0.75)
            with clock.step("violations"):
                _keep_violations(connection, run_id, catalogue, records, results)
            tell("figures", 0.9)
            with clock.step("figures"):
                county_names = _county_names(connection)
                themes = _theme_results(connection, run_id, catalogue, records, county_names)
            totals = Totals.over(themes)
            missing_registers = _missing_registers(catalogue, themes)
            verdict = judge(results, totals, missing_registers)
            store.finish_run(connection, run_id, results, themes, verdict)
    tell("done", 1)
    return GateResult(
        gate_run_id=run_id,
        period=period,
        period_end=period_end,
        as_of=records.as_of,
        catalogue_sha256=catalogue.sha256,
        required_fields_version=catalogue.required_fields.version,
        required_fields_basis=catalogue.required_fields.basis,
        verdict=verdict,
        totals=totals,
        rule_results=tuple(results),
        theme_results=tuple(themes),
        missing_registers=missing_registers,
        county_names=county_names,
        started_at=started_at,
        finished_at=datetime.now(BUSINESS_TIMEZONE),
        seconds=clock.seconds,
    )


def _silent(what: str, done: float, total: float = 1, /) -> None:
    pass


def _today(period_end: date) -> date:
    return max(period_end, datetime.now(BUSINESS_TIMEZONE).date())


class _Stopwatch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start


@contextmanager
def _connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with connect(
        Login.BUILD, settings, autocommit=True, application_name=APPLICATION_NAME, options=SESSION_OPTIONS
    ) as connection:
        yield connection


def _require_reference(connection: psycopg.Connection) -> None:
    found = connection.execute("select to_regclass(%s)", [f"{REFERENCE_SCHEMA}.ref_division"]).fetchone()
    if found is None or found[0] is None:
        raise HuiyangError(
            f"The warehouse has no {REFERENCE_SCHEMA}.ref_division.", "Run `huiyang refresh`, which loads the seeds."
        )


# --- rules ---


def _run_rules(
    settings: Settings,
    connection: psycopg.Connection,
    catalogue: Catalogue,
    records: RecordPeriod,
    tell: Progress,
    clock: _Stopwatch,
) -> list[RuleResult]:
    """Every rule's result, in the catalogue's order."""
    with clock.step("import"):
        from expectations.gx_rules import RuleRunner

    url = sqlalchemy_url(Login.BUILD, settings, driver="psycopg2").update_query_dict(
        {"application_name": APPLICATION_NAME, "options": f"{SESSION_OPTIONS} -c search_path={store.SCHEMA}"}
    )
    results: list[RuleResult] = []
    runner = RuleRunner(url)
    try:
        with clock.step("rules"), connection.transaction():
            unusable = {subject: _make_view(connection, subject, records) for subject in SUBJECTS}
        for position, subject in enumerate(SUBJECTS):
            tell(subject.table, 0.75 * position / len(SUBJECTS))
            with clock.step("rules"):
                results += _run_subject(connection, runner, subject, catalogue.of(subject), records, unusable[subject])
    finally:
        runner.close()
        views = ", ".join(f"{store.SCHEMA}.{_view(subject)}" for subject in SUBJECTS)
        connection.execute(f"drop view if exists {views}")
    return results


def _run_subject(
    connection: psycopg.Connection,
    runner: RuleRunner,
    subject: Subject,
    rules: Sequence[Rule],
    records: RecordPeriod,
    unusable: dict[str, str] | None,
) -> list[RuleResult]:
    """
    Args:
        unusable: columns of the subject's view that are missing, and why; None where its table is missing.
    """
    if unusable is None:
        return [RuleResult.of(rule, 0, 1, f"缺少记录表 {subject.relation}") for rule in rules]
    problems = _unplannable(connection, subject, rules, unusable)
    runnable = [rule for rule in rules if rule.id not in problems]
    outcomes: dict[str, Outcome] = runner.run(_view(subject), runnable) if runnable else {}
    problems |= {rule_id: outcome.problem for rule_id, outcome in outcomes.items() if outcome.problem}
    if not problems:
        return [
            RuleResult.of(rule, outcomes[rule.id].checked_count, outcomes[rule.id].violation_count) for rule in rules
        ]
    table = sql.Identifier(records.schema, subject.relation)
    row = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    assert row is not None
    return [
        RuleResult.of(rule, 0, max(row[0], 1), problems[rule.id])
        if rule.id in problems
        else RuleResult.of(rule, outcomes[rule.id].checked_count, outcomes[rule.id].violation_count)
        for rule in rules
    ]


def _view(subject: Subject) -> str:
    return f"subject_{subject.table}"


def _make_view(connection: psycopg.Connection, subject: Subject, records: RecordPeriod) -> dict[str, str] | None:
    """The subject as a view, which Great Expectations can read.

    Returns:
        for each column that its lookups could not give, why; the view is made without it. None, and no view, where
        the record table is missing.
    """
    table = sql.Identifier(records.schema, subject.relation)
    found = connection.execute("select to_regclass(%s)", [table.as_string(connection)]).fetchone()
    if found is None or found[0] is None:
        return None
    view = f"{store.SCHEMA}.{_view(subject)}"
    connection.execute(f"drop view if exists {view}")
    try:
        with connection.transaction():
            connection.execute(f"create view {view} as {subject_sql(subject, records)}")
        return {}
    except psycopg.ProgrammingError:
        pass  # which of the lookups it was follows
    problems = {lookup: _problem(connection, subject_sql(subject, records, [lookup])) for lookup in lookups_of(subject)}
    usable = [lookup for lookup, problem in problems.items() if problem is None]
    connection.execute(f"create view {view} as {subject_sql(subject, records, usable)}")
    return {column: problem for lookup, problem in problems.items() if problem for column in lookup.columns}


def _unplannable(
    connection: psycopg.Connection, subject: Subject, rules: Sequence[Rule], unusable: dict[str, str]
) -> dict[str, str]:
    """Rule id → why PostgreSQL cannot plan it, for example a column that is missing.

    Args:
        unusable: columns of the subject that are missing, and why.
    """
    view = f"{store.SCHEMA}.{_view(subject)}"

    def plan(these: Sequence[Rule]) -> str | None:
        counts = ", ".join(f"count(*) filter (where ({rule.applies}) and ({rule.violated}))" for rule in these)
        return _problem(connection, f"select {counts} from {view}")

    if plan(rules) is None:
        return {}
    found = {}
    for rule in rules:
        if problem := plan([rule]):
            causes = sorted({unusable[word] for word in re.findall(r"\w+", rule.predicate) if word in unusable})
            found[rule.id] = f"{subject.relation}：" + "；".join(causes or [problem])
    return found


def _problem(connection: psycopg.Connection, query: str) -> str | None:
    """Why PostgreSQL cannot plan a query, in Chinese where it is what happens: something is missing."""
    try:
        with connection.transaction():
            connection.execute(f"explain {query}")
    except psycopg.ProgrammingError as error:
        message = str(error.diag.message_primary)
        name = re.sub(r'^(column|relation) "?(.+?)"? does not exist$', r"\2", message)
        if isinstance(error, psycopg.errors.UndefinedColumn):
            return f"缺少列 {name}"
        return f"缺少表 {name}" if isinstance(error, psycopg.errors.UndefinedTable) else message
    return None


# --- violations ---


def _keep_violations(
    connection: psycopg.Connection,
    run_id: int,
    catalogue: Catalogue,
    records: RecordPeriod,
    results: Sequence[RuleResult],
) -> None:
    counted = {r.rule_id: r.violation_count for r in results if not r.holds and r.problem is None}
    connection.execute(
        "create temporary table found (rule_id text, record_table text, record_id bigint, division_code text,"
        " county_code text) on commit drop"
    )
    for subject in SUBJECTS:
        if failing := [rule for rule in catalogue.of(subject) if rule.id in counted]:
            store.find_violations(connection, run_id, subject, failing, records)
    stored: dict[str, int] = dict(connection.execute("select rule_id, count(*) from found group by rule_id").fetchall())
    if stored != counted:
        different = sorted(rule for rule in counted if stored.get(rule) != counted[rule])
        raise HuiyangError(
            f"The violations found are not those counted, for rules {', '.join(different)}.",
            "The record tables changed while the gate ran, or a predicate is not deterministic: run the refresh again.",
        )
    store.store_violations(connection, run_id, min(records.last_day, records.as_of))


# --- figures ---


def _county_names(connection: psycopg.Connection) -> dict[str, str]:
    rows = connection.execute(
        f"select division_code, name from {REFERENCE_SCHEMA}.ref_division where level = 'county' order by division_code"
    ).fetchall()
    return dict(rows)


def _theme_results(
    connection: psycopg.Connection,
    run_id: int,
    catalogue: Catalogue,
    records: RecordPeriod,
    county_names: dict[str, str],
) -> list[ThemeResult]:
    """Counts by theme and county: every county in every theme, also with zero; 未归属 only where something is there."""
    counts: dict[tuple[Theme, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for subject in SUBJECTS:
        if subject.counts:
            for row in _due_counts(connection, subject, catalogue.of(subject), records):
                cell = counts[subject.theme, row["county_code"] if row["county_code"] in county_names else ""]
                cell["record"] += row["record_count"]
                cell["due"] += row["due_count"]
    _count_violations(connection, run_id, catalogue, counts)
    registers = _register_counts(connection, run_id, records, county_names)
    for key in registers:
        counts[key]["record"] += 0
    covered = {theme for theme, _ in registers}
    themes = []
    for theme in Theme:
        for code in (*county_names, ""):
            if code == "" and (theme, code) not in counts:
                continue
            cell = counts[theme, code]
            due, absent = registers.get((theme, code), (0 if theme in covered else None, 0))
            themes.append(
                ThemeResult(
                    theme=theme.value,
                    county_code=code,
                    county_name=county_names.get(code, UNATTRIBUTED),
                    record_count=cell["record"],
                    error_record_count=cell["error"],
                    field_due_count=cell["due"],
                    field_filled_count=cell["due"] - cell["missing"],
                    record_due_count=due,
                    record_present_count=None if due is None else due - absent,
                )
            )
    return themes


def _due_counts(
    connection: psycopg.Connection, subject: Subject, rules: Sequence[Rule], records: RecordPeriod
) -> list[dict[str, Any]]:
    """Records and due required fields of a subject's table by county code. A missing table or column counts nothing:
    its rules are critical failures already."""
    conditions: dict[str, int] = defaultdict(int)
    for rule in rules:
        if _is_required_field(rule):
            conditions[rule.applies] += 1
    due = " + ".join(
        f"{fields} * count(*)" + ("" if applies == "true" else f" filter (where {applies})")
        for applies, fields in conditions.items()
    )
    query = (
        f"select coalesce(county_code, '') as county_code, count(*) as record_count, {due or 0} as due_count from"
        f" ({subject_sql(subject, records, ())}) as record group by coalesce(county_code, '')"
    )
    if _problem(connection, query):
        return []
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def _is_required_field(rule: Rule) -> bool:
    return rule.dimension is Dimension.COMPLETENESS and "-REQ-" in rule.id


def _count_violations(
    connection: psycopg.Connection,
    run_id: int,
    catalogue: Catalogue,
    counts: dict[tuple[Theme, str], dict[str, int]],
) -> None:
    """Adds records with errors and missing required fields."""
    themes = {subject.table: subject.theme for subject in SUBJECTS if subject.counts}
    errors = [rule.id for rule in catalogue.rules if rule.severity is not Severity.WARNING]
    required = [rule.id for rule in catalogue.rules if _is_required_field(rule)]
    rows = connection.execute(
        "select record_table, county_code, count(distinct record_id) filter (where rule_id = any (%s)),"
        " count(*) filter (where rule_id = any (%s)) from quality.violation where gate_run_id = %s"
        " group by record_table, county_code",
        [errors, required, run_id],
    ).fetchall()
    for table, county_code, error_count, missing_count in rows:
        if table in themes:
            cell = counts[themes[table], county_code]
            cell["error"] += error_count
            cell["missing"] += missing_count


def _register_counts(
    connection: psycopg.Connection, run_id: int, records: RecordPeriod, county_names: dict[str, str]
) -> dict[tuple[Theme, str], tuple[int, int]]:
    """(theme, county code) → entries due by outside registers, and those absent; entries that cannot be verified are
    absent."""
    query = (
        "select record.theme, coalesce(record.county_code, ''), count(*), count(absent.record_id)"
        f" from ({subject_sql(DUE_REGISTER, records, ())}) as record"
        " left join (select distinct record_id from quality.violation where gate_run_id = %s"
        " and rule_id in ('DUE-02', 'DUE-03')) as absent on absent.record_id = record.id"
        f" where {DUE} and record.theme = any (%s) group by 1, 2"
    )
    if _problem(connection, subject_sql(DUE_REGISTER, records, ())):
        return {}
    arguments = [run_id, [theme.value for theme in Theme]]
    rows = connection.execute(query, arguments).fetchall()
    registers: dict[tuple[Theme, str], tuple[int, int]] = {}
    for theme, county_code, due, absent in rows:
        key = (Theme(theme), county_code if county_code in county_names else "")
        registers[key] = (registers.get(key, (0, 0))[0] + due, registers.get(key, (0, 0))[1] + absent)
    return registers


def _missing_registers(catalogue: Catalogue, themes: Sequence[ThemeResult]) -> tuple[Theme, ...]:
    covered = {row["theme"] for row in themes if row["record_due_count"] is not None}
    return tuple(theme for theme in catalogue.required_fields.registers if theme.value not in covered)
