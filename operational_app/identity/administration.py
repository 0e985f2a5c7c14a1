"""Accounts, roles, groups, departments and the menu, changed by people: each change checked, versioned, audited.

Row-level security decides which accounts are seen at all; `rules` what may be done with them.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.errors import ExclusionViolation
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from huiyang.divisions import division_tree
from operational_app.audit.service import Act, record
from operational_app.core.row_security import whole_city, wider
from operational_app.identity import rules
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
from operational_app.identity.passwords import hash_password, verify_password
from operational_app.identity.sessions import Actor, end_sessions, roles_of
from operational_app.organizations.models import Organization
from operational_app.reference.models import DivisionLevel
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import holders_in_organization, nearest_holders, notify

_ALPHABET = "".join(set(string.ascii_letters + string.digits) - set("O0Il1"))
_LONGEST_NAME = 50
_ATTEMPTS_SHOWN = 20


class Refused(Exception):
    """What the user asked for cannot be done; the text says why, in Chinese."""


class WrongPassword(Refused):
    """The password that was to prove who asks does not."""


class Overtaken(Refused):
    """It could have been done a moment ago: somebody else was faster."""


class Stale(Overtaken):
    """Somebody else changed the record since the form was made; the page shows it as it is now."""

    def __init__(self) -> None:
        super().__init__("该记录刚被他人修改，已为您载入最新内容，请核对后重新提交。")


@dataclass(frozen=True)
class Work:
    """One user's change: the transaction under their scope, who, when, from where."""

    session: Session
    actor: Actor
    at: datetime
    remote_address: str | None

    def note(self, act: Act, target: tuple[str, int] | None, **details: object) -> None:
        record(
            self.session, act, account_id=self.actor.account_id, remote_address=self.remote_address, target=target,
            details=details,
        )  # fmt: skip

    @property
    def holder(self) -> rules.Holder:
        actor = self.actor
        return rules.Holder(
            actor.account_id, frozenset(held.code for held in actor.resources), actor.duty,
            actor.scope.organization_id is not None,
        )  # fmt: skip


def resources_of_roles(session: Session, role_ids: Collection[int]) -> frozenset[str]:
    """Codes of what the roles open."""
    held = select(RoleResource.resource_code).where(RoleResource.role_id.in_(role_ids), RoleResource.is_held)
    return frozenset(session.scalars(held))


def holder_of(session: Session, account: Account) -> rules.Holder:
    """What an account may do now."""
    roles = roles_of(session, account.id)
    duty = next((role.duty for role in roles if role.duty is not Duty.BUSINESS), Duty.BUSINESS)
    resources = resources_of_roles(session, [role.role_id for role in roles])
    return rules.Holder(account.id, resources, duty, account.organization_id is not None)


def role_facts(session: Session, role: Role) -> rules.RoleFacts:
    return rules.RoleFacts(
        role.name, resources_of_roles(session, [role.id]), role.duty, role.for_organizations, role.is_active
    )


def grantable_roles(work: Work, account: Account) -> list[Role]:
    """Roles that the user may give to this account now."""
    receiver, granter = holder_of(work.session, account), work.holder
    held = set(work.session.scalars(_held_by(account.id)))
    roles = work.session.scalars(select(Role).where(Role.is_active).order_by(Role.id))
    return [
        role
        for role in roles
        if role.id not in held and rules.why_not_grant(granter, role_facts(work.session, role), receiver) is None
    ]


def _held_by(account_id: int) -> Any:
    return select(AccountRole.role_id).where(AccountRole.account_id == account_id, AccountRole.revoked_at.is_(None))


# Accounts


def new_password() -> str:
    """A one-time password that fulfils the rules: 14 characters, none that looks like another."""
    while True:
        password = "".join(secrets.choice(_ALPHABET) for _ in range(13)) + secrets.choice("-+=!")
        if rules.password_problem(password, "\0") is None:
            return password


