"""Installations for tests: a PostgreSQL server of their own in a temporary home, made once a session, on demand.

`HUIYANG_TEST_POSTGRES=15` runs everything on Debian's PostgreSQL 15 instead of the embedded server.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from huiyang import server
from huiyang.platform import front_door
from huiyang.platform.processes import processes
from huiyang.settings import PROJECT_ROOT, Scale, Settings, get_settings
from operational_app.identity import passwords

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
SMALL_CONFIGURATION = """
shared_buffers = '256MB'
max_wal_size = '4GB'
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def pytest_configure(config: pytest.Config) -> None:
    # Short and directly in /tmp: a socket's path is limited, and pytest's own folder is shut for the server's user.
    home = Path(tempfile.mkdtemp(prefix="huiyang-test-"))
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    for name in [name for name in os.environ if name.startswith("HUIYANG_") and name != "HUIYANG_TEST_POSTGRES"]:
        del os.environ[name]
    # Code and subprocesses that read the environment find the tests' installation, never the developer's.
    os.environ["HUIYANG_HOME"] = str(home / "session")
    first = _first_of_free_ports(5)
    os.environ["HUIYANG_FRONT_DOOR_PORT"] = str(first)
    os.environ["HUIYANG_FIRST_INTERNAL_PORT"] = str(first + 1)
    get_settings.cache_clear()
    # A sign-in is meant to cost 50 ms of a core and 64 MiB: over a thousand of them in the tests prove nothing more.
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


_untried_ports = iter(range(20000 + os.getpid() % 1000 * 10, 32000, 10))


def _first_of_free_ports(count: int) -> int:
    """Two test runs at once meet rarely: each begins to look at a place of its own. No port is given twice."""
    for first in _untried_ports:
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


@pytest.fixture(scope="session")
def port_settings() -> Callable[[], dict[str, int]]:
    """Makes settings with ports of their own, for tests that start processes beside the session's."""

    return _ports


@contextmanager
def running_server(settings: Settings) -> Iterator[Settings]:
    """A server with the four databases and all logins; yields the settings that reach it."""
    version = os.environ.get("HUIYANG_TEST_POSTGRES")
    with ExitStack() as stack:
        if version:
            settings = stack.enter_context(_debian_server(settings, version))
            server.ensure_databases(settings)
        else:
            server.initialise(settings)
            with (server.data_dir(settings) / "postgresql.auto.conf").open("a") as handle:
                handle.write(SMALL_CONFIGURATION)
            stack.enter_context(server.temporary_server(settings))
        yield settings


@contextmanager
def _debian_server(settings: Settings, version: str) -> Iterator[Settings]:
    """Debian's PostgreSQL as a server that was given by URL."""
    binaries = DEBIAN_POSTGRES / version / "bin"
    if not binaries.exists():
        pytest.exit(f"{binaries} is missing: apt-get install postgresql-{version}", returncode=1)
    user = server.server_user()
    folder = Path(tempfile.mkdtemp(prefix="huiyang-pg-"))
    password_file = folder / "password"
    password_file.write_text("only-for-tests")
    data = folder / "data"
    data.mkdir()
    if user:
        for path in (folder, data, password_file):
            shutil.chown(path, user)
    subprocess.run(
        [
            binaries / "initdb", "-D", data, "-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8",
            "--auth=scram-sha-256", f"--pwfile={password_file}",
        ],
        check=True, capture_output=True, **server.server_identity(),
    )  # fmt: skip
    with (data / "postgresql.auto.conf").open("a") as handle:
        handle.write(SMALL_CONFIGURATION)
    with (folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-h", ""],
            stdout=log,
            stderr=log,
            **server.server_identity(),
        )
        given = settings.model_copy(
            update={"postgres_admin_url": f"host={folder} user=postgres password=only-for-tests dbname=postgres"}
        )
        if settings.home == get_settings().home:
            os.environ["HUIYANG_POSTGRES_ADMIN_URL"] = str(given.postgres_admin_url)
            get_settings.cache_clear()
        try:
            server.wait_until_ready(given)
            yield given
        finally:
            process.send_signal(2)
            process.wait(60)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def bare_server() -> Iterator[Settings]:
    """A server with its databases and logins. No subprocess finds it by environment: that finds the demo."""
    home = get_settings().home.parent / "shared"
    with running_server(Settings(home=home, postgres_admin_url=None, **_ports())) as settings:
        yield settings


