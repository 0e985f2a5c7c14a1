-- One row an indicator and a unit, in the shown period: value, last month's, last year's, and the changes. A count's
-- change is relative, a rate's is in percentage points. Missing history stays missing.
with shown as (
    select
        period,
        to_char((period || '-01')::date - interval '1 month', 'YYYY-MM') as last_month,
        to_char((period || '-01')::date - interval '1 year', 'YYYY-MM') as last_year
    from published.current_release
    where period not like '%H%'
),

long as (
    select
        month.period,
        month.unit_code,
        month.unit_name,
        month.unit_type,
        indicator.position,
        indicator.indicator,
        indicator.is_rate,
        indicator.value,
        indicator.part
    from published.mart_overview_month as month
    inner join shown on month.period in (shown.period, shown.last_month, shown.last_year)
    cross join lateral (
        values
        (1, 'elder_count', false, month.elder_count::numeric, month.elder_80_count::numeric),
        (2, 'institution_count', false, month.institution_count, month.open_bed_count),
        (
            3, 'occupancy_rate', true,
            month.resident_count::numeric / nullif(month.open_bed_count, 0), month.resident_count
        ),
        (4, 'facility_count', false, month.facility_count, month.community_elder_count),
        (5, 'family_bed_count', false, month.family_bed_count, month.device_count),
        (6, 'order_count', false, month.order_count, month.order_amount_yuan),
        (
            7, 'alarm_count', false,
            month.alarm_count, month.alarm_closed_count::numeric / nullif(month.alarm_count, 0)
        )
    ) as indicator (position, indicator, is_rate, value, part)
)

select
    now.unit_code,
    now.unit_name,
    now.unit_type,
    now.position,
    now.indicator,
    now.is_rate,
    now.value,
    now.part,
    month_before.value as last_month_value,
    year_before.value as last_year_value,
    round(
        100 * case
            when now.is_rate then now.value - month_before.value
            else (now.value - month_before.value) / nullif(month_before.value, 0)
        end, 1
    ) as last_month_change,
    round(
        100 * case
            when now.is_rate then now.value - year_before.value
            else (now.value - year_before.value) / nullif(year_before.value, 0)
        end, 1
    ) as last_year_change
from long as now
inner join shown on now.period = shown.period
left join long as month_before
    on month_before.period = shown.last_month
    and now.unit_code = month_before.unit_code
    and now.indicator = month_before.indicator
left join long as year_before
    on year_before.period = shown.last_year
    and now.unit_code = year_before.unit_code
    and now.indicator = year_before.indicator
