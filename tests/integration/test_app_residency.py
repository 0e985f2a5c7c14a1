"""Beds and residents of an institution, through its pages: admission, transfer, leave, discharge, agreements."""

from __future__ import annotations

import io
import re
import threading
from datetime import date, timedelta

import pytest
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject
from sqlalchemy import update

from huiyang.database import Login, connect
from operational_app.core.row_security import ScopeSetting
from operational_app.identity.administration import Work
from operational_app.identity.models import RoleCode
from operational_app.institutions.models import Bed
from operational_app.institutions.service import settled
from operational_app.web.database import AppDatabase
from operational_app.web.services import today
from tests.app_sample import CHIKAN, PASSWORD, XIASHAN, Browser, id_number, signed_in, unique


class House:
    """An institution with its manager signed in."""

    def __init__(self, app, records, beds=0):
        self.app, self.records = app, records
        self.key, self.organization = records.institution(unique("颐养院"), CHIKAN)
        self.username = records.account(RoleCode.INSTITUTION_MANAGER, organization_id=self.organization)
        self.browser = signed_in(app, self.username)
        self.page = f"/institutions/{self.key}"
        self.beds = [records.bed(self.key) for _ in range(beds)]

    def look(self, path=""):
        response = self.browser.get(self.page + path)
        assert response.status_code == 200, response.text
        return response.text

    def post(self, path, data=None, form_on=None, browser=None):
        return (browser or self.browser).post(self.page + path, data, form_on=self.page + (form_on or path))

    def found(self, name, number, browser=None):
        return self.post("/admission/find", {"name": name, "id_number": number}, "/admission", browser)

    def seal(self, name, number, browser=None):
        page = self.found(name, number, browser).text
        found = re.search(r'name="who" value="([^"]+)"', page)
        assert found, page
        return found[1]

    def admit(self, name, number, bed, on=None, browser=None, seal=None, **more):
        data = {"who": seal or self.seal(name, number, browser), "bed": str(bed), "admitted_on": str(on or today())}
        return self.post("/admission", data | more, "/admission", browser)

    def resident(self, bed=None, name="林大海", on=None):
        """Somebody admitted; (elder's key, residency's key)."""
        number = id_number()
        elder = self.records.elder(name, CHIKAN, id_number=number)
        response = self.admit(name, number, bed or self.beds[0], on)
        assert response.status_code == 303, response.text
        return elder, int(re.search(r"/residents/(\d+)", response.headers["location"])[1])

    def version(self, table, key):
        return self.value(f"select row_version from institutions.{table} where id = %s", key)

    def value(self, query, *values):
        with connect(Login.LOADER, self.records.settings) as loader:
            row = loader.execute(query, values).fetchone()
        return row[0] if row and len(row) == 1 else row

    def act(self, stay, what, browser=None, version=None, **data):
        data["row_version"] = str(version or self.version("residency", stay))
        return self.post(f"/residents/{stay}/{what}", data, f"/residents/{stay}", browser)

    def move(self, bed, to, version=None, reason="检修"):
        data = {"to": to, "reason": reason, "row_version": str(version or self.version("bed", bed))}
        return self.post(f"/beds/{bed}", data, "/admission")

    def status(self, bed):
        return self.value("select status from institutions.bed where id = %s", bed)


@pytest.fixture
def house(app, records):
    return House(app, records, beds=2)


def days_ago(count):
    return today() - timedelta(days=count)


