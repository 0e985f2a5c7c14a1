-- At which months' ends an elder counts as disabled: the latest assessment so far says moderate or worse, and is still
-- valid (GB/T 42195-2022, levels 中度, 重度, 完全失能).
select
    elder_id,
    month_number
from (
    select
        assessment.elder_id,
        period.month_number,
        assessment.ability_level in ('moderate', 'severe', 'complete') as is_disabled,
        assessment.valid_until is null or assessment.valid_until >= period.period_end as is_valid,
        row_number() over (
            partition by assessment.elder_id, period.month_number
            order by assessment.assessed_on desc, assessment.id desc
        ) as recency
    from ({{ record_versions('assessment') }}) as assessment
    inner join {{ ref('int_period') }} as period
        on period.month_number >= assessment.valid_from_month
        and period.month_number < assessment.valid_to_month
        and assessment.assessed_on <= period.period_end
) as ranked
where recency = 1 and is_disabled and is_valid
