"""Pages by key: a page begins after the last record of the one before, so that none is missed or seen twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import Select, literal, tuple_
from starlette.requests import Request

from operational_app.identity.administration import Refused
from operational_app.web.services import actor, services, session

MOST_AT_ONCE = 100
_Item = TypeVar("_Item")


class Page(BaseModel, Generic[_Item]):
    items: list[_Item] = Field(description="本页的记录")
    next: str | None = Field(description="下一页的 cursor；没有下一页时为 null")


def seal_cursor(request: Request, place: Any) -> str:
    """A cursor of this list and session.

    Args:
        place: what JSON can hold. It is sealed: it may be names, which must not stand in an address.
    """
    told = {"list": request.url.path, "after": json.dumps(place)}
    return services(request).seal.seal(told, actor(request).session_id)


def open_cursor(request: Request, cursor: str) -> Any:
    """The place that `seal_cursor` was given.

    Raises:
        Refused: not a cursor of this list and session.
    """
    told = services(request).seal.open(cursor, actor(request).session_id) if cursor.isascii() else None
    if told is None or told.get("list") != request.url.path:
        raise Refused("cursor 无效或已过期，请从第一页重新读取。")
    return json.loads(told["after"])


@dataclass(frozen=True)
class Paging:
    """A dependency: which page is asked for."""

    request: Request
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE, description="每页条数")] = 25
    cursor: Annotated[str | None, Query(max_length=2000, description="上一页答复中的 next")] = None

    def after(self) -> list[Any] | None:
        """The keys after which the page begins; None for the first page.

        Raises:
            Refused: not a cursor of this list and session.
        """
        return None if self.cursor is None else open_cursor(self.request, self.cursor)

    def page(
        self, statement: Select[*tuple[Any, ...]], columns: Sequence[Any], keys_of: Callable[[Any], Sequence[Any]],
        *, newest_first: bool = False,
    ) -> tuple[list[Any], str | None]:  # fmt: skip
        """The rows of the page, and the next page's cursor.

        Args:
            columns: what the list is ordered by, together unique, none of them null.
            keys_of: their values in a row, as JSON can hold them.
        """
        after = self.after()
        if after is not None:
            keys, given = tuple_(*columns), tuple_(*(literal(value) for value in after))
            statement = statement.where(keys < given if newest_first else keys > given)
        ordered = [column.desc() if newest_first else column for column in columns]
        rows = list(session(self.request).execute(statement.order_by(*ordered).limit(self.limit + 1)))
        if len(rows) <= self.limit:
            return rows, None
        rows = rows[: self.limit]
        return rows, seal_cursor(self.request, list(keys_of(rows[-1])))
