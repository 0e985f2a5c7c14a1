"""Residents of an institution: the list, admission, a stay's page with its acts and agreements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio.to_thread import run_sync
from fastapi.responses import FileResponse
from sqlalchemy import select
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.identifiers import normalise_identifier
from operational_app.audit.service import Act, record
from operational_app.core.uploads import LARGEST_BYTES, UploadRefused, judge, kept
from operational_app.elders.models import AbilityLevel, Elder
from operational_app.elders.search import ElderQuery, check_id_number, check_name, find
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, done, work_of
from operational_app.identity.administration import Refused
from operational_app.institutions import board, service
from operational_app.institutions.desk import (
    CHANGES,
    Number,
    Text,
    day_of,
    day_or_none,
    institution_seen,
    may_change,
    notice_of,
    own_institution,
    yuan_or_none,
)
from operational_app.institutions.models import (
    AgreementClause,
    DischargeReason,
    Institution,
    Leave,
    Residency,
    ResidencyEvent,
    ServiceAgreement,
)
from operational_app.web.rights import pages_of
from operational_app.web.services import actor, page, services, session, today

router = pages_of(Resource.INSTITUTIONS)
_LEVELS = {level.value: level for level in AbilityLevel}
_REASONS = {reason.value: reason for reason in service.DISCHARGE_REASONS}
_MOST_FOUND = 10
_WHOLE_ID_NUMBER = 18
_SHOWN = {
    "all": "全部", "away": "请假外出", "none": "未上传合同", "expiring": "合同即将到期", "expired": "合同已到期",
}  # fmt: skip
_CONTRACTS = {"none": "未上传", "expiring": "即将到期", "expired": "已到期"}


@router.get("/institutions/{key:int}/residents")
def residents_page(request: Request, key: int) -> Response:
    institution, organization = institution_seen(request, key)
    everybody = board.residents(session(request), key, today())
    wanted = request.query_params.get("show", "all")
    counts = {
        name: len(everybody) if name == "all" else sum(_is_shown(row, name) for row in everybody) for name in _SHOWN
    }
    work_of(request).note(
        Act.LIST_READ, ("institutions.institution", key), list="residents", rows=counts.get(wanted, len(everybody)),
        filters={"show": wanted if wanted in _SHOWN else "all"},
    )  # fmt: skip
    return page(
        request, "institutions/residents.html", title="入住老人", key=key, organization=organization,
        rows=[row for row in everybody if _is_shown(row, wanted)], shown=wanted if wanted in _SHOWN else "all",
        filters=_SHOWN, counts=counts, today=today(), may_change=may_change(request, institution),
        events=board.events_of(
            session(request), select(ResidencyEvent).where(ResidencyEvent.institution_id == key)
        ),
        notice=notice_of(request),
    )  # fmt: skip


def _is_shown(row: board.ResidentRow, wanted: str) -> bool:
    if wanted == "away":
        return row.leave is not None
    return row.contract == _CONTRACTS[wanted] if wanted in _CONTRACTS else True


# Admission


def _admission_page(
    request: Request, key: int, given: dict[str, str], people: list[service.Candidate] | None = None, error: str = "",
) -> Response:  # fmt: skip
    """
    Args:
        people: who was found; None before a search.
    """
    _, organization = institution_seen(request, key)
    seals = [
        (person, services(request).seal.seal({"elder": str(person.elder_id)}, actor(request).session_id))
        for person in people or []
    ]
    return page(
        request, "institutions/admission.html", REFUSED if error else 200, title="办理入住", key=key,
        organization=organization, given=given, people=seals, is_searched=people is not None, error=error,
        beds=board.choices(session(request), key), levels=[(level.value, level.label) for level in AbilityLevel],
        may_admit=any(person.why_not is None for person in people or []), today=today(),
    )  # fmt: skip


@router.get("/institutions/{key:int}/admission", dependencies=CHANGES)
def new_admission(request: Request, key: int) -> Response:
    own_institution(request, key)
    return _admission_page(request, key, {"bed": request.query_params.get("bed", "")})


@router.post("/institutions/{key:int}/admission/find", dependencies=CHANGES)
def find_person(request: Request, key: int, name: Text = "", id_number: Text = "", bed: Text = "") -> Response:
    """By name and whole ID number anywhere in the city; by either, or the last four, among those in one's care."""
    own_institution(request, key)
    given = {"name": name, "id_number": id_number, "bed": bed}
    work, crypto = work_of(request), services(request).crypto
    if not name.strip() and not id_number.strip():
        return _admission_page(request, key, given, error="请填写姓名和身份证号。")
    try:
        if id_number.strip():
            check_id_number(id_number)
        if name.strip():
            check_name(name)
    except ValueError as problem:
        return _admission_page(request, key, given, error=f"{problem}。")
    keys: list[int] = []
    if name.strip() and len(normalise_identifier(id_number)) == _WHOLE_ID_NUMBER:
        by_papers = service.find_by_papers(work, crypto, name, id_number)
        keys = [by_papers] if by_papers else []
    else:
        query = ElderQuery(name=name.strip() or None, id_number=id_number.strip() or None)
        rows, _ = find(work.session, query, work.actor.scope, crypto, today(), 0, _MOST_FOUND, _MOST_FOUND)
        keys = [row.id for row in rows if not row.is_merged]
        record(
            work.session, Act.ELDER_SEARCH, account_id=work.actor.account_id, remote_address=work.remote_address,
            details={"by": "admission", "found": len(keys)},
        )  # fmt: skip
    people = [service.candidate(work, found) for found in keys]
    return _admission_page(request, key, given, sorted(people, key=lambda person: person.why_not is not None))


