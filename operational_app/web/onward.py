"""Leading on after a form, where the way may leave for another application."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from operational_app.web.gate import AUTHORIZE_PATH
from operational_app.web.services import page


def onward(request: Request, target: str) -> Response:
    """The answer to a form that is done; the browser goes on to `target`, a path of ours or an application's address.

    Our pages let forms lead to ourselves only (CSP `form-action`), and Chromium holds every redirect after a form
    against that, the later ones too. So a way that leaves for another application starts anew, from a page that moves
    on by itself, and the policy stays as narrow as it is.
    """
    parts = urlsplit(target)
    if parts.netloc or parts.path == AUTHORIZE_PATH:
        return page(request, "onward.html", title="正在前往", target=target)
    return RedirectResponse(target, status_code=303)
