"""`run_migration`: the old platform's export into the operational database, from files to the reconciled result.

Sources are loaded in the order of their mappings. Every step may be repeated: a second run of the same export does
nothing, a run that was killed goes on where it stopped, a newer export brings in what changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from rich.table import Table

from huiyang.database import Login, connect
from huiyang.divisions import division_tree
from huiyang.errors import HuiyangError
from huiyang.progress import Progress
from huiyang.settings import BUSINESS_TIMEZONE, Settings
from migration import photos
from migration.care_relations import derive_care_relations
from migration.codes import issue_codes
from migration.duplicates import DuplicateCounts, link_duplicates
from migration.evaluation import KeyLookup, Surroundings
from migration.ledger import (
    Lookups,
    Run,
    ensure_tables,
    finish_run,
    lock,
    register_sources,
    start_run,
)
from migration.mapping import Mapping, Reader, Reference, read_mappings
from migration.readers import (
    ChainedReader,
    CsvReader,
    DumpReader,
    JoinedReader,
    Manifest,
    SourceReader,
    WorkbookReader,
    check_files,
    combined_sha256,
    read_manifest,
)
from migration.reconciliation import SourceReconciliation, reconcile
from migration.report import write_report
from migration.sealing import Sealer
from migration.source_loader import SourceCounts, SourceLoader
from migration.transforms import DivisionResolver

#: The source whose records are persons: duplicates are looked for among them.
ELDERS_SOURCE = "elders"
#: From this many rows on, encryption runs in helper processes.
_ROWS_FOR_HELPERS = 1_000_000
_HELPERS = 2
#: About so many rows of a table are decrypted for the reconciliation; all where it has fewer.
_SEALED_SAMPLE = 100_000


@dataclass(frozen=True)
class SourceSummary:
    """One source table of a run: its reconciliation, what was written, how long it took."""

    reconciliation: SourceReconciliation
    written: int
    absent: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.reconciliation.rows / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class MigrationSummary:
    """What a run did.

    Attributes:
        already_done: this export was migrated before, so nothing was done.
        resumed: an earlier process of this run had been interrupted.
        sources: in the order of loading; empty where `already_done`.
        duplicates: of elders.
        care_relations: rows made or ended.
        codes: of institutions, beds and elders, issued.
        report_files: Markdown and XLSX.
    """

    run_id: int
    already_done: bool
    resumed: bool
    sources: tuple[SourceSummary, ...] = ()
    duplicates: DuplicateCounts | None = None
    care_relations: int = 0
    codes: int = 0
    seconds: float = 0.0
    report_files: tuple[Path, ...] = field(default=())

    @property
    def is_complete(self) -> bool:
        """Everything adds up and nothing differs."""
        return all(source.reconciliation.is_complete for source in self.sources)

    def table(self) -> Table:
        """For the terminal: a line a source table."""
        table = Table(title=f"Migration run {self.run_id}" + (" (resumed)" if self.resumed else ""))
        table.add_column("source")
        for column in ("rows", "loaded", "merged", "duplicate", "quarantined", "compared", "differ", "rows/s"):
            table.add_column(column, justify="right")
        for source in self.sources:
            r = source.reconciliation
            figures = (r.rows, r.loaded, r.merged, r.duplicate, r.quarantined, r.compared + r.sealed_compared)
            table.add_row(
                r.name,
                *(f"{figure:,}" for figure in figures),
                f"{r.mismatched + r.sealed_mismatched:,}" if r.adds_up else "does not add up",
                f"{source.rows_per_second:,.0f}",
            )
        return table


def run_migration(settings: Settings, export_dir: Path, progress: Progress | None = None) -> MigrationSummary:
    """Migrates an export into the operational database, as the login `loader`.

    The schema must be at head and the reference data loaded.

    Args:
        export_dir: the export's folder.
        progress: see `huiyang.progress`.

    Raises:
        HuiyangError: a file is missing, truncated, damaged or wrongly encoded (before anything of it was written);
            another migration is at work; the result does not reconcile. What was committed stays, the next call
            goes on from there.
    """
    started = time.monotonic()
    mappings = read_mappings()
    with connect(Login.LOADER, settings) as connection:
        lock(connection)
        ensure_tables(connection)
        _require_reference_data(connection)
        manifest = read_manifest(export_dir)
        files = {mapping.name: _files_of(export_dir, mapping, manifest) for mapping in mappings}
        hashes = check_files(export_dir, sorted({name for names in files.values() for name in names}), manifest)
        run = start_run(connection, export_dir, combined_sha256(hashes))
        if run is None:
            return MigrationSummary(_last_run(connection), already_done=True, resumed=False)
        migration = _Migration(settings, connection, export_dir, manifest, run, mappings, files, hashes)
        try:
            summary = migration.run(progress or (lambda what, done, total=1, /: None), started)
        except HuiyangError:
            connection.rollback()
            finish_run(connection, run.run_id, "failed")
            raise
    if not summary.is_complete:
        wrong = [s.reconciliation.title for s in summary.sources if not s.reconciliation.is_complete]
        raise HuiyangError(
            f"The migration does not reconcile: {', '.join(wrong)}.",
            f"See {summary.report_files[0]}; correct the cause before anybody works with these data.",
        )
    return summary


class _Migration:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        connection: psycopg.Connection,
        export_dir: Path,
        manifest: Manifest | None,
        run: Run,
        mappings: Sequence[Mapping],
        files: dict[str, list[str]],
        hashes: dict[str, str],
    ) -> None:
        self._settings, self._connection, self._export_dir = settings, connection, export_dir
        self._manifest, self._run, self._mappings = manifest, run, mappings
        self._files, self._hashes = files, hashes
        self._source_ids = register_sources(connection, mappings)
        last_day = manifest.last_day if manifest else None
        self._export_date = last_day + timedelta(days=1) if last_day else datetime.now(BUSINESS_TIMEZONE).date()
        self._lookups = Lookups(connection)
        self._found: dict[Reference, KeyLookup] = {}
        self._readers = {mapping.name: self._reader(mapping) for mapping in mappings}

    def run(self, progress: Progress, started: float) -> MigrationSummary:
        """Verifies, loads, links, reconciles, reports."""
        rows: dict[str, int] = {}
        for position, mapping in enumerate(self._mappings):
            progress(f"checking {mapping.title}", 0.15 * position / len(self._mappings))
            rows[mapping.name] = self._verify(mapping)
        total = sum(rows.values())
        sealer = Sealer(self._settings, _HELPERS if total >= _ROWS_FOR_HELPERS else 0)
        counts: dict[str, tuple[SourceCounts, float]] = {}
        done = 0
        duplicates = None
        try:
            for position, mapping in enumerate(self._mappings):
                before = done

                def advanced(count: int, title: str = mapping.title, start: int = before) -> None:
                    nonlocal done
                    done += count
                    progress(f"loading {title}", 0.15 + 0.7 * done / max(total, 1))

                counts[mapping.name] = self._load(mapping, sealer, advanced)
                done = before + rows[mapping.name]
                self._forget_lookups(self._mappings[position + 1 :])
        finally:
            sealer.close()
        if ELDERS_SOURCE in self._source_ids:
            progress("looking for duplicate elders", 0.85)
            duplicates = link_duplicates(
                self._connection, self._settings, self._run.run_id, self._source_ids[ELDERS_SOURCE]
            )
        progress("care relations", 0.9)
        care_relations = derive_care_relations(self._connection, self._export_date)
        progress("codes", 0.9)
        codes = issue_codes(self._settings)
        summaries = []
        for position, mapping in enumerate(self._mappings):
            progress(f"reconciling {mapping.title}", 0.9 + 0.1 * position / len(self._mappings))
            summaries.append(self._reconcile(mapping, *counts[mapping.name]))
        summary = MigrationSummary(
            run_id=self._run.run_id,
            already_done=False,
            resumed=self._run.resumed,
            sources=tuple(summaries),
            duplicates=duplicates,
            care_relations=care_relations,
            codes=codes,
            seconds=time.monotonic() - started,
        )
        report_files = write_report(self._connection, self._settings.report_dir / "migration", summary, self._mappings)
        finish_run(self._connection, self._run.run_id, "done" if summary.is_complete else "failed")
        progress("done", 1.0)
        return MigrationSummary(**{**summary.__dict__, "report_files": report_files})

    def _verify(self, mapping: Mapping) -> int:
        found = self._readers[mapping.name].verify()
        stated = self._manifest_rows(mapping)
        if stated is not None and stated != found:
            raise HuiyangError(
                f"{mapping.title}: {', '.join(self._files[mapping.name][:3])} hold {found:,} rows,"
                f" the export's manifest says {stated:,}.",
                "Export it again; nothing of it was loaded.",
            )
        return found

    def _manifest_rows(self, mapping: Mapping) -> int | None:
        table = None if mapping.reader is Reader.GB18030_CSV else mapping.table
        return self._manifest.rows_of(self._files[mapping.name], table) if self._manifest else None

    def _load(self, mapping: Mapping, sealer: Sealer, advanced: Callable[[int], None]) -> tuple[SourceCounts, float]:
        began = time.monotonic()
        source_id = self._source_ids[mapping.name]
        surroundings = Surroundings(self._lookup, self._injected(), self._export_date)
        loader = SourceLoader(
            self._settings, self._connection, sealer, mapping, source_id, self._run.run_id, surroundings
        )
        counts = loader.load(self._readers[mapping.name], advanced)
        seconds = time.monotonic() - began
        self._connection.execute(
            "insert into migration.source_run"
            " (run_id, source_id, file_sha256, mapping_version, row_count, absent_count, seconds)"
            " values (%s, %s, %s, %s, %s, %s, %s) on conflict (run_id, source_id) do nothing",
            [
                self._run.run_id,
                source_id,
                combined_sha256({name: self._hashes[name] for name in self._files[mapping.name]}),
                mapping.version,
                counts.rows,
                sum(counts.absent.values()),
                seconds,
            ],
        )
        self._connection.commit()
        return counts, seconds

    def _reconcile(self, mapping: Mapping, counts: SourceCounts, seconds: float) -> SourceSummary:
        result = reconcile(
            self._connection,
            self._settings,
            self._run.run_id,
            self._source_ids[mapping.name],
            mapping,
            counts.rows,
            self._manifest_rows(mapping),
            _SEALED_SAMPLE,
            counts.absent,
        )
        return SourceSummary(result, counts.written, sum(counts.absent.values()), seconds)

    # --- what mappings ask for ---

    def _lookup(self, reference: Reference) -> KeyLookup:
        if reference not in self._found:
            self._found[reference] = self._make_lookup(reference)
        return self._found[reference]

    def _make_lookup(self, reference: Reference) -> KeyLookup:
        if reference.by and reference.table:
            return self._lookups.of_table(reference.table, reference.by, reference.attribute)
        by_name = {mapping.name: mapping for mapping in self._mappings}
        targets = []
        for name in reference.source:
            numbers = {target.table: number for number, target in by_name[name].numbered_targets[::-1]}
            targets.append((self._source_ids[name], numbers[reference.table] if reference.table else 0))
        table = reference.table or by_name[reference.source[0]].primary.table
        return self._lookups.of_sources(tuple(targets), reference.alternate, table, reference.attribute)

    def _forget_lookups(self, following: Sequence[Mapping]) -> None:
        """Frees what no later source asks for."""
        needed = {f.ref for mapping in following for f in mapping.all_fields if f.ref}
        self._found = {reference: lookup for reference, lookup in self._found.items() if reference in needed}
        self._lookups.keep({self._source_ids[name] for reference in needed for name in reference.source})

    def _injected(self) -> dict[str, Any]:
        return {
            "resolver": DivisionResolver(division_tree(), {}),
            "photos": photos.PhotoStore(self._export_dir, self._settings.upload_dir),
            "export_time": datetime.combine(self._export_date, datetime.min.time(), BUSINESS_TIMEZONE).astimezone(UTC),
            "as_of": self._export_date,
        }

    def _reader(self, mapping: Mapping) -> SourceReader:
        readers = [self._file_reader(mapping, self._export_dir / name) for name in self._files[mapping.name]]
        return readers[0] if len(readers) == 1 else ChainedReader(readers)

    def _file_reader(self, mapping: Mapping, path: Path) -> SourceReader:
        taken = set(mapping.join.take.values()) if mapping.join else set()
        required = tuple(name for name in mapping.source_columns if name not in taken)
        if mapping.reader is Reader.GB18030_CSV:
            return CsvReader(path, required)
        table = mapping.table or ""
        if mapping.reader is Reader.MYSQL_DUMP:
            return DumpReader(path, table)
        reader: SourceReader = WorkbookReader(path, table, required, mapping.header_row)
        if mapping.join:
            columns = (mapping.join.by, *mapping.join.take)
            other = WorkbookReader(path, mapping.join.table, columns, mapping.header_row)
            reader = JoinedReader(reader, other, mapping.join.by, mapping.join.take)
        return reader


def _files_of(export_dir: Path, mapping: Mapping, manifest: Manifest | None) -> list[str]:
    """The files of a source, relative to the export's folder: several for a glob, none for an optional file that is not
    there and that the manifest does not promise."""
    if "*" not in mapping.file:
        promised = not mapping.optional or bool(manifest and mapping.file in manifest.sha256)
        return [mapping.file] if promised or (export_dir / mapping.file).exists() else []
    found = sorted(str(path.relative_to(export_dir)) for path in export_dir.glob(mapping.file))
    if not found:
        raise HuiyangError(f"{export_dir} has no file {mapping.file}.", "Copy the export again, completely.")
    return found


def _require_reference_data(connection: psycopg.Connection) -> None:
    row = connection.execute("select exists (select 1 from reference.division)").fetchone()
    connection.commit()
    if not (row and row[0]):
        raise HuiyangError("The app has no reference data yet.", "Run `huiyang up`, which loads them.")


def _last_run(connection: psycopg.Connection) -> int:
    row = connection.execute("select max(run_id) from migration.run").fetchone()
    return int(row[0]) if row and row[0] else 0
