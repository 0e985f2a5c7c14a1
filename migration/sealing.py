"""Encryption and blind indexes of whole columns, in helper processes where there is much of it.

SM4-GCM of one field is cheap but crosses into OpenSSL once a field, so a city's elders keep a core busy for a minute:
helpers encrypt one chunk while the loader writes the one before.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

from huiyang.field_crypto import IndexPurpose, get_field_crypto, row_context
from huiyang.settings import Settings

#: Plain name of an encrypted field → purposes of its blind indexes (whole, last four).
_PURPOSES = {
    "id_number": (IndexPurpose.ID_NUMBER, IndexPurpose.ID_NUMBER_TAIL4),
    "phone": (IndexPurpose.PHONE, IndexPurpose.PHONE_TAIL4),
}


@dataclass(frozen=True)
class SealedField:
    """One field to encrypt.

    Attributes:
        name: plain name, `phone` for `phone_cipher`, `phone_index`, `phone_tail_index`.
        has_index, has_tail_index: which blind indexes the table keeps.
    """

    name: str
    has_index: bool
    has_tail_index: bool


@dataclass(frozen=True)
class Sealed:
    """Columns of one chunk by stored name, and `sealed_hash` per row (None where the row has nothing encrypted)."""

    columns: dict[str, list[bytes | None]]
    sealed_hash: list[int | None]


def seal(
    settings: Settings,
    table: str,
    ids: Sequence[int],
    fields: Sequence[SealedField],
    texts: Sequence[Sequence[str | None]],
) -> Sealed:
    """Encrypts the fields of some rows of a table.

    Args:
        table: `elders.elder`.
        ids: the rows' keys; a value is bound to table, column and key.
        texts: one column per field.
    """
    crypto = get_field_crypto(settings)
    columns: dict[str, list[bytes | None]] = {}
    for field, values in zip(fields, texts, strict=True):
        name = f"{field.name}_cipher"
        columns[name] = crypto.encrypt_many(values, [row_context(table, name, i) for i in ids])
        if field.has_index:
            whole, tail = _PURPOSES[field.name]
            columns[f"{field.name}_index"] = crypto.blind_index_many(values, whole)
            if field.has_tail_index:
                columns[f"{field.name}_tail_index"] = crypto.blind_index_many(values, tail)
    return Sealed(columns, sealed_hashes(settings, texts))


def sealed_hashes(settings: Settings, texts: Sequence[Sequence[str | None]]) -> list[int | None]:
    """64-bit hashes of rows of plain values, under a key: they lie in the ledger and must not betray an ID number."""
    key = _hash_key(settings)
    result: list[int | None] = []
    for row in zip(*texts, strict=True):
        if all(value is None for value in row):
            result.append(None)
            continue
        message = "\x1f".join(["\x00" if value is None else value for value in row])
        digest = hashlib.blake2b(message.encode(), digest_size=8, key=key).digest()
        result.append(int.from_bytes(digest, "big", signed=True))
    return result


def _hash_key(settings: Settings) -> bytes:
    key = get_field_crypto(settings).blind_index("reconciliation", IndexPurpose.ID_NUMBER)
    assert key is not None
    return key


def _end_with_parent() -> None:
    """A helper whose parent was killed would wait for work for ever."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Sealer:
    """Seals chunks, at once or in helper processes.

    Args:
        processes: 0 seals in this process; else so many helpers.
    """

    def __init__(self, settings: Settings, processes: int) -> None:
        self._settings = settings
        self._pool = (
            ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_end_with_parent)
            if processes
            else None
        )

    def submit(
        self, table: str, ids: Sequence[int], fields: Sequence[SealedField], texts: Sequence[Sequence[str | None]]
    ) -> Future[Sealed]:
        """The future of `seal`; rows keep their order."""
        if self._pool is not None:
            return self._pool.submit(seal, self._settings, table, ids, fields, texts)
        future: Future[Sealed] = Future()
        future.set_result(seal(self._settings, table, ids, fields, texts))
        return future

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
