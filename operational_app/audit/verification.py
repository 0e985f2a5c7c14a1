"""Whether the trail is what was sealed: events, batches, chain and second medium held against each other.

Everything is read as one snapshot of the database, as the login `sealer`; the file after it, so that it has whatever
the snapshot says it was given.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from psycopg import IsolationLevel
from psycopg.rows import DictRow

from huiyang.errors import HuiyangError
from huiyang.settings import Settings
from operational_app.accounts import opened
from operational_app.audit.canonical import EVENT_COLUMNS, NO_HEAD, BatchDigest, event_digest, select_list
from operational_app.audit.heads import HeadFile, KeptHead, Unreadable
from operational_app.audit.sealing import SEAL_COLUMNS, Connection, is_at_work, sealer_connection, values_of
from operational_app.audit.service import Act, Outcome, record

#: Findings beyond these are counted only.
_MOST_TOLD = 200
#: What is committed is sealed within 5 s; twice that is trouble.
_PATIENCE_SECONDS = 10
_FETCHED_AT_ONCE = 5_000
_LOST = "on the second medium, not in the database, which was set back or cut."


@dataclass
class Report:
    """What a verification saw.

    Attributes:
        findings: in English, naming batch and event keys.
        finding_count: of all findings, the untold ones included.
        notes: findings that an administrator has explained, and what else is worth knowing.
    """

    batches: int = 0
    events: int = 0
    pruned_batches: int = 0
    waiting: int = 0
    finding_count: int = 0
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, text: str) -> None:
        self.finding_count += 1
        if len(self.findings) < _MOST_TOLD:
            self.findings.append(text)


@dataclass(frozen=True)
class Explained:
    """Batches `first` to `last` that are gone with a known reason."""

    first: int
    last: int
    event_id: int


class _Ranges:
    """Numbers in ascending order, told as ranges."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, first: int, last: int | None = None) -> None:
        last = first if last is None else last
        if self._ranges and self._ranges[-1][1] + 1 == first:
            self._ranges[-1] = (self._ranges[-1][0], last)
        else:
            self._ranges.append((first, last))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._ranges)


class _Medium:
    """The file's heads in ascending order, beside the database's seals in theirs."""

    def __init__(self, file: HeadFile, report: Report) -> None:
        self._file, self._report = file, report
        self._heads = self._ascending()
        self._next = next(self._heads, None)

    def _ascending(self) -> Iterator[KeptHead]:
        last = 0
        for line in self._file.read():
            if isinstance(line, Unreadable):
                self._report.find(f"Heads file, line {line.line}: not a head.")
            elif line.number <= last:
                self._report.find(f"Heads file: batch {line.number} stands after batch {last}.")
            else:
                last = line.number
                yield line

    def before(self, number: int) -> Iterator[KeptHead]:
        """Heads below `number` that were not asked for."""
        while self._next is not None and self._next.number < number:
            yield self._next
            self._next = next(self._heads, None)

    def take(self, number: int) -> bytes | None:
        """The head of batch `number`, if it is the next one."""
        if self._next is None or self._next.number != number:
            return None
        head = self._next.head
        self._next = next(self._heads, None)
        return head

    def rest(self) -> list[KeptHead]:
        found = [] if self._next is None else [self._next, *self._heads]
        self._next = None
        return found


def verify(settings: Settings) -> Report:
    """Checks the whole trail.

    Raises:
        HuiyangError: the heads file cannot be read.
    """
    report = Report()
    file = HeadFile(settings.audit_heads)
    try:
        with sealer_connection(settings) as connection:
            connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
            with connection.transaction():
                newer = _check_seals(connection, file, report)
                waiting = _check_unsealed(connection, report)
            _check_newer(connection, newer, report)
            _check_waiting(settings, connection, waiting, report)
    except OSError as error:
        raise HuiyangError(
            f"The heads file {file.path} cannot be read: {error.strerror}.",
            "Bring the second medium back (docs/runbooks/audit.md), and verify again.",
        ) from error
    return report


def verify_and_record(settings: Settings) -> Report:
    """Checks the whole trail, and records that it was done and what came out.

    Raises:
        HuiyangError: the heads file cannot be read.
    """
    report = verify(settings)
    details: dict[str, object] = {"batches": report.batches, "events": report.events, "findings": report.finding_count}
    _record(settings, Act.AUDIT_VERIFY, Outcome.FAILURE if report.finding_count else Outcome.SUCCESS, details)
    return report


