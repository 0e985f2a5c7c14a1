"""The disclosure profile, permits and staff of an institution: read for their forms, checked and saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from psycopg.errors import UniqueViolation
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from huiyang.divisions import county_of, division_tree
from huiyang.field_crypto import FieldCrypto, IndexPurpose, row_context
from huiyang.geodesy import bd09_to_gcj02, gcj02_to_wgs84
from huiyang.identifiers import (
    IdNumberStatus,
    PhoneStatus,
    UsccStatus,
    check_id_number,
    normalise_identifier,
    normalise_phone,
    phone_status,
    uscc_status,
)
from huiyang.names import initials_key, normalise_name, pinyin_key
from huiyang.reference.boundaries import counties_at
from operational_app.audit.service import Act
from operational_app.core.base import Code
from operational_app.elders.models import AbilityLevel, Sex
from operational_app.identity.administration import Refused, Stale, Work
from operational_app.institutions import duplicates, rules
from operational_app.institutions.desk import day_of, day_or_none, yuan_or_none
from operational_app.institutions.duplicate_rules import Doubt
from operational_app.institutions.models import (
    Institution,
    InstitutionType,
    MedicalMode,
    Nature,
    OperatingStatus,
    Premises,
    Residency,
)
from operational_app.institutions.views import GRADES
from operational_app.organizations.models import (
    Organization,
    Qualification,
    QualificationKind,
)
from operational_app.workforce.models import Certificate, Occupation, Staff

Form = Mapping[str, str]
_Tracked = TypeVar("_Tracked", Qualification, Staff)
DATUMS = {
    "wgs84": "WGS-84（手机定位、北斗、GPS）",
    "cgcs2000": "CGCS2000（天地图、测绘成果）",
    "gcj02": "GCJ-02（高德、腾讯地图）",
    "bd09": "BD-09（百度地图）",
}
#: CGCS2000 differs by centimetres.
_AS_WGS84 = {"wgs84", "cgcs2000"}
#: A little more than the city, in degrees of WGS-84.
_CITY_BOUNDS = (109.5, 111.3, 20.1, 22.1)
_MOST_BEDS = 5000
_LONGEST = 100


# Fields of the form


@dataclass(frozen=True)
class FormField:
    """A field of the profile's form: where it is kept and how its text is read."""

    name: str
    label: str
    kind: str  # text, day, count, amount, choice, yes_no
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False
    hint: str = ""


def _choice(name: str, label: str, code: type[Code], *, required: bool = False) -> FormField:
    return FormField(name, label, "choice", tuple((member.value, member.label) for member in code), required)


def _fees(name: str, label: str) -> tuple[FormField, FormField]:
    low, high = FormField(f"{name}_min_yuan", f"{label}最低", "amount"), f"{label}最高"
    return low, FormField(f"{name}_max_yuan", high, "amount")


