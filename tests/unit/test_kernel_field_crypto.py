"""Field encryption and blind indexes: vectors of the standards, binding to the row, rotation, purposes apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3, Hash
from hypothesis import given
from hypothesis import strategies as st

from huiyang.errors import HuiyangError
from huiyang.field_crypto import FieldCrypto, IndexPurpose, SecretStoreKeys, get_field_crypto
from huiyang.secret_store import ensure_secrets
from huiyang.settings import Settings

ROW = "elders.elder.id_number:17"
NUMBER = "11010519491231002X"


class Keys:
    def __init__(self, field_keys: dict[int, bytes], index_key: bytes = b"i" * 32) -> None:
        self._field_keys = field_keys
        self._index_key = index_key

    def field_keys(self) -> dict[int, bytes]:
        return self._field_keys

    def index_key(self) -> bytes:
        return self._index_key


CRYPTO = FieldCrypto(Keys({1: b"1" * 16}))


def test_library_computes_the_standards_vectors():
    """GB/T 32905 (SM3), GB/T 32907 (SM4), RFC 8998 appendix A.1 (SM4-GCM)."""
    sm3 = Hash(SM3())
    sm3.update(b"abc")
    assert sm3.finalize().hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    encryptor = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()
    assert (encryptor.update(key) + encryptor.finalize()).hex() == "681edf34d206965e86b3e94f536e4246"
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(bytes.fromhex("00001234567800000000abcd"))).encryptor()
    encryptor.authenticate_additional_data(bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
    plain = b"".join(bytes([b]) * 8 for b in (0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0xEE, 0xAA))
    assert (encryptor.update(plain) + encryptor.finalize()).hex().startswith("17f399f08c67d5ee19d0dc9969c4bb7d")
    assert encryptor.tag.hex() == "83de3541e4c2b58177e065a9bf7b62ec"


@given(st.text(), st.text())
def test_round_trip(text: str, context: str):
    value = CRYPTO.encrypt(text, context)
    assert CRYPTO.decrypt(value, context) == text
    assert len(value) == 29 + len(text.encode())


@given(st.lists(st.none() | st.text(), max_size=20))
def test_columns_agree_with_scalars(texts: list[str | None]):
    contexts = [f"t.c:{row}" for row in range(len(texts))]
    values = CRYPTO.encrypt_many(texts, contexts)
    assert [None if v is None else CRYPTO.decrypt(v, c) for v, c in zip(values, contexts, strict=True)] == texts
    assert CRYPTO.decrypt_many(values, contexts) == texts
    for purpose in IndexPurpose:
        assert CRYPTO.blind_index_many(texts, purpose) == [CRYPTO.blind_index(t, purpose) for t in texts]


def test_equal_texts_encrypt_differently():
    values = CRYPTO.encrypt_many([NUMBER] * 1000, [ROW] * 1000)
    assert len({value[1:13] for value in values}) == 1000


def test_a_value_is_bound_to_its_row_and_column():
    value = CRYPTO.encrypt(NUMBER, ROW)
    for other in ("elders.elder.id_number:18", "elders.elder.phone:17"):
        with pytest.raises(HuiyangError, match="does not belong"):
            CRYPTO.decrypt(value, other)


@given(st.integers(0, 8 * 47 - 1))
def test_any_changed_bit_is_noticed(bit: int):
    value = bytearray(CRYPTO.encrypt(NUMBER, ROW))
    value[bit // 8] ^= 1 << bit % 8
    with pytest.raises(HuiyangError):
        CRYPTO.decrypt(bytes(value), ROW)


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01" * 28])
def test_a_cut_value_is_an_error(value: bytes):
    with pytest.raises(HuiyangError):
        CRYPTO.decrypt(value, ROW)


def test_no_error_carries_the_row_key():
    with pytest.raises(HuiyangError) as caught:
        CRYPTO.decrypt(CRYPTO.encrypt(NUMBER, ROW), "elders.elder.phone:440802")
    assert "440802" not in caught.value.problem


def test_rotation_encrypts_with_the_newest_and_reads_the_old():
    old = FieldCrypto(Keys({1: b"1" * 16}))
    both = FieldCrypto(Keys({1: b"1" * 16, 2: b"2" * 16}))
    new = FieldCrypto(Keys({2: b"2" * 16}))
    value = old.encrypt(NUMBER, ROW)
    assert both.decrypt(value, ROW) == NUMBER
    rotated = both.encrypt(both.decrypt(value, ROW), ROW)
    assert (value[0], rotated[0]) == (1, 2)
    assert new.decrypt(rotated, ROW) == NUMBER
    with pytest.raises(HuiyangError, match="not here"):
        new.decrypt(value, ROW)


@pytest.mark.parametrize("keys", [{0: b"1" * 16}, {256: b"1" * 16}, {1: b"1" * 15}])
def test_unusable_keys_are_refused(keys: dict[int, bytes]):
    with pytest.raises(HuiyangError, match="not usable"):
        FieldCrypto(Keys(keys))


def test_index_finds_typed_forms_and_separates_purposes():
    index = CRYPTO.blind_index
    assert index("110105 19491231 002x", IndexPurpose.ID_NUMBER) == index(NUMBER, IndexPurpose.ID_NUMBER)
    assert index("110105491231002", IndexPurpose.ID_NUMBER) == index(NUMBER, IndexPurpose.ID_NUMBER)
    assert index("+86 138-0013-8000", IndexPurpose.PHONE) == index("13800138000", IndexPurpose.PHONE)
    assert index("002x", IndexPurpose.ID_NUMBER_TAIL4) == index(NUMBER, IndexPurpose.ID_NUMBER_TAIL4)
    assert index("8000", IndexPurpose.PHONE_TAIL4) == index("13800138000", IndexPurpose.PHONE_TAIL4)
    assert len({index("13800138000", purpose) for purpose in IndexPurpose}) == 4
    assert FieldCrypto(Keys({1: b"1" * 16}, b"j" * 32)).blind_index(NUMBER, IndexPurpose.ID_NUMBER) != index(
        NUMBER, IndexPurpose.ID_NUMBER
    )
    assert len(index(NUMBER, IndexPurpose.ID_NUMBER)) == 32


@pytest.mark.parametrize("text", [None, "", "  "])
def test_nothing_has_no_index(text: str | None):
    assert [CRYPTO.blind_index(text, purpose) for purpose in IndexPurpose] == [None] * 4


def test_three_characters_are_no_tail():
    assert CRYPTO.blind_index("123", IndexPurpose.PHONE_TAIL4) is None


def test_keys_come_from_the_secrets_file(tmp_path: Path):
    settings = Settings(home=tmp_path)
    secrets = ensure_secrets(settings.secrets_file)
    value = get_field_crypto(settings).encrypt(NUMBER, ROW)
    settings.secrets_file.write_text(json.dumps(secrets | {"field_key_10": "ab" * 16, "field_key_2": "cd" * 16}))
    assert get_field_crypto(Settings(home=tmp_path)).decrypt(value, ROW) == NUMBER
    rotated = FieldCrypto(SecretStoreKeys(settings.secrets_file))
    assert rotated.encrypt(NUMBER, ROW)[0] == 10  # by number, not by text
    assert rotated.decrypt(value, ROW) == NUMBER
    del secrets["index_key_1"]
    settings.secrets_file.write_text(json.dumps(secrets))
    with pytest.raises(HuiyangError, match="index_key_1"):
        FieldCrypto(SecretStoreKeys(settings.secrets_file))
