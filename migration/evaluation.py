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

#: Slots of one target's elements are that far apart; no mapping has so many targets.
SLOT_STEP = 100


class KeyLookup(Protocol):
    """Keys → what is wanted of the rows that they mean."""

    def find(self, keys: pa.Array) -> tuple[pa.Array, np.ndarray]:
        """(ids or another attribute, missing where there is no row; bool, the key is known, its row quarantined)."""


@dataclass
class Evaluation:
    """A chunk under evaluation.

    Attributes:
        columns: working columns by name.
        slots: the targets by number; a target with `each` has one slot per element, numbered in steps of `SLOT_STEP`.
        values: slot → stored column → value, as long as the chunk.
        present: slot → (n,) bool, rows that have this target (quarantined ones among them).
        quarantined: (n,) bool.
        reasons: (code:column, rows) of quarantined rows.
        warnings: (code:column, rows) of remarks.
    """

    mapping: Mapping
    source: MappingType[str, pa.Array]
    count: int
    columns: dict[str, pa.Array] = field(default_factory=dict)
    slots: dict[int, Target] = field(default_factory=dict)
    values: dict[int, dict[str, pa.Array]] = field(default_factory=dict)
    present: dict[int, np.ndarray] = field(default_factory=dict)
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
    for number, target in mapping.numbered_targets:
        if not target.each:
            _fill_slot(evaluation, target, number, _rows_with(evaluation, target), surroundings)
            continue
        lists = {name: evaluation.columns[name] for name in target.each}
        lengths = np.max([_lengths(column) for column in lists.values()], axis=0, initial=0)
        if number == 0:
            evaluation.add_reason(f"missing:{_origin(mapping, target.each[0])}", lengths == 0)
        wanted = _rows_with(evaluation, target)
        for element in range(max(1, int(lengths.max(initial=0)))):
            evaluation.columns |= {name: _element(column, element) for name, column in lists.items()}
            _fill_slot(evaluation, target, number + element * SLOT_STEP, wanted & (lengths > element), surroundings)
        evaluation.columns |= lists
    return evaluation


def _fill_slot(
    evaluation: Evaluation, target: Target, slot: int, present: np.ndarray, surroundings: Surroundings
) -> None:
    evaluation.slots[slot] = target
    evaluation.values[slot] = {}
    evaluation.present[slot] = present
    for f in target.fields:
        if f.of is None:
            _fill(evaluation, f, slot, surroundings)
    _check_order(evaluation, target, slot)
    _check_consistency(evaluation, target, slot)
    _check_required(evaluation, target, slot)


def _rows_with(evaluation: Evaluation, target: Target) -> np.ndarray:
    if target.when is None:
        return np.ones(evaluation.count, dtype=bool)
    column = evaluation.columns[target.when]
    if pa.types.is_boolean(column.type):
        return np.asarray(pc.fill_null(column, False))
    return np.asarray(column.is_valid())


def _lengths(lists: pa.ListArray) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0))


def _element(lists: pa.ListArray, position: int) -> pa.Array:
    """The n-th element of each list, missing where a list is shorter."""
    starts = np.asarray(lists.offsets)[:-1]
    has = _lengths(lists) > position
    return lists.values.take(pa.array(np.where(has, starts + position, 0), mask=~has))


def _origin(mapping: Mapping, working: str) -> str:
    """The source column that a working column comes from."""
    for f in mapping.shared:
        if working in f.to and f.from_:
            return _origin(mapping, f.from_[0]) if f.from_[0].startswith("_") else f.from_[0]
    return working.lstrip("_")


def _label(mapping: Mapping, f: FieldMapping) -> str:
    """The source column that reasons of a field name."""
    if f.about:
        return f.about
    return _origin(mapping, f.from_[0]) if f.from_ else f.to[0].lstrip("_")


def _label_of(mapping: Mapping, target: Target, column: str) -> str:
    """The same for the field that fills a target's column."""
    return next((_label(mapping, f) for f in target.fields if column in f.to), column)


def _fill(evaluation: Evaluation, f: FieldMapping, slot: int | None, surroundings: Surroundings) -> None:
    label = _label(evaluation.mapping, f)
    relevant = np.ones(evaluation.count, dtype=bool) if slot is None else evaluation.present[slot]
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
        _require(evaluation, label, np.asarray(columns[0].is_null()) & relevant)
    for name, column in zip(f.to, columns, strict=False):
        assert len(column) == evaluation.count, f"{name}: {len(column)} values for {evaluation.count} rows"
        if name.startswith("_"):
            evaluation.columns[name] = column
        else:
            assert slot is not None
            evaluation.values[slot][name] = _as_stored(column, evaluation.slots[slot], name)


def _require(evaluation: Evaluation, label: str, missing: np.ndarray) -> None:
    """Takes rows without a value out: for what was wrong with it, or because it is missing."""
    if not missing.any():
        return
    explained = np.zeros(evaluation.count, dtype=bool)
    for reason, rows in evaluation.reasons:
        if reason.endswith(f":{label}"):
            explained |= rows
    for remark, rows in list(evaluation.warnings):
        if remark.endswith(f":{label}"):
            evaluation.add_reason(remark, rows & missing & ~explained)
            explained |= rows
    evaluation.add_reason(f"missing:{label}", missing & ~explained)


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
    found, quarantined = lookup.find(keys)
    unknown = np.asarray(keys.is_valid()) & np.asarray(found.is_null())
    return Outcome((found,), {"orphan": unknown & ~quarantined, "parent_quarantined": unknown & quarantined})


def _option(value: Any, surroundings: Surroundings) -> Any:
    return surroundings.export_date if value == "export_date" else value


def _column(evaluation: Evaluation, name: str) -> pa.Array:
    return evaluation.columns[name] if name.startswith("_") else evaluation.source[name]


def _as_stored(column: pa.Array, target: Target, name: str) -> pa.Array:
    columns = target.sqlalchemy_table.columns
    kind = arrow_type(columns[name]) if name in columns else pa.string()
    return column if column.type == kind else pc.cast(column, kind)


def _check_order(evaluation: Evaluation, target: Target, slot: int) -> None:
    values = evaluation.values[slot]
    for rule in target.ordered:
        wrong = (
            np.asarray(pc.fill_null(pc.less(values[rule.end], values[rule.start]), False)) & evaluation.present[slot]
        )
        label = _label_of(evaluation.mapping, target, rule.end)
        if rule.on_error is OnError.QUARANTINE:
            evaluation.add_reason(f"{rule.reason}:{label}", wrong)
        elif wrong.any():
            evaluation.remark(f"{rule.reason}:{label}", wrong)
            for name in (rule.start, rule.end):
                values[name] = pc.if_else(pa.array(wrong), pa.scalar(None, values[name].type), values[name])


def _check_consistency(evaluation: Evaluation, target: Target, slot: int) -> None:
    values = evaluation.values[slot]
    for rule in target.consistent:
        has_value = np.asarray(pc.fill_null(pc.equal(values[rule.column], rule.value), False))
        wrong = (has_value != np.asarray(values[rule.needs].is_valid())) & evaluation.present[slot]
        evaluation.add_reason(rule.reason, wrong & ~evaluation.quarantined)


def _check_required(evaluation: Evaluation, target: Target, slot: int) -> None:
    """Columns that the table wants."""
    columns = target.sqlalchemy_table.columns
    for name, values in evaluation.values[slot].items():
        if name in columns and not columns[name].nullable and values.null_count:
            label = _label_of(evaluation.mapping, target, name)
            _require(evaluation, label, np.asarray(values.is_null()) & evaluation.present[slot])
