"""Proof that a form was made by our own page for this browser and session (against cross-site request forgery).

A browser carries a random cookie that no script can read; a form carries an HMAC over that cookie and the session's
token. Another site can make the browser send the cookie, but cannot make the form.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256

from markupsafe import Markup
from starlette.requests import Request

FORM_COOKIE = "__Host-huiyang-form"
FORM_FIELD = "csrftoken"
FORM_HEADER = "x-csrftoken"


def new_form_cookie() -> str:
    return secrets.token_hex(16)


def form_token(key: str, form_cookie: str, session_token: str | None) -> str:
    """The value that a form must carry.

    Args:
        key: secret `app_session` of the installation.
    """
    return hmac.new(bytes.fromhex(key), f"{form_cookie}\0{session_token or ''}".encode(), sha256).hexdigest()


def form_token_is_right(expected: str, given: str | None) -> bool:
    return given is not None and hmac.compare_digest(expected.encode(), given.encode())


def csrf_input(request: Request) -> Markup:
    """The hidden field of a form."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, request.state.csrf_token)