def create_account(
    work: Work, *, username: str, display_name: str, position: str, department_id: int | None
) -> tuple[Account, str]:
    """A new account in a department of the user's scope, or in the user's organization.

    Returns:
        the account, and the one-time password, which is told once and has to be changed at the first sign-in.

    Raises:
        Refused: a field is wrong, the name is taken, or the department is out of scope.
    """
    if problem := rules.username_problem(username):
        raise Refused(problem)
    organization_id = work.actor.scope.organization_id
    if organization_id is None:
        _department_in_scope(work, department_id)
    else:
        department_id = None
    password = new_password()
    account = Account(
        username=username, display_name=checked_name(display_name, "姓名"),
        position=position.strip()[:_LONGEST_NAME] or None,
        password_hash=hash_password(password), must_change_password=True, department_id=department_id,
        organization_id=organization_id, created_by=work.actor.account_id,
    )  # fmt: skip
    work.session.add(account)
    try:
        work.session.flush()
    except IntegrityError as error:
        raise Refused(f"用户名“{username}”已被使用，请换一个。") from error
    work.note(Act.ACCOUNT_CREATE, ("identity.account", account.id))
    return account, password


def _department_in_scope(work: Work, department_id: int | None) -> Department:
    department = work.session.get(Department, department_id) if department_id else None
    if department is None or not department.is_active:
        raise Refused("请选择所属部门。")
    if not in_scope(work.actor, department):
        raise Refused("所选部门不在您的管辖范围内。")
    return department


def in_scope(actor: Actor, department: Department) -> bool:
    """Whether a department's people belong to the actor's scope; what the row policy of accounts says, for a form."""
    scope = actor.scope
    if scope.all_accounts or (scope.unit_code is not None and scope.unit_code == department.unit_code):
        return True
    if scope.division_lo is None or scope.division_hi is None or (department.unit_code is not None and scope.towns):
        return False
    inside = scope.division_lo <= department.division_code < scope.division_hi
    return inside and (not scope.towns or department.division_code[:9] in scope.towns)


def change_account(
    work: Work, account: Account, *, display_name: str, position: str, department_id: int | None, row_version: int
) -> None:
    """Name, position and department.

    Raises:
        Refused: not allowed, or somebody else was faster.
    """
    _may_change(work, account)
    values: dict[str, object] = {
        "display_name": checked_name(display_name, "姓名"), "position": position.strip() or None,
    }  # fmt: skip
    if account.organization_id is None and department_id is not None:
        values["department_id"] = _department_in_scope(work, department_id).id
    update_row(work, Account, account.id, row_version, values)
    work.note(Act.ACCOUNT_CHANGE, ("identity.account", account.id), fields=sorted(values))


def set_active(work: Work, account: Account, is_active: bool) -> None:
    """Shuts an account, its sessions ending at once, or opens it again, unlocked.

    The last manager of a market entity is shut too, for an account may have fallen into wrong hands; the department in
    charge is told.
    """
    _may_change(work, account)
    is_manager = _is_manager(work.session, account)
    values = {"is_active": is_active, "row_version": Account.row_version + 1}
    if is_active:
        values |= {"failed_sign_ins": 0, "locked_until": None}
    work.session.execute(update(Account).where(Account.id == account.id).values(values))
    if not is_active:
        end_sessions(work.session, account.id, work.at)
    work.note(Act.ACCOUNT_CHANGE, ("identity.account", account.id), is_active=is_active)
    if not is_active and is_manager:
        _tell_if_unmanaged(work, account)


def _is_manager(session: Session, account: Account) -> bool:
    """Whether an account lets people into the market entity that it is of."""
    if account.organization_id is None:
        return False
    return account.id in holders_in_organization(session, account.organization_id, Resource.JOIN_APPROVALS)


def is_last_manager(session: Session, account: Account) -> bool:
    """Whether nobody would let people into a market entity if this account did not."""
    if account.organization_id is None:
        return False
    return holders_in_organization(session, account.organization_id, Resource.JOIN_APPROVALS) == [account.id]


def _tell_if_unmanaged(work: Work, account: Account) -> None:
    """Tells the department in charge of a market entity that nobody manages it any more; it appoints somebody new."""
    assert account.organization_id is not None
    work.session.flush()
    scope = work.actor.scope
    with wider(work.session, scope, whole_city(scope, all_accounts=True)):
        # Two managers who shut each other at once are looked at one after the other.
        organization = work.session.get_one(Organization, account.organization_id, with_for_update=True)
        if not holders_in_organization(work.session, organization.id, Resource.JOIN_APPROVALS):
            told = nearest_holders(
                work.session, Resource.JOIN_APPROVALS, organization.division_code, None, from_county=True
            )  # fmt: skip
            title = f"“{organization.name}”已没有管理员，请指定新的管理员"
            notify(work.session, told, NotificationKind.ROLE, title, f"/providers/{organization.id}")
            work.note(Act.ORGANIZATION_CHANGE, ("organizations.organization", organization.id), step="no_manager")


