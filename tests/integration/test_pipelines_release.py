"""Releases: publication in one transaction, lanes, reviewers, rollback, retention, and what the cockpits may read.

The versions are filled by hand here, as dbt's materialization fills them; `test_pipelines_refresh.py` runs that one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from expectations import results, store
from expectations.catalogue import catalogue_for
from expectations.rule import RecordPeriod
from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.periods import Period, period_range
from huiyang.settings import PROJECT_ROOT, Settings
from operational_app.schema import migrate_to_head
from pipelines import release
from pipelines.orchestration import load_orchestration
from pipelines.release import Lane, Release, State, Verdict
from pipelines.warehouse import ensure_warehouse, refresh_lock
from tests.conftest import running_server

pytestmark = pytest.mark.any_postgres

MARTS = ("mart_first", "mart_second")
MONTHS = list(period_range(Period.parse("2026-01"), Period.parse("2026-03")))
PASSED = Verdict(True, True, 100, 100, 0, 50, 0)
REVIEWER, OTHER_REVIEWER = load_orchestration().reviewers[:2]


@pytest.fixture(scope="module")
def server() -> Iterator[Settings]:
    with (
        TemporaryDirectory(prefix="huiyang-release-") as folder,
        running_server(Settings(home=Path(folder) / "home", postgres_admin_url=None)) as settings,
    ):
        migrate_to_head(settings)  # publications are told to the app's inbox
        ensure_warehouse(settings)
        with connect(Login.BUILD, settings) as connection:
            connection.execute("create schema reference")
            connection.execute("create table reference.ref_county_boundary (county_code text, ring_json text)")
            connection.execute("insert into reference.ref_county_boundary values ('440802000000', '[]')")
        yield settings


@pytest.fixture
def warehouse(server: Settings) -> Settings:
    """The module's warehouse without releases."""
    with connect(Login.BUILD, server, autocommit=True) as connection:
        for schema in ("release", "store", "published", "quality"):
            connection.execute(f"drop schema if exists {schema} cascade")
    ensure_warehouse(server)
    with connect(Login.BUILD, server) as connection:
        store.ensure_schema(connection)
        for mart in MARTS:
            connection.execute(
                f"create table store.{mart} (version_id bigint not null, period text, figure bigint)"
                " partition by list (version_id)"
            )
    return server


