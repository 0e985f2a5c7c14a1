"""养老机构: organizations of every kind, institutions, beds, residencies, qualifications."""

from __future__ import annotations

from expectations.catalogue.building_blocks import (
    DIVISION,
    code_rule,
    division_rule,
    future_rule,
    is_open,
    order_rule,
    parent,
    reference_rule,
    repeated,
    text_list,
)
from expectations.catalogue.facilities import IN_CITY
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject, Theme
from huiyang.identifiers import CODE_SERIAL_DIGITS, CodeKind, PhoneStatus, UsccStatus
from operational_app.elders.models import AbilityLevel
from operational_app.institutions.models import (
    BedKind,
    BedStatus,
    DischargeReason,
    InstitutionType,
    MedicalMode,
    Nature,
    OperatingStatus,
)
from operational_app.organizations.models import OrganizationKindCode, OrganizationStatus, QualificationKind

BAD_CREDIT_CODE = text_list([s.value for s in UsccStatus if s not in (UsccStatus.VALID, UsccStatus.MISSING)])
_OPERATING = "operating_status = 'operating'"
_RESIDENT = is_open("admitted_on", "discharged_on", "{period_end}")

ORGANIZATION = Subject(
    table="organization",
    prefix="ORG",
    theme=Theme.INSTITUTION,
    name="组织",
    owner=Owner.ORGANIZATION,
    has_own_division=True,
    lookups=(
        DIVISION,
        repeated("organization", ("credit_code",), "credit_code_repeated"),
        repeated("organization", ("organization_code",), "organization_code_repeated"),
        repeated("organization", ("name", "county_code"), "name_repeated"),
        Lookup(
            {"has_kind": "capacity.organization_id is not null"},
            "left join (select distinct organization_id from {records}.int_organization_kind) as capacity"
            " on capacity.organization_id = record.id",
        ),
    ),
)

ORGANIZATION_KIND = Subject(
    table="organization_kind",
    prefix="KND",
    theme=Theme.INSTITUTION,
    name="组织身份",
    owner=Owner.ORGANIZATION,
    lookups=(
        parent("organization", "organization_id", "organization"),
        repeated("organization_kind", ("organization_id", "kind"), "kind_repeated"),
    ),
)


def _permit(kind: str) -> str:
    """Whether an organization holds a permit that is valid at the period's end, or states why it has none."""
    return (
        f"bool_or(kind = '{kind}' and (absent_reason is not null"
        " or (number is not null and (expires_on is null or expires_on >= {period_end}))))"
    )


#: Organizations that an outside register of institutions names, by credit code or 机构码, as due at the period's end.
_REGISTERED = " union ".join(
    "select organization.id as organization_id from {records}.int_organization as organization"
    f" inner join {{records}}.int_due_register as due on due.register_key = organization.{code}"
    f" where due.theme = '{Theme.INSTITUTION}' and due.due_from <= {{period_end}}"
    " and (due.due_until is null or due.due_until >= {period_end})"
    for code in ("credit_code", "organization_code")
)

INSTITUTION = Subject(
    table="institution",
    prefix="INS",
    theme=Theme.INSTITUTION,
    name="养老机构",
    owner=Owner.INSTITUTION,
    has_own_division=True,
    lookups=(
        DIVISION,
        parent(
            "organization",
            "organization_id",
            "organization",
            ("division_code", "status", "credit_code", "organization_code"),
        ),
        Lookup(
            {"is_registered": "registered.organization_id is not null"},
            f"left join ({_REGISTERED}) as registered on registered.organization_id = record.organization_id",
        ),
        Lookup(
            {"county_has_register": "covered.county_code is not null"},
            "left join (select distinct institution.county_code from {records}.int_institution as institution"
            f" inner join ({_REGISTERED}) as listed on listed.organization_id = institution.organization_id)"
            " as covered on covered.county_code = record.county_code",
        ),
        repeated("institution", ("organization_id",), "organization_repeated"),
        Lookup(
            {
                "resident_count": "coalesce(residence.resident_count, 0)",
                "latest_admission_on": "residence.latest_admission_on",
            },
            "left join (select institution_id, count(*) as resident_count, max(admitted_on) as latest_admission_on"
            f" from {{records}}.int_residency where {_RESIDENT} group by institution_id) as residence"
            " on residence.institution_id = record.id",
        ),
        Lookup(
            {
                "open_bed_count": "coalesce(beds.open_bed_count, 0)",
                "occupied_bed_count": "coalesce(beds.occupied_bed_count, 0)",
            },
            "left join (select institution_id,"
            " sum(case when status <> 'closed' then 1 else 0 end) as open_bed_count,"
            " sum(case when status = 'occupied' then 1 else 0 end) as occupied_bed_count"
            " from {records}.int_bed group by institution_id) as beds on beds.institution_id = record.id",
        ),
        Lookup(
            {
                "has_filing": "coalesce(permits.has_filing, false)",
                "has_fire_permit": "coalesce(permits.has_fire, false)",
                "has_food_permit": "coalesce(permits.has_food, false)",
                "has_medical_permit": "coalesce(permits.has_medical, false)",
            },
            "left join (select organization_id,"
            f" {_permit('institution_filing')} as has_filing, {_permit('fire')} as has_fire,"
            f" {_permit('food')} as has_food, {_permit('medical')} as has_medical"
            " from {records}.int_qualification group by organization_id) as permits"
            " on permits.organization_id = record.organization_id",
        ),
        Lookup(
            {"care_worker_count": "coalesce(workers.care_worker_count, 0)"},
            "left join (select organization_id, count(*) as care_worker_count from {records}.int_staff"
            " where occupation = 'care_worker' and (left_on is null or left_on > {period_end})"
            " group by organization_id) as workers on workers.organization_id = record.organization_id",
        ),
    ),
)

