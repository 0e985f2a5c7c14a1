"""What the quality pages read: the results that a release left in the inbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from huiyang.divisions import DivisionLevel, division_tree
from operational_app.core.row_security import ScopeSetting
from operational_app.identity.access import Resource
from operational_app.inbox.models import FigureChange, ReleaseResult, RuleResult, ThemeResult, Violation
from operational_app.web.scoping import in_scope

LANES = {"provisional": "快报（未审核）", "official": "正式"}
STATES = {
    "candidate": ("待发布", "blue"),
    "published": ("已发布", "green"),
    "rejected": ("未通过", "red"),
    "superseded": ("已被替代", "secondary"),
}
SEVERITIES = {"critical": ("严重", "red"), "error": ("错误", "orange"), "warning": ("提示", "secondary")}
#: In the order shown; a theme that is not here comes last.
THEMES = ["老人", "养老机构", "社区设施", "家庭养老床位", "上门服务", "健康", "人员"]
#: How a figure continues its past: label and colour.
CONTINUITY = {
    "vanished": ("本期归零", "red"),
    "unusual": ("超出常见范围", "orange"),
    "unknown": ("历史不足", "secondary"),
    "usual": ("正常", "green"),
}
_CITY_DIGITS, _COUNTY_DIGITS = 4, 6
_SEVERITY_ORDER = list(SEVERITIES)
#: Kinds of report files, in the order shown: suffix → label and content type.
REPORT_KINDS = {
    ".html": ("网页", "text/html; charset=utf-8"),
    ".pdf": ("PDF", "application/pdf"),
    ".xlsx": ("Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
#: Records that have a page: table (without its schema) → name of a record, address, right.
RECORDS: dict[str, tuple[str, str, Resource | None]] = {
    "elder": ("老人", "/elders/{id}", Resource.ELDERS),
    "institution": ("养老机构", "/institutions/{id}", Resource.INSTITUTIONS),
    "facility": ("社区养老设施", "/facilities/{id}", Resource.FACILITIES),
    "organization": ("单位", "/providers/{id}", Resource.PROVIDERS),
    "service_order": ("服务工单", "/orders/{id}", Resource.ORDERS),
}
#: Records without a page of their own yet.
_OTHER_RECORDS = {
    "guardian": "监护人", "medical_history": "病史", "economic_status": "经济状况", "assessment": "能力评估",
    "bed": "机构床位", "residency": "入住记录", "service_agreement": "服务合同", "qualification": "证照",
    "staff": "工作人员", "certificate": "证书", "family_bed": "家庭养老床位", "device": "设备",
    "device_binding": "设备绑定", "alarm": "报警", "vital_sign": "体征", "evaluation": "服务评价",
    "entitlement": "补贴资格", "care_relation": "照护关系", "service_item": "服务项目", "photo": "服务照片",
    "day_care_enrolment": "日间照料登记",
}  # fmt: skip


def latest_release(session: Session) -> ReleaseResult | None:
    """The newest refresh, whatever its verdict; None before the first."""
    return session.scalars(select(ReleaseResult).order_by(ReleaseResult.release_id.desc()).limit(1)).first()


def release(session: Session, release_id: int) -> ReleaseResult | None:
    return session.scalars(select(ReleaseResult).where(ReleaseResult.release_id == release_id)).one_or_none()


def releases(session: Session, most: int = 24) -> Sequence[ReleaseResult]:
    """Newest first."""
    return session.scalars(select(ReleaseResult).order_by(ReleaseResult.release_id.desc()).limit(most)).all()


@dataclass(frozen=True)
class ThemeRow:
    """Counts of a theme, in one county or in all that the user sees."""

    theme: str
    county_code: str | None
    record_count: int
    error_record_count: int
    field_due_count: int
    field_filled_count: int
    record_due_count: int | None
    record_present_count: int | None

    @property
    def county_name(self) -> str:
        tree = division_tree()
        if not self.county_code:
            return "合计" if self.county_code is None else "未归属"
        return tree[self.county_code].name if self.county_code in tree else self.county_code


def theme_rows(session: Session, release_id: int, scope: ScopeSetting) -> dict[str, list[ThemeRow]]:
    """Theme → its sum and its counties, of the counties in the scope; a part of a county does not see the county's."""
    statement = (
        select(ThemeResult)
        .where(ThemeResult.release_id == release_id)
        .order_by(ThemeResult.theme, ThemeResult.county_code)
    )
    themes: dict[str, list[ThemeRow]] = {}
    for result in session.scalars(statement):
        if holds_county(scope, result.county_code):
            themes.setdefault(result.theme, []).append(
                ThemeRow(
                    result.theme, result.county_code, result.record_count, result.error_record_count,
                    result.field_due_count, result.field_filled_count,
                    result.record_due_count, result.record_present_count,
                )
            )  # fmt: skip
    ordered = sorted(themes, key=lambda theme: (THEMES.index(theme) if theme in THEMES else len(THEMES), theme))
    return {
        theme: [_sum(theme, themes[theme]), *themes[theme]] if len(themes[theme]) > 1 else themes[theme]
        for theme in ordered
    }


