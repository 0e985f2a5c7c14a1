-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    elder_id,
    condition_group,
    effective_at
from {{ source('raw', 'medical_history') }}
