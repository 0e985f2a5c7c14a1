-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    device_id,
    elder_id,
    family_bed_id,
    bound_on,
    unbound_on,
    effective_at
from {{ source('raw', 'device_binding') }}
