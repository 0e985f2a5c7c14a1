"""家庭养老床位: beds at home, devices and whom they watch, alarms."""

from __future__ import annotations

from expectations.catalogue.building_blocks import (
    DIVISION,
    code_rule,
    division_rule,
    future_rule,
    is_open,
    local_date,
    order_rule,
    parent,
    reference_rule,
    repeated,
)
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject, Theme
from operational_app.devices.models import AlarmKind, AlarmStatus, DeviceKind, DeviceStatus
from operational_app.family_beds.models import FamilyBedStatus

_OPEN = is_open("opened_on", "closed_on", "period_end")
_BOUND = is_open("bound_on", "unbound_on", "period_end")
_BOUND_IN_JOIN = is_open("bound_on", "unbound_on", "{period_end}")

FAMILY_BED = Subject(
    table="family_bed",
    prefix="FBD",
    theme=Theme.FAMILY_BED,
    name="家庭养老床位",
    owner=Owner.BED_PROVIDER,
    has_own_division=True,
    lookups=(
        DIVISION,
        parent("elder", "elder_id", "elder", ("died_on", "division_code")),
        parent("organization", "organization_id", "organization"),
        repeated("family_bed", ("elder_id",), "elder_repeated", is_open("opened_on", "closed_on", "{period_end}")),
        Lookup(
            {"is_resident": "residence.elder_id is not null"},
            "left join (select distinct elder_id from {records}.int_residency"
            f" where {is_open('admitted_on', 'discharged_on', '{period_end}')}) as residence"
            " on residence.elder_id = record.elder_id",
        ),
        Lookup(
            {"has_valid_assessment": "assessed.elder_id is not null"},
            "left join (select distinct elder_id from {records}.int_assessment where assessed_on <= {period_end}"
            " and (valid_until is null or valid_until >= {period_end})) as assessed"
            " on assessed.elder_id = record.elder_id",
        ),
        Lookup(
            {"has_device": "bound.family_bed_id is not null"},
            "left join (select distinct family_bed_id from {records}.int_device_binding"
            f" where {_BOUND_IN_JOIN}) as bound on bound.family_bed_id = record.id",
        ),
        Lookup(
            {"organization_is_bed_provider": "provider.organization_id is not null"},
            "left join (select distinct organization_id from {records}.int_organization_kind"
            " where kind in ('bed_provider', 'institution')) as provider"
            " on provider.organization_id = record.organization_id",
        ),
    ),
)

DEVICE = Subject(
    table="device",
    prefix="DEV",
    theme=Theme.FAMILY_BED,
    name="家床设备",
    owner=Owner.BED_PROVIDER,
    has_own_division=True,
    lookups=(
        DIVISION,
        parent("organization", "organization_id", "organization"),
        Lookup(
            {"is_bound": "bound.device_id is not null"},
            "left join (select distinct device_id from {records}.int_device_binding"
            f" where {_BOUND_IN_JOIN}) as bound on bound.device_id = record.id",
        ),
    ),
)

DEVICE_BINDING = Subject(
    table="device_binding",
    prefix="BND",
    theme=Theme.FAMILY_BED,
    name="设备绑定",
    owner=Owner.BED_PROVIDER,
    lookups=(
        parent("elder", "elder_id", "elder", ("died_on",)),
        parent("device", "device_id", "device"),
        parent("family_bed", "family_bed_id", "family_bed", ("elder_id", "closed_on")),
        repeated("device_binding", ("device_id",), "device_repeated", _BOUND_IN_JOIN),
    ),
)

_RAISED_ON = local_date("record.raised_at")

ALARM = Subject(
    table="alarm",
    prefix="ALM",
    theme=Theme.FAMILY_BED,
    name="报警",
    owner=Owner.BED_PROVIDER,
    of_period=True,
    has_own_division=True,
    lookups=(
        DIVISION,
        Lookup({"raised_on": _RAISED_ON}),
        parent("elder", "elder_id", "elder", ("died_on",)),
        parent("device", "device_id", "device"),
        parent("organization", "organization_id", "organization"),
        repeated("alarm", ("device_id", "elder_id", "kind", "raised_at"), "alarm_repeated"),
        Lookup(
            {"device_was_bound": "bound.alarm_id is not null"},
            "left join (select distinct alarm.id as alarm_id from {records}.int_alarm as alarm"
            " inner join {records}.int_device_binding as binding on binding.device_id = alarm.device_id"
            " and binding.elder_id = alarm.elder_id"
            f" and binding.bound_on <= {_RAISED_ON.replace('record.', 'alarm.')}"
            f" and (binding.unbound_on is null or binding.unbound_on >= {_RAISED_ON.replace('record.', 'alarm.')}))"
            " as bound on bound.alarm_id = record.id",
        ),
    ),
)

