-- Division: that of the organization.
select
    record.*,
    parent.county_code,
    parent.town_code
from ({{ records_at_period_end('qualification') }}) as record
left join {{ ref('int_organization') }} as parent on parent.id = record.organization_id
