"""Loads one source table: chunk by chunk, each in one transaction with its ledger entries.

A row that the ledger knows with the same hash is left alone, which makes a second run a no-op and a killed run
resumable without further bookkeeping. Encryption of a chunk runs in helper processes while the chunk before is written.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from sqlalchemy import Column, Table

from huiyang.errors import HuiyangError
from huiyang.field_crypto import get_field_crypto, row_context
from huiyang.settings import Settings
from migration.evaluation import Evaluation, Surroundings, evaluate
from migration.hashing import row_hashes, value_hashes
from migration.ledger import (
    DUPLICATE,
    LOADED,
    MERGED,
    OUTCOMES,
    QUARANTINED,
    Entries,
    Known,
    SeenKeys,
    read_known,
    write_entries,
)
from migration.mapping import Exclusive, Mapping, Target
from migration.readers import SourceReader
from migration.readers.gb18030_csv import MALFORMED
from migration.reasons import reasons_text
from migration.sealing import Sealed, SealedField, Sealer
from migration.target import allocate_ids, copy_in, insert_rows, read_columns, update_rows

CHUNK_ROWS = 50_000
_IN_FLIGHT = 3
_FAR_FUTURE = date.max


@dataclass
class SourceCounts:
    """What became of a source table's rows."""

    rows: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    written: int = 0  # rows that this run loaded or changed
    absent: dict[str, int] = field(default_factory=dict)  # by outcome: known of a former export, not in this one


@dataclass
class _TargetPart:
    """What a chunk writes to one target."""

    number: int
    target: Target
    rows: np.ndarray  # positions in the chunk's evaluated rows
    ids: np.ndarray
    is_update: np.ndarray
    plain: dict[str, pa.Array]
    sealed: Future[Sealed] | None
    in_ledger: bool


@dataclass
class _Prepared:
    row_number: np.ndarray
    key: pa.Array
    occurrence: np.ndarray
    row_hash: np.ndarray
    outcome: np.ndarray  # of evaluated rows
    main_ids: np.ndarray
    versions: np.ndarray
    reasons: list[list[str] | None]
    warnings: list[list[str] | None]
    parts: list[_TargetPart]
    duplicates: Entries
    originals: list[dict[str, str | None]]  # of quarantined rows, in order
    still_quarantined: np.ndarray
    resolved: list[tuple[str, int]]
    alternate_key: pa.Array | None


