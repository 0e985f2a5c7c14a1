"""数据采集: campaigns with their progress, and one filing: filled in, handed in, checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from anyio.to_thread import run_sync
from fastapi import Depends
from sqlalchemy import Select, case, func, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from huiyang.divisions import division_tree
from operational_app.collection import queries, rules, service, sheet_pages
from operational_app.collection.desk import campaign_seen, filing_seen, name_like, texts_of
from operational_app.collection.forms import Form, form_of
from operational_app.collection.models import (
    Campaign,
    CampaignEvent,
    CampaignKind,
    CampaignState,
    Filing,
    FilingEvent,
    FilingState,
    SubjectKind,
    Submission,
    ValueSource,
)
from operational_app.collection.notices import title_of
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Refused
from operational_app.identity.models import Account
from operational_app.web.formats import division
from operational_app.web.rights import demand, pages_of
from operational_app.web.scoping import in_division
from operational_app.web.services import actor, page, today

router = pages_of(Resource.COLLECTION)
# First: its addresses would match those of acts.
router.include_router(sheet_pages.router)
_FILLS = [Depends(demand(Resource.COLLECTION_FILLING))]
_CHECKS = [Depends(demand(Resource.COLLECTION_CHECKING))]
_OPENS = [Depends(demand(Resource.COLLECTION_CAMPAIGNS))]
STATE_COLOURS = {
    FilingState.DUE: "secondary",
    FilingState.DRAFT: "blue",
    FilingState.SUBMITTED: "orange",
    FilingState.RETURNED: "red",
    FilingState.ACCEPTED: "green",
}
_KINDS = {kind.value: kind for kind in CampaignKind}
_SOURCES = {source.value: source.label for source in ValueSource}
_OVERDUE, _CORRECTING = "overdue", "更正中"
_PER_PAGE, _CAMPAIGNS_PER_PAGE, _MOST_PAGES = 50, 10, 1_000
_DONE = {
    "opened": "采集任务已开始，填报人可在待办事项中看到。", "extended": "截止日期已延长。", "closed": "采集已结束。",
    "extend": "本单位的截止日期已延长。",
    "reminded": "已催报，对方会在待办事项中看到。", "saved": "已保存。", "unchanged": "已按上期数据确认。",
    "system": "已采用系统统计。", "submitted": "已提交，等待审核。", "accepted": "已通过。", "returned": "已退回。",
    "correcting": "已开始更正；新数据通过审核前，原数据仍然有效。", "imported": "已全部导入，请检查后提交。",
}  # fmt: skip


def _notice(request: Request) -> str:
    return _DONE.get(request.query_params.get("done", ""), "")


def _page_number(request: Request) -> int:
    given = request.query_params.get("page", "1")
    return int(given) if given.isdecimal() and 0 < int(given) <= _MOST_PAGES else 1


def state_badge(filing: Filing, on: date) -> tuple[str, str]:
    """A filing's state; what is late says by how much."""
    if filing.state in service.EDITABLE and filing.due_on < on:
        return f"{filing.state.label} · 逾期 {(on - filing.due_on).days} 天", "red"
    if filing.state is FilingState.DRAFT and filing.accepted_number is not None:
        return _CORRECTING, "blue"
    return filing.state.label, STATE_COLOURS[filing.state]


# Campaigns


@dataclass(frozen=True)
class _CampaignCard:
    campaign: Campaign
    total: int
    counts: dict[FilingState, int]
    overdue: int

    @property
    def title(self) -> str:
        return title_of(self.campaign)


def _bars(counts: dict[FilingState, int]) -> list[tuple[str, str, int]]:
    """(label, colour, count) in the order of a bar."""
    order = (
        FilingState.ACCEPTED, FilingState.SUBMITTED, FilingState.DRAFT, FilingState.RETURNED, FilingState.DUE
    )  # fmt: skip
    return [(state.label, STATE_COLOURS[state], counts[state]) for state in order if counts.get(state)]


