"""The server and its logins: who may enter what."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from huiyang import server
from huiyang.database import Database, Login, connect, connection_parameters
from huiyang.settings import Settings


@pytest.mark.parametrize("login", list(Login))
def test_a_login_has_no_special_rights(bare_server: Settings, login: Login) -> None:
    with connect(login, bare_server) as connection:
        row = connection.execute(
            "select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication from pg_roles"
            " where rolname = current_user"
        ).fetchone()
    assert row == (False, False, False, False, False)


@pytest.mark.parametrize("login", list(Login))
@pytest.mark.parametrize("database", list(Database))
def test_a_login_enters_only_its_own_database(bare_server: Settings, login: Login, database: Database) -> None:
    parameters = connection_parameters(login, bare_server) | {"dbname": database.value}
    if database is login.home_database:
        psycopg.connect(**parameters).close()
    else:
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(**parameters)


def test_a_wrong_password_is_refused(bare_server: Settings) -> None:
    parameters = connection_parameters(Login.APP, bare_server) | {"password": "wrong"}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**parameters)


def test_set_up_twice_keeps_what_is_there(new_server: Callable[[], Settings]) -> None:
    settings = new_server()
    with connect(Login.BUILD, settings) as connection:
        connection.execute("create schema kept")
    secrets_before = settings.secrets_file.read_text()
    server.ensure_databases(settings)
    with connect(Login.BUILD, settings) as connection:
        assert connection.execute("select to_regnamespace('kept') is not null").fetchone() == (True,)
    assert settings.secrets_file.read_text() == secrets_before
