"""Removing what is old enough: whole batches, as the owner of the tables. A pruned batch keeps its place in the chain.

At least six months are kept: GB/T 22239-2019, 8.1.5.4; Cybersecurity Law of the PRC, article 21 (3).
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.types.json import Jsonb

from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.settings import Settings
from operational_app.audit.service import Act, Outcome
from operational_app.audit.verification import verify

FEWEST_MONTHS = 6
_BATCHES_AT_ONCE = 500


@dataclass(frozen=True)
class Pruned:
    batches: int
    events: int


def prune(settings: Settings, months: int = FEWEST_MONTHS) -> Pruned:
    """Removes the events of batches sealed more than `months` months ago, some hundred batches a transaction.

    Raises:
        HuiyangError: fewer than FEWEST_MONTHS, or the trail has findings: what is evidence stays.
    """
    if months < FEWEST_MONTHS:
        raise HuiyangError(f"{FEWEST_MONTHS} months of the audit trail are kept at least.", "Leave --months out.")
    if found := verify(settings).finding_count:
        raise HuiyangError(
            f"The audit trail has {found} findings; nothing is removed.",
            "See `huiyang audit verify` and docs/runbooks/audit.md.",
        )
    batches = events = 0
    while True:
        more = _prune_some(settings, months)
        if not more.batches:
            return Pruned(batches, events)
        batches, events = batches + more.batches, events + more.events


def _prune_some(settings: Settings, months: int) -> Pruned:
    with connect(Login.OWNER, settings) as owner:
        numbers = [
            row[0]
            for row in owner.execute(
                "select number from audit.seal where pruned_at is null and kept_at is not null"
                " and sealed_at < now() - make_interval(months => %s) order by number limit %s for update skip locked",
                [months, _BATCHES_AT_ONCE],
            )
        ]
        if not numbers:
            return Pruned(0, 0)
        events = owner.execute(
            "delete from audit.audit_event where id in"
            " (select event_id from audit.seal_entry where seal_number = any(%s))",
            [numbers],
        ).rowcount
        owner.execute("delete from audit.seal_entry where seal_number = any(%s)", [numbers])
        owner.execute("update audit.seal set pruned_at = clock_timestamp() where number = any(%s)", [numbers])
        details = {"first": numbers[0], "last": numbers[-1], "events": events, "months": months}
        owner.execute(
            "insert into audit.audit_event (action, outcome, remote_address, details) values (%s, %s, 'console', %s)",
            [Act.AUDIT_PRUNE.value, Outcome.SUCCESS.value, Jsonb(details)],
        )
    return Pruned(len(numbers), events)
