"""The front door as a browser meets it: real Caddy, real TLS; the upstreams record what reaches them."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import websockets

from huiyang.platform import front_door
from huiyang.settings import Settings

SECRET = "the-front-door-itself"


class Upstream(BaseHTTPRequestHandler):
    """Answers with what it was asked; as the app, lets in who carries the cookie of one of two sessions."""

    ROLES = {"session=good": "auditor", "session=administrator": "pipelines,pipeline_administration"}

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/auth/check":
            if roles := self.ROLES.get(self.headers.get("Cookie", "")):
                self._reply(200, {"X-Huiyang-User": "li.auditor", "X-Huiyang-Roles": roles})
            else:
                self._reply(302, {"Location": "/sign-in"})
        elif self.path == "/stream":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"data: first\n\n")
            self.server.release.wait(20)  # type: ignore[attr-defined]
            self.wfile.write(b"data: second\n\n")
            self.close_connection = True
        else:
            self._reply(200, {"Content-Type": "application/json", "Server": "upstream"})

    def _reply(self, status: int, headers: dict[str, str]) -> None:
        asked = {"path": self.path, "headers": dict(self.headers), "port": self.server.server_port}  # type: ignore[attr-defined]
        body = json.dumps(asked).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class Door:
    """A client that trusts the installation's own authority and nobody else."""

    def __init__(self, settings: Settings, release: threading.Event) -> None:
        self.settings = settings
        self.release = release
        self.context = ssl.create_default_context(cafile=str(front_door.authority_file(settings)))

    def connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.settings.front_door_port, context=self.context, timeout=10)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        connection = self.connection()
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, json.loads(body) if body else {}


@contextmanager
def running_door(ports: dict[str, int]) -> Iterator[Settings]:
    """Caddy under a configuration as `up` writes it, with a home of its own."""
    with tempfile.TemporaryDirectory(prefix="huiyang-door-") as home:
        settings = Settings(home=Path(home), **ports)
        for folder in (settings.run_dir, settings.log_dir):
            folder.mkdir()
        front_door.write_configuration(settings)
        with (settings.log_dir / "front-door.log").open("wb") as log:
            caddy = subprocess.Popen(
                front_door.command(settings),
                env=os.environ | {front_door.SECRET_VARIABLE: SECRET}, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + 20
            while not front_door.answers(settings):
                assert time.monotonic() < deadline, (settings.log_dir / "front-door.log").read_text()
                time.sleep(0.1)
            yield settings
        finally:
            caddy.terminate()
            caddy.wait(15)


@contextmanager
def upstream(port: int, release: threading.Event) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), Upstream)
    server.release = release  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def door(port_settings: Callable[[], dict[str, int]]) -> Iterator[Door]:
    release = threading.Event()
    with running_door(port_settings()) as settings, ExitStack() as stack:
        for port in (settings.app_port, settings.superset_port, settings.dagster_port, settings.dagster_view_port):
            stack.enter_context(upstream(port, release))
        yield Door(settings, release)


def test_the_app_is_at_the_root(door: Door) -> None:
    status, _, asked = door.get("/elders/12?tab=orders")
    assert (status, asked["port"], asked["path"]) == (200, door.settings.app_port, "/elders/12?tab=orders")
    assert asked["headers"]["X-Forwarded-Proto"] == "https"


@pytest.mark.parametrize(
    "path", ["/cockpits/", "/dagster/", "/cockpits", "/dagster/graphql", "/cockpits/api/v1/chart/"]
)
def test_who_is_not_signed_in_is_sent_to_sign_in(door: Door, path: str) -> None:
    status, headers, _ = door.get(path, Cookie="session=stolen")
    assert (status, headers["location"]) == (302, "/sign-in")


@pytest.mark.parametrize(
    "path", ["//cockpits/", "/%63ockpits/", "/./dagster/", "/x/../cockpits/", "/cockpits%2f", "/Dagster/"]
)
def test_no_spelling_of_a_path_goes_round_the_check(door: Door, path: str) -> None:
    status, headers, asked = door.get(path)
    reached_the_app = asked.get("port") == door.settings.app_port
    assert reached_the_app or headers.get("location") == "/sign-in" or status in (308, 400, 404)
    assert asked.get("port") in (None, door.settings.app_port)


@pytest.mark.parametrize(
    ("path", "port"), [("/cockpits/dashboard/1", "superset_port"), ("/dagster/runs", "dagster_view_port")]
)
def test_who_is_signed_in_reaches_it_under_the_apps_word(door: Door, path: str, port: str) -> None:
    status, _, asked = door.get(
        path, Cookie="session=good", X_Huiyang_User="admin", X_Huiyang_Roles="admin", X_Front_Door="guessed"
    )
    assert (status, asked["port"], asked["path"]) == (200, getattr(door.settings, port), path)
    assert asked["headers"]["X-Huiyang-User"] == "li.auditor"
    assert asked["headers"]["X-Huiyang-Roles"] == "auditor"
    assert asked["headers"]["X-Front-Door"] == SECRET


