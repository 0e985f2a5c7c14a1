"""Releases: which version of each mart and period readers see, who decided it, and how to go back.

A build fills versions (mart × period × build). A release is a manifest that pins versions: its own build's, and those
of the release before it for everything that the build did not touch. Publishing repoints the views in `published` to
the manifest in one transaction; what was published before stays in the store until retention takes it. See
docs/adr/0001-release-as-manifest.md.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.periods import Cadence, Period
from huiyang.settings import Settings
from pipelines.orchestration import Orchestration, load_orchestration
from pipelines.warehouse import build_connection, ensure_warehouse, refresh_lock

QUALITY_MART = "mart_quality_month"
#: A reader that holds a view longer than this makes publication step back and try again, rather than queue everyone.
_LOCK_TIMEOUT = "500ms"
_PUBLISH_ATTEMPTS = 40


class Lane(StrEnum):
    """快报 (automatic, stamped 未审核) and official (signed by a reviewer)."""

    PROVISIONAL = "provisional"
    OFFICIAL = "official"


class State(StrEnum):
    CANDIDATE = "candidate"
    REJECTED = "rejected"  # not publishable
    PUBLISHED = "published"
    SUPERSEDED = "superseded"


class NotPublishable(HuiyangError):
    """A refresh ended with a rejected release."""

    def __init__(self, release: Release, report: Path) -> None:
        super().__init__(
            f"Release {release.release_id} of {release.period} is not publishable: {release.critical_violations}"
            " records break critical rules. What was published stays.",
            f"The report says which and what to do: {report}.",
            exit_code=3,
        )
        self.release = release


@dataclass(frozen=True)
class Verdict:
    """What the quality gate found, in integers.

    Attributes:
        accepted_by_figures: completeness exactly 100 % and error rate below 1 %; acceptance also needs a signature.
    """

    publishable: bool
    accepted_by_figures: bool
    completeness_numerator: int
    completeness_denominator: int
    error_numerator: int
    error_denominator: int
    critical_violations: int


@dataclass(frozen=True)
class Build:
    """One run of dbt."""

    build_id: int
    cadence: Cadence
    period: Period
    lane: Lane
    cut_off: int
    as_of: datetime


@dataclass(frozen=True)
class Release:
    """A release as lists and reports show it; the fields stand in `release.release`."""

    release_id: int
    cadence: str
    period: str
    lane: str
    state: str
    is_current: bool
    publishable: bool
    accepted_by_figures: bool
    accepted: bool
    completeness_numerator: int
    completeness_denominator: int
    error_numerator: int
    error_denominator: int
    critical_violations: int
    as_of: datetime
    cut_off: int
    git_commit: str
    orchestration_sha256: str
    started_by: str
    reviewed_by: str | None
    published_at: datetime | None
    report_folder: str | None


@dataclass(frozen=True)
class ManifestItem:
    """One line of a manifest."""

    mart: str
    period: str
    version_id: int
    lane: str
    as_of: datetime
    origin_release_id: int


# --- builds ---


def start_build(
    settings: Settings,
    *,
    periods: Sequence[Period],
    marts: Mapping[str, Sequence[Period]],
    lane: Lane,
    cut_off: int,
    as_of: datetime,
    actor: str,
    git_commit: str,
    orchestration_sha256: str,
    dagster_run_id: str | None = None,
) -> Build:
    """Registers a build and its versions, after clearing away what a killed run left. The caller holds the lock.

    Args:
        periods: in order, the target last.
        marts: which periods of which mart the build fills.
    """
    abandon_unfinished_builds(settings)
    target = periods[-1]
    with build_connection(settings) as connection, connection.transaction():
        row = connection.execute(
            "insert into release.build (cadence, period, lane, cut_off, as_of, actor, dagster_run_id, git_commit,"
            " orchestration_sha256) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning build_id",
            [
                target.cadence, str(target), lane, cut_off, as_of, actor, dagster_run_id, git_commit,
                orchestration_sha256,
            ],
        ).fetchone()  # fmt: skip
        assert row is not None
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into release.version (mart, period, build_id) values (%s, %s, %s)",
                [(mart, str(period), row[0]) for mart, filled in marts.items() for period in filled],
            )
    return Build(row[0], target.cadence, target, lane, cut_off, as_of)


def running_build(settings: Settings) -> Build:
    """The build of the run that holds the lock.

    Raises:
        HuiyangError: none is running: the step was started alone.
    """
    with build_connection(settings) as connection:
        row = connection.execute(
            "select build_id, cadence, period, lane, cut_off, as_of from release.build where state = 'running'"
            " order by build_id desc limit 1"
        ).fetchone()
    if row is None:
        raise HuiyangError(
            "There is no build to judge.", "Run the whole job (monthly_refresh or half_yearly_refresh), not one asset."
        )
    return Build(row[0], Cadence(row[1]), Period.parse(row[2]), Lane(row[3]), row[4], row[5])


def abandon_unfinished_builds(settings: Settings) -> int:
    """Drops what builds left that never became a release; returns how many there were. The caller holds the lock."""
    with build_connection(settings, autocommit=True) as connection:
        dead = [
            row[0]
            for row in connection.execute("select build_id from release.build where state = 'running' order by 1")
        ]
        for build_id in dead:
            for version_id, mart in connection.execute(
                "select version_id, mart from release.version where build_id = %s and dropped_at is null", [build_id]
            ).fetchall():
                _drop_version(connection, mart, version_id)
            connection.execute(
                "update release.build set state = 'abandoned', finished_at = clock_timestamp() where build_id = %s",
                [build_id],
            )
    return len(dead)


def missing_from(settings: Settings, period: Period, marts: Sequence[str], first: Period) -> Period:
    """The earliest period from `first` on that the published manifest does not hold whole, `period` at the latest."""
    with build_connection(settings) as connection:
        held = {
            (row[0], row[1])
            for row in connection.execute(
                "select mart, period from release.release_item join release.current_release using (release_id)"
                " where cadence = %s",
                [period.cadence],
            )
        }
    candidate = min(first, period)
    while candidate < period and all((mart, str(candidate)) in held for mart in marts):
        candidate = candidate.next
    return candidate


def refuse_over_official(settings: Settings, period: Period, lane: Lane) -> None:
    """
    Raises:
        HuiyangError: the period is officially published, which a provisional version never replaces.
    """
    if lane is Lane.OFFICIAL:
        return
    with build_connection(settings) as connection:
        row = connection.execute(
            "select max(origin_release_id) from release.release_item join release.current_release using (release_id)"
            " where cadence = %s and period = %s and lane = 'official'",
            [period.cadence, str(period)],
        ).fetchone()
    if row and row[0] is not None:
        raise HuiyangError(
            f"{period} is officially published (release {row[0]}); a provisional version never replaces it.",
            f"Run `huiyang refresh --period {period} --lane official` for a correction, which a reviewer publishes.",
        )


# --- candidates ---


def record_candidate(
    settings: Settings, build: Build, verdict: Verdict, quality_rows: Iterable[Mapping[str, Any]], gate_run_id: int
) -> int:
    """Makes a build a release: candidate, or rejected if it is not publishable. Safe to run again for the same build.

    Args:
        quality_rows: rows of mart_quality_month, by column name.
        gate_run_id: the gate run whose verdict it is; retention keeps its violations as long as the release.

    Returns:
        the release's id.
    """
    state = State.CANDIDATE if verdict.publishable else State.REJECTED
    with build_connection(settings) as connection, connection.transaction():
        _store_quality_rows(connection, build, quality_rows)
        row = connection.execute(
            "insert into release.release (build_id, cadence, period, lane, as_of, cut_off, git_commit,"
            " orchestration_sha256, started_by, state, publishable, accepted_by_figures, completeness_numerator,"
            " completeness_denominator, error_numerator, error_denominator, critical_violations, gate_run_id)"
            " select build_id, cadence, period, lane, as_of, cut_off, git_commit, orchestration_sha256, actor,"
            " %s, %s, %s, %s, %s, %s, %s, %s, %s from release.build where build_id = %s"
            " on conflict (build_id) do update set state = excluded.state, publishable = excluded.publishable,"
            " accepted_by_figures = excluded.accepted_by_figures,"
            " completeness_numerator = excluded.completeness_numerator,"
            " completeness_denominator = excluded.completeness_denominator,"
            " error_numerator = excluded.error_numerator, error_denominator = excluded.error_denominator,"
            " critical_violations = excluded.critical_violations, gate_run_id = excluded.gate_run_id"
            " returning release_id, started_by",
            [
                state, verdict.publishable, verdict.accepted_by_figures, verdict.completeness_numerator,
                verdict.completeness_denominator, verdict.error_numerator, verdict.error_denominator,
                verdict.critical_violations, gate_run_id, build.build_id,
            ],
        ).fetchone()  # fmt: skip
        assert row is not None
        release_id, actor = row
        connection.execute(
            "insert into release.release_item (release_id, mart, period, version_id, lane, as_of, origin_release_id)"
            " select %(release)s, v.mart, v.period, v.version_id, b.lane, b.as_of, %(release)s"
            " from release.version v join release.build b using (build_id) where build_id = %(build)s"
            " on conflict do nothing",
            {"release": release_id, "build": build.build_id},
        )
        connection.execute(
            "update release.build set state = 'released', finished_at = clock_timestamp() where build_id = %s",
            [build.build_id],
        )
        _log_event(connection, release_id, "judged", actor, from_state="running", to_state=state)
    return release_id


def _store_quality_rows(connection: psycopg.Connection, build: Build, rows: Iterable[Mapping[str, Any]]) -> None:
    version = connection.execute(
        "select version_id from release.version where build_id = %s and mart = %s and period = %s",
        [build.build_id, QUALITY_MART, str(build.period)],
    ).fetchone()
    if version is None:
        return
    partition = sql.Identifier("store", f"{QUALITY_MART}_v{version[0]}")
    connection.execute(sql.SQL("delete from {}").format(partition))
    names = [name for name in _mart_columns(connection, QUALITY_MART) if name not in ("period", "period_end")]
    target: date = build.period.end_date
    statement = sql.SQL("insert into {} (version_id, period, period_end, {}) values (%s, %s, %s, {})").format(
        partition, sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join([sql.Placeholder()] * len(names))
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            statement, [(version[0], str(build.period), target, *(row[name] for name in names)) for row in rows]
        )
    connection.execute(
        sql.SQL("update release.version set row_count = (select count(*) from {}) where version_id = %s").format(
            partition
        ),
        [version[0]],
    )


def set_report_folder(settings: Settings, release_id: int, folder: str) -> None:
    """Records where a release's reports lie, below Settings.report_dir."""
    with build_connection(settings) as connection, connection.transaction():
        connection.execute("update release.release set report_folder = %s where release_id = %s", [folder, release_id])


