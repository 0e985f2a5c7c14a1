-- Alarms raised in the period.
select
    record.*,
    {{ county_code('record.division_code') }} as county_code,
    {{ town_code('record.division_code') }} as town_code
from ({{ records_at_period_end('alarm') }}) as record
where {{ in_period(local_date('record.raised_at')) }}
