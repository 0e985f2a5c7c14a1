-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    category_code,
    name,
    standard_type,
    aid_type,
    effective_at
from {{ source('raw', 'service_category') }}
