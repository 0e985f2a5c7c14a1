"""Conditions of the map and the public list: what they ask for, what they ignore and say."""

from dataclasses import replace
from decimal import Decimal

import pytest

from operational_app.institutions import disclosure
from operational_app.institutions.disclosure import Disclosed, Wanted
from operational_app.institutions.map_pages import county_features
from operational_app.institutions.models import InstitutionType, MedicalMode, Nature, OperatingStatus

pytestmark = pytest.mark.feature(98)
HOUSE = Disclosed(
    id=1, name="赤坎颐年院", division_code="440802001002", address=None, institution_type=InstitutionType.NURSING_HOME,
    nature=Nature.PRIVATE, operating_status=OperatingStatus.OPERATING, grade=3, medical_mode=MedicalMode.INTERNAL,
    is_insured=None, monthly_yuan=Decimal(2100), position_wgs84=(110.36, 21.27), beds=10, free=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "is_found"),
    [
        (Wanted(), True),
        (Wanted(county="440802000000", nature="private", grade=3, medical="internal", name="颐年"), True),
        (Wanted(county="440803000000"), False),
        (Wanted(nature="public"), False),
        (Wanted(grade=0), False),
        (Wanted(medical="insured"), False),
        (Wanted(medical="contracted"), False),
        (Wanted(fee_from=Decimal(2100), fee_to=Decimal(2100)), True),
        (Wanted(fee_to=Decimal("2099.99")), False),
        (Wanted(fee_from=Decimal("2100.01")), False),
        (Wanted(has_vacancy=True), True),
    ],
)
def test_an_institution_meets_every_condition_or_is_not_found(wanted, is_found):
    assert disclosure.matches(HOUSE, wanted) is is_found


def test_what_is_not_stated_meets_no_condition():
    silent = replace(HOUSE, grade=None, medical_mode=None, monthly_yuan=None, free=0)
    assert disclosure.matches(silent, Wanted())
    for wanted in (
        Wanted(grade=0),
        Wanted(fee_to=Decimal(9000)),
        Wanted(fee_from=Decimal(0)),
        Wanted(has_vacancy=True),
    ):
        assert not disclosure.matches(silent, wanted)
    assert silent.medical_label is None and silent.grade_label is None


@pytest.mark.parametrize(
    ("given", "wanted", "problems"),
    [
        ({}, Wanted(), 0),
        ({"county": "440802000000", "vacancy": "1", "fee_to": "3000"},
         Wanted(county="440802000000", has_vacancy=True, fee_to=Decimal(3000)), 0),
        ({"county": "110000000000", "nature": "state", "grade": "9", "medical": "x"}, Wanted(), 4),
        ({"fee_from": "abc", "fee_to": "-1"}, Wanted(), 2),
        ({"fee_from": "NaN", "fee_to": "Infinity"}, Wanted(), 2),
        ({"fee_from": "3000", "fee_to": "1000"}, Wanted(fee_from=Decimal(1000), fee_to=Decimal(3000)), 1),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_ignored_and_said(given, wanted, problems):
    found, said = disclosure.wanted_of(given)
    assert (found, len(said)) == (wanted, problems)


def test_counties_without_institutions_are_counted_too():
    rows = {code: (count, free) for code, _, count, free in disclosure.by_county([HOUSE, HOUSE])}
    assert len(rows) == 9 and rows["440802000000"] == (2, 4) and rows["440803000000"] == (0, 0)


def test_boundaries_leave_in_wgs84():
    features = county_features()["features"]
    chikan = next(feature for feature in features if feature["properties"].get("code") == "440802000000")
    names = [feature["properties"]["name"] for feature in features if feature["geometry"]["type"] == "Point"]
    longitudes = [point[0] for ring in chikan["geometry"]["coordinates"] for line in ring for point in line]
    # Its western end is 110.32487 or less in GCJ-02, and 466 m (0.0045°) further west in WGS-84.
    assert len(set(names)) == 9 and 110.28 < min(longitudes) < 110.3216
