"""Tables of schema `joining`."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, AppendOnly, Base, Code, Identified, coded, personal
from operational_app.core.row_security import ACCOUNT, ALL_ACCOUNTS, UNIT, Scope
from operational_app.organizations.models import OrganizationKindCode


class RequestKind(Code):
    DEPARTMENT = "department", "加入政府部门"
    ENTITY = "entity", "市场主体入驻"
    MEMBER = "member", "加入市场主体"


class RequestState(Code):
    SUBMITTED = "submitted", "待办理"
    RETURNED = "returned", "退回补正"
    APPROVED = "approved", "已通过"
    REJECTED = "rejected", "不予通过"
    WITHDRAWN = "withdrawn", "已撤回"


class DocumentKind(Code):
    LICENCE = "licence", "营业执照（登记证书）"
    AUTHORISATION = "authorisation", "授权委托书"
    SERVICE = "service", "养老服务资质"
    ASSESSOR = "assessor", "评估机构资质"
    PRODUCT = "product", "产品检测报告"
    FOOD = "food", "食品经营许可证"
    OTHER = "other", "其他材料"


class JoinAct(Code):
    SUBMIT = "submit", "提交"
    RETURN = "return", "退回补正"
    RESUBMIT = "resubmit", "补正后重新提交"
    APPROVE = "approve", "通过"
    REJECT = "reject", "不予通过"
    WITHDRAW = "withdraw", "撤回"


class JoinRequest(Identified, Base):
    """A wish to join, as it stands now; how it came there is in its events.

    Attributes:
        division_code: of the department, or where the entity is: who in that division (or above) decides.
        organization_id: the entity to join; of an entity's own request, what it became.
        due_on: by when it should be decided.
    """

    __tablename__ = "join_request"
    __table_args__ = (
        CheckConstraint("decided_by <> applicant_id", name="not_by_oneself"),
        CheckConstraint(
            "case kind when 'department' then department_id is not null when 'member' then organization_id is not null"
            " else entity_kind is not null and entity_name is not null and credit_code is not null end",
            name="names_its_target",
        ),
        Index(
            "ix_join_request_one_open", "applicant_id", unique=True,
            postgresql_where="state in ('submitted', 'returned')",
        ),
        Index("ix_join_request_division_code", "division_code", "state", "due_on"),
        {"schema": "joining"},
    )  # fmt: skip
    scope = Scope(
        division="division_code", organization="organization_id",
        condition=f"join_request.applicant_id = {ACCOUNT} or join_request.unit_code = {UNIT}",
    )  # fmt: skip

    kind: Mapped[RequestKind] = mapped_column(coded(RequestKind))
    state: Mapped[RequestState] = mapped_column(coded(RequestState), server_default="submitted")
    applicant_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"), index=True)
    applicant_name: Mapped[str] = personal()
    position: Mapped[str | None]
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    unit_code: Mapped[str | None] = mapped_column(ForeignKey("reference.reporting_unit.unit_code"))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("identity.department.id"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    entity_kind: Mapped[OrganizationKindCode | None] = mapped_column(coded(OrganizationKindCode))
    entity_name: Mapped[str | None]
    credit_code: Mapped[str | None]
    legal_person: Mapped[str | None] = personal()
    address: Mapped[str | None]
    statement: Mapped[str] = mapped_column(server_default="")
    submitted_at: Mapped[datetime] = mapped_column(server_default=NOW)
    due_on: Mapped[date]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    row_version: Mapped[int] = mapped_column(server_default="1")


class JoinDocument(Identified, Base):
    """A paper handed in with a request; the file is kept by its hash (`core.uploads`)."""

    __tablename__ = "join_document"
    __table_args__ = {"schema": "joining"}
    scope = Scope(parent=("request_id", "joining.join_request", "id"))

    request_id: Mapped[int] = mapped_column(ForeignKey("joining.join_request.id"), index=True)
    kind: Mapped[DocumentKind] = mapped_column(coded(DocumentKind))
    number: Mapped[str | None]
    expires_on: Mapped[date | None]
    file_name: Mapped[str]
    media_type: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(server_default=NOW)
    removed_at: Mapped[datetime | None]


class JoinEvent(AppendOnly, Base):
    """One act on a request."""

    __tablename__ = "join_event"
    __table_args__ = ({"schema": "joining", "info": {"stays_in_app": True}},)
    scope = Scope(parent=("request_id", "joining.join_request", "id"))

    request_id: Mapped[int] = mapped_column(ForeignKey("joining.join_request.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    account_name: Mapped[str] = personal()
    act: Mapped[JoinAct] = mapped_column(coded(JoinAct))
    reason: Mapped[str] = mapped_column(server_default="")


class Invitation(Identified, Base):
    """An entity's word that whoever brings its secret may come in; used once, until it expires or is revoked.

    Attributes:
        token_sha256, code_sha256: of the link's random token and of the short code; neither is kept itself.
        role_id: what the person is given with the membership, if the inviter may give it then.
    """

    __tablename__ = "invitation"
    __table_args__ = (
        CheckConstraint("used_at is null or revoked_at is null", name="used_or_revoked"),
        CheckConstraint("(used_at is null) = (used_by is null)", name="used_by_somebody"),
        {"schema": "joining", "info": {"stays_in_app": True}},
    )
    scope = Scope(organization="organization_id", condition=ALL_ACCOUNTS)

    organization_id: Mapped[int] = mapped_column(ForeignKey("organizations.organization.id"), index=True)
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    code_sha256: Mapped[bytes] = mapped_column(unique=True)
    position: Mapped[str | None]
    role_id: Mapped[int | None] = mapped_column(ForeignKey("identity.role.id"))
    invited_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    revoked_at: Mapped[datetime | None]
    row_version: Mapped[int] = mapped_column(server_default="1")


class InvitationAllowance(Base):
    """How many invitations an account tried in vain since its window opened; one row an account."""

    __tablename__ = "invitation_allowance"
    __table_args__ = ({"schema": "joining", "info": {"stays_in_app": True}},)
    scope = Scope(condition=f"account_id = {ACCOUNT}")

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"), primary_key=True, autoincrement=False)
    window_opened_at: Mapped[datetime]
    failures: Mapped[int]
