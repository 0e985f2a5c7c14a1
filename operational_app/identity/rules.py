"""Who may give which right to whom, and what a password must be; values in, a refusal in Chinese or None out."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from datetime import timedelta

from operational_app.identity.access import ADMINISTRATIVE
from operational_app.identity.models import Duty

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 128
_KINDS = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^a-zA-Z0-9]")
_KINDS_WANTED = 3
#: Accounts that people may make themselves from one address within a while: an office shares one.
REGISTRATIONS_AT_MOST, REGISTRATION_WINDOW = 20, timedelta(hours=1)
#: What every list of stolen passwords begins with, and what people here type first.
_WELL_KNOWN = ("password", "qwerty", "123456", "abc123", "admin", "huiyang", "zhanjiang", "111111", "888888")
_USERNAME = re.compile(r"[a-z][a-z0-9._-]{2,31}")


@dataclass(frozen=True)
class Holder:
    """A person with what they may do now.

    Attributes:
        resources: codes of what their roles open.
        of_organization: a market entity's, not a government user.
    """

    account_id: int
    resources: frozenset[str]
    duty: Duty
    of_organization: bool


@dataclass(frozen=True)
class RoleFacts:
    name: str
    resources: frozenset[str]
    duty: Duty
    for_organizations: bool
    is_active: bool = True


def why_not_grant(granter: Holder, role: RoleFacts, receiver: Holder) -> str | None:
    """Why `granter` may not give `role` to `receiver`; the right to give roles at all is checked by the page.

    The security administrator disposes of every role and uses none of them; everybody else gives only what they hold
    themselves (issue: nobody can grant what they do not hold). Duties stay apart (GB/T 22239-2019, 8.1.5.1–8.1.5.3).
    """
    if granter.account_id == receiver.account_id:
        return "不能给自己授权。"
    if not role.is_active:
        return f"角色“{role.name}”已停用。"
    if role.for_organizations != receiver.of_organization:
        kind = "市场主体人员" if role.for_organizations else "政府人员"
        return f"角色“{role.name}”只能授予{kind}。"
    if receiver.duty is not Duty.BUSINESS and role.duty is not receiver.duty:
        return f"对方已承担{receiver.duty.label}，不能同时承担{role.duty.label}。"
    if granter.duty is Duty.SECURITY:
        return None
    if role.duty is not Duty.BUSINESS:
        return "管理员角色只能由安全管理员授予。"
    if missing := role.resources - granter.resources:
        return f"角色“{role.name}”包含您没有的权限（{len(missing)} 项），不能授予。"
    return None


def why_not_revoke(granter: Holder, role: RoleFacts, receiver: Holder) -> str | None:
    """Why `granter` may not take `role` from `receiver`."""
    if granter.account_id == receiver.account_id:
        return "不能收回自己的角色。"
    if granter.duty is Duty.SECURITY:
        return None
    if role.duty is not Duty.BUSINESS or role.resources - granter.resources:
        return f"角色“{role.name}”包含您没有的权限，不能收回。"
    return None


def why_not_change_account(changer: Holder, target: Holder) -> str | None:
    """Why `changer` may not shut, open or change an account or reset its password.

    Whoever resets a password can sign in with it, so it must not open more than they hold; the system
    administrator's office is every business account, and administrators are reset at the machine itself.
    """
    if changer.account_id == target.account_id:
        return "自己的账号请在“个人中心”维护。"
    if target.duty is not Duty.BUSINESS:
        return "管理员账号由机房在服务器上维护，不在页面上修改。"
    if changer.duty is not Duty.SYSTEM and target.resources - changer.resources:
        return "该账号的权限比您大，不能改动。"
    return None


def why_not_hold(role_duty: Duty, resources: Set[str]) -> str | None:
    """Why a role of this duty may not open these resources."""
    if role_duty is not Duty.BUSINESS:
        return "管理员角色的权限是固定的，不能修改。"
    if resources & {str(resource) for resource in ADMINISTRATIVE}:
        return "业务角色不能包含系统管理、安全管理的权限。"
    return None


def password_problem(password: str, username: str) -> str | None:
    """What is wrong with a new password (GB/T 22239-2019, 8.1.4.1 a: complexity)."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return f"密码应为 {SHORTEST_PASSWORD}–{LONGEST_PASSWORD} 位。"
    if sum(bool(re.search(kind, password)) for kind in _KINDS) < _KINDS_WANTED:
        return "密码应包含大写字母、小写字母、数字、符号中的至少三种。"
    lower = password.lower()
    if username.lower() in lower:
        return "密码不能包含用户名。"
    if any(known in lower for known in _WELL_KNOWN):
        return "密码过于常见，请换一个。"
    if len(set(password)) < SHORTEST_PASSWORD // 2:
        return "密码重复的字符太多，请换一个。"
    return None


def username_problem(username: str) -> str | None:
    if not _USERNAME.fullmatch(username):
        return "用户名应为 3–32 位，以小写字母开头，只含小写字母、数字和 . _ -。"
    return None
