-- Family-bed alarms of the shown period by kind, for the city and for each county.
with shown as (
    select
        alarm.county_name,
        alarm.alarm_kind,
        alarm.alarm_count,
        alarm.closed_count
    from published.mart_alarm_month as alarm
    inner join published.current_release as release on alarm.period = release.period
)

select
    '湛江市' as unit_name,
    alarm_kind,
    sum(alarm_count) as alarm_count,
    sum(closed_count) as closed_count
from shown
group by alarm_kind
union all
select
    county_name as unit_name,
    alarm_kind,
    sum(alarm_count) as alarm_count,
    sum(closed_count) as closed_count
from shown
group by county_name, alarm_kind