# --- publication ---


def publish(settings: Settings, release_id: int, reviewer: str) -> Release:
    """Publishes a candidate after its review.

    Raises:
        HuiyangError: not a publishable candidate, not a reviewer of orchestration.yaml, or the one who started it.
    """
    orchestration = load_orchestration()
    ensure_warehouse(settings)
    release = get_release(settings, release_id)
    if reviewer not in orchestration.reviewers:
        raise HuiyangError(
            f"{reviewer} is not a reviewer.", "Reviewers stand in orchestration.yaml under `reviewers`.", exit_code=2
        )
    if reviewer == release.started_by:
        raise HuiyangError(
            f"{reviewer} started the refresh of release {release_id} and cannot review it.",
            "Let another reviewer publish it.",
        )
    with refresh_lock(settings):
        published = publish_locked(settings, release_id, actor=reviewer, reviewer=reviewer, orchestration=orchestration)
        tell_app(settings, published)
    return published


def publish_locked(
    settings: Settings, release_id: int, *, actor: str, reviewer: str | None, orchestration: Orchestration
) -> Release:
    """Publishes a candidate; the caller holds the lock. An official one needs a reviewer.

    Raises:
        HuiyangError: it is no publishable candidate, or something newer was published since.
    """
    for attempt in range(_PUBLISH_ATTEMPTS):
        try:
            with build_connection(settings) as connection, connection.transaction():
                connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(_LOCK_TIMEOUT)))
                _publish(connection, release_id, actor, reviewer)
            break
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if attempt == _PUBLISH_ATTEMPTS - 1:
                raise HuiyangError(
                    "A reader holds a published view open and does not let go.",
                    "End the long-running query in `published` and publish again.",
                ) from None
            time.sleep(0.25)
    apply_retention(settings, orchestration)
    return get_release(settings, release_id)


