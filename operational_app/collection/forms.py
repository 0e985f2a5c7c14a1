"""What a campaign asks, as data: the one definition behind page, template, import, grid and guide.

Disclosure fields stand in for 《养老服务质量信息公开标准指引》 (MCA) until its text is at hand, see facts.md; ability
levels are those of GB/T 42195-2022, kinds of incident the nine risks of GB 38600-2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from hashlib import sha256

from operational_app.collection.models import CampaignKind, SubjectKind
from operational_app.core.base import Code
from operational_app.elders.models import AbilityLevel
from operational_app.institutions.models import MedicalMode, Premises


class FieldKind(Code):
    COUNT = "count", "整数"
    AMOUNT = "amount", "数字，最多两位小数"
    CHOICE = "choice", "从选项中选择"
    YES_NO = "yes_no", "是或否"
    TEXT = "text", "文字，不超过 200 字"


_DISCLOSURE = "《养老服务质量信息公开标准指引》"
_ABILITY = "GB/T 42195-2022"
_SAFETY = "GB 38600-2019"
_OPERATION = "项目建设方案 3.2.5"


@dataclass(frozen=True)
class Field:
    """
    Attributes:
        choices: (stored value, label) of a choice.
        low, high: the range of a number, both included.
        source: standard that asks for it.
        is_remarkable: a change of more than CHANGE_SHARE since the last period wants a remark.
    """

    code: str
    label: str
    kind: FieldKind
    group: str
    source: str
    unit: str = ""
    required: bool = True
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(1_000_000)
    choices: tuple[tuple[str, str], ...] = ()
    help: str = ""
    is_remarkable: bool = True

    @property
    def is_number(self) -> bool:
        return self.kind in (FieldKind.COUNT, FieldKind.AMOUNT)

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """(stored value, label) of what may be chosen; empty for a field that is typed."""
        return (("yes", "是"), ("no", "否")) if self.kind is FieldKind.YES_NO else self.choices

    @property
    def heading(self) -> str:
        """As a column's head: 月末在住老人（人）."""
        return f"{self.label}（{self.unit}）" if self.unit else self.label


@dataclass(frozen=True)
class SumOf:
    """`total` equals the sum of `parts` (`is_at_most`: the parts together do not exceed it)."""

    total: str
    parts: tuple[str, ...]
    is_at_most: bool = False


@dataclass(frozen=True)
class NotMoreThan:
    """`lower` ≤ `upper`."""

    lower: str
    upper: str


@dataclass(frozen=True)
class WantedWhere:
    """`field` is to be stated where one of `conditions` has `value`."""

    field: str
    conditions: tuple[str, ...]
    value: str


@dataclass(frozen=True)
class StockAndFlow:
    """The stock of the last period, with what came and less what went, gives the stock; otherwise a remark says why."""

    stock: str
    came: tuple[str, ...]
    went: tuple[str, ...]


Check = SumOf | NotMoreThan | WantedWhere | StockAndFlow


@dataclass(frozen=True)
class Form:
    """What a kind of campaign asks of a kind of subject."""

    kind: CampaignKind
    subject: SubjectKind
    fields: tuple[Field, ...]
    checks: tuple[Check, ...]

    @cached_property
    def by_code(self) -> dict[str, Field]:
        return {field.code: field for field in self.fields}

    @cached_property
    def groups(self) -> dict[str, list[Field]]:
        """Fields by group, in order."""
        found: dict[str, list[Field]] = {}
        for field in self.fields:
            found.setdefault(field.group, []).append(field)
        return found

    @cached_property
    def version(self) -> str:
        """Changes with what is asked; a template of another version is not read."""
        asked = repr([(f.code, f.label, f.kind.value, f.unit, f.required, f.choices) for f in self.fields])
        return sha256(asked.encode()).hexdigest()[:12]


def _count(
    code: str, label: str, group: str, source: str, unit: str = "人", high: int = 100_000, **more: object
) -> Field:
    return Field(code, label, FieldKind.COUNT, group, source, unit, high=Decimal(high), **more)  # type: ignore[arg-type]


def _amount(code: str, label: str, group: str, source: str, unit: str, high: int = 1_000_000, **more: object) -> Field:
    return Field(code, label, FieldKind.AMOUNT, group, source, unit, high=Decimal(high), **more)  # type: ignore[arg-type]


def _yes_no(code: str, label: str, group: str, **more: object) -> Field:
    return Field(code, label, FieldKind.YES_NO, group, _DISCLOSURE, **more)  # type: ignore[arg-type]


def _choice(code: str, label: str, group: str, codes: type[Code]) -> Field:
    choices = tuple((item.value, item.label) for item in codes)
    return Field(code, label, FieldKind.CHOICE, group, _DISCLOSURE, choices=choices)


def _fees(stem: str, label: str, unit: str = "元/月") -> tuple[Field, Field]:
    return (
        _amount(f"{stem}_min_yuan", f"{label}最低", "收费标准", _DISCLOSURE, unit),
        _amount(f"{stem}_max_yuan", f"{label}最高", "收费标准", _DISCLOSURE, unit),
    )


