-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    elder_id,
    category,
    monthly_amount_yuan,
    valid_from,
    valid_until,
    effective_at
from {{ source('raw', 'entitlement') }}