def _publish(connection: psycopg.Connection, release_id: int, actor: str, reviewer: str | None) -> None:
    release = connection.execute(
        "select cadence, period, lane, state, publishable, as_of from release.release where release_id = %s for update",
        [release_id],
    ).fetchone()
    assert release is not None
    cadence, period, lane, state, publishable, as_of = release
    if state != State.CANDIDATE or not publishable:
        raise HuiyangError(
            f"Release {release_id} is {state}; only a publishable candidate can be published.",
            "Look at `huiyang release list`; the report of a rejected release says which critical rules it breaks.",
        )
    if lane == Lane.OFFICIAL and reviewer is None:
        raise HuiyangError(
            f"Release {release_id} is official and needs a reviewer.",
            f"Run `huiyang release publish {release_id} --reviewer NAME`.",
        )
    previous = _current_release_id(connection, cadence)
    base = {(item.mart, item.period): item for item in _manifest(connection, previous)}
    merged = merge_manifest(base, _manifest(connection, release_id))
    if newer := {item.as_of for item in merged.stale}:
        raise HuiyangError(
            f"Release {release_id} is older than what is published of {period} ({max(newer)} against {as_of}).",
            "Refresh the period again and publish that release.",
        )
    if not merged.taken:
        raise HuiyangError(
            f"{period} is officially published; a provisional release never replaces it.",
            f"Refresh {period} in the official lane.",
        )
    connection.execute("delete from release.release_item where release_id = %s", [release_id])
    _insert_manifest(connection, release_id, merged.items)
    _point_views(connection, merged.items)
    connection.execute(
        "update release.release set state = 'published', reviewed_by = %s, published_at = clock_timestamp()"
        " where release_id = %s",
        [reviewer, release_id],
    )
    _set_current(connection, cadence, release_id, previous)
    connection.execute(
        "update release.release set state = 'superseded' where cadence = %s and period = %s and lane = %s"
        " and state = 'candidate' and release_id < %s",
        [cadence, period, lane, release_id],
    )
    _log_event(
        connection, release_id, "published", actor, from_state=state, to_state=State.PUBLISHED,
        from_release_id=previous, to_release_id=release_id,
    )  # fmt: skip


