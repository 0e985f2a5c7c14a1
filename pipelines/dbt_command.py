"""How dbt is called: where its project and its output lie, what environment and variables it gets.

dbt writes its manifest and logs below the installation's home, so that two installations never share them.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huiyang.database import Login, connection_parameters
from huiyang.errors import HuiyangError
from huiyang.periods import Period
from huiyang.settings import PROJECT_ROOT, Settings

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
DBT_EXECUTABLE = Path(sys.executable).with_name("dbt")
_REFERENCE = PROJECT_ROOT / "huiyang" / "reference"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
#: What dbt parses: a change in one of these needs a new manifest.
_PARSED_SUFFIXES = frozenset({".sql", ".yml", ".csv", ".md"})


def target_path(settings: Settings) -> Path:
    """Where dbt writes manifest and compiled SQL."""
    return settings.home / "dbt" / "target"


def dbt_environment(settings: Settings, variables: Mapping[str, Any] | None = None) -> dict[str, str]:
    """What `profiles.yml` and the macro `setting` read, and where dbt writes.

    dbt scrubs the value of what begins with DBT_ENV_SECRET from its logs.

    Args:
        variables: of `dbt_variables`; without them the defaults of dbt_project.yml hold.
    """
    parameters = connection_parameters(Login.BUILD, settings)
    return {
        "HUIYANG_WAREHOUSE_HOST": str(parameters["host"]),
        "HUIYANG_WAREHOUSE_PORT": str(parameters["port"]),
        "HUIYANG_WAREHOUSE_USER": str(parameters["user"]),
        "HUIYANG_WAREHOUSE_DATABASE": str(parameters["dbname"]),
        "DBT_ENV_SECRET_WAREHOUSE_PASSWORD": str(parameters["password"]),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "DBT_PROJECT_DIR": str(DBT_PROJECT),
        "DBT_TARGET_PATH": str(target_path(settings)),
        "DBT_LOG_PATH": str(settings.log_dir / "dbt"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "HUIYANG_BUILD": json.dumps(variables) if variables else "",
    }


def dbt_variables(periods: Sequence[Period], cut_off: int, build_id: int) -> dict[str, Any]:
    """The variables of one build.

    Args:
        periods: of one cadence, in order; the last is the target, whose records are laid out and checked.
        cut_off: transaction id below which changes are known.
        build_id: key in release.build.
    """
    target = periods[-1]
    return {
        "cut_off": cut_off,
        "build_id": build_id,
        "period": str(target),
        "period_start": target.start_date.isoformat(),
        "period_end": target.end_date.isoformat(),
        "periods": [{"period": str(p), "period_end": p.end_date.isoformat()} for p in periods],
    }


def run_dbt(
    settings: Settings, arguments: Sequence[str], variables: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs dbt and waits; for anything but a refresh's build.

    Raises:
        HuiyangError: dbt failed; the message carries what it said last.
    """
    result = subprocess.run(
        [str(DBT_EXECUTABLE), *arguments],
        env=os.environ | dbt_environment(settings, variables),
        cwd=DBT_PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    if result.returncode:
        raise HuiyangError(
            f"dbt {arguments[0]} failed:\n{result.stdout[-4000:]}{result.stderr[-2000:]}".rstrip(),
            f"Look into {settings.log_dir / 'dbt' / 'dbt.log'}.",
        )
    return result


def build_command(selection: str) -> list[str]:
    """The one `dbt build` of a refresh.

    Without unit tests: they check the models, not the data, and the test suite runs them. A test that also reads a
    mart of another cadence is not selected with what it shares with it.
    """
    return [
        str(DBT_EXECUTABLE), "build",
        "--select", selection,
        "--indirect-selection", "cautious",
        "--exclude-resource-type", "unit_test",
    ]  # fmt: skip


def start_build_process(settings: Settings, selection: str, variables: Mapping[str, Any]) -> subprocess.Popen[str]:
    """Starts the `dbt build` of a refresh; its output is one JSON event a line.

    It dies with this process: an orphan would go on building into the work of the next refresh.
    """
    return subprocess.Popen(
        build_command(selection),
        env=os.environ | dbt_environment(settings, variables) | {"DBT_LOG_FORMAT": "json"},
        cwd=DBT_PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_die_with_parent,
    )  # fmt: skip


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def ensure_manifest(settings: Settings) -> Path:
    """The manifest of the project as it stands now, parsed anew if a file changed. Needs no database and no network."""
    manifest = target_path(settings) / "manifest.json"
    stamp = manifest.with_name("manifest.sha256")
    with _parsing_alone(manifest.parent):
        digest = _project_digest()
        if not manifest.exists() or not stamp.exists() or stamp.read_text() != digest:
            run_dbt(settings, ["parse", "--quiet"])
            stamp.write_text(digest)
    return manifest


@contextmanager
def _parsing_alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "parsing.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _project_digest() -> str:
    digest = hashlib.sha256()
    for folder in (DBT_PROJECT, _REFERENCE):
        for path in sorted(folder.rglob("*")):
            if path.suffix in _PARSED_SUFFIXES and "target" not in path.parts:
                digest.update(str(path.relative_to(PROJECT_ROOT)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
