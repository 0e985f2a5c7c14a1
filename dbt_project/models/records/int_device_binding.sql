-- Division: that of the device.
select
    record.*,
    parent.county_code,
    parent.town_code
from ({{ records_at_period_end('device_binding') }}) as record
left join {{ ref('int_device') }} as parent on parent.id = record.device_id
