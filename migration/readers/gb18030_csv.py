"""Reader of the old platform's CSV files in GB18030 (the Windows server's encoding), with a header line."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv

from huiyang.errors import HuiyangError
from migration.readers.source import open_binary

ENCODING = "gb18030"
_BLOCK = 4 * 2**20
#: A column that no source has: the text of a line that does not have the header's number of fields.
MALFORMED = "\x00malformed"
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "UTF-8", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


class CsvReader:
    """One CSV file.

    Args:
        required: columns that must be in its header line.
    """

    def __init__(self, path: Path, required: tuple[str, ...]) -> None:
        self.path = path
        self.required = required

    def verify(self) -> int:
        """See `SourceReader.verify`."""
        self._check_encoding()
        self._check_header()
        return sum(len(chunk) for chunk in self.chunks(10**6))

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """See `SourceReader.chunks`.

        A line with a wrong number of fields stands in the column `MALFORMED`, after the other rows of its chunk.
        """
        malformed: list[str] = []

        def skip(row: pa_csv.InvalidRow) -> str:
            malformed.append(row.text)
            return "skip"

        with open_binary(self.path) as handle:
            names = self._header(handle)
        gathered: list[pa.RecordBatch] = []
        count = 0
        with open_binary(self.path) as handle:
            try:
                reader = pa_csv.open_csv(
                    pa.PythonFile(_Utf8Stream(handle)),
                    read_options=pa_csv.ReadOptions(block_size=_BLOCK, use_threads=False),
                    parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
                    convert_options=pa_csv.ConvertOptions(
                        column_types={name: pa.string() for name in names}, strings_can_be_null=False
                    ),
                )
                for batch in reader:
                    gathered.append(batch)
                    count += len(batch)
                    if count >= rows:
                        yield from _slices(_table(gathered, malformed), rows)
                        gathered, count = [], 0
            except pa.ArrowInvalid as error:
                raise HuiyangError(
                    f"{self.path}: {error}.",
                    "The file ends inside a quoted field or is damaged: export it again; nothing of it was loaded.",
                ) from error
        if gathered or malformed:
            yield from _slices(_table(gathered or [_no_rows(names)], malformed), rows)

    def _check_encoding(self) -> None:
        """Decodes the file.

        Valid UTF-8 is often valid GB18030 too, and then means something else; so a file that is UTF-8 throughout and
        not ASCII is refused as UTF-8.
        """
        decoder, utf8 = (codecs.getincrementaldecoder(name)() for name in (ENCODING, "utf-8"))
        is_ascii, is_utf8, lines, quotes, last = True, True, 0, 0, b""
        with open_binary(self.path) as handle:
            while block := handle.read(_BLOCK):
                for mark, name in _BYTE_ORDER_MARKS.items():
                    if not last and block.startswith(mark):
                        raise self._wrong_encoding(1, f"the file starts with a {name} byte-order mark")
                if not block.isascii() or not is_ascii:
                    is_ascii = False
                    is_utf8 = is_utf8 and _decodes(utf8, block)
                    self._decode(decoder, block, lines, is_utf8)
                lines += block.count(b"\n")
                quotes += block.count(b'"')  # no character of GB18030 has this byte
                last = block[-1:]
        if not last:
            raise HuiyangError(f"{self.path} is empty.", "Export it again; nothing of it was loaded.")
        if last != b"\n" or quotes % 2:
            raise self._truncated(lines + (last != b"\n"))
        if not is_ascii and is_utf8:
            raise self._wrong_encoding(1, "the file is UTF-8")

    def _decode(self, decoder: codecs.IncrementalDecoder, block: bytes, lines: int, is_utf8: bool) -> None:
        pending = decoder.getstate()[0]
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            at = max(error.start - len(pending), 0)
            line = lines + block.count(b"\n", 0, at) + 1
            line_start = block.rfind(b"\n", 0, at) + 1
            what = "the file is UTF-8" if is_utf8 else f"byte {at - line_start + 1} is no GB18030"
            raise self._wrong_encoding(line, what) from error

    def _check_header(self) -> None:
        with open_binary(self.path) as handle:
            header = self._header(handle)
        missing = [name for name in self.required if name not in header]
        if missing:
            raise HuiyangError(
                f"{self.path}, line 1: the header has no column {', '.join(missing)}.",
                "Check that this is the right file; if the old platform renamed a column, change its mapping.",
            )

    @staticmethod
    def _header(handle: BinaryIO) -> list[str]:
        return next(csv.reader(io.TextIOWrapper(handle, encoding=ENCODING, newline="")), [])

    def _truncated(self, line: int) -> HuiyangError:
        return HuiyangError(
            f"{self.path}, line {line}: the file ends inside a line or a quoted field, so it is truncated.",
            "Copy it again from the old platform; nothing of it was loaded.",
        )

    def _wrong_encoding(self, line: int, what: str) -> HuiyangError:
        return HuiyangError(
            f"{self.path}, line {line}: {what}; GB18030 is expected.",
            "Export it again in the old platform's own encoding, or convert it with `iconv -f UTF-8 -t GB18030`;"
            " nothing of it was loaded.",
        )


class _Utf8Stream(io.RawIOBase):
    """A GB18030 stream as UTF-8, which is what Arrow reads."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._decoder = codecs.getincrementaldecoder(ENCODING)()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._ready:
            block = self._handle.read(_BLOCK)
            self._ready = self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        if size < 0:
            size = len(self._ready)
        part, self._ready = self._ready[:size], self._ready[size:]
        return part


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes) -> bool:
    try:
        decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return True


def _table(batches: list[pa.RecordBatch], malformed: list[str]) -> pa.Table:
    """The batches and, emptied, the malformed lines as one table."""
    table = pa.Table.from_batches(batches)
    table = table.append_column(MALFORMED, pa.nulls(len(table), pa.string()))
    if malformed:
        lines = {name: pa.repeat(pa.scalar(""), len(malformed)) for name in table.column_names[:-1]}
        lines[MALFORMED] = pa.array(malformed, pa.string())
        table = pa.concat_tables([table, pa.table(lines)])
        malformed.clear()
    return table


def _slices(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    for start in range(0, len(table), rows):
        yield table.slice(start, rows)


def _no_rows(names: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in names})
