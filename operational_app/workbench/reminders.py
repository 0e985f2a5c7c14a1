"""到期提醒: what is due or runs out, told to whoever looks after it. Each is told once, however often this runs.

The app runs it every hour; several hosts at once are as good as one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from datetime import date, datetime, timedelta

from anyio.to_thread import run_sync
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.core.row_security import ScopeSetting
from operational_app.identity.access import Resource
from operational_app.identity.models import Account
from operational_app.institutions.board import residents
from operational_app.institutions.models import Institution
from operational_app.institutions.queries import EXPIRES_SOON
from operational_app.joining.models import JoinRequest, RequestState
from operational_app.joining.service import deciders_of
from operational_app.organizations.models import Qualification
from operational_app.web.database import AppDatabase
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import holders_in_organization, notify
from operational_app.workforce.models import Certificate, Staff

logger = logging.getLogger(__name__)
EVERY_SECONDS = 3600
_WHOLE_CITY = ScopeSetting(division_lo="0", division_hi=":", all_accounts=True)
#: A request is due soon on the day before.
_DUE_SOON = timedelta(days=1)
_WITH_PEOPLE = select(Account.organization_id).where(Account.is_active, Account.organization_id.is_not(None))


async def keep_reminding(database: AppDatabase) -> None:
    """Reminds at once and every hour, until it is cancelled; waits for a database that does not answer."""
    while True:
        try:
            await run_sync(remind, database, datetime.now(BUSINESS_TIMEZONE).date())
        except SQLAlchemyError as error:
            logger.error("reminders: %s", type(error).__name__)
        await asyncio.sleep(EVERY_SECONDS)


def remind(database: AppDatabase, today: date) -> None:
    """Everything that is due on a day, in one transaction."""
    with database.transaction(_WHOLE_CITY) as session:
        _requests(session, today)
        _permits(session, today)
        _staff(session, today)
        _agreements(session, today)


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


def _permits(session: Session, today: date) -> None:
    """Permits of organizations: once when the end is near, once when it has passed."""
    ending = select(Qualification).where(
        Qualification.expires_on <= today + EXPIRES_SOON, Qualification.organization_id.in_(_WITH_PEOPLE)
    )
    for permit in session.scalars(ending).all():
        assert permit.expires_on is not None  # by the condition
        told, page = _managers(session, permit.organization_id)
        is_late = permit.expires_on < today
        title = f"本单位的{permit.kind.label}证照" + (
            f"已于 {permit.expires_on} 过期" if is_late else f"将于 {permit.expires_on} 到期"
        )
        key = f"permit-{'late' if is_late else 'due'}-{permit.id}-{permit.expires_on}"
        notify(session, told, NotificationKind.EXPIRY, title, page, key)


def _staff(session: Session, today: date) -> None:
    """Certificates of people who work in an institution, in one line a week."""
    counted = session.execute(
        select(Staff.organization_id, Institution.id, func.count())
        .join(Certificate, Certificate.staff_id == Staff.id)
        .join(Institution, Institution.organization_id == Staff.organization_id)
        .where(
            Staff.left_on.is_(None),
            Certificate.expires_on <= today + EXPIRES_SOON,
            Staff.organization_id.in_(_WITH_PEOPLE),
        )
        .group_by(Staff.organization_id, Institution.id)
    ).all()
    for organization_id, institution_id, count in counted:
        told, _ = _managers(session, organization_id)
        title = f"本机构有 {count} 份人员证书已到期或即将到期"
        notify(
            session, told, NotificationKind.EXPIRY, title, f"/institutions/{institution_id}/staff",
            _weekly("certificates", today),
        )  # fmt: skip


def _agreements(session: Session, today: date) -> None:
    """Agreements of residents, in one line a week."""
    with_people = select(Institution.id, Institution.organization_id).where(
        Institution.organization_id.in_(_WITH_PEOPLE)
    )
    for institution_id, organization_id in session.execute(with_people).all():
        told, _ = _managers(session, organization_id)
        count = told and sum(
            row.contract in ("已到期", "即将到期") for row in residents(session, institution_id, today)
        )
        if count:
            title = f"本机构有 {count} 份入住合同已到期或即将到期"
            address = f"/institutions/{institution_id}/residents"
            notify(session, told, NotificationKind.EXPIRY, title, address, _weekly("agreements", today))


def _weekly(what: str, today: date) -> str:
    year, week, _ = today.isocalendar()
    return f"{what}-{year}-{week}"


def _managers(session: Session, organization_id: int) -> tuple[Collection[int], str]:
    """Who looks after an organization's papers, and the page where they do."""
    own = session.scalar(select(Institution.id).where(Institution.organization_id == organization_id))
    page = "/organization" if own is None else f"/institutions/{own}/profile"
    told = holders_in_organization(session, organization_id, Resource.OWN_ORGANIZATION, Resource.INSTITUTION_CHANGES)
    return told, page
