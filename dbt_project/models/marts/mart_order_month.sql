with item as (
    select
        service_item.id,
        period.month_number,
        service_item.category_id
    from ({{ record_versions('service_item') }}) as service_item
    inner join {{ ref('int_period') }} as period
        on period.month_number >= service_item.valid_from_month and period.month_number < service_item.valid_to_month
),

category as (
    select
        service_category.id,
        period.month_number,
        service_category.name
    from ({{ record_versions('service_category') }}) as service_category
    inner join {{ ref('int_period') }} as period
        on period.month_number >= service_category.valid_from_month
        and period.month_number < service_category.valid_to_month
)

select
    period.period,
    period.period_end,
    town.county_code,
    town.county_name,
    town.town_code,
    town.town_name,
    orders.provider_id,
    provider.name as provider_name,
    category.name as category_name,
    cast(sum(orders.order_count) as bigint) as order_count,
    cast(sum(orders.order_minutes) as bigint) as order_minutes,
    cast(sum(orders.amount_yuan) as numeric(18, 2)) as amount_yuan,
    cast(sum(orders.subsidy_yuan) as numeric(18, 2)) as subsidy_yuan,
    cast(sum(orders.doubt_count) as bigint) as doubt_count,
    cast(sum(orders.void_count) as bigint) as void_count,
    cast(sum(orders.rated_count) as bigint) as rated_count,
    cast(sum(orders.rating_sum) as bigint) as rating_sum
from {{ ref('int_order_month') }} as orders
inner join {{ ref('int_period') }} as period on period.period = orders.period
inner join {{ ref('int_town') }} as town on town.town_code = orders.town_code
left join {{ ref('int_organization_month') }} as provider
    on provider.organization_id = orders.provider_id and provider.month_number = orders.month_number
left join item on item.id = orders.item_id and item.month_number = orders.month_number
left join category on category.id = item.category_id and category.month_number = orders.month_number
group by
    period.period, period.period_end, town.county_code, town.county_name, town.town_code, town.town_name,
    orders.provider_id, provider.name, category.name
