"""`huiyang audit verify` finds every way to tamper with the trail that we know; `prune` removes no evidence."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.platform.installation import environment
from huiyang.server import POSTGRES_BIN_PATH, admin_connect
from huiyang.settings import PROJECT_ROOT, Settings
from operational_app.audit import sealing
from operational_app.audit.canonical import BatchDigest, event_digest, select_list
from operational_app.audit.retention import prune
from operational_app.audit.sealing import SEAL_COLUMNS, sealer_connection, values_of
from operational_app.audit.verification import explain, verify, verify_and_record
from tests.app_audit import Trail, own_server, trail

pytestmark = pytest.mark.any_postgres
__all__ = ["own_server", "trail"]  # fixtures


def findings(trail: Trail) -> list[str]:
    return verify(trail.settings).findings


def test_a_whole_trail_has_no_findings(trail: Trail):
    assert findings(trail) == []
    trail.batches(3, 1, 4)
    report = verify(trail.settings)
    assert (report.findings, report.batches, report.events, report.waiting) == ([], 3, 8, 0)


@pytest.mark.parametrize(
    "change",
    [
        "happened_at = happened_at + interval '1 microsecond'", "happened_at = 'infinity'",
        "happened_at = (happened_at::timestamp - interval '4051 years')::timestamptz", "account_id = 8",
        "account_id = null", "action = 'elder_reveal'", "target_table = null", "target_id = 13", "outcome = 'denied'",
        "remote_address = '10.1.2.4'", "details = '{\"a\": 1}'", "details = details || '{}'::jsonb || '{\"n\": 1.50}'",
        "change_txid = change_txid + 1", "recorded_at = recorded_at - interval '1 day'",
    ],
)  # fmt: skip
def test_a_changed_event_is_named(trail: Trail, change: str):
    key = trail.batches(3, 2)[1]
    trail.as_superuser(f"update audit.audit_event set {change} where id = %s", key)
    assert findings(trail) == [f"Event {key} (batch 1): changed."]


def test_a_removed_event_is_named(trail: Trail):
    key = trail.batches(3, 2)[4]
    trail.as_superuser("delete from audit.audit_event where id = %s", key)
    assert findings(trail) == [f"Event {key} (batch 2): removed."]


def test_two_events_that_changed_places(trail: Trail):
    first, second = trail.batches(2)
    trail.as_superuser("update audit.audit_event set account_id = 8 where id = %s", second)
    trail.clear()
    first, second = trail.batches(2)
    trail.as_superuser("update audit.audit_event set id = -1 where id = %s", first)
    trail.as_superuser("update audit.audit_event set id = %s where id = %s", first, second)
    trail.as_superuser("update audit.audit_event set id = %s where id = -1", second)
    assert findings(trail) == [f"Event {first} (batch 1): changed.", f"Event {second} (batch 1): changed."]


def test_an_event_put_in_behind_the_recorders_back(trail: Trail):
    keys = trail.batches(2)
    trail.as_superuser(
        "set session_replication_role = replica; insert into audit.audit_event (id, happened_at, action, outcome)"
        " values (%s, now() - interval '1 day', 'sign_in', 'success')".replace("%s", str(keys[0] - 1))
    )
    (found,) = findings(trail)
    assert found.startswith(f"Event {keys[0] - 1}: never sealed")


def test_an_event_put_in_late_with_an_entry_of_its_own(trail: Trail):
    keys = trail.batches(2)
    late = keys[0] - 1
    trail.as_superuser(
        f"set session_replication_role = replica; insert into audit.audit_event (id, action, outcome)"
        f" values ({late}, 'sign_in', 'success');"
        f" insert into audit.seal_entry select {late}, 1, digest from audit.seal_entry where event_id = {keys[0]}"
    )
    found = findings(trail)
    assert found[0].startswith("Batch 1: not the events that were sealed: 3 of 2")
    assert found[1] == f"Event {late} (batch 1): changed."


def test_an_event_that_was_removed_before_it_was_sealed(trail: Trail):
    (key,) = trail.record(1)
    trail.as_superuser("delete from audit.audit_event where id = %s", key)
    trail.run_pass()
    assert findings(trail) == [f"Event {key}: removed before it was sealed."]


def test_an_event_whose_trace_was_removed_with_it(trail: Trail):
    key = trail.batches(3)[0]
    trail.as_superuser("delete from audit.audit_event where id = %s", key)
    trail.as_superuser("delete from audit.seal_entry where event_id = %s", key)
    (found,) = findings(trail)
    assert found.startswith("Batch 1: not the events that were sealed: 2 of 3")


def test_an_event_changed_together_with_its_digest(trail: Trail):
    key = trail.batches(3)[0]
    _forge_event(trail, key)
    (found,) = findings(trail)
    assert found.startswith("Batch 1: not the events that were sealed")


def test_only_the_stored_digest_changed(trail: Trail):
    key = trail.batches(3)[0]
    trail.as_superuser("update audit.seal_entry set digest = decode('00', 'hex') where event_id = %s", key)
    assert findings(trail) == ["Batch 1: the stored digests were changed; its events are as they were sealed."]


def test_a_changed_seal(trail: Trail):
    trail.batches(3, 1)
    trail.as_superuser("update audit.seal set sealed_at = sealed_at - interval '1 year' where number = 1")
    assert findings(trail) == ["Batch 1: the seal was changed."]
    trail.as_superuser("update audit.seal set sealed_at = '-infinity' where number = 1")
    assert findings(trail) == ["Batch 1: the seal was changed."]


def _forge_event(trail: Trail, key: int) -> None:
    """Changes an event and its own digest."""
    trail.as_superuser("update audit.audit_event set account_id = 8 where id = %s", key)
    with sealer_connection(trail.settings) as connection:
        event = connection.execute(
            f"select {select_list()} from audit.audit_event as event where id = %s", [key]
        ).fetchone()
    trail.as_superuser("update audit.seal_entry set digest = %s where event_id = %s", event_digest(event), key)


def _seal_anew(trail: Trail) -> None:
    """Makes the database agree with itself again, from the first batch to the last."""
    head = bytes(32)
    for seal in trail.as_superuser(f"select {SEAL_COLUMNS} from audit.seal order by number"):
        entries = trail.as_superuser(
            "select * from audit.seal_entry where seal_number = %s order by event_id", seal["number"]
        )
        digest = BatchDigest()
        for entry in entries:
            digest.add(entry["event_id"], entry["digest"])
        forged = seal | {"events_digest": digest.value(), "event_count": digest.count, "previous_head": head}
        head = values_of(forged).head()
        trail.as_superuser(
            "update audit.seal set events_digest = %s, event_count = %s, previous_head = %s, head = %s"
            " where number = %s",
            forged["events_digest"], forged["event_count"], forged["previous_head"], head, seal["number"],
        )  # fmt: skip


def test_a_database_rewritten_so_that_it_agrees_with_itself_is_betrayed_by_the_second_medium(trail: Trail):
    key = trail.batches(2, 2, 2)[2]
    _forge_event(trail, key)
    _seal_anew(trail)
    assert findings(trail) == [
        f"Batch {number}: its head is not the one on the second medium; the database was rewritten."
        for number in (2, 3)
    ]


def test_removed_batches(trail: Trail):
    trail.batches(1, 1, 1, 1, 1)
    trail.set_back_to(3)
    assert findings(trail) == ["Batch 4 to 5: on the second medium, not in the database, which was set back or cut."]
    trail.as_superuser("delete from audit.audit_event")
    trail.as_superuser("delete from audit.seal_entry")
    trail.as_superuser("delete from audit.seal")
    assert findings(trail) == ["Batch 1 to 5: on the second medium, not in the database, which was set back or cut."]


def test_a_batch_removed_from_the_midst(trail: Trail):
    trail.batches(1, 1, 1)
    trail.as_superuser(
        "delete from audit.audit_event where id in (select event_id from audit.seal_entry where seal_number = 2)"
    )
    trail.as_superuser("delete from audit.seal_entry where seal_number = 2")
    trail.as_superuser("delete from audit.seal where number = 2")
    assert findings(trail) == [
        "Batch 3: does not follow from batch 1; the chain is broken.",
        "Batch 2: on the second medium, not in the database, which was set back or cut.",
    ]


def test_a_restored_backup_is_a_finding_until_it_is_explained(trail: Trail):
    trail.batches(1, 1, 1, 1)
    trail.set_back_to(2)
    trail.batches(1)
    gone = "Batch 3 to 4: on the second medium, not in the database, which was set back or cut."
    assert findings(trail) == [gone]
    explain(trail.settings, 3, 3, "restored the backup of last night")
    trail.run_pass()
    assert findings(trail) == [gone]  # not wholly explained
    explain(trail.settings, 3, 4, "restored the backup of last night")
    assert findings(trail)[0] == gone  # the explanation counts when it is sealed itself
    trail.run_pass()
    report = verify(trail.settings)
    assert report.findings == [] and report.notes[0].startswith(f"{gone} Explained by event ")
    for first, last, reason in ((4, 3, "x"), (3, 4, "  ")):
        with pytest.raises(HuiyangError):
            explain(trail.settings, first, last, reason)


class TestHeadsFile:
    def test_a_cut_file(self, trail: Trail):
        trail.batches(1, 1, 1)
        lines = trail.heads.path.read_bytes().splitlines(keepends=True)
        trail.heads.path.write_bytes(lines[0])
        assert findings(trail) == ["Batch 2 to 3: its head was on the second medium and is no longer."]
        trail.heads.path.write_bytes(lines[0] + lines[2])
        assert findings(trail) == ["Batch 2: its head was on the second medium and is no longer."]
        trail.heads.path.unlink()
        assert findings(trail) == ["Batch 1 to 3: its head was on the second medium and is no longer."]

    def test_a_changed_head(self, trail: Trail):
        trail.batches(1, 1)
        text = trail.heads.path.read_text()
        head = text.split()[1]
        trail.heads.path.write_text(text.replace(head, head[:-1] + ("0" if head[-1] != "0" else "1")))
        assert findings(trail) == ["Batch 1: its head is not the one on the second medium; the database was rewritten."]
        trail.heads.path.write_text(text.replace(head, "x" * 64))
        assert findings(trail) == [
            "Heads file, line 1: not a head.",
            "Batch 1: its head was on the second medium and is no longer.",
        ]

    def test_lines_in_another_order(self, trail: Trail):
        trail.batches(1, 1, 1)
        lines = trail.heads.path.read_bytes().splitlines(keepends=True)
        trail.heads.path.write_bytes(lines[1] + lines[0] + lines[2])
        assert "Heads file: batch 1 stands after batch 2." in findings(trail)

    def test_an_unreadable_medium_is_no_verdict(self, trail: Trail):
        trail.batches(1)
        trail.heads.path.unlink()
        trail.heads.path.mkdir()
        try:
            with pytest.raises(HuiyangError, match="cannot be read"):
                verify(trail.settings)
        finally:
            trail.heads.path.rmdir()


def test_events_that_nobody_seals_are_a_finding(trail: Trail):
    first, _ = trail.record(2)
    assert findings(trail) == [f"Event {first} and 1 more: not sealed; the sealer does not work."]


def test_verifying_beside_a_working_sealer_finds_nothing(trail: Trail):
    trail.start([sys.executable, "-m", "operational_app.audit.sealing"])
    trail.wait_until(lambda: sealing.is_at_work(trail.settings))
    stop = threading.Event()

    def work() -> None:
        with connect(Login.APP, trail.settings, autocommit=True) as app:
            while not stop.is_set():
                trail.record_in(app)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(4):
            assert findings(trail) == []
    finally:
        stop.set()
        thread.join()


def test_a_finding_in_each_of_many_events_is_counted_and_not_all_told(trail: Trail):
    with connect(Login.APP, trail.settings) as app:
        for _ in range(300):
            trail.record_in(app)
    trail.run_pass()
    trail.as_superuser("update audit.audit_event set account_id = 1")
    report = verify(trail.settings)
    assert report.finding_count == 300 > len(report.findings)


def test_a_verification_is_recorded(trail: Trail):
    (key,) = trail.batches(1)
    verify_and_record(trail.settings)
    trail.as_superuser("delete from audit.audit_event where id = %s", key)
    trail.run_pass()
    verify_and_record(trail.settings)
    runs = trail.as_superuser("select * from audit.audit_event where action = 'audit_verify' order by id")
    assert [(run["outcome"], run["details"]["findings"]) for run in runs] == [("success", 0), ("failure", 1)]
    assert runs[0]["remote_address"] == "console"


def test_the_command_says_it_and_exits_with_3(trail: Trail):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        variables = os.environ | environment(trail.settings) | {"COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-c", "from huiyang.cli import main; main()", "audit", *arguments],
            env=variables, cwd=PROJECT_ROOT, capture_output=True, text=True,
        )  # fmt: skip

    key = trail.batches(2)[0]
    whole = run("verify")
    assert whole.returncode == 0, whole.stderr
    assert "2 events in 1 batches" in whole.stdout and "0 findings" in whole.stdout
    trail.run_pass()
    trail.as_superuser("update audit.audit_event set outcome = 'denied' where id = %s", key)
    broken = run("verify")
    assert broken.returncode == 3 and f"FINDING Event {key} (batch 1): changed." in broken.stdout
    refused = run("prune", "--months", "5")
    assert refused.returncode == 1 and "6 months" in refused.stderr
    assert run("explain", "1", "1", "--reason", "tested").returncode == 0


class TestPruning:
    @pytest.fixture
    def of_last_year(self, trail: Trail, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Two batches of seven months ago and one of now, then one that waits; the keys of the old events."""
        store = sealing._store
        with monkeypatch.context() as past:
            (row,) = trail.as_superuser("select ((now() - interval '7 months') at time zone 'UTC')::text as at")
            past.setattr(sealing, "_store", lambda *given: store(*given[:-1], row["at"]))
            keys = trail.batches(2, 3)
        trail.batches(1)
        return keys

    def test_whole_old_batches_go_and_the_chain_stays(self, trail: Trail, of_last_year: list[int]):
        pruned = prune(trail.settings)
        assert (pruned.batches, pruned.events) == (2, 5)
        assert [bool(seal["pruned_at"]) for seal in trail.seals()] == [True, True, False]
        trail.run_pass()
        report = verify(trail.settings)
        assert (report.findings, report.pruned_batches) == ([], 2)
        (event,) = trail.as_superuser("select * from audit.audit_event where action = 'audit_prune'")
        assert event["details"] == {"first": 1, "last": 2, "events": 5, "months": 6}
        assert prune(trail.settings).batches == 0

    def test_six_months_at_least(self, trail: Trail, of_last_year: list[int]):
        with pytest.raises(HuiyangError, match="6 months"):
            prune(trail.settings, 5)
        assert prune(trail.settings, 8).batches == 0
        assert trail.count("audit_event") == 6

    def test_nothing_is_removed_where_there_are_findings(self, trail: Trail, of_last_year: list[int]):
        trail.as_superuser("update audit.audit_event set account_id = 8 where id = %s", of_last_year[0])
        with pytest.raises(HuiyangError, match="1 findings"):
            prune(trail.settings)
        assert trail.count("audit_event") == 6

    def test_what_was_removed_too_early_is_found_however_it_is_called(self, trail: Trail, of_last_year: list[int]):
        trail.as_superuser(
            "delete from audit.audit_event where id in (select event_id from audit.seal_entry where seal_number = 3)"
        )
        trail.as_superuser("delete from audit.seal_entry where seal_number = 3")
        for pruned_at in ("now()", "now() + interval '1 year'"):
            trail.as_superuser(f"update audit.seal set pruned_at = {pruned_at} where number = 3")
            assert findings(trail) == ["Batch 3: its 1 events were removed before six months were over."]

    def test_events_of_a_pruned_batch(self, trail: Trail, of_last_year: list[int]):
        trail.as_superuser("update audit.seal set pruned_at = now() where number = 1")
        assert findings(trail) == ["Batch 1: said to be pruned, but has 2 events."]


