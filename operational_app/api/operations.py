"""How an operation is declared: with the right it needs, its models strict about what comes in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import date
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from huiyang.divisions import division_tree
from operational_app.api.idempotency import AlreadyDone, Once, once
from operational_app.identity.access import Resource
from operational_app.web.rights import demand

RIGHT = "x-right"
_LARGEST_KEY = 2**63 - 1
#: PostgreSQL's text holds no NUL.
_PATTERN = r"^[^\x00]*$"


def _only_iso(value: Any) -> Any:
    """Pydantic would take numbers and times for dates as well."""
    if isinstance(value, str) and len(value) != len("2026-01-01"):
        raise ValueError("日期应为 YYYY-MM-DD")
    if isinstance(value, (int, float)):
        raise ValueError("日期应为 YYYY-MM-DD")
    return value


def _known_division(code: str) -> str:
    if code not in division_tree():
        raise ValueError("没有这个区划")
    return code


Key = Annotated[int, Path(ge=1, le=_LARGEST_KEY, description="记录的编号")]
Number = Annotated[int, Field(strict=True, ge=1, le=_LARGEST_KEY)]
Flag = Annotated[bool, Field(strict=True)]
Day = Annotated[date, BeforeValidator(_only_iso), Field(description="YYYY-MM-DD")]
DivisionCode = Annotated[str, AfterValidator(_known_division), Field(pattern=r"^[0-9]{12}$")]
Line = Annotated[str, StringConstraints(max_length=200, pattern=_PATTERN)]
Text = Annotated[str, StringConstraints(max_length=5000, pattern=_PATTERN)]
Version = Annotated[
    int, Field(strict=True, ge=1, le=_LARGEST_KEY, description="读取时的 row_version；记录已被他人修改时答复 409")
]


class Told(BaseModel):
    """What an operation answers, read from a record."""

    model_config = ConfigDict(from_attributes=True)


class Asked(BaseModel):
    """What an operation is sent: nothing beyond what it knows."""

    model_config = ConfigDict(extra="forbid")


class Done(Told):
    id: int = Field(description="记录的编号")


class Versioned(Asked):
    row_version: Version


class _Operation(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            request.state.once = None
            try:
                answer = await handle(request)
            except AlreadyDone as done:
                return done.answer
            kept: Once | None = request.state.once
            if kept is not None:
                await run_sync(kept.end, answer)
            return answer

        return handle_once


def operations(tag: str) -> APIRouter:
    """A router for an area's operations.

    Args:
        tag: the area's name in the document.
    """
    return APIRouter(route_class=_Operation, tags=[tag])


def needs(right: Resource, *, creates: bool = False) -> dict[str, Any]:
    """What a route's decorator is given: the right to the operation; whether it makes something.

    An operation is bound to the resource that opens the page or act of the same name, so that a role that opens the one
    opens the other.
    """
    dependencies = [Depends(demand(right))]
    if creates:
        dependencies.append(Depends(once))
    found: dict[str, Any] = {"dependencies": dependencies, "openapi_extra": {RIGHT: right.value}}
    if creates:
        found["status_code"] = 201
    return found
