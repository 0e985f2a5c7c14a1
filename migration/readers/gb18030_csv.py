"""Reader of the old platform's CSV files in GB18030 (the Windows server's encoding), with a header line."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

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
        with open_binary(self.path) as handle:
            reader = csv.reader(io.TextIOWrapper(handle, encoding=ENCODING, newline=""), strict=True)
            try:
                header = next(reader, None)
                self._check_header(header)
                rows = sum(1 for _ in reader)
            except csv.Error as error:
                raise HuiyangError(
                    f"{self.path}, line {reader.line_num}: {error}.",
                    "The file ends inside a quoted field or is damaged: export it again; nothing of it was loaded.",
                ) from error
        return rows

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """See `SourceReader.chunks`. A line with a wrong number of fields stands in the column `MALFORMED`."""
        with open_binary(self.path) as handle:
            reader = csv.reader(io.TextIOWrapper(handle, encoding=ENCODING, newline=""), strict=True)
            header = next(reader)
            gathered: list[list[str]] = []
            for line in reader:
                gathered.append(line)
                if len(gathered) >= rows:
                    yield _table(header, gathered)
                    gathered = []
            if gathered:
                yield _table(header, gathered)

    def _check_encoding(self) -> None:
        """Decodes the file line by line.

        Valid UTF-8 is often valid GB18030 too, and then means something else; so a file that is UTF-8 throughout and
        not ASCII is refused as UTF-8.
        """
        utf8, ascii_only, last = codecs.getincrementaldecoder("utf-8")(), True, b""
        is_utf8 = True
        with open_binary(self.path) as handle:
            start = handle.read(4)
            for mark, name in _BYTE_ORDER_MARKS.items():
                if start.startswith(mark):
                    raise self._wrong_encoding(1, f"the file starts with a {name} byte-order mark")
        with open_binary(self.path) as handle:
            for number, line in enumerate(handle, start=1):
                last = line
                if line.isascii():
                    continue
                ascii_only = False
                try:
                    line.decode(ENCODING)
                except UnicodeDecodeError as error:
                    if not line.endswith(b"\n"):
                        break  # the last line, cut inside a character
                    raise self._wrong_encoding(number, f"byte {error.start + 1} is no GB18030") from error
                if is_utf8:
                    try:
                        utf8.decode(line)
                    except UnicodeDecodeError:
                        is_utf8 = False
        if not ascii_only and is_utf8:
            raise self._wrong_encoding(1, "the file is UTF-8")
        if not last:
            raise HuiyangError(f"{self.path} is empty.", "Export it again; nothing of it was loaded.")
        if not last.endswith(b"\n"):
            raise HuiyangError(
                f"{self.path}, line {number}: the file ends inside a line, so it is truncated.",
                "Copy it again from the old platform; nothing of it was loaded.",
            )

    def _wrong_encoding(self, line: int, what: str) -> HuiyangError:
        return HuiyangError(
            f"{self.path}, line {line}: {what}; GB18030 is expected.",
            "Export it again in the old platform's own encoding, or convert it with `iconv -f UTF-8 -t GB18030`;"
            " nothing of it was loaded.",
        )

    def _check_header(self, header: list[str] | None) -> None:
        missing = [name for name in self.required if name not in (header or [])]
        if missing:
            raise HuiyangError(
                f"{self.path}, line 1: the header has no column {', '.join(missing)}.",
                "Check that this is the right file; if the old platform renamed a column, change its mapping.",
            )


def _table(header: list[str], lines: list[list[str]]) -> pa.Table:
    width = len(header)
    malformed: list[str | None] = [None] * len(lines)
    for position, line in enumerate(lines):
        if len(line) != width:
            malformed[position] = ",".join(line)
            lines[position] = [""] * width
    columns = {
        name: pa.array(values, pa.string()) for name, values in zip(header, zip(*lines, strict=True), strict=True)
    }
    return pa.table(columns | {MALFORMED: pa.array(malformed, pa.string())})
