"""Who is told of what in a collection, and when: told in the transaction of the act, or by the hourly reminders."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from huiyang.divisions import division_tree
from operational_app.collection import rules
from operational_app.collection.models import Campaign, CampaignState, Filing, FilingState
from operational_app.core.row_security import whole_city, wider
from operational_app.identity.access import Resource
from operational_app.identity.administration import Work
from operational_app.identity.models import Account
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import holders, nearest_holders, notify

#: So long before its end a deadline is called close.
NEAR = timedelta(days=3)
_TO_FILL = (FilingState.DUE, FilingState.DRAFT, FilingState.RETURNED)


def fillers(session: Session, *which: ColumnElement[bool]) -> set[int]:
    """Accounts that fill in the filings in question: people of the organization; where there is none, of the nearest
    office from the county upwards.

    Args:
        session: under a scope that holds the filings and all accounts.
    """
    own = (
        select(Account.id)
        .join(Filing, Filing.organization_id == Account.organization_id)
        .where(*which, Account.id.in_(holders(Resource.COLLECTION_FILLING)))
    )
    found = set(session.scalars(own))
    towns: Iterable[str] = session.scalars(
        select(func.left(Filing.division_code, 9)).where(*which, Filing.organization_id.is_(None)).distinct()
    )
    places: set[tuple[str, str | None]] = set()
    for town in towns:
        units = division_tree().reporting_units_of(f"{town}000")
        places.add((f"{town[:6]}000000", units[0].code if units else None))
    for county, unit in sorted(places, key=str):
        found.update(nearest_holders(session, Resource.COLLECTION_FILLING, county, unit, from_county=True))
    return found


def _tell(work: Work, told: Collection[ColumnElement[bool]], title: str, address: str, key: str) -> None:
    scope = work.actor.scope
    with wider(work.session, scope, whole_city(scope, all_accounts=True)):
        people = fillers(work.session, *told) - {work.actor.account_id}
    notify(work.session, people, NotificationKind.COLLECTION, title, address, key)


def title_of(campaign: Campaign) -> str:
    return rules.campaign_title(campaign.kind, campaign.period)


def tell_opened(work: Work, campaign: Campaign) -> None:
    title = f"{title_of(campaign)}开始采集，请在 {campaign.due_on} 前填报"
    _tell(work, [Filing.campaign_id == campaign.id], title, f"/collection/{campaign.id}", f"collection-{campaign.id}")


def tell_reminded(work: Work, campaign: Campaign, filings: Collection[int]) -> None:
    """催报: a person is told once a day, whether by hand or by the clock."""
    _tell(
        work, [Filing.id.in_(filings)], _reminder(campaign), f"/collection/{campaign.id}",
        _reminder_key(campaign, work.at.date()),
    )  # fmt: skip


def _reminder(campaign: Campaign) -> str:
    return f"{title_of(campaign)}还没有提交，请尽快填报"


def _reminder_key(campaign: Campaign, day: date) -> str:
    return f"collection-remind-{campaign.id}-{day}"


def tell_extended(work: Work, campaign: Campaign, filing: Filing | None = None) -> None:
    """A later deadline, of one filing or of all that are open."""
    due_on = campaign.due_on if filing is None else filing.due_on
    which = [Filing.campaign_id == campaign.id, Filing.state.in_(_TO_FILL)] if filing is None else _one(filing)
    address = f"/collection/{campaign.id}" if filing is None else f"/collection/filings/{filing.id}"
    _tell(work, which, f"{title_of(campaign)}的截止日期延至 {due_on}", address, f"collection-until-{due_on}{address}")


def _one(filing: Filing) -> list[ColumnElement[bool]]:
    return [Filing.id == filing.id]


def tell_decided(work: Work, filing: Filing) -> None:
    """Returned or accepted."""
    campaign = work.session.get_one(Campaign, filing.campaign_id)
    what = "已通过审核" if filing.state is FilingState.ACCEPTED else "被退回，请修改后重新提交"
    key = f"filing-{filing.state}-{filing.id}-{filing.submission_count}"
    _tell(work, _one(filing), f"{title_of(campaign)}的填报{what}", f"/collection/filings/{filing.id}", key)


def remind_of_deadlines(session: Session, today: date) -> None:
    """Deadlines that are close, once; what is late, once a day.

    Args:
        session: under a scope that holds everything.
    """
    due = session.execute(
        select(Campaign, Filing.due_on)
        .join(Filing, Filing.campaign_id == Campaign.id)
        .where(Campaign.state == CampaignState.OPEN, Filing.state.in_(_TO_FILL), Filing.due_on <= today + NEAR)
        .distinct()
    ).all()
    late: dict[int, Campaign] = {}
    near: dict[tuple[int, date], Campaign] = {}
    for campaign, due_on in due:
        if due_on < today:
            late[campaign.id] = campaign
        else:
            near[campaign.id, due_on] = campaign
    for (key, due_on), campaign in near.items():
        people = fillers(session, Filing.campaign_id == key, Filing.state.in_(_TO_FILL), Filing.due_on == due_on)
        title = f"{title_of(campaign)}将于 {due_on} 截止，还没有提交"
        _remind(session, people, title, key, f"collection-due-{key}-{due_on}")
    for key, campaign in late.items():
        people = fillers(session, Filing.campaign_id == key, Filing.state.in_(_TO_FILL), Filing.due_on < today)
        _remind(session, people, _reminder(campaign), key, _reminder_key(campaign, today))


def _remind(session: Session, people: Collection[int], title: str, campaign: int, key: str) -> None:
    notify(session, people, NotificationKind.COLLECTION, title, f"/collection/{campaign}", key)
