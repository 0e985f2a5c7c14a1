"""上门服务: service orders with their photos and evaluations, entitlements."""

from __future__ import annotations

from expectations.catalogue.building_blocks import (
    DIVISION,
    code_rule,
    division_rule,
    local_date,
    order_rule,
    parent,
    reference_rule,
    repeated,
)
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject, Theme
from operational_app.home_service.models import DoubtSource, DoubtStatus, OrderSource, OrderStatus, PhotoMoment

_FINISHED = "status = 'finished'"
_SERVED = "started_at is not null and finished_at is not null"
#: Published thresholds of electronic visit verification: shorter or longer is an anomaly.
_SHORTEST_MINUTES, _LONGEST_MINUTES = 5, 720

ENTITLEMENT = Subject(
    table="entitlement",
    prefix="ENT",
    theme=Theme.HOME_SERVICE,
    name="补贴资格",
    owner=Owner.COUNTY,
    lookups=(
        parent("elder", "elder_id", "elder", ("died_on",)),
        Lookup(
            {"overlaps_earlier": "overlap.id is not null"},
            "left join (select id from (select id, valid_from, max(coalesce(valid_until, date '9999-12-31')) over ("
            "partition by elder_id, category order by valid_from, id rows between unbounded preceding and 1 preceding)"
            " as earlier_until from {records}.int_entitlement) as spans where valid_from <= earlier_until)"
            " as overlap on overlap.id = record.id",
        ),
    ),
)

SERVICE_ORDER = Subject(
    table="service_order",
    prefix="SRV",
    theme=Theme.HOME_SERVICE,
    name="工单",
    owner=Owner.PROVIDER,
    has_own_division=True,
    lookups=(
        DIVISION,
        Lookup(
            {
                "served_on": local_date("record.started_at"),
                "elapsed_minutes": "extract(epoch from record.finished_at - record.started_at) / 60",
            }
        ),
        parent("elder", "elder_id", "elder", ("died_on",)),
        parent("organization", "provider_id", "provider", ("closed_on",)),
        parent("organization", "operator_id", "operator"),
        parent("staff", "staff_id", "staff", ("organization_id", "employed_on", "left_on")),
        parent("service_item", "item_id", "item", ("pricing", "price_yuan")),
        repeated("service_order", ("order_number",), "order_number_repeated"),
        repeated("service_order", ("elder_id", "item_id", "started_at"), "visit_repeated", _FINISHED),
        Lookup(
            {
                "photo_count": "coalesce(photos.photo_count, 0)",
                "has_before_photo": "coalesce(photos.has_before, false)",
                "has_after_photo": "coalesce(photos.has_after, false)",
            },
            "left join (select order_id, count(*) as photo_count, bool_or(moment = 'before') as has_before,"
            " bool_or(moment = 'after') as has_after from {records}.int_photo group by order_id) as photos"
            " on photos.order_id = record.id",
        ),
        Lookup(
            {"is_entitled": "entitled.order_id is not null"},
            "left join (select distinct served.id as order_id from {records}.int_service_order as served"
            " inner join {records}.int_entitlement as entitlement on entitlement.elder_id = served.elder_id"
            f" and entitlement.valid_from <= {local_date('served.started_at')}"
            f" and (entitlement.valid_until is null or entitlement.valid_until >= {local_date('served.started_at')})"
            " where served.subsidy_yuan > 0) as entitled on entitled.order_id = record.id",
        ),
        Lookup(
            {"has_entitlement": "recipients.elder_id is not null"},
            "left join (select distinct elder_id from {records}.int_entitlement) as recipients"
            " on recipients.elder_id = record.elder_id",
        ),
        Lookup(
            {"was_resident": "resided.order_id is not null"},
            "left join (select distinct served.id as order_id from {records}.int_service_order as served"
            " inner join {records}.int_residency as residency on residency.elder_id = served.elder_id"
            f" and residency.admitted_on < {local_date('served.started_at')}"
            f" and (residency.discharged_on is null or residency.discharged_on > {local_date('served.started_at')}))"
            " as resided on resided.order_id = record.id",
        ),
        Lookup(
            {"staff_is_elsewhere": "overlap.id is not null"},
            "left join (select id from (select id, started_at, max(finished_at) over ("
            "partition by staff_id order by started_at, id rows between unbounded preceding and 1 preceding)"
            " as busy_until from {records}.int_service_order where status = 'finished' and staff_id is not null"
            " and finished_at >= started_at) as visits where started_at < busy_until)"
            " as overlap on overlap.id = record.id",
        ),
        Lookup(
            {"is_provider": "capacity.organization_id is not null"},
            "left join (select distinct organization_id from {records}.int_organization_kind"
            " where kind in ('provider', 'bed_provider', 'meal_provider')) as capacity"
            " on capacity.organization_id = record.provider_id",
        ),
    ),
)

