"""QR codes and sheets of labels. A QR code holds an address with the code in it, and nothing else.

What is on a label may be read by anybody who passes: an institution's name and a bed's place are public, an elder's
label has the code only, no name and no number (facts.md; Personal Information Protection Law, art. 6).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pylopdf_fonts_zh_cn
import segno
import typst

from operational_app.codes.models import SubjectKind
from operational_app.codes.queries import SubjectRow

SCAN_PATH = "/c/"
_TEMPLATE = Path(__file__).with_name("labels.typ")


def scan_address(base: str, code: str) -> str:
    """What a QR code holds, e.g. `https://huiyang.example:8443/c/440802Z0000001J`."""
    return f"{base}{SCAN_PATH}{code}"


def qr_image(base: str, code: str) -> str:
    """The QR code as a data address for an image on a page: ISO/IEC 18004 with its quiet zone of four modules."""
    return str(_qr(base, code).svg_data_uri(border=4))


def _qr(base: str, code: str) -> segno.QRCode:
    # Q: a quarter of a worn label may be unreadable.
    return segno.make_qr(scan_address(base, code), error="q")


def label_lines(row: SubjectRow) -> list[str]:
    """What stands beside the QR code, under the kind's name and above the code."""
    if row.kind is SubjectKind.ELDER:
        return []
    return [row.house, row.name] if row.house else [row.name]


def render_sheets(rows: Sequence[SubjectRow], base: str, printed_at: datetime) -> bytes:
    """A4 sheets of 3 × 8 labels of 70 × 37 mm, in the order given, as PDF.

    Args:
        rows: things with a code.
        base: address of the installation as phones reach it.
        printed_at: goes into the file's metadata.
    """
    labels = [
        {
            "kind": row.kind.label,
            "lines": label_lines(row),
            "code": row.code,
            "svg": _qr(base, row.code).svg_inline(border=4),
        }
        for row in rows
        if row.code
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(_TEMPLATE, folder)
        (folder / "labels.json").write_text(json.dumps(labels, ensure_ascii=False), encoding="utf-8")
        pdf: bytes = typst.compile(
            str(folder / _TEMPLATE.name),
            root=str(folder),
            font_paths=[str(Path(pylopdf_fonts_zh_cn.sans_path()).parent)],
            ignore_system_fonts=True,
            timestamp=int(printed_at.timestamp()),
        )
    return pdf
