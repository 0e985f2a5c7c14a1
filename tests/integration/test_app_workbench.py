"""The workbench, announcements with their receipts, and a market entity's own record, through their pages."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from huiyang.database import Login, connect
from operational_app.identity.models import RoleCode
from operational_app.main import create_app
from operational_app.web.services import now, today
from tests.app_sample import CHIKAN, XIASHAN, signed_in, unique

CITY = "440800000000"


@pytest.fixture(scope="module")
def writer(app, records):
    """Who writes for the whole city."""
    return signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CITY))


def at(**ahead: float) -> str:
    return (now() + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M")


def announce(browser, heading, **more):
    data = {
        "kind": "announcement", "audience": "everybody", "title": heading, "body": "第一段\n第二段",
        "publish_from": at(minutes=-5), "row_version": "1",
    }  # fmt: skip
    return browser.post("/announcements/new", data | more, form_on="/announcements/new")


@pytest.mark.feature(6)
class TestAnnouncements:
    def test_it_reaches_its_audience_and_reading_leaves_a_receipt(self, app, records, writer):
        title = unique("高温天气探访")
        page = announce(writer, title).headers["location"].split("?")[0]
        reader = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        assert title in reader.get("/").text and "未读公告" in reader.get("/").text
        key = page.split("/")[2]
        text = reader.get(f"/announcements/{key}").text
        assert "<p>第一段</p>" in text and "<p>第二段</p>" in text
        assert re.search(rf"{title}</span>\s*<span", reader.get("/announcements").text), "no longer marked unread"
        receipts = writer.get(page).text
        assert "测试员" in receipts and "1 人已读" in receipts
        reader.get(f"/announcements/{key}")
        assert "1 人已读" in writer.get(page).text, "a receipt is the first reading only"

    def test_audiences_divisions_and_times_are_kept(self, app, records, writer):
        government = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        elsewhere = signed_in(app, records.account(RoleCode.LEADER, division_code=XIASHAN))
        town = signed_in(app, records.account(RoleCode.LEADER, division_code="440802001000"))
        provider = signed_in(
            app,
            records.account(
                RoleCode.PROVIDER_STAFF, organization_id=records.organization(unique("康"), CHIKAN, "provider")
            ),
        )
        seen = {
            "all": ({}, (government, elsewhere, town, provider)),
            "government": ({"audience": "government"}, (government, elsewhere, town)),
            "entities": ({"audience": "organizations"}, (provider,)),
            "chikan": ({"county": CHIKAN}, (government, town, provider)),
            "later": ({"publish_from": at(days=1)}, ()),
            "over": ({"publish_from": at(days=-2), "publish_until": at(days=-1)}, ()),
        }
        for name, (more, readers) in seen.items():
            title = unique(name)
            location = announce(writer, title, **more).headers["location"]
            key = location.split("/")[2]
            for browser in (government, elsewhere, town, provider):
                assert (title in browser.get("/announcements").text) == (browser in readers), name
                assert browser.get(f"/announcements/{key}").status_code == (200 if browser in readers else 404), name

    def test_a_withdrawn_one_is_gone_and_a_changed_one_shows_its_new_text(self, app, records, writer):
        reader = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        title = unique("旧标题")
        page = announce(writer, title).headers["location"].split("?")[0]
        data = {
            "kind": "release_note", "audience": "everybody", "title": title + "新", "body": "改过", "row_version": "1",
            "publish_from": at(minutes=-5),
        }  # fmt: skip
        assert writer.post(page, data, form_on=page).status_code == 303
        stale = writer.post(page, data | {"title": "又一个"}, form_on=page)
        assert stale.status_code == 422 and "刚被他人修改" in stale.text
        assert title + "新" in reader.get("/announcements").text
        assert writer.post(page.replace("/edit", "/withdraw"), form_on=page).status_code == 303
        assert title not in reader.get("/announcements").text

    def test_a_release_note_waits_for_its_time_then_is_read_and_counted(self, app, records):
        administrator = signed_in(app, records.account(RoleCode.SYSTEM_ADMINISTRATOR))
        reader = signed_in(app, records.account(RoleCode.LEADER, division_code=CHIKAN))
        title = unique("版本更新")
        note = {"kind": "release_note", "audience": "government", "publish_from": at(days=1)}
        page = announce(administrator, title, **note).headers["location"].split("?")[0]
        key = page.split("/")[2]
        waiting = administrator.get("/announcements/list?kind=release_note").text
        assert title in waiting and "待发布" in waiting
        assert title not in administrator.get("/announcements/list?kind=announcement").text
        assert title not in reader.get("/announcements").text
        assert reader.get(f"/announcements/{key}").status_code == 404, "nor by its address"
        assert "0 人已读" in administrator.get(page).text
        begun = {"title": title, "body": "新增床位码打印", "row_version": "1"} | note | {"publish_from": at(minutes=-1)}
        assert administrator.post(page, begun, form_on=page).status_code == 303
        listed = reader.get("/announcements").text
        assert re.search(rf"更新日志</span>\s*<span[^>]*>{title}", listed)
        assert "新增床位码打印" in reader.get(f"/announcements/{key}").text
        assert "1 人已读" in administrator.get(page).text
        assert [event["action"] for event in records.audited(target_id=int(key), action="announce")] == ["announce"] * 2

    def test_what_is_wrong_is_said_and_the_text_stays(self, writer):
        for more, told in [
            ({"heading": " "}, "请填写标题"), ({"body": ""}, "请填写正文"), ({"audience": "x"}, "请选择类别和对象"),
            ({"publish_until": at(days=-3)}, "截止时间应晚于"), ({"publish_from": "soon"}, "发布时间不正确"),
        ]:  # fmt: skip
            response = announce(writer, **{"heading": unique("甲")} | more)
            assert response.status_code == 422 and told in response.text
            assert "第二段" in response.text or not more.get("body", "x")

    def test_who_writes_for_whom(self, app, records, writer):
        county = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CHIKAN))
        for more in ({}, {"county": XIASHAN}):
            refused = announce(county, unique("越界"), **more)
            assert refused.status_code == 422 and "管辖范围内" in refused.text
        own = announce(county, unique("本县"), county=CHIKAN).headers["location"].split("?")[0]
        assert writer.get(own).status_code == 200, "whoever has the whole city looks after all"
        citys = announce(writer, unique("全市")).headers["location"].split("?")[0]
        assert county.get(citys).status_code == 404
        leader = signed_in(app, records.account(RoleCode.LEADER, division_code=CITY))
        assert leader.get("/announcements/new").status_code == 403
        assert leader.get("/announcements/list").status_code == 403

    def test_markup_is_shown_not_run(self, app, records, writer):
        page = announce(writer, unique("<b>粗</b>"), body="<script>alert(1)</script>").headers["location"]
        text = writer.get(f"/announcements/{page.split('/')[2]}").text
        assert "<script>alert" not in text and "&lt;script&gt;" in text


@pytest.mark.feature(12)
class TestOwnOrganization:
    @pytest.fixture
    def organization(self, records):
        return records.organization(unique("睦邻康养"), CHIKAN, "provider", address="旧地址")

    @pytest.fixture
    def manager(self, app, records, organization):
        return signed_in(app, records.account(RoleCode.PROVIDER_MANAGER, organization_id=organization))

    def test_record_and_contact_are_kept_up(self, records, organization, manager):
        data = {
            "address": "新地址 8 号", "legal_person": "李大明", "contact_name": "王经理",
            "contact_phone": "13800138000", "row_version": "1",
        }  # fmt: skip
        assert manager.post("/organization", data, form_on="/organization").status_code == 303
        page = manager.get("/organization").text
        assert "新地址 8 号" in page and "138****8000" in page and "13800138000" not in page
        stale = manager.post("/organization", data | {"address": "别处"}, form_on="/organization")
        assert stale.status_code == 422 and "刚被他人修改" in stale.text
        wrong = manager.post(
            "/organization", data | {"contact_phone": "1", "row_version": "2"}, form_on="/organization"
        )
        assert wrong.status_code == 422 and "联系电话不正确" in wrong.text
        with connect(Login.LOADER, records.settings) as loader:
            row = loader.execute(
                "select address, contact_phone_status from organizations.organization where id = %s", [organization]
            ).fetchone()
        assert row == ("新地址 8 号", "valid")

    def test_permits_are_kept_up_and_warn_before_their_end(self, app, records, organization, manager):
        soon = (today() + timedelta(days=30)).isoformat()
        data = {"kind": "service", "number": "粤养 001", "issued_on": "2024-01-01", "expires_on": soon}
        assert manager.post("/organization/permits", data, form_on="/organization").status_code == 303
        assert "即将到期" in manager.get("/organization").text
        assert "证照到期或即将到期" in manager.get("/").text
        permit = re.search(r'name="permit" value="(\d+)"', manager.get("/organization").text)[1]
        later = data | {"permit": permit, "expires_on": (today() + timedelta(days=900)).isoformat()}
        assert manager.post("/organization/permits", later, form_on="/organization").status_code == 303
        assert "证照到期或即将到期" not in manager.get("/").text
        for change, told in [
            ({"number": ""}, "填写编号"), ({"kind": "x"}, "选择证照种类"),
            ({"expires_on": "2020-01-01"}, "晚于发证日期"), ({"expires_on": "next year"}, "有效期不是日期"),
        ]:  # fmt: skip
            response = manager.post("/organization/permits", data | change, form_on="/organization")
            assert response.status_code == 422 and told in response.text
        other = records.organization(unique("别家"), CHIKAN, "provider")
        stranger = signed_in(app, records.account(RoleCode.PROVIDER_MANAGER, organization_id=other))
        stolen = stranger.post("/organization/permits", data | {"permit": permit}, form_on="/organization")
        assert stolen.status_code == 404

    def test_only_its_managers_may(self, app, records, organization):
        staff = signed_in(app, records.account(RoleCode.PROVIDER_STAFF, organization_id=organization))
        assert staff.get("/organization").status_code == 403
        leader = signed_in(app, records.account(RoleCode.LEADER, division_code=CITY))
        assert leader.get("/organization").status_code == 403

    def test_its_people_are_named(self, app, records, organization, manager):
        records.account(RoleCode.PROVIDER_STAFF, organization_id=organization)
        page = manager.get("/organization").text
        assert "服务商管理员" in page and "服务商人员" in page


@pytest.mark.feature(1)
def test_to_dos_of_several_areas_stand_together(app, records, writer):
    title = unique("待读")
    announce(writer, title)
    manager = signed_in(app, records.account(RoleCode.DEPARTMENT_MANAGER, division_code=CITY))
    page = manager.get("/").text
    assert "未读公告" in page and title in page and 'href="/announcements"' in page
    assert 'href="/joining/list"' in page and 'href="/accounts/list"' in page, "tiles of what one may open"


def figures_on(page: str) -> dict[str, int]:
    """Label -> number of the workbench's figures."""
    found = re.findall(
        r'<div class="text-secondary">([^<]+)</div>\s*<div class="figure">(?:<a[^>]*>)?([\d,]+)', page
    )  # fmt: skip
    return {label: int(number.replace(",", "")) for label, number in found}