@router.post("/institutions/{key:int}/admission", dependencies=CHANGES)
def admit(
    request: Request, key: int, who: Text = "", bed: Text = "", admitted_on: Text = "", ability_level: Text = "",
    care_level: Text = "", monthly_fee: Text = "", reason: Text = "",
) -> Response:  # fmt: skip
    own_institution(request, key)
    work = work_of(request)
    given = {
        "bed": bed, "admitted_on": admitted_on, "ability_level": ability_level, "care_level": care_level,
        "monthly_fee": monthly_fee, "reason": reason, "who": who,
    }  # fmt: skip
    sealed = services(request).seal.open(who, work.actor.session_id) if who else None
    if sealed is None or not sealed.get("elder", "").isdecimal():
        return _admission_page(request, key, given, error="请先查找老人。")
    elder_id = int(sealed["elder"])
    try:
        form = service.Admission(
            elder_id, int(bed) if bed.isdecimal() else 0, day_of(admitted_on, "入住日期"), _LEVELS.get(ability_level),
            care_level, yuan_or_none(monthly_fee, "月费"), reason,
        )  # fmt: skip
        stay = service.settled(work, lambda: service.admit(work, key, form))
    except Refused as problem:
        work.session.rollback()
        return _admission_page(request, key, given, [service.candidate(work, elder_id)], str(problem))
    return done(f"/institutions/{key}/residents/{stay.id}", "admitted")


# One stay


def _stay(request: Request, key: int, residency_id: int) -> Residency:
    stay = session(request).get(Residency, residency_id)
    if stay is None or stay.institution_id != key:
        raise HTTPException(404)
    return stay


