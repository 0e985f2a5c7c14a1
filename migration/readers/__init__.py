"""Readers of the old platform's files: MySQL dump, GB18030 CSV, workbook; each may be gzipped.

A reader yields Arrow tables of text, one column per source column, null where the source says so, in the order of the
file. `verify` reads the file through once and raises before anything is written: truncated, damaged, wrongly encoded.
Belongs here: bytes to text. Does not belong here: what a text means (transforms).
"""

from migration.readers.gb18030_csv import CsvReader
from migration.readers.manifest import Manifest, check_files, combined_sha256, read_manifest
from migration.readers.mysql_dump import DumpReader
from migration.readers.several import ChainedReader, JoinedReader
from migration.readers.source import SourceReader
from migration.readers.workbook import WorkbookReader

__all__ = [
    "ChainedReader",
    "CsvReader",
    "DumpReader",
    "JoinedReader",
    "Manifest",
    "SourceReader",
    "WorkbookReader",
    "check_files",
    "combined_sha256",
    "read_manifest",
]
