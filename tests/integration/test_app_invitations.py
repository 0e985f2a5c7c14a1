"""Invitations into a market entity: made, followed, revoked, and what a stranger is told."""

from __future__ import annotations

import re
import threading

import pytest

from huiyang.database import Login, connect
from operational_app.identity.models import RoleCode
from operational_app.joining.invitations import NOT_VALID
from tests.app_api import Client, is_problem
from tests.app_sample import CHIKAN, Browser, signed_in, unique

pytestmark = pytest.mark.feature(13)
PAGE = "/organization/invitations"
OWN_PASSWORD = "Zhan-Jiang.Hai7"


def entity(app, records, **values):
    """An entity of 赤坎区 and the browser of its manager."""
    key = records.organization(unique("邀"), CHIKAN, "provider", **values)
    return key, signed_in(app, records.account(RoleCode.PROVIDER_MANAGER, organization_id=key))


def invite(browser, position="护理员", days=7, role=""):
    """(link's path, short code)"""
    answer = browser.post(PAGE, {"position": position, "days": str(days), "role": role}, form_on=PAGE)
    assert answer.status_code == 200, answer.text
    path = re.search(r"(/join/invitation/[\w-]{30,})", answer.text)[1]
    return path, re.search(r'data-testid="code">([\w-]+)<', answer.text)[1]


def accept(browser, secret):
    return browser.post("/join/invitation/accept", {"secret": secret}, form_on="/join/invitation")


def stored(records, organization, what="id, row_version"):
    with connect(Login.LOADER, records.settings) as loader:
        return loader.execute(
            f"select {what} from joining.invitation where organization_id = %s order by id desc limit 1", [organization]
        ).fetchone()


def change(records, organization, assignment):
    with connect(Login.LOADER, records.settings) as loader:
        loader.execute(f"update joining.invitation set {assignment} where organization_id = %s", [organization])


def test_a_newcomer_registers_and_follows_the_link(app, records):
    organization, manager = entity(app, records)
    role = re.search(r'<option value="(\d+)"[^>]*>服务商人员</option>', manager.get(PAGE).text)[1]
    path, _ = invite(manager, "养老护理员", role=role)
    assert "局领导" not in manager.get(PAGE).text
    token = path.rsplit("/", 1)[1]
    assert token not in str(stored(records, organization, "invitation")), "only its hash is kept"
    assert token not in manager.get(PAGE).text, "told once"
    browser, username = Browser.of(app), unique("n")
    sent = browser.get(path)
    assert sent.status_code == 302 and sent.headers["location"].startswith("/sign-in?")
    asked = browser.get(sent.headers["location"])
    register = re.search(r'href="(/register\?next=[^"]+)"', asked.text)[1]
    data = {"username": username, "display_name": "新人", "new": OWN_PASSWORD, "again": OWN_PASSWORD, "next": path}
    registered = browser.post("/register", data, form_on=register)
    assert f'name="next" value="{path}"' in registered.text
    assert browser.sign_in(username, OWN_PASSWORD).status_code == 303
    offered = browser.get(path)
    assert offered.status_code == 200 and "养老护理员" in offered.text
    assert accept(browser, token).status_code == 303
    assert browser.get("/orders/list").status_code == 200, "with the role, at once"
    page = manager.get(PAGE).text
    assert "已使用" in page and "新人" in page
    assert "邀请已使用" in manager.get("/notifications").text
    key, _ = stored(records, organization)
    steps = [event["details"]["step"] for event in records.audited(action="invitation", target_id=key)]
    assert steps == ["create", "accept"]


def test_what_is_not_valid_answers_alike(app, records):
    answers = set()
    for spoil, state in (
        ("used_at = now(), used_by = invited_by", "已使用"), ("revoked_at = now()", "已撤销"),
        ("expires_at = now()", "已过期"), (None, "待使用"),
    ):  # fmt: skip
        organization, manager = entity(app, records)
        path, code = invite(manager)
        if spoil:
            change(records, organization, spoil)
        else:
            path, code = "/join/invitation/" + "x" * 32, "ABCDE-FGHJK"
        assert state in manager.get(PAGE).text
        stranger = signed_in(app, records.account())
        by_code = stranger.post("/join/invitation", {"code": code}, form_on="/join/invitation")
        for answer in (by_code, stranger.get(path), accept(stranger, code)):
            assert answer.status_code == 422
            answers.add(re.search(r'role="alert">(.*?)</div>', answer.text)[1])
    assert answers == {NOT_VALID}


def test_tries_are_few_even_with_the_right_code(app, records):
    _, manager = entity(app, records)
    _, code = invite(manager)
    stranger = signed_in(app, records.account())
    for _ in range(5):
        assert accept(stranger, "ABCDE-FGHJK").status_code == 422
    locked = accept(stranger, code)
    assert locked.status_code == 422 and NOT_VALID in locked.text
    assert accept(signed_in(app, records.account()), code.lower()).status_code == 303, "others may"


def test_who_belongs_elsewhere_or_waits_is_told(app, records):
    _, manager = entity(app, records)
    _, code = invite(manager)
    elsewhere, _ = entity(app, records)
    for belongs in (
        records.account(RoleCode.LEADER, division_code=CHIKAN),
        records.account(RoleCode.PROVIDER_STAFF, organization_id=elsewhere),
    ):
        answer = accept(signed_in(app, belongs), code)
        assert answer.status_code == 422 and "您已属于部门或单位" in answer.text
    waits = signed_in(app, records.account())
    assert waits.post("/join/department/new", {"county": CHIKAN}, form_on="/join/department/new").status_code == 303
    assert "请先撤回" in accept(waits, code).text


