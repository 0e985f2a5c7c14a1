"""What a demo shows beside migrated data: somebody who waits to be let in, announcements, a user group, an application
that is registered, campaigns, photos. Safe to run again."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from huiyang.divisions import division_tree, subtree_range
from huiyang.field_crypto import get_field_crypto
from huiyang.settings import BUSINESS_TIMEZONE, Settings
from operational_app.accounts import NEWCOMER, demo_password_hash, opened
from operational_app.collection.demo import demo_actor, ensure_demo_campaigns
from operational_app.core.row_security import set_scope
from operational_app.identity.administration import Work
from operational_app.identity.models import (
    Account,
    Department,
    Role,
    RoleCode,
    UserGroup,
    UserGroupMember,
    UserGroupRole,
)
from operational_app.identity.sessions import AS_IDENTITY
from operational_app.institutions.demo import ensure_demo_duplicates, ensure_demo_photos
from operational_app.joining import rules
from operational_app.joining.models import Invitation, JoinAct, JoinEvent, JoinRequest, RequestKind
from operational_app.openid.models import Application, ApplicationRole
from operational_app.workbench.models import Announcement, AnnouncementKind, Audience

_CHIKAN = "440802000000"


def ensure_demo_records(settings: Settings) -> None:
    """Makes them once, in an installation that is a demo and has its accounts."""
    if not settings.demo:
        return
    with opened(settings) as database, database.transaction(AS_IDENTITY) as session:
        at = datetime.now(BUSINESS_TIMEZONE)
        if session.scalar(select(Account.id).where(Account.username == NEWCOMER)) is None:
            _ask_to_join(session, settings, at)
        if not session.scalar(select(func.count()).select_from(Announcement)):
            _announce(session, at)
        if not session.scalar(select(func.count()).select_from(UserGroup)):
            _make_group(session)
        if not session.scalar(select(func.count()).select_from(Application)):
            _register_application(session)
        if not session.scalar(select(func.count()).select_from(Invitation)):
            _invite(session, at)
        lo, hi = subtree_range(division_tree().root.code)
        whole_city = replace(AS_IDENTITY, division_lo=lo, division_hi=hi)
        set_scope(session, whole_city)
        ensure_demo_campaigns(session, whole_city, at)
        ensure_demo_photos(session, settings.upload_dir)
        if (staff := session.scalar(select(Account).where(Account.username == "data.staff"))) is not None:
            work = Work(session, demo_actor(staff, whole_city), at, None)
            ensure_demo_duplicates(session, get_field_crypto(settings), work)


def _ask_to_join(session: Session, settings: Settings, at: datetime) -> None:
    account = Account(
        username=NEWCOMER, display_name="罗晓雯", password_hash=demo_password_hash(settings), registered_from="demo"
    )
    session.add(account)
    session.flush()
    department = session.scalars(
        select(Department).where(
            Department.division_code == _CHIKAN, Department.is_builtin, Department.unit_code.is_(None)
        )
    ).one()
    request = JoinRequest(
        kind=RequestKind.DEPARTMENT, applicant_id=account.id, applicant_name=account.display_name, position="科员",
        division_code=department.division_code, department_id=department.id, statement="调入养老服务股",
        submitted_at=at, due_on=rules.due_on(RequestKind.DEPARTMENT, at.date()),
    )  # fmt: skip
    # A request is seen by its applicant, whose work this is.
    set_scope(session, replace(AS_IDENTITY, account_id=account.id))
    session.add(request)
    session.flush()
    session.add(
        JoinEvent(request_id=request.id, account_id=account.id, account_name=account.display_name, act=JoinAct.SUBMIT)
    )


def _invite(session: Session, at: datetime) -> None:
    """Invitations of 服务商管理员 in each state; nobody knows their secrets."""
    manager = session.scalars(select(Account).where(Account.username == "provider.manager")).one_or_none()
    staff = session.scalars(select(Account).where(Account.username == "provider.staff")).one_or_none()
    if manager is None or manager.organization_id is None or staff is None:
        return
    for position, age, days, state in (
        ("养老护理员", 40, 7, {}),
        ("护理主管", 20, 7, {"used_at": at - timedelta(days=19), "used_by": staff.id}),
        ("调度员", 6, 14, {"revoked_at": at - timedelta(days=5)}),
        ("助浴服务员", 1, 14, {}),
    ):
        made = at - timedelta(days=age)
        session.add(
            Invitation(
                organization_id=manager.organization_id, token_sha256=secrets.token_bytes(32),
                code_sha256=secrets.token_bytes(32), position=position, invited_by=manager.id, created_at=made,
                expires_at=made + timedelta(days=days), **state,
            )
        )  # fmt: skip


def _announce(session: Session, at: datetime) -> None:
    author = _account_of(session, "system.admin")
    texts = (
        (
            AnnouncementKind.ANNOUNCEMENT, "平台启用通知",
            "全市养老服务数据治理平台启用。请各单位核对本单位信息和证照有效期。\n演示环境中的人员、机构、工单均为合成数据。",
        ),
        (
            AnnouncementKind.RELEASE_NOTE, "更新日志：账号、编码与机构业务",
            "新增：部门与账号管理、角色配置、加入与入驻申请、办理清单。\n新增：机构码、床位码、长者码的赋码、补发、打印与扫码。\n"
            "新增：机构床位图与入住业务。",
        ),
    )  # fmt: skip
    for number, (kind, title, body) in enumerate(texts):
        session.add(
            Announcement(
                kind=kind, title=title, body=body, audience=Audience.EVERYBODY, created_by=author,
                publish_from=at - timedelta(minutes=len(texts) - number),
            )
        )  # fmt: skip


def _account_of(session: Session, username: str) -> int:
    return session.scalars(select(Account.id).where(Account.username == username)).one()


def _make_group(session: Session) -> None:
    group = UserGroup(name="数据质量督查组", description="抽查数据质量的审计人员")
    session.add(group)
    session.flush()
    role = session.scalars(select(Role).where(Role.code == RoleCode.AUDITOR)).one()
    session.add(UserGroupRole(group_id=group.id, role_id=role.id, duty=role.duty))
    member, by = _account_of(session, "auditor"), _account_of(session, "security.admin")
    session.add(UserGroupMember(group_id=group.id, account_id=member, added_by=by))


def _register_application(session: Session) -> None:
    """Registered and given to nobody: there is no such site in a demo."""
    application = Application(
        client_id="canteen", name="长者助餐", description="长者饭堂就餐与补贴结算", icon="fa-utensils",
        redirect_uris=["https://canteen.example/callback"], is_public=True,
        created_by=_account_of(session, "system.admin"),
    )  # fmt: skip
    session.add(application)
    session.flush()
    for code, name in (("manager", "饭堂管理员"), ("cashier", "收银员")):
        session.add(ApplicationRole(application_id=application.id, code=code, name=name))
