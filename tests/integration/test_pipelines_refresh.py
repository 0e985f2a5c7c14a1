"""The whole line, from the app's change log to the published views, as Dagster runs it; and what kills it.

Each refresh is a real one: extraction, dbt, the quality gate with its report, the inbox, publication.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, DagsterRunStatus
from psycopg import sql
from psycopg.rows import dict_row

from huiyang.database import Login, connect
from huiyang.divisions import division_tree
from huiyang.errors import HuiyangError
from huiyang.platform import dagster_home
from huiyang.platform.setup import refresh_sample
from huiyang.server import admin_connect
from huiyang.settings import PROJECT_ROOT, Settings
from operational_app import reference_data
from operational_app.schema import migrate_to_head
from pipelines import release, worker
from pipelines.orchestration import load_orchestration
from pipelines.run import refresh
from pipelines.warehouse import RefreshRunning, refresh_lock
from tests.conftest import running_server
from tests.integration.warehouse_factory import SmallCity, at, insert

PERIOD = "2026-10"
REVIEWER = load_orchestration().reviewers[0]


@pytest.fixture(scope="module")
def line() -> Iterator[Settings]:
    """A small city, refreshed once."""
    with (
        TemporaryDirectory(prefix="huiyang-line-") as folder,
        running_server(Settings(home=Path(folder) / "home", postgres_admin_url=None)) as settings,
    ):
        migrate_to_head(settings)
        reference_data.load(settings)
        SmallCity(settings)
        refresh(settings, PERIOD, actor="starter")
        yield settings


def published(settings: Settings) -> dict[str, str]:
    """Every published relation → a hash of its rows, as the cockpits see them."""
    with connect(Login.COCKPIT, settings) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "select table_name from information_schema.views where table_schema = 'published' order by 1"
            )
        ]
        return {
            name: hashlib.sha256(
                repr(
                    connection.execute(
                        sql.SQL("select * from published.{} as r order by r::text").format(sql.Identifier(name))
                    ).fetchall()
                ).encode()
            ).hexdigest()
            for name in names
        }


def current(settings: Settings) -> dict[str, Any]:
    with connect(Login.COCKPIT, settings, row_factory=dict_row) as connection:
        row = connection.execute("select * from published.current_release").fetchone()
    assert row is not None
    return row


def add_elder(settings: Settings, registered_on: date = date(2026, 10, 5)) -> int:
    with connect(Login.LOADER, settings) as connection:
        [elder] = insert(
            connection,
            "elders.elder",
            [
                {
                    "sex": "female", "birth_month": date(1950, 1, 1), "id_number_status": "valid",
                    "phone_status": "valid", "division_code": "440802001001", "has_address": True,
                    "living_arrangement": "alone", "economic_category": "ordinary", "registered_on": registered_on,
                    "effective_at": at(registered_on),
                }
            ],
        )  # fmt: skip
    return elder


def city_elders(settings: Settings, period: str = PERIOD) -> int:
    with connect(Login.COCKPIT, settings) as connection:
        row = connection.execute(
            "select elder_count from published.mart_overview_month where unit_type = 'city' and period = %s", [period]
        ).fetchone()
    assert row is not None
    return row[0]


def instance_of(settings: Settings) -> dg.DagsterInstance:
    variables = dagster_home.prepare(settings)
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return dg.DagsterInstance.from_config(str(settings.dagster_home))
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


# --- the first refresh ---


def test_the_first_refresh_publishes_36_months_of_every_mart(line: Settings) -> None:
    assert current(line)["lane"] == "provisional"
    assert current(line)["accepted"] is False, "快报 is not signed"
    with connect(Login.COCKPIT, line) as connection:
        for mart in ("mart_overview_month", "mart_elder_month", "mart_care_mode_month", "mart_family_bed_month"):
            periods = connection.execute(
                sql.SQL("select count(distinct period), min(period), max(period) from published.{}").format(
                    sql.Identifier(mart)
                )
            ).fetchone()
            assert periods == (36, "2023-11", PERIOD), mart
        rings = connection.execute("select count(distinct county_code) from published.ref_county_boundary").fetchone()
        assert rings == (9,)
        stamped = connection.execute(
            "select count(*) from published.mart_order_month"
            " where lane is distinct from 'provisional' or release_id is null or as_of is null"
        ).fetchone()
    assert stamped == (0,)
    with connect(Login.BUILD, line) as connection:
        judged = connection.execute(
            "select count(*) from release.release r join quality.gate_run g using (gate_run_id, period)"
            " where g.state = 'finished' and g.publishable = r.publishable"
        ).fetchone()
    assert judged == (1,), "the release names the run of the gate that judged it"


def test_the_gates_figures_are_published_reported_and_delivered(line: Settings) -> None:
    now = current(line)
    with connect(Login.COCKPIT, line) as connection:
        sums = connection.execute(
            "select sum(error_record_count), sum(record_count), sum(field_filled_count) + sum(coalesce("
            "record_present_count, 0)), sum(field_due_count) + sum(coalesce(record_due_count, 0))"
            " from published.mart_quality_month where period = %s",
            [PERIOD],
        ).fetchone()
    figures = ("error_numerator", "error_denominator", "completeness_numerator", "completeness_denominator")
    assert sums == tuple(now[figure] for figure in figures)
    assert now["error_denominator"] > 0
    [listed] = [r for r in release.list_releases(line) if r.is_current]
    assert listed.report_folder is not None
    files = {path.suffix for path in (line.report_dir / listed.report_folder).iterdir()}
    assert {".html", ".pdf", ".xlsx"} <= files
    with admin_connect(line, "app") as app:
        row = app.execute(
            "select state, period, error_numerator from inbox.release_result where release_id = %s", [now["release_id"]]
        ).fetchone()
    assert row == ("published", PERIOD, now["error_numerator"])


def compared(settings: Settings, release_id: int, indicator: str) -> dict[str, tuple[Any, ...]]:
    """Unit → (value, previous, last year, published, verdict) as delivered to the app."""
    with admin_connect(settings, "app") as app:
        rows = app.execute(
            "select unit_code, value, previous, last_year, published, verdict from inbox.figure_change"
            " where release_id = %s and indicator = %s",
            [release_id, indicator],
        ).fetchall()
    return {unit: tuple(values) for unit, *values in rows}


def test_every_figure_is_told_beside_the_periods_before(line: Settings) -> None:
    with connect(Login.COCKPIT, line) as connection:
        figures = dict(
            connection.execute(
                "select unit_code, array_agg(order_count order by period) from published.mart_overview_month"
                " where period in ('2025-10', '2026-09', %s) group by 1",
                [PERIOD],
            ).fetchall()
        )
    told = compared(line, current(line)["release_id"], "mart_overview_month.order_count")
    assert {unit: (now, before, year_ago) for unit, (now, before, year_ago, *_) in told.items()} == {
        unit: (now, before, year_ago) for unit, (year_ago, before, now) in figures.items()
    }
    assert {row[3] for row in told.values()} == {None}, "nothing of this period was published before"
    with admin_connect(line, "app") as app:
        verdicts = dict(app.execute("select verdict, count(*) from inbox.figure_change group by 1").fetchall())
        titles = {title for (title,) in app.execute("select distinct title from inbox.figure_change")}
    assert verdicts["usual"] > 10 * sum(count for verdict, count in verdicts.items() if verdict != "usual")
    assert {"在册老人数（人）", "当期完成的上门服务工单数（单）", "补贴金额（元）"} <= titles


def test_the_run_is_visible_in_dagster_from_the_apps_tables_to_the_cockpits(line: Settings) -> None:
    from pipelines.definitions import build_defs

    graph = build_defs(line).resolve_asset_graph()
    key = dg.AssetKey(["cockpits", "overview"])
    upstream = {key}
    while added := {parent for child in upstream for parent in graph.get(child).parent_keys} - upstream:
        upstream |= added
    for path in ("app/elders/elder", "raw/elder", "staging/stg_elder", "records/int_elder", "marts/mart_elder_month",
                 "release/monthly_candidate", "published/mart_elder_month"):  # fmt: skip
        assert dg.AssetKey(path.split("/")) in upstream, path
    described = {key for key in upstream if re.search("[\u4e00-\u9fff]", graph.get(key).description or "")}
    assert upstream - described == set(), "what its readers see is told in Chinese"
    with instance_of(line) as instance:
        [run] = instance.get_runs(filters=dg.RunsFilter(job_name="monthly_refresh"))
        assert run.status is DagsterRunStatus.SUCCESS
        assert run.tags["dagster/partition"] == PERIOD
        published_mart = dg.AssetKey(["published", "mart_overview_month"])
        assert instance.get_materialized_partitions(published_mart) == {PERIOD}
        events = instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
        checks = [event.get_dagster_event().asset_check_evaluation_data for event in events]
        verdicts = {check.check_name: check.passed for check in checks}
        assert verdicts["publishable"] is True
        assert "accepted_by_figures" in verdicts


# --- further refreshes ---


def test_a_critical_violation_keeps_what_is_published_until_it_is_mended(line: Settings) -> None:
    before, release_before, elders = published(line), current(line), city_elders(line)
    broken = break_critically(line)
    with pytest.raises(HuiyangError, match="is not publishable") as raised:
        refresh(line, PERIOD, actor="starter")
    assert raised.value.exit_code == 3
    assert published(line) == before
    newest = release.list_releases(line)[0]
    assert (newest.state, newest.publishable) == ("rejected", False)
    assert newest.critical_violations > 0
    assert inbox_state(line, newest.release_id) == "rejected"
    with admin_connect(line, "app") as app:
        found = app.execute(
            "select count(*) from inbox.violation where release_id = %s", [newest.release_id]
        ).fetchone()
    assert found is not None
    assert found[0] > 0, "its owners hear of it all the same"

    mend(line, broken)
    summary = refresh(line, PERIOD, actor="starter")
    assert (summary.built_from, summary.state) == (PERIOD, "published"), "the history is shared, not built again"
    assert city_elders(line) == elders + 1
    with connect(Login.COCKPIT, line) as connection:
        origins = connection.execute(
            "select min(release_id), max(release_id) from published.mart_overview_month where period < %s", [PERIOD]
        ).fetchone()
    assert origins == (release_before["release_id"],) * 2
    assert inbox_state(line, summary.release_id) == "published"
    assert inbox_state(line, release_before["release_id"]) == "superseded"


def inbox_state(settings: Settings, release_id: int) -> str | None:
    with admin_connect(settings, "app") as app:
        row = app.execute("select state from inbox.release_result where release_id = %s", [release_id]).fetchone()
    return row[0] if row else None


def break_critically(settings: Settings) -> int:
    """Makes an elder's division unknown to the reference: its rule is critical. Past the app's own constraints."""
    elder = add_elder(settings)
    with admin_connect(settings, "app") as app:
        app.execute("set session_replication_role = replica")
        app.execute("update elders.elder set division_code = '999999999999' where id = %s", [elder])
        app.execute("set session_replication_role = origin")
        app.execute("update elders.elder set has_address = true where id = %s", [elder])
    return elder


def mend(settings: Settings, elder: int) -> None:
    with admin_connect(settings, "app") as app:
        app.execute("update elders.elder set division_code = '440802001001' where id = %s", [elder])


def test_an_official_release_waits_for_its_reviewer(line: Settings) -> None:
    before = published(line)
    summary = refresh(line, PERIOD, "official", actor="starter")
    assert (summary.lane, summary.state) == ("official", "candidate")
    assert published(line) == before
    for now, _, _, shown, _ in compared(line, summary.release_id, "mart_overview_month.elder_count").values():
        assert now == shown, "the same period is published already, with the same figures"
    signed = release.publish(line, summary.release_id, REVIEWER)
    assert signed.reviewed_by == REVIEWER
    assert current(line)["lane"] == "official"
    assert inbox_state(line, summary.release_id) == "published"
    with pytest.raises(HuiyangError, match="officially published"):
        refresh(line, PERIOD, actor="starter")
    shown = published(line)
    refresh_sample(line, lambda what, done, total=1, /: None)
    assert published(line) == shown, "`make up` after a change of the rules leaves alone what people have signed"


def test_half_yearly_base_data_is_released_apart(line: Settings) -> None:
    monthly = current(line)
    summary = refresh(line, "2026-H1", actor="starter")
    assert (summary.period, summary.built_from) == ("2026-H1", "2023-H2")
    assert current(line) == monthly, "monthly marts stay as they are"
    with connect(Login.COCKPIT, line) as connection:
        periods = connection.execute(
            "select count(distinct period) from published.mart_institution_base_half_year"
        ).fetchone()
        row = connection.execute("select period from published.current_release_half_year").fetchone()
        institutions = connection.execute(
            "select count(*), sum(resident_count) from published.mart_institution_base_half_year"
            " where period = '2026-H1'"
        ).fetchone()
    assert periods == (5,)
    assert row == ("2026-H1",)
    city = division_tree().root.code
    told = [
        compared(line, summary.release_id, f"mart_institution_base_half_year.{name}")[city][0]
        for name in ("row_count", "resident_count")
    ]
    assert tuple(told) == institutions, "the counties add up to the city"


# --- errors ---


def test_clear_errors(line: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = published(line)
    with pytest.raises(HuiyangError, match="not a period"):
        refresh(line, "2026-13")
    with pytest.raises(HuiyangError, match="no lane"):
        refresh(line, "2026-11", "quick")
    with pytest.raises(HuiyangError, match="before the first period"):
        refresh(line, "2023-10")
    with refresh_lock(line), pytest.raises(HuiyangError, match="Another refresh"):
        refresh(line, "2026-11")
    broken = tmp_path / "orchestration.yaml"
    broken.write_text((PROJECT_ROOT / "orchestration.yaml").read_text().replace("releases_kept", "releases_keept"))
    monkeypatch.setattr("pipelines.orchestration.load_orchestration.__defaults__", (broken,))
    with pytest.raises(HuiyangError, match=r"line \d+.*releases_keept"):
        refresh(line, "2026-11")
    assert published(line) == before


# --- what people ask in the app ---


def ask(settings: Settings, **values: Any) -> int:
    """A task as the app writes it."""
    with admin_connect(settings, "app") as app:
        row = app.execute(
            "insert into identity.account (username, display_name, password_hash) values ('asker', '测试员', '')"
            " on conflict (username) do update set display_name = excluded.display_name returning id"
        ).fetchone()
        assert row is not None
        [task] = insert(app, "periods.task", [{"requested_by": row[0], "username": "asker"} | values])
    return task


def claim(settings: Settings) -> worker.Task | None:
    with connect(Login.INBOX, settings) as connection:
        return worker.claim(connection)


def task_of(settings: Settings, key: int) -> dict[str, Any]:
    with admin_connect(settings, "app", row_factory=dict_row) as app:
        row = app.execute("select * from periods.task where id = %s", [key]).fetchone()
    assert row is not None
    return row


def test_what_people_ask_in_the_app_is_done(line: Settings) -> None:
    shown = current(line)["release_id"]
    first = ask(line, kind="refresh", period="2026-11", lane="provisional")
    second = ask(line, kind="roll_back", period=PERIOD, release_id=shown, reason="核对")
    assert [claim(line), claim(line), claim(line)] == [
        worker.Task(first, "refresh", "2026-11", "provisional", None, "", "asker"),
        worker.Task(second, "roll_back", PERIOD, None, shown, "核对", "asker"),
        None,
    ]
    worker.do(line, first)
    done = task_of(line, first)
    new = current(line)
    assert (done["state"], done["release_id"], done["fraction"], new["period"]) == (
        "done", new["release_id"], 1, "2026-11",
    )  # fmt: skip
    assert done["message"].startswith(f"2026-11 快报已发布（第 {new['release_id']} 版）")
    with refresh_lock(line), pytest.raises(RefreshRunning), refresh_lock(line):
        pass
    worker.do(line, second)
    assert task_of(line, second)["message"] == f"已回退到第 {shown} 版。"
    assert current(line)["period"] == PERIOD
    with admin_connect(line, "app") as app:
        told = app.execute("select title, address from workbench.notification order by id desc limit 2").fetchall()
    assert told == [
        (f"已回退到第 {shown} 版", f"/periods/{PERIOD}"),
        (f"2026-11 快报已发布（第 {new['release_id']} 版）", "/periods/2026-11"),
    ]


def test_a_task_that_cannot_be_done_says_so_and_changes_nothing(line: Settings) -> None:
    before = published(line)
    for values in ({"kind": "refresh", "lane": "official"}, {"kind": "publish", "release_id": 1}):
        key = ask(line, period="2020-01", **values)
        assert claim(line) is not None
        worker.do(line, key)
        task = task_of(line, key)
        assert task["state"] == "failed" and "已发布的数据不变" in task["message"] and f"任务 {key}" in task["message"]
    assert published(line) == before


def test_a_killed_task_begins_again_but_not_for_ever(line: Settings) -> None:
    key = ask(line, kind="refresh", period="2026-12", lane="provisional")
    for attempt in range(1, worker.MOST_ATTEMPTS + 1):
        claimed = claim(line)
        assert claimed is not None and claimed.id == key
        assert task_of(line, key)["attempts"] == attempt
        assert worker.begin_again(line) == 1
    task = task_of(line, key)
    assert (task["state"], claim(line)) == ("failed", None)
    assert "已发布的数据不变" in task["message"]


# --- kills ---

_PROGRAM = """
import json, sys
from huiyang.settings import get_settings
from pipelines.run import refresh
def tell(what, done, total=1):
    print(what, flush=True)
