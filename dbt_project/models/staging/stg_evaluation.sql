-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    order_id,
    score,
    attitude_score,
    quality_score,
    evaluated_at,
    effective_at
from {{ source('raw', 'evaluation') }}
