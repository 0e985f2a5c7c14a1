-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    elder_id,
    relationship_to_elder,
    phone_status,
    is_primary,
    effective_at
from {{ source('raw', 'guardian') }}
