-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    device_id,
    elder_id,
    organization_id,
    division_code,
    kind,
    status,
    raised_at,
    acknowledged_at,
    closed_at,
    outcome,
    effective_at
from {{ source('raw', 'alarm') }}
