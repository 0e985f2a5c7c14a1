-- One row a county in the shown period, with its share of the largest for a bar.
select
    month.unit_code as county_code,
    month.unit_name as county_name,
    month.elder_count,
    month.elder_80_count,
    month.institution_count,
    month.open_bed_count,
    month.resident_count,
    month.facility_count,
    month.family_bed_count,
    rank() over (order by month.elder_count desc) as place,
    round(100.0 * month.elder_count / nullif(max(month.elder_count) over (), 0), 1) as bar_percent,
    round(100.0 * month.elder_80_count / nullif(month.elder_count, 0), 1) as elder_80_percent,
    round(100.0 * month.resident_count / nullif(month.open_bed_count, 0), 1) as occupancy_percent
from published.mart_overview_month as month
inner join published.current_release as release on month.period = release.period
where month.unit_type = 'county'
