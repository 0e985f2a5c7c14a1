"""Photos of an institution that everybody may see: made small, put in order, taken down with a trace."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_app.audit.service import Act
from operational_app.core.uploads import Upload, UploadRefused, judge, keep
from operational_app.identity.administration import Refused, Stale, Work
from operational_app.institutions.models import Institution, Photo, PhotoKind

MOST_PHOTOS = 30
#: Longest sides in pixels; larger ones are made smaller.
LONGEST_FULL, LONGEST_SMALL = 1920, 480
_LONGEST_CAPTION = 60
_TABLE = "institutions.photo"


def photos_of(session: Session, institution_id: int) -> list[Photo]:
    """What is shown, the cover first, then by the given order."""
    shown = select(Photo).where(Photo.institution_id == institution_id, Photo.removed_at.is_(None))
    return list(session.scalars(shown.order_by(Photo.is_cover.desc(), Photo.position, Photo.id)))


def covers_of(session: Session) -> dict[int, int]:
    """Institution → its cover, for those in the session's scope that have one."""
    rows = session.execute(select(Photo.institution_id, Photo.id).where(Photo.is_cover, Photo.removed_at.is_(None)))
    return dict(rows.all())


def made_small(upload: Upload, longest: int) -> Upload:
    """The picture as a JPEG, its longest side `longest` pixels at most."""
    with Image.open(io.BytesIO(upload.content)) as image:
        image.thumbnail((longest, longest))
        written = io.BytesIO()
        image.convert("RGB").save(written, "JPEG", quality=85)
    return Upload(upload.name, "image/jpeg", written.getvalue())


def add(
    work: Work, folder: Path, institution_id: int, file: tuple[str, bytes] | None, given: Mapping[str, str]
) -> None:
    """Keeps a photo; the first one is the cover.

    Raises:
        Refused: no picture, no kind, too many.
    """
    if file is None:
        raise Refused("请选择照片。")
    kind, caption = _described(given)
    try:
        upload = judge(*file)
    except UploadRefused as problem:
        raise Refused(str(problem)) from problem
    if not upload.media_type.startswith("image/"):
        raise Refused("照片只能是 JPEG 或 PNG 图片。")
    _hold(work, institution_id)
    shown = photos_of(work.session, institution_id)
    if len(shown) >= MOST_PHOTOS:
        raise Refused(f"最多 {MOST_PHOTOS} 张照片，请先撤下不用的。")
    full, small = made_small(upload, LONGEST_FULL), made_small(upload, LONGEST_SMALL)
    if any(photo.sha256 == full.sha256 for photo in shown):
        raise Refused("这张照片已经上传过了。")
    last = max((photo.position for photo in shown), default=0)
    photo = Photo(
        institution_id=institution_id, kind=kind, caption=caption, position=last + 1, is_cover=not shown,
        sha256=keep(folder, full), small_sha256=keep(folder, small), account_id=work.actor.account_id,
    )  # fmt: skip
    work.session.add(photo)
    work.session.flush()
    work.note(Act.INSTITUTION_CHANGE, (_TABLE, photo.id), added=kind.value)


def _described(given: Mapping[str, str]) -> tuple[PhotoKind, str | None]:
    kinds = {kind.value: kind for kind in PhotoKind}
    if given.get("kind", "") not in kinds:
        raise Refused("请选择照片类别。")
    caption = " ".join(given.get("caption", "").split())
    if len(caption) > _LONGEST_CAPTION:
        raise Refused(f"说明不能超过 {_LONGEST_CAPTION} 个字。")
    return kinds[given["kind"]], caption or None


def _hold(work: Work, institution_id: int) -> None:
    """One change of an institution's photos at a time."""
    work.session.execute(select(Institution.id).where(Institution.id == institution_id).with_for_update())


def _versioned(work: Work, institution_id: int, photo_id: int, given: Mapping[str, str]) -> Photo:
    _hold(work, institution_id)
    photo = work.session.get(Photo, photo_id, populate_existing=True, with_for_update=True)
    if photo is None or photo.removed_at is not None or str(photo.row_version) != given.get("row_version"):
        raise Stale
    if photo.institution_id != institution_id:
        raise Refused("请选择本机构的照片。")
    photo.row_version += 1
    return photo


def describe(work: Work, institution_id: int, photo_id: int, given: Mapping[str, str]) -> None:
    """Kind, caption and place in the order.

    Raises:
        Refused: a field is wrong, stale.
    """
    kind, caption = _described(given)
    text = given.get("position", "")
    if not text.isdecimal() or not 1 <= int(text) <= 999:
        raise Refused("顺序应为 1 至 999 的整数。")
    photo = _versioned(work, institution_id, photo_id, given)
    photo.kind, photo.caption, photo.position = kind, caption, int(text)
    work.session.flush()
    work.note(Act.INSTITUTION_CHANGE, (_TABLE, photo.id), described=kind.value)


def make_cover(work: Work, institution_id: int, photo_id: int, given: Mapping[str, str]) -> None:
    """
    Raises:
        Refused: stale.
    """
    photo = _versioned(work, institution_id, photo_id, given)
    for other in photos_of(work.session, institution_id):
        if other.is_cover and other.id != photo.id:
            other.is_cover = False
            other.row_version += 1
    work.session.flush()
    photo.is_cover = True
    work.session.flush()
    work.note(Act.INSTITUTION_CHANGE, (_TABLE, photo.id), cover=True)


def take_down(work: Work, institution_id: int, photo_id: int, given: Mapping[str, str]) -> None:
    """The photo is shown no more; its record and file stay. The next one becomes the cover.

    Raises:
        Refused: stale.
    """
    photo = _versioned(work, institution_id, photo_id, given)
    was_cover, photo.is_cover = photo.is_cover, False
    photo.removed_at, photo.removed_by = func.now(), work.actor.account_id
    work.session.flush()
    rest = photos_of(work.session, institution_id)
    if was_cover and rest:
        rest[0].is_cover = True
        rest[0].row_version += 1
    work.session.flush()
    work.note(Act.INSTITUTION_CHANGE, (_TABLE, photo.id), removed=True)
