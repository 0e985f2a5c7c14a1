"""Archives through the app: search and filters of elders, scope, masked numbers, records, lists of all areas."""

from __future__ import annotations

import re
import threading
from datetime import date

import pytest

from operational_app.elders import search
from operational_app.elders.search import ElderQuery, find
from operational_app.identity.models import RoleCode
from operational_app.main import create_app
from operational_app.web.database import AppDatabase
from tests.app_sample import (
    CHIKAN,
    MAZHANG,
    XIASHAN,
    XIASHAN_TOWN,
    ZONE_TOWN,
    Browser,
    Records,
    id_number,
    signed_in,
    unique,
)

pytestmark = pytest.mark.any_postgres

CITY = "440800000000"
NUMBER = id_number(date(1933, 5, 6), 821)
OLD_FORM, LAST_FOUR = NUMBER[:6] + NUMBER[8:17], NUMBER[-4:]


@pytest.fixture(scope="module")
def staff(app, records):
    """A browser of data staff of the whole city."""
    return signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=CITY))


@pytest.fixture(scope="module")
def chikan(app, records):
    """A browser of 赤坎区's leader."""
    return signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))


def listed(browser: Browser, **form: str) -> list[str]:
    """Names in the elder list that a search form leads to."""
    response = browser.post("/elders/search", form, form_on="/elders/list")
    assert response.status_code == 303, response.text
    page = browser.get(response.headers["location"])
    assert page.status_code == 200
    return re.findall(r'<a href="/elders/\d+">([^<]*)</a>', page.text)


@pytest.fixture(scope="module")
def people(records):
    """Elders with a surname that nobody else has (亓官): name → key."""
    numbers = {"id_number": NUMBER, "phone": "13800001234"}
    return {
        "亓官志强": records.elder(
            "亓官志强", CHIKAN, sex="male", birth_date=date(1933, 5, 6), birth_month=date(1933, 5, 1),
            living_arrangement="alone", economic_category="tekun", address="中山一路 9 号 301", **numbers,
        ),
        "亓官志明": records.elder("亓官志明", CHIKAN, sex="male", phone="0759-2221234"),
        "亓官秀英": records.elder("亓官秀英", XIASHAN_TOWN, id_number="440803194503128221"),
        "亓官丽": records.elder("亓官丽", ZONE_TOWN),
        "亓官已故": records.elder("亓官已故", CHIKAN, status="deceased", died_on=date(2025, 6, 1)),
    }  # fmt: skip


