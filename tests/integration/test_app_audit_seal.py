"""Sealing on a real server of its own: nothing is missed, nothing sealed twice, whatever is killed when."""

from __future__ import annotations

import signal
import sys
import threading
from datetime import UTC

import psycopg
import pytest

from huiyang.database import Login, connect
from huiyang.server import admin_connect
from operational_app.audit import sealing
from operational_app.audit.canonical import NO_HEAD, BatchDigest, event_digest, select_list
from operational_app.audit.heads import KeptHead
from operational_app.audit.sealing import Sealer, is_at_work, sealer_connection, values_of
from tests.app_audit import Trail, own_server, trail

pytestmark = pytest.mark.any_postgres
__all__ = ["own_server", "trail"]  # fixtures

#: Kills itself between two steps of the sealer, as a power cut would.
_KILLED_AT = """
import os, signal, sys
from operational_app.audit import sealing
from operational_app.audit.heads import HeadFile

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

where = sys.argv[1]
if where == "before the commit":
    sealing._store = kill
elif where == "between commit and append":
    HeadFile.append = kill
else:
    append = HeadFile.append
    def append_and_die(self, *given, **options):
        append(self, *given, **options)
        kill()
    def tear_and_die(self, *given, **options):
        append(self, *given, **options)
        os.truncate(self.path, self.path.stat().st_size - 30)
        kill()
    HeadFile.append = append_and_die if where == "after the append" else tear_and_die
sealing.main()
"""


def test_what_was_recorded_is_sealed_once_and_its_head_kept(trail: Trail):
    keys = trail.record(3)
    assert trail.run_pass() == 3
    assert trail.run_pass() == 0
    more = trail.record(2)
    assert trail.run_pass() == 2
    seals = trail.seals()
    assert [seal["event_count"] for seal in seals] == [3, 2]
    assert [trail.keys_of(seal["number"]) for seal in seals] == [keys, more]
    assert seals[0]["previous_head"] == NO_HEAD and seals[1]["previous_head"] == seals[0]["head"]
    assert list(trail.heads.read()) == [KeptHead(seal["number"], seal["head"]) for seal in seals]
    assert all(seal["kept_at"] for seal in seals)
    assert not trail.waiting()


