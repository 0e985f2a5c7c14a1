"""消息通知: what a person should know of, told in the transaction of the act that it tells of.

`notify` is for every area. A text says what happened and where, never about whom: it holds no name of an elder, no
number, no medical word; the page it leads to checks what its reader may see.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from huiyang.divisions import ancestors_of
from operational_app.identity.models import (
    Account,
    AccountRole,
    Department,
    Role,
    RoleResource,
    UserGroup,
    UserGroupMember,
    UserGroupRole,
)
from operational_app.workbench.models import Notification, NotificationKind

_SHOWN = 200
_ROWS_A_STATEMENT = 5_000


@dataclass(frozen=True)
class Notice:
    """What some people are to be told.

    Attributes:
        recipients: ids of accounts.
        address: path of our page about it.
        key: tells each recipient once only, however often it is told.
    """

    recipients: Collection[int]
    kind: NotificationKind
    title: str
    address: str
    key: str | None = None


def notify(
    session: Session, recipients: Collection[int], kind: NotificationKind, title: str, address: str,
    key: str | None = None,
) -> None:  # fmt: skip
    """Puts a notification into the inbox of each recipient; it stands or falls with the transaction. See Notice."""
    notify_all(session, [Notice(recipients, kind, title, address, key)])


def notify_all(session: Session, notices: Iterable[Notice]) -> None:
    """`notify` for many, as few statements."""
    values = [
        {"account_id": account_id, "kind": it.kind, "title": it.title, "address": it.address, "key": it.key}
        for it in notices
        for account_id in sorted(set(it.recipients))
    ]
    for first in range(0, len(values), _ROWS_A_STATEMENT):
        some = values[first : first + _ROWS_A_STATEMENT]
        # As the table, and without naming the constraint: the writer may read nothing back of what others are told.
        session.execute(insert(Notification.__table__).values(some).on_conflict_do_nothing())  # type: ignore[arg-type]


def unread_count(session: Session) -> int:
    """Of the signed-in user; row-level security sees to it."""
    return session.scalar(select(func.count()).where(Notification.read_at.is_(None))) or 0


def latest(session: Session) -> Sequence[Notification]:
    """The signed-in user's, newest first."""
    return session.scalars(select(Notification).order_by(Notification.id.desc()).limit(_SHOWN)).all()


def read(session: Session, at: datetime, key: int | None = None) -> None:
    """Marks one notification, or all, as read."""
    which = (Notification.id == key) if key is not None else Notification.id.is_not(None)
    session.execute(update(Notification).where(which, Notification.read_at.is_(None)).values(read_at=at))


# Who is to be told


def holders(resource: str) -> Select[int]:
    """Accounts in use that have a right, given to them or to a group of theirs."""
    opened = (
        select(RoleResource.role_id)
        .join(Role, Role.id == RoleResource.role_id)
        .where(RoleResource.resource_code == resource, RoleResource.is_held, Role.is_active)
    )
    own = select(AccountRole.account_id).where(AccountRole.role_id.in_(opened), AccountRole.revoked_at.is_(None))
    by_group = (
        select(UserGroupMember.account_id)
        .join(UserGroup, UserGroup.id == UserGroupMember.group_id)
        .join(UserGroupRole, UserGroupRole.group_id == UserGroup.id)
        .where(
            UserGroupRole.role_id.in_(opened), UserGroupRole.is_held, UserGroup.is_active,
            UserGroupMember.left_at.is_(None),
        )
    )  # fmt: skip
    return select(Account.id).where(Account.is_active, Account.id.in_(union(own, by_group).subquery().select()))


def holders_in_organization(session: Session, organization_id: int, *resources: str) -> list[int]:
    """Who in an organization has one of the rights.

    Args:
        session: under a scope that holds the organization's accounts.
    """
    has_one = or_(*(Account.id.in_(holders(resource)) for resource in resources))
    return list(session.scalars(select(Account.id).where(Account.organization_id == organization_id, has_one)))


def holders_by_organization(
    session: Session, organizations: Select[int | None], *resources: str
) -> dict[int, list[int]]:
    """`holders_in_organization` for many; organizations where nobody has one of the rights are left out."""
    has_one = or_(*(Account.id.in_(holders(resource)) for resource in resources))
    found: dict[int, list[int]] = {}
    rows: Iterable[Any] = session.execute(
        select(Account.organization_id, Account.id).where(Account.organization_id.in_(organizations), has_one)
    )
    for organization_id, account_id in rows:
        found.setdefault(organization_id, []).append(account_id)
    return found


def holders_by_division(session: Session, resource: str) -> dict[str, list[int]]:
    """Division, or reporting unit, → who in its department has a right.

    Args:
        session: under a scope that holds all accounts.
    """
    found: dict[str, list[int]] = {}
    rows = session.execute(
        select(func.coalesce(Department.unit_code, Department.division_code), Account.id)
        .join(Department, Department.id == Account.department_id)
        .where(Account.id.in_(holders(resource)))
    )
    for code, account_id in rows:
        found.setdefault(code, []).append(account_id)
    return found


def nearest_holders(
    session: Session, resource: str, division_code: str, unit_code: str | None, *, from_county: bool = False
) -> list[int]:
    """Who in government has a right over a division: of the lowest level that has anybody, from its own upwards.

    Args:
        session: under a scope that holds all accounts.
        unit_code: the reporting unit that it belongs to, whose people come first.
        from_county: nobody below the county counts.
    """
    levels = [division_code, *ancestors_of(division_code)]
    wanted = [code for code in levels if not from_county or code[6:] == "000000"]
    rows = session.execute(
        select(Account.id, Department.division_code, Department.unit_code)
        .join(Department, Department.id == Account.department_id)
        .where(Account.id.in_(holders(resource)), Department.division_code.in_(wanted))
    ).all()
    if unit_code is not None and (own := [row.id for row in rows if row.unit_code == unit_code]):
        return own
    for code in wanted:
        if found := [row.id for row in rows if row.division_code == code and row.unit_code is None]:
            return found
    return []
