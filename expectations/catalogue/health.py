"""健康: vital signs. What is abnormal for a person is no error; what no living person has, is."""

from __future__ import annotations

from expectations.catalogue.building_blocks import (
    DIVISION,
    code_rule,
    division_rule,
    local_date,
    parent,
    reference_rule,
    repeated,
)
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject, Theme
from operational_app.health.models import VitalKind

#: Values beyond which a reading is not of a living person or not in the stated unit (general medical knowledge, wide on
#: purpose; the narrower reference ranges in huiyang/reference/ref_vital_range.csv say what is abnormal).
PLAUSIBLE_VALUE_1 = {
    VitalKind.HEART_RATE: (20, 300),
    VitalKind.BLOOD_PRESSURE: (40, 300),
    VitalKind.GLUCOSE: (0.5, 50),
    VitalKind.OXYGEN: (30, 100),
    VitalKind.TEMPERATURE: (25, 45),
}
PLAUSIBLE_DIASTOLIC = (20, 200)
_UNITS = {
    VitalKind.HEART_RATE: "次/分",
    VitalKind.BLOOD_PRESSURE: "mmHg（收缩压）",
    VitalKind.GLUCOSE: "mmol/L",
    VitalKind.OXYGEN: "%",
    VitalKind.TEMPERATURE: "°C",
}

VITAL_SIGN = Subject(
    table="vital_sign",
    prefix="VIT",
    theme=Theme.HEALTH,
    name="体征测量",
    owner=Owner.BED_PROVIDER,
    of_period=True,
    has_own_division=True,
    lookups=(
        DIVISION,
        Lookup({"measured_on": local_date("record.measured_at")}),
        parent("elder", "elder_id", "elder", ("died_on",)),
        parent("device", "device_id", "device", ("kind",)),
        repeated("vital_sign", ("elder_id", "kind", "measured_at"), "measurement_repeated"),
    ),
)

SUBJECTS = (VITAL_SIGN,)

RULES: tuple[Rule, ...] = (
    division_rule(VITAL_SIGN),
    # The operational table has no foreign keys, for the sake of 100 million rows a year: an orphan is an error there.
    reference_rule(VITAL_SIGN, "elder", "老人", "elder_id", Severity.ERROR),
    reference_rule(VITAL_SIGN, "device", "设备", "device_id", Severity.ERROR),
    code_rule(VITAL_SIGN, "kind", VitalKind),
    Rule(
        id="VIT-01",
        subject=VITAL_SIGN,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="体征测量值超出可能范围",
        definition="在世者可能的测量值："
        + "；".join(f"{kind.label} {lo:g}–{hi:g} {_UNITS[kind]}" for kind, (lo, hi) in PLAUSIBLE_VALUE_1.items())
        + f"；舒张压 {PLAUSIBLE_DIASTOLIC[0]}–{PLAUSIBLE_DIASTOLIC[1]} mmHg。超出者多为误测或单位错误。",
        violated=" or ".join(
            f"(kind = '{kind.value}' and value_1 not between {lo} and {hi})"
            for kind, (lo, hi) in PLAUSIBLE_VALUE_1.items()
        )
        + " or (kind = 'blood_pressure' and value_2 not between"
        f" {PLAUSIBLE_DIASTOLIC[0]} and {PLAUSIBLE_DIASTOLIC[1]})",
        recommendation="核对设备与计量单位（血糖 mg/dL、体温 °F 须换算）；误测的登记更正。",
    ),
    Rule(
        id="VIT-02",
        subject=VITAL_SIGN,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="收缩压不高于舒张压",
        definition="收缩压须高于舒张压。",
        applies="kind = 'blood_pressure' and value_2 is not null",
        violated="value_1 <= value_2",
        recommendation="核对是否两值颠倒。",
    ),
    Rule(
        id="VIT-03",
        subject=VITAL_SIGN,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="非血压指标填有第二测量值",
        definition="只有血压有第二测量值（舒张压）。",
        applies="kind <> 'blood_pressure'",
        violated="value_2 is not null",
        recommendation="检查设备报文的解析。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="VIT-04",
        subject=VITAL_SIGN,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一老人同一时刻同一指标重复",
        definition="同一老人、指标、测量时间只有一条测量。",
        violated="measurement_repeated",
        recommendation="检查设备重发与去重设置。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="VIT-05",
        subject=VITAL_SIGN,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="老人死亡之后的测量",
        definition="测量日不得晚于老人的死亡日期。",
        applies="elder_died_on is not null",
        violated="measured_on > elder_died_on",
        recommendation="核实死亡日期；设备未回收的解除绑定。",
    ),
    Rule(
        id="VIT-06",
        subject=VITAL_SIGN,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="测量设备的类型与指标不符",
        definition="血压由血压计、血糖由血糖仪、血氧与体温由手环或其他设备、心率由手环、睡眠床垫、血压计或其他设备测得。",
        applies="device_kind is not null",
        violated="(kind = 'glucose' and device_kind not in ('glucose', 'other'))"
        " or (kind = 'blood_pressure' and device_kind not in ('blood_pressure', 'wristband', 'other'))"
        " or device_kind in ('camera', 'caller', 'door', 'smoke', 'gas', 'infrared')",
        recommendation="核对设备登记的类型。",
    ),
)
