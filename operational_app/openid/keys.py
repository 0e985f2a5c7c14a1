"""The keys that sign ID tokens: secrets `openid_key_<n>`, the highest number signs, all are published.

`python -m operational_app.openid.keys rotate` makes a new one and keeps the one before it, so that what was signed
until now can still be checked; it acts on the next request, without a restart.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path

from joserfc.jwk import RSAKey

from huiyang.errors import HuiyangError
from huiyang.secret_store import KEY_PAIRS, load_secrets, new_key_pair, write_secrets
from huiyang.settings import get_settings

_PREFIX = "openid_key_"
_NAME = re.compile(rf"{_PREFIX}[0-9]+")
_PUBLISHED = 2


def signing_keys(secrets_file: Path) -> tuple[RSAKey, ...]:
    """The installation's keys with their ids (RFC 7638 thumbprints), newest first; the first one signs."""
    return _read(secrets_file, secrets_file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(secrets_file: Path, _changed_at: int) -> tuple[RSAKey, ...]:
    secrets = load_secrets(secrets_file)
    keys = []
    for name in _names(secrets):
        key = RSAKey.import_key(secrets[name], {"use": "sig", "alg": "RS256"})
        key.ensure_kid()
        keys.append(key)
    if not keys:
        raise HuiyangError(f"{secrets_file} holds no openid_key_1.", "Run `make up`: it makes what is missing.")
    return tuple(keys)


def _names(secrets: dict[str, str]) -> list[str]:
    """Names of the keys, newest first."""
    return sorted(filter(_NAME.fullmatch, secrets), key=_number, reverse=True)


def _number(name: str) -> int:
    return int(name.removeprefix(_PREFIX))


def rotate(secrets_file: Path) -> None:
    """A new key signs from now on; the one before it stays published, older ones go."""
    secrets = load_secrets(secrets_file)
    names = _names(secrets)
    newest = f"{_PREFIX}{_number(names[0]) + 1}"
    secrets[newest] = new_key_pair(KEY_PAIRS[_PREFIX])
    for name in names[_PUBLISHED - 1 :]:
        del secrets[name]
    write_secrets(secrets_file, secrets)


if __name__ == "__main__":
    if sys.argv[1:] != ["rotate"]:
        sys.exit("usage: python -m operational_app.openid.keys rotate")
    rotate(get_settings().secrets_file)
