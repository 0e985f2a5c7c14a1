-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    elder_id,
    organization_id,
    division_code,
    kind,
    started_on,
    ended_on,
    effective_at
from {{ source('raw', 'care_relation') }}
