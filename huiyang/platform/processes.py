"""The processes of an installation as data: command, environment, how each stops and how each proves its health."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from huiyang import server
from huiyang.database import Login, connect
from huiyang.platform import dagster_home, front_door
from huiyang.platform.installation import environment
from huiyang.secret_store import load_secrets
from huiyang.settings import BUSINESS_TIMEZONE, COCKPIT_PATH, DAGSTER_PATH, PROJECT_ROOT, Settings

VENV_BIN = PROJECT_ROOT / ".venv" / "bin"
SUPERSET_BIN = PROJECT_ROOT / ".venv-superset" / "bin"
SUPERSET_CONFIG = PROJECT_ROOT / "cockpits" / "superset_config.py"
#: Longer than the front door keeps an idle connection (two minutes): what is just being shut would answer 502.
_KEEP_ALIVE_SECONDS = "130"
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Process:
    """One supervised process.

    Attributes:
        command: the program and its arguments; never a secret, since `ps` shows them to everybody.
        variables: makes the environment beyond `HUIYANG_*`; secrets go here.
        is_healthy: asks the process itself, within a few seconds; never raises.
        needs: the process that must be healthy before this one starts, beyond PostgreSQL.
        start_seconds: how long a healthy start may take on two busy cores.
        runs_as_server_user: it refuses root.
    """

    name: str
    title: str
    command: list[str]
    is_healthy: Callable[[Settings], bool]
    address: str = ""
    variables: Callable[[Settings], dict[str, str]] = field(default=lambda settings: {})
    needs: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: int = 20
    start_seconds: int = 120
    runs_as_server_user: bool = False


def processes(settings: Settings) -> list[Process]:
    """In the order of their start; they stop in the opposite order."""
    python = str(VENV_BIN / "python")
    found = []
    if not settings.postgres_admin_url:
        found.append(
            Process(
                name="postgres", title="PostgreSQL", command=server.server_command(settings),
                is_healthy=_postgres_answers, address=str(server.socket_dir(settings)),
                stop_signal=signal.SIGINT, stop_seconds=120, runs_as_server_user=True,
            )
        )  # fmt: skip
    found += [
        Process(
            name="app", title="operational app",
            command=[
                python, "-m", "uvicorn", "operational_app.main:create_app", "--factory",
                "--host", _LOOPBACK, "--port", str(settings.app_port), "--no-access-log",
                "--proxy-headers", "--forwarded-allow-ips", _LOOPBACK, "--timeout-graceful-shutdown", "10",
                "--timeout-keep-alive", _KEEP_ALIVE_SECONDS,
            ],
            is_healthy=lambda s: _answers(s.app_port, "/auth/check"), address=f"{_LOOPBACK}:{settings.app_port}",
        ),
        Process(
            name="audit-sealer", title="seal of the audit trail",
            command=[python, "-m", "operational_app.audit.sealing"], is_healthy=_audit_is_sealed,
        ),
        Process(
            name="superset", title="cockpits (Superset)",
            command=[
                str(SUPERSET_BIN / "gunicorn"), "superset.app:create_app()",
                "--bind", f"{_LOOPBACK}:{settings.superset_port}", "--workers", "2", "--worker-class", "gthread",
                "--threads", "8", "--timeout", "120", "--worker-tmp-dir", "/dev/shm", "--no-control-socket",
                "--keep-alive", _KEEP_ALIVE_SECONDS,
                "--config", "python:huiyang.platform.superset_workers",
            ],
            is_healthy=lambda s: _answers(s.superset_port, f"{COCKPIT_PATH}/health"),
            address=f"{_LOOPBACK}:{settings.superset_port}", variables=superset_variables,
        ),
        Process(
            name="dagster-code", title="definitions (Dagster)",
            command=[
                python, "-m", "dagster", "api", "grpc", "--module-name", dagster_home.CODE_MODULE,
                "--working-directory", str(PROJECT_ROOT), "--socket", str(dagster_home.code_socket(settings)),
                "--location-name", dagster_home.CODE_MODULE, "--log-level", "warning",
            ],
            is_healthy=lambda s: _accepts(dagster_home.code_socket(s)),
            address=str(dagster_home.code_socket(settings)), variables=dagster_home.prepare,
        ),
        _dagster_page(settings, "dagster-web", "pipelines (Dagster)", settings.dagster_port),
        _dagster_page(
            settings, "dagster-view", "pipelines, to look at (Dagster)", settings.dagster_view_port, "--read-only"
        ),
        Process(
            name="dagster-daemon", title="schedules (Dagster)",
            command=[
                str(VENV_BIN / "dagster-daemon"), "run", "--workspace", str(settings.dagster_home / "workspace.yaml"),
            ],
            is_healthy=_daemon_beats, needs="dagster-code", variables=dagster_home.prepare,
        ),
        Process(
            name="period-worker", title="what people ask of the pipelines",
            command=[python, "-m", "pipelines.worker"], is_healthy=_period_worker_is_there,
            variables=dagster_home.prepare,
        ),
        Process(
            name="front-door", title="front door (HTTPS)",
            command=front_door.command(settings),
            is_healthy=front_door.answers, address=f"0.0.0.0:{settings.front_door_port}",
            variables=lambda s: {front_door.SECRET_VARIABLE: load_secrets(s.secrets_file)["front_door"]},
        ),
    ]  # fmt: skip
    return found


def _dagster_page(settings: Settings, name: str, title: str, port: int, *options: str) -> Process:
    return Process(
        name=name, title=title,
        command=[
            str(VENV_BIN / "dagster-webserver"), "--workspace", str(settings.dagster_home / "workspace.yaml"),
            "--host", _LOOPBACK, "--port", str(port), "--path-prefix", DAGSTER_PATH, *options,
        ],
        is_healthy=lambda s: _answers(port, f"{DAGSTER_PATH}/server_info"),
        address=f"{_LOOPBACK}:{port}", needs="dagster-code", variables=dagster_home.prepare,
    )  # fmt: skip


def superset_variables(settings: Settings) -> dict[str, str]:
    """What Superset and `python -m cockpits` need; Superset's configuration reads the secrets file itself."""
    return {
        "SUPERSET_CONFIG_PATH": str(SUPERSET_CONFIG),
        "SUPERSET_APP_ROOT": COCKPIT_PATH,
        "SUPERSET_HOME": str(settings.home / "superset"),  # or Superset makes a folder in the user's home
        "PYTHONPATH": str(PROJECT_ROOT),
        "PATH": f"{SUPERSET_BIN}{os.pathsep}{os.environ['PATH']}",
        "TZ": BUSINESS_TIMEZONE.key,  # it stamps with local time, whoever runs it
    }


