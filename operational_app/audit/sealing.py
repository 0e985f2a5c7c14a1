"""The process that seals: every few seconds, what was committed and is not sealed becomes a batch of the chain.

`python -m operational_app.audit.sealing`, under the supervisor, as the login `sealer`. Nobody waits for it: while it is
down, events wait in `audit.unsealed`. Why a batch names its events: docs/adr/0005-audit-seal.md.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row

from huiyang.database import Login, connection_parameters
from huiyang.settings import Settings, get_settings
from operational_app.audit.canonical import FORMAT, NO_HEAD, BatchDigest, SealValues, event_digest, select_list
from operational_app.audit.heads import HeadFile, KeptHead

#: An event is sealed this long after its commit at the latest, and the time that one pass takes: below 5 s.
INTERVAL_SECONDS = 2.5
#: A batch's events are held in memory.
MOST_IN_A_BATCH = 5_000
#: Held by the sealer as long as it lives: there is one.
SEALER_LOCK = "audit sealer"
_LOOK = "The database was set back or rewritten, or the file is another one's: run `huiyang audit verify`."
_SAID_AGAIN_AFTER = 24  # passes: the same trouble is logged once a minute

Connection = psycopg.Connection[DictRow]
logger = logging.getLogger(__name__)


class MediumTrouble(Exception):
    """The second medium contradicts the database, or is not there; heads wait until a person has looked."""


@contextmanager
def sealer_connection(settings: Settings, **options: Any) -> Iterator[Connection]:
    """A connection as the login `sealer`, one transaction at a time, which reads events in their canonical form."""
    parameters = connection_parameters(Login.SEALER, settings) | options
    with psycopg.connect(
        make_conninfo(**parameters), row_factory=dict_row, autocommit=True, options="-c datestyle=ISO"
    ) as connection:
        yield connection


#: The columns of a seal, its time as the head has it.
SEAL_COLUMNS = (
    "number, format, first_event_id, last_event_id, event_count, events_digest, previous_head, head,"
    " (sealed_at at time zone 'UTC')::text as sealed_at"
)


def values_of(seal: DictRow) -> SealValues:
    """What the head of a seal was made of, from SEAL_COLUMNS."""
    return SealValues(**{field.name: seal[field.name] for field in fields(SealValues)})


def last_seal(connection: Connection) -> DictRow | None:
    return connection.execute("select number, head from audit.seal order by number desc limit 1").fetchone()


class Sealer:
    """Seals the events of one installation.

    Args:
        connection: of `sealer_connection`.
    """

    def __init__(self, connection: Connection, heads: HeadFile) -> None:
        self._connection = connection
        self._heads = heads
        self._contradicted: set[int] = set()
        self._said: str | None = None
        self._passes_since = 0

    def is_the_one(self) -> bool:
        """Takes the sealer's lock if nobody has it; it is held as long as the connection lives."""
        row = self._connection.execute(
            "select pg_try_advisory_lock(hashtext(%s)) as taken", [SEALER_LOCK]
        ).fetchone()  # fmt: skip
        return bool(row and row["taken"])

    def run_pass(self) -> int:
        """Seals everything that waits and brings the heads to the second medium; returns how many events it sealed.

        Each batch is committed before its head is appended: a kill in between is made good by the next pass. Trouble
        with the medium is logged and does not stop sealing.
        """
        done = 0
        while sealed := self.seal_batch():
            done += sealed
            if sealed < MOST_IN_A_BATCH:
                break
        try:
            self.keep_heads()
            self._said = None
        except (OSError, MediumTrouble) as trouble:
            self._say(f"{self._heads.path}: {trouble}")
        return done

    def seal_batch(self, most: int = MOST_IN_A_BATCH) -> int:
        """Seals at most `most` of the waiting events in one transaction; returns how many."""
        connection = self._connection
        kept = self._last_kept_or_none()
        with connection.transaction():
            events = connection.execute(
                f"select {select_list()} from audit.unsealed"
                " join audit.audit_event as event on event.id = unsealed.event_id"
                " order by event.id limit %s",
                [most],
            ).fetchall()
            if not events:
                return 0
            last = last_seal(connection)
            # After a database was set back, numbers go on behind those that the second medium knows.
            number = max(last["number"] if last else 0, kept.number if kept else 0) + 1
            row = connection.execute("select (clock_timestamp() at time zone 'UTC')::text as now").fetchone()
            assert row is not None
            _store(connection, events, number, last["head"] if last else NO_HEAD, row["now"])
            connection.execute("delete from audit.unsealed where event_id = any(%s)", [[e["id"] for e in events]])
        return len(events)

    def keep_heads(self) -> None:
        """Appends the heads that the second medium never had, oldest first.

        Raises:
            OSError: the medium is full, gone or read-only.
            MediumTrouble: it holds what the database does not; nothing is overwritten.
        """
        kept = self._heads.last()
        waiting = self._connection.execute(
            f"select {SEAL_COLUMNS} from audit.seal where kept_at is null order by number"
        ).fetchall()
        was_used = self._connection.execute("select 1 from audit.seal where kept_at is not null limit 1").fetchone()
        for seal in waiting:
            found = KeptHead(seal["number"], seal["head"])
            if kept is None or kept.number < found.number:
                self._heads.append(found.number, found.head, seal["sealed_at"], create=not was_used)
                kept = found
            elif found != kept and not self._is_kept(found):
                continue
            self._connection.execute(
                "update audit.seal set kept_at = clock_timestamp() where number = %s", [found.number]
            )
        if self._contradicted:
            raise MediumTrouble(
                f"it has other heads than the database of batches {sorted(self._contradicted)}. {_LOOK}"
            )
        self._compare(kept)

    def _is_kept(self, head: KeptHead) -> bool:
        """Whether an older line of the medium is this head."""
        if head.number in self._contradicted:
            return False
        is_kept = any(line == head for line in self._heads.read())
        if not is_kept:
            self._contradicted.add(head.number)
        return is_kept

    def _compare(self, kept: KeptHead | None) -> None:
        """The newest head of the medium must be one of the database's.

        Raises:
            MediumTrouble: it is not, and no batch was sealed since.
        """
        if kept is None:
            return
        row = self._connection.execute(
            "select (select head from audit.seal where number = %s) as head, max(number) as newest from audit.seal",
            [kept.number],
        ).fetchone()
        assert row is not None
        if row["head"] != kept.head and (row["newest"] or 0) <= kept.number:
            raise MediumTrouble(f"its head {kept.number} is not in the database, at {row['newest'] or 0}. {_LOOK}")

    def _last_kept_or_none(self) -> KeptHead | None:
        try:
            return self._heads.last()
        except OSError:
            return None  # said by keep_heads

    def _say(self, trouble: str) -> None:
        if trouble != self._said or self._passes_since >= _SAID_AGAIN_AFTER:
            logger.error(trouble)
            self._said, self._passes_since = trouble, 0
        self._passes_since += 1


