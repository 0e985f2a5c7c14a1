"""The REST API: who may call what, flows through it, stale versions, races, repeated requests, pages by key."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from huiyang.database import Login, connect
from operational_app.api.assembly import make_api
from operational_app.api.operations import RIGHT
from operational_app.identity.models import RoleCode
from operational_app.web.services import today
from tests.app_api import API, Client, is_problem
from tests.app_sample import CHIKAN, XIASHAN, Browser, id_number, signed_in, unique

DOCUMENT = make_api().openapi()
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]  # fmt: skip


@pytest.fixture(scope="module")
def nobody(app, records):
    """Somebody signed in without any role."""
    return Client.of(app, records.account(division_code=CHIKAN))


def address(path):
    return path.replace("{", "").replace("}", "") if "{" not in path else path.format_map(_Ones())


class _Ones(dict):
    def __missing__(self, name):
        return "1"


class TestWhoMayCall:
    def test_every_operation_names_its_right(self):
        assert len(OPERATIONS) > 40
        assert not [(method, path) for method, path, operation in OPERATIONS if not operation.get(RIGHT)]

    def test_nobody_may_call_anything(self, app):
        client = Browser.of(app).client
        for method, path, _ in OPERATIONS:
            response = client.request(method, API + address(path), json={})
            is_problem(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"
        is_problem(client.get(f"{API}/docs"), 401)
        is_problem(client.get(f"{API}/nothing"), 401)

    def test_who_has_no_role_may_call_what_is_everybodys_only(self, nobody):
        for method, path, operation in OPERATIONS:
            if operation[RIGHT] != "workbench":
                is_problem(nobody.send(method, address(path), {}), 403)
        is_problem(nobody.get("/docs"), 403)
        assert nobody.get("/me").json()["resources"] == ["workbench"]

    def test_a_change_needs_the_form_token(self, app, records):
        browser = signed_in(app, records.account(division_code=CHIKAN))
        body = {"department_id": 1}
        bare = browser.client.post(f"{API}/join-requests/department", json=body)
        assert "X-CSRFToken" in is_problem(bare, 403)
        other = Client.of(app, records.account(division_code=CHIKAN))
        stolen = browser.client.post(f"{API}/join-requests/department", json=body, headers=other.headers)
        is_problem(stolen, 403)

    def test_who_has_to_set_a_password_does_that_first(self, app, records):
        username = records.account(RoleCode.LEADER, division_code=CHIKAN, must_change_password=True)
        assert "密码" in is_problem(signed_in(app, username).get(f"{API}/institutions"), 403)

    def test_another_county_is_not_found(self, app, records):
        here, _ = records.institution(unique("颐养院"), CHIKAN)
        there, _ = records.institution(unique("颐养院"), XIASHAN)
        leader = Client.of(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        assert leader.get(f"/institutions/{here}").json()["id"] == here
        is_problem(leader.get(f"/institutions/{there}"), 404)

    def test_a_wrong_token_is_refused_whatever_cookie_comes_along(self, nobody):
        response = nobody.browser.client.get(f"{API}/me", headers={"authorization": "Bearer nonsense"})
        is_problem(response, 401)


class TestDocument:
    def test_the_page_and_the_document_are_for_those_with_the_right(self, app, records):
        staff = Client.of(app, records.account(RoleCode.DATA_STAFF, division_code=CHIKAN))
        page = staff.get("/docs")
        assert page.status_code == 200 and "办理入住" in page.text and "<script>" not in page.text
        assert staff.get("/openapi.json").json()["paths"].keys() == DOCUMENT["paths"].keys()


class TestProblems:
    def test_a_wrong_field_is_named_in_chinese(self, app, records):
        house = House(app, records)
        told = house.client.post(f"/institutions/{house.key}/residents", {"bed_id": "x", "admitted_on": "2026-13-01"})
        is_problem(told, 422)
        found = {error["field"]: error["message"] for error in told.json()["errors"]}
        assert found["body.name"] == "缺少必填项" and found["body.bed_id"] == "应为整数"
        assert found["body.admitted_on"] == "日期应为 YYYY-MM-DD"

    def test_what_is_no_json_is_a_bad_request(self, nobody):
        headers = nobody.headers | {"content-type": "application/json"}
        response = nobody.browser.client.post(f"{API}/join-requests/department", content=b"{", headers=headers)
        is_problem(response, 400)

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/nothing", 404),
            ("/codes/a%0Ab/6.33e-234", 404),
            ("/%0A", 404),
            ("/a%0D%0Ab/1", 404),
            ("/me%0A", 404),
            ("/institutions/1%0A", 404),
        ],
    )
    def test_an_address_that_is_none_is_a_problem_too(self, nobody, path, status):
        """A line break once led past the API to the page that says 没有找到, a final one to the address without it."""
        is_problem(nobody.get(path), status)

    def test_too_much_is_too_much(self, nobody):
        response = nobody.browser.client.post(
            f"{API}/join-requests/department", content=b" " * 1_100_000, headers=nobody.headers
        )
        is_problem(response, 413)


class House:
    """An institution with its manager signed in."""

    def __init__(self, app, records, beds=1):
        self.app, self.records = app, records
        self.key, self.organization = records.institution(unique("颐养院"), CHIKAN)
        self.username = records.account(RoleCode.INSTITUTION_MANAGER, organization_id=self.organization)
        self.client = Client.of(app, self.username)
        self.beds = [records.bed(self.key) for _ in range(beds)]

    def person(self, name="林大海"):
        """An elder's papers."""
        number = id_number()
        self.records.elder(name, CHIKAN, id_number=number)
        return {"name": name, "id_number": number}

    def admission(self, papers, bed):
        return papers | {"bed_id": bed, "admitted_on": str(today())}

    def admit(self, papers, bed, client=None, **headers):
        path = f"/institutions/{self.key}/residents"
        return (client or self.client).post(path, self.admission(papers, bed), **headers)


