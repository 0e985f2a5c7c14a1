"""Makes the whole export: what depends on what, where the files go, what it took."""

from __future__ import annotations

import json
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from huiyang.errors import HuiyangError
from huiyang.settings import Scale
from migration.sample import (
    catalogue,
    elder_tables,
    family_beds,
    health,
    home_service,
    institutions,
    organizations,
    photos,
    registers,
    subsidies,
)
from migration.sample.assessments import make_assessments
from migration.sample.calendar import LAST_DAY, days_of
from migration.sample.dirt import KINDS, TRUTH_FILE, Truth
from migration.sample.facilities import make_facilities, write_facilities
from migration.sample.files import sha256_of
from migration.sample.institutions import make_institutions, make_stays
from migration.sample.people import FEMALE
from migration.sample.places import make_places
from migration.sample.population import DECEASED, LIVING, MOVED, ORDINARY, Population, make_population
from migration.sample.volumes import VOLUMES

#: Raised with every change that alters bytes of an export, so that an older one is made anew.
GENERATOR_VERSION = "3"
MANIFEST_FILE = "manifest.json"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ExportedFile:
    """A file of the export.

    Attributes:
        name: relative to the export's folder.
        rows: data rows; of a dump or workbook, of all its tables.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ExportSummary:
    """What an export holds.

    Attributes:
        files: all but the manifest, the truth file and the photos.
        rows: by `file`, or `file/table` where a file holds several.
        counts: of the population, for reconciliation: living elders on file (`elders`), deceased, moved away.
        dirt: rows of the truth file by kind.
        was_present: nothing had to be done.
        seconds: by step; empty where `was_present`.
    """

    directory: Path
    scale: Scale
    seed: int
    generator_version: str
    files: tuple[ExportedFile, ...]
    rows: dict[str, int]
    counts: dict[str, int]
    dirt: dict[str, int]
    was_present: bool = False
    seconds: dict[str, float] = field(default_factory=dict)


def write_export(directory: Path, scale: Scale, seed: int, progress: Progress | None = None) -> ExportSummary:
    """Writes the old platform's export into `directory`; does nothing where it is there already.

    Files first go to a folder beside it, which takes the place of `directory` when all is written: an interrupted call
    leaves no half export. Same scale, seed and versions of the libraries: same bytes.

    Args:
        directory: is made; if it exists, it must be empty or an export, which is replaced.
        progress: called with step, done and total.

    Raises:
        HuiyangError: the folder holds something else, or cannot be written.
    """
    present = read_manifest(directory)
    if present is not None and (present.scale, present.seed, present.generator_version) == (
        scale,
        seed,
        GENERATOR_VERSION,
    ):
        return present
    if present is None and directory.exists() and any(directory.iterdir()):
        raise HuiyangError(
            f"{directory} holds files that are no export of the sample.", "Choose another folder, or empty this one."
        )
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        summary = _write(partial, scale, seed, progress or (lambda _step, _done, _total: None))
        _replace(partial, directory)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise HuiyangError(
            f"The export cannot be written to {directory}: {error.strerror}.",
            "Free space on the disk or choose another folder (a city export takes some 2 GB), then run it again.",
        ) from error
    return replace(summary, directory=directory)


def read_manifest(directory: Path) -> ExportSummary | None:
    """The finished export in a folder; None where there is none, or where a file of it is missing or cut short."""
    path = directory / MANIFEST_FILE
    if not path.is_file():
        return None
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    files = tuple(ExportedFile(**entry) for entry in manifest["files"])
    for file in files:
        target = directory / file.name
        if not target.is_file() or target.stat().st_size != file.bytes:
            return None
    return ExportSummary(
        directory=directory,
        scale=Scale(manifest["scale"]),
        seed=manifest["seed"],
        generator_version=manifest["generator_version"],
        files=files,
        rows=manifest["rows"],
        counts=manifest["counts"],
        dirt=manifest["dirt"],
        was_present=True,
    )


def _replace(partial: Path, directory: Path) -> None:
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    partial.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


class _Steps:
    """Times the steps and tells of their progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[int, int], None]]:
        began = time.perf_counter()
        self._progress(name, 0, 1)
        yield lambda done, total: self._progress(name, done, total)
        self._progress(name, 1, 1)
        self.seconds[name] = round(time.perf_counter() - began, 2)


