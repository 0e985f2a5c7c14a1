"""疑似重复机构 through its pages: asked when a change makes them, remembered, listed for the bureau."""

from __future__ import annotations

import html
import re

import pytest

from huiyang.database import Login, connect
from huiyang.identifiers import complete_uscc
from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, XIASHAN, signed_in, unique
from tests.integration.test_app_institution_profile import stored
from tests.integration.test_app_residency import House

pytestmark = pytest.mark.feature(98)
PAGE = "/institutions/duplicates"


@pytest.fixture(scope="module")
def installation(own_installation):
    """Its own: what counts as alike depends on every institution of the county."""
    return own_installation


@pytest.fixture(scope="module")
def staff(app, records):
    return signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=CHIKAN))


@pytest.fixture
def houses(app, records):
    return [House(app, records) for _ in range(2)]


def change(records, statement, *values):
    with connect(Login.LOADER, records.settings) as loader:
        loader.execute(statement, list(values))


def save(house, **changes):
    return house.post("/profile", stored(house, "/profile") | changes)


def listed(browser, *houses, section="pairs"):
    """Whether a section of the bureau's page has a row with all of them."""
    names = [
        house.value("select name from organizations.organization where id = %s", house.organization)[0]
        for house in houses
    ]
    text = browser.get(f"{PAGE}?name={names[0]}").text
    part = re.search(rf'aria-labelledby="{section}".*?</section>', text, re.S)[0]
    return any(all(name in row for name in names) for row in re.findall(r"<tr.*?</tr>", part, re.S))


def subject_codes():
    """Two credit codes of one organization: as a non-enterprise unit, and as a company."""
    number = f"{unique('')[-9:]:0>9}"
    return complete_uscc(f"52440802{number}"), complete_uscc(f"91440802{number}")


def changes_alike(kind):
    """What the first and the second house say, so that the second makes a likely duplicate of that kind."""
    word = unique("")
    if kind == "credit_code":
        one, other = subject_codes()
        return {"credit_code": one}, {"credit_code": other}, "主体标识码相同"
    if kind == "address":
        return {"address": f"湛江市赤坎区寸金{word}路 1 号"}, {"address": f"寸金{word}路１号"}, "地址相同"
    if kind == "phone":
        phone = f"0759-3{int(word) % 1_000_000:06d}"
        return {"contact_phone": phone}, {"contact_phone": phone.replace("-", "")}, "联系电话相同"
    latitude = 21.3 + int(word) % 5_000 * 0.00001
    place = {"longitude": "110.3300", "latitude": str(latitude), "position_confirmed": "1"}
    return place, place | {"longitude": "110.3303"}, "相距 31 米"


@pytest.mark.parametrize("kind", ["credit_code", "address", "phone", "position"])
def test_a_change_that_makes_a_likely_duplicate_is_saved_only_when_acknowledged(kind, houses, staff, records):
    first, second = houses
    one, other, why = changes_alike(kind)
    response = save(first, **one)
    assert response.status_code == 303, html.unescape(response.text)
    response = save(second, registrar="某局", **other)
    assert response.status_code == 422 and "疑似重复，没有保存" in response.text and why in response.text
    assert 'value="某局"' in response.text, "what was typed is still there"
    assert stored(second, "/profile")["registrar"] == ""
    keys = re.search(r'name="not_duplicates" value="([\d,]+)"', response.text)[1]
    assert str(first.organization) in keys.split(",")
    assert save(second, registrar="某局", not_duplicates="0", **other).status_code == 422, "another one was meant"
    assert save(second, registrar="某局", not_duplicates=keys, **other).status_code == 303
    assert stored(second, "/profile")["registrar"] == "某局"
    assert save(second, registrar="另一局").status_code == 303, "what was acknowledged is not asked again"
    events = records.audited(action="duplicate_review", target_id=min(first.organization, second.organization))
    assert [event["details"]["other"] for event in events] == [max(first.organization, second.organization)]
    assert listed(staff, first, second, section="reviewed")


def test_likely_duplicates_are_told_until_they_are_reviewed(app, staff, records):
    name = unique("福荣") + "养老院"
    houses = [House(app, records), House(app, records)]
    for house, text in zip(houses, (f"赤坎{name}", f"湛江市{name}"), strict=True):
        change(records, "update organizations.organization set name = %s where id = %s", text, house.organization)
    first, second = houses
    assert "可能重复登记" in first.look() and f"湛江市{name}" in first.look()
    assert listed(staff, first, second)
    pair = {"one": str(second.organization), "other": str(first.organization)}
    assert staff.post(PAGE, pair | {"reason": " "}, form_on=PAGE).status_code == 422
    assert listed(staff, first, second)
    response = staff.post(PAGE, pair | {"reason": "两家各有登记证书"}, form_on=PAGE)
    assert response.status_code == 303, response.text
    assert not listed(staff, first, second) and listed(staff, first, second, section="reviewed")
    assert f"湛江市{name}" not in first.look()
    response = staff.post(PAGE, pair | {"reason": "再来一次"}, form_on=PAGE)
    assert response.status_code == 422 and "已不在待核实之列" in response.text
    # Something new in common doubts the pair again.
    for house in houses:
        change(
            records,
            "update organizations.organization set address = %s where id = %s",
            f"{name}路 8 号",
            house.organization,
        )
    assert listed(staff, first, second)


def test_who_may_see_and_review(app, houses, records):
    first, second = houses
    pair = {"one": str(first.organization), "other": str(second.organization), "reason": "两家"}
    assert first.browser.get(PAGE).status_code == 403
    leader = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
    assert leader.get(PAGE).status_code == 200 and "<details>" not in leader.get(PAGE).text
    assert leader.post(PAGE, pair, form_on=PAGE).status_code == 403
    other = signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=XIASHAN))
    assert not listed(other, first, second)
    assert other.post(PAGE, pair, form_on=PAGE).status_code == 422, "out of their scope there is no such pair"
    assert other.post(PAGE, pair | {"other": pair["one"]}, form_on=PAGE).status_code == 422
