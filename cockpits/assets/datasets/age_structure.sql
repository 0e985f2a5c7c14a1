-- Registered elders by age group and sex in the shown period, for the city and for each county.
with shown as (
    select
        elder.county_name,
        elder.sex,
        elder.age_group,
        elder.elder_count
    from published.mart_elder_month as elder
    inner join published.current_release as release on elder.period = release.period
)

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