BED = Subject(
    table="bed",
    prefix="BED",
    theme=Theme.INSTITUTION,
    name="机构床位",
    owner=Owner.INSTITUTION,
    lookups=(
        parent("institution", "institution_id", "institution", ("operating_status",)),
        repeated("bed", ("bed_code",), "bed_code_repeated"),
        repeated("bed", ("room_id", "name"), "name_repeated"),
        Lookup(
            {"resident_count": "coalesce(residence.resident_count, 0)"},
            "left join (select bed_id, count(*) as resident_count from {records}.int_residency"
            f" where {_RESIDENT} group by bed_id) as residence on residence.bed_id = record.id",
        ),
    ),
)

RESIDENCY = Subject(
    table="residency",
    prefix="RES",
    theme=Theme.INSTITUTION,
    name="入住记录",
    owner=Owner.INSTITUTION,
    lookups=(
        parent("elder", "elder_id", "elder", ("died_on", "status", "birth_month")),
        parent("bed", "bed_id", "bed", ("institution_id", "kind")),
        parent("institution", "institution_id", "institution", ("operating_status", "opened_on")),
        repeated("residency", ("elder_id",), "elder_repeated", _RESIDENT),
        repeated("residency", ("bed_id",), "bed_repeated", _RESIDENT),
        Lookup(
            {"assessed_level": "latest.ability_level"},
            "left join (select distinct on (elder_id) elder_id, ability_level, valid_until"
            " from {records}.int_assessment where assessed_on <= {period_end}"
            " order by elder_id, assessed_on desc, id desc) as latest on latest.elder_id = record.elder_id"
            " and (latest.valid_until is null or latest.valid_until >= {period_end})",
        ),
    ),
)

QUALIFICATION = Subject(
    table="qualification",
    prefix="QUA",
    theme=Theme.INSTITUTION,
    name="证照",
    owner=Owner.ORGANIZATION,
    lookups=(
        parent("organization", "organization_id", "organization", ("status",)),
        repeated("qualification", ("kind", "number"), "number_repeated"),
        Lookup(
            {"is_renewed": "newer.organization_id is not null"},
            "left join (select distinct organization_id, kind from {records}.int_qualification"
            " where absent_reason is not null or expires_on is null or expires_on >= {period_end}) as newer"
            " on newer.organization_id = record.organization_id and newer.kind = record.kind",
        ),
    ),
)

SUBJECTS = (ORGANIZATION, ORGANIZATION_KIND, INSTITUTION, BED, RESIDENCY, QUALIFICATION)


def _permit_rule(number: str, column: str, permit: str, applies: str = "true") -> Rule:
    return Rule(
        id=f"INS-{number}",
        subject=INSTITUTION,
        dimension=Dimension.TIMELINESS,
        severity=Severity.ERROR,
        title=f"运营中的机构没有有效的{permit}，也未说明原因",
        definition=f"期末运营中的养老机构须持有有效的{permit}；没有的须登记无证原因（信息公开字段）。",
        applies=_OPERATING + ("" if applies == "true" else f" and {applies}"),
        violated=f"not {column}",
        recommendation=f"上传有效的{permit}，或登记无证原因及整改期限。",
    )


