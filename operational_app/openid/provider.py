"""The provider's rules over Authlib: authorization code with PKCE (S256, of every client), ID token, access token.

RFC 6749, 7636, 9207, 9700; OpenID Connect Core 1.0. What Authlib leaves to us: where clients, codes and tokens are
kept, and whose they are. Codes and tokens live no longer than the sign-in session from which they come.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749 import ClientMixin, InvalidRequestError, OAuth2Payload
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from authlib.oidc.rpinitiated import EndSessionEndpoint
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from huiyang.settings import Settings
from operational_app.audit.service import Act, Outcome, record
from operational_app.identity.models import (
    Account,
    Department,
    Duty,
    SignInSession,
    UserGroup,
    UserGroupMember,
)
from operational_app.identity.sessions import Actor, find_actor_of_session
from operational_app.openid.keys import signing_keys
from operational_app.openid.models import (
    AccessToken,
    Application,
    ApplicationRole,
    AuthorizationCode,
    UserGroupApplicationRole,
)

ALGORITHM = "RS256"
#: To work with the REST API as the person, with all their rights.
API_SCOPE = "api"
SCOPES = ("openid", "profile", API_SCOPE)
CODE_LASTS = timedelta(seconds=60)
TOKEN_LASTS = timedelta(minutes=10)
_LONGEST_NONCE = 512


@dataclass(frozen=True)
class Person:
    """Somebody as one application sees them.

    Attributes:
        roles: codes of the application's own roles; nobody without one is told of.
    """

    actor: Actor
    roles: tuple[str, ...]
    department: str | None

    def claims(self, scope: str) -> dict[str, Any]:
        """What the application is told; never an ID number or a phone.

        Keys:
            sub: the account's key, which outlives changes of the user name.
            department: name of the government department, None for people of market entities.
            data_scope: whose records the person sees here, in words.
        """
        told: dict[str, Any] = {"sub": str(self.actor.account_id), "roles": list(self.roles)}
        if "profile" in scope.split():
            told |= {
                "name": self.actor.display_name, "preferred_username": self.actor.username,
                "department": self.department, "data_scope": self.actor.scope_label,
            }  # fmt: skip
        return told


def digest(secret: str) -> bytes:
    """How codes, tokens and clients' secrets are kept."""
    return sha256(secret.encode()).digest()


def person_for(session: Session, actor: Actor, application_id: int) -> Person | None:
    """The actor with their roles in an application; None without one.

    Groups give nothing to whoever administers, here as in `identity.sessions.roles_of`.
    """
    if actor.duty is not Duty.BUSINESS:
        return None
    roles = session.scalars(
        select(ApplicationRole.code)
        .where(ApplicationRole.application_id == application_id, ApplicationRole.id.in_(_held_roles(actor.account_id)))
        .order_by(ApplicationRole.code)
    ).all()
    if not roles:
        return None
    department = session.scalar(
        select(Department.name)
        .join(Account, Account.department_id == Department.id)
        .where(Account.id == actor.account_id)
    )
    return Person(actor, tuple(roles), department)


def applications_of(session: Session, actor: Actor) -> Sequence[Application]:
    """Active applications in which the actor holds a role and that have a place to go to."""
    if actor.duty is not Duty.BUSINESS:
        return ()
    entered = select(ApplicationRole.application_id).where(ApplicationRole.id.in_(_held_roles(actor.account_id)))
    return session.scalars(
        select(Application)
        .where(Application.is_active, Application.home_url.is_not(None), Application.id.in_(entered))
        .order_by(Application.name)
    ).all()


def _held_roles(account_id: int) -> Any:
    return (
        select(UserGroupApplicationRole.application_role_id)
        .join(UserGroup, UserGroup.id == UserGroupApplicationRole.group_id)
        .join(UserGroupMember, UserGroupMember.group_id == UserGroup.id)
        .join(ApplicationRole, ApplicationRole.id == UserGroupApplicationRole.application_role_id)
        .where(
            UserGroupMember.account_id == account_id,
            UserGroupMember.left_at.is_(None),
            UserGroupApplicationRole.is_held,
            UserGroup.is_active,
            ApplicationRole.is_active,
        )
    )


