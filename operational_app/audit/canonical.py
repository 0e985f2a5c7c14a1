"""The form in which an audit event is hashed, and the chain of batches. Pure; digests are SM3 (GB/T 32905-2016).

Format 1:
- An event is the JSON object of EVENT_COLUMNS[1], each value as PostgreSQL writes it: numbers as numbers, NULL as null,
  times in UTC (`2026-11-23 08:00:00.123456`), `details` as the text of its jsonb. JSON here: UTF-8, keys sorted, no
  white space, nothing escaped beyond what JSON demands. The event's digest: SM3 of the byte 00 and that.
- A batch's digest: SM3 of the byte 01 and, by ascending key, each event's key (8 bytes, big-endian) and digest.
- A head: SM3 of the byte 02 and the JSON object, in the same form, of SealValues, digests in hex.
- Before the first batch stands the head of 32 zero bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.hashes import SM3, Hash

FORMAT = 1
#: By format: every column that the table had then, with the SQL that writes it.
EVENT_COLUMNS: dict[int, dict[str, str]] = {
    1: {
        "id": "event.id",
        "happened_at": "(event.happened_at at time zone 'UTC')::text",
        "account_id": "event.account_id",
        "action": "event.action",
        "target_table": "event.target_table",
        "target_id": "event.target_id",
        "outcome": "event.outcome",
        "remote_address": "event.remote_address",
        "details": "event.details::text",
        "change_txid": "event.change_txid",
        "recorded_at": "(event.recorded_at at time zone 'UTC')::text",
    }
}
#: An event's columns as SQL gives them to `event_digest`.
EventText = Mapping[str, str | int | None]
NO_HEAD = bytes(32)


def select_list(version: int = FORMAT) -> str:
    """SQL that reads the columns of a format from `audit.audit_event as event`. DateStyle must be ISO."""
    return ", ".join(f"{expression} as {name}" for name, expression in EVENT_COLUMNS[version].items())


def _digest(prefix: bytes, values: Mapping[str, str | int | None]) -> bytes:
    sm3 = Hash(SM3())
    sm3.update(prefix)
    sm3.update(json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    return sm3.finalize()


def event_digest(event: EventText, version: int = FORMAT) -> bytes:
    """32 bytes over every column of an event.

    Raises:
        KeyError: a column is missing.
    """
    return _digest(b"\0", {name: event[name] for name in EVENT_COLUMNS[version]})


class BatchDigest:
    """The digest of a batch, taken event by event in ascending order of keys."""

    def __init__(self) -> None:
        self._sm3 = Hash(SM3())
        self._sm3.update(b"\1")
        self.count = 0

    def add(self, event_id: int, digest: bytes) -> None:
        """
        Args:
            event_id: may be negative, where somebody forged one.
        """
        self._sm3.update(event_id.to_bytes(8, "big", signed=True))
        self._sm3.update(digest)
        self.count += 1

    def value(self) -> bytes:
        return self._sm3.copy().finalize()


@dataclass(frozen=True)
class SealValues:
    """What a head says of its batch.

    Attributes:
        sealed_at: in UTC, as PostgreSQL writes it.
    """

    number: int
    format: int
    first_event_id: int
    last_event_id: int
    event_count: int
    events_digest: bytes
    previous_head: bytes
    sealed_at: str

    def head(self) -> bytes:
        """32 bytes."""
        values = asdict(self) | {
            "events_digest": self.events_digest.hex(),
            "previous_head": self.previous_head.hex(),
        }
        return _digest(b"\2", values)
