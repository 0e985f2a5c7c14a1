"""Indexes that lists, filters and the workbench's counts need at city scale.

Revision: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "drop index elders.ix_elder_name",
    "drop index elders.ix_elder_name_pinyin",
    "drop index elders.ix_elder_name_initials",
    "drop index elders.ix_elder_division_code",
    "create index ix_elder_name on elders.elder (name, id) include (division_code)",
    "create index ix_elder_name_pinyin on elders.elder (name_pinyin, id) include (division_code)",
    "create index ix_elder_name_initials on elders.elder (name_initials, id) include (division_code)",
    "create index ix_elder_division_code on elders.elder (division_code, id)"
    " include (sex, birth_date, living_arrangement, economic_category, status)",
    "create index ix_elder_economic_category on elders.elder (economic_category, division_code, id)",
    "create index ix_elder_birth_date on elders.elder (birth_date)",
    "create index ix_elder_not_active on elders.elder (status, division_code, id) where status <> 'active'",
    "create index ix_assessment_ability_level on assessments.assessment (ability_level, division_code, elder_id)",
    "create index ix_service_order_requested_at on home_service.service_order (requested_at, id)"
    " include (division_code, provider_id, status)",
    "create index ix_service_order_finished_at on home_service.service_order (finished_at, id)"
    " include (division_code, provider_id, status)",
    "create index ix_service_order_division_code on home_service.service_order (division_code, finished_at, id)"
    " include (provider_id, status)",
    "create index ix_service_order_doubtful on home_service.service_order (requested_at, id)"
    " include (division_code, provider_id, doubt_status) where doubt_status <> 'none'",
    "create index ix_alarm_open on devices.alarm (division_code) include (organization_id) where status <> 'closed'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
