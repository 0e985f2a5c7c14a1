"""What may be done with codes, as pure functions and closed lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from huiyang.identifiers import is_issued_code, normalise_identifier
from operational_app.codes.models import IssueReason, RevokeReason, SubjectKind

Reason = TypeVar("Reason", IssueReason, RevokeReason)
KINDS = {kind.value: kind for kind in SubjectKind}
#: So many labels go into one PDF, and so many codes are issued by one click.
MOST_LABELS = 500
MOST_ISSUED = 5000
#: Scans of an account that lead nowhere, within the window; then it waits. A person with a damaged label tries twice.
MOST_FAILED_SCANS = 10
SCAN_WINDOW = timedelta(minutes=1)
LONGEST_NOTE = 100

REISSUE_REASONS = (IssueReason.LOST, IssueReason.DAMAGED, IssueReason.MISUSED, IssueReason.OTHER)
REVOKE_REASONS = {
    SubjectKind.ELDER: (
        RevokeReason.DECEASED,
        RevokeReason.MOVED_AWAY,
        RevokeReason.MISTAKEN,
        RevokeReason.OTHER,
    ),
    SubjectKind.BED: (RevokeReason.CLOSED, RevokeReason.MISTAKEN, RevokeReason.OTHER),
    SubjectKind.INSTITUTION: (RevokeReason.CLOSED, RevokeReason.MISTAKEN, RevokeReason.OTHER),
}


def kind_of(text: str) -> SubjectKind | None:
    """What a text would name if it were issued: form and check character are right. Not whether it ever was."""
    return next((kind for kind in SubjectKind if is_issued_code(text, kind.letter)), None)


def as_printed(text: str) -> str:
    """A code as typed or scanned, in the one form that is stored: upper case, no spaces, no full-width digits."""
    return normalise_identifier(text)


def pick_reason(given: str, allowed: Sequence[Reason], note: str) -> Reason:
    """The reason that was chosen.

    Args:
        allowed: what the form offers.

    Raises:
        ValueError: what is wrong with reason or note, in Chinese.
    """
    reason = next((member for member in allowed if member.value == given), None)
    if reason is None:
        raise ValueError("请选择原因。")
    if given == "other" and not note:
        raise ValueError("原因为“其他”时请填写说明。")
    if len(note) > LONGEST_NOTE:
        raise ValueError(f"说明最多 {LONGEST_NOTE} 字。")
    return reason
