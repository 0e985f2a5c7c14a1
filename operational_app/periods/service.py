"""What people do with a period: each act checked, audited, told to whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from huiyang.divisions import division_tree
from huiyang.errors import HuiyangError
from huiyang.periods import Cadence, Period
from operational_app.audit.service import Act
from operational_app.identity.access import Resource
from operational_app.identity.administration import Overtaken, Refused, Work
from operational_app.inbox.models import CadencePlan, ReleaseResult
from operational_app.inbox.queries import sees_whole_city, striking_changes
from operational_app.periods.models import Decision, Lane, Review, Task, TaskKind, TaskState
from operational_app.periods.rules import Plan
from operational_app.rule_catalogue.queries import unapproved_catalogue
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import nearest_holders, notify

_LONGEST_TEXT = 500


def plan_of(session: Session, cadence: Cadence) -> Plan | None:
    """The rhythm that the pipelines last told of; None before their worker ran for the first time."""
    row = session.get(CadencePlan, cadence.value)
    return Plan(row.first_period, row.correction_days, row.due_days) if row else None


def read_period(text: str) -> Period:
    """
    Raises:
        Refused: no period.
    """
    try:
        return Period.parse(text)
    except HuiyangError:
        raise Refused("期次应写作 2026-10 或 2026-H1。") from None


def city_holders(session: Session, resource: Resource) -> list[int]:
    """Accounts of the city's bureau that have a right."""
    return nearest_holders(session, resource, division_tree().root.code, None)


def signatures(releases: Iterable[ReleaseResult]) -> int:
    """How many of a period's releases are official and have been published."""
    return sum(1 for release in releases if release.lane == Lane.OFFICIAL and release.published_at)


def shown_release(releases: Iterable[ReleaseResult]) -> ReleaseResult | None:
    """Which of a period's releases is the one that is published now."""
    return next((release for release in releases if release.state == "published"), None)


def set_aside(releases: Iterable[ReleaseResult]) -> ReleaseResult | None:
    """The newest release of a period that was published and gave way to an earlier one; None if it is shown."""
    releases = list(releases)
    newest = max((one for one in releases if one.published_at), key=lambda one: one.release_id, default=None)
    shown = shown_release(releases)
    return newest if newest and shown and newest.release_id > shown.release_id else None


def first_refreshed(session: Session, cadence: Cadence) -> Period | None:
    """The first period of a cadence that has a release of its own."""
    is_half_year = ReleaseResult.period.like("%-H_")
    first = session.scalar(
        select(func.min(ReleaseResult.period)).where(is_half_year if cadence is Cadence.HALF_YEARLY else ~is_half_year)
    )
    return Period.parse(first) if first else None


def request_refresh(work: Work, text: str, lane: Lane, reason: str, today: date) -> Task:
    """Asks for a refresh of a period.

    Raises:
        Refused: the period is not to be refreshed so, or something of it is under way.
    """
    _whole_city(work)
    period, reason = read_period(text), _text(reason)
    plan = plan_of(work.session, period.cadence)
    if plan is None:
        raise Refused("数据流水线尚未就绪，请稍后再试。")
    if period < Period.parse(plan.first_period) or period.start_date > today:
        raise Refused(f"只能刷新 {plan.first_period} 至今的期次。")
    signed = signatures(work.session.scalars(select(ReleaseResult).where(ReleaseResult.period == str(period))))
    if signed and lane is Lane.PROVISIONAL:
        raise Refused(f"{period} 已签发正式版，快报不能覆盖它；如需更正，请刷新正式版。")
    if signed and not reason:
        raise Refused(f"{period} 已签发正式版，再次刷新即为更正，请填写更正原因。")
    if lane is Lane.OFFICIAL and today <= plan.corrections_until(period):
        raise Refused(f"{period} 的补录窗口到 {plan.corrections_until(period)} 结束，此前只能刷新快报。")
    return _ask(work, Task(kind=TaskKind.REFRESH, period=str(period), lane=lane, reason=reason))


def withdraw(work: Work, key: int) -> Task:
    """Takes back what has not begun.

    Raises:
        Refused: it has begun, or somebody else asked for it.
    """
    task = work.session.get(Task, key, with_for_update=True)
    if task is None or task.requested_by != work.actor.account_id:
        raise Refused("只能撤回自己发起的任务。")
    if task.state is not TaskState.WAITING:
        raise Overtaken("任务已经开始，不能撤回。")
    task.state, task.ended_at = TaskState.WITHDRAWN, work.at
    work.note(Act.PERIOD_TASK, ("periods.task", task.id), task=task.state.label, period=task.period)
    return task


def may_be_submitted(release: ReleaseResult) -> bool:
    """Whether it is an official candidate that a reviewer could publish."""
    return release.lane == Lane.OFFICIAL and release.state == "candidate" and release.publishable


