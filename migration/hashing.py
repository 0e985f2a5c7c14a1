"""Hashes by which a row is recognised: of a source row, and of a target's values, in Python and in SQL alike.

A target's expected values are hashed when they are written. The check has PostgreSQL hash what it stored, so the two
sides share nothing but the definition of the text that is hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from sqlalchemy import ARRAY, Column, DateTime, Double, LargeBinary

_NULL = "\\N"
_SEPARATOR = "\x1f"


def row_hashes(columns: Sequence[pa.Array], salt: int) -> np.ndarray:
    """(n,) int64 over the texts of rows; `salt` is the mapping's version."""
    joined = pc.binary_join_element_wise(
        *(pc.fill_null(column, "\x00") for column in columns), pa.scalar(str(salt)), pa.scalar(_SEPARATOR)
    )
    digest = hashlib.blake2b
    raw = b"".join([digest(text.encode(), digest_size=8).digest() for text in joined.to_pylist()])
    return np.frombuffer(raw, dtype=">i8").astype(np.int64)


def value_hashes(columns: Sequence[pa.Array]) -> np.ndarray:
    """(n,) int64: the first eight bytes of MD5 over the texts of a row's values. MD5 because PostgreSQL has it; this
    guards against accidents, not against forgery."""
    joined = pc.binary_join_element_wise(*map(_canonical, columns), pa.scalar(_SEPARATOR))
    digest = hashlib.md5
    raw = b"".join([digest(text.encode(), usedforsecurity=False).digest()[:8] for text in joined.to_pylist()])
    return np.frombuffer(raw, dtype=">i8").astype(np.int64)


def _canonical(column: pa.Array) -> pa.Array:
    """Values as PostgreSQL's `value_hash_sql` writes them."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        texts = pc.cast(pc.cast(column, pa.int64()), pa.string())
    elif pa.types.is_floating(kind):
        raw = column.to_numpy(zero_copy_only=False).astype(">f8").tobytes().hex()
        texts = pa.array([raw[i : i + 16] for i in range(0, len(raw), 16)], pa.string())
        texts = pc.if_else(column.is_valid(), texts, pa.scalar(None, pa.string()))
    elif pa.types.is_binary(kind):
        texts = pa.array([None if value is None else value.hex() for value in column.to_pylist()], pa.string())
    elif pa.types.is_list(kind):
        rows = column.to_pylist()
        texts = pa.array([None if row is None else "{" + ",".join(map(str, row)) + "}" for row in rows], pa.string())
    else:
        texts = pc.cast(column, pa.string())
    return pc.fill_null(texts, _NULL)


def value_hash_sql(columns: Sequence[Column[Any]], alias: str) -> sql.Composable:
    """`value_hashes` as an SQL expression over a table's stored columns."""
    texts = [_canonical_sql(column, sql.Identifier(alias, column.name)) for column in columns]
    joined = sql.SQL(", ").join(texts)
    return sql.SQL("('x' || left(md5(concat_ws({}, {})), 16))::bit(64)::bigint").format(sql.Literal(_SEPARATOR), joined)


def _canonical_sql(column: Column[Any], name: sql.Composable) -> sql.Composable:
    kind = column.type
    if isinstance(kind, DateTime):
        text = sql.SQL("(extract(epoch from {}) * 1000000)::bigint::text").format(name)
    elif isinstance(kind, Double):
        text = sql.SQL("encode(float8send({}), 'hex')").format(name)
    elif isinstance(kind, LargeBinary):
        text = sql.SQL("encode({}, 'hex')").format(name)
    elif isinstance(kind, ARRAY):
        text = sql.SQL("{}::text").format(name)
    else:
        text = sql.SQL("{}::text").format(name)
    return sql.SQL("coalesce({}, {})").format(text, sql.Literal(_NULL))
