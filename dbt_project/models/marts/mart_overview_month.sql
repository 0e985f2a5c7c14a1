-- City, counties and overlay units, added up from the marts by theme, so that a figure is the same wherever it stands.
with elder as (
    {{ by_unit(ref('mart_elder_month'), {
        'elder_count': 'fact.elder_count',
        'elder_80_count': "case when fact.age_group in ('80-84', '85+') then fact.elder_count else 0 end",
        'living_alone_count': 'fact.living_alone_count',
        'disabled_count': 'fact.disabled_count',
        'hardship_count': 'fact.hardship_count',
    }) }}
),

institution as (
    {{ by_unit(ref('mart_institution_month'), {
        'institution_count': '1',
        'licensed_bed_count': 'fact.licensed_bed_count',
        'open_bed_count': 'fact.open_bed_count',
        'resident_count': 'fact.resident_count',
    }) }}
),

facility as (
    {{ by_unit(ref('mart_facility_month'), {'facility_count': 'fact.facility_count'}) }}
),

family_bed as (
    {{ by_unit(ref('mart_family_bed_month'), {
        'family_bed_count': 'fact.open_count',
        'device_count': 'fact.device_count',
    }) }}
),

orders as (
    {{ by_unit(ref('mart_order_month'), {
        'order_count': 'fact.order_count',
        'order_minutes': 'fact.order_minutes',
        'order_amount_yuan': 'fact.amount_yuan',
        'subsidy_amount_yuan': 'fact.subsidy_yuan',
        'doubt_order_count': 'fact.doubt_count',
    }) }}
),

alarm as (
    {{ by_unit(ref('mart_alarm_month'), {
        'alarm_count': 'fact.alarm_count',
        'alarm_closed_count': 'fact.closed_count',
    }) }}
),

care_mode as (
    select
        unit_code,
        period,
        sum(case when care_mode = '居家' then elder_count else 0 end) as home_elder_count,
        sum(case when care_mode = '社区' then elder_count else 0 end) as community_elder_count,
        sum(case when care_mode = '机构' then elder_count else 0 end) as institution_elder_count
    from {{ ref('mart_care_mode_month') }}
    group by unit_code, period
),

-- The census counts residents by county; an overlay unit has no row, and none is made up for it.
census as (
    select
        unit.unit_code,
        sum(census.population) as census_60_count
    from {{ ref('int_unit') }} as unit
    inner join {{ ref('ref_census_2020') }} as census
        on unit.unit_type = 'city' or (unit.unit_type = 'county' and census.county_code = unit.unit_code)
    where census.age_from >= 60
    group by unit.unit_code
)

select
    period.period,
    period.period_end,
    unit.unit_code,
    unit.unit_name,
    unit.unit_type,
    {% for column in ['elder_count', 'elder_80_count', 'living_alone_count', 'disabled_count', 'hardship_count'] %}
        cast(coalesce(elder.{{ column }}, 0) as bigint) as {{ column }},
    {% endfor %}
    cast(census.census_60_count as bigint) as census_60_count,
    {% for column in ['institution_count', 'licensed_bed_count', 'open_bed_count', 'resident_count'] %}
        cast(coalesce(institution.{{ column }}, 0) as bigint) as {{ column }},
    {% endfor %}
    cast(coalesce(facility.facility_count, 0) as bigint) as facility_count,
    cast(coalesce(family_bed.family_bed_count, 0) as bigint) as family_bed_count,
    cast(coalesce(family_bed.device_count, 0) as bigint) as device_count,
    cast(coalesce(orders.order_count, 0) as bigint) as order_count,
    cast(coalesce(orders.order_minutes, 0) as bigint) as order_minutes,
    cast(coalesce(orders.order_amount_yuan, 0) as numeric(18, 2)) as order_amount_yuan,
    cast(coalesce(orders.subsidy_amount_yuan, 0) as numeric(18, 2)) as subsidy_amount_yuan,
    cast(coalesce(orders.doubt_order_count, 0) as bigint) as doubt_order_count,
    cast(coalesce(alarm.alarm_count, 0) as bigint) as alarm_count,
    cast(coalesce(alarm.alarm_closed_count, 0) as bigint) as alarm_closed_count,
    cast(coalesce(care_mode.home_elder_count, 0) as bigint) as home_elder_count,
    cast(coalesce(care_mode.community_elder_count, 0) as bigint) as community_elder_count,
    cast(coalesce(care_mode.institution_elder_count, 0) as bigint) as institution_elder_count
from {{ ref('int_unit') }} as unit
cross join {{ ref('int_period') }} as period
left join elder on elder.unit_code = unit.unit_code and elder.period = period.period
left join institution on institution.unit_code = unit.unit_code and institution.period = period.period
left join facility on facility.unit_code = unit.unit_code and facility.period = period.period
left join family_bed on family_bed.unit_code = unit.unit_code and family_bed.period = period.period
left join orders on orders.unit_code = unit.unit_code and orders.period = period.period
left join alarm on alarm.unit_code = unit.unit_code and alarm.period = period.period
left join care_mode on care_mode.unit_code = unit.unit_code and care_mode.period = period.period
left join census on census.unit_code = unit.unit_code
