-- Of the orders that ended in the period; division: that of the order.
select
    record.*,
    parent.county_code,
    parent.town_code
from ({{ records_at_period_end('evaluation') }}) as record
inner join {{ ref('int_service_order') }} as parent on parent.id = record.order_id
