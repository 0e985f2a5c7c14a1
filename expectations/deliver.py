"""Delivery of a gate run's results to the inbox of the operational app, as login inbox.

Keyed by release, theme and county, rule, and record: delivering again changes nothing, and a row keeps its id, which
fix tasks refer to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import psycopg
from psycopg.types.json import Jsonb

from expectations.catalogue import Catalogue, catalogue_for
from expectations.continuity import FigureChange
from expectations.release_info import ReleaseInfo
from expectations.results import GateResult, Violation
from expectations.store import read_violations
from huiyang.database import Login, connect
from huiyang.settings import Settings

_CHUNK = 20_000


def deliver(settings: Settings, release: ReleaseInfo, gate: GateResult) -> None:
    """Writes verdicts, counts and every violation of a release into schema `inbox`, in one transaction."""
    with connect(Login.INBOX, settings) as connection:
        _release_result(connection, release, gate)
        _theme_results(connection, release, gate)
        tell_catalogue(connection, catalogue_for(gate.period_end))
        _rules(connection, gate)
        _rule_results(connection, release, gate)
        _violations(connection, release.release_id, lambda: read_violations(settings, gate.gate_run_id))


def deliver_changes(settings: Settings, release_id: int, changes: Sequence[FigureChange]) -> None:
    """Writes a release's comparison into schema `inbox`, in one transaction, in the order given."""
    with connect(Login.INBOX, settings) as connection:
        connection.execute("delete from inbox.figure_change where release_id = %s", [release_id])
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into inbox.figure_change (release_id, indicator, title, unit_code, value, previous, last_year,"
                " published, low, high, verdict) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (release_id, c.indicator, c.title, c.unit_code, c.value, c.previous, c.last_year, c.published,
                     c.low, c.high, c.verdict)
                    for c in changes
                ],
            )  # fmt: skip


def _release_result(connection: psycopg.Connection, release: ReleaseInfo, gate: GateResult) -> None:
    totals = gate.totals
    connection.execute(
        "insert into inbox.release_result (release_id, period, lane, state, as_of, published_at, publishable, accepted,"
        " completeness_numerator, completeness_denominator, error_numerator, error_denominator, report_folder,"
        " accepted_by_figures, catalogue_sha256)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict (release_id) do update set period = excluded.period, lane = excluded.lane,"
        " state = excluded.state, as_of = excluded.as_of, published_at = excluded.published_at,"
        " publishable = excluded.publishable, accepted = excluded.accepted,"
        " completeness_numerator = excluded.completeness_numerator,"
        " completeness_denominator = excluded.completeness_denominator,"
        " error_numerator = excluded.error_numerator, error_denominator = excluded.error_denominator,"
        " report_folder = excluded.report_folder, accepted_by_figures = excluded.accepted_by_figures,"
        " catalogue_sha256 = excluded.catalogue_sha256",
        [
            release.release_id, release.period, release.lane, release.state, release.as_of, release.published_at,
            gate.publishable, release.accepted, totals.completeness_numerator, totals.completeness_denominator,
            totals.error_record_count, totals.record_count, release.report_folder, gate.accepted_by_figures,
            gate.catalogue_sha256,
        ],
    )  # fmt: skip


def tell_catalogue(connection: psycopg.Connection, catalogue: Catalogue) -> None:
    """Tells the app a catalogue in force; one that it knows is told to be in force still.

    Args:
        connection: as login inbox.
    """
    known = connection.execute(
        "update inbox.catalogue set last_told_at = now() where sha256 = %s", [catalogue.sha256]
    )  # fmt: skip
    if known.rowcount:
        return  # an upsert would use up a number at each telling, and people read the numbers
    version = catalogue.required_fields
    connection.execute(
        "insert into inbox.catalogue (sha256, version, effective_from, content) values (%s, %s, %s, %s)"
        " on conflict (sha256) do nothing",
        [catalogue.sha256, version.version, version.effective_from, Jsonb(catalogue.content)],
    )