summary = refresh(get_settings(), "2026-11", progress=tell, actor="killed")
print(json.dumps({"release_id": summary.release_id}), flush=True)
"""


def start_refresh(settings: Settings) -> subprocess.Popen[str]:
    variables = {"HUIYANG_HOME": str(settings.home)}
    if settings.postgres_admin_url:
        variables["HUIYANG_POSTGRES_ADMIN_URL"] = settings.postgres_admin_url
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT_ROOT,
        env=os.environ | variables,
    )  # fmt: skip


def kill_when(process: subprocess.Popen[str], reached: str, seconds_more: float = 0) -> None:
    """Kills a refresh that reports a step, with SIGKILL; its children have to notice for themselves."""
    assert process.stdout is not None
    for line in process.stdout:
        if reached in line:
            break
    else:
        assert process.stderr is not None
        pytest.fail(f"the refresh ended before {reached!r}: {process.stderr.read()[-2000:]}")
    time.sleep(seconds_more)
    process.send_signal(signal.SIGKILL)
    process.wait()


def assert_next_refresh_is_whole(settings: Settings) -> None:
    """The next refresh finishes, and leaves nothing of the killed ones behind."""
    finished = start_refresh(settings)
    output, errors = finished.communicate(timeout=280)
    assert finished.returncode == 0, errors[-3000:]
    assert current(settings)["release_id"] == json.loads(output.splitlines()[-1])["release_id"]
    assert current(settings)["period"] == "2026-11"
    with connect(Login.BUILD, settings) as connection:
        row = connection.execute("select count(*) from release.build where state = 'running'").fetchone()
        assert row == (0,)
        orphans = connection.execute(
            "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'store' and c.relkind = 'r' and c.relname ~ '_v[0-9]+$' and not exists (select from"
            "  release.version v where v.dropped_at is null and c.relname = v.mart || '_v' || v.version_id)"
        ).fetchone()
        assert orphans == (0,)


def test_a_refresh_killed_while_dbt_builds_leaves_what_is_published(line: Settings) -> None:
    before = published(line)
    kill_when(start_refresh(line), "dbt mart_")
    assert published(line) == before
    assert_next_refresh_is_whole(line)


def releases_shown(settings: Settings, period: str) -> set[int]:
    """The releases that brought what readers see of a period."""
    with connect(Login.COCKPIT, settings) as connection:
        return {
            release_id
            for mart in ("mart_overview_month", "mart_elder_month", "mart_order_month", "mart_quality_month")
            for (release_id,) in connection.execute(
                sql.SQL("select distinct release_id from published.{} where period = %s").format(sql.Identifier(mart)),
                [period],
            )
        }


STEPS = (
    "extract: elder", "extract: vital_sign", "dbt stg_", "dbt int_elder", "dbt mart_elder_month", "dbt mart_overview",
    "quality gate: elder", "quality gate: violations", "acceptance report", "publication",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kill_campaign(line: Settings) -> None:
    """SIGKILL at every step, and at random moments after it; now and then a refresh in between has to be whole."""
    chance = random.Random(11)
    for number, step in enumerate(STEPS * 2):
        before = published(line)
        process = start_refresh(line)
        kill_when(process, step, seconds_more=0 if number < len(STEPS) else chance.random() * 2)
        after = published(line)
        if after != before:  # it came as far as the publication, which is whole or not at all
            assert step in STEPS[-2:], step
            assert releases_shown(line, "2026-11") == {current(line)["release_id"]}, step
        if number % 4 == 3:
            assert_next_refresh_is_whole(line)
    assert_next_refresh_is_whole(line)
