"""Readers made of readers: several files of one shape, and a table with columns of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from migration.readers.source import SourceReader


class ChainedReader:
    """Several files as one, in the order given."""

    def __init__(self, readers: Sequence[SourceReader]) -> None:
        self._readers = readers

    def verify(self) -> int:
        """See `SourceReader.verify`."""
        return sum(reader.verify() for reader in self._readers)

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """See `SourceReader.chunks`; a chunk may be made of several files' rows."""
        gathered: list[pa.Table] = []
        for reader in self._readers:
            for chunk in reader.chunks(rows):
                gathered.append(chunk)
                if sum(len(part) for part in gathered) >= rows:
                    yield pa.concat_tables(gathered, promote_options="default")
                    gathered = []
        if gathered:
            yield pa.concat_tables(gathered, promote_options="default")


class JoinedReader:
    """A table with columns of another one, looked up by a column that both have; of several rows the last counts.

    Args:
        take: column of `other` → the name that it gets.
    """

    def __init__(self, reader: SourceReader, other: SourceReader, on: str, take: Mapping[str, str]) -> None:
        self._reader, self._other, self._on, self._take = reader, other, on, take

    def verify(self) -> int:
        """See `SourceReader.verify`; rows of the first table."""
        self._other.verify()
        return self._reader.verify()

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """See `SourceReader.chunks`."""
        found: dict[str, tuple[str | None, ...]] = {}
        for part in self._other.chunks(rows):
            keys = part[self._on].to_pylist()
            found.update(zip(keys, zip(*(part[name].to_pylist() for name in self._take), strict=True), strict=True))
        nothing = (None,) * len(self._take)
        for chunk in self._reader.chunks(rows):
            matched = [found.get(key, nothing) for key in chunk[self._on].to_pylist()]
            for position, name in enumerate(self._take.values()):
                chunk = chunk.append_column(name, pa.array([values[position] for values in matched], pa.string()))
            yield chunk