_CODES: dict[str, type[Code]] = {
    "institution_type": InstitutionType, "nature": Nature, "operating_status": OperatingStatus,
    "medical_mode": MedicalMode, "premises": Premises,
}  # fmt: skip
IDENTITY_FIELDS = (
    FormField("credit_code", "统一社会信用代码", "text", hint="18 位；保存时校验"),
    FormField("legal_person", "法定代表人", "text"),
    FormField("registrar", "登记机关", "text"),
    FormField("established_on", "成立日期", "day"),
    FormField("address", "地址", "text"),
    FormField("contact_name", "联系人", "text"),
)
PROFILE_SECTIONS: tuple[tuple[str, tuple[FormField, ...]], ...] = (
    (
        "机构性质与运营",
        (
            _choice("institution_type", "机构类型", InstitutionType, required=True),
            _choice("nature", "机构性质", Nature, required=True),
            _choice("operating_status", "运营状态", OperatingStatus, required=True),
            FormField("operator_name", "运营方", "text", hint="公办、公建民营机构填写"),
            FormField("opened_on", "开业日期", "day"),
            FormField(
                "grade", "等级", "choice", tuple((str(grade), label) for grade, label in GRADES.items()),
                hint="GB/T 37276；没有评定选“未评定”",
            ),
        ),
    ),
    (
        "规模与场所",
        (
            FormField("licensed_bed_count", "核定床位", "count"),
            FormField("nursing_bed_count", "护理型床位", "count"),
            FormField("full_time_bed_count", "全日托床位", "count"),
            FormField("day_care_bed_count", "日托床位", "count"),
            FormField("land_area_m2", "占地面积（平方米）", "amount"),
            FormField("building_area_m2", "建筑面积（平方米）", "amount"),
            _choice("premises", "房屋性质", Premises),
        ),
    ),
    (
        "收住与保障",
        (
            FormField("admits_self_reliant", "收住自理老人", "yes_no"),
            FormField("admits_partly_disabled", "收住部分失能老人", "yes_no"),
            FormField("admits_disabled", "收住失能老人", "yes_no"),
            FormField("admits_dementia", "收住失智老人", "yes_no"),
            _choice("medical_mode", "医疗条件", MedicalMode),
            FormField("medical_insurance_designated", "医保定点", "yes_no"),
            FormField("has_liability_insurance", "责任保险", "yes_no"),
        ),
    ),
    (
        "收费标准（元/月，押金为一次性）",
        (
            *_fees("bed_fee", "床位费"),
            *_fees("nursing_fee", "护理费"),
            *_fees("meal_fee", "餐费"),
            *_fees("deposit", "押金"),
        ),
    ),
)  # fmt: skip
_PROFILE_FIELDS = tuple(field for _, fields in PROFILE_SECTIONS for field in fields)


