"""The map with a tile source (天地图's shape): its tiles come with their key, its owner's words stand beside them.

That without a source nothing leaves the machine is what every other browser test sees to.
"""

from __future__ import annotations

import io
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image
from playwright.sync_api import Page, expect

from huiyang.settings import Settings
from operational_app.identity.models import RoleCode
from tests.app_sample import CHIKAN, unique
from tests.browser.test_app_pages import PHONE, Site, serving, sign_in

pytestmark = pytest.mark.feature(98)
KEY = "test-key-7"


class Tiles:
    """A server of tiles on this machine, and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        picture = io.BytesIO()
        Image.new("RGB", (256, 256), "#dbe7d3").save(picture, "PNG")
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "image/png")
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(picture.getvalue())

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certificate(folder))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def _certificate(folder: Path) -> Path:
    """Key and certificate of this machine, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tiles")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "tiles.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiles]:
    found = Tiles(tmp_path_factory.mktemp("tiles"))
    yield found
    found.server.shutdown()


@pytest.fixture(scope="module")
def site(installation: Settings, tiles: Tiles) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as environment:
        source = f"https://{tiles.host}/vec_w/{{z}}/{{x}}/{{y}}?tk={KEY}"
        environment.setenv("HUIYANG_MAP_TILE_URL", source)
        environment.setenv("HUIYANG_MAP_TILE_APPROVAL", "GS（2024）0650号")
        with serving(installation.model_copy(update={"map_tile_url": source})) as found:
            yield found


@contextmanager
def only_tiles(site: Site, tiles: Tiles) -> Iterator[Page]:
    """A page on a phone that may ask the tile server and nobody else."""
    tiles.asked.clear()
    with site.page(PHONE) as page:
        yield page
        wanted = f"request to {tiles.host}"
        assert wanted in site.faults
        site.faults[:] = [fault for fault in site.faults if fault != wanted]
    for path in tiles.asked:
        parts = urlsplit(path)
        _, layer, zoom, x, y = parts.path.split("/")
        assert layer == "vec_w" and parse_qs(parts.query) == {"tk": [KEY]}
        assert 0 <= int(x) < 2 ** int(zoom) and 0 <= int(y) < 2 ** int(zoom)


def test_the_public_map_draws_tiles_and_names_their_owner(site: Site, tiles: Tiles) -> None:
    with only_tiles(site, tiles) as page:
        page.goto("/public/institutions")
        expect(page.locator("[data-map]")).to_have_attribute("data-drawn", re.compile("[0-9]"), timeout=20_000)
        words = page.locator(".maplibregl-ctrl-attrib")
        expect(words).to_contain_text("天地图")
        expect(words).to_contain_text("审图号：GS（2024）0650号")
        page.wait_for_timeout(300)
        assert tiles.asked
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_positions_map_draws_them_too(site: Site, tiles: Tiles) -> None:
    key, organization = site.records.institution(unique("临海居"), CHIKAN)
    manager = site.records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization)
    with only_tiles(site, tiles) as page:
        sign_in(page, manager)
        page.goto(f"/institutions/{key}/profile")
        expect(page.locator("[data-position-map]")).to_have_attribute("data-ready", "1", timeout=20_000)
        expect(page.locator(".maplibregl-ctrl-attrib")).to_contain_text("审图号")
        page.wait_for_timeout(300)
        assert tiles.asked
