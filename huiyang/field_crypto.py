"""Encryption of single fields, and the blind indexes that find them again.

A stored value is `key id (1 byte) | nonce (12) | SM4-GCM ciphertext | tag (16)`. Its associated data is a context that
the caller gives, `table.column:row_key`, so a value copied to another row or column does not decrypt. A blind index is
HMAC-SM3 over the normalised value under a key of its own purpose: equal values in one purpose have equal indexes,
values in different purposes cannot be compared.

Rotation: add `field_key_2` to the secrets; from then on `encrypt` uses it, `decrypt` reads the key id of the value.
A new `index_key_2` changes every index: rewrite all index columns before lookups use it again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

from huiyang.errors import HuiyangError
from huiyang.identifiers import normalise_phone, upgrade_id_number
from huiyang.secret_store import load_secrets
from huiyang.settings import Settings, get_settings

_NONCE_BYTES = 12
_TAG_BYTES = 16


class IndexPurpose(StrEnum):
    """What a blind index is looked up by; separates the keys."""

    ID_NUMBER = "id_number"
    ID_NUMBER_TAIL4 = "id_number_tail4"
    PHONE = "phone"
    PHONE_TAIL4 = "phone_tail4"


class KeyProvider(Protocol):
    """Where keys come from: the installation's secrets file, or a vault."""

    def field_keys(self) -> Mapping[int, bytes]:
        """SM4 keys (16 bytes) by key id, 1–255. The highest id encrypts, all decrypt."""

    def index_key(self) -> bytes:
        """The HMAC-SM3 key of the blind indexes."""


@dataclass(frozen=True)
class SecretStoreKeys:
    """Reads `field_key_<n>` and the newest `index_key_<n>` of `huiyang.secret_store`."""

    secrets_file: Path

    def field_keys(self) -> dict[int, bytes]:
        return self._numbered("field_key_")

    def index_key(self) -> bytes:
        return max(self._numbered("index_key_").items())[1]

    def _numbered(self, prefix: str) -> dict[int, bytes]:
        found = {
            int(name.removeprefix(prefix)): bytes.fromhex(value)
            for name, value in load_secrets(self.secrets_file).items()
            if re.fullmatch(rf"{prefix}[0-9]+", name)
        }
        if not found:
            raise HuiyangError(f"{self.secrets_file} holds no {prefix}1.", "Restore the secrets file from the backup.")
        return found


