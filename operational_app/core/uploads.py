"""Files that users hand in: judged by what they are, not by what they call themselves, and kept by content hash.

A PDF with active content is refused; a picture is decoded and written anew, which drops whatever hid behind the pixels
(position, comments, a second file). Files stand beneath `settings.upload_dir`, mode 0600, and are served by pages only.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError
from pypdf import PdfReader
from pypdf.errors import PdfReadError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

LARGEST_BYTES = 10_000_000
#: A photo of a phone has 50 million pixels; a bomb has billions.
_MOST_PIXELS = 60_000_000
_MOST_PDF_OBJECTS = 20_000
_LONGEST_NAME = 100
_ACTIVE = {
    "/JavaScript",
    "/JS",
    "/Launch",
    "/EmbeddedFile",
    "/EmbeddedFiles",
    "/RichMedia",
    "/SubmitForm",
    "/ImportData",
}
_UNSAFE_IN_NAMES = re.compile(r"[\x00-\x1f\x7f\\/:*?\"<>|\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_PICTURES = {"JPEG": "image/jpeg", "PNG": "image/png"}


class UploadRefused(Exception):
    """Why a file is not taken; in Chinese."""


@dataclass(frozen=True)
class Upload:
    """A file that was accepted.

    Attributes:
        name: as shown to people; without path, control or direction characters.
        content: what is kept; of a picture the pixels alone, upright.
    """

    name: str
    media_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


def judge(name: str, content: bytes) -> Upload:
    """Accepts a PDF, JPEG or PNG.

    Raises:
        UploadRefused: too large, empty, another kind, broken, encrypted, or with active content.
    """
    name = _safe_name(name)
    if not content:
        raise UploadRefused(f"“{name}”是空文件。")
    if len(content) > LARGEST_BYTES:
        raise UploadRefused(f"“{name}”超过 {LARGEST_BYTES // 1_000_000} MB。")
    if content.startswith(b"%PDF-"):
        _check_pdf(name, content)
        return Upload(name, "application/pdf", content)
    return _picture(name, content)


def _safe_name(name: str) -> str:
    """The last part of what the browser calls the file."""
    last = re.split(r"[\\/]", name)[-1]
    cleaned = " ".join(_UNSAFE_IN_NAMES.sub("", last).split()).lstrip(".")
    return cleaned[-_LONGEST_NAME:] or "未命名文件"


def _picture(name: str, content: bytes) -> Upload:
    refused = UploadRefused(f"“{name}”不是可用的 PDF、JPEG 或 PNG 文件。")
    try:
        with Image.open(io.BytesIO(content), formats=list(_PICTURES)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise UploadRefused(f"“{name}”的像素过多，请缩小后再上传。")
            kind = image.format or ""
            upright = ImageOps.exif_transpose(image)
            plain = upright.convert("RGB" if kind == "JPEG" else "RGBA" if "A" in upright.getbands() else "RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise refused from error
    written = io.BytesIO()
    plain.save(written, kind, **({"quality": 90} if kind == "JPEG" else {"optimize": False}))
    return Upload(name, _PICTURES[kind], written.getvalue())


def _check_pdf(name: str, content: bytes) -> None:
    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted:
            raise UploadRefused(f"“{name}”有密码保护，请去除密码后再上传。")
        if not reader.pages:
            raise UploadRefused(f"“{name}”没有页面。")
        is_active = _has_active_content(reader)
    except UploadRefused:
        raise
    except (PdfReadError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise UploadRefused(f"“{name}”不是完整的 PDF 文件。") from error
    if is_active:
        raise UploadRefused(f"“{name}”含有脚本、附件等活动内容，请打印为普通 PDF 后再上传。")


def _has_active_content(reader: PdfReader) -> bool:
    """Walks every object that the file's trailer leads to, compressed ones included."""
    waiting: list[object] = [reader.trailer]
    seen: set[tuple[int, int]] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, IndirectObject):
            key = (found.idnum, found.generation)
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > _MOST_PDF_OBJECTS:
                raise ValueError("too many objects")
            found = found.get_object()
        if isinstance(found, DictionaryObject):
            if _ACTIVE & set(found) or found.get("/S") in _ACTIVE or found.get("/Type") in _ACTIVE:
                return True
            waiting.extend(found.values())
        elif isinstance(found, ArrayObject):
            waiting.extend(found)
    return False


def keep(folder: Path, upload: Upload) -> str:
    """Writes the content once, whole or not at all; returns its SHA-256.

    Args:
        folder: `settings.upload_dir`.
    """
    target = _path(folder, upload.sha256)
    if target.exists():
        return upload.sha256
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_name(f"{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(upload.content)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(target)
    return upload.sha256


def kept(folder: Path, digest: str) -> Path:
    """Where a kept file stands.

    Raises:
        FileNotFoundError: it is not there.
    """
    path = _path(folder, digest)
    if not path.is_file():
        raise FileNotFoundError(digest)
    return path


def _path(folder: Path, digest: str) -> Path:
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError("no SHA-256")
    return folder / digest[:2] / digest
