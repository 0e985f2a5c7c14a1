"""Tables of schema `inbox`. Written by the login `inbox`, read by the app."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, Numeric, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, Base, Identified
from operational_app.core.row_security import Scope

# Every signed-in user may read a release's verdicts; violations are scoped by division.


class ReleaseResult(Identified, Base):
    """A refresh as the app's users see it: lane, verdicts, counts."""

    __tablename__ = "release_result"
    __table_args__ = (UniqueConstraint("release_id"), {"schema": "inbox"})

    release_id: Mapped[int]
    period: Mapped[str]
    lane: Mapped[str]  # provisional, official
    state: Mapped[str]  # candidate, published, rejected, superseded
    as_of: Mapped[datetime]
    published_at: Mapped[datetime | None]
    publishable: Mapped[bool]
    accepted: Mapped[bool]  # by figures and by signature
    accepted_by_figures: Mapped[bool] = mapped_column(server_default="false")
    completeness_numerator: Mapped[int]
    completeness_denominator: Mapped[int]
    error_numerator: Mapped[int]
    error_denominator: Mapped[int]
    report_folder: Mapped[str | None]  # below Settings.report_dir
    catalogue_sha256: Mapped[str | None]  # the rules that judged it; unknown of releases before these were told


class ThemeResult(Identified, Base):
    """Counts per theme and county of a release. Integers only; percentages are made for display."""

    __tablename__ = "theme_result"
    __table_args__ = (UniqueConstraint("release_id", "theme", "county_code"), {"schema": "inbox"})

    release_id: Mapped[int]
    theme: Mapped[str]
    county_code: Mapped[str]
    record_count: Mapped[int]
    error_record_count: Mapped[int]
    field_due_count: Mapped[int]
    field_filled_count: Mapped[int]
    record_due_count: Mapped[int | None]
    record_present_count: Mapped[int | None]


class RuleOfQuality(Base):
    """A rule of the catalogue as the newest gate run used it.

    Attributes:
        owner: who mends a violation, in Chinese; see expectations.rule.Owner.
        of_period: its records belong to one period each and are judged only there.
    """

    __tablename__ = "rule"
    __table_args__ = ({"schema": "inbox"},)

    rule_id: Mapped[str] = mapped_column(primary_key=True)
    theme: Mapped[str]
    dimension: Mapped[str]
    severity: Mapped[str]  # critical, error, warning
    title: Mapped[str]
    definition: Mapped[str]
    recommendation: Mapped[str]
    owner: Mapped[str]
    record_table: Mapped[str]
    of_period: Mapped[bool]


class Catalogue(Identified, Base):
    """The rules, required fields and acceptance limits that releases are judged by, as the pipelines told them; kept.

    Attributes:
        sha256: of the content.
        version, effective_from: of the required fields.
        last_told_at: when a refresh, or the start of the pipelines' worker, last had it in force.
        content: see expectations.catalogue.Catalogue.content.
    """

    __tablename__ = "catalogue"
    __table_args__ = (UniqueConstraint("sha256"), {"schema": "inbox"})

    sha256: Mapped[str]
    version: Mapped[str]
    effective_from: Mapped[date]
    first_told_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_told_at: Mapped[datetime] = mapped_column(server_default=NOW)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB, deferred=True)  # a quarter of a megabyte


class RuleResult(Identified, Base):
    """One rule's outcome in a release."""

    __tablename__ = "rule_result"
    __table_args__ = (UniqueConstraint("release_id", "rule_id"), {"schema": "inbox"})

    release_id: Mapped[int]
    rule_id: Mapped[str]
    theme: Mapped[str]
    dimension: Mapped[str]
    severity: Mapped[str]  # critical, error, warning
    title: Mapped[str]
    recommendation: Mapped[str]
    checked_count: Mapped[int]
    violation_count: Mapped[int]
    ran: Mapped[bool] = mapped_column(server_default="true")


class Violation(Identified, Base):
    """A record that broke a rule in a release; becomes a fix task of the record's owner."""

    __tablename__ = "violation"
    __table_args__ = (
        UniqueConstraint("release_id", "rule_id", "record_table", "record_id"),
        Index("ix_violation_record", "record_table", "record_id"),
        {"schema": "inbox"},
    )
    scope = Scope(division="division_code")

    release_id: Mapped[int]
    rule_id: Mapped[str]
    record_table: Mapped[str]
    record_id: Mapped[int]
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    first_seen_on: Mapped[date]
    evidence: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")


class FigureChange(Identified, Base):
    """One figure of a release beside the last period, last year and what is published, with its usual range."""

    __tablename__ = "figure_change"
    __table_args__ = (UniqueConstraint("release_id", "unit_code", "indicator"), {"schema": "inbox"})

    release_id: Mapped[int]
    indicator: Mapped[str]  # mart and column
    title: Mapped[str]
    unit_code: Mapped[str]  # the city, a county or a reporting unit
    value: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    previous: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    last_year: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    published: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    low: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    high: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    verdict: Mapped[str]  # usual, unusual, vanished, unknown


class CadencePlan(Base):
    """The rhythm of a cadence as orchestration.yaml states it, told by the pipelines' worker when it starts."""

    __tablename__ = "cadence_plan"
    __table_args__ = ({"schema": "inbox"},)

    cadence: Mapped[str] = mapped_column(primary_key=True)  # monthly, half_yearly
    first_period: Mapped[str]
    correction_days: Mapped[int]
    due_days: Mapped[int]
    reviewers: Mapped[list[str]] = mapped_column(ARRAY(Text))  # user names that may sign


class FixPlan(Base):
    """How long a violation may take to be mended, by severity, as orchestration.yaml states it.

    Attributes:
        due_days: from the day on which the owner is told.
        escalate_days: from the day on which it was due until the next level is told.
    """

    __tablename__ = "fix_plan"
    __table_args__ = ({"schema": "inbox"},)

    severity: Mapped[str] = mapped_column(primary_key=True)  # critical, error, warning
    due_days: Mapped[int]
    escalate_days: Mapped[int]
