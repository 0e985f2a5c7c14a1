"""Cockpits: Apache Superset's configuration and everything it shows, as code.

Belongs here: Superset's configuration and sign-in, assets (datasets, charts, dashboards, themes) as YAML and SQL,
policies (roles, dashboard access), the reviewed Chinese overlay, and the engine that validates, applies, compares,
prunes and exports them. It runs in Superset's own environment (`.venv-superset`, `requirements/superset.txt`).
Does not belong here: figures. What a chart shows is computed in dbt_project/ and read from schema `published`.
"""
