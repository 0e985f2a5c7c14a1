"""From the app's change log to published marts: extraction, the Dagster assets, the release.

Belongs here: Dagster definitions (`definitions.build_defs()` is the one assembly point) and the plain functions behind
them: extraction, invoking dbt, releases, their comparison with the past, what `orchestration.yaml` may say; and the
worker that does what people ask for in the app.
Does not belong here: business rules (they are SQL in `dbt_project/` or `rules.py` in the app) and quality rules
(`expectations/`).
"""
