"""The operational app, assembled. Served by uvicorn on loopback, behind the front door:
`uvicorn operational_app.main:create_app --factory --no-access-log --proxy-headers --forwarded-allow-ips 127.0.0.1`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from huiyang.field_crypto import get_field_crypto
from huiyang.secret_store import load_secrets
from huiyang.settings import Settings, get_settings
from operational_app.api.assembly import ApiMount
from operational_app.audit import pages as audit_pages
from operational_app.audit.views import AuditView
from operational_app.codes import pages as code_pages
from operational_app.codes.views import CodesView
from operational_app.collection import pages as collection_pages
from operational_app.elders import pages as elder_pages
from operational_app.elders.views import ElderView
from operational_app.facilities import views as facilities
from operational_app.fix_tasks import pages as fix_pages
from operational_app.fix_tasks.verification import keep_taking_up
from operational_app.fix_tasks.views import FixTaskView
from operational_app.home_service import views as home_service
from operational_app.identity import admin_pages, own_pages
from operational_app.identity import pages as identity_pages
from operational_app.identity import views as identity_views
from operational_app.inbox import pages as inbox_pages
from operational_app.institutions import map_pages, public_pages
from operational_app.institutions import pages as institution_pages
from operational_app.institutions.views import InstitutionView
from operational_app.joining import pages as joining_pages
from operational_app.joining.views import JoinView
from operational_app.openid import admin_pages as openid_admin_pages
from operational_app.openid import pages as openid_pages
from operational_app.openid import upstream_pages
from operational_app.openid import views as openid_views
from operational_app.organizations import own_pages as own_organization
from operational_app.organizations import views as organizations
from operational_app.periods import pages as period_pages
from operational_app.rule_catalogue import pages as rule_pages
from operational_app.rule_catalogue.views import RuleView
from operational_app.web.back_office import BackOffice
from operational_app.web.cache import TimedCache
from operational_app.web.database import AppDatabase
from operational_app.web.errors import error_page, on_failure, on_http_error
from operational_app.web.gate import Gate
from operational_app.web.look import MAPLIBRE_FOLDER
from operational_app.web.sealed import TermSeal
from operational_app.web.services import Services
from operational_app.workbench import announcements, notification_pages
from operational_app.workbench import pages as workbench_pages
from operational_app.workbench.reminders import keep_reminding

_FIGURES_KEPT_FOR = timedelta(minutes=10)
ROUTERS = (
    identity_pages.router,
    own_pages.router,
    joining_pages.router,
    announcements.router,
    notification_pages.router,
    own_organization.router,
    admin_pages.router,
    openid_pages.router,
    openid_admin_pages.router,
    upstream_pages.router,
    workbench_pages.router,
    elder_pages.router,
    institution_pages.router,
    map_pages.router,
    public_pages.router,
    collection_pages.router,
    code_pages.scans,
    code_pages.router,
    facilities.router,
    organizations.router,
    home_service.router,
    inbox_pages.router,
    period_pages.router,
    fix_pages.router,
    rule_pages.router,
    audit_pages.router,
)
LISTS = (
    ElderView,
    InstitutionView,
    facilities.FacilityView,
    organizations.ProviderView,
    home_service.OrderView,
    CodesView,
    FixTaskView,
    RuleView,
    JoinView,
    announcements.AnnouncementView,
    identity_views.AccountView,
    identity_views.DepartmentView,
    identity_views.RoleView,
    identity_views.GroupView,
    identity_views.ResourceView,
    openid_views.ApplicationView,
    AuditView,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The whole app, connected to the installation of `settings` (default: the process's) at its first request."""
    settings = settings or get_settings()
    # At INFO it would log what is searched for.
    logging.getLogger("starlette_admin").setLevel(logging.WARNING)
    secrets = load_secrets(settings.secrets_file)
    back_office = BackOffice(secret_key=secrets["app_session"])
    found = Services(
        settings=settings,
        database=AppDatabase(settings),
        crypto=get_field_crypto(settings),
        seal=TermSeal(secrets["app_session"]),
        figures=TimedCache(_FIGURES_KEPT_FOR),
        form_key=secrets["app_session"],
        environment=back_office.templates.env,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        background = [
            asyncio.create_task(keep_reminding(found.database)),
            asyncio.create_task(keep_taking_up(found.database)),
        ]
        yield
        for task in background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        found.database.close()

    app = FastAPI(
        title="湛江慧养", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan
    )
    app.add_middleware(Gate, services=found, refuse=_refuse_form)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    app.add_exception_handler(Exception, on_failure)
    for router in ROUTERS:
        app.include_router(router)
    app.router.routes.append(ApiMount())
    for view in LISTS:
        back_office.add_view(view)
    app.mount("/static/maplibre", StaticFiles(directory=MAPLIBRE_FOLDER, check_dir=False))
    back_office.mount_to(app)
    return app


def _refuse_form(request: Request) -> Response:
    return error_page(request, 403, "页面已过期，请返回上一页，刷新后重试。")


async def _on_bad_request(request: Request, error: Exception) -> Response:
    # A number in an address that is none: there is no such page.
    return error_page(request, 404 if request.method == "GET" else 400)
