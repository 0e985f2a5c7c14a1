-- Written by `python -m dbt_project.generate`.
select
    change_id,
    change_op,
    change_txid,
    recorded_at,
    id,
    item_code,
    name,
    category_id,
    pricing,
    price_yuan,
    minimum_minutes,
    maximum_minutes,
    is_offered,
    effective_at
from {{ source('raw', 'service_item') }}
