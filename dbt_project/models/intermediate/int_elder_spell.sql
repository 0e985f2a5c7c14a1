-- Over which months of this build an elder of 60 or more was on file, split by age group: an elder counts at a month's
-- end from the month of registration and of the 60th birthday until before the month of death or of moving away. Who
-- has no month of birth counts with age group 未知. Everyone born in a month has had the birthday by that month's end.
with bounds as (
    select min(month_number) as first_month, max(month_number) as last_month from {{ ref('int_period') }}
),

age_group as (
    select * from (
        values
        ('60-64', 60, 65), ('65-69', 65, 70), ('70-74', 70, 75), ('75-79', 75, 80), ('80-84', 80, 85), ('85+', 85, 999)
    ) as given (age_group, from_age, to_age)
),

spell as (
    select
        elder.id as elder_id,
        {{ town_code('elder.division_code') }} as town_code,
        elder.sex,
        elder.living_arrangement = 'alone' as is_living_alone,
        elder.economic_category in ('tekun', 'dibao', 'dibian') as is_hardship,
        {{ month_number('elder.birth_month') }} as birth_month_number,
        greatest(
            elder.valid_from_month, {{ month_number('elder.registered_on') }}, bounds.first_month
        ) as first_month,
        least(
            elder.valid_to_month - 1,
            {{ until_month('elder.died_on') }} - 1,
            {{ until_month('elder.moved_on') }} - 1,
            bounds.last_month
        ) as last_month
    from ({{ record_versions('elder') }}) as elder
    cross join bounds
    where not (elder.status = 'moved_away' and elder.moved_on is null)
)

select
    spell.elder_id,
    spell.town_code,
    spell.sex,
    age_group.age_group,
    spell.is_living_alone,
    spell.is_hardship,
    greatest(spell.first_month, spell.birth_month_number + 12 * age_group.from_age) as first_month,
    least(spell.last_month, spell.birth_month_number + 12 * age_group.to_age - 1) as last_month
from spell
inner join age_group
    on spell.birth_month_number + 12 * age_group.from_age <= spell.last_month
    and spell.birth_month_number + 12 * age_group.to_age - 1 >= spell.first_month
where spell.first_month <= spell.last_month
union all
select
    elder_id,
    town_code,
    sex,
    '未知' as age_group,
    is_living_alone,
    is_hardship,
    first_month,
    last_month
from spell
where birth_month_number is null and first_month <= last_month
