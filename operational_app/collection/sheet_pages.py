"""Many filings at once: template out and in, the grid to paste into, the export."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from anyio.to_thread import run_sync
from fastapi import Depends
from sqlalchemy import Select, select
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from operational_app.audit.service import Act
from operational_app.collection import queries, rules, service, sheets
from operational_app.collection.desk import campaign_seen, texts_of
from operational_app.collection.forms import Form, form_of
from operational_app.collection.models import Campaign, Filing, FilingState, SubjectKind, Submission, ValueSource
from operational_app.core.uploads import Upload, UploadRefused, keep, kept
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Refused
from operational_app.web.formats import division, minute
from operational_app.web.rights import demand, pages_of
from operational_app.web.scoping import in_division
from operational_app.web.services import page, services, session

router = pages_of(Resource.COLLECTION)
_FILLS = [Depends(demand(Resource.COLLECTION_FILLING))]
#: Rows of a grid: with the widest form the fields of one page stay below what a form may hold.
_GRID_ROWS = 20


def _subject(request: Request, campaign: Campaign, given: str) -> SubjectKind:
    """The kind of subject that a page is about: the one asked for, or the first that the user sees.

    Raises:
        HTTPException: 404.
    """
    subjects = queries.subjects_of(session(request), campaign.id)
    found = [subject for subject in subjects if given in ("", subject.value)]
    if not found:
        raise HTTPException(404)
    return found[0]


def _of_subject(campaign: Campaign, subject: SubjectKind) -> Select[Filing]:
    column = Filing.institution_id if subject is SubjectKind.INSTITUTION else Filing.facility_id
    return select(Filing).where(Filing.campaign_id == campaign.id, column.is_not(None))


def _download(content: bytes, name: str) -> Response:
    return Response(
        content, media_type=sheets.MEDIA_TYPE,
        headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"},
    )  # fmt: skip


def _stamp(campaign: Campaign, form: Form) -> sheets.Stamp:
    return sheets.Stamp(campaign.id, campaign.period, form.subject.value, form.version)


def _name(campaign: Campaign, form: Form, what: str) -> str:
    kind = campaign.kind.label.split("（")[0]
    return f"{kind}-{campaign.period}-{form.subject.label}-{what}.xlsx"


@router.get("/collection/{key:int}/template.xlsx", dependencies=_FILLS)
def template(request: Request, key: int, subject: str = "", town: str = "") -> Response:
    campaign, work = campaign_seen(request, key), work_of(request)
    form = form_of(campaign.kind, _subject(request, campaign, subject))
    statement = _of_subject(campaign, form.subject).where(Filing.state.in_(service.EDITABLE))
    if town in {code for code, _ in _towns(request, campaign, form.subject)}:
        statement = statement.where(in_division(Filing.division_code, town))
    filings = work.session.scalars(statement.order_by(Filing.division_code, Filing.id)).all()
    lines = [
        sheets.Line(
            sheet.filing.id, sheet.filing.name, division(sheet.filing.division_code), sheet.filing.figures,
            sheet.previous,
        )
        for sheet in service.sheets(work.session, filings)
    ]  # fmt: skip
    title = f"{rules.period_label(campaign.period)} {campaign.kind.label} {form.subject.label}"
    work.note(Act.COLLECTION_EXPORT, ("collection.campaign", key), kind="template", filings=len(lines))
    return _download(sheets.template(form, _stamp(campaign, form), title, lines), _name(campaign, form, "模板"))


@router.get("/collection/{key:int}/export.xlsx")
def export(request: Request, key: int, subject: str = "") -> Response:
    """Progress and accepted figures of everything that the user sees."""
    campaign, work = campaign_seen(request, key), work_of(request)
    form = form_of(campaign.kind, _subject(request, campaign, subject))
    statement = (
        _of_subject(campaign, form.subject)
        .add_columns(Submission)
        .outerjoin(
            Submission, (Submission.filing_id == Filing.id) & (Submission.number == Filing.accepted_number)
        )
        .order_by(Filing.division_code, Filing.id)
    )  # fmt: skip
    heads = [
        "名称", "所在地", "状态", "截止日期", "提交时间", "审核时间", "催报次数",
        *(field.heading for field in form.fields), "情况说明",
    ]  # fmt: skip
    rows = []
    row: Any
    for row in work.session.execute(statement):
        filing, accepted = row
        figures = accepted.figures if accepted else {}
        remarks = accepted.remarks if accepted else {}
        told = "；".join(f"{f.label}：{remarks[f.code]}" for f in form.fields if f.code in remarks)
        rows.append(
            [
                filing.name, division(filing.division_code), filing.state.label, filing.due_on.isoformat(),
                minute(filing.submitted_at), minute(filing.decided_at), filing.reminder_count,
                *(_cell(rules.shown(field, figures.get(field.code)), field.is_number) for field in form.fields), told,
            ]
        )  # fmt: skip
    work.note(Act.COLLECTION_EXPORT, ("collection.campaign", key), kind="figures", filings=len(rows))
    return _download(sheets.table(form.subject.label, heads, rows), _name(campaign, form, "汇总"))


def _cell(text: str, is_number: bool) -> object:
    if not is_number or not text:
        return text
    return Decimal(text) if "." in text else int(text)


# Template in


def _import_page(request: Request, key: int, subject: str, status: int = 200, **found: Any) -> Response:
    campaign = campaign_seen(request, key)
    chosen = _subject(request, campaign, subject)
    return page(
        request, "collection/import.html", status, title="导入模板", campaign=campaign, subject=chosen,
        subjects=queries.subjects_of(session(request), key), period=rules.period_label(campaign.period),
        largest=sheets.LARGEST_BYTES // 1_000_000, **found,
    )  # fmt: skip


@router.get("/collection/{key:int}/import", dependencies=_FILLS)
def import_page(request: Request, key: int, subject: str = "") -> Response:
    return _import_page(request, key, subject)


@router.post("/collection/{key:int}/import", dependencies=_FILLS)
async def try_import(request: Request, key: int) -> Response:
    """The dry run: says what would be entered, or every cell that is wrong. Nothing is entered."""
    form = await request.form(max_files=1, max_fields=10)
    upload, subject = form.get("file"), str(form.get("subject", ""))
    content = await upload.read(sheets.LARGEST_BYTES + 1) if isinstance(upload, UploadFile) else b""
    name = (upload.filename or "")[-80:] if isinstance(upload, UploadFile) else ""
    await form.close()
    return await run_sync(_try_import, request, key, subject, name or "未选择文件", content)


def _entered(
    request: Request, key: int, subject: str, name: str, content: bytes
) -> tuple[int, int, list[dict[str, str]]]:
    """Enters a template in the running transaction.

    Returns:
        figures that change, filings that the file speaks of, every problem: address, name, text.

    Raises:
        UploadRefused: the file as such.
    """
    campaign, work = campaign_seen(request, key), work_of(request)
    form = form_of(campaign.kind, _subject(request, campaign, subject))
    read = sheets.read(name, content, form, _stamp(campaign, form))
    count, wrong = service.enter_many(
        work, campaign, read.cells, ValueSource.IMPORTED, lambda filing_id, code: read.addresses[filing_id, code]
    )
    names: dict[int, str] = dict(
        work.session.execute(select(Filing.id, Filing.name).where(Filing.id.in_(read.cells))).all()
    )
    problems = [{"place": place, "name": "", "text": text} for place, text in read.wrong]
    problems += [{"place": one.place, "name": names.get(one.filing_id, ""), "text": one.message} for one in wrong]
    return count, len(read.cells), problems


def _try_import(request: Request, key: int, subject: str, name: str, content: bytes) -> Response:
    work = work_of(request)
    try:
        count, filings, problems = _entered(request, key, subject, name, content)
    except UploadRefused as problem:
        work.session.rollback()
        return _import_page(request, key, subject, REFUSED, error=str(problem))
    work.session.rollback()
    work.session.expire_all()
    if problems:
        return _import_page(request, key, subject, REFUSED, problems=problems, name=name)
    if not count:
        return _import_page(request, key, subject, REFUSED, error=f"“{name}”中没有新的数据，与已填报的一致。")
    digest = keep(services(request).settings.upload_dir, Upload(name, sheets.MEDIA_TYPE, content))
    return _import_page(request, key, subject, count=count, filings=filings, digest=digest, name=name)


@router.post("/collection/{key:int}/import/confirm", dependencies=_FILLS)
async def confirm_import(request: Request, key: int) -> Response:
    return await run_sync(_confirm_import, request, key, await texts_of(request))


def _confirm_import(request: Request, key: int, given: dict[str, str]) -> Response:
    """Enters the file that was tried, checked once more: all of it or nothing."""
    work, subject, name = work_of(request), given.get("subject", ""), given.get("name", "")[-80:]
    try:
        content = kept(services(request).settings.upload_dir, given.get("digest", "")).read_bytes()
    except (FileNotFoundError, ValueError):
        return _import_page(request, key, subject, REFUSED, error="文件已失效，请重新上传。")
    try:
        count, filings, problems = _entered(request, key, subject, name, content)
    except UploadRefused as problem:
        work.session.rollback()
        return _import_page(request, key, subject, REFUSED, error=str(problem))
    if problems:
        work.session.rollback()
        work.session.expire_all()
        return _import_page(request, key, subject, REFUSED, problems=problems, name=name)
    work.note(
        Act.COLLECTION_FILING, ("collection.campaign", key), kind="import", figures=count, filings=filings,
        sha256=given.get("digest", ""),
    )  # fmt: skip
    return done(f"/collection/{key}", "imported")


# The grid


def _towns(request: Request, campaign: Campaign, subject: SubjectKind) -> list[tuple[str, str]]:
    """(town's code, name) of the places where the user sees filings."""
    codes = session(request).scalars(_of_subject(campaign, subject).with_only_columns(Filing.division_code).distinct())
    towns = sorted({f"{code[:9]}000" for code in codes})
    return [(code, division(code)) for code in towns]


def _grid_page(
    request: Request, key: int, query: dict[str, str], status: int = 200, *,
    given: dict[str, str] | None = None, wrong: dict[tuple[int, str], str] | None = None, error: str = "",
    notice: str = "",
) -> Response:  # fmt: skip
    campaign, work = campaign_seen(request, key), work_of(request)
    form = form_of(campaign.kind, _subject(request, campaign, query.get("subject", "")))
    towns = _towns(request, campaign, form.subject)
    town = query.get("town", "") if query.get("town", "") in dict(towns) else ""
    shown = int(query["page"]) if query.get("page", "").isdecimal() and query["page"] != "0" else 1
    statement = _of_subject(campaign, form.subject).where(Filing.state.in_(service.EDITABLE))
    if town:
        statement = statement.where(in_division(Filing.division_code, town))
    statement = statement.order_by(Filing.division_code, Filing.id)
    rows = work.session.scalars(statement.offset((shown - 1) * _GRID_ROWS).limit(_GRID_ROWS + 1)).all()
    found = service.sheets(work.session, rows[:_GRID_ROWS])
    ready = [sheet for sheet in found if _is_ready(sheet)]
    return page(
        request, "collection/grid.html", status, title="批量填报", campaign=campaign, form=form, sheets=found,
        towns=towns, town=town, shown=shown, has_more=len(rows) > _GRID_ROWS, given=given or {}, wrong=wrong or {},
        error=error, notice=notice, rules=rules, period=rules.period_label(campaign.period), ready=ready,
        subjects=queries.subjects_of(work.session, key),
    )  # fmt: skip


def _is_ready(sheet: service.Sheet) -> bool:
    """Whole and without a problem. What was sent back is handed in on its own page, where its reason stands."""
    return sheet.filing.state is FilingState.DRAFT and not sheet.problems


_GRID_DONE = {"saved": "已保存。", "submitted": "已提交，等待审核。"}


@router.get("/collection/{key:int}/grid", dependencies=_FILLS)
def grid_page(request: Request, key: int) -> Response:
    query = dict(request.query_params)
    return _grid_page(request, key, query, notice=_GRID_DONE.get(query.get("done", ""), ""))


@router.post("/collection/{key:int}/grid", dependencies=_FILLS)
async def save_grid(request: Request, key: int) -> Response:
    form = await request.form(max_files=0, max_fields=1_000)
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    return await run_sync(_save_grid, request, key, given)


def _save_grid(request: Request, key: int, given: dict[str, str]) -> Response:
    """Every cell of the page, all or none; a wrong one is marked and what was typed stays."""
    campaign, work = campaign_seen(request, key), work_of(request)
    query = {name: given[name] for name in ("subject", "town", "page") if given.get(name)}
    cells: dict[int, dict[str, str]] = {}
    versions: dict[int, int] = {}
    for name, text in given.items():
        kind, _, rest = name.partition("-")
        filing_id, _, code = rest.partition("-")
        if not filing_id.isdecimal():
            continue
        if kind == "cell":
            cells.setdefault(int(filing_id), {})[code] = text
        elif kind == "version" and text.isdecimal():
            versions[int(filing_id)] = int(text)
    if given.get("act") == "submit":
        return _submit_ready(request, key, query, versions)
    _, wrong = service.enter_many(
        work, campaign, cells, ValueSource.TYPED, lambda filing_id, code: f"{filing_id}", versions
    )
    if wrong:
        work.session.rollback()
        work.session.expire_all()
        marked = {(one.filing_id, one.code): one.message for one in wrong}
        return _grid_page(
            request, key, query, REFUSED, given=given, wrong=marked,
            error=f"有 {len(wrong)} 处需要修改，本页都没有保存。",
        )  # fmt: skip
    return done_with(key, query, "saved")


def _submit_ready(request: Request, key: int, query: dict[str, str], versions: dict[int, int]) -> Response:
    """Hands in the page's filings that are ready."""
    work = work_of(request)
    filings = work.session.scalars(
        select(Filing).where(Filing.id.in_(versions), Filing.campaign_id == key).order_by(Filing.id)
    ).all()
    try:
        for sheet in service.sheets(work.session, filings):
            if _is_ready(sheet):
                service.submit(work, sheet.filing.id, versions[sheet.filing.id])
    except Refused as problem:
        work.session.rollback()
        work.session.expire_all()
        return _grid_page(request, key, query, REFUSED, error=f"{problem}本页都没有提交。")
    return done_with(key, query, "submitted")


def done_with(key: int, query: dict[str, str], what: str) -> Response:
    """Back to the same page of the grid."""
    rest = "".join(f"&{name}={quote(value)}" for name, value in query.items())
    response = done(f"/collection/{key}/grid", what)
    response.headers["location"] += rest
    return response
