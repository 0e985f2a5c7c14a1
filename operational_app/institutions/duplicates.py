"""疑似重复机构: what is compared, read from the records."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from huiyang.divisions import county_of, subtree_range
from huiyang.field_crypto import FieldCrypto, row_context
from operational_app.core.row_security import set_scope, whole_city
from operational_app.identity.administration import Work
from operational_app.institutions.duplicate_rules import Candidate, Doubt, doubt_of
from operational_app.institutions.models import Institution, OperatingStatus
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
    """Other institutions of the county that may be the same one, whoever asks: names of institutions are public."""
    if it.county_code is None:
        return []
    lo, hi = subtree_range(it.county_code)
    set_scope(work.session, whole_city(work.actor.scope))
    others = candidates(
        work.session, crypto, Organization.id != it.key, Organization.division_code >= lo,
        Organization.division_code < hi,
    )  # fmt: skip
    set_scope(work.session, work.actor.scope)
    return [doubt for other in others if (doubt := doubt_of(it, other)) is not None]
