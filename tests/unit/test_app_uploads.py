"""What users hand in: what is taken, what is refused, what is kept of it."""

from __future__ import annotations

import io
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from operational_app.core.uploads import LARGEST_BYTES, UploadRefused, judge, keep, kept


def picture(kind: str = "JPEG", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, (200, 120, 40)).save(written, kind, **options)
    return written.getvalue()


def pdf(**options: object) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    if options.get("attachment"):
        writer.add_attachment("a.exe", b"MZ")
    if kind := {"launch": "/Launch", "script": "/JavaScript"}.get(str(options.get("opens_with"))):
        action = DictionaryObject({NameObject("/S"): NameObject(kind), NameObject("/X"): TextStringObject("cmd")})
        writer.root_object[NameObject("/OpenAction")] = writer._add_object(action)
    if options.get("password"):
        writer.encrypt("secret")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def test_what_is_taken():
    assert judge("执照.pdf", pdf()).media_type == "application/pdf"
    assert judge("门头.jpg", picture()).media_type == "image/jpeg"
    assert judge("图.pdf", picture("PNG")).media_type == "image/png", "by content, not by name"


def test_a_picture_keeps_its_pixels_only():
    exif = Image.Exif()
    exif[0x010F] = "Phone"
    exif.get_ifd(0x8825)[2] = (21.0, 16.0, 12.0)
    hidden = picture(exif=exif) + b"<script>alert(1)</script>"
    content = judge("a.jpg", hidden).content
    assert b"script" not in content and b"Phone" not in content
    assert not Image.open(io.BytesIO(content)).getexif()


def test_a_picture_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert Image.open(io.BytesIO(judge("a.jpg", picture(exif=exif)).content)).size == (30, 40)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "空文件"),
        (b"%PDF-" + b"0" * LARGEST_BYTES, "超过"),
        (b"MZ\x90\x00", "不是可用的"),
        (b"<html><script>alert(1)</script>", "不是可用的"),
        (b"%PDF-1.7 broken", "不是完整的"),
        (picture()[:200], "不是可用的"),
        (picture("PNG", (9000, 9000)), "像素过多"),
        (pdf(opens_with="script"), "活动内容"),
        (pdf(attachment=True), "活动内容"),
        (pdf(opens_with="launch"), "活动内容"),
        (pdf(password=True), "密码保护"),
    ],
)
def test_what_is_refused(content, told):
    with pytest.raises(UploadRefused, match=told):
        judge("文件.pdf", content)


@given(st.text(max_size=300))
def test_a_name_is_never_a_path(name):
    shown = judge(name, picture()).name
    assert shown and len(shown) <= 100 and not set(shown) & set('/\\:*?"<>|\0') and not shown.startswith(".")


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused_never_a_crash(content):
    for data in (content, b"%PDF-1.4\n" + content, b"\xff\xd8\xff" + content, b"\x89PNG\r\n\x1a\n" + content):
        try:
            judge("x", data)
        except UploadRefused as refused:
            assert str(refused).startswith("“")


def test_files_are_kept_once_and_for_us_alone(tmp_path):
    upload = judge("a.jpg", picture())
    digest = keep(tmp_path, upload)
    assert keep(tmp_path, upload) == digest
    path = kept(tmp_path, digest)
    assert path.read_bytes() == upload.content and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    with pytest.raises(FileNotFoundError):
        kept(tmp_path, "0" * 64)
    with pytest.raises(ValueError):
        kept(tmp_path, "../secrets.json")
