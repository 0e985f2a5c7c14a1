select
    period.period,
    period.period_end,
    town.county_code,
    town.county_name,
    town.town_code,
    town.town_name,
    type_label.label as facility_type,
    level_label.label as facility_level,
    count(*) as facility_count,
    cast(coalesce(sum(facility.capacity), 0) as bigint) as capacity
from {{ ref('int_facility_spell') }} as facility
inner join {{ ref('int_period') }} as period
    on period.month_number between facility.first_month and facility.last_month
inner join {{ ref('int_town') }} as town on town.town_code = {{ town_code('facility.division_code') }}
{{ join_label('type_label', 'FacilityType', 'facility.facility_type') }}
{{ join_label('level_label', 'FacilityLevel', 'facility.facility_level') }}
group by
    period.period, period.period_end, town.county_code, town.county_name, town.town_code, town.town_name,
    type_label.label, level_label.label
