-- Division: that of the facility.
select
    record.*,
    parent.county_code,
    parent.town_code
from ({{ records_at_period_end('day_care_enrolment') }}) as record
left join {{ ref('int_facility') }} as parent on parent.id = record.facility_id