class TestSearch:
    def test_by_name_pinyin_and_initials(self, staff, people):
        assert listed(staff, name="亓官志强") == ["亓官志强"]
        assert set(listed(staff, name="亓官志")) == {"亓官志强", "亓官志明"}
        assert set(listed(staff, name="亓官")) == set(people)
        assert listed(staff, name="qiguanzhiqiang") == listed(staff, name="qi guan zhi q") == ["亓官志强"]
        assert listed(staff, name="QGXY") == ["亓官秀英"]
        assert listed(staff, name="亓官没有") == []

    def test_by_id_number_whole_old_form_and_last_four(self, staff, people):
        assert listed(staff, id_number=NUMBER) == ["亓官志强"]
        assert listed(staff, id_number=f" {NUMBER[:6]} {NUMBER[6:14]}-{NUMBER[14:].lower()} ") == ["亓官志强"]
        assert listed(staff, id_number=OLD_FORM) == ["亓官志强"]
        assert listed(staff, id_number=LAST_FOUR, name="亓官志") == ["亓官志强"]
        assert "亓官志强" in listed(staff, id_number=LAST_FOUR)
        assert listed(staff, id_number=LAST_FOUR, name="亓官秀英") == []
        assert listed(staff, id_number=NUMBER[:-4] + "0000") == []

    def test_by_phone_whole_and_last_four(self, staff, people):
        assert listed(staff, phone="+86 138-0000-1234", name="亓官") == ["亓官志强"]
        assert set(listed(staff, phone="1234", name="亓官")) == {"亓官志强", "亓官志明"}

    def test_by_place(self, staff, people):
        assert set(listed(staff, name="亓官", county=CHIKAN)) == {"亓官志强", "亓官志明", "亓官已故"}
        assert listed(staff, name="亓官", county=XIASHAN, town=XIASHAN_TOWN) == ["亓官秀英"]
        assert listed(staff, name="亓官", county=MAZHANG) == []

    def test_by_what_is_on_file(self, staff, people, records):
        assert listed(staff, name="亓官", sex="male", ages_from="90", ages_to="100") == ["亓官志强"]
        assert listed(staff, name="亓官", living_arrangement="alone") == ["亓官志强"]
        assert listed(staff, name="亓官", economic_category="tekun") == ["亓官志强"]
        assert listed(staff, name="亓官", status="deceased") == ["亓官已故"]

    def test_by_the_latest_assessment(self, staff, people, records):
        for name, levels in {"亓官志强": ("mild", "severe"), "亓官秀英": ("severe", "mild")}.items():
            for month, level in enumerate(levels, 1):
                records.insert(
                    "assessments.assessment", elder_id=people[name], division_code=CHIKAN, reason="routine",
                    assessed_on=date(2026, month, 1), ability_level=level,
                )  # fmt: skip
        assert listed(staff, name="亓官", ability_level="severe") == ["亓官志强"]
        assert "亓官志强" in listed(staff, ability_level="severe")
        assert "亓官秀英" not in listed(staff, ability_level="severe")
        assert "亓官秀英" in listed(staff, ability_level="mild")

    def test_what_cannot_be_understood_is_said(self, staff):
        response = staff.post("/elders/search", {"id_number": "12"}, form_on="/elders/list")
        page = staff.get(response.headers["location"]).text
        assert "身份证号请输入完整号码" in page and 'value="12"' in page

    def test_no_personal_term_stands_in_an_address(self, staff, chikan, people):
        form = {"name": "亓官志强", "id_number": NUMBER, "phone": "13800001234", "sex": "male"}
        location = staff.post("/elders/search", form, form_on="/elders/list").headers["location"]
        assert "sex=male" in location
        assert not re.search(f"亓|%E4%BA%93|{NUMBER[:6]}|{LAST_FOUR}|1380000", location)
        # Nor does it open in another session.
        assert "检索条件已失效" in chikan.get(location).text

    def test_a_search_for_a_person_is_recorded_without_what_was_typed(self, staff, records, people):
        listed(staff, name="亓官丽")
        event = records.audited(action="elder_search")[-1]
        assert event["details"]["terms"] == ["name"] and "亓官丽" not in str(event["details"])

    def test_pages_follow_one_another_without_gap_or_repetition(self, installation, records, people):
        wanted = [records.elder(f"兀{letter}", CHIKAN) for letter in "甲乙丙丁戊己庚"]
        database = AppDatabase(installation)
        for query in (ElderQuery(name="兀"), ElderQuery(name="w"), ElderQuery(division=CHIKAN)):
            with database.transaction(search.ScopeSetting(division_lo="4408", division_hi="4409")) as session:
                crypto = Records(installation)._crypto
                arguments = (session, query, session.scope, crypto, date(2026, 11, 1))
                whole, total = find(*arguments, 0, 10_000, 10_000)
                keys = [row.id for row in whole]
                assert total == len(keys) == len(set(keys))
                assert set(wanted) <= set(keys)
                pages = [find(*arguments, skip, 3, 10_000)[0] for skip in range(0, len(keys), 3)]
                assert [row.id for page in pages for row in page] == keys
        database.close()


