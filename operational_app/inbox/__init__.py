"""The one way back from the warehouse: results of a release, keyed by rule, record and release, written idempotently.

Not here: how a result was computed (warehouse, gate).
"""
