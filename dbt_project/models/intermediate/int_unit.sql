-- City, counties, and the overlay units that cut across counties.
select
    division_code as unit_code,
    name as unit_name,
    level as unit_type
from {{ ref('ref_division') }}
where level in ('city', 'county')
union all
select
    unit_code,
    name as unit_name,
    'overlay' as unit_type
from {{ ref('ref_reporting_unit') }}
