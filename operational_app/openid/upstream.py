"""The provider above us (the province's): asking it who somebody is, and whose account here that is.

Authorization code with PKCE, state and nonce (RFC 9700, OpenID Connect Core 3.1). An identity there opens an account
here only if a person has tied the two; names are never compared and accounts never made.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from huiyang.errors import HuiyangError
from huiyang.settings import Settings
from operational_app.audit.service import Act
from operational_app.identity.administration import Refused, Work
from operational_app.identity.models import Account, Duty
from operational_app.identity.sessions import roles_of
from operational_app.openid.models import LinkedIdentity
from operational_app.openid.rules import is_loopback
from operational_app.web.cache import TimedCache
from operational_app.web.gate import DISCOVERY_PATH, UPSTREAM_CALLBACK_PATH

_ALGORITHMS = ["RS256", "ES256", "PS256"]
_CLOCKS_DIFFER_BY = 60
_TIMEOUT_SECONDS = 5
_METADATA_KEPT_FOR = timedelta(minutes=10)
_LONGEST_SUBJECT = 255
_TABLE = "identity.linked_identity"
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class UpstreamError(Exception):
    """The provider did not answer, or its answer does not hold; the text says what, in Chinese."""


@dataclass(frozen=True)
class Journey:
    """What has to come back as it went.

    Attributes:
        state, nonce: random; bind the answer to this browser and the ID token to this question.
        verifier: of PKCE.
    """

    address: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Upstream:
    """The configured provider, with what it told about itself."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str

    def set_out(self, at: datetime) -> Journey:
        """Where to send the browser."""
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        with self._client() as client:
            address, state = client.create_authorization_url(
                self._metadata(at)["authorization_endpoint"], nonce=nonce, code_verifier=verifier
            )
        return Journey(address, state, nonce, verifier)

    def subject(self, answer: dict[str, str], state: str, nonce: str, verifier: str, at: datetime) -> str:
        """Who somebody is there, by the provider's own key.

        Args:
            answer: parameters that came back with the browser.

        Raises:
            UpstreamError: the answer is not to our question, or the provider's token does not hold.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
            raise UpstreamError("登录请求已失效，请重新登录。")
        metadata = self._metadata(at)
        # Another provider's answer must not be taken for this one's (RFC 9207).
        if answer.get("iss", self.issuer) != self.issuer or (
            metadata.get("authorization_response_iss_parameter_supported") and "iss" not in answer
        ):
            raise UpstreamError("省统一身份认证的应答不可信，请重新登录。")
        if "code" not in answer:
            raise UpstreamError("省统一身份认证没有同意本次登录。")
        try:
            with self._client() as client:
                told = client.fetch_token(
                    metadata["token_endpoint"], code=answer["code"], code_verifier=verifier,
                    grant_type="authorization_code", timeout=_TIMEOUT_SECONDS, allow_redirects=False,
                )  # fmt: skip
            keys = KeySet.import_key_set(_get(metadata["jwks_uri"]))
            token = jwt.decode(told["id_token"], keys, algorithms=_ALGORITHMS)
            claims = CodeIDToken(
                token.claims, token.header,
                {"iss": {"essential": True, "value": self.issuer}, "aud": {"essential": True, "value": self.client_id}},
                {"nonce": nonce, "client_id": self.client_id, "access_token": told.get("access_token")},
            )  # fmt: skip
            claims.validate(now=int(at.timestamp()), leeway=_CLOCKS_DIFFER_BY)
        except (AuthlibBaseError, JoseError, requests.RequestException, KeyError, TypeError, ValueError) as error:
            raise UpstreamError("省统一身份认证的应答不可信或没有应答，请稍后重试。") from error
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or "\0" in subject:
            raise UpstreamError("省统一身份认证的应答不可信，请重新登录。")
        return subject

    def _client(self) -> OAuth2Session:
        return OAuth2Session(
            self.client_id, self.client_secret, scope="openid", redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
        )  # fmt: skip

    def _metadata(self, at: datetime) -> dict[str, Any]:
        return _METADATA.get(self.issuer, at, lambda: _discover(self.issuer)).value


_METADATA: TimedCache = TimedCache(_METADATA_KEPT_FOR)


def upstream_of(settings: Settings) -> Upstream | None:
    """The provider that the settings name; None where they name none.

    Raises:
        HuiyangError: half of it is missing, or the secret's file cannot be read, or others can read it too.
    """
    if not settings.upstream_issuer:
        return None
    if not settings.upstream_client_id or not settings.upstream_client_secret_file:
        raise HuiyangError(
            "HUIYANG_UPSTREAM_ISSUER is set without client id and secret.",
            "Set HUIYANG_UPSTREAM_CLIENT_ID and HUIYANG_UPSTREAM_CLIENT_SECRET_FILE too.",
        )
    _must_be_safe(settings.upstream_issuer)
    path = settings.upstream_client_secret_file
    try:
        if path.stat().st_mode & 0o077:
            raise HuiyangError(f"{path} can be read by other users.", f"Run `chmod 600 {path}`.")
        secret = path.read_text().strip()
    except OSError as error:
        raise HuiyangError(f"{path} cannot be read: {error}.", "Put the upstream client's secret there.") from error
    return Upstream(
        settings.upstream_issuer, settings.upstream_client_id, secret, settings.issuer + UPSTREAM_CALLBACK_PATH
    )


def _must_be_safe(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise HuiyangError(f"{address} is not an https address.", "Correct HUIYANG_UPSTREAM_ISSUER.")


def _discover(issuer: str) -> dict[str, Any]:
    """What the provider says of itself (Discovery 1.0, section 4.3: it must name itself as we know it)."""
    try:
        told = _get(issuer.rstrip("/") + DISCOVERY_PATH)
        if told.get("issuer") != issuer:
            raise UpstreamError("省统一身份认证的配置与本平台登记的不一致，请联系系统管理员。")
        for name in _NEEDED:
            _must_be_safe(told[name])
    except (requests.RequestException, KeyError, ValueError, HuiyangError) as error:
        raise UpstreamError("省统一身份认证暂时没有应答，请稍后重试，或使用用户名和密码登录。") from error
    return told


def _get(address: str) -> Any:
    answer = requests.get(address, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
    answer.raise_for_status()
    return answer.json()


# Whose account it is


def account_of(session: Session, issuer: str, subject: str) -> Account | None:
    """The account that the identity is tied to."""
    return session.scalars(
        select(Account)
        .join(LinkedIdentity, LinkedIdentity.account_id == Account.id)
        .where(LinkedIdentity.issuer == issuer, LinkedIdentity.subject == subject, LinkedIdentity.ended_at.is_(None))
    ).one_or_none()


def why_not_sign_in(session: Session, account: Account, at: datetime) -> str | None:
    """Why an account does not open this way: shut, locked, an administrator's, or guarded by a second factor here."""
    if not account.is_active or (account.locked_until and account.locked_until > at):
        return "您在本平台的账号已停用或暂时锁定，请联系系统管理员。"
    if any(role.duty is not Duty.BUSINESS for role in roles_of(session, account.id)):
        return "管理员账号不能通过省统一身份认证登录，请使用用户名和密码登录。"
    if account.totp_confirmed_at is not None:
        return "您的账号开启了动态验证码，请使用用户名、密码和动态验证码登录。"
    return None


