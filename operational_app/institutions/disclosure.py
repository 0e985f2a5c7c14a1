"""What an institution discloses, for the map, the public list and their conditions; no person is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from huiyang.divisions import county_of, division_tree
from huiyang.names import normalise_name
from operational_app.institutions.models import (
    Bed,
    BedStatus,
    Institution,
    InstitutionType,
    MedicalMode,
    Nature,
    OperatingStatus,
)
from operational_app.institutions.queries import lives_there
from operational_app.institutions.views import GRADES
from operational_app.organizations.models import Organization

_MOST_YUAN = Decimal(1_000_000)
MEDICAL_CHOICES = (
    ("internal", "内设医疗机构"), ("contracted", "签约医疗机构"), ("insured", "医保定点"),
)  # fmt: skip


@dataclass(frozen=True)
class Disclosed:
    """One institution.

    Attributes:
        position_wgs84: (longitude, latitude) in degrees.
        beds: not closed; free: of these neither taken, reserved nor under repair.
        monthly_yuan: the least that a month costs: bed, nursing and meals, as far as each is stated; None without
            a price of a bed.
    """

    id: int
    name: str
    division_code: str
    address: str | None
    institution_type: InstitutionType
    nature: Nature
    operating_status: OperatingStatus
    grade: int | None
    medical_mode: MedicalMode | None
    is_insured: bool | None
    monthly_yuan: Decimal | None
    position_wgs84: tuple[float, float] | None
    beds: int
    free: int

    @property
    def county_code(self) -> str | None:
        return county_of(self.division_code)

    @property
    def grade_label(self) -> str | None:
        return None if self.grade is None else GRADES[self.grade]

    @property
    def medical_label(self) -> str | None:
        """内设医疗机构 · 医保定点; None where nothing is stated."""
        parts = [self.medical_mode.label if self.medical_mode and self.medical_mode is not MedicalMode.NONE else ""]
        parts.append("医保定点" if self.is_insured else "")
        return " · ".join(filter(None, parts)) or None


@dataclass(frozen=True)
class Wanted:
    """Conditions of a search; None asks for nothing. Fees are compared with `Disclosed.monthly_yuan`."""

    county: str | None = None
    nature: str | None = None
    grade: int | None = None
    medical: str | None = None
    name: str | None = None
    has_vacancy: bool = False
    fee_from: Decimal | None = None
    fee_to: Decimal | None = None


def wanted_of(given: Mapping[str, str]) -> tuple[Wanted, list[str]]:
    """The conditions of an address, and what is wrong with them; what is wrong asks for nothing."""
    problems: list[str] = []

    def one_of(name: str, label: str, choices: Iterable[str]) -> str | None:
        text = given.get(name, "").strip()
        if text and text not in choices:
            problems.append(f"没有这种{label}，已忽略该条件。")
            return None
        return text or None

    def yuan(name: str, label: str) -> Decimal | None:
        text = given.get(name, "").strip()
        try:
            value = Decimal(text) if text else None
        except InvalidOperation:
            value = Decimal(-1)
        if value is not None and not (value.is_finite() and 0 <= value <= _MOST_YUAN):
            problems.append(f"{label}应为不小于 0 的数字，已忽略该条件。")
            return None
        return value

    grade = one_of("grade", "等级", map(str, GRADES))
    fee_from, fee_to = yuan("fee_from", "最低费用"), yuan("fee_to", "最高费用")
    if fee_from is not None and fee_to is not None and fee_from > fee_to:
        problems.append("最低费用高于最高费用，已对调。")
        fee_from, fee_to = fee_to, fee_from
    wanted = Wanted(
        county=one_of("county", "县（市、区）", [code for code, _ in county_choices()]),
        nature=one_of("nature", "机构性质", list(Nature)), grade=None if grade is None else int(grade),
        medical=one_of("medical", "医疗条件", [value for value, _ in MEDICAL_CHOICES]),
        name=normalise_name(given.get("name", ""))[:50] or None, has_vacancy=given.get("vacancy") == "1",
        fee_from=fee_from, fee_to=fee_to,
    )  # fmt: skip
    return wanted, problems


def county_choices() -> list[tuple[str, str]]:
    """(code, name) of the counties, in the order of their codes."""
    tree = division_tree()
    return [(county.code, county.name) for county in tree.children(tree.root.code)]


def matches(it: Disclosed, wanted: Wanted) -> bool:
    """Whether an institution meets every condition; what it does not state meets none."""
    month = it.monthly_yuan
    return (
        wanted.county in (None, it.county_code)
        and wanted.nature in (None, it.nature.value)
        and wanted.grade in (None, it.grade)
        and (wanted.medical is None or _has_medical(it, wanted.medical))
        and (wanted.name is None or wanted.name in it.name)
        and not (wanted.has_vacancy and it.free == 0)
        and (wanted.fee_from is None or (month is not None and month >= wanted.fee_from))
        and (wanted.fee_to is None or (month is not None and month <= wanted.fee_to))
    )


def _has_medical(it: Disclosed, kind: str) -> bool:
    return it.is_insured is True if kind == "insured" else it.medical_mode is not None and it.medical_mode == kind


def by_county(found: Iterable[Disclosed]) -> list[tuple[str, str, int, int]]:
    """(code, name, institutions, free beds) of every county."""
    counts: Counter[str | None] = Counter()
    free: Counter[str | None] = Counter()
    for it in found:
        counts[it.county_code] += 1
        free[it.county_code] += it.free
    return [(code, name, counts[code], free[code]) for code, name in county_choices()]


def disclosed(session: Session, today: date, *conditions: ColumnElement[bool]) -> list[Disclosed]:
    """The institutions of the session's scope that are not closed, by name."""
    rows = session.execute(
        select(Institution, Organization)
        .join(Organization, Organization.id == Institution.organization_id)
        .where(Institution.operating_status != OperatingStatus.CLOSED, *conditions)
        .order_by(Organization.name_pinyin, Institution.id)
    ).all()
    counted = session.execute(
        select(
            Bed.institution_id,
            func.count(),
            func.count().filter(Bed.status == BedStatus.FREE, ~lives_there(today)),
        )
        .where(Bed.status != BedStatus.CLOSED, Bed.institution_id.in_([institution.id for institution, _ in rows]))
        .group_by(Bed.institution_id)
    )
    beds = {key: (count, free) for key, count, free in counted}
    return [
        _disclosed(institution, organization, *beds.get(institution.id, (0, 0))) for institution, organization in rows
    ]


def _disclosed(institution: Institution, organization: Organization, beds: int, free: int) -> Disclosed:
    x, y = organization.longitude_wgs84, organization.latitude_wgs84
    parts = (institution.bed_fee_min_yuan, institution.nursing_fee_min_yuan, institution.meal_fee_min_yuan)
    return Disclosed(
        id=institution.id, name=organization.name, division_code=institution.division_code,
        address=organization.address, institution_type=institution.institution_type, nature=institution.nature,
        operating_status=institution.operating_status, grade=institution.grade,
        medical_mode=institution.medical_mode, is_insured=institution.medical_insurance_designated,
        monthly_yuan=None if parts[0] is None else sum((part for part in parts if part is not None), Decimal(0)),
        position_wgs84=None if x is None or y is None else (x, y), beds=beds, free=free,
    )  # fmt: skip