@dataclass(frozen=True)
class MergedManifest:
    """What a publication pins.

    Attributes:
        items: the whole new manifest.
        taken: the release's own items that are in it.
        stale: published items that are newer than the release's own of the same mart, period and lane.
    """

    items: list[ManifestItem]
    taken: list[ManifestItem]
    stale: list[ManifestItem]


def merge_manifest(base: Mapping[tuple[str, str], ManifestItem], own: Iterable[ManifestItem]) -> MergedManifest:
    """Lays a release's own items over the published manifest. A provisional version never replaces an official one."""
    result = dict(base)
    taken, stale = [], []
    for item in own:
        held = base.get((item.mart, item.period))
        if held is not None and held.lane == Lane.OFFICIAL and item.lane == Lane.PROVISIONAL:
            continue
        if held is not None and held.lane == item.lane and held.as_of > item.as_of:
            stale.append(held)
            continue
        result[item.mart, item.period] = item
        taken.append(item)
    items = sorted(result.values(), key=lambda item: (item.mart, item.period))
    return MergedManifest(items, taken, stale)


def rollback(settings: Settings, to_release_id: int, reason: str, actor: str | None = None) -> Release:
    """Shows an earlier release again: a new release whose manifest is a copy of that one's.

    Args:
        actor: who does it; default: the system user.

    Raises:
        HuiyangError: it was never published, is what is shown, or retention dropped versions of it.
    """
    actor = actor or getpass.getuser()
    if not reason.strip():
        raise HuiyangError("A rollback needs a reason.", "Say why with --reason.", exit_code=2)
    ensure_warehouse(settings)
    target = get_release(settings, to_release_id)
    if target.published_at is None:
        raise HuiyangError(
            f"Release {to_release_id} was never published.", "`huiyang release list` shows which were.", exit_code=2
        )
    with refresh_lock(settings):
        if get_release(settings, to_release_id).is_current:
            raise HuiyangError(f"Release {to_release_id} is what is published.", "There is nothing to go back to.")
        with build_connection(settings) as connection, connection.transaction():
            new_id = _roll_back(connection, to_release_id, reason, actor)
        shown = get_release(settings, new_id)
        tell_app(settings, shown, delivered_as=to_release_id)
    return shown


