"""机构码、床位码、长者码 over the REST API: issue, replace, revoke, history, what a code names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from operational_app.api.operations import Asked, Key, Line, Number, Told, needs, operations
from operational_app.audit.service import Act
from operational_app.codes import queries, service
from operational_app.codes.models import IssueReason, RevokeReason, SubjectKind
from operational_app.codes.pages import look_up
from operational_app.codes.rules import LONGEST_NOTE, REISSUE_REASONS, REVOKE_REASONS, Reason, pick_reason
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import work_of
from operational_app.identity.administration import Overtaken, Refused
from operational_app.web.services import actor, session

router = operations("编码")
_CHANGES = needs(Resource.CODE_CHANGES)
Note = Annotated[Line, Field(max_length=LONGEST_NOTE, description="说明；原因为 other 时必填")]


class CodeTold(Told):
    id: int
    code: str
    issued_at: datetime
    issue_reason: IssueReason
    issue_note: str | None
    revoked_at: datetime | None
    revoke_reason: RevokeReason | None
    revoke_note: str | None


class CardTold(Told):
    kind: SubjectKind
    subject_id: int
    name: str
    division_code: str
    current: CodeTold | None = Field(description="现行编码")
    past: list[CodeTold] = Field(description="曾用编码，新的在前")
    legacy_numbers: list[str] = Field(description="原平台编号")


class Replacement(Asked):
    code_id: Number = Field(description="要补发的现行编码")
    reason: IssueReason
    note: Note = ""


class Revocation(Asked):
    code_id: Number = Field(description="要吊销的现行编码")
    reason: RevokeReason
    note: Note = ""


class Scanned(Asked):
    code: Line


class SubjectTold(Told):
    kind: SubjectKind
    subject_id: int
    page: str = Field(description="页面地址")


def _card(request: Request, kind: SubjectKind, key: int) -> CardTold:
    work = session(request)
    subject = next(iter(queries.find_rows(work, kind, [key], actor(request).scope)), None)
    if subject is None:
        raise HTTPException(404)
    codes = [CodeTold.model_validate(found.issued) for found in queries.history_of(work, kind, key)]
    return CardTold(
        kind=kind, subject_id=key, name=subject.name, division_code=subject.division_code,
        current=next((code for code in codes if code.revoked_at is None), None),
        past=[code for code in codes if code.revoked_at is not None],
        legacy_numbers=queries.legacy_numbers_of(work, kind, key),
    )  # fmt: skip


def _note(request: Request, act: Act, kind: SubjectKind, key: int, **details: object) -> None:
    table = service.SUBJECTS[kind].source.split(" ", 1)[0]
    work_of(request).note(act, (table, key), **details)


@router.get("/codes/{kind}/{key}", summary="现行编码和历史", **needs(Resource.CODES))
def card(request: Request, kind: SubjectKind, key: Key) -> CardTold:
    return _card(request, kind, key)


@router.post("/codes/{kind}/{key}/issue", summary="赋码", **needs(Resource.CODE_CHANGES, creates=True))
def issue(request: Request, kind: SubjectKind, key: Key) -> CardTold:
    _card(request, kind, key)
    if not service.issue(session(request), kind, [key], actor(request).account_id):
        raise Overtaken("这个对象已有编码，本次操作没有执行。")
    _note(request, Act.CODE_ISSUE, kind, key)
    return _card(request, kind, key)


def _reason(given: Reason, allowed: Sequence[Reason], note: str) -> Reason:
    """See `pick_reason`; what is wrong is a refusal."""
    try:
        return pick_reason(given.value, allowed, note)
    except ValueError as problem:
        raise Refused(str(problem)) from problem


@router.post("/codes/{kind}/{key}/replace", summary="补发编码", **_CHANGES)
def replace(request: Request, kind: SubjectKind, key: Key, asked: Replacement) -> CardTold:
    """原编码立即失效。"""
    _card(request, kind, key)
    work, note = work_of(request), asked.note.strip()
    reason = _reason(asked.reason, REISSUE_REASONS, note)
    service.replace(
        work.session, kind, key, asked.code_id, reason, note or None, work.actor.account_id, work.at
    )  # fmt: skip
    _note(request, Act.CODE_REPLACE, kind, key, reason=reason.value)
    work.session.expire_all()
    return _card(request, kind, key)


@router.post("/codes/{kind}/{key}/revoke", summary="吊销编码", **_CHANGES)
def revoke(request: Request, kind: SubjectKind, key: Key, asked: Revocation) -> CardTold:
    _card(request, kind, key)
    work, note = work_of(request), asked.note.strip()
    reason = _reason(asked.reason, REVOKE_REASONS[kind], note)
    service.revoke(
        work.session, kind, key, asked.code_id, reason, note or None, work.actor.account_id, work.at
    )  # fmt: skip
    _note(request, Act.CODE_REVOKE, kind, key, reason=reason.value)
    work.session.expire_all()
    return _card(request, kind, key)


@router.post("/codes/resolve", summary="扫码：编码指向什么", **needs(Resource.WORKBENCH))
def resolve(request: Request, asked: Scanned) -> SubjectTold:
    """未赋码、已吊销、不在范围内、无权查看，一律答复 404；扫码不证明到场。"""
    scanned = look_up(request, asked.code)
    if scanned.found is None:
        raise HTTPException(429 if scanned.too_many else 404)
    kind, key, page = scanned.found
    return SubjectTold(kind=kind, subject_id=key, page=page)
