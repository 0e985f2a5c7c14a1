"""Acts on campaigns and filings: each checked, in one transaction, audited, with its event.

Filings are locked in the order of their keys, so that two acts on many wait for each other and do not block.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from huiyang.divisions import division_tree
from operational_app.audit.service import Act
from operational_app.collection import notices, rules
from operational_app.collection.forms import Field, Form, form_of
from operational_app.collection.models import (
    Campaign,
    CampaignAct,
    CampaignEvent,
    CampaignKind,
    CampaignState,
    Filing,
    FilingAct,
    FilingEvent,
    FilingState,
    SubjectKind,
    Submission,
    ValueSource,
)
from operational_app.collection.queries import previous_figures, system_figures
from operational_app.facilities.models import Facility, FacilityStatus
from operational_app.identity.access import Resource
from operational_app.identity.administration import Refused, Stale, Work
from operational_app.identity.models import Account
from operational_app.institutions.models import Institution, OperatingStatus
from operational_app.organizations.models import Organization
from operational_app.reference.models import DivisionLevel, DueRegister
from operational_app.web.scoping import in_division

EDITABLE = (FilingState.DUE, FilingState.DRAFT, FilingState.RETURNED)
_LONGEST_TEXT = 500
_CLOSED = "本次采集已结束，不能再填报；需要更正已通过的数据请联系主管部门。"


def _reason(text: str, what: str = "原因") -> str:
    reason = " ".join(text.split())
    if not reason:
        raise Refused(f"请填写{what}。")
    if len(reason) > _LONGEST_TEXT:
        raise Refused(f"{what}不能超过 {_LONGEST_TEXT} 个字。")
    return reason


# Campaigns


@dataclass(frozen=True)
class NewCampaign:
    """What the form of a new campaign says."""

    kind: CampaignKind
    period: str
    division_code: str
    subjects: frozenset[SubjectKind]
    due_on: date | None
    instruction: str


@dataclass(frozen=True)
class Asked:
    """Whom a campaign would ask.

    Attributes:
        unknown: entries of the register of licensed institutions that have no record on the platform.
    """

    institutions: int
    facilities: int
    unknown: Sequence[DueRegister]


def asked(session: Session, division_code: str, end: date) -> Asked:
    """Whom a campaign in a division would ask: what is not closed, or still on the bureau's register."""
    institutions = session.scalar(
        select(func.count()).select_from(Institution).join(Organization, Organization.id == Institution.organization_id)
        .where(*_institutions_due(division_code, end))
    )  # fmt: skip
    facilities = session.scalar(select(func.count()).select_from(Facility).where(*_facilities_due(division_code, end)))
    unknown = session.scalars(
        select(DueRegister)
        .where(
            DueRegister.theme == _INSTITUTIONS_THEME, in_division(DueRegister.division_code, division_code),
            DueRegister.due_from <= end, or_(DueRegister.due_until.is_(None), DueRegister.due_until >= end),
            ~exists().where(Organization.credit_code == DueRegister.register_key),
        )
        .order_by(DueRegister.division_code, DueRegister.register_key)
    ).all()  # fmt: skip
    return Asked(institutions or 0, facilities or 0, unknown)


_INSTITUTIONS_THEME = "养老机构"


def _institutions_due(division_code: str, end: date) -> tuple[ColumnElement[bool], ...]:
    on_register = exists().where(
        DueRegister.theme == _INSTITUTIONS_THEME, DueRegister.register_key == Organization.credit_code,
        DueRegister.due_from <= end, or_(DueRegister.due_until.is_(None), DueRegister.due_until >= end),
    )  # fmt: skip
    return (
        in_division(Institution.division_code, division_code),
        or_(Institution.opened_on.is_(None), Institution.opened_on <= end),
        or_(Institution.operating_status != OperatingStatus.CLOSED, on_register),
    )


def _facilities_due(division_code: str, end: date) -> tuple[ColumnElement[bool], ...]:
    return (
        in_division(Facility.division_code, division_code),
        or_(Facility.opened_on.is_(None), Facility.opened_on <= end),
        Facility.status != FacilityStatus.CLOSED,
    )


