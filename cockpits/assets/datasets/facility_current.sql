-- Community facilities in operation at the end of the shown period, for the city and for each county.
with shown as (
    select
        facility.county_name,
        facility.facility_type,
        facility.facility_level,
        facility.facility_count,
        facility.capacity
    from published.mart_facility_month as facility
    inner join published.current_release as release on facility.period = release.period
)

select
    '湛江市' as unit_name,
    facility_type,
    facility_level,
    sum(facility_count) as facility_count,
    sum(capacity) as capacity
from shown
group by facility_type, facility_level
union all
select
    county_name as unit_name,
    facility_type,
    facility_level,
    sum(facility_count) as facility_count,
    sum(capacity) as capacity
from shown
group by county_name, facility_type, facility_level