@pytest.mark.feature(101)
class TestResidency:
    def test_a_stay_from_admission_to_discharge(self, app, records):
        house = House(app, records, beds=2)
        stay = house.admit(house.person("陈阿婆"), house.beds[0])
        assert stay.status_code == 201, stay.text
        path = f"/institutions/{house.key}/residents/{stay.json()['id']}"
        away = house.client.post(f"{path}/leave", {"on": str(today()), "reason": "探亲", "row_version": 1})
        assert away.status_code == 200, away.text
        assert house.client.get(path).json()["is_away"] is True
        back = house.client.post(f"{path}/return", {"on": str(today()), "row_version": away.json()["row_version"]})
        moved = house.client.post(
            f"{path}/transfer",
            {
                "on": str(today()), "bed_id": house.beds[1], "reason": "朝南",
                "row_version": back.json()["row_version"],
            },
        )  # fmt: skip
        assert moved.status_code == 200, moved.text
        new = moved.json()
        assert new["bed_id"] == house.beds[1]
        states = {
            bed["id"]: bed["status"] for room in house.client.get(f"/institutions/{house.key}/rooms").json()
            for bed in room["beds"]
        }  # fmt: skip
        assert states == {house.beds[0]: "free", house.beds[1]: "occupied"}
        gone = house.client.post(
            f"/institutions/{house.key}/residents/{new['id']}/discharge",
            {"on": str(today()), "why": "home", "reason": "家属接回", "row_version": new["row_version"]},
        )
        assert gone.status_code == 200 and gone.json()["discharge_reason"] == "home"
        assert house.client.get(f"/institutions/{house.key}/residents").json() == []

    def test_a_stale_version_is_a_conflict_and_changes_nothing(self, app, records):
        house = House(app, records)
        path = f"/institutions/{house.key}/beds/{house.beds[0]}/move"
        body = {"to": "reserved", "reason": "预留", "row_version": 1}
        assert house.client.post(path, body).status_code == 200
        told = house.client.post(path, body | {"to": "maintenance"})
        assert "他人修改" in is_problem(told, 409)
        rooms = house.client.get(f"/institutions/{house.key}/rooms").json()
        assert rooms[0]["beds"][0]["status"] == "reserved"

    def test_of_two_admissions_into_one_bed_exactly_one_wins(self, app, records):
        house = House(app, records)
        clients = [Client.of(app, house.username) for _ in range(2)]
        papers = [house.person("甲老人"), house.person("乙老人")]
        start, answers = threading.Barrier(2), []

        def run(client, who):
            start.wait()
            answers.append(house.admit(who, house.beds[0], client))

        threads = [threading.Thread(target=run, args=pair) for pair in zip(clients, papers, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) == [201, 409], [answer.text for answer in answers]
        assert len(house.client.get(f"/institutions/{house.key}/residents").json()) == 1

    def test_another_institution_is_none_of_ones_own(self, app, records):
        house, other = House(app, records), House(app, records)
        told = other.client.post(f"/institutions/{house.key}/residents", house.admission(house.person(), house.beds[0]))
        is_problem(told, 404)

    def test_rooms_in_bulk_come_whole_or_not_at_all(self, app, records):
        house = House(app, records, beds=0)
        body = {"building": "南楼", "floors": "2-3", "rooms": "01-04", "beds": 2}
        path = f"/institutions/{house.key}/rooms"
        assert house.client.post(path, body).json() == {"beds": 16}
        assert "已有房间" in is_problem(house.client.post(path, body | {"floors": "3-5"}), 422)
        assert len(house.client.get(path).json()) == 8


class TestRepeatedRequests:
    def test_a_repeat_is_answered_again_and_not_done_again(self, app, records):
        house = House(app, records, beds=2)
        papers, key = house.person(), str(uuid4())
        first = house.admit(papers, house.beds[0], **{"idempotency-key": key})
        again = house.admit(papers, house.beds[0], **{"idempotency-key": key})
        assert first.status_code == again.status_code == 201
        assert first.json() == again.json() and again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert len(house.client.get(f"/institutions/{house.key}/residents").json()) == 1
        other = house.admit(papers, house.beds[1], **{"idempotency-key": key})
        assert "Idempotency-Key" in is_problem(other, 422)

    def test_two_at_once_do_it_once(self, app, records):
        house = House(app, records, beds=0)
        key, start, answers = str(uuid4()), threading.Barrier(2), []
        body = {"building": "东楼", "floors": "1", "rooms": "01-03", "beds": 1}

        def run(client):
            start.wait()
            answers.append(client.post(f"/institutions/{house.key}/rooms", body, **{"idempotency-key": key}))

        threads = [threading.Thread(target=run, args=[Client.of(app, house.username)]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.json() for answer in answers] == [{"beds": 3}] * 2, [answer.text for answer in answers]
        assert len(house.client.get(f"/institutions/{house.key}/rooms").json()) == 3

    def test_a_refusal_uses_no_key_up(self, app, records):
        house = House(app, records)
        papers, key = house.person(), str(uuid4())
        is_problem(house.admit(papers, 2**62, **{"idempotency-key": key}), 422)
        assert house.admit(papers, house.beds[0], **{"idempotency-key": key}).status_code == 201

    def test_one_persons_key_is_not_anothers(self, app, records):
        key, houses = str(uuid4()), [House(app, records) for _ in range(2)]
        answers = [house.admit(house.person(), house.beds[0], **{"idempotency-key": key}) for house in houses]
        assert [answer.status_code for answer in answers] == [201, 201]

    def test_who_lost_the_right_gets_no_old_answer(self, app, records):
        house = House(app, records)
        papers, key = house.person(), str(uuid4())
        assert house.admit(papers, house.beds[0], **{"idempotency-key": key}).status_code == 201
        records.replace_roles(house.username, RoleCode.PROVIDER_STAFF)
        is_problem(house.admit(papers, house.beds[0], **{"idempotency-key": key}), 403)

    def test_old_keys_are_removed_and_answers_are_not_readable(self, app, records, installation):
        house = House(app, records, beds=2)
        old, new = uuid4(), uuid4()
        assert house.admit(house.person(), house.beds[0], **{"idempotency-key": str(old)}).status_code == 201
        with connect(Login.LOADER, installation) as loader:
            row = loader.execute("select answer_cipher from identity.idempotency_key where key = %s", [old]).fetchone()
            assert row and b"admitted_on" not in row[0]
            past = datetime.now(UTC) - timedelta(hours=49)
            loader.execute("update identity.idempotency_key set made_at = %s where key = %s", [past, old])
        assert house.admit(house.person(), house.beds[1], **{"idempotency-key": str(new)}).status_code == 201
        with connect(Login.LOADER, installation) as loader:
            kept = loader.execute(
                "select key from identity.idempotency_key where key = any(%s)", [[old, new]]
            ).fetchall()
        assert kept == [(new,)]


@pytest.mark.feature(8, 10)
class TestJoining:
    def _asked(self, app, records, installation):
        """Somebody who asks to join the county's department; (their client, the request's key)."""
        client = Client.of(app, records.account())
        with connect(Login.LOADER, installation) as loader:
            row = loader.execute(
                "select id from identity.department where division_code = %s and is_builtin and unit_code is null",
                [CHIKAN],
            ).fetchone()
        asked = client.post("/join-requests/department", {"department_id": row[0], "position": "科员"})
        assert asked.status_code == 201, asked.text
        return client, asked.json()["id"]

    def test_a_request_is_returned_corrected_and_approved(self, app, records, installation):
        client, key = self._asked(app, records, installation)
        manager = Client.of(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        file = manager.get(f"/join-requests/{key}").json()
        assert file["why_not"] is None
        reason = {"reason": "请写明职务", "row_version": file["row_version"]}
        returned = manager.post(f"/join-requests/{key}/return", reason).json()
        assert returned["state"] == "returned"
        corrected = client.post(
            f"/join-requests/{key}/correct", {"position": "主任科员", "row_version": returned["row_version"]}
        ).json()
        assert corrected["state"] == "submitted"
        body = {"row_version": corrected["row_version"]}
        assert manager.post(f"/join-requests/{key}/approve", body).json()["state"] == "approved"
        assert [event["act"] for event in manager.get(f"/join-requests/{key}").json()["events"]] == [
            "submit", "return", "resubmit", "approve",
        ]  # fmt: skip
        is_problem(manager.post(f"/join-requests/{key}/approve", body), 409)

    def test_nobody_decides_the_own_request(self, app, records, installation):
        client, key = self._asked(app, records, installation)
        is_problem(client.post(f"/join-requests/{key}/approve", {"row_version": 1}), 403)


@pytest.mark.feature(5)
class TestIdentity:
    def test_pages_by_key_show_each_record_once(self, app, records):
        security = Client.of(app, records.account(RoleCode.SECURITY_ADMINISTRATOR))
        seen, cursor = [], None
        while True:
            page = security.get("/roles", limit=4, **({"cursor": cursor} if cursor else {})).json()
            assert len(page["items"]) <= 4
            seen += [role["id"] for role in page["items"]]
            assert page["items"][0] == security.get(f"/roles/{seen[-len(page['items'])]}").json()
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == sorted(set(seen)) and len(seen) >= len(RoleCode)
        first = security.get("/roles", limit=4).json()["next"]
        is_problem(security.get("/groups", cursor=first), 422)
        is_problem(security.get("/roles", limit=101), 422)

    def test_a_department_manager_makes_an_account_once(self, app, records, installation):
        manager = Client.of(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        with connect(Login.LOADER, installation) as loader:
            row = loader.execute(
                "select id from identity.department where division_code = %s and is_builtin and unit_code is null",
                [CHIKAN],
            ).fetchone()
        body = {"username": unique("api"), "display_name": "新同事", "department_id": row[0]}
        key = {"idempotency-key": str(uuid4())}
        made, again = manager.post("/accounts", body, **key), manager.post("/accounts", body, **key)
        assert made.status_code == 201 and made.json() == again.json()
        file = manager.get(f"/accounts/{made.json()['id']}").json()
        change = {"display_name": "新同事", "row_version": file["row_version"]}
        assert manager.send("PUT", f"/accounts/{file['id']}", change).status_code == 200
        is_problem(manager.send("PUT", f"/accounts/{file['id']}", change), 409)
        assert manager.post(f"/accounts/{file['id']}/shut").json()["state"] == "shut"


@pytest.mark.feature(1)
class TestWorkbench:
    def test_notifications_are_ones_own_and_read_once(self, app, records, installation):
        mine, other = records.account(division_code=CHIKAN), records.account(division_code=CHIKAN)
        with connect(Login.LOADER, installation) as loader:
            for title in ("第一条", "第二条", "第三条"):
                loader.execute(
                    "insert into workbench.notification (account_id, kind, title, address, created_at)"
                    " select id, 'other', %s, '/', now() from identity.account where username = %s",
                    [title, mine],
                )
        client, stranger = Client.of(app, mine), Client.of(app, other)
        first = client.get("/me/notifications", limit=2).json()
        rest = client.get("/me/notifications", limit=2, cursor=first["next"]).json()
        told = first["items"] + rest["items"]
        assert [item["title"] for item in told] == ["第三条", "第二条", "第一条"] and rest["next"] is None
        key = told[0]["id"]
        assert stranger.get("/me/notifications").json()["items"] == []
        is_problem(stranger.post(f"/me/notifications/{key}/read"), 404)
        assert client.post(f"/me/notifications/{key}/read").json()["read_at"] is not None
        assert stranger.post("/me/notifications/read").status_code == 204
        unread = [item["id"] for item in client.get("/me/notifications").json()["items"] if item["read_at"] is None]
        assert unread == [told[1]["id"], told[2]["id"]]
        assert client.post("/me/notifications/read").status_code == 204
        assert all(item["read_at"] for item in client.get("/me/notifications").json()["items"])

    def test_to_dos_are_what_the_workbench_shows(self, app, records, installation):
        asked, row = Client.of(app, records.account()), None
        with connect(Login.LOADER, installation) as loader:
            row = loader.execute(
                "select id from identity.department where division_code = %s and is_builtin and unit_code is null",
                [CHIKAN],
            ).fetchone()
        assert asked.post("/join-requests/department", {"department_id": row[0]}).status_code == 201
        manager = Client.of(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        found = {item["label"]: item for item in manager.get("/me/to-dos").json()}
        waiting = found["加入、入驻申请待办理"]
        assert waiting["count"] >= 1 and waiting["url"].startswith("/joining/list")
        assert "加入、入驻申请待办理" not in {item["label"] for item in asked.get("/me/to-dos").json()}


@pytest.mark.parametrize("code", ["000000000000", "440899000000", "４４０８０２００００００"])
def test_a_division_that_there_is_not_is_told(app, records, code):
    staff = Client.of(app, records.account(RoleCode.DATA_STAFF, division_code="440800000000"))
    is_problem(staff.get("/institutions", division=code), 422)
    is_problem(staff.post("/elders/search", {"division": code}), 422)
