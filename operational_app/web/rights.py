"""What a page asks of who opens it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request

from operational_app.identity.access import Resource
from operational_app.web.services import actor


def demand(resource: Resource) -> Callable[[Request], None]:
    """A dependency that answers 403 to a role without the right."""

    def check(request: Request) -> None:
        if not actor(request).may(resource):
            raise HTTPException(403)

    check.resource = resource  # type: ignore[attr-defined]
    return check


def pages_of(resource: Resource) -> APIRouter:
    """A router whose pages all demand `resource`."""
    return APIRouter(dependencies=[Depends(demand(resource))])
