"""The window of the export, and how demand follows the year.

Times are wall-clock seconds since 1970-01-01 in Shanghai (no summer time there since 1991), days are datetime64[D].
"""

from __future__ import annotations

import numpy as np

FIRST_DAY = np.datetime64("2023-11-01")
#: The export was drawn on the morning after.
LAST_DAY = np.datetime64("2026-10-31")
DAY_COUNT = int((LAST_DAY - FIRST_DAY).astype(int)) + 1
MONTHS = np.arange("2023-11", "2026-11", dtype="datetime64[M]")

#: Lunar New Year's days in the window (checked against the lunar calendar of PyPI `borax`).
NEW_YEAR_DAYS = tuple(np.datetime64(day) for day in ("2024-02-10", "2025-01-29", "2026-02-17"))


def demand(days: np.ndarray) -> np.ndarray:
    """Share of the planned visits that take place on a day: few around New Year, fewer in the heat and on holidays."""
    days = np.asarray(days, dtype="datetime64[D]")
    share = np.full(days.shape, 0.94)
    month = days.astype("datetime64[M]").astype(int) % 12 + 1
    day_of_month = (days - days.astype("datetime64[M]")).astype(int) + 1
    share[(month == 7) | (month == 8)] *= 0.88
    share[(month == 10) & (day_of_month <= 7)] *= 0.75  # National Day
    share[(month == 5) & (day_of_month <= 3)] *= 0.85  # Labour Day
    share[(month == 4) & (day_of_month >= 4) & (day_of_month <= 6)] *= 0.85  # 清明
    for new_year in NEW_YEAR_DAYS:
        offset = (days - new_year).astype(int)
        share[(offset >= -2) & (offset <= 7)] *= 0.2
        share[(offset >= -7) & (offset < -2)] *= 0.8
    return share


def growth(days: np.ndarray) -> np.ndarray:
    """How far the platform's use has grown on a day: from 0.4 at the start of the window to 1 at its end."""
    elapsed = (np.asarray(days, dtype="datetime64[D]") - FIRST_DAY).astype(int) / DAY_COUNT
    return 0.4 + 0.6 * np.clip(elapsed, 0, 1)


def random_days(first: np.ndarray, last: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A day between two days each, both included."""
    first, last = np.asarray(first, dtype="datetime64[D]"), np.asarray(last, dtype="datetime64[D]")
    span = np.maximum((last - first).astype(int), 0) + 1
    return first + (random.random(span.shape) * span).astype(int)


def office_seconds(count: int, random: np.random.Generator) -> np.ndarray:
    """Seconds of the day at which clerks type: 8–12 and 14:30–18."""
    morning = random.random(count) < 0.55
    return np.where(morning, random.integers(8 * 3600, 12 * 3600, count), random.integers(52_200, 64_800, count))


def seconds_of(days: np.ndarray) -> np.ndarray:
    """Midnight of each day, in seconds."""
    return np.asarray(days, dtype="datetime64[D]").astype(np.int64) * 86_400


def days_of(seconds: np.ndarray) -> np.ndarray:
    """The day of each time."""
    return (seconds // 86_400).astype("datetime64[D]")
