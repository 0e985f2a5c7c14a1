"""What anybody may see of institutions, without signing in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from operational_app.institutions.public_pages import Allowance
from operational_app.main import create_app
from tests.app_sample import CHIKAN, Browser, unique
from tests.integration.test_app_institution_photos import hand_in, shown
from tests.integration.test_app_residency import House

pytestmark = pytest.mark.feature(98)
PEOPLE = {"legal_person": "陈法人甲", "contact_name": "林联系乙"}


@pytest.fixture
def stranger(app):
    return Browser.of(app)


def test_anybody_finds_an_operating_institution_and_no_person(app, records, stranger):
    name = unique("公开院")
    organization = records.organization(name, CHIKAN, "institution", address="海滨路 8 号", **PEOPLE)
    key = records.insert(
        "institutions.institution", organization_id=organization, division_code=CHIKAN, nature="public", grade=3,
        institution_type="nursing_home", operating_status="operating", bed_fee_min_yuan=1200, bed_fee_max_yuan=1500,
    )  # fmt: skip
    bed = records.bed(key)
    records.insert("organizations.qualification", organization_id=organization, kind="food", number="食许 7 号")
    elder = records.elder("公开页老人丙", CHIKAN)
    records.insert(
        "institutions.residency", institution_id=key, bed_id=bed, elder_id=elder, admitted_on=date(2024, 1, 1)
    )
    found = stranger.get(f"/public/institutions?name={name}&nature=public")
    assert found.status_code == 200 and f'href="/public/institutions/{key}"' in found.text
    assert "无空床（1 张）" in found.text, "a bed somebody lives in is not free, whatever its state says"
    page = stranger.get(f"/public/institutions/{key}").text
    for word in ("1,200.00 – 1,500.00", "三级", "公办", "海滨路 8 号", "食许 7 号", "截至"):
        assert word in page, word
    for person in (*PEOPLE.values(), "公开页老人丙"):
        assert person not in page + found.text


def test_answers_may_be_cached_and_carry_no_cookie(stranger):
    answer = stranger.get("/public/institutions")
    assert answer.headers["cache-control"].startswith("public") and "set-cookie" not in answer.headers
    assert len(stranger.get("/public/counties").json()["features"]) == 18


def test_what_does_not_operate_is_not_there(records, stranger):
    for status in ("suspended", "closed"):
        key, _ = records.institution(unique("院"), CHIKAN, operating_status=status)
        answer = stranger.get(f"/public/institutions/{key}")
        assert answer.status_code == 404 and "没有在运营" in answer.text


def test_photos_are_public_until_they_are_taken_down(app, records, stranger):
    house = House(app, records)
    hand_in(house)
    [photo] = shown(house)
    address = f"/public{house.page}/photos/{photo[0]}/small"
    assert stranger.get(address).headers["content-type"] == "image/jpeg"
    assert address in stranger.get(f"/public{house.page}").text
    house.post(f"/photos/{photo[0]}/take-down", {"row_version": "1"}, "/photos")
    assert stranger.get(address).status_code == 404


def test_nothing_else_is_open_and_nothing_is_changed_there(stranger):
    assert stranger.get("/map").status_code == 302
    assert stranger.client.post("/public/institutions").status_code in (302, 303)


def test_an_installation_may_shut_it(installation):
    shut = Browser.of(create_app(installation.model_copy(update={"public_disclosure": False})))
    assert shut.get("/public/institutions").status_code == 404
    assert "/public/institutions" not in shut.get("/sign-in").text


def test_the_sign_in_page_leads_there(stranger):
    assert 'href="/public/institutions"' in stranger.get("/sign-in").text


def test_an_address_has_an_allowance_a_minute():
    allowance, at = Allowance(2), datetime(2026, 11, 1, tzinfo=UTC)
    assert [allowance.take("a", at) for _ in range(3)] == [True, True, False]
    assert allowance.take("b", at), "others have their own"
    assert allowance.take("a", at + timedelta(minutes=1))