RULES: tuple[Rule, ...] = (
    division_rule(ORGANIZATION),
    code_rule(ORGANIZATION, "credit_code_status", UsccStatus),
    code_rule(ORGANIZATION, "contact_phone_status", PhoneStatus),
    code_rule(ORGANIZATION, "status", OrganizationStatus),
    Rule(
        id="ORG-01",
        subject=ORGANIZATION,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="统一社会信用代码校验不通过",
        definition="统一社会信用代码须符合 GB 32100-2015：18 位、字符集与校验码均正确；首位 1、5、9 等均可。",
        violated=f"credit_code_status in {BAD_CREDIT_CODE}",
        recommendation="对照登记证书更正代码。",
    ),
    Rule(
        id="ORG-02",
        subject=ORGANIZATION,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.CRITICAL,
        title="统一社会信用代码重复",
        definition="一个统一社会信用代码只对应一个组织；一个组织的多种身份登记在组织身份中。",
        applies="credit_code is not null",
        violated="credit_code_repeated",
        recommendation="合并重复的组织，或更正其中一个的代码。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="ORG-03",
        subject=ORGANIZATION,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="组织联系电话格式不正确",
        definition="联系电话须为 11 位手机号或固定电话。",
        violated="contact_phone_status = 'invalid'",
        recommendation="核实后更正。",
    ),
    Rule(
        id="ORG-04",
        subject=ORGANIZATION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="组织注销状态与注销日期不一致",
        definition="已注销的组织须有注销日期；注销日期在期末之前的，状态须为注销。",
        violated="(status = 'closed' and closed_on is null) or (status <> 'closed' and closed_on <= period_end)",
        recommendation="按登记机关公示信息补登或更正。",
    ),
    Rule(
        id="ORG-05",
        subject=ORGANIZATION,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="养老机构或服务商位置不在本市范围内",
        definition="登记在本市区划内的组织，经纬度（WGS-84）须落在湛江市各县（市、区）外接范围内（外扩约 5 公里）。",
        applies="longitude_wgs84 is not null and latitude_wgs84 is not null and division_level is not null",
        violated=f"not ({IN_CITY})",
        recommendation="在地图上重新标点；经纬度颠倒的互换。",
    ),
    future_rule(ORGANIZATION, "06", "established_on"),
    Rule(
        id="ORG-07",
        subject=ORGANIZATION,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.CRITICAL,
        title="机构码重复",
        definition="一个机构码只属于一个组织。",
        applies="organization_code is not null",
        violated="organization_code_repeated",
        recommendation="为后建者重新赋码。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="ORG-08",
        subject=ORGANIZATION,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="机构码格式不正确",
        definition="机构码为区划前六位、字母 J、四位流水号与一位校验码（ISO 7064 MOD 37,36）。",
        applies="organization_code is not null",
        violated=f"organization_code !~ '^[0-9]{{6}}J[0-9]{{{CODE_SERIAL_DIGITS[CodeKind.INSTITUTION]}}}[0-9A-Z]$'",
        recommendation="收回错误的机构码并重新赋码。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="ORG-09",
        subject=ORGANIZATION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="信用代码与其校验结果不一致",
        definition="校验结果为有效的须存有 18 位代码，为缺失的不得存有代码。",
        violated="(credit_code_status = 'valid' and coalesce(length(credit_code), 0) <> 18)"
        " or (credit_code_status = 'missing' and credit_code is not null)",
        recommendation="重新校验并保存组织档案。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="ORG-10",
        subject=ORGANIZATION,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.WARNING,
        title="组织没有登记任何身份",
        definition="每个组织至少有一种身份（养老机构、运营商、服务商等）。",
        violated="not has_kind",
        recommendation="登记组织身份；不再往来的注销。",
    ),
    Rule(
        id="ORG-11",
        subject=ORGANIZATION,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.WARNING,
        title="同一县（市、区）内组织重名",
        definition="同一县（市、区）内的组织名称应唯一。",
        violated="name_repeated",
        recommendation="核实是否重复登记：是则合并。",
    ),
    order_rule(ORGANIZATION, "12", "established_on", "closed_on"),
    reference_rule(ORGANIZATION_KIND, "organization", "组织", "organization_id"),
    code_rule(ORGANIZATION_KIND, "kind", OrganizationKindCode),
    order_rule(ORGANIZATION_KIND, "01", "since", "until"),
    Rule(
        id="KND-02",
        subject=ORGANIZATION_KIND,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="组织的同一身份重复登记",
        definition="一个组织的每种身份只登记一条。",
        violated="kind_repeated",
        recommendation="合并重复的身份。",
        other_owner=Owner.PLATFORM,
    ),
    division_rule(INSTITUTION),
    reference_rule(INSTITUTION, "organization", "组织", "organization_id"),
    code_rule(INSTITUTION, "institution_type", InstitutionType),
    code_rule(INSTITUTION, "nature", Nature),
    code_rule(INSTITUTION, "operating_status", OperatingStatus),
    code_rule(INSTITUTION, "medical_mode", MedicalMode),
    Rule(
        id="INS-01",
        subject=INSTITUTION,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.CRITICAL,
        title="一个组织有多份养老机构档案",
        definition="一个组织至多一份养老机构档案。",
        violated="organization_repeated",
        recommendation="合并重复的机构档案。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="INS-02",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="在住人数超过核定床位数",
        definition="期末在住人数不得超过核定床位数。",
        applies="licensed_bed_count is not null",
        violated="resident_count > licensed_bed_count",
        recommendation="核实超员入住；已退住的登记退住日，核定床位变更的更新档案。",
    ),
    Rule(
        id="INS-03",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="可用床位数超过核定床位数",
        definition="期末未停用的床位档案数不应超过核定床位数。",
        applies="licensed_bed_count is not null",
        violated="open_bed_count > licensed_bed_count",
        recommendation="停用多余的床位档案，或更新核定床位数。",
    ),
    Rule(
        id="INS-04",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="护理型、全托、日托床位数之间不一致",
        definition="护理型床位数不得超过核定床位数；全托与日托床位数之和不得超过核定床位数。",
        applies="licensed_bed_count is not null",
        violated="nursing_bed_count > licensed_bed_count"
        " or full_time_bed_count + day_care_bed_count > licensed_bed_count",
        recommendation="对照备案材料更正各类床位数。",
    ),
    Rule(
        id="INS-05",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="收费标准的最低价高于最高价",
        definition="床位费、护理费、伙食费、押金各自的最低价不得高于最高价。",
        violated="bed_fee_min_yuan > bed_fee_max_yuan or nursing_fee_min_yuan > nursing_fee_max_yuan"
        " or meal_fee_min_yuan > meal_fee_max_yuan or deposit_min_yuan > deposit_max_yuan",
        recommendation="对照公示的收费标准更正。",
    ),
    Rule(
        id="INS-06",
        subject=INSTITUTION,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="收费标准超出合理范围",
        definition="床位费、护理费、伙食费为每月 0 至 50000 元，押金为 0 至 500000 元。",
        violated="bed_fee_min_yuan < 0 or bed_fee_max_yuan > 50000 or nursing_fee_min_yuan < 0"
        " or nursing_fee_max_yuan > 50000 or meal_fee_min_yuan < 0 or meal_fee_max_yuan > 50000"
        " or deposit_min_yuan < 0 or deposit_max_yuan > 500000",
        recommendation="核对计价单位（元/月）后更正。",
    ),
    order_rule(INSTITUTION, "07", "opened_on", "closed_on"),
    future_rule(INSTITUTION, "08", "opened_on"),
    Rule(
        id="INS-09",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="机构关闭状态与关闭日期不一致",
        definition="已关闭的机构须有关闭日期；关闭日期在期末之前的，状态须为已关闭。",
        violated="(operating_status = 'closed' and closed_on is null)"
        " or (operating_status <> 'closed' and closed_on <= period_end)",
        recommendation="补登关闭日期，或更正运营状态。",
    ),
    Rule(
        id="INS-10",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="已关闭的机构仍有在住老人",
        definition="已关闭的养老机构期末不得有在住老人。",
        applies="operating_status = 'closed'",
        violated="resident_count > 0",
        recommendation="登记老人的退住及去向，或更正运营状态。",
    ),
    Rule(
        id="INS-11",
        subject=INSTITUTION,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="等级评定不在 0 至 5 之间",
        definition="等级评定为 1 至 5 级（GB/T 37276），0 为参评未定级。",
        violated="grade not between 0 and 5",
        recommendation="对照等级评定证书更正。",
    ),
    _permit_rule("12", "has_filing", "养老机构备案"),
    _permit_rule("13", "has_fire_permit", "消防证明"),
    _permit_rule("14", "has_food_permit", "食品经营许可"),
    _permit_rule("15", "has_medical_permit", "医疗机构执业许可", "medical_mode = 'internal'"),
    Rule(
        id="INS-16",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="有在住老人而没有在岗护理员",
        definition="期末有在住老人的运营中机构，至少有一名在岗护理员。",
        applies=f"{_OPERATING} and resident_count > 0",
        violated="care_worker_count = 0",
        recommendation="补录在岗护理员。",
    ),
    Rule(
        id="INS-17",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="入住床位数与在住人数不一致",
        definition="期末状态为入住的床位数，须等于期末在住人数。",
        violated="occupied_bed_count <> resident_count",
        recommendation="逐床核对床态：空床仍显示入住的改为空闲，在住而床位空闲的改为入住。",
    ),
    Rule(
        id="INS-18",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="机构所在区划与其组织的区划不属同一县（市、区）",
        definition="养老机构与其组织应在同一县（市、区）；异地分支须另立组织。",
        applies="organization_division_code is not null",
        violated="left(division_code, 6) <> left(organization_division_code, 6)",
        recommendation="核实经营地址后更正区划。",
    ),
    Rule(
        id="INS-19",
        subject=INSTITUTION,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="占地或建筑面积不合理",
        definition="占地面积、建筑面积为 20 至 1000000 平方米。",
        violated="land_area_m2 not between 20 and 1000000 or building_area_m2 not between 20 and 1000000",
        recommendation="核对计量单位（平方米）后更正。",
    ),
    Rule(
        id="INS-20",
        subject=INSTITUTION,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="核定床位数不合理",
        definition="运营中机构的核定床位数为 1 至 5000。",
        applies=f"{_OPERATING} and licensed_bed_count is not null",
        violated="licensed_bed_count not between 1 and 5000",
        recommendation="对照备案回执更正。",
    ),
    Rule(
        id="INS-21",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="机构运营而其组织已注销",
        definition="运营中的养老机构，其组织状态不得为注销。",
        applies=_OPERATING,
        violated="organization_status = 'closed'",
        recommendation="核实登记状态，办理变更或关闭。",
    ),
    reference_rule(BED, "institution", "养老机构", "institution_id"),
    code_rule(BED, "kind", BedKind),
    code_rule(BED, "status", BedStatus),
    Rule(
        id="BED-01",
        subject=BED,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.CRITICAL,
        title="床位码重复",
        definition="一个床位码只属于一张床位。",
        applies="bed_code is not null",
        violated="bed_code_repeated",
        recommendation="为后建者重新赋码。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="BED-02",
        subject=BED,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="床位码格式不正确",
        definition="床位码为区划前六位、字母 C、六位流水号与一位校验码（ISO 7064 MOD 37,36）。",
        applies="bed_code is not null",
        violated=f"bed_code !~ '^[0-9]{{6}}C[0-9]{{{CODE_SERIAL_DIGITS[CodeKind.BED]}}}[0-9A-Z]$'",
        recommendation="收回错误的床位码并重新赋码。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="BED-03",
        subject=BED,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="床态与在住记录不一致",
        definition="状态为入住的床位期末须有在住老人；有在住老人的床位状态须为入住。",
        violated="(status = 'occupied') <> (resident_count > 0)",
        recommendation="现场核对后更正床态或登记退住。",
    ),
    Rule(
        id="BED-04",
        subject=BED,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="床位停用状态与停用日期不一致",
        definition="停用的床位须有停用日期；停用日期在期末之前的，状态须为停用。",
        violated="(status = 'closed' and closed_on is null) or (status <> 'closed' and closed_on <= period_end)",
        recommendation="补登停用日期，或更正床态。",
    ),
    order_rule(BED, "05", "opened_on", "closed_on"),
    Rule(
        id="BED-06",
        subject=BED,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一房间内床位号重复",
        definition="同一房间内的床位号唯一。",
        violated="name_repeated",
        recommendation="更正床位号或停用重复的床位。",
    ),
    Rule(
        id="BED-07",
        subject=BED,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="机构已关闭，床位未停用",
        definition="已关闭机构的床位期末应为停用。",
        applies="institution_operating_status = 'closed'",
        violated="status <> 'closed'",
        recommendation="停用该机构的全部床位。",
    ),
    reference_rule(RESIDENCY, "elder", "老人", "elder_id"),
    reference_rule(RESIDENCY, "bed", "床位", "bed_id"),
    reference_rule(RESIDENCY, "institution", "养老机构", "institution_id"),
    code_rule(RESIDENCY, "discharge_reason", DischargeReason),
    code_rule(RESIDENCY, "ability_level", AbilityLevel),
    Rule(
        id="RES-01",
        subject=RESIDENCY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="床位不属于入住的机构",
        definition="入住记录的床位须属于同一养老机构。",
        applies="bed_institution_id is not null",
        violated="bed_institution_id <> institution_id",
        recommendation="更正床位或机构。",
    ),
    order_rule(RESIDENCY, "02", "admitted_on", "discharged_on"),
    Rule(
        id="RES-03",
        subject=RESIDENCY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人已故仍在住",
        definition="期末前已故的老人不得仍为在住。",
        applies=is_open("admitted_on", "discharged_on", "period_end"),
        violated="elder_died_on <= period_end",
        recommendation="登记退住，原因为身故；补贴多发的按调整处理。",
    ),
    Rule(
        id="RES-04",
        subject=RESIDENCY,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一老人同时住两张床",
        definition="一位老人任一日至多占用一张床位。",
        applies=is_open("admitted_on", "discharged_on", "period_end"),
        violated="elder_repeated",
        recommendation="核实老人实际所在，结束另一条入住。",
    ),
    Rule(
        id="RES-05",
        subject=RESIDENCY,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一床位同时住两位老人",
        definition="一张床位任一日至多一位老人在住。",
        applies=is_open("admitted_on", "discharged_on", "period_end"),
        violated="bed_repeated",
        recommendation="现场核对，为其中一位更正床位或登记退住。",
    ),
    future_rule(RESIDENCY, "06", "admitted_on"),
    Rule(
        id="RES-07",
        subject=RESIDENCY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="退住原因为身故，而老人档案未登记死亡",
        definition="以身故退住的老人，其档案状态须为已故。",
        applies="discharge_reason = 'death' and discharged_on <= period_end",
        violated="elder_status <> 'deceased'",
        recommendation="按死亡证明登记死亡日期，或更正退住原因。",
    ),
    Rule(
        id="RES-08",
        subject=RESIDENCY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="在住老人的能力等级与最近一次有效评估不同",
        definition="在住老人登记的能力等级应与期末有效的最近一次能力评估相同。",
        applies=is_open("admitted_on", "discharged_on", "period_end")
        + " and ability_level is not null and assessed_level is not null",
        violated="ability_level <> assessed_level",
        recommendation="按最近一次评估更新照护等级，或作即时评估。",
    ),
    Rule(
        id="RES-09",
        subject=RESIDENCY,
        dimension=Dimension.ACCURACY,
        severity=Severity.WARNING,
        title="月收费不合理",
        definition="月收费应在 0 至 30000 元之间。",
        applies="monthly_fee_yuan is not null",
        violated="monthly_fee_yuan not between 0 and 30000",
        recommendation="对照服务合同更正。",
    ),
    Rule(
        id="RES-10",
        subject=RESIDENCY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="入住日早于机构开业日",
        definition="入住日不应早于养老机构的开业日。",
        applies="institution_opened_on is not null",
        violated="admitted_on < institution_opened_on",
        recommendation="核实开业日与入住日。",
    ),
    reference_rule(QUALIFICATION, "organization", "组织", "organization_id"),
    code_rule(QUALIFICATION, "kind", QualificationKind),
    order_rule(QUALIFICATION, "01", "issued_on", "expires_on"),
    future_rule(QUALIFICATION, "02", "issued_on"),
    Rule(
        id="QUA-03",
        subject=QUALIFICATION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="证照既无编号也无无证原因",
        definition="每条证照须有编号，或说明无证原因。",
        violated="number is null and absent_reason is null",
        recommendation="补录证照编号，或登记无证原因。",
    ),
    Rule(
        id="QUA-04",
        subject=QUALIFICATION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="证照有编号又有无证原因",
        definition="有编号的证照不应再填无证原因。",
        violated="number is not null and absent_reason is not null",
        recommendation="清除其中之一。",
    ),
    Rule(
        id="QUA-05",
        subject=QUALIFICATION,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.WARNING,
        title="同类证照编号重复",
        definition="同类证照的编号应唯一。",
        violated="number_repeated",
        recommendation="对照证照原件更正编号。",
    ),
    Rule(
        id="QUA-06",
        subject=QUALIFICATION,
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        title="证照已过期且未续办",
        definition="组织未注销的，其每类证照期末应有一条有效或说明无证原因。",
        applies="organization_status <> 'closed' and expires_on is not null",
        violated="expires_on < period_end and not is_renewed",
        recommendation="续办后上传新证，或登记无证原因。",
    ),
)
