"""个人中心: the own profile, password, sessions and sign-in log. Open to everybody who is signed in."""

from __future__ import annotations

import segno
from sqlalchemy import update
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from huiyang.field_crypto import row_context
from huiyang.identifiers import IdNumberStatus, PhoneStatus, check_id_number, normalise_phone, phone_status
from operational_app.audit.service import Act, Outcome, record
from operational_app.identity import administration as office
from operational_app.identity import second_factor
from operational_app.identity.access import Resource
from operational_app.identity.admin_pages import REFUSED, Number, Text, done, notice_of, work_of
from operational_app.identity.administration import Refused, Work
from operational_app.identity.models import Account, Duty
from operational_app.identity.sessions import AS_IDENTITY, UNLOCKED, count_attempt, record_lock
from operational_app.web.formats import mask_id_number, mask_phone
from operational_app.web.gate import OWN_PASSWORD_PATH, SECOND_FACTOR_PATH
from operational_app.web.rights import pages_of
from operational_app.web.services import page, services

_TABLE = "identity.account"
_TOO_MANY = "错误次数过多，账号已锁定，请 15 分钟后再试。"
router = pages_of(Resource.WORKBENCH)


def _own_page(request: Request, given: dict[str, str] | None = None, error: str = "") -> Response:
    work = work_of(request)
    account = work.session.get_one(Account, work.actor.account_id)
    sessions = office.sessions_of(work.session, account.id)
    attempts = office.attempts_of(work.session, account.id)
    phone, id_number = _number(request, account, "phone_cipher"), _number(request, account, "id_number_cipher")
    return page(
        request, "identity/me.html", REFUSED if error else 200, title="个人中心", account=account, sessions=sessions,
        attempts=attempts, phone=mask_phone(phone), id_number=mask_id_number(id_number), error=error,
        given=given or {"display_name": account.display_name, "position": account.position},
        notice=notice_of(request),
    )  # fmt: skip


def _number(request: Request, account: Account, column: str) -> str | None:
    cipher: bytes | None = getattr(account, column)
    if cipher is None:
        return None
    return services(request).crypto.decrypt(cipher, row_context(_TABLE, column, account.id))


@router.get("/me")
def own_page(request: Request) -> Response:
    return _own_page(request)


@router.post("/me")
def save_profile(
    request: Request,
    row_version: Number,
    display_name: Text = "",
    position: Text = "",
    phone: Text = "",
    id_number: Text = "",
) -> Response:
    work = work_of(request)
    try:
        _save_profile(request, work, row_version, display_name, position, phone.strip(), id_number.strip())
    except Refused as problem:
        work.session.rollback()
        return _own_page(request, {"display_name": display_name, "position": position}, str(problem))
    return done("/me")


def _save_profile(
    request: Request, work: Work, row_version: int, display_name: str, position: str, phone: str, id_number: str
) -> None:
    account = work.session.get_one(Account, work.actor.account_id)
    crypto = services(request).crypto
    values: dict[str, object] = {
        "position": position.strip()[:50] or None, "display_name": office.checked_name(display_name, "姓名"),
    }  # fmt: skip
    if phone:
        if phone_status(phone) is not PhoneStatus.VALID:
            raise Refused("手机号码不正确。")
        context = row_context(_TABLE, "phone_cipher", account.id)
        values["phone_cipher"] = crypto.encrypt(normalise_phone(phone), context)
    if id_number:
        check = check_id_number(id_number)
        if check.status is not IdNumberStatus.VALID:
            raise Refused("身份证号不正确，请核对每一位。")
        context = row_context(_TABLE, "id_number_cipher", account.id)
        values["id_number_cipher"] = crypto.encrypt(check.number, context)
    office.update_row(work, Account, account.id, row_version, values)
    work.note(Act.ACCOUNT_CHANGE, (_TABLE, account.id), fields=sorted(values))


@router.get(OWN_PASSWORD_PATH)
def password_page(request: Request) -> Response:
    return page(request, "identity/password.html", title="修改密码", error="")