def explain(settings: Settings, first: int, last: int, reason: str) -> None:
    """Records why batches or heads are gone.

    Raises:
        HuiyangError: no range, or no reason.
    """
    if first > last or not reason.strip():
        raise HuiyangError("That explains nothing.", "Give the first and the last batch, and the reason.")
    _record(settings, Act.AUDIT_EXPLAIN, Outcome.SUCCESS, {"first": first, "last": last, "reason": reason.strip()})


def _record(settings: Settings, act: Act, outcome: Outcome, details: dict[str, object]) -> None:
    with opened(settings) as database, database.transaction() as session:
        record(session, act, account_id=None, remote_address="console", outcome=outcome, details=details)


def _explanations(connection: Connection) -> list[Explained]:
    """What administrators have explained by `huiyang audit explain`, as far as it is sealed itself."""
    rows = connection.execute(
        "select event.id, event.details from audit.audit_event as event"
        " join audit.seal_entry as entry on entry.event_id = event.id where event.action = %s order by event.id",
        [Act.AUDIT_EXPLAIN.value],
    )
    given = [(row["details"].get("first"), row["details"].get("last"), row["id"]) for row in rows]
    return [Explained(*each) for each in given if isinstance(each[0], int) and isinstance(each[1], int)]


def _tell_gone(report: Report, ranges: Iterable[tuple[int, int]], what: str, explained: list[Explained]) -> None:
    for first, last in ranges:
        text = f"Batch {first}{f' to {last}' if last > first else ''}: {what}"
        reason = next((known for known in explained if known.first <= first and last <= known.last), None)
        if reason is None:
            report.find(text)
        else:
            report.notes.append(f"{text} Explained by event {reason.event_id}.")


def _check_seals(connection: Connection, file: HeadFile, report: Report) -> list[KeptHead]:
    """Returns the heads of the file that are newer than the snapshot's seals."""
    seals = connection.cursor("seals")
    seals.itersize = _FETCHED_AT_ONCE
    seals.execute(
        f"select {SEAL_COLUMNS}, kept_at is not null as is_kept, pruned_at is not null as is_pruned,"
        " least(pruned_at, now()) < sealed_at + interval '6 months' as is_pruned_early,"
        " sealed_at < now() - interval '1 minute' as is_old from audit.seal order by number"
    )
    batches = _batches(connection)
    number_of_entries, entries = next(batches, (None, []))
    medium: _Medium | None = None
    before, previous_head = 0, NO_HEAD
    lost, vanished, cut, unkept = _Ranges(), _Ranges(), _Ranges(), _Ranges()
    for seal in seals:
        medium = medium or _Medium(file, report)  # opened after the snapshot was taken
        number = seal["number"]
        known = {head.number for head in medium.before(number)}
        for missing in range(before + 1, number):
            (lost if missing in known else vanished).add(missing)
        if seal["previous_head"] != previous_head:
            report.find(f"Batch {number}: does not follow from batch {before}; the chain is broken.")
        if values_of(seal).head() != seal["head"]:
            report.find(f"Batch {number}: the seal was changed.")
        kept = medium.take(number)
        if kept is None:
            if seal["is_kept"]:
                cut.add(number)
            elif seal["is_old"]:
                unkept.add(number)
        elif kept != seal["head"]:
            report.find(f"Batch {number}: its head is not the one on the second medium; the database was rewritten.")
        while number_of_entries is not None and number_of_entries < number:
            report.find(f"Batch {number_of_entries}: events name it, but there is no such batch.")
            number_of_entries, entries = next(batches, (None, []))
        its_entries: Iterable[DictRow] = []
        if number_of_entries == number:
            its_entries = list(entries)
            number_of_entries, entries = next(batches, (None, []))
        _check_batch(seal, its_entries, report)
        before, previous_head = number, seal["head"]
    medium = medium or _Medium(file, report)
    if number_of_entries is not None:
        report.find(f"Batch {number_of_entries}: events name it, but there is no such batch.")
    explained = _explanations(connection)
    _tell_gone(report, lost, _LOST, explained)
    _tell_gone(report, vanished, "neither in the database nor on the second medium.", explained)
    _tell_gone(report, cut, "its head was on the second medium and is no longer.", explained)
    for first, last in unkept:
        report.find(f"Batch {first} to {last}: the second medium does not take their heads. See `huiyang doctor`.")
    return medium.rest()


