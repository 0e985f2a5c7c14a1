"""Vital signs: `jiankang/YYYYMM.csv.gz`, one file a month."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from migration.sample.calendar import FIRST_DAY, LAST_DAY, MONTHS, growth
from migration.sample.columns import Column, decimal, join, moment, number, pick, replaced, values_at, where
from migration.sample.dirt import Truth, choose
from migration.sample.elder_tables import ElderRows
from migration.sample.files import CsvFile
from migration.sample.population import DIABETES, HYPERTENSION, Population
from migration.sample.volumes import Volumes

FOLDER = "jiankang"
COLUMNS = ("CLBH", "LRBH", "CLLX", "CLZ", "DW", "CLSJ", "LY")
HEART, PRESSURE, GLUCOSE, OXYGEN, TEMPERATURE = range(5)
_KINDS = ["XL", "XY", "XT", "XYBHD", "TW"]
_SHARES = [0.26, 0.36, 0.16, 0.13, 0.09]
_MG_A_MMOL = 18.0
_MMHG_A_KPA = 7.50062


@dataclass(frozen=True)
class Watched:
    """Persons whose vital signs are taken, from a day to a day."""

    person: np.ndarray
    since: np.ndarray
    until: np.ndarray


def watched_persons(
    candidates: np.ndarray, since: np.ndarray, until: np.ndarray, volumes: Volumes, random: np.random.Generator
) -> Watched:
    """Some of the candidates (each person once), those whose time overlaps the window."""
    person, first = np.unique(candidates, return_index=True)
    since, until = np.maximum(since[first], FIRST_DAY), np.minimum(until[first], LAST_DAY)
    alive = np.flatnonzero(since < until)
    chosen = np.sort(random.choice(alive, min(len(alive), volumes.vital_persons), replace=False))
    return Watched(person[chosen], since[chosen], until[chosen])


def write_vital_signs(
    directory: Path,
    watched: Watched,
    population: Population,
    rows: ElderRows,
    volumes: Volumes,
    truth: Truth,
    random: np.random.Generator,
    progress: Callable[[int, int], None],
) -> dict[str, int]:
    """Writes a file a month; rows by file."""
    (directory / FOLDER).mkdir()
    months = (watched.since.astype("datetime64[M]") <= MONTHS[:, None]) & (
        watched.until.astype("datetime64[M]") >= MONTHS[:, None]
    )
    weight = months.sum(axis=1) * growth(MONTHS.astype("datetime64[D]"))
    counts = np.floor(weight / weight.sum() * volumes.vital_signs).astype(int)
    counts[-1] += volumes.vital_signs - counts.sum()
    # What is usual for each person.
    count = len(watched.person)
    base = {
        "systolic": random.normal(124, 9, count) + 17 * (population.diseases[watched.person] >> HYPERTENSION & 1),
        "heart": random.normal(74, 8, count),
        "glucose": random.normal(5.6, 0.6, count) + 2.6 * (population.diseases[watched.person] >> DIABETES & 1),
    }
    written: dict[str, int] = {}
    for position, (month, size) in enumerate(zip(MONTHS, counts.tolist(), strict=True)):
        name = f"{FOLDER}/{str(month).replace('-', '')}.csv.gz"
        with CsvFile(directory / name, COLUMNS) as target:
            target.write(
                _month(month, size, np.flatnonzero(months[position]), watched, base, rows, name, truth, random)
            )
            written[name] = target.rows
        progress(position + 1, len(MONTHS))
    return written


def _month(
    month: np.datetime64,
    size: int,
    active: np.ndarray,
    watched: Watched,
    base: dict[str, np.ndarray],
    rows: ElderRows,
    name: str,
    truth: Truth,
    random: np.random.Generator,
) -> dict[str, Column]:
    subject = random.choice(active, size)
    first = np.maximum(month.astype("datetime64[D]"), watched.since[subject])
    last = np.minimum((month + 1).astype("datetime64[D]") - 1, watched.until[subject])
    day = first.astype(np.int64) + (random.random(size) * ((last - first).astype(int) + 1)).astype(np.int64)
    hour = np.where(random.random(size) < 0.62, random.normal(8.0, 1.1, size), random.normal(18.5, 1.6, size))
    time = day * 86_400 + (np.clip(hour, 5, 22.5) * 3600).astype(np.int64)
    order = np.argsort(time, kind="stable")
    subject, time = subject[order], time[order]
    kind = random.choice(len(_KINDS), size, p=_SHARES)
    keys = join("JK", str(month).replace("-", ""), number(np.arange(1, size + 1), 7))
    value, unit = _values(kind, subject, base, random)
    wrong_value = choose("vital_out_of_range", size, random)
    wrong_unit = choose("vital_wrong_unit", np.setdiff1d(np.flatnonzero(kind != HEART), wrong_value), random, of=size)
    for dirt, positions in (("vital_out_of_range", wrong_value), ("vital_wrong_unit", wrong_unit)):
        truth.add(dirt, name, "", "CLZ", values_at(keys, positions), values_at(join(value, " ", unit), positions))
    value = replaced(value, wrong_value, [_IMPOSSIBLE[k][n % 3] for n, k in enumerate(kind[wrong_value].tolist())])
    value = replaced(
        value, wrong_unit, _other_unit(kind[wrong_unit], values_at(value, wrong_unit), values_at(unit, wrong_unit))
    )
    return {
        "CLBH": keys,
        "LRBH": rows.numbers_of(watched.person[subject]),
        "CLLX": pick(_KINDS, kind),
        "CLZ": value,
        "DW": unit,
        "CLSJ": moment(time, slashes=subject % 11 == 3),
        "LY": pick(["设备上传", "人工录入", "APP"], random.choice(3, size, p=[0.72, 0.2, 0.08])),
    }


_IMPOSSIBLE = {
    HEART: ("0", "999", "-1"),
    PRESSURE: ("0/0", "999/999", "35/182"),
    GLUCOSE: ("0.0", "88.8", "-5.6"),
    OXYGEN: ("0", "198", "12"),
    TEMPERATURE: ("0.0", "63.5", "3.65"),
}


def _values(
    kind: np.ndarray, subject: np.ndarray, base: dict[str, np.ndarray], random: np.random.Generator
) -> tuple[Column, Column]:
    """Values as the devices write them, and their units: some makes measure in kPa, mg/dL or ℉."""
    size = len(kind)
    systolic = np.clip(base["systolic"][subject] + random.normal(0, 9, size), 85, 215)
    diastolic = np.clip(systolic * 0.58 + random.normal(2, 5, size), 45, 125)
    heart = np.clip(base["heart"][subject] + random.normal(0, 6, size), 42, 150)
    glucose = np.clip(base["glucose"][subject] + random.normal(0, 0.9, size), 2.9, 24)
    oxygen = np.clip(np.rint(97.2 - np.abs(random.normal(0, 1.3, size))), 84, 100)
    temperature = np.clip(random.normal(36.5, 0.25, size) + (random.random(size) < 0.01) * 1.6, 35.2, 39.6)
    make = subject % 25
    in_kpa = (kind == PRESSURE) & (make == 7)
    in_mg = (kind == GLUCOSE) & (make == 12)
    in_fahrenheit = (kind == TEMPERATURE) & (make == 3)
    pressure = join(number(np.rint(systolic)), "/", number(np.rint(diastolic)))
    kpa = join(decimal(systolic / _MMHG_A_KPA, 1), "/", decimal(diastolic / _MMHG_A_KPA, 1))
    value = where(kind == HEART, number(np.rint(heart)), where(in_kpa, kpa, pressure))
    value = where(kind == GLUCOSE, where(in_mg, number(np.rint(glucose * _MG_A_MMOL)), decimal(glucose, 1)), value)
    value = where(kind == OXYGEN, number(oxygen), value)
    value = where(
        kind == TEMPERATURE, where(in_fahrenheit, decimal(temperature * 1.8 + 32, 1), decimal(temperature, 1)), value
    )
    unit = pick(["次/分", "mmHg", "mmol/L", "%", "℃"], kind)
    unit = where(in_kpa, "kPa", where(in_mg, "mg/dL", where(in_fahrenheit, "℉", unit)))
    return value, unit


def _other_unit(kinds: np.ndarray, values: list[str], units: list[str]) -> list[str]:
    """The value as another unit would have it, while the stated unit stays."""
    result = []
    for kind, value, unit in zip(kinds.tolist(), values, units, strict=True):
        if kind == PRESSURE:
            factor = _MMHG_A_KPA if unit == "kPa" else 1 / _MMHG_A_KPA
            result.append("/".join(f"{float(part) * factor:.1f}" for part in value.split("/")))
        elif kind == GLUCOSE:
            result.append(f"{float(value) / _MG_A_MMOL:.1f}" if unit == "mg/dL" else f"{float(value) * _MG_A_MMOL:.0f}")
        elif kind == TEMPERATURE:
            result.append(f"{(float(value) - 32) / 1.8:.1f}" if unit == "℉" else f"{float(value) * 1.8 + 32:.1f}")
        else:
            result.append(f"{float(value) / 100:.2f}")
    return result
