"""What an acceptance report says, as plain values for the three forms (HTML, PDF, Excel). No I/O, no layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from expectations.catalogue import SUBJECTS
from expectations.figures import format_percentage
from expectations.release_info import ReleaseInfo
from expectations.results import GateResult, RuleResult, ThemeResult, Totals, Violation
from expectations.rule import Dimension, Severity, Theme
from huiyang.periods import Cadence, Period
from huiyang.settings import BUSINESS_TIMEZONE

TITLE = "湛江市养老服务数据质量验收报告"
#: Keys of one rule that pages and print show; the workbook has all.
KEYS_SHOWN = 200
#: Critical rules that the cover names.
_REASONS_SHOWN = 6
_LANES = {"provisional": "快报（未审核）", "official": "正式"}
_SUBJECT_NAMES = {subject.table: subject.name for subject in SUBJECTS}

DEFINITIONS = (
    ("可发布", "对账平衡，主键与数据契约成立，没有违反任何严重规则，且所有规则均已执行。不能执行的规则按严重失败计。"),
    ("达标", "可发布，且完整率恰为 100%，错误率低于 1%，并经审核人签发。本报告的结论按数值给出，签发前不生效。"),
    (
        "完整率",
        "（已填应填字段数＋实有记录数）÷（应填字段数＋应有记录数）。应填字段及其适用条件见应填字段表；"
        "应有记录数来自外部名册，没有名册的主题不计，也不以 100% 充数。",
    ),
    (
        "错误率",
        "至少违反一条“严重”或“错误”级规则的记录数÷记录数。一条记录违反多条规则只计一次；缺项只计入完整率，不计入错误率。",
    ),
    (
        "记录",
        "截至截止点已知、期末有效的记录（工单、评价、照片、报警、体征为当期发生）；重复档案已按合并关系归并。"
        "外部名册条目不是记录。任何记录都不会为达标而被剔除。",
    ),
    ("严重程度", "严重：阻止发布；错误：计入错误率；提示：须核实，不计入错误率。"),
    ("质量维度", "GB/T 36344-2018《信息技术 数据质量评价指标》：规范性、完整性、准确性（含唯一性）、一致性、时效性。"),
    (
        "百分数",
        "分子、分母均为整数，按整数比较。显示时不跨越 0%、1%、100% 进位：99.996% 不写作 100%，0.996% 不写作 1%。",
    ),
    (
        "县（市、区）",
        "按记录的区划代码前六位归属；无法归属的列为“未归属”。功能区（湛江经开区等）的记录计入其所在县（市、区）。",
    ),
    ("主键", "平台内部的无义编号，不含个人信息；有权限的人员可凭主键在业务平台查阅记录。首次发现日跨版本保留。"),
)


@dataclass(frozen=True)
class FigureRow:
    """One line of figures, ready to print."""

    name: str
    record_count: int
    error_record_count: int
    error_rate: str
    is_error_rate_met: bool
    field_due_count: int
    field_filled_count: int
    field_completeness: str
    is_complete: bool
    record_due_count: int | None
    record_present_count: int | None
    record_completeness: str


@dataclass(frozen=True)
class ThemeSection:
    """A theme: its sum, then its counties."""

    theme: str
    total: FigureRow
    counties: list[FigureRow]


@dataclass(frozen=True)
class RuleRow:
    """A rule's outcome, ready to print.

    Attributes:
        result: 通过, 违反, 未能执行 or 无适用记录.
    """

    rule_id: str
    theme: str
    record_name: str
    dimension: str
    severity: str
    title: str
    definition: str
    recommendation: str
    owner: str
    checked_count: int
    violation_count: int
    violation_rate: str
    result: str
    problem: str | None


@dataclass(frozen=True)
class KeyGroup:
    """Keys of records in one county."""

    county: str
    keys: list[int]


@dataclass(frozen=True)
class KeyList:
    """Records that broke a rule: at most KEYS_SHOWN of them, by county."""

    rule: RuleRow
    shown_count: int
    groups: list[KeyGroup]


@dataclass(frozen=True)
class ReportContent:
    """The whole report."""

    title: str
    subtitle: str
    lane: str
    is_official: bool
    publishable: bool
    accepted: bool
    reasons: list[str]
    facts: list[tuple[str, str]]
    total: FigureRow
    completeness: str
    completeness_numerator: int
    completeness_denominator: int
    themes: list[ThemeSection]
    dimensions: list[dict[str, Any]]
    failing_rules: list[RuleRow]
    missing_fields: list[RuleRow]
    all_rules: list[RuleRow]
    key_lists: list[KeyList]
    definitions: list[tuple[str, str]]
    keys_shown: int
    written_at: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def build_content(release: ReleaseInfo, gate: GateResult, violations: Iterable[Violation]) -> ReportContent:
    """
    Args:
        violations: at most KEYS_SHOWN of each rule, by rule; the counts come from `gate`.
    """
    rows = {r.rule_id: _rule_row(r) for r in gate.rule_results}
    broken = sorted((r for r in gate.rule_results if not r.holds), key=_gravity)
    keys = _keys_by_rule(violations, gate.county_names)
    totals = gate.totals
    return ReportContent(
        title=TITLE,
        subtitle=_period_name(gate.period),
        lane=_LANES[release.lane],
        is_official=release.lane == "official",
        publishable=gate.publishable,
        accepted=gate.accepted_by_figures,
        reasons=_reasons(gate),
        facts=_facts(release, gate),
        total=figure_row("合计", totals),
        completeness=format_percentage(totals.completeness_numerator, totals.completeness_denominator),
        completeness_numerator=totals.completeness_numerator,
        completeness_denominator=totals.completeness_denominator,
        themes=[_theme_section(theme, gate.theme_results) for theme in Theme],
        dimensions=[_dimension_row(dimension, gate.rule_results) for dimension in Dimension],
        failing_rules=[rows[r.rule_id] for r in broken if not is_required_field(r)],
        missing_fields=[rows[r.rule_id] for r in broken if is_required_field(r)],
        all_rules=list(rows.values()),
        key_lists=[
            KeyList(rows[r.rule_id], sum(len(group.keys) for group in keys[r.rule_id]), keys[r.rule_id])
            for r in broken
            if r.rule_id in keys
        ],
        definitions=list(DEFINITIONS),
        keys_shown=KEYS_SHOWN,
        written_at=_minute(gate.finished_at),
    )


def is_required_field(result: RuleResult) -> bool:
    """Whether the rule says that a required field is filled."""
    return "-REQ-" in result.rule_id


def figure_row(name: str, totals: Totals) -> FigureRow:
    """Counts with their percentages."""
    return FigureRow(
        name=name,
        record_count=totals.record_count,
        error_record_count=totals.error_record_count,
        error_rate=format_percentage(totals.error_record_count, totals.record_count),
        is_error_rate_met=100 * totals.error_record_count < totals.record_count or totals.record_count == 0,
        field_due_count=totals.field_due_count,
        field_filled_count=totals.field_filled_count,
        field_completeness=format_percentage(totals.field_filled_count, totals.field_due_count),
        is_complete=totals.completeness_numerator == totals.completeness_denominator,
        record_due_count=totals.record_due_count,
        record_present_count=totals.record_present_count,
        record_completeness="无名册"
        if totals.record_due_count is None or totals.record_present_count is None
        else format_percentage(totals.record_present_count, totals.record_due_count),
    )


def rule_result_word(result: RuleResult) -> str:
    if result.problem:
        return "未能执行"
    if not result.holds:
        return "违反"
    return "通过" if result.checked_count else "无适用记录"


def county_name(county_code: str, county_names: Mapping[str, str]) -> str:
    return county_names.get(county_code, "未归属")


def _reasons(gate: GateResult) -> list[str]:
    """What stands against the verdicts; a long list is cut, since the rules follow."""
    reasons = list(gate.verdict.against_publishing)
    if len(reasons) > _REASONS_SHOWN:
        more = len(reasons) - _REASONS_SHOWN
        reasons = [*reasons[:_REASONS_SHOWN], f"另有 {more} 条严重规则被违反或未能执行，见第三部分"]
    return [*reasons, *gate.verdict.against_acceptance]


def _theme_section(theme: Theme, results: Iterable[ThemeResult]) -> ThemeSection:
    own = [row for row in results if row["theme"] == theme.value]
    return ThemeSection(
        theme.value,
        figure_row("合计", Totals.over(own)),
        [figure_row(row["county_name"], Totals.over([row])) for row in own],
    )


def _rule_row(result: RuleResult) -> RuleRow:
    ran = result.problem is None
    return RuleRow(
        rule_id=result.rule_id,
        theme=result.theme.value,
        record_name=_SUBJECT_NAMES[result.record_table],
        dimension=result.dimension.value,
        severity=result.severity.label,
        title=result.title,
        definition=result.definition,
        recommendation=result.recommendation,
        owner=result.owner.value,
        checked_count=result.checked_count,
        violation_count=result.violation_count if ran else 0,
        violation_rate=format_percentage(result.violation_count, result.checked_count) if ran else "—",
        result=rule_result_word(result),
        problem=result.problem,
    )


def _gravity(result: RuleResult) -> tuple[bool, int, int, str]:
    return result.problem is None, list(Severity).index(result.severity), -result.violation_count, result.rule_id


def _dimension_row(dimension: Dimension, results: Iterable[RuleResult]) -> dict[str, Any]:
    own = [r for r in results if r.dimension is dimension]
    return {
        "dimension": dimension.value,
        "rule_count": len(own),
        "failing_count": sum(not r.holds for r in own),
        "checked_count": sum(r.checked_count for r in own),
        "violation_count": sum(r.violation_count for r in own if r.problem is None),
    } | {
        f"{severity.value}_failing_count": sum(not r.holds and r.severity is severity for r in own)
        for severity in Severity
    }


def _keys_by_rule(violations: Iterable[Violation], county_names: Mapping[str, str]) -> dict[str, list[KeyGroup]]:
    result = {}
    for rule_id, found in groupby(violations, key=lambda violation: violation.rule_id):
        ordered = sorted(found, key=lambda violation: (violation.county_code or "~", violation.record_id))
        result[rule_id] = [
            KeyGroup(county_name(code, county_names), [violation.record_id for violation in group])
            for code, group in groupby(ordered, key=lambda violation: violation.county_code)
        ]
    return result


def _facts(release: ReleaseInfo, gate: GateResult) -> list[tuple[str, str]]:
    return [
        ("期", _period_name(gate.period)),
        ("版本", f"第 {release.release_id} 版"),
        ("类型", _LANES[release.lane]),
        ("数据截至", _minute(release.as_of)),
        ("截止点（事务号）", str(release.cut_off)),
        ("发起人", release.started_by),
        ("程序版本", release.git_commit),
        ("编排设置指纹（SHA-256）", release.orchestration_sha256),
        ("规则目录指纹（SHA-256）", gate.catalogue_sha256),
        ("应填字段表", f"{gate.required_fields_version} 版。依据：{gate.required_fields_basis}"),
        ("闸门运行编号", str(gate.gate_run_id)),
        ("检查完成", _minute(gate.finished_at)),
    ]


def _period_name(period: str) -> str:
    parsed = Period.parse(period)
    if parsed.cadence is Cadence.MONTHLY:
        return f"{parsed.year} 年 {parsed.number} 月"
    return f"{parsed.year} 年{'上' if parsed.number == 1 else '下'}半年"


def _minute(instant: datetime) -> str:
    return instant.astimezone(BUSINESS_TIMEZONE).strftime("%Y-%m-%d %H:%M")
