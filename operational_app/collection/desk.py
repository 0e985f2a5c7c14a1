"""What the pages of collection share: records in the user's scope, forms read."""

from __future__ import annotations

from sqlalchemy import ColumnElement
from starlette.exceptions import HTTPException
from starlette.requests import Request

from operational_app.collection.models import Campaign, Filing
from operational_app.web.services import session

_MOST_FIELDS = 500


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


def name_like(text: str) -> ColumnElement[bool]:
    """A subject's name contains the text."""
    return Filing.name.contains(text.strip()[:50], autoescape=True)


async def texts_of(request: Request) -> dict[str, str]:
    """The form's texts."""
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str)}
