"""Corrections of Superset's scripts, made while they are served; the wheel's files stay as they are."""

from __future__ import annotations

from flask import Flask, Response, request

#: What stands in a script -> what is served instead.
CORRECTIONS: dict[bytes, bytes] = {
    # The navigation bar loads a telemetry picture, with no setting against it. The content policy would block it, but
    # with an error in every console; so it gets the address of an empty picture.
    b"https://apachesuperset.gateway.scarf.sh/pixel/": b"data:image/gif;base64,R0lGODlhAQABAAAAACw=#",
    # A title that was never made translatable: 暂时取不到数据.
    b'title:"Data error"': b'title:"\\u6682\\u65f6\\u53d6\\u4e0d\\u5230\\u6570\\u636e"',
    # 6.1 stores a chart's description under one name and reads it under another: it was never shown.
    b"description_markdown": b"description_markeddown",
}


def install(app: Flask) -> None:
    """Corrects every script on its way out."""

    @app.after_request
    def correct(response: Response) -> Response:
        if response.status_code == 200 and request.path.startswith("/static/assets/") and request.path.endswith(".js"):
            response.direct_passthrough = False
            script = original = response.get_data()
            for wrong, right in CORRECTIONS.items():
                script = script.replace(wrong, right)
            if script != original:
                response.set_data(script)
        return response
