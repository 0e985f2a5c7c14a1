"""The operational app: what operators, providers, institutions, carers and the bureau work in every day.

One package per business area, each with its models (schema of the same name in the database `app`), rules (pure
functions), service, back-office views, pages and API. `core` holds what areas share: the declarative base, the
change log, row-level security.
Does not belong here: figures over the whole city (the warehouse computes them) and the old platform's shapes
(`migration/` knows them).
"""