def holds_county(scope: ScopeSetting, county_code: str) -> bool:
    """Whether the whole county lies in the scope."""
    if sees_whole_city(scope):
        return True  # also the records of no county
    if scope.division_lo is None or scope.division_hi is None or scope.towns:
        return False
    return scope.division_lo <= county_code[:_COUNTY_DIGITS] < scope.division_hi


def _sum(theme: str, rows: Sequence[ThemeRow]) -> ThemeRow:
    """The rows added up; what an outside register covers only in part has no sum."""
    due = [row.record_due_count for row in rows if row.record_due_count is not None]
    present = [row.record_present_count for row in rows if row.record_present_count is not None]
    return ThemeRow(
        theme,
        None,
        sum(row.record_count for row in rows),
        sum(row.error_record_count for row in rows),
        sum(row.field_due_count for row in rows),
        sum(row.field_filled_count for row in rows),
        sum(due) if len(due) == len(rows) else None,
        sum(present) if len(present) == len(rows) else None,
    )


@dataclass(frozen=True)
class RuleRow:
    """A rule that found violations; `violations` are those in the scope."""

    rule: RuleResult
    violations: int


def failing_rules(session: Session, release_id: int, scope: ScopeSetting) -> list[RuleRow]:
    """Rules with violations in the scope, the gravest first."""
    rules = session.scalars(
        select(RuleResult).where(RuleResult.release_id == release_id, RuleResult.violation_count > 0)
    ).all()
    counts = dict.fromkeys((rule.rule_id for rule in rules), 0)
    if sees_whole_city(scope):
        counts |= {rule.rule_id: rule.violation_count for rule in rules}
    else:
        counted = select(Violation.rule_id, func.count()).where(
            Violation.release_id == release_id, in_scope(Violation.division_code, scope)
        )
        counts |= dict(session.execute(counted.group_by(Violation.rule_id)).all())
    rows = [RuleRow(rule, counts[rule.rule_id]) for rule in rules if counts[rule.rule_id]]
    return sorted(rows, key=lambda row: (_SEVERITY_ORDER.index(row.rule.severity), -row.violations, row.rule.rule_id))


def compared_units(scope: ScopeSetting) -> dict[str, str]:
    """Code → name of the statistical units whose figures the user sees whole, the widest first."""
    tree = division_tree()
    units = {tree.root.code: tree.root.name} if sees_whole_city(scope) else {}
    units |= {
        county.code: county.name
        for county in tree.at_level(DivisionLevel.COUNTY)
        if holds_county(scope, county.code)
    }  # fmt: skip
    return units | {
        unit.code: unit.name for unit in tree.reporting_units if sees_whole_city(scope) or unit.code == scope.unit_code
    }


def figure_changes(session: Session, release_id: int, unit_code: str) -> Sequence[FigureChange]:
    """A unit's figures of a release beside those before it, in the order of the mart."""
    statement = select(FigureChange).where(FigureChange.release_id == release_id, FigureChange.unit_code == unit_code)
    return session.scalars(statement.order_by(FigureChange.id)).all()


def striking_changes(session: Session, release_id: int, scope: ScopeSetting) -> dict[str, int]:
    """Unit → how many of its figures do not continue their past, of the units that the user sees."""
    counted = select(FigureChange.unit_code, func.count()).where(
        FigureChange.release_id == release_id,
        FigureChange.verdict.in_(["unusual", "vanished"]),
        FigureChange.unit_code.in_(compared_units(scope)),
    )
    return dict(session.execute(counted.group_by(FigureChange.unit_code)).all())


def sees_whole_city(scope: ScopeSetting) -> bool:
    return scope.division_lo is not None and not scope.towns and len(scope.division_lo) <= _CITY_DIGITS


def violations(release_id: int, rule_id: str, scope: ScopeSetting, county_code: str | None) -> Select[Any]:
    """The records that broke a rule, by place."""
    statement = select(Violation).where(
        Violation.release_id == release_id,
        Violation.rule_id == rule_id,
        in_scope(Violation.division_code, scope, county_code),
    )
    return statement.order_by(Violation.division_code, Violation.record_id)


def record_name(table: str) -> str:
    """What a record of this table is called."""
    name = table.rpartition(".")[2]
    return RECORDS[name][0] if name in RECORDS else _OTHER_RECORDS.get(name, name)


def record_address(table: str, key: int) -> tuple[str, Resource | None] | None:
    """(address of the record's page, right that it needs); None for a record without a page."""
    found = RECORDS.get(table.rpartition(".")[2])
    return (found[1].format(id=key), found[2]) if found else None


def report_files(result: ReleaseResult, report_dir: Path) -> list[Path]:
    """The files of a release's report, by kind; nothing outside the folder of reports is ever listed."""
    if not result.report_folder:
        return []
    folder = (report_dir / result.report_folder).resolve()
    if not folder.is_relative_to(report_dir.resolve()) or not folder.is_dir():
        return []
    kinds = list(REPORT_KINDS)
    files = [path for path in folder.iterdir() if path.suffix in REPORT_KINDS and path.is_file()]
    return sorted(files, key=lambda path: (kinds.index(path.suffix), path.name))
