"""疑似重复机构: what is compared, read from the records; what people said of a pair, remembered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, aliased

from huiyang.divisions import county_of, subtree_range
from huiyang.field_crypto import FieldCrypto, row_context
from operational_app.audit.service import Act
from operational_app.core.row_security import whole_city, wider
from operational_app.identity.administration import Refused, Work
from operational_app.institutions.duplicate_rules import Candidate, Doubt, Likeness, doubt_of, doubts_among
from operational_app.institutions.models import DuplicateReview, Institution, OperatingStatus
from operational_app.organizations.models import Organization


def candidates(session: Session, crypto: FieldCrypto, *conditions: ColumnElement[bool]) -> list[Candidate]:
    """Institutions of the session's scope that are not closed, by name. Phones are compared and shown to nobody."""
    rows = session.execute(
        select(
            Organization.id, Institution.id, Organization.name, Organization.division_code, Organization.credit_code,
            Organization.address, Organization.contact_phone_cipher, Organization.longitude_wgs84,
            Organization.latitude_wgs84,
        )
        .join(Institution, Institution.organization_id == Organization.id)
        .where(Institution.operating_status != OperatingStatus.CLOSED, *conditions)
        .order_by(Organization.name_pinyin, Organization.id)
    )  # fmt: skip
    found = []
    for key, institution, name, division_code, credit_code, address, cipher, x, y in rows:
        phone = crypto.decrypt(cipher, _phone_context(key)) if cipher else None
        place = None if x is None or y is None else (x, y)
        county = county_of(division_code)
        found.append(Candidate(key, institution, name, county, credit_code, address, phone, place))
    return found


def _phone_context(key: int) -> str:
    return row_context("organizations.organization", "contact_phone_cipher", key)


def candidate_of(crypto: FieldCrypto, institution: Institution, organization: Organization) -> Candidate:
    """One institution as its records are now."""
    cipher, x, y = organization.contact_phone_cipher, organization.longitude_wgs84, organization.latitude_wgs84
    return Candidate(
        organization.id, institution.id, organization.name, county_of(organization.division_code),
        organization.credit_code, organization.address,
        crypto.decrypt(cipher, _phone_context(organization.id)) if cipher else None,
        None if x is None or y is None else (x, y),
    )  # fmt: skip


def doubts_about(work: Work, crypto: FieldCrypto, it: Candidate) -> list[Doubt]:
    """Other institutions of the county that may be the same one and of which nobody has said that they are not,
    whoever asks: names of institutions are public."""
    if it.county_code is None:
        return []
    lo, hi = subtree_range(it.county_code)
    scope = work.actor.scope
    with wider(work.session, scope, whole_city(scope)):
        others = candidates(
            work.session, crypto, Organization.id != it.key, Organization.division_code >= lo,
            Organization.division_code < hi,
        )  # fmt: skip
        about = or_(DuplicateReview.organization_id == it.key, DuplicateReview.other_id == it.key)
        known = _known(work.session, about)
    return _open(known, (doubt for other in others if (doubt := doubt_of(it, other)) is not None))


def open_doubts(session: Session, crypto: FieldCrypto) -> list[Doubt]:
    """Pairs of the session's scope that nobody has looked into yet."""
    return _open(_known(session), doubts_among(candidates(session, crypto)))


_Known = dict[tuple[int, int], set[str]]


def _known(session: Session, *conditions: ColumnElement[bool]) -> _Known:
    """What pairs have in common and are not one all the same."""
    known: _Known = defaultdict(set)
    for one, other, likenesses in session.execute(
        select(DuplicateReview.organization_id, DuplicateReview.other_id, DuplicateReview.likenesses).where(*conditions)
    ):
        known[one, other].update(likenesses)
    return known


def _open(known: _Known, doubts: Iterable[Doubt]) -> list[Doubt]:
    return [doubt for doubt in doubts if not known.get(doubt.pair, set()).issuperset(doubt.likenesses)]


# When an institution is changed


#: Says in a form which institutions are known to be others: their organizations' keys with commas between.
ACKNOWLEDGED = "not_duplicates"


