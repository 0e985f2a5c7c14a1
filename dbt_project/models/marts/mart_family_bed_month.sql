-- Every listed town appears, also with zero.
with bed as (
    select
        id,
        {{ town_code('division_code') }} as town_code,
        valid_from_month,
        valid_to_month,
        {{ month_number('opened_on') }} as opened_month,
        {{ month_number('closed_on') }} as closed_month,
        greatest(valid_from_month, {{ from_month('opened_on') }}) as first_month,
        least(valid_to_month, {{ until_month('closed_on') }}) - 1 as last_month
    from ({{ record_versions('family_bed') }}) as family_bed
    where {{ is_open_family_bed('family_bed') }}
),

bed_spell as (
    select town_code, first_month, last_month, count(*) as beds
    from bed
    group by town_code, first_month, last_month
),

-- A bed is opened and closed in one month each: the version that holds at that month's end says which.
bed_move as (
    select town_code, opened_month as month_number, count(*) as opened, 0 as closed
    from bed
    where opened_month >= valid_from_month and opened_month < valid_to_month
    group by town_code, opened_month
    union all
    select town_code, closed_month as month_number, 0 as opened, count(*) as closed
    from bed
    where closed_month >= valid_from_month and closed_month < valid_to_month
    group by town_code, closed_month
),

binding_spell as (
    select
        family_bed_id,
        greatest(valid_from_month, {{ from_month('bound_on') }}) as first_month,
        least(valid_to_month, {{ until_month('unbound_on') }}) - 1 as last_month,
        count(*) as devices
    from ({{ record_versions('device_binding') }}) as device_binding
    where family_bed_id is not null
    group by family_bed_id, first_month, last_month
),

device_spell as (
    select
        bed.town_code,
        greatest(binding_spell.first_month, bed.valid_from_month) as first_month,
        least(binding_spell.last_month, bed.valid_to_month - 1) as last_month,
        sum(binding_spell.devices) as devices
    from binding_spell
    inner join bed
        on bed.id = binding_spell.family_bed_id
        and bed.valid_from_month <= binding_spell.last_month
        and bed.valid_to_month > binding_spell.first_month
    group by 1, 2, 3
),

parts as (
    select period.period, bed_spell.town_code, 0 as opened, 0 as closed, sum(bed_spell.beds) as beds, 0 as devices
    from bed_spell
    inner join {{ ref('int_period') }} as period
        on period.month_number between bed_spell.first_month and bed_spell.last_month
    group by period.period, bed_spell.town_code
    union all
    select period.period, bed_move.town_code, bed_move.opened, bed_move.closed, 0 as beds, 0 as devices
    from bed_move
    inner join {{ ref('int_period') }} as period on period.month_number = bed_move.month_number
    union all
    select
        period.period,
        device_spell.town_code,
        0 as opened,
        0 as closed,
        0 as beds,
        sum(device_spell.devices) as devices
    from device_spell
    inner join {{ ref('int_period') }} as period
        on period.month_number between device_spell.first_month and device_spell.last_month
    group by period.period, device_spell.town_code
    union all
    select period.period, town.town_code, 0 as opened, 0 as closed, 0 as beds, 0 as devices
    from {{ ref('int_town') }} as town
    cross join {{ ref('int_period') }} as period
    where town.is_listed
)

select
    period.period,
    period.period_end,
    town.county_code,
    town.county_name,
    town.town_code,
    town.town_name,
    cast(sum(parts.opened) as bigint) as opened_count,
    cast(sum(parts.closed) as bigint) as closed_count,
    cast(sum(parts.beds) as bigint) as open_count,
    cast(sum(parts.devices) as bigint) as device_count
from parts
inner join {{ ref('int_period') }} as period on period.period = parts.period
inner join {{ ref('int_town') }} as town on town.town_code = parts.town_code
group by
    period.period, period.period_end, town.county_code, town.county_name, town.town_code, town.town_name
