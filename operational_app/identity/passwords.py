"""Password hashes: argon2id, RFC 9106's second recommended parameters (64 MiB, 3 passes, 4 lanes)."""

from __future__ import annotations

import os
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher, profiles
from argon2.exceptions import VerifyMismatchError

_hasher = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
#: Each hash takes 64 MiB and a core for some 50 ms: a flood of guesses must take neither all memory nor all cores.
_slots = BoundedSemaphore(max(2, os.cpu_count() or 2))


def hash_password(password: str) -> str:
    with _slots:
        return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password is right. Without a stored hash (no such account) it takes as long and is wrong."""
    with _slots:
        try:
            _hasher.verify(stored or _nobodys_hash(), password)
        except VerifyMismatchError:
            return False
        return stored is not None


def needs_rehash(stored: str) -> bool:
    """Whether the hash was made with older parameters."""
    return _hasher.check_needs_rehash(stored)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(os.urandom(16).hex())