class SourceLoader:
    """One source table on its way in.

    Args:
        connection: the loader's; committed once a chunk.
        surroundings: what the mapping may ask.
    """

    def __init__(
        self,
        settings: Settings,
        connection: psycopg.Connection,
        sealer: Sealer,
        mapping: Mapping,
        source_id: int,
        run_id: int,
        surroundings: Surroundings,
    ) -> None:
        self._settings, self._connection, self._sealer = settings, connection, sealer
        self._mapping, self._source_id, self._run_id = mapping, source_id, run_id
        self._surroundings = surroundings
        self._seen = SeenKeys()
        self._known: Known = read_known(connection, source_id)
        self._met = np.zeros(len(self._known.index), dtype=bool)
        self._natural = {
            number: self._natural_keys(target) for number, target in mapping.numbered_targets if target.match_on
        }
        self._unique = {name: self._unique_values(name) for name in mapping.primary.unique}
        self._periods = {rule.key: self._existing_periods(rule) for rule in mapping.primary.exclusive}
        self._months: set[tuple[str, str]] = set()
        self.counts = SourceCounts()

    def load(self, reader: SourceReader, advanced: Callable[[int], None]) -> SourceCounts:
        """Loads every row.

        Args:
            advanced: called with the number of rows after each chunk that is committed.
        """
        in_flight: deque[tuple[int, _Prepared]] = deque()
        for rows, first_row in self._chunks(reader):
            in_flight.append((len(rows), self._prepare(rows, first_row)))
            if len(in_flight) >= _IN_FLIGHT:
                self._write(*in_flight.popleft(), advanced)
        while in_flight:
            self._write(*in_flight.popleft(), advanced)
        self._connection.commit()
        gone = self._known.outcome[~self._met]
        self.counts.absent = {outcome: int(np.count_nonzero(gone == outcome)) for outcome in OUTCOMES}
        return self.counts

    def _chunks(self, reader: SourceReader) -> Iterator[tuple[pa.Table, int]]:
        """Which of two overlapping periods came first is decided over all rows, so those sources come in one piece."""
        size = 10**9 if self._mapping.primary.exclusive else CHUNK_ROWS
        first_row = 1
        for rows in reader.chunks(size):
            missing = [name for name in self._mapping.source_columns if name not in rows.column_names]
            if missing:
                raise HuiyangError(
                    f"{self._mapping.file}: {self._mapping.table or 'the table'} has no column {', '.join(missing)}.",
                    f"If the old platform renamed a column, change migration/mappings/{self._mapping.name}.yaml.",
                )
            yield rows.combine_chunks(), first_row
            first_row += len(rows)

    # --- deciding ---

    def _prepare(self, rows: pa.Table, first_row: int) -> _Prepared:
        mapping, count = self._mapping, len(rows)
        columns = {name: _one_chunk(rows[name]) for name in rows.column_names}
        used = [columns[name] for name in mapping.source_columns]
        if MALFORMED in columns:
            used.append(columns[MALFORMED])
        row_number = np.arange(first_row, first_row + count)
        row_hash = row_hashes(used, mapping.version)
        if mapping.key:
            key = pc.binary_join_element_wise(
                *(pc.fill_null(pc.utf8_trim_whitespace(columns[name]), "") for name in mapping.key), pa.scalar("|")
            )
            occurrence, first_hash = self._seen.add(row_hashes([key], 0), row_hash)
        else:
            key = pa.array(row_number).cast(pa.string())
            occurrence, first_hash = np.ones(count, dtype=np.int64), row_hash
        self.counts.rows += count

        position = self._known_positions(key, occurrence)
        known = position >= 0
        self._met[position[known]] = True
        same = known & (self._at(self._known.row_hash, position) == row_hash)
        former = self._at(self._known.outcome, position)
        settled = same & (former != QUARANTINED)
        repeated = (occurrence > 1) & (first_hash == row_hash) & ~settled
        for name in OUTCOMES:
            self.counts.outcomes[name] += int(np.count_nonzero(former[settled] == name))

        todo = np.flatnonzero(~settled & ~repeated)
        evaluation = self._evaluate(columns, key, occurrence, todo)
        known_ids = np.where(known, self._at(self._known.target_id, position), -1)[todo]
        versions = np.where(known, self._at(self._known.target_version, position), 0)[todo]
        former = former[todo]
        self._refuse_overwriting(evaluation, known_ids, versions)
        outcome, main_ids = self._settle(evaluation, known_ids, former)
        parts = self._target_parts(evaluation, outcome, main_ids, known_ids, key.take(pa.array(todo)), occurrence[todo])
        reasons, warnings = _row_lists(evaluation.reasons, len(todo)), _row_lists(evaluation.warnings, len(todo))
        still = same[todo] & (outcome == QUARANTINED)
        fresh_quarantine = np.flatnonzero((outcome == QUARANTINED) & ~still)
        loaded_after_all = np.flatnonzero((former == QUARANTINED) & (outcome != QUARANTINED))
        todo_key = key.take(pa.array(todo))
        duplicates = np.flatnonzero(repeated)
        return _Prepared(
            row_number=row_number[todo],
            key=todo_key,
            occurrence=occurrence[todo],
            row_hash=row_hash[todo],
            outcome=outcome,
            main_ids=main_ids,
            versions=np.where(outcome == QUARANTINED, versions, np.where(known_ids >= 0, versions + 1, 1)),
            reasons=reasons,
            warnings=warnings,
            parts=parts,
            duplicates=Entries(
                row_number=row_number[duplicates],
                source_key=key.take(pa.array(duplicates)),
                occurrence=occurrence[duplicates],
                row_hash=row_hash[duplicates],
                outcome=pa.repeat(pa.scalar(DUPLICATE), len(duplicates)),
                reasons=[["duplicate_row"]] * len(duplicates),
            ),
            originals=rows.take(pa.array(todo[fresh_quarantine])).to_pylist() if len(fresh_quarantine) else [],
            still_quarantined=still,
            alternate_key=(
                pc.utf8_trim_whitespace(columns[mapping.alternate_key].take(pa.array(todo)))
                if mapping.alternate_key
                else None
            ),
            resolved=[(todo_key[int(i)].as_py(), int(occurrence[todo][i])) for i in loaded_after_all],
        )

    def _known_positions(self, key: pa.Array, occurrence: np.ndarray) -> np.ndarray:
        if not len(self._known.index):
            return np.full(len(key), -1)
        names = pc.binary_join_element_wise(key, pa.array(occurrence).cast(pa.string()), pa.scalar("\x1f"))
        return self._known.index.get_indexer(pd.Index(names.to_pylist(), dtype=object))

    @staticmethod
    def _at(values: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Values of known rows; anything where the row is not known."""
        return values[position] if len(values) else np.full(len(position), None, dtype=object)

    def _evaluate(
        self, columns: dict[str, pa.Array], key: pa.Array, occurrence: np.ndarray, todo: np.ndarray
    ) -> Evaluation:
        chosen = pa.array(todo)
        everything = len(todo) == len(key)
        source = {
            name: columns[name] if everything else columns[name].take(chosen) for name in self._mapping.source_columns
        }
        evaluation = evaluate(self._mapping, source, len(todo), self._surroundings)
        key_name = "、".join(self._mapping.key)
        for name, values in self._mapping.reject.items():
            for value, reason in values.items():
                rows = np.asarray(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(source[name]), value), False))
                # Whatever else is wrong with such a row does not matter.
                evaluation.reasons = [(other, marked & ~rows) for other, marked in evaluation.reasons]
                evaluation.add_reason(reason, rows)
        if MALFORMED in columns:
            malformed = np.asarray(columns[MALFORMED].take(chosen).is_valid())
            evaluation.reasons = [(reason, rows & ~malformed) for reason, rows in evaluation.reasons]
            evaluation.add_reason("malformed_row", malformed)
        if self._mapping.key:
            empty = np.asarray(pc.equal(pc.replace_substring(key.take(chosen), "|", ""), ""))
            evaluation.quarantine("missing_key", empty)
            evaluation.add_reason(f"key_conflict:{key_name}", (occurrence[todo] > 1) & ~evaluation.quarantined)
        return evaluation

    def _refuse_overwriting(self, evaluation: Evaluation, known_ids: np.ndarray, versions: np.ndarray) -> None:
        """A changed row whose target the app changed too, or whose target never changes, is quarantined."""
        changed = np.flatnonzero(known_ids >= 0)
        if not len(changed):
            return
        refused = np.zeros(evaluation.count, dtype=bool)
        target = self._mapping.primary
        if target.is_append_only:
            refused[changed] = True
            evaluation.add_reason("event_changed", refused & ~evaluation.quarantined)
            return
        ids, current = read_columns(
            self._connection,
            sql.SQL("select id, row_version from {} where id = any(%s)").format(_name(target.sqlalchemy_table)),
            [known_ids[changed].tolist()],
        )
        version_of = dict(zip(ids, current, strict=True))
        refused[changed] = [
            version_of.get(i) != version for i, version in zip(known_ids[changed], versions[changed], strict=True)
        ]
        evaluation.add_reason("changed_in_app", refused & ~evaluation.quarantined)

    def _settle(
        self, evaluation: Evaluation, known_ids: np.ndarray, former: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Outcome and main target id (-1: none) of each row, after the policies of the main target."""
        target = self._mapping.primary
        if target.exclusive:
            self._apply_exclusive(evaluation, known_ids)
        ids = np.where(evaluation.quarantined, -1, known_ids)
        new = np.flatnonzero(~evaluation.quarantined & (known_ids < 0))
        if len(new):
            ids[new] = allocate_ids(self._connection, target.table, len(new))
        outcome = np.full(evaluation.count, LOADED, dtype=object)
        outcome[(former == MERGED) & (known_ids >= 0)] = MERGED
        for name in target.unique:
            merged = self._apply_unique(evaluation, name, ids)
            outcome[merged] = MERGED
        outcome[evaluation.quarantined] = QUARANTINED
        # What was loaded of a row before stays, and stays what others refer to.
        ids[evaluation.quarantined] = known_ids[evaluation.quarantined]
        return outcome, ids

    def _apply_unique(self, evaluation: Evaluation, name: str, ids: np.ndarray) -> np.ndarray:
        """Settles repeated values of a column; (n,) bool, rows that were merged: their id is the owner's."""
        owners, policy = self._unique[name], self._mapping.primary.on_repeat
        values = evaluation.values[0][name]
        repeated = np.zeros(evaluation.count, dtype=bool)
        for row, value in enumerate(values.to_pylist()):
            if value is None or evaluation.quarantined[row]:
                continue
            owner = owners.setdefault(value, int(ids[row]))
            if owner != ids[row]:
                repeated[row] = True
                if policy == "merge":
                    ids[row] = owner
        label = next((f.from_[0] for f in self._mapping.primary.fields if name in f.to and f.from_), name)
        if policy == "quarantine":
            evaluation.add_reason(f"repeated_value:{label}", repeated)
            return np.zeros(evaluation.count, dtype=bool)
        evaluation.remark(f"repeated_value:{label}", repeated)
        if policy == "null":
            evaluation.values[0][name] = pc.if_else(pa.array(repeated), pa.scalar(None, values.type), values)
            return np.zeros(evaluation.count, dtype=bool)
        return repeated

    def _apply_exclusive(self, evaluation: Evaluation, known_ids: np.ndarray) -> None:
        """Quarantines rows whose period overlaps that of a row already accepted, in order of their start."""
        rules = self._mapping.primary.exclusive
        values = evaluation.values[0]
        starts = values[rules[0].start].to_pylist()
        ends = [end or _FAR_FUTURE for end in values[rules[0].end].to_pylist()]
        keys = [values[rule.key].to_pylist() for rule in rules]
        order = sorted(
            (row for row in range(evaluation.count) if starts[row] is not None and not evaluation.quarantined[row]),
            key=lambda row: (starts[row], row),
        )
        replaced = {int(known_ids[row]) for row in order} - {-1}
        if replaced:  # these rows bring their new periods with them
            for rule in rules:
                for key, periods in self._periods[rule.key].items():
                    self._periods[rule.key][key] = [period for period in periods if period[2] not in replaced]
        refused = [np.zeros(evaluation.count, dtype=bool) for _ in rules]
        for row in order:
            overlaps = [
                any(
                    start < ends[row] and starts[row] < end
                    for start, end, _ in self._periods[rule.key].get(column[row], [])
                )
                for rule, column in zip(rules, keys, strict=True)
            ]
            for flags, overlap in zip(refused, overlaps, strict=True):
                flags[row] = overlap
            if not any(overlaps):
                for rule, column in zip(rules, keys, strict=True):
                    self._periods[rule.key].setdefault(column[row], []).append(
                        (starts[row], ends[row], int(known_ids[row]))
                    )
        for rule, flags in zip(rules, refused, strict=True):
            evaluation.add_reason(rule.reason, flags)

    # --- what the targets hold already ---

    def _natural_keys(self, target: Target) -> dict[tuple[Any, ...], int]:
        query = sql.SQL("select id, {} from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, target.match_on)), _name(target.sqlalchemy_table)
        )
        ids, *columns = read_columns(self._connection, query)
        return dict(zip(zip(*columns, strict=True), ids, strict=True))

    def _unique_values(self, name: str) -> dict[Any, int]:
        table = self._mapping.primary.sqlalchemy_table
        query = sql.SQL("select id, {0} from {1} where {0} is not null").format(sql.Identifier(name), _name(table))
        ids, values = read_columns(self._connection, query)
        return dict(zip(values, ids, strict=True))

    def _existing_periods(self, rule: Exclusive) -> dict[int, list[tuple[date, date, int]]]:
        query = sql.SQL("select id, {}, {}, {} from {} where {} is not null").format(
            *map(sql.Identifier, (rule.key, rule.start, rule.end)),
            _name(self._mapping.primary.sqlalchemy_table),
            sql.Identifier(rule.start),
        )
        periods: dict[int, list[tuple[date, date, int]]] = {}
        for row_id, key, start, end in zip(*read_columns(self._connection, query), strict=True):
            periods.setdefault(key, []).append((start, end or _FAR_FUTURE, row_id))
        return periods

    # --- making rows ---

    def _target_parts(
        self,
        evaluation: Evaluation,
        outcome: np.ndarray,
        main_ids: np.ndarray,
        known_ids: np.ndarray,
        key: pa.Array,
        occurrence: np.ndarray,
    ) -> list[_TargetPart]:
        ids_by_table: dict[str, np.ndarray] = {}
        parts = []
        for slot, target in evaluation.slots.items():
            self._fill_keys(evaluation, slot, target, ids_by_table)
            chosen = (outcome != QUARANTINED) & evaluation.present[slot]
            if slot == 0:
                ids = main_ids.copy()
                # A row merged into another leaves that row's data as they are.
                chosen &= (outcome == LOADED) if target.unique else chosen
                is_update = known_ids >= 0
            elif target.match_on:
                ids, chosen = self._shared_ids(evaluation, slot, target, chosen)
                is_update = np.zeros(evaluation.count, dtype=bool)
            else:
                ids, is_update = self._further_ids(slot, target, chosen, key, occurrence)
            ids_by_table.setdefault(target.table, ids)
            rows = np.flatnonzero(chosen)
            if len(rows):
                parts.append(self._part(evaluation, slot, target, rows, ids[rows], is_update[rows]))
        return parts

    @staticmethod
    def _fill_keys(evaluation: Evaluation, number: int, target: Target, ids_by_table: dict[str, np.ndarray]) -> None:
        for f in target.fields:
            if f.of is not None:
                ids = ids_by_table[f.of]
                evaluation.values[number][f.to[0]] = pa.array(ids, pa.int64(), mask=ids < 0)

    def _shared_ids(
        self, evaluation: Evaluation, number: int, target: Target, chosen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Looks shared rows up by their natural key; the first row that needs a missing one makes it."""
        natural = self._natural[number]
        columns = [evaluation.values[number][name].to_pylist() for name in target.match_on]
        names = list(zip(*columns, strict=True))
        ids = np.full(evaluation.count, -1)
        makes = np.zeros(evaluation.count, dtype=bool)
        new: dict[tuple[Any, ...], int] = {}
        for row in np.flatnonzero(chosen):
            if names[row] not in natural and names[row] not in new:
                new[names[row]] = int(row)
                makes[row] = True
        if new:
            fresh = allocate_ids(self._connection, target.table, len(new))
            natural.update({name: int(i) for name, i in zip(new, fresh, strict=True)})
        for row in np.flatnonzero(chosen):
            ids[row] = natural[names[row]]
        return ids, makes

    def _further_ids(
        self, number: int, target: Target, chosen: np.ndarray, key: pa.Array, occurrence: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        ids = np.full(len(chosen), -1)
        if number in self._known.others:
            index, known_ids = self._known.others[number]
            names = pc.binary_join_element_wise(key, pa.array(occurrence).cast(pa.string()), pa.scalar("\x1f"))
            position = index.get_indexer(pd.Index(names.to_pylist(), dtype=object))
            ids = np.where(position >= 0, known_ids[position], -1)
        is_update = ids >= 0
        new = np.flatnonzero(chosen & ~is_update)
        if len(new):
            ids[new] = allocate_ids(self._connection, target.table, len(new))
        return ids, is_update

    def _part(
        self,
        evaluation: Evaluation,
        number: int,
        target: Target,
        rows: np.ndarray,
        ids: np.ndarray,
        is_update: np.ndarray,
    ) -> _TargetPart:
        columns = target.sqlalchemy_table.columns
        chosen = pa.array(rows)
        values = {name: column.take(chosen) for name, column in evaluation.values[number].items()}
        changed_at = self._mapping.changed_at
        if is_update.any() and changed_at is not None and "effective_at" in values:
            later = pc.coalesce(evaluation.columns[changed_at].take(chosen), values["effective_at"])
            is_later = pc.and_(pa.array(is_update), pc.greater(later, values["effective_at"]))
            values["effective_at"] = pc.if_else(is_later, later, values["effective_at"])
        plain = {name: column for name, column in values.items() if name in columns}
        fields = sealed_fields(target)
        sealed = None
        if fields:
            texts = [values[f.name].to_pylist() for f in fields]
            sealed = self._sealer.submit(target.table, ids.tolist(), fields, texts)
        return _TargetPart(
            number, target, rows, ids, is_update, {"id": pa.array(ids)} | plain, sealed, in_ledger=not target.match_on
        )

    # --- writing ---

    def _write(self, count: int, prepared: _Prepared, advanced: Callable[[int], None]) -> None:
        """One transaction: targets, ledger, quarantine."""
        try:
            hashes = [self._write_part(part) for part in prepared.parts]
            self._write_ledger(prepared, hashes)
            self._write_quarantine(prepared)
        except psycopg.errors.IntegrityError as error:
            table = f"{error.diag.schema_name}.{error.diag.table_name}"
            raise HuiyangError(
                f"{self._mapping.title}: a row breaks {error.diag.constraint_name or 'a constraint'} of {table}.",
                f"The mapping {self._mapping.name} lets it through: add the check there. What was committed stays.",
            ) from error
        self._connection.commit()
        advanced(count)

    def _write_part(self, part: _TargetPart) -> tuple[np.ndarray, list[int | None]]:
        table = part.target.sqlalchemy_table
        columns = dict(part.plain)
        sealed_hash: list[int | None] = [None] * len(part.rows)
        if part.sealed is not None:
            sealed = part.sealed.result()
            columns |= {name: pa.array(values, pa.binary()) for name, values in sealed.columns.items()}
            sealed_hash = sealed.sealed_hash
        self._ensure_partitions(table, columns)
        batch = pa.RecordBatch.from_pydict(columns)
        if part.is_update.any():
            update_rows(self._connection, table, batch.filter(pa.array(part.is_update)))
            insert_rows(self._connection, table, batch.filter(pa.array(~part.is_update)))
        else:
            insert_rows(self._connection, table, batch)
        return value_hashes([batch[column.name] for column in hashed_columns(part.target)]), sealed_hash

    def _ensure_partitions(self, table: Table, columns: dict[str, pa.Array]) -> None:
        column = table.info.get("partition_by")
        if column is None:
            return
        bounds = pc.min_max(columns[column])
        span = tuple(bounds[end].as_py().date().isoformat() for end in ("min", "max"))
        if span not in self._months:
            # One month beyond on both sides: partitions are cut at Shanghai midnights, the bounds are UTC.
            self._connection.execute(
                "select maintenance.ensure_month_partitions(%s, (%s::date - interval '1 day')::date,"
                " (%s::date + interval '1 day')::date)",
                [table.fullname, *span],
            )
            self._months.add(span)

    def _write_ledger(self, prepared: _Prepared, hashes: list[tuple[np.ndarray, list[int | None]]]) -> None:
        by_number = {part.number: (part, *h) for part, h in zip(prepared.parts, hashes, strict=True) if part.in_ledger}
        fresh = ~prepared.still_quarantined
        count = len(prepared.outcome)
        value_hash, sealed_hash = np.zeros(count, dtype=np.int64), np.full(count, None, dtype=object)
        hashed = np.zeros(count, dtype=bool)
        if 0 in by_number:
            part, values, sealed = by_number.pop(0)
            value_hash[part.rows], hashed[part.rows], sealed_hash[part.rows] = values, True, sealed
        rows = np.flatnonzero(fresh)
        chosen = pa.array(rows)
        ids = prepared.main_ids[rows]
        entries = Entries(
            row_number=prepared.row_number[rows],
            source_key=prepared.key.take(chosen),
            occurrence=prepared.occurrence[rows],
            row_hash=prepared.row_hash[rows],
            outcome=pa.array(prepared.outcome[rows], pa.string()),
            target_id=pa.array(ids, mask=ids < 0),
            target_version=pa.array(prepared.versions[rows], pa.int64(), mask=ids < 0),
            value_hash=pa.array(value_hash[rows], mask=~hashed[rows]),
            sealed_hash=pa.array(sealed_hash[rows], pa.int64()),
            reasons=[prepared.reasons[i] for i in rows],
            warnings=[prepared.warnings[i] for i in rows],
            alternate_key=None if prepared.alternate_key is None else prepared.alternate_key.take(chosen),
        )
        write_entries(self._connection, self._run_id, self._source_id, entries)
        for number, (part, values, sealed) in by_number.items():
            chosen = pa.array(part.rows)
            further = Entries(
                row_number=prepared.row_number[part.rows],
                source_key=prepared.key.take(chosen),
                occurrence=prepared.occurrence[part.rows],
                row_hash=prepared.row_hash[part.rows],
                outcome=pa.repeat(pa.scalar(LOADED), len(part.rows)),
                target_no=number,
                target_id=pa.array(part.ids),
                value_hash=pa.array(values),
                sealed_hash=pa.array(sealed, pa.int64()),
            )
            write_entries(self._connection, self._run_id, self._source_id, further)
        write_entries(self._connection, self._run_id, self._source_id, prepared.duplicates)
        self.counts.outcomes[DUPLICATE] += len(prepared.duplicates.row_number)
        for outcome in OUTCOMES:
            self.counts.outcomes[outcome] += int(np.count_nonzero(prepared.outcome == outcome))
        self.counts.written += int(np.count_nonzero(prepared.outcome != QUARANTINED))

    def _write_quarantine(self, prepared: _Prepared) -> None:
        rows = np.flatnonzero((prepared.outcome == QUARANTINED) & ~prepared.still_quarantined)
        if len(rows):
            (ids,) = read_columns(
                self._connection,
                "select nextval('migration.quarantine_id') from generate_series(1, %s)",
                [len(rows)],
            )
            crypto = get_field_crypto(self._settings)
            payload = crypto.encrypt_many(
                [json.dumps(original, ensure_ascii=False) for original in prepared.originals],
                [row_context("migration.quarantine", "payload", i) for i in ids],
            )
            reasons = [prepared.reasons[i] or [] for i in rows]
            batch = pa.RecordBatch.from_pydict(
                {
                    "quarantine_id": pa.array(ids, pa.int64()),
                    "run_id": pa.repeat(pa.scalar(self._run_id, pa.int32()), len(rows)),
                    "source_id": pa.repeat(pa.scalar(self._source_id, pa.int16()), len(rows)),
                    "row_number": pa.array(prepared.row_number[rows]),
                    "source_key": prepared.key.take(pa.array(rows)),
                    "occurrence": pa.array(prepared.occurrence[rows].astype(np.int16)),
                    "reasons": pa.array(reasons, pa.list_(pa.string())),
                    "reason_text": pa.array([reasons_text(r, self._mapping.titles) for r in reasons]),
                    "payload": pa.array(payload, pa.binary()),
                }
            )
            copy_in(self._connection, "migration.quarantine", batch)
        for key, occurrence in prepared.resolved:
            self._connection.execute(
                "update migration.quarantine set resolved_run_id = %s"
                " where source_id = %s and source_key = %s and occurrence = %s and resolved_run_id is null",
                [self._run_id, self._source_id, key, occurrence],
            )


def sealed_fields(target: Target) -> list[SealedField]:
    """The encrypted fields of a target's mapping."""
    columns = target.sqlalchemy_table.columns
    return [
        SealedField(name, f"{name}_index" in columns, f"{name}_tail_index" in columns)
        for name in target.stored_names
        if name not in columns
    ]


def hashed_columns(target: Target) -> list[Column[Any]]:
    """The stored columns that `value_hash` covers: all that a mapping fills, blind indexes included, ciphers not."""
    table = target.sqlalchemy_table
    names = {name for name in target.stored_names if name in table.columns}
    for f in sealed_fields(target):
        names |= {f"{f.name}_index"} if f.has_index else set()
        names |= {f"{f.name}_tail_index"} if f.has_tail_index else set()
    return [column for column in table.columns if column.name in names]


def _row_lists(marks: list[tuple[str, np.ndarray]], count: int) -> list[list[str] | None]:
    """(code, rows) as a list of codes per row; None for most."""
    result: list[list[str] | None] = [None] * count
    for code, rows in marks:
        for row in np.flatnonzero(rows).tolist():
            codes = result[row]
            if codes is None:
                result[row] = [code]
            elif code not in codes:
                codes.append(code)
    return result


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _name(table: Table) -> sql.Composable:
    return sql.Identifier(str(table.schema), table.name)
