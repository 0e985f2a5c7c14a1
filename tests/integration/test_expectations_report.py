"""The acceptance report: the same figures in three forms, complete, sealed, without a request to elsewhere."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl import load_workbook

from expectations import report_workbook
from expectations.gate import run_gate
from expectations.report import MANIFEST, render_html, render_pdf, verify_report, write_reports
from expectations.report_content import KEYS_SHOWN, build_content
from expectations.results import GateResult
from expectations.store import read_violations
from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.settings import Settings
from tests.integration.expectations_factory import (
    AS_OF,
    PERIOD,
    PERIOD_END,
    SomeRelease,
    World,
    create_record_tables,
    fill,
)

INVALID_PHONES = 230


@pytest.fixture(scope="module")
def gate(bare_server: Settings) -> GateResult:
    """More violations of one rule than a page shows, one missing field, one rule that cannot run."""
    world = World(0)
    for _ in range(INVALID_PHONES):
        world.new("elder", phone_status="invalid")
    world.new("elder", phone_status="missing")
    with connect(Login.BUILD, bare_server, autocommit=True) as connection:
        create_record_tables(connection, "gate_report")
        fill(connection, "gate_report", [world])
        connection.execute("alter table gate_report.int_device drop column last_seen_at")
    return run_gate(bare_server, PERIOD, PERIOD_END, "gate_report", as_of=AS_OF)


@pytest.fixture
def settings(bare_server: Settings, tmp_path: Path) -> Iterator[Settings]:
    """The server with an empty folder of reports."""
    folder = bare_server.report_dir
    aside = tmp_path / "reports"
    if folder.exists():
        folder.rename(aside)
    yield bare_server
    if folder.exists():
        for path in folder.rglob("*"):
            path.chmod(0o700)
        folder.rename(tmp_path / "made")
    if aside.exists():
        aside.rename(folder)


def test_three_forms_and_a_manifest_read_only(settings: Settings, gate: GateResult) -> None:
    folder = write_reports(settings, SomeRelease(7), gate)
    assert folder == settings.report_dir / "7"
    files = {path.name: path for path in folder.iterdir()}
    stem = "验收报告-2026-10-第7版"
    assert set(files) == {MANIFEST, f"{stem}.html", f"{stem}.pdf", f"{stem}.xlsx"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in files.values())
    assert set(verify_report(folder)["sha256"]) == set(files) - {MANIFEST}
    assert [path.name for path in settings.report_dir.iterdir()] == ["7"]


def test_a_report_is_never_rewritten(settings: Settings, gate: GateResult, bare_server: Settings) -> None:
    folder = write_reports(settings, SomeRelease(7), gate)
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    again = run_gate(bare_server, PERIOD, PERIOD_END, "gate_report", as_of=AS_OF)
    assert write_reports(settings, replace(SomeRelease(7), state="published"), again) == folder
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before


def test_a_report_of_another_release_in_the_folder_is_an_error(settings: Settings, gate: GateResult) -> None:
    write_reports(settings, SomeRelease(7), gate)
    with pytest.raises(HuiyangError, match="another release"):
        write_reports(settings, replace(SomeRelease(7), cut_off=1), gate)


@pytest.mark.parametrize("harm", ["change", "remove", "add", "unseal"])
def test_a_changed_report_is_noticed(settings: Settings, gate: GateResult, harm: str) -> None:
    folder = write_reports(settings, SomeRelease(7), gate)
    page = next(folder.glob("*.html"))
    if harm == "change":
        page.chmod(0o644)
        page.write_text(page.read_text(encoding="utf-8").replace("未达标", "达标"), encoding="utf-8")
    elif harm == "remove":
        page.unlink()
    elif harm == "add":
        (folder / "附件.txt").touch()
    else:
        (folder / MANIFEST).unlink()
    with pytest.raises(HuiyangError, match=r"not as it was written|no readable manifest"):
        write_reports(settings, SomeRelease(7), gate)


def _content(settings: Settings, gate: GateResult, lane: str = "official"):  # type: ignore[no-untyped-def]
    violations = read_violations(settings, gate.gate_run_id, limit=KEYS_SHOWN)
    return build_content(SomeRelease(7, lane=lane), gate, violations)


def test_the_page_says_verdicts_figures_rules_and_keys(bare_server: Settings, gate: GateResult) -> None:
    page = render_html(_content(bare_server, gate))
    totals = gate.totals
    for text in (
        "不可发布", "未达标", "2026 年 10 月", "正式", "第 7 版", "2026-11-05 02:30", "982347", "3f9c2d17a0b4",
        "ab12" * 16, gate.catalogue_sha256, f"{totals.error_record_count:,} / {totals.record_count:,}",
        f"{totals.completeness_numerator:,} / {totals.completeness_denominator:,}", "联系电话格式不正确",
        "准确性（唯一性）", "缺少列 last_seen_at", f"共 {INVALID_PHONES} 条，列出 {KEYS_SHOWN} 条", "口径",
    ):  # fmt: skip
        assert text in page, text
    keys = re.search(r"ELD-02</span>.*?<dd>(.*?)</dd>", page, re.DOTALL)
    assert keys is not None and len(keys[1].split("、")) == KEYS_SHOWN
    assert all(county in page for county in gate.county_names.values())


def test_the_page_asks_nothing_of_elsewhere(bare_server: Settings, gate: GateResult) -> None:
    page = render_html(_content(bare_server, gate))
    assert not re.search(r"https?://|//[a-z]|@import|url\(", page)
    assert all(target.startswith("#") for target in re.findall(r'(?:href|src)="([^"]*)"', page))


def test_a_provisional_report_says_so(bare_server: Settings, gate: GateResult) -> None:
    assert "快报，未经审核，不得作为验收依据" in render_html(_content(bare_server, gate, "provisional"))
    assert "快报，未经审核" not in render_html(_content(bare_server, gate))


def test_print_has_its_fonts_and_is_the_same_for_the_same_content(bare_server: Settings, gate: GateResult) -> None:
    content = _content(bare_server, gate)
    pdf = render_pdf(content, gate.finished_at)
    assert pdf.startswith(b"%PDF-") and b"NotoSansSC" in pdf
    assert render_pdf(content, gate.finished_at) == pdf
    assert render_pdf(replace(content, subtitle="2026 年 9 月"), gate.finished_at) != pdf


def test_the_workbook_has_every_figure_and_every_key(settings: Settings, gate: GateResult) -> None:
    folder = write_reports(settings, SomeRelease(7), gate)
    book = load_workbook(next(folder.glob("*.xlsx")), read_only=True)
    sheets = {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}
    assert list(sheets) == ["封面", "主题与县（市、区）", "质量维度", "规则", "违反记录", "口径"]
    figures = {(row[0], row[1]): row for row in sheets["主题与县（市、区）"][1:]}
    assert len(figures) == len(sheets["主题与县（市、区）"]) - 1 == 1 + 7 * (1 + 9)
    for result in gate.theme_results:
        row = figures[result["theme"], result["county_name"]]
        assert row[2:4] == [result["record_count"], result["error_record_count"]]
        assert row[5:7] == [result["field_due_count"], result["field_filled_count"]]
    rules = {row[0]: row for row in sheets["规则"][1:]}
    assert set(rules) == {r.rule_id for r in gate.rule_results}
    assert rules["DEV-02"][4:6] == ["严重", "未能执行"] and "last_seen_at" in rules["DEV-02"][13]
    stored = [(v.rule_id, v.record_id) for v in read_violations(settings, gate.gate_run_id)]
    assert [(row[0], row[4]) for row in sheets["违反记录"][1:]] == stored
    assert len(stored) > INVALID_PHONES


def test_a_full_sheet_says_how_much_it_leaves_out(
    bare_server: Settings, gate: GateResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_workbook, "SHEET_ROWS", 100)
    violations = list(read_violations(bare_server, gate.gate_run_id))
    report_workbook.write_workbook(tmp_path / "a.xlsx", _content(bare_server, gate), gate, violations)
    sheet = load_workbook(tmp_path / "a.xlsx", read_only=True)["违反记录"]
    rows = [row[0] for row in sheet.iter_rows(values_only=True)]
    assert len(rows) == 100
    assert f"另有 {len(violations) - 98} 条未列出" in str(rows[-1])


def test_the_manifest_says_what_the_report_is_of(settings: Settings, gate: GateResult) -> None:
    folder = write_reports(settings, SomeRelease(7), gate)
    stated = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["report"]
    assert stated["release_id"] == 7 and stated["period"] == PERIOD and stated["cut_off"] == 982_347
    assert stated["errors"] == [gate.totals.error_record_count, gate.totals.record_count]
