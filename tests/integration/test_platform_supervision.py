"""The supervisor and its processes under kills; the server of the data comes back and loses nothing."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from huiyang import server
from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.platform import front_door
from huiyang.platform.supervision import ProcessState, Supervisor
from huiyang.settings import Settings

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("HUIYANG_TEST_POSTGRES")), reason="about the supervised embedded server"
)


@pytest.fixture(scope="module")
def settings(port_settings: Callable[[], dict[str, int]]) -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="huiyang-supervised-") as home:
        settings = Settings(home=Path(home) / "home", postgres_admin_url=None, **port_settings())
        server.initialise(settings)
        try:
            yield settings
        finally:
            Supervisor(settings).stop_all()


@pytest.fixture
def supervisor(settings: Settings) -> Supervisor:
    """A supervisor with a running PostgreSQL; the other processes are declared and stopped."""
    supervisor = Supervisor(settings)
    front_door.write_configuration(settings)
    supervisor.ensure_running()
    supervisor.stop("front-door")
    supervisor.start("postgres")
    supervisor.wait_until_healthy("postgres")
    server.ensure_databases(settings)
    return supervisor


def _state(supervisor: Supervisor, name: str) -> ProcessState:
    return next(state for state in supervisor.states() if state.name == name)


def _wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_server_comes_back_with_its_data(settings: Settings, supervisor: Supervisor) -> None:
    with connect(Login.BUILD, settings) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as number")
    killed = _state(supervisor, "postgres").pid
    os.kill(killed, signal.SIGKILL)
    _wait(lambda: _state(supervisor, "postgres").pid not in (0, killed) and _state(supervisor, "postgres").healthy)
    with connect(Login.BUILD, settings) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1000,)


def test_a_killed_supervisor_leaves_nothing_behind_and_up_goes_on(settings: Settings, supervisor: Supervisor) -> None:
    pid = _state(supervisor, "postgres").pid
    parent = psutil.Process(pid).ppid()
    os.kill(parent, signal.SIGKILL)
    _wait(lambda: not psutil.pid_exists(pid))
    assert not supervisor.is_running()
    assert {state.state for state in supervisor.states()} == {"STOPPED"}
    supervisor.ensure_running()
    supervisor.start("postgres")
    supervisor.wait_until_healthy("postgres")
    connect(Login.APP, settings).close()


def test_stopping_works_half_stopped_and_twice(settings: Settings, supervisor: Supervisor) -> None:
    pid = _state(supervisor, "postgres").pid
    supervisor.start("front-door")
    supervisor.wait_until_healthy("front-door")
    supervisor.stop_all()
    assert not psutil.pid_exists(pid)
    supervisor.stop_all()
    assert {state.state for state in supervisor.states()} == {"STOPPED"}


def test_a_server_that_outlived_everything_is_stopped(settings: Settings, supervisor: Supervisor) -> None:
    supervisor.stop_all()
    with server.temporary_server(settings):
        supervisor.stop_all()
        with pytest.raises(HuiyangError, match="does not answer"):
            server.wait_until_ready(settings, timeout=1)


def test_no_command_line_shows_a_secret(settings: Settings, supervisor: Supervisor) -> None:
    supervisor.start("front-door")
    supervisor.wait_until_healthy("front-door")
    secrets = settings.secrets_file.read_text()
    lines = []
    for state in supervisor.states():
        if state.pid:
            tree = [psutil.Process(state.pid), *psutil.Process(state.pid).children(recursive=True)]
            lines += [" ".join(process.cmdline()) for process in tree]
    assert lines
    assert not [word for line in lines for word in line.split() if len(word) > 16 and word in secrets]


def test_the_server_does_not_run_as_root(settings: Settings, supervisor: Supervisor) -> None:
    process = psutil.Process(_state(supervisor, "postgres").pid)
    assert process.uids().effective != 0
    assert process.gids().effective != 0
    status = Path(f"/proc/{process.pid}/status").read_text()
    groups = next(line for line in status.splitlines() if line.startswith("Groups:")).split()[1:]
    assert os.geteuid() != 0 or "0" not in groups


def test_a_process_that_cannot_start_says_why(settings: Settings, supervisor: Supervisor) -> None:
    front_door.configuration_file(settings).write_text("{ this is no Caddyfile")
    supervisor.start("front-door")
    with pytest.raises(HuiyangError, match=r"(?s)front door .* does not start.*Caddyfile"):
        supervisor.wait_until_healthy("front-door")
