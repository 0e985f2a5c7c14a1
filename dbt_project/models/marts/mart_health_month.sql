-- Grouped by elder first: that yields measurements and measured elders in one pass.
with bound as (
    select
        vital_kind,
        min(case when component = 'value_1' then low end) as low_1,
        min(case when component = 'value_1' then high end) as high_1,
        min(case when component = 'value_2' then low end) as low_2,
        min(case when component = 'value_2' then high end) as high_2
    from {{ ref('ref_vital_range') }}
    group by vital_kind
),

by_elder as (
    select
        {{ month_number(local_date('vital.measured_at')) }} as month_number,
        {{ county_code('vital.division_code') }} as county_code,
        vital.kind,
        vital.elder_id,
        count(*) as measurements,
        sum(
            case
                when vital.value_1 < bound.low_1 or vital.value_1 > bound.high_1
                    or vital.value_2 < bound.low_2 or vital.value_2 > bound.high_2
                    then 1
                else 0
            end
        ) as abnormal
    from ({{ record_versions('vital_sign') }}) as vital
    left join bound on bound.vital_kind = vital.kind
    group by 1, 2, 3, 4
),

parts as (
    select
        period.period,
        by_elder.county_code,
        by_elder.kind,
        count(*) as elders,
        sum(by_elder.measurements) as measurements,
        sum(by_elder.abnormal) as abnormal
    from by_elder
    inner join {{ ref('int_period') }} as period on period.month_number = by_elder.month_number
    group by period.period, by_elder.county_code, by_elder.kind
    union all
    select
        period.period,
        unit.unit_code as county_code,
        code.value as kind,
        0 as elders,
        0 as measurements,
        0 as abnormal
    from {{ ref('int_unit') }} as unit
    cross join {{ ref('int_period') }} as period
    cross join {{ ref('ref_code_label') }} as code
    where unit.unit_type = 'county' and code.code_list = 'VitalKind'
)

select
    period.period,
    period.period_end,
    unit.unit_code as county_code,
    unit.unit_name as county_name,
    kind_label.label as vital_kind,
    cast(sum(parts.elders) as bigint) as measured_elder_count,
    cast(sum(parts.measurements) as bigint) as measurement_count,
    cast(sum(parts.abnormal) as bigint) as abnormal_count
from parts
inner join {{ ref('int_period') }} as period on period.period = parts.period
inner join {{ ref('int_unit') }} as unit on unit.unit_code = parts.county_code
{{ join_label('kind_label', 'VitalKind', 'parts.kind') }}
group by period.period, period.period_end, unit.unit_code, unit.unit_name, kind_label.label
