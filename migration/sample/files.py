"""Writers of the export's file formats: MySQL dump, GB18030 CSV, XLSX. The same rows give the same bytes."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
from openpyxl import Workbook
from openpyxl.writer.excel import ExcelWriter

from migration.sample.columns import Column, csv_value, join, pick, repeat, sql_value, text_bytes

#: Stamped into containers that want a time, so that bytes repeat.
_STAMP = datetime(2026, 11, 1, 2, 0, 0)  # noqa: DTZ001 (wall-clock time inside a file format)
_ROWS_AN_INSERT = 1_000
#: The old platform's Excel export starts another sheet after so many rows: `设备`, `设备(2)`, …
ROWS_A_SHEET = 100_000


@dataclass(frozen=True)
class SqlColumn:
    """A column of a dumped table.

    Attributes:
        free_text: may hold quotes, backslashes or line breaks; the others are not searched for them.
    """

    name: str
    type: str
    comment: str
    free_text: bool = False


@dataclass(frozen=True)
class SqlTable:
    name: str
    comment: str
    columns: tuple[SqlColumn, ...]
    keys: tuple[str, ...]

    def create_statement(self) -> str:
        lines = [f"  `{c.name}` {c.type} COMMENT '{c.comment}'" for c in self.columns]
        body = ",\n".join([*lines, *(f"  {key}" for key in self.keys)])
        return (
            f"CREATE TABLE `{self.name}` (\n{body}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
            f" COLLATE=utf8mb4_general_ci COMMENT='{self.comment}';\n"
        )


class MySqlDump:
    """A file as mysqldump 5.7 writes it: extended INSERTs of 1,000 rows, utf8mb4."""

    def __init__(self, path: Path, database: str) -> None:
        self._file: IO[bytes] = path.open("wb")
        self.rows: dict[str, int] = {}
        self._write(
            "-- MySQL dump 10.13  Distrib 5.7.36, for Linux (x86_64)\n--\n"
            f"-- Host: 127.0.0.1    Database: {database}\n"
            "-- ------------------------------------------------------\n-- Server version\t5.7.36-log\n\n"
            "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n"
            "/*!40101 SET NAMES utf8mb4 */;\n"
            "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;\n/*!40103 SET TIME_ZONE='+08:00' */;\n"
            "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n"
            "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n"
        )

    def table(self, table: SqlTable, chunks: Iterable[dict[str, Column]]) -> None:
        """One table: its definition, then its rows, chunk by chunk.

        Args:
            chunks: each a column per name of `table.columns`.
        """
        self._write(
            f"\n--\n-- Table structure for table `{table.name}`\n--\n\nDROP TABLE IF EXISTS `{table.name}`;\n"
            "/*!40101 SET @saved_cs_client     = @@character_set_client */;\n"
            "/*!40101 SET character_set_client = utf8 */;\n"
            + table.create_statement()
            + "/*!40101 SET character_set_client = @saved_cs_client */;\n"
            f"\n--\n-- Dumping data for table `{table.name}`\n--\n\nLOCK TABLES `{table.name}` WRITE;\n"
            f"/*!40000 ALTER TABLE `{table.name}` DISABLE KEYS */;\n"
        )
        rows = 0
        for chunk in chunks:
            values = [
                chunk[c.name] if c.type.startswith("bigint") else sql_value(chunk[c.name], escape=c.free_text)
                for c in table.columns
            ]
            separated = [part for value in values for part in (value, ",")][:-1]
            count = len(values[0])
            position = np.arange(count)
            last = (position % _ROWS_AN_INSERT == _ROWS_AN_INSERT - 1) | (position == count - 1)
            before = pick(["(", f"INSERT INTO `{table.name}` VALUES ("], (position % _ROWS_AN_INSERT == 0).astype(int))
            self._file.write(text_bytes(join(before, *separated, pick(["),", ");\n"], last.astype(int)))))
            rows += count
        self._write(f"/*!40000 ALTER TABLE `{table.name}` ENABLE KEYS */;\nUNLOCK TABLES;\n")
        self.rows[table.name] = rows

    def _write(self, text: str) -> None:
        self._file.write(text.encode())

    def __enter__(self) -> MySqlDump:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write("\n/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n-- Dump completed on 2026-11-01  2:00:00\n")
        self._file.close()


class CsvFile:
    """A CSV file with a header, CRLF line ends, quotes only where needed.

    Args:
        columns: their names.
        free_text: the columns whose texts may need quotes; the others are not searched.
        encoding: what the file is written in; a path that ends in .gz is compressed.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], free_text: Iterable[str] = (), *, encoding: str = "gb18030"
    ) -> None:
        self._columns, self._free_text, self._encoding = list(columns), frozenset(free_text), encoding
        self._raw = path.open("wb")
        self._file: IO[bytes] = self._raw
        if path.suffix == ".gz":
            compressed = gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=self._raw, mtime=0)
            self._file = cast(IO[bytes], compressed)
        self._file.write((",".join(self._columns) + "\r\n").encode(encoding))
        self.rows = 0

    def write(self, chunk: dict[str, Column]) -> None:
        """Appends rows: a column per name."""
        values = [csv_value(chunk[name]) if name in self._free_text else chunk[name] for name in self._columns]
        count = len(values[0])
        if count == 0:
            return
        separated = [part for value in values for part in (value, ",")][:-1]
        data = text_bytes(join(*separated, repeat("\r\n", count)))
        self._file.write(data if self._encoding == "utf-8" else bytes(data).decode().encode(self._encoding))
        self.rows += count

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._raw.close()


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook: a title in its first row, the header in its second, then rows.

    Attributes:
        columns: header and texts or numbers of each column, all of one length.
    """

    name: str
    title: str
    columns: dict[str, list[Any]]

    @property
    def row_count(self) -> int:
        return len(next(iter(self.columns.values())))


def cells(columns: dict[str, Column | list[str]]) -> dict[str, list[str | None]]:
    """Columns as lists, which the workbook's writer wants; empty texts become empty cells."""
    return {
        name: [value or None for value in (column if isinstance(column, list) else column.to_pylist())]
        for name, column in columns.items()
    }


