"""待办事项: what waits for the signed-in user, from every area; each with the list where it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.collection.queries import waiting_to_check, waiting_to_fill
from operational_app.fix_tasks.models import FixState, FixTask
from operational_app.identity.access import Resource
from operational_app.identity.sessions import Actor
from operational_app.inbox.queries import sees_whole_city
from operational_app.institutions.board import residents
from operational_app.institutions.models import Institution
from operational_app.institutions.queries import EXPIRES_SOON
from operational_app.joining.models import JoinRequest, RequestState
from operational_app.organizations.models import Qualification
from operational_app.periods.models import Review
from operational_app.rule_catalogue.queries import catalogue_in_force, standing
from operational_app.web.counting import MOST_LISTED, count_up_to
from operational_app.web.scoping import in_scope
from operational_app.workbench.announcements import announcements_for
from operational_app.workforce.models import Certificate, Staff


@dataclass(frozen=True)
class ToDo:
    """
    Attributes:
        is_more: there are more than `count`.
        is_late: some of it is past its day.
    """

    label: str
    count: int
    url: str
    is_more: bool = False
    is_late: bool = False


def to_dos(work: Session, who: Actor, at: datetime) -> list[ToDo]:
    """What waits for a user; nothing of what they may not open."""
    found = []
    if who.may(Resource.JOIN_APPROVALS):
        found.append(_requests(work, who, at))
    if who.may(Resource.FIX_TASKS):
        found.append(_fixes(work, who, at))
    found += _official_releases(work, who)
    if who.may(Resource.OWN_ORGANIZATION):
        found.append(_permits(work, at))
    if who.may(Resource.INSTITUTION_CHANGES):
        found += _institution(work, who, at)
    found += _collection(work, who, at)
    found.append(_unread(work, who, at))
    return [to_do for to_do in found if to_do.count]


def _requests(work: Session, who: Actor, at: datetime) -> ToDo:
    waiting = (JoinRequest.state == RequestState.SUBMITTED, JoinRequest.applicant_id != who.account_id)
    count, first_due = work.execute(select(func.count(), func.min(JoinRequest.due_on)).where(*waiting)).one()
    is_late = first_due is not None and first_due < at.astimezone(BUSINESS_TIMEZONE).date()
    return ToDo("加入、入驻申请待办理", count, "/joining/list?state=submitted", is_late=is_late)


def _fixes(work: Session, who: Actor, at: datetime) -> ToDo:
    """Fix tasks of the user's division or organization that are open."""
    waiting = select(FixTask.id).where(FixTask.state == FixState.OPEN, in_scope(FixTask.division_code, who.scope))
    late = waiting.where(FixTask.due_on < at.astimezone(BUSINESS_TIMEZONE).date())
    is_late = work.scalar(late.limit(1)) is not None
    return _counted(work, waiting, "数据补录待办理", "/fix-tasks/list?state=open", is_late=is_late)


def _official_releases(work: Session, who: Actor) -> list[ToDo]:
    """What reviewers and data staff of the city's bureau have to see to before an official release can be signed."""
    if not sees_whole_city(who.scope):
        return []
    found = []
    if who.may(Resource.PERIOD_REVIEW):
        waiting = (Review.decision.is_(None), Review.submitted_by != who.account_id)
        count = work.scalar(select(func.count()).select_from(Review).where(*waiting)) or 0
        found.append(ToDo("正式版待签发", count, "/periods"))
    catalogue = catalogue_in_force(work)
    state = standing(work, catalogue) if catalogue else None
    if catalogue and state and not state.is_approved:
        url = f"/rules/catalogues/{catalogue.id}"
        if not state.is_waiting and who.may(Resource.PERIOD_REFRESH):
            found.append(ToDo("质量规则变更待送审", 1, url))
        own = state.approval is not None and state.approval.asked_by == who.account_id
        if state.is_waiting and who.may(Resource.PERIOD_REVIEW) and not own:
            found.append(ToDo("质量规则变更待批准", 1, url))
    return found


def _counted(work: Session, statement: Select[int], label: str, url: str, *, is_late: bool = False) -> ToDo:
    """What may be too much to count whole."""
    counted = count_up_to(work, statement, MOST_LISTED + 1)
    is_more = counted is None or counted > MOST_LISTED
    count = MOST_LISTED if is_more or counted is None else counted
    return ToDo(label, count, url, is_more=is_more, is_late=is_late)


def _permits(work: Session, at: datetime) -> ToDo:
    """Permits of the own organization that run out soon or have run out (row-level security sees to "own")."""
    today = at.astimezone(BUSINESS_TIMEZONE).date()
    count, first = work.execute(
        select(func.count(), func.min(Qualification.expires_on)).where(Qualification.expires_on <= today + EXPIRES_SOON)
    ).one()
    return ToDo("本单位证照到期或即将到期", count, "/organization", is_late=first is not None and first < today)


def _institution(work: Session, who: Actor, at: datetime) -> list[ToDo]:
    """Of the own institution: certificates of staff and agreements of residents that run out, and residents who did not
    come back when due."""
    own = work.scalar(select(Institution.id).where(Institution.organization_id == who.scope.organization_id))
    if own is None:
        return []
    today = at.astimezone(BUSINESS_TIMEZONE).date()
    rows = residents(work, own, today)
    ended = sum(row.contract == "已到期" for row in rows)
    ending = sum(row.contract == "即将到期" for row in rows)
    overdue = sum(row.is_overdue(today) for row in rows)
    page = f"/institutions/{own}/residents"
    papers, first = work.execute(
        select(func.count(), func.min(Certificate.expires_on))
        .join(Staff, Staff.id == Certificate.staff_id)
        .where(
            Staff.organization_id == who.scope.organization_id, Staff.left_on.is_(None),
            Certificate.expires_on <= today + EXPIRES_SOON,
        )
    ).one()  # fmt: skip
    return [
        ToDo(
            "人员证书到期或即将到期", papers, f"/institutions/{own}/staff", is_late=first is not None and first < today
        ),
        ToDo("入住老人合同已到期", ended, f"{page}?show=expired", is_late=True),
        ToDo("入住老人合同即将到期", ending, f"{page}?show=expiring"),
        ToDo("请假外出逾期未返", overdue, f"{page}?show=away", is_late=True),
    ]


def _collection(work: Session, who: Actor, at: datetime) -> list[ToDo]:
    """Filings of collection campaigns: to be filled in, to be checked."""
    today, organization = at.astimezone(BUSINESS_TIMEZONE).date(), who.scope.organization_id
    found = []
    if who.may(Resource.COLLECTION_FILLING):
        fill = waiting_to_fill(work, organization, today)
        label = "数据采集待填报" if organization is not None else "数据采集待代填（无账号的设施）"
        found.append(ToDo(label, fill.count, "/collection", is_late=fill.is_late))
    if who.may(Resource.COLLECTION_CHECKING) and organization is None:
        check = waiting_to_check(work, who.account_id, today)
        found.append(ToDo("数据采集待审核", check.count, "/collection", is_late=check.is_late))
    return found


def _unread(work: Session, who: Actor, at: datetime) -> ToDo:
    unread = sum(not shown.is_read for shown in announcements_for(work, who, at))
    return ToDo("未读公告", unread, "/announcements")