def _stay_page(request: Request, key: int, residency_id: int, error: str = "") -> Response:
    institution, organization = institution_seen(request, key)
    stay, work = _stay(request, key, residency_id), session(request)
    legs = service.chain(work, stay)
    elder = work.get(Elder, stay.elder_id)
    events = board.events_of(work, select(ResidencyEvent).where(ResidencyEvent.residency_id.in_(legs)))
    name = elder.name if elder else next((row.event.elder_name for row in events if row.event.elder_name), None)
    if elder is not None:
        record(
            work, Act.ELDER_READ, account_id=actor(request).account_id, remote_address=work_of(request).remote_address,
            target=("elders.elder", elder.id), details={"on": "residency"},
        )  # fmt: skip
    leaves = work.scalars(select(Leave).where(Leave.residency_id.in_(legs)).order_by(Leave.started_on.desc())).all()
    agreements = work.scalars(
        select(ServiceAgreement).where(ServiceAgreement.residency_id.in_(legs)).order_by(ServiceAgreement.id.desc())
    ).all()
    first = work.get(Residency, legs[0])
    clauses = {clause.value: clause.label for clause in AgreementClause}
    return page(
        request, "institutions/stay.html", REFUSED if error else 200, title=name or "辖区外老人", key=key,
        organization=organization, stay=stay, elder=elder, may_see_elder=actor(request).may(Resource.ELDERS),
        place=board.place_of(work, stay.bed_id), since=first.admitted_on if first else stay.admitted_on,
        away=next((leave for leave in leaves if leave.ended_on is None), None), leaves=leaves, events=events,
        agreements=[
            (
                paper,
                "已作废" if paper.voided_at else board.contract_state(paper.expires_on, today()),
                [clauses[clause] for clause in paper.clauses],
                [label for value, label in clauses.items() if value not in paper.clauses],
            )
            for paper in agreements
        ],
        clauses=list(clauses.items()), beds=board.choices(work, key), today=today(),
        reasons=[(reason.value, reason.label) for reason in service.DISCHARGE_REASONS],
        largest=LARGEST_BYTES // 1_000_000, is_last=stay.id == legs[-1], last=legs[-1],
        may_change=may_change(request, institution), error=error, notice=notice_of(request),
    )  # fmt: skip


@router.get("/institutions/{key:int}/residents/{residency_id:int}")
def stay_page(request: Request, key: int, residency_id: int) -> Response:
    return _stay_page(request, key, residency_id)


def _act(request: Request, key: int, residency_id: int, act: Callable[[], Any], what: str) -> Response:
    """Does an act on a stay of the user's own institution; a refusal is told on the stay's page."""
    own_institution(request, key)
    _stay(request, key, residency_id)
    work = work_of(request)
    try:
        result = service.settled(work, act)
    except Refused as problem:
        work.session.rollback()
        return _stay_page(request, key, residency_id, str(problem))
    shown = result.id if isinstance(result, Residency) else residency_id
    return done(f"/institutions/{key}/residents/{shown}", what)


@router.post("/institutions/{key:int}/residents/{residency_id:int}/transfer", dependencies=CHANGES)
def transfer(
    request: Request, key: int, residency_id: int, row_version: Number, bed: Text = "", on: Text = "",
    reason: Text = "",
) -> Response:  # fmt: skip
    def act() -> Residency:
        return service.transfer(
            work_of(request), residency_id, bed_id=int(bed) if bed.isdecimal() else 0, on=day_of(on, "调床日期"),
            reason=reason, row_version=row_version,
        )  # fmt: skip

    return _act(request, key, residency_id, act, "transferred")


@router.post("/institutions/{key:int}/residents/{residency_id:int}/leave", dependencies=CHANGES)
def leave(
    request: Request, key: int, residency_id: int, row_version: Number, on: Text = "", due_back_on: Text = "",
    reason: Text = "",
) -> Response:  # fmt: skip
    def act() -> None:
        service.go_on_leave(
            work_of(request), residency_id, on=day_of(on, "离院日期"),
            due_back_on=day_or_none(due_back_on, "预计返院日期"), reason=reason, row_version=row_version,
        )  # fmt: skip

    return _act(request, key, residency_id, act, "left")


@router.post("/institutions/{key:int}/residents/{residency_id:int}/return", dependencies=CHANGES)
def come_back(
    request: Request, key: int, residency_id: int, row_version: Number, on: Text = "", reason: Text = ""
) -> Response:
    def act() -> None:
        service.come_back(
            work_of(request), residency_id, on=day_of(on, "返院日期"), reason=reason, row_version=row_version
        )

    return _act(request, key, residency_id, act, "returned")


@router.post("/institutions/{key:int}/residents/{residency_id:int}/discharge", dependencies=CHANGES)
def discharge(
    request: Request, key: int, residency_id: int, row_version: Number, on: Text = "", why: Text = "",
    reason: Text = "",
) -> Response:  # fmt: skip
    def act() -> None:
        if why not in _REASONS:
            raise Refused("请选择退住原因。")
        service.discharge(
            work_of(request), residency_id, on=day_of(on, "退住日期"), why=_REASONS[why], reason=reason,
            row_version=row_version,
        )  # fmt: skip

    return _act(request, key, residency_id, act, "discharged")


