"""期次管理: each period's state; one period with its task, its releases and what may be done next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Form
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.periods import Cadence, Period
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Refused
from operational_app.identity.models import Account
from operational_app.inbox.models import ReleaseResult
from operational_app.inbox.queries import LANES, STATES, compared_units, sees_whole_city, striking_changes
from operational_app.periods import service
from operational_app.periods.models import Lane, Review, Task, TaskKind, TaskState
from operational_app.periods.queries import UNDER_WAY, period_lines
from operational_app.periods.rules import NEXT_STEPS, Facts, PeriodState, is_late, seconds_left, state_of
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import now, page, session, today

router = pages_of(Resource.PERIODS)
_REFRESHES = [Depends(demand(Resource.PERIOD_REFRESH))]
_REVIEWS = [Depends(demand(Resource.PERIOD_REVIEW))]
_CADENCES = {Cadence.MONTHLY: "运营数据（月度）", Cadence.HALF_YEARLY: "基础数据（半年）"}
STATE_COLOURS = {
    PeriodState.HISTORY: "secondary", PeriodState.OPEN: "secondary", PeriodState.CLOSING: "azure",
    PeriodState.PREPARING: "orange",
    PeriodState.IN_REVIEW: "blue", PeriodState.PUBLISHED: "green", PeriodState.CORRECTED: "purple",
    PeriodState.ROLLED_BACK: "orange",
}  # fmt: skip
TASK_COLOURS = {
    TaskState.WAITING: "secondary", TaskState.RUNNING: "blue", TaskState.DONE: "green", TaskState.FAILED: "red",
    TaskState.WITHDRAWN: "secondary",
}  # fmt: skip
_NOTICES = {
    "asked": "已提交，正在排队；可以离开本页，完成后会通知您。", "withdrawn": "已撤回。",
    "submitted": "已送审，审核人已收到通知。", "returned": "已退回，送审人已收到通知。", "signed": "已签发，正在发布。",
}  # fmt: skip
Text = Annotated[str, Form()]


def period_label(period: Period) -> str:
    """2026 年 10 月, 2026 年上半年."""
    if period.cadence is Cadence.MONTHLY:
        return f"{period.year} 年 {period.number} 月"
    return f"{period.year} 年{'上' if period.number == 1 else '下'}半年"


@router.get("/periods")
def periods_page(request: Request) -> Response:
    groups = [(_CADENCES[cadence], period_lines(session(request), cadence, today())) for cadence in Cadence]
    return page(
        request, "periods/list.html", title="期次管理", groups=groups, label=period_label, colours=STATE_COLOURS,
        lanes=LANES,
    )  # fmt: skip


@dataclass(frozen=True)
class _ReleaseLine:
    release: ReleaseResult
    review: Review | None
    striking: int


def _period_page(request: Request, text: str, error: str = "", given: dict[str, str] | None = None) -> Response:
    work, period = work_of(request), _period(text)
    plan = service.plan_of(work.session, period.cadence)
    if plan is None:
        raise HTTPException(404)
    releases = work.session.scalars(
        select(ReleaseResult).where(ReleaseResult.period == text).order_by(ReleaseResult.release_id.desc())
    ).all()
    reviews = {review.release_id: review for review in work.session.scalars(select(Review).filter_by(period=text))}
    tasks = work.session.scalars(select(Task).filter_by(period=text).order_by(Task.id.desc()).limit(20)).all()
    waiting = next((review for review in reviews.values() if review.decision is None), None)
    set_aside, shown = service.set_aside(releases), service.shown_release(releases)
    facts = Facts(
        service.signatures(releases), waiting is not None, service.first_refreshed(work.session, period.cadence),
        set_aside is not None,
    )  # fmt: skip
    went_back = next(
        (
            task
            for task in tasks
            if task.kind is TaskKind.ROLL_BACK and task.state is TaskState.DONE and shown is not None
            and task.release_id == shown.release_id
        ),
        None,
    )  # fmt: skip
    lines = [
        _ReleaseLine(
            release,
            reviews.get(release.release_id),
            sum(striking_changes(work.session, release.release_id, work.actor.scope).values()),
        )
        for release in releases
    ]
    running = next((task for task in tasks if task.state in UNDER_WAY), None)
    newest = next((release for release in releases if release.lane == Lane.OFFICIAL), None)
    to_submit = newest is not None and service.may_be_submitted(newest) and newest.release_id not in reviews
    may_act = sees_whole_city(work.actor.scope)
    state = state_of(period, plan, today(), facts)
    return page(
        request, "periods/period.html", REFUSED if error else 200, title=f"{period_label(period)}", period=period,
        plan=plan, today=today(), error=error, given=given or {},
        notice=_NOTICES.get(request.query_params.get("done", ""), ""),
        state=state, next_step=NEXT_STEPS.get(state), colours=STATE_COLOURS,
        late=is_late(period, plan, today(), facts), lines=lines, lanes=LANES, states=STATES, tasks=tasks,
        task_colours=TASK_COLOURS, running=running, waiting=waiting, signed=facts.signed, shown=shown,
        set_aside=set_aside, went_back=went_back,
        names=_names(request, tasks, reviews), compares=bool(compared_units(work.actor.scope)),
        may_refresh=may_act and work.actor.may(Resource.PERIOD_REFRESH),
        may_review=may_act and work.actor.may(Resource.PERIOD_REVIEW),
        is_own=waiting is not None and waiting.submitted_by == work.actor.account_id, who=work.actor.account_id,
        to_submit=newest.release_id if newest and to_submit else None,
        official_from=plan.corrections_until(period), **_progress(running),
    )  # fmt: skip


def _names(request: Request, tasks: Sequence[Task], reviews: dict[int, Review]) -> dict[int, str]:
    """Account → name, of whoever had a hand in the period."""
    keys = {task.requested_by for task in tasks}
    keys |= {key for review in reviews.values() for key in (review.submitted_by, review.decided_by) if key}
    found = session(request).execute(select(Account.id, Account.display_name).where(Account.id.in_(keys)))
    return dict(found.all())


def _progress(task: Task | None) -> dict[str, Any]:
    if task is None or task.state is not TaskState.RUNNING or task.started_at is None:
        return {"minutes": None, "left": None}
    seconds = (now() - task.started_at).total_seconds()
    left = seconds_left(seconds, float(task.fraction))
    return {"minutes": int(seconds // 60), "left": None if left is None else max(1, round(left / 60))}


def _period(text: str) -> Period:
    try:
        return service.read_period(text)
    except Refused:
        raise HTTPException(404) from None


@router.get("/periods/{period}")
def period_page(request: Request, period: str) -> Response:
    return _period_page(request, period)


@router.get("/periods/{period}/progress")
def progress_part(request: Request, period: str) -> Response:
    """The card of the task under way, asked for again and again while it runs."""
    text = str(_period(period))
    task = session(request).scalars(select(Task).where(Task.period == text, Task.state.in_(UNDER_WAY))).one_or_none()
    return page(
        request, "periods/_progress.html", period=text, running=task, who=work_of(request).actor.account_id,
        task_colours=TASK_COLOURS, **_progress(task),
    )  # fmt: skip


@router.post("/periods/{period}/refresh", dependencies=_REFRESHES)
def refresh(request: Request, period: str, lane: Text = "", reason: Text = "") -> Response:
    given = {"lane": lane, "reason": reason}
    try:
        chosen = next((one for one in Lane if one == lane), None)
        if chosen is None:
            raise Refused("请选择快报或正式版。")
        service.request_refresh(work_of(request), period, chosen, reason, today())
    except Refused as problem:
        return _refused(request, period, problem, given)
    return done(f"/periods/{period}", "asked")


@router.post("/periods/{period}/tasks/{key:int}/withdraw", dependencies=_REFRESHES)
def withdraw(request: Request, period: str, key: int) -> Response:
    try:
        service.withdraw(work_of(request), key)
    except Refused as problem:
        return _refused(request, period, problem)
    return done(f"/periods/{period}", "withdrawn")


@router.post("/periods/{period}/releases/{key:int}/submit", dependencies=_REFRESHES)
def submit(request: Request, period: str, key: int, note: Text = "") -> Response:
    try:
        service.submit(work_of(request), key, note)
    except Refused as problem:
        return _refused(request, period, problem, {"note": note})
    return done(f"/periods/{period}", "submitted")


@router.post("/periods/{period}/releases/{key:int}/return", dependencies=_REVIEWS)
def send_back(request: Request, period: str, key: int, reason: Text = "") -> Response:
    try:
        service.send_back(work_of(request), key, reason)
    except Refused as problem:
        return _refused(request, period, problem, {"return_reason": reason})
    return done(f"/periods/{period}", "returned")


@router.post("/periods/{period}/releases/{key:int}/sign", dependencies=_REVIEWS)
def sign(request: Request, period: str, key: int, reason: Text = "") -> Response:
    try:
        service.sign(work_of(request), key, reason)
    except Refused as problem:
        return _refused(request, period, problem, {"sign_reason": reason})
    return done(f"/periods/{period}", "signed")


@router.post("/periods/{period}/releases/{key:int}/roll-back", dependencies=_REVIEWS)
def roll_back(request: Request, period: str, key: int, reason: Text = "") -> Response:
    try:
        service.roll_back(work_of(request), key, reason)
    except Refused as problem:
        return _refused(request, period, problem)
    return done(f"/periods/{period}", "asked")


def _refused(request: Request, period: str, problem: Refused, given: dict[str, str] | None = None) -> Response:
    session(request).rollback()
    return _period_page(request, str(_period(period)), str(problem), given)
