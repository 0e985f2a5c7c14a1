"""Readers: what is in the files, and what is said when they are not whole."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from huiyang.errors import HuiyangError
from migration.readers import (
    ChainedReader,
    CsvReader,
    DumpReader,
    JoinedReader,
    WorkbookReader,
    check_files,
    read_manifest,
)
from migration.readers.gb18030_csv import MALFORMED
from migration.readers.mysql_dump import unescape
from migration.readers.workbook import cell_text

DUMP = r"""-- MySQL dump 10.13
/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `t_a` (
  `ID` bigint(20) NOT NULL COMMENT '主键',
  `XM` varchar(64) DEFAULT NULL COMMENT 'name; (x)',
  `BZ` varchar(500) DEFAULT NULL,
  PRIMARY KEY (`ID`),
  KEY `idx` (`XM`)
) ENGINE=InnoDB;
LOCK TABLES `t_a` WRITE;
INSERT INTO `t_a` VALUES (1,'陈''O',NULL),(2,'a\'b\\c','x),(9,\'y\''),(3,'NULL','第一行\n第二行;');
INSERT INTO `t_a` (`ID`, `BZ`, `XM`) VALUES (4,'乙','甲');
UNLOCK TABLES;
CREATE TABLE `t_b` (
  `K` varchar(9)
);
CREATE TABLE `t_empty` (
  `K` varchar(9)
);
INSERT INTO `t_b` VALUES ('x'),('y');
-- Dump completed on 2026-11-01  2:00:00
"""
ROWS_A = [
    {"ID": "1", "XM": "陈'O", "BZ": None},
    {"ID": "2", "XM": "a'b\\c", "BZ": "x),(9,'y'"},
    {"ID": "3", "XM": "NULL", "BZ": "第一行\n第二行;"},
    {"ID": "4", "XM": "甲", "BZ": "乙"},
]


def all_rows(reader: object, size: int = 100) -> list[dict[str, str | None]]:
    return [row for chunk in reader.chunks(size) for row in chunk.to_pylist()]  # type: ignore[attr-defined]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestDump:
    def test_reads_its_table_only(self, tmp_path: Path):
        path = write(tmp_path / "a.sql", DUMP)
        assert DumpReader(path, "t_a").verify() == 4
        assert all_rows(DumpReader(path, "t_a")) == ROWS_A
        assert all_rows(DumpReader(path, "t_b"), 1) == [{"K": "x"}, {"K": "y"}]
        assert DumpReader(path, "t_empty").verify() == 0

    def test_gzip(self, tmp_path: Path):
        path = write(tmp_path / "a.sql.gz", gzip.compress(DUMP.encode()))
        assert all_rows(DumpReader(path, "t_a")) == ROWS_A

    def test_a_string_may_hold_a_raw_line_break(self, tmp_path: Path):
        path = write(tmp_path / "a.sql", DUMP.replace("\\n第二行", ";\n第二行"))
        assert all_rows(DumpReader(path, "t_a"))[2]["BZ"] == "第一行;\n第二行;"

    @pytest.mark.parametrize("cut", range(DUMP.index("INSERT INTO `t_a` VALUES") + 30, len(DUMP) - 50, 7))
    def test_cut_anywhere_is_seen_and_names_table_and_line(self, tmp_path: Path, cut: int):
        path = write(tmp_path / "a.sql", DUMP.encode()[: len(DUMP[:cut].encode())])
        with pytest.raises(HuiyangError, match=r"truncated.*table t_\w+ \(line \d+\)"):
            DumpReader(path, "t_a").verify()

    def test_cut_gzip(self, tmp_path: Path):
        packed = gzip.compress(DUMP.encode())
        path = write(tmp_path / "a.sql.gz", packed[: len(packed) // 2])
        with pytest.raises(HuiyangError, match="truncated or damaged"):
            DumpReader(path, "t_a").verify()

    def test_row_of_another_width(self, tmp_path: Path):
        path = write(tmp_path / "a.sql", DUMP.replace("(4,'乙','甲')", "(4,'乙')"))
        with pytest.raises(
            HuiyangError, match=r"line 12: a row of t_a has another number of values than its 3 columns"
        ):
            DumpReader(path, "t_a").verify()

    def test_wrong_encoding_names_the_line(self, tmp_path: Path):
        path = write(tmp_path / "a.sql", DUMP.encode("gb18030"))
        with pytest.raises(HuiyangError, match=r"line 4: not UTF-8") as error:
            DumpReader(path, "t_a").verify()
        assert "utf8mb4" in error.value.remedy

    def test_missing_table_and_file(self, tmp_path: Path):
        with pytest.raises(HuiyangError, match="has no table t_c"):
            DumpReader(write(tmp_path / "a.sql", DUMP), "t_c").verify()
        with pytest.raises(HuiyangError, match="is missing"):
            DumpReader(tmp_path / "b.sql", "t_a").verify()

    @given(st.lists(st.one_of(st.none(), st.text(max_size=30).filter(lambda v: "\r" not in v)), min_size=1, max_size=8))
    def test_what_mysqldump_escapes_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, values: list[str | None]
    ):
        escapes = {"\0": "\\0", "\n": "\\n", "\r": "\\r", "\\": "\\\\", "'": "\\'", '"': '\\"', "\x1a": "\\Z"}
        quoted = ["NULL" if v is None else "'" + "".join(escapes.get(c, c) for c in v) + "'" for v in values]
        rows = ",".join(f"({n},{q})" for n, q in enumerate(quoted))
        text = f"CREATE TABLE `t` (\n  `ID` int,\n  `V` text\n);\nINSERT INTO `t` VALUES {rows};\n-- Dump completed\n"
        path = tmp_path_factory.mktemp("dump") / "t.sql"
        try:
            write(path, text)
        except UnicodeEncodeError:
            return  # a lone surrogate is no text
        reader = DumpReader(path, "t")
        assert reader.verify() == len(values)
        assert [row["V"] for row in all_rows(reader)] == values

    def test_unescape(self):
        assert unescape(r"a\tb\0\Z\%\_''") == "a\tb\0\x1a%_'"


CSV = '编号,姓名,备注\r\n1,陈一,"有,逗号"\r\n2,塘㙍镇,\r\n3,"引""号","换\r\n行"\r\n'


class TestCsv:
    def reader(self, path: Path) -> CsvReader:
        return CsvReader(path, ("编号", "姓名"))

    def test_rows(self, tmp_path: Path):
        path = write(tmp_path / "a.csv", CSV.encode("gb18030"))
        assert self.reader(path).verify() == 3
        found = all_rows(self.reader(path), 2)
        assert [row["姓名"] for row in found] == ["陈一", "塘㙍镇", '引"号']
        assert [row["备注"] for row in found] == ["有,逗号", "", "换\r\n行"]
        assert all(row[MALFORMED] is None for row in found)

    def test_a_line_of_another_width_is_a_row_of_its_own(self, tmp_path: Path):
        path = write(tmp_path / "a.csv", (CSV + "4,多,一,列\r\n").encode("gb18030"))
        assert self.reader(path).verify() == 4
        assert all_rows(self.reader(path))[3] == {"编号": "", "姓名": "", "备注": "", MALFORMED: "4,多,一,列"}

    def test_utf8_is_refused_although_it_decodes(self, tmp_path: Path):
        text = "编号,姓名\r\n1,陈一\r\n"  # an even number of bytes in each field
        assert text.encode().decode("gb18030")
        with pytest.raises(HuiyangError, match=r"line 1: the file is UTF-8; GB18030 is expected") as error:
            self.reader(write(tmp_path / "a.csv", text)).verify()
        assert "iconv" in error.value.remedy

    @pytest.mark.parametrize(("mark", "name"), [(b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16")])
    def test_byte_order_marks(self, tmp_path: Path, mark: bytes, name: str):
        with pytest.raises(HuiyangError, match=f"{name} byte-order mark"):
            self.reader(write(tmp_path / "a.csv", mark + CSV.encode("utf-16-le"))).verify()

    def test_undecodable_bytes_name_the_line(self, tmp_path: Path):
        broken = CSV.encode("gb18030").replace("塘".encode("gb18030"), b"\xff\xff")
        with pytest.raises(HuiyangError, match="line 3: byte 3 is no GB18030"):
            self.reader(write(tmp_path / "a.csv", broken)).verify()

    def test_truncation(self, tmp_path: Path):
        whole = CSV.encode("gb18030")
        with pytest.raises(HuiyangError, match=r"line 3: the file ends inside a line"):
            self.reader(write(tmp_path / "a.csv", whole[: whole.index(b"\r\n3,") - 2])).verify()
        with pytest.raises(HuiyangError, match="line 4: the file ends inside a line or a quoted field"):
            self.reader(write(tmp_path / "b.csv", whole[: whole.index("行".encode("gb18030"))])).verify()
        packed = gzip.compress(whole)
        with pytest.raises(HuiyangError, match="truncated or damaged"):
            self.reader(write(tmp_path / "c.csv.gz", packed[:-9])).verify()

    def test_missing_column_empty_file_and_no_file(self, tmp_path: Path):
        with pytest.raises(HuiyangError, match="line 1: the header has no column 姓名"):
            self.reader(write(tmp_path / "a.csv", "编号,名字\r\n".encode("gb18030"))).verify()
        with pytest.raises(HuiyangError, match="is empty"):
            self.reader(write(tmp_path / "b.csv", b"")).verify()
        with pytest.raises(HuiyangError, match="is missing"):
            self.reader(tmp_path / "c.csv").verify()

    def test_several_files_as_one(self, tmp_path: Path):
        paths = [write(tmp_path / f"{n}.csv", CSV.encode("gb18030")) for n in range(3)]
        reader = ChainedReader([self.reader(path) for path in paths])
        assert reader.verify() == 9
        assert [len(chunk) for chunk in reader.chunks(5)] == [6, 3]
        assert [row["编号"] for row in all_rows(reader)] == ["1", "2", "3"] * 3


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


class TestWorkbook:
    def test_title_header_continuation_and_empty_rows(self, tmp_path: Path):
        path = workbook(
            tmp_path / "a.xlsx",
            {
                "设备": [["台账"], ["编号", "名称"], ["1", "甲"], [None, None], ["2", None]],
                "设备(2)": [["台账"], ["编号", "名称"], ["3", "丙"]],
                "设备绑定": [["台账"], ["编号", "名称"], ["9", "别的"]],
            },
        )
        reader = WorkbookReader(path, "设备", ("编号", "名称"), header_row=2)
        assert reader.verify() == 3
        assert all_rows(reader, 2) == [
            {"编号": "1", "名称": "甲"}, {"编号": "2", "名称": None}, {"编号": "3", "名称": "丙"},
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("cell", "text"),
        [(3.0, "3"), (2.5, "2.5"), (True, "1"), ("", None), (" x", " x"), (4.4080219501231e17, "4.4080219501231e+17")],
    )
    def test_cells(self, cell: object, text: str | None):
        assert cell_text(cell) == text

    def test_errors(self, tmp_path: Path):
        path = workbook(tmp_path / "a.xlsx", {"甲": [["编号"], ["1"]], "甲(2)": [["别的"], ["1"]]})
        with pytest.raises(HuiyangError, match="has no sheet 乙; it has 甲"):
            WorkbookReader(path, "乙", ()).verify()
        with pytest.raises(HuiyangError, match=r"sheet 甲, row 1: no column 名称"):
            WorkbookReader(path, "甲", ("名称",)).verify()
        with pytest.raises(HuiyangError, match=r"sheet 甲\(2\): its columns are not those of 甲"):
            WorkbookReader(path, "甲", ()).verify()
        with pytest.raises(HuiyangError, match="is missing"):
            WorkbookReader(tmp_path / "b.xlsx", "甲", ()).verify()

    @pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
    def test_truncated(self, tmp_path: Path, part: float):
        content = workbook(tmp_path / "a.xlsx", {"甲": [["编号"], ["1"]]}).read_bytes()
        path = write(tmp_path / "b.xlsx", content[: int(len(content) * part)])
        with pytest.raises(HuiyangError, match="no readable workbook"):
            WorkbookReader(path, "甲", ("编号",)).verify()

    def test_joined_columns_are_those_of_the_last_row(self, tmp_path: Path):
        path = workbook(
            tmp_path / "a.xlsx",
            {"设备": [["编号"], ["1"], ["2"]], "绑定": [["编号", "老人"], ["1", "甲"], ["1", "乙"]]},
        )
        reader = JoinedReader(
            WorkbookReader(path, "设备", ()), WorkbookReader(path, "绑定", ()), "编号", {"老人": "末次老人"}
        )
        assert reader.verify() == 2
        assert all_rows(reader) == [{"编号": "1", "末次老人": "乙"}, {"编号": "2", "末次老人": None}]


class TestManifest:
    def test_files_are_checked_against_it(self, tmp_path: Path):
        write(tmp_path / "a.csv", b"x")
        assert read_manifest(tmp_path) is None
        digest = check_files(tmp_path, ["a.csv"], None)["a.csv"]
        entry = {"name": "a.csv", "rows": 1, "bytes": 1, "sha256": digest}
        write(
            tmp_path / "manifest.json", json.dumps({"files": [entry], "rows": {"a.csv": 1}, "last_day": "2026-10-31"})
        )
        manifest = read_manifest(tmp_path)
        assert (
            manifest is not None
            and manifest.rows_of(["a.csv"], None) == 1
            and manifest.rows_of(["b.csv"], None) is None
        )
        check_files(tmp_path, ["a.csv"], manifest)
        write(tmp_path / "a.csv", b"y")
        with pytest.raises(HuiyangError, match="SHA-256 differs"):
            check_files(tmp_path, ["a.csv"], manifest)
        with pytest.raises(HuiyangError, match="is missing"):
            check_files(tmp_path, ["b.csv"], manifest)

    def test_damaged(self, tmp_path: Path):
        write(tmp_path / "manifest.json", b'{"files": [')
        with pytest.raises(HuiyangError, match="damaged"):
            read_manifest(tmp_path)


def test_chunks_are_text(tmp_path: Path):
    path = write(tmp_path / "a.csv", CSV.encode("gb18030"))
    (chunk,) = CsvReader(path, ()).chunks(10)
    assert set(chunk.schema.types) == {pa.string()}
