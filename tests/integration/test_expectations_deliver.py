"""Delivery into the app's inbox: complete, idempotent, and only as login inbox may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import psycopg
import pytest

from expectations.catalogue import catalogue_for
from expectations.deliver import deliver
from expectations.gate import run_gate
from expectations.results import GateResult
from huiyang.database import Database, Login, connect, connection_parameters
from huiyang.settings import Settings
from tests.integration.expectations_factory import (
    AS_OF,
    PERIOD,
    PERIOD_END,
    SomeRelease,
    World,
    create_record_tables,
    fill,
)

Gate = Callable[..., GateResult]


@pytest.fixture(scope="module")
def gate(installation: Settings) -> GateResult:
    """A run over a world with an invalid phone, a repeated key and a rule that cannot run."""
    world = World(0)
    world.new("elder", phone_status="invalid")
    same = world.new("guardian"), world.new("guardian")
    same[1]["id"] = same[0]["id"]
    with connect(Login.BUILD, installation, autocommit=True) as connection:
        create_record_tables(connection, "gate_deliver")
        fill(connection, "gate_deliver", [world])
        connection.execute("drop table gate_deliver.int_photo")
    return run_gate(installation, PERIOD, PERIOD_END, "gate_deliver", as_of=AS_OF)


def _rows(settings: Settings, table: str, release_id: int, order: str) -> list[tuple[object, ...]]:
    with connect(Login.INBOX, settings) as connection:
        return connection.execute(
            f"select * from inbox.{table} where release_id = %s order by {order}",  # a name of ours
            [release_id],
        ).fetchall()


def test_everything_arrives(installation: Settings, gate: GateResult) -> None:
    release = SomeRelease(901, report_folder="901")
    deliver(installation, release, gate)
    [stored] = _rows(installation, "release_result", 901, "id")
    totals = gate.totals
    assert stored[1:] == (
        901, PERIOD, "official", "candidate", release.as_of, None, False, False, totals.completeness_numerator,
        totals.completeness_denominator, totals.error_record_count, totals.record_count, "901", False,
        gate.catalogue_sha256,
    )  # fmt: skip
    with connect(Login.INBOX, installation) as inbox:
        [content] = inbox.execute(
            "select content from inbox.catalogue where sha256 = %s", [gate.catalogue_sha256]
        ).fetchone()  # fmt: skip
    assert [rule["id"] for rule in content["rules"]] == [rule.id for rule in catalogue_for(gate.period_end).rules]
    assert len(_rows(installation, "theme_result", 901, "id")) == len(gate.theme_results)
    rules = {row[2]: row for row in _rows(installation, "rule_result", 901, "id")}
    assert set(rules) == {r.rule_id for r in gate.rule_results}
    assert rules["ELD-02"][5:] == ("error", "联系电话格式不正确", rules["ELD-02"][7], 4, 1, True)
    violations = {(row[2], row[3]): row for row in _rows(installation, "violation", 901, "id")}
    assert violations["ELD-02", "elder"][5:7] == ("440802001001", date(2026, 10, 31))
    assert ("GRD-KEY", "guardian") in violations


def test_a_rule_that_could_not_run_does_not_look_passed(installation: Settings, gate: GateResult) -> None:
    deliver(installation, SomeRelease(902), gate)
    rules = {row[2]: row for row in _rows(installation, "rule_result", 902, "id")}
    assert rules["PHO-01"][5:] == (
        "critical", "未能执行：照片有登记而文件未入库", "缺少记录表 int_photo", 0, 1, False
    )  # fmt: skip


def test_a_second_delivery_changes_nothing_and_keeps_ids(installation: Settings, gate: GateResult) -> None:
    release = SomeRelease(903)
    deliver(installation, release, gate)
    before = [_rows(installation, table, 903, "id") for table in ("release_result", "violation")]
    deliver(installation, release, gate)
    assert [_rows(installation, table, 903, "id") for table in ("release_result", "violation")] == before
    assert len(_rows(installation, "theme_result", 903, "id")) == len(gate.theme_results)


def test_the_inbox_follows_the_last_run_of_a_release(installation: Settings, gate: GateResult) -> None:
    deliver(installation, SomeRelease(904), gate)
    with connect(Login.BUILD, installation, autocommit=True) as connection:
        create_record_tables(connection, "gate_deliver_again")
        fill(connection, "gate_deliver_again", [World(0)])
    again = run_gate(installation, PERIOD, PERIOD_END, "gate_deliver_again", as_of=AS_OF)
    deliver(installation, replace(SomeRelease(904), state="published"), again)
    assert _rows(installation, "violation", 904, "id") == []
    assert _rows(installation, "release_result", 904, "id")[0][4] == "published"


def test_other_releases_stay(installation: Settings, gate: GateResult) -> None:
    deliver(installation, SomeRelease(905), gate)
    before = _rows(installation, "violation", 905, "id")
    deliver(installation, SomeRelease(906), gate)
    assert _rows(installation, "violation", 905, "id") == before != []


def test_the_build_login_cannot_write_into_the_app(installation: Settings) -> None:
    parameters = connection_parameters(Login.BUILD, installation) | {"dbname": Database.APP.value}
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(**parameters)