class TestScope:
    def test_a_county_sees_its_own(self, chikan, people):
        assert set(listed(chikan, name="亓官")) == {"亓官志强", "亓官志明", "亓官已故"}
        assert listed(chikan, name="亓官", county=XIASHAN) == []
        assert chikan.get(f"/elders/{people['亓官志强']}").status_code == 200
        assert chikan.get(f"/elders/{people['亓官秀英']}").status_code == 404

    def test_a_reporting_unit_sees_its_towns(self, app, records, people):
        zone = signed_in(app, records.account(RoleCode.LEADER, unit_code="ZJ-JKQ"))
        assert listed(zone, name="亓官") == ["亓官丽"]
        assert "亓官丽" in listed(zone)
        assert zone.get(f"/elders/{people['亓官秀英']}").status_code == 404

    def test_an_organization_sees_whom_it_cares_for_now(self, app, records, people):
        organization = records.organization(unique("甲养老院"), XIASHAN, "institution")
        manager = signed_in(app, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization))
        assert listed(manager) == []
        for name, ended in (("亓官志强", None), ("亓官丽", date(2025, 1, 1))):
            records.insert(
                "elders.care_relation", elder_id=people[name], organization_id=organization, division_code=CHIKAN,
                kind="residency", started_on=date(2024, 1, 1), ended_on=ended,
            )  # fmt: skip
        assert listed(manager) == listed(manager, name="qgzq") == ["亓官志强"]
        assert manager.get(f"/elders/{people['亓官丽']}").status_code == 404

    def test_choices_of_places_stay_inside(self, chikan, staff):
        assert len(staff.get(f"/divisions?within={XIASHAN}").json()) > 5
        assert chikan.get(f"/divisions?within={XIASHAN}").json() == []
        assert len(chikan.get(f"/divisions?within={CHIKAN}").json()) > 3
        assert chikan.get("/divisions?within=nowhere").json() == []
        assert "霞山区" not in chikan.get("/elders/list").text

    def test_scopes_never_leak_between_requests_that_share_connections(self, installation, records, people):
        """Many users of three scopes at once over two pooled connections: each sees its own, always."""
        app = create_app(installation)
        services = app.user_middleware[0].kwargs["services"]
        services.database.close()
        object.__setattr__(services, "database", AppDatabase(installation, pool_size=2, max_overflow=0))
        outside = {CHIKAN: people["亓官秀英"], XIASHAN: people["亓官志强"]}
        own = {CHIKAN: people["亓官志强"], XIASHAN: people["亓官秀英"]}
        browsers = {
            code: signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=code)) for code in (CHIKAN, XIASHAN)
        }
        nobody = signed_in(app, records.account(RoleCode.SECURITY_ADMINISTRATOR))
        wrong: list[str] = []

        def work(code: str) -> None:
            browser = browsers[code]
            for _ in range(12):
                if browser.get(f"/elders/{outside[code]}").status_code != 404:
                    wrong.append(f"{code} saw a stranger")
                if browser.get(f"/elders/{own[code]}").status_code != 200:
                    wrong.append(f"{code} lost its own")

        def look() -> None:
            for _ in range(12):
                if nobody.get(f"/elders/{own[CHIKAN]}").status_code != 403:
                    wrong.append("an administrator saw an elder")

        threads = [threading.Thread(target=work, args=[code]) for code in own] + [threading.Thread(target=look)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        with services.database.session(search.ScopeSetting()) as session:
            assert session.get(search.Elder, own[CHIKAN]) is None, "a pooled connection kept a scope"
        services.database.close()


class TestElderPage:
    def test_numbers_are_masked_until_revealed_and_both_are_recorded(self, staff, records, people):
        key = people["亓官志强"]
        page = staff.get(f"/elders/{key}").text
        assert f"4408**********{LAST_FOUR}" in page and "138****1234" in page
        assert NUMBER not in page and "13800001234" not in page and "9 号 301" not in page
        revealed = staff.post(f"/elders/{key}/reveal", form_on=f"/elders/{key}")
        assert revealed.status_code == 200
        for text in (NUMBER, "13800001234", "中山一路 9 号 301"):
            assert text in revealed.text
        acts = [event["action"] for event in records.audited(target_table="elders.elder", target_id=key)]
        assert acts[-1] == "elder_reveal" and "elder_read" in acts

    def test_who_may_not_reveal_is_refused_and_sees_no_button(self, chikan, people):
        key = people["亓官志强"]
        page = chikan.get(f"/elders/{key}").text
        assert "显示完整" not in page and "病史" not in page
        refused = chikan.post(f"/elders/{key}/reveal", form_on="/")
        assert refused.status_code == 403 and NUMBER not in refused.text

    def test_reveal_of_somebody_elses_elder_finds_nothing(self, app, records, people):
        other = signed_in(app, records.account(RoleCode.DATA_STAFF, division_code=XIASHAN))
        response = other.post(f"/elders/{people['亓官志强']}/reveal", form_on="/")
        assert response.status_code == 404

    def test_everything_on_file_is_shown(self, staff, records):
        key = records.elder(unique("全"), CHIKAN, id_number="440802194001010114")
        institution, organization = records.institution(unique("阳光养老院"), CHIKAN)
        bed = records.bed(institution, status="occupied")
        records.insert(
            "elders.guardian", elder_id=key, name="全小明", relationship_to_elder="儿子", phone_status="missing",
            is_primary=True,
        )  # fmt: skip
        records.insert("elders.medical_history", elder_id=key, condition_group="diabetes")
        records.insert("elders.economic_status", elder_id=key, category="dibao", valid_from=date(2024, 1, 1))
        records.insert(
            "assessments.assessment", elder_id=key, division_code=CHIKAN, reason="first", assessed_on=date(2026, 1, 2),
            total_score=40, ability_level="severe", organization_id=organization,
        )  # fmt: skip
        records.insert(
            "institutions.residency", institution_id=institution, bed_id=bed, elder_id=key, admitted_on=date(2026, 2, 3)
        )
        family_bed = records.insert(
            "family_beds.family_bed", elder_id=key, organization_id=organization, division_code=CHIKAN, status="open",
            opened_on=date(2025, 3, 4),
        )  # fmt: skip
        device = records.insert(
            "devices.device", serial_number=unique("SN"), kind="mattress", division_code=CHIKAN, status="online"
        )
        records.insert(
            "devices.device_binding",
            device_id=device,
            elder_id=key,
            family_bed_id=family_bed,
            bound_on=date(2025, 3, 5),
        )
        records.insert(
            "devices.alarm",
            elder_id=key,
            division_code=CHIKAN,
            kind="fall",
            status="raised",
            raised_at="2026-10-05 08:00+08",
        )
        records.insert(
            "health.vital_sign", elder_id=key, division_code=CHIKAN, kind="blood_pressure", value_1=150, value_2=95,
            measured_at="2026-11-01 07:30+08",
        )  # fmt: skip
        order = records.order(key, records.organization(unique("助浴公司"), CHIKAN, "provider"), CHIKAN)
        records.insert(
            "elders.care_relation", elder_id=key, organization_id=organization, division_code=CHIKAN, kind="residency",
            started_on=date(2026, 2, 3),
        )  # fmt: skip
        page = staff.get(f"/elders/{key}").text
        for text in (
            "全小明", "糖尿病", "低保", "重度失能", "阳光养老院", "2026-02-03", "在床", "睡眠床垫", "跌倒",
            "150/95 mmHg", "2026-11-01 07:30", "助浴", "机构入住",
        ):  # fmt: skip
            assert text in page, text
        assert "助浴" in staff.get(f"/orders/{order}").text

    def test_a_merged_record_leads_to_the_one_that_is_kept(self, staff, records):
        kept, merged = records.elder(unique("并"), CHIKAN), records.elder(unique("并"), CHIKAN)
        records.insert(
            "elders.elder_merge", survivor_id=kept, merged_id=merged, merged_at="2026-01-01", reason="身份证号相同"
        )
        page = staff.get(f"/elders/{merged}").text
        assert f'href="/elders/{kept}"' in page and "已合并" in page
        assert f'href="/elders/{merged}"' in staff.get(f"/elders/{kept}").text


class TestOtherArchives:
    @pytest.fixture(scope="class")
    @classmethod
    def institution(cls, records):
        name = unique("康乐") + "养老院"
        key, organization = records.institution(
            name, XIASHAN_TOWN, grade=4, licensed_bed_count=2, nursing_bed_count=1, bed_fee_min_yuan=1000,
            bed_fee_max_yuan=2500, has_liability_insurance=True, medical_mode="internal",
        )  # fmt: skip
        first = records.bed(key, status="occupied")
        records.bed(key)
        elder = records.elder(unique("住"), XIASHAN_TOWN)
        records.insert(
            "institutions.residency", institution_id=key, bed_id=first, elder_id=elder, admitted_on=date(2026, 1, 1),
            ability_level="moderate", care_level="二级护理",
        )  # fmt: skip
        for kind, expires in (("fire", date(2024, 1, 1)), ("food", date(2099, 1, 1))):
            records.insert(
                "organizations.qualification", organization_id=organization, kind=kind, number="A1", expires_on=expires
            )
        records.insert(
            "organizations.qualification", organization_id=organization, kind="medical", absent_reason="委托医院服务"
        )
        nurse = records.insert(
            "workforce.staff", organization_id=organization, division_code=XIASHAN_TOWN, name="护甲", sex="female",
            id_number_status="missing", phone_status="missing", occupation="nurse",
        )  # fmt: skip
        records.insert("workforce.certificate", staff_id=nurse, kind="护士执业证书", expires_on=date(2099, 1, 1))
        return key, name, elder

    def find(self, browser: Browser, area: str, form: dict[str, str]) -> str:
        response = browser.post(f"/{area}/search", form, form_on=f"/{area}/list")
        return browser.get(response.headers["location"]).text

    def test_institutions_are_listed_filtered_and_sorted(self, staff, institution):
        key, name, _ = institution
        for form in (
            {"name": name}, {"name": name, "institution_type": "nursing_home", "nature": "private", "grade": "4"},
            {"name": name[:4], "county": XIASHAN, "town": XIASHAN_TOWN},
        ):  # fmt: skip
            page = self.find(staff, "institutions", form)
            assert f'href="/institutions/{key}"' in page
        assert "50.00%" in page and "1 项已过期" in page and "四级" in page
        assert f'href="/institutions/{key}"' not in self.find(staff, "institutions", {"name": name, "nature": "public"})
        for sort in ("name__desc", "grade__asc", "division_code__desc"):
            assert staff.get(f"/institutions/list?sort={sort}").status_code == 200

    def test_an_institutions_page(self, staff, institution):
        key, name, elder = institution
        page = staff.get(f"/institutions/{key}").text
        for text in (
            name, "四级", "1,000.00 – 2,500.00", "内设医疗机构", "已过期", "委托医院服务", "护士", "中度失能",
            "二级护理", f'href="/elders/{elder}"',
        ):  # fmt: skip
            assert text in page, text

    def test_an_institution_outside_the_scope_is_not_there(self, chikan, institution):
        key, name, _ = institution
        assert chikan.get(f"/institutions/{key}").status_code == 404
        assert f'href="/institutions/{key}"' not in self.find(chikan, "institutions", {"name": name})

    def test_facilities_and_providers(self, staff, chikan, records):
        facility = records.insert(
            "facilities.facility", name=unique("长者饭堂"), facility_type="canteen", facility_level="village",
            division_code=XIASHAN_TOWN, status="operating", capacity=60,
        )  # fmt: skip
        provider = records.organization(unique("到家服务公司"), XIASHAN, "provider", "meal_provider")
        assert f"/facilities/{facility}" in self.find(
            staff, "facilities", {"facility_type": "canteen", "county": XIASHAN}
        )
        assert "60" in staff.get(f"/facilities/{facility}").text
        page = self.find(staff, "providers", {"kind": "meal_provider", "county": XIASHAN})
        assert f"/providers/{provider}" in page and "服务商、助餐服务商" in page
        assert "到家服务公司" in staff.get(f"/providers/{provider}").text
        assert (
            chikan.get(f"/facilities/{facility}").status_code == chikan.get(f"/providers/{provider}").status_code == 404
        )

    def test_orders(self, staff, chikan, records, people):
        provider = records.organization(unique("上门公司"), XIASHAN, "provider")
        number = unique("GD")
        order = records.order(people["亓官秀英"], provider, XIASHAN_TOWN, order_number=number, doubt_status="doubtful")
        for form in (
            {"order_number": number}, {"doubt_status": "doubtful", "county": XIASHAN},
            {"finished_from": "2026-10-20", "finished_to": "2026-10-20", "status": "finished"},
        ):  # fmt: skip
            assert f"/orders/{order}" in self.find(staff, "orders", form)
        day_before = {"order_number": number, "finished_to": "2026-10-19"}
        assert f"/orders/{order}" not in self.find(staff, "orders", day_before)
        assert chikan.get(f"/orders/{order}").status_code == 404
        assert "没有权限" in signed_in(
            staff.client.app, records.account(RoleCode.SYSTEM_ADMINISTRATOR)
        ).get(f"/orders/{order}").text  # fmt: skip

    def test_records_of_a_role_without_the_right_are_shut(self, app, records):
        browser = signed_in(app, records.account(RoleCode.SECURITY_ADMINISTRATOR))
        for path in (
            "/elders/list",
            "/institutions/list",
            "/facilities/list",
            "/providers/list",
            "/orders/list",
            "/quality",
        ):
            assert browser.get(path).status_code == 403
        assert browser.post("/elders/search", {"name": "陈"}, form_on="/").status_code == 403
        assert "老人档案" not in browser.get("/").text
