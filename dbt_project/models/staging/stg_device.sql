-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    kind,
    model,
    organization_id,
    division_code,
    status,
    installed_on,
    last_seen_at,
    effective_at
from {{ source('raw', 'device') }}