def start_here(settings: Settings, name: str) -> None:
    """Becomes the named process: takes its user and environment, and replaces this program by it.

    The supervisor starts every process through this, so that secrets stand neither in its configuration nor in a
    command line, and so that nothing outlives a killed supervisor.
    """
    process = next(process for process in processes(settings) if process.name == name)
    variables = os.environ | environment(settings, serving=True) | process.variables(settings)
    variables["TZ"] = BUSINESS_TIMEZONE.key  # all logs tell the same time
    if process.runs_as_server_user and (identity := server.server_identity()):
        os.setgroups([])
        os.setgid(identity["group"])
        os.setuid(pwd.getpwnam(identity["user"]).pw_uid)
    os.umask(0o077)
    server.end_with_parent(process.stop_signal)
    os.execve(process.command[0], process.command, variables)


def _answers(port: int, path: str) -> bool:
    """Whether an HTTP server answers with anything but a failure of its own."""
    try:
        urllib.request.build_opener(_NoRedirect).open(f"http://127.0.0.1:{port}{path}", timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: object, **options: object) -> None:
        return None


def _accepts(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(path))
    except OSError:
        return False
    return True


def _postgres_answers(settings: Settings) -> bool:
    try:
        server.admin_connect(settings, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def _audit_is_sealed(settings: Settings) -> bool:
    from operational_app.audit.sealing import is_at_work

    return is_at_work(settings)


def _period_worker_is_there(settings: Settings) -> bool:
    from pipelines.worker import is_at_work

    return is_at_work(settings)


def _daemon_beats(settings: Settings) -> bool:
    """The daemon notes a heartbeat of each of its threads every 30 seconds."""
    try:
        with connect(Login.DAGSTER, settings, connect_timeout=3) as connection:
            row = connection.execute(
                "select max(timestamp) > (now() at time zone 'UTC') - interval '90 seconds' from daemon_heartbeats"
            ).fetchone()
    except psycopg.Error:
        return False
    return bool(row and row[0])
