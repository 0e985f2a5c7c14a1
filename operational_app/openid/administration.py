"""Applications, their roles and who has them, changed by administrators: each change checked, versioned, audited.

Registering is the system administrator's, giving the roles to user groups the security administrator's.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from operational_app.audit.service import Act
from operational_app.identity.administration import Refused, Work, checked_name, update_row
from operational_app.identity.models import UserGroup
from operational_app.openid import rules
from operational_app.openid.models import (
    AccessToken,
    Application,
    ApplicationRole,
    AuthorizationCode,
    UserGroupApplicationRole,
)
from operational_app.openid.provider import digest

_TABLE = "identity.application"
_LONGEST_DESCRIPTION = 200
#: Symbols of tiles: class names of Font Awesome with what they show.
ICONS = {
    "fa-up-right-from-square": "外部链接",
    "fa-building-columns": "政务",
    "fa-hand-holding-heart": "养老服务",
    "fa-hospital": "医疗",
    "fa-id-card": "人员与证件",
    "fa-file-lines": "公文",
    "fa-coins": "资金",
    "fa-map-location-dot": "地图",
    "fa-chart-column": "统计",
    "fa-phone": "呼叫",
}


def save_application(
    work: Work, application: Application | None, *, name: str, description: str, icon: str, home_url: str,
    redirect_uris: str, post_logout_redirect_uris: str, is_active: bool, is_public: bool, may_call_api: bool,
    row_version: int,
) -> tuple[Application, str | None]:  # fmt: skip
    """Registers an application, or changes one. Shut, it is out at the next request, its tokens too.

    So is the REST API for its tokens once it may no longer call it.

    Args:
        redirect_uris, post_logout_redirect_uris: one a line.
        is_public: counts when it is registered.

    Returns:
        the application, and the secret of a new confidential one, which is told once.

    Raises:
        Refused: a field is wrong, the name is taken, stale.
    """
    back, out = _lines(redirect_uris), _lines(post_logout_redirect_uris)
    name, home_url = checked_name(name, "应用名称"), home_url.strip()
    if icon not in ICONS:
        raise Refused("请选择图标。")
    if not back:
        raise Refused("请填写至少一个登录后返回的地址。")
    if problem := rules.addresses_problem([*back, *out, *([home_url] if home_url else [])]):
        raise Refused(problem)
    values: dict[str, object] = {
        "name": name, "description": description.strip()[:_LONGEST_DESCRIPTION], "icon": icon,
        "home_url": home_url or None, "redirect_uris": back, "post_logout_redirect_uris": out, "is_active": is_active,
        "may_call_api": may_call_api,
    }  # fmt: skip
    secret = None
    try:
        with work.session.begin_nested():
            if application is None:
                secret = None if is_public else secrets.token_urlsafe(32)
                application = Application(
                    client_id=f"app-{secrets.token_hex(8)}", is_public=is_public, created_by=work.actor.account_id,
                    secret_sha256=digest(secret) if secret else None, secret_made_at=work.at if secret else None,
                    **values,
                )  # fmt: skip
                work.session.add(application)
                work.session.flush()
            else:
                update_row(work, Application, application.id, row_version, values)
    except IntegrityError as error:
        raise Refused(f"已有名称为“{name}”的应用。") from error
    work.note(Act.APPLICATION_CHANGE, (_TABLE, application.id), fields=sorted(values), is_active=is_active)
    return application, secret


def new_secret(work: Work, application: Application) -> str:
    """Another secret; the old one ends at once, and with it the tokens that were given for it.

    Raises:
        Refused: a public application has none.
    """
    if application.is_public:
        raise Refused("公开客户端没有密钥。")
    secret = secrets.token_urlsafe(32)
    work.session.execute(
        update(Application)
        .where(Application.id == application.id)
        .values(secret_sha256=digest(secret), secret_made_at=work.at, row_version=Application.row_version + 1)
    )
    given = select(AuthorizationCode.id).where(AuthorizationCode.application_id == application.id)
    work.session.execute(
        update(AccessToken)
        .where(AccessToken.code_id.in_(given), AccessToken.revoked_at.is_(None), AccessToken.expires_at > work.at)
        .values(revoked_at=work.at)
        .execution_options(synchronize_session=False)
    )
    work.note(Act.APPLICATION_CHANGE, (_TABLE, application.id), what="secret")
    return secret


def save_role(work: Work, application: Application, *, code: str, name: str, is_active: bool) -> None:
    """A role of the application: makes it, or names, shuts or opens it again by its code.

    Raises:
        Refused: a code that cannot stand in a token, no name.
    """
    if problem := rules.role_code_problem(code):
        raise Refused(problem)
    name = checked_name(name, "角色名称")
    row = insert(ApplicationRole).values(application_id=application.id, code=code, name=name, is_active=is_active)
    work.session.execute(
        row.on_conflict_do_update(
            index_elements=["application_id", "code"], set_={"name": name, "is_active": is_active}
        )
    )
    work.note(Act.APPLICATION_CHANGE, (_TABLE, application.id), role=code, is_active=is_active)


def roles_of(work: Work, application_id: int) -> Sequence[ApplicationRole]:
    """All its roles, shut ones too."""
    return work.session.scalars(
        select(ApplicationRole).where(ApplicationRole.application_id == application_id).order_by(ApplicationRole.code)
    ).all()


def offered_roles(work: Work) -> list[tuple[Application, list[ApplicationRole]]]:
    """What can be given: the roles in use of the applications in use."""
    rows = work.session.execute(
        select(Application, ApplicationRole)
        .join(ApplicationRole, ApplicationRole.application_id == Application.id)
        .where(Application.is_active, ApplicationRole.is_active)
        .order_by(Application.name, ApplicationRole.code)
    )
    offered: dict[int, tuple[Application, list[ApplicationRole]]] = {}
    for application, role in rows:
        offered.setdefault(application.id, (application, []))[1].append(role)
    return list(offered.values())


def roles_of_group(work: Work, group_id: int) -> set[int]:
    """Keys of the application roles that a group gives."""
    held = select(UserGroupApplicationRole.application_role_id).where(
        UserGroupApplicationRole.group_id == group_id, UserGroupApplicationRole.is_held
    )
    return set(work.session.scalars(held))


def give_roles(work: Work, group: UserGroup, role_ids: Collection[int], row_version: int) -> None:
    """Gives a group's members exactly these of the offered roles; acts on their next request, and on their tokens.

    Raises:
        Refused: stale.
    """
    update_row(work, UserGroup, group.id, row_version, {})
    offered = {role.id for _, roles in offered_roles(work) for role in roles}
    # What is not offered stands on no form: it stays as it is.
    before, wanted = roles_of_group(work, group.id) & offered, set(role_ids) & offered
    for role_id in before ^ wanted:
        row = insert(UserGroupApplicationRole).values(
            group_id=group.id, application_role_id=role_id, is_held=role_id in wanted
        )
        work.session.execute(
            row.on_conflict_do_update(
                index_elements=["group_id", "application_role_id"], set_={"is_held": row.excluded.is_held}
            )
        )
    work.note(
        Act.GROUP_CHANGE, ("identity.user_group", group.id), application_roles_added=sorted(wanted - before),
        application_roles_removed=sorted(before - wanted),
    )  # fmt: skip


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
