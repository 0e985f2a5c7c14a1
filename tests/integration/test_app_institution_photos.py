"""Photos of an institution through its manager's pages."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image

from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, signed_in
from tests.integration.test_app_residency import House

pytestmark = pytest.mark.feature(98)


@pytest.fixture
def house(app, records):
    return House(app, records)


def picture(colour="red", size=(2400, 1200)):
    """A JPEG that says where it was taken."""
    image, written = Image.new("RGB", size, colour), io.BytesIO()
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (21.0, 16.0, 0.0)}
    exif[0x010F] = "PhoneMaker"
    image.save(written, "JPEG", exif=exif)
    return written.getvalue()


def hand_in(house, content=None, kind="room", caption="", name="a.jpg", browser=None):
    browser = browser or house.browser
    data = {"kind": kind, "caption": caption, "csrftoken": browser.form_token(house.page + "/photos")}
    files = {"file": (name, picture() if content is None else content, "image/jpeg")}
    return browser.client.post(house.page + "/photos", data=data, files=files)


def shown(house):
    """(key, version) of the photos in their order."""
    text = house.look("/photos")
    keys = list(dict.fromkeys(re.findall(r"/photos/(\d+)/full", text)))
    return [(int(key), house.version("photo", int(key))) for key in keys]


def act(house, photo, what, version=None, browser=None, **data):
    path = f"/photos/{photo[0]}/{what}"
    return house.post(path, data | {"row_version": str(version or photo[1])}, "/photos", browser)


def test_a_photo_is_made_small_and_says_no_more_where_it_was_taken(house):
    assert hand_in(house, caption="二楼双人间").status_code == 303
    [photo] = shown(house)
    for size, width in (("full", 1920), ("small", 480)):
        answer = house.browser.get(f"{house.page}/photos/{photo[0]}/{size}")
        assert answer.headers["content-type"] == "image/jpeg" and b"PhoneMaker" not in answer.content
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.width == width and not image.getexif()
    text = house.look("/photos")
    assert "二楼双人间" in text and "封面" in text, "the first one is the cover"
    assert house.records.audited(action="institution_change", target_id=photo[0])[-1]["details"] == {"added": "room"}


@pytest.mark.parametrize(
    ("content", "name", "kind", "problem"),
    [
        (b"", "a.jpg", "room", "空文件"),
        (b"%PDF-1.4 x", "a.jpg", "room", "PDF"),
        (b"GIF89a", "a.gif", "room", "不是可用的"),
        (None, "a.jpg", "kitchen", "请选择照片类别"),
    ],
)
def test_what_is_no_photo_is_refused(house, content, name, kind, problem):
    answer = hand_in(house, content, kind, name=name)
    assert answer.status_code == 422 and problem in answer.text and shown(house) == []


def test_the_same_photo_is_taken_once(house):
    assert [hand_in(house).status_code for _ in range(2)] == [303, 422]
    assert len(shown(house)) == 1


def test_order_cover_and_taking_down(house):
    for colour in ("red", "green", "blue"):
        hand_in(house, picture(colour, (64, 48)))
    red, green, blue = shown(house)
    assert act(house, blue, "describe", kind="fire", caption="灭火器", position="1").status_code == 303
    assert act(house, green, "cover").status_code == 303
    assert [key for key, _ in shown(house)] == [green[0], red[0], blue[0]]
    assert act(house, shown(house)[0], "take-down").status_code == 303
    assert [key for key, _ in shown(house)] == [red[0], blue[0]], "the next one is the cover"
    assert house.browser.get(f"{house.page}/photos/{green[0]}/full").status_code == 404
    assert house.value("select removed_by is not null from institutions.photo where id = %s", green[0]) is True


def test_a_stale_form_changes_nothing(house):
    hand_in(house)
    [photo] = shown(house)
    assert act(house, photo, "describe", kind="fire", caption="", position="1").status_code == 303
    answer = act(house, photo, "take-down")
    assert answer.status_code == 422 and "刚被他人修改" in answer.text and len(shown(house)) == 1


def test_others_look_but_do_not_touch(app, house, records):
    hand_in(house)
    [photo] = shown(house)
    leader = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
    assert "上传照片" not in leader.get(house.page + "/photos").text
    assert leader.get(f"{house.page}/photos/{photo[0]}/small").status_code == 200
    stranger = House(app, records)
    assert stranger.browser.get(f"{house.page}/photos/{photo[0]}/small").status_code == 404
    assert stranger.browser.get(f"{stranger.page}/photos/{photo[0]}/small").status_code == 404
    assert hand_in(stranger, browser=stranger.browser).status_code == 303
    # Another's photo beneath the own institution's address.
    assert stranger.post(f"/photos/{photo[0]}/take-down", {"row_version": "1"}, "/photos").status_code == 422
    assert len(shown(house)) == 1