def submit(work: Work, release_id: int, note: str) -> Review:
    """Hands an official candidate to the reviewers.

    Raises:
        Refused: it is none, is not publishable, was judged by rules that nobody approved, or has figures out of their
            usual range and no word on them.
    """
    _whole_city(work)
    note = _text(note)
    release = _release(work.session, release_id)
    if not may_be_submitted(release):
        raise Refused("只有可发布的正式版候选可以送审。")
    newest = select(func.max(ReleaseResult.release_id)).where(
        ReleaseResult.period == release.period, ReleaseResult.lane == Lane.OFFICIAL
    )
    if work.session.scalar(newest) != release_id:
        raise Refused("这一期有更新的正式版候选，请送审最新的一版。")
    _judged_by_approved_rules(work.session, release)
    striking = sum(striking_changes(work.session, release_id, work.actor.scope).values())
    if striking and not note:
        raise Refused(f"有 {striking} 项数字超出常见范围，请写明核实情况后送审。")
    review = Review(
        release_id=release_id,
        period=release.period,
        submitted_by=work.actor.account_id,
        submitted_at=work.at,
        note=note,
    )
    try:
        with work.session.begin_nested():
            work.session.add(review)
    except IntegrityError:
        raise Overtaken("这一版已经送审。") from None
    work.note(Act.PERIOD_REVIEW, ("periods.review", review.id), decision="送审", release=release_id)
    notify(
        work.session,
        [key for key in city_holders(work.session, Resource.PERIOD_REVIEW) if key != review.submitted_by],
        NotificationKind.REQUEST_WAITS, f"{release.period} 正式版（第 {release_id} 版）等待签发",
        f"/periods/{release.period}", f"review-{review.id}",
    )  # fmt: skip
    return review


def send_back(work: Work, release_id: int, reason: str) -> Review:
    """Returns a submitted candidate with the reason.

    Raises:
        Refused: no reason, one's own, or decided meanwhile.
    """
    reason = _text(reason)
    if not reason:
        raise Refused("请填写退回原因。")
    review = _to_decide(work, release_id)
    review.decision, review.decided_by, review.decided_at, review.reason = (
        Decision.RETURNED, work.actor.account_id, work.at, reason
    )  # fmt: skip
    work.note(Act.PERIOD_REVIEW, ("periods.review", review.id), decision=review.decision.label, release=release_id)
    notify(
        work.session, [review.submitted_by], NotificationKind.REQUEST_RESULT,
        f"{review.period} 正式版（第 {release_id} 版）被退回", f"/periods/{review.period}",
        f"review-result-{review.id}",
    )  # fmt: skip
    return review


def sign(work: Work, release_id: int, reason: str) -> Task:
    """Signs a submitted candidate and has it published.

    Args:
        reason: why one that is not accepted is published all the same.

    Raises:
        Refused: not a reviewer, one's own, decided meanwhile, judged by rules that nobody approved, or not accepted and
            no reason.
    """
    reason = _text(reason)
    review = _to_decide(work, release_id)
    release = _release(work.session, release_id)
    plan = work.session.get(CadencePlan, Period.parse(review.period).cadence.value)
    if plan is None or work.actor.username not in plan.reviewers:
        raise Refused("您不在编排设置的审核人名单中，不能签发。")
    _judged_by_approved_rules(work.session, release)
    if not release.accepted_by_figures and not reason:
        raise Refused("这一版未达标，请写明仍予签发的理由。")
    review.decision, review.decided_by, review.decided_at, review.reason = (
        Decision.SIGNED, work.actor.account_id, work.at, reason
    )  # fmt: skip
    work.note(Act.PERIOD_REVIEW, ("periods.review", review.id), decision=review.decision.label, release=release_id)
    task = Task(kind=TaskKind.PUBLISH, period=review.period, release_id=release_id, reason=reason)
    return _ask(work, task)


def roll_back(work: Work, release_id: int, reason: str) -> Task:
    """Asks to show an earlier release again.

    Raises:
        Refused: no reason, or it was never published or is what is shown.
    """
    _whole_city(work)
    reason, release = _text(reason), _release(work.session, release_id)
    if not reason:
        raise Refused("请填写回退原因。")
    if release.published_at is None or release.state == "published":
        raise Refused("只能回退到以前发布过的版本。")
    task = Task(kind=TaskKind.ROLL_BACK, period=release.period, release_id=release_id, reason=reason)
    return _ask(work, task)


def _ask(work: Work, task: Task) -> Task:
    task.requested_by, task.username, task.requested_at = work.actor.account_id, work.actor.username, work.at
    try:
        with work.session.begin_nested():
            work.session.add(task)
    except IntegrityError:
        raise Overtaken(f"{task.period} 已有任务在排队或进行，请等它结束。") from None
    work.note(Act.PERIOD_TASK, ("periods.task", task.id), task=task.kind.label, period=task.period)
    return task


def _to_decide(work: Work, release_id: int) -> Review:
    _whole_city(work)
    review = work.session.scalars(select(Review).where(Review.release_id == release_id).with_for_update()).one_or_none()
    if review is None:
        raise Refused("这一版没有送审。")
    if review.decision is not None:
        raise Overtaken(f"这一版刚被处理：{review.decision.label}。")
    started = select(Task.requested_by).where(Task.kind == TaskKind.REFRESH, Task.release_id == release_id)
    if work.actor.account_id in {review.submitted_by, *work.session.scalars(started)}:
        raise Refused("发起刷新或送审的人不能审核自己的版本。")
    return review


def _release(session: Session, release_id: int) -> ReleaseResult:
    release = session.scalars(select(ReleaseResult).where(ReleaseResult.release_id == release_id)).one_or_none()
    if release is None:
        raise Refused("没有这个版本。")
    return release


def _judged_by_approved_rules(session: Session, release: ReleaseResult) -> None:
    if catalogue := unapproved_catalogue(session, release):
        raise Refused(
            f"检查这一版所用的规则目录（第 {catalogue.id} 版）有未经批准的变更，请先在“规则目录—目录版本与审批”中批准。"
        )


def _whole_city(work: Work) -> None:
    if not sees_whole_city(work.actor.scope):
        raise Refused("只有市级人员可以办理。")


def _text(text: str) -> str:
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        raise Refused(f"说明最多 {_LONGEST_TEXT} 字。")
    return text
