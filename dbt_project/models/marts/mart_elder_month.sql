-- Every listed town appears with every sex and age group, also with zero.
with grain as (
    select
        town.town_code,
        sex.sex,
        age_group.age_group
    from {{ ref('int_town') }} as town
    cross join (values ('male'), ('female')) as sex (sex)
    cross join (
        values ('60-64'), ('65-69'), ('70-74'), ('75-79'), ('80-84'), ('85+')
    ) as age_group (age_group)
    where town.is_listed
),

counted as (
    select
        period,
        town_code,
        sex,
        age_group,
        elder_count,
        living_alone_count,
        disabled_count,
        hardship_count
    from {{ ref('int_elder_town_month') }}
    union all
    select
        period.period,
        grain.town_code,
        grain.sex,
        grain.age_group,
        0 as elder_count,
        0 as living_alone_count,
        0 as disabled_count,
        0 as hardship_count
    from grain
    cross join {{ ref('int_period') }} as period
)

select
    period.period,
    period.period_end,
    town.county_code,
    town.county_name,
    town.town_code,
    town.town_name,
    sex_label.label as sex,
    counted.age_group,
    cast(sum(counted.elder_count) as bigint) as elder_count,
    cast(sum(counted.living_alone_count) as bigint) as living_alone_count,
    cast(sum(counted.disabled_count) as bigint) as disabled_count,
    cast(sum(counted.hardship_count) as bigint) as hardship_count
from counted
inner join {{ ref('int_period') }} as period on period.period = counted.period
inner join {{ ref('int_town') }} as town on town.town_code = counted.town_code
{{ join_label('sex_label', 'Sex', 'counted.sex') }}
group by
    period.period, period.period_end, town.county_code, town.county_name, town.town_code, town.town_name,
    sex_label.label, counted.age_group
