"""养老一张图 through its pages: what is listed, for whom, and where tiles may come from."""

from __future__ import annotations

import re

import pytest

from huiyang.database import Login, connect
from operational_app.identity.models import RoleCode
from operational_app.main import create_app
from tests.app_sample import CHIKAN, XIASHAN, signed_in, unique

pytestmark = pytest.mark.feature(98)


@pytest.fixture(scope="module")
def leader(app, records):
    return signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))


@pytest.fixture(scope="module")
def houses(records):
    """(names of one with a free bed, of one that is full, of one that is closed)."""
    names = [unique(name) for name in ("有床院", "满员院", "已关院")]
    made = (("operating", ("free", "reserved")), ("operating", ()), ("closed", ("free",)))
    for name, (status, beds) in zip(names, made, strict=True):
        key, organization = records.institution(
            name, CHIKAN, operating_status=status, nature="public", bed_fee_min_yuan=900, meal_fee_min_yuan=600
        )
        with connect(Login.LOADER, records.settings) as loader:
            loader.execute(
                "update organizations.organization set longitude_wgs84 = 110.36, latitude_wgs84 = 21.27 where id = %s",
                [organization],
            )
        for bed in beds:
            records.bed(key, status=bed)
    return names


class TestMap:
    def test_the_list_holds_what_the_map_draws(self, leader, houses):
        text = leader.get(f"/map?name={houses[0]}").text
        card = re.search(r"<article.*?</article>", text, re.S)[0]
        assert 'data-x="110.36" data-y="21.27"' in card and "空床 1 / 2" in card and "每月 1,500.00 元起" in card
        assert "空床截至" in text

    def test_closed_ones_are_not_listed_and_full_ones_only_without_the_condition(self, leader, houses):
        _, full, closed = houses
        assert full in leader.get(f"/map?name={full}&nature=public").text.split("<article")[1]
        assert "<article" not in leader.get(f"/map?name={full}&vacancy=1").text
        assert "<article" not in leader.get(f"/map?name={closed}").text

    def test_a_county_sees_its_own(self, app, records, houses):
        other = signed_in(app, records.account(RoleCode.LEADER, division_code=XIASHAN))
        assert "<article" not in other.get(f"/map?name={houses[0]}").text

    def test_a_name_cannot_break_out_of_the_page(self, leader, records):
        name = unique('院"><script>x</script>')
        records.institution(name, CHIKAN)
        assert "<script>x" not in leader.get("/map").text

    def test_facilities_are_points_for_those_who_may_see_them(self, app, leader, records):
        name = unique("站")
        records.insert(
            "facilities.facility", name=name, facility_type="station", facility_level="village", division_code=CHIKAN,
            status="operating", longitude_wgs84=110.35, latitude_wgs84=21.26,
        )  # fmt: skip
        found = leader.get("/map/facilities").json()["features"]
        mine = [feature for feature in found if feature["properties"]["name"] == name]
        assert [feature["geometry"]["coordinates"] for feature in mine] == [[110.35, 21.26]]
        _, organization = records.institution(unique("院"), CHIKAN)
        manager = signed_in(app, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization))
        assert manager.get("/map/facilities").status_code == 403

    def test_facilities_by_type_and_place(self, leader, records):
        word, town, other = unique("点"), "440802001000", "440802002000"
        for kind, place in (("station", town), ("canteen", town), ("canteen", other)):
            records.insert(
                "facilities.facility", name=f"{word}{kind}{place}", facility_type=kind, facility_level="village",
                division_code=place, status="operating", longitude_wgs84=110.35, latitude_wgs84=21.26,
            )  # fmt: skip

        def found(query):
            answer = leader.get(f"/map/facilities?{query}")
            assert answer.status_code == 200
            names = (feature["properties"]["name"] for feature in answer.json()["features"])
            return sorted(name.removeprefix(word) for name in names if name.startswith(word))

        canteens = [f"canteen{town}", f"canteen{other}"]
        assert found("") == found(f"county={CHIKAN}&town=&type=") == [*canteens, f"station{town}"]
        assert found("type=canteen") == canteens and found(f"town={town}&type=canteen") == canteens[:1]
        assert found(f"county={XIASHAN}") == []
        for wrong in ("type=x", "town=440802", "county=%27", f"town={'9' * 12}"):
            assert leader.get(f"/map/facilities?{wrong}").status_code == 400
        text = leader.get("/map").text
        assert 'name="town"' in text and town in text and "440803001000" not in text, "towns of the own county only"

    def test_tiles_open_the_policy_to_their_host_only(self, installation, leader, records):
        closed = leader.get("/map").headers["content-security-policy"]
        assert "http" not in closed
        settings = installation.model_copy(
            update={
                "map_tile_url": "https://t0.tiles.test/w/{z}/{x}/{y}?tk=KEY", "map_tile_approval": "GS（2024）0650号"
            }
        )  # fmt: skip
        browser = signed_in(create_app(settings), records.account(RoleCode.LEADER, division_code=CHIKAN))
        answer = browser.get("/map")
        policy = answer.headers["content-security-policy"]
        assert "connect-src 'self' https://t0.tiles.test;" in policy and "KEY" not in policy
        assert 'data-tiles="https://t0.tiles.test/w/{z}/{x}/{y}?tk=KEY"' in answer.text
        assert "天地图　审图号：GS（2024）0650号" in answer.text
        assert "http" not in browser.get("/").headers["content-security-policy"]


def test_likely_duplicates_are_listed_for_the_bureau_only(app, leader, records):
    word = unique("重名")
    keys = [records.institution(name, CHIKAN) for name in (f"{word}敬老院", f"赤坎区{word}养老院")]
    text = leader.get("/institutions/duplicates").text
    assert all(f'href="/institutions/{key}"' in text for key, _ in keys) and "名称相近" in text
    manager = signed_in(app, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=keys[0][1]))
    assert manager.get("/institutions/duplicates").status_code == 403
