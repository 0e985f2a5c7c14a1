"""Superset 6.1's configuration for an installation; Superset loads it through SUPERSET_CONFIG_PATH.

It differs from Superset's defaults in four ways: sign-in is the front door's, everything is Chinese, no page asks
anything outside the installation, and results are cached under the release that they came from.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from flask_appbuilder.const import AUTH_REMOTE_USER

from cockpits import language, offline, pages, scripts, theme
from cockpits.sign_in import FrontDoorSecurityManager
from huiyang.database import Login, sqlalchemy_url
from huiyang.secret_store import load_secrets
from huiyang.settings import BUSINESS_TIMEZONE, COCKPIT_PATH, get_settings

_settings = get_settings()
_secrets = load_secrets(_settings.secrets_file)
_state = _settings.home / "superset"
_state.mkdir(mode=0o700, parents=True, exist_ok=True)

# --- metadata ---
SQLALCHEMY_DATABASE_URI = sqlalchemy_url(Login.SUPERSET, _settings, driver="psycopg2").render_as_string(
    hide_password=False
)
# Nothing reads it; the default is a file in the home folder of whoever runs Superset.
SQLALCHEMY_EXAMPLES_URI = SQLALCHEMY_DATABASE_URI
SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 10, "max_overflow": 10, "pool_pre_ping": True}
APPLICATION_ROOT = COCKPIT_PATH
UPLOAD_FOLDER = f"{_state / 'uploads'}/"
PREVENT_UNSAFE_DB_CONNECTIONS = True
ALEMBIC_SKIP_LOG_CONFIG = True

# --- secrets ---
SECRET_KEY = _secrets["superset"]
# Unused while EMBEDDED_SUPERSET and GLOBAL_ASYNC_QUERIES are off, but their defaults are public.
GUEST_TOKEN_JWT_SECRET = f"guest-{SECRET_KEY}"
GLOBAL_ASYNC_QUERIES_JWT_SECRET = f"async-{SECRET_KEY}"
GUEST_ROLE_NAME = "cockpit_guest"


def _guest_token_names_rows(token: dict[str, Any]) -> bool:
    """A guest token without row-level security would see every row."""
    return bool(token.get("rls")) and all(rule.get("clause") for rule in token["rls"])


GUEST_TOKEN_VALIDATOR_HOOK = _guest_token_names_rows

# --- sign-in: who somebody is, the front door says ---
AUTH_TYPE = AUTH_REMOTE_USER
CUSTOM_SECURITY_MANAGER = FrontDoorSecurityManager
FRONT_DOOR_SECRET = _secrets["front_door"]
AUTH_USER_REGISTRATION = False
AUTH_RATE_LIMITED = False  # there is no password here to guess
FAB_ADD_SECURITY_API = False  # users and roles come from the app and from policies/roles.yaml
FAB_API_SWAGGER_UI = False
SUPERSET_SECURITY_VIEW_MENU = False
# Superset's own downloads of figures would pass the app's audit trail by: nobody has them, administrators neither.
WITHHELD_PERMISSIONS = frozenset({"can_csv", "can_export_csv"})
SESSION_COOKIE_NAME = "huiyang_cockpits"
SESSION_COOKIE_PATH = COCKPIT_PATH
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_SAMESITE = "Lax"
ENABLE_CORS = False

# --- language and formats ---
BABEL_DEFAULT_LOCALE = "zh"
BABEL_DEFAULT_TIMEZONE = str(BUSINESS_TIMEZONE)
LANGUAGES = {"zh": {"flag": "cn", "name": "简体中文"}}
D3_FORMAT = {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["¥", ""]}
D3_TIME_FORMAT = language.TIME_FORMAT
CURRENCIES = ["CNY"]
CSV_EXPORT = {"encoding": "utf-8-sig"}

# --- look ---
APP_NAME = "湛江慧养 · 驾驶舱"
THEME_DEFAULT = theme.DESK
THEME_DARK = None
ENABLE_UI_THEME_ADMINISTRATION = False
EXTRA_CATEGORICAL_COLOR_SCHEMES = [theme.CATEGORICAL_SCHEME]
EXTRA_SEQUENTIAL_COLOR_SCHEMES = [theme.SEQUENTIAL_SCHEME]
APP_ICON = ""  # text instead of a picture; and Superset 6.1 fails on its own picture where THEME_DARK is None
BLUEPRINTS = [pages.own_files]
FAVICONS: list[dict[str, str]] = []

# --- features ---
FEATURE_FLAGS = {
    "DASHBOARD_RBAC": True,
    "ENABLE_TEMPLATE_PROCESSING": False,  # SQL of datasets is plain: a template could read what a reader may not
    "ENABLE_JAVASCRIPT_CONTROLS": False,
    "EMBEDDED_SUPERSET": False,
    "ALERT_REPORTS": False,
    "THUMBNAILS": False,
    "DYNAMIC_PLUGINS": False,
    "ALLOW_ADHOC_SUBQUERY": False,
    "DRILL_BY": False,
    "DRILL_TO_DETAIL": False,
    "FILTERBAR_CLOSED_BY_DEFAULT": True,
    # A wall shows the whole board at once, and pictures of it must not have holes.
    "DASHBOARD_VIRTUALIZATION": False,
}
ALERT_REPORTS_NOTIFICATION_METHODS: list[str] = []
EXTRA_DYNAMIC_QUERY_FILTERS: dict[str, Any] = {}

# --- caches: under the home folder, or in Redis where HUIYANG_REDIS_URL names one ---
_redis_url = os.environ.get("HUIYANG_REDIS_URL")


def _cache(name: str, seconds: int) -> dict[str, Any]:
    common = {"CACHE_DEFAULT_TIMEOUT": seconds, "CACHE_KEY_PREFIX": f"huiyang-{name}-"}
    if _redis_url:
        return common | {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": _redis_url}
    folder = _state / "cache" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return common | {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(folder), "CACHE_THRESHOLD": 5000}


CACHE_CONFIG = _cache("metadata", 300)
# Kept under the release (sign_in.FrontDoorSecurityManager.get_rls_cache_key), so that it is never stale, only old.
DATA_CACHE_CONFIG = _cache("data", 24 * 3600)
FILTER_STATE_CACHE_CONFIG = _cache("filters", 90 * 24 * 3600)
EXPLORE_FORM_DATA_CACHE_CONFIG = _cache("explore", 7 * 24 * 3600)
CELERY_CONFIG = None

# --- nothing outside the installation ---
MAPBOX_API_KEY = ""
DECKGL_BASE_MAP = offline.BASE_MAPS
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []
DATASET_IMPORT_ALLOWED_DATA_URLS: list[str] = []
TALISMAN_ENABLED = True
TALISMAN_CONFIG = offline.TALISMAN_CONFIG
HTML_SANITIZATION = True
HTML_SANITIZATION_SCHEMA_EXTENSIONS = offline.SANITIZATION_EXTENSIONS

# --- the rest ---
ROW_LIMIT = 10_000
SQL_MAX_ROW = 100_000
SUPERSET_WEBSERVER_TIMEOUT = 60
SUPERSET_DASHBOARD_POSITION_DATA_LIMIT = 262_144
# Superset's log records every chart request with its parameters; the app's audit records who opened a cockpit.
LOG_LEVEL = "WARNING"


def FLASK_APP_MUTATOR(app: Flask) -> None:
    """Runs once, when the application is made."""
    pages.install(app)
    scripts.install(app)
