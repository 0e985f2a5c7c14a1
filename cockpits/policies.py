"""Who may do what, read from policies/."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

POLICIES_DIR = Path(__file__).parent / "policies"
ROLES_FILE = POLICIES_DIR / "roles.yaml"
TOMBSTONES_FILE = POLICIES_DIR / "tombstones.yaml"


@cache
def permissions_by_role() -> dict[str, list[tuple[str, str]]]:
    """Superset role of ours -> its (permission, view) pairs."""
    roles = yaml.safe_load(ROLES_FILE.read_text(encoding="utf-8"))["roles"]
    return {name: [(permission, view) for permission, view in pairs] for name, pairs in roles.items()}


@cache
def superset_roles_of(right: str) -> tuple[str, ...]:
    """Superset's roles for a right of the app; none for a right that the policy does not name."""
    return tuple(yaml.safe_load(ROLES_FILE.read_text(encoding="utf-8"))["accounts"].get(right, ()))


def tombstones() -> dict[str, str]:
    """UUID -> reason of assets that were made in a browser, defined here for a while, and retired."""
    return yaml.safe_load(TOMBSTONES_FILE.read_text(encoding="utf-8")) or {}