def write_workbook(path: Path, sheets: Sequence[Sheet]) -> None:
    """An XLSX file; a sheet with more than `ROWS_A_SHEET` rows continues in `name(2)`, `name(3)`, …"""
    workbook = Workbook(write_only=True)
    workbook.properties.creator = "ylpt"
    workbook.properties.created = workbook.properties.modified = _STAMP
    for sheet in sheets:
        rows = iter(zip(*sheet.columns.values(), strict=True))
        for part, chunk in enumerate(_batches(rows, ROWS_A_SHEET), start=1):
            target = workbook.create_sheet(sheet.name if part == 1 else f"{sheet.name}({part})")
            target.append([sheet.title])
            target.append(list(sheet.columns))
            for row in chunk:
                target.append(row)
    with _StampedZip(path, "w", ZIP_DEFLATED) as archive:
        ExcelWriter(workbook, archive).write_data()


class _StampedZip(ZipFile):
    """A zip file whose members all carry the same time."""

    def writestr(self, zinfo_or_arcname: Any, data: Any, *_: Any, **__: Any) -> None:
        super().writestr(_stamped(str(zinfo_or_arcname)), data)

    def write(self, filename: Any, arcname: Any = None, *_: Any, **__: Any) -> None:
        with open(filename, "rb") as source, self.open(_stamped(str(arcname)), "w", force_zip64=True) as target:
            while block := source.read(1 << 20):
                target.write(block)


def _stamped(name: str) -> ZipInfo:
    info = ZipInfo(name, _STAMP.timetuple()[:6])
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _batches(rows: Iterator[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Lists of `size` rows; one empty list where there is no row at all."""
    batch = list(islice(rows, size))
    yield batch
    while len(batch) == size and (batch := list(islice(rows, size))):
        yield batch


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