def shown(value: Any) -> str:
    """A stored value as its field shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Code):
        return value.value
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)


def form_of(institution: Institution, organization: Organization, phone: str | None) -> dict[str, str]:
    """The form of a profile as it is stored."""
    given = {field.name: shown(getattr(institution, field.name)) for field in _PROFILE_FIELDS}
    given |= {field.name: shown(getattr(organization, field.name)) for field in IDENTITY_FIELDS}
    given |= {
        "contact_phone": phone or "", "longitude": shown(organization.longitude_wgs84),
        "latitude": shown(organization.latitude_wgs84), "datum": "wgs84",
        "institution_version": str(institution.row_version), "organization_version": str(organization.row_version),
    }  # fmt: skip
    return given


def _read(field: FormField, text: str) -> Any:
    text = " ".join(text.split())
    if not text:
        if field.required:
            raise Refused(f"请填写{field.label}。")
        return None
    if field.kind == "day":
        return day_or_none(text, field.label)
    if field.kind == "amount":
        return yuan_or_none(text, field.label)
    if field.kind == "yes_no":
        return text == "yes"
    if field.kind == "count":
        if not text.isdecimal() or int(text) > _MOST_BEDS:
            raise Refused(f"{field.label}应为 0 至 {_MOST_BEDS} 的整数。")
        return int(text)
    if field.kind == "choice":
        if text not in dict(field.choices):
            raise Refused(f"请选择{field.label}。")
        return int(text) if field.name == "grade" else next(code for code in _CODES[field.name] if code.value == text)
    if len(text) > _LONGEST:
        raise Refused(f"{field.label}不能超过 {_LONGEST} 个字。")
    return text


def position_wgs84(longitude: str, latitude: str, datum: str) -> tuple[float, float] | None:
    """A typed position of the given datum (key of DATUMS) as (longitude, latitude) in WGS-84; None where none is given.

    Raises:
        Refused: half a position, no numbers, an unknown datum, outside the city, the numbers the wrong way round.
    """
    if not longitude.strip() and not latitude.strip():
        return None
    try:
        x, y = float(longitude), float(latitude)
    except ValueError:
        raise Refused("经度和纬度请都填写数字，例如 110.3594、21.2707。") from None
    if datum not in DATUMS:
        raise Refused("请选择坐标来源。")
    if datum == "bd09":
        x, y = (float(value) for value in bd09_to_gcj02(x, y))
    if datum not in _AS_WGS84:
        x, y = (float(value) for value in gcj02_to_wgs84(x, y))
    if _near_the_city(float(latitude), float(longitude)):
        raise Refused(f"经度和纬度填反了：经度应为 {latitude.strip()}，纬度应为 {longitude.strip()}。")
    if not _near_the_city(x, y):
        raise Refused("这个位置不在湛江市范围内，请核对经度、纬度和坐标来源。")
    return round(x, 7), round(y, 7)


def _near_the_city(longitude: float, latitude: float) -> bool:
    west, east, south, north = _CITY_BOUNDS
    return west <= longitude <= east and south <= latitude <= north


class Unconfirmed(Refused):
    """A position that may be right but looks wrong; `CONFIRMED` in the form says that it is right."""


CONFIRMED = "position_confirmed"


def _check_county(place: tuple[float, float], division_code: str) -> None:
    """The boundaries are right to some 200 m, so a position beyond them is doubted, not refused."""
    tree = division_tree()
    own = county_of(division_code)
    lies_in = counties_at([place[0]], [place[1]])[0]
    if own is None or lies_in == own:
        return
    where = f"在{tree[lies_in].name}" if lies_in else "不在湛江市任何一个县（市、区）内"
    raise Unconfirmed(
        f"这个位置{where}，而机构登记在{tree[own].name}。请核对坐标和坐标来源；确认无误的，请勾选后再保存。"
    )


def save(work: Work, crypto: FieldCrypto, institution_id: int, given: Form) -> None:
    """Saves the whole profile.

    Raises:
        Refused: a field is wrong, the credit code is another organization's, stale.
        Unconfirmed: a new position lies in another county.
        LikelyDuplicates: the change makes likely duplicates that are not acknowledged.
    """
    institution = work.session.get_one(Institution, institution_id, populate_existing=True, with_for_update=True)
    organization = work.session.get_one(
        Organization, institution.organization_id, populate_existing=True, with_for_update=True
    )
    versions = (str(institution.row_version), str(organization.row_version))
    if (given.get("institution_version"), given.get("organization_version")) != versions:
        raise Stale
    values = {field.name: _read(field, given.get(field.name, "")) for field in _PROFILE_FIELDS}
    identity = {field.name: _read(field, given.get(field.name, "")) for field in IDENTITY_FIELDS}
    identity |= _checked_identity(identity, work.at.date())
    _check_profile(values, work.at.date())
    place = position_wgs84(given.get("longitude", ""), given.get("latitude", ""), given.get("datum", ""))
    before = (organization.longitude_wgs84, organization.latitude_wgs84)
    has_moved = place is not None and place != before
    if place is not None and has_moved and given.get(CONFIRMED) != "1":
        _check_county(place, organization.division_code)
    identity |= dict(zip(("longitude_wgs84", "latitude_wgs84"), place or (None, None), strict=True))
    identity |= _sealed_phone(
        crypto, given.get("contact_phone", ""), "organizations.organization", organization.id, "contact_phone"
    )
    doubts = _check_duplicates(work, crypto, institution, organization, identity, given)
    changed = _assign(institution, values) + _assign(organization, identity)
    institution.row_version += 1
    organization.row_version += 1
    _flush(work, "统一社会信用代码已属于另一家单位，请核对；如果是重复登记的机构，请联系主管部门合并。")
    work.note(
        Act.INSTITUTION_CHANGE, ("institutions.institution", institution_id), fields=sorted(changed),
        moved=has_moved, **(_as_typed(given) if has_moved else {}),
    )  # fmt: skip
    for doubt in doubts:
        duplicates.acknowledge(work, doubt, "机构保存信息时确认不是同一家")


def _check_duplicates(
    work: Work, crypto: FieldCrypto, institution: Institution, organization: Organization,
    identity: Mapping[str, Any], given: Form,
) -> list[Doubt]:  # fmt: skip
    """Likely duplicates that the new identity makes, all of them acknowledged."""
    place = (identity["longitude_wgs84"], identity["latitude_wgs84"])
    before = duplicates.candidate_of(crypto, institution, organization)
    after = replace(
        before, credit_code=identity["credit_code"], address=identity["address"],
        phone=normalise_phone(given.get("contact_phone", "")) or None,
        position_wgs84=None if None in place else place,
    )  # fmt: skip
    return duplicates.check_change(work, crypto, before, after, given.get(duplicates.ACKNOWLEDGED, ""))


def _as_typed(given: Form) -> dict[str, str]:
    """A position as it was given, for the record: what is stored was converted."""
    return {f"given_{name}": given.get(name, "").strip()[:20] for name in ("longitude", "latitude", "datum")}


def _checked_identity(identity: dict[str, Any], today: date) -> dict[str, Any]:
    code = normalise_identifier(identity["credit_code"] or "") or None
    status = uscc_status(code)
    if status not in (UsccStatus.VALID, UsccStatus.MISSING):
        raise Refused("统一社会信用代码不正确，请对照登记证书核对 18 位代码。")
    if identity["established_on"] and identity["established_on"] > today:
        raise Refused("成立日期不能晚于今天。")
    return {"credit_code": code, "credit_code_status": status.value}


def _check_profile(values: dict[str, Any], today: date) -> None:
    if values["opened_on"] and values["opened_on"] > today:
        raise Refused("开业日期不能晚于今天。")
    for name, label in (("bed_fee", "床位费"), ("nursing_fee", "护理费"), ("meal_fee", "餐费"), ("deposit", "押金")):
        low, high = values[f"{name}_min_yuan"], values[f"{name}_max_yuan"]
        if low is not None and high is not None and low > high:
            raise Refused(f"{label}最低不能高于最高。")
    licensed, nursing = values["licensed_bed_count"], values["nursing_bed_count"]
    if licensed is not None and nursing is not None and nursing > licensed:
        raise Refused("护理型床位不能多于核定床位。")


def _sealed_phone(crypto: FieldCrypto, text: str, table: str, key: int, name: str) -> dict[str, Any]:
    number = normalise_phone(text)
    status = phone_status(number)
    if status is PhoneStatus.INVALID:
        raise Refused("电话号码不正确，请填写手机号或带区号的座机。")
    column = f"{name}_cipher"
    cipher = crypto.encrypt(number, row_context(table, column, key)) if number else None
    return {column: cipher, f"{name}_status": status.value}


def _assign(record: Any, values: dict[str, Any]) -> list[str]:
    changed = [name for name, value in values.items() if getattr(record, name) != value]
    for name in changed:
        setattr(record, name, values[name])
    return changed


def _flush(work: Work, taken: str) -> None:
    try:
        work.session.flush()
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise Refused(taken) from error
        raise


# Completeness and duplicates


def meter(session: Session, institution: Institution, organization: Organization) -> rules.Completeness:
    """How complete the disclosure profile is."""
    permits = set(
        session.scalars(
            select(Qualification.kind).where(
                Qualification.organization_id == organization.id,
                Qualification.number.is_not(None) | Qualification.absent_reason.is_not(None),
            )
        )
    )
    staff = session.scalar(
        select(func.count()).where(Staff.organization_id == organization.id, Staff.left_on.is_(None))
    )
    it, of = institution, organization
    filled = rules.all_filled
    return rules.completeness(
        {
            "credit_code": of.credit_code_status == UsccStatus.VALID.value,
            "established_on": filled([of.established_on]), "legal_person": filled([of.legal_person]),
            "registrar": filled([of.registrar]), "address": filled([of.address]),
            "contact": filled([of.contact_name, of.contact_phone_cipher]),
            "position": filled([of.longitude_wgs84, of.latitude_wgs84]), "opened_on": filled([it.opened_on]),
            "grade": filled([it.grade]), "operator_name": filled([it.operator_name]),
            "beds": filled(
                [it.licensed_bed_count, it.nursing_bed_count, it.full_time_bed_count, it.day_care_bed_count]
            ),
            "areas": filled([it.land_area_m2, it.building_area_m2]), "premises": filled([it.premises]),
            "admits": filled(
                [it.admits_self_reliant, it.admits_partly_disabled, it.admits_disabled, it.admits_dementia]
            ),
            "insurance": filled([it.has_liability_insurance]),
            "bed_fee": filled([it.bed_fee_min_yuan, it.bed_fee_max_yuan]),
            "nursing_fee": filled([it.nursing_fee_min_yuan, it.nursing_fee_max_yuan]),
            "meal_fee": filled([it.meal_fee_min_yuan, it.meal_fee_max_yuan]),
            "deposit": filled([it.deposit_min_yuan, it.deposit_max_yuan]),
            "medical": filled([it.medical_mode, it.medical_insurance_designated]),
            "fire": QualificationKind.FIRE in permits, "food": QualificationKind.FOOD in permits,
            "medical_permit": QualificationKind.MEDICAL in permits, "staff": bool(staff),
        },
        needs_operator=it.nature is not Nature.PRIVATE,
    )  # fmt: skip


# Permits


def save_permit(work: Work, organization_id: int, permit_id: int | None, given: Form) -> None:
    """A permit with its dates, or the reason why there is none.

    Raises:
        Refused: neither number nor reason, dates the wrong way round, stale.
    """
    kinds = {kind.value: kind for kind in QualificationKind}
    if given.get("kind", "") not in kinds:
        raise Refused("请选择证照。")
    texts = [" ".join(given.get(name, "").split())[:_LONGEST] for name in ("number", "absent_reason")]
    number, why_none = (text or None for text in texts)
    issued_on = day_or_none(given.get("issued_on", ""), "发证日期")
    expires_on = day_or_none(given.get("expires_on", ""), "有效期至")
    if (number is None) == (why_none is None):
        raise Refused("请填写证照编号；没有取得的，编号留空并写明原因。")
    if number is None and (issued_on or expires_on):
        raise Refused("没有取得证照时，不填发证日期和有效期。")
    if issued_on and expires_on and expires_on < issued_on:
        raise Refused("有效期不能早于发证日期。")
    if issued_on and issued_on > work.at.date():
        raise Refused("发证日期不能晚于今天。")
    values = {
        "kind": kinds[given["kind"]], "number": number, "issued_on": issued_on, "expires_on": expires_on,
        "absent_reason": why_none,
    }  # fmt: skip
    if permit_id is None:
        permit = Qualification(organization_id=organization_id, **values)
        work.session.add(permit)
    else:
        permit = _versioned(work, Qualification, permit_id, given)
        if permit.organization_id != organization_id:
            raise Refused("请选择本机构的证照。")
        _assign(permit, values)
    work.session.flush()
    work.note(Act.INSTITUTION_CHANGE, ("organizations.qualification", permit.id), fields=sorted(values))


def _versioned(work: Work, model: type[_Tracked], key: int, given: Form) -> _Tracked:
    """The record, held; its version counted up. Refused if the form was made from an older one."""
    record = work.session.get(model, key, populate_existing=True, with_for_update=True)
    if record is None or str(record.row_version) != given.get("row_version"):
        raise Stale
    record.row_version += 1
    return record


# Staff

_STAFF_TABLE = "workforce.staff"


def save_staff(work: Work, crypto: FieldCrypto, institution: Institution, staff_id: int | None, given: Form) -> Staff:
    """A member of staff.

    Raises:
        Refused: a field is wrong, the person is on the list already, stale.
    """
    name = normalise_name(given.get("name", ""))
    if not name or len(name) > 30:
        raise Refused("请填写姓名，不超过 30 个字。")
    occupations = {occupation.value: occupation for occupation in Occupation}
    if given.get("occupation", "") not in occupations:
        raise Refused("请选择岗位。")
    employed_on = day_of(given.get("employed_on", ""), "入职日期")
    if problem := rules.why_not_on(employed_on, work.at.date()):
        raise Refused(problem)
    values: dict[str, Any] = {
        "name": name, "name_pinyin": pinyin_key(name), "name_initials": initials_key(name),
        "occupation": occupations[given["occupation"]], "education": given.get("education", "").strip()[:20] or None,
        "employed_on": employed_on,
    }  # fmt: skip
    typed = given.get("id_number", "").strip()
    check = check_id_number(typed, as_of=work.at.date()) if typed else None
    if check is not None and check.status is not IdNumberStatus.VALID:
        raise Refused("身份证号不正确，请对照身份证核对。")
    if staff_id is None:
        if check is None:
            raise Refused("请填写身份证号。")
        staff = Staff(
            organization_id=institution.organization_id, division_code=institution.division_code, sex=Sex.UNKNOWN,
            id_number_status=IdNumberStatus.MISSING.value, phone_status=PhoneStatus.MISSING.value, **values,
        )  # fmt: skip
        work.session.add(staff)
        work.session.flush()
    else:
        staff = _versioned(work, Staff, staff_id, given)
        if staff.organization_id != institution.organization_id:
            raise Refused("请选择本机构的人员。")
        _assign(staff, values)
    if check is not None:
        index = crypto.blind_index(check.number, IndexPurpose.ID_NUMBER)
        again = select(Staff.id).where(
            Staff.organization_id == institution.organization_id, Staff.id_number_index == index,
            Staff.left_on.is_(None), Staff.id != staff.id,
        )  # fmt: skip
        if work.session.scalars(again.limit(1)).first() is not None:
            raise Refused("这个身份证号的人员已在本机构在岗名单中，不能重复添加。")
        staff.id_number_cipher = crypto.encrypt(check.number, row_context(_STAFF_TABLE, "id_number_cipher", staff.id))
        staff.id_number_index, staff.id_number_status = index, check.status.value
        staff.sex = next((sex for sex in Sex if check.sex and sex.value == check.sex.value), Sex.UNKNOWN)
        staff.birth_month = check.birth_date.replace(day=1) if check.birth_date else None
    if given.get("phone", "").strip() or staff_id is None:
        _assign(staff, _sealed_phone(crypto, given.get("phone", ""), _STAFF_TABLE, staff.id, "phone"))
        number = normalise_phone(given.get("phone", ""))
        staff.phone_index = crypto.blind_index(number, IndexPurpose.PHONE) if number else None
    work.session.flush()
    work.note(Act.STAFF_CHANGE, (_STAFF_TABLE, staff.id), fields=sorted(values))
    return staff


def end_employment(work: Work, staff_id: int, given: Form) -> None:
    """离职.

    Raises:
        Refused: a day that cannot be, gone already, stale.
    """
    on = day_of(given.get("left_on", ""), "离职日期")
    staff = _versioned(work, Staff, staff_id, given)
    if staff.left_on is not None:
        raise Refused("已登记离职。")
    if problem := rules.why_not_on(on, work.at.date(), last=staff.employed_on, what="入职日期"):
        raise Refused(problem)
    staff.left_on = on
    work.session.flush()
    work.note(Act.STAFF_CHANGE, (_STAFF_TABLE, staff.id), left=True)


def add_certificate(work: Work, staff_id: int, given: Form) -> None:
    """A certificate or health check of a member of staff.

    Raises:
        Refused: no name, dates the wrong way round.
    """
    kind, level, number = (" ".join(given.get(name, "").split())[:50] for name in ("kind", "level", "number"))
    if not kind:
        raise Refused("请填写证书名称。")
    issued_on = day_or_none(given.get("issued_on", ""), "发证日期")
    expires_on = day_or_none(given.get("expires_on", ""), "有效期至")
    if issued_on and issued_on > work.at.date():
        raise Refused("发证日期不能晚于今天。")
    if issued_on and expires_on and expires_on < issued_on:
        raise Refused("有效期不能早于发证日期。")
    certificate = Certificate(
        staff_id=staff_id, kind=kind, level=level or None, number=number or None, issued_on=issued_on,
        expires_on=expires_on,
    )  # fmt: skip
    work.session.add(certificate)
    work.session.flush()
    work.note(Act.STAFF_CHANGE, ("workforce.certificate", certificate.id), kind=kind)


def staff_need(session: Session, institution: Institution) -> rules.StaffNeed:
    """Care workers against the norm, for who lives there now."""
    levels: list[tuple[AbilityLevel | None, int]] = [
        (level, count)
        for level, count in session.execute(
            select(Residency.ability_level, func.count())
            .where(Residency.institution_id == institution.id, Residency.discharged_on.is_(None))
            .group_by(Residency.ability_level)
        )
    ]
    workers = session.scalar(
        select(func.count()).where(
            Staff.organization_id == institution.organization_id, Staff.left_on.is_(None),
            Staff.occupation == Occupation.CARE_WORKER,
        )
    )  # fmt: skip
    return rules.staff_need(dict(levels), workers or 0)
