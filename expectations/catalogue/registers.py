"""应有名册: whether what an outside register says is due is on file, and whether what is on file is in the register.

A register's `theme` is the theme's name, and its keys are what records of that theme carry in the warehouse: credit
codes, institution codes, bed codes, or credit code/building/room/bed (养老机构), names of facilities (社区设施), elder
codes (老人). Its rows are no records of a theme themselves; DUE-04 judges the institutions on file.
"""

from __future__ import annotations

from expectations.catalogue.building_blocks import DIVISION, division_rule, order_rule, text_list
from expectations.catalogue.institutions import INSTITUTION
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject, Theme

VERIFIABLE_THEMES = (Theme.INSTITUTION, Theme.FACILITY, Theme.ELDER)
#: Entries that are due at the period's end.
DUE = "due_from <= period_end and (due_until is null or due_until >= period_end)"

DUE_REGISTER = Subject(
    table="due_register",
    prefix="DUE",
    theme=Theme.INSTITUTION,
    name="应有名册条目",
    owner=Owner.COUNTY,
    has_own_division=True,
    counts=False,
    lookups=(
        DIVISION,
        Lookup(
            {"is_present": "present.key is not null"},
            "left join ("
            f"select '{Theme.INSTITUTION}' as theme, organization.credit_code as key from {{records}}.int_institution"
            " as institution inner join {records}.int_organization as organization"
            " on organization.id = institution.organization_id where organization.credit_code is not null"
            f" union select '{Theme.INSTITUTION}', organization.organization_code from {{records}}.int_institution"
            " as institution inner join {records}.int_organization as organization"
            " on organization.id = institution.organization_id where organization.organization_code is not null"
            f" union select '{Theme.INSTITUTION}', bed_code from {{records}}.int_bed where bed_code is not null"
            f" union select '{Theme.INSTITUTION}', organization.credit_code || '/' || building.name || '/' || room.name"
            " || '/' || bed.name from {records}.int_bed as bed"
            " inner join {records}.int_room as room on room.id = bed.room_id"
            " inner join {records}.int_building as building on building.id = room.building_id"
            " inner join {records}.int_institution as institution on institution.id = bed.institution_id"
            " inner join {records}.int_organization as organization on organization.id = institution.organization_id"
            " where organization.credit_code is not null"
            f" union select '{Theme.FACILITY}', name from {{records}}.int_facility"
            f" union select '{Theme.ELDER}', elder.elder_code from {{records}}.int_elder as elder"
            " inner join {records}.int_due_register as due on due.register_key = elder.elder_code"
            ") as present on present.theme = record.theme and present.key = record.register_key",
        ),
    ),
)

SUBJECTS = (DUE_REGISTER,)

RULES: tuple[Rule, ...] = (
    division_rule(DUE_REGISTER),
    order_rule(DUE_REGISTER, "01", "due_from", "due_until"),
    Rule(
        id="DUE-02",
        subject=DUE_REGISTER,
        dimension=Dimension.CONFORMITY,
        severity=Severity.ERROR,
        title="名册主题无法核对",
        definition="应有名册的主题只能为" + "、".join(VERIFIABLE_THEMES) + "；其余主题没有可核对的键，按缺失计。",
        violated=f"theme not in {text_list([theme.value for theme in VERIFIABLE_THEMES])}",
        recommendation="更正名册的主题与键。",
        other_owner=Owner.PLATFORM,
    ),
    Rule(
        id="DUE-03",
        subject=DUE_REGISTER,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.WARNING,
        title="名册应有而平台没有记录",
        definition="期末应有的名册条目，平台须有相应记录。记录完整率＝实有条目数÷应有条目数。",
        applies=f"{DUE} and theme in {text_list([theme.value for theme in VERIFIABLE_THEMES])}",
        violated="not is_present",
        recommendation="督促补录；已注销或撤销的，更新名册的截止日。",
    ),
    Rule(
        id="DUE-04",
        subject=INSTITUTION,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title="平台上的养老机构不在备案名册内",
        definition="所在县（市、区）已有备案名册的，未关闭的养老机构须以统一社会信用代码或机构码列入名册，且期末未注销。",
        applies="operating_status <> 'closed' and county_has_register"
        " and (organization_credit_code is not null or organization_organization_code is not null)",
        violated="not is_registered",
        recommendation="核实备案：已备案的，更正名册或平台的代码；未备案的，督促备案或依法处置。",
        other_owner=Owner.COUNTY,
    ),
)
