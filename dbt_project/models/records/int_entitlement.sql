-- Division: that of the elder.
select
    record.*,
    parent.county_code,
    parent.town_code
from ({{ records_at_period_end('entitlement') }}) as record
left join {{ ref('int_elder') }} as parent on parent.id = record.elder_id