def tell_app(settings: Settings, release: Release, delivered_as: int | None = None) -> None:
    """Lets the app's users see in the inbox which release is published now. Safe to run again.

    Args:
        delivered_as: the release under whose number the gate's results were delivered; a rollback has none of its own.
    """
    number = release.release_id if delivered_as is None else delivered_as
    with connect(Login.INBOX, settings) as connection:
        connection.execute(
            "update inbox.release_result set state = 'superseded' where state = 'published' and release_id <> %s"
            " and (period like '%%-H_') = %s",
            [number, release.cadence == Cadence.HALF_YEARLY],
        )
        connection.execute(
            "update inbox.release_result set state = 'published', published_at = %s, accepted = %s"
            " where release_id = %s",
            [release.published_at, release.accepted, number],
        )


def _roll_back(connection: psycopg.Connection, to_release_id: int, reason: str, actor: str) -> int:
    dropped = connection.execute(
        "select count(*) from release.release_item join release.version using (version_id)"
        " where release_id = %s and dropped_at is not null",
        [to_release_id],
    ).fetchone()
    if dropped and dropped[0]:
        raise HuiyangError(
            f"Retention dropped {dropped[0]} versions of release {to_release_id}.",
            "Go back to a later release, or refresh the period with its cut-off.",
        )
    row = connection.execute(
        "insert into release.release (copy_of_release_id, cadence, period, lane, as_of, cut_off, git_commit,"
        " orchestration_sha256, started_by, state, publishable, accepted_by_figures, completeness_numerator,"
        " completeness_denominator, error_numerator, error_denominator, critical_violations, report_folder,"
        " gate_run_id, reviewed_by, published_at)"
        " select release_id, cadence, period, lane, as_of, cut_off, git_commit, orchestration_sha256, %s, 'published',"
        " publishable, accepted_by_figures, completeness_numerator, completeness_denominator, error_numerator,"
        " error_denominator, critical_violations, report_folder, gate_run_id, reviewed_by, clock_timestamp()"
        " from release.release where release_id = %s returning release_id, cadence",
        [actor, to_release_id],
    ).fetchone()
    assert row is not None
    new_id, cadence = row
    items = _manifest(connection, to_release_id)
    _insert_manifest(connection, new_id, items)
    _point_views(connection, items)
    previous = _current_release_id(connection, cadence)
    _set_current(connection, cadence, new_id, previous)
    _log_event(
        connection, new_id, "rolled back", actor, reason=reason, to_state=State.PUBLISHED,
        from_release_id=previous, to_release_id=to_release_id,
    )  # fmt: skip
    return new_id


