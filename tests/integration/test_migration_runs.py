"""Runs that do not go straight through: killed, repeated, of a newer export, of broken files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import ANY

import psycopg
import pytest
from openpyxl import load_workbook

from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.settings import PROJECT_ROOT, Settings
from migration.load import MigrationSummary, run_migration
from operational_app import reference_data
from operational_app.schema import migrate_to_head
from tests.conftest import running_server

pytestmark = pytest.mark.any_postgres

#: Small chunks, so that a kill falls between two of one table.
_WORKER = """
import sys
from pathlib import Path
from huiyang.settings import Settings
from migration import source_loader
source_loader.CHUNK_ROWS = 2_000
from migration.load import run_migration
run_migration(Settings(), Path(sys.argv[1]), lambda text, fraction: print(f"{fraction:.4f}", text, flush=True))
"""


def prepare(settings: Settings) -> Settings:
    migrate_to_head(settings)
    reference_data.load(settings)
    return settings


def run_and_kill(settings: Settings, export_dir: Path, moment: Callable[[str, int], bool]) -> None:
    """Starts a migration in a process of its own and kills it when `moment` (line, its number) says so."""
    environment = os.environ | {"HUIYANG_HOME": str(settings.home), "PYTHONPATH": str(PROJECT_ROOT)}
    if settings.postgres_admin_url:
        environment["HUIYANG_POSTGRES_ADMIN_URL"] = settings.postgres_admin_url
    else:
        environment.pop("HUIYANG_POSTGRES_ADMIN_URL", None)
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(export_dir)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            if moment(line, number):
                process.send_signal(signal.SIGKILL)
                break
        process.wait(30)
    assert process.returncode == -signal.SIGKILL


def third_of(title: str) -> Callable[[str, int], bool]:
    """The third time that a line tells of a table's loading."""
    seen = []

    def moment(line: str, _: int) -> bool:
        seen.append(f"loading {title}" in line)
        return sum(seen) >= 3

    return moment


