-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    elder_id,
    division_code,
    kind,
    value_1,
    value_2,
    measured_at,
    device_id
from {{ source('raw', 'vital_sign') }}
