"""Collection campaigns through their pages: opened, filled in, handed in, checked; template and grid."""

from __future__ import annotations

import io
import re
import threading
from datetime import date, timedelta

import psycopg
import pytest
from openpyxl import Workbook, load_workbook

from huiyang.database import Login, connect
from operational_app.collection.forms import form_of
from operational_app.collection.models import CampaignKind, SubjectKind
from operational_app.identity.models import RoleCode
from operational_app.web.database import AppDatabase
from operational_app.web.services import today
from operational_app.workbench.reminders import remind
from tests.app_sample import CHIKAN, signed_in, unique
from tests.integration.test_app_notifications import key_of, titles
from tests.unit.test_app_collection import MONTH

#: Counties of this file alone: a campaign asks everybody of its county.
LEIZHOU, WUCHUAN = "440882000000", "440883000000"
#: A town of 雷州市 with no more institutions than one page of the grid holds.
XIHU = "440882002000"
OPERATING = form_of(CampaignKind.OPERATING, SubjectKind.INSTITUTION)


@pytest.fixture(scope="module")
def database(installation):
    found = AppDatabase(installation)
    yield found
    found.close()


_months = iter(range(60))


class Round:
    """A campaign of its own month in 雷州市, with its institutions, and who works on it."""

    def __init__(self, app, records, houses=1, subject="institution", place=LEIZHOU):
        self.app, self.records = app, records
        year, month = divmod(next(_months), 12)
        self.period = f"{2021 + year}-{month + 1:02d}"
        self.houses = [records.institution(unique("椹川院"), place) for _ in range(houses)]
        if subject == "facility":
            self.facility = records.insert(
                "facilities.facility", name=unique("椹川服务站"), facility_type="station", facility_level="village",
                division_code=LEIZHOU, status="operating",
            )  # fmt: skip
        self.office = self.people(RoleCode.DATA_STAFF)
        response = self.office.post(
            "/collection/new",
            {"kind": "operating", "period": self.period, "division": LEIZHOU, subject: "1",
             "due_on": str(today() + timedelta(days=10)), "instruction": "按月末实际填报"},
            form_on="/collection/new",
        )  # fmt: skip
        assert response.status_code == 303, response.text
        self.key = int(response.headers["location"].split("/")[-1].split("?")[0])
        self.page = f"/collection/{self.key}"

    def people(self, role, division=LEIZHOU):
        return signed_in(self.app, self.records.account(role, division_code=division))

    def manager(self, number=0):
        account = self.records.account(RoleCode.INSTITUTION_MANAGER, organization_id=self.houses[number][1])
        return signed_in(self.app, account)

    def value(self, query, *values):
        with connect(Login.LOADER, self.records.settings) as loader:
            row = loader.execute(query, values).fetchone()
        return row[0] if row and len(row) == 1 else row

    def filing(self, number=0):
        return self.value(
            "select id from collection.filing where campaign_id = %s and institution_id = %s",
            self.key, self.houses[number][0],
        )  # fmt: skip

    def state(self, filing):
        return self.value("select state from collection.filing where id = %s", filing)

    def figures(self, filing):
        return self.value("select figures from collection.filing where id = %s", filing)

    def act(self, browser, filing, what, version=None, **data):
        page = f"/collection/filings/{filing}"
        data["row_version"] = str(
            version or self.value("select row_version from collection.filing where id = %s", filing)
        )
        return browser.post(f"{page}/{what}", data, form_on=page)

    def save(self, browser, filing, code, text, seen=""):
        page = f"/collection/filings/{filing}"
        return browser.post(f"{page}/figure", {"code": code, "text": text, "seen": seen}, form_on=page)

    def fill(self, browser, filing, **changes):
        return self.act(browser, filing, "save", **{f"figure-{code}": text for code, text in (MONTH | changes).items()})

    def accepted(self, number=0):
        """Filled in by the manager, accepted by the county."""
        filing, manager = self.filing(number), self.manager(number)
        assert self.fill(manager, filing).status_code == 303
        assert self.act(manager, filing, "submit").status_code == 303
        assert self.act(self.office, filing, "accept").status_code == 303
        return filing


@pytest.fixture
def round_(app, records):
    return Round(app, records)


