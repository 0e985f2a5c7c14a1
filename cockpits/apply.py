"""Makes the running Superset what the definitions say; and takes away what they no longer say."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from cockpits import theme
from cockpits.application import applier
from cockpits.compile import VERSION, Document, compile_assets
from cockpits.definitions import load_definitions
from cockpits.drift import Drift, find_drift, report, theme_document
from cockpits.live import LiveAsset, live_assets, live_themes
from cockpits.validate import validate
from huiyang.database import Login, connection_parameters, sqlalchemy_url
from huiyang.errors import HuiyangError

_DATABASE_FILE = "databases/warehouse.yaml"


def masked_uri() -> str:
    """The warehouse as the cockpit login, with Superset's mask for the password."""
    return sqlalchemy_url(Login.COCKPIT, driver="psycopg2").set(password="X" * 10).render_as_string(hide_password=False)


def valid_documents() -> dict[str, Document]:
    """The compiled definitions.

    Raises:
        HuiyangError: they are not valid.
    """
    definitions = load_definitions()
    if problems := validate(definitions):
        raise HuiyangError("\n".join(map(str, problems)), "Correct the definitions; nothing was changed.")
    return compile_assets(definitions, uri=masked_uri())


def compare(wanted: Mapping[str, Document]) -> tuple[Drift, dict[str, LiveAsset]]:
    """The drift of the running Superset, and what is live."""
    live = live_assets()
    return find_drift(wanted, live, live_themes()), live


def apply(wanted: Mapping[str, Document]) -> list[str]:
    """Applies what differs; returns what was changed. A second run changes nothing.

    Raises:
        HuiyangError: Superset is not what the definitions say afterwards.
    """
    drift, live = compare(wanted)
    _set_database_password()
    if not drift.to_apply:
        return []
    theme_ids = _apply_themes()
    _import(wanted.values(), theme_ids)
    _set_what_an_import_leaves(wanted)
    remaining, now_live = compare(wanted)
    if remaining.to_apply:
        lines = report(remaining, wanted, now_live)
        raise HuiyangError("Superset did not take over everything:\n" + "\n".join(lines), "This is a bug of ours.")
    return report(Drift(drift.missing, drift.changed, [], [], drift.themes), wanted, live)


def prune(wanted: Mapping[str, Document]) -> list[str]:
    """Deletes what was ours and is no longer defined; returns what was deleted."""
    from superset.connectors.sqla.models import SqlaTable
    from superset.extensions import db
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    drift, live = compare(wanted)
    models = {"dashboards": Dashboard, "charts": Slice, "datasets": SqlaTable}
    deleted = []
    for kind, model in models.items():  # in this order: a dashboard refers to charts, a chart to its dataset
        for uuid in drift.retired:
            if live[uuid].kind == kind:
                db.session.delete(db.session.get(model, live[uuid].id))
                deleted.append(f"{kind}: {live[uuid].title}")
    db.session.commit()
    return deleted


def _apply_themes() -> dict[str, int]:
    """UUID -> this installation's number of each theme."""
    from superset.extensions import db
    from superset.models.core import Theme

    ids = {}
    for board_theme in theme.DASHBOARD_THEMES.values():
        item = db.session.query(Theme).filter_by(uuid=board_theme.uuid).one_or_none()
        if item is None:
            item = Theme(uuid=board_theme.uuid)
            db.session.add(item)
        for key, value in theme_document(board_theme).items():
            setattr(item, key, value)
        db.session.flush()
        ids[board_theme.uuid] = item.id
    db.session.commit()
    return ids


def _import(documents: Iterable[Document], theme_ids: dict[str, int]) -> None:
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    contents = {"metadata.yaml": yaml.safe_dump({"version": VERSION, "type": "assets"})}
    for document in documents:
        content: dict[str, Any] = copy.deepcopy(document.content)
        if document.kind == "dashboards":
            content["theme_id"] = theme_ids[content["theme_uuid"]]
        contents[f"{document.kind}/{document.name}.yaml"] = yaml.safe_dump(content, allow_unicode=True)
    with override_user(applier()):
        ImportAssetsCommand(contents, passwords={_DATABASE_FILE: _cockpit_password()}).run()


def _set_what_an_import_leaves(wanted: Mapping[str, Document]) -> None:
    """Roles of dashboards, owners, and fields that the import does not know."""
    from superset import security_manager
    from superset.connectors.sqla.models import SqlaTable
    from superset.extensions import db
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    owner = applier()
    models = {"dashboards": Dashboard, "charts": Slice, "datasets": SqlaTable}
    for uuid, document in wanted.items():
        if document.kind not in models:
            continue
        item = db.session.query(models[document.kind]).filter_by(uuid=uuid).one()
        item.owners = [owner]
        if document.kind == "dashboards":
            item.roles = [security_manager.find_role(name) for name in document.roles]
    db.session.commit()


def _cockpit_password() -> str:
    return str(connection_parameters(Login.COCKPIT)["password"])


def _set_database_password() -> None:
    """Follows the secrets file, whose password an export does not show."""
    from superset.extensions import db
    from superset.models.core import Database

    from cockpits.compile import DATABASE_UUID

    database = db.session.query(Database).filter_by(uuid=DATABASE_UUID).one_or_none()
    if database is not None and database.password != _cockpit_password():
        database.password = _cockpit_password()
        db.session.commit()
