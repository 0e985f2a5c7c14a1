"""The warehouse's models: staging, records, intermediate and marts by theme, with contracts, tests and exposures.

Belongs here: SQL with its descriptions (in Chinese: the data dictionary and the cockpits' labels come from them).
Python only where a text would otherwise live twice (`generate.py`).
Does not belong here: when and in what order something runs (`pipelines/`), quality rules about records
(`expectations/`).
"""
