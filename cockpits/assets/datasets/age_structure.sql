-- Registered elders by age group and sex in the shown period, for the city and for each county. A unit whose largest
-- group reaches a hundred thousand counts in 万, and its series say so.
with shown as (
    select
        elder.county_name,
        elder.sex,
        elder.age_group,
        elder.elder_count
    from published.mart_elder_month as elder
    inner join published.current_release as release on elder.period = release.period
),

units as (
    select
        '湛江市' as unit_name,
        sex,
        age_group,
        sum(elder_count) as elder_count
    from shown
    group by sex, age_group
    union all
    select
        county_name as unit_name,
        sex,
        age_group,
        sum(elder_count) as elder_count
    from shown
    group by county_name, sex, age_group
),

measured as (
    select
        unit_name,
        sex,
        age_group,
        elder_count,
        case when max(elder_count) over (partition by unit_name) >= 100000 then 10000 else 1 end as divisor
    from units
)

select
    unit_name,
    sex,
    age_group,
    elder_count,
    sex || case when divisor = 10000 then '（万人）' else '（人）' end as series,
    elder_count::numeric / divisor as value
from measured