def reset_password(work: Work, account: Account) -> str:
    """A new one-time password, the second factor unbound; sessions end, a lock opens."""
    _may_change(work, account)
    password = new_password()
    set_one_time_password(work.session, account.id, password, work.at)
    end_sessions(work.session, account.id, work.at)
    work.note(Act.PASSWORD_RESET, ("identity.account", account.id))
    return password


def set_one_time_password(session: Session, account_id: int, password: str, at: datetime) -> None:
    """Opens an account with this password until its person sets another; lock and second factor go."""
    session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(
            password_hash=hash_password(password), must_change_password=True, failed_sign_ins=0, locked_until=None,
            password_changed_at=at, row_version=Account.row_version + 1, totp_cipher=None,
            totp_confirmed_at=None, totp_last_step=None,
        )
    )  # fmt: skip


def attempts_of(session: Session, account_id: int) -> Sequence[SignInAttempt]:
    """A person's latest attempts to sign in, newest first."""
    own = select(SignInAttempt).where(SignInAttempt.account_id == account_id)
    return session.scalars(own.order_by(SignInAttempt.id.desc()).limit(_ATTEMPTS_SHOWN)).all()


def sessions_of(session: Session, account_id: int) -> Sequence[SignInSession]:
    """A person's sessions that last, the latest used first."""
    own = select(SignInSession).where(SignInSession.account_id == account_id, SignInSession.ended_at.is_(None))
    return session.scalars(own.order_by(SignInSession.last_seen_at.desc())).all()


def end_own_session(work: Work, session_id: int) -> bool:
    """Ends one of the user's sessions; whether there was such a one."""
    ended = work.session.execute(
        update(SignInSession)
        .where(
            SignInSession.id == session_id, SignInSession.account_id == work.actor.account_id,
            SignInSession.ended_at.is_(None),
        )
        .values(ended_at=work.at)
        .returning(SignInSession.id)
    ).all()  # fmt: skip
    if ended:
        work.note(Act.SESSIONS_END, ("identity.sign_in_session", session_id))
    return bool(ended)


def _may_change(work: Work, account: Account) -> None:
    if problem := rules.why_not_change_account(work.holder, holder_of(work.session, account)):
        raise Refused(problem)


def change_own_password(work: Work, current: str, new: str, again: str) -> None:
    """The user's own password; every other session of theirs ends.

    Raises:
        WrongPassword: the current one is wrong.
        Refused: the new one is not good enough.
    """
    account = work.session.get_one(Account, work.actor.account_id)
    if not verify_password(account.password_hash, current):
        raise WrongPassword("当前密码不正确。")
    if new != again:
        raise Refused("两次输入的新密码不一致。")
    if new == current:
        raise Refused("新密码不能与当前密码相同。")
    if problem := rules.password_problem(new, account.username):
        raise Refused(problem)
    account.password_hash = hash_password(new)
    account.password_changed_at = work.at
    account.must_change_password = False
    work.session.flush()
    end_sessions(work.session, account.id, work.at, but=work.actor.session_id)
    work.note(Act.PASSWORD_CHANGE, ("identity.account", account.id))