class TestCampaign:
    def test_everybody_due_is_asked_once(self, app, records):
        closed, _ = records.institution(unique("已关闭"), LEIZHOU, operating_status="closed")
        other, _ = records.institution(unique("吴川院"), WUCHUAN)
        mine = Round(app, records, 2)
        asked = mine.value("select array_agg(institution_id) from collection.filing where campaign_id = %s", mine.key)
        assert {house for house, _ in mine.houses} <= set(asked)
        assert not {closed, other} & set(asked)
        again = mine.office.post(
            "/collection/new",
            {"kind": "operating", "period": mine.period, "division": LEIZHOU, "institution": "1",
             "due_on": str(today() + timedelta(days=10))},
            form_on="/collection/new",
        )  # fmt: skip
        assert again.status_code == 422
        assert "已经存在" in again.text

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"period": "2026-H1"}, "期间应为月份"), ({"period": "2099-01"}, "还没有开始"),
            ({"division": CHIKAN}, "只能在本部门管辖"), ({"due_on": "2020-01-01"}, "不能早于今天"),
            ({"institution": ""}, "请选择采集对象"), ({"kind": "x"}, "请选择采集内容"),
        ],
    )  # fmt: skip
    def test_a_wrong_campaign_is_refused(self, round_, change, words):
        data = {"kind": "operating", "period": "2020-01", "division": LEIZHOU, "institution": "1",
                "due_on": str(today())}  # fmt: skip
        response = round_.office.post("/collection/new", data | change, form_on="/collection/new")
        assert response.status_code == 422
        assert words in response.text

    def test_only_the_office_opens_and_only_its_own_are_seen(self, round_, records):
        assert round_.manager().get("/collection/new").status_code == 403
        stranger = signed_in(round_.app, records.account(RoleCode.DATA_STAFF, division_code=WUCHUAN))
        assert stranger.get(round_.page).status_code == 404
        assert stranger.get(f"/collection/filings/{round_.filing()}").status_code == 404
        leader = round_.people(RoleCode.LEADER)
        assert "雷州市" in leader.get(round_.page).text
        assert round_.act(leader, round_.filing(), "save").status_code == 403

    def test_extending_needs_a_reason_and_a_later_day(self, round_):
        def extend(days, reason, version=1):
            data = {"due_on": str(today() + timedelta(days=days)), "reason": reason, "row_version": str(version)}
            return round_.office.post(f"{round_.page}/extend", data, form_on=round_.page)

        assert extend(20, "").status_code == extend(5, "台风").status_code == 422
        assert extend(20, "台风").status_code == 303
        assert extend(30, "台风").status_code == 422  # stale
        due = round_.value("select due_on from collection.filing where id = %s", round_.filing())
        assert due == today() + timedelta(days=20)
        assert "台风" in round_.office.get(round_.page).text

    def test_a_reminder_reaches_its_people_and_late_is_late(self, round_):
        filing = round_.filing()
        with connect(Login.LOADER, round_.records.settings) as loader:
            loader.execute(
                "update collection.filing set due_on = %s where id = %s", [today() - timedelta(days=3), filing]
            )
        data = {"filing": str(filing)}
        assert round_.office.post(f"{round_.page}/remind", data, form_on=round_.page).status_code == 303
        assert "已催报 1 次" in round_.manager().get("/collection").text
        overdue = round_.office.get(f"{round_.page}?state=overdue").text
        assert "逾期 3 天" in overdue
        form = f"/collection/filings/{filing}"
        assert round_.manager().post(f"{round_.page}/remind", data, form_on=form).status_code == 403

    def test_closing_without_everything_needs_a_reason_and_ends_filling(self, round_):
        def close(reason, version):
            data = {"reason": reason, "row_version": str(version)}
            return round_.office.post(f"{round_.page}/close", data, form_on=round_.page)

        assert close("", 1).status_code == 422
        assert close("两家停业整改", 1).status_code == 303
        refused = round_.save(round_.manager(), round_.filing(), "staff_count", "3")
        assert refused.status_code == 422
        assert "已结束" in refused.json()["problem"]


