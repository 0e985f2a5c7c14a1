"""What a home folder remembers of its installation, and the lock that lets one command change it at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from huiyang.errors import HuiyangError
from huiyang.settings import BUSINESS_TIMEZONE, Scale, Settings, get_settings

#: Free space that set-up and one release need, in GiB, with as much again in hand for the refresh of the next period.
NEEDED_GIB = {Scale.DEMO: 3, Scale.CENSUS: 30, Scale.CITY: 40}
#: What an installation keeps from its set-up, so that later commands need no environment variables.
_KEPT = (
    "scale", "seed", "front_door_port", "first_internal_port", "front_door_names", "public_address",
    "postgres_admin_url", "demo", "upstream_issuer", "upstream_client_id", "upstream_client_secret_file",
    "audit_heads_file",
)  # fmt: skip


def record_file(settings: Settings) -> Path:
    return settings.home / "installation.json"


def installed_settings() -> Settings:
    """The settings of the installation in HUIYANG_HOME: what the environment says, else what set-up recorded.

    Also makes them those of `get_settings()` and of every subprocess.

    Raises:
        HuiyangError: a variable has an impossible value, or the installation holds another scale or seed.
    """
    try:
        settings = Settings()
    except ValueError as error:
        raise HuiyangError(f"A HUIYANG_* variable is wrong: {error}", "Correct or unset it.") from error
    recorded = _read(record_file(settings))
    for name in ("scale", "seed"):
        if name in settings.model_fields_set and name in recorded and recorded[name] != getattr(settings, name):
            raise HuiyangError(
                f"The installation in {settings.home} holds {name} {recorded[name]}, not {getattr(settings, name)}.",
                "Give another one its own HUIYANG_HOME (and ports), or delete this one with `make clean`.",
            )
    update = {name: recorded[name] for name in _KEPT if name in recorded and name not in settings.model_fields_set}
    settings = Settings.model_validate(settings.model_dump() | update | {"home": settings.home.absolute()})
    os.environ.update(environment(settings))
    get_settings.cache_clear()
    return settings


def environment(settings: Settings, *, serving: bool = False) -> dict[str, str]:
    """`HUIYANG_*` variables that reproduce the settings in another process.

    Args:
        serving: leave the administrator's name and password out of the server's address.
    """
    values = _kept(settings)
    variables = {f"HUIYANG_{name.upper()}": str(value) for name, value in values.items() if value not in (None, "")}
    variables["HUIYANG_HOME"] = str(settings.home)
    if serving and settings.postgres_admin_url:
        variables["HUIYANG_POSTGRES_ADMIN_URL"] = address_only(settings.postgres_admin_url)
    return variables


def address_only(postgres_url: str) -> str:
    """A libpq URL or connection string reduced to host and port."""
    given = conninfo_to_dict(postgres_url)
    return make_conninfo(**{name: str(given[name]) for name in ("host", "port") if given.get(name)})


def record_installation(settings: Settings) -> None:
    """Remembers scale, seed and ports in the home folder (mode 0600: a server's URL can hold a password)."""
    write_json(record_file(settings), _read(record_file(settings)) | _kept(settings))


def _kept(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(mode="json", include=set(_KEPT))


def note_real_data(settings: Settings) -> None:
    """Remembers that something else than the sample was loaded, which `doctor` warns of in an embedded server."""
    write_json(record_file(settings), _read(record_file(settings)) | {"real_data": True})


def holds_real_data(settings: Settings) -> bool:
    """Whether it is no demo, or anything else than the sample was ever loaded."""
    return not settings.demo or bool(_read(record_file(settings)).get("real_data"))


class Journal:
    """Which steps of set-up are done, each with a fingerprint of what it was done from.

    Steps that end at the same moment in two threads are both kept.
    """

    def __init__(self, settings: Settings) -> None:
        self._file = settings.home / "steps.json"
        self._one_writer = Lock()

    def is_done(self, step: str, fingerprint: str) -> bool:
        return _read(self._file).get(step, {}).get("fingerprint") == fingerprint

    def record(self, step: str, fingerprint: str, seconds: float) -> None:
        finished = datetime.now(BUSINESS_TIMEZONE).isoformat(timespec="seconds")
        entry = {"fingerprint": fingerprint, "finished_at": finished, "seconds": round(seconds, 1)}
        with self._one_writer:
            write_json(self._file, _read(self._file) | {step: entry})


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (PermissionError, NotADirectoryError) as error:
        raise HuiyangError(f"Cannot read {path}: {error.strerror}.", "Use the user who ran `make up`.") from error
    except json.JSONDecodeError as error:
        raise HuiyangError(
            f"{path} is damaged: {error}.", "Delete it; finished steps are then checked again."
        ) from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replaces a file as a whole, so that a kill leaves the old one or the new one."""
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(content, handle, indent=1)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


@contextmanager
def exclusive(settings: Settings, command: str) -> Iterator[None]:
    """Holds the installation's lock for the length of a block; the kernel releases it when the process dies.

    Raises:
        HuiyangError: another command holds it, or the home folder cannot be written.
    """
    ensure_writable(settings)
    with (settings.run_dir / "lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            raise HuiyangError(
                f"Another command is changing this installation: {handle.read().strip() or 'just starting'}.",
                "Wait until it ends, then run this one again.",
                exit_code=4,
            ) from error
        handle.truncate(0)
        handle.write(f"huiyang {command}, process {os.getpid()}")
        handle.flush()
        yield


def ensure_writable(settings: Settings) -> None:
    """
    Raises:
        HuiyangError: the home folder cannot be made or written.
    """
    probe = settings.run_dir / "write-test"
    try:
        for folder in (settings.home, settings.run_dir, settings.log_dir):
            folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        if known := explained(error):
            raise known from error
        raise HuiyangError(
            f"Cannot write to {settings.home}: {error.strerror}.",
            "Correct its owner and permissions, or set HUIYANG_HOME to a folder that you may write to.",
        ) from error


def ensure_space(settings: Settings) -> None:
    """
    Raises:
        HuiyangError: less is free than set-up at this scale needs.
    """
    free = shutil.disk_usage(settings.home).free / 2**30
    needed = NEEDED_GIB[settings.scale]
    if free < needed:
        raise HuiyangError(
            f"{free:.1f} GiB are free at {settings.home}; scale {settings.scale} needs {needed} GiB.",
            "Free some space, or set HUIYANG_HOME to a folder on a larger disk.",
        )


def explained(error: BaseException) -> HuiyangError | None:
    """The error for a person, where something below our code ran out or is missing; None for a defect of ours."""
    cause: BaseException | None = error
    seen: set[int] = set()  # Dagster's errors can be their own cause
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, HuiyangError):
            return cause
        if getattr(cause, "errno", None) == errno.ENOSPC or getattr(cause, "sqlstate", None) == "53100":
            return HuiyangError(
                "The disk is full. What was finished is kept; what was under way is undone.",
                "Free some space and run the same command again.",
            )
        if isinstance(cause, PermissionError):
            return HuiyangError(
                f"No permission for {cause.filename or 'a file'}: {cause.strerror}.",
                "Use the user who ran `make up`, or correct the owner of HUIYANG_HOME.",
            )
        cause = cause.__cause__ or cause.__context__
    return None
