"""What a demo shows of institutions: photos (drawings that say that they are samples, never pictures of a real house),
likely duplicates."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from sqlalchemy import select
from sqlalchemy.orm import Session

from huiyang.field_crypto import FieldCrypto, row_context
from huiyang.identifiers import PhoneStatus
from operational_app.core.uploads import Upload, keep
from operational_app.identity.administration import Work
from operational_app.institutions import duplicates
from operational_app.institutions.duplicate_rules import Candidate
from operational_app.institutions.models import DuplicateReview, Institution, OperatingStatus, Photo, PhotoKind
from operational_app.institutions.photos import LONGEST_SMALL, made_small
from operational_app.organizations.models import Organization

_SIZE = (960, 640)
_MOST_INSTITUTIONS = 12
_WALLS = ("#d9c7a7", "#c9d8c5", "#c6d3e3", "#e3cfc9")
_KINDS = (PhotoKind.ENTRANCE, PhotoKind.ROOM, PhotoKind.DINING, PhotoKind.ACTIVITY)


def ensure_demo_photos(session: Session, folder: Path) -> None:
    """Gives some institutions of the session's scope photos, where none has any.

    Args:
        folder: `settings.upload_dir`.
    """
    if session.scalar(select(Photo.id).limit(1)) is not None:
        return
    operating = select(Institution.id).where(Institution.operating_status == OperatingStatus.OPERATING)
    for key in session.scalars(operating.order_by(Institution.id).limit(_MOST_INSTITUTIONS)):
        for position, kind in enumerate(_KINDS, start=1):
            full = _drawing(kind, _WALLS[key % len(_WALLS)])
            session.add(
                Photo(
                    institution_id=key, kind=kind, caption=f"示例图：{kind.label}，不是实景", position=position,
                    is_cover=position == 1, sha256=keep(folder, full),
                    small_sha256=keep(folder, made_small(full, LONGEST_SMALL)),
                )
            )  # fmt: skip
    session.flush()


def ensure_demo_duplicates(session: Session, crypto: FieldCrypto, staff: Work) -> None:
    """Two pairs of institutions that share a phone, as of one operator; of one it is known that they are two houses.

    Args:
        staff: whoever looked into it.
    """
    if session.scalar(select(DuplicateReview.id).limit(1)) is not None:
        return
    by_county: dict[str | None, list[Candidate]] = {}
    for it in duplicates.candidates(session, crypto, Organization.contact_phone_status == PhoneStatus.VALID.value):
        by_county.setdefault(it.county_code, []).append(it)
    pairs = [found[-2:] for county, found in sorted(by_county.items(), key=str) if county and len(found) > 2]
    for pair in pairs[:2]:
        other = session.get_one(Organization, pair[1].key)
        context = row_context("organizations.organization", "contact_phone_cipher", other.id)
        other.contact_phone_cipher = crypto.encrypt(pair[0].phone or "", context)
        session.flush()
    for doubt in duplicates.open_doubts(session, crypto)[:1]:
        duplicates.acknowledge(staff, doubt, "同一运营方的两家机构，各有登记证书和备案，不是重复登记")


def _drawing(kind: PhotoKind, wall: str) -> Upload:
    image = Image.new("RGB", _SIZE, "#dcebf7" if kind is PhotoKind.ENTRANCE else "#f4efe6")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 500, 960, 640), fill="#a8b59a" if kind is PhotoKind.ENTRANCE else "#b99f7e")
    if kind is PhotoKind.ENTRANCE:
        draw.rectangle((180, 200, 780, 520), fill=wall, outline="#6b5d4a", width=4)
        draw.polygon(((150, 200), (480, 90), (810, 200)), fill="#8a5a44")
        draw.rectangle((430, 360, 530, 520), fill="#5b4636")
        for x in (230, 320, 590, 680):
            draw.rectangle((x, 260, x + 60, 330), fill="#eaf3fb", outline="#6b5d4a", width=3)
    else:
        draw.rectangle((620, 120, 840, 320), fill="#dcebf7", outline="#6b5d4a", width=6)
        seats = {PhotoKind.ROOM: 2, PhotoKind.DINING: 4, PhotoKind.ACTIVITY: 6}[kind]
        width = 820 // seats
        for number in range(seats):
            x = 70 + number * width
            draw.rectangle((x, 400, x + width - 30, 520), fill=wall, outline="#6b5d4a", width=4)
    # In the middle, where a cropped thumbnail shows it too.
    draw.text((480, 230), "SAMPLE", fill="#8c1d18", font=ImageFont.load_default(64), anchor="mm")
    written = io.BytesIO()
    image.save(written, "JPEG", quality=85)
    return Upload("sample.jpg", "image/jpeg", written.getvalue())
