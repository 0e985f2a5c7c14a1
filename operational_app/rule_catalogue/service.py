"""Putting a changed catalogue to the reviewers, and deciding on it; each act checked, told and audited.

Rules change with the software; no official release judged by changed rules is handed in or signed before a second
person has approved the change (`operational_app.periods.service`).
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from huiyang.divisions import division_tree
from operational_app.audit.service import Act
from operational_app.identity.access import Resource
from operational_app.identity.administration import Overtaken, Refused, Work
from operational_app.inbox.models import Catalogue
from operational_app.inbox.queries import sees_whole_city
from operational_app.rule_catalogue.models import Approval, ApprovalDecision
from operational_app.rule_catalogue.queries import standing
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import nearest_holders, notify

_LONGEST_TEXT = 500


def ask(work: Work, catalogue: Catalogue, reason: str) -> Approval:
    """Puts a changed catalogue to the reviewers.

    Raises:
        Refused: not of the city's bureau, no reason, approved or waiting already.
    """
    reason = _checked(work, reason, "请写明为什么修改规则，例如所依据的通知或标准。")
    if standing(work.session, catalogue).is_first:
        raise Refused("随系统交付的规则目录不需要审批。")
    approval = Approval(
        catalogue_id=catalogue.id, reason=reason, asked_by=work.actor.account_id, asked_at=work.at
    )  # fmt: skip
    try:
        with work.session.begin_nested():
            work.session.add(approval)
    except IntegrityError:
        raise Overtaken("这一版规则目录已经送审。") from None
    work.note(Act.RULE_APPROVAL, ("inbox.catalogue", catalogue.id), decision="送审")
    reviewers = nearest_holders(work.session, Resource.PERIOD_REVIEW, division_tree().root.code, None)
    notify(
        work.session, [key for key in reviewers if key != approval.asked_by], NotificationKind.REQUEST_WAITS,
        "质量规则有变更，等待批准", f"/rules/catalogues/{catalogue.id}", f"catalogue-{approval.id}",
    )  # fmt: skip
    return approval


def decide(work: Work, catalogue: Catalogue, decision: ApprovalDecision, answer: str) -> Approval:
    """Approves or returns the change that waits.

    Raises:
        Refused: not of the city's bureau, one's own, returned without a reason, or decided meanwhile.
    """
    answer = _checked(work, answer, "请写明退回原因。" if decision is ApprovalDecision.RETURNED else "")
    approval = work.session.scalars(
        select(Approval).where(Approval.catalogue_id == catalogue.id, Approval.decision.is_(None)).with_for_update()
    ).one_or_none()
    if approval is None:
        raise Overtaken("没有待批准的变更，可能刚被他人办理。")
    if approval.asked_by == work.actor.account_id:
        raise Refused("不能审批自己送审的变更。")
    approval.decision, approval.decided_by, approval.decided_at, approval.answer = (
        decision, work.actor.account_id, work.at, answer
    )  # fmt: skip
    work.note(Act.RULE_APPROVAL, ("inbox.catalogue", catalogue.id), decision=decision.label)
    notify(
        work.session, [approval.asked_by], NotificationKind.REQUEST_RESULT, f"质量规则的变更：{decision.label}",
        f"/rules/catalogues/{catalogue.id}", f"catalogue-result-{approval.id}",
    )  # fmt: skip
    return approval


def _checked(work: Work, text: str, missing: str) -> str:
    if not sees_whole_city(work.actor.scope):
        raise Refused("只有市级人员可以办理。")
    text = text.strip()
    if missing and not text:
        raise Refused(missing)
    if len(text) > _LONGEST_TEXT:
        raise Refused(f"说明最多 {_LONGEST_TEXT} 字。")
    return text
