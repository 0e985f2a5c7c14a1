"""Pages that administer accounts, departments, roles, groups and the menu.

A page answers a refusal with itself, the reason on top, and status 422; nothing is written then (the gate rolls back).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Form
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from operational_app.identity import administration as office
from operational_app.identity import rules
from operational_app.identity.access import ADMINISTRATIVE, Resource
from operational_app.identity.administration import Refused, Stale, Work
from operational_app.identity.models import (
    Account,
    AccountRole,
    Department,
    Duty,
    ResourceKind,
    ResourceNode,
    Role,
    UserGroup,
    UserGroupMember,
    UserGroupRole,
)
from operational_app.identity.views import STATE_COLOURS, department_name, place_of, state_of
from operational_app.organizations.models import Organization
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import actor, now, page, remote_address, session

REFUSED = 422
_DONE = {
    "saved": "已保存。", "shut": "已停用，对方的登录已全部退出。", "open": "已启用。", "granted": "已授予，立即生效。",
    "revoked": "已收回，立即生效。", "added": "已加入。", "removed": "已移出。", "ended": "已强制退出。",
    "revoked_invitation": "已撤销，该邀请不能再使用。", "joined": "您已加入单位。",
    "bound": "已绑定，下次登录起需要输入动态验证码。", "unbound": "已解除绑定。",
    "submitted": "已提交，请等待办理。", "withdrawn": "已撤回。", "approved": "已通过。", "returned": "已退回补正。",
    "rejected": "已办结：不予通过。",
    "password": "密码已修改，您在其他设备上的登录已退出。",
}  # fmt: skip
Text = Annotated[str, Form()]
Number = Annotated[int, Form()]
Checked = Annotated[str, Form()]
_Record = TypeVar("_Record")

accounts = pages_of(Resource.ACCOUNTS)
departments = pages_of(Resource.DEPARTMENTS)
roles = pages_of(Resource.ROLES)
groups = pages_of(Resource.GROUPS)
menu = pages_of(Resource.MENU)
router = APIRouter()
_changes_accounts = Depends(demand(Resource.ACCOUNT_CHANGES))
_grants_roles = Depends(demand(Resource.ROLE_GRANTS))


def work_of(request: Request) -> Work:
    return Work(session(request), actor(request), now(), remote_address(request))


def notice_of(request: Request) -> str:
    """What the act before this page did."""
    return _DONE.get(request.query_params.get("done", ""), "")


def seen(request: Request, model: type[_Record], key: int) -> _Record:
    """The record, if it exists and the user's scope holds it.

    Raises:
        HTTPException: 404.
    """
    record = session(request).get(model, key)
    if record is None:
        raise HTTPException(404)
    return record


def once_more(
    request: Request,
    key: int | None,
    problem: Refused,
    given: dict[str, Any],
    as_it_is: Callable[[Request, int], tuple[_Record, dict[str, Any]]],
    show: Callable[[Request, _Record | None, dict[str, Any], str], Response],
) -> Response:
    """The form that was refused, with what was typed; where somebody else was faster, with the record as it is now.

    Args:
        key: of the record; None for a new one.
    """
    session(request).rollback()
    record, current = as_it_is(request, key) if key else (None, given)
    return show(request, record, current if isinstance(problem, Stale) else given, str(problem))


def done(address: str, what: str = "saved") -> RedirectResponse:
    return RedirectResponse(f"{address}?done={what}", status_code=303)


# Accounts


@dataclass(frozen=True)
class _RoleLine:
    role: Role
    source: str
    granted_at: Any
    may_revoke: bool


def _account_page(request: Request, account: Account, error: str = "") -> Response:
    work = work_of(request)
    who = work.actor
    target = office.holder_of(work.session, account)
    lines = []
    given = work.session.execute(
        select(Role, AccountRole.granted_at)
        .join(AccountRole, AccountRole.role_id == Role.id)
        .where(AccountRole.account_id == account.id, AccountRole.revoked_at.is_(None))
        .order_by(Role.id)
    )
    for role, granted_at in given:
        facts = office.role_facts(work.session, role)
        may_revoke = who.may(Resource.ROLE_GRANTS) and rules.why_not_revoke(work.holder, facts, target) is None
        lines.append(_RoleLine(role, "直接授予", granted_at, may_revoke))
    by_group = work.session.execute(
        select(Role, UserGroup.name, UserGroupMember.joined_at)
        .join(UserGroupRole, UserGroupRole.role_id == Role.id)
        .join(UserGroup, UserGroup.id == UserGroupRole.group_id)
        .join(UserGroupMember, UserGroupMember.group_id == UserGroup.id)
        .where(
            UserGroupMember.account_id == account.id, UserGroupMember.left_at.is_(None), UserGroupRole.is_held,
            UserGroup.is_active,
        )
    )  # fmt: skip
    lines += [_RoleLine(role, f"用户组“{name}”", joined_at, may_revoke=False) for role, name, joined_at in by_group]
    department = work.session.get(Department, account.department_id) if account.department_id else None
    organization = work.session.get(Organization, account.organization_id) if account.organization_id else None
    why_not = rules.why_not_change_account(work.holder, target)
    state = state_of(account, work.at)
    attempts = office.attempts_of(work.session, account.id)
    return page(
        request, "identity/account.html", REFUSED if error else 200, title=account.display_name, account=account,
        state=(state.label, STATE_COLOURS[state]),
        place=place_of(account, department, organization.name if organization else None),
        roles=lines, may_grant=who.may(Resource.ROLE_GRANTS) and who.account_id != account.id,
        grantable=office.grantable_roles(work, account) if who.may(Resource.ROLE_GRANTS) else [],
        may_change=who.may(Resource.ACCOUNT_CHANGES) and why_not is None,
        is_last_manager=office.is_last_manager(work.session, account),
        why_not=why_not if who.may(Resource.ACCOUNT_CHANGES) else None,
        departments=_beside(work, department) if department else [], attempts=attempts,
        error=error, notice=notice_of(request),
    )  # fmt: skip


def _beside(work: Work, department: Department) -> list[tuple[int, str]]:
    """Departments where a person may be moved: those of the same division, and its reporting units."""
    found = work.session.scalars(
        select(Department)
        .where(Department.division_code == department.division_code, Department.is_active)
        .order_by(Department.id)
    )
    return [(beside.id, beside.name) for beside in found if office.in_scope(work.actor, beside)]


def _new_account_page(request: Request, given: dict[str, str], error: str = "") -> Response:
    work = work_of(request)
    organization_id = work.actor.scope.organization_id
    found = work.session.scalars(
        select(Department)
        .where(Department.is_active, ~Department.is_builtin | Department.unit_code.is_not(None))
        .order_by(Department.division_code, Department.id)
    )
    sections = [(section.id, department_name(section)) for section in found if office.in_scope(work.actor, section)]
    return page(
        request, "identity/account_new.html", REFUSED if error else 200, title="新增账号", given=given, error=error,
        sections=sections, own_organization=work.actor.scope_label if organization_id else "",
    )  # fmt: skip


@accounts.get("/accounts/new", dependencies=[_changes_accounts])
def new_account(request: Request) -> Response:
    return _new_account_page(request, {})


@accounts.post("/accounts/new", dependencies=[_changes_accounts])
def make_account(
    request: Request,
    username: Text = "",
    display_name: Text = "",
    position: Text = "",
    county: Text = "",
    town: Text = "",
    village: Text = "",
    section: Text = "",
) -> Response:
    work = work_of(request)
    given = {
        "username": username, "display_name": display_name, "position": position, "county": county, "town": town,
        "village": village, "section": section,
    }  # fmt: skip
    try:
        account, password = office.create_account(
            work, username=username.strip(), display_name=display_name, position=position,
            department_id=_chosen_department(work, village or town or county, section),
        )  # fmt: skip
    except Refused as problem:
        work.session.rollback()
        return _new_account_page(request, given, str(problem))
    return page(request, "identity/account_password.html", title="账号已新增", account=account, password=password)


def _chosen_department(work: Work, division_code: str, section: str) -> int | None:
    """A section, or the department of a division; without either the one of the user's own whole scope."""
    if section.isdigit():
        return int(section)
    own = select(Department.id).join(Account, Account.department_id == Department.id)
    if division_code:
        named = select(Department.id).where(
            Department.division_code == division_code, Department.unit_code.is_(None), Department.is_builtin
        )
    else:
        named = own.where(Account.id == work.actor.account_id)
    return work.session.scalar(named)


