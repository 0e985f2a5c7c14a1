"""The rule catalogue of data quality, the gate that runs it, the verdicts, and the acceptance report.

Belongs here: what must hold for the records of a period (one module a theme under `catalogue/`, required fields as
versioned data), Great Expectations that checks it, the two verdicts, delivery of results to the app's inbox, reports.
Does not belong here: how records are computed (`dbt_project/`), when the gate runs and what is released (`pipelines/`),
what users do about a violation (`operational_app/`).
"""
