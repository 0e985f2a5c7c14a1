-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    institution_id,
    room_id,
    bed_code,
    name,
    kind,
    status,
    opened_on,
    closed_on,
    effective_at
from {{ source('raw', 'bed') }}
