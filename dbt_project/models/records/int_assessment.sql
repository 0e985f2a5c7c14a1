-- Division: its own.
select
    record.*,
    {{ county_code('record.division_code') }} as county_code,
    {{ town_code('record.division_code') }} as town_code
from ({{ records_at_period_end('assessment') }}) as record
