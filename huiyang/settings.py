"""Where an installation lives and what it was told: paths, scale, ports, environment variables.

All run-time state stands under one folder, `home` (default `var/` in the checkout): server data, secrets, logs,
exports, reports. Two homes are two installations that do not know of each other; tests rely on it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent
BUSINESS_TIMEZONE = ZoneInfo("Asia/Shanghai")
#: Where Superset (`SUPERSET_APP_ROOT`) and Dagster (`--path-prefix`) stand behind the front door; the app is at `/`.
COCKPIT_PATH = "/cockpits"
DAGSTER_PATH = "/dagster"


class Scale(StrEnum):
    """How many people the sample holds: about 1 % of the census, the census to the person, the city's 1.46 million."""

    DEMO = "demo"
    CENSUS = "census"
    CITY = "city"


class Settings(BaseSettings):
    """Read from `HUIYANG_*` environment variables; every field has a default that works on a fresh machine."""

    model_config = SettingsConfigDict(env_prefix="HUIYANG_", hide_input_in_errors=True)

    home: Path = PROJECT_ROOT / "var"
    scale: Scale = Scale.DEMO
    seed: int = 20260930
    #: A demo has accounts whose password `up` prints; an installation with real data sets HUIYANG_DEMO=false.
    demo: bool = True
    #: An administrator's libpq URL of a PostgreSQL 15+ that is used instead of the embedded server. Only set-up
    #: uses it: it creates the databases and the logins, which then serve.
    postgres_admin_url: str | None = None
    #: The one port that listens beyond loopback.
    front_door_port: int = 8443
    #: Further names and addresses, comma-separated, that the front door has certificates for, beyond this machine's.
    front_door_names: str = ""
    #: The one address by which users and other applications reach the front door, without a final slash, where it is
    #: not the first of `front_door_names` at its port.
    public_address: str = ""
    #: A provider of OpenID Connect above us (the province's): its issuer, how it knows us, and the absolute path of a
    #: file with the secret that it gave us.
    upstream_issuer: str | None = None
    upstream_client_id: str | None = None
    upstream_client_secret_file: Path | None = None
    #: Whether anybody may read what institutions disclose (area, nature, fees, grade, medical conditions, vacancy,
    #: permits, photos) at /public/institutions. On: disclosure to the public is what these fields are collected for.
    public_disclosure: bool = True
    #: Raster tiles beneath the map of institutions, as an address with {x}, {y} and {z} (Web Mercator, CGCS2000 or
    #: WGS-84: 天地图's layers ending in `_w`), and the words that their owner wants beside them. Default: no base map,
    #: and no request leaves the installation.
    map_tile_url: str | None = None
    map_tile_attribution: str = "天地图"
    #: 审图号 of those tiles, which the law wants beside a public map: GS（2024）0650号.
    map_tile_approval: str = ""
    #: Where the heads of the audit trail's chain are kept: a file on another medium than the database, best one that
    #: the database's administrators cannot write. Default: a file in `home`.
    audit_heads_file: Path | None = None
    #: Loopback ports count up from here: app, Superset, Dagster, map tiles are all reached through the front door.
    first_internal_port: int = 8500

    @field_validator("map_tile_url")
    @classmethod
    def _tiles_have_places(cls, url: str | None) -> str | None:
        """The address may hold a key: the message does not repeat it."""
        if not url:
            return None
        if not url.startswith("https://") or not all(part in url for part in ("{x}", "{y}", "{z}")):
            raise ValueError("HUIYANG_MAP_TILE_URL must be an https address that contains {x}, {y} and {z}")
        return url

    @property
    def log_dir(self) -> Path:
        return self.home / "log"

    @property
    def run_dir(self) -> Path:
        """Sockets, lock and pid files."""
        return self.home / "run"

    @property
    def secrets_file(self) -> Path:
        return self.home / "secrets.json"

    @property
    def legacy_export_dir(self) -> Path:
        return self.home / "legacy_export" / self.scale.value

    @property
    def upload_dir(self) -> Path:
        """Photos and attachments, by content hash."""
        return self.home / "uploads"

    @property
    def report_dir(self) -> Path:
        """Acceptance reports, one folder a release."""
        return self.home / "reports"

    @property
    def audit_heads(self) -> Path:
        """The second medium of the audit trail."""
        return self.audit_heads_file or self.home / "audit" / "heads.log"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def told_address(self) -> str | None:
        """The address that the installation was told it has, for links that leave it; None if it was told none."""
        if self.public_address:
            return self.public_address
        name = next(filter(None, map(str.strip, self.front_door_names.split(","))), None)
        if name is None:
            return None
        host = f"[{name}]" if ":" in name else name
        return f"https://{host}" + ("" if self.front_door_port == 443 else f":{self.front_door_port}")

    @property
    def issuer(self) -> str:
        """How other applications know us (OpenID Connect); it must not depend on who asks."""
        return self.told_address or f"https://localhost:{self.front_door_port}"

    @property
    def app_port(self) -> int:
        return self.first_internal_port

    @property
    def superset_port(self) -> int:
        return self.first_internal_port + 1

    @property
    def dagster_port(self) -> int:
        """Of the page on which runs can be started and stopped."""
        return self.first_internal_port + 2

    @property
    def dagster_view_port(self) -> int:
        """Of the page that only shows."""
        return self.first_internal_port + 3


@cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