@router.get("/collection")
def campaigns_page(request: Request) -> Response:
    work = work_of(request)
    shown = _page_number(request)
    campaigns = queries.campaigns_seen(work.session, (shown - 1) * _CAMPAIGNS_PER_PAGE, _CAMPAIGNS_PER_PAGE + 1)
    has_more, campaigns = len(campaigns) > _CAMPAIGNS_PER_PAGE, campaigns[:_CAMPAIGNS_PER_PAGE]
    found = queries.progress(work.session, [campaign.id for campaign in campaigns], today())
    cards = []
    for campaign in campaigns:
        counts: dict[FilingState, int] = {}
        parts = found.get(campaign.id, [])
        for part in parts:
            for state, count in part.counts.items():
                counts[state] = counts.get(state, 0) + count
        cards.append(_CampaignCard(campaign, sum(counts.values()), counts, sum(part.overdue for part in parts)))
    own: Sequence[Filing] = ()
    if work.actor.scope.organization_id is not None:
        own = work.session.scalars(
            select(Filing).order_by(Filing.state == FilingState.ACCEPTED, Filing.due_on.desc(), Filing.id).limit(100)
        ).all()
        of_own = select(Campaign).where(Campaign.id.in_({filing.campaign_id for filing in own}))
        campaigns, has_more = list(work.session.scalars(of_own)), False
    return page(
        request, "collection/list.html", title="数据采集", cards=cards, bars=_bars, own=own, today=today(),
        titles={campaign.id: title_of(campaign) for campaign in campaigns},
        badge_of=lambda filing: state_badge(filing, today()),
        may_open=work.actor.may(Resource.COLLECTION_CAMPAIGNS) and bool(_places(request)), notice=_notice(request),
        shown=shown, has_more=has_more,
    )  # fmt: skip


def _places(request: Request) -> list[tuple[str, str]]:
    """(code, name) of the city and counties in which the user may open a campaign."""
    work, root = work_of(request), division_tree().root
    tree = division_tree()
    codes = [root.code, *(one.code for one in tree.children(root.code))]
    return [(code, tree[code].name) for code in codes if service.may_open_in(work, code)]


def _new_page(request: Request, given: dict[str, str], error: str = "") -> Response:
    work, asked = work_of(request), None
    kind = _KINDS.get(given.get("kind", ""), CampaignKind.OPERATING)
    period = rules.period_of(kind, given.get("period", ""))
    if period and service.may_open_in(work, given.get("division", "")):
        asked = service.asked(work.session, given["division"], period.end_date)
    return page(
        request, "collection/new.html", REFUSED if error else 200, title="发起采集", given=given, error=error,
        kinds=[(kind.value, kind.label) for kind in CampaignKind], places=_places(request), asked=asked,
        subjects=list(SubjectKind),
    )  # fmt: skip


@router.get("/collection/new", dependencies=_OPENS)
def new_page(request: Request) -> Response:
    places = _places(request)
    given = {"kind": CampaignKind.OPERATING.value, "division": places[0][0] if places else ""}
    given |= {subject.value: "1" for subject in SubjectKind}
    given |= {name: value for name, value in request.query_params.items() if value}
    return _new_page(request, given)


@router.post("/collection/new", dependencies=_OPENS)
async def open_campaign(request: Request) -> Response:
    return await run_sync(_open_campaign, request, await texts_of(request))


def _open_campaign(request: Request, given: dict[str, str]) -> Response:
    if given.get("look"):
        return _new_page(request, given)
    work = work_of(request)
    try:
        kind = _KINDS.get(given.get("kind", ""))
        if kind is None:
            raise Refused("请选择采集内容。")
        subjects = frozenset(subject for subject in SubjectKind if given.get(subject.value))
        campaign = service.open_campaign(
            work,
            service.NewCampaign(
                kind, given.get("period", ""), given.get("division", ""), subjects,
                _day(given.get("due_on", "")), given.get("instruction", ""),
            ),
        )  # fmt: skip
    except Refused as problem:
        work.session.rollback()
        return _new_page(request, given, str(problem))
    return done(f"/collection/{campaign.id}", "opened")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _filter(request: Request, key: int) -> tuple[Select[Filing], dict[str, str]]:
    """The filings of a campaign that the address asks for, and what it asks."""
    query = request.query_params
    chosen = {name: query.get(name, "") for name in ("state", "county", "unit", "q", "subject")}
    statement = select(Filing).where(Filing.campaign_id == key)
    if chosen["state"] == _OVERDUE:
        statement = statement.where(Filing.due_on < today(), Filing.state.in_(service.EDITABLE))
    elif chosen["state"] in set(FilingState):
        statement = statement.where(Filing.state == chosen["state"])
    if re.fullmatch(r"\d{12}", chosen["county"]):
        statement = statement.where(in_division(Filing.division_code, chosen["county"]))
    if units := [unit for unit in division_tree().reporting_units if unit.code == chosen["unit"]]:
        statement = statement.where(queries.in_unit(*units))
    else:
        chosen["unit"] = ""
    if chosen["subject"] == SubjectKind.INSTITUTION:
        statement = statement.where(Filing.institution_id.is_not(None))
    elif chosen["subject"] == SubjectKind.FACILITY:
        statement = statement.where(Filing.facility_id.is_not(None))
    if chosen["q"].strip():
        statement = statement.where(name_like(chosen["q"]))
    return statement, chosen


