-- One row: what the board shows, and whether it may be relied on. Ratios are cut off, never rounded: 99.997 % must not
-- read 100 %, and an error rate just below 1 % must not read 1 %.
select
    release_id,
    lane,
    period,
    accepted,
    to_char(as_of at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI') as as_of_text,
    to_char(published_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI') as published_at_text,
    left(period, 4) || '年' || ltrim(right(period, 2), '0') || '月' as period_text,
    trim_scale(trunc(100.0 * completeness_numerator / nullif(completeness_denominator, 0), 3)) as completeness_percent,
    trim_scale(trunc(100.0 * error_numerator / nullif(error_denominator, 0), 3)) as error_percent
from published.current_release
where period not like '%H%'
