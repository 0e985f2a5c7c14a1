"""Takes up what a refresh found: opens tasks, sends back those that were not mended, closes those that were.

In sets: a release of a city brings some hundred thousand violations. Each release is taken up once, in one transaction;
several hosts at once are as good as one.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from anyio.to_thread import run_sync
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from huiyang.periods import Period
from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.core.row_security import whole_city
from operational_app.fix_tasks.models import OWNERS, FixAct, FixState, Verification
from operational_app.inbox.models import FixPlan, ReleaseResult
from operational_app.web.database import AppDatabase

logger = logging.getLogger(__name__)
#: How long after a refresh its owners see what it found, at most.
EVERY_SECONDS = 30
_BY_INSTITUTION = "inner join institutions.institution as owner on owner.id = record.institution_id"
_BY_ORDER = "inner join home_service.service_order as owner on owner.id = record.order_id"
_BY_DEVICE = "inner join devices.device as owner on owner.id = record.device_id"
#: Record table → where its records are, what tells their organization, and the column that does.
_ORGANIZATIONS = {
    "organization": ("organizations.organization", "", "record.id"),
    "organization_kind": ("organizations.organization_kind", "", "record.organization_id"),
    "qualification": ("organizations.qualification", "", "record.organization_id"),
    "institution": ("institutions.institution", "", "record.organization_id"),
    "bed": ("institutions.bed", _BY_INSTITUTION, "owner.organization_id"),
    "residency": ("institutions.residency", _BY_INSTITUTION, "owner.organization_id"),
    "facility": ("facilities.facility", "", "record.organization_id"),
    "day_care_enrolment": (
        "facilities.day_care_enrolment", "inner join facilities.facility as owner on owner.id = record.facility_id",
        "owner.organization_id",
    ),
    "family_bed": ("family_beds.family_bed", "", "record.organization_id"),
    "device": ("devices.device", "", "record.organization_id"),
    "device_binding": ("devices.device_binding", _BY_DEVICE, "owner.organization_id"),
    "alarm": ("devices.alarm", "", "record.organization_id"),
    "vital_sign": ("health.vital_sign", _BY_DEVICE, "owner.organization_id"),
    "assessment": ("assessments.assessment", "", "record.organization_id"),
    "care_relation": ("elders.care_relation", "", "record.organization_id"),
    "service_order": ("home_service.service_order", "", "record.provider_id"),
    "photo": ("home_service.photo", _BY_ORDER, "owner.provider_id"),
    "evaluation": ("home_service.evaluation", _BY_ORDER, "owner.provider_id"),
    "staff": ("workforce.staff", "", "record.organization_id"),
    "certificate": (
        "workforce.certificate", "inner join workforce.staff as owner on owner.id = record.staff_id",
        "owner.organization_id",
    ),
}  # fmt: skip

#: Violations of the release that it can speak of: a standing record only by the newest knowledge of the world.
_FOUND = """
    from inbox.violation as found
    inner join inbox.rule on rule.rule_id = found.rule_id
    where found.release_id = :release and (rule.of_period or :is_newest)
"""
#: Tasks that the release could have found: of a rule that ran, and of its period where the record has one.
_CHECKED = """
    task.state <> 'closed'
    and case
        when task.period_start is null then :is_newest
        else :first_day <= task.period_start and task.period_end <= :last_day
    end
    and not exists (
        select 1 from inbox.rule_result as result
        where result.release_id = :release and result.rule_id = task.rule_id and not result.ran
    )
