-- Name and place of each organization at each month's end.
select
    organization.id as organization_id,
    period.month_number,
    organization.name,
    organization.longitude_wgs84,
    organization.latitude_wgs84
from ({{ record_versions('organization') }}) as organization
inner join {{ ref('int_period') }} as period
    on period.month_number >= organization.valid_from_month and period.month_number < organization.valid_to_month
