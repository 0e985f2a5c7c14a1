"""Reference data of the city, as files and as functions that read them.

Belongs here: what comes from outside (divisions, census, boundaries) and lists that the bureau decides (service
categories, reference ranges), each with source and licence in README.md. `ref_*.csv` are dbt seeds under the same
names; `build.py` makes the derived ones from the raw files.
Does not belong here: anything the platform itself produces.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

REFERENCE_DIR = Path(__file__).resolve().parent
COUNTY_BOUNDARIES_FILE = REFERENCE_DIR / "county_boundaries.geojson"


def reference_file(name: str) -> Path:
    """The path of a reference table, e.g. `ref_division`."""
    return REFERENCE_DIR / f"{name}.csv"


def read_reference(name: str) -> pd.DataFrame:
    """A reference table; `*_code` columns are text, empty fields missing."""
    path = reference_file(name)
    header = pd.read_csv(path, nrows=0, encoding="utf-8").columns
    return pd.read_csv(path, encoding="utf-8", dtype={column: "str" for column in header if column.endswith("_code")})
