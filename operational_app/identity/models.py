"""Tables of schema `identity`: who may sign in, what they may open, and whose records they see.

Right and scope are apart: a right comes from roles (this schema), the records seen from department or organization
(row-level security, `operational_app.core.row_security`). Nothing is deleted; what ended says when and by whom.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, AppendOnly, Base, Code, Identified, coded, personal
from operational_app.core.row_security import ACCOUNT, ALL_ACCOUNTS, UNIT, Scope


class RoleCode(Code):
    """The built-in roles; an installation adds its own."""

    SYSTEM_ADMINISTRATOR = "system_administrator", "系统管理员"
    SECURITY_ADMINISTRATOR = "security_administrator", "安全管理员"
    AUDIT_ADMINISTRATOR = "audit_administrator", "审计管理员"
    LEADER = "leader", "局领导"
    DATA_STAFF = "data_staff", "数据专员"
    AUDITOR = "auditor", "数据审核员"
    OPERATOR = "operator", "运营人员"
    PROVIDER_STAFF = "provider_staff", "服务商人员"
    INSTITUTION_MANAGER = "institution_manager", "机构管理员"
    DEPARTMENT_MANAGER = "department_manager", "部门管理员"
    PROVIDER_MANAGER = "provider_manager", "服务商管理员"


class Duty(Code):
    """Which of the three administrations a role belongs to, or none: GB/T 22239-2019, 8.1.5. Nobody has two."""

    SYSTEM = "system", "系统管理"
    SECURITY = "security", "安全管理"
    AUDIT = "audit", "审计管理"
    BUSINESS = "business", "业务"


class ResourceKind(Code):
    PAGE = "page", "页面"
    ACTION = "action", "操作"
    APPLICATION = "application", "应用"
    LINK = "link", "链接"


class Department(Identified, Base):
    """A government department; its people see the records of its division, or of its reporting unit.

    Every division has one (`is_builtin`); further ones (sections of a bureau) stand below it.
    """

    __tablename__ = "department"
    __table_args__ = (
        UniqueConstraint("division_code", "unit_code", "name", postgresql_nulls_not_distinct=True),
        CheckConstraint("parent_id is null or parent_id <> id", name="not_its_own_parent"),
        {"schema": "identity"},
    )

    name: Mapped[str]
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    unit_code: Mapped[str | None] = mapped_column(ForeignKey("reference.reporting_unit.unit_code"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("identity.department.id"), index=True)
    is_builtin: Mapped[bool] = mapped_column(server_default="false")
    is_active: Mapped[bool] = mapped_column(server_default="true")


_IN_DEPARTMENT_OF_SCOPE = (
    "exists (select 1 from identity.department as d where d.id = account.department_id"
    f" and (d.unit_code = {UNIT} or {Scope(division='division_code').predicate('d')}))"
)


class Account(Identified, Base):
    """A person who signs in: of a department, of an organization, or of neither (the administrators)."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("department_id is null or organization_id is null", name="one_scope"),
        Index(
            "ix_account_registered_from", "registered_from", "created_at",
            postgresql_where="registered_from is not null",
        ),
        {"schema": "identity"},
    )  # fmt: skip
    scope = Scope(
        organization="organization_id",
        condition=f"{ALL_ACCOUNTS} or account.id = {ACCOUNT} or {_IN_DEPARTMENT_OF_SCOPE}",
    )

    username: Mapped[str] = mapped_column(unique=True)
    display_name: Mapped[str] = personal()
    position: Mapped[str | None]  # 职务
    phone_cipher: Mapped[bytes | None] = personal()
    id_number_cipher: Mapped[bytes | None] = personal()
    password_hash: Mapped[str] = personal()
    password_changed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    must_change_password: Mapped[bool] = mapped_column(server_default="false")
    totp_cipher: Mapped[bytes | None] = personal()
    totp_confirmed_at: Mapped[datetime | None]  # since when a code is asked for
    totp_last_step: Mapped[int | None]
    department_id: Mapped[int | None] = mapped_column(ForeignKey("identity.department.id"), index=True)
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    is_active: Mapped[bool] = mapped_column(server_default="true")
    failed_sign_ins: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    registered_from: Mapped[str | None]  # address of a person who made the account themselves
    row_version: Mapped[int] = mapped_column(server_default="1")


class Role(Identified, Base):
    """What a person does here: a set of resources.

    Attributes:
        for_organizations: may be given to people of market entities, and only to them.
    """

    __tablename__ = "role"
    __table_args__ = (UniqueConstraint("id", "duty"), {"schema": "identity"})

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default="")
    duty: Mapped[Duty] = mapped_column(coded(Duty), server_default="business")
    for_organizations: Mapped[bool] = mapped_column(server_default="false")
    is_builtin: Mapped[bool] = mapped_column(server_default="false")
    is_active: Mapped[bool] = mapped_column(server_default="true")
    row_version: Mapped[int] = mapped_column(server_default="1")


