"""An institution's disclosure profile, permits and staff, through its manager's pages."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from huiyang.geodesy import gcj02_to_bd09, wgs84_to_gcj02
from huiyang.identifiers import complete_uscc
from operational_app.identity.models import RoleCode
from operational_app.institutions import profile
from operational_app.web.services import today
from tests.app_sample import CHIKAN, id_number, signed_in, unique
from tests.integration.test_app_residency import House


@pytest.fixture
def house(app, records):
    return House(app, records)


def stored(house, path):
    """What a page's first long form holds: field → value."""
    text = house.look(path)
    found = dict(re.findall(r'<input[^>]* name="(\w+)"[^>]*? value="([^"]*)"', text))
    for name, options in re.findall(r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', text, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return {name: html.unescape(value) for name, value in found.items() if name != "csrftoken"}


def credit_code():
    return complete_uscc(f"52440802{unique('')[-9:]:0>9}")


@pytest.mark.feature(98)
class TestProfile:
    def save(self, house, **changes):
        return house.post("/profile", stored(house, "/profile") | changes)

    def test_what_is_filled_in_counts_and_is_shown(self, house, records):
        before = re.search(r"(\d+) / (\d+) 项", house.look())
        code = credit_code()
        response = self.save(
            house, credit_code=code, legal_person="陈院长", registrar="赤坎区民政局", established_on="2012-05-01",
            address="寸金路 1 号", contact_name="林主任", contact_phone="0759-3338888", grade="3", premises="rented",
            licensed_bed_count="120", nursing_bed_count="80", full_time_bed_count="110", day_care_bed_count="10",
            bed_fee_min_yuan="900", bed_fee_max_yuan="1800.50", admits_dementia="no",
        )  # fmt: skip
        assert response.status_code == 303, response.text
        text = house.look()
        after = re.search(r"(\d+) / (\d+) 项", text)
        assert int(after[1]) == int(before[1]) + 10 and after[2] == before[2]
        assert "房屋性质" in text and "租赁" in text and "900.00 – 1,800.50" in text and code in text
        again = stored(house, "/profile")
        assert (again["bed_fee_max_yuan"], again["premises"], again["contact_phone"]) == (
            "1800.5", "rented", "07593338888",
        )  # fmt: skip
        assert "为什么" not in text and "护理人员配比由此计算" in text
        names = house.records.audited(action="institution_change", target_id=house.key)[-1]["details"]["fields"]
        assert "premises" in names and "legal_person" in names

    @pytest.mark.parametrize(
        ("datum", "shift"),
        [
            ("wgs84", lambda x, y: (x, y)),
            ("cgcs2000", lambda x, y: (x, y)),
            ("gcj02", wgs84_to_gcj02),
            ("bd09", lambda x, y: gcj02_to_bd09(*wgs84_to_gcj02(x, y))),
        ],
    )
    def test_a_position_is_kept_as_wgs84_whatever_its_datum(self, house, datum, shift):
        place = (110.3594, 21.2707 + 0.001 * list(profile.DATUMS).index(datum))
        longitude, latitude = (float(value) for value in shift(*place))
        response = self.save(house, longitude=str(longitude), latitude=str(latitude), datum=datum)
        assert response.status_code == 303, response.text
        query = "select longitude_wgs84, latitude_wgs84 from organizations.organization where id = %s"
        assert house.value(query, house.organization) == pytest.approx(place, abs=2e-7)
        assert stored(house, "/profile")["datum"] == "wgs84", "saved again it does not move"
        note = house.records.audited(action="institution_change", target_id=house.key)[-1]["details"]
        assert (note["given_datum"], note["given_longitude"]) == (datum, str(longitude)[:20])

    @pytest.mark.parametrize(
        ("x", "y", "where"), [("110.40", "21.18", "在霞山区"), ("111.2", "20.2", "不在湛江市任何一个县")]
    )
    def test_a_position_in_another_county_is_saved_only_when_confirmed(self, house, x, y, where):
        response = self.save(house, longitude=x, latitude=y, registrar="某局")
        assert response.status_code == 422 and where in response.text and "登记在赤坎区" in response.text
        assert 'name="position_confirmed"' in response.text and 'value="某局"' in response.text
        assert stored(house, "/profile")["longitude"] == ""
        response = self.save(house, longitude=x, latitude=y, position_confirmed="1")
        assert response.status_code == 303, response.text
        assert self.save(house, registrar="某局").status_code == 303, "what was confirmed is not asked again"

    def test_what_is_wrong_is_said_and_nothing_lost(self, house, records):
        taken = credit_code()
        records.organization(unique("他院"), CHIKAN, "institution", credit_code=taken, credit_code_status="valid")
        for changes, told in [
            ({"credit_code": "52440802000000000A"}, "统一社会信用代码不正确"),
            ({"credit_code": taken}, "已属于另一家单位"),
            ({"contact_phone": "123"}, "电话号码不正确"),
            ({"longitude": "21.27", "latitude": "110.36"}, "经度和纬度填反了：经度应为 110.36"),
            ({"longitude": "110.36", "latitude": ""}, "都填写数字"),
            ({"longitude": "nan", "latitude": "nan"}, "不在湛江市范围内"),
            ({"bed_fee_min_yuan": "9", "bed_fee_max_yuan": "8"}, "床位费最低不能高于最高"),
            ({"bed_fee_min_yuan": "1e3.5"}, "请填写数字"),
            ({"nursing_bed_count": "9", "licensed_bed_count": "8"}, "不能多于核定床位"),
            ({"licensed_bed_count": "-1"}, "的整数"),
            ({"opened_on": str(today() + timedelta(days=1))}, "开业日期不能晚于今天"),
            ({"nature": "x"}, "请选择机构性质"),
            ({"institution_type": ""}, "请填写机构类型"),
        ]:
            response = self.save(house, registrar="某局", **changes)
            assert response.status_code == 422 and told in response.text, told
            assert 'value="某局"' in response.text
        assert stored(house, "/profile")["registrar"] == ""

    def test_a_stale_form_and_a_stranger_change_nothing(self, house, records):
        form = stored(house, "/profile")
        assert self.save(house, registrar="甲局").status_code == 303
        response = house.post("/profile", form | {"registrar": "乙局"})
        assert response.status_code == 422 and "刚被他人修改" in response.text
        assert stored(house, "/profile")["registrar"] == "甲局"
        other = House(house.app, records)
        assert other.browser.get(f"{house.page}/profile").status_code == 404
        staff = signed_in(house.app, records.account(RoleCode.DATA_STAFF, division_code=CHIKAN))
        assert staff.get(f"{house.page}/profile").status_code == 403
        assert "信息公开完整度" in staff.get(house.page).text

    def test_a_likely_duplicate_is_told(self, house, records):
        name = unique("福荣") + "养老院"
        records.institution(f"湛江市{name}", CHIKAN)
        key, organization = records.institution(name, CHIKAN)
        browser = signed_in(house.app, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization))
        text = browser.get(f"/institutions/{key}").text
        assert "可能重复登记" in text and f"湛江市{name}" in text

    def test_permits_or_the_reason_why_there_is_none(self, house):
        new = {"kind": "fire", "number": "湛公消 1 号", "issued_on": "2024-01-01"}
        for changes, told in [
            ({"number": ""}, "写明原因"), ({"absent_reason": "在办"}, "写明原因"), ({"kind": "x"}, "请选择证照"),
            ({"expires_on": "2023-12-31"}, "不能早于发证日期"), ({"issued_on": "1.1"}, "不是有效日期"),
            ({"number": "", "absent_reason": "在办"}, "不填发证日期"),
        ]:  # fmt: skip
            response = house.post("/permits/new", new | changes)
            assert response.status_code == 422 and told in response.text, told
        assert house.post("/permits/new", new | {"expires_on": str(today() + timedelta(days=9))}).status_code == 303
        text = house.look("/profile")
        assert "湛公消 1 号" in text and "即将到期" in text and "消防手续" not in text
        key = re.search(r"/permits/(\d+)", text)[1]
        form = stored(house, f"/permits/{key}")
        assert house.post(f"/permits/{key}", form | {"expires_on": "2030-01-01"}).status_code == 303
        assert "刚被他人修改" in house.post(f"/permits/{key}", form).text
        assert "2030-01-01" in house.look("/profile")


