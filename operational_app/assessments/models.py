"""Tables of schema `assessments`."""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded, personal
from operational_app.core.row_security import Scope
from operational_app.elders.models import AbilityLevel


class AssessmentReason(Code):
    FIRST = "first", "首次评估"
    ROUTINE = "routine", "常规评估"
    PROMPT = "prompt", "即时评估"
    REVIEW = "review", "复评"
    OTHER = "other", "其他"


class Assessment(Tracked, Base):
    """One assessment. Item scores in the standard's order; sums per primary indicator 32 / 15 / 28 / 15, total 90."""

    __tablename__ = "assessment"
    __table_args__ = (
        Index("ix_assessment_elder_id_assessed_on", "elder_id", "assessed_on"),
        Index("ix_assessment_ability_level", "ability_level", "division_code", "elder_id"),
        CheckConstraint("item_scores is null or cardinality(item_scores) = 26", name="items"),
        CheckConstraint("total_score between 0 and 90", name="total"),
        {"schema": "assessments"},
    )
    scope = Scope(division="division_code", organization="organization_id")

    elder_id: Mapped[int] = mapped_column(ForeignKey("elders.elder.id"))
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organizations.organization.id"))  # assessor
    reason: Mapped[AssessmentReason] = mapped_column(coded(AssessmentReason))
    assessed_on: Mapped[date]
    valid_until: Mapped[date | None]
    item_scores: Mapped[list[int] | None] = personal(ARRAY(SmallInteger))
    self_care_score: Mapped[int | None] = mapped_column(SmallInteger)
    movement_score: Mapped[int | None] = mapped_column(SmallInteger)
    mental_score: Mapped[int | None] = mapped_column(SmallInteger)
    social_score: Mapped[int | None] = mapped_column(SmallInteger)
    total_score: Mapped[int | None] = mapped_column(SmallInteger)
    has_dementia: Mapped[bool] = mapped_column(server_default="false")
    has_mental_disorder: Mapped[bool] = mapped_column(server_default="false")  # F04–F99
    risk_event_count: Mapped[int] = mapped_column(SmallInteger, server_default="0")  # care-risk events in 30 days
    is_comatose: Mapped[bool] = mapped_column(server_default="false")
    ability_level: Mapped[AbilityLevel] = mapped_column(coded(AbilityLevel))
    assessor_1: Mapped[str | None] = personal()
    assessor_2: Mapped[str | None] = personal()
