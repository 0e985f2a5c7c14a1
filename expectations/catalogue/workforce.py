"""人员: staff of organizations and their certificates."""

from __future__ import annotations

from expectations.catalogue.building_blocks import (
    DIVISION,
    code_rule,
    division_rule,
    future_rule,
    order_rule,
    parent,
    reference_rule,
    repeated,
)
from expectations.catalogue.elders import BAD_ID_NUMBER
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject, Theme
from huiyang.identifiers import IdNumberStatus, PhoneStatus
from operational_app.elders.models import Sex
from operational_app.workforce.models import Occupation

_IN_POST = "(left_on is null or left_on > period_end)"

STAFF = Subject(
    table="staff",
    prefix="STF",
    theme=Theme.WORKFORCE,
    name="工作人员",
    owner=Owner.ORGANIZATION,
    has_own_division=True,
    lookups=(
        DIVISION,
        parent("organization", "organization_id", "organization", ("status", "division_code")),
        Lookup(
            {"has_certificate": "certified.staff_id is not null"},
            "left join (select distinct staff_id from {records}.int_certificate"
            " where expires_on is null or expires_on >= {period_end}) as certified on certified.staff_id = record.id",
        ),
    ),
)

CERTIFICATE = Subject(
    table="certificate",
    prefix="CRT",
    theme=Theme.WORKFORCE,
    name="证书",
    owner=Owner.ORGANIZATION,
    lookups=(
        parent("staff", "staff_id", "staff", ("left_on",)),
        repeated("certificate", ("staff_id", "kind", "level", "issued_on"), "certificate_repeated"),
        Lookup(
            {"is_renewed": "newer.staff_id is not null"},
            "left join (select distinct staff_id, kind from {records}.int_certificate"
            " where expires_on is null or expires_on >= {period_end}) as newer"
            " on newer.staff_id = record.staff_id and newer.kind = record.kind",
        ),
    ),
)

SUBJECTS = (STAFF, CERTIFICATE)

RULES: tuple[Rule, ...] = (
    division_rule(STAFF),
    reference_rule(STAFF, "organization", "任职组织", "organization_id"),
    code_rule(STAFF, "sex", Sex),
    code_rule(STAFF, "id_number_status", IdNumberStatus),
    code_rule(STAFF, "phone_status", PhoneStatus),
    code_rule(STAFF, "occupation", Occupation),
    Rule(
        id="STF-01",
        subject=STAFF,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="工作人员身份证号校验不通过",
        definition="期末在岗工作人员的公民身份号码须符合 GB 11643。",
        applies=_IN_POST,
        violated=f"id_number_status in {BAD_ID_NUMBER}",
        recommendation="对照身份证原件更正。",
    ),
    Rule(
        id="STF-02",
        subject=STAFF,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="工作人员电话格式不正确",
        definition="期末在岗工作人员的电话须为 11 位手机号或固定电话。",
        applies=_IN_POST,
        violated="phone_status = 'invalid'",
        recommendation="核实后更正。",
    ),
    order_rule(STAFF, "03", "employed_on", "left_on"),
    future_rule(STAFF, "04", "employed_on"),
    Rule(
        id="STF-05",
        subject=STAFF,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title="在岗工作人员年龄不合理",
        definition="期末在岗的工作人员须满 16 周岁（《劳动法》第十五条），且不超过 80 周岁。",
        applies=f"{_IN_POST} and birth_month is not null",
        violated="birth_month > period_end - interval '16 years' or birth_month < period_end - interval '80 years'",
        recommendation="对照身份证件更正出生日期；已离职的登记离职日。",
    ),
    Rule(
        id="STF-06",
        subject=STAFF,
        dimension=Dimension.CONFORMITY,
        severity=Severity.CRITICAL,
        title="仓库中出现了工作人员的出生日",
        definition="数据仓库只保存出生年月，取当月一日；出生日属个人信息，不得离开业务库（个人信息最小化）。",
        applies="birth_month is not null",
        violated="extract(day from birth_month) <> 1",
        recommendation="立即停止发布，检查变更日志中 birth_month 的写入，清除后重新抽取。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="STF-07",
        subject=STAFF,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.WARNING,
        title="在岗护理员没有有效证书",
        definition="期末在岗的护理员（服务人员）应至少有一项有效的职业证书或健康证明。",
        applies=f"{_IN_POST} and occupation = 'care_worker'",
        violated="not has_certificate",
        recommendation="补录证书，或安排培训、体检。",
    ),
    Rule(
        id="STF-08",
        subject=STAFF,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.WARNING,
        title="组织已注销，工作人员未离职",
        definition="已注销组织的工作人员应登记离职日。",
        applies=_IN_POST,
        violated="organization_status = 'closed'",
        recommendation="登记离职日，或更正组织状态。",
    ),
    Rule(
        id="STF-09",
        subject=STAFF,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="工作人员出生晚于入职",
        definition="入职时须满 16 周岁。",
        applies="birth_month is not null and employed_on is not null",
        violated="employed_on < birth_month + interval '16 years'",
        recommendation="核对出生日期与入职日。",
    ),
    reference_rule(CERTIFICATE, "staff", "工作人员", "staff_id"),
    order_rule(CERTIFICATE, "01", "issued_on", "expires_on"),
    future_rule(CERTIFICATE, "02", "issued_on"),
    Rule(
        id="CRT-03",
        subject=CERTIFICATE,
        dimension=Dimension.TIMELINESS,
        severity=Severity.WARNING,
        title="在岗人员的证书已过期且未续办",
        definition="期末在岗人员的每类证书应有一项有效。",
        applies="(staff_left_on is null or staff_left_on > period_end) and expires_on is not null",
        violated="expires_on < period_end and not is_renewed",
        recommendation="续办后上传新证。",
    ),
    Rule(
        id="CRT-04",
        subject=CERTIFICATE,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.WARNING,
        title="同一证书重复登记",
        definition="同一人同类同级同日发证的证书只登记一条。",
        violated="certificate_repeated",
        recommendation="合并重复的证书。",
    ),
)
