"""What every reader offers, and how files are opened."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import pyarrow as pa

from huiyang.errors import HuiyangError


class SourceReader(Protocol):
    """One source table."""

    def verify(self) -> int:
        """Reads everything once; the number of rows.

        Raises:
            HuiyangError: missing, truncated, damaged or wrongly encoded; names file and line.
        """

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """The rows as text, about `rows` at a time."""


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """A file, unpacked where its name ends in .gz.

    Raises:
        HuiyangError: missing, not readable, or the compressed data is damaged or ends too early.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
            yield cast(BinaryIO, handle)
    except FileNotFoundError as error:
        raise HuiyangError(f"{path} is missing.", "Copy the export again, completely.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise HuiyangError(
            f"{path} is truncated or damaged: {error}.",
            "Copy the file again from the old platform; nothing of it was loaded.",
        ) from error
    except PermissionError as error:
        raise HuiyangError(
            f"{path} cannot be read: {error.strerror}.", "Give this user the right to read it."
        ) from error


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes as they lie there.

    Raises:
        HuiyangError: missing or not readable.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise HuiyangError(f"{path} cannot be read: {error.strerror}.", "Copy the export again, completely.") from error
