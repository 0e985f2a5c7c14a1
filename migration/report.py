"""The run's report in Chinese: reconciliation per table, reasons of quarantine, duplicates; Markdown and XLSX.

It holds counts and reasons, no personal data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from migration.mapping import Mapping
from migration.reasons import reason_text

if TYPE_CHECKING:
    from migration.load import MigrationSummary

_Sheet = tuple[str, tuple[str, ...], Sequence[tuple[object, ...]]]  # title, columns, rows

_COUNT_TITLES = (
    "数据类别", "数据表", "清单行数", "读取行数", "已加载", "已合并", "重复行", "已隔离", "目标行数",
    "比对行数", "不一致", "密文抽检", "密文不一致", "结论",
)  # fmt: skip
_REASON_TITLES = ("数据表", "原因", "行数")
_REASONS = """
select s.name, r.reason, count(*)
from migration.quarantine q join migration.source s using (source_id), unnest(q.reasons) as r (reason)
where q.resolved_run_id is null
group by 1, 2 order by 1, 3 desc, 2
"""
_WARNINGS = """
select s.name, w.warning, count(*)
from migration.ledger l join migration.source s using (source_id), unnest(l.warnings) as w (warning)
where l.run_id = %s and l.target_no = 0 and l.outcome <> 'quarantined'
group by 1, 2 order by 1, 3 desc, 2
"""


def write_report(
    connection: psycopg.Connection, folder: Path, summary: MigrationSummary, mappings: Sequence[Mapping]
) -> tuple[Path, ...]:
    """Writes `run_<id>.md` and `run_<id>.xlsx` into a folder; their paths."""
    by_name = {mapping.name: mapping for mapping in mappings}
    folder.mkdir(parents=True, exist_ok=True)
    counts = [_count_row(summary, position) for position in range(len(summary.sources))]
    reasons, warnings = (
        [
            (by_name[name].title, reason_text(code, by_name[name].titles), count)
            for name, code, count in connection.execute(query, parameters)
            if name in by_name
        ]
        for query, parameters in ((_REASONS, None), (_WARNINGS, [summary.run_id]))
    )
    connection.commit()
    sheets: list[tuple[str, tuple[str, ...], Sequence[tuple[object, ...]]]] = [
        ("对账", _COUNT_TITLES, counts),
        ("隔离原因", _REASON_TITLES, reasons),
        ("备注", _REASON_TITLES, warnings),
    ]
    markdown = folder / f"run_{summary.run_id}.md"
    markdown.write_text(_markdown(summary, sheets), encoding="utf-8")
    book = folder / f"run_{summary.run_id}.xlsx"
    _workbook(sheets).save(book)
    return markdown, book


def _count_row(summary: MigrationSummary, position: int) -> tuple[object, ...]:
    r = summary.sources[position].reconciliation
    verdict = "一致" if r.is_complete else "不一致" if r.adds_up else "数量不符"
    return (
        r.data_class, r.title, "无清单" if r.manifest_rows is None else r.manifest_rows, r.rows, r.loaded, r.merged,
        r.duplicate, r.quarantined, r.target_rows, r.compared, r.mismatched, r.sealed_compared, r.sealed_mismatched,
        verdict,
    )  # fmt: skip


def _markdown(summary: MigrationSummary, sheets: list[_Sheet]) -> str:
    conclusion = "全部数据表逐行对账一致。" if summary.is_complete else "存在不一致，见下表。"
    lines = [f"# 数据迁移对账报告（第 {summary.run_id} 次）", "", conclusion, ""]
    lines += [
        "每一行源数据都有去向：已加载、已合并（同一人重复建档，两份档案均保留）、重复行（与前一行完全相同）或已隔离（附原因）。",
        "",
    ]
    if summary.duplicates is not None:
        d = summary.duplicates
        lines += [f"重复档案：比对 {d.pairs} 对，自动合并 {d.merged} 份，待人工确认 {d.candidates} 对。", ""]
    for title, columns, rows in sheets:
        lines += [f"## {title}", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        lines += [f"| {' | '.join(str(value) for value in row)} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _workbook(sheets: list[_Sheet]) -> Workbook:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, columns, rows in sheets:
        sheet = book.create_sheet(title)
        sheet.append(list(columns))
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for row in rows:
            sheet.append(list(row))
        sheet.freeze_panes = "A2"
        for position, name in enumerate(columns, start=1):
            widest = max([len(name), *(len(str(row[position - 1])) for row in rows)])
            sheet.column_dimensions[get_column_letter(position)].width = min(60, 4 + 1.6 * widest)
    return book