PHOTO = Subject(
    table="photo",
    prefix="PHO",
    theme=Theme.HOME_SERVICE,
    name="服务照片",
    owner=Owner.PROVIDER,
    lookups=(parent("service_order", "order_id", "visit", ("started_at", "finished_at")),),
)

EVALUATION = Subject(
    table="evaluation",
    prefix="EVA",
    theme=Theme.HOME_SERVICE,
    name="服务评价",
    owner=Owner.PROVIDER,
    lookups=(
        parent("service_order", "order_id", "visit", ("finished_at", "status")),
        repeated("evaluation", ("order_id",), "order_repeated"),
    ),
)

SUBJECTS = (SERVICE_ORDER, PHOTO, EVALUATION, ENTITLEMENT)

RULES: tuple[Rule, ...] = (
    division_rule(SERVICE_ORDER),
    reference_rule(SERVICE_ORDER, "elder", "老人", "elder_id"),
    reference_rule(SERVICE_ORDER, "provider", "服务商", "provider_id"),
    reference_rule(SERVICE_ORDER, "operator", "运营商", "operator_id"),
    reference_rule(SERVICE_ORDER, "staff", "服务人员", "staff_id"),
    reference_rule(SERVICE_ORDER, "item", "服务项目", "item_id"),
    code_rule(SERVICE_ORDER, "source", OrderSource),
    code_rule(SERVICE_ORDER, "status", OrderStatus),
    code_rule(SERVICE_ORDER, "doubt_status", DoubtStatus),
    code_rule(SERVICE_ORDER, "doubt_source", DoubtSource),
    Rule(
        id="SRV-01",
        subject=SERVICE_ORDER,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.CRITICAL,
        title="工单号重复",
        definition="一个工单号只对应一张工单。",
        violated="order_number_repeated",
        recommendation="核实重复装载；确为两张工单的重新编号。",
        other_owner=Owner.PLATFORM,
    ),
    order_rule(SERVICE_ORDER, "02", "started_at", "finished_at"),
    Rule(
        id="SRV-03",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="服务时长与起止时间不符",
        definition="服务时长（分钟）与服务起止时间之差不得超过 1 分钟。",
        applies=f"{_SERVED} and service_minutes is not null and finished_at >= started_at",
        violated="abs(service_minutes - elapsed_minutes) > 1",
        recommendation="按签到签退时间重新计算时长。",
    ),
    Rule(
        id="SRV-04",
        subject=SERVICE_ORDER,
        dimension=Dimension.ACCURACY,
        severity=Severity.WARNING,
        title="服务时长异常",
        definition=f"已完成工单的服务时长应为 {_SHORTEST_MINUTES} 至 {_LONGEST_MINUTES} 分钟（电子到访核验常用阈值）。",
        applies=f"{_FINISHED} and service_minutes is not null",
        violated=f"service_minutes not between {_SHORTEST_MINUTES} and {_LONGEST_MINUTES}",
        recommendation="核实是否漏签退或提前离开，登记原因。",
    ),
    Rule(
        id="SRV-05",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="工单金额不等于补贴与自付之和",
        definition="工单金额等于补贴金额与自付金额之和。",
        violated="amount_yuan <> subsidy_yuan + self_paid_yuan",
        recommendation="按计费规则重新核算；已结算的作调整。",
    ),
    Rule(
        id="SRV-06",
        subject=SERVICE_ORDER,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="工单金额为负",
        definition="工单金额、补贴金额、自付金额均不得为负；冲减以调整登记。",
        violated="amount_yuan < 0 or subsidy_yuan < 0 or self_paid_yuan < 0",
        recommendation="改为调整单。",
    ),
    Rule(
        id="SRV-07",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人死亡之后的服务",
        definition="已完成工单的服务日不得晚于老人的死亡日期。",
        applies=f"{_FINISHED} and elder_died_on is not null",
        violated="served_on > elder_died_on",
        recommendation="核实服务日与死亡日期；属实的作废工单、追回补贴并移交监管。",
    ),
    Rule(
        id="SRV-08",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="使用补贴而当日补贴资格无效",
        definition="有补贴金额的已完成工单，老人有补贴资格档案的，服务日须在某项资格的有效期内。",
        applies=f"{_FINISHED} and subsidy_yuan > 0 and started_at is not null and has_entitlement",
        violated="not is_entitled",
        recommendation="核实资格起止；不符的改为自付，已拨付的追回。",
    ),
    Rule(
        id="SRV-09",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="服务人员同一时间在两处服务",
        definition="同一服务人员的两张已完成工单，服务时间不得重叠。",
        applies=f"{_FINISHED} and staff_id is not null and {_SERVED}",
        violated="staff_is_elsewhere",
        recommendation="核实实际服务人员与起止时间，按存疑流程处理。",
    ),
    Rule(
        id="SRV-10",
        subject=SERVICE_ORDER,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.ERROR,
        title="已完成工单没有服务照片",
        definition="已完成的工单至少有一张服务照片。",
        applies=_FINISHED,
        violated="photo_count = 0",
        recommendation="补传照片并说明原因；无法补传的按存疑流程处理。",
    ),
    Rule(
        id="SRV-11",
        subject=SERVICE_ORDER,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.WARNING,
        title="缺服务前或服务后照片",
        definition="已完成且有照片的工单，服务前、服务后应各有照片。",
        applies=f"{_FINISHED} and photo_count > 0",
        violated="not (has_before_photo and has_after_photo)",
        recommendation="提醒服务人员按环节拍照。",
    ),
    Rule(
        id="SRV-12",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人在住养老机构期间的上门服务",
        definition="已完成工单的服务日，老人不得在住养老机构（入住当日、退住当日除外）。",
        applies=_FINISHED,
        violated="was_resident",
        recommendation="核实老人当日所在，按存疑流程处理。",
    ),
    Rule(
        id="SRV-13",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="服务日服务人员不在岗",
        definition="已完成工单的服务日须在服务人员的入职日与离职日之间。",
        applies=f"{_FINISHED} and staff_found and started_at is not null",
        violated="served_on < staff_employed_on or served_on >= staff_left_on",
        recommendation="核实服务人员身份，更正入离职日期或工单。",
    ),
    Rule(
        id="SRV-14",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="服务人员不属于该服务商",
        definition="已完成工单的服务人员须受雇于工单的服务商。",
        applies=f"{_FINISHED} and staff_found",
        violated="staff_organization_id <> provider_id",
        recommendation="核实用工关系，更正服务人员档案或工单。",
    ),
    Rule(
        id="SRV-15",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="服务商没有服务身份",
        definition="工单的服务商须具有服务商、家床服务商或助餐服务商身份。",
        applies="provider_found",
        violated="not is_provider",
        recommendation="为组织登记服务身份，或更正工单。",
        other_owner=Owner.COUNTY,
    ),
    Rule(
        id="SRV-16",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="服务商注销之后的服务",
        definition="已完成工单的服务日须早于服务商的注销日期。",
        applies=f"{_FINISHED} and provider_closed_on is not null and started_at is not null",
        violated="served_on >= provider_closed_on",
        recommendation="核实服务商状态；属实的作废工单。",
    ),
    Rule(
        id="SRV-17",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="结算月格式不正确",
        definition="结算月形如 2026-10。",
        applies="settled_month is not null",
        violated="settled_month !~ '^20[0-9]{2}-(0[1-9]|1[0-2])$'",
        recommendation="更正结算月。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="SRV-18",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="结算月早于服务月",
        definition="工单不得在服务发生之前结算。",
        applies="settled_month ~ '^20[0-9]{2}-(0[1-9]|1[0-2])$' and finished_at is not null",
        violated=f"settled_month < to_char({local_date('finished_at')}, 'YYYY-MM')",
        recommendation="更正结算月，或核实服务时间。",
    ),
    order_rule(SERVICE_ORDER, "19", "requested_at", "finished_at"),
    Rule(
        id="SRV-20",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="存疑状态与存疑来源不一致",
        definition="有存疑的工单须记存疑来源，无存疑的不得有存疑来源。",
        violated="(doubt_status <> 'none') <> (doubt_source is not null)",
        recommendation="补记存疑来源，或更正存疑状态。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="SRV-21",
        subject=SERVICE_ORDER,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一老人同一时刻同一项目的工单重复",
        definition="同一老人、服务项目、服务开始时间只应有一张已完成工单。",
        applies=_FINISHED,
        violated="visit_repeated",
        recommendation="作废重复的工单。",
    ),
    Rule(
        id="SRV-22",
        subject=SERVICE_ORDER,
        dimension=Dimension.ACCURACY,
        severity=Severity.WARNING,
        title="工单金额与服务项目单价不符",
        definition="按次计价的金额应等于单价；按时计价的金额与单价（元/小时）乘服务时长之差不应超过 1 元。",
        applies=f"{_FINISHED} and item_found and amount_yuan >= 0",
        violated="(item_pricing = 'per_visit' and amount_yuan <> item_price_yuan)"
        " or (item_pricing = 'per_minute' and abs(amount_yuan - item_price_yuan * service_minutes / 60.0) > 1)",
        recommendation="核实价格调整日期与优惠，必要时作调整。",
    ),
    Rule(
        id="SRV-23",
        subject=SERVICE_ORDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="已取消或退单的工单仍有补贴",
        definition="取消、退单的工单不得有补贴金额。",
        applies="status in ('cancelled', 'returned')",
        violated="subsidy_yuan > 0",
        recommendation="冲减补贴。",
    ),
    Rule(
        id="SRV-24",
        subject=SERVICE_ORDER,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.WARNING,
        title="使用补贴而老人没有补贴资格档案",
        definition="有补贴金额的已完成工单，其老人应有补贴资格档案；没有的，补贴是否合规无从核对。",
        applies=f"{_FINISHED} and subsidy_yuan > 0 and elder_found",
        violated="not has_entitlement",
        recommendation="补录老人的补贴资格；确无资格的改为自付，已拨付的追回。",
        other_owner=Owner.COUNTY,
    ),
    Rule(
        id="PHO-01",
        subject=PHOTO,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.WARNING,
        title="照片有登记而文件未入库",
        definition="登记的服务照片，其文件须已入库。",
        violated="not is_stored",
        recommendation="补传原始文件；无法补传的登记说明。",
    ),
    Rule(
        id="PHO-02",
        subject=PHOTO,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="照片拍摄时间不在服务时段内",
        definition="服务照片应在服务开始前 30 分钟至结束后 30 分钟之间拍摄。",
        applies="taken_at is not null and visit_started_at is not null and visit_finished_at >= visit_started_at",
        violated="taken_at < visit_started_at - interval '30 minutes'"
        " or taken_at > visit_finished_at + interval '30 minutes'",
        recommendation="核实是否使用旧照片，按存疑流程处理。",
    ),
    code_rule(PHOTO, "moment", PhotoMoment),
    Rule(
        id="EVA-01",
        subject=EVALUATION,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一工单重复评价",
        definition="一张工单至多一条评价。",
        violated="order_repeated",
        recommendation="保留最近一条评价。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="EVA-02",
        subject=EVALUATION,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="评分不在 1 至 5 之间",
        definition="总体评分、服务态度评分、服务质量评分为 1 至 5 的整数。",
        violated="score not between 1 and 5 or attitude_score not between 1 and 5 or quality_score not between 1 and 5",
        recommendation="核对评价来源的分制后更正。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="EVA-03",
        subject=EVALUATION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="评价时间早于服务结束",
        definition="评价须在服务结束之后。",
        applies="visit_finished_at is not null",
        violated="evaluated_at < visit_finished_at",
        recommendation="核实是否代评；属实的按存疑流程处理。",
    ),
    Rule(
        id="EVA-04",
        subject=EVALUATION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="对未完成的工单作了评价",
        definition="只有已完成（含事后作废）的工单可以评价。",
        applies="visit_found",
        violated="visit_status in ('cancelled', 'returned')",
        recommendation="核实工单状态，或作废评价。",
    ),
    reference_rule(ENTITLEMENT, "elder", "老人", "elder_id"),
    order_rule(ENTITLEMENT, "01", "valid_from", "valid_until"),
    Rule(
        id="ENT-02",
        subject=ENTITLEMENT,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="每月补贴额度不合理",
        definition="每月补贴额度大于 0，不超过 10000 元。",
        violated="monthly_amount_yuan <= 0 or monthly_amount_yuan > 10000",
        recommendation="对照补贴政策更正额度。",
    ),
    Rule(
        id="ENT-03",
        subject=ENTITLEMENT,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="同一老人同类补贴资格有效期重叠",
        definition="同一老人同一对象类别的补贴资格，任一日至多一项有效。",
        violated="overlaps_earlier",
        recommendation="为前一项补登失效日。",
    ),
    Rule(
        id="ENT-04",
        subject=ENTITLEMENT,
        dimension=Dimension.TIMELINESS,
        severity=Severity.ERROR,
        title="老人已故，补贴资格未终止",
        definition="老人死亡满 30 日后，补贴资格不得仍有效。",
        applies="elder_died_on is not null and valid_from <= period_end"
        " and (valid_until is null or valid_until >= period_end)",
        violated="elder_died_on < period_end - interval '30 days'",
        recommendation="终止补贴资格，核查死亡之后的用款。",
    ),
)
