"""Which failures a step tries again: only a database that does not answer. A wrong model stays wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import psycopg

_RETRIES = 3
_SECONDS_BETWEEN = 20


@contextmanager
def retry_when_unreachable() -> Iterator[None]:
    """Asks Dagster to run the step again if the connection failed."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=_SECONDS_BETWEEN) from error
