-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    building_id,
    floor,
    name,
    effective_at
from {{ source('raw', 'room') }}