"""
_SAME = "found.rule_id = task.rule_id and found.record_table = task.record_table and found.record_id = task.record_id"


async def keep_taking_up(database: AppDatabase) -> None:
    """Takes up what refreshes found, until it is cancelled; waits for a database that does not answer."""
    while True:
        try:
            await run_sync(take_up, database, datetime.now(BUSINESS_TIMEZONE))
        except SQLAlchemyError as error:
            logger.error("fix tasks: %s", type(error).__name__)
        await asyncio.sleep(EVERY_SECONDS)


def take_up(database: AppDatabase, now: datetime) -> list[int]:
    """Takes up every release that was delivered since the last time, in their order; returns their numbers."""
    taken = []
    while (release_id := _next(database, now)) is not None:
        taken.append(release_id)
    return taken


def _next(database: AppDatabase, now: datetime) -> int | None:
    with database.transaction(whole_city()) as session:
        if not session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext("huiyang fix tasks")))):
            return None  # another host is at it
        if session.scalar(select(func.count()).select_from(FixPlan)) == 0:
            return None  # the pipelines' worker has not told yet how long a task may take
        release = session.scalars(
            select(ReleaseResult)
            .where(~select(Verification).where(Verification.release_id == ReleaseResult.release_id).exists())
            .order_by(ReleaseResult.release_id)
            .limit(1)
        ).first()
        if release is None:
            return None
        verify(session, release, now)
        return release.release_id


def verify(session: Session, release: ReleaseResult, now: datetime) -> Verification:
    """Brings the tasks to what a release found.

    Args:
        session: under a scope that holds the whole city.
    """
    period = Period.parse(release.period)
    known_on = min(period.end_date, release.as_of.astimezone(BUSINESS_TIMEZONE).date())
    newest = session.scalar(select(func.max(Verification.known_on)))
    values = {
        "release": release.release_id, "is_newest": newest is None or known_on >= newest,
        "first_day": period.start_date, "last_day": period.end_date, "now": now,
        "today": now.astimezone(BUSINESS_TIMEZONE).date(),
    }  # fmt: skip
    # In this order: what is found again is not opened, and what is opened now is not looked for.
    found_again = _found_again(session, values)
    closed = _close(session, values)
    opened = _open(session, values)
    remaining = session.scalar(text("select count(*) from fix_tasks.fix_task where state <> 'closed'")) or 0
    done = Verification(
        release_id=release.release_id, known_on=known_on, taken_up_at=now, opened=opened, found_again=found_again,
        closed=closed, remaining=remaining,
    )  # fmt: skip
    session.add(done)
    session.flush()
    return done


def _count(session: Session, statement: str, values: dict[str, object]) -> int:
    return session.scalar(text(f"{statement} select count(*) from moved"), values) or 0


def _found_again(session: Session, values: dict[str, object]) -> int:
    return _count(
        session,
        f"""
        with moved as (
            update fix_tasks.fix_task as task
            set
                state = '{FixState.OPEN}', closed_at = null, escalated_on = null,
                found_again = task.found_again + 1, opened_at = :now, opened_release_id = :release,
                due_on = cast(:today as date) + cast(plan.due_days as integer), row_version = task.row_version + 1
            from fix_tasks.fix_task as before
            inner join (select found.* {_FOUND}) as found on
                found.rule_id = before.rule_id and found.record_table = before.record_table
                and found.record_id = before.record_id
            inner join inbox.fix_plan as plan on plan.severity = before.severity
            where before.id = task.id and before.state in ('{FixState.ANSWERED}', '{FixState.CLOSED}')
            returning task.id, before.state
        ), told as (
            insert into fix_tasks.fix_event (task_id, act, release_id)
            select
                id, case state when '{FixState.ANSWERED}' then '{FixAct.FOUND_AGAIN}' else '{FixAct.RETURNED}' end,
                :release
            from moved
        )""",
        values,
    )


def _close(session: Session, values: dict[str, object]) -> int:
    return _count(
        session,
        f"""
        with moved as (
            update fix_tasks.fix_task as task
            set state = '{FixState.CLOSED}', closed_at = :now, row_version = task.row_version + 1
            where {_CHECKED}
            and not exists (select 1 from inbox.violation as found where found.release_id = :release and {_SAME})
            returning id
        ), told as (
            insert into fix_tasks.fix_event (task_id, act, release_id)
            select id, '{FixAct.CLOSED}', :release from moved
        )""",
        values,
    )


def _open(session: Session, values: dict[str, object]) -> int:
    """Opens what is new, and lets the others follow their record and rule to another division or owner."""
    opened = _count(
        session,
        f"""
        with found as materialized ({_with_owners()}), followed as (
            update fix_tasks.fix_task as task
            set
                division_code = found.division_code, organization_id = found.organization_id, owner = found.owner,
                severity = found.severity, row_version = task.row_version + 1
            from found
            where {_SAME} and task.state <> 'closed'
            and (task.division_code, task.organization_id, task.owner, task.severity)
            is distinct from (found.division_code, found.organization_id, found.owner, found.severity)
        ), moved as (
            insert into fix_tasks.fix_task (
                rule_id, record_table, record_id, owner, severity, division_code, organization_id, period_start,
                period_end, first_seen_on, opened_at, opened_release_id, due_on
            )
            select
                rule_id, record_table, record_id, owner, found.severity, division_code, organization_id,
                case when of_period then cast(:first_day as date) end,
                case when of_period then cast(:last_day as date) end, first_seen_on, :now, :release,
                cast(:today as date) + cast(plan.due_days as integer)
            from found
            inner join inbox.fix_plan as plan on plan.severity = found.severity
            on conflict (rule_id, record_table, record_id) do nothing
            returning id
        )""",
        values | {"offices": [owner for owner, is_office in OWNERS.items() if is_office]},
    )
    # On its own: the policy of events looks for their task, which the statement that makes it does not see.
    session.execute(
        text(
            f"insert into fix_tasks.fix_event (task_id, act, release_id) select id, '{FixAct.FOUND}', :release"
            " from fix_tasks.fix_task where opened_release_id = :release and row_version = 1"
        ),
        values,
    )
    return opened


def _with_owners() -> str:
    """A select of the release's violations with rule, owner and the owner's organization."""
    # Each part begins with the violations of its table, which are few: millions of records are never gone through.
    organizations = " union ".join(
        f"select broken.record_table, broken.record_id, {column} as organization_id from inbox.violation as broken"
        f" inner join {records} as record on record.id = broken.record_id {join}"
        f" where broken.release_id = :release and broken.record_table = '{table}'"
        for table, (records, join, column) in _ORGANIZATIONS.items()
    )
    return f"""
        select
            found.rule_id, found.record_table, found.record_id, found.division_code, found.first_seen_on,
            found.owner, found.severity, found.of_period, owners.organization_id
        from (select found.*, rule.owner, rule.severity, rule.of_period {_FOUND}) as found
        left join ({organizations}) as owners on
            owners.record_table = found.record_table and owners.record_id = found.record_id
            and found.owner <> all (cast(:offices as text[]))
    """
