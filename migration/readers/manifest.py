"""The export's own list of its files: `manifest.json` with rows and SHA-256 of each."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from huiyang.errors import HuiyangError
from migration.readers.source import file_sha256

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What an export says of itself.

    Attributes:
        sha256: by file, relative to the export's folder.
        rows: by `file` or `file/table`.
        last_day: the last day of its operating data; None where it does not say.
    """

    sha256: dict[str, str]
    rows: dict[str, int]
    last_day: date | None

    def rows_of(self, files: list[str], table: str | None) -> int | None:
        """Rows of a source table, over all its files; None where the manifest does not name it."""
        counts = [self.rows.get(f"{file}/{table}" if table else file) for file in files]
        known = [count for count in counts if count is not None]
        return sum(known) if counts and len(known) == len(counts) else None


def read_manifest(export_dir: Path) -> Manifest | None:
    """The manifest of an export; None where it has none.

    Raises:
        HuiyangError: it is damaged.
    """
    path = export_dir / MANIFEST_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(
            sha256={entry["name"]: entry["sha256"] for entry in content["files"]},
            rows={name: int(count) for name, count in content["rows"].items()},
            last_day=date.fromisoformat(content["last_day"]) if "last_day" in content else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise HuiyangError(f"{path} is damaged: {error!r}.", "Copy the export again, completely.") from error


def check_files(export_dir: Path, files: list[str], manifest: Manifest | None) -> dict[str, str]:
    """SHA-256 of the files, compared with the manifest.

    Raises:
        HuiyangError: a file is missing, unreadable, or not the one that the manifest means.
    """
    found = {}
    for name in files:
        path = export_dir / name
        if not path.is_file():
            raise HuiyangError(f"{path} is missing.", "Copy the export again, completely.")
        found[name] = file_sha256(path)
        stated = manifest.sha256.get(name) if manifest else None
        if stated is not None and stated != found[name]:
            raise HuiyangError(
                f"{path} is not the file that the export's manifest means: its SHA-256 differs.",
                "It was cut off or changed on the way: copy it again; nothing of it was loaded.",
            )
    return found


def combined_sha256(hashes: dict[str, str]) -> str:
    """One hash over names and hashes of files."""
    listing = "".join(f"{name}\0{digest}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(listing.encode()).hexdigest()
