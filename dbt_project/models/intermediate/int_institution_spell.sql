-- Over which months an institution was operating. Dates decide; a status without its date is taken at its word.
select
    institution.*,
    greatest(institution.valid_from_month, {{ from_month('institution.opened_on') }}) as first_month,
    least(institution.valid_to_month, {{ until_month('institution.closed_on') }}) - 1 as last_month
from ({{ record_versions('institution') }}) as institution
where
    institution.operating_status <> 'suspended'
    and not (institution.operating_status = 'closed' and institution.closed_on is null)
