-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    organization_id,
    division_code,
    sex,
    birth_month,
    id_number_status,
    phone_status,
    occupation,
    education,
    employed_on,
    left_on,
    effective_at
from {{ source('raw', 'staff') }}
