"""The workbench, and the division choices that search forms load."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse

from huiyang.divisions import DivisionLevel, division_tree
from operational_app.identity.access import Resource
from operational_app.inbox.queries import LANES, STATES, latest_release
from operational_app.openid.provider import applications_of
from operational_app.web.filters import divisions_in_scope
from operational_app.web.menu import MenuItem, menu_of
from operational_app.web.rights import pages_of
from operational_app.web.services import actor, now, page, services, session, today
from operational_app.workbench.announcements import announcements_for
from operational_app.workbench.figures import cache_key, figures_for
from operational_app.workbench.todo import to_dos

router = pages_of(Resource.WORKBENCH)
_ANNOUNCEMENTS_SHOWN = 5


@router.get("/")
def workbench(request: Request) -> HTMLResponse:
    work, who, on = session(request), actor(request), today()
    rights = frozenset(resource for resource in Resource if who.may(resource))
    figures = services(request).figures.get(
        cache_key(who.scope, rights, on), now(), lambda: figures_for(work, who.scope, rights, on)
    )
    release = latest_release(work) if who.may(Resource.QUALITY) else None
    return page(
        request,
        "workbench/workbench.html",
        title="工作台",
        greeting=greeting(now()),
        figures=figures.value,
        figures_at=figures.at,
        applications=[
            *(item for item in menu_of(request) if item.url != "/"),
            *(
                MenuItem(
                    found.client_id,
                    found.name,
                    found.description,
                    f"fa-solid {found.icon}",
                    found.home_url or "/",
                    is_application=True,
                )
                for found in applications_of(work, who)
            ),
        ],
        release=release,
        lanes=LANES,
        states=STATES,
        to_dos=to_dos(work, who, now()),
        announcements=announcements_for(work, who, now(), _ANNOUNCEMENTS_SHOWN),
        may_ask_to_join=not who.roles,
    )


def greeting(at: datetime) -> str:
    """By the hour of the day in Zhanjiang."""
    hours = ((5, "夜深了"), (9, "早上好"), (12, "上午好"), (14, "中午好"), (18, "下午好"), (24, "晚上好"))
    return next(words for before, words in hours if at.hour < before)


@router.get("/divisions")
def divisions_within(request: Request, within: str, of: str = "") -> list[dict[str, str]]:
    """The divisions one level below `within` that the user's scope touches; with `of=any` all of them."""
    tree = division_tree()
    if within not in tree or tree[within].level is DivisionLevel.VILLAGE:
        return []
    below = divisions_in_scope(None if of == "any" else actor(request).scope, tree.children(within))
    return [{"code": division.code, "name": division.name} for division in below]