@pytest.mark.feature(99)
class TestStaff:
    def add(self, house, **changes):
        data = {
            "name": "林护理", "id_number": id_number(), "phone": "13800001111", "occupation": "care_worker",
            "employed_on": "2025-03-01",
        }  # fmt: skip
        return house.post("/staff/new", data | changes)

    def test_added_with_certificate_then_left(self, house):
        number = id_number()
        response = self.add(house, id_number=number)
        assert response.status_code == 303, response.text
        path = re.search(r"/staff/\d+", response.headers["location"])[0]
        key = int(path.split("/")[-1])
        assert number not in house.look(path) and number[-4:] in house.look(path)
        row = house.value("select sex, birth_month::text, name_initials from workforce.staff where id = %s", key)
        assert row[1] == "1945-03-01" and row[2] == "lhl"
        for data, told in [
            ({"kind": ""}, "请填写证书名称"),
            ({"kind": "健康证", "issued_on": "2025-02-02", "expires_on": "2025-02-01"}, "早于"),
        ]:
            assert told in house.post(f"{path}/certificates", data, path).text
        soon = str(today() + timedelta(days=30))
        data = {"kind": "养老护理员证", "level": "初级", "expires_on": soon}
        assert house.post(f"{path}/certificates", data, path).status_code == 303
        text = house.look("/staff")
        assert "养老护理员证（初级）" in text and "1 本证书已过期或在 90 天内到期" in text
        again = self.add(house, id_number=number)
        assert again.status_code == 422 and "不能重复添加" in again.text
        form = {"row_version": house.value("select row_version::text from workforce.staff where id = %s", key)}
        early = house.post(f"{path}/end", form | {"left_on": "2025-02-01"}, path)
        assert early.status_code == 422 and "入职日期" in early.text
        assert house.post(f"{path}/end", form | {"left_on": str(today())}, path).status_code == 303
        assert "林护理" not in house.look("/staff") and "林护理" in house.look("/staff?show=former")

    def test_a_change_keeps_what_is_not_typed_again(self, house):
        path = re.search(r"/staff/\d+", self.add(house).headers["location"])[0]
        key = int(path.split("/")[-1])
        query = "select id_number_status, phone_status, name from workforce.staff where id = %s"
        form = {"name": "林护士", "occupation": "nurse", "employed_on": "2025-03-01", "row_version": "1"}
        assert house.post(path, form).status_code == 303
        assert house.value(query, key) == ("valid", "valid", "林护士")
        assert "刚被他人修改" in house.post(path, form | {"name": "另名"}).text

    def test_what_is_wrong_is_said(self, house):
        for changes, told in [
            ({"name": " "}, "请填写姓名"),
            ({"id_number": "440802194503120000"}, "身份证号不正确"),
            ({"id_number": ""}, "请填写身份证号"),
            ({"phone": "12"}, "电话号码不正确"),
            ({"occupation": "x"}, "请选择岗位"),
            ({"employed_on": str(today() + timedelta(days=1))}, "不能晚于今天"),
            ({"employed_on": ""}, "请填写入职日期"),
        ]:
            response = self.add(house, **changes)
            assert response.status_code == 422 and told in response.text, told
        assert house.value("select count(*) from workforce.staff where organization_id = %s", house.organization) == 0

    def test_care_workers_against_the_norm(self, house, records):
        for level in ("complete", "severe", "complete", "complete", "severe", "complete", None):
            elder = records.elder("某", CHIKAN)
            records.insert(
                "institutions.residency", institution_id=house.key, bed_id=records.bed(house.key), elder_id=elder,
                admitted_on=today(), ability_level=level,
            )  # fmt: skip
        self.add(house)
        text = house.look("/staff")
        assert "至少应有护理员 <strong>2</strong> 人" in text and "还差 <strong>1</strong> 人" in text
        assert "另有 1 位老人未评估" in text
        self.add(house)
        assert "还差" not in house.look("/staff")
