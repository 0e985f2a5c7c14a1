"""Signing in and out, and who a session belongs to.

The browser holds a random token, the database its SHA-256: whoever reads the table cannot become anybody. Nothing is
cached: an ended session, a locked account, a changed role act on the next request.
Lock-out and idle time-out: GB/T 22239-2019, 8.1.4.1.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from operational_app.audit.service import Act, Outcome, record
from operational_app.core.row_security import ScopeSetting, set_scope
from operational_app.identity.access import Resource, may_open
from operational_app.identity.models import Account, RoleCode, SignInSession
from operational_app.identity.passwords import hash_password, needs_rehash, verify_password
from operational_app.identity.scope import scope_label, scope_of
from operational_app.organizations.models import Organization
from operational_app.web.database import AppDatabase

MAX_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
IDLE_FOR = timedelta(minutes=30)
LASTS_FOR = timedelta(hours=12)
#: How exactly the last use is noted; a page's many requests write once.
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Actor:
    """Who works: the account behind a valid session, as it is now."""

    account_id: int
    username: str
    display_name: str
    role: RoleCode
    scope: ScopeSetting
    scope_label: str
    session_id: int

    def may(self, resource: Resource) -> bool:
        return may_open(self.role, resource)


def find_actor(session: Session, token: str, now: datetime, *, in_use: bool = True) -> Actor | None:
    """Whoever holds this token, or None: no such session, ended, idle for too long, too old, account shut.

    Args:
        in_use: the request is a person's doing, so that the idle time starts anew; false for a page's own polling.
    """
    row = session.execute(
        select(SignInSession, Account)
        .join(Account, Account.id == SignInSession.account_id)
        .where(
            SignInSession.token_sha256 == _digest(token),
            SignInSession.ended_at.is_(None),
            SignInSession.last_seen_at > now - IDLE_FOR,
            SignInSession.started_at > now - LASTS_FOR,
            Account.is_active,
        )
    ).one_or_none()
    if row is None:
        return None
    sign_in, account = row
    if in_use and sign_in.last_seen_at < now - _NOTED_EVERY:
        session.execute(update(SignInSession).where(SignInSession.id == sign_in.id).values(last_seen_at=now))
    scope = scope_of(account)
    organization_name = None
    if scope.organization_id is not None:
        set_scope(session, scope)
        organization_name = session.scalar(select(Organization.name).where(Organization.id == scope.organization_id))
    return Actor(
        account_id=account.id,
        username=account.username,
        display_name=account.display_name,
        role=account.role,
        scope=scope,
        scope_label=scope_label(account, organization_name),
        session_id=sign_in.id,
    )


def sign_in(
    database: AppDatabase, username: str, password: str, now: datetime, remote_address: str | None
) -> str | None:
    """Checks name and password and starts a session.

    An attempt is counted before its password is looked at, so that many at once get no more than the allowed number.
    The caller tells the user one thing for every failure: a stranger learns neither names nor locks.

    Returns:
        The session's token, for the cookie; None if refused.
    """
    with database.transaction() as session:
        attempt = _count_attempt(session, username, now)
    is_right = verify_password(attempt.password_hash if attempt else None, password)
    with database.transaction() as session:
        if attempt is None or not is_right:
            account_id = session.scalar(select(Account.id).where(Account.username == username))
            record(
                session, Act.SIGN_IN, account_id=account_id, remote_address=remote_address, outcome=Outcome.FAILURE,
                details={"locked": attempt is None and account_id is not None},
            )  # fmt: skip
            return None
        values: dict[str, object] = {"failed_sign_ins": 0, "locked_until": None}
        if needs_rehash(attempt.password_hash):
            values["password_hash"] = hash_password(password)
        session.execute(update(Account).where(Account.id == attempt.account_id).values(values))
        token = secrets.token_urlsafe(32)
        session.add(
            SignInSession(
                account_id=attempt.account_id, token_sha256=_digest(token), started_at=now, last_seen_at=now,
                remote_address=remote_address,
            )
        )  # fmt: skip
        record(session, Act.SIGN_IN, account_id=attempt.account_id, remote_address=remote_address)
        return token


def sign_out(session: Session, actor: Actor, now: datetime, remote_address: str | None) -> None:
    """Ends the actor's session."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.id == actor.session_id, SignInSession.ended_at.is_(None))
        .values(ended_at=now)
    )
    record(session, Act.SIGN_OUT, account_id=actor.account_id, remote_address=remote_address)


def end_sessions(session: Session, account_id: int, now: datetime) -> None:
    """Ends every session of an account; acts on the next request of each."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.account_id == account_id, SignInSession.ended_at.is_(None))
        .values(ended_at=now)
    )


@dataclass(frozen=True)
class _Attempt:
    account_id: int
    password_hash: str


def _count_attempt(session: Session, username: str, now: datetime) -> _Attempt | None:
    """Counts an attempt as failed until it succeeds; None for an unknown, shut or locked account."""
    failures = case((Account.locked_until.is_not(None), 1), else_=Account.failed_sign_ins + 1)
    row = session.execute(
        update(Account)
        .where(
            Account.username == username,
            Account.is_active,
            func.coalesce(Account.locked_until, now) <= now,
        )
        .values(
            failed_sign_ins=failures,
            locked_until=case((failures >= MAX_FAILURES, now + LOCKED_FOR), else_=None),
        )
        .returning(Account.id, Account.password_hash)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return _Attempt(*row) if row else None


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
