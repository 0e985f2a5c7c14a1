"""社区设施: community facilities at county, town and village level, and enrolments in day care."""

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
)
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject, Theme
from operational_app.facilities.models import FacilityLevel, FacilityStatus, FacilityType

#: The city's counties (boundaries in huiyang/reference) with a margin of about 5 km, degrees, WGS-84.
IN_CITY = "longitude_wgs84 between 109.60 and 111.03 and latitude_wgs84 between 20.15 and 22.01"

_ENROLLED_AT_PERIOD_END = is_open("enrolled_on", "left_on", "{period_end}")

FACILITY = Subject(
    table="facility",
    prefix="FAC",
    theme=Theme.FACILITY,
    name="社区养老设施",
    owner=Owner.FACILITY,
    has_own_division=True,
    lookups=(
        DIVISION,
        parent("organization", "organization_id", "organization"),
        repeated("facility", ("name", "division_code"), "name_repeated"),
        Lookup(
            {"enrolled_count": "coalesce(enrolment.enrolled_count, 0)"},
            "left join (select facility_id, count(*) as enrolled_count from {records}.int_day_care_enrolment"
            f" where {_ENROLLED_AT_PERIOD_END} group by facility_id) as enrolment on enrolment.facility_id = record.id",
        ),
    ),
)

DAY_CARE_ENROLMENT = Subject(
    table="day_care_enrolment",
    prefix="DCE",
    theme=Theme.FACILITY,
    name="日间照料登记",
    owner=Owner.FACILITY,
    lookups=(
        parent("elder", "elder_id", "elder", ("died_on",)),
        parent("facility", "facility_id", "facility", ("facility_type",)),
        repeated("day_care_enrolment", ("elder_id", "facility_id"), "enrolment_repeated", _ENROLLED_AT_PERIOD_END),
    ),
)

SUBJECTS = (FACILITY, DAY_CARE_ENROLMENT)

RULES: tuple[Rule, ...] = (
    division_rule(FACILITY),
    reference_rule(FACILITY, "organization", "运营组织", "organization_id"),
    code_rule(FACILITY, "facility_type", FacilityType),
    code_rule(FACILITY, "facility_level", FacilityLevel),
    code_rule(FACILITY, "status", FacilityStatus),
    Rule(
        id="FAC-01",
        subject=FACILITY,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="设施位置不在本市范围内",
        definition="设施的经纬度（WGS-84）须落在湛江市各县（市、区）外接范围内（外扩约 5 公里）。",
        applies="longitude_wgs84 is not null and latitude_wgs84 is not null",
        violated=f"not ({IN_CITY})",
        recommendation="在地图上重新标点；经纬度颠倒的互换。",
    ),
    Rule(
        id="FAC-02",
        subject=FACILITY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="设施关闭状态与关闭日期不一致",
        definition="已关闭的设施须有关闭日期；关闭日期在期末之前的，状态须为已关闭。",
        violated="(status = 'closed' and closed_on is null) or (status <> 'closed' and closed_on <= period_end)",
        recommendation="补登关闭日期，或更正状态。",
    ),
    Rule(
        id="FAC-03",
        subject=FACILITY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="设施层级与所在区划不符",
        definition="镇级设施的区划须到镇街或村社，村级设施的区划须到村社。",
        applies="division_level is not null",
        violated="(facility_level = 'village' and division_level <> 'village')"
        " or (facility_level = 'town' and division_level not in ('town', 'village'))",
        recommendation="补全区划到相应层级，或更正设施层级。",
    ),
    Rule(
        id="FAC-04",
        subject=FACILITY,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="设施容量不合理",
        definition="设施容量（床位或餐位）为 1 至 2000。",
        applies="capacity is not null",
        violated="capacity not between 1 and 2000",
        recommendation="按实际床位或餐位更正。",
    ),
    order_rule(FACILITY, "05", "opened_on", "closed_on"),
    future_rule(FACILITY, "06", "opened_on"),
    Rule(
        id="FAC-07",
        subject=FACILITY,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一区划内设施重名",
        definition="同一区划内不得有两处同名设施。",
        violated="name_repeated",
        recommendation="核实是否重复登记：是则合并，否则在名称中加以区分。",
    ),
    Rule(
        id="FAC-08",
        subject=FACILITY,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="设施建筑面积不合理",
        definition="建筑面积为 5 至 100000 平方米。",
        applies="floor_area_m2 is not null",
        violated="floor_area_m2 not between 5 and 100000",
        recommendation="核对计量单位后更正。",
    ),
    Rule(
        id="FAC-09",
        subject=FACILITY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="日间照料在册人数超过容量",
        definition="期末在册的日间照料人数不应超过设施容量。",
        applies="capacity is not null and facility_type in ('day_care', 'centre')",
        violated="enrolled_count > capacity",
        recommendation="核实容量与登记；已离开的登记离开日。",
    ),
    reference_rule(DAY_CARE_ENROLMENT, "elder", "老人", "elder_id"),
    reference_rule(DAY_CARE_ENROLMENT, "facility", "社区养老设施", "facility_id"),
    order_rule(DAY_CARE_ENROLMENT, "01", "enrolled_on", "left_on"),
    future_rule(DAY_CARE_ENROLMENT, "02", "enrolled_on"),
    Rule(
        id="DCE-03",
        subject=DAY_CARE_ENROLMENT,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人已故，日间照料登记未结束",
        definition="期末前已故的老人不得仍在册。",
        applies=is_open("enrolled_on", "left_on", "period_end"),
        violated="elder_died_on <= period_end",
        recommendation="登记离开日。",
    ),
    Rule(
        id="DCE-04",
        subject=DAY_CARE_ENROLMENT,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="登记的设施不提供日间照料",
        definition="日间照料登记所属设施应为日间照料中心或综合养老服务中心。",
        violated="facility_facility_type not in ('day_care', 'centre')",
        recommendation="更正登记的设施，或更正设施类型。",
    ),
    Rule(
        id="DCE-05",
        subject=DAY_CARE_ENROLMENT,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="日间照料重复登记",
        definition="同一老人在同一设施任一日至多一条有效登记。",
        applies=is_open("enrolled_on", "left_on", "period_end"),
        violated="enrolment_repeated",
        recommendation="结束重复的登记。",
    ),
)
