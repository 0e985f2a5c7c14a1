"""gunicorn's configuration for Superset, beyond its command line; read by gunicorn in Superset's environment."""

from __future__ import annotations

from typing import Any

#: Superset is loaded once and its workers are forked from it: half the time to start, and half the memory.
preload_app = True


def post_fork(server: Any, worker: Any) -> None:
    """A connection must not be shared by two processes: each worker forgets those made while loading."""
    from superset.extensions import db

    with worker.app.wsgi().app_context():
        for engine in db.engines.values():
            engine.dispose(close=False)
