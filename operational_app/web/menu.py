"""The menu: one list of places, each with the right that it needs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from huiyang.settings import COCKPIT_PATH, DAGSTER_PATH
from operational_app.identity.access import Resource

#: Cockpits have their own README on addresses; the overview is where everybody starts.
OVERVIEW_COCKPIT = f"{COCKPIT_PATH}/superset/dashboard/overview/"
PIPELINES = f"{DAGSTER_PATH}/"


@dataclass(frozen=True)
class MenuItem:
    """
    Attributes:
        icon: class names of Font Awesome.
        prefix: addresses below it belong to this place.
        is_application: another application behind the front door.
    """

    label: str
    icon: str
    url: str
    resource: Resource
    prefix: str = ""
    is_application: bool = False

    def is_active(self, request: Request) -> bool:
        path = request.url.path
        return path.startswith(self.prefix) if self.prefix else path == self.url


MENU = (
    MenuItem("工作台", "fa-solid fa-gauge", "/", Resource.WORKBENCH),
    MenuItem("老人档案", "fa-solid fa-address-book", "/elders/list", Resource.ELDERS, "/elders/"),
    MenuItem("养老机构", "fa-solid fa-building", "/institutions/list", Resource.INSTITUTIONS, "/institutions/"),
    MenuItem("社区养老设施", "fa-solid fa-house-chimney", "/facilities/list", Resource.FACILITIES, "/facilities/"),
    MenuItem("服务商", "fa-solid fa-handshake", "/providers/list", Resource.PROVIDERS, "/providers/"),
    MenuItem("服务工单", "fa-solid fa-clipboard-list", "/orders/list", Resource.ORDERS, "/orders/"),
    MenuItem("数据质量", "fa-solid fa-clipboard-check", "/quality", Resource.QUALITY, "/quality"),
    MenuItem("总览驾驶舱", "fa-solid fa-chart-line", OVERVIEW_COCKPIT, Resource.COCKPITS, is_application=True),
    MenuItem("数据流水线", "fa-solid fa-diagram-project", PIPELINES, Resource.PIPELINES, is_application=True),
)


def menu_of(request: Request) -> list[MenuItem]:
    """What the signed-in user may open; nothing for a stranger."""
    actor = getattr(request.state, "actor", None)
    return [item for item in MENU if actor is not None and actor.may(item.resource)]
