-- One row a county: its outline as an SVG path and its figures in the shown period. Equirectangular at the middle
-- latitude; the drawing is 1000 units wide. Centre: the centroid of the county's largest ring.
with points as (
    select
        boundary.county_code,
        boundary.county_name,
        md5(boundary.ring_json) as ring,
        point.position,
        (point.value ->> 0)::double precision as longitude,
        (point.value ->> 1)::double precision as latitude
    from published.ref_county_boundary as boundary
    cross join lateral jsonb_array_elements(boundary.ring_json::jsonb) with ordinality as point (value, position)
),

bounds as (
    select
        min(longitude) as west,
        max(latitude) as north,
        cos(radians((min(latitude) + max(latitude)) / 2)) as narrowing,
        1000 / ((max(longitude) - min(longitude)) * cos(radians((min(latitude) + max(latitude)) / 2))) as scale,
        max(latitude) - min(latitude) as height
    from points
),

placed as (
    select
        points.county_code,
        points.county_name,
        points.ring,
        points.position,
        (points.longitude - bounds.west) * bounds.narrowing * bounds.scale as x,
        (bounds.north - points.latitude) * bounds.scale as y
    from points
    cross join bounds
),

edges as (
    select
        county_code,
        county_name,
        ring,
        position,
        x,
        y,
        lead(x) over ring_order as next_x,
        lead(y) over ring_order as next_y
    from placed
    window ring_order as (partition by county_code, ring order by position)
),

rings as (
    select
        county_code,
        county_name,
        'M' || string_agg(round(x::numeric, 1) || ' ' || round(y::numeric, 1), 'L' order by position) || 'Z' as path,
        abs(sum(x * next_y - next_x * y)) / 2 as area,
        sum((x + next_x) * (x * next_y - next_x * y)) / (3 * sum(x * next_y - next_x * y)) as centre_x,
        sum((y + next_y) * (x * next_y - next_x * y)) / (3 * sum(x * next_y - next_x * y)) as centre_y
    from edges
    group by county_code, county_name, ring
),

outlines as (
    select
        county_code,
        county_name,
        string_agg(path, '' order by area desc) as path,
        (array_agg(round(centre_x::numeric, 1) order by area desc))[1] as centre_x,
        (array_agg(round(centre_y::numeric, 1) order by area desc))[1] as centre_y
    from rings
    group by county_code, county_name
),

-- Names do not fit into the small counties, so each county is labelled at the nearer side, from top to bottom.
sides as (
    select
        outlines.*,
        rank() over (order by centre_x) * 2 <= count(*) over () as is_left
    from outlines
),

labelled as (
    select
        sides.*,
        round(
            (
                (row_number() over (partition by sides.is_left order by sides.centre_y) - 0.5)
                / count(*) over (partition by sides.is_left) * bounds.height * bounds.scale
            )::numeric, 0
        ) as label_y,
        round((bounds.height * bounds.scale)::numeric, 0) as drawing_height
    from sides
    cross join bounds
)

select
    labelled.county_code,
    labelled.county_name,
    labelled.path,
    labelled.centre_x,
    labelled.centre_y,
    labelled.is_left,
    labelled.label_y,
    labelled.drawing_height,
    month.elder_count,
    month.elder_80_count,
    month.institution_count,
    month.open_bed_count,
    month.family_bed_count,
    round(100.0 * month.elder_80_count / nullif(month.elder_count, 0), 1) as elder_80_percent,
    case when month.elder_count is not null then ntile(5) over (order by month.elder_count) end as level
from labelled
inner join published.current_release as release on release.period not like '%H%'
left join published.mart_overview_month as month
    on labelled.county_code = month.unit_code and release.period = month.period