@accounts.get("/accounts/{key:int}")
def account_page(request: Request, key: int) -> Response:
    return _account_page(request, seen(request, Account, key))


def _account_act(request: Request, key: int, act: Callable[[Work, Account], object], what: str) -> Response:
    account, work = seen(request, Account, key), work_of(request)
    try:
        act(work, account)
    except Refused as problem:
        work.session.rollback()
        return _account_page(request, seen(request, Account, key), str(problem))
    return done(f"/accounts/{key}", what)


@accounts.post("/accounts/{key:int}", dependencies=[_changes_accounts])
def change_account(
    request: Request,
    key: int,
    row_version: Number,
    display_name: Text = "",
    position: Text = "",
    department_id: Text = "",
) -> Response:
    def change(work: Work, account: Account) -> None:
        office.change_account(
            work, account, display_name=display_name, position=position,
            department_id=int(department_id) if department_id.isdigit() else None, row_version=row_version,
        )  # fmt: skip

    return _account_act(request, key, change, "saved")


@accounts.post("/accounts/{key:int}/shut", dependencies=[_changes_accounts])
def shut_account(request: Request, key: int) -> Response:
    return _account_act(request, key, lambda work, account: office.set_active(work, account, False), "shut")


@accounts.post("/accounts/{key:int}/open", dependencies=[_changes_accounts])
def open_account(request: Request, key: int) -> Response:
    return _account_act(request, key, lambda work, account: office.set_active(work, account, True), "open")