def test_a_dump_restored_into_a_new_cluster_goes_on(trail: Trail, new_server: Callable[[], Settings], tmp_path: Path):
    """Transaction ids start anew there; the trail, its chain and the medium do not."""
    trail.batches(3, 2)
    settings = new_server()
    dump = tmp_path / "app.dump"
    _postgres_tool(
        trail.settings, "pg_dump", "--format=custom", "--schema=audit", "--schema=identity", "--schema=reference",
        "--schema=organizations", f"--file={dump}",
    )  # fmt: skip
    with admin_connect(settings, "app") as admin:
        admin.execute("create extension if not exists btree_gist")
    _postgres_tool(settings, "pg_restore", "--no-owner", "--role=huiyang_owner", str(dump), check=False)
    restored = Trail(settings)
    restored.heads.path.parent.mkdir(exist_ok=True)
    restored.heads.path.write_bytes(trail.heads.path.read_bytes())
    report = verify(settings)
    assert (report.findings, report.events, report.batches) == ([], 5, 2)
    assert restored.batches(2, 1)
    report = verify(settings)
    assert (report.findings, report.events, report.batches) == ([], 8, 4)


def _postgres_tool(settings: Settings, tool: str, *arguments: str, check: bool = True) -> None:
    with admin_connect(settings, "app") as admin:
        info = admin.info
        variables = os.environ | {
            "PGHOST": info.host, "PGPORT": str(info.port), "PGUSER": info.user, "PGPASSWORD": info.password,
            "PGDATABASE": "app",
        }  # fmt: skip
    found = POSTGRES_BIN_PATH / tool
    command = [str(found), *(["--dbname=app"] if tool == "pg_restore" else []), *arguments]
    subprocess.run(command, env=variables, check=check)
