"""Tables of schema `collection`.

The figures stay in the app for now: what the warehouse shows of institutions comes from their records.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, AppendOnly, Base, Code, Identified, coded, personal
from operational_app.core.row_security import Scope


class CampaignKind(Code):
    BASE = "base", "基础数据（半年）"
    OPERATING = "operating", "运营数据（月度）"


class SubjectKind(Code):
    INSTITUTION = "institution", "养老机构"
    FACILITY = "facility", "社区养老设施"


class CampaignState(Code):
    OPEN = "open", "采集中"
    CLOSED = "closed", "已结束"


class FilingState(Code):
    DUE = "due", "未开始"
    DRAFT = "draft", "填报中"
    SUBMITTED = "submitted", "待审核"
    RETURNED = "returned", "已退回"
    ACCEPTED = "accepted", "已通过"


class ValueSource(Code):
    """Where a figure comes from."""

    CARRIED = "carried", "与上期一致"
    TYPED = "typed", "填写"
    IMPORTED = "imported", "导入"
    SYSTEM = "system", "系统统计"


class CampaignAct(Code):
    OPEN = "open", "开始采集"
    EXTEND = "extend", "延长期限"
    REMIND = "remind", "催报"
    CLOSE = "close", "结束采集"


class FilingAct(Code):
    SUBMIT = "submit", "提交"
    RETURN = "return", "退回"
    ACCEPT = "accept", "通过"
    CORRECT = "correct", "申请更正"
    IMPORT = "import", "导入"
    EXTEND = "extend", "延长期限"


class Campaign(Identified, Base):
    """采集任务: one kind of data for one period, asked in one division. Seen by the bureau and by whoever is asked."""

    __tablename__ = "campaign"
    __table_args__ = (UniqueConstraint("kind", "period", "division_code"), {"schema": "collection"})
    scope = Scope(
        division="division_code",
        condition="exists (select 1 from collection.filing as asked where asked.campaign_id = campaign.id)",
    )

    kind: Mapped[CampaignKind] = mapped_column(coded(CampaignKind))
    period: Mapped[str]
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    instruction: Mapped[str] = mapped_column(server_default="")
    due_on: Mapped[date]
    state: Mapped[CampaignState] = mapped_column(coded(CampaignState), server_default="open")
    opened_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    opened_at: Mapped[datetime] = mapped_column(server_default=NOW)
    row_version: Mapped[int] = mapped_column(server_default="1")


class Filing(Identified, Base):
    """填报: what one subject hands in for one campaign, as it stands now; what was handed in is in its submissions.

    Attributes:
        kind, period, name: repeat the campaign's and the subject's: the last period's filing is found by them.
        figures: confirmed values by field; sources: ValueSource by field; remarks: by field.
        submission_count: how often it was handed in; accepted_number: which submission stands.
        reason: of the last return or correction.
    """

    __tablename__ = "filing"
    __table_args__ = (
        CheckConstraint("num_nonnulls(institution_id, facility_id) = 1", name="one_subject"),
        CheckConstraint("decided_by <> submitted_by", name="not_by_oneself"),
        CheckConstraint(
            "state <> 'accepted' or num_nulls(submitted_by, decided_by, accepted_number) = 0",
            name="accepted_by_somebody",
        ),
        Index(
            "uq_filing_institution", "kind", "institution_id", "period", unique=True,
            postgresql_where="institution_id is not null",
        ),
        Index(
            "uq_filing_facility", "kind", "facility_id", "period", unique=True,
            postgresql_where="facility_id is not null",
        ),
        Index("ix_filing_campaign_id", "campaign_id", "division_code"),
        Index(
            "ix_filing_organization_id", "organization_id", "campaign_id",
            postgresql_where="organization_id is not null",
        ),
        Index("ix_filing_open", "state", "due_on", "division_code", postgresql_where="state <> 'accepted'"),
        {"schema": "collection"},
    )  # fmt: skip
    scope = Scope(division="division_code", organization="organization_id")

    campaign_id: Mapped[int] = mapped_column(ForeignKey("collection.campaign.id"))
    kind: Mapped[CampaignKind] = mapped_column(coded(CampaignKind))
    period: Mapped[str]
    institution_id: Mapped[int | None] = mapped_column(ForeignKey("institutions.institution.id"))
    facility_id: Mapped[int | None] = mapped_column(ForeignKey("facilities.facility.id"))
    name: Mapped[str]
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))
    state: Mapped[FilingState] = mapped_column(coded(FilingState), server_default="due")
    due_on: Mapped[date]
    figures: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    sources: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    remarks: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    edited_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    edited_at: Mapped[datetime | None]
    submission_count: Mapped[int] = mapped_column(server_default="0")
    accepted_number: Mapped[int | None]
    submitted_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    submitted_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(server_default="")
    reminder_count: Mapped[int] = mapped_column(server_default="0")
    reminded_at: Mapped[datetime | None]
    row_version: Mapped[int] = mapped_column(server_default="1")

    @property
    def subject(self) -> SubjectKind:
        return SubjectKind.FACILITY if self.institution_id is None else SubjectKind.INSTITUTION


class Submission(AppendOnly, Base):
    """What was handed in, whole and never changed; a correction is the next number."""

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("filing_id", "number"),
        {"schema": "collection", "info": {"stays_in_app": True}},
    )
    scope = Scope(parent=("filing_id", "collection.filing", "id"))

    filing_id: Mapped[int] = mapped_column(ForeignKey("collection.filing.id"))
    number: Mapped[int]
    figures: Mapped[dict[str, str]] = mapped_column(JSONB)
    sources: Mapped[dict[str, str]] = mapped_column(JSONB)
    remarks: Mapped[dict[str, str]] = mapped_column(JSONB)
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))


class CampaignEvent(AppendOnly, Base):
    """One act on a campaign."""

    __tablename__ = "campaign_event"
    __table_args__ = ({"schema": "collection", "info": {"stays_in_app": True}},)
    scope = Scope(parent=("campaign_id", "collection.campaign", "id"))

    campaign_id: Mapped[int] = mapped_column(ForeignKey("collection.campaign.id"), index=True)
    act: Mapped[CampaignAct] = mapped_column(coded(CampaignAct))
    reason: Mapped[str] = mapped_column(server_default="")
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    account_name: Mapped[str] = personal()


class FilingEvent(AppendOnly, Base):
    """One act on a filing."""

    __tablename__ = "filing_event"
    __table_args__ = ({"schema": "collection", "info": {"stays_in_app": True}},)
    scope = Scope(parent=("filing_id", "collection.filing", "id"))

    filing_id: Mapped[int] = mapped_column(ForeignKey("collection.filing.id"), index=True)
    act: Mapped[FilingAct] = mapped_column(coded(FilingAct))
    reason: Mapped[str] = mapped_column(server_default="")
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    account_name: Mapped[str] = personal()
