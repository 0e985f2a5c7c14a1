"""Tables of the provider and of linked identities; schema `identity`, beside the accounts that they are about.

Codes and tokens are kept as SHA-256 of 256 random bits or more: whoever reads the table cannot become anybody, and
what is that random needs no slow hash.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import NOW, Base, Identified
from operational_app.core.row_security import Scope

_OF_ACCOUNT = Scope(parent=("account_id", "identity.account", "id"))


class Application(Identified, Base):
    """An application of somebody else that signs its users in here.

    Attributes:
        client_id: its name in the protocol; never changes.
        is_public: runs where a secret cannot be kept (a phone, a browser); PKCE alone protects it then.
        home_url: where its tile leads; the application starts its sign-in there.
        may_call_api: may ask for the scope `api`, to work with the REST API in a person's name.
        redirect_uris, post_logout_redirect_uris: compared character by character.
    """

    __tablename__ = "application"
    __table_args__ = (
        CheckConstraint("is_public = (secret_sha256 is null)", name="secret_if_confidential"),
        {"schema": "identity"},
    )

    client_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default="")
    icon: Mapped[str]
    home_url: Mapped[str | None]
    redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(Text))
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    is_public: Mapped[bool] = mapped_column(server_default="false")
    secret_sha256: Mapped[bytes | None]
    secret_made_at: Mapped[datetime | None]
    is_active: Mapped[bool] = mapped_column(server_default="true")
    may_call_api: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    row_version: Mapped[int] = mapped_column(server_default="1")


class ApplicationRole(Identified, Base):
    """A role within an application, by the application's own code; what it opens there is the application's affair."""

    __tablename__ = "application_role"
    __table_args__ = (UniqueConstraint("application_id", "code"), {"schema": "identity"})

    application_id: Mapped[int] = mapped_column(ForeignKey("identity.application.id"))
    code: Mapped[str]
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default="true")


class UserGroupApplicationRole(Identified, Base):
    """A role in an application that a group's members have; people get such roles in no other way."""

    __tablename__ = "user_group_application_role"
    __table_args__ = (UniqueConstraint("group_id", "application_role_id"), {"schema": "identity"})

    group_id: Mapped[int] = mapped_column(ForeignKey("identity.user_group.id"))
    application_role_id: Mapped[int] = mapped_column(ForeignKey("identity.application_role.id"), index=True)
    is_held: Mapped[bool] = mapped_column(server_default="true")


class AuthorizationCode(Identified, Base):
    """What an application exchanges for a token: once, within a minute, with the verifier of its challenge."""

    __tablename__ = "authorization_code"
    __table_args__ = (
        CheckConstraint("expires_at <= issued_at + interval '60 seconds'", name="short_lived"),
        {"schema": "identity"},
    )
    scope = _OF_ACCOUNT

    application_id: Mapped[int] = mapped_column(ForeignKey("identity.application.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"), index=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("identity.sign_in_session.id"))
    code_sha256: Mapped[bytes] = mapped_column(unique=True)
    redirect_uri: Mapped[str]
    code_challenge: Mapped[str]  # of method S256
    nonce: Mapped[str | None]
    granted_scope: Mapped[str]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AccessToken(Identified, Base):
    """Opens userinfo while the sign-in session lives from which it comes, ten minutes at most."""

    __tablename__ = "access_token"
    __table_args__ = (
        CheckConstraint("expires_at <= issued_at + interval '10 minutes'", name="short_lived"),
        {"schema": "identity"},
    )
    scope = _OF_ACCOUNT

    code_id: Mapped[int] = mapped_column(ForeignKey("identity.authorization_code.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"), index=True)
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class LinkedIdentity(Identified, Base):
    """A person at the provider above us, tied to one account by that person or an administrator, never by name."""

    __tablename__ = "linked_identity"
    __table_args__ = (
        Index("uq_linked_identity_subject", "issuer", "subject", unique=True, postgresql_where="ended_at is null"),
        Index("uq_linked_identity_account", "account_id", "issuer", unique=True, postgresql_where="ended_at is null"),
        {"schema": "identity"},
    )
    scope = _OF_ACCOUNT

    account_id: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    issuer: Mapped[str]
    subject: Mapped[str]
    linked_at: Mapped[datetime]
    linked_by: Mapped[int] = mapped_column(ForeignKey("identity.account.id"))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("identity.account.id"))