def _theme_results(connection: psycopg.Connection, release: ReleaseInfo, gate: GateResult) -> None:
    connection.execute("delete from inbox.theme_result where release_id = %s", [release.release_id])
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into inbox.theme_result (release_id, theme, county_code, record_count, error_record_count,"
            " field_due_count, field_filled_count, record_due_count, record_present_count)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (release.release_id, t["theme"], t["county_code"], t["record_count"], t["error_record_count"],
                 t["field_due_count"], t["field_filled_count"], t["record_due_count"], t["record_present_count"])
                for t in gate.theme_results
            ],
        )  # fmt: skip


def _rules(connection: psycopg.Connection, gate: GateResult) -> None:
    """The catalogue as this run used it; a rule that could not run stays as it was told last."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into inbox.rule as known (rule_id, theme, dimension, severity, title, definition, recommendation,"
            " owner, record_table, of_period) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (rule_id) do update set theme = excluded.theme, dimension = excluded.dimension,"
            " severity = excluded.severity, title = excluded.title, definition = excluded.definition,"
            " recommendation = excluded.recommendation, owner = excluded.owner,"
            " record_table = excluded.record_table, of_period = excluded.of_period"
            " where known is distinct from excluded",
            [
                (r.rule_id, r.theme, r.dimension, r.severity, r.title, r.definition, r.recommendation, r.owner,
                 r.record_table, r.of_period)
                for r in gate.rule_results if r.problem is None
            ],
        )  # fmt: skip


def _rule_results(connection: psycopg.Connection, release: ReleaseInfo, gate: GateResult) -> None:
    connection.execute("delete from inbox.rule_result where release_id = %s", [release.release_id])
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into inbox.rule_result (release_id, rule_id, theme, dimension, severity, title, recommendation,"
            " checked_count, violation_count, ran) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (release.release_id, r.rule_id, r.theme, r.dimension, r.severity,
                 f"未能执行：{r.title}" if r.problem else r.title, r.problem or r.recommendation,
                 r.checked_count, r.violation_count, r.problem is None)
                for r in gate.rule_results
            ],
        )  # fmt: skip


def _violations(connection: psycopg.Connection, release_id: int, read: Callable[[], Iterable[Violation]]) -> None:
    count = _upsert_violations(connection, release_id, read())
    stored = connection.execute("select count(*) from inbox.violation where release_id = %s", [release_id]).fetchone()
    if stored != (count,):
        # An earlier delivery held what this run did not find: the inbox says what the release's verdict rests on.
        connection.execute("delete from inbox.violation where release_id = %s", [release_id])
        _upsert_violations(connection, release_id, read())


def _upsert_violations(connection: psycopg.Connection, release_id: int, violations: Iterable[Violation]) -> int:
    """How many there are. Arrays, not COPY: the login may not make the temporary table that an upsert would need."""
    count = 0
    for chunk in _chunks(_distinct(violations)):
        count += len(chunk)
        connection.execute(
            "insert into inbox.violation (release_id, rule_id, record_table, record_id, division_code, first_seen_on)"
            " select %s, * from unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::date[])"
            " on conflict (release_id, rule_id, record_table, record_id) do update"
            " set division_code = excluded.division_code, first_seen_on = excluded.first_seen_on"
            " where (violation.division_code, violation.first_seen_on)"
            " is distinct from (excluded.division_code, excluded.first_seen_on)",
            [
                release_id, [v.rule_id for v in chunk], [v.record_table for v in chunk], [v.record_id for v in chunk],
                [v.division_code for v in chunk], [v.first_seen_on for v in chunk],
            ],
        )  # fmt: skip
    return count


def _distinct(violations: Iterable[Violation]) -> Iterator[Violation]:
    """One of each rule and record: a repeated key is found as often as it stands there, one after the other."""
    last = None
    for violation in violations:
        key = (violation.rule_id, violation.record_table, violation.record_id)
        if key != last:
            yield violation
        last = key


def _chunks(violations: Iterator[Violation]) -> Iterator[list[Violation]]:
    while chunk := list(islice(violations, _CHUNK)):
        yield chunk
