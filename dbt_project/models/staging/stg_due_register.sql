-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    theme,
    register_name,
    register_key,
    division_code,
    due_from,
    due_until,
    effective_at
from {{ source('raw', 'due_register') }}
