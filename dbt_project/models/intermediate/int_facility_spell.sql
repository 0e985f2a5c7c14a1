-- Over which months a community facility was operating. Dates decide; a status without its date is taken at its word.
select
    facility.*,
    greatest(facility.valid_from_month, {{ from_month('facility.opened_on') }}) as first_month,
    least(facility.valid_to_month, {{ until_month('facility.closed_on') }}) - 1 as last_month
from ({{ record_versions('facility') }}) as facility
where
    facility.status <> 'suspended'
    and not (facility.status = 'closed' and facility.closed_on is null)
