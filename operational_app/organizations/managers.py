"""Who manages a market entity's people, and who is appointed where nobody does any more.

The bureau must be able to shut any account at once, the last manager's too: then its department is told
(`identity.administration`), lets people in and appoints one of the entity's people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_app.core.row_security import wider
from operational_app.identity.access import Resource
from operational_app.identity.administration import Overtaken, Refused, Work, grant_role
from operational_app.identity.models import Account, Duty, Role, RoleCode
from operational_app.joining.rules import is_county_or_above
from operational_app.joining.service import has_manager
from operational_app.organizations.models import Organization, OrganizationKind, OrganizationKindCode


def why_not_appoint(work: Work) -> str | None:
    """Why the user may not appoint an entity's manager; that they see the entity is row-level security's word."""
    scope = work.actor.scope
    if not work.actor.may(Resource.ROLE_GRANTS) or work.actor.duty is not Duty.BUSINESS:
        return "应由民政部门的部门管理员指定。"
    if not is_county_or_above(scope.division_lo, has_unit=scope.unit_code is not None):
        return "应由县（市、区）或市民政局指定。"
    return None


def is_managed(work: Work, organization_id: int) -> bool:
    scope = work.actor.scope
    with wider(work.session, scope, replace(scope, all_accounts=True)):
        return has_manager(work.session, organization_id)


def candidates(work: Work, organization_id: int) -> Sequence[Account]:
    """The entity's people whose accounts are in use."""
    scope = work.actor.scope
    with wider(work.session, scope, replace(scope, all_accounts=True)):
        own = select(Account).where(Account.organization_id == organization_id, Account.is_active)
        return work.session.scalars(own.order_by(Account.id)).all()


def appoint(work: Work, organization: Organization, account_id: int) -> None:
    """Makes one of the people of an entity without a manager its manager.

    Raises:
        Refused: not the user's to do, or the person is not of the entity.
        Overtaken: it has a manager.
    """
    if problem := why_not_appoint(work):
        raise Refused(problem)
    scope = work.actor.scope
    # Two appointments at once are looked at one after the other.
    work.session.execute(select(Organization.id).where(Organization.id == organization.id).with_for_update())
    with wider(work.session, scope, replace(scope, all_accounts=True)):
        if has_manager(work.session, organization.id):
            raise Overtaken("该单位已有管理员，由管理员在“账号管理”授予角色。")
        account = work.session.get(Account, account_id)
        if account is None or account.organization_id != organization.id or not account.is_active:
            raise Refused("请选择该单位的人员。")
        grant_role(work, account, _managers_role(work.session, organization.id), on_admission=True)


def _managers_role(session: Session, organization_id: int) -> Role:
    is_institution = session.scalar(
        select(OrganizationKind.id).where(
            OrganizationKind.organization_id == organization_id,
            OrganizationKind.kind == OrganizationKindCode.INSTITUTION,
        )
    )
    code = RoleCode.INSTITUTION_MANAGER if is_institution else RoleCode.PROVIDER_MANAGER
    return session.scalars(select(Role).where(Role.code == code)).one()
