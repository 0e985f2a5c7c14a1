"""Reader of workbooks (.xlsx) through python-calamine: one sheet, typed cells back to text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from huiyang.errors import HuiyangError


class WorkbookReader:
    """One sheet, with its continuations: the old platform starts `设备(2)` where `设备` is full.

    Args:
        required: titles that must be in its header row.
        header_row: the row of titles, from 1; what stands above is a heading.
    """

    def __init__(self, path: Path, sheet: str, required: tuple[str, ...], header_row: int = 1) -> None:
        self.path = path
        self.sheet = sheet
        self.required = required
        self.header_row = header_row

    def verify(self) -> int:
        """See `SourceReader.verify`."""
        return len(self._rows[1])

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """See `SourceReader.chunks`."""
        titles, lines = self._rows
        for start in range(0, len(lines), rows):
            part = lines[start : start + rows]
            columns = zip(*part, strict=True)
            yield pa.table(
                {title: pa.array(values, pa.string()) for title, values in zip(titles, columns, strict=True) if title}
            )

    @cached_property
    def _rows(self) -> tuple[list[str], list[list[str | None]]]:
        """Titles, and the rows below them that hold anything."""
        if not self.path.exists():
            raise HuiyangError(f"{self.path} is missing.", "Copy the export again, completely.")
        try:
            book = CalamineWorkbook.from_path(self.path)
            if self.sheet not in book.sheet_names:
                raise HuiyangError(
                    f"{self.path} has no sheet {self.sheet}; it has {', '.join(book.sheet_names)}.",
                    "Check that this is the right file; if the old platform renamed a sheet, change its mapping.",
                )
            sheets = [name for name in book.sheet_names if re.fullmatch(re.escape(self.sheet) + r"(\(\d+\))?", name)]
            titles, lines = self._sheet(book, sheets[0])
            for name in sheets[1:]:
                further, part = self._sheet(book, name)
                if further != titles:
                    raise HuiyangError(
                        f"{self.path}, sheet {name}: its columns are not those of {self.sheet}.",
                        "Export the workbook again; nothing of it was loaded.",
                    )
                lines += part
        except CalamineError as error:
            raise HuiyangError(
                f"{self.path} is no readable workbook: {error}.",
                "The file is truncated or damaged: export it again; nothing of it was loaded.",
            ) from error
        return titles, lines

    def _sheet(self, book: CalamineWorkbook, name: str) -> tuple[list[str], list[list[str | None]]]:
        cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        titles = [str(cell).strip() for cell in cells[self.header_row - 1]] if len(cells) >= self.header_row else []
        missing = [title for title in self.required if title not in titles]
        if missing:
            raise HuiyangError(
                f"{self.path}, sheet {name}, row {self.header_row}: no column {', '.join(missing)}.",
                "Check that this is the right file; if the old platform renamed a column, change its mapping.",
            )
        lines = [[cell_text(cell) for cell in row] for row in cells[self.header_row :]]
        return titles, [line for line in lines if any(value is not None for value in line)]


def cell_text(cell: Any) -> str | None:
    """A cell as the text a person would have typed; None for an empty one."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        # Beyond 2^53 a spreadsheet has rounded: an ID number typed as a number is lost and must not look like one.
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)
