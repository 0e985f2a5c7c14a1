"""SQL of subjects: a record table joined to what its rules compare it with."""

from __future__ import annotations

from collections.abc import Iterable

from expectations.catalogue.building_blocks import lookups_of
from expectations.rule import Lookup, RecordPeriod, Subject

#: Where dbt's seeds put the reference data.
REFERENCE_SCHEMA = "reference"


def subject_sql(subject: Subject, records: RecordPeriod, lookups: Iterable[Lookup] | None = None) -> str:
    """A select of the subject: its table's columns, the period's dates, its lookups' columns (default: of all)."""
    lookups = lookups_of(subject) if lookups is None else tuple(lookups)
    dates = {
        "period_start": f"date '{records.first_day}'",
        "period_end": f"date '{records.last_day}'",
        "as_of": f"date '{records.as_of}'",
    }
    columns = ["record.*", *(f"{value} as {name}" for name, value in dates.items() if name != "as_of")]
    columns.append(f"{dates['as_of']} as as_of_date")
    columns += [f"{expression} as {name}" for lookup in lookups for name, expression in lookup.columns.items()]
    text = (
        "select " + ", ".join(columns) + f" from {{records}}.{subject.relation} as record "
        + " ".join(lookup.join for lookup in lookups)
    )  # fmt: skip
    return text.format(records=f'"{records.schema}"', reference=REFERENCE_SCHEMA, **dates)
