"""Scanning a code, a thing's code card, issuing, replacing, revoking, printing.

A scan opens a page and proves nothing: a photograph of a label scans as well as the label, from anywhere. No order,
attendance or payment may rest on one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Form
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from operational_app.audit.service import Act, Outcome, record
from operational_app.codes import queries, service
from operational_app.codes.labels import SCAN_PATH, qr_image, render_sheets
from operational_app.codes.models import IssueReason, RevokeReason, SubjectKind
from operational_app.codes.queries import History, SubjectRow
from operational_app.codes.rules import (
    KINDS,
    MOST_ISSUED,
    MOST_LABELS,
    REISSUE_REASONS,
    REVOKE_REASONS,
    as_printed,
    kind_of,
    pick_reason,
)
from operational_app.codes.service import CodeTaken
from operational_app.codes.views import FILTERS
from operational_app.identity.access import Resource
from operational_app.web.filters import parse_filters
from operational_app.web.rights import demand, pages_of
from operational_app.web.services import actor, now, page, remote_address, services, session

#: Whoever is signed in may scan; the page that a code leads to asks for its own right.
scans = pages_of(Resource.WORKBENCH)
router = pages_of(Resource.CODES)
_TABLES = {
    SubjectKind.ELDER: "elders.elder",
    SubjectKind.BED: "institutions.bed",
    SubjectKind.INSTITUTION: "organizations.organization",
}
_MAY_CHANGE = [Depends(demand(Resource.CODE_CHANGES))]


# --- scanning ---


@dataclass(frozen=True)
class Scan:
    """What a code leads the scanner to.

    Attributes:
        found: (kind, key, address of the page); None where there is nothing for them.
        too_many: nothing was looked up, for too many scans led nowhere.
    """

    found: tuple[SubjectKind, int, str] | None
    too_many: bool = False


@scans.get(SCAN_PATH + "{given:path}")
def scan(request: Request, given: str) -> Response:
    """Leads to the page that the scanner's role has for what the code names; a stranger is asked to sign in first."""
    scanned = look_up(request, given)
    if scanned.found is None:
        status = 429 if scanned.too_many else 404
        return page(request, "codes/unknown.html", status, title="无法打开", too_many=scanned.too_many)
    return RedirectResponse(scanned.found[2], status_code=302)


def look_up(request: Request, given: str) -> Scan:
    """What a code names, if the scanner's role has a page for it.

    Never issued, revoked, out of scope, no right to the page: one answer for all. It is recorded who scanned, not that
    anybody was anywhere.
    """
    who, database = actor(request), services(request).database
    with database.transaction(who.scope) as counting:
        may_scan = service.count_scan(counting, who.account_id, now())
    found = service.resolve(session(request), given) if may_scan else None
    address = _page_of(request, *found) if found else None
    if address is None or found is None:
        code = as_printed(given) if kind_of(given) else None  # anything else may be anything, a person's number too
        with database.transaction(who.scope) as recording:
            record(
                recording, Act.CODE_SCAN, account_id=who.account_id, remote_address=remote_address(request),
                outcome=Outcome.DENIED, details={"code": code} if may_scan else {"code": code, "too_many": True},
            )  # fmt: skip
        return Scan(None, too_many=not may_scan)
    kind, key = found
    service.forgive_scan(session(request), who.account_id)
    record(
        session(request), Act.CODE_SCAN, account_id=who.account_id, remote_address=remote_address(request),
        target=(_TABLES[kind], key), details={"code": as_printed(given)},
    )  # fmt: skip
    return Scan((kind, key, address))


def _page_of(request: Request, kind: SubjectKind, key: int) -> str | None:
    """The page of a thing that the signed-in user may open; None where there is none."""
    who, work = actor(request), session(request)
    places: list[tuple[Resource, str]] = []
    if kind is SubjectKind.ELDER:
        places.append((Resource.ELDERS, f"/elders/{key}"))
    elif kind is SubjectKind.BED:
        places.append((Resource.INSTITUTIONS, f"/institutions/{queries.institution_of(work, key)}/beds/{key}"))
    else:
        institution = queries.profile_of(work, key)
        if institution is not None:
            places.append((Resource.INSTITUTIONS, f"/institutions/{institution}"))
        else:
            places.append((Resource.PROVIDERS, f"/providers/{key}"))
    if kind is not SubjectKind.ELDER:
        places.append((Resource.CODES, f"/codes/{kind.value}/{key}"))
    return next((address for resource, address in places if who.may(resource)), None)


# --- the card of one thing ---


