"""A client of the REST API: signed in as a browser is, or with an access token."""

from __future__ import annotations

from typing import Any

import httpx

from tests.app_sample import Browser, signed_in

API = "/api/v1"


class Client:
    """Calls with the session's cookie and the form token."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.token = browser.get(f"{API}/me").json()["csrf_token"]

    @classmethod
    def of(cls, app: Any, username: str) -> Client:
        return cls(signed_in(app, username))

    @property
    def headers(self) -> dict[str, str]:
        return {"x-csrftoken": self.token}

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.browser.client.get(API + path, params=params)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.browser.client.request(method, API + path, json=body, headers=self.headers | headers)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.send("POST", path, body, **headers)


def is_problem(response: httpx.Response, status: int) -> str:
    """Asserts a problem of this status; returns what it tells."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told["status"] == status and told["title"]
    return str(told["detail"])
