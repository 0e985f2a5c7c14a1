"""What the pages of fix tasks show: lists, a task with its record's place, its history, its waivers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, and_, func, select, text
from sqlalchemy.orm import Session

from operational_app.core.row_security import ScopeSetting
from operational_app.fix_tasks.models import FixEvent, FixState, FixTask, Verification, Waiver, WaiverDecision
from operational_app.identity.access import Resource
from operational_app.identity.models import Account
from operational_app.identity.sessions import Actor
from operational_app.inbox.models import RuleOfQuality
from operational_app.inbox.queries import record_address
from operational_app.organizations.models import Organization
from operational_app.web.scoping import in_scope

STATE_COLOURS = {
    FixState.OPEN: "orange", FixState.ANSWERED: "blue", FixState.WAIVED: "purple", FixState.CLOSED: "green",
}  # fmt: skip
#: How late a task is: value and label of the filter.
LATENESS = (("due", "已逾期"), ("escalated", "已上报"), ("again", "核验未通过过"))

#: Record table → the record whose page it is shown on, as SQL over its key, the page, the right.
_ELDER = ("/elders/{0}", Resource.ELDERS)
_PLACES: dict[str, tuple[str, str, Resource]] = {
    table: (f"select elder_id from {table_name} where id = :key", *_ELDER)
    for table, table_name in (
        ("guardian", "elders.guardian"), ("medical_history", "elders.medical_history"),
        ("economic_status", "elders.economic_status"), ("care_relation", "elders.care_relation"),
        ("assessment", "assessments.assessment"), ("entitlement", "home_service.entitlement"),
        ("family_bed", "family_beds.family_bed"),
    )
} | {
    "photo": ("select order_id from home_service.photo where id = :key", "/orders/{0}", Resource.ORDERS),
    "evaluation": ("select order_id from home_service.evaluation where id = :key", "/orders/{0}", Resource.ORDERS),
    "bed": (
        "select institution_id, id from institutions.bed where id = :key", "/institutions/{0}/beds/{1}",
        Resource.INSTITUTIONS,
    ),
    "residency": (
        "select institution_id, id from institutions.residency where id = :key", "/institutions/{0}/residents/{1}",
        Resource.INSTITUTIONS,
    ),
    "staff": (
        "select institution.id, staff.id from workforce.staff inner join institutions.institution"
        " using (organization_id) where staff.id = :key", "/institutions/{0}/staff/{1}", Resource.INSTITUTION_CHANGES,
    ),
    "certificate": (
        "select institution.id, staff.id from workforce.certificate inner join workforce.staff"
        " on staff.id = certificate.staff_id inner join institutions.institution"
        " on institution.organization_id = staff.organization_id where certificate.id = :key",
        "/institutions/{0}/staff/{1}", Resource.INSTITUTION_CHANGES,
    ),
    "qualification": (
        "select organization_id from organizations.qualification where id = :key", "/providers/{0}",
        Resource.PROVIDERS,
    ),
    "organization_kind": (
        "select organization_id from organizations.organization_kind where id = :key", "/providers/{0}",
        Resource.PROVIDERS,
    ),
    "day_care_enrolment": (
        "select facility_id from facilities.day_care_enrolment where id = :key", "/facilities/{0}", Resource.FACILITIES,
    ),
}  # fmt: skip


def place_of(session: Session, task: FixTask, who: Actor) -> str | None:
    """The page on which the record is seen, if there is one and the user may open it."""
    if own := record_address(task.record_table, task.record_id):
        return own[0] if own[1] is None or who.may(own[1]) else None
    if task.record_table not in _PLACES:
        return None
    query, address, right = _PLACES[task.record_table]
    if not who.may(right):
        return None
    keys = session.execute(text(query), {"key": task.record_id}).first()
    return address.format(*keys) if keys else None


@dataclass(frozen=True)
class FixRow:
    """A task in a list, with its rule's words.

    Attributes:
        organization: name of the owner, where the owner is an organization.
    """

    task: FixTask
    rule: RuleOfQuality
    organization: str = ""

    @property
    def id(self) -> int:
        return self.task.id

    @property
    def owner(self) -> str:
        return f"{self.task.owner}：{self.organization}" if self.organization else self.task.owner


def listing(values: Mapping[str, Any], scope: ScopeSetting, today: date) -> Select[FixTask, RuleOfQuality]:
    """Tasks that meet a list's conditions; what is due first comes first."""
    statement = select(FixTask, RuleOfQuality).join(RuleOfQuality, RuleOfQuality.rule_id == FixTask.rule_id)
    statement = statement.where(in_scope(FixTask.division_code, scope, values.get("division")))
    if state := values.get("state"):
        statement = statement.where(FixTask.state == state)
    else:
        statement = statement.where(FixTask.state != FixState.CLOSED)
    for name, column in (
        ("severity", FixTask.severity), ("owner", FixTask.owner), ("theme", RuleOfQuality.theme),
        ("rule", FixTask.rule_id),
    ):  # fmt: skip
        if value := values.get(name):
            statement = statement.where(column == value)
    late = values.get("late")
    if late == "due":
        statement = statement.where(FixTask.state == FixState.OPEN, FixTask.due_on < today)
    elif late == "escalated":
        statement = statement.where(FixTask.state == FixState.OPEN, FixTask.escalated_on.is_not(None))
    elif late == "again":
        statement = statement.where(FixTask.found_again > 0)
    return statement.order_by(FixTask.due_on, FixTask.id)


