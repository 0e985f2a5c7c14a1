"""Search terms that are personal data, carried in an address without being readable there.

Names, ID numbers and phones must not stand in URLs, which end up in histories and logs. They are sealed (SM4-GCM)
into a text that only this installation opens, and only for the session that made it.
"""

from __future__ import annotations

import base64
import binascii
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

_NONCE_BYTES = 12
_TAG_BYTES = 16


class TermSeal:
    """Seals and opens search terms under a key derived from the secret `app_session`."""

    def __init__(self, key: str) -> None:
        mac = HMAC(bytes.fromhex(key), SM3())
        mac.update(b"search terms")
        self._cipher = algorithms.SM4(mac.finalize()[:16])

    def seal(self, terms: dict[str, str], session_id: int) -> str:
        """Text of `A-Za-z0-9_-` for an address."""
        nonce = os.urandom(_NONCE_BYTES)
        encryptor = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(str(session_id).encode())
        sealed = encryptor.update(json.dumps(terms).encode()) + encryptor.finalize()
        return base64.urlsafe_b64encode(nonce + sealed + encryptor.tag).rstrip(b"=").decode()

    def open(self, text: str, session_id: int) -> dict[str, str] | None:
        """The terms; None for a text that was changed or made in another session."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if len(raw) <= _NONCE_BYTES + _TAG_BYTES:
                return None
            decryptor = Cipher(self._cipher, modes.GCM(raw[:_NONCE_BYTES])).decryptor()
            decryptor.authenticate_additional_data(str(session_id).encode())
            plain = decryptor.update(raw[_NONCE_BYTES:-_TAG_BYTES])
            terms: dict[str, str] = json.loads(plain + decryptor.finalize_with_tag(raw[-_TAG_BYTES:]))
        except (binascii.Error, ValueError, InvalidTag):
            return None
        return terms