def _current_release_id(connection: psycopg.Connection, cadence: str) -> int | None:
    row = connection.execute("select release_id from release.current_release where cadence = %s", [cadence]).fetchone()
    return row[0] if row else None


def _set_current(connection: psycopg.Connection, cadence: str, release_id: int, previous: int | None) -> None:
    connection.execute("update release.release set state = 'superseded' where release_id = %s", [previous])
    connection.execute(
        "insert into release.current_release (cadence, release_id) values (%s, %s)"
        " on conflict (cadence) do update set release_id = excluded.release_id",
        [cadence, release_id],
    )


def _manifest(connection: psycopg.Connection, release_id: int | None) -> list[ManifestItem]:
    with connection.cursor(row_factory=class_row(ManifestItem)) as cursor:
        return cursor.execute(
            "select mart, period, version_id, lane, as_of, origin_release_id from release.release_item"
            " where release_id = %s order by mart, period",
            [release_id],
        ).fetchall()


def _insert_manifest(connection: psycopg.Connection, release_id: int, items: Sequence[ManifestItem]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into release.release_item (release_id, mart, period, version_id, lane, as_of, origin_release_id)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [(release_id, i.mart, i.period, i.version_id, i.lane, i.as_of, i.origin_release_id) for i in items],
        )


def _log_event(
    connection: psycopg.Connection,
    release_id: int,
    action: str,
    actor: str,
    *,
    reason: str | None = None,
    from_state: str | None = None,
    to_state: str | None = None,
    from_release_id: int | None = None,
    to_release_id: int | None = None,
) -> None:
    connection.execute(
        "insert into release.event (release_id, action, actor, reason, from_state, to_state, from_release_id,"
        " to_release_id) values (%s, %s, %s, %s, %s, %s, %s, %s)",
        [release_id, action, actor, reason, from_state, to_state, from_release_id, to_release_id],
    )


# --- the views that readers see ---


def _mart_columns(connection: psycopg.Connection, mart: str) -> list[str]:
    """Columns of a mart in the store, in its order, without the version."""
    return [
        row[0]
        for row in connection.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
            " and attname <> 'version_id' order by attnum",
            [f"store.{mart}"],
        )
    ]


def _point_views(connection: psycopg.Connection, items: Sequence[ManifestItem]) -> None:
    by_mart: dict[str, list[ManifestItem]] = {}
    for item in items:
        by_mart.setdefault(item.mart, []).append(item)
    for mart, pinned in sorted(by_mart.items()):
        _replace_view(connection, mart, published_view(mart, _mart_columns(connection, mart), pinned))
    for cadence, view in ((Cadence.MONTHLY, "current_release"), (Cadence.HALF_YEARLY, "current_release_half_year")):
        _replace_view(connection, view, sql.SQL(_CURRENT_RELEASE).format(cadence=sql.Literal(cadence.value)))
    _copy_boundaries(connection)


def published_view(mart: str, columns: Sequence[str], items: Sequence[ManifestItem]) -> sql.Composed:
    """The select behind `published.<mart>`: literal versions, so that the store's other partitions are pruned.

    Each branch states its period as a literal too, so that a filter on it excludes the other branches.
    """
    branches = []
    for item in items:
        values = [
            sql.SQL("{}::text as period").format(sql.Literal(item.period)) if c == "period" else sql.Identifier(c)
            for c in columns
        ]
        branches.append(
            sql.SQL(
                "select {columns}, {lane}::text as lane, {release}::bigint as release_id, {as_of}::timestamptz as as_of"
                " from {store} where version_id = {version}"
            ).format(
                columns=sql.SQL(", ").join(values),
                lane=sql.Literal(item.lane),
                release=sql.Literal(item.origin_release_id),
                as_of=sql.Literal(item.as_of.isoformat()),
                store=sql.Identifier("store", mart),
                version=sql.Literal(item.version_id),
            )
        )
    return sql.SQL("\nunion all\n").join(branches)


