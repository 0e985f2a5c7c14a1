"""Lists through starlette-admin: its fields, list handling and, where records are edited, forms, in our look and gate.

Our templates replace its layout (fonts from a public host, inline scripts), our gate its sessions and form tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from anyio.to_thread import run_sync
from jinja2 import FileSystemLoader
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import BaseField
from starlette_admin.base import BaseAdmin
from starlette_admin.filters import FilterGroup
from starlette_admin.i18n import I18nConfig, TimezoneConfig
from starlette_admin.routing import route
from starlette_admin.views import BaseModelView

from huiyang.settings import BUSINESS_TIMEZONE
from operational_app.audit.service import Act, record
from operational_app.identity.access import Resource
from operational_app.identity.sessions import Actor
from operational_app.web.counting import MOST_LISTED
from operational_app.web.database import ScopedSession
from operational_app.web.errors import on_failure, on_http_error
from operational_app.web.filters import ChoiceFilter, Filter, FilterValues, personal_names, query_of, read_filters
from operational_app.web.look import TEMPLATE_FOLDERS, dress_environment
from operational_app.web.services import Services, actor, remote_address, services, session, today

STATIC_FOLDER = Path(__file__).parent / "static"


@dataclass(frozen=True)
class ListCall:
    """What a list is asked for.

    Attributes:
        sorts: (field name, "asc" or "desc").
    """

    services: Services
    session: ScopedSession
    actor: Actor
    filters: FilterValues
    skip: int
    limit: int
    sorts: Sequence[tuple[str, str]]
    today: date
    remote_address: str | None


@dataclass(frozen=True)
class Found:
    """One page of a list.

    Attributes:
        total: at most MOST_LISTED.
        is_capped: there are more than that.
    """

    rows: Sequence[Any]
    total: int
    is_capped: bool = False


def found_page(rows: Sequence[Any], count: int | None, skip: int, limit: int) -> Found:
    """A page with its total; a count that took too long (None) says only whether there is a next page."""
    if count is None:
        return Found(rows, skip + len(rows) + (len(rows) == limit), is_capped=True)
    return Found(rows, min(count, MOST_LISTED), is_capped=count > MOST_LISTED)


def column(
    name: str,
    label: str,
    cell: str = "text",
    *,
    sortable: bool = False,
    is_number: bool = False,
    is_short: bool = False,
    on_phone: bool = True,
    **options: Any,
) -> BaseField:
    """A column of a list.

    Args:
        cell: names its template (`cells/<cell>.html`).
        is_short: never broken into two lines.
        on_phone: shown on a narrow screen too.
    """
    classes = [
        *(["number"] if is_number else []),
        *(["text-nowrap"] if is_short else []),
        *([] if on_phone else ["d-none", "d-md-table-cell"]),
    ]
    return BaseField(
        name,
        label=label,
        list_template=f"cells/{cell}.html",
        null_template="cells/nothing.html",
        empty_template="cells/nothing.html",
        orderable=sortable,
        searchable=False,
        extra={"classes": " ".join(classes)},
        **options,
    )


def shown_filters(filters: Sequence[Filter], asked: FilterValues) -> dict[str, object]:
    """What the audit trail says of a search: which personal terms were used, and the other conditions as shown."""
    personal = personal_names(filters)
    choices = {f.name: dict(f.choices) for f in filters if isinstance(f, ChoiceFilter)}
    plain = {
        name: " – ".join("" if end is None else str(end) for end in value)
        if isinstance(value, tuple)
        else choices.get(name, {}).get(value, str(value))
        for name, value in asked.values.items()
        if name not in personal
    }
    terms = sorted(name for name in asked.values if name in personal)
    return ({"terms": terms} if terms else {}) | ({"filters": plain} if plain else {})


class ArchiveView(BaseModelView):
    """A list of one area's records. The area gives columns, filters and `search`; editing is shut until it opens it."""

    resource: ClassVar[Resource]
    list_filters: ClassVar[Sequence[Filter]] = ()
    #: So many conditions are always open, the others behind 更多条件.
    filters_shown: ClassVar[int] = 4
    #: Address of a record's page, with `{id}`; None where there is none.
    record_address: ClassVar[str | None] = None
    #: Address and label of the page that makes a record; None where none is made here.
    new_address: ClassVar[str | None] = None
    new_label: ClassVar[str] = ""
    empty_text: ClassVar[str] = "没有符合条件的记录"
    #: Its rows can be ticked, for an act on several; `list_template` has the form around them.
    picks: ClassVar[bool] = False
    #: What a row is called where it is ticked.
    record_word: ClassVar[str] = ""
    #: Its rows name people: that it was read is recorded, with its conditions.
    names_persons: ClassVar[bool] = False

    pk_attr = "id"
    list_template = "archive_list.html"
    page_size = 25
    page_size_options = (25, 50, 100)
    exporters = ()
    importers = ()
    actions = ()
    row_actions = ()
    column_visibility = False

    def __init__(self) -> None:
        self.sortable_fields = [field.name for field in self.fields if field.orderable]
        super().__init__()

    def search(self, call: ListCall) -> Found:
        """Finds one page. Runs in a thread; must not be called with unset rights."""
        raise NotImplementedError

    def act_of_read(self, asked: FilterValues) -> Act | None:
        """What the audit trail calls the reading of this list; None where it names nobody."""
        return Act.LIST_READ if self.names_persons else None

    def _search_and_record(self, call: ListCall) -> Found:
        found = self.search(call)
        if act := self.act_of_read(call.filters):
            record(
                call.session, act, account_id=call.actor.account_id, remote_address=call.remote_address,
                details={"list": self.key, "rows": len(found.rows), "found": found.total}
                | ({"skip": call.skip} if call.skip else {})
                | shown_filters(self.list_filters, call.filters),
            )  # fmt: skip
        return found

    def record_url(self, row: dict[str, Any]) -> str | None:
        return self.record_address.format(id=row["id"]) if self.record_address else None

    def is_pickable(self, row: Any) -> bool:
        """Whether a row can be ticked, where rows can."""
        return True

    def may_create(self, request: Request) -> bool:
        """Whether the button that leads to `new_address` is shown to those who see the list; that page checks the right
        itself."""
        return True

    def is_active(self, request: Request) -> bool:
        return False  # our menu marks its places itself

    def is_accessible(self, request: Request) -> bool:
        return actor(request).may(self.resource)

    def can_view_detail(self, request: Request) -> bool:
        return False  # records have pages of their own

    def can_create(self, request: Request) -> bool:
        return False

    def can_edit(self, request: Request) -> bool:
        return False

    def can_delete(self, request: Request) -> bool:
        return False

    def can_export(self, request: Request) -> bool:
        return False

    def can_import(self, request: Request) -> bool:
        return False

    async def find_all(
        self,
        request: Request,
        skip: int = 0,
        limit: int = 100,
        q: str | None = None,
        sorts: Sequence[tuple[str, str]] | None = None,
        filters: FilterGroup | None = None,
    ) -> Sequence[Any]:
        if not 0 <= skip < MOST_LISTED:
            raise HTTPException(400, "页码超出范围")
        asked = read_filters(self.list_filters, request)
        request.state.filters = asked
        call = ListCall(
            services(request), session(request), actor(request), asked, skip, limit, sorts or (), today(),
            remote_address(request),
        )  # fmt: skip
        found = Found((), 0) if asked.errors else await run_sync(self._search_and_record, call)
        request.state.found = found
        return found.rows

    async def count(self, request: Request, q: str | None = None, filters: FilterGroup | None = None) -> int:
        found: Found = request.state.found
        return found.total

    async def find_by_pk(self, request: Request, pk: Any) -> Any:
        return None

    async def find_by_pks(self, request: Request, pks: list[Any]) -> Sequence[Any]:
        return ()

    async def create(self, request: Request, data: dict[str, Any]) -> Any:
        raise HTTPException(403)

    async def edit(self, request: Request, pk: Any, data: dict[str, Any]) -> Any:
        raise HTTPException(403)

    async def delete(self, request: Request, pks: list[Any]) -> int | None:
        raise HTTPException(403)


