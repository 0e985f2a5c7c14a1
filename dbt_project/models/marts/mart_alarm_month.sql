with alarm as (
    select
        {{ month_number(local_date('raised_at')) }} as month_number,
        {{ town_code('division_code') }} as town_code,
        kind,
        status,
        {{ seconds_between('raised_at', 'acknowledged_at') }} as response_seconds,
        valid_from_month,
        valid_to_month
    from ({{ record_versions('alarm') }}) as version
)

select
    period.period,
    period.period_end,
    town.county_code,
    town.county_name,
    town.town_code,
    town.town_name,
    kind_label.label as alarm_kind,
    count(*) as alarm_count,
    cast(sum(case when alarm.status = 'closed' then 1 else 0 end) as bigint) as closed_count,
    cast({{ median('alarm.response_seconds') }} as bigint) as response_seconds_median
from alarm
inner join {{ ref('int_period') }} as period on period.month_number = alarm.month_number
inner join {{ ref('int_town') }} as town on town.town_code = alarm.town_code
{{ join_label('kind_label', 'AlarmKind', 'alarm.kind') }}
where alarm.month_number >= alarm.valid_from_month and alarm.month_number < alarm.valid_to_month
group by
    period.period, period.period_end, town.county_code, town.county_name, town.town_code, town.town_name,
    kind_label.label
