"""Superset inside this process: its application, its set-up, and the user that our changes are made by."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cockpits.policies import permissions_by_role
from huiyang.errors import HuiyangError
from huiyang.settings import COCKPIT_PATH, PROJECT_ROOT, get_settings

if TYPE_CHECKING:
    from flask import Flask
    from flask_appbuilder.security.sqla.models import User

CONFIG_FILE = Path(__file__).parent / "superset_config.py"
#: Owner of what is applied. The colon keeps anybody from signing in under this name.
APPLIER = "huiyang:apply"


def environment() -> dict[str, str]:
    """The variables that make Superset ours, for any process that starts it."""
    return {
        "SUPERSET_CONFIG_PATH": str(CONFIG_FILE),
        "SUPERSET_APP_ROOT": COCKPIT_PATH,
        "SUPERSET_HOME": str(get_settings().home / "superset"),
        "PYTHONPATH": str(PROJECT_ROOT),
    }


@contextmanager
def application() -> Iterator[Flask]:
    """Superset's application with its context pushed; the import alone takes some 5 seconds."""
    os.environ.update(environment())
    from superset.app import create_app

    app = create_app()
    logging.getLogger("superset").setLevel(logging.ERROR)
    with app.app_context():
        yield app


def set_up() -> list[str]:
    """Brings Superset's database, permissions and our roles up to date; returns what had to be done.

    Raises:
        HuiyangError: the database cannot be reached.
    """
    from sqlalchemy.exc import OperationalError

    try:
        return [*_migrate(), *_initialise(), *_roles()]
    except OperationalError as error:
        raise HuiyangError(
            f"Superset's database does not answer: {error.orig}", "Run `make up`, which starts it."
        ) from error


def _migrate() -> list[str]:
    from flask import current_app
    from flask_migrate import upgrade

    if current_app._is_database_up_to_date():
        return []
    upgrade()
    return ["database migrated"]


def _initialise() -> list[str]:
    """Superset's own permissions and roles. Its `init` takes seconds, so its inputs are remembered in the database."""
    from superset import appbuilder, security_manager
    from superset.extensions import db

    stamp = hashlib.sha256(f"{version('apache-superset')}:{CONFIG_FILE.read_text()}".encode()).hexdigest()
    if db.session.execute("select obj_description('ab_role'::regclass)").scalar() == stamp:
        return []
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    db.session.execute(f"comment on table ab_role is '{stamp}'")
    db.session.commit()
    return ["permissions and Superset's roles renewed"]


def _roles() -> list[str]:
    """Our roles with exactly their permissions."""
    from superset import security_manager
    from superset.extensions import db

    done = []
    for name, wanted in permissions_by_role().items():
        role = security_manager.find_role(name) or security_manager.add_role(name)
        if set(wanted) != {(item.permission.name, item.view_menu.name) for item in role.permissions}:
            role.permissions = [security_manager.add_permission_view_menu(*pair) for pair in wanted]
            done.append(f"role {name} set")
    db.session.commit()
    return done


def applier() -> User:
    """The user that owns what is applied; made when missing."""
    from superset import security_manager

    user = security_manager.find_user(username=APPLIER)
    return user or security_manager.add_user(
        APPLIER, "湛江慧养", "", "apply@localhost", [security_manager.find_role("Admin")]
    )
