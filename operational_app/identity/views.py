"""The lists of accounts, departments, roles, groups and resources."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import aliased
from starlette.requests import Request
from starlette_admin import BaseField

from huiyang.divisions import division_tree
from operational_app.core.base import Code
from operational_app.identity.access import Resource
from operational_app.identity.administration import level_of
from operational_app.identity.models import (
    Account,
    AccountRole,
    Department,
    Duty,
    ResourceNode,
    Role,
    RoleResource,
    SignInSession,
    UserGroup,
    UserGroupMember,
    UserGroupRole,
)
from operational_app.organizations.models import Organization
from operational_app.web.back_office import ArchiveView, Found, ListCall, column, found_page
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.filters import DivisionFilter, TextFilter, code_filter
from operational_app.web.formats import division, minute
from operational_app.web.scoping import in_division
from operational_app.web.services import actor, now


class AccountState(Code):
    ACTIVE = "active", "正常"
    LOCKED = "locked", "已锁定"
    SHUT = "shut", "已停用"


STATE_COLOURS = {AccountState.ACTIVE: "green", AccountState.LOCKED: "orange", AccountState.SHUT: "secondary"}


def state_of(account: Account, at: datetime) -> AccountState:
    if not account.is_active:
        return AccountState.SHUT
    return AccountState.LOCKED if account.locked_until and account.locked_until > at else AccountState.ACTIVE


def _in_state(state: str, at: datetime) -> ColumnElement[bool]:
    is_locked = func.coalesce(Account.locked_until, at) > at
    conditions: dict[str, ColumnElement[bool]] = {
        AccountState.SHUT: Account.is_active.is_(False),
        AccountState.LOCKED: and_(Account.is_active, is_locked),
        AccountState.ACTIVE: and_(Account.is_active, ~is_locked),
    }
    return conditions[state]


@dataclass(frozen=True)
class AccountRow:
    id: int
    username: str
    display_name: str
    place: str | None
    roles: str
    state: AccountState
    last_seen_at: datetime | None


def _is_active_column() -> BaseField:
    return column(
        "is_active", "状态", "badge",
        getter=lambda request, row: ("正常", "green") if row.is_active else ("已停用", "secondary"),
    )  # fmt: skip


def _page(call: ListCall, statement: Select[Any]) -> tuple[list[Any], int | None]:
    """Rows of one page, and their number."""
    total = count_up_to(call.session, statement, MOST_LISTED + 1)
    return list(call.session.execute(statement.offset(call.skip).limit(call.limit))), total


class AccountView(ArchiveView):
    key = "accounts"
    names_persons = True
    menu_label = "账号管理"
    resource = Resource.ACCOUNTS
    record_address = "/accounts/{id}"
    new_address = "/accounts/new"
    new_label = "新增账号"
    empty_text = "没有符合条件的账号"
    list_filters = (
        TextFilter("name", "用户名或姓名", is_personal=True),
        code_filter("state", "状态", AccountState),
        DivisionFilter("division", "部门所在区划"),
        TextFilter("role", "角色"),
    )
    fields = (
        column("username", "用户名", "record", is_short=True),
        column("display_name", "姓名", is_short=True),
        column("place", "部门或单位"),
        column("roles", "角色"),
        column(
            "state", "状态", "badge", getter=lambda request, row: (row.state.label, STATE_COLOURS[row.state])
        ),
        column(
            "last_seen_at", "最近使用", is_short=True, on_phone=False,
            getter=lambda request, row: minute(row.last_seen_at) if row.last_seen_at else None,
        ),
    )  # fmt: skip

    def may_create(self, request: Request) -> bool:
        return actor(request).may(Resource.ACCOUNT_CHANGES)

    def search(self, call: ListCall) -> Found:
        values, at = call.filters.values, now()
        roles = (
            select(func.string_agg(Role.name, "、"))
            .join(AccountRole, AccountRole.role_id == Role.id)
            .where(AccountRole.account_id == Account.id, AccountRole.revoked_at.is_(None))
            .scalar_subquery()
        )
        last_seen = (
            select(func.max(SignInSession.last_seen_at)).where(SignInSession.account_id == Account.id).scalar_subquery()
        )
        statement = (
            select(Account, Department, Organization.name, roles, last_seen)
            .outerjoin(Department, Department.id == Account.department_id)
            .outerjoin(Organization, Organization.id == Account.organization_id)
        )
        if name := values.get("name"):
            statement = statement.where(
                or_(
                    Account.username.contains(name, autoescape=True),
                    Account.display_name.contains(name, autoescape=True),
                )
            )
        if state := values.get("state"):
            statement = statement.where(_in_state(state, at))
        if code := values.get("division"):
            statement = statement.where(in_division(Department.division_code, code))
        if role := values.get("role"):
            having = (
                select(AccountRole.account_id)
                .join(Role, Role.id == AccountRole.role_id)
                .where(AccountRole.revoked_at.is_(None), Role.name.contains(role, autoescape=True))
            )
            statement = statement.where(Account.id.in_(having))
        found, total = _page(call, statement.order_by(Account.username))
        rows = [
            AccountRow(
                account.id, account.username, account.display_name,
                place_of(account, department, organization), names or "未授予",
                state_of(account, at), seen,
            )
            for account, department, organization, names, seen in found
        ]  # fmt: skip
        return found_page(rows, total, call.skip, call.limit)


def department_name(department: Department) -> str:
    """With where it is, for names repeat: 赤坎区中华街道 南方社区居委会."""
    code = department.division_code
    where = division_tree()[code].parent_code if department.is_builtin and not department.unit_code else code
    name = department.name.replace("居民委员会", "居委会").replace("村民委员会", "村委会")
    is_of_the_city = where is None or where == division_tree().root.code
    return name if is_of_the_city else f"{division(where)}　{name}"


def place_of(account: Account, department: Department | None, organization: str | None) -> str | None:
    """Where a person belongs; the system administrator sees that it is a market entity, not which."""
    if department is not None:
        return department_name(department)
    return organization or ("市场主体" if account.organization_id else None)


@dataclass(frozen=True)
class DepartmentRow:
    id: int
    name: str
    level: str
    above: str | None
    people: int
    is_active: bool


class DepartmentView(ArchiveView):
    key = "departments"
    menu_label = "部门管理"
    resource = Resource.DEPARTMENTS
    record_address = "/departments/{id}"
    new_address = "/departments/new"
    new_label = "新增科室"
    empty_text = "没有符合条件的部门"
    list_filters = (TextFilter("name", "部门名称"), DivisionFilter("division", "区划"))
    fields = (
        column("name", "部门", "record"),
        column("level", "层级", is_short=True),
        column("above", "上级部门"),
        column("people", "启用账号", is_number=True),
        _is_active_column(),
    )  # fmt: skip

    def search(self, call: ListCall) -> Found:
        values = call.filters.values
        above = aliased(Department)
        people = select(func.count()).where(Account.department_id == Department.id, Account.is_active).scalar_subquery()
        statement = select(Department, above.name, people).outerjoin(above, above.id == Department.parent_id)
        if name := values.get("name"):
            statement = statement.where(Department.name.contains(name, autoescape=True))
        if code := values.get("division"):
            statement = statement.where(in_division(Department.division_code, code))
        found, total = _page(
            call, statement.order_by(Department.division_code, Department.unit_code.desc(), Department.id)
        )
        rows = [
            DepartmentRow(
                department.id, department_name(department), level_of(department), up, count, department.is_active
            )
            for department, up, count in found
        ]
        return found_page(rows, total, call.skip, call.limit)


@dataclass(frozen=True)
class RoleRow:
    id: int
    name: str
    duty: str
    people: int
    resources: int
    is_active: bool


class RoleView(ArchiveView):
    key = "roles"
    menu_label = "角色配置"
    resource = Resource.ROLES
    record_address = "/roles/{id}"
    new_address = "/roles/new"
    new_label = "新增角色"
    empty_text = "没有符合条件的角色"
    list_filters = (TextFilter("name", "角色名称"), code_filter("duty", "类别", Duty))
    fields = (
        column("name", "角色", "record"),
        column("duty", "类别", is_short=True),
        column("resources", "可打开资源", is_number=True),
        column("people", "直接授予人数", is_number=True),
        _is_active_column(),
    )  # fmt: skip

    def search(self, call: ListCall) -> Found:
        values = call.filters.values
        people = (
            select(func.count())
            .where(AccountRole.role_id == Role.id, AccountRole.revoked_at.is_(None))
            .scalar_subquery()
        )
        resources = select(func.count()).where(RoleResource.role_id == Role.id, RoleResource.is_held).scalar_subquery()
        statement = select(Role, people, resources)
        if name := values.get("name"):
            statement = statement.where(Role.name.contains(name, autoescape=True))
        if duty := values.get("duty"):
            statement = statement.where(Role.duty == duty)
        found, total = _page(call, statement.order_by(Role.id))
        rows = [
            RoleRow(role.id, role.name, role.duty.label, count, opens, role.is_active) for role, count, opens in found
        ]
        return found_page(rows, total, call.skip, call.limit)


@dataclass(frozen=True)
class GroupRow:
    id: int
    name: str
    roles: str | None
    people: int
    is_active: bool


class GroupView(ArchiveView):
    key = "groups"
    menu_label = "用户组"
    resource = Resource.GROUPS
    record_address = "/groups/{id}"
    new_address = "/groups/new"
    new_label = "新增用户组"
    empty_text = "还没有用户组"
    list_filters = (TextFilter("name", "用户组名称"),)
    fields = (
        column("name", "用户组", "record"),
        column("roles", "授予角色"),
        column("people", "人数", is_number=True),
        _is_active_column(),
    )  # fmt: skip

    def search(self, call: ListCall) -> Found:
        roles = (
            select(func.string_agg(Role.name, "、"))
            .join(UserGroupRole, UserGroupRole.role_id == Role.id)
            .where(UserGroupRole.group_id == UserGroup.id, UserGroupRole.is_held)
            .scalar_subquery()
        )
        people = (
            select(func.count())
            .where(UserGroupMember.group_id == UserGroup.id, UserGroupMember.left_at.is_(None))
            .scalar_subquery()
        )
        statement = select(UserGroup, roles, people)
        if name := call.filters.values.get("name"):
            statement = statement.where(UserGroup.name.contains(name, autoescape=True))
        found, total = _page(call, statement.order_by(UserGroup.name))
        rows = [GroupRow(group.id, group.name, names, count, group.is_active) for group, names, count in found]
        return found_page(rows, total, call.skip, call.limit)


class ResourceView(ArchiveView):
    key = "resources"
    menu_label = "资源配置"
    resource = Resource.MENU
    record_address = "/resources/{id}"
    new_address = "/resources/new"
    new_label = "新增链接"
    empty_text = "没有符合条件的资源"
    list_filters = (TextFilter("name", "名称"),)
    fields = (
        column("label", "名称", "record"),
        column("kind", "类别", is_short=True, getter=lambda request, row: row.kind.label),
        column("url", "地址", on_phone=False),
        column("position", "次序", is_number=True),
        column(
            "is_shown", "菜单", "badge",
            getter=lambda request, row: ("显示", "green") if row.is_shown and row.url else ("不显示", "secondary"),
        ),
    )  # fmt: skip

    def search(self, call: ListCall) -> Found:
        statement = select(ResourceNode)
        if name := call.filters.values.get("name"):
            statement = statement.where(ResourceNode.label.contains(name, autoescape=True))
        found, total = _page(call, statement.order_by(ResourceNode.position, ResourceNode.id))
        return found_page([row[0] for row in found], total, call.skip, call.limit)
