"""What people do with fix tasks: answer, ask for a waiver, decide it; each act checked, told and audited."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.audit.service import Act
from operational_app.core.row_security import whole_city, wider
from operational_app.fix_tasks.models import FixAct, FixEvent, FixState, FixTask, Waiver, WaiverDecision
from operational_app.identity.access import Resource
from operational_app.identity.administration import Overtaken, Refused, Stale, Work
from operational_app.inbox.models import FixPlan
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import nearest_holders, notify

_LONGEST_TEXT = 500
#: A waiver is looked at anew every year.
LONGEST_WAIVER = timedelta(days=366)
#: At most so many are answered at once.
MOST_AT_ONCE = 500


def answer(work: Work, key: int, note: str, row_version: int) -> FixTask:
    """The owner says that the record is mended, or how; the next refresh looks.

    Raises:
        Refused: no word on what was done, not open, or overtaken.
    """
    note = _text(note, "请写明做了什么，例如“已补录联系电话”。")
    task = _locked(work, key)
    if task.row_version != row_version:
        raise Stale
    if task.state is not FixState.OPEN:
        raise Overtaken(f"这条任务已是“{task.state.label}”。")
    _answer(work, task, note)
    return task


def answer_many(work: Work, keys: Collection[int], note: str) -> int:
    """`answer` for those of the tasks that are still open; returns how many they were.

    Raises:
        Refused: none or too many chosen, or no word on what was done.
    """
    if not keys:
        raise Refused("请先勾选任务。")
    if len(keys) > MOST_AT_ONCE:
        raise Refused(f"一次最多办理 {MOST_AT_ONCE} 条。")
    note = _text(note, "请写明做了什么，例如“已按名册补录”。")
    chosen = select(FixTask).where(FixTask.id.in_(keys), FixTask.state == FixState.OPEN).order_by(FixTask.id)
    tasks = work.session.scalars(chosen.with_for_update()).all()
    for task in tasks:
        _answer(work, task, note)
    return len(tasks)


def _answer(work: Work, task: FixTask, note: str) -> None:
    task.state = FixState.ANSWERED
    _move(work, task, FixAct.ANSWERED, note)


def ask_waiver(work: Work, key: int, reason: str, until: date | None, row_version: int) -> Waiver:
    """Asks that a record may go on breaking its rule until a day.

    Raises:
        Refused: no reason, no day or one too far, closed or waived, one is asked for already, or overtaken.
    """
    reason = _text(reason, "请写明为什么这条记录可以不符合规则。")
    today = work.at.astimezone(BUSINESS_TIMEZONE).date()
    if until is None or not today < until <= today + LONGEST_WAIVER:
        raise Refused("豁免期限应在明天至一年之内。")
    task = _locked(work, key)
    if task.row_version != row_version:
        raise Stale
    if task.state not in (FixState.OPEN, FixState.ANSWERED):
        raise Overtaken(f"这条任务已是“{task.state.label}”。")
    waiver = Waiver(task_id=key, reason=reason, until=until, asked_by=work.actor.account_id, asked_at=work.at)
    try:
        with work.session.begin_nested():
            work.session.add(waiver)
    except IntegrityError:
        raise Overtaken("这条任务已有待审批的豁免申请。") from None
    _move(work, task, FixAct.WAIVER_ASKED, reason)
    _tell_deciders(work, task, waiver)
    return waiver


def _tell_deciders(work: Work, task: FixTask, waiver: Waiver) -> None:
    # Who decides may sit above the asker's own scope.
    scope = work.actor.scope
    with wider(work.session, scope, whole_city(scope, all_accounts=True)):
        deciders = nearest_holders(work.session, Resource.FIX_WAIVERS, task.division_code, None, from_county=True)
    notify(
        work.session, [key for key in deciders if key != waiver.asked_by], NotificationKind.REQUEST_WAITS,
        f"一条数据补录任务申请豁免（规则 {task.rule_id}）", f"/fix-tasks/{task.id}", f"waiver-{waiver.id}",
    )  # fmt: skip


def decide_waiver(work: Work, key: int, decision: WaiverDecision, reason: str) -> Waiver:
    """Grants or refuses the waiver that is asked for.

    Raises:
        Refused: people of an organization, one's own request, refused without a reason, or decided meanwhile.
    """
    if work.actor.scope.organization_id is not None:
        raise Refused("豁免由民政部门审批。")
    task = _locked(work, key)
    waiver = work.session.scalars(
        select(Waiver).where(Waiver.task_id == key, Waiver.decision.is_(None)).with_for_update()
    ).one_or_none()
    if waiver is None:
        raise Overtaken("没有待审批的豁免申请，可能刚被他人办理。")
    if waiver.asked_by == work.actor.account_id:
        raise Refused("不能审批自己提出的豁免。")
    if decision is WaiverDecision.REFUSED:
        reason = _text(reason, "请写明不同意的原因。")
    waiver.decision, waiver.decided_by, waiver.decided_at, waiver.answer = (
        decision, work.actor.account_id, work.at, reason.strip()[:_LONGEST_TEXT]
    )  # fmt: skip
    if decision is WaiverDecision.GRANTED and task.state in (FixState.OPEN, FixState.ANSWERED):
        task.state = FixState.WAIVED
    act = FixAct.WAIVER_GRANTED if decision is WaiverDecision.GRANTED else FixAct.WAIVER_REFUSED
    _move(work, task, act, waiver.answer)
    notify(
        work.session, [waiver.asked_by], NotificationKind.REQUEST_RESULT,
        f"数据补录任务的豁免申请：{decision.label}", f"/fix-tasks/{key}", f"waiver-result-{waiver.id}",
    )  # fmt: skip
    return waiver


def end_waivers(session: Session, today: date) -> int:
    """Opens tasks anew whose waiver has ended; returns how many."""
    lasting = select(Waiver.id).where(
        Waiver.task_id == FixTask.id, Waiver.decision == WaiverDecision.GRANTED, Waiver.until >= today
    )
    ended = session.scalars(
        select(FixTask).where(FixTask.state == FixState.WAIVED, ~lasting.exists()).with_for_update(skip_locked=True)
    ).all()
    days = dict(session.execute(select(FixPlan.severity, FixPlan.due_days)).all())
    for task in ended:
        task.state, task.due_on = FixState.OPEN, today + timedelta(days=days[task.severity])
        task.row_version += 1
        session.add(FixEvent(task_id=task.id, act=FixAct.WAIVER_ENDED))
    return len(ended)


def _locked(work: Work, key: int) -> FixTask:
    task = work.session.get(FixTask, key, with_for_update=True)
    if task is None:
        raise Refused("没有这条任务。")
    return task


def _move(work: Work, task: FixTask, act: FixAct, note: str) -> None:
    task.row_version += 1
    work.session.add(FixEvent(task_id=task.id, act=act, account_id=work.actor.account_id, note=note))
    work.note(Act.FIX_TASK, ("fix_tasks.fix_task", task.id), step=act.label)


def _text(text: str, missing: str) -> str:
    text = text.strip()
    if not text:
        raise Refused(missing)
    if len(text) > _LONGEST_TEXT:
        raise Refused(f"说明最多 {_LONGEST_TEXT} 字。")
    return text
