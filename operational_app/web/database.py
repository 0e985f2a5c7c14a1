"""Sessions of the login `app`: every transaction of a session works under the session's scope."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.orm import Session, SessionTransaction

from huiyang.database import Login, sqlalchemy_url
from huiyang.settings import Settings
from operational_app import models  # noqa: F401  (foreign keys need every table)
from operational_app.core.row_security import ScopeSetting, set_scope

#: A page's query is planned with its values (a village and the city want different indexes) and for one core (many
#: work at once). A request never waits for more than 15 s, and never keeps a transaction open.
_SERVER_OPTIONS = {
    "plan_cache_mode": "force_custom_plan",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "timezone": "Asia/Shanghai",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "60s",
}


class ScopedSession(Session):
    """A session that binds each of its transactions to one scope."""

    def __init__(self, engine: Engine, scope: ScopeSetting) -> None:
        super().__init__(engine, expire_on_commit=False, autoflush=False)
        self.scope = scope


@event.listens_for(ScopedSession, "after_begin")
def _bind_scope(session: ScopedSession, transaction: SessionTransaction, connection: Connection) -> None:
    if not transaction.nested:  # a savepoint keeps the scope of its transaction, which may be a wider one just now
        set_scope(connection, session.scope)


class AppDatabase:
    """The operational database as the app sees it."""

    def __init__(self, settings: Settings, **pool: Any) -> None:
        """Connects on first use; `pool` goes to SQLAlchemy's engine (pool_size, max_overflow)."""
        self.engine = create_engine(
            sqlalchemy_url(Login.APP, settings),
            # A failed statement's parameters are personal data.
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"options": " ".join(f"-c {name}={value}" for name, value in _SERVER_OPTIONS.items())},
            **({"pool_size": 20, "max_overflow": 20} | pool),
        )

    def session(self, scope: ScopeSetting) -> ScopedSession:
        """A session under `scope`; it connects when it is first used."""
        return ScopedSession(self.engine, scope)

    @contextmanager
    def transaction(self, scope: ScopeSetting = ScopeSetting()) -> Iterator[ScopedSession]:  # noqa: B008 (immutable)
        """One transaction, committed at the block's end. Without a scope it sees no business row."""
        with self.session(scope) as session, session.begin():
            yield session

    def close(self) -> None:
        self.engine.dispose()
