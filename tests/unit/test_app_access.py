"""Who may open what, from whom a scope follows, what a form may carry; without a database."""

from __future__ import annotations

import importlib.util
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyang.divisions import DivisionLevel, division_tree
from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.core.row_security import ScopeSetting
from operational_app.elders.models import Sex
from operational_app.elders.search import check_id_number, check_name, check_phone
from operational_app.elders.views import ElderView
from operational_app.identity import passwords
from operational_app.identity.access import BUILTIN_RESOURCES, BUILTIN_ROLES, Resource
from operational_app.identity.models import Account, Department, Duty, RoleCode
from operational_app.identity.passwords import hash_password, needs_rehash, verify_password
from operational_app.identity.scope import scope_label, scope_of
from operational_app.web.cache import TimedCache
from operational_app.web.filters import division_choices, divisions_in_scope, parse_filters
from operational_app.web.forms import form_token, form_token_is_right
from operational_app.web.gate import safe_target, sign_in_address
from operational_app.web.sealed import TermSeal
from operational_app.workbench.pages import greeting

KEY = "ab" * 32
CITY = ScopeSetting(division_lo="4408", division_hi="4409")
CHIKAN = ScopeSetting(division_lo="440802", division_hi="440803")


def test_every_role_and_resource_is_described_and_administrators_see_no_person():
    assert {role.code for role in BUILTIN_ROLES} == set(RoleCode)
    assert {item.resource for item in BUILTIN_RESOURCES} == set(Resource)
    personal = {Resource.ELDERS, Resource.ELDER_NUMBERS, Resource.ELDER_HEALTH, Resource.ORDERS}
    administrators = [role for role in BUILTIN_ROLES if role.duty is not Duty.BUSINESS]
    assert {role.duty for role in administrators} == {Duty.SYSTEM, Duty.SECURITY, Duty.AUDIT}
    assert not any(role.resources & personal for role in administrators)


def test_who_takes_reports():
    may = {role.code for role in BUILTIN_ROLES if Resource.QUALITY_REPORTS in role.resources}
    assert may == {RoleCode.AUDITOR, RoleCode.DATA_STAFF, RoleCode.DEPARTMENT_MANAGER}


def test_only_security_and_managers_give_roles():
    may = {role.code for role in BUILTIN_ROLES if Resource.ROLE_GRANTS in role.resources}
    assert may == {
        RoleCode.SECURITY_ADMINISTRATOR, RoleCode.DEPARTMENT_MANAGER, RoleCode.INSTITUTION_MANAGER,
        RoleCode.PROVIDER_MANAGER,
    }  # fmt: skip


def account(**scope: object) -> Account:
    return Account(id=7, username="a", display_name="甲", password_hash="", **scope)


def department(division_code: str = "440800000000", unit_code: str | None = None) -> Department:
    return Department(id=9, name="某局", division_code=division_code, unit_code=unit_code)


def test_scope_of_a_division_a_reporting_unit_an_organization_and_nobody():
    county = scope_of(account(), department("440802000000"))
    assert (county.division_lo, county.division_hi, county.towns) == ("440802", "440803", ())
    zone = scope_of(account(), department(unit_code="ZJ-JKQ"))
    assert "440803070" in zone.towns and len(zone.towns) == 6
    assert zone.division_lo <= min(zone.towns) and max(zone.towns) < zone.division_hi
    own = scope_of(account(organization_id=3), None)
    assert own.organization_id == 3 and own.division_lo is None
    nobody = scope_of(account(), None)
    assert nobody.division_lo is None and nobody.organization_id is None


def test_scope_in_words():
    assert scope_label(account(), department("440802000000")) == "赤坎区"
    assert scope_label(account(), department(unit_code="ZJ-JKQ")) == "湛江经开区"
    assert scope_label(account(organization_id=3), None, "甲养老院") == "甲养老院"


def test_division_choices_stay_in_the_scope():
    tree = division_tree()
    counties = tree.at_level(DivisionLevel.COUNTY)
    assert len(divisions_in_scope(CITY, counties)) == 9
    assert [division.name for division in divisions_in_scope(CHIKAN, counties)] == ["赤坎区"]
    assert divisions_in_scope(ScopeSetting(), counties) == []
    town = ScopeSetting(division_lo="440802002", division_hi="440802003")
    choices = division_choices(town, {"county": "440802000000"})
    assert [division.code for division in choices["town"]] == ["440802002000"]
    zone = scope_of(account(), department(unit_code="ZJ-JKQ"))
    assert {division.name for division in divisions_in_scope(zone, counties)} == {"霞山区", "麻章区"}
    assert {d.code for d in division_choices(zone, {"county": "440803000000"})["town"]} == {
        "440803070000", "440803071000",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/elders/list?sex=male", "/elders/list?sex=male"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        (None, "/"),
    ],
)
def test_signing_in_leads_nowhere_else(asked, given):
    assert safe_target(asked) == given


def test_the_way_back_is_part_of_the_sign_in_address():
    assert sign_in_address("/elders/list?sex=male") == "/sign-in?next=%2Felders%2Flist%3Fsex%3Dmale"
    assert sign_in_address("/", was_signed_in=True) == "/sign-in?expired=1"


