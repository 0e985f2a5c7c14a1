"""数据补录: a task's page, and what is done there; several tasks answered from the list."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Form
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from operational_app.fix_tasks import queries, service
from operational_app.fix_tasks.models import FixState, FixTask, WaiverDecision
from operational_app.fix_tasks.queries import FixRow
from operational_app.fix_tasks.views import state_badge
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, seen, work_of
from operational_app.identity.administration import Refused
from operational_app.inbox.queries import SEVERITIES, record_name
from operational_app.organizations.models import Organization
from operational_app.web.errors import error_page
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import actor, page, session, today

router = pages_of(Resource.FIX_TASKS)
_DECIDES = [Depends(demand(Resource.FIX_WAIVERS))]
_NOTICES = {
    "answered": "已报告处理，下一次数据刷新会核验。", "asked": "已提交豁免申请，审批人已收到通知。",
    "granted": "已同意豁免。", "refused": "已办结：不同意豁免。",
}  # fmt: skip
Text = Annotated[str, Form()]
Number = Annotated[int, Form()]


def _task_page(request: Request, key: int, error: str = "", given: dict[str, str] | None = None) -> Response:
    work, who, task = session(request), actor(request), seen(request, FixTask, key)
    rule = queries.rule_of(work, task)
    organization = work.get(Organization, task.organization_id) if task.organization_id else None
    waiver = queries.waiting_waiver(work, task)
    return page(
        request, "fix_tasks/task.html", REFUSED if error else 200, title=rule.title, task=task, rule=rule,
        severity=SEVERITIES[task.severity], badge_of=state_badge(FixRow(task, rule), today()),
        record=f"{record_name(task.record_table)} {task.record_id}", place=queries.place_of(work, task, who),
        organization=organization.name if organization else "", waiver=waiver,
        waived_until=queries.waived_until(work, task) if task.state is FixState.WAIVED else None,
        history=queries.history(work, task), others=queries.of_same_record(work, task), error=error,
        given=given or {}, notice=_NOTICES.get(request.query_params.get("done", ""), ""),
        latest_waiver=today() + service.LONGEST_WAIVER,
        may_decide=waiver is not None and who.may(Resource.FIX_WAIVERS) and waiver.asked_by != who.account_id
        and who.scope.organization_id is None,
    )  # fmt: skip


@router.get("/fix-tasks/{key:int}")
def task_page(request: Request, key: int) -> Response:
    return _task_page(request, key)


@router.post("/fix-tasks/{key:int}/answer")
def answer(request: Request, key: int, row_version: Number, note: Text = "") -> Response:
    seen(request, FixTask, key)
    try:
        service.answer(work_of(request), key, note, row_version)
    except Refused as problem:
        return _refused(request, key, problem, {"note": note})
    return done(f"/fix-tasks/{key}", "answered")


@router.post("/fix-tasks/answer")
def answer_many(
    request: Request, id: Annotated[list[int] | None, Form()] = None, note: Text = "", query: Text = ""
) -> Response:
    """Answers the ticked ones, and leads back to the list as it was."""
    try:
        count = service.answer_many(work_of(request), id or [], note)
    except Refused as problem:
        session(request).rollback()
        return error_page(request, REFUSED, str(problem))
    back = [(name, value) for name, value in parse_qsl(query) if name not in ("answered", "skip")]
    return RedirectResponse(f"/fix-tasks/list?{urlencode([*back, ('answered', count)])}", status_code=303)


@router.post("/fix-tasks/{key:int}/waiver")
def ask_waiver(request: Request, key: int, row_version: Number, reason: Text = "", until: Text = "") -> Response:
    seen(request, FixTask, key)
    try:
        day = date.fromisoformat(until) if until else None
    except ValueError:
        day = None
    try:
        service.ask_waiver(work_of(request), key, reason, day, row_version)
    except Refused as problem:
        return _refused(request, key, problem, {"reason": reason, "until": until})
    return done(f"/fix-tasks/{key}", "asked")


@router.post("/fix-tasks/{key:int}/waiver/decision", dependencies=_DECIDES)
def decide_waiver(request: Request, key: int, decision: Text, reason: Text = "") -> Response:
    seen(request, FixTask, key)
    chosen = next((one for one in WaiverDecision if one == decision), None)
    if chosen is None:
        raise HTTPException(400)
    try:
        service.decide_waiver(work_of(request), key, chosen, reason)
    except Refused as problem:
        return _refused(request, key, problem, {"decision_reason": reason})
    return done(f"/fix-tasks/{key}", chosen.value)


def _refused(request: Request, key: int, problem: Refused, given: dict[str, str]) -> Response:
    session(request).rollback()
    return _task_page(request, key, str(problem), given)
