"""机构照片: seen by whoever sees the institution, looked after by its manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from anyio.to_thread import run_sync
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from operational_app.core.uploads import LARGEST_BYTES, kept
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Refused, Work
from operational_app.institutions import photos
from operational_app.institutions.desk import CHANGES, institution_seen, may_change, notice_of, own_institution
from operational_app.institutions.models import Photo, PhotoKind
from operational_app.institutions.profile_pages import texts_of
from operational_app.web.rights import pages_of
from operational_app.web.services import page, services, session

router = pages_of(Resource.INSTITUTIONS)
_ACTS: dict[str, Callable[[Work, int, int, dict[str, str]], None]] = {
    "describe": photos.describe, "cover": photos.make_cover, "take-down": photos.take_down,
}  # fmt: skip


def _photos_page(request: Request, key: int, error: str = "") -> Response:
    institution, organization = institution_seen(request, key)
    return page(
        request, "institutions/photos.html", REFUSED if error else 200, title="机构照片", key=key,
        organization=organization, photos=photos.photos_of(session(request), key),
        kinds=[(kind.value, kind.label) for kind in PhotoKind], may_change=may_change(request, institution),
        most=photos.MOST_PHOTOS, largest_mb=LARGEST_BYTES // 1_000_000, error=error, notice=notice_of(request),
    )  # fmt: skip


@router.get("/institutions/{key:int}/photos")
def photos_page(request: Request, key: int) -> Response:
    return _photos_page(request, key)


@router.post("/institutions/{key:int}/photos", dependencies=CHANGES)
async def add_photo(request: Request, key: int) -> Response:
    form = await request.form(max_files=1, max_fields=10)
    file = form.get("file")
    handed_in = (file.filename or "", await file.read()) if isinstance(file, UploadFile) and file.filename else None
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    await form.close()
    folder = services(request).settings.upload_dir
    return await run_sync(
        _act, request, key, lambda work: photos.add(work, folder, key, handed_in, texts), "photo-added"
    )


@router.post("/institutions/{key:int}/photos/{photo_id:int}/{what}", dependencies=CHANGES)
async def change_photo(request: Request, key: int, photo_id: int, what: str) -> Response:
    if what not in _ACTS:
        raise HTTPException(404)
    texts = await texts_of(request)
    return await run_sync(_act, request, key, lambda work: _ACTS[what](work, key, photo_id, texts), f"photo-{what}")


def _act(request: Request, key: int, act: Callable[[Work], None], what: str) -> Response:
    own_institution(request, key)
    work = work_of(request)
    try:
        act(work)
    except Refused as problem:
        work.session.rollback()
        return _photos_page(request, key, str(problem))
    return done(f"/institutions/{key}/photos", what)


@router.get("/institutions/{key:int}/photos/{photo_id:int}/{size}")
def photo_file(request: Request, key: int, photo_id: int, size: Literal["small", "full"]) -> Response:
    institution_seen(request, key)
    return picture(request, key, photo_id, size, "private, max-age=86400")


def picture(request: Request, key: int, photo_id: int, size: str, cache: str) -> Response:
    """The file of a photo that is shown.

    Raises:
        HTTPException: 404.
    """
    photo = session(request).get(Photo, photo_id)
    if photo is None or photo.institution_id != key or photo.removed_at is not None:
        raise HTTPException(404)
    try:
        path = kept(services(request).settings.upload_dir, photo.small_sha256 if size == "small" else photo.sha256)
    except FileNotFoundError:
        raise HTTPException(404, "文件不在服务器上，请联系系统管理员。") from None
    return FileResponse(
        path, media_type="image/jpeg",
        headers={"content-security-policy": "default-src 'none'; sandbox", "cache-control": cache},
    )  # fmt: skip
