-- A city-wide list: no division.
select
    record.*,
    cast(null as text) as county_code,
    cast(null as text) as town_code
from ({{ records_at_period_end('service_category') }}) as record