class ResourceNode(Identified, Base):
    """A resource as data: what it is called, where it stands in the menu, whether it is shown.

    Built-in ones belong to code (`operational_app.identity.access.Resource`); an installation adds links.
    """

    __tablename__ = "resource"
    __table_args__ = ({"schema": "identity"},)

    code: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[ResourceKind] = mapped_column(coded(ResourceKind))
    label: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    url: Mapped[str | None]
    icon: Mapped[str | None]
    position: Mapped[int] = mapped_column(server_default="1000")
    is_shown: Mapped[bool] = mapped_column(server_default="true")
    is_builtin: Mapped[bool] = mapped_column(server_default="false")
    row_version: Mapped[int] = mapped_column(server_default="1")


class RoleResource(Identified, Base):
    """A role's right to a resource; taken away means `is_held` is false."""

    __tablename__ = "role_resource"
    __table_args__ = (UniqueConstraint("role_id", "resource_code"), {"schema": "identity"})

    role_id: Mapped[int] = mapped_column(ForeignKey("identity.role.id"))
    resource_code: Mapped[str] = mapped_column(ForeignKey("identity.resource.code"))
    is_held: Mapped[bool] = mapped_column(server_default="true")


class AccountRole(Identified, Base):
    """A role given to a person; the database refuses duties of two administrations in one hand, and self-service."""

    __tablename__ = "account_role"
    __table_args__ = (
        ForeignKeyConstraint(["role_id", "duty"], ["identity.role.id", "identity.role.duty"]),
        Index("ix_account_role_held", "account_id", "role_id", unique=True, postgresql_where="revoked_at is null"),
        ExcludeConstraint(
            ("account_id", "="), ("duty", "<>"), where=text("revoked_at is null"), using="gist",
            name="ex_account_role_one_duty",
        ),
        CheckConstraint("granted_by is null or granted_by <> account_id", name="not_by_oneself"),
        {"schema": "identity"},
    )  # fmt: skip
    scope = Scope(parent=("account_id", "identity.account", "id"))

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    role_id: Mapped[int]
    duty: Mapped[Duty] = mapped_column(coded(Duty))
    granted_at: Mapped[datetime] = mapped_column(server_default=NOW)
    granted_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))


class UserGroup(Identified, Base):
    """People who share roles, managed at once (用户组)."""

    __tablename__ = "user_group"
    __table_args__ = ({"schema": "identity"},)

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default="")
    is_active: Mapped[bool] = mapped_column(server_default="true")
    row_version: Mapped[int] = mapped_column(server_default="1")


class UserGroupMember(Identified, Base):
    __tablename__ = "user_group_member"
    __table_args__ = (
        Index("ix_user_group_member_in", "account_id", "group_id", unique=True, postgresql_where="left_at is null"),
        {"schema": "identity"},
    )
    scope = Scope(parent=("account_id", "identity.account", "id"))

    group_id: Mapped[int] = mapped_column(ForeignKey("identity.user_group.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    joined_at: Mapped[datetime] = mapped_column(server_default=NOW)
    added_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    left_at: Mapped[datetime | None]


class UserGroupRole(Identified, Base):
    """A role that a group's members have; only business roles, so that a group cannot mix duties."""

    __tablename__ = "user_group_role"
    __table_args__ = (
        UniqueConstraint("group_id", "role_id"),
        ForeignKeyConstraint(["role_id", "duty"], ["identity.role.id", "identity.role.duty"]),
        CheckConstraint("duty = 'business'", name="business_only"),
        {"schema": "identity"},
    )

    group_id: Mapped[int] = mapped_column(ForeignKey("identity.user_group.id"))
    role_id: Mapped[int]
    duty: Mapped[Duty] = mapped_column(coded(Duty), server_default="business")
    is_held: Mapped[bool] = mapped_column(server_default="true")


class SignInSession(Identified, Base):
    """A signed-in browser; the cookie holds a random token, the table its hash, so that ending a session is at once."""

    __tablename__ = "sign_in_session"
    __table_args__ = (UniqueConstraint("token_sha256"), {"schema": "identity"})
    scope = Scope(parent=("account_id", "identity.account", "id"))

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"), index=True)
    token_sha256: Mapped[bytes]
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_seen_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]
    remote_address: Mapped[str | None]
    browser: Mapped[str | None]


class SignInAttempt(AppendOnly, Base):
    """A person's own sign-in log; what the audit trail says too, which only the audit administrator may read."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (
        Index("ix_sign_in_attempt_account_id", "account_id", "id"),
        {"schema": "identity", "info": {"stays_in_app": True}},
    )
    scope = Scope(parent=("account_id", "identity.account", "id"))

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    outcome: Mapped[str]
    remote_address: Mapped[str | None]
    browser: Mapped[str | None]
