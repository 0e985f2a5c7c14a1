-- One row a unit, an indicator and a month, for trends. Where a unit's largest month reaches a hundred thousand its
-- series counts in 万, and its name says so.
with long as (
    select
        month.unit_name,
        month.unit_type,
        month.period_end,
        indicator.indicator,
        indicator.name,
        indicator.measure,
        indicator.count,
        case
            when
                max(indicator.count) over (partition by month.unit_code, indicator.indicator) >= 100000
                then 10000
            else 1
        end as divisor
    from published.mart_overview_month as month
    cross join lateral (
        values
        ('order_count', '完成工单', '单', month.order_count),
        ('family_bed_count', '在床', '张', month.family_bed_count),
        ('alarm_count', '报警', '次', month.alarm_count)
    ) as indicator (indicator, name, measure, count)
)

select
    unit_name,
    unit_type,
    period_end,
    indicator,
    name || '（' || case when divisor = 10000 then '万' else '' end || measure || '）' as series,
    count::numeric / divisor as value
from long
