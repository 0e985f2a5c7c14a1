"""Signing in and out, and who a session belongs to.

The browser holds a random token, the database its SHA-256: whoever reads the table cannot become anybody. Nothing is
cached: an ended session, a locked account, a changed role act on the next request.
Lock-out and idle time-out: GB/T 22239-2019, 8.1.4.1.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, case, func, or_, select, true, update
from sqlalchemy.orm import Session

from huiyang.field_crypto import FieldCrypto
from operational_app.audit.service import Act, Outcome, record
from operational_app.core.row_security import ScopeSetting, set_scope
from operational_app.identity import second_factor
from operational_app.identity.access import Resource
from operational_app.identity.models import (
    Account,
    AccountRole,
    Department,
    Duty,
    ResourceKind,
    ResourceNode,
    Role,
    RoleResource,
    SignInAttempt,
    SignInSession,
    UserGroup,
    UserGroupMember,
    UserGroupRole,
)
from operational_app.identity.passwords import hash_password, needs_rehash, verify_password
from operational_app.identity.scope import scope_label, scope_of
from operational_app.organizations.models import Organization
from operational_app.web.database import AppDatabase
from operational_app.web.formats import minute

MAX_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
IDLE_FOR = timedelta(minutes=30)
LASTS_FOR = timedelta(hours=12)
#: How exactly the last use is noted; a page's many requests write once.
_NOTED_EVERY = timedelta(minutes=1)


#: Work on accounts as such, before anybody is known.
AS_IDENTITY = ScopeSetting(all_accounts=True)
#: Whose office is every account, wherever its people sit.
_ACCOUNT_DUTIES = {Duty.SYSTEM, Duty.SECURITY}
_LONGEST_BROWSER = 200
#: What a right proof sets back.
UNLOCKED: Mapping[str, object] = {"failed_sign_ins": 0, "locked_until": None}


@dataclass(frozen=True)
class HeldRole:
    role_id: int
    code: str
    name: str
    duty: Duty


@dataclass(frozen=True)
class HeldResource:
    """A resource that the actor may open, as the installation names it.

    Attributes:
        url, icon: None for a right without a place in the menu.
    """

    code: str
    kind: ResourceKind
    label: str
    description: str
    url: str | None
    icon: str | None
    is_shown: bool


@dataclass(frozen=True)
class Actor:
    """Who works: the account behind a valid session, as it is now.

    Attributes:
        resources: in the menu's order.
        must_change_password: nothing but the own account is open until it is done.
    """

    account_id: int
    username: str
    display_name: str
    roles: tuple[HeldRole, ...]
    resources: tuple[HeldResource, ...]
    scope: ScopeSetting
    scope_label: str
    session_id: int
    must_change_password: bool
    has_second_factor: bool

    def may(self, resource: str) -> bool:
        return any(held.code == resource for held in self.resources)

    @property
    def role_label(self) -> str:
        return "、".join(role.name for role in self.roles) or "未授予角色"

    @property
    def duty(self) -> Duty:
        return next((role.duty for role in self.roles if role.duty is not Duty.BUSINESS), Duty.BUSINESS)


def find_actor(session: Session, token: str, now: datetime, *, in_use: bool = True) -> Actor | None:
    """Whoever holds this token, or None: no such session, ended, idle for too long, too old, account shut.

    Args:
        session: under AS_IDENTITY.
        in_use: the request is a person's doing, so that the idle time starts anew; false for a page's own polling.
    """
    is_its = SignInSession.token_sha256 == _digest(token)
    actor = _find_actor(session, is_its, now, in_use=in_use)
    if actor is None:
        _expire(session, is_its, now)
    return actor


def _expire(session: Session, which: ColumnElement[bool], now: datetime) -> None:
    """Ends those of the sessions that were idle for too long or are too old, each with an event of its own.

    Noted when the browser, or the same person, comes again, and else by the next `end_expired_sessions`.
    """
    end = func.least(SignInSession.last_seen_at + IDLE_FOR, SignInSession.started_at + LASTS_FOR)
    ended = session.execute(
        update(SignInSession)
        .where(which, SignInSession.ended_at.is_(None), end <= now)
        .values(ended_at=end)
        .returning(SignInSession.id, SignInSession.account_id, SignInSession.ended_at)
        .execution_options(synchronize_session=False)
    )
    for key, account_id, at in ended.all():
        record(
            session, Act.SESSION_EXPIRE, account_id=account_id, remote_address=None,
            target=("identity.sign_in_session", key), details={"ended": f"{minute(at)}"},
        )  # fmt: skip


def end_expired_sessions(database: AppDatabase, now: datetime) -> None:
    """Notes the end of all sessions whose time is over, those to which nobody comes back too."""
    with database.transaction(AS_IDENTITY) as session:
        _expire(session, true(), now)


def find_actor_of_session(session: Session, session_id: int, now: datetime) -> Actor | None:
    """Whose sign-in session it is, as `find_actor`; looking does not prolong it.

    Args:
        session: under AS_IDENTITY, or under the scope of the session's own account.
    """
    return _find_actor(session, SignInSession.id == session_id, now, in_use=False)


def _find_actor(session: Session, which: ColumnElement[bool], now: datetime, *, in_use: bool) -> Actor | None:
    row = session.execute(
        select(SignInSession, Account, Department)
        .join(Account, Account.id == SignInSession.account_id)
        .outerjoin(Department, Department.id == Account.department_id)
        .where(
            which,
            SignInSession.ended_at.is_(None),
            SignInSession.last_seen_at > now - IDLE_FOR,
            SignInSession.started_at > now - LASTS_FOR,
            Account.is_active,
        )
    ).one_or_none()
    if row is None:
        return None
    sign_in, account, department = row
    if in_use and sign_in.last_seen_at < now - _NOTED_EVERY:
        session.execute(update(SignInSession).where(SignInSession.id == sign_in.id).values(last_seen_at=now))
    roles = roles_of(session, account.id)
    resources = _resources_of(session, roles)
    all_accounts = any(role.duty in _ACCOUNT_DUTIES for role in roles)
    scope = scope_of(account, department, all_accounts=all_accounts)
    organization_name = None
    if scope.organization_id is not None:
        set_scope(session, scope)
        organization_name = session.scalar(select(Organization.name).where(Organization.id == scope.organization_id))
    return Actor(
        account_id=account.id,
        username=account.username,
        display_name=account.display_name,
        roles=roles,
        resources=resources,
        scope=scope,
        scope_label=scope_label(account, department, organization_name),
        session_id=sign_in.id,
        must_change_password=account.must_change_password,
        has_second_factor=account.totp_confirmed_at is not None,
    )


def roles_of(session: Session, account_id: int) -> tuple[HeldRole, ...]:
    """The roles that a person has now, given to them or to a group of theirs.

    Groups give business roles only, and nothing to whoever administers: the duties stay apart whatever the tables say.
    """
    own = select(AccountRole.role_id).where(AccountRole.account_id == account_id, AccountRole.revoked_at.is_(None))
    by_group = (
        select(UserGroupRole.role_id)
        .join(UserGroup, UserGroup.id == UserGroupRole.group_id)
        .join(UserGroupMember, UserGroupMember.group_id == UserGroup.id)
        .where(
            UserGroupMember.account_id == account_id,
            UserGroupMember.left_at.is_(None),
            UserGroupRole.is_held,
            UserGroup.is_active,
        )
    )
    rows = session.execute(
        select(Role.id, Role.code, Role.name, Role.duty)
        .where(Role.is_active, or_(Role.id.in_(own), Role.id.in_(by_group)))
        .order_by(Role.id)
    )
    roles = tuple(HeldRole(*row) for row in rows)
    administers = tuple(role for role in roles if role.duty is not Duty.BUSINESS)
    return administers or roles


def _resources_of(session: Session, roles: tuple[HeldRole, ...]) -> tuple[HeldResource, ...]:
    """What the roles open; the workbench is everybody's."""
    held = select(RoleResource.resource_code).where(
        RoleResource.role_id.in_([role.role_id for role in roles]), RoleResource.is_held
    )
    rows = session.execute(
        select(
            ResourceNode.code, ResourceNode.kind, ResourceNode.label, ResourceNode.description, ResourceNode.url,
            ResourceNode.icon, ResourceNode.is_shown,
        )
        .where(or_(ResourceNode.code == Resource.WORKBENCH, ResourceNode.code.in_(held)))
        .order_by(ResourceNode.position, ResourceNode.id)
    )  # fmt: skip
    return tuple(HeldResource(*row) for row in rows)


