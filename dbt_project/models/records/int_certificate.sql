-- Division: that of the staff.
select
    record.*,
    parent.county_code,
    parent.town_code
from ({{ records_at_period_end('certificate') }}) as record
left join {{ ref('int_staff') }} as parent on parent.id = record.staff_id
