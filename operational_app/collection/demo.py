"""Campaigns of a demo in every state, made by the same acts as people's. Figures are synthetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from huiyang.divisions import division_tree
from operational_app.collection import rules, service
from operational_app.collection.forms import Field, FieldKind, Form, SumOf
from operational_app.collection.models import (
    Campaign,
    CampaignKind,
    Filing,
    FilingAct,
    FilingEvent,
    FilingState,
    SubjectKind,
    Submission,
    ValueSource,
)
from operational_app.core.row_security import ScopeSetting
from operational_app.identity.access import Resource
from operational_app.identity.administration import Work
from operational_app.identity.models import Account, ResourceKind
from operational_app.identity.sessions import Actor, HeldResource

#: So many filings of a campaign are in between; of the others that are not accepted none has begun.
_MOST_BY_HAND = 60
_HELD = tuple(
    HeldResource(resource.value, ResourceKind.ACTION, resource.value, "", None, None, False)
    for resource in (Resource.COLLECTION_FILLING, Resource.COLLECTION_CHECKING, Resource.COLLECTION_CAMPAIGNS)
)
_PEOPLE = ("data.staff", "auditor", "operator")
_REMARK = "经核对，与实际一致"


@dataclass(frozen=True)
class _Plan:
    """
    Attributes:
        accepted, submitted, returned, draft: shares of the filings, in hundredths; the rest has not begun.
    """

    kind: CampaignKind
    period: str
    opened: datetime
    due_on: date
    accepted: int
    submitted: int = 0
    returned: int = 0
    draft: int = 0
    is_closed: bool = False
    is_reminded: bool = False


def ensure_demo_campaigns(session: Session, scope: ScopeSetting, at: datetime) -> None:
    """Makes them once, where there are institutions to ask.

    Args:
        scope: of the whole city, which the session works under.
    """
    if session.scalar(select(func.count()).select_from(Campaign)):
        return
    names = {
        account.username: Work(session, demo_actor(account, scope), at, None)
        for account in session.scalars(
            select(Account).where(Account.username.in_(("data.staff", "auditor", "operator")))
        )
    }
    if len(names) < len(_PEOPLE):
        return
    base, operating = CampaignKind.BASE, CampaignKind.OPERATING
    for plan in (
        _Plan(base, "2026-H1", _on(at, 2026, 7, 1), date(2026, 7, 31), 100, is_closed=True),
        _Plan(operating, "2026-09", _on(at, 2026, 10, 1), date(2026, 10, 10), 100, is_closed=True),
        _Plan(operating, "2026-10", _on(at, 2026, 11, 1), date(2026, 11, 10), 92, 3, 2, is_reminded=True),
        _Plan(operating, "2026-11", _on(at, 2026, 11, 20), date(2026, 12, 10), 25, 25, 12, 18),
        _Plan(base, "2026-H2", _on(at, 2026, 11, 16), date(2026, 12, 31), 30, 15, 10, 20),
    ):
        _run(names["data.staff"], names["operator"], names["auditor"], plan)


def _on(at: datetime, year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 9, tzinfo=at.tzinfo)


def demo_actor(account: Account, scope: ScopeSetting) -> Actor:
    return Actor(
        account.id, account.username, account.display_name, (), _HELD, scope, "", 0,
        must_change_password=False, has_second_factor=True,
    )  # fmt: skip


def _run(office: Work, filler: Work, checker: Work, plan: _Plan) -> None:
    session = office.session
    office, filler, checker = (
        Work(session, work.actor, plan.opened + timedelta(days=days), None)
        for work, days in ((office, 0), (filler, 2), (checker, 3))
    )
    form = service.NewCampaign(
        plan.kind, plan.period, division_tree().root.code, frozenset(SubjectKind), plan.due_on,
        "请按期末实际情况填报，与上期一致的可点“无变化”。",
    )  # fmt: skip
    if not service.asked(session, form.division_code, plan.due_on).institutions:
        return
    campaign = service.open_campaign(office, form, is_told=not plan.is_closed)
    filings = session.scalars(select(Filing).where(Filing.campaign_id == campaign.id).order_by(Filing.id)).all()
    random = Random(f"{plan.kind}-{plan.period}")
    # Every state takes its share of institutions and of facilities alike.
    order = sorted(filings, key=lambda filing: random.random())
    sheets = service.sheets(session, order)
    bound = len(sheets) * plan.accepted // 100
    _accept(filler, checker, sheets[:bound], random)
    # Institutions first among the few, so that each state has some.
    rest = sorted(sheets[bound:], key=lambda sheet: sheet.filing.subject is SubjectKind.FACILITY)[:_MOST_BY_HAND]
    random.shuffle(rest)
    for number, sheet in enumerate(rest):
        _file(filler, checker, sheet, plan, plan.accepted + number * (100 - plan.accepted) // len(rest), random)
    if plan.is_closed:
        session.refresh(campaign)
        service.close(office, campaign, "已按期完成", campaign.row_version)
    elif plan.is_reminded:
        late = session.scalars(
            select(Filing.id).where(Filing.campaign_id == campaign.id, Filing.state.in_(service.EDITABLE))
        ).all()
        if late:  # among a few institutions nobody may be
            service.remind(checker, campaign, late)


def _accept(filler: Work, checker: Work, sheets: Sequence[service.Sheet], random: Random) -> None:
    """Filings handed in and accepted, as a few statements: one by one they would take minutes."""
    filed, handed_in, events = [], [], []
    for sheet in sheets:
        figures, remarks = _figures(sheet, random), {}
        found = rules.problems(sheet.form, figures, {}, sheet.previous, sheet.system)
        if any(not problem.wants_remark for problem in found):
            continue  # what does not add up has not begun
        remarks = {problem.code: _REMARK for problem in found}
        sources = {
            code: (
                ValueSource.SYSTEM
                if code in sheet.system
                else ValueSource.CARRIED
                if sheet.previous.get(code) == value
                else ValueSource.TYPED
            ).value
            for code, value in figures.items()
        }
        who = {"account_id": filler.actor.account_id}
        said = {"figures": figures, "sources": sources, "remarks": remarks}
        filed.append(
            said | {
                "id": sheet.filing.id, "state": FilingState.ACCEPTED, "submission_count": 1, "accepted_number": 1,
                "edited_by": filler.actor.account_id, "edited_at": filler.at, "submitted_by": filler.actor.account_id,
                "submitted_at": filler.at, "decided_by": checker.actor.account_id, "decided_at": checker.at,
                "row_version": 3,
            }
        )  # fmt: skip
        handed_in.append(said | who | {"filing_id": sheet.filing.id, "number": 1})
        for work, act in ((filler, FilingAct.SUBMIT), (checker, FilingAct.ACCEPT)):
            person = {"account_id": work.actor.account_id, "account_name": work.actor.display_name}
            events.append(person | {"filing_id": sheet.filing.id, "act": act, "reason": ""})
    if filed:
        filler.session.execute(update(Filing), filed)
        filler.session.execute(insert(Submission), handed_in)
        filler.session.execute(insert(FilingEvent), events)


def _file(filler: Work, checker: Work, sheet: service.Sheet, plan: _Plan, place: int, random: Random) -> None:
    """Brings one filing as far as its place among the hundred says."""
    filing = sheet.filing
    bounds = (plan.accepted, plan.submitted, plan.returned, plan.draft)
    step = next((n for n in range(1, 4) if place < sum(bounds[: n + 1])), 4)
    if step == 4:
        return
    figures = _figures(sheet, random)
    if step == 3:
        kept: Sequence[Field] = sheet.form.fields[: len(sheet.form.fields) // 2]
        figures = {field.code: figures[field.code] for field in kept if field.code in figures}
    service.save_form(filler, filing.id, _texts(sheet.form, figures), {}, {})
    if waiting := [code for code in figures if code not in filing.figures and code in sheet.previous]:
        service.confirm_unchanged(filler, filing.id, waiting)
    if step == 3:
        return
    for problem in sheet.problems:
        if problem.wants_remark:
            service.save_remark(filler, filing.id, problem.code, _REMARK)
    if sheet.problems:
        return  # what does not add up stays a draft
    service.submit(filler, filing.id, filing.row_version)
    if step == 2:
        service.send_back(checker, filing.id, "收支与上期相差较大，请核对后补充说明。", filing.row_version)


def _texts(form: Form, figures: dict[str, str]) -> dict[str, str]:
    return {code: rules.shown(form.by_code[code], value) for code, value in figures.items()}


def _figures(sheet: service.Sheet, random: Random) -> dict[str, str]:
    """Figures that add up: the platform's own, then the last period's, then plausible ones."""
    form, figures = sheet.form, dict(sheet.system)
    for field in form.fields:
        if field.code not in figures:
            figures[field.code] = sheet.previous.get(field.code) or _plausible(field, random)
    if sheet.filing.subject is SubjectKind.INSTITUTION:
        if sheet.filing.kind is CampaignKind.OPERATING:
            _balance(form, figures, is_counted="resident_count" in sheet.system)
        else:
            _order(figures)
    elif "care_worker_count" in figures:
        figures["care_worker_count"] = _least(figures, "care_worker_count", "staff_count")
    return {code: value for code, value in figures.items() if value}


def _plausible(field: Field, random: Random) -> str:
    if field.kind is FieldKind.YES_NO:
        return "yes" if random.random() < 0.9 else "no"
    if field.options:
        return random.choice(field.options)[0]
    if field.kind is FieldKind.TEXT:
        return "正在办理"
    if field.code.startswith(("incident", "admission", "discharge", "death")):
        return "0"
    most = min(field.high, Decimal(30))
    if field.unit in ("元", "平方米"):
        most = min(field.high, Decimal(90_000))
    if field.unit in ("栋", "部") or field.code in ("doctor_count", "nurse_count", "social_worker_count"):
        most = Decimal(4)
    number = random.randint(int(most) // 2, int(most))
    return f"{number}.00" if field.kind is FieldKind.AMOUNT else str(number)


def _least(figures: dict[str, str], *codes: str) -> str:
    return str(min(int(figures[code]) for code in codes))


def _balance(form: Form, figures: dict[str, str], *, is_counted: bool) -> None:
    """The month's residents: their levels sum up to them, and beds and staff suffice."""
    levels = next(check for check in form.checks if isinstance(check, SumOf) and "resident_intact" in check.parts)
    if not is_counted:
        figures["resident_count"] = str(sum(int(figures[code]) for code in levels.parts))
    total = int(figures["resident_count"])
    figures["available_bed_count"] = str(max(total + 5, int(figures["available_bed_count"])))
    figures["care_self_count"], figures["care_partial_count"] = str(total // 2), str(total // 4)
    figures["care_full_count"] = str(total - total // 2 - total // 4)
    figures["care_worker_count"] = _least(figures, "care_worker_count", "staff_count")


def _order(figures: dict[str, str]) -> None:
    """Base data: parts do not exceed their whole, the lowest fee not the highest."""
    for part in ("nursing_bed_count", "full_time_bed_count"):
        figures[part] = _least(figures, part, "licensed_bed_count")
    staff = ("care_worker_count", "doctor_count", "nurse_count", "social_worker_count")
    figures["staff_count"] = str(sum(int(figures[code]) for code in staff) + 2)
    figures["certified_care_worker_count"] = _least(figures, "certified_care_worker_count", "care_worker_count")
    for stem in ("bed_fee", "nursing_fee", "meal_fee", "deposit"):
        fees = sorted((figures[f"{stem}_min_yuan"], figures[f"{stem}_max_yuan"]), key=Decimal)
        figures[f"{stem}_min_yuan"], figures[f"{stem}_max_yuan"] = fees
