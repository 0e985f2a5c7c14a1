"""Secrets of one installation: made at set-up, kept in one file of mode 0600, never logged.

A production installation may replace the file's content by values from its own vault; the names stay.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from huiyang.errors import HuiyangError

#: Every secret of an installation: name -> bytes of randomness, written as hex.
SECRETS = {
    "postgres_superuser": 24,
    "login_owner": 24,
    "login_app": 24,
    "login_loader": 24,
    "login_extract": 24,
    "login_inbox": 24,
    "login_sealer": 24,
    "login_build": 24,
    "login_cockpit": 24,
    "login_superset": 24,
    "login_dagster": 24,
    "field_key_1": 16,  # SM4, 128 bit
    "index_key_1": 32,  # HMAC-SM3
    "app_session": 32,
    "front_door": 32,  # proves to Superset and Dagster that a request came through the front door
    "superset": 42,
    "demo_password": 9,
}
#: Numbered key pairs, PKCS #8 in PEM: prefix -> bits of RSA. Rotation makes the next number and drops old ones.
#: 3072 bits serve beyond 2030 (NIST SP 800-57 part 1, table 2).
KEY_PAIRS = {"openid_key_": 3072}  # signs what other applications are told of who signed in


def ensure_secrets(path: Path) -> dict[str, str]:
    """Reads the secrets file, adding what is missing; existing values never change.

    Raises:
        HuiyangError: the file is unreadable, is not JSON, or others may read it.
    """
    existing: dict[str, str] = {}
    if path.exists():
        existing = load_secrets(path)
    missing = {name: secrets.token_hex(size) for name, size in SECRETS.items() if name not in existing}
    missing |= {
        f"{prefix}1": new_key_pair(bits)
        for prefix, bits in KEY_PAIRS.items()
        if not any(name.startswith(prefix) for name in existing)
    }
    if missing:
        write_secrets(path, existing | missing)
    return existing | missing


def new_key_pair(bits: int) -> str:
    """An RSA key pair, PKCS #8 in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def write_secrets(path: Path, values: dict[str, str]) -> None:
    """Replaces the whole file at once; only for set-up and the rotation of a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(values, handle, indent=1)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def load_secrets(path: Path) -> dict[str, str]:
    """The secrets as written by `ensure_secrets`.

    Raises:
        HuiyangError: missing, readable by others, or damaged.
    """
    if not path.exists():
        raise HuiyangError(f"This installation has no secrets file ({path}).", "Run `make up` first.")
    if path.stat().st_mode & 0o077:
        raise HuiyangError(f"{path} can be read by other users.", f"Run `chmod 600 {path}`.")
    try:
        return json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise HuiyangError(
            f"{path} is damaged: {error}.", "Restore it from the backup; new secrets cannot read existing data."
        ) from error
