"""What a home folder remembers, its lock, and the explanation of errors from below."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from huiyang.errors import HuiyangError
from huiyang.platform import installation
from huiyang.platform.installation import Journal, exclusive, installed_settings
from huiyang.settings import PROJECT_ROOT, Scale, Settings, get_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("HUIYANG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HUIYANG_HOME", str(tmp_path))
    yield tmp_path
    get_settings.cache_clear()


def test_later_commands_need_no_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYANG_SCALE", "census")
    monkeypatch.setenv("HUIYANG_FRONT_DOOR_PORT", "9999")
    installation.record_installation(installed_settings())
    for name in ("HUIYANG_SCALE", "HUIYANG_FRONT_DOOR_PORT"):
        monkeypatch.delenv(name)
    settings = installed_settings()
    assert (settings.scale, settings.front_door_port) == (Scale.CENSUS, 9999)
    assert get_settings() == settings


def test_the_environment_overrides_a_recorded_port(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.record_installation(Settings(front_door_port=9999))
    monkeypatch.setenv("HUIYANG_FRONT_DOOR_PORT", "9998")
    assert installed_settings().front_door_port == 9998


def test_that_it_is_no_demo_is_remembered_and_passed_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYANG_DEMO", "false")
    installation.record_installation(installed_settings())
    monkeypatch.delenv("HUIYANG_DEMO")
    settings = installed_settings()
    assert settings.demo is False
    for name, value in installation.environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings().demo is False


@pytest.mark.parametrize(("variable", "value"), [("HUIYANG_SCALE", "city"), ("HUIYANG_SEED", "7")])
def test_another_scale_or_seed_does_not_fit_into_the_same_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    installation.record_installation(Settings())
    monkeypatch.setenv(variable, value)
    with pytest.raises(HuiyangError, match=r"holds (scale demo|seed 20260930), not"):
        installed_settings()


def test_an_impossible_value_is_a_clear_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYANG_SCALE", "galaxy")
    with pytest.raises(HuiyangError, match="HUIYANG_"):
        installed_settings()


def test_a_damaged_record_is_a_clear_error(home: Path) -> None:
    installation.record_file(Settings()).write_text('{"scale": "de')
    with pytest.raises(HuiyangError, match="damaged"):
        installed_settings()


def test_a_serving_process_gets_the_servers_address_only(home: Path) -> None:
    url = "postgresql://administrator:hunter2@db.example:5433/postgres?sslmode=require"
    variables = installation.environment(Settings(postgres_admin_url=url), serving=True)
    given = psycopg.conninfo.conninfo_to_dict(variables["HUIYANG_POSTGRES_ADMIN_URL"])
    assert given == {"host": "db.example", "port": "5433"}


def test_the_record_is_for_its_owner_only(home: Path) -> None:
    settings = Settings(postgres_admin_url="postgresql://administrator:hunter2@db.example/postgres")
    installation.record_installation(settings)
    assert installation.record_file(settings).stat().st_mode & 0o077 == 0


def test_a_step_is_done_only_for_the_inputs_that_it_was_done_from(home: Path) -> None:
    journal = Journal(Settings())
    journal.record("migrate", "server 1, demo", 12.3)
    assert Journal(Settings()).is_done("migrate", "server 1, demo")
    assert not journal.is_done("migrate", "server 2, demo")
    assert not journal.is_done("refresh", "server 1, demo")


def test_a_killed_write_leaves_the_old_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = home / "record.json"
    installation.write_json(target, {"kept": 1})

    def killed(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        installation.write_json(target, {"kept": 2})
    assert json.loads(target.read_text()) == {"kept": 1}


_HOLD_LOCK = """
import sys
from huiyang.platform.installation import exclusive
from huiyang.settings import Settings
with exclusive(Settings(), "up"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_only_one_command_changes_an_installation(home: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD_LOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(HuiyangError, match=f"huiyang up, process {holder.pid}") as refusal,
        exclusive(Settings(), "down"),
    ):
        pass
    assert refusal.value.exit_code == 4
    holder.kill()
    holder.communicate()
    with exclusive(Settings(), "down"):  # the kernel released it
        pass


def _wrapped(cause: BaseException) -> Exception:
    try:
        raise RuntimeError("could not load") from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    "cause", [OSError(errno.ENOSPC, "No space left on device"), psycopg.errors.DiskFull("could not extend file")]
)
def test_a_full_disk_is_explained_however_deep_it_lies(cause: BaseException) -> None:
    known = installation.explained(_wrapped(cause))
    assert known is not None
    assert "disk is full" in known.problem
    assert "Free some space" in known.remedy


def test_a_defect_is_not_explained_away() -> None:
    assert installation.explained(_wrapped(KeyError("division"))) is None


def test_an_error_that_is_its_own_cause_is_explained_and_ends():
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    assert installation.explained(first) is None
    second.__cause__ = HuiyangError("known", "do this")
    assert installation.explained(first) is second.__cause__


def test_steps_that_end_at_once_are_all_kept(home: Path) -> None:
    journal = Journal(Settings())
    names = [f"step {number}" for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: journal.record(name, "1", 0.1), names))
    assert [name for name in names if not journal.is_done(name, "1")] == []