_FEES = ("bed_fee", "nursing_fee", "meal_fee", "deposit")
_PERMITS = ("has_fire_permit", "has_food_permit", "has_medical_permit")
_STAFF = ("care_worker_count", "doctor_count", "nurse_count", "social_worker_count")

_BASE_INSTITUTION = Form(
    CampaignKind.BASE,
    SubjectKind.INSTITUTION,
    (
        _count("licensed_bed_count", "核定床位数", "床位", _DISCLOSURE, "张", help="备案登记的床位总数"),
        _count("nursing_bed_count", "其中：护理型床位", "床位", _DISCLOSURE, "张"),
        _count("full_time_bed_count", "全托床位", "床位", _DISCLOSURE, "张"),
        _count("day_care_bed_count", "日间照料床位", "床位", _DISCLOSURE, "张"),
        _choice("premises", "场所性质", "房屋场所", Premises),
        _count("building_count", "楼栋数", "房屋场所", _DISCLOSURE, "栋", 500),
        _amount("land_area_m2", "占地面积", "房屋场所", _DISCLOSURE, "平方米"),
        _amount("building_area_m2", "建筑面积", "房屋场所", _DISCLOSURE, "平方米"),
        _count("staff_count", "工作人员总数", "工作人员", _DISCLOSURE),
        _count("care_worker_count", "其中：养老护理员", "工作人员", _DISCLOSURE),
        _count("certified_care_worker_count", "持证养老护理员", "工作人员", _DISCLOSURE, help="有职业技能等级证书"),
        _count("doctor_count", "其中：医生", "工作人员", _DISCLOSURE),
        _count("nurse_count", "其中：护士", "工作人员", _DISCLOSURE),
        _count("social_worker_count", "其中：社会工作者", "工作人员", _DISCLOSURE),
        *_fees("bed_fee", "床位费"),
        *_fees("nursing_fee", "护理费"),
        *_fees("meal_fee", "膳食费"),
        *_fees("deposit", "押金", "元"),
        _yes_no("has_fire_permit", "消防验收或备案", "证照"),
        _yes_no("has_food_permit", "食品经营许可证", "证照"),
        _yes_no("has_medical_permit", "医疗机构执业许可证", "证照"),
        Field(
            "permit_absent_reason", "未取得的原因", FieldKind.TEXT, "证照", _DISCLOSURE, required=False,
            help="有一项为“否”时必填",
        ),
        _choice("medical_mode", "医疗服务方式", "医疗条件", MedicalMode),
        _yes_no("medical_insurance_designated", "医保定点", "医疗条件"),
        _yes_no("admits_self_reliant", "接收自理老人", "接收对象"),
        _yes_no("admits_partly_disabled", "接收部分失能老人", "接收对象"),
        _yes_no("admits_disabled", "接收完全失能老人", "接收对象"),
        _yes_no("admits_dementia", "接收失智老人", "接收对象"),
        _yes_no("has_liability_insurance", "养老机构责任保险", "接收对象"),
        _yes_no("has_call_system", "床头紧急呼叫装置", "设施设备"),
        _count("elevator_count", "电梯", "设施设备", _DISCLOSURE, "部", 200),
        _yes_no("has_barrier_free_access", "无障碍出入口", "设施设备"),
        _yes_no("has_rehabilitation_room", "康复室", "设施设备"),
        _yes_no("has_canteen", "食堂", "设施设备"),
    ),
    (
        NotMoreThan("nursing_bed_count", "licensed_bed_count"),
        NotMoreThan("full_time_bed_count", "licensed_bed_count"),
        SumOf("staff_count", _STAFF, is_at_most=True),
        NotMoreThan("certified_care_worker_count", "care_worker_count"),
        *(NotMoreThan(f"{stem}_min_yuan", f"{stem}_max_yuan") for stem in _FEES),
        WantedWhere("permit_absent_reason", _PERMITS, "no"),
    ),
)  # fmt: skip

_BASE_FACILITY = Form(
    CampaignKind.BASE,
    SubjectKind.FACILITY,
    (
        _count("capacity", "床位（餐位）数", "场所", _DISCLOSURE, "个", 5_000),
        _amount("floor_area_m2", "建筑面积", "场所", _DISCLOSURE, "平方米", 100_000),
        _choice("premises", "场所性质", "场所", Premises),
        _count("open_days_per_week", "每周开放天数", "场所", _DISCLOSURE, "天", 7),
        _count("staff_count", "工作人员总数", "人员", _DISCLOSURE),
        _count("care_worker_count", "其中：养老护理员", "人员", _DISCLOSURE),
        _count("volunteer_count", "志愿者", "人员", _DISCLOSURE),
        _yes_no("offers_meals", "助餐", "服务项目"),
        _yes_no("offers_day_care", "日间照料", "服务项目"),
        _yes_no("offers_home_service", "上门服务", "服务项目"),
        _yes_no("offers_rehabilitation", "康复服务", "服务项目"),
        _amount(
            "meal_price_yuan", "午餐价格", "服务项目", _DISCLOSURE, "元/餐", 500, required=False, help="提供助餐时填写"
        ),
        _yes_no("has_fire_permit", "消防验收或备案", "证照与设备"),
        _yes_no("has_food_permit", "食品经营许可证", "证照与设备"),
        _yes_no("has_barrier_free_access", "无障碍出入口", "证照与设备"),
    ),
    (NotMoreThan("care_worker_count", "staff_count"), WantedWhere("meal_price_yuan", ("offers_meals",), "yes")),
)  # fmt: skip