@router.post("/institutions/{key:int}/residents/{residency_id:int}/death", dependencies=CHANGES)
def death(
    request: Request, key: int, residency_id: int, row_version: Number, on: Text = "", reason: Text = "",
    confirmed: Text = "",
) -> Response:  # fmt: skip
    def act() -> None:
        if not confirmed:
            raise Refused("请勾选确认：登记身故后，老人档案将改为已故。")
        service.discharge(
            work_of(request), residency_id, on=day_of(on, "身故日期"), why=DischargeReason.DEATH, reason=reason,
            row_version=row_version,
        )  # fmt: skip

    return _act(request, key, residency_id, act, "discharged")


# Agreements


@router.post("/institutions/{key:int}/residents/{residency_id:int}/agreements", dependencies=CHANGES)
async def add_agreement(request: Request, key: int, residency_id: int) -> Response:
    form: FormData = await request.form(max_files=1, max_fields=40)
    file = form.get("file")
    handed_in = (file.filename or "", await file.read()) if isinstance(file, UploadFile) and file.filename else None
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    clauses = [value for value in form.getlist("clauses") if isinstance(value, str)]
    await form.close()
    return await run_sync(_add_agreement, request, key, residency_id, texts, clauses, handed_in)


def _add_agreement(
    request: Request, key: int, residency_id: int, texts: dict[str, str], clauses: list[str],
    file: tuple[str, bytes] | None,
) -> Response:  # fmt: skip
    def act() -> None:
        try:
            upload = judge(*file) if file else None
        except UploadRefused as problem:
            raise Refused(str(problem)) from problem
        signed_on = day_of(texts.get("signed_on", ""), "签订日期")
        form = service.AgreementForm(
            texts.get("number", ""), signed_on, day_or_none(texts.get("expires_on", ""), "到期日期"), clauses, upload
        )
        service.add_agreement(work_of(request), residency_id, services(request).settings.upload_dir, form)

    return _act(request, key, residency_id, act, "agreement")


def _agreement(request: Request, key: int, agreement_id: int) -> ServiceAgreement:
    row = (
        session(request)
        .execute(
            select(ServiceAgreement, Residency.institution_id)
            .join(Residency, Residency.id == ServiceAgreement.residency_id)
            .where(ServiceAgreement.id == agreement_id)
        )
        .one_or_none()
    )
    if row is None or row[1] != key:
        raise HTTPException(404)
    found: ServiceAgreement = row[0]
    return found


@router.post("/institutions/{key:int}/agreements/{agreement_id:int}/void", dependencies=CHANGES)
def void_agreement(request: Request, key: int, agreement_id: int, row_version: Number) -> Response:
    agreement = _agreement(request, key, agreement_id)

    def act() -> None:
        service.void_agreement(work_of(request), agreement_id, row_version)

    return _act(request, key, agreement.residency_id, act, "voided")


@router.get("/institutions/{key:int}/agreements/{agreement_id:int}/file")
def agreement_file(request: Request, key: int, agreement_id: int) -> Response:
    """The signed paper, for the institution itself and for those who may see whole numbers (the paper shows them)."""
    agreement = _agreement(request, key, agreement_id)
    institution = session(request).get_one(Institution, key)
    if not may_change(request, institution) and not actor(request).may(Resource.ELDER_NUMBERS):
        raise HTTPException(403)
    if agreement.sha256 is None:
        raise HTTPException(404)
    try:
        path = kept(services(request).settings.upload_dir, agreement.sha256)
    except FileNotFoundError:
        raise HTTPException(404, "文件不在服务器上，请联系系统管理员。") from None
    work_of(request).note(Act.FILE_READ, ("institutions.service_agreement", agreement.id))
    # A PDF is downloaded, not opened in our origin.
    media_type = agreement.media_type or "application/octet-stream"
    return FileResponse(
        path, media_type=media_type, filename=agreement.file_name,
        content_disposition_type="inline" if media_type.startswith("image/") else "attachment",
        headers={"content-security-policy": "default-src 'none'; sandbox"},
    )  # fmt: skip