class Client(ClientMixin):
    """An application in Authlib's words."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.client_metadata = {"post_logout_redirect_uris": application.post_logout_redirect_uris}

    def get_client_id(self) -> str:
        return self.application.client_id

    def get_default_redirect_uri(self) -> None:
        """None: every request names its address."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What we know of the scope; None (refused) without `openid`. Unknown values are ignored (Core, 3.1.2.1)."""
        allowed = SCOPES if self.application.may_call_api else [value for value in SCOPES if value != API_SCOPE]
        known = [value for value in allowed if value in (scope or "").split()]
        return " ".join(known) if "openid" in known else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.application.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        kept = self.application.secret_sha256
        return kept is not None and hmac.compare_digest(kept, digest(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") == self.application.is_public

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class _Payload(OAuth2Payload):
    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._lists: dict[str, list[str]] = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)
        self._data = {name: values[0] for name, values in self._lists.items()}

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> dict[str, list[str]]:
        return self._lists


class ProtocolRequest(OAuth2Request):
    """A request in Authlib's words; its parameters come from the query or from the form, never from both."""

    def __init__(self, method: str, address: str, headers: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__(method, address, headers=headers)
        self.payload = _Payload(pairs)

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data


class _Grant:
    """A code that was issued, in Authlib's words."""

    code_challenge_method = "S256"

    def __init__(self, row: AuthorizationCode, signed_in_at: datetime) -> None:
        self.row, self._signed_in_at = row, signed_in_at
        self.code_challenge = row.code_challenge

    def get_redirect_uri(self) -> str:
        return self.row.redirect_uri

    def get_scope(self) -> str:
        return self.row.granted_scope

    def get_nonce(self) -> str | None:
        return self.row.nonce

    def get_auth_time(self) -> int:
        return int(self._signed_in_at.timestamp())

    def get_acr(self) -> None:
        """None: one way of signing in."""

    def get_amr(self) -> None:
        """None: see `get_acr`."""


class _CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]  # noqa: RUF012  (Authlib's)
    server: Provider

    def save_authorization_code(self, code: str, request: ProtocolRequest) -> None:
        asked, person, server = request.payload.data, request.user, self.server
        server.session.execute(
            insert(AuthorizationCode).values(
                application_id=request.client.application.id, account_id=person.actor.account_id,
                session_id=person.actor.session_id, code_sha256=digest(code), redirect_uri=asked["redirect_uri"],
                code_challenge=asked["code_challenge"], nonce=asked.get("nonce"), granted_scope=request.scope,
                issued_at=server.at, expires_at=server.at + CODE_LASTS,
            )
        )  # fmt: skip
        server.note(request.client.application, person.actor.account_id)

    def query_authorization_code(self, code: str, client: Client) -> _Grant | None:
        """The code if it can still be used. A second use says that it was stolen: its tokens die (RFC 6749, 4.1.2)."""
        server = self.server
        found = server.session.execute(
            select(AuthorizationCode, SignInSession.started_at)
            .join(SignInSession, SignInSession.id == AuthorizationCode.session_id)
            .where(
                AuthorizationCode.code_sha256 == digest(code),
                AuthorizationCode.application_id == client.application.id,
            )
            # Two uses at once are looked at one after the other.
            .with_for_update(of=AuthorizationCode)
        ).one_or_none()
        if found is None:
            return None
        row, signed_in_at = found
        if row.used_at is not None:
            server.session.execute(
                update(AccessToken)
                .where(AccessToken.code_id == row.id, AccessToken.revoked_at.is_(None))
                .values(revoked_at=server.at)
            )
            server.note(client.application, row.account_id, Outcome.DENIED, why="code used twice")
            return None
        return _Grant(row, signed_in_at) if row.expires_at > server.at else None

    def delete_authorization_code(self, authorization_code: _Grant) -> None:
        """Marks the code as used."""
        self.server.session.execute(
            update(AuthorizationCode)
            .where(AuthorizationCode.id == authorization_code.row.id)
            .values(used_at=self.server.at)
        )

    def authenticate_user(self, authorization_code: _Grant) -> Person | None:
        return self.server.person_of(authorization_code.row)


class _OnlyS256(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012  (Authlib's)

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str) -> None:
        asked = grant.request.payload.data
        if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with code_challenge_method S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)


class _IdToken(OpenIDCode):
    def __init__(self, server: Provider) -> None:
        super().__init__()
        self._server = server

    def exists_nonce(self, nonce: str, request: ProtocolRequest) -> bool:
        """Whether the client repeats itself is for the client to know; here only its length counts."""
        if len(nonce) > _LONGEST_NONCE:
            raise InvalidRequestError("The nonce is too long.")
        return False

    def resolve_client_private_key(self, client: Client) -> RSAKey:
        return self._server.keys[0]

    def get_encode_header(self, client: Client) -> dict[str, str]:
        return {"alg": ALGORITHM, "typ": "JWT", "kid": str(self._server.keys[0].kid)}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        at = int(self._server.at.timestamp())
        return {
            "iss": self._server.issuer, "aud": client.get_client_id(), "iat": at,
            "exp": at + int(TOKEN_LASTS.total_seconds()),
        }  # fmt: skip

    def generate_user_info(self, user: Person, scope: str) -> dict[str, Any]:
        return user.claims(scope)


class EndOfSession(EndSessionEndpoint):
    """What a request to sign out asks for (RP-Initiated Logout 1.0); asking the user and doing it is the page's."""

    def get_server_jwks(self) -> KeySet:
        return KeySet(list(self.server.keys))

    def get_algorithms(self) -> list[str]:
        return [ALGORITHM]


class Provider(AuthorizationServer):
    """The provider for one request.

    Args:
        session: its transaction; the caller commits, after a refusal too (a code used twice has killed its tokens).
    """

    def __init__(self, session: Session, settings: Settings, at: datetime, remote_address: str | None) -> None:
        super().__init__()
        self.session, self.at, self.issuer = session, at, settings.issuer
        self.keys = signing_keys(settings.secrets_file)
        self._remote_address = remote_address
        self.register_token_generator("default", _new_token)
        self.register_grant(_CodeGrant, [_OnlyS256(required=True), _IdToken(self)])

    def client(self, client_id: str | None) -> Client | None:
        """The application of that name, if it is registered and not shut."""
        if not client_id or "\0" in client_id:
            return None
        found = self.session.scalar(
            select(Application).where(Application.client_id == client_id, Application.is_active)
        )
        return Client(found) if found else None

    query_client = client  # Authlib's name

    def signed_in_at(self, actor: Actor) -> datetime:
        return self.session.scalars(select(SignInSession.started_at).where(SignInSession.id == actor.session_id)).one()

    def person_of(self, code: AuthorizationCode) -> Person | None:
        """Whose code it is, if the session from which it comes lives and the person still holds a role."""
        actor = find_actor_of_session(self.session, code.session_id, self.at)
        return person_for(self.session, actor, code.application_id) if actor else None

    def person_of_token(self, token: str) -> tuple[Person, str] | None:
        """Whom an access token tells of, and what of its scope the application may still ask for.

        None for a token that is unknown, ended or nobody's.
        """
        found = self.session.execute(
            select(AuthorizationCode, Application)
            .join(AccessToken, AccessToken.code_id == AuthorizationCode.id)
            .join(Application, Application.id == AuthorizationCode.application_id)
            .where(
                AccessToken.token_sha256 == digest(token),
                AccessToken.revoked_at.is_(None),
                AccessToken.expires_at > self.at,
                Application.is_active,
            )
        ).one_or_none()
        if found is None:
            return None
        code, application = found
        person = self.person_of(code)
        return (person, Client(application).get_allowed_scope(code.granted_scope) or "") if person else None

    def note(
        self, application: Application, account_id: int, outcome: Outcome = Outcome.SUCCESS, **details: object
    ) -> None:
        record(
            self.session, Act.APPLICATION_SIGN_IN, account_id=account_id, remote_address=self._remote_address,
            outcome=outcome, target=("identity.application", application.id), details=details,
        )  # fmt: skip

    # What Authlib asks of an integration

    def create_oauth2_request(self, request: ProtocolRequest) -> ProtocolRequest:
        return request

    def save_token(self, token: dict[str, Any], request: ProtocolRequest) -> None:
        code: AuthorizationCode = request.authorization_code.row
        self.session.execute(
            insert(AccessToken).values(
                code_id=code.id, account_id=code.account_id, token_sha256=digest(token["access_token"]),
                issued_at=self.at, expires_at=self.at + TOKEN_LASTS,
            )
        )  # fmt: skip

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Response:
        """An answer; one that leads back to the application names us (RFC 9207)."""
        named = dict(headers)
        if "Location" in named:
            named["Location"] = add_params_to_uri(named["Location"], [("iss", self.issuer)])
            return Response(status_code=status, headers=named)
        return JSONResponse(body, status, named)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""


def _new_token(*, scope: str, **asked: object) -> dict[str, Any]:
    return {
        "token_type": "Bearer", "access_token": secrets.token_urlsafe(32),
        "expires_in": int(TOKEN_LASTS.total_seconds()), "scope": scope,
    }  # fmt: skip