def _check_newer(connection: Connection, newer: list[KeptHead], report: Report) -> None:
    """Heads newer than the snapshot must be of batches that were sealed since: a batch is committed before its head."""
    if not newer:
        return
    rows = connection.execute("select number, head from audit.seal where number >= %s", [newer[0].number])
    known = {row["number"]: row["head"] for row in rows}
    lost = _Ranges()
    for head in newer:
        if head.number not in known:
            lost.add(head.number)
        elif known[head.number] != head.head:
            report.find(f"Batch {head.number}: its head is not the one on the second medium.")
    _tell_gone(report, lost, _LOST, _explanations(connection))


def _batches(connection: Connection) -> Iterator[tuple[int, Iterable[DictRow]]]:
    """(number, entries with their events' columns), by number; an event that is gone has no `id`."""
    cursor = connection.cursor("entries")
    cursor.itersize = _FETCHED_AT_ONCE
    cursor.execute(
        f"select entry.seal_number, entry.event_id, entry.digest, {select_list()} from audit.seal_entry as entry"
        " left join audit.audit_event as event on event.id = entry.event_id"
        " order by entry.seal_number, entry.event_id"
    )
    return itertools.groupby(cursor, lambda row: row["seal_number"])


def _check_batch(seal: DictRow, entries: Iterable[DictRow], report: Report) -> None:
    number = seal["number"]
    if seal["format"] not in EVENT_COLUMNS:
        report.find(f"Batch {number}: there is no format {seal['format']}.")
        return
    stored, actual = BatchDigest(), BatchDigest()
    wrong = []
    for entry in entries:
        stored.add(entry["event_id"], entry["digest"])
        if entry["id"] is None:
            wrong.append(f"Event {entry['event_id']} (batch {number}): removed.")
            continue
        now = event_digest(entry, seal["format"])
        actual.add(entry["event_id"], now)
        if now != entry["digest"]:
            wrong.append(f"Event {entry['event_id']} (batch {number}): changed.")
    report.batches += 1
    report.events += stored.count
    if seal["is_pruned"]:
        report.pruned_batches += 1
        if stored.count:
            report.find(f"Batch {number}: said to be pruned, but has {stored.count} events.")
        if seal["is_pruned_early"]:
            report.find(f"Batch {number}: its {seal['event_count']} events were removed before six months were over.")
        return
    if stored.value() != seal["events_digest"]:
        if actual.value() == seal["events_digest"]:
            report.find(f"Batch {number}: the stored digests were changed; its events are as they were sealed.")
            return
        report.find(
            f"Batch {number}: not the events that were sealed: {stored.count} of {seal['event_count']}, keys"
            f" {seal['first_event_id']} to {seal['last_event_id']}; some were removed, added or changed."
        )
    for text in wrong:
        report.find(text)


def _check_unsealed(connection: Connection, report: Report) -> list[int]:
    """Returns the keys of events that wait for their seal."""
    past = connection.execute(
        "select event.id from audit.audit_event as event where not exists"
        " (select 1 from audit.seal_entry as entry where entry.event_id = event.id) and not exists"
        " (select 1 from audit.unsealed as waits where waits.event_id = event.id) order by event.id"
    )
    for row in past:
        report.find(f"Event {row['id']}: never sealed; it was put in past the recorder, or its seal was removed.")
    waiting = []
    for row in connection.execute(
        "select waits.event_id, event.id is null as is_gone, entry.event_id is not null as is_sealed"
        " from audit.unsealed as waits left join audit.audit_event as event on event.id = waits.event_id"
        " left join audit.seal_entry as entry on entry.event_id = waits.event_id order by waits.event_id"
    ):
        if row["is_gone"]:
            report.find(f"Event {row['event_id']}: removed before it was sealed.")
        elif row["is_sealed"]:
            report.find(f"Event {row['event_id']}: is sealed and waits to be; nothing more will be sealed.")
        else:
            waiting.append(row["event_id"])
    report.waiting = len(waiting)
    return waiting


def _check_waiting(settings: Settings, connection: Connection, waiting: list[int], report: Report) -> None:
    """What waited when the trail was read must be sealed soon."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while waiting:
        row = connection.execute(
            "select count(*) as number, min(event_id) as first from audit.unsealed where event_id = any(%s)", [waiting]
        ).fetchone()
        assert row is not None
        if not row["number"]:
            return
        if time.monotonic() > deadline or not is_at_work(settings):
            report.find(f"Event {row['first']} and {row['number'] - 1} more: not sealed; the sealer does not work.")
            return
        time.sleep(0.5)
