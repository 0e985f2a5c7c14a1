-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    name,
    facility_type,
    facility_level,
    division_code,
    organization_id,
    address,
    longitude_wgs84,
    latitude_wgs84,
    capacity,
    floor_area_m2,
    opened_on,
    closed_on,
    status,
    effective_at
from {{ source('raw', 'facility') }}
