"""Whether a period's figure continues its past: what changed, how much, and whether a change like it is usual.

A judgement for the reviewer, never a gate: an unusual figure may be true, and says why in the review.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from math import sqrt
from statistics import median

#: Steps of the past that it takes before any range is stated.
LEAST_STEPS = 6
#: Half the width of the usual range, in robust standard deviations (1.4826 × median absolute deviation).
WIDTH = 4.0
_TO_DEVIATION = 1.4826
#: A series that hardly moved is still allowed this share of its last figure, and this many units.
LEAST_SHARE = 0.03
LEAST_UNITS = 2.0


class Verdict(StrEnum):
    USUAL = "usual"
    UNUSUAL = "unusual"
    VANISHED = "vanished"  # zero, where that is not usual
    UNKNOWN = "unknown"  # too little past


@dataclass(frozen=True)
class Continuity:
    """
    Attributes:
        low, high: the usual range of the figure, whole units; None where the past is too short.
    """

    verdict: Verdict
    low: Decimal | None = None
    high: Decimal | None = None


def judge_continuity(past: Sequence[Decimal], value: Decimal, periods_a_year: int) -> Continuity:
    """Compares a figure with the steps that its series has taken before.

    Steps are taken between square roots, where counts of any size scatter alike (Anscombe 1948). The range is the last
    figure moved by the median step, give or take `WIDTH` robust deviations; a figure outside it is usual all the same
    where it continues last year's season: the same step from the year before, give or take as much.

    Args:
        past: the figures of the periods before, oldest first, not negative, without gaps.
        value: not negative.
        periods_a_year: 12 for months, 2 for half-years.

    Raises:
        ValueError: a negative figure.
    """
    if value < 0 or any(figure < 0 for figure in past):
        raise ValueError("a figure is negative")
    roots = [sqrt(figure) for figure in past]
    steps = [after - before for before, after in pairwise(roots)]
    if len(steps) < LEAST_STEPS:
        return Continuity(Verdict.UNKNOWN)
    usual = median(steps)
    reach = WIDTH * _TO_DEVIATION * median(abs(step - usual) for step in steps)
    expected = [roots[-1] + usual]
    if len(steps) >= periods_a_year:
        expected.append(roots[-1] + steps[-periods_a_year])
    lows, highs = zip(*(_range(root, reach, float(past[-1])) for root in expected), strict=True)
    low, high = Decimal(max(0, round(min(lows)))), Decimal(round(max(highs)))
    if low <= value <= high:
        return Continuity(Verdict.USUAL, low, high)
    return Continuity(Verdict.UNUSUAL if value else Verdict.VANISHED, low, high)


def _range(expected: float, reach: float, last: float) -> tuple[float, float]:
    slack = max(LEAST_UNITS, LEAST_SHARE * last)
    middle = max(expected, 0.0) ** 2
    low = max(expected - reach, 0.0) ** 2
    return min(low, middle - slack), max((max(expected, 0.0) + reach) ** 2, middle + slack)


@dataclass(frozen=True)
class FigureChange:
    """One figure of a release beside what came before it.

    Attributes:
        indicator: mart and column.
        unit_code: the city, a county or a reporting unit.
        previous, last_year: of the period before and of the same period a year ago; None where there is none.
        published: of the same period as readers saw it when the release was made; a correction differs from it.
        low, high: the usual range; None where the past is too short.
    """

    indicator: str
    title: str
    unit_code: str
    value: Decimal
    previous: Decimal | None
    last_year: Decimal | None
    published: Decimal | None
    low: Decimal | None
    high: Decimal | None
    verdict: str