@accounts.post("/accounts/{key:int}/reset", dependencies=[_changes_accounts])
def reset_password(request: Request, key: int) -> Response:
    account, work = seen(request, Account, key), work_of(request)
    try:
        password = office.reset_password(work, account)
    except Refused as problem:
        work.session.rollback()
        return _account_page(request, seen(request, Account, key), str(problem))
    return page(request, "identity/account_password.html", title="密码已重置", account=account, password=password)


@accounts.post("/accounts/{key:int}/grant", dependencies=[_grants_roles])
def grant_role(request: Request, key: int, role: Number) -> Response:
    given = seen(request, Role, role)
    return _account_act(request, key, lambda work, account: office.grant_role(work, account, given), "granted")


@accounts.post("/accounts/{key:int}/revoke", dependencies=[_grants_roles])
def revoke_role(request: Request, key: int, role: Number) -> Response:
    taken = seen(request, Role, role)
    return _account_act(request, key, lambda work, account: office.revoke_role(work, account, taken), "revoked")


# Departments


def _department_page(
    request: Request, department: Department | None, given: dict[str, Any], error: str = ""
) -> Response:
    work = session(request)
    above = work.get(Department, department.parent_id) if department and department.parent_id else None
    return page(
        request, "identity/department.html", REFUSED if error else 200,
        title=department_name(department) if department else "新增科室", department=department, given=given,
        error=error, notice=notice_of(request), above=department_name(above) if above else None,
        level=office.level_of(department) if department else None,
        people=office.people_in(work, department.id) if department else 0,
    )  # fmt: skip


@departments.get("/departments/new")
def new_department(request: Request) -> Response:
    return _department_page(request, None, {})


@departments.post("/departments/new")
def make_department(
    request: Request, name: Text = "", county: Text = "", town: Text = "", village: Text = ""
) -> Response:
    work = work_of(request)
    division_code = village or town or county
    here = Department.division_code == division_code if division_code else Department.parent_id.is_(None)
    above = work.session.scalar(
        select(Department.id).where(here, Department.unit_code.is_(None), Department.is_builtin)
    )
    try:
        made = office.save_department(work, None, name=name, parent_id=above, is_active=True)
    except Refused as problem:
        work.session.rollback()
        given = {"name": name, "county": county, "town": town, "village": village}
        return _department_page(request, None, given, str(problem))
    return done(f"/departments/{made.id}")