@pytest.mark.feature(101)
class TestAdmission:
    def test_an_elder_moves_into_a_free_bed(self, house, records):
        elder, stay = house.resident(name="陈阿婆", on=days_ago(10))
        assert house.status(house.beds[0]) == "occupied"
        row = house.value(
            "select act, occurred_on, to_bed_id, account_name from institutions.residency_event"
            " where residency_id = %s",
            stay,
        )
        assert row == ("admit", days_ago(10), house.beds[0], "测试员")
        assert house.value("select living_arrangement from elders.elder where id = %s", elder) == "institution"
        assert [e["details"] for e in records.audited(action="residency_change", target_id=stay)] == [{"kind": "admit"}]
        for page in ("/beds", "/residents", f"/residents/{stay}"):
            assert "陈阿婆" in house.look(page), page
        assert house.browser.get(f"/elders/{elder}").status_code == 200, "the institution cares for the elder now"

    def test_who_is_not_known_exactly_is_not_found_wherever_the_error_is(self, house, records):
        number = id_number()
        elder = records.elder("吴玉莲", CHIKAN, id_number=number)
        told = set()
        for name, given in (("吴玉兰", number), ("吴玉莲", id_number()), ("吴", number), ("吴玉莲", number[-4:])):
            response = house.found(name, given)
            assert response.status_code == 200 and 'name="who"' not in response.text
            told.add("没有查到" in response.text)
        assert told == {True}
        assert "吴玉莲" in house.found("吴玉莲", number).text
        assert number not in house.found("吴玉莲", number).text.replace(f'value="{number}"', "")
        assert house.browser.get(f"/elders/{elder}").status_code == 404, "finding opens nothing"
        wrong = house.found("吴玉莲", "12")
        assert wrong.status_code == 422 and "身份证号请输入" in wrong.text

    def test_a_key_that_the_page_did_not_hand_out_admits_nobody(self, house, records):
        elder = records.elder("黄秀", CHIKAN, id_number=id_number())
        for seal in ("", str(elder), "AAAA"):
            data = {"who": seal, "bed": str(house.beds[0]), "admitted_on": str(today())}
            response = house.post("/admission", data, "/admission")
            assert response.status_code == 422 and "请先查找老人" in response.text
        other = House(house.app, records)
        number = id_number()
        records.elder("周一", CHIKAN, id_number=number)
        stolen = other.seal("周一", number)
        response = house.admit("周一", number, house.beds[0], seal=stolen)
        assert response.status_code == 422, "a seal is of the session that made it"

    def test_what_cannot_be_is_refused_in_words(self, house, records):
        _, stay = house.resident(on=days_ago(20))
        assert house.act(stay, "discharge", on=str(days_ago(5)), why="home", reason="回家").status_code == 303
        number = id_number()
        records.elder("李二", CHIKAN, id_number=number)
        bed, other = house.beds
        for data, told in [
            ({"bed": bed, "on": today() + timedelta(days=1)}, "不能晚于今天"),
            ({"bed": bed, "on": days_ago(6)}, "不能早于该床位上一位老人退住"),
            ({"bed": 0}, "请选择床位"),
            ({"bed": House(house.app, records, beds=1).beds[0]}, "请选择本机构的床位"),
            ({"bed": bed, "on": "昨天"}, "不是有效日期"),
            ({"bed": bed, "monthly_fee": "三千"}, "月费请填写数字"),
        ]:
            response = house.admit("李二", number, **data)
            assert response.status_code == 422 and told in response.text, told
        assert house.move(other, "maintenance").status_code == 303
        assert "现为“维修”" in house.admit("李二", number, other).text
        dead = id_number()
        records.elder("张三", CHIKAN, id_number=dead, status="deceased", died_on=date(2026, 1, 1))
        assert "已登记为已故" in house.found("张三", dead).text
        assert house.value("select count(*) from institutions.residency where bed_id = any(%s)", house.beds) == 1

    def test_nobody_lives_in_two_institutions(self, house, records):
        number = id_number()
        records.elder("何四", XIASHAN, id_number=number)
        other = House(house.app, records, beds=1)
        seal = other.seal("何四", number)
        assert house.admit("何四", number, house.beds[0]).status_code == 303
        response = other.admit("何四", number, other.beds[0], seal=seal)
        assert response.status_code == 422 and "已有入住登记" in response.text
        assert other.status(other.beds[0]) == "free"

    def test_two_admissions_at_once_into_one_bed(self, house, records):
        people = []
        for name in ("赵甲", "钱乙", "孙丙"):
            number = id_number()
            records.elder(name, CHIKAN, id_number=number)
            browser = Browser.of(house.app)
            browser.sign_in(house.username, PASSWORD)
            people.append((name, number, browser, house.seal(name, number, browser)))
        answers = self._at_once(
            [lambda p=p: house.admit(p[0], p[1], house.beds[0], browser=p[2], seal=p[3]) for p in people]
        )
        assert sorted(answer.status_code for answer in answers) == [303, 422, 422]
        assert all("另选床位" in answer.text for answer in answers if answer.status_code == 422)
        living = "select count(*) from institutions.residency where bed_id = %s"
        assert house.value(living, house.beds[0]) == 1

    def test_two_institutions_admit_one_elder_at_once(self, house, records):
        number = id_number()
        elder = records.elder("李丁", CHIKAN, id_number=number)
        houses = [house, House(house.app, records, beds=1), House(house.app, records, beds=1)]
        seals = [each.seal("李丁", number) for each in houses]
        answers = self._at_once(
            [
                lambda each=each, seal=seal: each.admit("李丁", number, each.beds[0], seal=seal)
                for each, seal in zip(houses, seals, strict=True)
            ]
        )
        assert sorted(answer.status_code for answer in answers) == [303, 422, 422]
        assert house.value("select count(*) from institutions.residency where elder_id = %s", elder) == 1
        assert sorted(each.status(each.beds[0]) for each in houses) == ["free", "free", "occupied"]

    def test_two_acts_that_block_each_other_are_both_done(self, house):
        """A real deadlock: each holds what the other wants; PostgreSQL ends one, which is done anew."""
        database, barrier, tries = AppDatabase(house.records.settings), threading.Barrier(2), []

        def change(first, second):
            session = database.session(ScopeSetting(organization_id=house.organization))
            is_first_try = True

            def act():
                nonlocal is_first_try
                tries.append(first)
                session.execute(update(Bed).where(Bed.id == first).values(row_version=Bed.row_version + 1))
                if is_first_try:
                    is_first_try = False
                    barrier.wait()
                session.execute(update(Bed).where(Bed.id == second).values(row_version=Bed.row_version + 1))
                session.commit()

            settled(Work(session, None, None, None), act)
            session.close()
            return first

        one, other = house.beds
        answers = self._at_once([lambda: change(one, other), lambda: change(other, one)])
        database.close()
        assert sorted(answers) == sorted(house.beds) and len(tries) == 3
        assert [house.version("bed", bed) for bed in house.beds] == [3, 3]

    @staticmethod
    def _at_once(acts):
        barrier, answers = threading.Barrier(len(acts)), []

        def run(act):
            barrier.wait()
            answers.append(act())

        threads = [threading.Thread(target=run, args=[act]) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(answers) == len(acts)
        return answers


@pytest.mark.feature(101)
class TestStay:
    def test_transfer_goes_on_in_the_other_bed_and_frees_the_first(self, house):
        old, new = house.beds
        _, stay = house.resident(on=days_ago(9))
        response = house.act(stay, "transfer", bed=str(new), on=str(days_ago(3)), reason="靠近护士站")
        assert response.status_code == 303
        assert (house.status(old), house.status(new)) == ("free", "occupied")
        following = int(re.search(r"/residents/(\d+)", response.headers["location"])[1])
        row = house.value(
            "select bed_id, admitted_on, first_id, discharged_on from institutions.residency where id = %s", following
        )
        assert row == (new, days_ago(3), stay, None)
        text = house.look(f"/residents/{following}")
        assert str(days_ago(9)) in text and "靠近护士站" in text and "→" in text
        assert "查看现在的入住记录" in house.look(f"/residents/{stay}")
        gone = house.act(stay, "transfer", bed=str(old), on=str(today()), reason="再调")
        assert gone.status_code == 422 and "已办理退住或调床" in gone.text

    def test_leave_keeps_the_bed_until_return(self, house):
        _, stay = house.resident(on=days_ago(9))
        leave = {"on": str(days_ago(4)), "due_back_on": str(days_ago(1)), "reason": "回家过节"}
        assert house.act(stay, "leave", **leave).status_code == 303
        assert house.status(house.beds[0]) == "occupied" and "请假" in house.look("/beds")
        assert "逾期未返" in house.look("/residents?show=away") and "请假外出逾期未返" in house.browser.get("/").text
        for what, data, told in [
            ("leave", leave, "已在请假外出"),
            ("transfer", {"bed": str(house.beds[1]), "on": str(today()), "reason": "x"}, "请先登记返院"),
            ("return", {"on": str(days_ago(5))}, "不能早于上一次变动"),
        ]:
            response = house.act(stay, what, **data)
            assert response.status_code == 422 and told in response.text
        assert house.act(stay, "return", on=str(days_ago(2))).status_code == 303
        assert house.value("select ended_on from institutions.leave where residency_id = %s", stay) == days_ago(2)
        assert "没有请假外出" in house.act(stay, "return", on=str(today())).text
        early = house.act(stay, "discharge", on=str(days_ago(3)), why="home", reason="x")
        assert early.status_code == 422 and "不能早于上一次变动" in early.text

    def test_after_discharge_the_bed_is_free_and_the_file_out_of_sight(self, house, records):
        elder, stay = house.resident(name="冯五", on=days_ago(9))
        for data, told in [
            ({"on": str(days_ago(10)), "why": "home", "reason": "x"}, "不能早于上一次变动"),
            ({"on": str(today()), "why": "death", "reason": "x"}, "请选择退住原因"),
            ({"on": str(today()), "why": "home", "reason": " "}, "请填写原因"),
        ]:
            response = house.act(stay, "discharge", **data)
            assert response.status_code == 422 and told in response.text
        assert house.act(stay, "discharge", on=str(today()), why="home", reason="子女接回").status_code == 303
        assert house.status(house.beds[0]) == "free"
        assert house.browser.get(f"/elders/{elder}").status_code == 404
        assert "冯五" in house.look("/residents"), "the institution's own record keeps the name"
        assert house.value("select living_arrangement, status from elders.elder where id = %s", elder) == (
            "unknown", "active",
        )  # fmt: skip

    def test_death_marks_the_file_and_ends_leave(self, house):
        elder, stay = house.resident(on=days_ago(9))
        assert house.act(stay, "leave", on=str(days_ago(4)), reason="住院").status_code == 303
        unsure = house.act(stay, "death", on=str(days_ago(1)), reason="病故")
        assert unsure.status_code == 422 and "请勾选确认" in unsure.text
        assert house.act(stay, "death", on=str(days_ago(1)), reason="病故", confirmed="1").status_code == 303
        row = house.value("select status, died_on from elders.elder where id = %s", elder)
        assert row == ("deceased", days_ago(1))
        assert house.value("select ended_on from institutions.leave where residency_id = %s", stay) == days_ago(1)
        assert house.status(house.beds[0]) == "free"

    def test_a_stale_form_is_told(self, house):
        _, stay = house.resident(on=days_ago(9))
        version = house.version("residency", stay)
        assert house.act(stay, "leave", version=version, on=str(days_ago(4)), reason="外出").status_code == 303
        response = house.act(stay, "discharge", version=version, on=str(today()), why="home", reason="x")
        assert response.status_code == 422 and "刚被他人修改" in response.text

    def test_others_see_or_see_nothing_but_change_nothing(self, house, records):
        _, stay = house.resident(name="蒋六")
        stranger = House(house.app, records)
        assert stranger.browser.get(f"{house.page}/residents/{stay}").status_code == 404
        staff = signed_in(house.app, records.account(RoleCode.DATA_STAFF, division_code=CHIKAN))
        text = staff.get(f"{house.page}/residents/{stay}").text
        assert "蒋六" in text and "办理退住" not in text
        for path in ("/admission", "/rooms/new"):
            assert staff.get(house.page + path).status_code == 403
        data = {"on": str(today()), "why": "home", "reason": "x", "row_version": "1"}
        posted = staff.post(f"{house.page}/residents/{stay}/discharge", data, form_on=f"{house.page}/residents/{stay}")
        assert posted.status_code == 403
        data = {"row_version": "1", "to": "closed", "reason": "x"}
        answer = stranger.browser.post(f"{house.page}/beds/{house.beds[1]}", data, form_on="/me/password")
        assert answer.status_code == 404
        assert house.status(house.beds[1]) == "free"


@pytest.mark.feature(100)
class TestBeds:
    def test_moves_by_hand_with_a_reason(self, house):
        bed = house.beds[0]
        for to, status in [
            ("reserved", 303), ("maintenance", 422), ("free", 303), ("maintenance", 303), ("closed", 303),
            ("reserved", 422), ("free", 303), ("occupied", 422),
        ]:  # fmt: skip
            assert house.move(bed, to).status_code == status, to
        text = house.look(f"/beds/{bed}")
        assert text.count("检修") == 5 and "空闲 → 预订" in text
        assert "请填写原因" in house.move(bed, "closed", reason="").text
        version = house.version("bed", bed)
        assert house.move(bed, "closed", version=version).status_code == 303
        assert "刚被他人修改" in house.move(bed, "free", version=version).text

    def test_a_bed_with_a_resident_is_neither_closed_nor_repaired(self, house):
        house.resident()
        for to in ("closed", "maintenance", "free", "reserved"):
            response = house.move(house.beds[0], to)
            assert response.status_code == 422 and "床位上有入住老人" in response.text
        assert house.status(house.beds[0]) == "occupied"

    def test_vacancy_never_shows_a_bed_where_somebody_lives(self, house, records):
        house.resident(name="许七")
        with connect(Login.LOADER, records.settings) as loader:
            loader.execute("update institutions.bed set status = 'free' where id = %s", [house.beds[0]])
            loader.execute("update institutions.bed set status = 'occupied' where id = %s", [house.beds[1]])
        text = house.look("/beds")
        assert re.search(r"入住 <strong>2</strong>", text) and re.search(r"空闲 <strong>0</strong>", text)
        assert f'value="{house.beds[0]}"' not in house.look("/admission")
        assert "待核对" in text
        cells = re.findall(r'data-label="(空闲|入住)"><div>(\d+)<', house.look())
        assert dict(cells[:2]) == {"空闲": "0", "入住": "2"}
        assert house.move(house.beds[1], "free").status_code == 303

    def test_rooms_in_bulk_are_previewed_then_made_all_or_none(self, house):
        given = {"building": "甲楼", "floors": "2-5", "rooms": "01-12", "beds": "2", "kind": "nursing"}
        preview = house.post("/rooms/new", given | {"step": "preview"})
        assert preview.status_code == 200 and "确认新增 96 张床" in preview.text and "512" in preview.text
        count = "select count(*) from institutions.bed where institution_id = %s"
        assert house.value(count, house.key) == 2
        assert house.post("/rooms/new", given | {"step": "create"}).status_code == 303
        assert house.value(count, house.key) == 98
        again = house.post("/rooms/new", given | {"floors": "5-6", "step": "create"})
        assert again.status_code == 422 and "已有房间 501" in again.text and "没有新增任何房间" in again.text
        assert house.value(count, house.key) == 98
        board = house.look("/beds")
        assert board.count('class="bed bed-free') == 98 and "甲楼" in board
        for wrong, told in [
            ({"floors": "5-2"}, "从小到大"), ({"rooms": "一"}, "范围"), ({"beds": "0"}, "1 至 12"),
            ({"beds": "12", "rooms": "1-99"}, "一次最多"), ({"building": " "}, "楼区名称"), ({"kind": "x"}, "床位类型"),
        ]:  # fmt: skip
            response = house.post("/rooms/new", given | wrong)
            assert response.status_code == 422 and told in response.text, told

    def test_one_more_bed_in_a_room(self, house):
        room = house.value("select room_id from institutions.bed where id = %s", house.beds[0])
        assert house.post(f"/rooms/{room}/beds", form_on="/beds").status_code == 303
        names = "select array_agg(name order by id) from institutions.bed where room_id = %s"
        assert house.value(names, room) == ["1 床", "2床"]

    def place(self, house, key, /, **changes):
        room = house.value("select room_id from institutions.bed where id = %s", key)
        building = house.value("select building_id from institutions.room where id = %s", room)
        data = {
            "building": unique("乙楼"), "floor": "3", "room": "306", "bed": "靠窗床", "kind": "ordinary",
            "building_version": str(house.version("building", building)),
            "room_version": str(house.version("room", room)), "bed_version": str(house.version("bed", key)),
        } | changes  # fmt: skip
        return data, house.post(f"/beds/{key}/place", data, "/admission")

    def test_building_floor_room_and_bed_are_corrected(self, house, records):
        bed = house.beds[0]
        given, response = self.place(house, bed)
        assert response.status_code == 303
        where = (
            "select building.name, floor, room.name, bed.name, kind from institutions.bed"
            " join institutions.room on room.id = room_id join institutions.building on building.id = building_id"
            " where bed.id = %s"
        )
        assert house.value(where, bed) == (given["building"], 3, "306", "靠窗床", "ordinary")
        board = house.look("/beds")
        assert given["building"] in board and "3 层" in board and "306" in board
        assert "bed_change" in {event["action"] for event in records.audited(target_id=bed)}
        house.post(f"/rooms/{house.value('select room_id from institutions.bed where id = %s', bed)}/beds", {}, "/beds")
        other = house.value("select name from institutions.building where id = (select building_id from"
                            " institutions.room where id = (select room_id from institutions.bed where id = %s))",
                            house.beds[1])  # fmt: skip
        for wrong, told in [
            ({"building": " "}, "请填写楼区名称"), ({"building": other}, "本机构已有楼区"),
            ({"room": ""}, "请填写房间名称"), ({"bed": "床" * 21}, "不超过 20 个字"),
            ({"floor": "顶"}, "楼层应为一个数字"), ({"floor": "1-2"}, "楼层应为一个数字"),
            ({"kind": "x"}, "请选择床位类型"), ({"bed": "1床"}, "已有床位"),
        ]:  # fmt: skip
            _, refused = self.place(house, bed, **({"building": given["building"]} | wrong))
            assert refused.status_code == 422 and told in refused.text, told
        assert house.value(where, bed) == (given["building"], 3, "306", "靠窗床", "ordinary")

    def test_a_stale_correction_and_a_stranger_change_nothing(self, app, house, records):
        bed = house.beds[0]
        first, response = self.place(house, bed)
        assert response.status_code == 303
        for what in ("building", "room", "bed"):
            _, stale = self.place(house, bed, **(first | {what: "另一个"}))
            assert stale.status_code == 422 and "刚被他人修改" in stale.text and "另一个" not in stale.text
        other = House(app, records, beds=1)
        data = first | {"csrftoken": other.browser.form_token(other.page + "/admission")}
        assert other.browser.client.post(f"{house.page}/beds/{bed}/place", data=data).status_code == 404
        assert house.look(f"/beds/{bed}").count("靠窗床")
        county = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        assert "修改信息" not in county.get(f"/institutions/{house.key}/beds/{bed}").text


def pdf(script: str = "") -> bytes:
    """A PDF of one empty page."""
    writer, written = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    if script:
        action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject(script)}
        writer.root_object[NameObject("/OpenAction")] = DictionaryObject(action)
    writer.write(written)
    return written.getvalue()


