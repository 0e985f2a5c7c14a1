"""Tables of schema `codes`. What was ever issued stands here; nothing is deleted, a code is never used again.

`issued_code` is the truth. `elder.elder_code`, `bed.bed_code` and `organization.organization_code` show the current
code, for lists and the warehouse: triggers on `issued_code` write them, and the database refuses anybody else.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from huiyang.identifiers import CODE_SERIAL_DIGITS, CodeKind
from operational_app.core.base import Base, Code, Identified, coded
from operational_app.core.row_security import Scope


class SubjectKind(Code):
    """What a code names, with the code's name."""

    INSTITUTION = "institution", "机构码"
    BED = "bed", "床位码"
    ELDER = "elder", "长者码"

    @property
    def letter(self) -> CodeKind:
        return CodeKind[self.name]


class IssueReason(Code):
    FIRST = "first", "首次赋码"
    BULK = "bulk", "批量赋码"
    LOST = "lost", "遗失补发"
    DAMAGED = "damaged", "损坏补发"
    MISUSED = "misused", "疑似被冒用"
    OTHER = "other", "其他"


class RevokeReason(Code):
    REPLACED = "replaced", "已补发新码"
    DECEASED = "deceased", "老人去世"
    MOVED_AWAY = "moved_away", "老人迁出"
    CLOSED = "closed", "机构关停或床位撤除"
    MISTAKEN = "mistaken", "误发"
    OTHER = "other", "其他"


_SUBJECT_COLUMNS = {
    "elder_id": "elders.elder", "bed_id": "institutions.bed", "organization_id": "organizations.organization",
}  # fmt: skip


def _indexes_of(column: str) -> tuple[Index, Index]:
    """The history of a thing, and at most one code of a thing that holds."""
    of_kind = f"{column} is not null"
    return (
        Index(f"ix_issued_code_{column}", column, postgresql_where=of_kind),
        Index(
            f"uq_issued_code_current_{column}",
            column,
            unique=True,
            postgresql_where=f"{of_kind} and revoked_at is null",
        ),
    )


#: A row that names a thing is seen by whoever sees the thing.
_SEEN_WITH_ITS_SUBJECT = " or ".join(
    f"exists (select 1 from {table} as subject where subject.id = {{table}}.{column})"
    for column, table in _SUBJECT_COLUMNS.items()
)
_ONE_SUBJECT = (
    "(kind = 'elder') = (elder_id is not null) and (kind = 'bed') = (bed_id is not null)"
    " and (kind = 'institution') = (organization_id is not null)"
)
_SERIAL_FITS = "serial >= 1 and serial < case kind {} end".format(
    " ".join(f"when '{kind.value}' then {10 ** CODE_SERIAL_DIGITS[kind.letter]}" for kind in SubjectKind)
)


class IssuedCode(Identified, Base):
    """One code that was issued. `code` is made by the database of county, kind and serial, so it cannot be another.

    A 机构码 names an organization, whatever it acts as: it is one place with one label at its door.
    """

    __tablename__ = "issued_code"
    __table_args__ = (
        UniqueConstraint("code"),
        UniqueConstraint("county_code", "kind", "serial"),
        *(index for column in _SUBJECT_COLUMNS for index in _indexes_of(column)),
        CheckConstraint(_ONE_SUBJECT, name="one_subject"),
        CheckConstraint(_SERIAL_FITS, name="serial"),
        CheckConstraint("county_code ~ '^[0-9]{6}$'", name="county_code"),
        CheckConstraint("(revoked_at is null) = (revoke_reason is null)", name="revoked"),
        CheckConstraint("replaced_by_id is null or revoke_reason = 'replaced'", name="replaced"),
        {"schema": "codes"},
    )  # fmt: skip
    scope = Scope(condition=_SEEN_WITH_ITS_SUBJECT.format(table="issued_code"))

    kind: Mapped[SubjectKind] = mapped_column(coded(SubjectKind))
    county_code: Mapped[str]  # six digits: where it was issued, which says nothing of where the thing is now
    serial: Mapped[int]
    code: Mapped[str] = mapped_column(Computed("codes.code_of(county_code, kind, serial)", persisted=True))
    elder_id: Mapped[int | None] = mapped_column(ForeignKey("elders.elder.id"))
    bed_id: Mapped[int | None] = mapped_column(ForeignKey("institutions.bed.id"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))
    issued_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    issued_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))  # null: by the set-up
    issue_reason: Mapped[IssueReason] = mapped_column(coded(IssueReason))
    issue_note: Mapped[str | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
    revoke_reason: Mapped[RevokeReason | None] = mapped_column(coded(RevokeReason))
    revoke_note: Mapped[str | None]
    replaced_by_id: Mapped[int | None] = mapped_column(ForeignKey("codes.issued_code.id"))


class SerialCounter(Base):
    """The last serial that a county has given to a kind; it only grows."""

    __tablename__ = "serial_counter"
    __table_args__ = ({"schema": "codes"},)

    county_code: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[SubjectKind] = mapped_column(coded(SubjectKind), primary_key=True)
    last_serial: Mapped[int]


class LegacyCode(Identified, Base):
    """The old platform's number of a thing, on paper still in use: found by it, the thing shows its code of today."""

    __tablename__ = "legacy_code"
    __table_args__ = (
        UniqueConstraint("kind", "legacy_code"),
        *(
            Index(f"ix_legacy_code_{column}", column, postgresql_where=f"{column} is not null")
            for column in _SUBJECT_COLUMNS
        ),
        CheckConstraint(_ONE_SUBJECT, name="one_subject"),
        {"schema": "codes"},
    )
    scope = Scope(condition=_SEEN_WITH_ITS_SUBJECT.format(table="legacy_code"))

    kind: Mapped[SubjectKind] = mapped_column(coded(SubjectKind))
    legacy_code: Mapped[str]
    elder_id: Mapped[int | None] = mapped_column(ForeignKey("elders.elder.id"))
    bed_id: Mapped[int | None] = mapped_column(ForeignKey("institutions.bed.id"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))


class ScanAllowance(Base):
    """How many scans of an account failed since its window opened; one row an account."""

    __tablename__ = "scan_allowance"
    __table_args__ = ({"schema": "codes"},)
    scope = Scope(condition="account_id = nullif(current_setting('huiyang.account_id', true), '')::bigint")

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"), primary_key=True, autoincrement=False)
    window_opened_at: Mapped[datetime]
    failures: Mapped[int]
