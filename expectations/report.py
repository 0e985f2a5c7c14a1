"""The acceptance report (验收报告) of a release: HTML, PDF and Excel in one folder, read-only, with a manifest.

The folder is made aside and renamed at the end, so what stands there is whole. A report is never rewritten: asking
again for the same release gives the one that stands, after checking it against its manifest.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import pylopdf_fonts_zh_cn
import typst

from expectations.release_info import ReleaseInfo
from expectations.report_content import KEYS_SHOWN, ReportContent, build_content
from expectations.report_workbook import write_workbook
from expectations.results import GateResult
from expectations.store import read_violations
from huiyang.errors import HuiyangError
from huiyang.settings import Settings

_TEMPLATES = Path(__file__).with_name("templates")
MANIFEST = "manifest.json"


def write_reports(settings: Settings, release: ReleaseInfo, gate: GateResult) -> Path:
    """Writes the report of a release, unless it stands already.

    Returns:
        its folder, `Settings.report_dir`/<release id>.

    Raises:
        HuiyangError: the folder holds another report, or one that was changed.
    """
    folder = settings.report_dir / str(release.release_id)
    identity = _identity(release, gate)
    if folder.exists():
        if verify_report(folder)["report"] != identity:
            raise HuiyangError(
                f"{folder} holds the report of another release.",
                "Move it away: it belongs to an earlier installation in the same folder.",
            )
        return folder
    settings.report_dir.mkdir(parents=True, exist_ok=True)
    content = build_content(release, gate, read_violations(settings, gate.gate_run_id, limit=KEYS_SHOWN))
    with tempfile.TemporaryDirectory(dir=settings.report_dir, prefix=".unfinished-") as name:
        draft = Path(name) / "report"
        draft.mkdir()
        stem = f"验收报告-{gate.period}-第{release.release_id}版"
        (draft / f"{stem}.html").write_text(render_html(content), encoding="utf-8")
        (draft / f"{stem}.pdf").write_bytes(render_pdf(content, gate.finished_at))
        write_workbook(draft / f"{stem}.xlsx", content, gate, read_violations(settings, gate.gate_run_id))
        _seal(draft, identity)
        draft.rename(folder)
    return folder


def _identity(release: ReleaseInfo, gate: GateResult) -> dict[str, Any]:
    """What tells two reports apart. A gate that ran again over the same records and rules gives the same."""
    return {
        "release_id": release.release_id,
        "period": gate.period,
        "lane": release.lane,
        "as_of": release.as_of.isoformat(),
        "cut_off": release.cut_off,
        "catalogue_sha256": gate.catalogue_sha256,
        "completeness": [gate.totals.completeness_numerator, gate.totals.completeness_denominator],
        "errors": [gate.totals.error_record_count, gate.totals.record_count],
    }


def _seal(folder: Path, identity: dict[str, Any]) -> None:
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    manifest = folder / MANIFEST
    manifest.write_text(
        json.dumps({"report": identity, "sha256": files}, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    for path in folder.iterdir():
        path.chmod(0o444)


def verify_report(folder: Path) -> dict[str, Any]:
    """The manifest of a report, if every file is as it was written.

    Raises:
        HuiyangError: a file is missing, changed or added.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        stated = manifest["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise HuiyangError(f"{folder} has no readable {MANIFEST}.", "Restore the folder from the backup.") from error
    found = {path.name: _sha256(path) for path in folder.iterdir() if path.name != MANIFEST}
    if found != stated:
        names = sorted(name for name in set(found) | set(stated) if found.get(name) != stated.get(name))
        raise HuiyangError(
            f"The report in {folder} is not as it was written: {', '.join(names)}.", "Restore it from the backup."
        )
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def render_html(content: ReportContent) -> str:
    """One page without any request to elsewhere, for screen and print."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    return environment.get_template("report.html.j2").render(report=content)


def render_pdf(content: ReportContent, written_at: datetime) -> bytes:
    """A4, with the fonts that come with the installation.

    Args:
        written_at: goes into the file's metadata, so that equal content gives an equal file.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(_TEMPLATES / "report.typ", folder)
        (folder / "content.json").write_text(json.dumps(content.as_dict(), ensure_ascii=False), encoding="utf-8")
        pdf: bytes = typst.compile(
            str(folder / "report.typ"),
            root=str(folder),
            font_paths=[str(Path(pylopdf_fonts_zh_cn.sans_path()).parent)],
            ignore_system_fonts=True,
            timestamp=int(written_at.timestamp()),
        )
    return pdf