def may_open_in(work: Work, division_code: str) -> bool:
    """Whether the whole division, a city or a county, lies in the user's scope."""
    tree, scope = division_tree(), work.actor.scope
    if division_code not in tree or scope.division_lo is None or scope.division_hi is None or scope.towns:
        return False
    level = tree[division_code].level
    prefix = {DivisionLevel.CITY.value: 4, DivisionLevel.COUNTY.value: 6}.get(str(level.value))
    # A longer text sorts after its prefix: 4408 is not within [440802, 440803).
    return prefix is not None and scope.division_lo <= division_code[:prefix] < scope.division_hi


def open_campaign(work: Work, form: NewCampaign, *, is_told: bool = True) -> Campaign:
    """Asks every subject that is due and not asked yet for this kind and period.

    Args:
        is_told: its people get a notification; not of a campaign that is entered when it is over.

    Raises:
        Refused: a field is wrong, the division is not the user's, or there is nobody (left) to ask.
    """
    session = work.session
    period = rules.period_of(form.kind, form.period)
    if period is None:
        wanted = "半年，如 2026-H2" if form.kind is CampaignKind.BASE else "月份，如 2026-11"
        raise Refused(f"期间应为{wanted}。")
    if period.start_date > work.at.date():
        raise Refused("期间还没有开始，不能采集。")
    if not may_open_in(work, form.division_code):
        raise Refused("只能在本部门管辖的市或县（市、区）发起采集。")
    if form.due_on is None or form.due_on < work.at.date():
        raise Refused("截止日期不能早于今天。")
    if not form.subjects:
        raise Refused("请选择采集对象。")
    if len(form.instruction) > _LONGEST_TEXT:
        raise Refused(f"填报说明不能超过 {_LONGEST_TEXT} 个字。")
    same = select(Campaign.id).where(
        Campaign.kind == form.kind, Campaign.period == str(period), Campaign.division_code == form.division_code
    )
    if session.scalar(same) is not None:
        raise Refused("这一期的采集任务已经存在，请在采集任务列表中打开。")
    campaign = Campaign(
        kind=form.kind, period=str(period), division_code=form.division_code, due_on=form.due_on,
        instruction=form.instruction.strip(), opened_by=work.actor.account_id, opened_at=work.at,
    )  # fmt: skip
    session.add(campaign)
    try:
        session.flush()
        count = _ask(session, campaign, form.subjects, period.end_date)
    except IntegrityError as error:  # somebody else opened one of the same period at the same time
        session.rollback()
        raise Refused("这一期的采集任务刚刚由他人发起，请在采集任务列表中查看。") from error
    if not count:
        raise Refused("没有需要采集的对象，或者这些对象在这一期已由其他采集任务覆盖。")
    _campaign_event(work, campaign, CampaignAct.OPEN, campaign.instruction)
    work.note(Act.COLLECTION_CAMPAIGN, ("collection.campaign", campaign.id), kind="open", filings=count)
    if is_told:
        notices.tell_opened(work, campaign)
    return campaign


def _ask(session: Session, campaign: Campaign, subjects: Collection[SubjectKind], end: date) -> int:
    """Makes the filings, as one statement for each kind of subject; returns how many."""
    code, fixed = campaign.division_code, (
        literal(campaign.id), literal(campaign.kind.value), literal(campaign.period), literal(campaign.due_on)
    )  # fmt: skip
    columns = ["campaign_id", "kind", "period", "due_on", "name", "division_code", "organization_id"]
    count = 0
    if SubjectKind.INSTITUTION in subjects:
        found = (
            select(*fixed, Organization.name, Institution.division_code, Institution.organization_id, Institution.id)
            .join(Organization, Organization.id == Institution.organization_id)
            .where(*_institutions_due(code, end), ~_asked_before(campaign, Filing.institution_id == Institution.id))
        )  # fmt: skip
        count += _made(session, [*columns, "institution_id"], found)
    if SubjectKind.FACILITY in subjects:
        found = select(  # type: ignore[assignment]
            *fixed, Facility.name, Facility.division_code, Facility.organization_id, Facility.id
        ).where(*_facilities_due(code, end), ~_asked_before(campaign, Filing.facility_id == Facility.id))  # fmt: skip
        count += _made(session, [*columns, "facility_id"], found)
    return count


def _asked_before(campaign: Campaign, same: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Filing.kind == campaign.kind, Filing.period == campaign.period, same)


def _made(session: Session, columns: Sequence[str], found: Select[*tuple[Any, ...]]) -> int:
    statement = insert(Filing).from_select(columns, found, include_defaults=False).returning(Filing.id)
    return len(session.execute(statement).all())