@pytest.mark.parametrize(
    ("session", "claimed", "port"),
    [
        ("administrator", "", "dagster_port"),
        ("administrator", "pipelines", "dagster_port"),
        ("good", "", "dagster_view_port"),
        ("good", "pipeline_administration", "dagster_view_port"),
        ("good", "pipelines,pipeline_administration", "dagster_view_port"),
    ],
)
def test_only_whom_the_app_lets_may_do_more_than_look_at_the_pipelines(
    door: Door, session: str, claimed: str, port: str
) -> None:
    for path in ("/dagster/runs", "/dagster/graphql"):
        _, _, asked = door.get(path, Cookie=f"session={session}", X_Huiyang_Roles=claimed)
        assert asked["port"] == getattr(door.settings, port)


@pytest.mark.parametrize("path", ["export/any/", "export_streaming/", "export_streaming/?x=1", "%65xport_streaming/"])
def test_results_of_queries_do_not_leave_as_files(door: Door, path: str) -> None:
    connection = door.connection()
    connection.request("POST", f"/cockpits/api/v1/sqllab/{path}", headers={"Cookie": "session=administrator"})
    assert connection.getresponse().status == 403
    connection.close()
    status, _, asked = door.get("/cockpits/api/v1/sqllab/results/", Cookie="session=administrator")
    assert (status, asked["port"]) == (200, door.settings.superset_port)


def test_a_claim_to_be_somebody_does_not_reach_the_app(door: Door) -> None:
    _, _, asked = door.get("/", X_Huiyang_User="admin", X_Huiyang_Roles="admin", X_Front_Door=SECRET)
    assert not [name for name in asked["headers"] if name.lower().startswith(("x-huiyang", "x-front-door"))]


def test_pages_may_load_nothing_from_outside(door: Door) -> None:
    _, headers, _ = door.get("/")
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert "'self'" in policy["default-src"]
    assert not [source for source in policy["default-src"].split() if source.startswith("http") or source == "*"]
    assert policy["frame-ancestors"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "server" not in headers


def test_an_event_arrives_before_its_stream_ends(door: Door) -> None:
    connection = door.connection()
    connection.request("GET", "/stream")
    response = connection.getresponse()
    assert response.readline() == b"data: first\n"
    door.release.set()
    assert b"data: second" in response.read()
    connection.close()


def test_every_name_of_this_machine_has_a_certificate(door: Door) -> None:
    for name in front_door.names(door.settings):
        is_address = ":" in name or name.replace(".", "").isdigit()
        host = name if is_address else "localhost"
        with (
            socket.create_connection((host, door.settings.front_door_port), timeout=10) as plain,
            door.context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            assert secure.version() in ("TLSv1.2", "TLSv1.3")


def test_the_access_log_holds_no_query_no_header_no_full_address(door: Door) -> None:
    door.get("/elders?name=%E9%99%88%E9%98%BF%E5%A9%86", Cookie="session=secretcookie")
    log = door.settings.log_dir / "access.log"
    deadline = time.monotonic() + 10
    while '"/elders"' not in (text := log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    entry = next(json.loads(line) for line in text.splitlines() if '"/elders"' in line)
    assert entry["status"] == 200
    assert entry["request"]["remote_ip"] in ("127.0.0.0", "::")
    for secret in ("name=", "%E9", "secretcookie", "127.0.0.1"):
        assert secret not in text
    assert log.stat().st_mode & 0o077 == 0


def test_a_web_socket_passes_and_is_asked_for_its_session_again(port_settings: Callable[[], dict[str, int]]) -> None:
    async def echo(connection: Any) -> None:
        async for message in connection:
            await connection.send(f"{connection.request.headers['X-Huiyang-User']} {message}")

    async def talk(settings: Settings) -> str:
        address = f"wss://localhost:{settings.front_door_port}/dagster/graphql"
        context = ssl.create_default_context(cafile=str(front_door.authority_file(settings)))
        async with (
            websockets.serve(echo, "127.0.0.1", settings.dagster_view_port),
            websockets.connect(address, ssl=context, additional_headers={"Cookie": "session=good"}) as client,
        ):
            await client.send("hello")
            answer = str(await asyncio.wait_for(client.recv(), 10))
            # The door ends it, and the browser's next one is checked again: a revoked user is out.
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(client.recv(), 30)
            with pytest.raises(websockets.InvalidStatus) as refusal:
                await websockets.connect(address, ssl=context)
            assert json.loads(refusal.value.response.body)["path"] == "/sign-in"  # the client follows the redirect
            return answer

    with running_door(port_settings()) as settings, upstream(settings.app_port, threading.Event()):
        assert asyncio.run(talk(settings)) == "li.auditor hello"
