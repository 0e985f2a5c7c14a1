"""What goes wrong around `up`: each says what it is and what to do, and loses nothing."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from huiyang import server
from huiyang.errors import HuiyangError
from huiyang.platform.installation import exclusive
from huiyang.settings import PROJECT_ROOT, Settings


def huiyang(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line as its users run it."""
    environment = {name: value for name, value in os.environ.items() if name != "HUIYANG_POSTGRES_ADMIN_URL"}
    return subprocess.run(
        [sys.executable, "-c", "from huiyang.cli import main; main()", *arguments],
        env=environment | {f"HUIYANG_{name.upper()}": value for name, value in variables.items()},
        capture_output=True, text=True, cwd=PROJECT_ROOT, timeout=120,
    )  # fmt: skip


def assert_clear(result: subprocess.CompletedProcess[str], problem: str, remedy: str, exit_code: int = 1) -> None:
    assert result.returncode == exit_code, result.stdout + result.stderr
    assert re.search(f"Error: .*{problem}", result.stderr), result.stderr
    assert re.search(f"What to do: .*{remedy}", result.stderr), result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture(autouse=True)
def ports_of_its_own(port_settings: Callable[[], dict[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, port in port_settings().items():
        monkeypatch.setenv(f"HUIYANG_{name.upper()}", str(port))


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="huiyang-errors-") as folder:
        yield Path(folder) / "home"


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], Path]]:
    """A folder on a disk of so many MiB; called again it resizes it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = Path(tempfile.mkdtemp(prefix="huiyang-small-"))
    mounted = False

    def make(megabytes: int) -> Path:
        nonlocal mounted
        options = f"{'remount,' if mounted else ''}size={megabytes}m,mode=755"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this machine does not let us mount a small disk")
        mounted = True
        return folder

    yield make
    if mounted:
        subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def test_a_taken_port_names_who_has_it(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = huiyang("up", home=str(home), front_door_port=str(port))
    assert_clear(result, f"Port {port} is taken by process {os.getpid()} ", "HUIYANG_FRONT_DOOR_PORT")
    assert not (home / "postgres").exists()


def test_too_little_space_is_said_before_any_work(small_disk: Callable[[int], Path]) -> None:
    folder = small_disk(64)
    result = huiyang("up", home=str(folder / "home"))
    assert_clear(result, "GiB are free", "Free some space")
    assert not (folder / "home" / "postgres").exists()


def test_a_disk_that_fills_up_during_work_loses_nothing(small_disk: Callable[[int], Path]) -> None:
    settings = Settings(home=small_disk(24) / "home", postgres_admin_url=None)
    with pytest.raises(HuiyangError, match="could not be made") as refusal:
        server.initialise(settings)
    assert "space" in refusal.value.remedy
    secrets = settings.secrets_file.read_text()
    small_disk(400)
    with server.temporary_server(settings):
        pass
    assert settings.secrets_file.read_text() == secrets


def test_a_full_disk_is_said(small_disk: Callable[[int], Path]) -> None:
    folder = small_disk(1)
    with (folder / "filler").open("wb") as filler, pytest.raises(OSError, match="No space"):
        filler.write(b"x" * 2**21)
    result = huiyang("down", home=str(folder))
    assert_clear(result, "disk is full", "Free some space")


def test_a_folder_that_cannot_be_written_is_said() -> None:
    result = huiyang("up", home="/proc/huiyang")
    assert_clear(result, "Cannot write to /proc/huiyang", "HUIYANG_HOME")


def test_a_home_that_is_a_file_is_said(home: Path) -> None:
    home.write_text("a file")
    result = huiyang("up", home=str(home))
    assert_clear(result, "Cannot (write to|read)", "")


def test_a_second_up_is_refused(home: Path) -> None:
    settings = Settings(home=home)
    with exclusive(settings, "up"):
        result = huiyang("up", home=str(home))
    assert_clear(result, f"huiyang up, process {os.getpid()}", "Wait until it ends", exit_code=4)
    assert not (home / "postgres").exists()


def test_an_unreachable_postgres_is_said(home: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"postgresql://administrator:hunter2@127.0.0.1:{port}/postgres"
    result = huiyang("up", home=str(home), postgres_admin_url=url)
    huiyang("down", home=str(home))
    assert_clear(result, "PostgreSQL does not answer", "HUIYANG_POSTGRES_ADMIN_URL")
    assert "hunter2" not in result.stderr + result.stdout


def test_a_postgres_that_cannot_be_made_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "POSTGRES_BIN_PATH", home / "no-binaries")
    with pytest.raises(HuiyangError) as refusal:
        server.initialise(Settings(home=home, postgres_admin_url=None))
    assert "could not be made" in refusal.value.problem
    assert "HUIYANG_POSTGRES_ADMIN_URL" in refusal.value.remedy


def test_secrets_that_others_may_read_are_refused(home: Path) -> None:
    settings = Settings(home=home, postgres_admin_url=None)
    server.initialise(settings)
    settings.secrets_file.chmod(0o644)
    with pytest.raises(HuiyangError, match="can be read by other users"):
        server.initialise(settings)


def test_an_unknown_log_names_those_there_are(home: Path) -> None:
    (home / "log").mkdir(parents=True)
    (home / "log" / "app.log").write_text("started\n")
    result = huiyang("logs", "apache", home=str(home))
    assert_clear(result, "no log 'apache'", "app", exit_code=2)
    assert huiyang("logs", "app", home=str(home)).stdout == "started\n"


def test_down_where_nothing_is_does_no_harm(home: Path) -> None:
    result = huiyang("down", home=str(home))
    assert result.returncode == 0
    assert "no installation" in result.stdout
    assert not home.exists()


def test_status_of_a_stopped_installation_is_3(home: Path) -> None:
    result = huiyang("status", "--json", home=str(home))
    assert result.returncode == 3
    assert '"well": false' in result.stdout
