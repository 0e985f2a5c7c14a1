-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    institution_id,
    bed_id,
    elder_id,
    admitted_on,
    discharged_on,
    discharge_reason,
    ability_level,
    care_level,
    monthly_fee_yuan,
    effective_at
from {{ source('raw', 'residency') }}
