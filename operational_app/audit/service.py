"""Writes the audit trail. The app may add to it, never read or change it."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import insert
from sqlalchemy.orm import Session

from operational_app.audit.models import AuditEvent


class Act(StrEnum):
    """What is recorded."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    ACCESS = "access"  # recorded when denied
    ELDER_SEARCH = "elder_search"  # by name, number or phone; what was typed is not recorded
    ELDER_READ = "elder_read"
    ELDER_REVEAL = "elder_reveal"  # whole numbers and address shown
    REPORT_DOWNLOAD = "report_download"
    CODE_SCAN = "code_scan"  # who scanned, never that anybody was there
    CODE_ISSUE = "code_issue"
    CODE_REPLACE = "code_replace"
    CODE_REVOKE = "code_revoke"
    CODE_PRINT = "code_print"
    ACCOUNT_CREATE = "account_create"
    ACCOUNT_CHANGE = "account_change"
    PASSWORD_CHANGE = "password_change"
    PASSWORD_RESET = "password_reset"
    SESSIONS_END = "sessions_end"
    ROLE_GRANT = "role_grant"
    ROLE_REVOKE = "role_revoke"
    ROLE_CHANGE = "role_change"
    GROUP_CHANGE = "group_change"
    DEPARTMENT_CHANGE = "department_change"
    MENU_CHANGE = "menu_change"
    APPLICATION_CHANGE = "application_change"  # an application that signs in here, its roles, its secret
    APPLICATION_SIGN_IN = "application_sign_in"  # somebody is let into such an application
    IDENTITY_LINK = "identity_link"  # a person elsewhere is tied to an account
    IDENTITY_UNLINK = "identity_unlink"
    SECOND_FACTOR = "second_factor"
    REGISTER = "register"
    JOIN = "join"
    FILE_READ = "file_read"
    ORGANIZATION_CHANGE = "organization_change"
    ANNOUNCE = "announce"
    RESIDENCY_CHANGE = "residency_change"
    BED_CHANGE = "bed_change"
    AGREEMENT_CHANGE = "agreement_change"
    INSTITUTION_CHANGE = "institution_change"
    STAFF_CHANGE = "staff_change"


class Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    DENIED = "denied"


def record(
    session: Session,
    act: Act,
    *,
    account_id: int | None,
    remote_address: str | None,
    outcome: Outcome = Outcome.SUCCESS,
    target: tuple[str, int] | None = None,
    details: dict[str, object] | None = None,
) -> None:
    """Adds one event to the running transaction.

    Args:
        target: (table with schema, key) of the record that was read or changed.
        details: what else is worth knowing; never personal data.
    """
    table, key = target or (None, None)
    session.execute(
        # Inline: the app has no right to read the row back, not even its key.
        insert(AuditEvent)
        .inline()
        .values(
            account_id=account_id,
            action=act.value,
            target_table=table,
            target_id=key,
            outcome=outcome.value,
            remote_address=remote_address,
            details=details or {},
        )
    )
