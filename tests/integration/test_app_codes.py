"""Codes through the app: issue, replace, revoke, print, scan; scope and rights; whoever comes second is told."""

from __future__ import annotations

import io
import re
import threading
from datetime import date

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from sqlalchemy import create_engine

from huiyang.database import Login, connect, sqlalchemy_url
from huiyang.identifiers import CODE_SERIAL_DIGITS, CodeKind, issue_code
from operational_app import reference_data
from operational_app.codes import service
from operational_app.codes.models import SubjectKind
from operational_app.codes.rules import MOST_FAILED_SCANS, MOST_LABELS
from operational_app.core.row_security import ScopeSetting
from operational_app.identity.models import RoleCode
from operational_app.schema import migrate_to_head
from operational_app.web.database import AppDatabase
from tests.app_sample import CHIKAN, MAZHANG, XIASHAN, Browser, signed_in, unique

pytestmark = pytest.mark.any_postgres

CITY = "440800000000"
WHOLE_CITY = ScopeSetting(division_lo="4408", division_hi="4409")
UNKNOWN = "编码不存在、已失效，或者不在您的权限范围内"


@pytest.fixture(scope="module")
def staff(app, records):
    """A browser of data staff of the whole city, who may issue."""
    return signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=CITY))


@pytest.fixture(scope="module")
def database(installation):
    found = AppDatabase(installation, pool_size=4)
    yield found
    found.close()


@pytest.fixture
def elder(records):
    return records.elder("东方朔", CHIKAN)


def code_on(page: str) -> str:
    """The code that holds, as a card shows it."""
    found = re.search(r'<div class="code fs-2 fw-bold">(\w+)</div>', page)
    assert found, page
    return found.group(1)


def issue(browser: Browser, kind: str, key: int) -> str:
    """Issues a code through the card; returns it."""
    address = f"/codes/{kind}/{key}"
    assert browser.post(f"{address}/issue", form_on=address).status_code == 303
    return code_on(browser.get(address).text)


def code_id(browser: Browser, address: str) -> str:
    found = re.search(r'name="code_id" value="(\d+)"', browser.get(address).text)
    assert found
    return found.group(1)


