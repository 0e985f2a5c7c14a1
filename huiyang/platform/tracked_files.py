"""Checks what git tracks: no package registry's host, no third-party minified code, nothing large.

`python -m huiyang.platform.tracked_files` prints each finding and exits 1 if there is one; part of `make lint`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from huiyang.settings import PROJECT_ROOT

LARGEST_BYTES = 1_000_000
#: Ours or public reference data, needed, and larger than the limit allows: path -> reason.
LARGE_BY_RIGHT: dict[str, str] = {}
#: A line of this length in a script or style sheet was written by a bundler.
MINIFIED_LINE = 2_000
#: Hosts of package registries, in pieces, so that this file does not name one.
REGISTRIES = (
    ("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("registry", "npmmirror"),
    ("registry", "yarnpkg"), ("mirrors", "aliyun"), ("pypi", "tuna"), ("mirrors", "tencent"),
)  # fmt: skip
_REGISTRY_HOSTS = re.compile("|".join(re.escape(".".join(pieces)) for pieces in REGISTRIES).encode())


def findings(root: Path, paths: list[str]) -> list[str]:
    """What is wrong with the given tracked files, one line each; paths are relative to `root`."""
    found = []
    for name in paths:
        path = root / name
        if not path.is_file() or path.is_symlink():
            continue
        content = path.read_bytes()
        if len(content) > LARGEST_BYTES and name not in LARGE_BY_RIGHT:
            found.append(f"{name}: {len(content):,} bytes; generate it or fetch it at set-up")
        if match := _REGISTRY_HOSTS.search(content):
            found.append(f"{name}: names a package registry's host ({match.group().decode()})")
        if path.suffix in {".js", ".mjs", ".css"} and any(len(line) > MINIFIED_LINE for line in content.splitlines()):
            found.append(f"{name}: minified; take it from npm at set-up")
    return found


def main() -> int:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT_ROOT, check=True, capture_output=True, text=True
    ).stdout
    found = findings(PROJECT_ROOT, [name for name in listing.split("\0") if name])
    print(*found, sep="\n", end="\n" if found else "")  # noqa: T201
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
