-- Completeness and error rate of the shown period by theme. Cut off, not rounded (see release_banner.sql).
select
    quality.theme,
    sum(quality.record_count) as record_count,
    sum(quality.error_record_count) as error_record_count,
    sum(quality.field_due_count) as field_due_count,
    sum(quality.field_filled_count) as field_filled_count,
    trim_scale(trunc(100.0 * sum(quality.field_filled_count) / nullif(sum(quality.field_due_count), 0), 3))
        as completeness_percent,
    trim_scale(trunc(100.0 * sum(quality.error_record_count) / nullif(sum(quality.record_count), 0), 3))
        as error_percent,
    sum(quality.field_filled_count) = sum(quality.field_due_count) as is_complete,
    sum(quality.error_record_count) * 100 < sum(quality.record_count) as is_error_below_limit
from published.mart_quality_month as quality
inner join published.current_release as release on quality.period = release.period
group by quality.theme
