"""`huiyang doctor`: what can be wrong with this machine and this installation, each finding with its remedy."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil
import psycopg
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.console import Console
from rich.table import Table

from huiyang import server
from huiyang.database import Login, connect
from huiyang.errors import HuiyangError
from huiyang.platform import front_door, installation
from huiyang.platform.ports import check_ports, listening, processes_of
from huiyang.platform.processes import SUPERSET_BIN
from huiyang.platform.supervision import Supervisor
from huiyang.secret_store import load_secrets
from huiyang.settings import BUSINESS_TIMEZONE, PROJECT_ROOT, Settings

CHECKS_FAILED = 3
_NEEDED_MEMORY_GIB = 7
#: What is committed is sealed within this.
_SEALED_WITHIN_SECONDS = 6


class Severity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One check's outcome; the remedy is empty where all is well."""

    check: str
    severity: Severity
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    return Finding(check, Severity.OK, text)


def warning(check: str, text: str, remedy: str) -> Finding:
    return Finding(check, Severity.WARNING, text, remedy)


def error(check: str, text: str, remedy: str) -> Finding:
    return Finding(check, Severity.ERROR, text, remedy)


def check_python(settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        yield ok("Python", version)
    else:
        yield error("Python", f"{version} is not supported", "Use 3.11 or 3.12: `make clean`, `make PYTHON=… up`.")


def check_machine(settings: Settings) -> Iterator[Finding]:
    memory = psutil.virtual_memory().total / 2**30
    text = f"{os.cpu_count()} cores, {memory:.0f} GiB of memory"
    if memory >= _NEEDED_MEMORY_GIB:
        yield ok("machine", text)
    else:
        yield warning("machine", text, f"Less than {_NEEDED_MEMORY_GIB + 1} GB of memory: expect swapping.")
    if os.geteuid() == 0:
        yield warning("user", "runs as root", "In production run everything as a user of its own.")
    else:
        yield ok("user", f"uid {os.geteuid()}")


def check_disk(settings: Settings) -> Iterator[Finding]:
    try:
        installation.ensure_writable(settings)
        yield ok("write permission", str(settings.home))
        installation.ensure_space(settings)
        yield ok("disk", f"{shutil.disk_usage(settings.home).free / 2**30:.0f} GiB free")
    except HuiyangError as problem:
        yield error("disk", problem.problem, problem.remedy)


def check_listening(settings: Settings) -> Iterator[Finding]:
    try:
        check_ports(settings)
        yield ok("ports", f"{settings.front_door_port}, {settings.app_port} to {settings.dagster_view_port}")
    except HuiyangError as problem:
        yield error("ports", problem.problem, problem.remedy)
    for connection in listening(processes_of(settings)):
        if connection.laddr.ip not in ("127.0.0.1", "::1") and connection.laddr.port != settings.front_door_port:
            yield error(
                "loopback", f"process {connection.pid} listens at {connection.laddr.ip}:{connection.laddr.port}",
                "Only the front door may listen beyond loopback: report this as a defect.",
            )  # fmt: skip


def check_sockets(settings: Settings) -> Iterator[Finding]:
    for name in ("postgres", "supervisor", "dagster"):
        folder = server.run_folder(settings, name)
        if not folder.exists():
            yield ok(f"socket of {name}", "not made yet")
        elif folder.stat().st_mode & 0o077:
            yield error(f"socket of {name}", f"others may enter {folder}", f"chmod 700 {folder}")
        else:
            yield ok(f"socket of {name}", str(folder))


def check_secrets(settings: Settings) -> Iterator[Finding]:
    if not settings.secrets_file.exists():
        yield ok("secrets", "not made yet")
        return
    try:
        load_secrets(settings.secrets_file)
        yield ok("secrets", f"{settings.secrets_file}, mode 0600")
    except HuiyangError as problem:
        yield error("secrets", problem.problem, problem.remedy)
    record = installation.record_file(settings)
    if record.exists() and record.stat().st_mode & 0o077:
        yield error("secrets", f"others may read {record}", f"chmod 600 {record}")


def check_postgres(settings: Settings) -> Iterator[Finding]:
    try:
        connection = server.admin_connect(settings, connect_timeout=3)
    except (psycopg.OperationalError, HuiyangError) as problem:
        remedy = "Run `huiyang up`; see `huiyang logs postgres`."
        if settings.postgres_admin_url:
            remedy = "Check HUIYANG_POSTGRES_ADMIN_URL, and that this server lets you in."
        yield error("PostgreSQL", f"does not answer: {str(problem).strip()}", remedy)
        return
    with connection:
        major = connection.info.server_version // 10000
        if major >= 15:
            yield ok("PostgreSQL", f"version {major}, {'given' if settings.postgres_admin_url else 'embedded'}")
        else:
            yield error("PostgreSQL", f"version {major} is too old", "Give a PostgreSQL of version 15 or later.")
        encodings = connection.execute(
            "select datname, pg_encoding_to_char(encoding), datcollate from pg_database where datname = any(%s)",
            [[login.home_database.value for login in Login]],
        ).fetchall()
        wrong = [row for row in encodings if row[1] != "UTF8" or row[2] not in ("C.UTF-8", "C.utf8")]
        if wrong:
            yield error(
                "locale", f"databases that are not UTF-8 with C.UTF-8: {wrong}",
                "Move these databases' data into ones made with `locale 'C.UTF-8'`: searches by Chinese text miss.",
            )  # fmt: skip
        else:
            yield ok("locale", "all databases UTF-8, C.UTF-8")
        theirs = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
        skew = abs(theirs[0] - time.time()) if theirs else 0
        if skew < 5:
            yield ok("clock", f"agrees with PostgreSQL's, business time zone {BUSINESS_TIMEZONE.key}")
        else:
            yield error("clock", f"{skew:.0f} s apart from PostgreSQL's", "Let both machines follow one NTP server.")
    yield from _check_logins(settings)


def _check_logins(settings: Settings) -> Iterator[Finding]:
    too_strong = []
    for login in Login:
        try:
            with connect(login, settings, connect_timeout=3) as connection:
                row = connection.execute(
                    "select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication"
                    " from pg_roles where rolname = current_user"
                ).fetchone()
        except psycopg.OperationalError as problem:
            yield error("logins", f"{login.role} cannot enter: {str(problem).strip()}", "Run `huiyang up`.")
            return
        if row and row[0]:
            too_strong.append(login.role)
    if too_strong:
        yield error(
            "logins", f"with rights beyond their job: {', '.join(too_strong)}",
            "Run `huiyang up`, which takes them away, and find out who gave them.",
        )  # fmt: skip
    else:
        yield ok("logins", f"{len(Login)} logins, none of them superuser or above row-level security")


def check_audit(settings: Settings) -> Iterator[Finding]:
    """Whether the audit trail is sealed in time and its heads reach a medium of their own."""
    try:
        with connect(Login.SEALER, settings, connect_timeout=3, autocommit=True) as sealer:
            if sealer.execute("select to_regclass('audit.seal')").fetchone() == (None,):
                yield ok("audit trail", "not made yet")
                return
            if Supervisor(settings).is_running():
                yield _sealing(settings, sealer)
            unkept = sealer.execute(
                "select count(*) from audit.seal where kept_at is null and sealed_at < now() - interval '1 minute'"
            ).fetchone()
            any_kept = sealer.execute("select exists (select 1 from audit.seal where kept_at is not null)").fetchone()
    except (psycopg.OperationalError, HuiyangError):
        return  # check_postgres says it
    yield from _second_medium(settings, unkept[0] if unkept else 0, is_in_use=bool(any_kept and any_kept[0]))


def _sealing(settings: Settings, sealer: psycopg.Connection) -> Finding:
    from operational_app.audit.sealing import is_at_work

    if not is_at_work(settings):
        return error(
            "audit trail", "nobody seals it; events wait", "Run `huiyang up`; see `huiyang logs audit-sealer`."
        )
    waiting = "select coalesce(array_agg(event_id), '{}') from audit.unsealed where event_id = any(%s)"
    old = sealer.execute(
        "select coalesce(array_agg(event_id), '{}') from audit.unsealed join audit.audit_event on id = event_id"
        " where recorded_at < now() - interval '10 seconds'"
    ).fetchone()
    if old and old[0]:  # recorded long ago, but maybe committed just now
        time.sleep(_SEALED_WITHIN_SECONDS)
        old = sealer.execute(waiting, [old[0]]).fetchone()
    if old and old[0]:
        return error(
            "audit trail", f"{len(old[0])} events were not sealed in time, the first is {min(old[0])}",
            "See `huiyang logs audit-sealer` and docs/runbooks/audit.md.",
        )  # fmt: skip
    return ok("audit trail", "sealed")


def _second_medium(settings: Settings, unkept: int, *, is_in_use: bool) -> Iterator[Finding]:
    heads, check = settings.audit_heads, "audit heads"
    there = heads if is_in_use else heads.parent
    if unkept:
        yield error(
            check, f"{heads} did not take the heads of {unkept} batches",
            "Bring the medium back; see `huiyang logs audit-sealer` and docs/runbooks/audit.md.",
        )  # fmt: skip
    elif is_in_use and not (heads.is_file() and os.access(heads, os.W_OK)):
        yield error(check, f"{heads} is not there or cannot be written", "Bring it back: docs/runbooks/audit.md.")
    elif not there.exists():
        yield ok(check, "not made yet")
    elif not settings.postgres_admin_url and there.stat().st_dev == settings.home.stat().st_dev:
        yield warning(
            check, f"{heads} is on the same device as the database",
            "Name a file on another disk or machine: HUIYANG_AUDIT_HEADS_FILE (docs/runbooks/audit.md).",
        )  # fmt: skip
    else:
        yield ok(check, str(heads))


def check_real_data(settings: Settings) -> Iterator[Finding]:
    if settings.postgres_admin_url:
        return
    if installation.holds_real_data(settings):
        yield warning(
            "data", "the embedded server holds data that is not the sample's",
            "It has no replica and no backup of its own: use a PostgreSQL of yours, HUIYANG_POSTGRES_ADMIN_URL.",
        )  # fmt: skip
    else:
        yield ok("data", "sample data only")


def check_text(settings: Settings) -> Iterator[Finding]:
    if sys.getfilesystemencoding().lower() != "utf-8":
        yield error("text encoding", f"file names are {sys.getfilesystemencoding()}", "Set LANG=C.UTF-8 and run again.")
    else:
        yield ok("text encoding", "UTF-8")


def check_browser(settings: Settings) -> Iterator[Finding]:
    fonts = shutil.which("fc-list") and subprocess.run(["fc-list", ":lang=zh", "family"], capture_output=True).stdout
    if shutil.which("chromium") and fonts:
        yield ok("browser", "Chromium and a Chinese font, for tests and pictures of cockpits")
    else:
        yield warning(
            "browser", "no Chromium or no Chinese font: no browser tests, no pictures of cockpits in reports",
            "apt-get install chromium fonts-noto-cjk",
        )  # fmt: skip


def check_environments(settings: Settings) -> Iterator[Finding]:
    lock = PROJECT_ROOT / "requirements"
    yield _compared("main environment", lock / "main.txt", _installed_here())
    listing = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    try:
        result = subprocess.run([SUPERSET_BIN / "python", "-c", listing], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        yield error("Superset's environment", f"{SUPERSET_BIN.parent} is missing or broken", "Run `make up`.")
        return
    yield _compared("Superset's environment", lock / "superset.txt", json.loads(result.stdout))


def _installed_here() -> dict[str, str]:
    return {distribution.name: distribution.version for distribution in importlib.metadata.distributions()}


def _compared(check: str, lock: Path, installed: dict[str, str]) -> Finding:
    """Whether every installed package that the lock names has the locked version."""
    wanted = [Requirement(line.rstrip(" \\")) for line in lock.read_text().splitlines() if re.match(r"\w[^=]*==", line)]
    # A lock for several Pythons names some packages once for each; both environments have this one.
    locked = {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate()
    }
    canonical = {canonicalize_name(name): version for name, version in installed.items()}
    wrong = [
        f"{name} {canonical[name]} instead of {version}"
        for name, version in locked.items()
        if name in canonical and canonical[name] != version
    ]
    if wrong:
        return error(check, f"differs from {lock.name}: {', '.join(wrong[:5])}", "Run `make up`.")
    return ok(check, f"{len(locked)} packages as locked")


def check_front_door(settings: Settings) -> Iterator[Finding]:
    certificate = front_door.authority_file(settings)
    if not certificate.exists():
        yield ok("certificate authority", "not made yet")
        return
    unresolved = []
    for name in settings.front_door_names.split(","):
        try:
            if name.strip():
                socket.getaddrinfo(name.strip(), None)
        except OSError:
            unresolved.append(name.strip())
    if unresolved:
        yield warning("front door's names", f"not known here: {', '.join(unresolved)}", "Enter them in your DNS.")
    yield ok("certificate authority", str(certificate))


CHECKS: list[Callable[[Settings], Iterator[Finding]]] = [
    check_python, check_machine, check_disk, check_text, check_environments, check_browser, check_listening,
    check_sockets, check_secrets, check_postgres, check_audit, check_real_data, check_front_door,
]  # fmt: skip


def run_doctor(settings: Settings, console: Console) -> int:
    """Prints every finding.

    Returns:
        0, or CHECKS_FAILED if one of them is an error.
    """
    findings = [finding for check in CHECKS for finding in check(settings)]
    table = Table("check", "", "finding", "what to do")
    colours = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.ERROR: "red"}
    for finding in findings:
        mark = f"[{colours[finding.severity]}]{finding.severity}[/]"
        table.add_row(finding.check, mark, finding.text, finding.remedy)
    console.print(table)
    return CHECKS_FAILED if any(finding.severity is Severity.ERROR for finding in findings) else 0
