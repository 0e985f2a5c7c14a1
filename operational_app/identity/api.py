"""Departments, accounts, roles, groups, resources and the own account over the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from operational_app.api.operations import Asked, Done, Flag, Key, Line, Number, Told, Versioned, needs, operations
from operational_app.api.paging import Page, Paging
from operational_app.audit.service import Act
from operational_app.identity import administration as office
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import seen, work_of
from operational_app.identity.models import (
    Account,
    AccountRole,
    Department,
    Duty,
    ResourceKind,
    ResourceNode,
    Role,
    RoleResource,
    UserGroup,
    UserGroupMember,
    UserGroupRole,
)
from operational_app.identity.views import AccountState, state_of
from operational_app.web.services import actor, now, session

router = operations("身份与权限")


# The own account


class Me(Told):
    account_id: int
    username: str
    display_name: str
    roles: list[str] = Field(description="角色名称")
    resources: list[str] = Field(description="可以打开的资源；各操作需要的资源见文档的 x-right")
    scope: str = Field(description="数据范围")
    csrf_token: str | None = Field(description="用会话 cookie 修改数据时放在 X-CSRFToken；用访问令牌时为 null")


class SessionTold(Told):
    id: int
    started_at: datetime
    last_seen_at: datetime
    remote_address: str | None
    browser: str | None
    is_this: bool = Field(description="当前会话")


@router.get("/me", summary="我的账号", **needs(Resource.WORKBENCH))
def me(request: Request) -> Me:
    who = actor(request)
    return Me(
        account_id=who.account_id, username=who.username, display_name=who.display_name,
        roles=[role.name for role in who.roles], resources=[held.code for held in who.resources],
        scope=who.scope_label, csrf_token=request.state.csrf_token if request.state.session_token else None,
    )  # fmt: skip


@router.get("/me/sessions", summary="我的会话", **needs(Resource.WORKBENCH))
def own_sessions(request: Request) -> list[SessionTold]:
    who = actor(request)
    return [
        SessionTold(
            id=found.id, started_at=found.started_at, last_seen_at=found.last_seen_at,
            remote_address=found.remote_address, browser=found.browser, is_this=found.id == who.session_id,
        )
        for found in office.sessions_of(session(request), who.account_id)
    ]  # fmt: skip


@router.delete("/me/sessions/{key}", summary="退出一个会话", status_code=204, **needs(Resource.WORKBENCH))
def end_own_session(request: Request, key: Key) -> Response:
    if not office.end_own_session(work_of(request), key):
        raise HTTPException(404)
    return Response(status_code=204)


# Departments


class DepartmentTold(Told):
    id: int
    name: str
    division_code: str = Field(description="12 位区划代码")
    unit_code: str | None = Field(description="功能区代码")
    parent_id: int | None = Field(description="上级部门")
    is_active: bool


class NewDepartment(Asked):
    name: Line
    parent_id: Number = Field(description="上级部门")


class DepartmentChange(Asked):
    name: Line
    is_active: Flag = Field(description="还有启用的账号时不能停用")


@router.get("/departments", summary="部门列表", **needs(Resource.DEPARTMENTS))
def departments(
    request: Request,
    paging: Annotated[Paging, Depends()],
    parent_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="只列出这个部门的下级")] = None,
) -> Page[DepartmentTold]:
    statement = select(Department)
    if parent_id is not None:
        statement = statement.where(Department.parent_id == parent_id)
    rows, following = paging.page(statement, [Department.id], lambda row: [row[0].id])
    return Page(items=[DepartmentTold.model_validate(row[0]) for row in rows], next=following)


@router.post("/departments", summary="新增部门", **needs(Resource.DEPARTMENTS, creates=True))
def make_department(request: Request, asked: NewDepartment) -> Done:
    made = office.save_department(work_of(request), None, name=asked.name, parent_id=asked.parent_id, is_active=True)
    return Done(id=made.id)


@router.put("/departments/{key}", summary="修改部门", **needs(Resource.DEPARTMENTS))
def change_department(request: Request, key: Key, asked: DepartmentChange) -> DepartmentTold:
    found = seen(request, Department, key)
    office.save_department(work_of(request), found, name=asked.name, parent_id=None, is_active=asked.is_active)
    return DepartmentTold.model_validate(found)


# Accounts


class AccountTold(Told):
    id: int
    username: str
    display_name: str
    position: str | None
    department_id: int | None
    organization_id: int | None
    state: AccountState = Field(description="active 正常，locked 已锁定，shut 已停用")
    row_version: int


class RoleHeld(Told):
    role_id: int
    name: str
    granted_at: datetime


class AccountFile(AccountTold):
    roles: list[RoleHeld] = Field(description="直接授予的角色")


class NewAccount(Asked):
    username: Line
    display_name: Line = Field(description="姓名")
    position: Line = ""
    department_id: Number | None = Field(None, description="所属部门；市场主体的管理员不填，账号属于本单位")


class AccountMade(Told):
    id: int
    one_time_password: str = Field(description="只告知一次，首次登录必须修改")


class AccountChange(Versioned):
    display_name: Line
    position: Line = ""
    department_id: Number | None = None


class RoleGiven(Asked):
    role_id: Number


def _account(account: Account) -> AccountTold:
    return AccountTold(
        id=account.id, username=account.username, display_name=account.display_name, position=account.position,
        department_id=account.department_id, organization_id=account.organization_id,
        state=state_of(account, now()), row_version=account.row_version,
    )  # fmt: skip


def _account_file(request: Request, key: int) -> AccountFile:
    account = session(request).get_one(Account, key, populate_existing=True)
    held = session(request).execute(
        select(Role.id, Role.name, AccountRole.granted_at)
        .join(AccountRole, AccountRole.role_id == Role.id)
        .where(AccountRole.account_id == key, AccountRole.revoked_at.is_(None))
        .order_by(Role.id)
    )
    roles = [RoleHeld(role_id=role_id, name=name, granted_at=at) for role_id, name, at in held]
    return AccountFile(**_account(account).model_dump(), roles=roles)


@router.get("/accounts", summary="账号列表", **needs(Resource.ACCOUNTS))
def accounts(
    request: Request,
    paging: Annotated[Paging, Depends()],
    department_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="只列出这个部门的账号")] = None,
) -> Page[AccountTold]:
    """管辖范围内的账号，按编号排列。"""
    statement = select(Account)
    if department_id is not None:
        statement = statement.where(Account.department_id == department_id)
    rows, following = paging.page(statement, [Account.id], lambda row: [row[0].id])
    work = work_of(request)
    work.note(Act.LIST_READ, None, list="accounts", rows=len(rows))
    return Page(items=[_account(row[0]) for row in rows], next=following)


@router.get("/accounts/{key}", summary="账号详情", **needs(Resource.ACCOUNTS))
def account_file(request: Request, key: Key) -> AccountFile:
    return _account_file(request, seen(request, Account, key).id)


@router.post("/accounts", summary="新增账号", **needs(Resource.ACCOUNT_CHANGES, creates=True))
def make_account(request: Request, asked: NewAccount) -> AccountMade:
    account, password = office.create_account(
        work_of(request), username=asked.username, display_name=asked.display_name, position=asked.position,
        department_id=asked.department_id,
    )  # fmt: skip
    return AccountMade(id=account.id, one_time_password=password)


@router.put("/accounts/{key}", summary="修改账号", **needs(Resource.ACCOUNT_CHANGES))
def change_account(request: Request, key: Key, asked: AccountChange) -> AccountFile:
    office.change_account(
        work_of(request), seen(request, Account, key), display_name=asked.display_name, position=asked.position,
        department_id=asked.department_id, row_version=asked.row_version,
    )  # fmt: skip
    return _account_file(request, key)


@router.post("/accounts/{key}/shut", summary="停用账号", **needs(Resource.ACCOUNT_CHANGES))
def shut_account(request: Request, key: Key) -> AccountFile:
    """对方的会话随即退出。"""
    office.set_active(work_of(request), seen(request, Account, key), False)
    return _account_file(request, key)


@router.post("/accounts/{key}/open", summary="启用或解锁账号", **needs(Resource.ACCOUNT_CHANGES))
def open_account(request: Request, key: Key) -> AccountFile:
    office.set_active(work_of(request), seen(request, Account, key), True)
    return _account_file(request, key)


@router.post("/accounts/{key}/password-reset", summary="重置密码", **needs(Resource.ACCOUNT_CHANGES, creates=True))
def reset_password(request: Request, key: Key) -> AccountMade:
    return AccountMade(id=key, one_time_password=office.reset_password(work_of(request), seen(request, Account, key)))


@router.post("/accounts/{key}/roles", summary="授予角色", **needs(Resource.ROLE_GRANTS, creates=True))
def grant_role(request: Request, key: Key, asked: RoleGiven) -> AccountFile:
    office.grant_role(work_of(request), seen(request, Account, key), seen(request, Role, asked.role_id))
    return _account_file(request, key)


@router.delete("/accounts/{key}/roles/{role_id}", summary="收回角色", **needs(Resource.ROLE_GRANTS))
def revoke_role(request: Request, key: Key, role_id: Key) -> AccountFile:
    office.revoke_role(work_of(request), seen(request, Account, key), seen(request, Role, role_id))
    return _account_file(request, key)


# Roles


class RoleTold(Told):
    id: int
    code: str
    name: str
    description: str
    duty: Duty = Field(description="business 业务，其余为三类管理员")
    for_organizations: bool = Field(description="授予市场主体人员的角色")
    is_active: bool
    resources: list[str] = Field(description="可以打开的资源")
    row_version: int


class NewRole(Asked):
    name: Line
    description: Line = ""
    for_organizations: Flag = False
    is_active: Flag = True
    resources: Annotated[list[Line], Field(max_length=200)]


class RoleChange(NewRole, Versioned):
    pass


def _roles(request: Request, roles: Sequence[Role]) -> list[RoleTold]:
    """As they were read, with what they open: one query for all."""
    opens: dict[int, list[str]] = {}
    held = select(RoleResource.role_id, RoleResource.resource_code).where(
        RoleResource.role_id.in_([role.id for role in roles]), RoleResource.is_held
    )
    for role_id, code in session(request).execute(held.order_by(RoleResource.resource_code)):
        opens.setdefault(role_id, []).append(code)
    return [
        RoleTold(
            id=role.id, code=role.code, name=role.name, description=role.description, duty=role.duty,
            for_organizations=role.for_organizations, is_active=role.is_active, resources=opens.get(role.id, []),
            row_version=role.row_version,
        )
        for role in roles
    ]  # fmt: skip


def _role(request: Request, key: int) -> RoleTold:
    return _roles(request, [session(request).get_one(Role, key, populate_existing=True)])[0]


@router.get("/roles", summary="角色列表", **needs(Resource.ROLES))
def roles(request: Request, paging: Annotated[Paging, Depends()]) -> Page[RoleTold]:
    rows, following = paging.page(select(Role), [Role.id], lambda row: [row[0].id])
    return Page(items=_roles(request, [row[0] for row in rows]), next=following)


@router.get("/roles/{key}", summary="角色详情", **needs(Resource.ROLES))
def role_file(request: Request, key: Key) -> RoleTold:
    return _role(request, seen(request, Role, key).id)


@router.post("/roles", summary="新增角色", **needs(Resource.ROLES, creates=True))
def make_role(request: Request, asked: NewRole) -> RoleTold:
    made = office.save_role(work_of(request), None, **asked.model_dump(), row_version=0)
    return _role(request, made.id)


@router.put("/roles/{key}", summary="修改角色", **needs(Resource.ROLES))
def change_role(request: Request, key: Key, asked: RoleChange) -> RoleTold:
    office.save_role(work_of(request), seen(request, Role, key), **asked.model_dump())
    return _role(request, key)


# Groups


class GroupTold(Told):
    id: int
    name: str
    description: str
    is_active: bool
    role_ids: list[int] = Field(description="成员具有的业务角色")
    row_version: int


class MemberTold(Told):
    account_id: int
    username: str
    joined_at: datetime


class GroupFile(GroupTold):
    members: list[MemberTold] = Field(description="管辖范围内的成员")


class NewGroup(Asked):
    name: Line
    description: Line = ""
    is_active: Flag = True
    role_ids: list[Number] = Field(default_factory=list, max_length=200)


class GroupChange(NewGroup, Versioned):
    pass


class NewMember(Asked):
    username: Line


def _groups(request: Request, groups: Sequence[UserGroup]) -> list[GroupTold]:
    """As they were read, with their roles: one query for all."""
    has: dict[int, list[int]] = {}
    held = select(UserGroupRole.group_id, UserGroupRole.role_id).where(
        UserGroupRole.group_id.in_([group.id for group in groups]), UserGroupRole.is_held
    )
    for group_id, role_id in session(request).execute(held.order_by(UserGroupRole.role_id)):
        has.setdefault(group_id, []).append(role_id)
    return [
        GroupTold(
            id=group.id, name=group.name, description=group.description, is_active=group.is_active,
            role_ids=has.get(group.id, []), row_version=group.row_version,
        )
        for group in groups
    ]  # fmt: skip


def _group(request: Request, key: int) -> GroupTold:
    return _groups(request, [session(request).get_one(UserGroup, key, populate_existing=True)])[0]


def _group_file(request: Request, key: int) -> GroupFile:
    members = session(request).execute(
        select(Account.id, Account.username, UserGroupMember.joined_at)
        .join(UserGroupMember, UserGroupMember.account_id == Account.id)
        .where(UserGroupMember.group_id == key, UserGroupMember.left_at.is_(None))
        .order_by(Account.id)
    )
    told = [MemberTold(account_id=account_id, username=name, joined_at=at) for account_id, name, at in members]
    return GroupFile(**_group(request, key).model_dump(), members=told)


@router.get("/groups", summary="用户组列表", **needs(Resource.GROUPS))
def groups(request: Request, paging: Annotated[Paging, Depends()]) -> Page[GroupTold]:
    rows, following = paging.page(select(UserGroup), [UserGroup.id], lambda row: [row[0].id])
    return Page(items=_groups(request, [row[0] for row in rows]), next=following)


@router.get("/groups/{key}", summary="用户组详情", **needs(Resource.GROUPS))
def group_file(request: Request, key: Key) -> GroupFile:
    return _group_file(request, seen(request, UserGroup, key).id)


@router.post("/groups", summary="新增用户组", **needs(Resource.GROUPS, creates=True))
def make_group(request: Request, asked: NewGroup) -> GroupFile:
    made = office.save_group(work_of(request), None, **asked.model_dump(), row_version=0)
    return _group_file(request, made.id)


@router.put("/groups/{key}", summary="修改用户组", **needs(Resource.GROUPS))
def change_group(request: Request, key: Key, asked: GroupChange) -> GroupFile:
    office.save_group(work_of(request), seen(request, UserGroup, key), **asked.model_dump())
    return _group_file(request, key)


@router.post("/groups/{key}/members", summary="加入用户组", **needs(Resource.GROUPS, creates=True))
def add_member(request: Request, key: Key, asked: NewMember) -> GroupFile:
    office.add_member(work_of(request), seen(request, UserGroup, key), asked.username)
    return _group_file(request, key)


@router.delete("/groups/{key}/members/{account_id}", summary="移出用户组", **needs(Resource.GROUPS))
def remove_member(request: Request, key: Key, account_id: Key) -> GroupFile:
    office.remove_member(work_of(request), seen(request, UserGroup, key), account_id)
    return _group_file(request, key)


# Resources


class ResourceTold(Told):
    id: int
    code: str
    kind: ResourceKind
    label: str
    description: str
    url: str | None
    position: int
    is_shown: bool
    is_builtin: bool
    row_version: int


class NewLink(Asked):
    label: Line
    description: Line = ""
    url: Annotated[Line, Field(description="https:// 或本平台以 / 开头的地址；内置资源不变")] = ""
    position: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 1000
    is_shown: Flag = True


class ResourceChange(NewLink, Versioned):
    pass


@router.get("/resources", summary="资源列表", **needs(Resource.MENU))
def resources(request: Request, paging: Annotated[Paging, Depends()]) -> Page[ResourceTold]:
    rows, following = paging.page(select(ResourceNode), [ResourceNode.id], lambda row: [row[0].id])
    return Page(items=[ResourceTold.model_validate(row[0]) for row in rows], next=following)


@router.post("/resources", summary="新增链接", **needs(Resource.MENU, creates=True))
def make_link(request: Request, asked: NewLink) -> ResourceTold:
    made = office.save_resource(work_of(request), None, **asked.model_dump(), row_version=0)
    return ResourceTold.model_validate(session(request).get_one(ResourceNode, made.id, populate_existing=True))


@router.put("/resources/{key}", summary="修改资源", **needs(Resource.MENU))
def change_resource(request: Request, key: Key, asked: ResourceChange) -> ResourceTold:
    office.save_resource(work_of(request), seen(request, ResourceNode, key), **asked.model_dump())
    return ResourceTold.model_validate(session(request).get_one(ResourceNode, key, populate_existing=True))
