"""Ability assessments by GB/T 42195-2022: 26 items, 90 points, five levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from migration.sample import people
from migration.sample.calendar import FIRST_DAY, LAST_DAY
from migration.sample.columns import Column, day, join, number, pick, where
from migration.sample.elder_tables import ElderRows
from migration.sample.files import Sheet, cells
from migration.sample.organizations import ASSESSOR, Providers
from migration.sample.population import DEMENTIA, MENTAL, Population

#: Highest score of each item, in the standard's order: 8 of self-care (32), 4 of basic movement (15), 9 of mental state
#: (28), 5 of perception and social participation (15).
ITEM_MAXIMA = np.array([4] * 8 + [4, 4, 4, 3] + [4, 4, 4, 4, 4, 4, 1, 1, 2] + [2, 2, 4, 3, 4])
_GROUPS = np.array([0, 8, 12, 21])
#: How much harder than the others an item is (share of its points lost first).
_DIFFICULTY = np.array(
    [-.16, -.05, .10, -.02, .04, -.06, -.08, .02, -.08, .0, .05, .16, -.04, .0, -.08, .08, -.02, -.03, -.2, -.1, -.2,
     .04, .06, .12, .16, .05]
)  # fmt: skip
#: Bands of the sum by level: intact, mild, moderate, severe, complete.
_TARGETS = ((1.0, 1.0), (0.76, 0.97), (0.54, 0.70), (0.36, 0.48), (0.05, 0.30))
#: Reason (old platform's words).
FIRST, ROUTINE, PROMPT, REVIEW, OTHER = range(5)
_REASONS = ["首次评估", "常规评估", "即时评估", "复评", "其他"]
_ASSESSOR_COUNT = 60


@dataclass(frozen=True)
class Assessments:
    """Arrays over assessments, by day.

    Attributes:
        scores: (n, 26) item scores.
        dementia, mental, comatose: bool.
        events: care-risk events in the 30 days before.
        level: 0 to 4, as the standard finds it.
    """

    person: np.ndarray
    day: np.ndarray
    reason: np.ndarray
    scores: np.ndarray
    dementia: np.ndarray
    mental: np.ndarray
    events: np.ndarray
    comatose: np.ndarray
    level: np.ndarray

    @property
    def totals(self) -> np.ndarray:
        """Sum of the 26 items."""
        return self.scores.sum(axis=1)


def level_of(
    total: np.ndarray, dementia: np.ndarray, mental: np.ndarray, events: np.ndarray, comatose: np.ndarray
) -> np.ndarray:
    """The level of GB/T 42195-2022: by the sum, one worse for dementia, mental disorder or two risk events (once)."""
    level = np.select([total == 90, total >= 66, total >= 46, total >= 30], [0, 1, 2, 3], 4)
    worse = dementia | mental | (events >= 2)
    return np.where(comatose, 4, np.minimum(level + worse, 4))


def make_assessments(
    persons: np.ndarray, first_days: np.ndarray, until: np.ndarray, population: Population, random: np.random.Generator
) -> Assessments:
    """A first assessment on a day each, a routine one every year until a day, some in between. Sets `ability`."""
    rounds = np.maximum((until - first_days).astype(int) // 365, 0) + 1
    person = np.repeat(persons, rounds)
    nth = np.arange(rounds.sum()) - np.repeat(np.cumsum(rounds) - rounds, rounds)
    days = np.repeat(first_days, rounds) + nth * 365 + np.where(nth > 0, random.integers(-20, 20, len(nth)), 0)
    reason = np.where(
        nth == 0,
        FIRST,
        np.where(random.random(len(nth)) < 0.85, ROUTINE, random.choice(np.array([PROMPT, REVIEW, OTHER]), len(nth))),
    )
    keep = (days <= LAST_DAY) & (days >= FIRST_DAY - 400)
    person, days, reason, nth = person[keep], days[keep], reason[keep], nth[keep]
    order = np.lexsort((person, days))
    person, days, reason, nth = person[order], days[order], reason[order], nth[order]
    count = len(person)
    dementia = (population.diseases[person] >> DEMENTIA & 1).astype(bool) & (random.random(count) < 0.9)
    mental = (population.diseases[person] >> MENTAL & 1).astype(bool) & (random.random(count) < 0.8)
    events = random.choice(4, count, p=[0.93, 0.05, 0.015, 0.005])
    # What the person can do, before the standard's step for dementia and the like; it wanes from year to year.
    target = np.maximum(population.ability[person] - (dementia | mental | (events >= 2)), 0)
    target = np.maximum(target - (nth == 0) * (random.random(count) < 0.15), dementia)
    low, high = np.array([t[0] for t in _TARGETS])[target], np.array([t[1] for t in _TARGETS])[target]
    capacity = random.uniform(low, high)
    noise = random.normal(0, 0.08, (count, len(ITEM_MAXIMA))) - _DIFFICULTY
    spread = np.where(capacity == 1.0, 0.0, 1.0)[:, None]
    share = np.clip(capacity[:, None] + noise * spread, 0, 1)
    scores = np.rint(share * ITEM_MAXIMA).astype(np.int64)
    comatose = (target == 4) & (random.random(count) < 0.01)
    level = level_of(scores.sum(axis=1), dementia, mental, events, comatose)
    population.ability[person] = level  # by day: the last one stays
    return Assessments(person, days, reason, scores, dementia, mental, events, comatose, level)


def assessment_sheet(
    assessments: Assessments, population: Population, rows: ElderRows, providers: Providers, random: np.random.Generator
) -> Sheet:
    """The sheet `评估`; the 26 scores stand in one cell."""
    count = len(assessments.person)
    assessors = providers.of_kind(ASSESSOR)
    by_county = assessors[population.county[assessments.person] % len(assessors)]
    born = np.full(_ASSESSOR_COUNT, np.datetime64("1985-05-05"))
    names = people.whole_names(_ASSESSOR_COUNT, np.full(_ASSESSOR_COUNT, people.FEMALE), born, random).to_pylist()
    one = random.integers(0, _ASSESSOR_COUNT, count)
    other = (one + random.integers(1, _ASSESSOR_COUNT, count)) % _ASSESSOR_COUNT
    scores = number(assessments.scores[:, 0])
    for item in range(1, len(ITEM_MAXIMA)):
        scores = join(scores, ",", number(assessments.scores[:, item]))
    sums = np.add.reduceat(assessments.scores, _GROUPS, axis=1)
    columns: dict[str, Column | list[str]] = {
        "评估编号": join("PG", number(np.arange(1, count + 1), 7)),
        "老人编号": rows.numbers_of(assessments.person),
        "姓名": population.names.take(pa.array(assessments.person)),
        "评估机构编号": pick(providers.code, by_county),
        "评估日期": where(random.random(count) < 0.2, day(assessments.day, "%Y年{m}月{d}日"), day(assessments.day)),
        "评估原因": pick(_REASONS, assessments.reason),
        "各项得分": scores,
        "自理能力": number(sums[:, 0]),
        "基础运动能力": number(sums[:, 1]),
        "精神状态": number(sums[:, 2]),
        "感知觉与社会参与": number(sums[:, 3]),
        "总分": number(assessments.totals),
        "痴呆": pick(["N", "Y"], assessments.dementia.astype(int)),
        "精神障碍": pick(["N", "Y"], assessments.mental.astype(int)),
        "意外事件次数": number(assessments.events),
        "昏迷": pick(["N", "Y"], assessments.comatose.astype(int)),
        "能力等级": pick(["能力完好", "轻度失能", "中度失能", "重度失能", "完全失能"], assessments.level),
        "有效期至": day(assessments.day + 365),
        "评估员1": pick(names, one),
        "评估员2": pick(names, other),
    }
    return Sheet("评估", "老年人能力评估记录（GB/T 42195-2022）", cells(columns))
