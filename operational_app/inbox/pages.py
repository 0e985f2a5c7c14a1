"""数据质量: verdicts of a refresh, completeness and errors by theme and county, failing rules, records, reports."""

from __future__ import annotations

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse

from huiyang.divisions import DivisionLevel, division_tree
from operational_app.audit.service import Act, record
from operational_app.fix_tasks.queries import verification
from operational_app.identity.access import Resource
from operational_app.inbox import queries
from operational_app.inbox.models import ReleaseResult, RuleResult
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import actor, page, remote_address, services, session

router = pages_of(Resource.QUALITY)
_PAGE_SIZE = 50


@router.get("/quality")
def newest_quality_page(request: Request) -> HTMLResponse:
    newest = queries.latest_release(session(request))
    if newest is None:
        return page(request, "inbox/none.html", title="数据质量")
    return _release_page(request, newest)


@router.get("/quality/{release_id:int}")
def quality_page(request: Request, release_id: int) -> HTMLResponse:
    return _release_page(request, _release_or_404(request, release_id))


def _release_page(request: Request, result: ReleaseResult) -> HTMLResponse:
    work, who = session(request), actor(request)
    files = (
        queries.report_files(result, services(request).settings.report_dir) if who.may(Resource.QUALITY_REPORTS) else []
    )
    return page(
        request,
        "inbox/release.html",
        title="数据质量",
        result=result,
        lane=queries.LANES.get(result.lane, result.lane),
        state=queries.STATES.get(result.state, (result.state, "secondary")),
        themes=queries.theme_rows(work, result.release_id, who.scope),
        rules=queries.failing_rules(work, result.release_id, who.scope),
        severities=queries.SEVERITIES,
        releases=queries.releases(work),
        lanes=queries.LANES,
        may_download=who.may(Resource.QUALITY_REPORTS),
        files=[(path.name, queries.REPORT_KINDS[path.suffix][0]) for path in files],
        sees_whole_city=queries.sees_whole_city(who.scope),
        striking=sum(queries.striking_changes(work, result.release_id, who.scope).values()),
        units=queries.compared_units(who.scope),
        fixes=verification(work, result.release_id) if queries.sees_whole_city(who.scope) else None,
        sees_fixes=who.may(Resource.FIX_TASKS),
    )


@router.get("/quality/{release_id:int}/changes")
def changes_page(request: Request, release_id: int, unit: str = "") -> HTMLResponse:
    """与以往各期比较: each figure of a unit beside the last period, last year and what is published."""
    work, who = session(request), actor(request)
    result = _release_or_404(request, release_id)
    units = queries.compared_units(who.scope)
    chosen = unit or next(iter(units), "")
    if unit and unit not in units:
        raise HTTPException(404)
    changes = queries.figure_changes(work, release_id, chosen)
    return page(
        request,
        "inbox/changes.html",
        title="与以往各期比较",
        result=result,
        units=units,
        chosen=chosen,
        striking=queries.striking_changes(work, release_id, who.scope),
        changes=changes,
        verdicts=queries.CONTINUITY,
        is_correction=any(change.published is not None for change in changes),
    )


@router.get("/quality/{release_id:int}/rules/{rule_id}")
def rule_page(request: Request, release_id: int, rule_id: str, county: str = "", number: int = 1) -> HTMLResponse:
    """The records that broke a rule: surrogate keys, with a link where the user may open the record."""
    work, who = session(request), actor(request)
    result = _release_or_404(request, release_id)
    rule = work.query(RuleResult).filter_by(release_id=release_id, rule_id=rule_id).one_or_none()
    counties = [
        division for division in division_tree().at_level(DivisionLevel.COUNTY)
        if queries.holds_county(who.scope, division.code)
    ]  # fmt: skip
    if rule is None or (county and county not in {division.code for division in counties}):
        raise HTTPException(404)
    statement = queries.violations(release_id, rule_id, who.scope, county or None)
    counted = count_up_to(work, statement, MOST_LISTED + 1)
    is_capped = counted is None or counted > MOST_LISTED
    total = MOST_LISTED if counted is None else min(counted, MOST_LISTED)
    pages = max(-(-total // _PAGE_SIZE), 1)
    if not 1 <= number <= pages:
        raise HTTPException(404)
    found = work.scalars(statement.offset((number - 1) * _PAGE_SIZE).limit(_PAGE_SIZE)).all()
    rows = []
    for violation in found:
        place = queries.record_address(violation.record_table, violation.record_id)
        address = place[0] if place and (place[1] is None or who.may(place[1])) else None
        rows.append((violation, queries.record_name(violation.record_table), address))
    return page(
        request,
        "inbox/rule.html",
        title=rule.title,
        result=result,
        rule=rule,
        severity=queries.SEVERITIES[rule.severity],
        rows=rows,
        total=total,
        is_capped=is_capped,
        number=number,
        pages=pages,
        county=county,
        counties=counties,
    )


@router.get(
    "/quality/{release_id:int}/reports/{name}", dependencies=[Depends(demand(Resource.QUALITY_REPORTS))]
)  # fmt: skip
def report(request: Request, release_id: int, name: str) -> FileResponse:
    """One file of the acceptance report."""
    work, who = session(request), actor(request)
    result = _release_or_404(request, release_id)
    files = {path.name: path for path in queries.report_files(result, services(request).settings.report_dir)}
    if name not in files:
        raise HTTPException(404)
    path = files[name]
    record(
        work, Act.REPORT_DOWNLOAD, account_id=who.account_id, remote_address=remote_address(request),
        target=("inbox.release_result", release_id), details={"file": name},
    )  # fmt: skip
    # A report is shown as it is and may run nothing.
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox"
    return FileResponse(
        path,
        media_type=queries.REPORT_KINDS[path.suffix][1],
        filename=path.name,
        content_disposition_type="inline" if path.suffix == ".html" else "attachment",
        headers={"content-security-policy": policy},
    )


def _release_or_404(request: Request, release_id: int) -> ReleaseResult:
    result = queries.release(session(request), release_id)
    if result is None:
        raise HTTPException(404)
    return result
