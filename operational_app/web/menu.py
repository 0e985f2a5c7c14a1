"""The menu: what the signed-in user may open, named and ordered as the installation wants."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from operational_app.identity.models import ResourceKind
from operational_app.identity.sessions import HeldResource


@dataclass(frozen=True)
class MenuItem:
    """
    Attributes:
        icon: class names of Font Awesome.
        is_application: another application, opened beside this one.
    """

    code: str
    label: str
    description: str
    icon: str
    url: str
    is_application: bool

    def is_active(self, request: Request) -> bool:
        path = request.url.path
        return path == self.url if self.url == "/" else path.startswith(self.url.removesuffix("list"))


def menu_of(request: Request) -> list[MenuItem]:
    """What the signed-in user may open; nothing for a stranger."""
    actor = getattr(request.state, "actor", None)
    return [_item(held) for held in (actor.resources if actor else ()) if held.is_shown and held.url]


def _item(held: HeldResource) -> MenuItem:
    return MenuItem(
        held.code, held.label, held.description, held.icon or "fa-solid fa-link", held.url or "/",
        held.kind in (ResourceKind.APPLICATION, ResourceKind.LINK),
    )  # fmt: skip
