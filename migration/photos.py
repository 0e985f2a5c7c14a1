"""Photo files of the export: checked, stored under their content's hash, fingerprinted for likeness."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import imagehash
import numpy as np
import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from migration.transforms import Outcome, transform

LARGEST_PHOTO_BYTES = 20 * 2**20
_LARGEST_PHOTO_PIXELS = 50_000_000


@dataclass
class PhotoStore:
    """Takes photos from the export's folder into the upload folder, `<aa>/<sha256>.jpg`.

    Photos are content-addressed and written aside, then renamed: taking one twice, or being killed, does no harm.
    """

    export_dir: Path
    upload_dir: Path
    _done: dict[str, tuple[str, int]] = field(default_factory=dict)

    @cached_property
    def _files(self) -> frozenset[str]:
        """What lies in the export's folder, by relative path; a name that leads out of it is none of them."""
        return frozenset(
            path.relative_to(self.export_dir).as_posix() for path in self.export_dir.rglob("*") if path.is_file()
        )

    def take(self, name: str, stated_sha256: str) -> tuple[str | None, int | None, str | None]:
        """(SHA-256 of the stored file, perceptual hash, remark); without a usable file (None, None, remark)."""
        if name not in self._files:
            return None, None, None  # the old platform's disk no longer has most of them: that is no remark
        path = self.export_dir / name
        if path.stat().st_size > LARGEST_PHOTO_BYTES:
            return None, None, "photo_unreadable"
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in self._done:
            fingerprint = perceptual_hash(content)
            if fingerprint is None:
                return None, None, "photo_unreadable"
            self._store(sha256, content)
            self._done[sha256] = (sha256, fingerprint)
        return *self._done[sha256], None if sha256 == stated_sha256.lower() else "photo_hash_differs"

    def _store(self, sha256: str, content: bytes) -> None:
        target = self.upload_dir / sha256[:2] / f"{sha256}.jpg"
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_suffix(f".{os.getpid()}")
        aside.write_bytes(content)
        aside.replace(target)


def perceptual_hash(content: bytes) -> int | None:
    """The 64-bit DCT hash of a photo as a signed number; None where the bytes are no whole picture of sane size."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > _LARGEST_PHOTO_PIXELS:
                return None
            image.verify()
        with Image.open(io.BytesIO(content)) as image:
            bits = imagehash.phash(image.convert("RGB")).hash.ravel()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None
    return int(np.packbits(bits).view(">i8")[0])


@transform
def photo_file(path: pa.Array, sha256: pa.Array, *, photos: PhotoStore) -> Outcome:
    """Stores the photo that a row names.

    Returns:
        SHA-256 (of the file where it is there, else as stated), perceptual hash, whether it is stored.
    """
    names, stated = path.to_pylist(), [(value or "").strip().lower() or None for value in sha256.to_pylist()]
    taken = [photos.take(n, s or "") if n else (None, None, None) for n, s in zip(names, stated, strict=True)]
    remarks = {
        code: np.array([remark == code for _, _, remark in taken], dtype=bool)
        for code in ("photo_unreadable", "photo_hash_differs")
    }
    return Outcome(
        (
            pa.array([found or s for (found, _, _), s in zip(taken, stated, strict=True)], pa.string()),
            pa.array([fingerprint for _, fingerprint, _ in taken], pa.int64()),
            pa.array([found is not None for found, _, _ in taken]),
        ),
        {},
        remarks,
    )