def _campaign_event(work: Work, campaign: Campaign, act: CampaignAct, reason: str) -> None:
    work.session.add(
        CampaignEvent(
            campaign_id=campaign.id, act=act, reason=reason, account_id=work.actor.account_id,
            account_name=work.actor.display_name,
        )
    )  # fmt: skip


def _change_campaign(work: Work, campaign: Campaign, row_version: int) -> None:
    """
    Raises:
        Refused: not in the user's scope, closed, stale.
    """
    if not may_open_in(work, campaign.division_code):
        raise Refused("这次采集由上级部门发起，只能由发起部门延期、催报或结束。")
    if campaign.state is not CampaignState.OPEN:
        raise Refused("本次采集已结束。")
    changed = work.session.execute(
        update(Campaign)
        .where(Campaign.id == campaign.id, Campaign.row_version == row_version)
        .values(row_version=row_version + 1)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Stale
    work.session.refresh(campaign)


def extend(work: Work, campaign: Campaign, due_on: date, reason: str, row_version: int) -> None:
    """Moves the deadline of what is not accepted yet.

    Raises:
        Refused: not later than it is, in the past, no reason; see `_change_campaign`.
    """
    reason = _reason(reason, "延期原因")
    if due_on <= campaign.due_on or due_on < work.at.date():
        raise Refused("新的截止日期应晚于原截止日期，且不早于今天。")
    _change_campaign(work, campaign, row_version)
    before, campaign.due_on = campaign.due_on, due_on
    work.session.execute(
        update(Filing)
        .where(Filing.campaign_id == campaign.id, Filing.state != FilingState.ACCEPTED)
        .values(due_on=func.greatest(Filing.due_on, due_on))  # one may have been given more time already
    )
    _campaign_event(work, campaign, CampaignAct.EXTEND, f"{before} 延至 {due_on}：{reason}")
    work.note(
        Act.COLLECTION_CAMPAIGN, ("collection.campaign", campaign.id), kind="extend", before=str(before), to=str(due_on)
    )
    notices.tell_extended(work, campaign)


def close(work: Work, campaign: Campaign, reason: str, row_version: int) -> None:
    """Ends a campaign; what is not accepted by then needs a reason.

    Raises:
        Refused: something waits for its check, or is missing and no reason is given; see `_change_campaign`.
    """
    counts = dict(
        work.session.execute(
            select(Filing.state, func.count()).where(Filing.campaign_id == campaign.id).group_by(Filing.state)
        ).all()
    )
    if waiting := counts.get(FilingState.SUBMITTED):
        raise Refused(f"还有 {waiting} 份待审核，请先审核。")
    missing = sum(count for state, count in counts.items() if state is not FilingState.ACCEPTED)
    reason = _reason(reason, f"结束原因（还有 {missing} 份未通过）") if missing else " ".join(reason.split())
    _change_campaign(work, campaign, row_version)
    campaign.state = CampaignState.CLOSED
    _campaign_event(work, campaign, CampaignAct.CLOSE, reason)
    work.note(Act.COLLECTION_CAMPAIGN, ("collection.campaign", campaign.id), kind="close", missing=missing)


def remind(work: Work, campaign: Campaign, filings: Collection[int] | None = None) -> int:
    """催报: marks what is still to be filed (of `filings`, or all in scope); its people see it among their to-dos.

    Raises:
        Refused: closed, or nothing is left to be filed.
    """
    if campaign.state is not CampaignState.OPEN:
        raise Refused("本次采集已结束。")
    wanted = [Filing.campaign_id == campaign.id, Filing.state.in_(EDITABLE)]
    if filings is not None:
        wanted.append(Filing.id.in_(filings))
    reminded = work.session.execute(
        update(Filing)
        .where(*wanted)
        .values(reminder_count=Filing.reminder_count + 1, reminded_at=work.at)
        .returning(Filing.id)
    ).all()
    if not reminded:
        raise Refused("没有需要催报的单位。")
    _campaign_event(work, campaign, CampaignAct.REMIND, f"催报 {len(reminded)} 家")
    work.note(Act.COLLECTION_CAMPAIGN, ("collection.campaign", campaign.id), kind="remind", filings=len(reminded))
    notices.tell_reminded(work, campaign, [row.id for row in reminded])
    return len(reminded)


# Filings


@dataclass(frozen=True)
class Sheet:
    """A filing with what its page needs.

    Attributes:
        previous: figures of the last accepted period; system: the platform's own counts, both as stored.
    """

    filing: Filing
    campaign: Campaign
    form: Form
    previous: Mapping[str, str]
    previous_period: str | None
    system: Mapping[str, str]

    @property
    def problems(self) -> list[rules.Problem]:
        return rules.problems(self.form, self.filing.figures, self.filing.remarks, self.previous, self.system)

    def prefilled(self, field: Field) -> str:
        """What the field shows: the confirmed figure, or the last period's that waits for a word."""
        if field.code in self.filing.figures:
            return self.filing.figures[field.code]
        return self.previous.get(field.code, "")

    @property
    def confirmed(self) -> int:
        """Fields with a word of this period."""
        return sum(field.code in self.filing.figures for field in self.form.fields)


def sheets(session: Session, filings: Sequence[Filing]) -> list[Sheet]:
    """Many filings of one campaign with what belongs to them, in sets."""
    if not filings:
        return []
    campaign = session.get_one(Campaign, filings[0].campaign_id)
    previous, system = previous_figures(session, filings), system_figures(session, filings)
    return [
        Sheet(
            filing, campaign, form_of(filing.kind, filing.subject), previous[filing.id][1], previous[filing.id][0],
            system[filing.id],
        )
        for filing in filings
    ]  # fmt: skip


def may_fill(work: Work, filing: Filing) -> bool:
    """Whether the user fills in for the subject: its own people, or government staff of its division."""
    if not work.actor.may(Resource.COLLECTION_FILLING):
        return False
    organization = work.actor.scope.organization_id
    return organization is None or organization == filing.organization_id


def why_not_edit(work: Work, filing: Filing, campaign: Campaign) -> str | None:
    if not may_fill(work, filing):
        return "您没有填报权限。"
    if filing.state not in EDITABLE:
        return f"当前状态为“{filing.state.label}”，不能修改。"
    if campaign.state is CampaignState.CLOSED and filing.accepted_number is None:
        return _CLOSED
    return None


def why_not_decide(work: Work, filing: Filing) -> str | None:
    """The database says the same once more (ck_filing_not_by_oneself)."""
    if not work.actor.may(Resource.COLLECTION_CHECKING) or work.actor.scope.organization_id is not None:
        return "您没有审核权限。"
    if filing.state is not FilingState.SUBMITTED:
        return f"当前状态为“{filing.state.label}”，不需要审核。"
    if filing.submitted_by == work.actor.account_id:
        return "这份数据由您提交，应由其他人审核。"
    return None


def locked(work: Work, filing_id: int) -> Filing:
    """The filing as it is now, ours until the transaction ends."""
    return work.session.get_one(Filing, filing_id, populate_existing=True, with_for_update=True)


@dataclass(frozen=True)
class Change:
    """One figure as somebody gave it.

    Attributes:
        seen: what stood there when the page was loaded, as stored; None where it does not matter.
    """

    code: str
    text: str
    seen: str | None = None


class Overtaken(Exception):
    """Somebody else changed the same figure in between.

    Attributes:
        stored: the figure as it is now.
    """

    def __init__(self, stored: str, by: str) -> None:
        super().__init__(f"这一项刚被{by}改为“{stored or '空'}”，您填写的内容还没有保存。")
        self.stored = stored


def _editable(work: Work, filing_id: int) -> tuple[Filing, Form]:
    filing = locked(work, filing_id)
    campaign = work.session.get_one(Campaign, filing.campaign_id)
    if problem := why_not_edit(work, filing, campaign):
        raise Refused(problem)
    return filing, form_of(filing.kind, filing.subject)


def _edited(work: Work, filing: Filing) -> None:
    if filing.state is FilingState.DUE:
        filing.state = FilingState.DRAFT
    filing.edited_by, filing.edited_at = work.actor.account_id, work.at
    filing.row_version += 1
    work.session.flush()


def save_figure(work: Work, filing_id: int, change: Change) -> Filing:
    """Saves one figure as soon as it is typed. Two people at once: the same figure is the first's, and the second is
    told; other figures do not get in each other's way.

    Raises:
        Refused: the filing cannot be changed.
        NotAValue: the text is no value.
        Overtaken: somebody else changed it in between.
    """
    filing, form = _editable(work, filing_id)
    field = form.by_code.get(change.code)
    if field is None:
        raise Refused("表中没有这一项。")
    value, stored = rules.parse(field, change.text), filing.figures.get(field.code, "")
    if stored == value and (value or field.code in filing.figures):
        return filing
    if change.seen is not None and change.seen != stored:
        raise Overtaken(rules.shown(field, stored), editor_name(work.session, filing))
    _put(filing, {field.code: value}, ValueSource.TYPED)
    _edited(work, filing)
    return filing


def save_form(
    work: Work, filing_id: int, given: Mapping[str, str], remarks: Mapping[str, str], seen: Mapping[str, str]
) -> None:
    """Saves a whole form that was posted at once, for a browser without our script and before each act.

    What a field was prefilled with from the last period is no word of this period until somebody confirms it.

    Raises:
        Refused: some text is no value, or somebody else changed a figure in between; then nothing is saved.
    """
    filing, form = _editable(work, filing_id)
    _, before = previous_figures(work.session, [filing])[filing.id]
    values, wrong = {}, []
    for field in form.fields:
        if field.code not in given:
            continue
        try:
            value = rules.parse(field, given[field.code])
        except rules.NotAValue as problem:
            wrong.append(f"{field.label}：{problem}")
            continue
        stored, was = filing.figures.get(field.code, ""), seen.get(field.code, "")
        is_prefill = not was and value == before.get(field.code, "")
        if value in (stored, was) or is_prefill:
            continue
        if was != stored:
            name = editor_name(work.session, filing)
            wrong.append(f"{field.label}：刚被{name}改为“{rules.shown(field, stored) or '空'}”，请核对后再改")
        values[field.code] = value
    if wrong:
        raise Refused("没有保存。" + "；".join(wrong) + "。")
    told = {code: " ".join(text.split()) for code, text in remarks.items() if code in form.by_code}
    if any(len(text) > rules.LONGEST_REMARK for text in told.values()):
        raise Refused(f"说明不能超过 {rules.LONGEST_REMARK} 个字。")
    merged = {code: text for code, text in {**filing.remarks, **told}.items() if text}
    if values or merged != filing.remarks:
        _put(filing, values, ValueSource.TYPED)
        filing.remarks = merged
        _edited(work, filing)


def editor_name(session: Session, filing: Filing) -> str:
    """Who changed it last, if that account is in sight."""
    name = session.scalar(select(Account.display_name).where(Account.id == filing.edited_by))
    return f" {name} " if name else "其他人"


def _put(filing: Filing, values: Mapping[str, str], source: ValueSource) -> None:
    """Enters stored values; an empty one takes the figure away. A JSON column is set, never changed in place."""
    filing.figures = {code: value for code, value in {**filing.figures, **values}.items() if value}
    sources = {**filing.sources, **dict.fromkeys(values, source.value)}
    filing.sources = {code: found for code, found in sources.items() if code in filing.figures}


def save_remark(work: Work, filing_id: int, code: str, text: str) -> Filing:
    """
    Raises:
        Refused: too long, or the filing cannot be changed.
    """
    filing, form = _editable(work, filing_id)
    text = " ".join(text.split())
    if code not in form.by_code or len(text) > rules.LONGEST_REMARK:
        raise Refused(f"说明不能超过 {rules.LONGEST_REMARK} 个字。")
    if filing.remarks.get(code, "") != text:
        filing.remarks = {name: kept for name, kept in {**filing.remarks, code: text}.items() if kept}
        _edited(work, filing)
    return filing


def confirm_unchanged(work: Work, filing_id: int, codes: Collection[str] | None = None) -> int:
    """无变化: takes the last period's figures where this period has no word yet, of some fields or of all.

    Raises:
        Refused: there is no last period, or nothing waits; or the filing cannot be changed.
    """
    filing, form = _editable(work, filing_id)
    _, before = previous_figures(work.session, [filing])[filing.id]
    if not before:
        raise Refused("没有上期数据，请逐项填写。")
    wanted = form.by_code if codes is None else codes
    values = {
        code: before[code] for code in form.by_code if code in wanted and code in before and code not in filing.figures
    }
    if not values:
        raise Refused("没有待确认的上期数据。")
    _put(filing, values, ValueSource.CARRIED)
    _edited(work, filing)
    return len(values)


def take_system(work: Work, filing_id: int, code: str | None) -> int:
    """Takes the platform's own count for one figure, or for all that have one.

    Raises:
        Refused: there is none, or the filing cannot be changed.
    """
    filing, _ = _editable(work, filing_id)
    system = system_figures(work.session, [filing])[filing.id]
    values = system if code is None else {code: system[code]} if code in system else {}
    if not values:
        raise Refused("这一项没有系统统计。")
    _put(filing, values, ValueSource.SYSTEM)
    _edited(work, filing)
    return len(values)


def _event(work: Work, filing: Filing, act: FilingAct, reason: str = "") -> None:
    work.session.add(
        FilingEvent(
            filing_id=filing.id, act=act, reason=reason, account_id=work.actor.account_id,
            account_name=work.actor.display_name,
        )
    )  # fmt: skip
    work.note(Act.COLLECTION_FILING, ("collection.filing", filing.id), kind=act.value)


def _fresh(filing: Filing, row_version: int) -> None:
    if filing.row_version != row_version:
        raise Stale


def submit(work: Work, filing_id: int, row_version: int) -> Filing:
    """Hands a filing in, whole and without an open problem.

    Raises:
        Refused: problems are left, stale, or it cannot be changed.
    """
    filing, _ = _editable(work, filing_id)
    _fresh(filing, row_version)
    if found := sheets(work.session, [filing])[0].problems:
        raise Refused(f"还有 {len(found)} 项需要处理，请看各项下方的红字。")
    filing.submission_count += 1
    work.session.add(
        Submission(
            filing_id=filing.id, number=filing.submission_count, figures=filing.figures, sources=filing.sources,
            remarks=filing.remarks, account_id=work.actor.account_id,
        )
    )  # fmt: skip
    filing.state = FilingState.SUBMITTED
    filing.submitted_by, filing.submitted_at = work.actor.account_id, work.at
    filing.decided_by = filing.decided_at = None
    filing.row_version += 1
    _event(work, filing, FilingAct.SUBMIT)
    work.session.flush()
    return filing


def _decide(work: Work, filing_id: int, row_version: int, change: Callable[[Filing], None]) -> Filing:
    filing = locked(work, filing_id)
    if problem := why_not_decide(work, filing):
        raise Refused(problem)
    _fresh(filing, row_version)
    filing.decided_by, filing.decided_at = work.actor.account_id, work.at
    filing.row_version += 1
    change(filing)
    work.session.flush()
    notices.tell_decided(work, filing)
    return filing


def accept(work: Work, filing_id: int, row_version: int) -> Filing:
    """
    Raises:
        Refused: handed in by the same person, not handed in, stale.
    """

    def change(filing: Filing) -> None:
        filing.state, filing.accepted_number, filing.reason = FilingState.ACCEPTED, filing.submission_count, ""
        _event(work, filing, FilingAct.ACCEPT)

    return _decide(work, filing_id, row_version, change)


def send_back(work: Work, filing_id: int, reason: str, row_version: int) -> Filing:
    """
    Raises:
        Refused: no reason; see `accept`.
    """
    reason = _reason(reason, "退回原因")

    def change(filing: Filing) -> None:
        filing.state, filing.reason = FilingState.RETURNED, reason
        _event(work, filing, FilingAct.RETURN, reason)

    return _decide(work, filing_id, row_version, change)


def correct(work: Work, filing_id: int, reason: str, row_version: int) -> Filing:
    """Opens an accepted filing again; until a new submission is accepted, the old one stands.

    Raises:
        Refused: not accepted, no reason, stale.
    """
    reason = _reason(reason, "更正原因")
    filing = locked(work, filing_id)
    if not may_fill(work, filing) and why_not_check(work) is not None:
        raise Refused("您没有更正权限。")
    if filing.state is not FilingState.ACCEPTED:
        raise Refused("只有已通过的数据需要更正。")
    _fresh(filing, row_version)
    filing.state, filing.reason = FilingState.DRAFT, reason
    filing.row_version += 1
    _event(work, filing, FilingAct.CORRECT, reason)
    work.session.flush()
    return filing


def why_not_extend(work: Work, filing: Filing, campaign: Campaign) -> str | None:
    if not work.actor.may(Resource.COLLECTION_CAMPAIGNS) or not may_open_in(work, campaign.division_code):
        return "只能由发起采集的部门延期。"
    if campaign.state is not CampaignState.OPEN or filing.state not in EDITABLE:
        return "只有采集中还没有提交的可以延期。"
    return None


def extend_filing(work: Work, filing_id: int, due_on: date | None, reason: str, row_version: int) -> Filing:
    """Gives one subject more time than the others.

    Raises:
        Refused: no later day, no reason, not the office that asks, handed in already, stale.
    """
    filing = locked(work, filing_id)
    if problem := why_not_extend(work, filing, work.session.get_one(Campaign, filing.campaign_id)):
        raise Refused(problem)
    reason = _reason(reason, "延期原因")
    if due_on is None or due_on <= filing.due_on or due_on < work.at.date():
        raise Refused("新的截止日期应晚于原截止日期，且不早于今天。")
    _fresh(filing, row_version)
    before, filing.due_on = filing.due_on, due_on
    filing.row_version += 1
    _event(work, filing, FilingAct.EXTEND, f"{before} 延至 {due_on}：{reason}")
    work.session.flush()
    notices.tell_extended(work, work.session.get_one(Campaign, filing.campaign_id), filing)
    return filing


def why_not_check(work: Work) -> str | None:
    if work.actor.may(Resource.COLLECTION_CHECKING) and work.actor.scope.organization_id is None:
        return None
    return "您没有审核权限。"


# Many at once


@dataclass(frozen=True)
class CellProblem:
    """
    Attributes:
        place: where the cell is, as its reader finds it: 运营数据!C7, or the name of a row.
    """

    filing_id: int
    code: str
    place: str
    message: str


def enter_many(
    work: Work, campaign: Campaign, cells: Mapping[int, Mapping[str, str]], source: ValueSource,
    place: Callable[[int, str], str], versions: Mapping[int, int] | None = None,
) -> tuple[int, list[CellProblem]]:  # fmt: skip
    """Enters figures of many filings, all of them or none.

    Args:
        cells: texts by filing and field; an empty text leaves the figure as it is.
        place: says where a cell is.
        versions: `row_version` of each filing as it was seen.

    Returns:
        how many figures change, and what is wrong; with a problem nothing is entered.
    """
    found = {
        filing.id: filing
        for filing in work.session.scalars(
            select(Filing)
            .where(Filing.id.in_(cells), Filing.campaign_id == campaign.id)
            .order_by(Filing.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    }
    wrong: list[CellProblem] = []
    changes: dict[int, dict[str, str]] = {}
    for filing_id, texts in cells.items():
        filing = found.get(filing_id)
        given = {code: text for code, text in texts.items() if text.strip()}
        if not given:
            continue
        first = next(iter(given))
        if filing is None:
            wrong.append(CellProblem(filing_id, first, place(filing_id, first), "不在您的填报范围内"))
            continue
        values = _entered(filing, given, wrong, place)
        if not values:
            continue
        if problem := why_not_edit(work, filing, campaign):
            wrong.append(CellProblem(filing_id, first, place(filing_id, first), problem))
        elif versions is not None and versions.get(filing_id) != filing.row_version:
            message = "刚被他人修改，请刷新后核对再填"
            wrong.append(CellProblem(filing_id, first, place(filing_id, first), message))
        changes[filing_id] = values
    count = sum(len(values) for values in changes.values())
    if wrong:
        return count, wrong
    for filing_id, values in changes.items():
        _put(found[filing_id], values, source)
        _edited(work, found[filing_id])
        if source is ValueSource.IMPORTED:
            _event(work, found[filing_id], FilingAct.IMPORT)
    work.session.flush()
    return count, []


def _entered(
    filing: Filing, given: Mapping[str, str], wrong: list[CellProblem], place: Callable[[int, str], str]
) -> dict[str, str]:
    """Values that differ from what stands there; texts that are none go to `wrong`."""
    form, values = form_of(filing.kind, filing.subject), {}
    for code, text in given.items():
        field = form.by_code.get(code)
        if field is None:
            wrong.append(CellProblem(filing.id, code, place(filing.id, code), "表中没有这一项"))
            continue
        try:
            value = rules.parse(field, text)
        except rules.NotAValue as problem:
            wrong.append(CellProblem(filing.id, code, place(filing.id, code), f"{field.label}：{problem}"))
            continue
        if filing.figures.get(code) != value:
            values[code] = value
    return values
