"""Invitations: a market entity's manager lets a person in beforehand, by a one-time link or a short code.

The secrets are random and kept as SHA-256 only. Whoever tries one is signed in and has few tries, as with a password;
what is wrong, used, expired and revoked answers alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_app.audit.service import Act
from operational_app.core.row_security import whole_city, wider
from operational_app.identity import rules as identity_rules
from operational_app.identity.access import Resource
from operational_app.identity.administration import Overtaken, Refused, Work, holder_of, role_facts, update_row
from operational_app.identity.models import Account, AccountRole, Duty, Role
from operational_app.identity.sessions import LOCKED_FOR, MAX_FAILURES, roles_of
from operational_app.institutions.queries import permits_of
from operational_app.joining.models import Invitation, InvitationAllowance
from operational_app.joining.service import own_open_request
from operational_app.organizations.models import Organization, OrganizationStatus, QualificationKind
from operational_app.workbench.models import NotificationKind
from operational_app.workbench.notifications import holders_in_organization, notify

DAYS, USUAL_DAYS = (1, 3, 7, 14, 30), 7
OPEN_AT_MOST = 50
_SHOWN = 100
_LONGEST_POSITION = 50
#: Without letters and digits that look alike; ten of them are 49 bits, which the few tries of an account protect.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_CODE_LENGTH = 10
#: Without these an entity may not act, so nobody joins it.
_NEEDED = (
    QualificationKind.BUSINESS, QualificationKind.SERVICE, QualificationKind.INSTITUTION_FILING, QualificationKind.FOOD,
)  # fmt: skip
NOT_VALID = (
    "邀请无效：可能输错了，或者已使用、已撤销、已过期。连续 "
    f"{MAX_FAILURES} 次无效，{LOCKED_FOR // timedelta(minutes=1)} 分钟内不能再试。"
)


@dataclass(frozen=True)
class Secret:
    """What an invited person is given, told once."""

    token: str
    code: str


def state_of(invitation: Invitation, at: datetime) -> tuple[str, str]:
    """(label, colour)."""
    if invitation.used_at is not None:
        return "已使用", "green"
    if invitation.revoked_at is not None:
        return "已撤销", "secondary"
    return ("已过期", "red") if invitation.expires_at <= at else ("待使用", "blue")


def why_not_invite(session: Session, organization: Organization, at: datetime) -> str | None:
    """Why nobody may be invited into an entity now: it is not at work, or a permit that it acts on has run out."""
    if organization.status is not OrganizationStatus.ACTIVE:
        return f"本单位的状态为“{organization.status.label}”，不能邀请人员。"
    permits = [(permit.kind, state) for permit, state in permits_of(session, organization.id, at.date())]
    for kind in _NEEDED:
        states = {state for permit, state in permits if permit is kind}
        if states and not states & {"有效", "即将到期"}:
            return f"{kind.label}不在有效期内，更新证照后才能邀请人员。"
    return None


def own_organization(work: Work) -> Organization:
    """The entity that the user invites into.

    Raises:
        Refused: the user is of none.
    """
    key = work.actor.scope.organization_id
    organization = work.session.get(Organization, key) if key else None
    if organization is None:
        raise Refused("您不属于任何市场主体，不能邀请人员。")
    return organization


def grantable(work: Work) -> list[Role]:
    """Roles that the user may give with an invitation."""
    receiver = identity_rules.Holder(0, frozenset(), Duty.BUSINESS, of_organization=True)
    roles = work.session.scalars(select(Role).where(Role.is_active).order_by(Role.id))
    return [
        role
        for role in roles
        if identity_rules.why_not_grant(work.holder, role_facts(work.session, role), receiver) is None
    ]


def listed(session: Session, organization_id: int) -> Sequence[Invitation]:
    """An entity's invitations, newest first."""
    own = select(Invitation).where(Invitation.organization_id == organization_id)
    return session.scalars(own.order_by(Invitation.id.desc()).limit(_SHOWN)).all()


