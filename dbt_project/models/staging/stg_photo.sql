-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    order_id,
    moment,
    taken_at,
    is_stored,
    effective_at
from {{ source('raw', 'photo') }}
