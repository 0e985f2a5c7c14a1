"""Records for tests of the operational app, made as the login `loader`, and a client that signs in as a user would.

The session's database is shared: every maker takes its names and numbers from its caller, and keys are new.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import httpx
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from starlette.testclient import TestClient

from huiyang.database import Login, connect
from huiyang.field_crypto import IndexPurpose, get_field_crypto, row_context
from huiyang.identifiers import id_number_check_character
from huiyang.names import initials_key, pinyin_key
from huiyang.settings import Settings
from operational_app.identity.models import RoleCode
from operational_app.identity.passwords import hash_password

CHIKAN, XIASHAN, MAZHANG = "440802000000", "440803000000", "440811000000"
#: 霞山区泉庄街道, which the development zone (ZJ-JKQ) counts as its own, and 霞山区解放街道, which it does not.
ZONE_TOWN, XIASHAN_TOWN = "440803070000", "440803001000"
PASSWORD = "correct-horse-battery-staple"
_HASH = hash_password(PASSWORD)
_numbers = itertools.count(secrets.randbelow(10**6) * 1000)


def unique(prefix: str = "") -> str:
    """Text that no other test of the session uses."""
    return f"{prefix}{next(_numbers)}"


def id_number(birth: date = date(1945, 3, 12), serial: int | None = None) -> str:
    """A valid resident ID number; of 赤坎区 where the serial is below a thousand."""
    number = next(_numbers) if serial is None else serial
    county = 440802 + number // 1000 % 90  # a session makes more than a thousand people; any prefix will do
    body = f"{county}{birth:%Y%m%d}{number % 1000:03d}"
    return body + id_number_check_character(body)


class Records:
    """Makes records in one installation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._crypto = get_field_crypto(settings)

    def insert(self, table: str, **values: Any) -> int:
        """One row; returns its key."""
        with connect(Login.LOADER, self.settings) as loader:
            return self._insert(loader, table, values)

    @staticmethod
    def _insert(loader: psycopg.Connection, table: str, values: dict[str, Any]) -> int:
        statement = sql.SQL("insert into {} ({}) values ({}) returning id").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() for _ in values),
        )
        row = loader.execute(statement, list(values.values())).fetchone()
        assert row is not None
        return int(row[0])

    def elder(
        self, name: str, division: str, *, id_number: str | None = None, phone: str | None = None,
        address: str | None = None, **values: Any,
    ) -> int:  # fmt: skip
        """An elder on file, with encrypted and indexed numbers as migration stores them."""
        crypto = self._crypto
        defaults: dict[str, Any] = {
            "name": name, "name_pinyin": pinyin_key(name), "name_initials": initials_key(name), "sex": "female",
            "birth_date": date(1945, 3, 12), "birth_month": date(1945, 3, 1),
            "id_number_status": "valid" if id_number else "missing",
            "id_number_index": crypto.blind_index(id_number, IndexPurpose.ID_NUMBER),
            "id_number_tail_index": crypto.blind_index(id_number, IndexPurpose.ID_NUMBER_TAIL4),
            "phone_status": "valid" if phone else "missing",
            "phone_index": crypto.blind_index(phone, IndexPurpose.PHONE),
            "phone_tail_index": crypto.blind_index(phone, IndexPurpose.PHONE_TAIL4),
            "division_code": division, "has_address": bool(address), "living_arrangement": "children",
            "economic_category": "ordinary", "registered_on": date(2024, 1, 1),
        }  # fmt: skip
        with connect(Login.LOADER, self.settings) as loader:
            key = self._insert(loader, "elders.elder", defaults | values)
            for column, text in (("id_number_cipher", id_number), ("phone_cipher", phone), ("address_cipher", address)):
                if text is not None:
                    cipher = crypto.encrypt(text, row_context("elders.elder", column, key))
                    statement = sql.SQL("update elders.elder set {} = %s where id = %s").format(sql.Identifier(column))
                    loader.execute(statement, [cipher, key])
        return key

    def organization(self, name: str, division: str, *kinds: str, **values: Any) -> int:
        """A market entity acting in the given kinds."""
        key = self.insert(
            "organizations.organization",
            **{
                "name": name, "name_pinyin": pinyin_key(name), "name_initials": initials_key(name),
                "credit_code_status": "missing", "division_code": division, "contact_phone_status": "missing",
            } | values,
        )  # fmt: skip
        for kind in kinds:
            self.insert("organizations.organization_kind", organization_id=key, kind=kind)
        return key

    def institution(self, name: str, division: str, **values: Any) -> tuple[int, int]:
        """An operating institution; (its key, its organization's key)."""
        organization = self.organization(name, division, "institution")
        defaults = {"institution_type": "nursing_home", "nature": "private", "operating_status": "operating"}
        key = self.insert(
            "institutions.institution", organization_id=organization, division_code=division, **(defaults | values)
        )
        return key, organization

    def bed(self, institution: int, **values: Any) -> int:
        """A bed in a room of its own."""
        building = self.insert("institutions.building", institution_id=institution, name=unique("楼"))
        room = self.insert("institutions.room", building_id=building, floor=1, name="101")
        defaults = {"kind": "nursing", "status": "free", "name": "1 床"}
        return self.insert("institutions.bed", institution_id=institution, room_id=room, **(defaults | values))

    def order(self, elder: int, provider: int, division: str, **values: Any) -> int:
        """A finished service order."""
        item = self.service_item()
        finished = datetime(2026, 10, 20, 2, tzinfo=UTC)
        defaults: dict[str, Any] = {
            "order_number": unique("GD"), "item_id": item, "source": "operator", "status": "finished",
            "requested_at": finished, "started_at": finished, "finished_at": finished,
            "amount_yuan": 60, "subsidy_yuan": 40, "self_paid_yuan": 20,
        }  # fmt: skip
        return self.insert(
            "home_service.service_order", elder_id=elder, provider_id=provider, division_code=division,
            **(defaults | values),
        )  # fmt: skip

    def service_item(self) -> int:
        """An item of the catalogue."""
        with connect(Login.LOADER, self.settings) as loader:
            row = loader.execute("select min(id) from home_service.service_category").fetchone()
        assert row is not None
        return self.insert(
            "home_service.service_item", item_code=unique("X"), name="助浴", category_id=row[0], pricing="per_visit",
            price_yuan=60,
        )  # fmt: skip

    def account(
        self, *roles: RoleCode, division_code: str | None = None, unit_code: str | None = None, **values: Any
    ) -> str:
        """An account with PASSWORD in a division's or unit's department, or in an organization; returns its name."""
        username = unique("user")
        with connect(Login.LOADER, self.settings) as loader:
            row = loader.execute(
                "select id from identity.department where is_builtin and case when %(unit)s::text is null"
                " then unit_code is null and division_code = %(division)s else unit_code = %(unit)s end",
                {"unit": unit_code, "division": division_code},
            ).fetchone()
            account = self._insert(
                loader, "identity.account",
                {"username": username, "display_name": "测试员", "password_hash": _HASH,
                 "department_id": row[0] if row else None} | values,
            )  # fmt: skip
            self._give(loader, account, roles)
        return username

    def replace_roles(self, username: str, *roles: RoleCode) -> None:
        """Takes a person's roles and gives others."""
        with connect(Login.LOADER, self.settings) as loader:
            row = loader.execute("select id from identity.account where username = %s", [username]).fetchone()
            assert row is not None
            loader.execute(
                "update identity.account_role set revoked_at = now() where account_id = %s and revoked_at is null", row
            )
            self._give(loader, row[0], roles)

    @staticmethod
    def _give(loader: psycopg.Connection, account: int, roles: Iterable[RoleCode]) -> None:
        for role in roles:
            loader.execute(
                "insert into identity.account_role (account_id, role_id, duty)"
                " select %s, id, duty from identity.role where code = %s",
                [account, role],
            )

    @contextmanager
    def release(self, **values: Any) -> Iterator[int]:
        """A release's result as the newest one, for the length of a block."""
        with connect(Login.INBOX, self.settings) as inbox:
            row = inbox.execute("select coalesce(max(release_id), 0) + 1 from inbox.release_result").fetchone()
            assert row is not None
            release_id = int(row[0])
            defaults: dict[str, Any] = {
                "period": "2026-10", "lane": "official", "state": "published",
                "as_of": datetime(2026, 11, 1, tzinfo=UTC), "published_at": datetime(2026, 11, 2, tzinfo=UTC),
                "publishable": True, "accepted": False, "completeness_numerator": 99_999,
                "completeness_denominator": 100_000, "error_numerator": 12, "error_denominator": 1_000,
            }  # fmt: skip
            self._insert(inbox, "inbox.release_result", {"release_id": release_id} | defaults | values)
        try:
            yield release_id
        finally:
            with connect(Login.INBOX, self.settings) as inbox:
                for table in ("violation", "rule_result", "theme_result", "figure_change", "release_result"):
                    inbox.execute(
                        sql.SQL("delete from inbox.{} where release_id = %s").format(sql.Identifier(table)),
                        [release_id],
                    )

    def result(self, table: str, **values: Any) -> None:
        """A row of the inbox."""
        adapted = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
        with connect(Login.INBOX, self.settings) as inbox:
            self._insert(inbox, f"inbox.{table}", adapted)

    def audited(self, **conditions: Any) -> list[dict[str, Any]]:
        """Audit events, oldest first; only the superuser may look."""
        from huiyang.server import admin_connect

        with admin_connect(self.settings, "app", row_factory=psycopg.rows.dict_row) as connection:
            wanted = sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in conditions)
            query = sql.SQL("select * from audit.audit_event where {} order by id").format(wanted)
            return connection.execute(query, list(conditions.values())).fetchall()


@dataclass
class Browser:
    """A client with cookies, over the app's ASGI interface, as behind the front door (https)."""

    client: TestClient

    @classmethod
    def of(cls, app: Any) -> Browser:
        return cls(TestClient(app, base_url="https://app.test", follow_redirects=False, raise_server_exceptions=False))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def form_token(self, path: str) -> str:
        """The token of the first form on a page."""
        found = re.search(r'name="csrftoken" value="([0-9a-f]+)"', self.get(path).text)
        assert found, f"no form on {path}"
        return found.group(1)

    def post(self, path: str, data: dict[str, str] | None = None, *, form_on: str) -> httpx.Response:
        """Posts a form that stands on the page `form_on`."""
        return self.client.post(path, data={**(data or {}), "csrftoken": self.form_token(form_on)})

    def sign_in(self, username: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        return self.post("/sign-in", {"username": username, "password": password, **more}, form_on="/sign-in")


def signed_in(app: Any, username: str, password: str = PASSWORD) -> Browser:
    """A browser whose user is signed in."""
    browser = Browser.of(app)
    response = browser.sign_in(username, password)
    assert response.status_code == 303, response.text
    return browser
