"""The declarative base and the words models are written in.

Conventions of every table:
- `id` is a 64-bit identity key, never reused; what a phone or a caller creates also carries `client_key`, a UUID v7
  of theirs, as idempotency key;
- `personal(...)` marks a column that must not leave the app: it never enters the change log, so the warehouse cannot
  hold it;
- `Tracked` tables are written to the change log with every insert, update and delete;
- `scope = ...` states who may see a row; a table without it is reference data that every signed-in user may read.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Double,
    Enum,
    Identity,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy import text as sql_text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from operational_app.core.row_security import Scope

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


#: The default "when it is written"; as a plain string it would be when the table was made.
NOW = sql_text("now()")


class Base(DeclarativeBase):
    """Tables of the operational database; each lives in the schema of its business area."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        date: Date,
        Decimal: Numeric(14, 2),
        bytes: LargeBinary,
        UUID: Uuid,
        float: Double(),
    }
    #: Who may see a row; see `operational_app.core.row_security`.
    scope: ClassVar[Scope | None] = None


class Identified:
    """A 64-bit identity key."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, sort_order=-10)


class Tracked(Identified):
    """A table whose every change goes to `changelog.<table>`.

    `effective_at`: since when this version of the row is true in the world (not: when we learned of it, which is the
    change log's `recorded_at`). `row_version` guards against stale forms.
    """

    effective_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=NOW, onupdate=NOW, sort_order=90
    )
    row_version: Mapped[int] = mapped_column(BigInteger, server_default="1", sort_order=91, info={"personal": True})


class AppendOnly(Identified):
    """A table of events that is its own change log: rows are inserted, never changed; a correction is another row.

    `change_txid` is the writing transaction; extraction takes rows below the oldest running one. `recorded_at` is when
    we learned of the event.
    """

    change_txid: Mapped[int] = mapped_column(
        BigInteger, server_default=sql_text("(pg_current_xact_id()::text)::bigint"), sort_order=90
    )
    recorded_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=sql_text("clock_timestamp()"), sort_order=91
    )


def mapped_tables() -> list[tuple[type[Base], Table]]:
    """Every model with its table, by the table's full name."""
    pairs = [(mapper.class_, mapper.local_table) for mapper in Base.registry.mappers]
    return sorted(
        ((model, table) for model, table in pairs if isinstance(table, Table)), key=lambda pair: pair[1].fullname
    )


class Code(StrEnum):
    """A closed list of stored values with Chinese labels: `MALE = "male", "男"`."""

    label: str

    def __new__(cls, value: str, label: str) -> Code:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


def coded(code: type[Code], name: str | None = None) -> Enum:
    """The column type of a closed list: text with a check constraint.

    Args:
        name: of the constraint, where a table has the same list twice.
    """
    return Enum(
        code,
        native_enum=False,
        create_constraint=True,
        length=32,
        name=name or code.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


def personal(*args: Any, **options: Any) -> Any:
    """A column with personal data: stays in the app, never enters the change log."""
    return mapped_column(*args, info={"personal": True} | options.pop("info", {}), **options)
