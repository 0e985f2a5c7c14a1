select
    period.period,
    period.period_end,
    institution.id as institution_id,
    organization.name as institution_name,
    town.county_code,
    town.county_name,
    town.town_code,
    town.town_name,
    nature_label.label as nature,
    {{ grade_label('institution.grade') }} as grade,
    {{ longitude_gcj02('organization.longitude_wgs84', 'organization.latitude_wgs84') }} as longitude_gcj02,
    {{ latitude_gcj02('organization.longitude_wgs84', 'organization.latitude_wgs84') }} as latitude_gcj02,
    cast(coalesce(institution.licensed_bed_count, 0) as bigint) as licensed_bed_count,
    cast(coalesce(stock.open_bed_count, 0) as bigint) as open_bed_count,
    cast(coalesce(stock.resident_count, 0) as bigint) as resident_count,
    cast(coalesce(stock.care_worker_count, 0) as bigint) as care_worker_count,
    cast(coalesce(stock.staff_count, 0) as bigint) as staff_count
from {{ ref('int_institution_spell') }} as institution
inner join {{ ref('int_period') }} as period
    on period.month_number between institution.first_month and institution.last_month
inner join {{ ref('int_town') }} as town on town.town_code = {{ town_code('institution.division_code') }}
left join {{ ref('int_organization_month') }} as organization
    on organization.organization_id = institution.organization_id
    and organization.month_number = period.month_number
left join {{ ref('int_institution_stock_month') }} as stock
    on stock.institution_id = institution.id and stock.month_number = period.month_number
{{ join_label('nature_label', 'Nature', 'institution.nature') }}
