"""Percentages that do not lie: integers compared, display never rounded across a threshold."""

from __future__ import annotations

from fractions import Fraction

#: The error rate must stay below it.
ERROR_LIMIT_PERCENT = 1
#: What a reader compares a percentage with: nothing, the acceptance limit of the error rate, everything.
THRESHOLDS_PERCENT = (0, ERROR_LIMIT_PERCENT, 100)
#: What an accepted release must show, as it is told and approved.
ACCEPTANCE = {
    "完整率": "已填项与已登记记录 ÷ 应填项与应登记记录，恰为 100%",
    "错误率": f"至少违反一条错误级规则的记录 ÷ 全部记录，低于 {ERROR_LIMIT_PERCENT}%",
}
_FEWEST_DIGITS = 2


def format_percentage(numerator: int, denominator: int) -> str:
    """`numerator ÷ denominator` for display, `99.996%`: two decimals, and more as long as rounding to fewer would bring
    the figure onto or across 0 %, 1 % or 100 %. So only a full count prints as 100 %. Without a denominator: `—`.

    Raises:
        ValueError: a negative count, or a numerator above its denominator.
    """
    if numerator < 0 or denominator < 0 or numerator > denominator:
        raise ValueError(f"not a share: {numerator} of {denominator}")
    if denominator == 0:
        return "—"
    exact = Fraction(100 * numerator, denominator)
    if exact in THRESHOLDS_PERCENT:
        return f"{int(exact)}%"
    digits = _FEWEST_DIGITS
    while _sides(shown := Fraction(round(exact * 10**digits), 10**digits)) != _sides(exact):
        digits += 1
    whole, decimals = divmod(shown * 10**digits, 10**digits)
    return f"{whole}.{int(decimals):0{digits}d}%"


def _sides(percentage: Fraction) -> list[int]:
    """Below, on or above each threshold."""
    return [(percentage > limit) - (percentage < limit) for limit in THRESHOLDS_PERCENT]


def is_complete(numerator: int, denominator: int) -> bool:
    """Exactly 100 % of something."""
    return denominator > 0 and numerator == denominator


def is_error_rate_accepted(numerator: int, denominator: int) -> bool:
    """Strictly below the limit."""
    return denominator > 0 and 100 * numerator < ERROR_LIMIT_PERCENT * denominator
