"""What a mapping makes of a chunk of source rows: values of its targets, rows to quarantine, remarks. Pure."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from migration.mapping import FieldMapping, Mapping, OnError, Reference, Target
from migration.target import arrow_type
from migration.transforms import TRANSFORMS, Outcome, option_names


class KeyLookup(Protocol):
    """Legacy keys of one source table → ids of what they became."""

    def find(self, keys: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """(ids int64, -1 where there is none; bool, the key is known but its row was quarantined)."""


@dataclass
class Evaluation:
    """A chunk under evaluation.

    Attributes:
        columns: working columns by name.
        values: target number → stored column → value, as long as the chunk.
        quarantined: (n,) bool.
        reasons: (code:column, rows) of quarantined rows.
        warnings: (code:column, rows) of remarks.
    """

    mapping: Mapping
    source: MappingType[str, pa.Array]
    count: int
    columns: dict[str, pa.Array] = field(default_factory=dict)
    values: dict[int, dict[str, pa.Array]] = field(default_factory=dict)
    quarantined: np.ndarray = field(init=False)
    reasons: list[tuple[str, np.ndarray]] = field(default_factory=list)
    warnings: list[tuple[str, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.quarantined = np.zeros(self.count, dtype=bool)

    def quarantine(self, reason: str, rows: np.ndarray) -> None:
        """Takes rows out, unless they already are."""
        fresh = rows & ~self.quarantined
        if fresh.any():
            self.reasons.append((reason, fresh))
        self.quarantined = self.quarantined | rows

    def add_reason(self, reason: str, rows: np.ndarray) -> None:
        """Takes rows out and notes the reason even where there is one already."""
        if rows.any():
            self.reasons.append((reason, rows))
            self.quarantined = self.quarantined | rows

    def remark(self, warning: str, rows: np.ndarray) -> None:
        if rows.any():
            self.warnings.append((warning, rows))


@dataclass(frozen=True)
class Surroundings:
    """What a mapping may ask about besides its row.

    Attributes:
        references: the lookup of a reference.
        injected: option name → value that transforms get besides the mapping's options.
        export_date: the day of the export; a mapping's option `export_date` means it.
    """

    references: Callable[[Reference], KeyLookup]
    injected: MappingType[str, Any]
    export_date: date


def evaluate(
    mapping: Mapping, source: MappingType[str, pa.Array], count: int, surroundings: Surroundings
) -> Evaluation:
    """Computes every field of every target. Keys that targets hand to one another (`of`) are left to the loader.

    Args:
        source: the source's columns as text; those the mapping names must be there.
        count: rows.
    """
    evaluation = Evaluation(mapping, source, count)
    for f in mapping.shared:
        _fill(evaluation, f, None, surroundings)
    for number, target in enumerate(mapping.targets):
        evaluation.values[number] = {}
        for f in target.fields:
            if f.of is None:
                _fill(evaluation, f, number, surroundings)
        _check_order(evaluation, target, number)
        _check_required(evaluation, target, number)
    return evaluation


def applies(evaluation: Evaluation, target: Target) -> np.ndarray:
    """(n,) bool: rows that have this target, quarantined ones among them."""
    if target.when is None:
        return np.ones(evaluation.count, dtype=bool)
    column = evaluation.columns[target.when]
    if pa.types.is_boolean(column.type):
        return np.asarray(pc.fill_null(column, False))
    return np.asarray(column.is_valid())


def _fill(evaluation: Evaluation, f: FieldMapping, number: int | None, surroundings: Surroundings) -> None:
    label = f.from_[0].lstrip("_") if f.from_ else f.to[0].lstrip("_")
    relevant = np.ones(evaluation.count, dtype=bool)
    if number is not None:
        relevant = applies(evaluation, evaluation.mapping.targets[number])
    columns: tuple[pa.Array, ...]
    if f.value is not None:
        columns = (pa.repeat(pa.scalar(f.value), evaluation.count),)
    else:
        columns = tuple(_column(evaluation, name) for name in f.from_)
    failed = np.zeros(evaluation.count, dtype=bool)
    for outcome in _outcomes(f, columns, evaluation.mapping, surroundings):
        columns = outcome.columns
        for code, rows in outcome.errors.items():
            rows = rows & relevant
            failed |= rows
            if f.on_error is OnError.QUARANTINE:
                evaluation.add_reason(f"{code}:{label}", rows)
            else:
                evaluation.remark(f"{code}:{label}", rows)
        for code, rows in outcome.warnings.items():
            evaluation.remark(f"{code}:{label}", rows & relevant)
    if f.default is not None:
        columns = (pc.fill_null(columns[0], pa.scalar(f.default, columns[0].type)), *columns[1:])
    if f.required:
        evaluation.add_reason(f"missing:{label}", np.asarray(columns[0].is_null()) & relevant & ~failed)
        evaluation.quarantined |= failed
    for name, column in zip(f.to, columns, strict=False):
        if name.startswith("_"):
            evaluation.columns[name] = column
        else:
            assert number is not None
            evaluation.values[number][name] = _as_stored(column, evaluation.mapping.targets[number], name)


def _outcomes(
    f: FieldMapping, columns: tuple[pa.Array, ...], mapping: Mapping, surroundings: Surroundings
) -> list[Outcome]:
    results = []
    for step in f.use:
        options = {name: _option(value, surroundings) for name, value in step.options.items()}
        options |= {name: surroundings.injected[name] for name in option_names(step.name) & set(surroundings.injected)}
        outcome = TRANSFORMS[step.name](*columns, **options)
        results.append(outcome)
        columns = outcome.columns
    if f.codes is not None:
        outcome = TRANSFORMS["codes"](columns[0], table=mapping.codes[f.codes])
        results.append(outcome)
        columns = outcome.columns
    if f.ref is not None:
        results.append(_reference(columns[0], surroundings.references(f.ref)))
    if not results:
        results.append(Outcome(columns))
    return results


def _reference(keys: pa.Array, lookup: KeyLookup) -> Outcome:
    ids, quarantined = lookup.find(keys)
    stated = np.asarray(keys.is_valid())
    errors = {"orphan": stated & (ids < 0) & ~quarantined, "parent_quarantined": stated & quarantined}
    return Outcome((pa.array(ids, mask=ids < 0),), errors)


def _option(value: Any, surroundings: Surroundings) -> Any:
    return surroundings.export_date if value == "export_date" else value


def _column(evaluation: Evaluation, name: str) -> pa.Array:
    return evaluation.columns[name] if name.startswith("_") else evaluation.source[name]


def _as_stored(column: pa.Array, target: Target, name: str) -> pa.Array:
    columns = target.sqlalchemy_table.columns
    kind = arrow_type(columns[name]) if name in columns else pa.string()
    return column if column.type == kind else pc.cast(column, kind)


def _check_order(evaluation: Evaluation, target: Target, number: int) -> None:
    for rule in target.ordered:
        values = evaluation.values[number]
        wrong = np.asarray(pc.fill_null(pc.less(values[rule.end], values[rule.start]), False))
        if not wrong.any():
            continue
        if rule.on_error is OnError.QUARANTINE:
            evaluation.add_reason(f"{rule.reason}:{rule.end}", wrong)
        else:
            evaluation.remark(f"{rule.reason}:{rule.end}", wrong)
            kind = values[rule.end].type
            values[rule.end] = pc.if_else(pa.array(wrong), pa.scalar(None, kind), values[rule.end])


def _check_required(evaluation: Evaluation, target: Target, number: int) -> None:
    """A column that the table wants and the row does not have."""
    columns = target.sqlalchemy_table.columns
    relevant = applies(evaluation, target)
    for name, values in evaluation.values[number].items():
        if name not in columns or columns[name].nullable or not values.null_count:
            continue
        missing = np.asarray(values.is_null()) & relevant
        explained = np.zeros(evaluation.count, dtype=bool)
        label = next((f.from_[0].lstrip("_") for f in target.fields if name in f.to and f.from_), name)
        for reason, rows in [*evaluation.reasons, *evaluation.warnings]:
            if reason.endswith(f":{label}"):
                explained |= rows
        evaluation.add_reason(f"missing:{label}", missing & ~explained)
        # Unreadable: the reason is noted as a remark of that field and becomes the reason of the quarantine.
        for remark, rows in list(evaluation.warnings):
            if remark.endswith(f":{label}"):
                evaluation.add_reason(remark, rows & missing)
        evaluation.quarantined |= missing