def rows_of(session: Session, found: Iterable[tuple[FixTask, RuleOfQuality]]) -> list[FixRow]:
    """The rows of one page of a list."""
    found = list(found)
    keys = {task.organization_id for task, _ in found if task.organization_id}
    names = dict(session.execute(select(Organization.id, Organization.name).where(Organization.id.in_(keys))).all())
    return [FixRow(task, rule, names.get(task.organization_id or 0, "")) for task, rule in found]


def rule_of(session: Session, task: FixTask) -> RuleOfQuality:
    return session.get_one(RuleOfQuality, task.rule_id)


def history(session: Session, task: FixTask) -> list[tuple[FixEvent, str]]:
    """Moves of a task, the newest first, each with who made it (empty: a refresh)."""
    rows = session.execute(
        select(FixEvent, Account.display_name)
        .outerjoin(Account, Account.id == FixEvent.account_id)
        .where(FixEvent.task_id == task.id)
        .order_by(FixEvent.id.desc())
    )
    return [(event, name or "") for event, name in rows]


def waiting_waiver(session: Session, task: FixTask) -> Waiver | None:
    return session.scalars(select(Waiver).where(Waiver.task_id == task.id, Waiver.decision.is_(None))).one_or_none()


def waived_until(session: Session, task: FixTask) -> date | None:
    return session.scalar(
        select(func.max(Waiver.until)).where(Waiver.task_id == task.id, Waiver.decision == WaiverDecision.GRANTED)
    )


def of_same_record(session: Session, task: FixTask) -> Sequence[FixRow]:
    """The record's other tasks that are not closed."""
    rows = session.execute(
        select(FixTask, RuleOfQuality)
        .join(RuleOfQuality, RuleOfQuality.rule_id == FixTask.rule_id)
        .where(
            and_(FixTask.record_table == task.record_table, FixTask.record_id == task.record_id),
            FixTask.id != task.id, FixTask.state != FixState.CLOSED,
        )
        .order_by(FixTask.due_on, FixTask.id)
    )  # fmt: skip
    return [FixRow(found, rule) for found, rule in rows]


def verification(session: Session, release_id: int) -> Verification | None:
    """What a release brought the tasks; None while it has not been taken up."""
    return session.get(Verification, release_id)
