"""Which figures can be, by themselves, together, and beside the last period's. Pure; messages in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from huiyang.errors import HuiyangError
from huiyang.periods import Cadence, Period
from operational_app.collection.forms import (
    Check,
    Field,
    FieldKind,
    Form,
    NotMoreThan,
    SumOf,
    WantedWhere,
)
from operational_app.collection.models import CampaignKind

#: A figure that changes by more than this share of the last period's, and by at least CHANGE_LEAST, wants a remark.
CHANGE_SHARE = Decimal("0.3")
CHANGE_LEAST = 5
LONGEST_REMARK = 200
_LONGEST_TEXT = 200
_CENT = Decimal("0.01")
_YES_NO = {"是": "yes", "否": "no", "有": "yes", "无": "no", "yes": "yes", "no": "no"}
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．，－", "0123456789.,-")
CADENCES = {CampaignKind.BASE: Cadence.HALF_YEARLY, CampaignKind.OPERATING: Cadence.MONTHLY}


class NotAValue(Exception):
    """A text that is no value of its field; says what to write instead."""


@dataclass(frozen=True)
class Problem:
    """What stands between a filing and its submission.

    Attributes:
        wants_remark: gone once the field has a remark; otherwise the figure itself is to be put right.
    """

    code: str
    message: str
    wants_remark: bool = False


def parse(field: Field, text: str) -> str:
    """The value as it is stored; empty for nothing. Numbers with thousands, full-width digits and labels are read.

    Raises:
        NotAValue: no value of the field.
    """
    text = " ".join(text.split())
    if not text:
        return ""
    if field.is_number:
        return _number(field, text)
    if field.kind is FieldKind.TEXT:
        if len(text) > _LONGEST_TEXT:
            raise NotAValue(f"不能超过 {_LONGEST_TEXT} 个字")
        return text
    known = {value: value for value, _ in field.options} | {label: value for value, label in field.options}
    if field.kind is FieldKind.YES_NO:
        known |= _YES_NO
    if text not in known:
        raise NotAValue("请填写：" + "、".join(label for _, label in field.options))
    return known[text]


def _number(field: Field, text: str) -> str:
    try:
        number = Decimal(text.translate(_FULL_WIDTH).replace(",", "").replace(" ", ""))
    except InvalidOperation:
        raise NotAValue(f"“{text[:20]}”不是数字") from None
    if not number.is_finite() or not field.low <= number <= field.high:
        raise NotAValue(f"应在 {field.low:,} 至 {field.high:,} 之间")
    if field.kind is FieldKind.COUNT:
        if number != number.to_integral_value():
            raise NotAValue("应为整数")
        return str(int(number))
    if number != number.quantize(_CENT):
        raise NotAValue("最多两位小数")
    return str(number.quantize(_CENT))


def shown(field: Field, value: str | None) -> str:
    """A stored value as people read it."""
    if not value:
        return ""
    return dict(field.options).get(value, value)


def problems(
    form: Form,
    figures: Mapping[str, str],
    remarks: Mapping[str, str],
    previous: Mapping[str, str],
    system: Mapping[str, str],
) -> list[Problem]:
    """Everything that stands between a filing and its submission, in the order of the form.

    Args:
        figures: confirmed values, as stored; previous: of the last accepted period; system: the platform's own counts.
    """
    found: list[Problem] = []
    for field in form.fields:
        value = figures.get(field.code, "")
        if not value:
            if field.required:
                kept = "上期数据待确认：与上期一致请点“无变化”，否则请填写" if previous.get(field.code) else "必填"
                found.append(Problem(field.code, kept))
            continue
        if field.is_number and field.code in system and Decimal(system[field.code]) != Decimal(value):
            found.append(
                Problem(field.code, f"与系统统计 {system[field.code]} 不一致，请核对，确实不同的请写明原因", True)
            )
        elif field.code in system and system[field.code] != value:
            label = shown(field, system[field.code])
            found.append(Problem(field.code, f"与机构档案“{label}”不一致，请核对，确实不同的请写明原因", True))
        if field.is_remarkable and field.is_number and previous.get(field.code) and _jumps(value, previous[field.code]):
            message = f"与上期 {previous[field.code]} 相差超过 {CHANGE_SHARE:.0%}，请核对，确实如此的请写明原因"
            found.append(Problem(field.code, message, True))
    for check in form.checks:
        if problem := _checked(form, check, figures, previous):
            found.append(problem)
    order = {field.code: number for number, field in enumerate(form.fields)}
    left = [one for one in found if not (one.wants_remark and remarks.get(one.code, "").strip())]
    return sorted(left, key=lambda one: order[one.code])


def _jumps(value: str, before: str) -> bool:
    now, then = Decimal(value), Decimal(before)
    change = abs(now - then)
    return change >= CHANGE_LEAST and change > CHANGE_SHARE * then


def _checked(form: Form, check: Check, figures: Mapping[str, str], previous: Mapping[str, str]) -> Problem | None:
    """What a check says; nothing while one of its figures is missing."""
    label = {field.code: field.label.removeprefix("其中：") for field in form.fields}

    def numbers(*codes: str) -> list[Decimal] | None:
        if not all(figures.get(code) for code in codes):
            return None
        return [Decimal(figures[code]) for code in codes]

    if isinstance(check, SumOf):
        if (found := numbers(check.total, *check.parts)) is None:
            return None
        total, parts = found[0], sum(found[1:], Decimal(0))
        if parts == total or (check.is_at_most and parts < total):
            return None
        names = "、".join(label[code] for code in check.parts)
        wanted = "不应超过" if check.is_at_most else "应等于"
        return Problem(check.total, f"{names}合计 {parts}，{wanted}{label[check.total]} {total}")
    if isinstance(check, NotMoreThan):
        pair = numbers(check.lower, check.upper)
        if pair is None or pair[0] <= pair[1]:
            return None
        return Problem(check.lower, f"{label[check.lower]} {pair[0]} 大于{label[check.upper]} {pair[1]}")
    if isinstance(check, WantedWhere):
        if figures.get(check.field) or not any(figures.get(code) == check.value for code in check.conditions):
            return None
        return Problem(check.field, "必填：" + form.by_code[check.field].help)
    before = previous.get(check.stock)
    found = numbers(check.stock, *check.came, *check.went)
    if found is None or not before:
        return None
    came = sum(found[1 : 1 + len(check.came)], Decimal(0))
    went = sum(found[1 + len(check.came) :], Decimal(0))
    expected = Decimal(before) + came - went
    if expected == found[0]:
        return None
    return Problem(
        check.stock,
        f"上期 {before}，加入住 {came}、减退住和身故 {went} 应为 {expected}，请核对，确实不同的请写明原因",
        True,
    )


def period_of(kind: CampaignKind, text: str) -> Period | None:
    """The period, if it is one of the kind's cadence."""
    try:
        period = Period.parse(text.strip())
    except HuiyangError:
        return None
    return period if period.cadence is CADENCES[kind] else None


def campaign_title(kind: CampaignKind, period: str) -> str:
    """2026 年 11 月运营数据."""
    return f"{period_label(period)}{kind.label.split('（')[0]}"


def period_label(text: str) -> str:
    """2026-10 → 2026 年 10 月; 2026-H2 → 2026 年下半年."""
    year, part = text.split("-")
    if part.startswith("H"):
        return f"{year} 年{'上' if part == 'H1' else '下'}半年"
    return f"{year} 年 {int(part)} 月"