class FieldCrypto:
    """Encrypts fields and makes their blind indexes, with the keys of one provider.

    Random 96-bit nonces are safe up to 2^32 values per key (NIST SP 800-38D, 8.3); a city holds some 10^7.
    """

    def __init__(self, keys: KeyProvider) -> None:
        """Reads the provider's keys once.

        Raises:
            HuiyangError: a key id is not 1–255 or a key is not 16 bytes long.
        """
        self._ciphers: dict[int, algorithms.SM4] = {}
        for key_id, key in keys.field_keys().items():
            if not 1 <= key_id <= 255 or len(key) != 16:
                raise HuiyangError(
                    f"Field key {key_id} is not usable: an id is 1 to 255, an SM4 key has 16 bytes.",
                    "Correct field_key_<n> in the secrets.",
                )
            self._ciphers[key_id] = algorithms.SM4(key)
        self._newest = max(self._ciphers)
        index_key = keys.index_key()
        self._index_macs = {
            purpose: HMAC(_hmac(HMAC(index_key, SM3()), f"blind index {purpose.value}"), SM3())
            for purpose in IndexPurpose
        }

    def encrypt(self, text: str, context: str) -> bytes:
        """The value to store, under the newest key.

        Args:
            context: `table.column:row_key`; `decrypt` needs the same.
        """
        return self._encrypt(text, context, os.urandom(_NONCE_BYTES))

    def encrypt_many(self, texts: Sequence[str | None], contexts: Sequence[str]) -> list[bytes | None]:
        """`encrypt` of a column; None stays None. `contexts` is as long as `texts`."""
        nonces = os.urandom(_NONCE_BYTES * len(texts))
        return [
            None if text is None else self._encrypt(text, context, nonces[start : start + _NONCE_BYTES])
            for text, context, start in zip(
                texts, contexts, range(0, _NONCE_BYTES * len(texts), _NONCE_BYTES), strict=True
            )
        ]

    def _encrypt(self, text: str, context: str, nonce: bytes) -> bytes:
        encryptor = Cipher(self._ciphers[self._newest], modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(context.encode())
        ciphertext = encryptor.update(text.encode()) + encryptor.finalize()
        return bytes([self._newest]) + nonce + ciphertext + encryptor.tag

    def decrypt(self, value: bytes, context: str) -> str:
        """The text of a stored value, under the key that it names.

        Raises:
            HuiyangError: its key is unknown, or the value was changed or belongs to another row or column.
        """
        value = bytes(value)
        cipher = self._ciphers.get(value[0]) if len(value) > _NONCE_BYTES + _TAG_BYTES else None
        if cipher is None:
            raise HuiyangError(
                f"A value of {context.partition(':')[0]} was encrypted with a key that is not here.",
                "Restore that field_key_<n> in the secrets from the backup.",
            )
        nonce = value[1 : 1 + _NONCE_BYTES]
        decryptor = Cipher(cipher, modes.GCM(nonce)).decryptor()
        decryptor.authenticate_additional_data(context.encode())
        try:
            plain = decryptor.update(value[1 + _NONCE_BYTES : -_TAG_BYTES])
            plain += decryptor.finalize_with_tag(value[-_TAG_BYTES:])
        except InvalidTag as error:
            raise HuiyangError(
                f"A value of {context.partition(':')[0]} does not belong to its row or was changed outside the app.",
                "Restore the row from the backup and look into the audit log.",
            ) from error
        return plain.decode()

    def decrypt_many(self, values: Sequence[bytes | None], contexts: Sequence[str]) -> list[str | None]:
        """`decrypt` of a column; None stays None."""
        return [
            None if value is None else self.decrypt(value, context)
            for value, context in zip(values, contexts, strict=True)
        ]

    def blind_index(self, text: str | None, purpose: IndexPurpose) -> bytes | None:
        """32 bytes to store beside the encrypted value and to look it up by; None where there is nothing to index.

        Stored and typed forms meet: a 15-digit ID number is upgraded, a phone loses country prefix and punctuation.
        For a `*_TAIL4` purpose the text is the whole number or its last four characters.
        """
        normalised = _index_text(text, purpose)
        return _hmac(self._index_macs[purpose], normalised) if normalised else None

    def blind_index_many(self, texts: Sequence[str | None], purpose: IndexPurpose) -> list[bytes | None]:
        """`blind_index` of a column."""
        return [self.blind_index(text, purpose) for text in texts]


@cache
def _field_crypto_of(secrets_file: Path) -> FieldCrypto:
    return FieldCrypto(SecretStoreKeys(secrets_file))


def get_field_crypto(settings: Settings | None = None) -> FieldCrypto:
    """The installation's FieldCrypto, made once a process; a rotated key needs a restart."""
    return _field_crypto_of((settings or get_settings()).secrets_file)


def row_context(table: str, column: str, row_id: int) -> str:
    """The context of a stored field: `elders.elder.phone_cipher:17` for ("elders.elder", "phone_cipher", 17)."""
    return f"{table}.{column}:{row_id}"


def _index_text(text: str | None, purpose: IndexPurpose) -> str:
    if not text:
        return ""
    if purpose in (IndexPurpose.ID_NUMBER, IndexPurpose.ID_NUMBER_TAIL4):
        normalised = upgrade_id_number(text)
    else:
        normalised = normalise_phone(text)
    if purpose in (IndexPurpose.ID_NUMBER, IndexPurpose.PHONE):
        return normalised
    return normalised[-4:] if len(normalised) >= 4 else ""


def _hmac(mac: HMAC, text: str) -> bytes:
    mac = mac.copy()
    mac.update(text.encode())
    return mac.finalize()