class BackOffice(BaseAdmin):
    """starlette-admin at the root of the site: `/<key>/list`, and `/static`."""

    def __init__(self, secret_key: str) -> None:
        super().__init__(
            title="湛江慧养",
            base_url="",
            templates_dir=str(TEMPLATE_FOLDERS[0]),
            additional_loaders=[FileSystemLoader(TEMPLATE_FOLDERS[1:])],
            static_dir=str(STATIC_FOLDER),
            secret_key=secret_key,
            i18n_config=I18nConfig(default_locale="zh", language_cookie_name=None, language_header_name=None),
            timezone_config=TimezoneConfig(default_timezone=str(BUSINESS_TIMEZONE)),
        )
        dress_environment(self.templates.env)

    def _init_csrf(self) -> None:
        """The gate checks the forms of every page, these too."""

    def _init_auth(self) -> None:
        """The gate lets nobody in who is not signed in."""

    async def _render_error(self, request: Request, exc: Exception = HTTPException(500)) -> Response:  # noqa: B008
        return await on_http_error(request, exc)

    def mount_to(self, app: Starlette) -> None:
        super().mount_to(app)
        self.app.add_exception_handler(Exception, on_failure)

    @route("/{key}/search", methods=["POST"], name="search")
    async def _search(self, request: Request) -> Response:
        """Takes a search form and leads to the list that it asks for, personal terms sealed in its address."""
        view = self._find_view_by_key(request.path_params["key"])
        if not isinstance(view, ArchiveView) or not view.is_accessible(request):
            raise HTTPException(403)
        form = await request.form()
        given = {name: value for name, value in form.items() if isinstance(value, str)}
        query = query_of(view.list_filters, given, request)
        target = f"/{view.key}/list"
        return RedirectResponse(f"{target}?{urlencode(query)}" if query else target, status_code=303)
