"""Tables of schema `workbench`: announcements and who has read them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, Base, Code, Identified, coded
from operational_app.core.row_security import ACCOUNT, Scope


class AnnouncementKind(Code):
    ANNOUNCEMENT = "announcement", "公告"
    RELEASE_NOTE = "release_note", "更新日志"


class Audience(Code):
    EVERYBODY = "everybody", "所有人"
    GOVERNMENT = "government", "政府人员"
    ORGANIZATIONS = "organizations", "市场主体人员"


class Announcement(Identified, Base):
    """A text for an audience, shown from a time on.

    Attributes:
        division_code: only people of this subtree (and those above, whose scope holds it) see it; None for everybody.
        withdrawn_at: since when it is shown no more; the text stays for those who wrote it.
    """

    __tablename__ = "announcement"
    __table_args__ = (
        CheckConstraint("publish_until is null or publish_until > publish_from", name="ends_after_it_begins"),
        {"schema": "workbench"},
    )

    kind: Mapped[AnnouncementKind] = mapped_column(coded(AnnouncementKind))
    title: Mapped[str]
    body: Mapped[str]
    audience: Mapped[Audience] = mapped_column(coded(Audience))
    division_code: Mapped[str | None] = mapped_column(ForeignKey("reference.division.division_code"))
    publish_from: Mapped[datetime] = mapped_column(index=True)
    publish_until: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    created_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    row_version: Mapped[int] = mapped_column(server_default="1")


class AnnouncementRead(Identified, Base):
    """That somebody opened an announcement, when first."""

    __tablename__ = "announcement_read"
    __table_args__ = (UniqueConstraint("announcement_id", "account_id"), {"schema": "workbench"})
    scope = Scope(
        parent=("account_id", "identity.account", "id"), condition=f"announcement_read.account_id = {ACCOUNT}"
    )

    announcement_id: Mapped[int] = mapped_column(ForeignKey("workbench.announcement.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    read_at: Mapped[datetime] = mapped_column(server_default=NOW)


class NotificationKind(Code):
    REQUEST_WAITS = "request_waits", "待办理申请"
    REQUEST_DUE = "request_due", "办理时限"
    REQUEST_RESULT = "request_result", "办理结果"
    ROLE = "role", "角色变动"
    EXPIRY = "expiry", "到期提醒"
    COLLECTION = "collection", "数据采集"
    FIX_TASK = "fix_task", "数据补录"
    OTHER = "other", "其他"


class Notification(Identified, Base):
    """Something that one person should know of; read by nobody else, written by whatever act it tells of.

    Attributes:
        address: path of our page about it.
        key: what may be told once only, so that a reminder is not repeated; None where every act tells anew.
    """

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("account_id", "key"),
        Index("ix_notification_account_id", "account_id", "id"),
        Index("ix_notification_unread", "account_id", postgresql_where="read_at is null"),
        CheckConstraint("left(address, 1) = '/'", name="leads_within"),
        {"schema": "workbench"},
    )
    scope = Scope(condition=f"notification.account_id = {ACCOUNT}")

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    kind: Mapped[NotificationKind] = mapped_column(coded(NotificationKind))
    title: Mapped[str]
    address: Mapped[str]
    key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    read_at: Mapped[datetime | None]