@pytest.mark.feature(101)
class TestAgreements:
    def upload(self, house, stay, name, content, **more):
        data = {"signed_on": str(days_ago(3)), "expires_on": str(today() + timedelta(days=9)), "clauses": ["care"]}
        page = f"{house.page}/residents/{stay}"
        data |= more | {"csrftoken": house.browser.form_token(page)}
        files = {"file": (name, content, "application/pdf")}
        return house.browser.client.post(f"{page}/agreements", data=data, files=files)

    def test_uploaded_indexed_reminded_and_read_by_who_may(self, house, records):
        _, stay = house.resident()
        assert "未上传合同 <strong>1</strong>" in house.look("/residents")
        clauses = ["parties", "care", "price", "term", "bogus"]
        assert self.upload(house, stay, "合同.pdf", pdf(), number="HT-1", clauses=clauses).status_code == 303
        text = house.look(f"/residents/{stay}")
        assert "4 / 9" in text and "联系人" in text and "HT-1" in text and "即将到期" in text
        assert "1 人合同将在 30 天内到期" in house.look("/residents")
        assert f'href="{house.page}/residents?show=expiring"' in house.browser.get("/").text
        path = re.search(r'href="([^"]+/file)"', text)[1]
        answer = house.browser.get(path)
        assert answer.content == pdf() and answer.headers["content-disposition"].startswith("attachment")
        key = int(path.split("/")[-2])
        read = records.audited(action="file_read", target_table="institutions.service_agreement", target_id=key)
        assert len(read) == 1
        assert House(house.app, records).browser.get(path).status_code == 404
        leader = signed_in(house.app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        assert leader.get(path).status_code == 403
        void = {"row_version": str(house.version("service_agreement", key))}
        assert house.post(f"/agreements/{key}/void", void, f"/residents/{stay}").status_code == 303
        assert "已作废" in house.look(f"/residents/{stay}") and "未上传合同 <strong>1</strong>" in house.look(
            "/residents"
        )
        assert house.post(f"/agreements/{key}/void", void, f"/residents/{stay}").status_code == 422

    def test_judged_by_content(self, house):
        _, stay = house.resident()
        picture = io.BytesIO()
        Image.new("RGB", (9, 9)).save(picture, "PNG")
        for name, content, told in [
            ("a.pdf", b"", "空文件"), ("a.pdf", b"MZ\x90", "不是可用的"),
            ("a.pdf", pdf("app.alert(1)"), "活动内容"), ("a.pdf", b"%PDF-" + b"0" * 99, "完整"),
            ("a.pdf", pdf() + b"0" * 10_000_001, "超过 10 MB"),
        ]:  # fmt: skip
            response = self.upload(house, stay, name, content)
            assert response.status_code == 422 and told in response.text, told
        for more, told in [
            ({"signed_on": str(today() + timedelta(days=1))}, "不能晚于今天"), ({"clauses": []}, "请勾选"),
            ({"expires_on": str(days_ago(4))}, "到期日应晚于"), ({"signed_on": ""}, "请填写签订日期"),
        ]:  # fmt: skip
            response = self.upload(house, stay, "a.png", picture.getvalue(), **more)
            assert response.status_code == 422 and told in response.text, told
        assert house.value("select count(*) from institutions.service_agreement where residency_id = %s", stay) == 0
        assert self.upload(house, stay, "../../a.png", picture.getvalue()).status_code == 303
        name, digest = house.value(
            "select file_name, sha256 from institutions.service_agreement where residency_id = %s", stay
        )
        kept = house.records.settings.upload_dir / digest[:2] / digest
        assert name == "a.png" and kept.stat().st_mode & 0o777 == 0o600