class LikelyDuplicates(Refused):
    """A change makes likely duplicates; ACKNOWLEDGED in the form says that they are none."""

    def __init__(self, doubts: Sequence[Doubt]) -> None:
        super().__init__(
            "按现在填写的内容，本机构与下列机构疑似重复，没有保存。请核对；确认不是重复的，请勾选后再保存。"
        )
        self.doubts = doubts


def check_change(
    work: Work, crypto: FieldCrypto, before: Candidate, after: Candidate, acknowledged: str
) -> list[Doubt]:
    """Likely duplicates that a change makes and that its form acknowledges, to be kept with `acknowledge`.

    Args:
        acknowledged: see ACKNOWLEDGED.

    Raises:
        LikelyDuplicates: some are not acknowledged.
    """
    if after == before:
        return []
    were = {doubt.pair: set(doubt.likenesses) for doubt in doubts_about(work, crypto, before)}
    made = [
        doubt for doubt in doubts_about(work, crypto, after) if not were.get(doubt.pair, set()) >= set(doubt.likenesses)
    ]
    keys = set(acknowledged.split(","))
    if any(str(doubt.other.key) not in keys for doubt in made):
        raise LikelyDuplicates(made)
    return made


def acknowledge(work: Work, doubt: Doubt, reason: str) -> None:
    """Remembers that two institutions are not one."""
    first, second = doubt.pair
    organization = work.session.get(Organization, first) or work.session.get_one(Organization, second)
    review = DuplicateReview(
        organization_id=first, other_id=second, division_code=organization.division_code,
        likenesses=[likeness.value for likeness in doubt.likenesses], reason=reason,
        account_id=work.actor.account_id, account_name=work.actor.display_name,
    )  # fmt: skip
    work.session.add(review)
    work.session.flush()
    work.note(
        Act.DUPLICATE_REVIEW, ("organizations.organization", first), other=second,
        likenesses=[likeness.value for likeness in doubt.likenesses],
    )  # fmt: skip


# The bureau


def review(work: Work, crypto: FieldCrypto, one: int, other: int, reason: str) -> None:
    """The bureau found that two institutions (keys of their organizations) are not one.

    Raises:
        Refused: no reason, or the pair is not (or no longer) in doubt or not in the user's scope.
    """
    reason = " ".join(reason.split())
    if not 2 <= len(reason) <= _LONGEST_REASON:
        raise Refused(f"请填写核实情况，2 至 {_LONGEST_REASON} 个字。")
    if one == other:
        raise Refused(_NOT_IN_DOUBT)
    # Whoever reviews the same pair waits here, and then finds nothing left to review.
    work.session.execute(
        select(Organization.id).where(Organization.id.in_((one, other))).order_by(Organization.id).with_for_update()
    )
    pair = candidates(work.session, crypto, Organization.id.in_((one, other)))
    open_ones = _open(_known(work.session), doubts_among(pair))
    if not open_ones:
        raise Refused(_NOT_IN_DOUBT)
    acknowledge(work, open_ones[0], reason)


_LONGEST_REASON = 200
_NOT_IN_DOUBT = "这两家机构已不在待核实之列，可能刚被他人核实或改正，请查看下方的记录。"


@dataclass(frozen=True)
class Reviewed:
    """What somebody said of a pair."""

    at: datetime
    names: tuple[str, str]
    likenesses: tuple[Likeness, ...]
    reason: str
    account_name: str


def reviews(session: Session, name: str, limit: int) -> list[Reviewed]:
    """The newest reviews of the session's scope in whose names `name` occurs."""
    one, other = aliased(Organization), aliased(Organization)
    rows = session.execute(
        select(DuplicateReview, one.name, other.name)
        .join(one, one.id == DuplicateReview.organization_id)
        .join(other, other.id == DuplicateReview.other_id)
        .where(or_(one.name.contains(name, autoescape=True), other.name.contains(name, autoescape=True)))
        .order_by(DuplicateReview.id.desc())
        .limit(limit)
    )
    return [
        Reviewed(
            it.recorded_at, (first, second), tuple(like for like in Likeness if like.value in it.likenesses), it.reason,
            it.account_name,
        )
        for it, first, second in rows
    ]  # fmt: skip
