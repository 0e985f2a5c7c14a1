"""The acceptance report as an Excel workbook: the same figures, and every violating key up to the format's limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from expectations.report_content import FigureRow, ReportContent, county_name
from expectations.results import GateResult, Violation

#: Rows of an Excel sheet.
SHEET_ROWS = 1_048_576
_HEADER_FILL = PatternFill("solid", start_color="E8EEF5")
_WRAP = Alignment(wrap_text=True, vertical="top")
_FIGURES = (
    "记录数", "有错误记录数", "错误率", "应填字段数", "已填字段数", "字段完整率",
    "应有记录数", "实有记录数", "记录完整率",
)  # fmt: skip


def write_workbook(path: Path, content: ReportContent, gate: GateResult, violations: Iterable[Violation]) -> None:
    """
    Args:
        violations: all of them.
    """
    book = Workbook(write_only=True)
    _cover(book, content)
    _figures(book, content)
    _dimensions(book, content)
    _rules(book, content)
    _violations(book, content, gate, violations)
    _definitions(book, content)
    book.properties.title = f"{content.title} {content.subtitle}"
    book.properties.created = book.properties.modified = gate.finished_at.replace(tzinfo=None)
    book.save(path)


def _sheet(book: Workbook, title: str, widths: Sequence[int], header: Sequence[str] = ()) -> Any:
    """A write-only sheet (the stubs do not know its columns and filter) with its header row."""
    sheet: Any = book.create_sheet(title)
    for number, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    if header:
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(header))}1"
        sheet.append([_cell(sheet, text, font=Font(bold=True), fill=_HEADER_FILL) for text in header])
    return sheet


def _cell(sheet: Any, value: Any, **style: Any) -> Any:
    cell = WriteOnlyCell(sheet, value=value)
    for name, setting in style.items():
        setattr(cell, name, setting)
    return cell


def _cover(book: Workbook, content: ReportContent) -> None:
    sheet = _sheet(book, "封面", (28, 90))
    sheet.append([_cell(sheet, content.title, font=Font(bold=True, size=16))])
    sheet.append([_cell(sheet, f"{content.subtitle}　{content.lane}", font=Font(size=12))])
    sheet.append([])
    sheet.append(["结论", "可发布" if content.publishable else "不可发布"])
    sheet.append(["结论（按数值，签发前不生效）", "达标" if content.accepted else "未达标"])
    for reason in content.reasons:
        sheet.append(["", _cell(sheet, reason, alignment=_WRAP)])
    sheet.append([])
    share = f"{content.completeness}（{content.completeness_numerator} / {content.completeness_denominator}）"
    sheet.append(["完整率", share])
    total = content.total
    sheet.append(["错误率", f"{total.error_rate}（{total.error_record_count} / {total.record_count}）"])
    sheet.append([])
    for name, value in content.facts:
        sheet.append([name, _cell(sheet, value, alignment=_WRAP)])


def _figures(book: Workbook, content: ReportContent) -> None:
    sheet = _sheet(book, "主题与县（市、区）", (16, 16, *[13] * len(_FIGURES)), ("主题", "县（市、区）", *_FIGURES))

    def line(theme: str, row: FigureRow) -> None:
        sheet.append(
            [
                theme, row.name, row.record_count, row.error_record_count, row.error_rate, row.field_due_count,
                row.field_filled_count, row.field_completeness, row.record_due_count, row.record_present_count,
                row.record_completeness,
            ]
        )  # fmt: skip

    line("全部", content.total)
    for section in content.themes:
        for row in (section.total, *section.counties):
            line(section.theme, row)


def _dimensions(book: Workbook, content: ReportContent) -> None:
    header = ("质量维度", "规则数", "有违反的规则数", "其中严重", "其中错误", "其中提示", "检查次数", "违反次数")
    sheet = _sheet(book, "质量维度", (20, *[14] * 7), header)
    for row in content.dimensions:
        sheet.append(
            [
                row["dimension"], row["rule_count"], row["failing_count"], row["critical_failing_count"],
                row["error_failing_count"], row["warning_failing_count"], row["checked_count"], row["violation_count"],
            ]
        )  # fmt: skip


def _rules(book: Workbook, content: ReportContent) -> None:
    header = (
        "规则", "主题", "记录", "质量维度", "严重程度", "结果", "检查数", "违反数", "违反率", "题名", "定义",
        "整改建议", "责任方", "未能执行的原因",
    )  # fmt: skip
    widths = (26, 14, 16, 16, 10, 12, 12, 12, 12, 40, 70, 50, 20, 40)
    sheet = _sheet(book, "规则", widths, header)
    for rule in content.all_rules:
        sheet.append(
            [
                rule.rule_id, rule.theme, rule.record_name, rule.dimension, rule.severity, rule.result,
                rule.checked_count, rule.violation_count, rule.violation_rate, rule.title,
                _cell(sheet, rule.definition, alignment=_WRAP), _cell(sheet, rule.recommendation, alignment=_WRAP),
                rule.owner, rule.problem,
            ]
        )  # fmt: skip


def _violations(book: Workbook, content: ReportContent, gate: GateResult, violations: Iterable[Violation]) -> None:
    """Every violation, up to the rows of a sheet less one for a note; what is left out is said in that note."""
    header = ("规则", "题名", "严重程度", "记录", "主键", "区划代码", "县（市、区）", "首次发现日", "责任方")
    sheet = _sheet(book, "违反记录", (26, 40, 10, 16, 14, 16, 14, 13, 20), header)
    rules = {rule.rule_id: rule for rule in content.all_rules}
    room, left_out = SHEET_ROWS - 2, 0
    for violation in violations:
        if room == 0:
            left_out += 1
            continue
        room -= 1
        rule = rules[violation.rule_id]
        sheet.append(
            [
                rule.rule_id, rule.title, rule.severity, rule.record_name, violation.record_id,
                violation.division_code, county_name(violation.county_code, gate.county_names),
                violation.first_seen_on, rule.owner,
            ]
        )  # fmt: skip
    if left_out:
        sheet.append(
            [f"工作表已满，另有 {left_out} 条未列出；全部见数据仓库 quality.violation（运行 {gate.gate_run_id}）。"]
        )


def _definitions(book: Workbook, content: ReportContent) -> None:
    sheet = _sheet(book, "口径", (18, 110), ("名称", "口径"))
    for name, text in content.definitions:
        sheet.append([name, _cell(sheet, text, alignment=_WRAP)])