def _store(connection: Connection, events: list[DictRow], number: int, previous_head: bytes, now: str) -> None:
    digest = BatchDigest()
    entries = [(event["id"], event_digest(event)) for event in events]
    for event_id, its_digest in entries:
        digest.add(event_id, its_digest)
    values = SealValues(
        number=number,
        format=FORMAT,
        first_event_id=entries[0][0],
        last_event_id=entries[-1][0],
        event_count=digest.count,
        events_digest=digest.value(),
        previous_head=previous_head,
        sealed_at=now,
    )
    row = asdict(values) | {"head": values.head()}
    placed = {name: sql.Placeholder(name) for name in row} | {
        "sealed_at": sql.SQL("%(sealed_at)s::timestamp at time zone 'UTC'")
    }
    connection.execute(
        sql.SQL("insert into audit.seal ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(placed.values())
        ),
        row,
    )
    connection.execute(  # COPY does not work under row-level security
        "insert into audit.seal_entry (event_id, seal_number, digest)"
        " select event_id, %s, digest from unnest(%s::bigint[], %s::bytea[]) as sealed (event_id, digest)",
        [number, [event_id for event_id, _ in entries], [its_digest for _, its_digest in entries]],
    )


def run(settings: Settings, stop: threading.Event) -> None:
    """Seals until `stop`; waits where another sealer is at work, and for a database that does not answer."""
    if settings.audit_heads_file is None:  # a folder that was named must be there: it may be a disk that is not
        settings.audit_heads.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    heads = HeadFile(settings.audit_heads)
    while not stop.is_set():
        try:
            with sealer_connection(settings, connect_timeout=5) as connection:
                sealer = Sealer(connection, heads)
                while not stop.is_set() and not sealer.is_the_one():
                    stop.wait(INTERVAL_SECONDS)
                logger.info("sealing")
                while not stop.is_set():
                    sealer.run_pass()
                    stop.wait(INTERVAL_SECONDS)
        except psycopg.Error as error:
            logger.error("the database: %s", error)
            stop.wait(INTERVAL_SECONDS)


def is_at_work(settings: Settings) -> bool:
    """Whether a sealer holds the lock and looked for events within the last quarter of a minute."""
    try:
        with sealer_connection(settings, connect_timeout=3) as connection:
            row = connection.execute(
                "select 1 from pg_stat_activity as activity join pg_locks as held on held.pid = activity.pid"
                " where held.locktype = 'advisory' and held.granted and held.objsubid = 1"
                " and (held.classid::bigint << 32 | held.objid::bigint) = hashtext(%s)"
                " and activity.query_start > clock_timestamp() - interval '15 seconds'",
                [SEALER_LOCK],
            ).fetchone()
    except psycopg.Error:
        return False
    return row is not None


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(get_settings(), stop)


if __name__ == "__main__":
    main()
