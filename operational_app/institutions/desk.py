"""What the pages of an institution share: whose institution it is, what its manager may do, forms read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import Depends, Form
from sqlalchemy import ColumnElement, select
from starlette.exceptions import HTTPException
from starlette.requests import Request

from operational_app.identity.access import Resource
from operational_app.identity.administration import Refused
from operational_app.institutions.models import Institution
from operational_app.organizations.models import Organization
from operational_app.web.rights import demand
from operational_app.web.services import actor, session

#: Pages and forms that change something.
CHANGES = [Depends(demand(Resource.INSTITUTION_CHANGES))]
Text = Annotated[str, Form()]
Number = Annotated[int, Form()]
_MOST_YUAN = Decimal(1_000_000)
_DONE = {
    "admitted": "入住已办理。", "transferred": "调床已办理。", "left": "请假外出已登记。", "returned": "返院已登记。",
    "discharged": "退住已办理，床位已空出。", "bed": "床位状态已更新。", "beds": "房间和床位已新增。",
    "agreement": "合同已上传。", "voided": "合同已作废。", "saved": "已保存。", "staff": "人员已保存。",
    "certificate": "证书已保存。", "permit": "证照已保存。", "staff-left": "离职已登记。",
    "photo-added": "照片已上传。", "photo-describe": "照片说明已保存。", "photo-cover": "封面已更换。",
    "photo-take-down": "照片已撤下。",
}  # fmt: skip


def notice_of(request: Request) -> str:
    """What the act before this page did."""
    return _DONE.get(request.query_params.get("done", ""), "")


def institution_seen(
    request: Request, key: int, *conditions: ColumnElement[bool], otherwise: str | None = None
) -> tuple[Institution, Organization]:
    """An institution in the user's scope that meets the conditions.

    Args:
        otherwise: what is said where there is none.

    Raises:
        HTTPException: 404.
    """
    row = (
        session(request)
        .execute(
            select(Institution, Organization)
            .join(Organization, Organization.id == Institution.organization_id)
            .where(Institution.id == key, *conditions)
        )
        .one_or_none()
    )
    if row is None:
        raise HTTPException(404, otherwise)
    return row[0], row[1]


def may_change(request: Request, institution: Institution) -> bool:
    """Whether the user works in this institution and manages it."""
    who = actor(request)
    return who.may(Resource.INSTITUTION_CHANGES) and who.scope.organization_id == institution.organization_id


def own_institution(request: Request, key: int) -> tuple[Institution, Organization]:
    """The user's own institution, for a change.

    Raises:
        HTTPException: 404 out of scope, 403 of another organization.
    """
    institution, organization = institution_seen(request, key)
    if not may_change(request, institution):
        raise HTTPException(403)
    return institution, organization


def day_of(text: str, what: str = "日期") -> date:
    """
    Raises:
        Refused: no date.
    """
    found = day_or_none(text, what)
    if found is None:
        raise Refused(f"请填写{what}。")
    return found


def day_or_none(text: str, what: str = "日期") -> date | None:
    """
    Raises:
        Refused: neither empty nor a date of this or the last century.
    """
    if not text.strip():
        return None
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        raise Refused(f"{what}不是有效日期。") from None
    if not 1900 <= found.year <= 2100:
        raise Refused(f"{what}不是有效日期。")
    return found


def yuan_or_none(text: str, what: str) -> Decimal | None:
    """An amount or area of at most two decimals.

    Raises:
        Refused: no such number.
    """
    if not text.strip():
        return None
    try:
        amount = Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        raise Refused(f"{what}请填写数字。") from None
    if not amount.is_finite() or not 0 <= amount <= _MOST_YUAN or amount != amount.quantize(Decimal("0.01")):
        raise Refused(f"{what}应为 0 至 {_MOST_YUAN:,}，最多两位小数。")
    return amount


def refused_or(act: Callable[[], Any]) -> str:
    """Does an act; returns why it was refused, or nothing."""
    try:
        act()
    except Refused as problem:
        return str(problem)
    return ""