def _write(directory: Path, scale: Scale, seed: int, progress: Progress) -> ExportSummary:
    def random(purpose: str) -> np.random.Generator:
        """A stream of its own for each purpose, so that a change in one leaves the others as they are."""
        return np.random.default_rng([seed, zlib.crc32(purpose.encode())])

    volumes, truth, steps = VOLUMES[scale], Truth(), _Steps(progress)
    rows: dict[str, int] = {}
    with steps.step("population"):
        places = make_places(random("places"))
        population = make_population(scale, places, random("population"))
    with steps.step("organizations"):
        providers = organizations.make_providers(places, volumes, random("providers"))
        workers = organizations.make_workers(providers, places, volumes, random("workers"))
        houses = make_institutions(places, volumes, random("institutions"))
        stays = make_stays(houses, population, volumes, random("stays"))
    with steps.step("family beds"):
        beds = family_beds.make_family_beds(
            population, places, providers, houses, stays, volumes, random("family beds")
        )
        devices = family_beds.make_devices(beds, providers, random("devices"))
    with steps.step("assessments"):
        persons, first, until = _assessed(population, stays, beds, random("assessed"))
        assessments = make_assessments(persons, first, until, population, random("assessments"))
    with steps.step("visits"):
        never_resident = np.ones(population.count, dtype=bool)
        never_resident[stays.person] = False
        has_bed = np.zeros(population.count, dtype=bool)
        has_bed[beds.person[~np.isnat(beds.opened)]] = True
        visits = home_service.plan_visits(
            population, places, workers, volumes, never_resident, has_bed, random("visits")
        )
        records = elder_tables.make_elder_rows(population, places, random("elder rows"))
        grounds = subsidies.make_grounds(population, beds)
        orders = home_service.make_orders(visits, population, records, grounds, random("orders"))
        order_dirt = home_service.spoil_orders(orders, random("order dirt"), truth)
    with steps.step("elders.sql") as report:
        written = elder_tables.write_elders(directory, population, places, records, truth, random("elders"), report)
        rows |= {f"{elder_tables.FILE}/{table}": count for table, count in written.items()}
    with steps.step("jigou.xlsx"):
        written_houses = institutions.write_institutions(
            directory, houses, stays, population, places, records, truth, random("jigou")
        )
        rows |= written_houses.rows
    with steps.step("jiachuang.xlsx"):
        rows |= family_beds.write_family_beds(
            directory, beds, devices, assessments, population, places, providers, records, random("jiachuang")
        )
        rows[family_beds.ALARM_FILE] = family_beds.write_alarms(directory, beds, devices, records, random("alarms"))
    with steps.step("sheshi.xlsx"):
        facilities = make_facilities(places, volumes, random("facilities"))
        rows |= write_facilities(
            directory, facilities, population, places, providers, records, volumes, random("sheshi")
        )
    with steps.step("fuwushang.csv, fuwurenyuan.csv, fuwuxiangmu.csv"):
        rows[organizations.PROVIDER_FILE] = organizations.write_providers(
            directory, providers, places, random("fuwushang")
        )
        rows[organizations.WORKER_FILE] = organizations.write_workers(
            directory, workers, providers, random("fuwurenyuan")
        )
        rows[catalogue.FILE] = catalogue.write_items(directory)
    with steps.step("gongdan.csv") as report:
        rows[home_service.ORDER_FILE] = home_service.write_orders(
            directory,
            orders,
            order_dirt,
            population,
            places,
            records,
            workers,
            providers,
            truth,
            random("gongdan"),
            report,
        )
    with steps.step("guiji.csv, pingjia.csv"):
        rows[home_service.TRACK_FILE] = home_service.write_tracks(directory, orders, workers, volumes, random("guiji"))
        rows[home_service.EVALUATION_FILE] = home_service.write_evaluations(directory, orders, random("pingjia"))
    with steps.step("zhaopian.csv"):
        rows[photos.FILE] = photos.write_photos(directory, orders, volumes, truth, random("zhaopian"))
    with steps.step("jiankang") as report:
        watched = health.watched_persons(
            *_vital_candidates(population, stays, beds, orders), volumes, random("watched")
        )
        rows |= health.write_vital_signs(
            directory, watched, population, records, volumes, truth, random("jiankang"), report
        )
    with steps.step("butie.csv"):
        at_home = np.ones(population.count, dtype=bool)
        at_home[stays.person] = False
        used = _subsidised(orders)
        entitlements = subsidies.make_entitlements(population, grounds, at_home, used, random("entitlements"))
        rows[subsidies.FILE] = subsidies.write_entitlements(
            directory, entitlements, used, population, places, records, truth, random("butie")
        )
    with steps.step("minzheng_mingce.xlsx"):
        rows |= registers.write_registers(
            directory, houses, written_houses.credit_codes, stays, facilities, places, truth, random("registers")
        )
    with steps.step("checksums"):
        truth.write(directory)
        files = _files(directory, rows)
    living = population.status == LIVING
    summary = ExportSummary(
        directory=directory,
        scale=scale,
        seed=seed,
        generator_version=GENERATOR_VERSION,
        files=files,
        rows=rows,
        counts={
            "elders": int(living.sum()),
            "elders_women": int((living & (population.sex == FEMALE)).sum()),
            "elders_deceased": int((population.status == DECEASED).sum()),
            "elders_moved_away": int((population.status == MOVED).sum()),
        },
        dirt={kind: truth.counts.get(kind, 0) for kind in KINDS},
        seconds=steps.seconds,
    )
    _write_manifest(summary)
    return summary


