"""The acceptance report (验收报告) of a release, in Chinese: HTML, PDF and XLSX from the same values.

A report is written once. Its files are read-only and listed with their SHA-256 in `manifest.json`; writing it again
for the same gate run gives the files that are there. It holds surrogate keys and counts, never a name or a number.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from expectations.figures import format_percentage
from expectations.results import GateResult, RuleResult, ThemeResult, Totals, Violation
from expectations.rule import Severity
from expectations.store import read_violations
from huiyang.settings import BUSINESS_TIMEZONE, Settings

#: Keys of one rule on paper; the workbook holds all of them.
KEYS_ON_PAPER = 200
#: Rows of one worksheet (1,048,576) less its head.
_SHEET_ROWS = 1_000_000
_TEMPLATES = Path(__file__).parent / "templates"
_SEVERITY = {Severity.CRITICAL: "严重", Severity.ERROR: "错误", Severity.WARNING: "提示"}
_LANE = {"provisional": "快报（未审核）", "official": "正式"}


class ReportedRelease(Protocol):
    """What a report says of its release; `pipelines.release.Release` has it."""

    release_id: int
    period: str
    lane: str
    as_of: datetime
    cut_off: int
    started_by: str


@dataclass(frozen=True)
class Line:
    """Completeness and error rate of one theme, or of one theme in one county."""

    name: str
    county: str
    totals: Totals

    @property
    def completeness(self) -> str:
        return format_percentage(self.totals.field_filled_count, self.totals.field_due_count)

    @property
    def presence(self) -> str:
        if self.totals.record_due_count is None:
            return "无外部名册"
        return format_percentage(
            min(self.totals.record_present_count or 0, self.totals.record_due_count), self.totals.record_due_count
        )

    @property
    def error_rate(self) -> str:
        return format_percentage(self.totals.error_record_count, self.totals.record_count)


def write_reports(settings: Settings, release: ReportedRelease, gate: GateResult) -> Path:
    """Writes report.html, report.pdf, report.xlsx and manifest.json into `report_dir/<release id>`.

    Returns:
        the folder. A folder that is there already for the same gate run is left as it is.
    """
    folder = settings.report_dir / str(release.release_id)
    if (folder / "manifest.json").exists():
        if json.loads((folder / "manifest.json").read_text())["gate_run_id"] == gate.gate_run_id:
            return folder
        shutil.rmtree(folder)
    # Written aside and renamed: a killed run leaves no half report.
    draft = settings.report_dir / f".{release.release_id}.partial"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    values = _values(release, gate, _keys_on_paper(settings, gate))
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, autoescape=select_autoescape(["html"])
    )
    (draft / "report.html").write_text(environment.get_template("report.html").render(values), encoding="utf-8")
    source = environment.get_template("report.typ").render(values | {"text": _typst_text})
    (draft / "report.typ").write_text(source, encoding="utf-8")
    typst.compile(
        str(draft / "report.typ"), output=str(draft / "report.pdf"), font_paths=[str(_font_folder())],
        ignore_system_fonts=True,
    )  # fmt: skip
    (draft / "report.typ").unlink()
    _workbook(settings, gate, values).save(draft / "report.xlsx")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(draft.iterdir())}
    (draft / "manifest.json").write_text(
        json.dumps(
            {"release_id": release.release_id, "gate_run_id": gate.gate_run_id, "period": gate.period,
             "catalogue_sha256": gate.catalogue_sha256, "files": files},
            indent=1,
        )
    )  # fmt: skip
    for path in draft.iterdir():
        path.chmod(0o440)
    draft.rename(folder)
    return folder


def _keys_on_paper(settings: Settings, gate: GateResult) -> dict[str, list[Violation]]:
    keys: dict[str, list[Violation]] = defaultdict(list)
    for violation in read_violations(settings, gate.gate_run_id, limit=KEYS_ON_PAPER):
        keys[violation.rule_id].append(violation)
    return keys


def _font_folder() -> Path:
    found = importlib.util.find_spec("pylopdf_fonts_zh_cn")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent


def _typst_text(value: object) -> str:
    """A value as a Typst string literal: nothing in it is markup."""
    return json.dumps(str(value), ensure_ascii=False)


def _by_theme(rows: Iterable[ThemeResult]) -> list[Line]:
    groups: dict[str, list[ThemeResult]] = defaultdict(list)
    for row in rows:
        groups[row["theme"]].append(row)
    return [Line(theme, "全市", Totals.over(group)) for theme, group in groups.items()]


def _values(
    release: ReportedRelease, gate: GateResult, keys: dict[str, list[Violation]]
) -> dict[str, object]:  # fmt: skip
    failing = [rule for rule in gate.rule_results if not rule.holds]
    order = {Severity.CRITICAL: 0, Severity.ERROR: 1, Severity.WARNING: 2}
    failing.sort(key=lambda rule: (order[rule.severity], -rule.violation_count))
    return {
        "release": release,
        "lane": _LANE[release.lane],
        "as_of": release.as_of.astimezone(BUSINESS_TIMEZONE).strftime("%Y-%m-%d %H:%M:%S"),
        "written_at": gate.finished_at.astimezone(BUSINESS_TIMEZONE).strftime("%Y-%m-%d %H:%M:%S"),
        "gate": gate,
        "verdict": gate.verdict,
        "publishable": "可发布" if gate.publishable else "不可发布",
        "accepted": "数值达标，待审核签署" if gate.accepted_by_figures else "未达标",
        "total": Line("合计", "全市", gate.totals),
        "themes": _by_theme(gate.theme_results),
        "counties": [Line(row["theme"], row["county_name"], Totals.over([row])) for row in gate.theme_results],
        "rules": gate.rule_results,
        "failing": failing,
        "keys": keys,
        "severity": _SEVERITY,
        "county_names": gate.county_names,
        "keys_on_paper": KEYS_ON_PAPER,
    }


# --- the workbook ---

_HEAD = PatternFill("solid", fgColor="1F4E79")
_FIGURES = (
    "主题", "县（市、区）", "应填字段", "已填字段", "字段完整率", "应有记录", "实有记录", "记录完整率", "记录数",
    "错误记录数", "错误率",
)  # fmt: skip


def _sheet(workbook: Workbook, title: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    sheet = workbook.create_sheet(title)
    head = list(head)
    sheet.append(head)
    widths = [len(name) * 2 + 2 for name in head]
    for row in rows:
        values = [value if isinstance(value, int | float | type(None)) else str(value) for value in row]
        sheet.append(values)
        for position, value in enumerate(values):
            size = sum(2 if ord(letter) > 127 else 1 for letter in str(value if value is not None else "")) + 2
            widths[position] = max(widths[position], min(size, 60))
    for cell in sheet[1]:
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = _HEAD
        cell.alignment = Alignment(vertical="center", wrap_text=True)
    for position, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(position)].width = width
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions


def _figures(line: Line) -> list[object]:
    total = line.totals
    return [
        line.name, line.county, total.field_due_count, total.field_filled_count, line.completeness,
        total.record_due_count, total.record_present_count, line.presence, total.record_count,
        total.error_record_count, line.error_rate,
    ]  # fmt: skip


def _rule_row(rule: RuleResult) -> list[object]:
    return [
        rule.rule_id, rule.theme, rule.dimension, _SEVERITY[rule.severity], rule.title, rule.definition,
        rule.checked_count, rule.violation_count, rule.owner, rule.recommendation, rule.problem or "",
    ]  # fmt: skip


def _workbook(settings: Settings, gate: GateResult, values: dict[str, object]) -> Workbook:
    workbook = Workbook()
    assert workbook.active is not None
    workbook.remove(workbook.active)
    release = values["release"]
    cover = [
        ("期", gate.period), ("版本", release.release_id), ("通道", values["lane"]),  # type: ignore[attr-defined]
        ("数据截至", values["as_of"]), ("截止事务号", release.cut_off),  # type: ignore[attr-defined]
        ("发布结论", values["publishable"]), ("验收结论", values["accepted"]),
        *(("不可发布的原因", reason) for reason in gate.verdict.against_publishing),
        *(("未达标的原因", reason) for reason in gate.verdict.against_acceptance),
        ("规则目录指纹", gate.catalogue_sha256), ("必填字段版本", gate.required_fields_version),
        ("生成时间", values["written_at"]),
    ]  # fmt: skip
    _sheet(workbook, "封面", ("项目", "内容"), cover)
    _sheet(workbook, "按主题", _FIGURES, map(_figures, [*values["themes"], values["total"]]))  # type: ignore[misc]
    _sheet(workbook, "按主题与县区", _FIGURES, map(_figures, values["counties"]))  # type: ignore[call-overload]
    _sheet(
        workbook,
        "规则",
        (
            "规则",
            "主题",
            "维度",
            "级别",
            "名称",
            "定义",
            "检查记录数",
            "违反记录数",
            "责任方",
            "整改建议",
            "未能执行的原因",
        ),
        map(_rule_row, gate.rule_results),
    )
    names = gate.county_names
    rows = (
        (v.rule_id, v.record_table, v.record_id, v.division_code, names.get(v.county_code, "未归属"), v.first_seen_on)
        for position, v in enumerate(read_violations(settings, gate.gate_run_id))
        if position < _SHEET_ROWS
    )
    _sheet(workbook, "违反记录", ("规则", "数据表", "记录主键", "区划代码", "县（市、区）", "首次发现"), rows)
    return workbook
