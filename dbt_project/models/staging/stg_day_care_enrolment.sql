-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    facility_id,
    elder_id,
    enrolled_on,
    left_on,
    effective_at
from {{ source('raw', 'day_care_enrolment') }}
