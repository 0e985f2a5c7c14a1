"""老人: files, guardians, medical history, economic status, ability assessments, care relations."""

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
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject, Theme
from huiyang.identifiers import CODE_SERIAL_DIGITS, CodeKind, IdNumberStatus, PhoneStatus
from operational_app.assessments.models import AssessmentReason
from operational_app.elders.models import (
    AbilityLevel,
    ConditionGroup,
    EconomicCategory,
    ElderStatus,
    LivingArrangement,
    Sex,
)

BAD_ID_NUMBER = text_list([s.value for s in IdNumberStatus if s not in (IdNumberStatus.VALID, IdNumberStatus.MISSING)])
_ACTIVE = "status = 'active'"
_RESIDENT_AT_PERIOD_END = is_open("admitted_on", "discharged_on", "{period_end}")
#: Care relations are of these kinds (operational_app.elders.models.CareRelation).
_CARE_KINDS = ("residency", "family_bed", "home_service")

ELDER = Subject(
    table="elder",
    prefix="ELD",
    theme=Theme.ELDER,
    name="老人档案",
    owner=Owner.TOWN,
    has_own_division=True,
    lookups=(
        DIVISION,
        repeated("elder", ("elder_code",), "elder_code_repeated"),
        Lookup(
            {"is_resident": "residence.elder_id is not null"},
            "left join (select distinct elder_id from {records}.int_residency"
            f" where {_RESIDENT_AT_PERIOD_END}) as residence on residence.elder_id = record.id",
        ),
        Lookup(
            {"economic_status_category": "economy.category"},
            "left join (select elder_id, min(category) as category from {records}.int_economic_status"
            " where valid_from <= {period_end} and (valid_until is null or valid_until >= {period_end})"
            " group by elder_id having count(*) = 1) as economy on economy.elder_id = record.id",
        ),
        Lookup(
            {"has_contact": "contact.elder_id is not null"},
            "left join (select distinct elder_id from {records}.int_guardian where phone_status = 'valid') as contact"
            " on contact.elder_id = record.id",
        ),
    ),
)

GUARDIAN = Subject(
    table="guardian",
    prefix="GRD",
    theme=Theme.ELDER,
    name="监护人",
    owner=Owner.TOWN,
    lookups=(
        parent("elder", "elder_id", "elder"),
        Lookup(
            {"primary_count": "coalesce(primaries.primary_count, 0)"},
            "left join (select elder_id, count(*) as primary_count from {records}.int_guardian where is_primary"
            " group by elder_id having count(*) > 1) as primaries on primaries.elder_id = record.elder_id",
        ),
    ),
)

MEDICAL_HISTORY = Subject(
    table="medical_history",
    prefix="MED",
    theme=Theme.ELDER,
    name="病史",
    owner=Owner.TOWN,
    lookups=(
        parent("elder", "elder_id", "elder"),
        repeated(
            "medical_history", ("elder_id", "condition_group"), "condition_repeated", "condition_group <> 'other'"
        ),
        Lookup(
            {"assessment_has_dementia": "latest.has_dementia"},
            "left join (select distinct on (elder_id) elder_id, has_dementia from {records}.int_assessment"
            " where assessed_on <= {period_end} order by elder_id, assessed_on desc, id desc) as latest"
            " on latest.elder_id = record.elder_id",
        ),
    ),
)

ECONOMIC_STATUS = Subject(
    table="economic_status",
    prefix="ECO",
    theme=Theme.ELDER,
    name="经济状况",
    owner=Owner.TOWN,
    lookups=(
        parent("elder", "elder_id", "elder"),
        Lookup(
            {"overlaps_earlier": "overlap.id is not null"},
            "left join (select id from (select id, valid_from, max(coalesce(valid_until, date '9999-12-31')) over ("
            "partition by elder_id order by valid_from, id rows between unbounded preceding and 1 preceding)"
            " as earlier_until from {records}.int_economic_status) as spans where valid_from <= earlier_until)"
            " as overlap on overlap.id = record.id",
        ),
    ),
)

