"""Templates: where they are, and what every one of them can use."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from operational_app.web import formats
from operational_app.web.filters import division_choices
from operational_app.web.forms import csrf_input
from operational_app.web.menu import menu_of
from operational_app.web.services import actor, services

_APP = Path(__file__).parent.parent
#: The shared ones, then each area's; an area's templates stand in a folder of its name.
TEMPLATE_FOLDERS = [Path(__file__).parent / "templates", *sorted(_APP.glob("*/templates"))]

#: From npm, at set-up; served at /static/maplibre.
MAPLIBRE_FOLDER = _APP / "frontend" / "node_modules" / "maplibre-gl" / "dist"


@cache
def asset(path: str) -> str:
    """Address of a static file, with a hash of its content, so that a browser may keep it for ever.

    Args:
        path: below our static folder, `maplibre/` or starlette-admin's.
    """
    own = Path(__file__).parent / "static" / path
    if path.startswith("maplibre/"):
        own = MAPLIBRE_FOLDER / path.removeprefix("maplibre/")
    content = own.read_bytes() if own.is_file() else (files("starlette_admin") / "static" / path).read_bytes()
    return f"/static/{path}?v={sha256(content).hexdigest()[:12]}"


def dress_environment(environment: Environment) -> None:
    """Adds our functions and filters to an environment."""
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.globals.update(
        asset=asset,
        menu_of=menu_of,
        csrf_input=csrf_input,
        has_disclosure=lambda request: services(request).settings.public_disclosure,
        has_upstream=lambda request: bool(services(request).settings.upstream_issuer),
        division_choices=lambda request, raw, any_division=False: division_choices(
            None if any_division else actor(request).scope, raw
        ),
    )
    environment.filters.update(
        number=formats.number,
        yuan=formats.yuan,
        day=formats.day,
        division=formats.division,
        minute=formats.minute,
        second=formats.second,
        yes_no=formats.yes_no,
        or_dash=formats.text,
        browser=formats.browser,
    )
    environment.globals.update(percent=formats.percent, fee_range=formats.fee_range)