def sign_in(
    database: AppDatabase,
    username: str,
    password: str,
    now: datetime,
    remote_address: str | None,
    browser: str | None = None,
    *,
    code: str = "",
    crypto: FieldCrypto | None = None,
) -> str | None:
    """Checks name and password and starts a session.

    An attempt is counted before its password is looked at, so that many at once get no more than the allowed number.
    The caller tells the user one thing for every failure: a stranger learns neither names nor locks.

    Args:
        code: of the second factor, for an account that has one; `crypto` opens its secret.

    Returns:
        The session's token, for the cookie; None if refused.
    """
    browser = browser[:_LONGEST_BROWSER] if browser else None
    with database.transaction(AS_IDENTITY) as session:
        attempt = count_attempt(session, username, now)
    is_right = verify_password(attempt.password_hash if attempt else None, password)
    with database.transaction(AS_IDENTITY) as session:
        if attempt is not None and is_right:
            is_right = _second_factor_is_right(session, attempt.account_id, code, crypto, now)
        if attempt is None or not is_right:
            account_id = session.scalar(select(Account.id).where(Account.username == username))
            if account_id is not None:
                session.add(
                    SignInAttempt(
                        account_id=account_id, outcome=Outcome.FAILURE, remote_address=remote_address, browser=browser
                    )
                )
            record(
                session, Act.SIGN_IN, account_id=account_id, remote_address=remote_address, outcome=Outcome.FAILURE,
                details={"locked": attempt is None and account_id is not None},
            )  # fmt: skip
            if attempt is not None and attempt.locks:
                record_lock(session, attempt, remote_address)
            return None
        values: dict[str, object] = dict(UNLOCKED)
        if needs_rehash(attempt.password_hash):
            values["password_hash"] = hash_password(password)
        session.execute(update(Account).where(Account.id == attempt.account_id).values(values))
        return start_session(session, attempt.account_id, now, remote_address, browser)


