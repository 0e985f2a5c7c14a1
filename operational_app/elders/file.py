"""One elder's file: everything that areas hold about the person, as the detail page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from huiyang.field_crypto import FieldCrypto, row_context
from operational_app.assessments.models import Assessment
from operational_app.devices.models import Alarm, Device, DeviceBinding
from operational_app.elders.models import CareRelation, EconomicStatus, Elder, ElderMerge, Guardian, MedicalHistory
from operational_app.elders.search import read_cipher
from operational_app.family_beds.models import FamilyBed
from operational_app.health.models import VitalKind, VitalSign
from operational_app.home_service.models import Entitlement, ServiceItem, ServiceOrder
from operational_app.institutions.models import Bed, Institution, Residency, Room
from operational_app.organizations.models import Organization
from operational_app.web.formats import NOTHING, age_on, mask_id_number, mask_phone

#: What the page shows of what can be much; the rest is a list of its own.
_NEWEST = 20
#: An elder may be served from another county, whose organizations the user does not see.
_OUTSIDE = "辖区外单位"


@dataclass(frozen=True)
class Contact:
    """A guardian, numbers masked unless revealed."""

    name: str | None
    relationship: str
    phone: str
    is_primary: bool


@dataclass(frozen=True)
class Condition:
    """One condition of the medical history; the wording only where revealed."""

    group: str
    detail: str | None
    diagnosed_on: date | None


@dataclass(frozen=True)
class ElderFile:
    """What the page shows. Health parts are empty for whoever has no right to them.

    Attributes:
        address: None where none is on file; masked as a whole unless revealed.
        assessments: (assessment, assessor's name), newest first.
        orders: (order, item name, provider name), newest first.
        beds: (family bed, organization name).
        residencies: (residency, organization name, bed name).
        vitals: newest of each kind.
    """

    elder: Elder
    is_revealed: bool
    age: int | None
    id_number: str
    phone: str
    address: str | None
    survivor_id: int | None
    merged_ids: Sequence[int]
    contacts: Sequence[Contact]
    conditions: Sequence[Condition]
    economic: Sequence[EconomicStatus]
    entitlements: Sequence[Entitlement]
    assessments: Sequence[tuple[Assessment, str]]
    residencies: Sequence[tuple[Residency, str, str]]
    beds: Sequence[tuple[FamilyBed, str]]
    devices: Sequence[tuple[DeviceBinding, Device]]
    alarms: Sequence[Alarm]
    orders: Sequence[tuple[ServiceOrder, str, str]]
    order_count: int
    vitals: Sequence[VitalSign]
    relations: Sequence[tuple[CareRelation, str]]


def load_file(
    session: Session, key: int, crypto: FieldCrypto, today: date, *, reveal: bool, with_health: bool
) -> ElderFile | None:
    """The file of elder `key`; None where there is none in the session's scope.

    Args:
        reveal: whole numbers, address and wording of conditions instead of masked ones; the caller records it.
        with_health: medical history, assessments and vital signs too.
    """
    elder = session.get(Elder, key)
    if elder is None:
        return None
    id_number, phone = read_cipher(crypto, elder, "id_number_cipher"), read_cipher(crypto, elder, "phone_cipher")
    merges = session.scalars(
        select(ElderMerge).where(
            ElderMerge.reverted_at.is_(None), or_(ElderMerge.survivor_id == key, ElderMerge.merged_id == key)
        )
    ).all()
    return ElderFile(
        elder=elder,
        is_revealed=reveal,
        age=age_on(elder.birth_date or elder.birth_month, elder.died_on or today),
        id_number=(id_number or NOTHING) if reveal else mask_id_number(id_number),
        phone=(phone or NOTHING) if reveal else mask_phone(phone),
        address=_address(elder, crypto, reveal=reveal),
        survivor_id=next((merge.survivor_id for merge in merges if merge.merged_id == key), None),
        merged_ids=[merge.merged_id for merge in merges if merge.survivor_id == key],
        contacts=_contacts(session, key, crypto, reveal=reveal),
        conditions=_conditions(session, key, crypto, reveal=reveal) if with_health else (),
        economic=_all(session, EconomicStatus, key, EconomicStatus.valid_from.desc()),
        entitlements=_all(session, Entitlement, key, Entitlement.valid_from.desc()),
        assessments=_assessments(session, key) if with_health else (),
        residencies=_residencies(session, key),
        beds=_family_beds(session, key),
        devices=_devices(session, key),
        alarms=session.scalars(
            select(Alarm).where(Alarm.elder_id == key).order_by(Alarm.raised_at.desc()).limit(_NEWEST)
        ).all(),
        orders=_orders(session, key),
        order_count=session.scalar(
            select(func.count()).select_from(ServiceOrder).where(ServiceOrder.elder_id == key)
        ) or 0,
        vitals=_newest_vitals(session, key) if with_health else (),
        relations=_relations(session, key),
    )  # fmt: skip


def _address(elder: Elder, crypto: FieldCrypto, *, reveal: bool) -> str | None:
    if elder.address_cipher is None:
        return None
    return read_cipher(crypto, elder, "address_cipher") if reveal else "********"


def _all(session: Session, model: Any, key: int, order: Any) -> Sequence[Any]:
    return session.scalars(select(model).where(model.elder_id == key).order_by(order)).all()


def _contacts(session: Session, key: int, crypto: FieldCrypto, *, reveal: bool) -> list[Contact]:
    found = []
    for guardian in _all(session, Guardian, key, Guardian.is_primary.desc()):
        cipher = guardian.phone_cipher
        phone = crypto.decrypt(cipher, row_context("elders.guardian", "phone_cipher", guardian.id)) if cipher else None
        shown = (phone or NOTHING) if reveal else mask_phone(phone)
        found.append(Contact(guardian.name, guardian.relationship_to_elder, shown, guardian.is_primary))
    return found


def _conditions(session: Session, key: int, crypto: FieldCrypto, *, reveal: bool) -> list[Condition]:
    found = []
    for item in _all(session, MedicalHistory, key, MedicalHistory.diagnosed_on.desc().nulls_last()):
        detail = None
        if reveal and item.detail_cipher is not None:
            context = row_context("elders.medical_history", "detail_cipher", item.id)
            detail = crypto.decrypt(item.detail_cipher, context)
        found.append(Condition(item.condition_group.label, detail, item.diagnosed_on))
    return found


def _assessments(session: Session, key: int) -> list[tuple[Assessment, str]]:
    statement = (
        select(Assessment, Organization.name)
        .outerjoin(Organization, Organization.id == Assessment.organization_id)
        .where(Assessment.elder_id == key)
        .order_by(Assessment.assessed_on.desc(), Assessment.id.desc())
    )
    return [(assessment, name or _OUTSIDE) for assessment, name in session.execute(statement)]


def _residencies(session: Session, key: int) -> list[tuple[Residency, str, str]]:
    statement = (
        select(Residency, Organization.name, Room.name, Bed.name)
        .join(Institution, Institution.id == Residency.institution_id)
        .outerjoin(Organization, Organization.id == Institution.organization_id)
        .join(Bed, Bed.id == Residency.bed_id)
        .join(Room, Room.id == Bed.room_id)
        .where(Residency.elder_id == key)
        .order_by(Residency.admitted_on.desc())
    )
    return [(stay, name or _OUTSIDE, f"{room} {bed}") for stay, name, room, bed in session.execute(statement)]


def _family_beds(session: Session, key: int) -> list[tuple[FamilyBed, str]]:
    statement = (
        select(FamilyBed, Organization.name)
        .outerjoin(Organization, Organization.id == FamilyBed.organization_id)
        .where(FamilyBed.elder_id == key)
        .order_by(FamilyBed.opened_on.desc().nulls_last())
    )
    return [(bed, name or _OUTSIDE) for bed, name in session.execute(statement)]


def _devices(session: Session, key: int) -> list[tuple[DeviceBinding, Device]]:
    statement = (
        select(DeviceBinding, Device)
        .join(Device, Device.id == DeviceBinding.device_id)
        .where(DeviceBinding.elder_id == key)
        .order_by(DeviceBinding.unbound_on.desc().nulls_first(), DeviceBinding.bound_on.desc())
        .limit(_NEWEST)
    )
    return [(binding, device) for binding, device in session.execute(statement)]


def _orders(session: Session, key: int) -> list[tuple[ServiceOrder, str, str]]:
    statement = (
        select(ServiceOrder, ServiceItem.name, Organization.name)
        .join(ServiceItem, ServiceItem.id == ServiceOrder.item_id)
        .outerjoin(Organization, Organization.id == ServiceOrder.provider_id)
        .where(ServiceOrder.elder_id == key)
        .order_by(ServiceOrder.finished_at.desc().nulls_first(), ServiceOrder.id.desc())
        .limit(_NEWEST)
    )
    return [(order, item, provider or _OUTSIDE) for order, item, provider in session.execute(statement)]


def _newest_vitals(session: Session, key: int) -> list[VitalSign]:
    found = []
    for kind in VitalKind:
        newest = session.scalars(
            select(VitalSign)
            .where(VitalSign.elder_id == key, VitalSign.kind == kind)
            .order_by(VitalSign.measured_at.desc())
            .limit(1)
        ).first()
        if newest is not None:
            found.append(newest)
    return found


def _relations(session: Session, key: int) -> list[tuple[CareRelation, str]]:
    statement = (
        select(CareRelation, Organization.name)
        .outerjoin(Organization, Organization.id == CareRelation.organization_id)
        .where(CareRelation.elder_id == key)
        .order_by(CareRelation.ended_on.desc().nulls_first(), CareRelation.started_on.desc())
    )
    return [(relation, name or _OUTSIDE) for relation, name in session.execute(statement)]
