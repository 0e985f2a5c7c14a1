-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    staff_id,
    kind,
    level,
    issued_on,
    expires_on,
    effective_at
from {{ source('raw', 'certificate') }}
