"""The second medium: a file to which each head is appended, so that whoever rewrites the database is found out.

One line a batch: number, head in hex, time of sealing in UTC. Nothing is ever overwritten, and no number appended that
is not above the last one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(rb"(\d{1,18}) ([0-9a-f]{64}) (\S{1,40})")
#: More than the last whole line and a torn one together.
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class KeptHead:
    number: int
    head: bytes


@dataclass(frozen=True)
class Unreadable:
    """A line that is no head, by its number in the file."""

    line: int


class HeadFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def last(self) -> KeptHead | None:
        """The newest head that was kept; None in a file without any.

        Raises:
            OSError: the medium cannot be read.
        """
        try:
            with self.path.open("rb") as handle:
                size = handle.seek(0, os.SEEK_END)
                handle.seek(max(0, size - _TAIL_BYTES))
                lines = handle.read().split(b"\n")
        except FileNotFoundError:
            return None
        # What stands after the last line's end was torn by a crash; the same head is appended anew.
        for line in reversed(lines[:-1]):
            if found := _LINE.fullmatch(line):
                return KeptHead(int(found[1]), bytes.fromhex(found[2].decode()))
        return None

    def append(self, number: int, head: bytes, sealed_at: str, *, create: bool) -> None:
        """Adds one head and returns when the medium has it.

        Args:
            sealed_at: for a reader's eye.
            create: there may be no file yet; otherwise a missing one means that the medium is gone.

        Raises:
            OSError: the medium is full, gone or read-only.
        """
        line = f"{number} {head.hex()} {sealed_at.replace(' ', 'T')}Z\n".encode()
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | (os.O_CREAT if create else 0), 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = os.write(descriptor, line)
            if written != len(line):
                raise OSError(f"{self.path}: {written} of {len(line)} bytes written")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not size:  # a new file's name must last as well
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def read(self) -> Iterator[KeptHead | Unreadable]:
        """Every head in the order of the file. A line that was torn and then written whole is no finding.

        Raises:
            OSError: the medium cannot be read; no file is an empty one.
        """
        try:
            handle = self.path.open("rb")
        except FileNotFoundError:
            return
        with handle:
            torn: tuple[int, bytes] | None = None
            before: KeptHead | None = None
            for number, line in enumerate(handle, 1):
                if torn is not None and not line.startswith(torn[1]):
                    yield Unreadable(torn[0])
                torn = None
                if line.endswith(b"\n") and (found := _LINE.fullmatch(line[:-1])):
                    head = KeptHead(int(found[1]), bytes.fromhex(found[2].decode()))
                    if head != before:  # torn just before its line's end, it stands there twice
                        yield head
                    before = head
                else:
                    torn = (number, line.rstrip(b"\n"))
            # The newest line may be torn just now; every other unreadable one is a finding.
            if torn is not None and torn[1] and line.endswith(b"\n"):
                yield Unreadable(torn[0])