class TestIssuing:
    @pytest.mark.feature(28, 29, 30)
    def test_each_kind_gets_a_code_by_the_rule_and_its_page_shows_it(self, staff, records, elder):
        institution, organization = records.institution(unique("康宁养老院"), CHIKAN)
        bed = records.bed(institution)
        for kind, key, page in (
            ("institution", organization, f"/institutions/{institution}"),
            ("bed", bed, f"/institutions/{institution}/beds/{bed}"),
            ("elder", elder, f"/elders/{elder}"),
        ):
            assert "尚未赋码" in staff.get(page).text
            code = issue(staff, kind, key)
            letter = SubjectKind[kind.upper()].letter
            assert re.fullmatch(rf"440802{letter.value}\d{{{CODE_SERIAL_DIGITS[letter]}}}[0-9A-Z]", code)
            assert code == issue_code("440802", letter, int(code[7:-1]))
            shown = staff.get(page).text
            assert code_on(shown) == code
            assert "data:image/svg+xml" in shown

    @pytest.mark.feature(30)
    def test_two_at_once_give_one_code_and_the_second_is_told(self, app, staff, records, elder):
        other = signed_in(app, records.account(RoleCode.OPERATOR, division_code=CITY))
        address = f"/codes/elder/{elder}"
        tokens = [(browser, browser.form_token(address)) for browser in (staff, other)]
        answers = []

        def press(browser: Browser, token: str) -> None:
            answers.append(browser.client.post(f"{address}/issue", data={"csrftoken": token}))

        threads = [threading.Thread(target=press, args=pair) for pair in tokens]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) == [303, 409]
        assert "已由他人赋码" in next(answer.text for answer in answers if answer.status_code == 409)

    def test_the_database_shows_the_code_where_lists_look_and_lets_nobody_else_write_it(
        self, installation, staff, elder
    ):
        code = issue(staff, "elder", elder)
        with connect(Login.LOADER, installation, autocommit=True) as loader:
            assert loader.execute("select elder_code from elders.elder where id = %s", [elder]).fetchone() == (code,)
            with pytest.raises(psycopg.errors.CheckViolation):
                loader.execute("update elders.elder set elder_code = null where id = %s", [elder])
        with connect(Login.EXTRACT, installation) as extract:
            logged = extract.execute(
                "select elder_code from changelog.elder where id = %s order by change_id", [elder]
            ).fetchall()
        assert [row[0] for row in logged][-1] == code

    def test_what_was_issued_is_never_changed_nor_deleted(self, installation, staff, elder):
        code = issue(staff, "elder", elder)
        for statement in (
            "delete from codes.issued_code where code = %s",
            "update codes.issued_code set serial = 9999999 where code = %s",
            "update codes.issued_code set elder_id = null where code = %s",
            "update codes.issued_code set issued_at = now() where code = %s",
        ):
            for login in (Login.APP, Login.LOADER):
                with connect(login, installation) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement, [code])
        with connect(Login.LOADER, installation) as loader, pytest.raises(psycopg.errors.UniqueViolation):
            loader.execute(  # a second code beside the one that holds
                "insert into codes.issued_code (kind, county_code, serial, elder_id, issue_reason)"
                " values ('elder', '440899', 1, %s, 'other')",
                [elder],
            )

    def test_a_code_that_came_in_past_the_counter_is_no_error_to_the_user(self, installation, staff, records):
        taken, wanting = records.elder("东方明", XIASHAN), records.elder("东方亮", XIASHAN)
        first = issue(staff, "elder", records.elder("东方红", XIASHAN))
        with connect(Login.LOADER, installation) as loader:
            loader.execute(
                "insert into codes.issued_code (kind, county_code, serial, elder_id, issue_reason)"
                " values ('elder', '440803', %s, %s, 'other')",
                [int(first[7:-1]) + 1, taken],
            )
        assert int(issue(staff, "elder", wanting)[7:-1]) == int(first[7:-1]) + 2

    @given(st.sampled_from(SubjectKind), st.integers(0, 999999), st.data())
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_the_database_makes_the_same_code_as_the_rule(self, installation, kind, county, data):
        serial = data.draw(st.integers(1, 10 ** CODE_SERIAL_DIGITS[kind.letter] - 1))
        with connect(Login.LOADER, installation) as loader:
            row = loader.execute("select codes.code_of(%s, %s, %s)", [f"{county:06d}", kind.value, serial]).fetchone()
        assert row == (issue_code(f"{county:06d}", kind.letter, serial),)

    def test_many_at_once_get_different_codes(self, database, records):
        keys = [records.elder("东方众", MAZHANG) for _ in range(12)]
        errors = []

        def work(part: list[int]) -> None:
            try:
                with database.transaction(WHOLE_CITY) as session:
                    assert service.issue(session, SubjectKind.ELDER, part, None) == len(part)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(keys[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        with connect(Login.LOADER, records.settings) as loader:
            rows = loader.execute("select elder_code from elders.elder where id = any(%s)", [keys]).fetchall()
        assert len({row[0] for row in rows}) == len(keys)


@pytest.mark.slow
@pytest.mark.feature(30)
def test_a_million_elders_get_a_million_codes_in_one_statement(new_server):
    settings = new_server()
    migrate_to_head(settings)
    reference_data.load(settings)
    with connect(Login.LOADER, settings) as loader:
        loader.execute(
            "insert into elders.elder (sex, id_number_status, phone_status, division_code, has_address,"
            " living_arrangement, economic_category, registered_on)"
            " select 'female', 'missing', 'missing', place.division_code, false, 'alone', 'ordinary', '2024-01-01'"
            " from (select division_code, row_number() over () as number, count(*) over () as places"
            " from reference.division where level = 'village') as place"
            " join generate_series(1, 1000000) as person on person %% place.places + 1 = place.number",
            [],
        )
    engine = create_engine(sqlalchemy_url(Login.LOADER, settings))
    with engine.begin() as connection:
        assert service.issue_missing(connection, SubjectKind.ELDER) == 1_000_000
    with engine.begin() as connection:
        assert service.issue_missing(connection, SubjectKind.ELDER) == 0
    engine.dispose()
    with connect(Login.LOADER, settings) as loader:
        assert loader.execute("select count(distinct elder_code), count(*) from elders.elder").fetchone() == (
            1_000_000,
            1_000_000,
        )
        shown = loader.execute(
            "select elder_code, left(division_code, 6) from elders.elder where id % 997 = 0"
        ).fetchall()
    assert all(code == issue_code(county, CodeKind.ELDER, int(code[7:-1])) for code, county in shown)


class TestReplacing:
    @pytest.mark.feature(30)
    def test_a_lost_label_gets_a_new_code_and_the_old_one_is_history(self, staff, records, elder):
        address = f"/codes/elder/{elder}"
        old = issue(staff, "elder", elder)
        form = {"code_id": code_id(staff, address), "reason": "lost", "note": "搬家时遗失"}
        assert staff.post(f"{address}/replace", form, form_on=address).status_code == 303
        page = staff.get(address).text
        new = code_on(page)
        assert new != old and "历史编码" in page and old in page and "已补发新码：搬家时遗失" in page
        assert staff.get(f"/c/{old}").status_code == 404
        assert staff.get(f"/c/{new}").headers["location"] == f"/elders/{elder}"
        assert [row["action"] for row in records.audited(target_table="elders.elder", target_id=elder)].count(
            "code_replace"
        ) == 1

    @pytest.mark.feature(28)
    def test_of_two_who_replace_at_once_one_wins_and_the_other_is_told(self, app, staff, records):
        _, organization = records.institution(unique("敬老院"), CHIKAN)
        issue(staff, "institution", organization)
        address = f"/codes/institution/{organization}"
        other = signed_in(app, records.account(RoleCode.OPERATOR, division_code=CHIKAN))
        seen = code_id(staff, address)
        tokens = [(browser, browser.form_token(address)) for browser in (staff, other)]
        answers = []

        def press(browser: Browser, token: str) -> None:
            form = {"code_id": seen, "reason": "damaged", "csrftoken": token}
            answers.append(browser.client.post(f"{address}/replace", data=form))

        threads = [threading.Thread(target=press, args=pair) for pair in tokens]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) == [303, 409]
        assert "已被他人补发或吊销" in next(answer.text for answer in answers if answer.status_code == 409)
        assert staff.get(address).text.count("已补发新码") == 1

    @pytest.mark.feature(29)
    def test_a_revoked_bed_code_stays_revoked_until_somebody_issues_again(self, staff, records, database):
        institution, _ = records.institution(unique("福利院"), CHIKAN)
        bed = records.bed(institution)
        address = f"/codes/bed/{bed}"
        old = issue(staff, "bed", bed)
        form = {"code_id": code_id(staff, address), "reason": "mistaken"}
        assert staff.post(f"{address}/revoke", form, form_on=address).status_code == 303
        page = staff.get(address).text
        assert "原编码已吊销，当前没有编码" in page
        assert staff.get(f"/c/{old}").status_code == 404
        listed = staff.get("/codes/list?kind=bed&state=revoked").text
        assert f'href="/codes/bed/{bed}"' in listed
        with database.transaction(WHOLE_CITY) as session:
            service.issue_missing(session, SubjectKind.BED)
        assert "当前没有编码" in staff.get(address).text
        assert issue(staff, "bed", bed) != old

    @pytest.mark.parametrize(
        ("form", "problem"),
        [({}, "请选择原因"), ({"reason": "first"}, "请选择原因"), ({"reason": "other"}, "请填写说明")],
    )
    def test_a_reason_is_needed(self, staff, elder, form, problem):
        code = issue(staff, "elder", elder)
        address = f"/codes/elder/{elder}"
        answer = staff.post(f"{address}/replace", {"code_id": code_id(staff, address)} | form, form_on=address)
        assert answer.status_code == 400 and problem in answer.text
        assert code_on(staff.get(address).text) == code

    def test_a_forged_form_changes_nothing(self, staff, elder):
        code = issue(staff, "elder", elder)
        address = f"/codes/elder/{elder}"
        form = {"code_id": code_id(staff, address), "reason": "lost", "csrftoken": "0" * 64}
        assert staff.client.post(f"{address}/replace", data=form).status_code == 403
        assert code_on(staff.get(address).text) == code

    def test_somebody_elses_code_is_not_replaced_through_this_card(self, staff, records, elder):
        issue(staff, "elder", elder)
        other = records.elder("东方白", CHIKAN)
        code = issue(staff, "elder", other)
        form = {"code_id": code_id(staff, f"/codes/elder/{other}"), "reason": "lost"}
        answer = staff.post(f"/codes/elder/{elder}/replace", form, form_on=f"/codes/elder/{elder}")
        assert answer.status_code == 409
        assert code_on(staff.get(f"/codes/elder/{other}").text) == code


class TestScanning:
    @pytest.mark.feature(28, 29, 30)
    def test_each_role_lands_on_its_own_page(self, app, staff, records, elder):
        institution, organization = records.institution(unique("康宁养老院"), CHIKAN)
        bed = records.bed(institution)
        provider = records.organization(unique("服务商"), CHIKAN, "provider")
        codes = {
            "elder": issue(staff, "elder", elder), "bed": issue(staff, "bed", bed),
            "institution": issue(staff, "institution", organization), "provider": issue(staff, "institution", provider),
        }  # fmt: skip
        operator = signed_in(app, records.account(RoleCode.OPERATOR, division_code=CHIKAN))
        manager = signed_in(app, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization))
        house, at_provider = f"/institutions/{institution}", f"/providers/{provider}"
        for browser, places in (
            (staff, (f"/elders/{elder}", f"{house}/beds/{bed}", house, at_provider)),
            (operator, (f"/elders/{elder}", f"/codes/bed/{bed}", f"/codes/institution/{organization}", at_provider)),
            (manager, (None, f"{house}/beds/{bed}", house, None)),
        ):
            for code, place in zip(codes.values(), places, strict=True):
                answer = browser.get(f"/c/{code.lower()}")
                assert answer.headers.get("location") == place
                assert answer.status_code == (302 if place else 404)

    @pytest.mark.feature(30)
    def test_who_may_not_know_is_told_the_same_whatever_the_code(self, app, staff, records, elder):
        code = issue(staff, "elder", elder)
        revoked_elder = records.elder("东方去", XIASHAN)
        revoked = issue(staff, "elder", revoked_elder)
        address = f"/codes/elder/{revoked_elder}"
        staff.post(f"{address}/revoke", {"code_id": code_id(staff, address), "reason": "mistaken"}, form_on=address)
        elsewhere = signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=XIASHAN))
        administrator = signed_in(app, records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        never = issue_code("440803", CodeKind.ELDER, 9_999_999)
        answers = {
            elsewhere.get(f"/c/{given}").text for given in (code, revoked, never, "440803Z12", "x" * 300, "%2e%2e")
        }
        assert {elsewhere.get(f"/c/{scanned}").status_code for scanned in (code, revoked, never)} == {404}
        assert len(answers) == 1 and UNKNOWN in answers.pop()
        assert administrator.get(f"/c/{code}").status_code == 404

    @pytest.mark.feature(30)
    def test_a_stranger_is_asked_to_sign_in_and_led_on(self, app, staff, records, elder):
        code = issue(staff, "elder", elder)
        username = records.account(RoleCode.OPERATOR, division_code=CHIKAN)
        stranger = Browser.of(app)
        never = issue_code("440802", CodeKind.ELDER, 9_999_998)
        asked = {given: stranger.get(f"/c/{given}") for given in (code, never)}
        assert {answer.status_code for answer in asked.values()} == {302}
        assert {answer.headers["location"].replace(given, "") for given, answer in asked.items()} == {
            "/sign-in?next=%2Fc%2F"
        }
        answer = stranger.sign_in(username, next=f"/c/{code}")
        assert answer.headers["location"] == f"/c/{code}"
        assert stranger.get(f"/c/{code}").headers["location"] == f"/elders/{elder}"

    def test_guessing_is_stopped_and_even_a_right_code_waits(self, app, staff, records, elder):
        code = issue(staff, "elder", elder)
        guesser = signed_in(app, records.account(RoleCode.OPERATOR, division_code=CHIKAN))
        for _ in range(3 * MOST_FAILED_SCANS):
            assert guesser.get(f"/c/{code}").status_code == 302  # what leads somewhere does not count
        guesses = [
            guesser.get(f"/c/{issue_code('440802', CodeKind.ELDER, 9_000_000 + n)}").status_code
            for n in range(MOST_FAILED_SCANS + 2)
        ]
        assert guesses == [404] * MOST_FAILED_SCANS + [429] * 2
        waiting = guesser.get(f"/c/{code}")
        assert waiting.status_code == 429 and "扫码过于频繁" in waiting.text
        assert staff.get(f"/c/{code}").status_code == 302  # nobody else waits

    def test_guesses_at_once_get_no_more_than_the_allowed_number(self, app, records):
        username = records.account(RoleCode.OPERATOR, division_code=CHIKAN)
        browsers = [signed_in(app, username) for _ in range(4)]
        statuses: list[int] = []

        def guess(browser: Browser, start: int) -> None:
            for n in range(MOST_FAILED_SCANS):
                given = issue_code("440802", CodeKind.ELDER, 9_100_000 + start * 100 + n)
                statuses.append(browser.get(f"/c/{given}").status_code)

        threads = [threading.Thread(target=guess, args=(browser, n)) for n, browser in enumerate(browsers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses.count(404) == MOST_FAILED_SCANS

    def test_every_scan_is_in_the_audit_trail_and_none_says_presence(self, app, records, staff, elder):
        code = issue(staff, "elder", elder)
        username = records.account(RoleCode.OPERATOR, division_code=CHIKAN)
        with connect(Login.LOADER, records.settings) as loader:
            account = loader.execute("select id from identity.account where username = %s", [username]).fetchone()[0]
        browser = signed_in(app, username)
        never = issue_code("440802", CodeKind.ELDER, 9_999_997)
        for scanned in (code, never, "440802194503121234"):
            browser.get(f"/c/{scanned}")
        scans = records.audited(action="code_scan", account_id=account)
        assert [(scan["outcome"], scan["target_id"], scan["details"]) for scan in scans] == [
            ("success", elder, {"code": code}),
            ("denied", None, {"code": never}),
            ("denied", None, {"code": None}),  # what is no code is not written down: it may be a person's number
        ]
        assert "不能证明任何人到过现场" in browser.get(f"/elders/{elder}").text


class TestManaging:
    @pytest.mark.feature(28, 29, 30)
    def test_the_list_finds_by_place_state_code_and_old_number(self, installation, staff, records):
        name = unique("寸金敬老院")
        institution, organization = records.institution(name, CHIKAN)
        bed = records.bed(institution, name="7 床")
        legacy = unique("YLJG")
        with connect(Login.LOADER, installation) as loader:
            loader.execute(
                "insert into codes.legacy_code (kind, legacy_code, organization_id) values ('institution', %s, %s)",
                [legacy, organization],
            )
        link = f'href="/codes/institution/{organization}"'
        assert link in staff.get(f"/codes/list?name={name}&state=never&county={CHIKAN}").text
        assert link not in staff.get(f"/codes/list?name={name}&county={XIASHAN}").text
        code = issue(staff, "institution", organization)
        assert link not in staff.get(f"/codes/list?name={name}&state=never").text
        assert link in staff.get(f"/codes/list?name={name}&state=current").text
        assert link in staff.get(f"/codes/list?code={code.lower()}").text
        page = staff.get(f"/codes/list?code={legacy}").text
        assert link in page and code in page
        assert f"旧平台编号：{legacy}" in staff.get(f"/codes/institution/{organization}").text
        assert link not in staff.get(f"/codes/list?code={legacy}0").text
        assert f'href="/codes/bed/{bed}"' in staff.get(f"/codes/list?kind=bed&name={name}").text

    @pytest.mark.feature(30)
    def test_code_and_old_number_of_a_merged_duplicate_lead_to_the_record_that_was_kept(self, staff, records):
        kept, merged = records.elder("东方同", CHIKAN), records.elder("东方同", CHIKAN)
        old_code, old_number = issue(staff, "elder", merged), unique("LR440802")
        records.insert("codes.legacy_code", kind="elder", legacy_code=old_number, elder_id=merged)
        assert staff.get(f"/c/{old_code}").headers["location"] == f"/elders/{merged}"
        records.insert(
            "elders.elder_merge", survivor_id=kept, merged_id=merged, merged_at=date(2025, 1, 1), reason="同一人"
        )
        assert staff.get(f"/c/{old_code}").headers["location"] == f"/elders/{kept}"
        assert f'href="/codes/elder/{kept}"' in staff.get(f"/codes/list?kind=elder&code={old_number}").text
        assert f"旧平台编号：{old_number}" in staff.get(f"/codes/elder/{kept}").text

    @pytest.mark.feature(30)
    def test_all_of_a_query_are_coded_at_once_but_the_dead_and_the_doubles(self, app, records):
        town = "440803002000"
        people = [records.elder("东方批", town) for _ in range(5)]
        dead = records.elder("东方逝", town, status="deceased", died_on=date(2025, 1, 1))
        double = records.elder("东方双", town)
        records.insert(
            "elders.elder_merge", survivor_id=people[0], merged_id=double, merged_at=date(2025, 1, 1), reason="同一人"
        )
        browser = signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=XIASHAN))
        form = {"kind": "elder", "county": XIASHAN, "town": town}
        chosen = browser.post("/codes/issue", form | {"id": str(people[0])}, form_on="/codes/list?kind=elder")
        assert "已赋长者码 1 个" in chosen.text
        rest = browser.post("/codes/issue", form | {"all": "1"}, form_on="/codes/list?kind=elder")
        assert "已赋长者码 4 个" in rest.text
        again = browser.post("/codes/issue", form | {"all": "1"}, form_on="/codes/list?kind=elder")
        assert "没有需要赋码的对象" in again.text
        with connect(Login.LOADER, records.settings) as loader:
            rows = loader.execute(
                "select id from elders.elder where id = any(%s) and elder_code is null", [[*people, dead, double]]
            ).fetchall()
        assert {row[0] for row in rows} == {dead, double}

    def test_nobody_codes_or_prints_beyond_the_own_scope(self, app, records, elder):
        browser = signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=XIASHAN))
        form = {"kind": "elder", "id": str(elder)}
        assert "没有需要赋码的对象" in browser.post("/codes/issue", form, form_on="/codes/list").text
        assert browser.post("/codes/print", form, form_on="/codes/list").status_code == 400
        assert browser.get(f"/codes/elder/{elder}").status_code == 404
        assert browser.post(f"/codes/elder/{elder}/issue", form_on="/codes/list").status_code == 404

    def test_a_manager_prints_the_own_house_and_changes_nothing(self, app, records, staff):
        institution, organization = records.institution(unique("颐养院"), CHIKAN)
        bed = records.bed(institution)
        issue(staff, "bed", bed)
        manager = signed_in(app, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization))
        page = manager.get(f"/codes/bed/{bed}").text
        assert "打印标签" in page and "补发" not in page
        answer = manager.post("/codes/print", {"kind": "bed", "id": str(bed)}, form_on=f"/codes/bed/{bed}")
        assert answer.headers["content-type"] == "application/pdf"
        for act in ("issue", "replace", "revoke"):
            answer = manager.post(f"/codes/bed/{bed}/{act}", {"code_id": "1"}, form_on=f"/codes/bed/{bed}")
            assert answer.status_code == 403
        leader = signed_in(app, records.account(RoleCode.LEADER, division_code=CITY))
        assert leader.get("/codes/list").status_code == 403
        assert 'id="code"' not in leader.get(f"/institutions/{institution}").text

    def test_a_kind_or_condition_that_there_is_none_of_is_said(self, staff):
        assert staff.get("/codes/person/1").status_code == 404
        answer = staff.post("/codes/print", {"kind": "person", "all": "1"}, form_on="/codes/list")
        assert answer.status_code == 400 and "没有这个选项" in answer.text


