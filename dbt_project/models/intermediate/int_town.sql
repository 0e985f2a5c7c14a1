-- Facts name a village, a town or, where the town is unknown, only a county or the city.
select
    division_code as town_code,
    name as town_name,
    county_code,
    county_name,
    true as is_listed
from {{ ref('ref_division') }}
where level = 'town'
union all
select
    division_code as town_code,
    name || '（未定镇街）' as town_name,
    division_code as county_code,
    name as county_name,
    false as is_listed
from {{ ref('ref_division') }}
where level in ('city', 'county')
