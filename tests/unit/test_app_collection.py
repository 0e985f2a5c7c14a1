"""What a collection form asks, and which figures it takes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from operational_app.collection import rules
from operational_app.collection.forms import FORMS, FieldKind, NotMoreThan, StockAndFlow, SumOf, WantedWhere, form_of
from operational_app.collection.models import CampaignKind, SubjectKind

OPERATING = form_of(CampaignKind.OPERATING, SubjectKind.INSTITUTION)
BASE = form_of(CampaignKind.BASE, SubjectKind.INSTITUTION)
#: A month of a house of 20 that adds up.
MONTH = {
    "available_bed_count": "30", "resident_count": "20", "resident_intact": "4", "resident_mild": "4",
    "resident_moderate": "4", "resident_severe": "4", "resident_complete": "4", "resident_unassessed": "0",
    "care_self_count": "8", "care_partial_count": "6", "care_full_count": "6", "admission_count": "2",
    "discharge_count": "1", "death_count": "1", "income_yuan": "80000.00", "expense_yuan": "70000.00",
    "staff_count": "9", "care_worker_count": "6", "incident_count": "1", "incident_fall": "1",
    **{f"incident_{kind}": "0" for kind in (
        "choking", "poisoning", "pressure_sore", "scald", "bed_fall", "injury", "wandering", "activity")},
}  # fmt: skip


def problems(figures, remarks=None, previous=None, system=None, form=OPERATING):
    return rules.problems(form, figures, remarks or {}, previous or {}, system or {})


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: f"{form.kind}-{form.subject}")
def test_every_form_is_whole(form):
    codes = [field.code for field in form.fields]
    assert len(codes) == len(set(codes))
    assert all(field.label and field.group and field.source for field in form.fields)
    assert all(field.choices for field in form.fields if field.kind is FieldKind.CHOICE)
    named = set()
    for check in form.checks:
        if isinstance(check, SumOf):
            named |= {check.total, *check.parts}
        elif isinstance(check, NotMoreThan):
            named |= {check.lower, check.upper}
        elif isinstance(check, WantedWhere):
            named |= {check.field, *check.conditions}
        elif isinstance(check, StockAndFlow):
            named |= {check.stock, *check.came, *check.went}
    assert named <= set(codes)


@pytest.mark.parametrize(
    ("code", "text", "stored"),
    [
        ("resident_count", " 1,234 ", "1234"), ("resident_count", "１２", "12"), ("resident_count", "12.0", "12"),
        ("resident_count", "", ""), ("income_yuan", "12.5", "12.50"), ("income_yuan", "0", "0.00"),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(code, text, stored):
    assert rules.parse(OPERATING.by_code[code], text) == stored


@pytest.mark.parametrize("text", ["-1", "1.5", "abc", "1e9", "NaN", "Infinity", "=1+1", "100001"])
def test_a_count_is_a_whole_number_in_range(text):
    with pytest.raises(rules.NotAValue):
        rules.parse(OPERATING.by_code["resident_count"], text)


def test_choices_are_read_by_label_or_value():
    premises, fire = BASE.by_code["premises"], BASE.by_code["has_fire_permit"]
    assert rules.parse(premises, "租赁") == rules.parse(premises, "rented") == "rented"
    assert rules.parse(fire, "有") == rules.parse(fire, "是") == "yes"
    with pytest.raises(rules.NotAValue, match="自有、租赁、无偿使用"):
        rules.parse(premises, "借的")
    with pytest.raises(rules.NotAValue):
        rules.parse(BASE.by_code["permit_absent_reason"], "长" * 201)
    assert rules.shown(premises, "rented") == "租赁"


def test_a_month_that_adds_up_has_no_problem():
    assert problems(MONTH) == []
    assert problems(MONTH, previous=MONTH) == []


def test_what_is_missing_says_whether_the_last_period_can_be_confirmed():
    found = problems({}, previous={"resident_count": "20"})
    messages = {problem.code: problem.message for problem in found}
    assert "无变化" in messages["resident_count"]
    assert messages["income_yuan"] == "必填"
    assert [problem.code for problem in found] == [field.code for field in OPERATING.fields]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"available_bed_count": "19"}, "resident_count", "大于月末可用床位 19"),
        ({"resident_mild": "5"}, "resident_count", "合计 21，应等于月末在住老人 20"),
        ({"care_full_count": "7"}, "resident_count", "介护照护合计 21"),
        ({"care_worker_count": "10"}, "care_worker_count", "大于月末工作人员 9"),
        ({"incident_fall": "2"}, "incident_count", "合计 2，应等于安全事件合计 1"),
    ],
)
def test_figures_agree_with_each_other(change, code, words):
    (found,) = problems(MONTH | change)
    assert (found.code, found.wants_remark) == (code, False)
    assert words in found.message
    assert problems(MONTH | change, remarks={code: "核对过"}) == [found]  # a remark does not make it right


def test_a_jump_wants_a_remark():
    before = MONTH | {"income_yuan": "60000.00"}
    (found,) = problems(MONTH, previous=before)
    assert (found.code, found.wants_remark) == ("income_yuan", True)
    assert problems(MONTH, previous=before, remarks={"income_yuan": "收费调整"}) == []
    assert problems(MONTH, previous=before, remarks={"income_yuan": " "}) == [found]


@pytest.mark.parametrize(("now", "before", "jumps"), [("13", "10", False), ("14", "9", True), ("4", "1", False)])
def test_small_houses_may_change_by_a_few(now, before, jumps):
    figures = {field.code: "" for field in OPERATING.fields} | {"staff_count": now}
    found = problems(figures, previous={"staff_count": before})
    assert any(problem.wants_remark for problem in found) is jumps


def test_residents_follow_from_those_who_came_and_went():
    (found,) = problems(MONTH, previous=MONTH | {"resident_count": "21"})
    assert found.wants_remark
    assert "上期 21，加入住 2、减退住和身故 2 应为 21" in found.message


def test_the_platforms_own_count_is_contradicted_with_a_remark():
    (found,) = problems(MONTH, system={"resident_count": "19"})
    assert "系统统计 19" in found.message
    assert problems(MONTH, system={"resident_count": "19"}, remarks={"resident_count": "一人当日入住未登记"}) == []
    same = BASE.by_code["land_area_m2"]
    base = {"land_area_m2": rules.parse(same, "1500"), "premises": "rented"}
    found = problems(base, system={"land_area_m2": "1500.00", "premises": "owned"}, form=BASE)
    assert [p.message for p in found if p.wants_remark] == ["与机构档案“自有”不一致，请核对，确实不同的请写明原因"]


def test_an_absent_permit_wants_its_reason():
    codes = {problem.code for problem in problems({"has_food_permit": "no"}, form=BASE)}
    assert "permit_absent_reason" in codes
    reasoned = {"has_food_permit": "no", "permit_absent_reason": "正在办理"}
    assert "permit_absent_reason" not in {problem.code for problem in problems(reasoned, form=BASE)}


def test_periods_belong_to_their_kind():
    assert str(rules.period_of(CampaignKind.BASE, "2026-H2")) == "2026-H2"
    assert rules.period_of(CampaignKind.BASE, "2026-10") is None
    assert rules.period_of(CampaignKind.OPERATING, "2026-13") is None
    assert rules.period_label("2026-10") == "2026 年 10 月"
    assert rules.period_label("2026-H1") == "2026 年上半年"


def test_the_version_follows_what_is_asked():
    assert len({form.version for form in FORMS.values()}) == len(FORMS)
    assert Decimal(0) < rules.CHANGE_SHARE < 1
