-- Family-bed alarms of the shown period by kind and whether they are closed, for the city and for each county.
with shown as (
    select
        alarm.county_name,
        alarm.alarm_kind,
        state.alarm_state,
        state.alarm_count
    from published.mart_alarm_month as alarm
    inner join published.current_release as release on alarm.period = release.period
    cross join lateral (
        values
        ('已办结', alarm.closed_count),
        ('未办结', alarm.alarm_count - alarm.closed_count)
    ) as state (alarm_state, alarm_count)
)

select
    '湛江市' as unit_name,
    alarm_kind,
    alarm_state,
    sum(alarm_count) as alarm_count
from shown
group by alarm_kind, alarm_state
union all
select
    county_name as unit_name,
    alarm_kind,
    alarm_state,
    sum(alarm_count) as alarm_count
from shown
group by county_name, alarm_kind, alarm_state
