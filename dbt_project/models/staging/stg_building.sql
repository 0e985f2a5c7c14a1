-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    institution_id,
    name,
    effective_at
from {{ source('raw', 'building') }}