def _campaign_page(request: Request, key: int, error: str = "") -> Response:
    campaign, work = campaign_seen(request, key), work_of(request)
    parts = queries.progress(work.session, [key], today()).get(key, [])
    statement, chosen = _filter(request, key)
    shown = _page_number(request)
    waiting = case((Filing.state == FilingState.SUBMITTED, 0), (Filing.state == FilingState.ACCEPTED, 2), else_=1)
    rows = work.session.scalars(
        statement.order_by(waiting, Filing.division_code, Filing.id).offset((shown - 1) * _PER_PAGE).limit(_PER_PAGE)
    ).all()
    total = work.session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    events = work.session.scalars(
        select(CampaignEvent).where(CampaignEvent.campaign_id == key).order_by(CampaignEvent.id.desc()).limit(20)
    ).all()
    counts: dict[str, int] = {}
    for part in parts:
        for state, count in part.counts.items():
            counts[state.value] = counts.get(state.value, 0) + count
    overdue = sum(part.overdue for part in parts)
    is_office = work.actor.scope.organization_id is None
    return page(
        request, "collection/campaign.html", REFUSED if error else 200, title=title_of(campaign), campaign=campaign,
        parts=parts if work.actor.scope.unit_code is None else [], bars=_bars,
        units=queries.unit_progress(work.session, key, today()) if is_office else [],
        unit_names={unit.code: unit.name for unit in division_tree().reporting_units},
        rows=rows, total=total, shown=shown, pages=-(-total // _PER_PAGE), chosen=chosen,
        counts=counts, overdue=overdue, states=[(state.value, state.label) for state in FilingState], events=events,
        badge_of=lambda filing: state_badge(filing, today()), error=error, notice=_notice(request), today=today(),
        is_office=is_office, is_open=campaign.state is CampaignState.OPEN,
        may_run=work.actor.may(Resource.COLLECTION_CAMPAIGNS) and service.may_open_in(work, campaign.division_code),
        may_check=service.why_not_check(work) is None, may_fill=work.actor.may(Resource.COLLECTION_FILLING),
        subjects=queries.subjects_of(work.session, key), me=work.actor.account_id, county_name=division,
    )  # fmt: skip


@router.get("/collection/{key:int}")
def campaign_page(request: Request, key: int) -> Response:
    return _campaign_page(request, key)


def _run(request: Request, key: int, act: Callable[[Campaign], object], what: str) -> Response:
    work, campaign = work_of(request), campaign_seen(request, key)
    try:
        act(campaign)
    except Refused as problem:
        work.session.rollback()
        work.session.expire_all()
        return _campaign_page(request, key, str(problem))
    return done(f"/collection/{key}", what)


@router.post("/collection/{key:int}/{act:str}")
async def change_campaign(request: Request, key: int, act: str) -> Response:
    if act not in ("extend", "close", "remind", "accept"):
        raise HTTPException(404)
    form = await request.form(max_files=0, max_fields=200)
    chosen = [int(value) for value in form.getlist("filing") if isinstance(value, str) and value.isdecimal()]
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    return await run_sync(_change_campaign, request, key, act, given, chosen)


def _change_campaign(request: Request, key: int, act: str, given: dict[str, str], chosen: list[int]) -> Response:
    work, version = work_of(request), _version(given)
    who = actor(request)
    if act in ("extend", "close") and not who.may(Resource.COLLECTION_CAMPAIGNS):
        raise HTTPException(403)
    if act in ("remind", "accept") and service.why_not_check(work):
        raise HTTPException(403)

    def extend(campaign: Campaign) -> None:
        due_on = _day(given.get("due_on", ""))
        if due_on is None:
            raise Refused("请填写新的截止日期。")
        service.extend(work, campaign, due_on, given.get("reason", ""), version)

    def accept(campaign: Campaign) -> None:
        if not chosen:
            raise Refused("请勾选要通过的单位。")
        for filing_id in sorted(chosen):
            filing = filing_seen(request, filing_id)
            try:
                service.accept(work, filing_id, int(given.get(f"version-{filing_id}", "0") or 0))
            except Refused as problem:
                raise Refused(f"{filing.name}：{problem}所选的都没有通过。") from problem

    acts: dict[str, tuple[Callable[[Campaign], object], str]] = {
        "extend": (extend, "extended"),
        "close": (lambda campaign: service.close(work, campaign, given.get("reason", ""), version), "closed"),
        "remind": (lambda campaign: service.remind(work, campaign, chosen or None), "reminded"),
        "accept": (accept, "accepted"),
    }
    return _run(request, key, *acts[act])


# One filing


def _filing_page(
    request: Request, key: int, error: str = "", given: dict[str, str] | None = None, strict: bool = False
) -> Response:
    """
    Args:
        given: what was typed and could not be saved.
        strict: also says what is missing, after an attempt to hand in.
    """
    work, filing = work_of(request), filing_seen(request, key)
    sheet = service.sheets(work.session, [filing])[0]
    problems: dict[str, list[rules.Problem]] = {}
    for problem in sheet.problems:
        if strict or problem.code in filing.figures or filing.state is FilingState.SUBMITTED:
            problems.setdefault(problem.code, []).append(problem)
    events = work.session.scalars(
        select(FilingEvent).where(FilingEvent.filing_id == key).order_by(FilingEvent.id.desc())
    ).all()
    handed_in = work.session.scalars(
        select(Submission).where(Submission.filing_id == key).order_by(Submission.number)
    ).all()
    may_edit = service.why_not_edit(work, filing, sheet.campaign) is None
    return page(
        request, "collection/filing.html", REFUSED if error else 200, title=filing.name, filing=filing, sheet=sheet,
        campaign_title=title_of(sheet.campaign), problems=problems, events=events,
        history=_history(sheet.form, handed_in),
        may_edit=may_edit, may_decide=service.why_not_decide(work, filing) is None,
        why_not_decide=service.why_not_decide(work, filing),
        may_check=service.why_not_check(work) is None, given=given or {}, error=error, notice=_notice(request),
        badge=state_badge(filing, today()), sources=_SOURCES,
        rules=rules, previous_label=(
            rules.period_label(sheet.previous_period) if sheet.previous_period else ""
        ), may_correct=filing.state is FilingState.ACCEPTED
        and (service.may_fill(work, filing) or service.why_not_check(work) is None),
        may_extend=service.why_not_extend(work, filing, sheet.campaign) is None,
        is_deputy=may_edit and work.actor.scope.organization_id is None,
        editor=work.session.scalar(select(Account.display_name).where(Account.id == filing.edited_by)),
    )  # fmt: skip


def _history(form: Form, submissions: Sequence[Submission]) -> list[tuple[Submission, str]]:
    """Each submission, the newest first, with what it changed against the one before."""
    told = []
    for before, submission in zip([*submissions[:1], *submissions[:-1]], submissions, strict=True):
        changed = [
            f"{field.label} {rules.shown(field, before.figures.get(field.code)) or '空'}"
            f" → {rules.shown(field, submission.figures.get(field.code)) or '空'}"
            for field in form.fields
            if before.figures.get(field.code) != submission.figures.get(field.code)
        ]
        told.append((submission, "；".join(changed)))
    return told[::-1]


@router.get("/collection/filings/{key:int}")
def filing_page(request: Request, key: int) -> Response:
    return _filing_page(request, key)


def _version(given: dict[str, str]) -> int:
    text = given.get("row_version", "")
    return int(text) if text.isdecimal() else 0


@router.post("/collection/filings/{key:int}/figure", dependencies=_FILLS)
async def save_figure(request: Request, key: int) -> Response:
    """One figure or remark, from the script, as soon as it is typed; answers JSON."""
    return await run_sync(_save_figure, request, key, await texts_of(request))


def _save_figure(request: Request, key: int, given: dict[str, str]) -> Response:
    filing_seen(request, key)
    work, code = work_of(request), given.get("code", "")
    try:
        if "remark" in given:
            filing = service.save_remark(work, key, code, given["remark"])
        else:
            filing = service.save_figure(work, key, service.Change(code, given.get("text", ""), given.get("seen")))
    except service.Overtaken as problem:
        work.session.rollback()
        stored = filing_seen(request, key).figures.get(code, "")
        return JSONResponse({"problem": str(problem), "stored": stored, "shown": problem.stored}, 409)
    except (Refused, rules.NotAValue) as problem:
        work.session.rollback()
        return JSONResponse({"problem": str(problem)}, REFUSED)
    sheet = service.sheets(work.session, [filing])[0]
    told: dict[str, list[str]] = {}
    for one in sheet.problems:
        if one.code in filing.figures:
            told.setdefault(one.code, []).append(one.message)
    stored = filing.figures.get(code, "")
    return JSONResponse(
        {
            "stored": stored, "shown": rules.shown(sheet.form.by_code[code], stored),
            "source": _SOURCES.get(filing.sources.get(code, ""), ""),
            "confirmed": sheet.confirmed, "problems": told, "row_version": filing.row_version,
        }
    )  # fmt: skip


@router.post("/collection/filings/{key:int}/{act:str}")
async def change_filing(request: Request, key: int, act: str) -> Response:
    if act not in ("save", "unchanged", "system", "submit", "accept", "return", "correct", "extend"):
        raise HTTPException(404)
    return await run_sync(_change_filing, request, key, act, await texts_of(request))


def _change_filing(request: Request, key: int, act: str, given: dict[str, str]) -> Response:
    filing = filing_seen(request, key)
    work, version, address = work_of(request), _version(given), f"/collection/filings/{key}"
    who = actor(request)
    if act in ("save", "unchanged", "system", "submit") and not who.may(Resource.COLLECTION_FILLING):
        raise HTTPException(403)
    if act in ("accept", "return") and service.why_not_check(work):
        raise HTTPException(403)
    if act == "extend" and not who.may(Resource.COLLECTION_CAMPAIGNS):
        raise HTTPException(403)
    try:
        if act in ("save", "unchanged", "system", "submit"):
            version = _save_typed(request, filing, given, version)
        if act == "unchanged":
            service.confirm_unchanged(work, key, _codes(filing, given))
        elif act == "system":
            service.take_system(work, key, given.get("code") or None)
        elif act == "submit":
            service.submit(work, key, version)
        elif act == "accept":
            service.accept(work, key, version)
        elif act == "return":
            service.send_back(work, key, given.get("reason", ""), version)
        elif act == "correct":
            service.correct(work, key, given.get("reason", ""), version)
        elif act == "extend":
            service.extend_filing(work, key, _day(given.get("due_on", "")), given.get("reason", ""), version)
    except Refused as problem:
        work.session.rollback()
        work.session.expire_all()
        return _filing_page(request, key, str(problem), given, strict=act == "submit")
    what = {"save": "saved", "submit": "submitted", "accept": "accepted", "return": "returned", "correct": "correcting"}
    return done(address, what.get(act, act))


def _save_typed(request: Request, filing: Filing, given: dict[str, str], version: int) -> int:
    """Saves what the form holds before an act on it; returns the version that the act may rely on."""
    work = work_of(request)

    def part(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): text for name, text in given.items() if name.startswith(prefix)}

    was_fresh = filing.row_version == version
    service.save_form(work, filing.id, part("figure-"), part("remark-"), part("seen-"))
    return service.locked(work, filing.id).row_version if was_fresh else version


def _codes(filing: Filing, given: dict[str, str]) -> list[str] | None:
    """Which fields a 无变化 is about: one, those of a group, or all."""
    if code := given.get("code"):
        return [code]
    if group := given.get("group"):
        return [field.code for field in form_of(filing.kind, filing.subject).groups.get(group, [])]
    return None