def content(connection: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """What a migration leaves, less keys that the database gives."""
    queries = {
        "ledger": "select s.name, l.source_key, l.occurrence, l.target_no, l.outcome, l.reasons, l.warnings"
        " from migration.ledger l join migration.source s using (source_id) order by 1, 2, 3, 4",
        "quarantine": "select s.name, q.source_key, q.occurrence, q.reason_text from migration.quarantine q"
        " join migration.source s using (source_id) order by 1, 2, 3",
        "elders": "select l.source_key, e.name, e.birth_date, e.division_code, e.id_number_status, e.phone_status,"
        " e.status, e.effective_at, e.row_version, e.cell_500m from elders.elder e join migration.ledger l"
        " on l.target_id = e.id join migration.source s using (source_id) where s.name = 'elders' order by 1",
        "orders": "select order_number, status, started_at, finished_at, amount_yuan, division_code, row_version"
        " from home_service.service_order order by 1",
        "merges": "select count(*), min(reason) from elders.elder_merge",
        "care": "select kind, count(*), min(started_on), max(ended_on) from elders.care_relation group by 1 order by 1",
        "vitals": "select kind, count(*), sum(value_1), sum(value_2), max(measured_at) from health.vital_sign"
        " group by 1 order by 1",
        "rooms": "select count(*), (select count(*) from institutions.building) from institutions.room",
    }
    return {name: connection.execute(query).fetchall() for name, query in queries.items()}


@pytest.fixture(scope="module")
def killed_twice(demo_installation: Settings) -> Iterator[tuple[Settings, MigrationSummary]]:
    """An installation whose migration was killed in the middle of the elders and of the orders, then finished."""
    with (
        tempfile.TemporaryDirectory(prefix="huiyang-own-") as folder,
        running_server(Settings(home=Path(folder) / "home", postgres_admin_url=None)) as settings,
    ):
        prepare(settings)
        export_dir = demo_installation.legacy_export_dir
        run_and_kill(settings, export_dir, third_of("老人基本信息"))
        with connect(Login.LOADER, settings) as connection:
            row = connection.execute("select count(*) from elders.elder").fetchone()
        assert row is not None and 0 < row[0] < 12_000
        run_and_kill(settings, export_dir, third_of("上门服务工单"))
        yield settings, run_migration(settings, export_dir, None)


def test_a_killed_run_goes_on_and_ends_the_same(
    killed_twice: tuple[Settings, MigrationSummary], demo_installation: Settings
):
    settings, summary = killed_twice
    assert summary.resumed and summary.is_complete and not summary.already_done
    with connect(Login.LOADER, settings) as connection, connect(Login.LOADER, demo_installation) as reference:
        found, expected = content(connection), content(reference)
        assert connection.execute("select count(*) from migration.run").fetchone() == (1,)
    for name, rows in expected.items():
        assert found[name] == rows, name
    with connect(Login.OWNER, settings) as owner:
        left = owner.execute(
            "select count(*) from pg_tables where schemaname = 'migration' and tablename like 'stage%'"
        )
        assert left.fetchone() == (0,)


def newer_export(old: Path, new: Path, **changes: Callable[[bytes], bytes]) -> Path:
    """A copy of an export without its manifest, with files changed."""
    shutil.copytree(old, new, ignore=shutil.ignore_patterns("manifest.json", "truth*", "zhaopian"))
    for name, change in changes.items():
        path = new / name.replace("_", ".")
        path.write_bytes(change(path.read_bytes()))
    return new


def test_a_newer_export_brings_in_what_changed(
    killed_twice: tuple[Settings, MigrationSummary], demo_installation: Settings, tmp_path: Path
):
    settings, _ = killed_twice
    old = demo_installation.legacy_export_dir
    dump = (old / "elders.sql").read_text(encoding="utf-8")
    with connect(Login.LOADER, settings) as connection:
        orphan = connection.execute(
            "select q.source_key from migration.quarantine q join migration.source s using (source_id)"
            " where s.name = 'guardians' order by q.row_number limit 1"
        ).fetchone()
        order = connection.execute(
            "select order_number, elder_id from home_service.service_order where status = 'finished' order by 1 limit 1"
        ).fetchone()
        changed, edited, gone = (
            row for row in connection.execute(
                "select l.source_key, l.target_id, l.alternate_key from migration.ledger l"
                " join migration.source s using (source_id) join elders.elder e on e.id = l.target_id"
                " where s.name = 'elders' and l.outcome = 'loaded' and e.status = 'active'"
                " and not exists (select 1 from home_service.service_order o where o.elder_id = e.id)"
                " order by 1 limit 3"
            )
        )  # fmt: skip
    assert orphan is not None and order is not None
    guardian_rows = dump[dump.index("INSERT INTO `t_jianhuren`") :]
    start = guardian_rows.index(f"({orphan[0]},") + len(orphan[0]) + 2
    missing_elder = guardian_rows[start : guardian_rows.index(",", start)]

    def change_elders(content: bytes) -> bytes:
        text = content.decode()
        elders_end = text.index("UNLOCK TABLES")
        elders, rest = text[:elders_end], text[elders_end:]
        lines = []
        for line in elders.split("\n"):
            for key in (changed[0], edited[0]):
                if f"'{key}'" in line:
                    line = _moved_away(line, key)
            lines.append(_drop_row(line, gone[0]) if f"'{gone[0]}'" in line else line)
        row = _row_of(elders, changed[0])
        values = row[1:-1].split(",", 3)
        new = f"({missing_elder},'LR44080299999999','补录甲',{values[3]})"
        extra = f"INSERT INTO `t_laoren` VALUES {new};\n"
        return ("\n".join(lines) + extra + rest).encode()

    def change_orders(content: bytes) -> bytes:
        text = content.decode("gb18030")
        line = next(line for line in text.split("\r\n") if line.startswith(f"{order[0]},"))
        return text.replace(line, line.replace(",0,", ",1,", 1)).encode("gb18030")

    new = newer_export(old, tmp_path / "new", elders_sql=change_elders, gongdan_csv=change_orders)
    left, bed = hand_over_a_bed(new / "jigou.xlsx")
    # The bureau's registers come from elsewhere: this time nobody sent them.
    (new / "minzheng_mingce.xlsx").unlink()
    with connect(Login.LOADER, settings) as connection:
        # Somebody worked on one of the elders in the app meanwhile.
        connection.execute(
            "update elders.elder set name = '新平台改名', row_version = row_version + 1 where id = %s", [edited[1]]
        )
    with connect(Login.OWNER, settings) as owner:
        before = owner.execute("select max(change_id) from changelog.elder").fetchone()
    summary = run_migration(settings, new, None)
    by_name = {source.reconciliation.name: source for source in summary.sources}
    assert summary.is_complete and not summary.resumed
    assert by_name["elders"].absent == 1
    assert by_name["due_institutions"].reconciliation.rows == 0 < by_name["due_institutions"].absent
    with connect(Login.LOADER, settings) as connection:
        registered = connection.execute("select count(*) from reference.due_register").fetchone()
        assert registered is not None and registered[0] > 3_000  # nothing is deleted
        one = connection.execute(
            "select name, status, row_version from elders.elder where id = %s", [changed[1]]
        ).fetchone()
        assert one is not None and one[1:] == ("moved_away", 2)
        kept = connection.execute("select name, row_version from elders.elder where id = %s", [edited[1]]).fetchone()
        assert kept == ("新平台改名", 2)
        reasons = connection.execute(
            "select reasons from migration.quarantine where source_key = %s", [edited[0]]
        ).fetchall()
        assert (["changed_in_app"],) in reasons
        assert connection.execute("select count(*) from elders.elder where id = %s", [gone[1]]).fetchone() == (1,)
        stays = connection.execute(
            "select l.source_key, r.admitted_on, r.discharged_on, r.row_version from institutions.residency r"
            " join migration.current_ledger l on l.target_id = r.id join migration.source s using (source_id)"
            " where s.name = 'residencies' and l.target_no = 0 and l.source_key in (%s, 'RZ9999999') order by 1",
            [left],
        ).fetchall()
        assert stays == [(left, ANY, date(2026, 10, 20), 2), ("RZ9999999", date(2026, 10, 25), None, 1)], bed
        resolved = connection.execute(
            "select q.resolved_run_id, l.outcome from migration.quarantine q join migration.source s using (source_id)"
            " join migration.current_ledger l using (source_id, source_key, occurrence)"
            " where s.name = 'guardians' and q.source_key = %s",
            [orphan[0]],
        ).fetchall()
        assert resolved == [(summary.run_id, "loaded")]
    with connect(Login.OWNER, settings) as owner:
        log = owner.execute(
            "select id, change_op, status from changelog.elder where change_id > %s order by change_id", before
        ).fetchall()
    assert (changed[1], "U", "moved_away") in log
    assert len(log) == 3  # one change, one new elder and its code: nothing else was touched
    assert run_migration(settings, new, None).already_done


def _row_of(text: str, key: str) -> str:
    """The row of `t_laoren` with a key, brackets included."""
    at = text.index(f"'{key}'")
    start = text.rindex("(", 0, at)
    inside, end = False, at
    while True:
        character = text[end]
        if character == "\\":
            end += 2
            continue
        inside ^= character == "'"
        if character == ")" and not inside:
            return text[start : end + 1]
        end += 1


def hand_over_a_bed(path: Path) -> tuple[str, str]:
    """A resident leaves, another one takes the bed; the key of the stay that ended, and the bed."""
    book = load_workbook(path)
    sheet = book["入住记录"]
    titles = [cell.value for cell in sheet[2]]
    column = {title: number for number, title in enumerate(titles, start=1)}
    rows = list(sheet.iter_rows(min_row=3))
    elders_with_stays = [row[column["老人编号"] - 1].value for row in rows]
    beds = [row[column["床位编码"] - 1].value for row in rows]

    def at(row: int, title: str) -> Any:
        return rows[row][column[title] - 1]

    leaving = next(
        row for row in range(len(rows))
        if not at(row, "退住日期").value and beds.count(beds[row]) == 1 and str(at(row, "入住日期").value) < "2026-09"
        and len(str(at(row, "入住日期").value)) == 10
    )  # fmt: skip
    # Somebody whose only stay ended long ago comes back.
    coming = next(
        row for row in range(len(rows))
        if "2023" < str(at(row, "退住日期").value or "") < "2025"
        and elders_with_stays.count(elders_with_stays[row]) == 1
    )  # fmt: skip
    at(leaving, "退住日期").value = "2026-10-20"
    new = [cell.value for cell in rows[leaving]]
    new[column["入住编号"] - 1], new[column["老人编号"] - 1] = "RZ9999999", elders_with_stays[coming]
    new[column["入住日期"] - 1], new[column["退住日期"] - 1] = "2026-10-25", None
    sheet.append(new)
    book.save(path)
    return str(at(leaving, "入住编号").value), str(beds[leaving])


#: ZT, SWRQ, QCRQ, BZ, DEL_FLAG, CREATE_BY, CREATE_TIME, UPDATE_TIME: the end of a row of `t_laoren` on file.
_ON_FILE = re.compile(r",'0',NULL,NULL,('(?:[^'\\]|\\.)*','0','[^']*','[^']*',)(?:NULL|'[^']*')\)$")


def _moved_away(line: str, key: str) -> str:
    """The line with one row saying that the person moved away, and when."""
    row = _row_of(line, key)
    changed = _ON_FILE.sub(r",'2',NULL,'2026-10-20',\g<1>'2026-10-21 09:00:00')", row)
    assert changed != row
    return line.replace(row, changed)


def _drop_row(line: str, key: str) -> str:
    row = _row_of(line, key)
    return line.replace(f"{row},", "", 1) if f"{row}," in line else line.replace(f",{row}", "", 1)


class TestBrokenFiles:
    """Each is refused before a row of anything is written, and says what to do."""

    CASES: ClassVar[dict[str, tuple[str, Callable[[bytes], bytes] | None, str]]] = {
        "truncated dump": ("elders.sql", lambda content: content[: len(content) // 2], "truncated"),
        "dump without its end": ("elders.sql", lambda content: content[: content.rindex(b"-- Dump")], "truncated"),
        "UTF-8": ("gongdan.csv", lambda content: content.decode("gb18030").encode(), "the file is UTF-8"),
        "truncated CSV": ("gongdan.csv", lambda content: content[:-40], "truncated"),
        "truncated workbook": ("jigou.xlsx", lambda content: content[: len(content) // 2], "no readable workbook"),
        "truncated gzip": ("jiankang/202410.csv.gz", lambda content: content[:-20], "truncated or damaged"),
        "missing file": ("pingjia.csv", None, "is missing"),
    }  # fmt: skip

    def test_nothing_is_written(self, own_installation: Settings, demo_installation: Settings, tmp_path: Path):
        for number, (what, (name, damage, message)) in enumerate(self.CASES.items()):
            new = newer_export(demo_installation.legacy_export_dir, tmp_path / str(number))
            path = new / name
            path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
            with pytest.raises(HuiyangError, match=message) as error:
                run_migration(own_installation, new, None)
            assert Path(name).name in error.value.problem and error.value.remedy, what
            shutil.rmtree(new)
        with connect(Login.LOADER, own_installation) as connection:
            assert connection.execute("select count(*) from migration.ledger").fetchone() == (0,)
            assert connection.execute("select count(*) from elders.elder").fetchone() == (0,)

    def test_a_file_that_the_manifest_does_not_mean(
        self, own_installation: Settings, demo_installation: Settings, tmp_path: Path
    ):
        new = newer_export(demo_installation.legacy_export_dir, tmp_path / "x")
        shutil.copy(demo_installation.legacy_export_dir / "manifest.json", new)
        (new / "pingjia.csv").write_bytes((new / "pingjia.csv").read_bytes() + b"x\r\n")
        with pytest.raises(HuiyangError, match="pingjia.csv is not the file that the export's manifest means"):
            run_migration(own_installation, new, None)

    def test_registers_may_be_missing_but_not_where_the_manifest_promises_them(
        self, own_installation: Settings, demo_installation: Settings, tmp_path: Path
    ):
        new = newer_export(demo_installation.legacy_export_dir, tmp_path / "x")
        shutil.copy(demo_installation.legacy_export_dir / "manifest.json", new)
        (new / "minzheng_mingce.xlsx").unlink()
        with pytest.raises(HuiyangError, match="minzheng_mingce.xlsx is missing"):
            run_migration(own_installation, new, None)

    def test_without_reference_data(self, new_server: Callable[[], Settings], demo_installation: Settings):
        settings = new_server()
        migrate_to_head(settings)
        with pytest.raises(HuiyangError, match="no reference data"):
            run_migration(settings, demo_installation.legacy_export_dir, None)
