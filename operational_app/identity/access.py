"""What there is to open, and which built-in role opens it. Whose records one sees is row-level security's business.

Deny by default: a page names its resource, a role lists its resources, and what is listed nowhere is shut. Roles,
their resources and the menu are data (`identity.role`, `identity.resource`); this file says what a new installation
begins with, and `ensure` brings an old one what it lacks. What an installation has changed stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import psycopg

from huiyang.settings import COCKPIT_PATH, DAGSTER_PATH
from operational_app.identity.models import Duty, ResourceKind, RoleCode


class Resource(StrEnum):
    """A page, an application or an act that needs a right."""

    WORKBENCH = "workbench"
    COCKPITS = "cockpits"
    COCKPIT_ADMINISTRATION = "cockpit_administration"
    PIPELINES = "pipelines"  # look at runs, lineage and checks
    PIPELINE_ADMINISTRATION = "pipeline_administration"  # start and stop runs there; the front door knows this word
    ELDERS = "elders"
    ELDER_NUMBERS = "elder_numbers"  # whole ID number, phone and address of an elder
    ELDER_HEALTH = "elder_health"  # medical history, assessments, vital signs of an elder
    INSTITUTIONS = "institutions"
    INSTITUTION_MAP = "institution_map"
    INSTITUTION_CHANGES = "institution_changes"  # beds, residents, agreements, staff, profile of the own institution
    FACILITIES = "facilities"
    PROVIDERS = "providers"
    ORDERS = "orders"
    QUALITY = "quality"
    QUALITY_REPORTS = "quality_reports"
    FIX_TASKS = "fix_tasks"  # see what is to be mended, and say that it is
    FIX_WAIVERS = "fix_waivers"  # decide whether a record may go on breaking its rule
    PERIODS = "periods"  # see how far each period is
    PERIOD_REFRESH = "period_refresh"  # refresh periods and hand releases in
    PERIOD_REVIEW = "period_review"  # sign releases, return them, go back to earlier ones
    CODES = "codes"  # see and print codes of institutions, beds and elders
    CODE_CHANGES = "code_changes"  # issue, replace and revoke them
    INSTITUTION_DUPLICATES = "institution_duplicates"  # say of likely duplicates that they are none
    COLLECTION = "collection"  # campaigns of data collection, and the own filings
    COLLECTION_FILLING = "collection_filling"
    COLLECTION_CHECKING = "collection_checking"  # accept filings or send them back
    COLLECTION_CAMPAIGNS = "collection_campaigns"  # open, extend and close campaigns
    JOIN_APPROVALS = "join_approvals"
    OWN_ORGANIZATION = "own_organization"
    ANNOUNCEMENTS = "announcements"  # write and publish them; everybody reads
    ACCOUNTS = "accounts"
    ACCOUNT_CHANGES = "account_changes"  # make, shut and open accounts, reset passwords
    DEPARTMENTS = "departments"
    ROLE_GRANTS = "role_grants"  # give roles to people and groups, take them away
    GROUPS = "groups"
    ROLES = "roles"  # say what a role may open
    MENU = "menu"  # names, order and links of the menu
    API = "api"  # read the REST API's description; its operations need the rights of the pages
    APPLICATIONS = "applications"  # other applications that sign in here
    AUDIT = "audit"  # the audit trail; opens only with the duty of audit


#: Cockpits have their own README on addresses; the overview is where everybody starts.
OVERVIEW_COCKPIT = f"{COCKPIT_PATH}/superset/dashboard/overview/"


#: The administrators' own: no business role holds any of them.
ADMINISTRATIVE = frozenset(
    {
        Resource.DEPARTMENTS,
        Resource.GROUPS,
        Resource.ROLES,
        Resource.MENU,
        Resource.APPLICATIONS,
        Resource.AUDIT,
        Resource.COCKPIT_ADMINISTRATION,
        Resource.PIPELINE_ADMINISTRATION,
    }
)


@dataclass(frozen=True)
class BuiltinResource:
    """
    Attributes:
        url: where its menu item leads; None for a right without a place.
        icon: class names of Font Awesome.
    """

    resource: Resource
    kind: ResourceKind
    label: str
    description: str
    url: str | None = None
    icon: str | None = None


def _page(resource: Resource, label: str, description: str, url: str, icon: str) -> BuiltinResource:
    return BuiltinResource(resource, ResourceKind.PAGE, label, description, url, f"fa-solid {icon}")


def _application(resource: Resource, label: str, description: str, url: str, icon: str) -> BuiltinResource:
    return BuiltinResource(resource, ResourceKind.APPLICATION, label, description, url, f"fa-solid {icon}")


def _action(resource: Resource, label: str, description: str) -> BuiltinResource:
    return BuiltinResource(resource, ResourceKind.ACTION, label, description)


#: In the order of the menu.
BUILTIN_RESOURCES = (
    _page(Resource.WORKBENCH, "工作台", "应用、待办、公告与数据统计", "/", "fa-gauge"),
    _page(Resource.ELDERS, "老人档案", "查询老人、监护人、评估、照护与服务记录", "/elders/list", "fa-address-book"),
    _page(Resource.INSTITUTIONS, "养老机构", "机构信息公开、证照、床位与入住", "/institutions/list", "fa-building"),
    _page(Resource.INSTITUTION_MAP, "养老一张图", "机构与社区设施的位置、空床和收费", "/map", "fa-map-location-dot"),
    _page(
        Resource.FACILITIES, "社区养老设施", "综合服务中心、服务站、长者饭堂、日间照料", "/facilities/list",
        "fa-house-chimney",
    ),
    _page(Resource.PROVIDERS, "服务商", "运营商、服务商、家床服务商、评估机构", "/providers/list", "fa-handshake"),
    _page(Resource.ORDERS, "服务工单", "上门服务工单与存疑", "/orders/list", "fa-clipboard-list"),
    _page(Resource.CODES, "编码管理", "机构码、床位码、长者码的赋码、补发、吊销与打印", "/codes/list", "fa-qrcode"),
    _page(Resource.COLLECTION, "数据采集", "半年基础数据、月度运营数据的填报与审核", "/collection", "fa-list-ol"),
    _page(Resource.PERIODS, "期次管理", "每期数据的刷新、比较、送审、签发与回退", "/periods", "fa-calendar-check"),
    _page(
        Resource.FIX_TASKS, "数据补录", "违反质量规则的记录，由谁在何时之前补齐", "/fix-tasks/list?state=open",
        "fa-pen-to-square",
    ),
    _page(Resource.QUALITY, "数据质量", "数据刷新的完整率、错误率与整改清单", "/quality", "fa-clipboard-check"),
    _application(
        Resource.COCKPITS, "总览驾驶舱", "全市养老数据总览，在地图上看各县（市、区）", OVERVIEW_COCKPIT, "fa-chart-line"
    ),
    _application(
        Resource.PIPELINES, "数据流水线", "数据刷新、血缘与检查", f"{DAGSTER_PATH}/", "fa-diagram-project"
    ),
    _page(Resource.JOIN_APPROVALS, "办理清单", "加入部门、市场主体入驻的申请", "/joining/list", "fa-inbox"),
    _page(Resource.OWN_ORGANIZATION, "本单位信息", "市场主体的登记信息、证照与联系人", "/organization", "fa-store"),
    _page(Resource.ANNOUNCEMENTS, "公告管理", "发布公告和更新日志，查看已读情况", "/announcements/list", "fa-bullhorn"),
    _page(Resource.ACCOUNTS, "账号管理", "账号的新增、停用、解锁与密码重置", "/accounts/list", "fa-users"),
    _page(Resource.DEPARTMENTS, "部门管理", "市、县、镇街、村社各级部门", "/departments/list", "fa-sitemap"),
    _page(Resource.GROUPS, "用户组", "按组统一授予角色", "/groups/list", "fa-user-group"),
    _page(Resource.ROLES, "角色配置", "角色可以打开哪些资源", "/roles/list", "fa-user-shield"),
    _page(Resource.MENU, "资源配置", "菜单名称、顺序、显示与外部链接", "/resources/list", "fa-list-check"),
    _page(Resource.API, "接口文档", "REST 接口的操作、参数与权限", "/api/v1/docs", "fa-code"),
    _page(Resource.APPLICATIONS, "应用管理", "登记单点登录的第三方应用及其角色", "/applications/list", "fa-plug"),
    _page(Resource.AUDIT, "审计日志", "谁在何时何地做了什么、结果如何，只增不改", "/audit/list", "fa-fingerprint"),
    _action(Resource.ELDER_NUMBERS, "查看老人完整证件号、电话、住址", "每次查看记入审计日志"),
    _action(Resource.ELDER_HEALTH, "查看老人健康信息", "病史、能力评估、体征"),
    _action(Resource.INSTITUTION_CHANGES, "办理本机构业务", "入住、退住、床位、合同、人员与机构信息，只限所在机构"),
    _action(Resource.INSTITUTION_DUPLICATES, "核实疑似重复机构", "确认不是重复，只限所辖机构"),
    _action(Resource.COLLECTION_FILLING, "填报采集数据", "本单位的；政府人员可为辖区内的单位代填"),
    _action(Resource.COLLECTION_CHECKING, "审核采集数据", "通过或退回；不能审核自己提交的"),
    _action(Resource.COLLECTION_CAMPAIGNS, "发起采集任务", "发起、延期和结束，只限本部门管辖的市、县（市、区）"),
    _action(Resource.PERIOD_REFRESH, "刷新数据和送审", "发起刷新、撤回任务、把正式版送审"),
    _action(Resource.PERIOD_REVIEW, "签发数据版本", "签发、退回和回退；不能审核自己发起的版本"),
    _action(Resource.FIX_WAIVERS, "审批豁免", "数据补录任务的豁免；不能审批自己提出的"),
    _action(Resource.QUALITY_REPORTS, "下载质量报告", "HTML、PDF 与 Excel"),
    _action(Resource.CODE_CHANGES, "赋码、补发、吊销编码", "补发后原编码立即失效"),
    _action(Resource.ACCOUNT_CHANGES, "新增、停用账号和重置密码", "不能改动权限比自己大的账号"),
    _action(Resource.ROLE_GRANTS, "授予和收回角色", "只能授予自己持有的权限；不能给自己授权"),
    _action(Resource.COCKPIT_ADMINISTRATION, "管理驾驶舱", "在驾驶舱系统中作为管理员"),
    _action(Resource.PIPELINE_ADMINISTRATION, "管理数据流水线", "在流水线页面发起、终止和重跑；其他人只能查看"),
)  # fmt: skip


@dataclass(frozen=True)
class BuiltinRole:
    code: RoleCode
    resources: frozenset[Resource]
    duty: Duty = Duty.BUSINESS
    for_organizations: bool = False


_ARCHIVES = {
    Resource.ELDERS,
    Resource.INSTITUTIONS,
    Resource.INSTITUTION_MAP,
    Resource.FACILITIES,
    Resource.PROVIDERS,
    Resource.ORDERS,
}
_PERSON = {Resource.ELDER_NUMBERS, Resource.ELDER_HEALTH}
_CODES = {Resource.CODES, Resource.CODE_CHANGES}
_PEOPLE = {Resource.ACCOUNTS, Resource.ACCOUNT_CHANGES, Resource.ROLE_GRANTS, Resource.JOIN_APPROVALS}
_COLLECTION = {Resource.COLLECTION, Resource.COLLECTION_FILLING}
_COLLECTION_OFFICE = {*_COLLECTION, Resource.COLLECTION_CHECKING, Resource.COLLECTION_CAMPAIGNS}
_PROVIDER = {Resource.ELDERS, Resource.ELDER_NUMBERS, Resource.ORDERS}

BUILTIN_ROLES = (
    BuiltinRole(
        RoleCode.SYSTEM_ADMINISTRATOR,
        frozenset(
            {
                Resource.COCKPITS,
                Resource.COCKPIT_ADMINISTRATION,
                Resource.PIPELINES,
                Resource.PIPELINE_ADMINISTRATION,
                Resource.ACCOUNTS,
                Resource.ACCOUNT_CHANGES,
                Resource.DEPARTMENTS,
                Resource.ANNOUNCEMENTS,
                Resource.MENU,
                Resource.APPLICATIONS,
                Resource.API,
            }
        ),
        Duty.SYSTEM,
    ),
    BuiltinRole(
        RoleCode.SECURITY_ADMINISTRATOR,
        frozenset({Resource.ACCOUNTS, Resource.ROLE_GRANTS, Resource.GROUPS, Resource.ROLES}),
        Duty.SECURITY,
    ),
    BuiltinRole(RoleCode.AUDIT_ADMINISTRATOR, frozenset({Resource.AUDIT}), Duty.AUDIT),
    BuiltinRole(
        RoleCode.LEADER,
        frozenset({Resource.COCKPITS, Resource.QUALITY, Resource.PERIODS, Resource.COLLECTION, *_ARCHIVES}),
    ),
    BuiltinRole(
        RoleCode.DATA_STAFF,
        frozenset(
            {
                Resource.COCKPITS,
                Resource.PIPELINES,
                Resource.API,
                Resource.QUALITY,
                Resource.QUALITY_REPORTS,
                Resource.PERIODS,
                Resource.FIX_TASKS,
                Resource.PERIOD_REFRESH,
                *_ARCHIVES,
                *_PERSON,
                *_CODES,
                Resource.INSTITUTION_DUPLICATES,
                *_COLLECTION_OFFICE,
            }
        ),
    ),
    BuiltinRole(
        RoleCode.AUDITOR,
        frozenset(
            {
                Resource.COCKPITS,
                Resource.QUALITY,
                Resource.QUALITY_REPORTS,
                Resource.PERIODS,
                Resource.FIX_TASKS,
                Resource.FIX_WAIVERS,
                Resource.PERIOD_REVIEW,
                Resource.COLLECTION,
                Resource.COLLECTION_CHECKING,
                *_ARCHIVES,
            }
        ),
    ),
    BuiltinRole(
        RoleCode.OPERATOR,
        frozenset(
            {
                Resource.COCKPITS,
                Resource.ELDERS,
                Resource.ELDER_NUMBERS,
                Resource.FACILITIES,
                Resource.PROVIDERS,
                Resource.FIX_TASKS,
                Resource.ORDERS,
                *_CODES,
                *_COLLECTION,
            }
        ),
    ),
    BuiltinRole(
        RoleCode.DEPARTMENT_MANAGER,
        frozenset(
            {
                Resource.COCKPITS,
                Resource.QUALITY,
                Resource.QUALITY_REPORTS,
                Resource.PERIODS,
                Resource.FIX_TASKS,
                Resource.FIX_WAIVERS,
                Resource.ANNOUNCEMENTS,
                *_ARCHIVES,
                *_PERSON,
                *_PEOPLE,
                *_CODES,
                Resource.INSTITUTION_DUPLICATES,
                *_COLLECTION_OFFICE,
            }
        ),
    ),
    BuiltinRole(RoleCode.PROVIDER_STAFF, frozenset(_PROVIDER), for_organizations=True),
    BuiltinRole(
        RoleCode.PROVIDER_MANAGER,
        frozenset({*_PROVIDER, *_PEOPLE, *_COLLECTION, Resource.FIX_TASKS, Resource.OWN_ORGANIZATION}),
        for_organizations=True,
    ),
    BuiltinRole(
        RoleCode.INSTITUTION_MANAGER,
        frozenset(
            {
                Resource.ELDERS,
                Resource.INSTITUTIONS,
                Resource.INSTITUTION_CHANGES,
                Resource.FIX_TASKS,
                Resource.CODES,
                *_PERSON,
                *_PEOPLE,
                *_COLLECTION,
            }
        ),
        for_organizations=True,
    ),
)


def ensure(loader: psycopg.Connection) -> None:
    """Gives an installation the built-in resources and roles that it lacks, and every division its department.

    A role gets its resources when it is made, and a resource that is new its built-in roles; later changes of people
    are left alone.
    """
    with loader.cursor() as cursor:
        new: set[Resource] = set()
        for number, item in enumerate(BUILTIN_RESOURCES):
            cursor.execute(
                "insert into identity.resource (code, kind, label, description, url, icon, position, is_builtin)"
                " values (%s, %s, %s, %s, %s, %s, %s, true) on conflict (code) do nothing returning code",
                [item.resource, item.kind, item.label, item.description, item.url, item.icon, (number + 1) * 10],
            )
            new.update(Resource(row[0]) for row in cursor.fetchall())
        for role in BUILTIN_ROLES:
            cursor.execute(
                "insert into identity.role as known (code, name, duty, for_organizations, is_builtin)"
                " values (%s, %s, %s, %s, true) on conflict (code) do update set name = excluded.name"
                " where known.name = known.code",
                [role.code, role.code.label, role.duty, role.for_organizations],
            )
            cursor.execute(
                "select id, exists (select 1 from identity.role_resource where role_id = role.id) from identity.role"
                " where code = %s",
                [role.code],
            )
            role_id, has_resources = cursor.fetchone() or (None, True)
            cursor.execute(
                "insert into identity.role_resource (role_id, resource_code) select %s, unnest(%s::text[])"
                " on conflict do nothing",
                [role_id, sorted(role.resources & new if has_resources else role.resources)],
            )
        cursor.execute(
            """
            insert into identity.department (name, division_code, unit_code, is_builtin)
            select name || case level when 'town' then '公共服务办公室' when 'village' then '' else '民政局' end,
                division_code, null, true
            from reference.division as division
            where not exists (select 1 from identity.department as known
                where known.division_code = division.division_code and known.unit_code is null and known.is_builtin)
            union all
            select name || '民政局', (select division_code from reference.division where parent_code is null),
                unit_code, true
            from reference.reporting_unit as unit
            where not exists (select 1 from identity.department as known
                where known.unit_code = unit.unit_code and known.is_builtin)
            """
        )
        cursor.execute(
            """
            update identity.department as department set parent_id = above.id
            from reference.division as division
            join identity.department as above
                on above.division_code = division.parent_code and above.unit_code is null and above.is_builtin
            where department.is_builtin and department.unit_code is null and department.parent_id is null
                and division.division_code = department.division_code
            """
        )
        cursor.execute(
            """
            update identity.department as department set parent_id = above.id
            from identity.department as above
            where department.is_builtin and department.unit_code is not null and department.parent_id is null
                and above.division_code = department.division_code and above.unit_code is null and above.is_builtin
            """
        )