def register(
    session: Session, *, username: str, display_name: str, password: str, again: str, at: datetime,
    remote_address: str | None,
) -> Account:  # fmt: skip
    """An account that a person makes themselves: it belongs nowhere and may nothing until somebody lets it in.

    Args:
        session: under `sessions.AS_IDENTITY`.

    Raises:
        Refused: a field is wrong, the name is taken, or too many accounts came from this address of late.
    """
    if problem := rules.username_problem(username):
        raise Refused(problem)
    name = checked_name(display_name, "真实姓名")
    if password != again:
        raise Refused("两次输入的密码不一致。")
    if problem := rules.password_problem(password, username):
        raise Refused(problem)
    recent = select(func.count()).where(
        Account.registered_from == (remote_address or "?"), Account.created_at > at - rules.REGISTRATION_WINDOW
    )
    if (session.scalar(recent) or 0) >= rules.REGISTRATIONS_AT_MOST:
        raise Refused("从这个网络注册的账号太多，请稍后再试。")
    account = Account(
        username=username, display_name=name, password_hash=hash_password(password),
        registered_from=remote_address or "?", created_at=at,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError as error:
        raise Refused(f"用户名“{username}”已被使用，请换一个。") from error
    record(
        session, Act.REGISTER, account_id=account.id, remote_address=remote_address,
        target=("identity.account", account.id),
    )  # fmt: skip
    return account


# Roles of people


def grant_role(work: Work, account: Account, role: Role, *, on_admission: bool = False) -> None:
    """Gives a role; acts on the person's next request.

    Args:
        on_admission: the role is what an admitted entity's manager gets, whoever admits it; not one of choice.

    Raises:
        Refused: see `rules.why_not_grant`.
    """
    # Two grants at once to one person are looked at one after the other.
    work.session.execute(select(Account.id).where(Account.id == account.id).with_for_update())
    receiver = holder_of(work.session, account)
    facts, granter = role_facts(work.session, role), work.holder
    if on_admission:
        granter = replace(granter, resources=granter.resources | facts.resources)
    if problem := rules.why_not_grant(granter, facts, receiver):
        raise Refused(problem)
    given = AccountRole(account_id=account.id, role_id=role.id, duty=role.duty, granted_by=work.actor.account_id)
    try:
        with work.session.begin_nested():
            work.session.add(given)
    except IntegrityError as error:
        if isinstance(error.orig, ExclusionViolation):
            raise Refused("系统管理、安全管理、审计管理和业务角色不能由同一人承担，请先收回原有角色。") from error
        raise Refused(f"对方已有角色“{role.name}”。") from error
    work.note(Act.ROLE_GRANT, ("identity.account", account.id), role=role.code)
    notify(work.session, [account.id], NotificationKind.ROLE, f"您被授予角色“{role.name}”", "/me")


def revoke_role(work: Work, account: Account, role: Role) -> None:
    """Takes a role back; acts on the person's next request, everywhere."""
    if problem := rules.why_not_revoke(work.holder, role_facts(work.session, role), holder_of(work.session, account)):
        raise Refused(problem)
    is_manager = _is_manager(work.session, account)
    taken = work.session.execute(
        update(AccountRole)
        .where(AccountRole.account_id == account.id, AccountRole.role_id == role.id, AccountRole.revoked_at.is_(None))
        .values(revoked_at=work.at, revoked_by=work.actor.account_id)
        .returning(AccountRole.id)
    ).all()
    if not taken:
        raise Refused(f"对方已没有角色“{role.name}”。")
    work.note(Act.ROLE_REVOKE, ("identity.account", account.id), role=role.code)
    notify(work.session, [account.id], NotificationKind.ROLE, f"您的角色“{role.name}”已被收回", "/me")
    if is_manager:
        _tell_if_unmanaged(work, account)


# What roles may open


def save_role(
    work: Work, role: Role | None, *, name: str, description: str, for_organizations: bool, is_active: bool,
    resources: Collection[str], row_version: int,
) -> Role:  # fmt: skip
    """Makes or changes a role with exactly these resources; acts on the next request of everybody who has it.

    Raises:
        Refused: an administrator's role, a resource that its duty does not allow, a name that is taken, stale.
    """
    duty = role.duty if role else Duty.BUSINESS
    known = set(work.session.scalars(select(ResourceNode.code)))
    wanted = set(resources) & known
    if problem := rules.why_not_hold(duty, wanted):
        raise Refused(problem)
    values = {
        "name": checked_name(name, "角色名称"), "description": description.strip(),
        "for_organizations": for_organizations, "is_active": is_active,
    }  # fmt: skip
    try:
        with work.session.begin_nested():
            if role is None:
                role = Role(code=f"role-{secrets.token_hex(6)}", **values)
                work.session.add(role)
                work.session.flush()
            else:
                update_row(work, Role, role.id, row_version, values)
    except IntegrityError as error:
        raise Refused(f"已有名称为“{values['name']}”的角色。") from error
    before = resources_of_roles(work.session, [role.id])
    for code in before ^ wanted:
        row = insert(RoleResource).values(role_id=role.id, resource_code=code, is_held=code in wanted)
        work.session.execute(
            row.on_conflict_do_update(
                index_elements=["role_id", "resource_code"], set_={"is_held": row.excluded.is_held}
            )
        )
    work.note(
        Act.ROLE_CHANGE, ("identity.role", role.id), added=sorted(wanted - before), removed=sorted(before - wanted)
    )
    return role


# Groups


def save_group(
    work: Work, group: UserGroup | None, *, name: str, description: str, is_active: bool, role_ids: Collection[int],
    row_version: int,
) -> UserGroup:  # fmt: skip
    """Makes or changes a group with exactly these (business) roles.

    Raises:
        Refused: a role of an administrator, a name that is taken, stale.
    """
    roles = work.session.scalars(select(Role).where(Role.id.in_(role_ids))).all()
    if any(role.duty is not Duty.BUSINESS for role in roles):
        raise Refused("用户组只能授予业务角色。")
    values = {"name": checked_name(name, "用户组名称"), "description": description.strip(), "is_active": is_active}
    try:
        with work.session.begin_nested():
            if group is None:
                group = UserGroup(**values)
                work.session.add(group)
                work.session.flush()
            else:
                update_row(work, UserGroup, group.id, row_version, values)
    except IntegrityError as error:
        raise Refused(f"已有名称为“{values['name']}”的用户组。") from error
    before = set(group_roles(work.session, group.id))
    wanted = {role.id for role in roles}
    for role_id in before ^ wanted:
        row = insert(UserGroupRole).values(group_id=group.id, role_id=role_id, is_held=role_id in wanted)
        work.session.execute(
            row.on_conflict_do_update(index_elements=["group_id", "role_id"], set_={"is_held": row.excluded.is_held})
        )
    work.note(
        Act.GROUP_CHANGE, ("identity.user_group", group.id), roles_added=sorted(wanted - before),
        roles_removed=sorted(before - wanted),
    )  # fmt: skip
    return group


def group_roles(session: Session, group_id: int) -> list[int]:
    held = select(UserGroupRole.role_id).where(UserGroupRole.group_id == group_id, UserGroupRole.is_held)
    return list(session.scalars(held))


def add_member(work: Work, group: UserGroup, username: str) -> Account:
    """Puts a person into a group; an administrator is none of its people.

    Raises:
        Refused: nobody of that name in scope, already in it, an administrator, a role that is not theirs to have.
    """
    account = work.session.scalars(
        select(Account).where(Account.username == username.strip()).with_for_update()
    ).one_or_none()
    if account is None:
        raise Refused(f"没有用户名为“{username.strip()}”的账号。")
    receiver = holder_of(work.session, account)
    roles = work.session.scalars(select(Role).where(Role.id.in_(group_roles(work.session, group.id)))).all()
    for role in roles:
        if problem := rules.why_not_grant(work.holder, role_facts(work.session, role), receiver):
            raise Refused(problem)
    if receiver.duty is not Duty.BUSINESS:
        raise Refused("管理员账号不能加入用户组。")
    try:
        with work.session.begin_nested():
            work.session.add(UserGroupMember(group_id=group.id, account_id=account.id, added_by=work.actor.account_id))
    except IntegrityError as error:
        raise Refused(f"“{account.username}”已在本组。") from error
    work.note(Act.GROUP_CHANGE, ("identity.user_group", group.id), member_added=account.id)
    notify(work.session, [account.id], NotificationKind.ROLE, f"您被加入用户组“{group.name}”", "/me")
    return account


def remove_member(work: Work, group: UserGroup, account_id: int) -> None:
    """Takes a person out of a group."""
    account = work.session.get(Account, account_id)
    is_manager = account is not None and _is_manager(work.session, account)
    left = work.session.execute(
        update(UserGroupMember)
        .where(
            UserGroupMember.group_id == group.id,
            UserGroupMember.account_id == account_id,
            UserGroupMember.left_at.is_(None),
        )
        .values(left_at=work.at)
        .returning(UserGroupMember.id)
    ).all()
    if not left:
        raise Refused("对方已不在本组。")
    work.note(Act.GROUP_CHANGE, ("identity.user_group", group.id), member_removed=account_id)
    notify(work.session, [account_id], NotificationKind.ROLE, f"您被移出用户组“{group.name}”", "/me")
    if account is not None and is_manager:
        _tell_if_unmanaged(work, account)


# Departments


def save_department(
    work: Work, department: Department | None, *, name: str, parent_id: int | None, is_active: bool
) -> Department:
    """Makes a section below a department, or renames, shuts or opens a department.

    Raises:
        Refused: no parent, a name that is taken beside it, people still in a department that is to be shut.
    """
    name = checked_name(name, "部门名称")
    try:
        with work.session.begin_nested():
            if department is None:
                above = work.session.get(Department, parent_id) if parent_id else None
                if above is None:
                    raise Refused("请选择上级部门。")
                department = Department(
                    name=name, division_code=above.division_code, unit_code=above.unit_code, parent_id=above.id
                )
                work.session.add(department)
            else:
                if not is_active and (people := people_in(work.session, department.id)):
                    raise Refused(f"部门还有 {people} 个启用的账号，请先调整或停用。")
                department.name, department.is_active = name, is_active
            work.session.flush()
    except IntegrityError as error:
        raise Refused(f"同一区划下已有名称为“{name}”的部门。") from error
    work.note(Act.DEPARTMENT_CHANGE, ("identity.department", department.id), is_active=department.is_active)
    return department


def people_in(session: Session, department_id: int) -> int:
    """Active accounts of a department."""
    active = select(func.count()).where(Account.department_id == department_id, Account.is_active)
    return session.scalar(active) or 0


def level_of(department: Department) -> str:
    if department.unit_code:
        return "功能区"
    return {level.value: level.label for level in DivisionLevel}[division_tree()[department.division_code].level.value]


# Menu


def save_resource(
    work: Work,
    node: ResourceNode | None,
    *,
    label: str,
    description: str,
    url: str,
    position: int,
    is_shown: bool,
    row_version: int,
) -> ResourceNode:
    """A link of the installation's own, or the name, order and visibility of a built-in place.

    Raises:
        Refused: a link that is no address of a site, the workbench hidden, stale.
    """
    values: dict[str, object] = {
        "label": checked_name(label, "名称"), "description": description.strip(), "position": position,
        "is_shown": is_shown,
    }  # fmt: skip
    if node is None or not node.is_builtin:
        if not (url.startswith("https://") or (url.startswith("/") and not url.startswith("//"))) or "\\" in url:
            raise Refused("链接应以 https:// 开头，或者是本平台以 / 开头的地址。")
        values["url"] = url.strip()
    elif node.url == "/" and not is_shown:
        raise Refused("工作台不能隐藏。")
    if node is None:
        node = ResourceNode(code=f"link-{secrets.token_hex(6)}", kind=ResourceKind.LINK, **values)
        work.session.add(node)
        work.session.flush()
    else:
        update_row(work, ResourceNode, node.id, row_version, values)
    work.note(Act.MENU_CHANGE, ("identity.resource", node.id), fields=sorted(values))
    return node


def update_row(
    work: Work, model: Any, key: int, row_version: int, values: Mapping[str, object], *conditions: ColumnElement[bool]
) -> None:
    """Writes the values if the form was made from the newest version, and the row still fulfils `conditions`.

    What the session has loaded is read anew; what is not flushed yet is lost.

    Raises:
        Stale: somebody else was faster.
    """
    changed = work.session.execute(
        update(model)
        .where(model.id == key, model.row_version == row_version, *conditions)
        .values(**values, row_version=model.row_version + 1)
        .returning(model.id)
        .execution_options(synchronize_session=False)
    ).all()
    work.session.expire_all()
    if not changed:
        raise Stale


def checked_name(text: str, what: str) -> str:
    """A name without needless space.

    Args:
        what: it is called in the refusal of one that is empty or too long.
    """
    name = " ".join(text.split())
    if not name:
        raise Refused(f"请填写{what}。")
    if len(name) > _LONGEST_NAME:
        raise Refused(f"{what}不能超过 {_LONGEST_NAME} 个字。")
    return name
