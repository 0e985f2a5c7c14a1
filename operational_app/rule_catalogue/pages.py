"""规则目录: one rule; every catalogue that was in force, what it changed, and who approved it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Form
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, seen, work_of
from operational_app.identity.administration import Refused
from operational_app.identity.models import Account
from operational_app.inbox.models import Catalogue, RuleResult
from operational_app.inbox.queries import SEVERITIES, latest_release, sees_whole_city
from operational_app.rule_catalogue import queries, service
from operational_app.rule_catalogue.models import Approval, ApprovalDecision
from operational_app.rule_catalogue.rules import PARTS, Change
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import actor, page, session

router = pages_of(Resource.QUALITY)
_NOTICES = {
    "asked": "已送审，审核人已收到通知。", "approved": "已批准，用这一版规则检查的正式版可以送审和签发。",
    "returned": "已退回，送审人已收到通知。",
}  # fmt: skip
Text = Annotated[str, Form()]


@router.get("/rules/entries/{rule_id}")
def rule_page(request: Request, rule_id: str) -> Response:
    """A rule of the catalogue in force, how it came to be so, and what the newest release found."""
    work = session(request)
    in_force = queries.catalogue_in_force(work)
    rule = next((one for one in in_force.content["rules"] if one["id"] == rule_id), None) if in_force else None
    if rule is None:
        raise HTTPException(404)
    release = latest_release(work)
    result = None
    if release is not None and sees_whole_city(actor(request).scope):
        result = work.scalars(
            select(RuleResult).where(RuleResult.release_id == release.release_id, RuleResult.rule_id == rule_id)
        ).one_or_none()
    history = [
        (catalogue, change)
        for catalogue in queries.catalogues(work)
        for change in queries.changes_of(work, catalogue)
        if change.key == rule_id
    ]
    return page(
        request, "rule_catalogue/rule.html", title=rule["title"], rule=rule, parts=PARTS,
        severity=SEVERITIES[rule["severity"]], release=release, result=result, history=history,
    )  # fmt: skip


@router.get("/rules/catalogues")
def catalogues_page(request: Request) -> Response:
    work = session(request)
    lines = [
        (catalogue, queries.standing(work, catalogue), len(queries.changes_of(work, catalogue)))
        for catalogue in queries.catalogues(work)
    ]
    return page(
        request, "rule_catalogue/catalogues.html", title="目录版本与审批", lines=lines,
        in_force=queries.catalogue_in_force(work),
    )  # fmt: skip


def _catalogue_page(request: Request, key: int, error: str = "", given: dict[str, str] | None = None) -> Response:
    work, who, catalogue = session(request), actor(request), seen(request, Catalogue, key)
    standing, approvals = queries.standing(work, catalogue), queries.approvals(work, key)
    changes = queries.changes_of(work, catalogue)
    is_city = sees_whole_city(who.scope)
    may_review = is_city and standing.is_waiting and who.may(Resource.PERIOD_REVIEW)
    is_own = standing.approval is not None and standing.approval.asked_by == who.account_id
    return page(
        request, "rule_catalogue/catalogue.html", REFUSED if error else 200, title=f"规则目录第 {key} 版",
        catalogue=catalogue, standing=standing, base=queries.base_of(work, catalogue), changes=changes,
        kinds=_count(changes), approvals=approvals, names=_names(request, approvals), severities=SEVERITIES,
        may_ask=is_city and who.may(Resource.PERIOD_REFRESH) and not standing.is_approved and not standing.is_waiting,
        may_decide=may_review and not is_own, is_own=may_review and is_own,
        error=error, given=given or {}, notice=_NOTICES.get(request.query_params.get("done", ""), ""),
    )  # fmt: skip


@router.get("/rules/catalogues/{key:int}")
def catalogue_page(request: Request, key: int) -> Response:
    return _catalogue_page(request, key)


@router.post("/rules/catalogues/{key:int}/ask", dependencies=[Depends(demand(Resource.PERIOD_REFRESH))])
def ask(request: Request, key: int, reason: Text = "") -> Response:
    catalogue = seen(request, Catalogue, key)
    try:
        service.ask(work_of(request), catalogue, reason)
    except Refused as problem:
        return _refused(request, key, problem, {"reason": reason})
    return done(f"/rules/catalogues/{key}", "asked")


@router.post("/rules/catalogues/{key:int}/decision", dependencies=[Depends(demand(Resource.PERIOD_REVIEW))])
def decide(request: Request, key: int, decision: Text, answer: Text = "") -> Response:
    catalogue = seen(request, Catalogue, key)
    chosen = next((one for one in ApprovalDecision if one == decision), None)
    if chosen is None:
        raise HTTPException(400)
    try:
        service.decide(work_of(request), catalogue, chosen, answer)
    except Refused as problem:
        return _refused(request, key, problem, {"answer": answer})
    return done(f"/rules/catalogues/{key}", chosen.value)


def _refused(request: Request, key: int, problem: Refused, given: dict[str, str]) -> Response:
    session(request).rollback()
    return _catalogue_page(request, key, str(problem), given)


def _count(changes: Iterable[Change]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for change in changes:
        kinds[change.kind.value] = kinds.get(change.kind.value, 0) + 1
    return kinds


def _names(request: Request, approvals: Iterable[Approval]) -> dict[int, str]:
    keys = {key for approval in approvals for key in (approval.asked_by, approval.decided_by) if key}
    rows = session(request).execute(select(Account.id, Account.display_name).where(Account.id.in_(keys)))
    return dict(rows.all())