#: GB/T 42195-2022, 6.2: the level that the total alone gives, 0 (完好) to 4 (完全失能).
_LEVEL_OF_TOTAL = (
    "(case when total_score = 90 then 0 when total_score >= 66 then 1 when total_score >= 46 then 2"
    " when total_score >= 30 then 3 else 4 end)"
)
#: One level worse for dementia (F00–F03), F04–F99, or two care-risk events in 30 days; not stacked, capped; coma is 4.
_LEVEL_DUE = (
    f"(case when is_comatose then 4 when has_dementia or has_mental_disorder or risk_event_count >= 2"
    f" then least({_LEVEL_OF_TOTAL} + 1, 4) else {_LEVEL_OF_TOTAL} end)"
)
_LEVEL_ON_FILE = (
    "(case ability_level "
    + " ".join(f"when '{level.value}' then {i}" for i, level in enumerate(AbilityLevel))
    + " end)"
)

ASSESSMENT = Subject(
    table="assessment",
    prefix="ASM",
    theme=Theme.ELDER,
    name="能力评估",
    owner=Owner.ASSESSOR,
    has_own_division=True,
    lookups=(
        DIVISION,
        parent("elder", "elder_id", "elder", ("died_on",)),
        parent("organization", "organization_id", "assessor"),
        repeated("assessment", ("elder_id", "assessed_on"), "day_repeated"),
        Lookup(
            {"is_further_first": "first_assessment.id is not null"},
            "left join (select id from (select id, row_number() over (partition by elder_id order by assessed_on, id)"
            " as number from {records}.int_assessment where reason = 'first') as numbered where number > 1)"
            " as first_assessment on first_assessment.id = record.id",
        ),
    ),
)

CARE_RELATION = Subject(
    table="care_relation",
    prefix="CRE",
    theme=Theme.ELDER,
    name="照护关系",
    owner=Owner.COUNTY,
    has_own_division=True,
    lookups=(
        DIVISION,
        parent("elder", "elder_id", "elder", ("died_on",)),
        parent("organization", "organization_id", "organization"),
        repeated(
            "care_relation", ("elder_id", "organization_id", "kind"), "active_repeated",
            is_open("started_on", "ended_on", "{period_end}"),
        ),
    ),
)  # fmt: skip

SUBJECTS = (ELDER, GUARDIAN, MEDICAL_HISTORY, ECONOMIC_STATUS, ASSESSMENT, CARE_RELATION)