def test_a_form_token_belongs_to_one_browser_and_session():
    token = form_token(KEY, "cookie", "session")
    assert form_token_is_right(token, form_token(KEY, "cookie", "session"))
    others = [("other", "session"), ("cookie", "other"), ("cookie", None)]
    assert all(not form_token_is_right(token, form_token(KEY, *other)) for other in others)
    assert not form_token_is_right(token, None) and not form_token_is_right(token, "ä")


@given(st.dictionaries(st.sampled_from(["name", "id_number", "phone"]), st.text(min_size=1, max_size=30)))
def test_sealed_terms_open_for_their_session_only(terms):
    seal = TermSeal(KEY)
    text = seal.seal(terms, 5)
    assert seal.open(text, 5) == terms
    assert seal.open(text, 6) is None
    assert TermSeal("cd" * 32).open(text, 5) is None
    assert all(character.isalnum() or character in "-_" for character in text)


@given(st.text(max_size=60))
def test_what_was_not_sealed_here_opens_to_nothing(text):
    assert TermSeal(KEY).open(text, 5) is None


def test_a_changed_seal_opens_to_nothing():
    seal = TermSeal(KEY)
    text = seal.seal({"name": "陈"}, 5)
    for position in range(len(text)):
        changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        assert seal.open(changed, 5) in (None, {"name": "陈"})  # the last character carries unused bits
    assert "陈" not in text


def test_filters_understand_or_say_what_is_wrong():
    filters = ElderView.list_filters
    good = parse_filters(
        filters,
        {
            "name": "陈", "id_number": "123x", "phone": "5678", "ages_from": "60", "ages_to": "79", "sex": "male",
            "county": "440802000000", "town": "", "unknown": "x",
        },
    )  # fmt: skip
    assert good.errors == []
    assert good.values == {
        "name": "陈", "id_number": "123x", "phone": "5678", "ages": (60, 79), "division": "440802000000",
        "sex": Sex.MALE,
    }  # fmt: skip
    bad = parse_filters(
        filters, {"name": "???", "id_number": "12", "phone": "abc", "ages_from": "80", "ages_to": "60", "sex": "x"}
    )
    assert len(bad.errors) == 5 and bad.values == {}
    assert parse_filters(filters, {"town": "999999999999"}).errors
    assert parse_filters(filters, {"ages_from": "١٢"}).errors  # digits, but not ours


@pytest.mark.parametrize("text", ["1234", "123X", "440802194503121239", "44080219450312123x", "440802450312123"])
def test_an_id_number_is_looked_for_whole_or_by_its_end(text):
    check_id_number(text)


@pytest.mark.parametrize("text", ["123", "12345", "X234", "abcd", "4408021945031212399"])
def test_anything_else_is_no_id_number(text):
    with pytest.raises(ValueError, match="身份证号"):
        check_id_number(text)


@pytest.mark.parametrize("text", ["5678", "13812345678", "138 1234 5678", "+86 13812345678", "0759-2222222"])
def test_a_phone_is_looked_for_whole_or_by_its_end(text):
    check_phone(text)


@pytest.mark.parametrize("text", ["56", "56789", "phone", "1381234567890123"])
def test_anything_else_is_no_phone(text):
    with pytest.raises(ValueError, match="电话"):
        check_phone(text)


def test_a_name_is_characters_or_letters():
    for text in ("陈", "chen", "czq", "买买提·艾力"):
        check_name(text)
    with pytest.raises(ValueError, match="姓名"):
        check_name("!!!")


def test_passwords():
    stored = hash_password("正确 horse")
    assert verify_password(stored, "正确 horse")
    assert not verify_password(stored, "wrong") and not verify_password(None, "wrong")
    assert not needs_rehash(stored)


def test_the_apps_own_hashes_are_dear():
    """The tests' hasher is cheap (`conftest.py`); the module as the app loads it is not."""
    fresh = importlib.util.find_spec(passwords.__name__)
    module = importlib.util.module_from_spec(fresh)
    fresh.loader.exec_module(module)
    assert module.hash_password("正确 horse").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert module.needs_rehash(hash_password("正确 horse"))


def test_a_cached_value_is_computed_once_while_fresh():
    cache, at, calls = TimedCache(timedelta(minutes=5), most=2), datetime(2026, 11, 1, tzinfo=BUSINESS_TIMEZONE), []

    def compute() -> int:
        calls.append(1)
        return len(calls)

    assert cache.get("a", at, compute).value == cache.get("a", at + timedelta(minutes=4), compute).value == 1
    assert cache.get("b", at, compute).value == 2
    later = cache.get("a", at + timedelta(minutes=5), compute)
    assert later.value == 3 and later.at == at + timedelta(minutes=5)


def test_greetings_by_the_hour():
    hours = {2: "夜深了", 7: "早上好", 10: "上午好", 12: "中午好", 15: "下午好", 20: "晚上好"}
    for hour, words in hours.items():
        assert greeting(datetime.combine(date(2026, 11, 1), datetime.min.time()).replace(hour=hour)) == words
