-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    organization_id,
    kind,
    number,
    issued_on,
    expires_on,
    absent_reason,
    effective_at
from {{ source('raw', 'qualification') }}
