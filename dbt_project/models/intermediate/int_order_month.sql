-- Orders by the month in which their service ended; an order that was voided without service counts in the month that
-- it was meant for. Grouped before names are joined.
with placed as (
    select
        service_order.*,
        {{ month_number(local_date(
            'coalesce(service_order.finished_at, service_order.scheduled_at, service_order.requested_at)'
        )) }} as month_number
    from ({{ record_versions('service_order') }}) as service_order
    where
        service_order.status = 'void'
        or (service_order.status = 'finished' and service_order.finished_at is not null)
)

select
    period.period,
    period.month_number,
    {{ town_code('placed.division_code') }} as town_code,
    placed.provider_id,
    placed.item_id,
    sum(case when placed.status = 'finished' then 1 else 0 end) as order_count,
    sum(case when placed.status = 'finished' then coalesce(placed.service_minutes, 0) else 0 end) as order_minutes,
    sum(case when placed.status = 'finished' then placed.amount_yuan else 0 end) as amount_yuan,
    sum(case when placed.status = 'finished' then placed.subsidy_yuan else 0 end) as subsidy_yuan,
    sum(case when placed.status = 'finished' and placed.doubt_status <> 'none' then 1 else 0 end) as doubt_count,
    sum(case when placed.status = 'void' then 1 else 0 end) as void_count,
    sum(case when placed.status = 'finished' and evaluation.id is not null then 1 else 0 end) as rated_count,
    sum(case when placed.status = 'finished' then coalesce(evaluation.score, 0) else 0 end) as rating_sum
from placed
inner join {{ ref('int_period') }} as period on period.month_number = placed.month_number
left join ({{ record_versions('evaluation') }}) as evaluation
    on evaluation.order_id = placed.id
    and placed.month_number >= evaluation.valid_from_month
    and placed.month_number < evaluation.valid_to_month
where placed.month_number >= placed.valid_from_month and placed.month_number < placed.valid_to_month
group by
    period.period,
    period.month_number,
    {{ town_code('placed.division_code') }},
    placed.provider_id,
    placed.item_id
