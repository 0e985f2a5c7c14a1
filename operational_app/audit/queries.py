"""Reading the trail: for the audit administrator, whom row-level security alone lets see it.

Newest first; each condition has an index that ends with the time, so that a page is read without a sort.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, or_, select, text
from sqlalchemy.orm import Session

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.audit.canonical import event_digest, select_list
from operational_app.audit.labels import object_label, place_of
from operational_app.audit.models import AuditEvent, Seal, SealEntry
from operational_app.audit.service import Act, Outcome
from operational_app.identity.models import Account
from operational_app.identity.sessions import AS_IDENTITY
from operational_app.web.database import AppDatabase

#: Beside names and user names: what was done at the machine itself has no account.
CONSOLE = "console"
_ACTS = {act.value: act for act in Act}
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


@dataclass(frozen=True)
class EventRow:
    """One line of the list.

    Attributes:
        person: name and user name; None where nobody was signed in.
        batch: None while it waits for its seal.
    """

    id: int
    happened_at: datetime
    person: str | None
    action: str
    target: str | None
    outcome: Outcome | str
    remote_address: str | None
    batch: int | None


@dataclass(frozen=True)
class SealState:
    """An event's seal.

    Attributes:
        is_as_sealed: the event has the digest that it was sealed with.
    """

    seal: Seal
    is_as_sealed: bool


def listing(values: Mapping[str, Any], accounts: Collection[int] | None) -> Select[AuditEvent]:
    """Events that meet the list's conditions, newest first.

    Args:
        accounts: keys of the person that was asked for; None where nobody was.
    """
    statement = select(AuditEvent)
    if accounts is not None:
        statement = statement.where(or_(*(AuditEvent.account_id == key for key in accounts), text("false")))
    if days := values.get("days"):
        first, last = days
        if first:
            statement = statement.where(AuditEvent.happened_at >= _midnight(first))
        if last:
            statement = statement.where(AuditEvent.happened_at < _midnight(last + timedelta(days=1)))
    for name in ("action", "target_table", "target_id", "outcome", "remote_address"):
        if name in values:
            statement = statement.where(getattr(AuditEvent, name) == values[name])
    return statement.order_by(AuditEvent.happened_at.desc(), AuditEvent.id.desc())


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), BUSINESS_TIMEZONE)


def rows_of(session: Session, database: AppDatabase, events: Sequence[AuditEvent]) -> list[EventRow]:
    keys = [event.id for event in events]
    batches = dict(
        session.execute(select(SealEntry.event_id, SealEntry.seal_number).where(SealEntry.event_id.in_(keys))).all()
    )
    names = names_of(database, {event.account_id for event in events if event.account_id is not None})
    return [
        EventRow(
            event.id, event.happened_at, person_of(event, names), act_label(event.action),
            target_of(event), outcome_of(event.outcome), event.remote_address, batches.get(event.id),
        )
        for event in events
    ]  # fmt: skip


def names_of(database: AppDatabase, accounts: Collection[int]) -> dict[int, str]:
    """Name and user name of accounts, which the audit administrator's own scope does not show."""
    if not accounts:
        return {}
    with database.transaction(AS_IDENTITY) as session:
        rows = session.execute(
            select(Account.id, Account.display_name, Account.username).where(Account.id.in_(accounts))
        )
        return {key: f"{name}（{username}）" for key, name, username in rows}


def accounts_called(database: AppDatabase, text: str) -> list[int]:
    """Keys of the accounts with this name or user name."""
    with database.transaction(AS_IDENTITY) as session:
        return list(
            session.scalars(select(Account.id).where(or_(Account.username == text, Account.display_name == text)))
        )


def seal_of(session: Session, event_id: int) -> SealState | None:
    """The seal of an event, and whether the event is what was sealed; None while it waits."""
    found = session.execute(
        select(Seal, SealEntry.digest)
        .join(SealEntry, SealEntry.seal_number == Seal.number)
        .where(SealEntry.event_id == event_id)
    ).one_or_none()
    if found is None:
        return None
    seal, digest = found
    now = session.execute(
        text(f"select {select_list(seal.format)} from audit.audit_event as event where event.id = :key"),
        {"key": event_id},
    ).mappings()
    return SealState(seal, event_digest(dict(now.one()), seal.format) == digest)


def act_label(action: str) -> str:
    """An event that was put in by other hands may have any action."""
    return _ACTS[action].label if action in _ACTS else action


def outcome_of(outcome: str) -> Outcome | str:
    return _OUTCOMES.get(outcome, outcome)


def target_of(event: AuditEvent) -> str | None:
    label = object_label(event.target_table)
    if label is None:
        return place_of(event.details)
    return label if event.target_id is None else f"{label} {event.target_id}"


def person_of(event: AuditEvent, names: Mapping[int, str]) -> str | None:
    if event.account_id is not None:
        return names.get(event.account_id, f"账号 {event.account_id}")
    return "服务器命令" if event.remote_address == CONSOLE else None
