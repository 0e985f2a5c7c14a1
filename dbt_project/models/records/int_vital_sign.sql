-- Measurements of the period.
select
    record.*,
    {{ county_code('record.division_code') }} as county_code,
    {{ town_code('record.division_code') }} as town_code
from ({{ records_at_period_end('vital_sign') }}) as record
where {{ in_period(local_date('record.measured_at')) }}
