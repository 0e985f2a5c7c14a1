-- How the elders of the shown period live (9073), beside the planning reference.
select
    mode.unit_name,
    mode.unit_type,
    mode.care_mode,
    mode.elder_count,
    array_position(array['居家', '社区', '机构'], mode.care_mode) as position,
    round(100.0 * mode.elder_count / nullif(mode.elder_total, 0), 2) as actual_percent,
    trim_scale(100 * mode.planned_share) as planned_percent
from published.mart_care_mode_month as mode
inner join published.current_release as release on mode.period = release.period
