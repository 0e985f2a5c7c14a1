"""Streaming reader of `mysqldump` files: extended INSERTs with MySQL's escapes.

A statement is taken apart by numpy: quotes that are not escaped say which bytes lie inside strings, and the brackets
and commas outside them must form rows of the table's width. What a whole dump must have, and a truncated one lacks:
every statement ends with `;`, and the last line says `-- Dump completed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from huiyang.errors import HuiyangError
from migration.readers.source import open_binary

_INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO `(\w+)`\s*(?:\(([^)]*)\)\s*)?VALUES", re.IGNORECASE)
_CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?`(\w+)`", re.IGNORECASE)
_COLUMN = re.compile(r"\s+`(\w+)`\s")
#: MySQL 8.0 reference manual, 11.1.1, table 11.1; any other escaped character stands for itself.
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_FOOTER = b"-- Dump completed"
_QUOTE, _BACKSLASH, _OPEN, _CLOSE, _COMMA, _SEMICOLON, _SPACE, _NEWLINE, _RETURN = b"'\\(),; \n\r"
_SEPARATOR = np.isin(np.arange(256), [_OPEN, _CLOSE, _COMMA, _SEMICOLON])
_BLANK = np.isin(np.arange(256), [_SPACE, _NEWLINE, _RETURN])
_NOTHING = np.empty(0, dtype=np.uint8)
_RECOPY = (
    "Make the dump again on the old platform (mysqldump ends with the line `-- Dump completed`) and copy it completely;"
    " nothing of this table was loaded."
)


class DumpReader:
    """One table of a dump file."""

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self.table = table

    def verify(self) -> int:
        """Rows of the table; the whole file is checked.

        Raises:
            HuiyangError: see `SourceReader.verify`; also when the table is not in the dump.
        """
        if not self.path.is_file():
            raise HuiyangError(f"{self.path} is missing.", "Copy the export again, completely.")
        state = self.path.stat()
        counts = _verified(self.path, state.st_size, state.st_mtime_ns)
        if self.table not in counts:
            raise HuiyangError(
                f"{self.path} has no table {self.table}.",
                "Check that the dump is of the old platform's database and complete.",
            )
        return counts[self.table]

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """See `SourceReader.chunks`; a chunk is made of whole statements."""
        gathered: list[pa.Table] = []
        columns: list[str] = []
        for statement in _statements(self.path, self.table):
            columns = columns or statement.names
            part = statement.columns()
            # An INSERT that names its columns may name them in another order, or not all.
            for name in (name for name in columns if name not in statement.names):
                part = part.append_column(name, pa.nulls(len(part), pa.string()))
            gathered.append(part.select(columns))
            if sum(len(table) for table in gathered) >= rows:
                yield pa.concat_tables(gathered)
                gathered = []
        if gathered:
            yield pa.concat_tables(gathered)


@lru_cache(maxsize=8)
def _verified(path: Path, size: int, modified_ns: int) -> dict[str, int]:
    """`count_rows`, once for all tables of a dump."""
    return count_rows(path)


def count_rows(path: Path) -> dict[str, int]:
    """Rows by table, with the whole file checked for structure.

    Raises:
        HuiyangError: see `SourceReader.verify`.
    """
    counts: dict[str, int] = {}
    for statement in _statements(path, None):
        counts[statement.table] = counts.get(statement.table, 0) + statement.row_count
    return counts


@dataclass(frozen=True)
class _Statement:
    """One INSERT (or, without rows, one CREATE TABLE).

    Attributes:
        names: its columns, in its order.
        body: the bytes after VALUES, brackets and final semicolon included; UTF-8.
        quotes: (n,) bool per byte of the body: opens or closes a string.
        inside: (n,) bool: within a string, the opening quote included.
        fields: positions of the brackets and commas around fields, (rows, columns + 2).
    """

    table: str
    names: list[str]
    body: np.ndarray
    quotes: np.ndarray
    inside: np.ndarray
    fields: np.ndarray

    @property
    def row_count(self) -> int:
        return len(self.fields)

    def columns(self) -> pa.Table:
        """The rows as text."""
        # What remains of the body without quotes, brackets, commas and blanks is the fields, one after the other.
        keep = ~self.quotes
        blank = np.flatnonzero(_BLANK[self.body])
        keep[blank[~self.inside[blank]]] = False
        keep[self.fields.ravel()] = False
        starts, ends = self.fields[:, :-2].ravel() + 1, self.fields[:, 1:-1].ravel()
        kept = np.cumsum(keep, dtype=np.int32)
        offsets = np.concatenate([kept[self.fields[:1, 0]], kept[ends]])
        texts = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(self.body[keep].tobytes()))
        quoted = _count(np.flatnonzero(self.quotes), starts, ends)
        special = np.flatnonzero((quoted > 2) | (_count(np.flatnonzero(self.body == _BACKSLASH), starts, ends) > 0))
        result = texts
        if len(special):
            raw = [self.body[starts[n] : ends[n]].tobytes().decode().strip() for n in special]
            values = pa.array([unescape(text[text.index("'") + 1 : -1]) for text in raw], pa.string())
            mask = np.zeros(len(result), dtype=bool)
            mask[special] = True
            result = pc.replace_with_mask(result, pa.array(mask), values)
        is_null = pc.and_(pa.array(quoted == 0), pc.equal(pc.utf8_upper(result), "NULL"))
        result = pc.if_else(is_null, pa.scalar(None, pa.string()), result)
        width = len(self.names)
        return pa.table(
            {name: result.take(pa.array(np.arange(n, len(result), width))) for n, name in enumerate(self.names)}
        )


def _count(positions: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """How many of the ascending positions lie in each stretch [start, end)."""
    return np.searchsorted(positions, ends) - np.searchsorted(positions, starts)


def _statements(path: Path, wanted: str | None) -> Iterator[_Statement]:
    """The INSERTs of a table, or of all and a statement without rows for each CREATE TABLE.

    Raises:
        HuiyangError: see `SourceReader.verify`.
    """
    columns: dict[str, list[str]] = {}
    creating: str | None = None
    last_table, footer, line = "the dump", False, 0
    with open_binary(path) as handle:
        lines = enumerate(handle, start=1)
        for line, raw in lines:
            if raw.startswith((b"INSERT", b"insert")):
                start, insert = line, _INSERT.match(raw)
                if insert is None and not raw.endswith(b"\n"):
                    break
                if insert is None:
                    raise HuiyangError(f"{path}, line {line}: not an INSERT that mysqldump writes.", _RECOPY)
                last_table = insert[1].decode()
                body = raw[insert.end() :]
                while not (body.rstrip().endswith(b";") and not _ends_inside(body)):
                    following = next(lines, None)
                    if following is None:
                        raise _truncated(path, last_table, start)
                    body += following[1]
                if wanted in (None, last_table):
                    _decode(body, path, start)
                    yield _take_apart(path, start, last_table, insert[2], columns.get(last_table, []), body)
            elif raw.startswith(b"--"):
                footer = raw.startswith(_FOOTER)
            elif creating is not None:
                column = _COLUMN.match(_decode(raw, path, line))
                if column:
                    columns[creating].append(column[1])
                elif raw.startswith(b")"):
                    creating = None
            elif create := _CREATE.match(raw):
                creating = last_table = create[1].decode()
                columns[creating] = []
                if wanted is None:
                    yield _Statement(creating, [], _NOTHING, _NOTHING, _NOTHING, np.empty((0, 2), dtype=np.int64))
        if creating is not None or not footer:
            raise _truncated(path, last_table, line)


def _take_apart(path: Path, line: int, table: str, listed: bytes | None, columns: list[str], text: bytes) -> _Statement:
    names = [name.strip(" `\n") for name in listed.decode().split(",")] if listed else columns
    if not names:
        raise HuiyangError(f"{path}, line {line}: {table} is filled without CREATE TABLE or column names.", _RECOPY)
    body = np.frombuffer(text, dtype=np.uint8)
    quotes = _quotes(body)
    # From an opening quote up to before the closing one; a doubled quote closes and opens, and stays inside.
    inside = np.bitwise_xor.accumulate(quotes.view(np.uint8)).view(bool)
    separators = np.flatnonzero(~inside & _SEPARATOR[body])
    marks = body[separators]
    row = np.array([_OPEN, *[_COMMA] * (len(names) - 1), _CLOSE, _COMMA], dtype=np.uint8)
    whole = len(marks) % len(row) == 0 and len(marks) > 0 and marks[-1] == _SEMICOLON
    if whole:
        shape = marks.reshape(-1, len(row)).copy()
        shape[-1, -1] = _COMMA
        whole = bool((shape == row).all())
    if not whole:
        raise HuiyangError(
            f"{path}, line {line}: a row of {table} has another number of values than its {len(names)} columns.",
            _RECOPY,
        )
    return _Statement(table, names, body, quotes, inside, separators.reshape(-1, len(row)))


def _quotes(body: np.ndarray) -> np.ndarray:
    """(n,) bool: quotes that open or close a string; an escaped one does neither."""
    quotes = body == _QUOTE
    escape = -1
    for position in np.flatnonzero(body == _BACKSLASH).tolist():
        if position != escape:  # a backslash that is itself escaped escapes nothing
            escape = position + 1
            if escape < len(quotes):
                quotes[escape] = False
    return quotes


def _ends_inside(text: bytes) -> bool:
    """Whether the text ends within a string."""
    return bool(np.count_nonzero(_quotes(np.frombuffer(text, dtype=np.uint8))) % 2)


def _truncated(path: Path, table: str, line: int) -> HuiyangError:
    return HuiyangError(f"{path} is truncated: it ends inside or after table {table} (line {line}).", _RECOPY)


def _decode(raw: bytes, path: Path, line: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HuiyangError(
            f"{path}, line {line}: not UTF-8 (byte {error.start + 1}).",
            "Dump with `--default-character-set=utf8mb4`, or convert the file with `iconv -f GB18030 -t UTF-8`.",
        ) from error


def unescape(text: str) -> str:
    """The value of a quoted MySQL string, given without its outer quotes."""
    if "\\" not in text:
        return text.replace("''", "'")
    parts = re.split(r"(\\.)", text, flags=re.DOTALL)
    return "".join(
        _ESCAPED.get(part[1], part[1]) if part.startswith("\\") and len(part) == 2 else part.replace("''", "'")
        for part in parts
    )
