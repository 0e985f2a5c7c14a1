"""Tables of schema `identity`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Identified, coded, personal


class RoleCode(Code):
    """What a person does here. Issue 3 makes roles data; these are the built-in ones."""

    SYSTEM_ADMINISTRATOR = "system_administrator", "系统管理员"
    SECURITY_ADMINISTRATOR = "security_administrator", "安全管理员"
    AUDIT_ADMINISTRATOR = "audit_administrator", "审计管理员"
    LEADER = "leader", "局领导"
    DATA_STAFF = "data_staff", "数据专员"
    AUDITOR = "auditor", "数据审核员"
    OPERATOR = "operator", "运营人员"
    PROVIDER_STAFF = "provider_staff", "服务商人员"
    INSTITUTION_MANAGER = "institution_manager", "机构管理员"


class Account(Identified, Base):
    """A person who signs in."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint(
            "not (division_code is null and unit_code is null and organization_id is null)"
            " or role in ('system_administrator', 'security_administrator', 'audit_administrator')",
            name="has_scope",
        ),
        {"schema": "identity"},
    )

    username: Mapped[str] = mapped_column(unique=True)
    display_name: Mapped[str] = personal()
    password_hash: Mapped[str] = personal()
    role: Mapped[RoleCode] = mapped_column(coded(RoleCode))
    division_code: Mapped[str | None] = mapped_column(ForeignKey("reference.division.division_code"))
    unit_code: Mapped[str | None] = mapped_column(ForeignKey("reference.reporting_unit.unit_code"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))
    is_active: Mapped[bool] = mapped_column(server_default="true")
    failed_sign_ins: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default="now()")


class SignInSession(Identified, Base):
    """A signed-in browser; the cookie holds a random token, the table its hash, so that ending a session is at once."""

    __tablename__ = "sign_in_session"
    __table_args__ = (UniqueConstraint("token_sha256"), {"schema": "identity"})

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"), index=True)
    token_sha256: Mapped[bytes]
    started_at: Mapped[datetime] = mapped_column(server_default="now()")
    last_seen_at: Mapped[datetime] = mapped_column(server_default="now()")
    ended_at: Mapped[datetime | None]
    remote_address: Mapped[str | None]
