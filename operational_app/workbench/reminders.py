"""到期提醒: what is due or runs out, told to whoever looks after it. Each is told once, however often this runs.

The app runs it every hour; several hosts at once are as good as one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta

from anyio.to_thread import run_sync
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.collection.notices import remind_of_deadlines
from operational_app.core.row_security import whole_city
from operational_app.fix_tasks.notices import remind_of_fixes
from operational_app.identity.access import Resource
from operational_app.identity.models import Account
from operational_app.identity.sessions import end_expired_sessions
from operational_app.institutions.board import RENEW_BEFORE
from operational_app.institutions.models import Institution, Residency, ServiceAgreement
from operational_app.institutions.queries import EXPIRES_SOON
from operational_app.joining.models import JoinRequest, RequestState
from operational_app.joining.service import deciders_of
from operational_app.organizations.models import Qualification
from operational_app.periods.notices import remind_of_periods
from operational_app.web.database import AppDatabase
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import Notice, holders_by_organization, notify, notify_all
from operational_app.workforce.models import Certificate, Staff

logger = logging.getLogger(__name__)
EVERY_SECONDS = 3600
#: A request is due soon on the day before.
_DUE_SOON = timedelta(days=1)
_WITH_PEOPLE = select(Account.organization_id).where(Account.is_active, Account.organization_id.is_not(None))


async def keep_reminding(database: AppDatabase) -> None:
    """Reminds at once and every hour, until it is cancelled; waits for a database that does not answer.

    Sessions whose time is over are noted in the same round.
    """
    while True:
        now = datetime.now(BUSINESS_TIMEZONE)
        try:
            await run_sync(end_expired_sessions, database, now)
            await run_sync(remind, database, now.date())
        except SQLAlchemyError as error:
            logger.error("reminders: %s", type(error).__name__)
        await asyncio.sleep(EVERY_SECONDS)


def remind(database: AppDatabase, today: date) -> None:
    """Everything that is due on a day, in one transaction."""
    with database.transaction(whole_city(all_accounts=True)) as session:
        managers = holders_by_organization(
            session, _WITH_PEOPLE, Resource.OWN_ORGANIZATION, Resource.INSTITUTION_CHANGES
        )
        _requests(session, today)
        notify_all(session, _permits(session, today, managers))
        notify_all(session, _staff(session, today, managers))
        notify_all(session, _agreements(session, today, managers))
        remind_of_deadlines(session, today)
        remind_of_fixes(session, today)
        remind_of_periods(session, today)


def _requests(session: Session, today: date) -> None:
    waiting = select(JoinRequest).where(
        JoinRequest.state == RequestState.SUBMITTED, JoinRequest.due_on <= today + _DUE_SOON
    )
    for request in session.scalars(waiting).all():
        told = [account_id for account_id in deciders_of(session, request) if account_id != request.applicant_id]
        is_late = request.due_on < today
        title = f"一份“{request.kind.label}”申请" + ("已超过办理时限" if is_late else "即将到办理时限")
        key = f"request-{'late' if is_late else 'due'}-{request.id}-{request.due_on}"
        notify(session, told, NotificationKind.REQUEST_DUE, title, f"/joining/{request.id}", key)


#: Who looks after an organization's papers.
_Managers = Mapping[int, Collection[int]]


def _permits(session: Session, today: date, managers: _Managers) -> list[Notice]:
    """Permits of organizations: once when the end is near, once when it has passed."""
    ending = session.execute(
        select(
            Qualification.id, Qualification.organization_id, Qualification.kind, Qualification.expires_on,
            Institution.id,
        )
        .outerjoin(Institution, Institution.organization_id == Qualification.organization_id)
        .where(Qualification.expires_on <= today + EXPIRES_SOON, Qualification.organization_id.in_(list(managers)))
    )  # fmt: skip
    found = []
    for key, organization_id, kind, expires_on, institution_id in ending:
        assert expires_on is not None  # by the condition
        is_late = expires_on < today
        title = f"本单位的{kind.label}证照" + (f"已于 {expires_on} 过期" if is_late else f"将于 {expires_on} 到期")
        page = "/organization" if institution_id is None else f"/institutions/{institution_id}/profile"
        once = f"permit-{'late' if is_late else 'due'}-{key}-{expires_on}"
        found.append(Notice(managers[organization_id], NotificationKind.EXPIRY, title, page, once))
    return found


def _staff(session: Session, today: date, managers: _Managers) -> list[Notice]:
    """Certificates of people who work in an institution, in one line a week."""
    counted = session.execute(
        select(Staff.organization_id, Institution.id, func.count())
        .join(Certificate, Certificate.staff_id == Staff.id)
        .join(Institution, Institution.organization_id == Staff.organization_id)
        .where(
            Staff.left_on.is_(None), Certificate.expires_on <= today + EXPIRES_SOON,
            Staff.organization_id.in_(list(managers)),
        )
        .group_by(Staff.organization_id, Institution.id)
    )  # fmt: skip
    return [
        Notice(
            managers[organization_id], NotificationKind.EXPIRY, f"本机构有 {count} 份人员证书已到期或即将到期",
            f"/institutions/{institution_id}/staff", _weekly("certificates", today),
        )
        for organization_id, institution_id, count in counted
    ]  # fmt: skip


def _agreements(session: Session, today: date, managers: _Managers) -> list[Notice]:
    """Residents whose agreement that lasts longest has ended or ends soon, in one line a week; as `board.residents`."""
    first = func.coalesce(Residency.first_id, Residency.id)
    ending = (
        select(first.label("first_id"))
        .join(ServiceAgreement, ServiceAgreement.residency_id == Residency.id)
        .where(ServiceAgreement.voided_at.is_(None))
        .group_by(first)
        .having(
            ~func.bool_or(ServiceAgreement.expires_on.is_(None)),
            func.max(ServiceAgreement.expires_on) <= today + RENEW_BEFORE,
        )
        .subquery()
    )
    counted = session.execute(
        select(Institution.organization_id, Institution.id, func.count())
        .join(Residency, Residency.institution_id == Institution.id)
        .join(ending, ending.c.first_id == first)
        .where(Residency.discharged_on.is_(None), Institution.organization_id.in_(list(managers)))
        .group_by(Institution.organization_id, Institution.id)
    )
    return [
        Notice(
            managers[organization_id], NotificationKind.EXPIRY, f"本机构有 {count} 份入住合同已到期或即将到期",
            f"/institutions/{institution_id}/residents", _weekly("agreements", today),
        )
        for organization_id, institution_id, count in counted
    ]  # fmt: skip


def _weekly(what: str, today: date) -> str:
    year, week, _ = today.isocalendar()
    return f"{what}-{year}-{week}"
