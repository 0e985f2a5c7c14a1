-- Elders on file by town, sex and age group. Counted first by spells that agree, then spread over the months.
with period as (
    select month_number, period from {{ ref('int_period') }}
),

counted as (
    select
        town_code,
        sex,
        age_group,
        is_living_alone,
        is_hardship,
        first_month,
        last_month,
        count(*) as elders
    from {{ ref('int_elder_spell') }}
    group by town_code, sex, age_group, is_living_alone, is_hardship, first_month, last_month
),

parts as (
    select
        period.period,
        counted.town_code,
        counted.sex,
        counted.age_group,
        sum(counted.elders) as elder_count,
        sum(case when counted.is_living_alone then counted.elders else 0 end) as living_alone_count,
        sum(case when counted.is_hardship then counted.elders else 0 end) as hardship_count,
        0 as disabled_count,
        0 as institution_elder_count,
        0 as community_elder_count
    from counted
    inner join period on period.month_number between counted.first_month and counted.last_month
    group by period.period, counted.town_code, counted.sex, counted.age_group
    union all
    select
        period.period,
        spell.town_code,
        spell.sex,
        spell.age_group,
        0 as elder_count,
        0 as living_alone_count,
        0 as hardship_count,
        sum(member.disabled) as disabled_count,
        sum(member.institution) as institution_elder_count,
        sum(member.community) as community_elder_count
    from (
        select elder_id, month_number, 1 as disabled, 0 as institution, 0 as community
        from {{ ref('int_disabled_month') }}
        union all
        select
            elder_id,
            month_number,
            0 as disabled,
            case when is_institution then 1 else 0 end as institution,
            case when is_institution then 0 else 1 end as community
        from {{ ref('int_care_month') }}
    ) as member
    inner join {{ ref('int_elder_spell') }} as spell
        on spell.elder_id = member.elder_id
        and member.month_number between spell.first_month and spell.last_month
    inner join period on period.month_number = member.month_number
    group by period.period, spell.town_code, spell.sex, spell.age_group
)

select
    period,
    town_code,
    sex,
    age_group,
    cast(sum(elder_count) as bigint) as elder_count,
    cast(sum(living_alone_count) as bigint) as living_alone_count,
    cast(sum(disabled_count) as bigint) as disabled_count,
    cast(sum(hardship_count) as bigint) as hardship_count,
    cast(sum(institution_elder_count) as bigint) as institution_elder_count,
    cast(sum(community_elder_count) as bigint) as community_elder_count
from parts
group by period, town_code, sex, age_group
