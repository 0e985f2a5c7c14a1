"""The second factor: one-time codes by time (TOTP, RFC 6238), required of administrators (GB/T 22239-2019, 8.1.4.1 d).

The secret is encrypted in the account's row. A code counts once, and so do older ones: the last accepted time step is
kept, and the database lets it only grow.
"""

from __future__ import annotations

import re
from datetime import datetime

import pyotp
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from huiyang.field_crypto import FieldCrypto, row_context
from operational_app.identity.models import Account

ISSUER = "湛江慧养"
_STEP_SECONDS = 30
#: Clocks of phones differ; RFC 6238, 5.2 recommends one step at most.
_STEPS_OFF = 1
_CODE = re.compile(r"\d{6}")
_TABLE, _COLUMN = "identity.account", "totp_cipher"


def new_secret() -> str:
    """160 random bits in base32 (RFC 4226, 4)."""
    return pyotp.random_base32()


def enrolment_uri(secret: str, username: str) -> str:
    """What the QR code for an authenticator app says."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def matching_step(secret: str, code: str, at: datetime, last_step: int | None) -> int | None:
    """The time step whose code this is, newer than `last_step`; None if it is none of those near `at`."""
    code = code.replace(" ", "")
    if not _CODE.fullmatch(code):
        return None
    now = int(at.timestamp()) // _STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for step in range(now - _STEPS_OFF, now + _STEPS_OFF + 1):
        if pyotp.utils.strings_equal(totp.at(step * _STEP_SECONDS), code) and (last_step is None or step > last_step):
            return step
    return None


def seal(crypto: FieldCrypto, account_id: int, secret: str) -> bytes:
    return crypto.encrypt(secret, row_context(_TABLE, _COLUMN, account_id))


def accept(
    session: Session, crypto: FieldCrypto, account: Account, code: str, at: datetime, *, confirms: bool = False
) -> bool:
    """Whether the code is right for this account now; if so, it and all before it are used up.

    Args:
        confirms: the first code after enrolment, which makes the factor count.
    """
    if account.totp_cipher is None:
        return False
    secret = crypto.decrypt(account.totp_cipher, row_context(_TABLE, _COLUMN, account.id))
    step = matching_step(secret, code, at, account.totp_last_step)
    if step is None:
        return False
    values: dict[str, object] = {"totp_last_step": step}
    if confirms:
        values["totp_confirmed_at"] = at
    taken = session.execute(
        update(Account)
        .where(Account.id == account.id, func.coalesce(Account.totp_last_step, -1) < step)
        .values(values)
        .returning(Account.id)
        .execution_options(synchronize_session=False)
    ).all()
    return bool(taken)
