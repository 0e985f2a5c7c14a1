"""Workbooks of a campaign: the template with its list, the template filled in, the export.

A file handed in is judged by its content: a plain workbook without macros, links or formulas, made by us for this very
campaign and this version of the form. What a cell says is checked by `service.enter_many`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill, Protection
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from operational_app.collection.forms import Field, FieldKind, Form
from operational_app.collection.rules import shown
from operational_app.core.uploads import UploadRefused

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LARGEST_BYTES = 5_000_000
_MOST_UNPACKED = 60_000_000
_MOST_PARTS = 200
_MOST_ROWS = 3_000
_META, _DATA, _BEFORE = "模板信息", "填报", "上期数据"
_MARK = "huiyang-collection"
#: Row 1 says how, row 2 (hidden) holds the fields' codes, row 3 the heads; the list begins below.
_CODES_ROW, _HEAD_ROW, _FIRST_ROW = 2, 3, 4
#: Column A (hidden) holds the filing's key, B its name, C where it is.
_FIXED = 3
_HEAD_FILL = PatternFill("solid", fgColor="E8EEF7")
_LOCKED_FILL = PatternFill("solid", fgColor="F3F4F6")
_FORBIDDEN = ("vbaproject", "externallinks/", "embeddings/", "activex/", "macrosheets/", "connections.xml", "oleobject")


@dataclass(frozen=True)
class Line:
    """One filing in a workbook; figures as stored."""

    filing_id: int
    name: str
    place: str
    figures: Mapping[str, str]
    previous: Mapping[str, str]


@dataclass(frozen=True)
class Stamp:
    """What a template was made for."""

    campaign_id: int
    period: str
    subject: str
    version: str


@dataclass(frozen=True)
class Read:
    """What a filled-in template says.

    Attributes:
        cells: texts by filing and field; addresses: where each stands, `填报!D7`.
        wrong: (address, what is wrong) of cells that cannot be read at all.
    """

    cells: Mapping[int, Mapping[str, str]]
    addresses: Mapping[tuple[int, str], str]
    wrong: Sequence[tuple[str, str]]


def _text(cell: Cell | MergedCell, value: object) -> None:
    """A text stays a text: a name that begins with = is no formula."""
    cell.value = str(value)
    cell.data_type = "s"


def _value(cell: Cell | MergedCell, field: Field, stored: str) -> None:
    if not stored:
        return
    if field.is_number:
        cell.value = int(stored) if "." not in stored else Decimal(stored)
    else:
        _text(cell, shown(field, stored))


def template(form: Form, stamp: Stamp, title: str, lines: Sequence[Line]) -> bytes:
    """The template with its list: this period's figures as far as they are, and the last period's beside, in the same
    cells of a sheet of their own. Heads and list are locked, choices are lists."""
    book = Workbook()
    data = book.active
    assert isinstance(data, Worksheet)
    data.title = _DATA
    how = f"{title}　只填白色单元格，不要改动表头、增删行列；与上期相同的可从“{_BEFORE}”同一位置整块复制"
    _list(data, form, how, lines, lambda line: line.figures, is_open=True)
    before = book.create_sheet(_BEFORE)
    _list(before, form, f"{title}　上期已通过的数据，仅供参考", lines, lambda line: line.previous, is_open=False)
    meta = book.create_sheet(_META)
    for row in ((_MARK, ""), ("campaign", stamp.campaign_id), ("period", stamp.period), ("subject", stamp.subject),
                ("version", stamp.version)):  # fmt: skip
        meta.append(row)
    meta.sheet_state = "veryHidden"
    return _bytes(book)


def _list(sheet: Worksheet, form: Form, how: str, lines: Sequence[Line], of: object, *, is_open: bool) -> None:
    assert callable(of)
    _text(sheet.cell(1, 2), how)
    sheet.cell(1, 2).font = Font(bold=True)
    heads = ["编号", "名称", "所在地", *(("*" if field.required else "") + field.heading for field in form.fields)]
    for column, head in enumerate(heads, 1):
        cell = sheet.cell(_HEAD_ROW, column)
        _text(cell, head)
        cell.font, cell.fill = Font(bold=True), _HEAD_FILL
        cell.alignment = Alignment(wrap_text=True, vertical="center")
    for number, field in enumerate(form.fields, _FIXED + 1):
        _text(sheet.cell(_CODES_ROW, number), field.code)
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = 14
        if is_open:
            note = "；".join(part for part in (field.kind.label, field.help, f"依据：{field.source}") if part)
            sheet.cell(_HEAD_ROW, number).comment = Comment(note, "湛江慧养")
            _restrict(sheet, field, letter, _FIRST_ROW + max(len(lines), 1) - 1)
    for row, line in enumerate(lines, _FIRST_ROW):
        sheet.cell(row, 1).value = line.filing_id
        _text(sheet.cell(row, 2), line.name)
        _text(sheet.cell(row, 3), line.place)
        sheet.cell(row, 2).fill = sheet.cell(row, 3).fill = _LOCKED_FILL
        figures = of(line)
        for number, field in enumerate(form.fields, _FIXED + 1):
            cell = sheet.cell(row, number)
            _value(cell, field, figures.get(field.code, ""))
            if is_open:
                cell.protection = Protection(locked=False)
    sheet.column_dimensions["A"].hidden = True
    sheet.row_dimensions[_CODES_ROW].hidden = True
    sheet.column_dimensions["B"].width, sheet.column_dimensions["C"].width = 34, 26
    sheet.row_dimensions[_HEAD_ROW].height = 44
    sheet.freeze_panes = f"{get_column_letter(_FIXED + 1)}{_FIRST_ROW}"
    # Against slips of the hand; what comes back is checked whatever it looks like.
    sheet.protection.sheet = True
    sheet.protection.formatColumns = False


def _restrict(sheet: Worksheet, field: Field, letter: str, last_row: int) -> None:
    cells = f"{letter}{_FIRST_ROW}:{letter}{last_row}"
    if field.options:
        names = ",".join(label for _, label in field.options)
        rule = DataValidation(type="list", formula1=f'"{names}"', allow_blank=True)
    elif field.is_number:
        rule = DataValidation(
            type="whole" if field.kind is FieldKind.COUNT else "decimal", operator="between",
            formula1=str(field.low), formula2=str(field.high), allow_blank=True,
        )  # fmt: skip
    else:
        return
    rule.errorTitle, rule.error, rule.showErrorMessage = field.label, field.kind.label, True
    sheet.add_data_validation(rule)
    rule.add(cells)


def _bytes(book: Workbook) -> bytes:
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def judge(name: str, content: bytes) -> None:
    """Accepts a plain workbook.

    Raises:
        UploadRefused: too large, no xlsx, encrypted, with macros, links or embedded files, or a bomb.
    """
    if not content:
        raise UploadRefused(f"“{name}”是空文件。")
    if len(content) > LARGEST_BYTES:
        raise UploadRefused(f"“{name}”超过 {LARGEST_BYTES // 1_000_000} MB。")
    foreign = UploadRefused(f"“{name}”不是可用的 Excel 文件（.xlsx），请在下载的模板中填写，另存为 .xlsx 后上传。")
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise UploadRefused(f"“{name}”是旧版 .xls 或有密码保护，请去除密码并另存为 .xlsx 后上传。")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            names = [part.filename.lower() for part in parts]
            if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MOST_UNPACKED:
                raise UploadRefused(f"“{name}”展开后过大，请只保留模板中的工作表。")
            if "xl/workbook.xml" not in names or any(part.flag_bits & 1 for part in parts):
                raise foreign
            if any(word in part for part in names for word in _FORBIDDEN):
                raise UploadRefused(f"“{name}”含有宏、外部链接或嵌入文件，请在下载的模板中填写。")
            for part in parts:
                if part.filename.lower().endswith((".xml", ".rels")):
                    _check_xml(archive, part, foreign)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, ValueError) as error:
        raise foreign from error


def _check_xml(archive: zipfile.ZipFile, part: zipfile.ZipInfo, refused: UploadRefused) -> None:
    """No document type: that is where entities come from. The head of a part decides."""
    with archive.open(part) as opened:
        if b"<!doctype" in opened.read(4_096).lower().replace(b"\0", b""):
            raise refused


def read(name: str, content: bytes, form: Form, stamp: Stamp) -> Read:
    """Reads a filled-in template.

    Raises:
        UploadRefused: see `judge`; or not our template, of another campaign, another version, its heads changed.
    """
    judge(name, content)
    try:
        book = load_workbook(io.BytesIO(content), data_only=False, keep_links=False)
    except Exception as error:  # openpyxl raises whatever its parts raise
        raise UploadRefused(f"“{name}”打不开，请在下载的模板中填写，另存为 .xlsx 后上传。") from error
    _check_stamp(name, book, stamp)
    sheet = book[_DATA]
    codes = [sheet.cell(_CODES_ROW, number).value for number in range(_FIXED + 1, sheet.max_column + 1)]
    if codes[: len(form.fields)] != [field.code for field in form.fields] or any(codes[len(form.fields) :]):
        raise UploadRefused(f"“{name}”的表头被改动过（列有增减或调换），请重新下载模板，把数据复制过去。")
    if sheet.max_row > _MOST_ROWS:
        raise UploadRefused(f"“{name}”超过 {_MOST_ROWS} 行，请删除多余的行。")
    return _read_rows(sheet, form)


def _check_stamp(name: str, book: Workbook, stamp: Stamp) -> None:
    if _META not in book.sheetnames or _DATA not in book.sheetnames or book[_META].cell(1, 1).value != _MARK:
        raise UploadRefused(f"“{name}”不是本平台下载的采集模板，请先下载模板再填写。")
    told = {str(row[0]): str(row[1]) for row in book[_META].iter_rows(min_row=2, max_col=2, values_only=True)}
    if told.get("campaign") != str(stamp.campaign_id) or told.get("period") != stamp.period:
        raise UploadRefused(f"“{name}”是另一次采集（{told.get('period', '')}）的模板，请下载本次采集的模板。")
    if told.get("subject") != stamp.subject:
        raise UploadRefused(f"“{name}”是另一类采集对象的模板，请选择对应的采集对象后上传。")
    if told.get("version") != stamp.version:
        raise UploadRefused(f"“{name}”是旧版模板，表的内容已经更新，请重新下载模板，把数据复制过去。")


def _read_rows(sheet: Worksheet, form: Form) -> Read:
    cells: dict[int, dict[str, str]] = {}
    addresses: dict[tuple[int, str], str] = {}
    wrong: list[tuple[str, str]] = []
    for row in sheet.iter_rows(min_row=_FIRST_ROW, max_col=_FIXED + len(form.fields)):
        key: object = row[0].value
        given = row[_FIXED:]
        if all(cell.value is None for cell in given):
            continue
        place = f"{_DATA}!A{row[0].row}"
        if not isinstance(key, int) or isinstance(key, bool):
            wrong.append((place, "这一行不在名单内，请删除；新增单位请联系发起部门"))
            continue
        if key in cells:
            wrong.append((place, "与上面的一行是同一单位，请删除重复的行"))
            continue
        cells[key] = {}
        for field, cell in zip(form.fields, given, strict=True):
            address = addresses[key, field.code] = f"{_DATA}!{cell.coordinate}"
            if cell.data_type == "f":
                wrong.append((address, f"{field.label}：含有公式，请复制后“选择性粘贴—数值”"))
            elif cell.data_type == "e":
                wrong.append((address, f"{field.label}：是错误值 {cell.value}，请改为数值"))
            elif cell.data_type == "d" or isinstance(cell.value, bool):
                wrong.append((address, f"{field.label}：被识别为日期或逻辑值，请设为常规格式后重填"))
            elif cell.value is not None:
                cells[key][field.code] = _number_text(cell.value)
    return Read(cells, addresses, wrong)


def _number_text(value: object) -> str:
    """A float of a spreadsheet as it was typed: 0.1 + 0.2 there is 0.3 here."""
    return f"{value:.10g}" if isinstance(value, float) and abs(value) < 1e10 else str(value)


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A plain list, for the export."""
    book = Workbook(write_only=False)
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title[:31]
    for number, values in enumerate(_with_heads(heads, rows), 1):
        for column, value in enumerate(values, 1):
            if isinstance(value, int | Decimal):
                sheet.cell(number, column).value = value
            elif value not in (None, ""):
                _text(sheet.cell(number, column), value)
    for column in range(1, len(heads) + 1):
        sheet.cell(1, column).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(column)].width = 16
    sheet.freeze_panes = "B2"
    return _bytes(book)


def _with_heads(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[Sequence[object]]:
    yield heads
    yield from rows
