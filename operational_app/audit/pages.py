"""An event's page, and the export of what the list shows; both are recorded themselves."""

from __future__ import annotations

import csv
import io
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from operational_app.audit import queries
from operational_app.audit.labels import describe
from operational_app.audit.models import AuditEvent
from operational_app.audit.service import Act, Outcome, record
from operational_app.audit.views import AuditView, badge_of, is_audit_administrator, matching
from operational_app.identity.access import Resource
from operational_app.web.back_office import shown_filters
from operational_app.web.filters import read_filters
from operational_app.web.formats import second
from operational_app.web.rights import demand
from operational_app.web.services import actor, now, page, remote_address, services, session

#: Beyond this an auditor narrows the time; the file says so.
MOST_EXPORTED = 20_000
_COLUMNS = ("编号", "时间", "人员", "操作", "对象", "结果", "来源地址", "封存批次", "详情")
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _demand_duty(request: Request) -> None:
    if not is_audit_administrator(request):
        raise HTTPException(403)


router = APIRouter(dependencies=[Depends(demand(Resource.AUDIT)), Depends(_demand_duty)])


@router.get("/audit/{key:int}")
def event_page(request: Request, key: int) -> HTMLResponse:
    work = session(request)
    event = work.get(AuditEvent, key)
    if event is None:
        raise HTTPException(404)
    names = queries.names_of(services(request).database, {event.account_id} - {None})  # type: ignore[arg-type]
    record(
        work, Act.AUDIT_READ, account_id=actor(request).account_id, remote_address=remote_address(request),
        target=("audit.audit_event", key),
    )  # fmt: skip
    return page(
        request, "audit/event.html", title=f"审计记录 {key}", event=event, action=queries.act_label(event.action),
        person=queries.person_of(event, names), target=queries.target_of(event),
        outcome=badge_of(queries.outcome_of(event.outcome)), details=describe(event.details),
        state=queries.seal_of(work, key),
    )  # fmt: skip


@router.post("/audit/export")
def export(request: Request) -> Response:
    """CSV of what the list's address asks for, newest first."""
    asked = read_filters(AuditView.list_filters, request)
    if asked.errors:
        raise HTTPException(400, "；".join(asked.errors))
    work, database = session(request), services(request).database
    events = work.scalars(matching(database, asked).limit(MOST_EXPORTED + 1)).all()
    is_cut = len(events) > MOST_EXPORTED
    events = events[:MOST_EXPORTED]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row, event in zip(queries.rows_of(work, database, events), events, strict=True):
        details = "；".join(f"{name}：{value}" for name, value in describe(event.details))
        cells = (
            row.id, second(row.happened_at), row.person, row.action, row.target,
            row.outcome.label if isinstance(row.outcome, Outcome) else row.outcome, row.remote_address, row.batch,
            details,
        )  # fmt: skip
        writer.writerow([_plain(cell) for cell in cells])
    if is_cut:
        writer.writerow([f"只导出了最近的 {MOST_EXPORTED} 条，请缩小时间范围后分次导出"])
    record(
        work, Act.AUDIT_EXPORT, account_id=actor(request).account_id, remote_address=remote_address(request),
        details=shown_filters(AuditView.list_filters, asked) | {"rows": len(events)},
    )  # fmt: skip
    name = quote(f"审计日志-{now():%Y%m%d-%H%M}.csv")
    return Response(
        "\ufeff" + text.getvalue(), media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f"attachment; filename=\"audit.csv\"; filename*=UTF-8''{name}"},
    )  # fmt: skip


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
