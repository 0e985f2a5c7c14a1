"""规则目录 through its pages: what is checked, what changed, who approves it; nothing official before that."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest

from expectations.catalogue import catalogues
from expectations.deliver import tell_catalogue
from expectations.rule import Severity
from huiyang.database import Login, connect
from huiyang.server import admin_connect
from operational_app.identity.models import RoleCode
from operational_app.main import create_app
from pipelines.worker import tell_plans
from tests.app_sample import CHIKAN, Records, signed_in
from tests.integration.test_app_notifications import titles

CITY = "440800000000"
FIRST = catalogues()[-1]
pytestmark = pytest.mark.feature(22)


@pytest.fixture(scope="module")
def records(own_installation):
    return Records(own_installation)


@pytest.fixture(scope="module")
def app(own_installation):
    tell_plans(own_installation)  # what the software came with
    return create_app(own_installation)


@pytest.fixture(scope="module")
def desk(app, records):
    names = {
        "staff": records.account(RoleCode.DATA_STAFF, division_code=CITY),
        "reviewer": records.account(RoleCode.AUDITOR, division_code=CITY),
        "second": records.account(RoleCode.AUDITOR, division_code=CITY),
        "both": records.account(RoleCode.AUDITOR, RoleCode.DATA_STAFF, division_code=CITY),
        "county": records.account(RoleCode.DATA_STAFF, RoleCode.AUDITOR, division_code=CHIKAN),
    }
    with connect(Login.INBOX, records.settings) as inbox:
        inbox.execute("update inbox.cadence_plan set reviewers = reviewers || %s", [list(names.values())])
    return names | {f"{who}_page": signed_in(app, name) for who, name in names.items()}


def cells(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def told(records, catalogue) -> int:
    """Tells a catalogue as a refresh does; its number."""
    with connect(Login.INBOX, records.settings) as inbox:
        tell_catalogue(inbox, catalogue)
        [key] = inbox.execute("select id from inbox.catalogue where sha256 = %s", [catalogue.sha256]).fetchone()
    return key


def changed(rule_id: str):
    """The catalogue with one rule loosened to a warning, and the rule after it gone."""
    rules = list(FIRST.rules)
    place = next(number for number, rule in enumerate(rules) if rule.id == rule_id)
    gone = rules.pop(place + 1)
    rules[place] = replace(rules[place], severity=Severity.WARNING)
    return replace(FIRST, rules=tuple(rules)), gone.id


def act(browser, path, data=None):
    return browser.post(path, data, form_on="/me")


def test_the_catalogue_is_listed_searched_and_told_in_full(desk):
    page = cells(desk["reviewer_page"].get("/rules/list").text)
    assert f"共 {len(FIRST.rules)} 条" in page
    found = cells(desk["reviewer_page"].get("/rules/list?words=eld-02").text)
    assert "共 1 条" in found and FIRST["ELD-02"].title in found
    other = cells(desk["reviewer_page"].get("/rules/list?theme=健康&severity=critical").text)
    assert FIRST["ELD-02"].title not in other and FIRST["VIT-KEY"].title in other
    rule = cells(desk["county_page"].get("/rules/entries/ELD-02").text)
    assert FIRST["ELD-02"].definition in rule and "判为不符合的条件" in rule and "没有变更" in rule
    assert desk["county_page"].get("/rules/entries/NO-1").status_code == 404


def test_what_came_with_the_software_needs_no_approval(desk, records):
    key = told(records, FIRST)
    page = cells(desk["staff_page"].get(f"/rules/catalogues/{key}").text)
    assert "随系统交付" in page and "修改理由" not in page.replace("送审人 修改理由", "")
    answer = act(desk["staff_page"], f"/rules/catalogues/{key}/ask", {"reason": "试试"})
    assert answer.status_code == 422 and "不需要审批" in answer.text


def test_providers_see_no_rules(app, records, desk):
    provider = records.organization("规则服务商", CHIKAN, "provider")
    stranger = signed_in(app, records.account(RoleCode.PROVIDER_MANAGER, organization_id=provider))
    for path in ("/rules/list", "/rules/entries/ELD-02", "/rules/catalogues", "/rules/catalogues/1"):
        assert stranger.get(path).status_code == 403


def test_a_change_is_seen_asked_for_approved_and_only_then_signed(desk, records):
    catalogue, gone = changed("ELD-02")
    key = told(records, catalogue)
    address = f"/rules/catalogues/{key}"
    page = cells(desk["staff_page"].get(address).text)
    assert (
        "有变更，未送审" in page and "修改：" + FIRST["ELD-02"].title in page and "删除：" + FIRST[gone].title in page
    )
    assert "质量规则变更待送审" in cells(desk["staff_page"].get("/").text)
    with records.release(
        period="2025-03", state="candidate", published_at=None, catalogue_sha256=catalogue.sha256
    ) as release:  # fmt: skip
        submit, sign = (f"/periods/2025-03/releases/{release}/{step}" for step in ("submit", "sign"))
        early = act(desk["staff_page"], submit, {"note": "已核实"})
        assert early.status_code == 422 and "未经批准的变更" in early.text

        assert act(desk["staff_page"], f"{address}/ask", {"reason": " "}).status_code == 422
        assert act(desk["county_page"], f"{address}/ask", {"reason": "试"}).status_code == 422
        assert act(desk["reviewer_page"], f"{address}/ask", {"reason": "试"}).status_code == 403
        asked = act(desk["both_page"], f"{address}/ask", {"reason": "省厅通知放宽"})
        assert "已送审" in desk["both_page"].get(asked.headers["location"]).text
        assert "质量规则有变更，等待批准" in titles(records, desk["reviewer"])
        assert "质量规则变更待批准" in cells(desk["reviewer_page"].get("/").text)
        again = act(desk["staff_page"], f"{address}/ask", {"reason": "再送"})
        assert again.status_code == 422 and "已经送审" in again.text

        own = act(desk["both_page"], f"{address}/decision", {"decision": "approved"})
        assert own.status_code == 422 and "不能审批自己送审的变更" in own.text
        assert act(desk["staff_page"], f"{address}/decision", {"decision": "approved"}).status_code == 403
        assert act(desk["county_page"], f"{address}/decision", {"decision": "approved"}).status_code == 422
        assert act(desk["reviewer_page"], f"{address}/decision", {"decision": "whatever"}).status_code == 400
        silent = act(desk["reviewer_page"], f"{address}/decision", {"decision": "returned", "answer": ""})
        assert silent.status_code == 422 and "请写明退回原因" in silent.text
        assert act(
            desk["reviewer_page"], f"{address}/decision", {"decision": "returned", "answer": "附上通知"}
        ).is_redirect
        assert act(desk["staff_page"], submit, {"note": "已核实"}).status_code == 422

        assert act(desk["staff_page"], f"{address}/ask", {"reason": "粤民函〔2026〕1 号"}).is_redirect
        assert act(desk["reviewer_page"], f"{address}/decision", {"decision": "approved"}).is_redirect
        assert "已批准" in cells(desk["staff_page"].get(address).text)
        assert act(desk["staff_page"], submit, {"note": "已核实"}).is_redirect
        assert act(desk["reviewer_page"], sign, {"reason": "如实"}).is_redirect
    rule = cells(desk["staff_page"].get("/rules/entries/ELD-02").text)
    assert f"修改 目录第 {key} 版" in rule and "原来" in rule
    events = [event["details"]["decision"] for event in records.audited(action="rule_approval", target_id=key)]
    assert events == ["送审", "退回", "送审", "批准"]


def test_a_release_of_a_change_that_came_after_its_submission_is_not_signed(desk, records):
    """The check stands at the signature too: a candidate may have been handed in by other ways."""
    catalogue, _ = changed("ELD-04")
    told(records, catalogue)
    with records.release(
        period="2025-04", state="candidate", published_at=None, catalogue_sha256=catalogue.sha256
    ) as release:  # fmt: skip
        with admin_connect(records.settings, "app") as admin:  # the test before had a release of this number
            admin.execute("delete from periods.review where release_id = %s", [release])
        with connect(Login.LOADER, records.settings) as loader:
            loader.execute(
                "insert into periods.review (release_id, period, submitted_by)"
                " select %s, '2025-04', id from identity.account where username = %s",
                [release, desk["staff"]],
            )
        answer = act(desk["reviewer_page"], f"/periods/2025-04/releases/{release}/sign", {"reason": "如实"})
        assert answer.status_code == 422 and "未经批准的变更" in answer.text


def test_of_two_reviewers_one_decides(desk, records):
    catalogue, _ = changed("ELD-06")
    address = f"/rules/catalogues/{told(records, catalogue)}"
    assert act(desk["staff_page"], f"{address}/ask", {"reason": "标准更新"}).is_redirect
    answers = {}

    def decide(who, decision):
        answers[who] = act(desk[f"{who}_page"], f"{address}/decision", {"decision": decision, "answer": "看过"})

    threads = [
        threading.Thread(target=decide, args=pair) for pair in (("reviewer", "approved"), ("second", "returned"))
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers.values()) == [303, 422]
    late = next(answer for answer in answers.values() if answer.status_code == 422)
    assert "刚被他人办理" in late.text


def test_telling_it_again_adds_nothing_and_uses_no_number_up(desk, records):
    first = told(records, FIRST)
    assert told(records, FIRST) == first
    page = cells(desk["staff_page"].get("/rules/catalogues").text)
    assert f"第 {first} 版 现行" in page
    newest = told(records, changed("ELD-08")[0])
    assert newest == max(int(number) for number in re.findall(r"第 (\d+) 版", page)) + 1
