"""老人档案 over the REST API: search, file, reveal. Names and numbers travel in bodies, never in addresses."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from operational_app.api.operations import Asked, DivisionCode, Key, Line, Told, needs, operations
from operational_app.api.paging import MOST_AT_ONCE, Page, open_cursor, seal_cursor
from operational_app.audit.service import Act
from operational_app.elders import search
from operational_app.elders.file import load_file
from operational_app.elders.models import AbilityLevel, EconomicCategory, ElderStatus, LivingArrangement, Sex
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import work_of
from operational_app.web.services import actor, services, session, today

router = operations("老人档案")
_PERSONAL_TERMS = ("name", "id_number", "phone")


def _checked(check: Any) -> AfterValidator:
    def validate(text: str) -> str:
        check(text)
        return text

    return AfterValidator(validate)


class Search(Asked):
    name: Annotated[Line, _checked(search.check_name)] | None = Field(None, description="汉字、拼音或首字母")
    id_number: Annotated[Line, _checked(search.check_id_number)] | None = Field(None, description="完整号码或后四位")
    phone: Annotated[Line, _checked(search.check_phone)] | None = Field(None, description="完整号码或后四位")
    division: DivisionCode | None = Field(None, description="居住地的 12 位区划代码")
    age_from: Annotated[int, Field(strict=True, ge=0, le=150)] | None = Field(None, description="周岁，含")
    age_to: Annotated[int, Field(strict=True, ge=0, le=150)] | None = Field(None, description="周岁，含")
    sex: Sex | None = None
    status: ElderStatus | None = None
    living_arrangement: LivingArrangement | None = None
    economic_category: EconomicCategory | None = None
    ability_level: AbilityLevel | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=MOST_AT_ONCE)] = 25
    cursor: Annotated[str, Field(max_length=2000, pattern=r"^[A-Za-z0-9_-]*$")] | None = None


class ElderTold(Told):
    id: int
    name: str | None
    sex: str = Field(description="性别")
    age: int | None = Field(description="周岁")
    id_number: str = Field(description="掩码显示")
    phone: str = Field(description="掩码显示")
    division_code: str
    living_arrangement: str
    economic_category: str
    ability_level: str | None
    status: ElderStatus
    is_merged: bool = Field(description="重复档案，已并入另一份")


class ContactTold(Told):
    name: str | None
    relationship: str
    phone: str
    is_primary: bool


class ConditionTold(Told):
    group: str
    detail: str | None
    diagnosed_on: date | None


class ElderFileTold(Told):
    id: int
    name: str | None
    age: int | None
    division_code: str
    status: ElderStatus
    id_number: str = Field(description="掩码显示；调阅后为完整号码")
    phone: str = Field(description="掩码显示；调阅后为完整号码")
    address: str | None = Field(description="掩码显示；调阅后为完整住址")
    survivor_id: int | None = Field(description="重复档案并入的档案")
    contacts: list[ContactTold]
    conditions: list[ConditionTold] = Field(description="病史；无权查看健康信息时为空")


@router.post("/elders/search", summary="查询老人", **needs(Resource.ELDERS))
def find(request: Request, asked: Search) -> Page[ElderTold]:
    """条件放在请求内容中，姓名和号码不进入地址。"""
    work = work_of(request)
    given = asked.model_dump(exclude={"limit", "cursor", "age_from", "age_to"}, exclude_none=True)
    query = search.ElderQuery(
        **given, ages=(asked.age_from, asked.age_to) if (asked.age_from, asked.age_to) != (None, None) else None
    )
    after = search.Place(**open_cursor(request, asked.cursor)) if asked.cursor is not None else None
    rows, end = search.find_after(
        work.session, query, work.actor.scope, services(request).crypto, today(), after, asked.limit
    )
    following = seal_cursor(request, asdict(end)) if end is not None else None
    terms = [name for name in _PERSONAL_TERMS if name in given]
    _record_search(request, terms, len(rows))
    return Page(items=[ElderTold.model_validate(row) for row in rows], next=following)


def _record_search(request: Request, terms: list[str], rows: int) -> None:
    details: dict[str, object] = {"list": "elders", "rows": rows} | ({"terms": terms} if terms else {})
    work_of(request).note(Act.ELDER_SEARCH if terms else Act.LIST_READ, None, **details)


@router.get("/elders/{key}", summary="老人档案", **needs(Resource.ELDERS))
def elder_file(request: Request, key: Key) -> ElderFileTold:
    return _file(request, key, reveal=False)


@router.post("/elders/{key}/reveal", summary="调阅完整证件号、电话、住址", **needs(Resource.ELDER_NUMBERS))
def revealed(request: Request, key: Key) -> ElderFileTold:
    """每次调阅记入审计日志。"""
    return _file(request, key, reveal=True)


def _file(request: Request, key: int, *, reveal: bool) -> ElderFileTold:
    file = load_file(
        session(request), key, services(request).crypto, today(), reveal=reveal,
        with_health=actor(request).may(Resource.ELDER_HEALTH),
    )  # fmt: skip
    if file is None:
        raise HTTPException(404)
    work_of(request).note(Act.ELDER_REVEAL if reveal else Act.ELDER_READ, (search.TABLE, key))
    elder = file.elder
    return ElderFileTold(
        id=elder.id, name=elder.name, age=file.age, division_code=elder.division_code, status=elder.status,
        id_number=file.id_number, phone=file.phone, address=file.address, survivor_id=file.survivor_id,
        contacts=[ContactTold.model_validate(contact) for contact in file.contacts],
        conditions=[ConditionTold.model_validate(condition) for condition in file.conditions],
    )  # fmt: skip
