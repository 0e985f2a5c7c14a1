"""Which catalogue is in force, which are approved, and what each changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_app.inbox.models import Catalogue, ReleaseResult
from operational_app.rule_catalogue.models import Approval, ApprovalDecision
from operational_app.rule_catalogue.rules import Change, changes


def catalogue_in_force(session: Session) -> Catalogue | None:
    """What the pipelines last told, of the newest version of the required fields; None before they ever did."""
    newest = select(Catalogue).order_by(Catalogue.last_told_at.desc(), Catalogue.effective_from.desc()).limit(1)
    return session.scalars(newest).first()


def catalogues(session: Session) -> Sequence[Catalogue]:
    """All that were ever told, the newest first."""
    return session.scalars(select(Catalogue).order_by(Catalogue.last_told_at.desc(), Catalogue.id.desc())).all()


def approvals(session: Session, catalogue_id: int) -> Sequence[Approval]:
    """The newest first."""
    return session.scalars(
        select(Approval).where(Approval.catalogue_id == catalogue_id).order_by(Approval.id.desc())
    ).all()


def _installed_at(session: Session) -> datetime | None:
    """When the first catalogues were told: those that the software was taken over with."""
    return session.scalar(select(func.min(Catalogue.first_told_at)))


@dataclass(frozen=True)
class Standing:
    """
    Attributes:
        is_first: it came with the installation.
        approval: the newest, if any.
    """

    is_first: bool
    approval: Approval | None

    @property
    def is_approved(self) -> bool:
        return self.is_first or (self.approval is not None and self.approval.decision is ApprovalDecision.APPROVED)

    @property
    def is_waiting(self) -> bool:
        return not self.is_first and self.approval is not None and self.approval.decision is None

    @property
    def badge(self) -> tuple[str, str]:
        """Label and colour."""
        if self.is_first:
            return "随系统交付", "green"
        if self.is_approved:
            return "已批准", "green"
        if self.is_waiting:
            return "待批准", "blue"
        return ("已退回" if self.approval else "有变更，未送审"), "orange"


def standing(session: Session, catalogue: Catalogue) -> Standing:
    newest = next(iter(approvals(session, catalogue.id)), None)
    return Standing(catalogue.first_told_at == _installed_at(session), newest)


def base_of(session: Session, catalogue: Catalogue) -> Catalogue | None:
    """The approved catalogue that a change is seen against: the last that was approved before it was told.

    None for one that came with the installation.
    """
    approved = (
        select(Catalogue)
        .outerjoin(Approval, (Approval.catalogue_id == Catalogue.id) & (Approval.decision == ApprovalDecision.APPROVED))
        .where(
            Catalogue.id != catalogue.id,
            Catalogue.first_told_at <= catalogue.first_told_at,
            (Approval.id.is_not(None)) | (Catalogue.first_told_at == _installed_at(session)),
        )
        # The same version of the required fields first: another one's rules differ by more than was changed.
        .order_by(
            (Catalogue.version == catalogue.version).desc(),
            Approval.decided_at.desc().nulls_last(),
            Catalogue.id.desc(),
        )
        .limit(1)
    )
    return None if standing(session, catalogue).is_first else session.scalars(approved).first()


def changes_of(session: Session, catalogue: Catalogue) -> list[Change]:
    """What a catalogue changed against the approved one before it."""
    base = base_of(session, catalogue)
    return changes(base.content, catalogue.content) if base else []


def unapproved_catalogue(session: Session, release: ReleaseResult) -> Catalogue | None:
    """The catalogue that judged a release, if nobody approved it; None also for releases of before these were told."""
    if release.catalogue_sha256 is None:
        return None
    catalogue = session.scalars(select(Catalogue).where(Catalogue.sha256 == release.catalogue_sha256)).one()
    return None if standing(session, catalogue).is_approved else catalogue