def invite(work: Work, position: str, days: int, role_id: int | None) -> tuple[Invitation, Secret]:
    """A new invitation into the user's entity.

    Raises:
        Refused: the entity may not, a field is wrong, or too many are open.
    """
    organization = own_organization(work)
    if problem := why_not_invite(work.session, organization, work.at):
        raise Refused(problem)
    position = position.strip()
    if not position or len(position) > _LONGEST_POSITION:
        raise Refused(f"请填写岗位，不超过 {_LONGEST_POSITION} 个字。")
    if days not in DAYS:
        raise Refused("请选择有效期。")
    if role_id is not None and role_id not in {role.id for role in grantable(work)}:
        raise Refused("不能授予这个角色。")
    is_open = (
        Invitation.organization_id == organization.id, Invitation.used_at.is_(None), Invitation.revoked_at.is_(None),
        Invitation.expires_at > work.at,
    )  # fmt: skip
    if (work.session.scalar(select(func.count()).where(*is_open)) or 0) >= OPEN_AT_MOST:
        raise Refused(f"待使用的邀请已有 {OPEN_AT_MOST} 份，请先撤销不用的。")
    secret = Secret(secrets.token_urlsafe(24), "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)))
    invitation = Invitation(
        organization_id=organization.id, token_sha256=_digest(secret.token), code_sha256=_digest(secret.code),
        position=position, role_id=role_id, invited_by=work.actor.account_id, created_at=work.at,
        expires_at=work.at + timedelta(days=days),
    )  # fmt: skip
    work.session.add(invitation)
    work.session.flush()
    _note(work, invitation.id, "create")
    return invitation, secret


def revoke(work: Work, invitation: Invitation, row_version: int) -> None:
    """Takes an invitation back that nobody has used.

    Raises:
        Overtaken: used, revoked or changed meanwhile.
    """
    key = invitation.id
    if invitation.used_at is not None or invitation.revoked_at is not None:
        raise Overtaken("该邀请已使用或已撤销。")
    update_row(
        work, Invitation, key, row_version, {"revoked_at": work.at}, Invitation.used_at.is_(None),
        Invitation.revoked_at.is_(None),
    )  # fmt: skip
    _note(work, key, "revoke")


# Accepting


def count_attempt(session: Session, account_id: int, now: datetime) -> bool:
    """Counts a try as failed before the secret is looked at, so that many at once get no more than the allowed number.

    Args:
        session: of a transaction of its own, so that it counts whatever becomes of the request.

    Returns:
        Whether the account may try.
    """
    is_over = InvitationAllowance.window_opened_at <= now - LOCKED_FOR
    fresh = insert(InvitationAllowance).values(account_id=account_id, window_opened_at=now, failures=1)
    counted = fresh.on_conflict_do_update(
        index_elements=[InvitationAllowance.account_id],
        set_={"failures": case((is_over, 1), else_=InvitationAllowance.failures + 1), "window_opened_at": now},
        where=is_over | (InvitationAllowance.failures < MAX_FAILURES),
    ).returning(InvitationAllowance.failures)
    return session.execute(counted).one_or_none() is not None


def look_at(work: Work, given: str) -> tuple[Invitation, Organization]:
    """The invitation that a secret opens, for somebody who may follow it.

    Args:
        given: the link's token, or the short code, with or without spaces and hyphens.

    Raises:
        Refused: the person belongs somewhere already; or, in one answer, the invitation is not in force.
    """
    account = work.session.get_one(Account, work.actor.account_id)
    if problem := _why_not_follow(work, account):
        raise Refused(problem)
    scope = work.actor.scope
    with wider(work.session, scope, whole_city(scope, all_accounts=True)):
        found = _in_force(work, given)
    work.session.execute(
        update(InvitationAllowance)
        .where(InvitationAllowance.account_id == account.id, InvitationAllowance.failures > 0)
        .values(failures=InvitationAllowance.failures - 1)
    )
    return found


def accept(work: Work, given: str) -> None:
    """Makes the user one of the entity's people at once, with the role that the inviter may give now.

    Raises:
        Refused: as `look_at`; of two who accept at once exactly one comes in.
    """
    look_at(work, given)
    scope = work.actor.scope
    with wider(work.session, scope, whole_city(scope, all_accounts=True)):
        account = work.session.get_one(
            Account, work.actor.account_id, with_for_update=True, populate_existing=True
        )  # fmt: skip
        if problem := _why_not_follow(work, account):
            raise Refused(problem)
        invitation, organization = _in_force(work, given)
        taken = work.session.execute(
            update(Invitation)
            .where(
                Invitation.id == invitation.id, Invitation.used_at.is_(None), Invitation.revoked_at.is_(None),
                Invitation.expires_at > work.at,
            )
            .values(used_at=work.at, used_by=account.id, row_version=Invitation.row_version + 1)
            .returning(Invitation.id)
            .execution_options(synchronize_session=False)
        ).all()  # fmt: skip
        if not taken:
            raise Refused(NOT_VALID)
        account.organization_id = organization.id
        account.position = invitation.position
        account.row_version += 1
        work.session.flush()
        _grant(work, account, invitation)
        managers = holders_in_organization(work.session, organization.id, Resource.JOIN_APPROVALS)
        work.note(Act.ACCOUNT_CHANGE, ("identity.account", account.id), joined="invitation")
        _note(work, invitation.id, "accept")
        title = f"一份邀请已使用，“{invitation.position}”一名人员已加入本单位"
        told = {invitation.invited_by, *managers} - {account.id}
        notify(work.session, told, NotificationKind.REQUEST_RESULT, title, "/organization/invitations")


def _grant(work: Work, account: Account, invitation: Invitation) -> None:
    role = work.session.get(Role, invitation.role_id) if invitation.role_id else None
    inviter = work.session.get_one(Account, invitation.invited_by)
    if role is None:
        return
    granter, receiver = holder_of(work.session, inviter), holder_of(work.session, account)
    if identity_rules.why_not_grant(granter, role_facts(work.session, role), receiver) is None:
        work.session.add(AccountRole(account_id=account.id, role_id=role.id, duty=role.duty, granted_by=inviter.id))
        work.session.flush()
        work.note(Act.ROLE_GRANT, ("identity.account", account.id), role=role.code)


def _why_not_follow(work: Work, account: Account) -> str | None:
    if account.department_id or account.organization_id:
        return "您已属于部门或单位，不能再接受邀请；调动请先由原单位停用或调出。"
    if any(role.duty is not Duty.BUSINESS for role in roles_of(work.session, account.id)):
        return "管理员账号不能加入单位。"
    if own_open_request(work.session, account.id) is not None:
        return "您有一份加入申请在办理中，请先撤回，再接受邀请。"
    return None


def _in_force(work: Work, given: str) -> tuple[Invitation, Organization]:
    """
    Raises:
        Refused: there is none, or it, its entity or its inviter is not in force.
    """
    code = given.replace("-", "").replace(" ", "").upper()
    is_its = or_(Invitation.token_sha256 == _digest(given.strip()), Invitation.code_sha256 == _digest(code))
    row = work.session.execute(
        select(Invitation, Organization)
        .join(Organization, Organization.id == Invitation.organization_id)
        .join(Account, (Account.id == Invitation.invited_by) & (Account.organization_id == Organization.id))
        .where(
            is_its, Invitation.used_at.is_(None), Invitation.revoked_at.is_(None), Invitation.expires_at > work.at,
            Account.is_active,
        )
    ).one_or_none()  # fmt: skip
    if row is None or why_not_invite(work.session, row[1], work.at):
        raise Refused(NOT_VALID)
    return row[0], row[1]


def _note(work: Work, key: int, step: str) -> None:
    work.note(Act.INVITATION, ("joining.invitation", key), step=step)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
