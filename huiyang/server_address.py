"""Where an installation's PostgreSQL answers. Apart from `huiyang.server`, so that Superset's environment, which has
no embedded server, can read it too."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from huiyang.settings import Settings

#: A Unix socket's path may be 107 bytes long; PostgreSQL appends `/.s.PGSQL.5432`.
_LONGEST_SOCKET_DIR = 90


@dataclass(frozen=True)
class ServerAddress:
    """Host (a name, an address or a socket's folder) and port."""

    host: str
    port: int


def run_folder(settings: Settings, name: str) -> Path:
    """`home/run/<name>`, or a short folder in /tmp where that path is too long for a socket."""
    path = (settings.run_dir / name).resolve()
    if len(str(path)) <= _LONGEST_SOCKET_DIR:
        return path
    return Path(tempfile.gettempdir()) / f"huiyang-{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"


def socket_dir(settings: Settings) -> Path:
    """The embedded server's own folder for its socket."""
    return run_folder(settings, "postgres")


def server_address(settings: Settings) -> ServerAddress:
    """The address of the server that was given, or of the embedded one."""
    if settings.postgres_admin_url:
        given = conninfo_to_dict(settings.postgres_admin_url)
        return ServerAddress(str(given.get("host", "localhost")), int(str(given.get("port") or 5432)))
    return ServerAddress(str(socket_dir(settings)), 5432)