@router.post(OWN_PASSWORD_PATH)
def change_password(request: Request, current: Text = "", new: Text = "", again: Text = "") -> Response:
    """A wrong current password counts as a failed sign-in: an open session is no place to guess it."""
    work, database = work_of(request), services(request).database
    with database.transaction(AS_IDENTITY) as counting:
        attempt = count_attempt(counting, work.actor.username, work.at)
    try:
        if attempt is None:
            raise office.WrongPassword(_TOO_MANY)
        office.change_own_password(work, current[:256], new, again)
    except Refused as problem:
        work.session.rollback()
        # Of its own, because a refusal rolls back what the request wrote.
        with database.transaction(AS_IDENTITY) as counting:
            if not isinstance(problem, office.WrongPassword):
                _unlock(counting, work.actor.account_id)
            elif attempt is not None and attempt.locks:
                record_lock(counting, attempt, work.remote_address)
        return page(request, "identity/password.html", REFUSED, title="修改密码", error=str(problem))
    _unlock(work.session, work.actor.account_id)
    return done("/me", "password")


def _unlock(session: Session, account_id: int, **values: object) -> None:
    """What a right proof sets back, and what it changes beside."""
    session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(**values, **UNLOCKED)
        .execution_options(synchronize_session=False)
    )


def _second_factor_page(request: Request, error: str = "") -> Response:
    """Binds an authenticator: a new secret each time it is opened, until a first code confirms it."""
    work, crypto = work_of(request), services(request).crypto
    account = work.session.get_one(Account, work.actor.account_id)
    secret, code = "", ""
    if account.totp_confirmed_at is None:
        if error and account.totp_cipher:  # a mistyped code is no reason to scan again
            secret = crypto.decrypt(account.totp_cipher, row_context(_TABLE, "totp_cipher", account.id))
        else:
            secret = second_factor.new_secret()
            account.totp_cipher = second_factor.seal(crypto, account.id, secret)
            work.session.flush()
        code = segno.make(second_factor.enrolment_uri(secret, account.username)).svg_data_uri(scale=5)
    # The gate rolls back what an answer above 399 wrote, so a mistyped code is told with 200.
    return page(
        request, "identity/second_factor.html", title="动态验证码", account=account, secret=secret, code=code,
        error=error, is_required=work.actor.duty is not Duty.BUSINESS, notice=notice_of(request),
    )  # fmt: skip


@router.get(SECOND_FACTOR_PATH)
def second_factor_page(request: Request) -> Response:
    return _second_factor_page(request)


@router.post(SECOND_FACTOR_PATH)
def confirm_second_factor(request: Request, code: Text = "") -> Response:
    work = work_of(request)
    account = work.session.get_one(Account, work.actor.account_id)
    if account.totp_confirmed_at is not None or not second_factor.accept(
        work.session, services(request).crypto, account, code, work.at, confirms=True
    ):
        return _second_factor_page(request, "验证码不正确，请核对手机时间后重新输入。")
    work.note(Act.SECOND_FACTOR, (_TABLE, account.id), bound=True)
    return done(SECOND_FACTOR_PATH, "bound")


@router.post(f"{SECOND_FACTOR_PATH}/remove")
def remove_second_factor(request: Request, code: Text = "") -> Response:
    """Takes the factor away; needs a code of it, and an administrator has to bind another at once.

    A wrong code counts as a failed sign-in: whoever sits at a session left open does not try them all.
    """
    work = work_of(request)
    with services(request).database.transaction(AS_IDENTITY) as counting:
        attempt = count_attempt(counting, work.actor.username, work.at)
        may_try = attempt is not None
    account = work.session.get_one(Account, work.actor.account_id)
    if not (may_try and second_factor.accept(work.session, services(request).crypto, account, code, work.at)):
        record(
            work.session, Act.SECOND_FACTOR, account_id=account.id, remote_address=work.remote_address,
            target=(_TABLE, account.id), outcome=Outcome.FAILURE, details={"bound": True, "locked": not may_try},
        )  # fmt: skip
        if attempt is not None and attempt.locks:
            record_lock(work.session, attempt, work.remote_address)
        return _second_factor_page(request, "验证码不正确。" if may_try else _TOO_MANY)
    _unlock(work.session, account.id, totp_cipher=None, totp_confirmed_at=None, totp_last_step=None)
    work.note(Act.SECOND_FACTOR, (_TABLE, account.id), bound=False)
    return done("/me", "unbound")


@router.post("/me/sessions/{key:int}/end")
def end_own_session(request: Request, key: int) -> Response:
    if not office.end_own_session(work_of(request), key):
        raise HTTPException(404)
    return done("/me", "ended")