def _ports() -> dict[str, int]:
    first = _first_of_free_ports(5)
    return {"front_door_port": first, "first_internal_port": first + 1}


@pytest.fixture(scope="session")
def installation(bare_server: Settings) -> Settings:
    """`bare_server` with schema at head and reference data. It is shared: tests use keys of their own."""
    return _with_schema(bare_server)


def _with_schema(settings: Settings) -> Settings:
    from operational_app import reference_data
    from operational_app.schema import migrate_to_head

    migrate_to_head(settings)
    reference_data.load(settings)
    return settings


@pytest.fixture(scope="module")
def own_installation() -> Iterator[Settings]:
    """A module's own, with schema and reference data, for tests that change whatever they find."""
    home = Path(tempfile.mkdtemp(prefix="huiyang-own-"))
    with running_server(Settings(home=home / "home", postgres_admin_url=None, **_ports())) as settings:
        yield _with_schema(settings)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def demo_installation() -> Iterator[Settings]:
    """What the environment names: the old platform's demo export migrated, with the demo accounts. Nobody adds rows."""
    from migration.load import run_migration
    from migration.sample import write_export
    from operational_app.accounts import ensure_demo_accounts
    from operational_app.demo import ensure_demo_records

    with running_server(get_settings()) as settings:
        _with_schema(settings)
        write_export(settings.legacy_export_dir, Scale.DEMO, settings.seed, None)
        run_migration(settings, settings.legacy_export_dir, None)
        ensure_demo_accounts(settings)
        ensure_demo_records(settings)
        yield settings


@pytest.fixture(scope="session")
def released_installation(demo_installation: Settings) -> Settings:
    """`demo_installation` with 2026-10 refreshed and published."""
    from pipelines.run import refresh

    refresh(demo_installation, "2026-10")
    return demo_installation


@pytest.fixture(scope="session")
def running_installation(released_installation: Settings) -> Iterator[Settings]:
    """`released_installation` with all its processes behind the front door, as `huiyang up` serves it.

    `huiyang.platform.front_door` gives its address and the certificate to trust.
    """
    from huiyang.platform.setup import run_cockpits

    settings = released_installation
    front_door.write_configuration(settings)
    assert run_cockpits(settings, ["apply"], settings.log_dir / "cockpits-apply.log") == 0, (
        settings.log_dir / "cockpits-apply.log"
    ).read_text()
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for process in processes(settings):
            if process.name != "postgres":
                if process.needs:
                    _wait_until_healthy(settings, process.needs, started)
                with (settings.log_dir / f"{process.name}.log").open("wb") as log:
                    # It ends with us even if we are killed (huiyang.platform.processes.start_here).
                    started[process.name] = subprocess.Popen(
                        [sys.executable, "-m", "huiyang.platform", process.name],
                        stdout=log, stderr=log, cwd=PROJECT_ROOT, process_group=0,
                    )  # fmt: skip
        for name in started:
            _wait_until_healthy(settings, name, started)
        yield settings
    finally:
        for child in started.values():
            os.killpg(child.pid, signal.SIGTERM)
        for child in started.values():
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _wait_until_healthy(settings: Settings, name: str, started: dict[str, subprocess.Popen[bytes]]) -> None:
    process = next(process for process in processes(settings) if process.name == name)
    deadline = time.monotonic() + 180
    while not process.is_healthy(settings):
        log = (settings.log_dir / f"{name}.log").read_text(errors="replace")[-4000:]
        assert started[name].poll() is None, f"{name} ended:\n{log}"
        assert time.monotonic() < deadline, f"{name} does not answer:\n{log}"
        time.sleep(0.3)


@pytest.fixture
def new_server() -> Iterator[Callable[[], Settings]]:
    """Makes further servers with empty databases, for tests that must own theirs; about 3 s each."""
    with ExitStack() as stack:

        def make() -> Settings:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="huiyang-own-")))
            return stack.enter_context(running_server(Settings(home=home / "home", postgres_admin_url=None)))

        yield make
