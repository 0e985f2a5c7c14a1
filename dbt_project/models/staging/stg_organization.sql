-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    organization_code,
    name,
    name_pinyin,
    name_initials,
    credit_code,
    credit_code_status,
    division_code,
    address,
    longitude_wgs84,
    latitude_wgs84,
    contact_phone_status,
    registrar,
    established_on,
    status,
    closed_on,
    effective_at
from {{ source('raw', 'organization') }}