class TestFilling:
    @pytest.mark.feature(98)
    def test_a_manager_fills_in_hands_in_and_the_county_accepts(self, round_):
        filing, manager = round_.filing(), round_.manager()
        saved = round_.save(manager, filing, "staff_count", "９").json()
        assert (saved["stored"], saved["source"], saved["confirmed"]) == ("9", "填写", 1)
        again = round_.manager().get(f"/collection/filings/{filing}").text  # another device goes on from there
        assert re.search(r'name="figure-staff_count" value="9"', again)
        missing = round_.act(manager, filing, "submit")
        assert missing.status_code == 422
        assert "必填" in missing.text
        assert round_.state(filing) == "draft"
        assert round_.fill(manager, filing).status_code == 303
        assert round_.act(manager, filing, "submit").status_code == 303
        assert round_.state(filing) == "submitted"
        assert round_.save(manager, filing, "staff_count", "8").status_code == 422
        assert round_.act(round_.office, filing, "accept").status_code == 303
        assert round_.value("select state, accepted_number from collection.filing where id = %s", filing) == (
            "accepted",
            1,
        )
        figures = round_.value("select figures from collection.submission where filing_id = %s", filing)
        assert figures == MONTH
        kinds = [
            event["details"]["kind"] for event in round_.records.audited(action="collection_filing", target_id=filing)
        ]
        assert kinds == ["submit", "accept"]

    def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(self, round_):
        filing, manager = round_.filing(), round_.manager()
        wrong = round_.save(manager, filing, "staff_count", "九")
        assert (wrong.status_code, wrong.json()["problem"]) == (422, "“九”不是数字")
        told = round_.fill(manager, filing, available_bed_count="19")
        assert told.status_code == 303
        response = round_.act(manager, filing, "submit")
        assert response.status_code == 422
        assert "月末在住老人 20 大于月末可用床位 19" in response.text
        bad = round_.act(manager, filing, "save", **{"figure-staff_count": "x", "figure-income_yuan": "5"})
        assert bad.status_code == 422
        assert 'value="x"' in bad.text  # what was typed stays
        assert round_.figures(filing)["income_yuan"] == "80000.00"

    def test_the_last_period_is_confirmed_with_one_click(self, app, records):
        before = Round(app, records)
        before.accepted()
        after = Round(app, records, houses=0)
        after.houses = before.houses
        filing, manager = after.filing(), after.manager()
        page = manager.get(f"/collection/filings/{filing}").text
        assert "上期数据，待确认" in page
        assert after.figures(filing) == {}  # shown is not said
        assert after.act(manager, filing, "unchanged", group="安全事件").status_code == 303
        assert set(after.figures(filing)) == {code for code in MONTH if code.startswith("incident")}
        assert after.act(manager, filing, "unchanged", **{"figure-staff_count": "10"}).status_code == 303
        assert after.figures(filing) == MONTH | {"staff_count": "10"}  # the rest; what was typed counts
        sources = after.value("select sources from collection.filing where id = %s", filing)
        assert (sources["staff_count"], sources["income_yuan"]) == ("typed", "carried")
        assert after.act(manager, filing, "submit").status_code == 303
        assert after.act(manager, filing, "unchanged").status_code == 422

    def test_the_platforms_own_counts_are_beside_and_taken_with_one_click(self, round_, records):
        house = round_.houses[0][0]
        year, month = map(int, round_.period.split("-"))
        for number in range(2):
            records.insert(
                "institutions.residency", institution_id=house, bed_id=records.bed(house),
                elder_id=records.elder("陈阿婆", LEIZHOU), admitted_on=date(year, month, 1 + number),
                ability_level="severe", discharged_on=date(year, month, 20) if number else None,
                discharge_reason="death" if number else None,
            )  # fmt: skip
        filing, manager = round_.filing(), round_.manager()
        assert round_.act(manager, filing, "system").status_code == 303
        figures = round_.figures(filing)
        assert {code: figures[code] for code in (
            "resident_count", "resident_severe", "admission_count", "discharge_count", "death_count"
        )} == {"resident_count": "1", "resident_severe": "1", "admission_count": "2", "discharge_count": "0",
               "death_count": "1"}  # fmt: skip
        told = round_.save(manager, filing, "resident_count", "2", seen="1").json()
        assert "与系统统计 1 不一致" in told["problems"]["resident_count"][0]
        page = f"/collection/filings/{filing}"
        remark = manager.post(
            f"{page}/figure", {"code": "resident_count", "remark": "一人次日入档"}, form_on=page
        ).json()
        assert "resident_count" not in {code: m for code, m in remark["problems"].items() if "系统统计" in m[0]}

    def test_two_people_at_once(self, round_):
        filing, first, second = round_.filing(), round_.manager(), round_.manager()
        assert round_.save(first, filing, "staff_count", "9").status_code == 200
        assert round_.save(second, filing, "income_yuan", "100").status_code == 200  # another field is in nobody's way
        late = round_.save(second, filing, "staff_count", "7", seen="")
        assert late.status_code == 409
        assert (late.json()["stored"], round_.figures(filing)["staff_count"]) == ("9", "9")
        assert round_.save(second, filing, "staff_count", "7", seen="9").status_code == 200
        stale = round_.act(first, filing, "save", version=1, **{"figure-staff_count": "8", "seen-staff_count": "9"})
        assert stale.status_code == 422
        assert "改为“7”" in stale.text

    def test_whoever_hands_in_never_accepts(self, round_):
        filing, office = round_.filing(), round_.office
        assert round_.fill(office, filing).status_code == 303  # on behalf of the institution
        assert round_.act(office, filing, "submit").status_code == 303
        refused = round_.act(office, filing, "accept")
        assert refused.status_code == 422
        assert "应由其他人审核" in refused.text
        with connect(Login.LOADER, round_.records.settings) as loader, pytest.raises(psycopg.errors.CheckViolation):
            loader.execute(
                "update collection.filing set state = 'accepted', accepted_number = 1, decided_by = submitted_by"
                " where id = %s", [filing],
            )  # fmt: skip
        assert round_.act(round_.people(RoleCode.AUDITOR), filing, "accept").status_code == 303
        assert round_.act(round_.manager(), filing, "accept").status_code == 403

    def test_of_two_decisions_at_once_exactly_one_counts(self, round_):
        filing, manager = round_.filing(), round_.manager()
        round_.fill(manager, filing)
        round_.act(manager, filing, "submit")
        version = round_.value("select row_version from collection.filing where id = %s", filing)
        checkers = [round_.people(RoleCode.AUDITOR), round_.people(RoleCode.DATA_STAFF)]
        answers = []
        acts = (("accept", {}), ("return", {"reason": "请核对"}))
        threads = [
            threading.Thread(
                target=lambda b=b, a=a, d=d: answers.append(round_.act(b, filing, a, version, **d).status_code)
            )
            for b, (a, d) in zip(checkers, acts, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [303, 422]
        decided = round_.value(
            "select count(*) from collection.filing_event where filing_id = %s and act in ('accept', 'return')", filing
        )
        assert decided == 1

    def test_of_two_who_open_the_same_period_exactly_one_does(self, app, records):
        mine = Round(app, records)
        offices = [mine.office, mine.people(RoleCode.DATA_STAFF)]
        year, month = divmod(next(_months), 12)
        data = {"kind": "operating", "period": f"{2021 + year}-{month + 1:02d}", "division": LEIZHOU,
                "institution": "1", "due_on": str(today())}  # fmt: skip
        answers = []
        threads = [
            threading.Thread(
                target=lambda b=b: answers.append(
                    b.post("/collection/new", data, form_on="/collection/new").status_code
                )
            )
            for b in offices
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [303, 422]

    def test_sent_back_with_a_reason_and_corrected_as_a_new_version(self, round_):
        filing, manager = round_.filing(), round_.manager()
        round_.fill(manager, filing)
        round_.act(manager, filing, "submit")
        assert round_.act(round_.office, filing, "return").status_code == 422
        assert round_.act(round_.office, filing, "return", reason="收入漏填一笔").status_code == 303
        assert "收入漏填一笔" in manager.get(f"/collection/filings/{filing}").text
        stale = round_.act(round_.office, filing, "accept")
        assert stale.status_code == 422
        round_.save(manager, filing, "income_yuan", "81000", seen="80000.00")
        round_.act(manager, filing, "submit")
        assert round_.act(round_.office, filing, "accept").status_code == 303
        assert round_.act(manager, filing, "correct", reason="发票冲红").status_code == 303
        round_.save(manager, filing, "income_yuan", "82000", seen="81000.00")
        assert round_.value("select accepted_number from collection.filing where id = %s", filing) == 2
        round_.act(manager, filing, "submit")
        round_.act(round_.office, filing, "accept")
        kept = round_.value(
            "select array_agg(figures ->> 'income_yuan' order by number) from collection.submission"
            " where filing_id = %s",
            filing,
        )
        assert kept == ["80000.00", "81000.00", "82000.00"]
        page = manager.get(f"/collection/filings/{filing}").text
        assert "第 3 次（有效）" in page
        assert "本月收入 81000.00 → 82000.00" in page
        with connect(Login.APP, round_.records.settings) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("update collection.submission set figures = '{}'")


def workbook(browser, round_, subject="institution"):
    response = browser.get(f"{round_.page}/template.xlsx?subject={subject}")
    assert response.status_code == 200
    return load_workbook(io.BytesIO(response.content))


def saved(book):
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


class TestTemplate:
    def upload(self, browser, round_, content, name="填好.xlsx"):
        page = f"{round_.page}/import"
        return browser.client.post(
            page, data={"csrftoken": browser.form_token(page), "subject": "institution"},
            files={"file": (name, content, "application/octet-stream")},
        )  # fmt: skip

    def row_of(self, book, filing):
        return next(row for row in range(4, book["填报"].max_row + 1) if book["填报"].cell(row, 1).value == filing)

    def filled(self, book, filing, **changes):
        row = self.row_of(book, filing)
        for column, field in enumerate(OPERATING.fields, 4):
            book["填报"].cell(row, column).value = (
                changes[field.code] if field.code in changes else float(MONTH[field.code])
            )
        return book

    @pytest.mark.feature(98)
    def test_out_filled_in_checked_and_in(self, app, records):
        mine = Round(app, records, 2)
        book = workbook(mine.office, mine)
        sheet = book["填报"]
        assert sheet.protection.sheet
        assert book["模板信息"].sheet_state == "veryHidden"
        assert sheet.cell(3, 5).value == "*月末在住老人（人）"
        first, second = mine.filing(0), mine.filing(1)
        content = saved(self.filled(self.filled(book, first), second))
        tried = self.upload(mine.office, mine, content)
        assert tried.status_code == 200, tried.text
        assert "检查通过：2 家单位" in tried.text
        assert mine.figures(first) == {}  # a dry run
        digest = re.search(r'name="digest" value="([0-9a-f]{64})"', tried.text)[1]
        data = {"digest": digest, "subject": "institution", "name": "填好.xlsx"}
        done = mine.office.post(f"{mine.page}/import/confirm", data, form_on=f"{mine.page}/import")
        assert done.status_code == 303
        assert mine.figures(first) == mine.figures(second) == MONTH
        assert set(mine.value("select sources from collection.filing where id = %s", first).values()) == {"imported"}

    def test_every_wrong_cell_is_named_and_nothing_is_half_imported(self, app, records):
        mine = Round(app, records, 2)
        book = workbook(mine.office, mine)
        first, second = mine.filing(0), mine.filing(1)
        self.filled(self.filled(book, first), second, resident_count="二十", income_yuan="=1+1", staff_count=-3)
        row = self.row_of(book, second)
        book["填报"].cell(book["填报"].max_row + 1, 4).value = 5
        answer = self.upload(mine.office, mine, saved(book))
        assert answer.status_code == 422
        cells = {
            field.code: f"填报!{book['填报'].cell(row, n).coordinate}" for n, field in enumerate(OPERATING.fields, 4)
        }
        for code, words in (
            ("resident_count", "不是数字"), ("income_yuan", "含有公式"), ("staff_count", "应在 0 至"),
        ):  # fmt: skip
            assert cells[code] in answer.text
            assert words in answer.text
        assert "不在名单内" in answer.text
        assert "digest" not in answer.text
        assert mine.figures(first) == {}

    def test_another_campaigns_or_a_foreign_file_is_refused(self, app, records):
        mine, other = Round(app, records), Round(app, records)
        answers = {
            "是另一次采集": saved(workbook(other.office, other)),
            "不是可用的 Excel": b"name,1\n",
            "旧版 .xls": b"\xd0\xcf\x11\xe0" + bytes(600),
            "空文件": b"",
            "不是本平台下载的采集模板": saved(Workbook()),
        }
        old = workbook(mine.office, mine)
        old["模板信息"].cell(5, 2).value = "0123456789ab"
        answers["旧版模板"] = saved(old)
        moved = workbook(mine.office, mine)
        moved["填报"].delete_cols(5)
        answers["表头被改动"] = saved(moved)
        for words, content in answers.items():
            answer = self.upload(mine.office, mine, content)
            assert answer.status_code == 422, words
            assert words in answer.text

    def test_a_file_with_macros_or_an_entity_is_refused(self, round_):
        import zipfile

        plain = saved(workbook(round_.office, round_))
        for name, content, words in (
            ("xl/vbaProject.bin", b"x", "含有宏"),
            ("xl/extra.xml", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a/>', "不是可用的 Excel"),
        ):
            changed = io.BytesIO(plain)
            with zipfile.ZipFile(changed, "a") as archive:
                archive.writestr(name, content)
            answer = self.upload(round_.office, round_, changed.getvalue())
            assert answer.status_code == 422
            assert words in answer.text

    def test_the_export_holds_accepted_figures_and_no_formula(self, app, records):
        house = records.institution(f"=HYPERLINK({unique()})", LEIZHOU)
        later = Round(app, records, 0)
        later.houses = [house]
        later.accepted()
        book = load_workbook(io.BytesIO(later.office.get(f"{later.page}/export.xlsx").content))
        rows = {row[0].value: row for row in book.active.iter_rows(min_row=2)}
        row = next(cells for name, cells in rows.items() if name.startswith("=HYPERLINK"))
        assert row[0].data_type == "s"
        assert [row[2].value, row[8].value] == ["已通过", 20]


class TestGrid:
    def post(self, browser, round_, cells, **more):
        page = f"{round_.page}/grid?subject=institution&town={XIHU}"
        data = {f"cell-{filing}-{code}": text for (filing, code), text in cells.items()}
        for filing in {filing for filing, _ in cells}:
            version = round_.value("select row_version from collection.filing where id = %s", filing)
            data[f"version-{filing}"] = str(version)
        return browser.post(
            f"{round_.page}/grid", {"subject": "institution", "town": XIHU, **data, **more}, form_on=page
        )

    def test_many_houses_on_one_page_all_or_nothing(self, app, records):
        mine = Round(app, records, 2, place=XIHU)
        first, second = mine.filing(0), mine.filing(1)
        cells = {(filing, code): text for filing in (first, second) for code, text in MONTH.items()}
        wrong = self.post(mine.office, mine, cells | {(second, "staff_count"): "很多"})
        assert wrong.status_code == 422
        assert "有 1 处需要修改，本页都没有保存" in wrong.text
        assert 'value="很多"' in wrong.text
        assert mine.figures(first) == {}
        assert self.post(mine.office, mine, cells).status_code == 303
        assert mine.figures(first) == mine.figures(second) == MONTH
        sent = self.post(mine.office, mine, {(first, "staff_count"): "", (second, "staff_count"): ""}, act="submit")
        assert sent.status_code == 303
        assert mine.state(first) == mine.state(second) == "submitted"

    def test_a_stale_page_and_another_ones_filing_are_refused(self, app, records):
        mine, stranger = Round(app, records, place=XIHU), Round(app, records)
        filing, manager = mine.filing(), mine.manager()
        stale = self.post(manager, mine, {(filing, "staff_count"): "5"}, **{f"version-{filing}": "99"})
        assert stale.status_code == 422
        assert "刚被他人修改" in stale.text
        foreign = self.post(manager, mine, {(stranger.filing(), "staff_count"): "5"})
        assert foreign.status_code == 422
        assert stranger.figures(stranger.filing()) == {}


class TestFacility:
    def test_the_county_fills_in_for_a_facility_without_an_account(self, app, records):
        mine = Round(app, records, 0, subject="facility")
        filing = mine.value(
            "select id from collection.filing where campaign_id = %s and facility_id = %s", mine.key, mine.facility
        )
        assert mine.save(mine.office, filing, "open_day_count", "22").json()["stored"] == "22"
        assert mine.save(mine.office, filing, "open_day_count", "32", seen="22").status_code == 422
        assert "您正在代本单位填报" in mine.office.get(f"/collection/filings/{filing}").text


class TestNotices:
    """Who is told what, and how often."""

    @pytest.fixture
    def houses(self, records):
        """(institution, organization, its manager's user name) of two houses with people, before they are asked."""
        made = [records.institution(unique("乌石院"), LEIZHOU) for _ in range(2)]
        return [
            (key, organization, records.account(RoleCode.INSTITUTION_MANAGER, organization_id=organization))
            for key, organization in made
        ]

    def told(self, records, house, word):
        return [title for title in titles(records, house[2]) if word in title]

    def asked(self, app, records, houses):
        """A campaign, and of it the filing of the first house."""
        round_ = Round(app, records, houses=0)
        round_.houses = [(key, organization) for key, organization, _ in houses]
        return round_, round_.filing()

    def test_who_must_fill_is_told_of_each_step(self, app, records, houses):
        carer = records.account(RoleCode.PROVIDER_STAFF, organization_id=houses[0][1])
        round_, filing = self.asked(app, records, houses)
        manager = signed_in(app, houses[0][2])
        period = f"{int(round_.period[:4])} 年 {int(round_.period[5:])} 月运营数据"
        assert self.told(records, houses[0], period) == [
            f"{period}开始采集，请在 {today() + timedelta(days=10)} 前填报"
        ]
        assert "数据采集" in manager.get("/notifications").text
        assert round_.fill(manager, filing).status_code == 303
        for decision, word in (("return", "被退回"), ("accept", "已通过审核")):
            assert round_.act(manager, filing, "submit").status_code == 303
            assert round_.act(round_.office, filing, decision, reason="请核对").status_code == 303
            assert self.told(records, houses[0], word) == [
                f"{period}的填报{'被退回，请修改后重新提交' if decision == 'return' else word}"
            ]
        assert self.told(records, houses[1], "审核") == [] and titles(records, carer) == []

    def test_a_refused_act_tells_nobody(self, app, records, houses):
        round_, filing = self.asked(app, records, houses)
        manager = signed_in(app, houses[0][2])
        assert round_.fill(manager, filing).status_code == round_.act(manager, filing, "submit").status_code == 303
        assert round_.act(round_.office, filing, "return", reason="").status_code == 422
        assert self.told(records, houses[0], "退回") == []

    def test_deadlines_are_told_once_when_close_and_once_a_day_when_late(self, app, records, houses, database):
        round_, filing = self.asked(app, records, houses)
        due = today() + timedelta(days=10)
        near = lambda: len(self.told(records, houses[0], "截止，还没有提交"))  # noqa: E731
        late = lambda: len(self.told(records, houses[0], "请尽快填报"))  # noqa: E731
        for on, count in ((due - timedelta(days=4), 0), (due - timedelta(days=3), 1), (due, 1)):
            remind(database, on)
            assert (near(), late()) == (count, 0), on
        for on, count in (((due + timedelta(days=1)), 1), (due + timedelta(days=1), 1), (due + timedelta(days=2), 2)):
            remind(database, on)
            assert (near(), late()) == (1, count), on
        manager = signed_in(app, houses[0][2])
        assert round_.fill(manager, filing).status_code == round_.act(manager, filing, "submit").status_code == 303
        remind(database, due + timedelta(days=3))
        assert late() == 2 and len(self.told(records, houses[1], "请尽快填报")) == 3

    def test_reminding_by_hand_twice_a_day_tells_once(self, app, records, houses):
        round_, filing = self.asked(app, records, houses)
        for _ in range(2):
            response = round_.office.post(f"{round_.page}/remind", {"filing": str(filing)}, form_on=round_.page)
            assert response.status_code == 303
        assert [len(self.told(records, house, "请尽快填报")) for house in houses] == [1, 0]

    def test_for_a_facility_without_people_its_county_is_told(self, app, records):
        deputy = records.account(RoleCode.DATA_STAFF, division_code=LEIZHOU)
        leader = records.account(RoleCode.LEADER, division_code=LEIZHOU)
        Round(app, records, houses=0, subject="facility")
        assert len([title for title in titles(records, deputy) if "开始采集" in title]) == 1
        assert titles(records, leader) == []


class TestMoreTime:
    def extend(self, round_, browser, filing, days, reason="台风停电", version=None):
        due_on = str(today() + timedelta(days=days))
        return round_.act(browser, filing, "extend", version, due_on=due_on, reason=reason)

    def due_on(self, round_, number):
        return round_.value("select due_on from collection.filing where id = %s", round_.filing(number))

    def test_one_subject_gets_more_time_from_whoever_asks(self, app, records):
        round_ = Round(app, records, houses=2)
        filing, manager = round_.filing(), round_.manager()
        assert self.extend(round_, round_.office, filing, 20, reason=" ").status_code == 422
        assert self.extend(round_, round_.office, filing, 10).status_code == 422, "it is due then already"
        assert self.extend(round_, manager, filing, 20).status_code == 403
        assert self.extend(round_, round_.people(RoleCode.AUDITOR), filing, 20).status_code == 403
        assert self.extend(round_, round_.office, filing, 20, version=9).status_code == 422, "stale"
        response = self.extend(round_, round_.office, filing, 20)
        assert response.status_code == 303, response.text
        assert [self.due_on(round_, number) - today() for number in range(2)] == [timedelta(20), timedelta(10)]
        text = manager.get(f"/collection/filings/{filing}").text
        assert "延长期限" in text and "台风停电" in text and "延长本单位的截止日期" not in text
        # A later deadline for all takes nothing from the one who has more time.
        data = {"due_on": str(today() + timedelta(days=15)), "reason": "统一延期", "row_version": "1"}
        assert round_.office.post(f"{round_.page}/extend", data, form_on=round_.page).status_code == 303
        assert [self.due_on(round_, number) - today() for number in range(2)] == [timedelta(20), timedelta(15)]

    def test_a_town_and_what_is_handed_in_get_none(self, round_):
        filing, manager = round_.filing(), round_.manager()
        town = round_.people(RoleCode.DATA_STAFF, XIHU)
        assert self.extend(round_, town, filing, 20).status_code in (404, 422)
        assert round_.fill(manager, filing).status_code == round_.act(manager, filing, "submit").status_code == 303
        assert self.extend(round_, round_.office, filing, 20).status_code == 422


def test_progress_by_county_and_of_the_reporting_units(app, records):
    """A city's campaign, put straight into the database: opened through the page it would ask every other test."""
    boss = records.account(RoleCode.DATA_STAFF, division_code="440800000000")
    campaign = records.insert(
        "collection.campaign", kind="base", period="2019-H1", division_code="440800000000", due_on=today(),
        state="closed", opened_by=key_of(records, boss),
    )  # fmt: skip
    zone, park = "440803070000", "440882450000"
    for place, count in ((zone, 3), ("440803002000", 1), (park, 2), (XIHU, 4), (CHIKAN, 1)):
        for _ in range(count):
            name = unique("点")
            facility = records.insert(
                "facilities.facility", name=name, facility_type="station", facility_level="village",
                division_code=place, status="operating",
            )  # fmt: skip
            records.insert(
                "collection.filing", campaign_id=campaign, kind="base", period="2019-H1", facility_id=facility,
                name=name, division_code=place, due_on=today(),
            )  # fmt: skip

    def seen(username, query=""):
        text = signed_in(app, username).get(f"/collection/{campaign}{query}").text
        names = re.findall(r'<div class="county-row">\s*<a [^>]*>([^<]*)</a>', text)
        totals = re.findall(r"\d+ / (\d+) 已通过", text)
        return dict(zip(names, map(int, totals), strict=True)), re.search(r"共 (\d+) 家", text)[1]

    units = {"湛江经开区": 3, "奋勇高新区": 2}
    counties = {"赤坎区": 1, "霞山区": 4, "雷州市": 6}
    assert seen(boss) == (counties | units, "11")
    assert seen(boss, "?unit=ZJ-JKQ")[1] == "3" and seen(boss, "?unit=ZJ-FY")[1] == "2"
    assert seen(boss, "?unit=X")[1] == "11"
    leizhou = records.account(RoleCode.DATA_STAFF, division_code=LEIZHOU)
    assert seen(leizhou) == ({"雷州市": 6, "奋勇高新区": 2}, "6")
    assert seen(records.account(RoleCode.LEADER, unit_code="ZJ-JKQ")) == ({"湛江经开区": 3}, "3")