class TestPrinting:
    @pytest.mark.feature(28, 29, 30)
    def test_a_sheet_is_a_pdf_in_a4_and_an_elders_label_has_no_name(self, staff, records, elder):
        issue(staff, "elder", elder)
        answer = staff.post("/codes/print", {"kind": "elder", "id": str(elder)}, form_on=f"/codes/elder/{elder}")
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-")
        pages = PdfReader(io.BytesIO(answer.content)).pages
        text = pages[0].extract_text()
        assert [round(float(side) * 25.4 / 72) for side in pages[0].mediabox[2:]] == [210, 297]
        assert "长者码" in text and "东方" not in text
        printed = records.audited(action="code_print", target_id=elder)
        assert [event["details"] for event in printed] == [{"kind": "elder", "labels": 1}]

    def test_more_than_a_pdf_holds_is_refused_with_what_to_do(self, staff, database, records):
        town = "440804001000"
        with connect(Login.LOADER, records.settings) as loader:
            loader.execute(
                "insert into elders.elder (name, sex, id_number_status, phone_status, division_code, has_address,"
                " living_arrangement, economic_category, registered_on)"
                " select '东方印', 'female', 'missing', 'missing', %s, false, 'alone', 'ordinary', '2024-01-01'"
                " from generate_series(1, %s)",
                [town, MOST_LABELS + 1],
            )
        form = {"kind": "elder", "county": "440804000000", "town": town, "all": "1"}
        none = staff.post("/codes/print", form, form_on="/codes/list")
        assert none.status_code == 400 and "先赋码" in none.text
        assert f"已赋长者码 {MOST_LABELS + 1} 个" in staff.post("/codes/issue", form, form_on="/codes/list").text
        answer = staff.post("/codes/print", form, form_on="/codes/list")
        assert answer.status_code == 400 and f"超过 {MOST_LABELS} 张" in answer.text
