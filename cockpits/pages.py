"""Superset's pages as our readers get them: usable on a phone, and Chinese where something goes wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, render_template, request
from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PrefixLoader

from cockpits import language
from cockpits.compile import PHONE_SUFFIX
from cockpits.definitions import load_definitions

TEMPLATES_DIR = Path(__file__).parent / "templates"
#: Our pictures, and the tile that maps get as their ground: an empty one, since no public tile host may be asked.
own_files = Blueprint("huiyang", __name__, static_folder="static", static_url_path="/huiyang")

#: Below this width a board's phone layout is shown.
PHONE_BELOW_PIXELS = 768

#: Words of the database -> what a reader is told.
_QUERY_ERRORS = {
    'relation "published': "尚未发布任何版本，首次发布后自动显示。",
    "statement timeout": "查询时间过长，已停止。请稍后再试。",
    "": "请稍后再试；仍取不到时，请联系系统管理员。",
}
#: Superset's own error pages are English and ask a public host for their font.
_ERROR_TEXTS = {
    403: ("没有查看权限", "这个驾驶舱没有对您的角色开放；如需查看，请联系系统管理员。"),
    404: ("没有这个页面", "地址可能已变更，请从工作台重新进入。"),
    500: ("页面暂时打不开", "请稍后再试；仍打不开时，请联系系统管理员。"),
}


@own_files.route("/tiles/<int:z>/<int:x>/<int:y>.png")
def empty_tile(z: int, x: int, y: int) -> Response:
    """One transparent pixel, whichever tile is asked for."""
    response = own_files.send_static_file("empty.png")
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def install(app: Flask) -> None:
    """Puts our templates, texts and error pages in the place of Superset's, whose files stay as they are."""
    _install_templates(app)
    _install_language_pack(app)
    _install_query_errors(app)
    _install_error_pages(app)
    _keep_label_colours(app)


def _install_templates(app: Flask) -> None:
    """Ours come first; Superset's stay reachable under `upstream/`."""
    upstream = app.jinja_loader
    loaders: list[BaseLoader] = [FileSystemLoader(TEMPLATES_DIR)]
    if upstream is not None:
        loaders += [upstream, PrefixLoader({"upstream": upstream})]
    app.jinja_loader = ChoiceLoader(loaders)
    boards = [name for name, board in load_definitions().dashboards.items() if "phone" in board.source]

    @app.context_processor
    def phone() -> dict[str, Any]:
        return {"phone_boards": boards, "phone_suffix": PHONE_SUFFIX, "phone_below_pixels": PHONE_BELOW_PIXELS}


def _install_language_pack(app: Flask) -> None:
    """Answers the front end's request for its texts."""
    pack = json.dumps(language.language_pack(), ensure_ascii=False)
    etag = hashlib.sha256(pack.encode()).hexdigest()

    @app.before_request
    def answer_language_pack() -> Response | None:
        if request.endpoint != "Superset.language_pack":
            return None
        response = Response(pack, mimetype="application/json")
        response.set_etag(etag)
        response.headers["Cache-Control"] = "no-cache"
        return response.make_conditional(request)


def _install_query_errors(app: Flask) -> None:
    """Says in Chinese why a chart has no data; the database's own words name tables, and stay in the log."""

    @app.after_request
    def query_error(response: Response) -> Response:
        if request.path == "/api/v1/chart/data" and response.status_code == 400 and response.is_json:
            message = str((response.get_json() or {}).get("message", ""))
            text = next(text for words, text in _QUERY_ERRORS.items() if words in message)
            response.set_data(json.dumps({"message": text}, ensure_ascii=False))
        return response


def _install_error_pages(app: Flask) -> None:
    @app.after_request
    def error_page(response: Response) -> Response:
        texts = _ERROR_TEXTS.get(response.status_code)
        if (
            texts
            and request.accept_mimetypes.best == "text/html"
            and not request.path.startswith(("/api/", "/static/"))
        ):
            response.direct_passthrough = False
            response.mimetype = "text/html"
            response.set_data(render_template("error.html", title=texts[0], advice=texts[1]))
        return response


def _keep_label_colours(app: Flask) -> None:
    """Whoever leaves a board, their page offers the colours that it drew; those of the definitions stay."""

    @app.before_request
    def decline_colours() -> Response | None:
        if request.endpoint != "DashboardRestApi.put_colors":
            return None
        return Response(json.dumps({"result": "kept"}), mimetype="application/json")
