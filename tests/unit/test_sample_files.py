"""The export's file formats: what is written reads back, and the same rows give the same bytes."""

from __future__ import annotations

import gzip
import re
import time
from pathlib import Path

import numpy as np
import pytest
import sqlglot
from python_calamine import CalamineWorkbook

from migration.sample import files
from migration.sample.columns import number, texts
from migration.sample.files import CsvFile, MySqlDump, Sheet, SqlColumn, SqlTable, write_workbook

AWKWARD = ["it's", 'a "quote"', "back\\slash\\", "two\nlines\r", "塘㙍镇 𠮷", "", "comma, and ;)"]
TABLE = SqlTable(
    "t_x",
    "表",
    (
        SqlColumn("ID", "bigint(20) NOT NULL AUTO_INCREMENT", "主键"),
        SqlColumn("BZ", "varchar(500) DEFAULT NULL", "备注", free_text=True),
    ),
    ("PRIMARY KEY (`ID`)",),
)


def test_dump_is_sql_whose_literals_read_back(tmp_path: Path) -> None:
    values = [*AWKWARD, None]
    with MySqlDump(tmp_path / "x.sql", "db") as dump:
        dump.table(TABLE, [{"ID": number(np.arange(1, len(values) + 1)), "BZ": texts(values)}])
        assert dump.rows == {"t_x": len(values)}
    text = (tmp_path / "x.sql").read_text(encoding="utf-8")
    statements = [s for s in sqlglot.parse(text, dialect="mysql") if s is not None]
    insert = next(s for s in statements if isinstance(s, sqlglot.exp.Insert))
    read = [row.expressions[1] for row in insert.expression.expressions]
    assert [None if isinstance(v, sqlglot.exp.Null) else v.this for v in read] == values
    create = next(s for s in statements if isinstance(s, sqlglot.exp.Create))
    assert [c.name for c in create.find_all(sqlglot.exp.ColumnDef)] == ["ID", "BZ"]


def test_dump_starts_an_insert_every_thousand_rows_and_chunk(tmp_path: Path) -> None:
    with MySqlDump(tmp_path / "x.sql", "db") as dump:
        dump.table(TABLE, ({"ID": number(np.arange(1, n + 1)), "BZ": texts(["x"] * n)} for n in (2_500, 1)))
    text = (tmp_path / "x.sql").read_text(encoding="utf-8")
    inserts = re.findall(r"^INSERT INTO `t_x` VALUES (.*);$", text, re.MULTILINE)
    assert [len(re.findall(r"\(\d+,'x'\)", line)) for line in inserts] == [1_000, 1_000, 500, 1]
    assert text.rstrip().endswith("-- Dump completed on 2026-11-01  2:00:00")


def test_an_interrupted_dump_has_no_end(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), MySqlDump(tmp_path / "x.sql", "db"):
        raise RuntimeError
    assert "Dump completed" not in (tmp_path / "x.sql").read_text(encoding="utf-8")


def test_csv_is_gb18030_and_quoted_where_needed(tmp_path: Path) -> None:
    with CsvFile(tmp_path / "x.csv", ["A", "B"], ["B"]) as target:
        target.write({"A": texts(["塘㙍镇", "2"]), "B": texts(['1,"2"', "3"])})
        target.write({"A": texts([]), "B": texts([])})
        assert target.rows == 2
    assert (tmp_path / "x.csv").read_bytes().decode("gb18030") == 'A,B\r\n塘㙍镇,"1,""2"""\r\n2,3\r\n'


def test_compressed_csv_has_the_same_bytes_at_any_time(tmp_path: Path) -> None:
    written = []
    for name in ("a.csv.gz", "b.csv.gz"):
        with CsvFile(tmp_path / name, ["A"]) as target:
            target.write({"A": texts(["1"])})
        written.append((tmp_path / name).read_bytes())
        time.sleep(1.1)
    assert written[0] == written[1]
    assert gzip.decompress(written[0]) == b"A\r\n1\r\n"


def test_workbook_splits_long_sheets_and_repeats_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROWS_A_SHEET", 4)
    sheet = Sheet("设备", "台账", {"编号": [str(n) for n in range(9)], "备注": ["x"] * 8 + [None]})
    empty = Sheet("空", "空表", {"编号": []})
    paths = [tmp_path / name for name in ("a.xlsx", "b.xlsx")]
    for path in paths:
        write_workbook(path, [sheet, empty])
        time.sleep(1.1)  # zip and workbook would stamp another second
    assert paths[0].read_bytes() == paths[1].read_bytes()
    workbook = CalamineWorkbook.from_path(paths[0])
    assert workbook.sheet_names == ["设备", "设备(2)", "设备(3)", "空"]
    last = workbook.get_sheet_by_name("设备(3)").to_python()
    assert last == [["台账", ""], ["编号", "备注"], ["8", ""]]
    assert workbook.get_sheet_by_name("空").to_python() == [["空表"], ["编号"]]
