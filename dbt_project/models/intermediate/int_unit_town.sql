select
    unit.unit_code,
    town.town_code
from {{ ref('int_unit') }} as unit
inner join {{ ref('int_town') }} as town
    on unit.unit_type = 'city' or (unit.unit_type = 'county' and town.county_code = unit.unit_code)
union all
select
    unit_code,
    division_code as town_code
from {{ ref('ref_reporting_unit_division') }}