def test_a_head_is_what_its_batch_says(trail: Trail):
    """Worked out anew from the tables by the published form."""
    trail.record(4, details={"数": [1, 2.50, None], "名": "\u2028\"'"})
    trail.run_pass()
    (seal,) = trail.seals()
    with sealer_connection(trail.settings) as connection:
        events = connection.execute(f"select {select_list()} from audit.audit_event as event order by id").fetchall()
    digest = BatchDigest()
    for event in events:
        digest.add(event["id"], event_digest(event))
    assert seal["events_digest"] == digest.value()
    text = seal["sealed_at"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")  # as PostgreSQL
    assert seal["head"] == values_of(seal | {"sealed_at": text}).head()


def test_a_transaction_that_commits_late_is_sealed_when_it_does(trail: Trail):
    with connect(Login.APP, trail.settings) as slow:
        trail.record_in(slow)
        quick = trail.record(2)
        assert trail.run_pass() == 2  # nobody waits for the slow one
        assert trail.keys_of(1) == quick
        slow.commit()
    assert trail.run_pass() == 1
    assert min(trail.keys_of(2)) < min(quick)


def test_what_was_rolled_back_leaves_nothing(trail: Trail):
    with connect(Login.APP, trail.settings) as connection:
        trail.record_in(connection)
        connection.rollback()
    assert trail.run_pass() == 0 and not trail.waiting() and not trail.seals()


def test_many_events_are_several_batches(trail: Trail, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "MOST_IN_A_BATCH", 4)
    monkeypatch.setattr(Sealer.seal_batch, "__defaults__", (4,))
    trail.record(10)
    assert trail.run_pass() == 10
    assert [seal["event_count"] for seal in trail.seals()] == [4, 4, 2]
    assert len(list(trail.heads.read())) == 3


def test_recorders_at_once_lose_nothing(trail: Trail):
    stop, errors = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            with connect(Login.APP, trail.settings) as connection:
                for number in range(60):
                    trail.record_in(connection)
                    connection.rollback() if number % 7 == 0 else connection.commit()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    with trail.sealer() as sealer:
        while any(thread.is_alive() for thread in threads):
            sealer.run_pass()
        sealer.run_pass()
    stop.set()
    assert not errors
    assert sum(seal["event_count"] for seal in trail.seals()) == 4 * 51 == trail.count("audit_event")
    assert trail.count("seal_entry") == 4 * 51 and not trail.waiting()


@pytest.mark.parametrize(
    "where", ["before the commit", "between commit and append", "after the append", "in the midst of the line"]
)
def test_a_killed_sealer_is_made_good_by_the_next(trail: Trail, where: str):
    trail.record(2)
    trail.run_pass()
    trail.record(3)
    killed = trail.start([sys.executable, "-c", _KILLED_AT, where])
    assert killed.wait(60) == -signal.SIGKILL
    trail.record(1)
    trail.run_pass()
    seals = trail.seals()
    assert sum(seal["event_count"] for seal in seals) == 6 == trail.count("seal_entry")
    assert list(trail.heads.read()) == [KeptHead(seal["number"], seal["head"]) for seal in seals]
    assert all(seal["kept_at"] for seal in seals)


def test_of_two_sealers_one_seals_and_the_other_takes_over(trail: Trail):
    assert not is_at_work(trail.settings)
    command = [sys.executable, "-m", "operational_app.audit.sealing"]
    first = trail.start(command)
    trail.wait_until(lambda: is_at_work(trail.settings))
    second = trail.start(command)
    trail.record(2)
    trail.wait_until(lambda: not trail.waiting() and trail.seals()[-1]["kept_at"])
    with trail.sealer(as_the_one=False) as third:
        assert not third.is_the_one()
    first.kill()
    first.wait(20)
    trail.record(2)
    trail.wait_until(lambda: not trail.waiting() and trail.seals()[-1]["kept_at"])
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0
    seals = trail.seals()
    assert [seal["number"] for seal in seals] == list(range(1, len(seals) + 1))
    assert sum(seal["event_count"] for seal in seals) == 4
    assert not is_at_work(trail.settings)


def test_a_sealer_waits_for_a_database_that_comes_back(trail: Trail):
    process = trail.start([sys.executable, "-m", "operational_app.audit.sealing"])
    trail.wait_until(lambda: is_at_work(trail.settings))
    with admin_connect(trail.settings) as admin:
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'huiyang_sealer'")
    trail.record(1)
    trail.wait_until(lambda: not trail.waiting())
    assert process.poll() is None


class TestSecondMedium:
    def test_without_it_sealing_goes_on_and_the_heads_follow(self, trail: Trail, caplog: pytest.LogCaptureFixture):
        trail.record(1)
        trail.run_pass()
        away = trail.heads.path.parent.rename(trail.heads.path.parent.with_name("unplugged"))
        for _ in range(3):
            trail.record(1)
            trail.run_pass()
        assert "No such file" in caplog.text
        assert [bool(seal["kept_at"]) for seal in trail.seals()] == [True, False, False, False]
        away.rename(trail.heads.path.parent)
        trail.run_pass()
        assert [head.number for head in trail.heads.read()] == [1, 2, 3, 4]
        assert all(seal["kept_at"] for seal in trail.seals())

    def test_an_unmounted_disk_is_not_replaced_by_a_new_file(self, trail: Trail, caplog: pytest.LogCaptureFixture):
        trail.record(1)
        trail.run_pass()
        trail.heads.path.unlink()
        trail.record(1)
        trail.run_pass()
        assert not trail.heads.path.exists() and trail.seals()[1]["kept_at"] is None
        assert str(trail.heads.path) in caplog.text

    def test_heads_that_were_kept_are_not_written_again_in_silence(self, trail: Trail):
        for _ in range(3):
            trail.record(1)
            trail.run_pass()
        lines = trail.heads.path.read_bytes().splitlines(keepends=True)
        trail.heads.path.write_bytes(lines[0])
        trail.record(1)
        trail.run_pass()
        assert [head.number for head in trail.heads.read()] == [1, 4]  # 2 and 3 are missing, for `verify` to tell

    def test_a_database_that_was_set_back_is_told_and_goes_on_behind(
        self, trail: Trail, caplog: pytest.LogCaptureFixture
    ):
        for _ in range(4):
            trail.record(1)
            trail.run_pass()
        trail.set_back_to(2)
        trail.run_pass()
        assert "set back" in caplog.text
        trail.record(1)
        trail.run_pass()
        seals = trail.seals()
        assert [seal["number"] for seal in seals] == [1, 2, 5]
        assert seals[2]["previous_head"] == seals[1]["head"]
        assert [head.number for head in trail.heads.read()] == [1, 2, 3, 4, 5]

    def test_set_back_to_a_batch_whose_head_was_not_noted_yet(self, trail: Trail):
        """A backup taken between append and note."""
        for _ in range(3):
            trail.record(1)
            trail.run_pass()
        trail.set_back_to(2)
        trail.as_superuser("update audit.seal set kept_at = null where number = 2")
        trail.run_pass()
        assert trail.seals()[1]["kept_at"]

    def test_a_head_that_contradicts_is_never_overwritten(self, trail: Trail, caplog: pytest.LogCaptureFixture):
        for _ in range(2):
            trail.record(1)
            trail.run_pass()
        before = trail.heads.path.read_bytes()
        trail.set_back_to(1)
        away = trail.heads.path.rename(trail.heads.path.with_name("away"))
        trail.record(2)
        trail.run_pass()  # makes another batch 2, for it cannot see the first
        away.rename(trail.heads.path)
        trail.run_pass()
        assert "batches [2]" in caplog.text
        trail.record(1)
        trail.run_pass()
        assert trail.heads.path.read_bytes().startswith(before)
        assert [head.number for head in trail.heads.read()] == [1, 2, 3]


class TestRights:
    def test_the_app_fills_neither_key_nor_time_nor_transaction(self, trail: Trail):
        for column, value in (
            ("id", "1"), ("happened_at", "now()"), ("change_txid", "1"), ("recorded_at", "now()"),
        ):  # fmt: skip
            for login in (Login.APP, Login.LOADER, Login.INBOX):
                with connect(login, trail.settings) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(
                        f"insert into audit.audit_event (action, outcome, {column}) values ('x', 'x', {value})"
                    )

    @pytest.mark.parametrize("login", [Login.APP, Login.LOADER, Login.INBOX, Login.EXTRACT, Login.SEALER])
    def test_nobody_who_serves_changes_or_removes(self, trail: Trail, login: Login):
        for statement in (
            "update audit.audit_event set outcome = 'success'",
            "delete from audit.audit_event",
            "truncate audit.audit_event",
            "delete from audit.seal",
            "update audit.seal set head = ''",
            "update audit.seal set pruned_at = now()",
            "delete from audit.seal_entry",
            "update audit.seal_entry set digest = ''",
        ):
            with connect(login, trail.settings) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)

    def test_only_the_sealer_seals(self, trail: Trail):
        for login in (Login.APP, Login.LOADER, Login.INBOX, Login.EXTRACT):
            for statement in (
                "insert into audit.seal_entry values (1, 1, '')",
                "insert into audit.unsealed values (1)",
                "delete from audit.unsealed",
            ):
                with connect(login, trail.settings) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)

    def test_without_an_account_of_the_duty_nothing_is_seen(self, trail: Trail):
        trail.record(1)
        trail.run_pass()
        for account in ("", "0", "999999999"):
            with connect(Login.APP, trail.settings) as app:
                app.execute("select set_config('huiyang.account_id', %s, true)", [account])
                app.execute("select set_config('huiyang.all_accounts', 'true', true)")
                for table in ("audit_event", "seal", "seal_entry"):
                    assert app.execute(f"select count(*) from audit.{table}").fetchone() == (0,)

    def test_the_sealer_sees_nothing_else(self, trail: Trail):
        for table in ("elders.elder", "identity.account", "changelog.elder"):
            with (
                connect(Login.SEALER, trail.settings) as sealer,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                sealer.execute(f"select 1 from {table}")
