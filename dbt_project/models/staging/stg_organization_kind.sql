-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    organization_id,
    kind,
    since,
    until,
    effective_at
from {{ source('raw', 'organization_kind') }}
