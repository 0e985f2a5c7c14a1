-- Orders that ended in the period: by the end of their service, or by the time they were meant for.
select
    record.*,
    {{ county_code('record.division_code') }} as county_code,
    {{ town_code('record.division_code') }} as town_code
from ({{ records_at_period_end('service_order') }}) as record
where
    record.status in ('finished', 'void', 'cancelled', 'returned')
    and {{ in_period(local_date('coalesce(record.finished_at, record.scheduled_at, record.requested_at)')) }}
