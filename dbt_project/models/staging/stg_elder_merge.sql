-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    survivor_id,
    merged_id,
    merged_at,
    reverted_at,
    reason,
    effective_at
from {{ source('raw', 'elder_merge') }}
