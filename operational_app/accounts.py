"""Accounts made at the machine itself: the demo's (one for each built-in role and kind of scope, all with the
installation's demo password), an installation's first administrators, and whoever cannot get in any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from huiyang.errors import HuiyangError
from huiyang.secret_store import load_secrets
from huiyang.settings import BUSINESS_TIMEZONE, Settings
from operational_app.audit.service import Act, record
from operational_app.core.row_security import ScopeSetting
from operational_app.identity import rules
from operational_app.identity.administration import new_password, set_one_time_password
from operational_app.identity.models import Account, AccountRole, Department, Role, RoleCode
from operational_app.identity.passwords import hash_password, verify_password
from operational_app.identity.scope import scope_label
from operational_app.identity.sessions import AS_IDENTITY, end_sessions
from operational_app.institutions.models import Institution, OperatingStatus
from operational_app.organizations.models import (
    Organization,
    OrganizationKind,
    OrganizationKindCode,
    OrganizationStatus,
)
from operational_app.web.database import AppDatabase

_CITY, _CHIKAN, _DEVELOPMENT_ZONE = "440800000000", "440802000000", "ZJ-JKQ"
_WHOLE_CITY = ScopeSetting(division_lo="4408", division_hi="4409", all_accounts=True)


@dataclass(frozen=True)
class DemoAccount:
    """What `huiyang up` prints."""

    username: str
    password: str
    role_label: str
    scope_label: str


@dataclass(frozen=True)
class _Wanted:
    username: str
    display_name: str
    role: RoleCode
    division_code: str | None = None
    unit_code: str | None = None


_WANTED = (
    _Wanted("city.leader", "陈海生", RoleCode.LEADER, division_code=_CITY),
    _Wanted("county.leader", "林志远", RoleCode.LEADER, division_code=_CHIKAN),
    _Wanted("zone.leader", "吴建平", RoleCode.LEADER, unit_code=_DEVELOPMENT_ZONE),
    _Wanted("data.staff", "黄秀芳", RoleCode.DATA_STAFF, division_code=_CITY),
    _Wanted("auditor", "梁国栋", RoleCode.AUDITOR, division_code=_CITY),
    _Wanted("operator", "李婉仪", RoleCode.OPERATOR, division_code=_CITY),
    _Wanted("department.manager", "刘素云", RoleCode.DEPARTMENT_MANAGER, division_code=_CHIKAN),
    _Wanted("system.admin", "周子健", RoleCode.SYSTEM_ADMINISTRATOR),
    _Wanted("security.admin", "何文彬", RoleCode.SECURITY_ADMINISTRATOR),
    _Wanted("audit.admin", "郑雅琴", RoleCode.AUDIT_ADMINISTRATOR),
)
_MANAGER = _Wanted("institution.manager", "钟丽华", RoleCode.INSTITUTION_MANAGER)
_PROVIDER = (
    _Wanted("provider.manager", "许文彦", RoleCode.PROVIDER_MANAGER),
    _Wanted("provider.staff", "谢小敏", RoleCode.PROVIDER_STAFF),
)
#: Somebody who waits to be let in (operational_app.demo).
NEWCOMER = "new.colleague"
_USERNAMES = [*(wanted.username for wanted in (*_WANTED, _MANAGER, *_PROVIDER)), NEWCOMER]


def ensure_demo_accounts(settings: Settings) -> list[DemoAccount]:
    """Makes the demo accounts and gives them the installation's demo password. Safe to run again.

    The people of an institution and of a provider appear once there is one. In an installation that
    is no demo (`HUIYANG_DEMO=false`) nothing is made, and demo accounts of an earlier time are shut.
    """
    with opened(settings) as database, database.transaction(_WHOLE_CITY) as session:
        if not settings.demo:
            _shut(session)
            return []
        password = _DemoPassword(load_secrets(settings.secrets_file)["demo_password"])
        made = [_ensure(session, wanted, password, None) for wanted in _WANTED]
        institution, provider = _some_institution(session), _some_provider(session)
        if institution is not None:
            made.append(_ensure(session, _MANAGER, password, institution))
        if provider is not None:
            made += [_ensure(session, wanted, password, provider) for wanted in _PROVIDER]
        return made


def create_account(settings: Settings, username: str, display_name: str, role_code: str) -> str:
    """An account with one role and no department; how an installation gets its administrators.

    Returns:
        the one-time password.

    Raises:
        HuiyangError: the name is taken or malformed, or there is no such role.
    """
    if rules.username_problem(username):
        raise HuiyangError(
            f"{username} is no user name.", "Use 3-32 lower-case letters, digits and . _ -, beginning with a letter."
        )
    with opened(settings) as database, database.transaction(AS_IDENTITY) as session:
        role = session.scalars(select(Role).where(Role.code == role_code)).one_or_none()
        if role is None:
            known = ", ".join(session.scalars(select(Role.code).where(Role.is_builtin).order_by(Role.id)))
            raise HuiyangError(f"There is no role {role_code}.", f"Choose one of: {known}.")
        if session.scalar(select(Account.id).where(Account.username == username)):
            raise HuiyangError(f"{username} exists.", "Choose another name, or use `huiyang account reset`.")
        password = new_password()
        account = Account(
            username=username, display_name=display_name, password_hash=hash_password(password),
            must_change_password=True,
        )  # fmt: skip
        session.add(account)
        session.flush()
        session.add(AccountRole(account_id=account.id, role_id=role.id, duty=role.duty))
        record(
            session, Act.ACCOUNT_CREATE, account_id=None, remote_address="console",
            target=("identity.account", account.id), details={"role": role_code},
        )  # fmt: skip
        return password


def reset_account(settings: Settings, username: str) -> str:
    """A one-time password for somebody who cannot get in: sessions end, lock and second factor go.

    Raises:
        HuiyangError: there is no such account.
    """
    with opened(settings) as database, database.transaction(AS_IDENTITY) as session:
        account = session.scalars(select(Account).where(Account.username == username)).one_or_none()
        if account is None:
            raise HuiyangError(f"There is no account {username}.", "Look at 账号管理 in the app for its name.")
        at, password = datetime.now(BUSINESS_TIMEZONE), new_password()
        set_one_time_password(session, account.id, password, at)
        end_sessions(session, account.id, at)
        record(
            session, Act.PASSWORD_RESET, account_id=None, remote_address="console",
            target=("identity.account", account.id),
        )  # fmt: skip
        return password


@contextmanager
def opened(settings: Settings) -> Iterator[AppDatabase]:
    """The operational database for a command, closed afterwards."""
    database = AppDatabase(settings, pool_size=1, max_overflow=0)
    try:
        yield database
    finally:
        database.close()


def demo_password_hash(settings: Settings) -> str:
    return hash_password(load_secrets(settings.secrets_file)["demo_password"])


class _DemoPassword:
    """The one password of all demo accounts, hashed and verified once: each takes a tenth of a second."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.opens = cache(partial(verify_password, password=text))
        self.hashed = cache(partial(hash_password, text))