SUBJECTS = (FAMILY_BED, DEVICE, DEVICE_BINDING, ALARM)

RULES: tuple[Rule, ...] = (
    division_rule(FAMILY_BED),
    reference_rule(FAMILY_BED, "elder", "老人", "elder_id"),
    reference_rule(FAMILY_BED, "organization", "家床服务商", "organization_id"),
    code_rule(FAMILY_BED, "status", FamilyBedStatus),
    Rule(
        id="FBD-01",
        subject=FAMILY_BED,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="床位状态与建床、撤床日期不一致",
        definition="在床的须有建床日而无已到的撤床日；已撤床的须有建床日与撤床日；申请中、未通过的不得有建床日。",
        violated="(status = 'open' and (opened_on is null or closed_on <= period_end))"
        " or (status = 'closed' and (opened_on is null or closed_on is null))"
        " or (status in ('applied', 'rejected') and opened_on is not null)",
        recommendation="对照建床、撤床审批更正状态或日期。",
    ),
    order_rule(FAMILY_BED, "02", "opened_on", "closed_on"),
    order_rule(FAMILY_BED, "03", "applied_on", "opened_on"),
    future_rule(FAMILY_BED, "04", "opened_on"),
    Rule(
        id="FBD-05",
        subject=FAMILY_BED,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人已故仍在床",
        definition="期末前已故的老人，其家庭养老床位须已撤床。",
        applies=_OPEN,
        violated="elder_died_on <= period_end",
        recommendation="办理撤床并停发补贴；多发的按调整处理。",
    ),
    Rule(
        id="FBD-06",
        subject=FAMILY_BED,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人在住养老机构，家庭养老床位未撤",
        definition="期末在住养老机构的老人不得同时有在床的家庭养老床位。",
        applies=_OPEN,
        violated="is_resident",
        recommendation="核实老人实际所在，办理撤床或退住。",
    ),
    Rule(
        id="FBD-07",
        subject=FAMILY_BED,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一老人有两张在床的家庭养老床位",
        definition="一位老人任一日至多一张在床的家庭养老床位。",
        applies=_OPEN,
        violated="elder_repeated",
        recommendation="保留实际服务的一张，其余撤床。",
    ),
    Rule(
        id="FBD-08",
        subject=FAMILY_BED,
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        title="在床老人没有期末有效的能力评估",
        definition="在床的家庭养老床位，其老人期末应有有效的能力评估（GB/T 42195-2022）。",
        applies=_OPEN,
        violated="not has_valid_assessment",
        recommendation="安排能力评估或复评。",
        other_owner=Owner.ASSESSOR,
    ),
    Rule(
        id="FBD-09",
        subject=FAMILY_BED,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.WARNING,
        title="在床的家庭养老床位没有绑定设备",
        definition="期末在床的家庭养老床位应至少绑定一台设备。",
        applies=_OPEN,
        violated="not has_device",
        recommendation="安装并绑定设备；老人拒装的登记说明。",
    ),
    Rule(
        id="FBD-10",
        subject=FAMILY_BED,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="建床补贴金额不合理",
        definition="建床补贴为 0 至 20000 元。",
        applies="subsidy_yuan is not null",
        violated="subsidy_yuan not between 0 and 20000",
        recommendation="对照拨付凭证更正。",
    ),
    Rule(
        id="FBD-11",
        subject=FAMILY_BED,
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        title="建床申请超过 30 日未办结",
        definition="建床申请应在 30 日内办结。",
        applies="status = 'applied' and applied_on is not null",
        violated="applied_on < period_end - interval '30 days'",
        recommendation="尽快审批；已建床的登记建床日。",
        other_owner=Owner.COUNTY,
    ),
    Rule(
        id="FBD-12",
        subject=FAMILY_BED,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="床位与老人不在同一县（市、区）",
        definition="在床的家庭养老床位应与老人的居住地在同一县（市、区）。",
        applies=f"{_OPEN} and elder_division_code is not null",
        violated="left(division_code, 6) <> left(elder_division_code, 6)",
        recommendation="核实老人现住址，更正档案或床位的区划。",
    ),
    Rule(
        id="FBD-13",
        subject=FAMILY_BED,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="床位的服务组织不是家床服务商或养老机构",
        definition="家庭养老床位的服务组织须具有家床服务商或养老机构身份。",
        applies="organization_found",
        violated="not organization_is_bed_provider",
        recommendation="更正服务组织，或为其登记家床服务商身份。",
        other_owner=Owner.COUNTY,
    ),
    division_rule(DEVICE),
    reference_rule(DEVICE, "organization", "服务组织", "organization_id"),
    code_rule(DEVICE, "kind", DeviceKind),
    code_rule(DEVICE, "status", DeviceStatus),
    future_rule(DEVICE, "01", "installed_on"),
    Rule(
        id="DEV-02",
        subject=DEVICE,
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        title="设备显示在线，但期末前 7 日内无通信",
        definition="在线的设备在期末前 7 日内应有通信。",
        applies="status = 'online' and last_seen_at is not null",
        violated=f"{local_date('last_seen_at')} < period_end - 7",
        recommendation="检查设备与网络；失联的改为离线并派修。",
    ),
    Rule(
        id="DEV-03",
        subject=DEVICE,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="设备已停用，绑定未解除",
        definition="停用的设备期末不得仍绑定老人。",
        applies="status = 'retired'",
        violated="is_bound",
        recommendation="解除绑定，或恢复设备状态。",
    ),
    reference_rule(DEVICE_BINDING, "elder", "老人", "elder_id"),
    reference_rule(DEVICE_BINDING, "device", "设备", "device_id"),
    reference_rule(DEVICE_BINDING, "family_bed", "家庭养老床位", "family_bed_id"),
    order_rule(DEVICE_BINDING, "01", "bound_on", "unbound_on"),
    future_rule(DEVICE_BINDING, "02", "bound_on"),
    Rule(
        id="BND-03",
        subject=DEVICE_BINDING,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一设备同时绑定多人",
        definition="一台设备任一日至多绑定一位老人。",
        applies=_BOUND,
        violated="device_repeated",
        recommendation="核实设备所在，解除错误的绑定。",
    ),
    Rule(
        id="BND-04",
        subject=DEVICE_BINDING,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="绑定的老人与床位的老人不同",
        definition="设备绑定到家庭养老床位的，绑定的老人须为该床位的老人。",
        applies="family_bed_found",
        violated="elder_id <> family_bed_elder_id",
        recommendation="重新绑定到正确的老人与床位。",
    ),
    Rule(
        id="BND-05",
        subject=DEVICE_BINDING,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="床位已撤，设备绑定未解除",
        definition="撤床后设备绑定须在撤床日解除。",
        applies=_BOUND,
        violated="family_bed_closed_on <= period_end",
        recommendation="解除绑定并回收设备。",
    ),
    Rule(
        id="BND-06",
        subject=DEVICE_BINDING,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人已故，设备绑定未解除",
        definition="期末前已故的老人不得仍有绑定的设备。",
        applies=_BOUND,
        violated="elder_died_on <= period_end",
        recommendation="解除绑定并回收设备。",
    ),
    division_rule(ALARM),
    reference_rule(ALARM, "elder", "老人", "elder_id"),
    reference_rule(ALARM, "device", "设备", "device_id"),
    reference_rule(ALARM, "organization", "响应机构", "organization_id"),
    code_rule(ALARM, "kind", AlarmKind),
    code_rule(ALARM, "status", AlarmStatus),
    order_rule(ALARM, "01", "raised_at", "acknowledged_at"),
    order_rule(ALARM, "02", "raised_at", "closed_at"),
    order_rule(ALARM, "03", "acknowledged_at", "closed_at", applies="closed_at >= raised_at"),
    Rule(
        id="ALM-04",
        subject=ALARM,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="报警状态与办结时间不一致",
        definition="已办结的报警须有办结时间，有办结时间的状态须为已办结。",
        violated="(status = 'closed') <> (closed_at is not null)",
        recommendation="补登办结时间，或更正状态。",
    ),
    Rule(
        id="ALM-05",
        subject=ALARM,
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        title="报警超过 24 小时未办结",
        definition="报警应在 24 小时内办结；期末前一日以前发生的报警期末仍未办结的，须跟进。",
        applies="status <> 'closed'",
        violated="raised_on < period_end - 1",
        recommendation="立即联系老人核实安全，办结并登记处置结果。",
    ),
    Rule(
        id="ALM-06",
        subject=ALARM,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人死亡之后发生的报警",
        definition="报警发生日不得晚于老人的死亡日期。",
        applies="elder_died_on is not null",
        violated="raised_on > elder_died_on",
        recommendation="核实死亡日期；设备未回收的解除绑定。",
    ),
    Rule(
        id="ALM-07",
        subject=ALARM,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="报警设备当时未绑定该老人",
        definition="由设备发出的报警，发生日该设备应绑定于该老人。",
        applies="device_found and elder_found",
        violated="not device_was_bound",
        recommendation="核对绑定日期与绑定的老人。",
    ),
    Rule(
        id="ALM-08",
        subject=ALARM,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.WARNING,
        title="同一设备同一时刻的报警重复",
        definition="同一设备、老人、类型在同一时刻只有一条报警。",
        violated="alarm_repeated",
        recommendation="检查设备重发与去重设置。",
        other_owner=Owner.PLATFORM,
    ),
)
