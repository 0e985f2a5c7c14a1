"""What the audit trail's codes mean to its reader: kinds of objects, and what stands in an event's details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from operational_app.web.formats import division

#: Tables that events name.
OBJECTS = {
    "elders.elder": "老人",
    "audit.audit_event": "审计记录",
    "identity.account": "账号",
    "identity.sign_in_session": "登录会话",
    "identity.role": "角色",
    "identity.user_group": "用户组",
    "identity.department": "部门",
    "identity.resource": "资源",
    "identity.application": "接入应用",
    "identity.linked_identity": "省统一身份",
    "institutions.institution": "养老机构",
    "institutions.bed": "床位",
    "institutions.residency": "入住",
    "institutions.service_agreement": "服务合同",
    "organizations.organization": "单位",
    "organizations.qualification": "证照",
    "workforce.staff": "人员",
    "workforce.certificate": "人员证书",
    "joining.join_request": "加入、入驻申请",
    "joining.join_document": "申请材料",
    "joining.invitation": "邀请",
    "workbench.announcement": "公告",
    "inbox.release_result": "数据质量结果",
    "inbox.catalogue": "质量规则目录",
    "periods.task": "期次任务",
    "periods.review": "期次送审",
    "fix_tasks.fix_task": "数据补录任务",
}
_NAMES = {
    "path": "页面地址",
    "task": "任务",
    "decision": "结论",
    "release": "版本",
    "method": "请求方式",
    "status": "应答",
    "fields": "改动的字段",
    "terms": "检索用到的个人信息",
    "filters": "其他条件",
    "list": "名单",
    "rows": "显示条数",
    "skip": "从第几条之后",
    "found": "找到",
    "by": "检索途径",
    "on": "所在页面",
    "role": "角色",
    "added": "新增权限",
    "removed": "收回权限",
    "roles_added": "新增角色",
    "roles_removed": "收回角色",
    "member_added": "加入的账号编号",
    "member_removed": "移出的账号编号",
    "is_active": "启用",
    "bound": "已绑定",
    "code": "编码",
    "too_many": "扫码过于频繁",
    "codes": "编码数",
    "labels": "标签数",
    "kind": "类别",
    "reason": "原因",
    "step": "步骤",
    "file": "文件",
    "locked": "账号已锁定",
    "until": "锁定至",
    "through": "登录途径",
    "minutes": "锁定分钟数",
    "why": "原因",
    "what": "内容",
    "account": "账号编号",
    "application": "应用",
    "ended": "失效时间",
    "first": "起始批次",
    "last": "截止批次",
    "months": "保留月数",
    "batches": "批次数",
    "events": "事件数",
    "findings": "异常数",
    "joined": "加入方式",
    "to": "变为",
    "rooms": "房间数",
    "beds": "床位数",
    "clauses": "条款",
    "voided": "作废",
    "withdrawn": "撤下",
    "left": "离职",
    "other": "另一家单位编号",
    "likenesses": "相同之处",
}
_VALUES = {
    "name": "姓名",
    "id_number": "身份证号",
    "phone": "电话",
    "person": "人员",
    "remote_address": "来源地址",
    "elders": "老人档案",
    "orders": "服务工单",
    "audit": "审计日志",
    "codes": "编码管理",
    "accounts": "账号管理",
    "joining": "办理清单",
    "residents": "入住老人",
    "beds": "床位图",
    "papers": "证件",
    "admission": "办理入住",
    "residency": "入住页面",
    "password": "密码",
    "upstream": "省统一身份",
    "division": "区划",
    "sex": "性别",
    "ages": "年龄",
    "days": "时间",
    "action": "操作",
    "outcome": "结果",
    "target_table": "对象",
    "target_id": "对象编号",
    "status": "状态",
    "ability_level": "能力等级",
}


def object_label(table: str | None) -> str | None:
    """老人 for elders.elder; a table that is not listed as it is called."""
    return OBJECTS.get(table, table) if table else None


def place_of(details: Mapping[str, Any]) -> str | None:
    """Where it was done, for an event without an object: the list that was read, the page that was asked for."""
    if isinstance(name := details.get("list"), str):
        return _VALUES.get(name, name)
    return path if isinstance(path := details.get("path"), str) else None


def describe(details: Mapping[str, Any]) -> list[tuple[str, str]]:
    """An event's details as (name, value) pairs."""
    return [(_NAMES.get(name, name), _text(value)) for name, value in sorted(details.items())]


def _text(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(_text(each) for each in value) or "—"
    if isinstance(value, dict):
        return "；".join(f"{_VALUES.get(name, name)}：{_text(each)}" for name, each in sorted(value.items())) or "—"
    text = str(value)
    if len(text) == 12 and text.isdigit() and division(text) != "—":
        return division(text)
    return _VALUES.get(text, text)
