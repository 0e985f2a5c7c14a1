-- Division: that of the institution.
select
    record.*,
    parent.county_code,
    parent.town_code
from ({{ records_at_period_end('building') }}) as record
left join {{ ref('int_institution') }} as parent on parent.id = record.institution_id
