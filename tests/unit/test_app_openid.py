"""What an application may register and ask, without a database."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from huiyang.errors import HuiyangError
from huiyang.secret_store import ensure_secrets, load_secrets, write_secrets
from huiyang.settings import Settings
from operational_app.openid.keys import rotate, signing_keys
from operational_app.openid.rules import (
    MOST_ADDRESSES,
    address_problem,
    addresses_problem,
    asked_age_seconds,
    is_loopback,
    role_code_problem,
)


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example/callback?x=1", "https://10.1.2.3:8443/cb", "https://[2001:db8::1]/cb",
        "http://localhost:3000/cb", "http://127.0.0.1/cb", "http://[::1]:9/cb",
    ],
)  # fmt: skip
def test_addresses_that_can_be_used(address):
    assert address_problem(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "", "callback", "//a.example/", "http://a.example/", "http://localhost.evil.example/", "https:///cb",
        "https://a.example/#", "https://u:p@a.example/", "https://a.example/\\x", "https://a.example:99999/",
        "javascript:alert(1)", "data:text/html,x", "https://*.a.example/", "https://a.example/ x", "https://例.cn/",
        "https://[::1", "app.example:/cb",
    ],
)  # fmt: skip
def test_addresses_that_cannot(address):
    assert address_problem(address)


@given(st.one_of(st.text(), st.from_regex(r"https?://[^ ]{0,20}", fullmatch=True)))
@example("https://a.example/\t")
def test_what_is_accepted_is_one_plain_address_of_a_safe_scheme(address):
    if address_problem(address) is None:
        parts = urlsplit(address)
        assert parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
        assert parts.hostname and not parts.fragment and parts.username is None and address.isascii()
        assert address == address.strip()


def test_the_number_of_addresses_is_bounded():
    addresses = [f"https://a.example/{number}" for number in range(MOST_ADDRESSES + 1)]
    assert addresses_problem(addresses[:-1]) is None
    assert "不能超过" in addresses_problem(addresses)


def test_role_codes_and_ages():
    assert role_code_problem("canteen.cook-2_a") is None
    for code in ("", "Cook", "2cook", "厨师", "a b", "a" * 41):
        assert role_code_problem(code), code
    assert asked_age_seconds(None) is None and asked_age_seconds("0") == 0
    for raw in ("", "-1", "1.5", "٣", "9" * 10):
        with pytest.raises(ValueError):
            asked_age_seconds(raw)


def test_the_told_address_names_us(tmp_path: Path):
    settings = Settings(home=tmp_path, front_door_port=8443)
    assert (settings.told_address, settings.issuer) == (None, "https://localhost:8443")
    named = settings.model_copy(update={"front_door_names": " , huiyang.example, 10.0.0.1"})
    assert named.issuer == "https://huiyang.example:8443"
    assert named.model_copy(update={"front_door_port": 443}).issuer == "https://huiyang.example"
    assert settings.model_copy(update={"front_door_names": "2001:db8::1"}).issuer == "https://[2001:db8::1]:8443"
    assert named.model_copy(update={"public_address": "https://x.example"}).issuer == "https://x.example"


def test_an_installation_without_a_key_is_told_what_to_do_and_rotation_keeps_the_other_secrets(tmp_path: Path):
    path = tmp_path / "secrets.json"
    before = ensure_secrets(path)
    first = signing_keys(path)
    assert len(first) == 1 and first[0].is_private
    rotate(path)
    newer, older = signing_keys(path)
    assert older.kid == first[0].kid != newer.kid
    after = load_secrets(path)
    assert {name: after[name] for name in before} == before and set(after) - set(before) == {"openid_key_2"}
    assert ensure_secrets(path) == after, "set-up changes nothing"
    rotate(path)
    assert set(before) - set(ensure_secrets(path)) == {"openid_key_1"}, "set-up does not make it again"
    assert [key.kid for key in signing_keys(path)][1] == newer.kid
    without = {name: value for name, value in before.items() if not name.startswith("openid")}
    write_secrets(path, without)
    with pytest.raises(HuiyangError, match="openid_key_1"):
        signing_keys(path)