_LEVELS = tuple(f"resident_{level.value}" for level in AbilityLevel)
_CARE = ("care_self_count", "care_partial_count", "care_full_count")
_INCIDENTS = (
    ("choking", "噎食"), ("poisoning", "食品药品误食"), ("pressure_sore", "压疮"), ("scald", "烫伤"),
    ("bed_fall", "坠床"), ("fall", "跌倒"), ("injury", "他伤和自伤"), ("wandering", "走失"),
    ("activity", "文娱活动意外"),
)  # fmt: skip

_OPERATING_INSTITUTION = Form(
    CampaignKind.OPERATING,
    SubjectKind.INSTITUTION,
    (
        _count("available_bed_count", "月末可用床位", "床位与在住", _OPERATION, "张", help="不含停用和维修的床位"),
        _count("resident_count", "月末在住老人", "床位与在住", _OPERATION, help="含请假外出、床位保留的老人"),
        *(
            _count(f"resident_{level.value}", f"其中：{level.label}", "能力等级", _ABILITY)
            for level in AbilityLevel
        ),
        _count("resident_unassessed", "其中：未评估", "能力等级", _ABILITY),
        _count("care_self_count", "其中：自理照护", "照护等级", _OPERATION),
        _count("care_partial_count", "其中：介助照护", "照护等级", _OPERATION),
        _count("care_full_count", "其中：介护照护", "照护等级", _OPERATION),
        _count("admission_count", "本月入住", "本月变动", _OPERATION, "人次", is_remarkable=False),
        _count("discharge_count", "本月退住", "本月变动", _OPERATION, "人次", is_remarkable=False, help="不含身故"),
        _count("death_count", "本月身故", "本月变动", _OPERATION, is_remarkable=False),
        _amount("income_yuan", "本月收入", "收支", _OPERATION, "元", 100_000_000),
        _amount("expense_yuan", "本月支出", "收支", _OPERATION, "元", 100_000_000),
        _count("staff_count", "月末工作人员", "工作人员", _OPERATION),
        _count("care_worker_count", "其中：养老护理员", "工作人员", _OPERATION),
        _count("incident_count", "安全事件合计", "安全事件", _SAFETY, "起", 1_000, is_remarkable=False),
        *(
            _count(f"incident_{code}", f"其中：{label}", "安全事件", _SAFETY, "起", 1_000, is_remarkable=False)
            for code, label in _INCIDENTS
        ),
    ),
    (
        NotMoreThan("resident_count", "available_bed_count"),
        SumOf("resident_count", (*_LEVELS, "resident_unassessed")),
        SumOf("resident_count", _CARE),
        NotMoreThan("care_worker_count", "staff_count"),
        SumOf("incident_count", tuple(f"incident_{code}" for code, _ in _INCIDENTS)),
        StockAndFlow("resident_count", ("admission_count",), ("discharge_count", "death_count")),
    ),
)  # fmt: skip

_OPERATING_FACILITY = Form(
    CampaignKind.OPERATING,
    SubjectKind.FACILITY,
    (
        _count("open_day_count", "本月开放天数", "运营", _OPERATION, "天", 31),
        _count("day_care_count", "月末日托老人", "运营", _OPERATION),
        _count("visit_count", "到站服务", "服务量", _OPERATION, "人次"),
        _count("meal_count", "助餐", "服务量", _OPERATION, "人次"),
        _count("home_visit_count", "上门服务", "服务量", _OPERATION, "人次"),
        _count("activity_count", "组织活动", "服务量", _OPERATION, "场", 1_000, is_remarkable=False),
        _count("staff_count", "月末工作人员", "人员", _OPERATION),
        _amount("income_yuan", "本月收入", "收支", _OPERATION, "元", 100_000_000),
        _amount("expense_yuan", "本月支出", "收支", _OPERATION, "元", 100_000_000),
        _count("incident_count", "安全事件", "安全事件", _SAFETY, "起", 1_000, is_remarkable=False),
    ),
    (),
)  # fmt: skip

FORMS = {
    (form.kind, form.subject): form
    for form in (_BASE_INSTITUTION, _BASE_FACILITY, _OPERATING_INSTITUTION, _OPERATING_FACILITY)
}


def form_of(kind: CampaignKind, subject: SubjectKind) -> Form:
    return FORMS[kind, subject]