@dataclass(frozen=True)
class Card:
    """What the code card shows.

    Attributes:
        current: the code that holds.
        qr: address of its QR code's image.
        subject_address: the thing's own page, if the user may open it.
    """

    subject: SubjectRow
    current: History | None
    past: list[History]
    legacy_numbers: list[str]
    qr: str | None
    subject_address: str | None
    may_change: bool
    is_reachable: bool
    reissue_reasons: tuple[IssueReason, ...] = REISSUE_REASONS

    @property
    def address(self) -> str:
        return f"/codes/{self.subject.kind.value}/{self.subject.id}"

    @property
    def revoke_reasons(self) -> tuple[RevokeReason, ...]:
        return REVOKE_REASONS[self.subject.kind]


def card_of(request: Request, kind: SubjectKind, key: int) -> Card | None:
    """The code card for a page of this thing; None for whoever has no right to codes or does not see the thing."""
    who, work = actor(request), session(request)
    if not who.may(Resource.CODES):
        return None
    subject = next(iter(queries.find_rows(work, kind, [key], who.scope)), None)
    if subject is None:
        return None
    codes = queries.history_of(work, kind, key)
    current = next((code for code in codes if code.issued.revoked_at is None), None)
    base = public_address(request)
    return Card(
        subject=subject,
        current=current,
        past=[code for code in codes if code is not current],
        legacy_numbers=queries.legacy_numbers_of(work, kind, key),
        qr=qr_image(base, current.issued.code) if current else None,
        subject_address=_page_of(request, kind, key),
        may_change=who.may(Resource.CODE_CHANGES),
        is_reachable=_is_reachable(base),
    )


def public_address(request: Request) -> str:
    """The address that goes into QR codes: the one that the installation was told, else the one in use."""
    return services(request).settings.told_address or f"{request.url.scheme}://{request.url.netloc}"


def _is_reachable(base: str) -> bool:
    """Whether a phone can open the address: a name for this very machine leads the phone to itself."""
    return not any(local in base for local in ("//localhost", "//127.", "//[::1]"))


@router.get("/codes/{kind}/{key:int}")
def card_page(request: Request, kind: SubjectKind, key: int) -> HTMLResponse:
    return _show(request, kind, key)


def _show(request: Request, kind: SubjectKind, key: int, status: int = 200, problem: str = "") -> HTMLResponse:
    card = card_of(request, kind, key)
    if card is None:
        raise HTTPException(404)
    return page(request, "codes/subject.html", status, title=f"{kind.label}管理", card=card, problem=problem)


@router.post("/codes/{kind}/{key:int}/issue", dependencies=_MAY_CHANGE)
def issue_code(request: Request, kind: SubjectKind, key: int) -> Response:
    who = actor(request)
    if not service.issue(session(request), kind, [key], who.account_id):
        if card_of(request, kind, key) is None:
            raise HTTPException(404)
        return _show(request, kind, key, 409, "这个对象刚刚已由他人赋码，本次操作没有执行。请核对下面的当前编码。")
    return _done(request, Act.CODE_ISSUE, kind, key, {})


@router.post("/codes/{kind}/{key:int}/replace", dependencies=_MAY_CHANGE)
def replace_code(
    request: Request,
    kind: SubjectKind,
    key: int,
    code_id: Annotated[int, Form()],
    reason: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
) -> Response:
    def act(by: int, remark: str | None) -> None:
        chosen = pick_reason(reason, REISSUE_REASONS, remark or "")
        service.replace(session(request), kind, key, code_id, chosen, remark, by, now())

    return _end(request, kind, key, act, Act.CODE_REPLACE, reason, note)


@router.post("/codes/{kind}/{key:int}/revoke", dependencies=_MAY_CHANGE)
def revoke_code(
    request: Request,
    kind: SubjectKind,
    key: int,
    code_id: Annotated[int, Form()],
    reason: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
) -> Response:
    def act(by: int, remark: str | None) -> None:
        chosen = pick_reason(reason, REVOKE_REASONS[kind], remark or "")
        service.revoke(session(request), kind, key, code_id, chosen, remark, by, now())

    return _end(request, kind, key, act, Act.CODE_REVOKE, reason, note)


def _end(
    request: Request, kind: SubjectKind, key: int, act: Callable[[int, str | None], None], what: Act, reason: str,
    note: str,
) -> Response:  # fmt: skip
    """Ends a code that holds, by `act` (who, note)."""
    try:
        act(actor(request).account_id, note.strip() or None)
    except ValueError as wrong:
        return _show(request, kind, key, 400, str(wrong))
    except CodeTaken as taken:
        return _show(request, kind, key, 409, str(taken))
    return _done(request, what, kind, key, {"reason": reason})


