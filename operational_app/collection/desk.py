"""What the pages of collection share: records in the user's scope, forms read."""

from __future__ import annotations

from sqlalchemy import ColumnElement
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from operational_app.collection.models import Campaign, Filing
from operational_app.identity.administration import Work
from operational_app.web.services import actor, now, remote_address, session

REFUSED = 422
_MOST_FIELDS = 500


def work_of(request: Request) -> Work:
    return Work(session(request), actor(request), now(), remote_address(request))


def campaign_seen(request: Request, key: int) -> Campaign:
    """A campaign that the user opened or is asked by.

    Raises:
        HTTPException: 404.
    """
    found = session(request).get(Campaign, key)
    if found is None:
        raise HTTPException(404)
    return found


def filing_seen(request: Request, key: int) -> Filing:
    """A filing in the user's scope.

    Raises:
        HTTPException: 404.
    """
    found = session(request).get(Filing, key)
    if found is None:
        raise HTTPException(404)
    return found


def done(address: str, what: str) -> RedirectResponse:
    return RedirectResponse(f"{address}?done={what}", status_code=303)


def name_like(text: str) -> ColumnElement[bool]:
    """A subject's name contains the text."""
    return Filing.name.contains(text.strip()[:50], autoescape=True)


async def texts_of(request: Request) -> dict[str, str]:
    """The form's texts."""
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str)}
