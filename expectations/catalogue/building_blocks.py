"""Kinds of rules that many subjects share: keys, references, divisions, code lists, order of dates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from expectations.labels import column_label
from expectations.rule import Dimension, Lookup, Owner, Rule, Severity, Subject

#: The business date of an instant.
LOCAL_DATE = "cast({} at time zone 'Asia/Shanghai' as date)"


def local_date(instant: str) -> str:
    return LOCAL_DATE.format(instant)


def text_list(values: list[str] | tuple[str, ...]) -> str:
    """`('a', 'b')` for a SQL `in`."""
    assert not any("'" in value for value in values)
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"


def is_open(first_day: str, end_day: str, on: str) -> str:
    """A half-open span of dates covers a day; without an end it lasts."""
    return f"{first_day} <= {on} and ({end_day} is null or {end_day} > {on})"


def repeated(table: str, columns: tuple[str, ...], name: str, where: str = "true") -> Lookup:
    """`<name>` is true for a record whose columns another record has too. One grouped pass; nulls never repeat."""
    keys = ", ".join(columns)
    present = " and ".join(f"{column} is not null" for column in columns)
    match = " and ".join(f"{name}.{column} = record.{column}" for column in columns)
    return Lookup(
        {name: f"{name}.{columns[0]} is not null"},
        f"left join (select {keys} from {{records}}.int_{table} where {present} and ({where})"
        f" group by {keys} having count(*) > 1) as {name} on {match}",
    )


def parent(table: str, key: str, name: str, columns: tuple[str, ...] = ()) -> Lookup:
    """The record that `key` names: `<name>_found`, and its columns as `<name>_<column>`."""
    return Lookup(
        {f"{name}_found": f"{name}.id is not null"} | {f"{name}_{column}": f"{name}.{column}" for column in columns},
        f"left join {{records}}.int_{table} as {name} on {name}.id = record.{key}",
    )


#: `division_level`, null where the code is in no list of divisions.
DIVISION = Lookup(
    {"division_level": "division.level"},
    "left join {reference}.ref_division as division on division.division_code = record.division_code",
)


@cache
def lookups_of(subject: Subject) -> tuple[Lookup, ...]:
    """The subject's lookups, with the one that its key rule needs."""
    return (repeated(subject.table, ("id",), "key_repeated"), *subject.lookups)


def lookups_for(subject: Subject, rules: Iterable[Rule]) -> tuple[Lookup, ...]:
    """Those lookups whose columns the rules name."""
    words = {word for rule in rules for word in re.findall(r"\w+", rule.predicate)}
    return tuple(lookup for lookup in lookups_of(subject) if words & set(lookup.columns))


def key_rule(subject: Subject) -> Rule:
    """The surrogate key is there and identifies one record. Needs lookup `key_repeated`, which subjects get anyway."""
    return Rule(
        id=f"{subject.prefix}-KEY",
        subject=subject,
        dimension=Dimension.UNIQUENESS,
        severity=Severity.CRITICAL,
        title=f"{subject.name}主键缺失或重复",
        definition=f"每条{subject.name}记录有且只有一个主键；同一主键在同一期内只出现一次。",
        violated="id is null or key_repeated",
        recommendation="检查抽取与记录模型，找出重复装载或合并链的错误后重新刷新。",
        other_owner=Owner.PLATFORM,
    )


def division_rule(subject: Subject) -> Rule:
    """The division is in the list. Needs lookup DIVISION."""
    return Rule(
        id=f"{subject.prefix}-DIV",
        subject=subject,
        dimension=Dimension.CONFORMITY,
        severity=Severity.CRITICAL,
        title=f"{subject.name}的区划代码无法解析",
        definition="区划代码须为统计用区划代码表（2023-06-30）中的 12 位代码。",
        violated="division_level is null",
        recommendation="按名称路径核对后改为现行代码；已撤并的区划取其承接单位。",
    )


def reference_rule(
    subject: Subject, name: str, target: str, key: str, severity: Severity = Severity.CRITICAL, applies: str = "true"
) -> Rule:
    """What a record refers to exists. Needs `<name>_found` (see `parent`)."""
    return Rule(
        id=f"{subject.prefix}-REF-{name}",
        subject=subject,
        dimension=Dimension.CONSISTENCY,
        severity=severity,
        title=f"{subject.name}对应的{target}不存在",
        definition=f"{subject.name}所引用的{target}须在同期记录中存在。",
        applies=applies if applies != "true" else f"{key} is not null",
        violated=f"not {name}_found",
        recommendation=f"核对{target}档案：补录缺失的档案，或更正引用。",
    )


def code_rule(subject: Subject, column: str, codes: type[StrEnum], severity: Severity = Severity.CRITICAL) -> Rule:
    """A coded column holds a value of its closed list."""
    label = column_label(subject.table, column)
    return Rule(
        id=f"{subject.prefix}-CODE-{column}",
        subject=subject,
        dimension=Dimension.CONFORMITY,
        severity=severity,
        title=f"{subject.name}的{label}不在代码表内",
        definition=f"{label}只能取：" + "、".join(str(getattr(code, "label", code.value)) for code in codes) + "。",
        applies=f"{column} is not null",
        violated=f"{column} not in {text_list([code.value for code in codes])}",
        recommendation="按代码表更正；确需新增取值的，先修订代码表。",
        other_owner=Owner.PLATFORM,
    )


def order_rule(subject: Subject, number: str, earlier: str, later: str, *, applies: str = "true") -> Rule:
    """One date or instant does not lie after another."""
    first, second = column_label(subject.table, earlier), column_label(subject.table, later)
    return Rule(
        id=f"{subject.prefix}-{number}",
        subject=subject,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.ERROR,
        title=f"{subject.name}的{second}早于{first}",
        definition=f"{second}不得早于{first}。",
        applies=f"{earlier} is not null and {later} is not null" + ("" if applies == "true" else f" and {applies}"),
        violated=f"{later} < {earlier}",
        recommendation=f"对照原始凭证，更正{first}或{second}。",
    )


def future_rule(subject: Subject, number: str, column: str, *, instant: bool = False) -> Rule:
    """A date of what has happened does not lie after the cut-off."""
    label = column_label(subject.table, column)
    return Rule(
        id=f"{subject.prefix}-{number}",
        subject=subject,
        dimension=Dimension.ACCURACY,
        severity=Severity.ERROR,
        title=f"{subject.name}的{label}在数据截至日之后",
        definition=f"{label}记录已发生的事，不得晚于数据截至日。",
        applies=f"{column} is not null",
        violated=f"{local_date(column) if instant else column} > as_of_date",
        recommendation=f"核对年份与日期录入，更正{label}。",
    )
