"""The dirt in the export: what kinds, how often, and the truth about each piece of it.

The truth file is for tests and benchmarks (did the migration find it, did it repair it right?). The migration itself
must never read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from migration.sample.columns import Column, repeat, texts
from migration.sample.files import CsvFile


@dataclass(frozen=True)
class DirtKind:
    """One kind of dirt.

    Attributes:
        rate: share of the rows named in `of` that carry it.
        of: what the rate is a share of.
    """

    id: str
    rate: float
    of: str
    description: str


KINDS = {
    kind.id: kind
    for kind in (
        DirtKind("elder_duplicate", 0.02, "elders", "the same person a second time, with other spelling, ID or phone"),
        DirtKind("id_number_short", 0.015, "elders", "ID number in its 15-digit form"),
        DirtKind("id_number_checksum", 0.008, "elders", "a digit of the ID number is wrong: its check character fails"),
        DirtKind("id_number_missing", 0.015, "elders", "ID number missing: empty, NULL, a dash or 无"),
        DirtKind("birth_date_contradicts_id", 0.006, "elders", "birth date is not the one in the (right) ID number"),
        DirtKind("birth_date_impossible", 0.003, "elders", "birth date that no calendar has"),
        DirtKind(
            "phone_malformed", 0.012, "elders", "phone with a digit too few or too many, letters, or two run together"
        ),
        DirtKind("division_code_missing", 0.03, "elders", "division code empty; the name path is right"),
        DirtKind("division_code_stale", 0.015, "elders", "division code that no longer exists; the name path is right"),
        DirtKind("division_village_unknown", 0.003, "elders", "no code, and the name path ends at the town"),
        DirtKind("text_mojibake", 0.004, "elders", "name and address in GBK bytes read as Latin-1"),
        DirtKind("text_truncated", 0.004, "elders", "address cut off in the middle"),
        DirtKind("position_wrong_datum", 0.01, "elders", "position in WGS-84 although labelled GCJ02"),
        DirtKind("position_swapped", 0.005, "elders", "longitude and latitude exchanged"),
        DirtKind("guardian_orphan", 0.002, "guardians", "guardian of an elder who is not on file"),
        DirtKind("order_end_before_start", 0.004, "orders", "end of service before its start"),
        DirtKind("order_elder_unknown", 0.003, "orders", "order of an elder who is not on file"),
        DirtKind("order_worker_unknown", 0.003, "orders", "order of a worker who is not on file"),
        DirtKind("order_repeated", 0.005, "orders", "the same order row a second time"),
        DirtKind("order_after_death", 0.001, "orders", "service to an elder after the date of death"),
        DirtKind("worker_overlap", 0.002, "orders", "worker in two places at once"),
        DirtKind("photo_reused", 0.003, "photos", "the photo of another order"),
        DirtKind("bed_double_occupancy", 0.006, "residencies", "two residents in one bed at the same time"),
        DirtKind("vital_out_of_range", 0.003, "vital signs", "value that no living person has"),
        DirtKind("vital_wrong_unit", 0.003, "vital signs", "value in another unit than the one stated"),
        DirtKind("entitlement_missing", 0.015, "recipients", "subsidised elder without an entitlement"),
        DirtKind(
            "entitlement_expired", 0.015, "recipients", "entitlement that ends while services are still subsidised"
        ),
        DirtKind(
            "entitlement_double", 0.002, "entitlements", "the same person entitled again, under the duplicate record"
        ),
        DirtKind("entitlement_elder_unknown", 0.001, "entitlements", "entitlement of an elder who is not on file"),
        DirtKind("register_institution_absent", 0.06, "institutions", "registered institution that the platform lacks"),
        DirtKind("institution_unregistered", 0.03, "institutions", "institution that no register knows"),
        DirtKind(
            "register_code_wrong", 0.03, "institutions", "credit code in the register whose check character fails"
        ),
        DirtKind("register_bed_absent", 0.004, "beds", "registered bed that the platform lacks"),
        DirtKind(
            "register_facility_absent", 0.012, "facilities", "facility in the bureau's list that the platform lacks"
        ),
    )
}

TRUTH_COLUMNS = ("kind", "file", "source_table", "source_key", "field", "original_value", "survivor_key")
TRUTH_FILE = "truth.csv.gz"


@dataclass
class Truth:
    """Collects what the dirt hides."""

    _parts: list[list[Column]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        file: str,
        table: str,
        field_name: str,
        keys: Sequence[str],
        originals: Sequence[str] | None = None,
        survivors: Sequence[str] | None = None,
    ) -> None:
        """Pieces of dirt of one kind in one field.

        Args:
            table: table or sheet within the file; "" for a CSV file.
            keys: the source key of each row.
            originals: what stood there before.
            survivors: of duplicates, the key of the record that stays.
        """
        count = len(keys)
        if count == 0:
            return
        self._parts.append(
            [
                repeat(KINDS[kind].id, count),
                repeat(file, count),
                repeat(table, count),
                texts(keys),
                repeat(field_name, count),
                texts(originals) if originals is not None else repeat("", count),
                texts(survivors) if survivors is not None else repeat("", count),
            ]
        )
        self.counts[kind] = self.counts.get(kind, 0) + count

    def write(self, directory: Path) -> int:
        """Writes `truth.csv.gz` (UTF-8); the number of its rows."""
        with CsvFile(directory / TRUTH_FILE, TRUTH_COLUMNS, ("field", "original_value"), encoding="utf-8") as target:
            for part in self._parts:
                target.write(dict(zip(TRUTH_COLUMNS, part, strict=True)))
            return target.rows


def choose(
    kind: str, candidates: np.ndarray | int, random: np.random.Generator, *, of: int | None = None
) -> np.ndarray:
    """Which rows get the dirt: ascending positions drawn from `candidates` at the kind's rate.

    Args:
        candidates: positions, or how many there are from 0.
        of: the number that the rate is a share of, where it is not the number of candidates.
    """
    pool = np.arange(candidates) if isinstance(candidates, int) else candidates
    count = min(len(pool), max(1, round(KINDS[kind].rate * (of if of is not None else len(pool)))))
    return np.sort(random.choice(pool, count, replace=False))


def mojibake(text: str) -> str:
    """What a reader sees who takes GBK bytes for Latin-1."""
    return text.encode("gb18030").decode("latin-1")
