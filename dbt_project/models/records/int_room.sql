-- Division: that of the institution.
select
    record.*,
    parent.county_code,
    parent.town_code
from ({{ records_at_period_end('room') }}) as record
left join {{ ref('int_building') }} as parent on parent.id = record.building_id