RULES: tuple[Rule, ...] = (
    division_rule(ELDER),
    code_rule(ELDER, "sex", Sex),
    code_rule(ELDER, "id_number_status", IdNumberStatus),
    code_rule(ELDER, "phone_status", PhoneStatus),
    code_rule(ELDER, "living_arrangement", LivingArrangement),
    code_rule(ELDER, "economic_category", EconomicCategory),
    code_rule(ELDER, "status", ElderStatus),
    Rule(
        id="ELD-01",
        subject=ELDER,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="身份证号校验不通过",
        definition="在册老人的公民身份号码须符合 GB 11643：位数、字符、出生日期与校验码均正确（15 位号码升位后校验）。"
        "区划前缀为已撤销区县的不算错误。",
        applies=_ACTIVE,
        violated=f"id_number_status in {BAD_ID_NUMBER}",
        recommendation="请镇街对照户口簿或身份证原件更正号码；号码确无误的，报平台核查校验规则。",
    ),
    Rule(
        id="ELD-02",
        subject=ELDER,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="联系电话格式不正确",
        definition="在册老人的联系电话须为 11 位手机号，或带（不带）区号的固定电话。",
        applies=_ACTIVE,
        violated="phone_status = 'invalid'",
        recommendation="电话回访或入户核实后更正；两个号码并在一格的，分开登记。",
    ),
    Rule(
        id="ELD-03",
        subject=ELDER,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="居住地未落实到村（居）委会",
        definition="在册老人的居住地区划须到村社一级（12 位代码的后三位不为 000）。",
        applies=f"{_ACTIVE} and division_level is not null",
        violated="division_level <> 'village'",
        recommendation="按现住址选到村（居）委会。",
    ),
    Rule(
        id="ELD-04",
        subject=ELDER,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="出生年月不合理",
        definition="出生年月不得晚于数据截至日，也不得早于其前 120 年。",
        applies="birth_month is not null",
        violated="birth_month > as_of_date or birth_month < as_of_date - interval '120 years'",
        recommendation="对照身份证件更正出生日期。",
    ),
    Rule(
        id="ELD-05",
        subject=ELDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="在册老人期末未满 60 周岁",
        definition="在册老人期末应满 60 周岁；未满的不计入老人数，须核实是否为提前建档的特殊对象。",
        applies=f"{_ACTIVE} and birth_month <= as_of_date",
        violated="birth_month > period_end - interval '60 years'",
        recommendation="核实出生年月；确未满 60 周岁且无特殊对象身份的，注销档案。",
    ),
    Rule(
        id="ELD-06",
        subject=ELDER,
        dimension=Dimension.CONFORMITY,
        severity=Severity.CRITICAL,
        title="仓库中出现了出生日",
        definition="数据仓库只保存出生年月，取当月一日；出生日属个人信息，不得离开业务库（个人信息最小化）。",
        applies="birth_month is not null",
        violated="extract(day from birth_month) <> 1",
        recommendation="立即停止发布，检查变更日志中 birth_month 的写入，清除后重新抽取。",
        other_owner=Owner.PLATFORM,
    ),
    future_rule(ELDER, "07", "registered_on"),
    Rule(
        id="ELD-08",
        subject=ELDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="死亡状态与死亡日期不一致",
        definition="状态为已故的须有死亡日期，有死亡日期的状态须为已故。",
        violated="(status = 'deceased') <> (died_on is not null)",
        recommendation="按死亡证明或殡葬数据补登死亡日期，或恢复在册状态。",
    ),
    Rule(
        id="ELD-09",
        subject=ELDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="迁出状态与迁出日期不一致",
        definition="状态为迁出的须有迁出日期，有迁出日期的状态不得为在册。",
        violated="(status = 'moved_away' and moved_on is null) or (status = 'active' and moved_on is not null)",
        recommendation="补登迁出日期，或恢复在册状态并清除迁出日期。",
    ),
    order_rule(ELDER, "10", "birth_month", "died_on"),
    Rule(
        id="ELD-11",
        subject=ELDER,
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        title="在册老人超过 105 周岁，需核实在世",
        definition="期末超过 105 周岁而仍在册的，须经当年在世核实。",
        applies=f"{_ACTIVE} and birth_month >= as_of_date - interval '120 years'",
        violated="birth_month < period_end - interval '105 years'",
        recommendation="入户或视频核实在世情况；已故的登记死亡日期。",
    ),
    Rule(
        id="ELD-12",
        subject=ELDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="居住情况为入住机构，但无在住记录",
        definition="居住情况登记为入住机构的在册老人，期末应有养老机构在住记录（市外机构除外）。",
        applies=_ACTIVE,
        violated="living_arrangement = 'institution' and not is_resident",
        recommendation="核实是否已退住或住在市外机构，更正居住情况。",
    ),
    Rule(
        id="ELD-13",
        subject=ELDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="在住机构的老人登记为居家居住",
        definition="期末在住养老机构的老人，居住情况应为入住机构。",
        applies=_ACTIVE,
        violated="is_resident and living_arrangement not in ('institution', 'unknown')",
        recommendation="更正居住情况，或由机构核实是否已退住。",
    ),
    Rule(
        id="ELD-14",
        subject=ELDER,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="对象类别与有效的经济状况不一致",
        definition="期末只有一条有效经济状况的，其类别须与档案的对象类别相同；任一为未知的不比。",
        applies=f"{_ACTIVE} and economic_status_category is not null",
        violated="economic_category <> economic_status_category"
        " and 'unknown' not in (economic_category, economic_status_category)",
        recommendation="按民政救助系统的认定结果更正对象类别或经济状况。",
    ),
    Rule(
        id="ELD-15",
        subject=ELDER,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.WARNING,
        title="80 周岁以上独居老人没有可联系的监护人",
        definition="期末满 80 周岁的独居在册老人，至少应有一名电话有效的监护人或紧急联系人。",
        applies=f"{_ACTIVE} and living_arrangement = 'alone' and birth_month <= period_end - interval '80 years'",
        violated="not has_contact",
        recommendation="探访时登记子女、邻居或村（居）联络员的电话。",
    ),
    Rule(
        id="ELD-16",
        subject=ELDER,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="居住网格编码格式不正确",
        definition="500 米网格编码形如 N04693E24571：N 加五位行号、E 加五位列号。",
        applies="cell_500m is not null",
        violated="cell_500m !~ '^N[0-9]{5}E[0-9]{5}$'",
        recommendation="重新计算网格编码。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="ELD-17",
        subject=ELDER,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="长者码格式不正确",
        definition="长者码为区划前六位、字母 Z、七位流水号与一位校验码（ISO 7064 MOD 37,36），不含出生日期与证件号。",
        applies="elder_code is not null",
        violated=f"elder_code !~ '^[0-9]{{6}}Z[0-9]{{{CODE_SERIAL_DIGITS[CodeKind.ELDER]}}}[0-9A-Z]$'",
        recommendation="收回错误的长者码并重新赋码。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="ELD-18",
        subject=ELDER,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.CRITICAL,
        title="长者码重复",
        definition="一个长者码只属于一份老人档案。",
        applies="elder_code is not null",
        violated="elder_code_repeated",
        recommendation="核实是否为同一人：是则合并档案，否则为后建者重新赋码。",
        other_owner=Owner.PLATFORM,
    ),
    reference_rule(GUARDIAN, "elder", "老人", "elder_id"),
    code_rule(GUARDIAN, "phone_status", PhoneStatus),
    Rule(
        id="GRD-01",
        subject=GUARDIAN,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="监护人电话格式不正确",
        definition="监护人的电话须为 11 位手机号或固定电话。",
        violated="phone_status = 'invalid'",
        recommendation="向老人或监护人核实后更正。",
    ),
    Rule(
        id="GRD-02",
        subject=GUARDIAN,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="同一老人有多名第一联系人",
        definition="每位老人至多一名第一联系人。",
        applies="is_primary",
        violated="primary_count > 1",
        recommendation="与家属确认后只保留一名第一联系人。",
    ),
    reference_rule(MEDICAL_HISTORY, "elder", "老人", "elder_id"),
    code_rule(MEDICAL_HISTORY, "condition_group", ConditionGroup),
    Rule(
        id="MED-01",
        subject=MEDICAL_HISTORY,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.WARNING,
        title="同一老人的同一病种重复登记",
        definition="除“其他”外，同一老人的同一病种分组只登记一条。",
        violated="condition_repeated",
        recommendation="合并重复的病史，保留最早的诊断。",
    ),
    Rule(
        id="MED-02",
        subject=MEDICAL_HISTORY,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="病史有认知障碍，但最近一次评估未记认知障碍诊断",
        definition="病史含认知障碍（痴呆）的老人，最近一次能力评估应记有认知障碍诊断（GB/T 42195-2022 等级变更条款）。",
        applies="condition_group = 'dementia' and assessment_has_dementia is not null",
        violated="not assessment_has_dementia",
        recommendation="核对诊断证明，必要时作即时评估。",
        other_owner=Owner.ASSESSOR,
    ),
    reference_rule(ECONOMIC_STATUS, "elder", "老人", "elder_id"),
    code_rule(ECONOMIC_STATUS, "category", EconomicCategory),
    order_rule(ECONOMIC_STATUS, "01", "valid_from", "valid_until"),
    Rule(
        id="ECO-02",
        subject=ECONOMIC_STATUS,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="同一老人的经济状况有效期重叠",
        definition="同一老人任一日至多一条有效的经济状况。",
        violated="overlaps_earlier",
        recommendation="按认定文书为前一条补登失效日。",
    ),
    division_rule(ASSESSMENT),
    reference_rule(ASSESSMENT, "elder", "老人", "elder_id"),
    reference_rule(ASSESSMENT, "assessor", "评估机构", "organization_id"),
    code_rule(ASSESSMENT, "reason", AssessmentReason),
    code_rule(ASSESSMENT, "ability_level", AbilityLevel),
    Rule(
        id="ASM-01",
        subject=ASSESSMENT,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="评估总分不等于四项一级指标之和",
        definition="总分等于自理能力、基础运动能力、精神状态、感知觉与社会参与四项得分之和（GB/T 42195-2022）。",
        applies="total_score is not null and self_care_score is not null and movement_score is not null"
        " and mental_score is not null and social_score is not null",
        violated="total_score <> self_care_score + movement_score + mental_score + social_score",
        recommendation="核对原始评估表，更正分项或总分。",
    ),
    Rule(
        id="ASM-02",
        subject=ASSESSMENT,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="能力等级与总分、等级变更条款不符",
        definition="GB/T 42195-2022：90 分能力完好，66–89 轻度，46–65 中度，30–45 重度，0–29 完全失能；昏迷为完全失能；"
        "确诊认知障碍（F00–F03）、其他精神科疾病（F04–F99）或近 30 天发生两次及以上照护风险事件的，在原等级上提高一级，"
        "不叠加，至完全失能为止。",
        applies=f"total_score is not null and {_LEVEL_ON_FILE} is not null",
        violated=f"{_LEVEL_ON_FILE} <> {_LEVEL_DUE}",
        recommendation="按标准重新判定等级；确有依据的，补记变更条款。",
    ),
    Rule(
        id="ASM-03",
        subject=ASSESSMENT,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="评估得分超出满分范围",
        definition="自理能力 0–32，基础运动能力 0–15，精神状态 0–28，感知觉与社会参与 0–15，总分 0–90。",
        violated="self_care_score not between 0 and 32 or movement_score not between 0 and 15"
        " or mental_score not between 0 and 28 or social_score not between 0 and 15"
        " or total_score not between 0 and 90",
        recommendation="核对原始评估表，更正得分。",
    ),
    order_rule(ASSESSMENT, "04", "assessed_on", "valid_until"),
    future_rule(ASSESSMENT, "05", "assessed_on"),
    Rule(
        id="ASM-06",
        subject=ASSESSMENT,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="评估日在老人死亡之后",
        definition="评估日不得晚于老人的死亡日期。",
        applies="elder_died_on is not null",
        violated="assessed_on > elder_died_on",
        recommendation="核实死亡日期与评估日期；虚假评估按规定处理。",
    ),
    Rule(
        id="ASM-07",
        subject=ASSESSMENT,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="同一老人有多次首次评估",
        definition="评估原因为首次的，每位老人只有一次。",
        applies="reason = 'first'",
        violated="is_further_first",
        recommendation="将后一次改为常规、即时或复评。",
    ),
    Rule(
        id="ASM-08",
        subject=ASSESSMENT,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.WARNING,
        title="同一老人同日有多次评估",
        definition="同一老人同一评估日只应有一条评估。",
        violated="day_repeated",
        recommendation="保留有效的一条，其余作废。",
    ),
    Rule(
        id="ASM-09",
        subject=ASSESSMENT,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="照护风险事件数不合理",
        definition="近 30 天照护风险事件数为 0 至 90 的整数。",
        violated="risk_event_count not between 0 and 90",
        recommendation="核对原始评估表。",
    ),
    division_rule(CARE_RELATION),
    reference_rule(CARE_RELATION, "elder", "老人", "elder_id"),
    reference_rule(CARE_RELATION, "organization", "组织", "organization_id"),
    Rule(
        id="CRE-01",
        subject=CARE_RELATION,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="照护关系类型不在代码表内",
        definition="照护关系只能为入住（residency）、家庭养老床位（family_bed）或上门服务（home_service）。",
        violated=f"kind not in {text_list(_CARE_KINDS)}",
        recommendation="更正关系类型。",
        other_owner=Owner.PLATFORM,
    ),
    order_rule(CARE_RELATION, "02", "started_on", "ended_on"),
    Rule(
        id="CRE-03",
        subject=CARE_RELATION,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.ERROR,
        title="同一照护关系重复且均未结束",
        definition="同一老人与同一组织的同类照护关系，任一日至多一条有效。",
        applies=is_open("started_on", "ended_on", "period_end"),
        violated="active_repeated",
        recommendation="结束重复的一条。",
    ),
    Rule(
        id="CRE-04",
        subject=CARE_RELATION,
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        title="老人已故，照护关系未结束",
        definition="老人死亡后 30 天内应结束其照护关系；未结束的，组织仍能看到其档案。",
        applies="elder_died_on is not null and ended_on is null",
        violated="elder_died_on < period_end - interval '30 days'",
        recommendation="登记结束日期。",
    ),
)