def _assessed(
    population: Population, stays: institutions.Stays, beds: family_beds.FamilyBeds, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who is assessed, from when to when: on admission, on applying for a family bed, and some supported at home."""
    admitted = stays.admitted >= np.datetime64("2023-06-01")
    at_home = np.flatnonzero((population.status == LIVING) & (population.category != ORDINARY))
    at_home = np.setdiff1d(at_home, np.concatenate([stays.person, beds.person]))
    at_home = at_home[random.random(len(at_home)) < 0.08]
    home_days = np.maximum(population.registered[at_home] + 20, LAST_DAY - random.integers(20, 1000, len(at_home)))
    home_days = np.minimum(home_days, LAST_DAY)
    left = np.where(np.isnat(stays.left), LAST_DAY, stays.left)
    # A person with a stay and a bed keeps both series; the year's rhythm starts anew with each.
    return (
        np.concatenate([stays.person[admitted], beds.person, at_home]),
        np.concatenate([stays.admitted[admitted], beds.applied + 3, home_days]),
        np.concatenate([left[admitted], np.maximum(beds.end, beds.applied + 3), np.full(len(at_home), LAST_DAY)]),
    )


def _subsidised(orders: home_service.Orders) -> subsidies.Used:
    """The services that took place and were subsidised."""
    paid = orders.took_place
    paid = paid[orders.subsidy[paid] > 0]
    return subsidies.Used(orders.person[paid], days_of(orders.started[paid]), orders.subsidy[paid])


def _vital_candidates(
    population: Population, stays: institutions.Stays, beds: family_beds.FamilyBeds, orders: home_service.Orders
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Persons whose vital signs may be taken, since when and until when: family beds, residents, recipients."""
    opened = np.flatnonzero(~np.isnat(beds.opened))
    left = np.where(np.isnat(stays.left), LAST_DAY, stays.left)
    recipients = np.unique(orders.person)
    died = population.died[recipients]
    return (
        np.concatenate([beds.person[opened], stays.person, recipients]),
        np.concatenate([beds.opened[opened], stays.admitted, population.registered[recipients]]),
        np.concatenate([beds.end[opened], left, np.where(np.isnat(died), LAST_DAY, died - 1)]),
    )


def _files(directory: Path, rows: dict[str, int]) -> tuple[ExportedFile, ...]:
    """The files that hold the rows, by name."""
    by_file: dict[str, int] = {}
    for name, count in rows.items():
        file = name if (directory / name).is_file() else name.split("/")[0]
        by_file[file] = by_file.get(file, 0) + count
    return tuple(
        ExportedFile(name, count, (directory / name).stat().st_size, sha256_of(directory / name))
        for name, count in sorted(by_file.items())
    )


def _write_manifest(summary: ExportSummary) -> None:
    manifest = {
        "scale": summary.scale.value,
        "seed": summary.seed,
        "generator_version": summary.generator_version,
        "last_day": str(LAST_DAY),
        "files": [asdict(file) for file in summary.files],
        "rows": summary.rows,
        "counts": summary.counts,
        "dirt": summary.dirt,
        "truth_file": TRUTH_FILE,
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    (summary.directory / MANIFEST_FILE).write_text(text, encoding="utf-8")