def _ensure(
    session: Session, wanted: _Wanted, password: _DemoPassword, organization: Organization | None
) -> DemoAccount:
    account = session.scalars(select(Account).where(Account.username == wanted.username)).one_or_none()
    if account is None:
        account = Account(username=wanted.username, display_name=wanted.display_name, password_hash=password.hashed())
        session.add(account)
    elif not password.opens(account.password_hash):
        account.password_hash = password.hashed()
    account.display_name = wanted.display_name
    department = _department(session, wanted)
    account.department_id = department.id if department else None
    if account.organization_id is None and organization is not None:
        account.organization_id = organization.id
    account.is_active = True
    session.flush()
    _give_only(session, account, wanted.role)
    label = scope_label(account, department, organization.name if organization else None)
    return DemoAccount(wanted.username, password.text, wanted.role.label, label)


def _department(session: Session, wanted: _Wanted) -> Department | None:
    if wanted.unit_code:
        named = Department.unit_code == wanted.unit_code
    elif wanted.division_code:
        named = (Department.division_code == wanted.division_code) & Department.unit_code.is_(None)
    else:
        return None
    return session.scalars(select(Department).where(named, Department.is_builtin)).one()


def _give_only(session: Session, account: Account, code: RoleCode) -> None:
    """The one role that a demo account has."""
    role = session.scalars(select(Role).where(Role.code == code)).one()
    held = session.scalars(
        select(AccountRole).where(AccountRole.account_id == account.id, AccountRole.revoked_at.is_(None))
    ).all()
    for other in held:
        if other.role_id != role.id:
            other.revoked_at = datetime.now(BUSINESS_TIMEZONE)
    session.flush()
    if role.id not in {given.role_id for given in held}:
        session.add(AccountRole(account_id=account.id, role_id=role.id, duty=role.duty))


def _some_institution(session: Session) -> Organization | None:
    """The first institution that operates; the same every time."""
    return session.scalars(
        select(Organization)
        .join(Institution, Institution.organization_id == Organization.id)
        .where(Institution.operating_status == OperatingStatus.OPERATING)
        .order_by(Organization.id)
        .limit(1)
    ).first()


def _some_provider(session: Session) -> Organization | None:
    """The first provider that is active; the same every time."""
    return session.scalars(
        select(Organization)
        .join(OrganizationKind, OrganizationKind.organization_id == Organization.id)
        .where(OrganizationKind.kind == OrganizationKindCode.PROVIDER, Organization.status == OrganizationStatus.ACTIVE)
        .order_by(Organization.id)
        .limit(1)
    ).first()


def _shut(session: Session) -> None:
    shut = session.scalars(
        update(Account).where(Account.username.in_(_USERNAMES)).values(is_active=False).returning(Account.id)
    ).all()
    for account_id in shut:
        end_sessions(session, account_id, datetime.now(BUSINESS_TIMEZONE))