def start_session(
    session: Session, account_id: int, now: datetime, remote_address: str | None, browser: str | None, **how: object
) -> str:
    """Signs somebody in whose identity is proven.

    Args:
        session: under AS_IDENTITY.
        how: what the audit trail says of the proof, where it is not the password.

    Returns:
        The session's token, for the cookie.
    """
    _expire(session, SignInSession.account_id == account_id, now)
    token = secrets.token_urlsafe(32)
    browser = browser[:_LONGEST_BROWSER] if browser else None
    session.add(
        SignInSession(
            account_id=account_id, token_sha256=_digest(token), started_at=now, last_seen_at=now,
            remote_address=remote_address, browser=browser,
        )
    )  # fmt: skip
    session.add(
        SignInAttempt(account_id=account_id, outcome=Outcome.SUCCESS, remote_address=remote_address, browser=browser)
    )
    record(session, Act.SIGN_IN, account_id=account_id, remote_address=remote_address, details=how)
    return token


def sign_out(session: Session, actor: Actor, now: datetime, remote_address: str | None) -> None:
    """Ends the actor's session."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.id == actor.session_id, SignInSession.ended_at.is_(None))
        .values(ended_at=now)
    )
    record(session, Act.SIGN_OUT, account_id=actor.account_id, remote_address=remote_address)


def end_sessions(session: Session, account_id: int, now: datetime, *, but: int | None = None) -> None:
    """Ends every session of an account, except `but`; acts on the next request of each."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.account_id == account_id, SignInSession.ended_at.is_(None), SignInSession.id != (but or 0))
        .values(ended_at=now)
    )


def _second_factor_is_right(
    session: Session, account_id: int, code: str, crypto: FieldCrypto | None, now: datetime
) -> bool:
    account = session.get_one(Account, account_id)
    if account.totp_confirmed_at is None:
        return True
    return crypto is not None and second_factor.accept(session, crypto, account, code, now)


@dataclass(frozen=True)
class Attempt:
    """
    Attributes:
        locks: the account is locked unless this attempt succeeds.
    """

    account_id: int
    password_hash: str
    locks: bool


def record_lock(session: Session, attempt: Attempt, remote_address: str | None) -> None:
    """Notes that a failed attempt locked the account."""
    record(
        session, Act.ACCOUNT_LOCK, account_id=attempt.account_id, remote_address=remote_address,
        target=("identity.account", attempt.account_id), details={"minutes": LOCKED_FOR // timedelta(minutes=1)},
    )  # fmt: skip


def count_attempt(session: Session, username: str, now: datetime) -> Attempt | None:
    """Counts an attempt as failed until it succeeds; None for an unknown, shut or locked account.

    Args:
        session: under AS_IDENTITY; commit it before the proof is looked at.
    """
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
        .returning(Account.id, Account.password_hash, Account.locked_until.is_not(None))
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return Attempt(*row) if row else None


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
