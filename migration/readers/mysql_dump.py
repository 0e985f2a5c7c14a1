"""Streaming reader of `mysqldump` files: extended INSERTs with MySQL's escapes.

A statement is checked by one regular expression and taken apart by another, so that Python never loops over
characters. What a whole dump must have, and a truncated one lacks: every statement ends with `;`, and the last line
says `-- Dump completed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from huiyang.errors import HuiyangError
from migration.readers.source import open_binary

_STRING = r"(?:_binary )?'(?>[^'\\]+|\\.|'')*'"
_VALUE = rf"(?>{_STRING}|[^'(),;\s]+)"
_ROW = rf"\(\s*{_VALUE}(?>\s*,\s*{_VALUE})*\s*\)"
_STATEMENT = re.compile(rf"\s*(?>{_ROW}\s*,\s*)*{_ROW}\s*;\s*", re.DOTALL)
_VALUES = re.compile(_VALUE, re.DOTALL)
_FIRST_ROW = re.compile(_ROW, re.DOTALL)
_INSERT = re.compile(r"INSERT (?:IGNORE )?INTO `(\w+)`\s*(?:\(([^)]*)\)\s*)?VALUES", re.IGNORECASE)
_CREATE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?`(\w+)`", re.IGNORECASE)
_COLUMN = re.compile(r"\s+`(\w+)`\s")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
#: MySQL 8.0 reference manual, 11.1.1, table 11.1; any other escaped character stands for itself.
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_FOOTER = "-- Dump completed"
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
        for _, names, body, _ in _statements(self.path, self.table):
            columns = columns or names
            part = _take_apart(body, names)
            # An INSERT that names its columns may name them in another order, or not all.
            missing = [name for name in columns if name not in names]
            for name in missing:
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
    for table, names, body, line in _statements(path, None):
        if not names:
            counts.setdefault(table, 0)
            continue
        values = len(_VALUES.findall(body))
        if values % len(names):
            raise HuiyangError(
                f"{path}, line {line}: a row of {table} has another number of values than its {len(names)} columns.",
                _RECOPY,
            )
        counts[table] = counts.get(table, 0) + values // len(names)
    return counts


def _statements(path: Path, wanted: str | None) -> Iterator[tuple[str, list[str], str, int]]:
    """(table, column names, text after VALUES, line) of each INSERT; (table, [], "", line) of each CREATE TABLE.

    `wanted` limits the INSERTs to one table and drops the CREATEs.
    """
    columns: dict[str, list[str]] = {}
    creating: str | None = None
    last_table, footer, line = "the dump", False, 0
    with open_binary(path) as handle:
        lines = enumerate(handle, start=1)
        for line, raw in lines:
            if creating is None and not raw.startswith((b"INSERT", b"insert", b"CREATE TABLE", b"--")):
                continue
            text = _decode(raw, path, line)
            if text.startswith("--"):
                footer = text.startswith(_FOOTER)
            elif creating is not None:
                column = _COLUMN.match(text)
                if column:
                    columns[creating].append(column[1])
                elif text.startswith(")"):
                    creating = None
            elif create := _CREATE.match(text):
                creating = last_table = create[1]
                columns[creating] = []
                if wanted is None:
                    yield creating, [], "", line
            elif insert := _INSERT.match(text):
                last_table = insert[1]
                start, body = line, text[insert.end() :]
                skipped = wanted is not None and wanted != last_table
                while not (body.rstrip().endswith(";") and (skipped or _STATEMENT.fullmatch(body))):
                    following = next(lines, None)
                    if following is None:
                        raise _truncated(path, last_table, start)
                    body += _decode(following[1], path, following[0])
                if skipped:
                    continue
                named = insert[2]
                names = [name.strip(" `\n") for name in named.split(",")] if named else columns.get(last_table, [])
                if not names:
                    raise HuiyangError(
                        f"{path}, line {start}: {last_table} is filled without CREATE TABLE or column names.", _RECOPY
                    )
                yield last_table, names, body, start
        if creating is not None or not footer:
            raise _truncated(path, last_table, line)


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


def _take_apart(body: str, names: list[str]) -> pa.Table:
    tokens = _VALUES.findall(body)
    width = len(names)
    return pa.table({name: _texts(tokens[position::width]) for position, name in enumerate(names)})


def _texts(tokens: list[str]) -> pa.Array:
    column = pa.array(tokens, pa.string())
    quoted = pc.starts_with(column, "'")
    inner = pc.if_else(quoted, pc.utf8_slice_codeunits(column, 1, -1), column)
    if pc.any(pc.and_(quoted, pc.match_substring_regex(inner, r"\\|''"))).as_py():
        inner = pa.array(
            [unescape(v) if q else v for v, q in zip(inner.to_pylist(), quoted.to_pylist(), strict=True)], pa.string()
        )
    is_null = pc.and_(pc.invert(quoted), pc.equal(pc.utf8_upper(column), "NULL"))
    return pc.if_else(is_null, pa.scalar(None, pa.string()), inner)


def unescape(text: str) -> str:
    """The value of a quoted MySQL string, given without its outer quotes."""
    if "\\" not in text:
        return text.replace("''", "'")
    parts = re.split(r"(\\.)", text, flags=re.DOTALL)
    return "".join(
        _ESCAPED.get(part[1], part[1]) if part.startswith("\\") and len(part) == 2 else part.replace("''", "'")
        for part in parts
    )