def test_an_entity_not_in_force_invites_nobody(app, records):
    organization, manager = entity(app, records)
    _, code = invite(manager)
    records.insert(
        "organizations.qualification", organization_id=organization, kind="business", number="A",
        expires_on="2020-01-01",
    )  # fmt: skip
    refused = manager.post(PAGE, {"position": "护理员", "days": "7"}, form_on=PAGE)
    assert refused.status_code == 422 and "不在有效期内" in refused.text
    assert NOT_VALID in accept(signed_in(app, records.account()), code).text, "nor do its earlier invitations"
    _, boss = entity(app, records, status="suspended")
    assert "不能邀请人员" in boss.get(PAGE).text


def test_what_is_wrong_is_said_and_others_have_no_page(app, records):
    _, manager = entity(app, records)
    for data, told in [
        ({"position": " ", "days": "7"}, "请填写岗位"), ({"position": "甲", "days": "8"}, "请选择有效期"),
        ({"position": "甲", "days": "7", "role": "1"}, "不能授予"),
    ]:  # fmt: skip
        answer = manager.post(PAGE, data, form_on=PAGE)
        assert answer.status_code == 422 and told in answer.text
    county = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
    assert county.get(PAGE).status_code == 404
    assert signed_in(app, records.account()).get(PAGE).status_code == 403


def test_an_invitation_of_a_shut_manager_opens_nothing(app, records):
    organization, manager = entity(app, records)
    _, code = invite(manager)
    with connect(Login.LOADER, records.settings) as loader:
        loader.execute("update identity.account set is_active = false where organization_id = %s", [organization])
    assert NOT_VALID in accept(signed_in(app, records.account()), code).text


def test_another_entity_neither_sees_nor_revokes(app, records):
    organization, manager = entity(app, records)
    invite(manager, "独有岗位")
    _, other = entity(app, records)
    assert "独有岗位" not in other.get(PAGE).text
    key, version = stored(records, organization)
    assert other.post(f"{PAGE}/{key}/revoke", {"row_version": str(version)}, form_on=PAGE).status_code == 404
    assert manager.post(f"{PAGE}/{key}/revoke", {"row_version": str(version)}, form_on=PAGE).status_code == 303
    twice = manager.post(f"{PAGE}/{key}/revoke", {"row_version": str(version)}, form_on=PAGE)
    assert twice.status_code == 422 and "已使用或已撤销" in twice.text


def at_once(*acts):
    answers = []
    threads = [threading.Thread(target=lambda act=act: answers.append(act().status_code)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


def test_two_acceptances_at_once_one_wins(app, records):
    organization, manager = entity(app, records)
    _, code = invite(manager)
    people = [signed_in(app, records.account()) for _ in range(2)]
    forms = [{"secret": code, "csrftoken": person.form_token("/join/invitation")} for person in people]
    acts = [
        lambda person=person, form=form: person.client.post("/join/invitation/accept", data=form)
        for person, form in zip(people, forms, strict=True)
    ]
    assert at_once(*acts) == [303, 422]
    with connect(Login.LOADER, records.settings) as loader:
        (members,) = loader.execute(
            "select count(*) from identity.account where organization_id = %s", [organization]
        ).fetchone()
    assert members == 2, "the manager and one more"


def test_revoked_and_accepted_at_once_one_wins(app, records):
    organization, manager = entity(app, records)
    _, code = invite(manager)
    key, version = stored(records, organization)
    person = signed_in(app, records.account())
    own = {"secret": code, "csrftoken": person.form_token("/join/invitation")}
    taken_back = {"row_version": str(version), "csrftoken": manager.form_token(PAGE)}
    assert at_once(
        lambda: person.client.post("/join/invitation/accept", data=own),
        lambda: manager.client.post(f"{PAGE}/{key}/revoke", data=taken_back),
    ) == [303, 422]
    used, revoked = stored(records, organization, "used_at, revoked_at")
    assert (used is None) != (revoked is None)


def test_over_the_api(app, records):
    organization, _ = entity(app, records)
    manager = Client.of(app, records.account(RoleCode.PROVIDER_MANAGER, organization_id=organization))
    made = manager.post("/invitations", {"position": "护理员"})
    assert made.status_code == 201, made.text
    secret = made.json()
    assert "不能授予" in is_problem(manager.post("/invitations", {"position": "甲", "role_id": 1}), 422)
    (told,) = manager.get("/invitations").json()
    assert told["state"] == "待使用" and "token" not in told
    person = Client.of(app, records.account())
    is_problem(person.get("/invitations"), 403)
    assert is_problem(person.post("/invitations/accept", {"secret": "x" * 32}), 422) == NOT_VALID
    assert person.post("/invitations/accept", {"secret": secret["token"]}).status_code == 204
    assert [row["state"] for row in manager.get("/invitations").json()] == ["已使用"]
    late = manager.post(f"/invitations/{secret['id']}/revoke", {"row_version": told["row_version"]})
    is_problem(late, 409)
    second = manager.post("/invitations", {"position": "护理员", "days": 1}).json()
    gone = manager.post(f"/invitations/{second['id']}/revoke", {"row_version": second["row_version"]})
    assert gone.json()["state"] == "已撤销"
