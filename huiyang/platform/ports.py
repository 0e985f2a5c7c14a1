"""Which process listens where: whether our ports are free, and whether ours listen only where they may."""

from __future__ import annotations

from typing import Any

import psutil

from huiyang.errors import HuiyangError
from huiyang.platform.supervision import Supervisor
from huiyang.settings import Settings


def check_ports(settings: Settings) -> None:
    """
    Raises:
        HuiyangError: a port that a process of ours is to listen on is taken by somebody else.
    """
    variables = {
        settings.front_door_port: "HUIYANG_FRONT_DOOR_PORT",
        **dict.fromkeys(
            (settings.app_port, settings.superset_port, settings.dagster_port, settings.dagster_view_port),
            "HUIYANG_FIRST_INTERNAL_PORT",
        ),
    }
    ours = processes_of(settings)
    for connection in listening():
        port = connection.laddr.port
        if port in variables and connection.pid not in ours:
            raise HuiyangError(
                f"Port {port} is taken by {_describe(connection.pid)}.",
                f"Stop that process, or set {variables[port]} to a free port and run `huiyang up` again.",
            )


def processes_of(settings: Settings) -> set[int]:
    """The installation's processes, their workers included, by id."""
    found = set()
    for state in Supervisor(settings).states():
        if state.pid:
            try:
                process = psutil.Process(state.pid)
                found |= {state.pid, *(child.pid for child in process.children(recursive=True))}
            except psutil.NoSuchProcess:  # it ended meanwhile
                continue
    return found


def listening(of: set[int] | None = None) -> list[Any]:
    """Listening TCP sockets of this machine as psutil describes them, or only those of the given processes."""
    return [
        connection
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and (of is None or connection.pid in of)
    ]


def _describe(pid: int | None) -> str:
    """Name and number of a process; another user's process cannot be seen."""
    if pid is None:
        return "a process of another user"
    try:
        process = psutil.Process(pid)
        # The program only: arguments can hold what is not ours to print.
        return f"process {pid} ({process.name()}, user {process.username()})"
    except psutil.NoSuchProcess:
        return f"process {pid}"