@pytest.mark.feature(1)
class TestFigures:
    COUNTED = {
        "在册老人": "elders.elder t where t.status = 'active' and not exists (select from elders.elder_merge m"
        " where m.merged_id = t.id and m.reverted_at is null)",
        "运营中的养老机构": "institutions.institution t where t.operating_status = 'operating'",
        "机构床位": "institutions.bed b join institutions.institution t on t.id = b.institution_id"
        " where b.status <> 'closed'",
        "社区养老设施": "facilities.facility t where t.status = 'operating'",
        "家庭养老床位": "family_beds.family_bed t where t.status = 'open'",
        "未办结报警": "devices.alarm t where t.status <> 'closed'",
        "本月完成工单": "home_service.service_order t where t.status = 'finished'"
        " and t.finished_at >= date_trunc('month', now() at time zone 'Asia/Shanghai') at time zone 'Asia/Shanghai'",
    }

    def recorded(self, records, digits: str) -> dict[str, int]:
        """What the tables hold of a division, counted without the app."""
        with connect(Login.LOADER, records.settings) as loader:
            return {
                label: loader.execute(
                    f"select count(*) from {rows} and t.division_code like %s", [f"{digits}%"]
                ).fetchone()[0]
                for label, rows in self.COUNTED.items()
            }

    def test_they_equal_the_records_of_the_own_scope_and_no_others(self, installation, records):
        for division, count in ((CHIKAN, 1), (XIASHAN, 2)):
            provider = records.organization(unique("康"), division, "provider")
            for _ in range(count):
                elder = records.elder("陈阿婆", division)
                records.order(elder, provider, division, finished_at=now())
                institution, _ = records.institution(unique("颐养院"), division)
                records.bed(institution)
                records.insert(
                    "facilities.facility", name=unique("长者饭堂"), facility_type="canteen", facility_level="county",
                    division_code=division, status="operating",
                )  # fmt: skip
                records.insert(
                    "family_beds.family_bed", elder_id=elder, organization_id=provider, division_code=division,
                    status="open", opened_on=today(),
                )  # fmt: skip
                records.insert(
                    "devices.alarm", elder_id=elder, organization_id=provider, division_code=division, kind="call",
                    status="raised", raised_at=now(),
                )  # fmt: skip
        leaders = {
            digits: records.account(RoleCode.LEADER, division_code=division)
            for digits, division in (("440802", CHIKAN), ("440803", XIASHAN), ("4408", CITY))
        }
        app = create_app(installation)  # the page keeps figures for minutes: this one has kept none
        shown = {digits: figures_on(signed_in(app, name).get("/").text) for digits, name in leaders.items()}
        for digits in leaders:
            assert shown[digits] == self.recorded(records, digits), digits
        for label in self.COUNTED:
            assert shown["440802"][label] and shown["440803"][label]
            assert shown["4408"][label] >= shown["440802"][label] + shown["440803"][label]

    def test_who_may_not_open_a_list_sees_no_figure_of_it(self, installation, records):
        organization = records.organization(unique("康"), CHIKAN, "provider")
        staff = records.account(RoleCode.PROVIDER_STAFF, organization_id=organization)
        shown = figures_on(signed_in(create_app(installation), staff).get("/").text)
        assert "运营中的养老机构" not in shown and "本月完成工单" in shown
        assert (
            signed_in(create_app(installation), records.account(division_code=CITY))
            .get("/")
            .text.count('class="figure"')
            == 0
        )