#: Acceptance needs the figures and a signature.
_CURRENT_RELEASE = """
select r.release_id, r.lane, r.period, r.as_of, r.published_at,
    r.accepted_by_figures and r.reviewed_by is not null and r.lane = 'official' as accepted,
    r.completeness_numerator, r.completeness_denominator, r.error_numerator, r.error_denominator
from release.current_release c join release.release r using (release_id) where c.cadence = {cadence}
"""


def _replace_view(connection: psycopg.Connection, name: str, select: sql.Composable) -> None:
    view = sql.Identifier("published", name)
    connection.execute(sql.SQL("drop view if exists {}").format(view))
    connection.execute(sql.SQL("create view {} as {}").format(view, select))
    connection.execute(sql.SQL("grant select on {} to {}").format(view, sql.Identifier(Login.COCKPIT.role)))


def _copy_boundaries(connection: psycopg.Connection) -> None:
    """Boundaries are reference data; a copy of their own keeps them whole while dbt loads its seeds."""
    connection.execute("create table if not exists store.ref_county_boundary (like reference.ref_county_boundary)")
    connection.execute("delete from store.ref_county_boundary")
    connection.execute("insert into store.ref_county_boundary select * from reference.ref_county_boundary")
    _replace_view(connection, "ref_county_boundary", sql.SQL("select * from store.ref_county_boundary"))


# --- retention ---


#: What is published, what was published before it as far as it is kept (one parameter: how many), and open candidates.
_KEPT = (
    "select release_id from release.current_release"
    " union select release_id from release.release where state = 'candidate'"
    " union (select release_id from ("
    "  select release_id, row_number() over (partition by cadence order by published_at desc) as recency"
    "  from release.release where published_at is not null) as ranked where recency <= %s + 1)"
)


def apply_retention(settings: Settings, orchestration: Orchestration) -> int:
    """Drops versions that no kept release pins, and violations that belong to none; returns how many partitions.

    Kept are what is published, the newest `releases_kept` that were published before, and open candidates. A killed run
    left each partition whole, or detached, or gone: the next one goes on from there.
    """
    with build_connection(settings, autocommit=True) as connection:
        doomed = connection.execute(
            f"with kept as ({_KEPT})"
            " select version_id, mart from release.version v join release.build b using (build_id)"
            " where v.dropped_at is null and b.state <> 'running' and not exists ("
            "  select 1 from release.release_item i join kept using (release_id) where i.version_id = v.version_id)"
            " order by version_id",
            [orchestration.retention.releases_kept],
        ).fetchall()
        for version_id, mart in doomed:
            _drop_version(connection, mart, version_id)
        return len(doomed) + _drop_old_violations(connection, orchestration)


def _drop_old_violations(connection: psycopg.Connection, orchestration: Orchestration) -> int:
    """Drops the violations of gate runs that judged nothing kept; their counts stay. Returns of how many runs.

    Kept are the runs of the kept releases, and those of the releases that brought what these show of other periods:
    an auditor asks for the records behind any figure that can still be seen.
    """
    # Imported here: the rule catalogue takes seconds, which the code location must not.
    from expectations.store import SCHEMA, VIOLATION, runs_with_violations, violation_partition

    kept = {
        row[0]
        for row in connection.execute(
            f"with kept as ({_KEPT})"
            " select gate_run_id from release.release where release_id in ("
            "  select release_id from kept"
            "  union select origin_release_id from release.release_item join kept using (release_id))",
            [orchestration.retention.releases_kept],
        )
    }
    doomed = [run_id for run_id in runs_with_violations(connection) if run_id not in kept]
    for run_id in doomed:
        _drop_partition(connection, SCHEMA, VIOLATION, violation_partition(run_id))
    return len(doomed)


