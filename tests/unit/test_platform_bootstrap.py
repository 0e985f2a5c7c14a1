"""Set-up of the environments: what is skipped, what is refused. The installing itself ran before these tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from huiyang.platform import bootstrap
from huiyang.settings import PROJECT_ROOT


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(bootstrap.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).partition(".")[0] for name in imported} <= sys.stdlib_module_names | {"__future__"}


def test_the_packages_above_it_import_nothing() -> None:
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c",
         f"import sys; sys.path.insert(0, {str(PROJECT_ROOT)!r}); import huiyang.platform.bootstrap"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_a_second_set_up_at_the_same_time_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        bootstrap.only_one(lock),
        pytest.raises(bootstrap.BootstrapError, match="Another set-up"),
        bootstrap.only_one(lock),
    ):
        pass
    with bootstrap.only_one(lock):
        pass


def test_a_failed_command_shows_the_end_of_its_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('resolving'); print('no such package'); raise SystemExit(3)"]
    with pytest.raises(bootstrap.BootstrapError, match=r"(?s)packages failed \(exit status 3\).*no such package"):
        bootstrap.run("packages", command)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A checkout whose commands are recorded instead of run."""
    commands: list[str] = []

    def record(title: str, command: list[object], env: object = None) -> None:
        commands.append(title)
        if "venv" in [str(part) for part in command]:
            python = Path(str(command[-1])) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()

    monkeypatch.setattr(bootstrap, "run", record)
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", tmp_path)
    for name in ("main.txt", "dev.txt"):
        (tmp_path / name).write_text(f"{name}==1")
    return commands


def test_an_environment_is_made_once_and_again_when_its_lock_changes(tmp_path: Path, checkout: list[str]) -> None:
    folder = tmp_path / "environment"
    bootstrap.ensure_environment(folder, "main.txt")
    assert checkout == ["environment: environment", "environment: packages of main.txt"]
    bootstrap.ensure_environment(folder, "main.txt")
    assert len(checkout) == 2
    (tmp_path / "main.txt").write_text("main.txt==2")
    bootstrap.ensure_environment(folder, "main.txt")
    assert checkout[2:] == ["environment: packages of main.txt"]


def test_up_accepts_a_developers_environment_but_tests_do_not_accept_a_plain_one(
    tmp_path: Path, checkout: list[str]
) -> None:
    folder = tmp_path / "environment"
    bootstrap.ensure_environment(folder, "dev.txt")
    done = len(checkout)
    bootstrap.ensure_environment(folder, "main.txt", "dev.txt")
    assert len(checkout) == done
    bootstrap.ensure_environment(tmp_path / "plain", "main.txt")
    done = len(checkout)
    bootstrap.ensure_environment(tmp_path / "plain", "dev.txt")
    assert checkout[done:] == ["plain: packages of dev.txt"]


def test_up_leaves_a_developers_environment_that_has_all_it_needs(
    tmp_path: Path, checkout: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "environment"
    bootstrap.ensure_environment(folder, "dev.txt")
    done = len(checkout)
    (tmp_path / "dev.txt").write_text("dev.txt==2")
    monkeypatch.setattr(bootstrap, "holds", lambda python, lock: lock.name == "main.txt")
    bootstrap.ensure_environment(folder, "main.txt", "dev.txt")
    assert len(checkout) == done
    bootstrap.ensure_environment(folder, "dev.txt")
    assert checkout[done:] == ["environment: packages of dev.txt"], "the tests still get what is new"
    (tmp_path / "dev.txt").write_text("dev.txt==3")
    monkeypatch.setattr(bootstrap, "holds", lambda python, lock: False)
    bootstrap.ensure_environment(folder, "main.txt", "dev.txt")
    assert checkout[done + 1 :] == ["environment: packages of main.txt"]


def test_whether_an_environment_holds_a_locked_file_is_seen_in_its_packages(tmp_path: Path) -> None:
    bootstrap.ensure_uv()
    python = Path(sys.executable)
    lock = PROJECT_ROOT / "requirements" / "main.txt"
    assert bootstrap.holds(python, lock)
    other = tmp_path / "other.txt"
    other.write_text(re.sub(r"^pyyaml==\S+", "pyyaml==6.0", lock.read_text(), flags=re.MULTILINE))
    assert other.read_text() != lock.read_text()
    assert not bootstrap.holds(python, other)


def test_a_killed_installation_is_done_again(
    tmp_path: Path, checkout: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "environment"
    recorded = bootstrap.run

    def killed(title: str, command: list[object], env: object = None) -> None:
        if "packages" in title:
            raise KeyboardInterrupt
        recorded(title, command, env)

    monkeypatch.setattr(bootstrap, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.ensure_environment(folder, "main.txt")
    monkeypatch.setattr(bootstrap, "run", recorded)
    bootstrap.ensure_environment(folder, "main.txt")
    assert checkout[-1] == "environment: packages of main.txt"


def test_an_unsupported_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 13, 0))
    with pytest.raises(bootstrap.BootstrapError, match=r"Python 3.11 or 3.12 is needed"):
        bootstrap.check_machine()
