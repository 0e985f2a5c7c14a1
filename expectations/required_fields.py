"""Required fields as versioned data (`required_fields.yaml`): which records must have which field filled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from expectations.labels import column_label
from expectations.rule import Dimension, Rule, Severity, Subject, Theme
from huiyang.errors import HuiyangError
from operational_app import models  # noqa: F401  (fills the registry of tables)
from operational_app.core.changelog import log_tables

REQUIRED_FIELDS_FILE = Path(__file__).with_name("required_fields.yaml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RequiredField(_Strict):
    """One field.

    Args:
        applies: SQL predicate of the records that must have it, on top of the table's.
        filled: SQL predicate of a filled field; without it, not null, and for text not blank.
    """

    column: str
    label: str | None = None
    applies: str | None = None
    filled: str | None = None


class RequiredTable(_Strict):
    """The fields of one record table; `applies` holds for all of them."""

    applies: str | None = None
    fields: tuple[RequiredField, ...]


class RequiredFieldsVersion(_Strict):
    """What is required in the periods that end between two dates, both included.

    Args:
        registers: themes whose record completeness must be shown by an outside register.
    """

    version: str
    effective_from: date
    effective_until: date | None
    basis: str
    registers: tuple[Theme, ...]
    tables: Mapping[str, RequiredTable]


class _File(_Strict):
    versions: tuple[RequiredFieldsVersion, ...]


def read_versions(path: Path = REQUIRED_FIELDS_FILE) -> tuple[RequiredFieldsVersion, ...]:
    """All versions in the file.

    Raises:
        HuiyangError: not readable as such, or two versions are in force on one day.
    """
    try:
        versions = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).versions
    except (yaml.YAMLError, ValidationError) as error:
        raise HuiyangError(f"{path.name} is not valid: {error}", "Correct the file; see its first lines.") from error
    ordered = sorted(versions, key=lambda version: version.effective_from)
    for earlier, later in pairwise(ordered):
        if earlier.effective_until is None or earlier.effective_until >= later.effective_from:
            raise HuiyangError(
                f"{path.name}: versions {earlier.version} and {later.version} are in force on the same day.",
                f"End version {earlier.version} before {later.effective_from}.",
            )
    return versions


@cache
def version_for(period_end: date) -> RequiredFieldsVersion:
    """The version in force at a period's end.

    Raises:
        HuiyangError: there is none.
    """
    for version in read_versions():
        if version.effective_from <= period_end and (
            version.effective_until is None or period_end <= version.effective_until
        ):
            return version
    raise HuiyangError(
        f"No version of the required fields is in force on {period_end}.",
        f"Add one to {REQUIRED_FIELDS_FILE.name}.",
    )


@cache
def _text_columns() -> frozenset[tuple[str, str]]:
    return frozenset((str(log.name), name) for log in log_tables() for name, kind in log.columns if kind == "text")


def _filled(table: str, field: RequiredField) -> str:
    if field.filled:
        return field.filled
    if (table, field.column) in _text_columns():
        return f"coalesce(btrim({field.column}), '') <> ''"
    return f"{field.column} is not null"


def required_rules(subject: Subject, version: RequiredFieldsVersion) -> list[Rule]:
    """One rule for each required field of a subject. A warning: completeness counts the gap, not the error rate."""
    table = version.tables.get(subject.table)
    rules = []
    for field in table.fields if table else ():
        label = field.label or column_label(subject.table, field.column)
        applies = " and ".join(f"({part})" for part in (table and table.applies, field.applies) if part) or "true"
        rules.append(
            Rule(
                id=f"{subject.prefix}-REQ-{field.column}",
                subject=subject,
                dimension=Dimension.COMPLETENESS,
                severity=Severity.WARNING,
                title=f"{subject.name}缺{label}",
                definition=f"{label}为{subject.name}的应填字段（应填字段表 {version.version} 版）。"
                "缺项计入完整率，不计入错误率。",
                applies=applies,
                violated=f"({_filled(subject.table, field)}) is not true",
                recommendation=f"补录{label}。",
            )
        )
    return rules
