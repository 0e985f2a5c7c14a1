"""The four databases and the logins that may enter them.

A login is a PostgreSQL role with one job; code names the login it works as, never a password. The superuser sets
up and then stays out: it bypasses row-level security without a word, so nothing that serves may use it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL

from huiyang.secret_store import load_secrets
from huiyang.server_address import server_address
from huiyang.settings import Settings, get_settings


class Database(StrEnum):
    APP = "app"
    WAREHOUSE = "warehouse"
    SUPERSET = "superset"
    DAGSTER = "dagster"


class Login(StrEnum):
    """Who connects. The value is the PostgreSQL role's name less the prefix `huiyang_`."""

    OWNER = "owner"  # migrations of `app` only
    APP = "app"  # the operational app, under row-level security
    LOADER = "loader"  # loads the old platform's data into `app`
    EXTRACT = "extract"  # reads the change log of `app`, nothing else
    INBOX = "inbox"  # writes a release's results into the inbox of `app`
    SEALER = "sealer"  # reads the audit trail and seals it; nothing else does either
    BUILD = "build"  # owns the warehouse
    COCKPIT = "cockpit"  # reads `published` of the warehouse
    SUPERSET = "superset"  # Superset's own metadata
    DAGSTER = "dagster"  # Dagster's own metadata

    @property
    def role(self) -> str:
        return f"huiyang_{self.value}"

    @property
    def home_database(self) -> Database:
        return _HOME_DATABASE[self]


_HOME_DATABASE = {
    Login.OWNER: Database.APP,
    Login.APP: Database.APP,
    Login.LOADER: Database.APP,
    Login.EXTRACT: Database.APP,
    Login.INBOX: Database.APP,
    Login.SEALER: Database.APP,
    Login.BUILD: Database.WAREHOUSE,
    Login.COCKPIT: Database.WAREHOUSE,
    Login.SUPERSET: Database.SUPERSET,
    Login.DAGSTER: Database.DAGSTER,
}


def connection_parameters(login: Login, settings: Settings | None = None) -> dict[str, Any]:
    """libpq parameters (host, port, dbname, user, password, application_name) of one login in its database."""
    settings = settings or get_settings()
    address = server_address(settings)
    return {
        "host": address.host,
        "port": address.port,
        "dbname": login.home_database.value,
        "user": login.role,
        "password": load_secrets(settings.secrets_file)[f"login_{login.value}"],
        "application_name": f"huiyang-{login.value}",
    }


def connect(login: Login, settings: Settings | None = None, **options: Any) -> psycopg.Connection:
    """A psycopg 3 connection as that login; `options` go to `psycopg.connect`."""
    return psycopg.connect(make_conninfo(**connection_parameters(login, settings)), **options)


def sqlalchemy_url(login: Login, settings: Settings | None = None, *, driver: str = "psycopg") -> URL:
    """The same for SQLAlchemy. Great Expectations, Superset and Dagster want `driver="psycopg2"`.

    The host of a Unix socket goes into the query part, with a made-up host name before it: Great Expectations
    rejects a URL that has none.
    """
    parameters = connection_parameters(login, settings)
    socket = str(parameters["host"]).startswith("/")
    return URL.create(
        f"postgresql+{driver}",
        username=parameters["user"],
        password=parameters["password"],
        host="localhost" if socket else parameters["host"],
        port=None if socket else parameters["port"],
        database=parameters["dbname"],
        query={"host": parameters["host"], "port": str(parameters["port"])} if socket else {},
    )
