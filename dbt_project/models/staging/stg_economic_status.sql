-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    elder_id,
    category,
    income_source,
    income_band,
    valid_from,
    valid_until,
    effective_at
from {{ source('raw', 'economic_status') }}
