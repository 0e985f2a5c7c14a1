-- 90 % at home, 7 % in the community, 3 % in institutions is the city plan's reference, shown beside what is.
with unit_total as (
    select
        elder.period,
        unit_town.unit_code,
        sum(elder.elder_count) as elder_total,
        sum(elder.community_elder_count) as community_count,
        sum(elder.institution_elder_count) as institution_count
    from {{ ref('int_elder_town_month') }} as elder
    inner join {{ ref('int_unit_town') }} as unit_town on unit_town.town_code = elder.town_code
    group by elder.period, unit_town.unit_code
),

mode as (
    select * from (
        values ('居家', 0.90), ('社区', 0.07), ('机构', 0.03)
    ) as given (care_mode, planned_share)
)

select
    period.period,
    period.period_end,
    unit.unit_code,
    unit.unit_name,
    unit.unit_type,
    mode.care_mode,
    cast(coalesce(
        case mode.care_mode
            when '机构' then unit_total.institution_count
            when '社区' then unit_total.community_count
            else unit_total.elder_total - unit_total.institution_count - unit_total.community_count
        end, 0
    ) as bigint) as elder_count,
    cast(coalesce(unit_total.elder_total, 0) as bigint) as elder_total,
    cast(mode.planned_share as numeric(5, 4)) as planned_share
from {{ ref('int_unit') }} as unit
cross join {{ ref('int_period') }} as period
cross join mode
left join unit_total on unit_total.unit_code = unit.unit_code and unit_total.period = period.period
