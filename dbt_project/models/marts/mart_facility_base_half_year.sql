-- Each community facility operating at the half-year's end.
select
    period.period,
    period.period_end,
    facility.id as facility_id,
    facility.name as facility_name,
    town.county_code,
    town.county_name,
    town.town_code,
    town.town_name,
    type_label.label as facility_type,
    level_label.label as facility_level,
    organization.name as operator_name,
    facility.opened_on,
    {{ longitude_gcj02('facility.longitude_wgs84', 'facility.latitude_wgs84') }} as longitude_gcj02,
    {{ latitude_gcj02('facility.longitude_wgs84', 'facility.latitude_wgs84') }} as latitude_gcj02,
    facility.capacity,
    facility.floor_area_m2
from {{ ref('int_facility_spell') }} as facility
inner join {{ ref('int_period') }} as period
    on period.month_number between facility.first_month and facility.last_month
inner join {{ ref('int_town') }} as town on town.town_code = {{ town_code('facility.division_code') }}
left join {{ ref('int_organization_month') }} as organization
    on organization.organization_id = facility.organization_id
    and organization.month_number = period.month_number
{{ join_label('type_label', 'FacilityType', 'facility.facility_type') }}
{{ join_label('level_label', 'FacilityLevel', 'facility.facility_level') }}
