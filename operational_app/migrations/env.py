"""Alembic's entry: one connection as the owner, one transaction for all pending revisions."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

from huiyang.database import Login, sqlalchemy_url
from huiyang.settings import get_settings
from operational_app import models  # noqa: F401
from operational_app.core.base import Base

settings = context.config.attributes.get("settings") or get_settings()
engine = create_engine(sqlalchemy_url(Login.OWNER, settings))
with engine.connect() as connection:
    # Two set-ups at once wait for each other; the second then finds nothing to do.
    connection.exec_driver_sql("select pg_advisory_lock(hashtext('huiyang schema'))")
    connection.exec_driver_sql("create schema if not exists alembic")
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_schemas=True,
        version_table_schema="alembic",
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
engine.dispose()
