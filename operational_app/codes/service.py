"""Issuing, replacing, revoking and resolving codes. Works under the session's scope: what it does not see, it does not
name.

Issuing is one statement for one thing or a million: serials are taken from the county's counter in the same statement
that uses them, so two people never get one serial. What still collides (a code that came in past the counter) is tried
again with the next serials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_app.codes.models import (
    IssuedCode,
    IssueReason,
    LegacyCode,
    RevokeReason,
    ScanAllowance,
    SubjectKind,
)
from operational_app.codes.rules import MOST_FAILED_SCANS, SCAN_WINDOW, as_printed, kind_of
from operational_app.elders.models import ElderMerge


class CodeTaken(Exception):
    """Somebody else was first; the text, in Chinese, says so and what to do."""


@dataclass(frozen=True)
class _Subject:
    """How a kind's things are found.

    Attributes:
        column: of `issued_code` and `legacy_code`, naming the thing.
        source: from-clause with the thing as `subject`.
        division: SQL of its division code.
        shown_in: its column with the current code.
        in_use: SQL of things that want a code.
    """

    column: str
    source: str
    division: str
    shown_in: str
    in_use: str


SUBJECTS = {
    SubjectKind.ELDER: _Subject(
        "elder_id",
        "elders.elder as subject",
        "subject.division_code",
        "elder_code",
        "subject.status = 'active' and not exists (select 1 from elders.elder_merge as merge"
        " where merge.merged_id = subject.id and merge.reverted_at is null)",
    ),
    SubjectKind.BED: _Subject(
        "bed_id",
        "institutions.bed as subject join institutions.institution as house on house.id = subject.institution_id",
        "house.division_code",
        "bed_code",
        "subject.status <> 'closed'",
    ),
    SubjectKind.INSTITUTION: _Subject(
        "organization_id",
        "organizations.organization as subject",
        "subject.division_code",
        "organization_code",
        "subject.status <> 'closed'",
    ),
}

#: Two issuers of one county wait for each other at its counter; counties are taken in order, so nobody waits in a ring.
_ISSUE = """
with chosen as (
    select subject.id, left({division}, 6) as county_code from {source}
    where subject.{shown_in} is null and {condition}
    order by subject.id limit :most
), numbered as (
    select id, county_code, row_number() over (partition by county_code order by id) as place from chosen
), needed as (
    select county_code, count(*) as amount from numbered group by county_code order by county_code
), taken as (
    insert into codes.serial_counter as counter (county_code, kind, last_serial)
    select county_code, :kind, amount from needed
    on conflict (county_code, kind) do update set last_serial = counter.last_serial + excluded.last_serial
    returning county_code, last_serial
), issued as (
    insert into codes.issued_code (kind, county_code, serial, {column}, issued_by, issue_reason, issue_note)
    select :kind, county_code, last_serial - amount + place, id, :account_id, :reason, :note
    from numbered join needed using (county_code) join taken using (county_code)
    on conflict do nothing
    returning 1
)
select (select count(*) from chosen), (select count(*) from issued)
"""
_GIVEN = "subject.id = any(:ids)"
#: Whoever's code was revoked and not replaced does not get another by the way.
_NEVER_CODED = "{in_use} and not exists (select 1 from codes.issued_code as former where former.{column} = subject.id)"
_ATTEMPTS = 5


def issue(
    session: Session | Connection,
    kind: SubjectKind,
    ids: Sequence[int],
    account_id: int | None,
    reason: IssueReason = IssueReason.FIRST,
    note: str | None = None,
) -> int:
    """Gives codes to the things of these keys that have none.

    Returns:
        How many codes were issued; things out of scope or with a code are passed over.
    """
    return _issue(session, kind, _GIVEN, account_id, reason, note, len(ids), {"ids": list(ids)})


def issue_missing(
    session: Session | Connection, kind: SubjectKind, account_id: int | None = None, most: int | None = None
) -> int:
    """Gives codes to all things in use that never had one: active elders that are no duplicate, places not closed.

    Args:
        most: no more than these, by key; None for all.
    """
    subject = SUBJECTS[kind]
    condition = _NEVER_CODED.format(in_use=subject.in_use, column=subject.column)
    return _issue(session, kind, condition, account_id, IssueReason.BULK, None, most, {})


def _issue(
    session: Session | Connection,
    kind: SubjectKind,
    condition: str,
    account_id: int | None,
    reason: IssueReason,
    note: str | None,
    most: int | None,
    values: dict[str, Any],
) -> int:
    subject = SUBJECTS[kind]
    statement = text(
        _ISSUE.format(
            division=subject.division,
            source=subject.source,
            shown_in=subject.shown_in,
            column=subject.column,
            condition=condition,
        )
    )
    total = 0
    for _ in range(_ATTEMPTS):
        found = session.execute(
            statement,
            {
                "kind": kind.value,
                "account_id": account_id,
                "reason": reason.value,
                "note": note,
                "most": None if most is None else most - total,
                **values,
            },
        ).one()
        chosen, issued = int(found[0]), int(found[1])
        total += issued
        if chosen == issued:
            break
    return total


def replace(
    session: Session,
    kind: SubjectKind,
    subject_id: int,
    code_id: int,
    reason: IssueReason,
    note: str | None,
    account_id: int,
    now: datetime,
) -> None:
    """Revokes the code that the user saw and issues the thing's next one (补发), both or neither.

    Raises:
        CodeTaken: the code no longer holds, or is not this thing's.
    """
    revoke(session, kind, subject_id, code_id, RevokeReason.REPLACED, note, account_id, now)
    if issue(session, kind, [subject_id], account_id, reason, note) != 1:
        raise CodeTaken("这个对象刚刚已由他人赋码，请核对当前编码。")
    successor = select(IssuedCode.id).where(_names(kind, subject_id), IssuedCode.revoked_at.is_(None))
    session.execute(
        update(IssuedCode)
        .where(IssuedCode.id == code_id)
        .values(replaced_by_id=successor.scalar_subquery())
        .execution_options(synchronize_session=False)
    )


def revoke(
    session: Session,
    kind: SubjectKind,
    subject_id: int,
    code_id: int,
    reason: RevokeReason,
    note: str | None,
    account_id: int,
    now: datetime,
) -> None:
    """Takes back the code that the user saw (吊销).

    Of two at once the second waits for the first, and finds nothing left to revoke.

    Raises:
        CodeTaken: the code no longer holds, or is not this thing's.
    """
    revoked = session.execute(
        update(IssuedCode)
        .where(IssuedCode.id == code_id, _names(kind, subject_id), IssuedCode.revoked_at.is_(None))
        .values(revoked_at=now, revoked_by=account_id, revoke_reason=reason, revoke_note=note)
        .returning(IssuedCode.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if revoked is None:
        raise CodeTaken("这个编码刚刚已被他人补发或吊销，本次操作没有执行。请核对下面的当前编码。")


def _names(kind: SubjectKind, subject_id: int) -> Any:
    return getattr(IssuedCode, SUBJECTS[kind].column) == subject_id


# --- from a code to what it names ---


def resolve(session: Session, given: str) -> tuple[SubjectKind, int] | None:
    """What a code names, if it holds and the session's scope sees the thing.

    None alike for a code that was never issued, was revoked, or names a thing out of scope: the caller cannot tell
    them apart, so no answer can.
    """
    kind = kind_of(given)
    if kind is None:
        return None
    column = getattr(IssuedCode, SUBJECTS[kind].column)
    key = session.scalar(select(column).where(IssuedCode.code == as_printed(given), IssuedCode.revoked_at.is_(None)))
    return None if key is None else (kind, _as_of_today(session, kind, key))


def resolve_legacy(session: Session, kind: SubjectKind, given: str) -> int | None:
    """The thing that had this number on the old platform, if the scope sees it."""
    column = getattr(LegacyCode, SUBJECTS[kind].column)
    key = session.scalar(select(column).where(LegacyCode.kind == kind, LegacyCode.legacy_code == given.strip()))
    return None if key is None else _as_of_today(session, kind, key)


def _as_of_today(session: Session, kind: SubjectKind, key: int) -> int:
    """A duplicate elder that was merged stands for the record that was kept, as long as the merge holds."""
    if kind is not SubjectKind.ELDER:
        return key
    survivor = session.scalar(
        select(ElderMerge.survivor_id).where(ElderMerge.merged_id == key, ElderMerge.reverted_at.is_(None))
    )
    return key if survivor is None else survivor


def count_scan(session: Session, account_id: int, now: datetime) -> bool:
    """Counts a scan as failed before its code is looked at, so that many at once get no more than the allowed number.

    Args:
        session: of a transaction of its own, so that it counts whatever becomes of the request.

    Returns:
        Whether the account may scan; `forgive_scan` takes the count back from one that led somewhere.
    """
    is_over = ScanAllowance.window_opened_at <= now - SCAN_WINDOW
    fresh = insert(ScanAllowance).values(account_id=account_id, window_opened_at=now, failures=1)
    counted = fresh.on_conflict_do_update(
        index_elements=[ScanAllowance.account_id],
        set_={
            "failures": case((is_over, 1), else_=ScanAllowance.failures + 1),
            "window_opened_at": case((is_over, now), else_=ScanAllowance.window_opened_at),
        },
        where=is_over | (ScanAllowance.failures < MOST_FAILED_SCANS),
    ).returning(ScanAllowance.failures)
    return session.execute(counted).one_or_none() is not None


def forgive_scan(session: Session, account_id: int) -> None:
    """Takes back the count of a scan that led somewhere."""
    session.execute(
        update(ScanAllowance)
        .where(ScanAllowance.account_id == account_id, ScanAllowance.failures > 0)
        .values(failures=ScanAllowance.failures - 1)
        .execution_options(synchronize_session=False)
    )