@departments.get("/departments/{key:int}")
def department_page(request: Request, key: int) -> Response:
    department = seen(request, Department, key)
    return _department_page(request, department, {"name": department.name, "is_active": department.is_active})


@departments.post("/departments/{key:int}")
def change_department(request: Request, key: int, name: Text = "", is_active: Checked = "") -> Response:
    department, work = seen(request, Department, key), work_of(request)
    try:
        office.save_department(work, department, name=name, parent_id=None, is_active=bool(is_active))
    except Refused as problem:
        work.session.rollback()
        given = {"name": name, "is_active": bool(is_active)}
        return _department_page(request, seen(request, Department, key), given, str(problem))
    return done(f"/departments/{key}")


# Roles


def _role_page(request: Request, role: Role | None, given: dict[str, Any], error: str = "") -> Response:
    is_fixed = role is not None and role.duty is not Duty.BUSINESS
    nodes = session(request).scalars(select(ResourceNode).order_by(ResourceNode.position, ResourceNode.id)).all()
    offered = [
        node for node in nodes if node.code != Resource.WORKBENCH and (is_fixed or node.code not in ADMINISTRATIVE)
    ]
    kinds = [(kind.label, [node for node in offered if node.kind is kind]) for kind in ResourceKind]
    return page(
        request, "identity/role.html", REFUSED if error else 200, title=role.name if role else "新增角色", role=role,
        is_fixed=is_fixed, kinds=[pair for pair in kinds if pair[1]], given=given, error=error,
        notice=notice_of(request),
    )  # fmt: skip


@roles.get("/roles/new")
def new_role(request: Request) -> Response:
    return _role_page(request, None, {"resources": set(), "is_active": True, "row_version": 1})


@roles.get("/roles/{key:int}")
def role_page(request: Request, key: int) -> Response:
    return _role_page(request, *_role_as_it_is(request, key))


def _role_as_it_is(request: Request, key: int) -> tuple[Role, dict[str, Any]]:
    role = seen(request, Role, key)
    return role, {
        "name": role.name, "description": role.description, "for_organizations": role.for_organizations,
        "is_active": role.is_active, "row_version": role.row_version,
        "resources": office.resources_of_roles(session(request), [key]),
    }  # fmt: skip


@roles.post("/roles/new")
@roles.post("/roles/{key:int}")
def save_role(
    request: Request,
    row_version: Number,
    key: int | None = None,
    name: Text = "",
    description: Text = "",
    for_organizations: Checked = "",
    is_active: Checked = "",
    resource: Annotated[list[str] | None, Form()] = None,
) -> Response:
    work = work_of(request)
    role = seen(request, Role, key) if key else None
    given: dict[str, Any] = {
        "name": name, "description": description, "for_organizations": bool(for_organizations),
        "is_active": bool(is_active), "resources": set(resource or ()), "row_version": row_version,
    }  # fmt: skip
    try:
        saved = office.save_role(work, role, **given)
    except Refused as problem:
        return once_more(request, key, problem, given, _role_as_it_is, _role_page)
    return done(f"/roles/{saved.id}")


# Groups


def _group_page(request: Request, group: UserGroup | None, given: dict[str, Any], error: str = "") -> Response:
    work = session(request)
    offered = work.scalars(select(Role).where(Role.is_active, Role.duty == Duty.BUSINESS).order_by(Role.id)).all()
    members: Sequence[Any] = ()
    if group:
        members = work.execute(
            select(Account, UserGroupMember.joined_at)
            .join(UserGroupMember, UserGroupMember.account_id == Account.id)
            .where(UserGroupMember.group_id == group.id, UserGroupMember.left_at.is_(None))
            .order_by(Account.username)
        ).all()
    return page(
        request, "identity/group.html", REFUSED if error else 200, title=group.name if group else "新增用户组",
        group=group, given=given, roles=offered, members=members, error=error, notice=notice_of(request),
    )  # fmt: skip


