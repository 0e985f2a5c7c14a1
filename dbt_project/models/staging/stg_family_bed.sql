-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    elder_id,
    organization_id,
    division_code,
    status,
    applied_on,
    opened_on,
    closed_on,
    close_reason,
    subsidy_yuan,
    effective_at
from {{ source('raw', 'family_bed') }}
