"""The check of what git may track finds what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from huiyang.platform.tracked_files import LARGEST_BYTES, REGISTRIES, findings

HOSTS = [".".join(pieces) for pieces in REGISTRIES]


@pytest.mark.parametrize(
    ("name", "content", "finding"),
    [
        *(("lock.txt", f"--index-url https://{host}/simple\n", "registry's host") for host in HOSTS),
        *(("package-lock.json", f'"resolved": "https://{host}/x/-/x-1.tgz"', "registry's host") for host in HOSTS),
        ("chart.js", "var a=1;" * 500, "minified"),
        ("export.csv", "x" * (LARGEST_BYTES + 1), "bytes"),
    ],
)
def test_it_finds(tmp_path: Path, name: str, content: str, finding: str) -> None:
    (tmp_path / name).write_text(content)
    assert [name in line and finding in line for line in findings(tmp_path, [name])] == [True]


def test_it_leaves_our_own_files_alone(tmp_path: Path) -> None:
    (tmp_path / "page.js").write_text("const elder = 1;\n" * 500)
    (tmp_path / "requirements.txt").write_text("pytest==9.2.0 --hash=sha256:abc\n")
    assert findings(tmp_path, ["page.js", "requirements.txt", "deleted.txt"]) == []
