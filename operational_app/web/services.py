"""What a running app holds: made once by `create_app`, found at `request.app.state` and by the helpers here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse

from huiyang.field_crypto import FieldCrypto
from huiyang.settings import BUSINESS_TIMEZONE, Settings
from operational_app.identity.sessions import Actor
from operational_app.web.cache import TimedCache
from operational_app.web.database import AppDatabase, ScopedSession
from operational_app.web.sealed import TermSeal


@dataclass(frozen=True)
class Services:
    """
    Attributes:
        figures: counts that are dear, by scope.
        environment: of the templates.
    """

    settings: Settings
    database: AppDatabase
    crypto: FieldCrypto
    seal: TermSeal
    figures: TimedCache
    form_key: str
    environment: Environment


def services(request: Request) -> Services:
    found: Services = request.state.services
    return found


def actor(request: Request) -> Actor:
    """Who is signed in; the gate lets nobody else reach a page that asks."""
    found: Actor | None = request.state.actor
    assert found is not None
    return found


def session(request: Request) -> ScopedSession:
    """The request's session under the actor's scope; the gate commits it when the answer is no error."""
    found: ScopedSession = request.state.session
    return found


def remote_address(request: Request) -> str | None:
    """The client's address; the front door's word is taken only from loopback (uvicorn's forwarded-allow-ips)."""
    return request.client.host if request.client else None


def now() -> datetime:
    return datetime.now(BUSINESS_TIMEZONE)


def today() -> date:
    return now().date()


def page(request: Request, template: str, status_code: int = 200, **context: Any) -> HTMLResponse:
    """Renders a page that is no list."""
    html = services(request).environment.get_template(template).render(request=request, **context)
    return HTMLResponse(html, status_code=status_code)
