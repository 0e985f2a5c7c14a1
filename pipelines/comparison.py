"""A release beside what came before it: the last period, the same period last year, what is published of it now."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from expectations.continuity import FigureChange, judge_continuity
from huiyang.divisions import division_tree
from huiyang.periods import Cadence, Period
from huiyang.settings import Settings
from pipelines.release import Release, get_release
from pipelines.warehouse import build_connection


@dataclass(frozen=True)
class Compared:
    """A mart whose figures are compared, by unit.

    Attributes:
        unit: the column that names the statistical unit.
        left_out: whole numbers that are no figures of the period.
        row_count, row_unit: what rows count and in which unit; None where rows are statistical units.
    """

    mart: str
    unit: str
    left_out: frozenset[str] = frozenset()
    row_count: str | None = None
    row_unit: str | None = None


COMPARED: Mapping[Cadence, Sequence[Compared]] = {
    Cadence.MONTHLY: [Compared("mart_overview_month", "unit_code", frozenset({"census_60_count"}))],
    Cadence.HALF_YEARLY: [
        Compared("mart_institution_base_half_year", "county_code", frozenset({"institution_id"}), "养老机构数", "家"),
        Compared("mart_facility_base_half_year", "county_code", frozenset({"facility_id"}), "社区养老设施数", "处"),
    ],
}
_SUMMED = ("bigint", "numeric(18,2)")
_ROWS = "row_count"
#: One figure of one unit: period → value.
Series = dict[str, Decimal]


def compare_and_deliver(settings: Settings, release_id: int, manifest: Mapping[str, Any]) -> int:
    """Compares a candidate with what came before and tells the app's inbox; returns the number of figures.

    Safe to run again: what is published later changes nothing in it.

    Args:
        manifest: dbt's, whose descriptions name the figures.
    """
    from expectations.deliver import deliver_changes  # reads the gate's results, with pandas

    release = get_release(settings, release_id)
    columns = {node["name"]: node["columns"] for node in manifest["nodes"].values()}
    changes = [
        change
        for compared in COMPARED[Cadence(release.cadence)]
        for change in _compare(settings, release, compared, columns[compared.mart])
    ]
    deliver_changes(settings, release_id, changes)
    return len(changes)


def _compare(
    settings: Settings, release: Release, compared: Compared, columns: Mapping[str, Mapping[str, Any]]
) -> list[FigureChange]:
    titles = {
        name: _title(column)
        for name, column in columns.items()
        if column["data_type"] in _SUMMED and name not in compared.left_out
    }
    if compared.row_count:
        titles = {_ROWS: f"{compared.row_count}（{compared.row_unit}）", **titles}
    with build_connection(settings) as connection:
        now = _series(connection, compared, list(titles), _versions(connection, release, compared.mart))
        published = _published(connection, release, compared.mart)
        before = _series(connection, compared, list(titles), [published] if published else [])
    period = Period.parse(release.period)
    per_year = 12 // period.cadence.months
    changes = []
    for (unit_code, name), series in now.items():
        if release.period not in series:
            continue
        past = _unbroken(series, period)
        value = series[release.period]
        found = judge_continuity(past, value, per_year)
        changes.append(
            FigureChange(
                indicator=f"{compared.mart}.{name}",
                title=titles[name],
                unit_code=unit_code,
                value=value,
                previous=series.get(str(period.previous)),
                last_year=series.get(str(period.same_period_last_year)),
                published=before.get((unit_code, name), {}).get(release.period),
                low=found.low,
                high=found.high,
                verdict=found.verdict,
            )
        )
    return changes


def _title(column: Mapping[str, Any]) -> str:
    """The name before the definition, without what ties it to the column above, and the unit."""
    name = re.split("[：（]", column["description"])[0].removeprefix("其中").strip()
    return f"{name}（{column['config']['meta']['unit']}）"


def _unbroken(series: Series, period: Period) -> list[Decimal]:
    """The figures right before a period, oldest first, back to the first gap."""
    past: list[Decimal] = []
    earlier = period.previous
    while str(earlier) in series:
        past.append(series[str(earlier)])
        earlier = earlier.previous
    return past[::-1]


def _versions(connection: psycopg.Connection, release: Release, mart: str) -> list[int]:
    """What a reader would see of a mart if the release were published: its own versions before those shown now."""
    rows = connection.execute(
        "select distinct on (period) version_id from ("
        " select period, version_id, 1 as preference from release.release_item"
        "  where release_id = %(release)s and mart = %(mart)s"
        " union all select period, version_id, 2 from release.release_item join release.current_release"
        "  using (release_id) where cadence = %(cadence)s and mart = %(mart)s"
        ") as pinned where period <= %(period)s order by period, preference",
        {"release": release.release_id, "mart": mart, "cadence": release.cadence, "period": release.period},
    )
    return [version_id for (version_id,) in rows]


def _published(connection: psycopg.Connection, release: Release, mart: str) -> int | None:
    """The version that readers see of the release's period before it is published; None if there is none."""
    row = connection.execute(
        "select version_id from release.release_item join release.current_release using (release_id)"
        " where cadence = %s and mart = %s and period = %s and origin_release_id < %s",
        [release.cadence, mart, release.period, release.release_id],
    ).fetchone()
    return row[0] if row else None


def _series(
    connection: psycopg.Connection, compared: Compared, names: Sequence[str], versions: Sequence[int]
) -> dict[tuple[str, str], Series]:
    """(unit, figure) → its series; the whole city is added up where the mart has only counties."""
    figures = sql.SQL(", ").join(
        sql.SQL("count(*)") if name == _ROWS else sql.SQL("sum({})").format(sql.Identifier(name)) for name in names
    )
    statement = sql.SQL("select period, {unit}, {figures} from store.{mart} where version_id = any(%s) group by 1, 2")
    rows = connection.execute(
        statement.format(
            unit=sql.Identifier(compared.unit), figures=figures, mart=sql.Identifier(compared.mart)
        ),
        [list(versions)],
    ).fetchall()  # fmt: skip
    found: dict[tuple[str, str], Series] = defaultdict(dict)
    for period, unit_code, *values in rows:
        for name, value in zip(names, values, strict=True):
            number = Decimal(value or 0)
            found[unit_code, name][period] = number
            if compared.unit == "county_code":
                city = found[division_tree().root.code, name]
                city[period] = city.get(period, Decimal(0)) + number
    return found