def _done(request: Request, act: Act, kind: SubjectKind, key: int, details: dict[str, object]) -> Response:
    record(
        session(request), act, account_id=actor(request).account_id, remote_address=remote_address(request),
        target=(_TABLES[kind], key), details=details,
    )  # fmt: skip
    return RedirectResponse(f"/codes/{kind.value}/{key}", status_code=303)


# --- many at once ---


@router.post("/codes/print")
async def print_labels(request: Request) -> Response:
    """Labels of what is chosen in the list, or of all that the list's conditions find, as one PDF."""
    return await run_in_threadpool(_print, request, dict(await _fields(request)), await _chosen(request))


def _print(request: Request, fields: dict[str, str], keys: list[int]) -> Response:
    who, work = actor(request), session(request)
    kind, values = _asked(fields)
    if fields.get("all"):
        statement = queries.listing(kind, values | {"state": queries.CodeState.CURRENT}, who.scope)
        if given := values.get("code"):
            statement = queries.with_code(work, kind, statement, given)
        rows = queries.rows_of(work, kind, statement.limit(MOST_LABELS + 1))
        if len(rows) > MOST_LABELS:
            raise HTTPException(
                400, f"符合条件的标签超过 {MOST_LABELS} 张。请增加条件（如选到镇街、村社或某个机构），分批打印。"
            )
    else:
        if len(keys) > MOST_LABELS:
            raise HTTPException(400, f"一次最多打印 {MOST_LABELS} 张标签，请分批选择。")
        rows = [row for row in queries.find_rows(work, kind, keys, who.scope) if row.code]
    if not rows:
        raise HTTPException(400, "没有可以打印的标签：请先勾选已赋码的对象，或先赋码。")
    record(
        work, Act.CODE_PRINT, account_id=who.account_id, remote_address=remote_address(request),
        target=(_TABLES[kind], rows[0].id) if len(rows) == 1 else None,
        details={"kind": kind.value, "labels": len(rows)},
    )  # fmt: skip
    pdf = render_sheets(rows, public_address(request), now())
    name = f"{kind.label}标签-{now():%Y%m%d-%H%M}.pdf"
    return Response(
        pdf, media_type="application/pdf",
        headers={"content-disposition": f"attachment; filename=\"labels.pdf\"; filename*=UTF-8''{quote(name)}"},
    )  # fmt: skip


@router.post("/codes/issue", dependencies=_MAY_CHANGE)
async def issue_missing(request: Request) -> Response:
    """Codes for what is chosen in the list, or for all that the list's conditions find and that never had one."""
    return await run_in_threadpool(_issue_missing, request, dict(await _fields(request)), await _chosen(request))


def _issue_missing(request: Request, fields: dict[str, str], keys: list[int]) -> Response:
    who, work = actor(request), session(request)
    kind, values = _asked(fields)
    statement = queries.listing(kind, values | {"state": queries.CodeState.NEVER}, who.scope)
    if not fields.get("all"):
        statement = queries.only(statement, kind, keys)
    wanting = [row.id for row in queries.rows_of(work, kind, statement.limit(MOST_ISSUED + 1))]
    issued = service.issue(work, kind, wanting[:MOST_ISSUED], who.account_id, IssueReason.BULK)
    record(
        work, Act.CODE_ISSUE, account_id=who.account_id, remote_address=remote_address(request),
        details={"kind": kind.value, "codes": issued},
    )  # fmt: skip
    return page(
        request, "codes/issued.html", title="批量赋码", kind=kind, issued=issued, more=len(wanting) > MOST_ISSUED,
        query=_query(fields),
    )  # fmt: skip


async def _fields(request: Request) -> dict[str, str]:
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


async def _chosen(request: Request) -> list[int]:
    """Keys of the ticked rows."""
    given = [value for value in (await request.form()).getlist("id") if isinstance(value, str)]
    return [int(value) for value in given if value.isascii() and value.isdigit() and len(value) < 19]


def _asked(fields: dict[str, str]) -> tuple[SubjectKind, dict[str, Any]]:
    """Kind and conditions as the list had them.

    Raises:
        HTTPException: 400, what cannot be understood.
    """
    asked = parse_filters(FILTERS, fields)
    if asked.errors:
        raise HTTPException(400, "；".join(asked.errors))
    return KINDS[asked.values["kind"]], asked.values


def _query(fields: dict[str, str]) -> str:
    """The list with its conditions again."""
    names = [name for found in FILTERS for name in found.names()]
    return "&".join(f"{name}={quote(fields[name])}" for name in names if fields.get(name))
