"""Periods of reporting: months (`2026-10`, operating data) and half-years (`2026-H1`, base data), in Asia/Shanghai.

The text form is the key everywhere: partitions, marts, file names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from huiyang.errors import HuiyangError
from huiyang.settings import BUSINESS_TIMEZONE

_MONTHLY = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_HALF_YEARLY = re.compile(r"(\d{4})-H([12])", re.ASCII)


class Cadence(StrEnum):
    """How often; the value is the word in `orchestration.yaml`."""

    MONTHLY = "monthly"
    HALF_YEARLY = "half_yearly"

    @property
    def months(self) -> int:
        return {Cadence.MONTHLY: 1, Cadence.HALF_YEARLY: 6}[self]


@dataclass(frozen=True, order=True)
class Period:
    """One month or half-year; `str(period)` is its key. Only periods of one cadence are ordered sensibly.

    Attributes:
        number: 1–12 for months, 1–2 for half-years.
    """

    cadence: Cadence
    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Period:
        """Reads `YYYY-MM` or `YYYY-H1|H2`.

        Raises:
            HuiyangError: neither of them.
        """
        if match := _MONTHLY.fullmatch(text):
            cadence = Cadence.MONTHLY
        elif match := _HALF_YEARLY.fullmatch(text):
            cadence = Cadence.HALF_YEARLY
        if match is None or int(match[1]) == 0:
            raise HuiyangError(
                f"{text!r} is not a period.", "Write a month as 2026-10 or a half-year as 2026-H1.", exit_code=2
            )
        return cls(cadence, int(match[1]), int(match[2]))

    @classmethod
    def of_date(cls, day: date, cadence: Cadence) -> Period:
        """The period that a business date belongs to."""
        return cls(cadence, day.year, (day.month - 1) // cadence.months + 1)

    @classmethod
    def of_instant(cls, instant: datetime, cadence: Cadence) -> Period:
        """The period that an instant belongs to in Asia/Shanghai.

        Raises:
            ValueError: the instant has no time zone.
        """
        if instant.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return cls.of_date(instant.astimezone(BUSINESS_TIMEZONE).date(), cadence)

    @classmethod
    def last_complete(cls, instant: datetime, cadence: Cadence) -> Period:
        """The latest period that has ended at an instant."""
        return cls.of_instant(instant, cadence).previous

    @property
    def start_date(self) -> date:
        return date(self.year, (self.number - 1) * self.cadence.months + 1, 1)

    @property
    def end_date(self) -> date:
        """The last day, inclusive."""
        return self.next.start_date - timedelta(days=1)

    @property
    def start_instant(self) -> datetime:
        """Midnight of the first day in Asia/Shanghai."""
        return datetime(self.year, self.start_date.month, 1, tzinfo=BUSINESS_TIMEZONE)

    @property
    def end_instant(self) -> datetime:
        """Midnight after the last day, exclusive: the start of the next period."""
        return self.next.start_instant

    @property
    def next(self) -> Period:
        return self.shifted(1)

    @property
    def previous(self) -> Period:
        return self.shifted(-1)

    @property
    def same_period_last_year(self) -> Period:
        return Period(self.cadence, self.year - 1, self.number)

    def shifted(self, periods: int) -> Period:
        """So many periods later (or earlier, if negative)."""
        per_year = 12 // self.cadence.months
        index = self.year * per_year + self.number - 1 + periods
        return Period(self.cadence, index // per_year, index % per_year + 1)

    def months(self) -> list[Period]:
        """The months of this period, one or six."""
        first = Period.of_date(self.start_date, Cadence.MONTHLY)
        return [first.shifted(months) for months in range(self.cadence.months)]

    def __str__(self) -> str:
        return (
            f"{self.year:04d}-{self.number:02d}"
            if self.cadence is Cadence.MONTHLY
            else f"{self.year:04d}-H{self.number}"
        )


def period_range(first: Period, last: Period) -> Iterator[Period]:
    """All periods from `first` to `last`, both included; nothing if `last` is earlier.

    Raises:
        ValueError: of different cadence.
    """
    if first.cadence is not last.cadence:
        raise ValueError(f"{first} and {last} are of different cadence")
    while first <= last:
        yield first
        first = first.next
