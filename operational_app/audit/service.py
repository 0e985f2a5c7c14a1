"""Writes the audit trail. The app may add to it and change nothing; only the audit administrator reads it."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.orm import Session

from operational_app.audit.models import AuditEvent
from operational_app.core.base import Code


class Act(Code):
    """What is recorded, as the audit administrator reads it."""

    SIGN_IN = "sign_in", "登录"
    SIGN_OUT = "sign_out", "退出登录"
    SESSION_EXPIRE = "session_expire", "登录超时退出"
    ACCOUNT_LOCK = "account_lock", "账号锁定"  # by wrong passwords
    ACCESS = "access", "访问页面"  # recorded when denied or refused
    APPLICATION_OPEN = "application_open", "打开驾驶舱或数据流水线"
    LIST_READ = "list_read", "查看名单"  # of persons; one event a list, never one a row
    ELDER_SEARCH = "elder_search", "检索老人"  # by name, number or phone; what was typed is not recorded
    ELDER_READ = "elder_read", "查看老人档案"
    ELDER_REVEAL = "elder_reveal", "查看老人完整证件号、电话、住址"
    REPORT_DOWNLOAD = "report_download", "下载质量报告"
    CODE_SCAN = "code_scan", "扫码"  # who scanned, never that anybody was there
    CODE_ISSUE = "code_issue", "赋码"
    CODE_REPLACE = "code_replace", "补发编码"
    CODE_REVOKE = "code_revoke", "吊销编码"
    CODE_PRINT = "code_print", "打印编码"
    ACCOUNT_CREATE = "account_create", "新增账号"
    ACCOUNT_CHANGE = "account_change", "修改账号"
    PASSWORD_CHANGE = "password_change", "修改密码"
    PASSWORD_RESET = "password_reset", "重置密码"
    SESSIONS_END = "sessions_end", "强制退出登录"
    ROLE_GRANT = "role_grant", "授予角色"
    ROLE_REVOKE = "role_revoke", "收回角色"
    ROLE_CHANGE = "role_change", "修改角色"
    GROUP_CHANGE = "group_change", "修改用户组"
    DEPARTMENT_CHANGE = "department_change", "修改部门"
    MENU_CHANGE = "menu_change", "修改资源配置"
    APPLICATION_CHANGE = "application_change", "修改接入应用"  # its roles and its secret, too
    APPLICATION_SIGN_IN = "application_sign_in", "进入接入应用"
    IDENTITY_LINK = "identity_link", "绑定省统一身份"
    IDENTITY_UNLINK = "identity_unlink", "解绑省统一身份"
    SECOND_FACTOR = "second_factor", "动态验证码绑定"
    REGISTER = "register", "注册账号"
    JOIN = "join", "加入和入驻申请"
    INVITATION = "invitation", "邀请加入单位"
    FILE_READ = "file_read", "查看附件"
    ORGANIZATION_CHANGE = "organization_change", "修改单位信息"
    ANNOUNCE = "announce", "公告发布"
    RESIDENCY_CHANGE = "residency_change", "入住变更"
    BED_CHANGE = "bed_change", "床位变更"
    AGREEMENT_CHANGE = "agreement_change", "合同变更"
    INSTITUTION_CHANGE = "institution_change", "修改机构信息"
    DUPLICATE_REVIEW = "duplicate_review", "核实疑似重复机构"
    STAFF_CHANGE = "staff_change", "人员变更"
    PERIOD_TASK = "period_task", "数据刷新、发布与回退"
    PERIOD_REVIEW = "period_review", "数据版本送审、签发与退回"
    COLLECTION_CAMPAIGN = "collection_campaign", "采集任务变更"
    COLLECTION_FILING = "collection_filing", "采集填报与审核"
    COLLECTION_EXPORT = "collection_export", "下载采集数据"
    FIX_TASK = "fix_task", "数据补录与豁免"
    RULE_APPROVAL = "rule_approval", "质量规则变更送审与批准"
    AUDIT_READ = "audit_read", "查看审计日志"
    AUDIT_EXPORT = "audit_export", "导出审计日志"
    AUDIT_VERIFY = "audit_verify", "校验审计日志"
    AUDIT_PRUNE = "audit_prune", "清理审计日志"
    AUDIT_EXPLAIN = "audit_explain", "审计异常说明"


class Outcome(Code):
    SUCCESS = "success", "成功"
    FAILURE = "failure", "失败"
    DENIED = "denied", "拒绝"


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
        # Inline: the row is not read back, not even its key, for which there is no right.
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