@groups.get("/groups/new")
def new_group(request: Request) -> Response:
    return _group_page(request, None, {"role_ids": set(), "is_active": True, "row_version": 1})


@groups.get("/groups/{key:int}")
def group_page(request: Request, key: int) -> Response:
    return _group_page(request, *_group_as_it_is(request, key))


def _group_as_it_is(request: Request, key: int) -> tuple[UserGroup, dict[str, Any]]:
    group = seen(request, UserGroup, key)
    return group, {
        "name": group.name, "description": group.description, "is_active": group.is_active,
        "row_version": group.row_version, "role_ids": set(office.group_roles(session(request), key)),
    }  # fmt: skip


@groups.post("/groups/new")
@groups.post("/groups/{key:int}")
def save_group(
    request: Request,
    row_version: Number,
    key: int | None = None,
    name: Text = "",
    description: Text = "",
    is_active: Checked = "",
    role: Annotated[list[int] | None, Form()] = None,
) -> Response:
    work = work_of(request)
    group = seen(request, UserGroup, key) if key else None
    given: dict[str, Any] = {
        "name": name, "description": description, "is_active": bool(is_active), "role_ids": set(role or ()),
        "row_version": row_version,
    }  # fmt: skip
    try:
        saved = office.save_group(work, group, **given)
    except Refused as problem:
        return once_more(request, key, problem, given, _group_as_it_is, _group_page)
    return done(f"/groups/{saved.id}")


def _group_act(request: Request, key: int, act: Callable[[Work, UserGroup], object], what: str) -> Response:
    group, work = seen(request, UserGroup, key), work_of(request)
    try:
        act(work, group)
    except Refused as problem:
        work.session.rollback()
        return _group_page(request, *_group_as_it_is(request, key), str(problem))
    return done(f"/groups/{key}", what)


@groups.post("/groups/{key:int}/add")
def add_member(request: Request, key: int, username: Text = "") -> Response:
    return _group_act(request, key, lambda work, group: office.add_member(work, group, username), "added")


@groups.post("/groups/{key:int}/remove")
def remove_member(request: Request, key: int, account: Number) -> Response:
    return _group_act(request, key, lambda work, group: office.remove_member(work, group, account), "removed")


# Menu


def _resource_page(request: Request, node: ResourceNode | None, given: dict[str, Any], error: str = "") -> Response:
    return page(
        request, "identity/resource.html", REFUSED if error else 200, title=node.label if node else "新增链接",
        node=node, given=given, error=error, notice=notice_of(request),
    )  # fmt: skip


@menu.get("/resources/new")
def new_resource(request: Request) -> Response:
    return _resource_page(request, None, {"position": 1000, "is_shown": True, "row_version": 1})


@menu.get("/resources/{key:int}")
def resource_page(request: Request, key: int) -> Response:
    return _resource_page(request, *_resource_as_it_is(request, key))


def _resource_as_it_is(request: Request, key: int) -> tuple[ResourceNode, dict[str, Any]]:
    node = seen(request, ResourceNode, key)
    return node, {
        "label": node.label, "description": node.description, "url": node.url, "position": node.position,
        "is_shown": node.is_shown, "row_version": node.row_version,
    }  # fmt: skip


@menu.post("/resources/new")
@menu.post("/resources/{key:int}")
def save_resource(
    request: Request,
    row_version: Number,
    position: Annotated[int, Form(ge=0, le=999_999)],
    key: int | None = None,
    label: Text = "",
    description: Text = "",
    url: Text = "",
    is_shown: Checked = "",
) -> Response:
    work = work_of(request)
    node = seen(request, ResourceNode, key) if key else None
    given: dict[str, Any] = {
        "label": label, "description": description, "url": url, "position": position, "is_shown": bool(is_shown),
        "row_version": row_version,
    }  # fmt: skip
    try:
        saved = office.save_resource(work, node, **given)
    except Refused as problem:
        return once_more(request, key, problem, given, _resource_as_it_is, _resource_page)
    return done(f"/resources/{saved.id}")


for part in (accounts, departments, roles, groups, menu):
    router.include_router(part)