def link_of(session: Session, account_id: int, issuer: str) -> LinkedIdentity | None:
    return session.scalars(
        select(LinkedIdentity).where(
            LinkedIdentity.account_id == account_id,
            LinkedIdentity.issuer == issuer,
            LinkedIdentity.ended_at.is_(None),
        )
    ).one_or_none()


def link(work: Work, account_id: int, issuer: str, subject: str) -> None:
    """Ties an identity to an account.

    Raises:
        Refused: one of the two is tied already.
    """
    subject = subject.strip()
    if not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise Refused("请填写省统一身份的用户标识。")
    made = LinkedIdentity(
        account_id=account_id, issuer=issuer, subject=subject, linked_at=work.at, linked_by=work.actor.account_id
    )
    try:
        with work.session.begin_nested():
            work.session.add(made)
    except IntegrityError as error:
        raise Refused("该账号或该省统一身份已有绑定，请先解除原有绑定。") from error
    work.note(Act.IDENTITY_LINK, (_TABLE, made.id), account=account_id)


def unlink(work: Work, account_id: int, issuer: str) -> None:
    """Ends the tie; whoever is signed in stays so.

    Raises:
        Refused: there is none.
    """
    ended = work.session.scalars(
        update(LinkedIdentity)
        .where(
            LinkedIdentity.account_id == account_id,
            LinkedIdentity.issuer == issuer,
            LinkedIdentity.ended_at.is_(None),
        )
        .values(ended_at=work.at, ended_by=work.actor.account_id)
        .returning(LinkedIdentity.id)
    ).all()
    if not ended:
        raise Refused("该账号没有绑定省统一身份。")
    work.note(Act.IDENTITY_UNLINK, (_TABLE, ended[0]), account=account_id)
