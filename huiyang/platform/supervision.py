"""The supervisor: its configuration, and starting, stopping and asking its processes through its Unix socket."""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import signal
import subprocess
import time
import xmlrpc.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from huiyang import server
from huiyang.errors import HuiyangError
from huiyang.platform.installation import environment
from huiyang.platform.processes import VENV_BIN, Process, processes
from huiyang.settings import PROJECT_ROOT, Settings


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor says of one process, and whether the process itself answers.

    Attributes:
        state: the supervisor's word: RUNNING, STARTING, STOPPED, BACKOFF, FATAL, EXITED …
        since: Unix time of the last change; 0 if it never ran.
    """

    name: str
    title: str
    state: str
    pid: int
    since: int
    address: str
    healthy: bool


def log_file(settings: Settings, name: str) -> Path:
    return settings.log_dir / f"{name}.log"


def _socket(settings: Settings) -> Path:
    return server.run_folder(settings, "supervisor") / "supervisor.sock"


def _pid_file(settings: Settings) -> Path:
    return settings.run_dir / "supervisord.pid"


def _configuration_file(settings: Settings) -> Path:
    return settings.run_dir / "supervisord.conf"


def _escaped(text: str | Path) -> str:
    """supervisor expands `%(…)s` in values."""
    return str(text).replace("%", "%%")


def configuration(settings: Settings) -> str:
    """The supervisor's configuration; it holds no secret."""
    variables = environment(settings, serving=True)
    lines = [
        "[unix_http_server]",
        f"file={_escaped(_socket(settings))}",
        "chmod=0700",
        "[supervisord]",
        f"logfile={_escaped(log_file(settings, 'supervisor'))}",
        "logfile_maxbytes=10MB",
        "logfile_backups=3",
        f"pidfile={_escaped(_pid_file(settings))}",
        f"directory={_escaped(PROJECT_ROOT)}",
        "identifier=huiyang",
        *(["user=root"] if os.geteuid() == 0 else []),
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    quoted = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(variables.items()))
    for process in processes(settings):
        command = [str(VENV_BIN / "python"), "-m", "huiyang.platform", process.name]
        lines += [
            f"[program:{process.name}]",
            f"command={_escaped(shlex.join(command))}",
            f"environment={quoted}",
            # `huiyang up` starts them in order, each after what it needs.
            "autostart=false",
            "autorestart=true",
            "startsecs=3",
            "startretries=3",
            f"stopsignal={process.stop_signal.name.removeprefix('SIG')}",
            f"stopwaitsecs={process.stop_seconds}",
            # Dagster's runs and Superset's workers end with their parent; PostgreSQL ends its own.
            f"stopasgroup={'false' if process.runs_as_server_user else 'true'}",
            "redirect_stderr=true",
            f"stdout_logfile={_escaped(log_file(settings, process.name))}",
            "stdout_logfile_maxbytes=20MB",
            "stdout_logfile_backups=5",
        ]
    return "\n".join(lines) + "\n"