def _drop_version(connection: psycopg.Connection, mart: str, version_id: int) -> None:
    """Takes a version out of the store, and says so."""
    _drop_partition(connection, "store", mart, f"{mart}_v{version_id}")
    connection.execute("update release.version set dropped_at = clock_timestamp() where version_id = %s", [version_id])


def _drop_partition(connection: psycopg.Connection, schema: str, table: str, partition: str) -> None:
    """Detaches concurrently, so that readers of the other partitions read on. Safe to run again after a kill."""
    whole, part = sql.Identifier(schema, table), sql.Identifier(schema, partition)
    state = connection.execute(
        "select inhdetachpending from pg_inherits where inhrelid = to_regclass(%s)", [f"{schema}.{partition}"]
    ).fetchone()
    if state is not None:
        how = sql.SQL("finalize" if state[0] else "concurrently")
        connection.execute(sql.SQL("alter table {} detach partition {} {}").format(whole, part, how))
    connection.execute(sql.SQL("drop table if exists {}").format(part))


# --- reading ---

_RELEASES = """
select r.release_id, r.cadence, r.period, r.lane, r.state, c.release_id is not null as is_current, r.publishable,
    r.accepted_by_figures, r.accepted_by_figures and r.reviewed_by is not null and r.lane = 'official' as accepted,
    r.completeness_numerator, r.completeness_denominator, r.error_numerator, r.error_denominator,
    r.critical_violations, r.as_of, r.cut_off, r.git_commit, r.orchestration_sha256,
    r.started_by, r.reviewed_by, r.published_at, r.report_folder
from release.release r left join release.current_release c using (release_id)
"""


def list_releases(settings: Settings) -> list[Release]:
    """All releases, newest first."""
    ensure_warehouse(settings)
    with connect(Login.BUILD, settings) as connection, connection.cursor(row_factory=class_row(Release)) as cursor:
        return cursor.execute(_RELEASES + " order by r.release_id desc").fetchall()


def get_release(settings: Settings, release_id: int) -> Release:
    """
    Raises:
        HuiyangError: there is no such release.
    """
    with connect(Login.BUILD, settings) as connection, connection.cursor(row_factory=class_row(Release)) as cursor:
        release = cursor.execute(_RELEASES + " where r.release_id = %s", [release_id]).fetchone()
    if release is None:
        raise HuiyangError(f"There is no release {release_id}.", "`huiyang release list` shows all.", exit_code=2)
    return release


def release_of_run(settings: Settings, dagster_run_id: str) -> Release:
    """The release that a run of Dagster made.

    Raises:
        HuiyangError: it made none.
    """
    with connect(Login.BUILD, settings) as connection, connection.cursor(row_factory=class_row(Release)) as cursor:
        release = cursor.execute(
            _RELEASES + " join release.build b on b.build_id = r.build_id where b.dagster_run_id = %s"
            " order by release_id desc limit 1",
            [dagster_run_id],
        ).fetchone()
    if release is None:
        raise HuiyangError("This run made no release.", "Run the whole job, not one asset.")
    return release


def first_built_period(settings: Settings, release_id: int) -> str:
    """The first period that a release's build filled: its own, or an earlier one where history was missing."""
    with connect(Login.BUILD, settings) as connection:
        row = connection.execute(
            "select min(v.period) from release.version v join release.release r using (build_id) where release_id = %s",
            [release_id],
        ).fetchone()
    assert row is not None
    return str(row[0])


def release_events(settings: Settings, release_id: int) -> list[dict[str, Any]]:
    """What happened to a release, in order."""
    with connect(Login.BUILD, settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select * from release.event where release_id = %s order by event_id", [release_id]
        ).fetchall()


def has_official(settings: Settings, period: Period) -> bool:
    """Whether what is published of a period is official."""
    with connect(Login.BUILD, settings) as connection:
        row = connection.execute(
            "select count(*) from release.release_item join release.current_release using (release_id)"
            " where cadence = %s and period = %s and lane = 'official'",
            [period.cadence, str(period)],
        ).fetchone()
    return bool(row and row[0])
