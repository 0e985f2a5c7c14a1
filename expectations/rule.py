"""What a rule is, and the subject it is checked on.

A rule says when one record is wrong, as a SQL predicate over the columns of its subject. A subject is a record table
joined to what its rules compare it with (another table, a count, a duplicate), so that every rule is row-local and all
rules of a subject cost one pass. Predicates use standard SQL where they can; null means "not violated".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expectations.gx_rules import ExpectNoViolations


class Theme(StrEnum):
    """What figures are grouped by; the value is stored and shown."""

    ELDER = "老人"
    INSTITUTION = "养老机构"
    FACILITY = "社区设施"
    FAMILY_BED = "家庭养老床位"
    HOME_SERVICE = "上门服务"
    HEALTH = "健康"
    WORKFORCE = "人员"


class Dimension(StrEnum):
    """GB/T 36344-2018, evaluation indicators of data quality; uniqueness is a part of accuracy there."""

    CONFORMITY = "规范性"
    COMPLETENESS = "完整性"
    ACCURACY = "准确性"
    UNIQUENESS = "准确性（唯一性）"
    CONSISTENCY = "一致性"
    TIMELINESS = "时效性"


class Severity(StrEnum):
    """What a violation does.

    critical: the release must not be published. error: the record counts in the error rate. warning: a person has a
    look; a missing required field is one, because completeness already counts it and nothing counts twice.
    """

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"

    @property
    def label(self) -> str:
        return {"critical": "严重", "error": "错误", "warning": "提示"}[self.value]

    @property
    def counts_as_error(self) -> bool:
        return self is not Severity.WARNING


class Owner(StrEnum):
    """Who mends a violation; together with the record's division it names the desk."""

    TOWN = "镇街民政部门"
    COUNTY = "县（市、区）民政局"
    INSTITUTION = "养老机构"
    FACILITY = "社区设施运营方"
    PROVIDER = "服务商"
    BED_PROVIDER = "家床服务商"
    ASSESSOR = "评估机构"
    ORGANIZATION = "所属组织"
    PLATFORM = "平台运维"


@dataclass(frozen=True, eq=False)
class Lookup:
    """What a record is compared with: at most one row for each record.

    Args:
        columns: name in the subject → expression over the joined row.
        join: `left join … on …`. May use {records} and {reference} (schemas), {period_start}, {period_end} and {as_of}
            (date literals), and the record's columns as `record.…`.
    """

    columns: dict[str, str]
    join: str = ""


@dataclass(frozen=True)
class Subject:
    """A record table as the rules see it: one row a record, key `id`.

    Besides the table's columns every subject has `period_start`, `period_end` and `as_of_date` (dates): rules that ask
    whether a date lies in the future compare with `as_of_date`, because later facts are known when a past period is
    refreshed.

    Args:
        table: name without the prefix `int_`.
        prefix: first part of the ids of its rules.
        name: what one record is called, in Chinese.
        owner: who mends its records, unless a rule names another.
        has_own_division: the table has a column `division_code`.
        counts: its records count in the theme's figures; an outside register's do not.
        of_period: a record belongs to one period and is judged in it only; else it is judged as long as it stands.
    """

    table: str
    prefix: str
    theme: Theme
    name: str
    owner: Owner
    lookups: tuple[Lookup, ...] = ()
    has_own_division: bool = False
    counts: bool = True
    of_period: bool = False

    @property
    def relation(self) -> str:
        return f"int_{self.table}"


@dataclass(frozen=True)
class Rule:
    """One rule of the catalogue.

    Args:
        id: stable for ever; the prefix is the subject's.
        violated: SQL predicate of a wrong record.
        applies: SQL predicate of the records that the rule is about; the others are not counted as checked.
        title: what is wrong, in a few words, as a fix task shows it.
        definition: the rule in full, with its source.
        recommendation: what the owner does.
    """

    id: str
    subject: Subject
    dimension: Dimension
    severity: Severity
    title: str
    definition: str
    violated: str
    recommendation: str
    applies: str = "true"
    other_owner: Owner | None = None

    @property
    def owner(self) -> Owner:
        """Who mends it: the subject's owner, unless the rule names another."""
        return self.other_owner or self.subject.owner

    @property
    def theme(self) -> Theme:
        return self.subject.theme

    @property
    def predicate(self) -> str:
        """True for a record that the rule applies to and that breaks it."""
        return self.violated if self.applies == "true" else f"({self.applies}) and ({self.violated})"

    def expectation(self) -> ExpectNoViolations:
        """The rule as a Great Expectations expectation over its subject (imports the library: seconds)."""
        from expectations.gx_rules import expectation_of

        return expectation_of(self)


@dataclass(frozen=True)
class RecordPeriod:
    """Which records are judged.

    Attributes:
        period: key, `2026-10` or `2026-H2`.
        first_day, last_day: of the period, inclusive, business dates.
        as_of: business date of the cut-off; nothing that is known lies after it.
        schema: of the record tables.
    """

    period: str
    first_day: date
    last_day: date
    as_of: date
    schema: str = "candidate"