class Supervisor:
    """The supervisor of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._processes = {process.name: process for process in processes(settings)}

    @property
    def _proxy(self) -> Any:
        """A new connection each time: supervisor's transport does not recover from a failed one, nor serve threads."""
        transport = SupervisorTransport(serverurl=f"unix://{_socket(self._settings)}")
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor

    def is_running(self) -> bool:
        try:
            self._proxy.getState()
        except (OSError, xmlrpc.client.Error, http.client.HTTPException):
            return False
        return True

    def ensure_running(self) -> None:
        """Starts the supervisor, or tells a running one of changed processes.

        Raises:
            HuiyangError: it does not come up.
        """
        server.make_run_folder(_socket(self._settings).parent)
        _configuration_file(self._settings).write_text(configuration(self._settings))
        if self.is_running():
            self._reload()
            return
        result = subprocess.run(
            [VENV_BIN / "supervisord", "--configuration", _configuration_file(self._settings)],
            capture_output=True, text=True, cwd=PROJECT_ROOT,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while not self.is_running():
            if result.returncode or time.monotonic() > deadline:
                raise HuiyangError(
                    f"The supervisor does not start: {(result.stderr or result.stdout).strip() or 'no answer'}",
                    f"See {log_file(self._settings, 'supervisor')}.",
                )
            time.sleep(0.1)

    def _reload(self) -> None:
        added, changed, removed = self._proxy.reloadConfig()[0]
        for name in [*changed, *removed]:
            self.stop(name)
            self._proxy.removeProcessGroup(name)
        for name in [*added, *changed]:
            self._proxy.addProcessGroup(name)

    def start(self, name: str) -> None:
        """Starts a process unless it runs, and returns at once."""
        with _ignoring(Faults.ALREADY_STARTED):
            self._proxy.startProcess(name, False)

    def stop(self, name: str) -> None:
        """Stops a process if it runs, and waits for its end."""
        with _ignoring(Faults.NOT_RUNNING, Faults.BAD_NAME):
            self._proxy.stopProcess(name, True)

    def wait_until_healthy(self, name: str) -> None:
        """
        Raises:
            HuiyangError: it gave up, or does not answer in time; carries the end of its log.
        """
        process = self._processes[name]
        deadline = time.monotonic() + process.start_seconds
        while not process.is_healthy(self._settings):
            state = self._proxy.getProcessInfo(name)["statename"]
            if state == "FATAL" or time.monotonic() > deadline:
                log = log_file(self._settings, name)
                raise HuiyangError(
                    f"{process.title} does not start ({state}).\n{tail(log, 12)}",
                    f"See {log}; `huiyang doctor` looks for common causes.",
                )
            time.sleep(0.3)

    def states(self) -> list[ProcessState]:
        """All processes in the order of their start; STOPPED where there is no supervisor."""
        try:
            told = {entry["name"]: entry for entry in self._proxy.getAllProcessInfo()}
        except (OSError, xmlrpc.client.Error, http.client.HTTPException):
            told = {}
        with ThreadPoolExecutor(len(self._processes)) as pool:
            return list(pool.map(lambda p: self._state(p, told.get(p.name, {})), self._processes.values()))

    def _state(self, process: Process, told: dict[str, Any]) -> ProcessState:
        state = told.get("statename", "STOPPED")
        since = told.get("start" if state in ("RUNNING", "STARTING") else "stop", 0)
        healthy = state in ("RUNNING", "STARTING") and process.is_healthy(self._settings)
        return ProcessState(process.name, process.title, state, told.get("pid", 0), since, process.address, healthy)

    def stop_all(self) -> None:
        """Stops every process, the server of the data last, then the supervisor; finishes what a crash left behind."""
        if self.is_running():
            for name in reversed(self._processes):
                self.stop(name)
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._proxy.shutdown()
        deadline = time.monotonic() + 30
        while (pid := self._supervisor_pid()) and time.monotonic() < deadline:
            time.sleep(0.1)
        if pid:
            os.kill(pid, signal.SIGKILL)
        self._stop_orphaned_server()

    def _supervisor_pid(self) -> int | None:
        """The supervisor's process id, if the pid file's process really is ours."""
        try:
            pid = int(_pid_file(self._settings).read_text())
            command = psutil.Process(pid).cmdline()
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return pid if str(_configuration_file(self._settings)) in command else None

    def _stop_orphaned_server(self) -> None:
        """A PostgreSQL that outlived its supervisor would keep the next one from starting."""
        if self._settings.postgres_admin_url:
            return
        pid_file = server.data_dir(self._settings) / "postmaster.pid"
        try:
            process = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            if str(server.data_dir(self._settings)) in process.cmdline():
                process.send_signal(signal.SIGINT)
                process.wait(120)
        except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            return


@contextlib.contextmanager
def _ignoring(*faults: int) -> Iterator[None]:
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in faults:
            raise


def tail(path: Path, lines: int) -> str:
    """The last lines of a log; empty if there is none. Reads at most 64 KiB from its end."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - 65536))
            return "\n".join(handle.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