_CLOCK = iter(datetime(2026, 4, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(10_000))


def build(
    settings: Settings, figure: int, *, lane: Lane = Lane.PROVISIONAL, periods: Sequence[Period] = MONTHS[-1:],
    actor: str = "somebody", verdict: Verdict = PASSED,
) -> int:  # fmt: skip
    """A release whose rows all show one figure."""
    with refresh_lock(settings):
        started = release.start_build(
            settings, periods=periods, marts=dict.fromkeys(MARTS, periods), lane=lane, cut_off=figure,
            as_of=next(_CLOCK), actor=actor, git_commit="commit", orchestration_sha256="hash",
        )  # fmt: skip
        fill(settings, started.build_id, figure)
        return release.record_candidate(settings, started, verdict, [], gate_run(settings))


def fill(settings: Settings, build_id: int, figure: int) -> None:
    with connect(Login.BUILD, settings) as connection:
        for version_id, mart, period in connection.execute(
            "select version_id, mart, period from release.version where build_id = %s", [build_id]
        ).fetchall():
            partition = f"store.{mart}_v{version_id}"
            connection.execute(f"create table {partition} (like store.{mart} including all)")
            connection.execute(f"insert into {partition} values (%s, %s, %s)", [version_id, period, figure])
            connection.execute(f"alter table store.{mart} attach partition {partition} for values in ({version_id})")


_MARCH = RecordPeriod("2026-03", date(2026, 3, 1), date(2026, 3, 31), date(2026, 3, 31), "candidate")
_CATALOGUE = catalogue_for(_MARCH.last_day)


def gate_run(settings: Settings) -> int:
    """A run of the gate that found one violation."""
    with connect(Login.BUILD, settings) as connection:
        run_id = store.start_run(connection, _MARCH, _CATALOGUE)
        connection.execute(
            "insert into quality.violation values (%s, 'ELD-01', 'elder', 1, '440802001001', '440802000000', now())",
            [run_id],
        )
        store.finish_run(connection, run_id, [], [], results.Verdict(True, True, (), ()))
    return run_id


def runs_kept(settings: Settings, *release_ids: int) -> list[bool]:
    """Of each release whether the records behind its report can still be read."""
    with connect(Login.BUILD, settings) as connection:
        runs = [
            connection.execute("select gate_run_id from release.release where release_id = %s", [number]).fetchone()
            for number in release_ids
        ]
    return [run is not None and len(list(store.read_violations(settings, run[0]))) == 1 for run in runs]


def publish_provisional(settings: Settings, release_id: int) -> Release:
    with refresh_lock(settings):
        return release.publish_locked(
            settings, release_id, actor="system", reviewer=None, orchestration=load_orchestration()
        )


def seen(settings: Settings, mart: str = MARTS[0]) -> dict[str, tuple[int, str, int]]:
    """What a cockpit sees: period → figure, lane, release."""
    with connect(Login.COCKPIT, settings) as connection:
        rows = connection.execute(f"select period, figure, lane, release_id from published.{mart}").fetchall()
    assert len(rows) == len({row[0] for row in rows})
    return {row[0]: row[1:] for row in rows}


def current(settings: Settings) -> dict[str, Any]:
    with connect(Login.COCKPIT, settings, row_factory=psycopg.rows.dict_row) as connection:
        row = connection.execute("select * from published.current_release").fetchone()
    assert row is not None
    return row


def test_a_release_shares_the_periods_that_it_did_not_build(warehouse: Settings) -> None:
    first = build(warehouse, 1, periods=MONTHS)
    publish_provisional(warehouse, first)
    assert seen(warehouse) == {str(month): (1, "provisional", first) for month in MONTHS}
    second = build(warehouse, 2)
    assert seen(warehouse)["2026-03"] == (1, "provisional", first), "a candidate shows nothing"
    publish_provisional(warehouse, second)
    assert seen(warehouse) == {
        "2026-01": (1, "provisional", first),
        "2026-02": (1, "provisional", first),
        "2026-03": (2, "provisional", second),
    }
    assert current(warehouse)["release_id"] == second
    assert release.get_release(warehouse, first).state == State.SUPERSEDED
    assert [(e["action"], e["to_state"], e["actor"]) for e in release.release_events(warehouse, second)] == [
        ("judged", "candidate", "somebody"),
        ("published", "published", "system"),
    ]


def test_a_rejected_release_is_never_published(warehouse: Settings) -> None:
    first = build(warehouse, 1)
    publish_provisional(warehouse, first)
    bad = build(warehouse, 2, verdict=Verdict(False, False, 99, 100, 5, 50, 5))
    assert release.get_release(warehouse, bad).state == State.REJECTED
    with pytest.raises(HuiyangError, match="is rejected"):
        publish_provisional(warehouse, bad)
    assert seen(warehouse)["2026-03"] == (1, "provisional", first)


def test_an_official_release_needs_another_persons_signature(warehouse: Settings) -> None:
    official = build(warehouse, 1, lane=Lane.OFFICIAL, actor=REVIEWER)
    with pytest.raises(HuiyangError, match="needs a reviewer"):
        publish_provisional(warehouse, official)
    with pytest.raises(HuiyangError, match="started the refresh"):
        release.publish(warehouse, official, REVIEWER)
    with pytest.raises(HuiyangError, match="is not a reviewer"):
        release.publish(warehouse, official, "somebody")
    published = release.publish(warehouse, official, OTHER_REVIEWER)
    assert (published.state, published.reviewed_by, published.accepted) == ("published", OTHER_REVIEWER, True)
    assert current(warehouse) | {"as_of": None, "published_at": None} == {
        "release_id": official, "lane": "official", "period": "2026-03", "accepted": True,
        "completeness_numerator": 100, "completeness_denominator": 100, "error_numerator": 0,
        "error_denominator": 50, "as_of": None, "published_at": None,
    }  # fmt: skip
    with pytest.raises(HuiyangError, match="is published"):
        release.publish(warehouse, official, OTHER_REVIEWER)


def test_figures_alone_do_not_make_a_release_accepted(warehouse: Settings) -> None:
    assert not publish_provisional(warehouse, build(warehouse, 1)).accepted, "快报 is not signed"
    poor = build(warehouse, 2, lane=Lane.OFFICIAL, verdict=Verdict(True, False, 99, 100, 0, 50, 0))
    assert not release.publish(warehouse, poor, REVIEWER).accepted


def test_provisional_never_replaces_official(warehouse: Settings) -> None:
    official = build(warehouse, 1, lane=Lane.OFFICIAL, periods=MONTHS[:2])
    release.publish(warehouse, official, REVIEWER)
    mixed = build(warehouse, 2, periods=MONTHS)
    publish_provisional(warehouse, mixed)
    assert seen(warehouse) == {
        "2026-01": (1, "official", official),
        "2026-02": (1, "official", official),
        "2026-03": (2, "provisional", mixed),
    }
    with pytest.raises(HuiyangError, match="officially published"):
        publish_provisional(warehouse, build(warehouse, 3, periods=MONTHS[:1]))
    with pytest.raises(HuiyangError, match="officially published"):
        release.refuse_over_official(warehouse, MONTHS[0], Lane.PROVISIONAL)
    release.refuse_over_official(warehouse, MONTHS[0], Lane.OFFICIAL)
    release.refuse_over_official(warehouse, MONTHS[2], Lane.PROVISIONAL)


def test_an_older_candidate_does_not_overwrite_a_newer_release(warehouse: Settings) -> None:
    old = build(warehouse, 1, lane=Lane.OFFICIAL)
    new = build(warehouse, 2, lane=Lane.OFFICIAL)
    release.publish(warehouse, new, REVIEWER)
    assert release.get_release(warehouse, old).state == State.SUPERSEDED
    with pytest.raises(HuiyangError, match="is superseded"):
        release.publish(warehouse, old, REVIEWER)
    assert seen(warehouse)["2026-03"][0] == 2


def test_rollback_is_another_release(warehouse: Settings) -> None:
    first = build(warehouse, 1, periods=MONTHS)
    publish_provisional(warehouse, first)
    second = build(warehouse, 2)
    publish_provisional(warehouse, second)
    with pytest.raises(HuiyangError, match="is what is published"):
        release.rollback(warehouse, second, "no reason", "somebody")
    with pytest.raises(HuiyangError, match="needs a reason"):
        release.rollback(warehouse, first, " ", "somebody")
    again = release.rollback(warehouse, first, "figures of March were wrong", "somebody")
    assert again.release_id > second
    assert seen(warehouse) == {str(month): (1, "provisional", first) for month in MONTHS}
    assert current(warehouse)["release_id"] == again.release_id
    assert release.get_release(warehouse, second).state == State.SUPERSEDED
    [event] = release.release_events(warehouse, again.release_id)
    assert (event["action"], event["actor"], event["reason"], event["from_release_id"], event["to_release_id"]) == (
        "rolled back", "somebody", "figures of March were wrong", second, first,
    )  # fmt: skip
    candidate = build(warehouse, 3)
    with pytest.raises(HuiyangError, match="never published"):
        release.rollback(warehouse, candidate, "why not", "somebody")


def test_readers_never_see_two_releases_at_once(warehouse: Settings) -> None:
    """Readers join both marts and the current release in one statement while releases follow each other."""
    publish_provisional(warehouse, build(warehouse, 1, periods=MONTHS))
    stop = threading.Event()
    reads: list[tuple[int, int]] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            with connect(Login.COCKPIT, warehouse, autocommit=True) as connection:
                while not stop.is_set():
                    row = connection.execute(
                        "select min(a.figure), max(a.figure), min(b.figure), max(b.figure), max(c.release_id),"
                        " max(a.release_id) from published.mart_first a, published.mart_second b,"
                        " published.current_release c where a.period = '2026-03' and b.period = '2026-03'"
                    ).fetchone()
                    assert row is not None
                    assert row[0] == row[1] == row[2] == row[3], row
                    assert row[4] == row[5], row
                    reads.append((row[0], row[4]))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for figure in range(2, 14):
        publish_provisional(warehouse, build(warehouse, figure))
    stop.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert len({figure for figure, _ in reads}) > 3


def test_a_reader_that_holds_a_view_is_not_queued_upon(warehouse: Settings) -> None:
    """Publication steps back for a long reader, others read on meanwhile, and it goes through when the reader ends."""
    publish_provisional(warehouse, build(warehouse, 1))
    candidate = build(warehouse, 2)
    with connect(Login.COCKPIT, warehouse) as long_reader:
        long_reader.execute("select * from published.mart_second").fetchall()
        publisher = threading.Thread(target=publish_provisional, args=(warehouse, candidate))
        publisher.start()
        for _ in range(5):
            assert seen(warehouse, "mart_second")["2026-03"][0] == 1
        long_reader.commit()
    publisher.join()
    assert seen(warehouse, "mart_second")["2026-03"][0] == 2


def test_retention_drops_what_no_kept_release_pins(warehouse: Settings) -> None:
    kept = load_orchestration().retention.releases_kept
    first = build(warehouse, 1, periods=MONTHS)
    publish_provisional(warehouse, first)
    for figure in range(2, kept + 5):
        publish_provisional(warehouse, build(warehouse, figure))
    waiting = build(warehouse, 99, lane=Lane.OFFICIAL)
    release.apply_retention(warehouse, load_orchestration())
    assert seen(warehouse)["2026-01"] == (1, "provisional", first), "an old version stays while it is pinned"
    with connect(Login.BUILD, warehouse) as connection:
        partitions = connection.execute(
            "select count(*) from pg_inherits where inhparent = 'store.mart_first'::regclass"
        ).fetchone()
    # Two shared months, March of the current and of the kept releases, and the candidate's.
    assert partitions == (2 + kept + 1 + 1,)
    with pytest.raises(HuiyangError, match="Retention dropped"):
        release.rollback(warehouse, first, "too late", "somebody")
    release.publish(warehouse, waiting, REVIEWER)


def test_retention_keeps_the_violations_of_what_can_be_seen(warehouse: Settings) -> None:
    """The runs of kept releases, of those that brought a shown period, and of candidates; the counts of all."""
    kept = load_orchestration().retention.releases_kept
    first = build(warehouse, 1, periods=MONTHS)
    publish_provisional(warehouse, first)
    refused = build(warehouse, 2, verdict=Verdict(False, False, 99, 100, 5, 50, 5))
    later = [build(warehouse, figure) for figure in range(3, kept + 7)]
    for number in later:
        publish_provisional(warehouse, number)
    waiting = build(warehouse, 99, lane=Lane.OFFICIAL)
    release.apply_retention(warehouse, load_orchestration())
    assert runs_kept(warehouse, first) == [True], "January and February are shown as it made them"
    assert runs_kept(warehouse, refused) == [False]
    assert runs_kept(warehouse, *later) == [False] * 3 + [True] * (kept + 1)
    assert runs_kept(warehouse, waiting) == [True]
    again = release.rollback(warehouse, later[3], "wrong figures", "somebody")
    assert runs_kept(warehouse, again.release_id) == [True], "a rollback names the run of what it shows again"
    assert release.apply_retention(warehouse, load_orchestration()) == 0
    with connect(Login.BUILD, warehouse) as connection:
        named = connection.execute(
            "select count(*) from release.release join quality.gate_run using (gate_run_id)"
        ).fetchone()
    assert named == (len(later) + 4,), "runs are dropped with their records, never from the list"


def test_retention_leaves_a_running_gate_alone(warehouse: Settings) -> None:
    publish_provisional(warehouse, build(warehouse, 1))
    judged = gate_run(warehouse)  # its release is not recorded yet
    with connect(Login.BUILD, warehouse) as connection:
        running = store.start_run(connection, _MARCH, _CATALOGUE)
    assert release.apply_retention(warehouse, load_orchestration()) == 0
    assert len(list(store.read_violations(warehouse, judged))) == 1
    with connect(Login.BUILD, warehouse) as connection:
        partition = f"quality.{store.violation_partition(running)}"
        assert connection.execute("select to_regclass(%s)", [partition]).fetchone() != (None,)


_RETENTION = (
    "from huiyang.settings import get_settings; from pipelines import release;"
    " from pipelines.orchestration import load_orchestration;"
    " release.apply_retention(get_settings(), load_orchestration())"
)


def test_retention_killed_halfway_is_finished_by_the_next(warehouse: Settings) -> None:
    forgotten = [gate_run(warehouse) for _ in range(2)]
    kept = build(warehouse, 1)
    variables = {"HUIYANG_HOME": str(warehouse.home)}
    if warehouse.postgres_admin_url:
        variables["HUIYANG_POSTGRES_ADMIN_URL"] = warehouse.postgres_admin_url
    pending = "select count(*) from pg_inherits where inhdetachpending"
    with connect(Login.BUILD, warehouse) as reader, connect(Login.BUILD, warehouse, autocommit=True) as watcher:
        # Retention cannot finish detaching while somebody reads the table: there it is killed.
        reader.execute("select count(*) from quality.violation")
        process = subprocess.Popen([sys.executable, "-c", _RETENTION], cwd=PROJECT_ROOT, env=os.environ | variables)
        while watcher.execute(pending).fetchone() != (1,):
            assert process.poll() is None, "retention did not wait"
            watcher.execute("select pg_sleep(0.05)")
        process.kill()
        process.wait()
        with refresh_lock(warehouse):  # ends the sessions that it left
            assert watcher.execute(pending).fetchone() == (1,)
    assert release.apply_retention(warehouse, load_orchestration()) == 2
    with connect(Login.BUILD, warehouse) as connection:
        for run_id in forgotten:
            partition = f"quality.{store.violation_partition(run_id)}"
            assert connection.execute("select to_regclass(%s)", [partition]).fetchone() == (None,)
    assert runs_kept(warehouse, kept) == [True]


def test_an_older_installation_learns_which_run_judged_what(warehouse: Settings) -> None:
    first, second = build(warehouse, 1), build(warehouse, 2)
    publish_provisional(warehouse, first)
    publish_provisional(warehouse, second)
    copy = release.rollback(warehouse, first, "wrong figures", "somebody").release_id
    copy_of_a_copy = release.rollback(warehouse, second, "right after all", "somebody").release_id
    copy_of_a_copy = release.rollback(warehouse, copy, "wrong they are", "somebody").release_id
    runs = "select release_id, gate_run_id from release.release order by release_id"
    with connect(Login.BUILD, warehouse) as connection:
        before = connection.execute(runs).fetchall()
        connection.execute("alter table release.release drop column gate_run_id")
    gate_run(warehouse)  # outside any build
    ensure_warehouse(warehouse)
    ensure_warehouse(warehouse)
    with connect(Login.BUILD, warehouse) as connection:
        after = connection.execute(runs).fetchall()
    assert after == before
    assert dict(after)[copy_of_a_copy] == dict(after)[first] is not None


def test_what_a_killed_build_left_is_cleared_away(warehouse: Settings) -> None:
    publish_provisional(warehouse, build(warehouse, 1))
    with refresh_lock(warehouse):
        dead = release.start_build(
            warehouse, periods=MONTHS, marts=dict.fromkeys(MARTS, MONTHS), lane=Lane.PROVISIONAL, cut_off=2,
            as_of=next(_CLOCK), actor="somebody", git_commit="commit", orchestration_sha256="hash",
        )  # fmt: skip
        fill(warehouse, dead.build_id, 666)
    publish_provisional(warehouse, build(warehouse, 3))
    with connect(Login.BUILD, warehouse) as connection:
        states = dict(connection.execute("select build_id, state from release.build").fetchall())
        left = connection.execute("select count(*) from store.mart_first where figure = 666").fetchone()
    assert states[dead.build_id] == "abandoned"
    assert left == (0,)
    assert seen(warehouse)["2026-03"][0] == 3


def test_only_one_at_a_time(warehouse: Settings) -> None:
    with refresh_lock(warehouse):
        with pytest.raises(HuiyangError, match="Another refresh"), refresh_lock(warehouse):
            pass
        with pytest.raises(HuiyangError, match="Another refresh"):
            release.rollback(warehouse, _published(warehouse), "why", "somebody")


def _published(settings: Settings) -> int:
    with connect(Login.BUILD, settings) as connection:
        row = connection.execute(
            "insert into release.build (cadence, period, lane, cut_off, as_of, actor, git_commit, orchestration_sha256)"
            " values ('monthly', '2026-01', 'provisional', 1, now(), 'x', 'x', 'x') returning build_id"
        ).fetchone()
        assert row is not None
        found = connection.execute(
            "insert into release.release (build_id, cadence, period, lane, as_of, cut_off, git_commit,"
            " orchestration_sha256, started_by, state, publishable, accepted_by_figures, completeness_numerator,"
            " completeness_denominator, error_numerator, error_denominator, critical_violations, published_at)"
            " values (%s, 'monthly', '2026-01', 'provisional', now(), 1, 'x', 'x', 'x', 'superseded', true, true,"
            " 1, 1, 0, 1, 0, now()) returning release_id",
            [row[0]],
        ).fetchone()
    assert found is not None
    return int(found[0])


def test_a_filter_on_the_period_reads_one_partition(warehouse: Settings) -> None:
    publish_provisional(warehouse, build(warehouse, 1, periods=MONTHS))
    publish_provisional(warehouse, build(warehouse, 2))
    with connect(Login.BUILD, warehouse) as connection:
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                "explain select sum(figure) from published.mart_first where period = '2026-02'"
            ).fetchall()
        )
        version = connection.execute(
            "select version_id from release.release_item join release.current_release using (release_id)"
            " where mart = 'mart_first' and period = '2026-02'"
        ).fetchone()
    assert version is not None
    assert plan.count(" on mart_first_v") == 1, plan
    assert f"mart_first_v{version[0]}" in plan


def test_the_cockpit_login_reads_published_and_nothing_else(warehouse: Settings) -> None:
    publish_provisional(warehouse, build(warehouse, 1))
    with connect(Login.COCKPIT, warehouse, autocommit=True) as cockpit:
        assert cockpit.execute("select count(*) from published.ref_county_boundary").fetchone() == (1,)
        for relation in ("store.mart_first", "release.release", "raw.extract_batch"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                cockpit.execute(f"select * from {relation}")  # type: ignore[arg-type]
        for statement in ("delete from published.mart_first", "create table published.mine (n int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                cockpit.execute(statement)  # type: ignore[arg-type]
