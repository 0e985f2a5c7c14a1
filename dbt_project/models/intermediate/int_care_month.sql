-- Who was cared for in an institution or in the community at which month's end. Institution goes before community.
with care as (
    select
        residency.elder_id,
        greatest(residency.valid_from_month, {{ from_month('residency.admitted_on') }}) as first_month,
        least(residency.valid_to_month, {{ until_month('residency.discharged_on') }}) - 1 as last_month,
        1 as is_institution
    from ({{ record_versions('residency') }}) as residency
    union all
    select
        family_bed.elder_id,
        greatest(family_bed.valid_from_month, {{ from_month('family_bed.opened_on') }}) as first_month,
        least(family_bed.valid_to_month, {{ until_month('family_bed.closed_on') }}) - 1 as last_month,
        0 as is_institution
    from ({{ record_versions('family_bed') }}) as family_bed
    where {{ is_open_family_bed('family_bed') }}
    union all
    select
        enrolment.elder_id,
        greatest(enrolment.valid_from_month, {{ from_month('enrolment.enrolled_on') }}) as first_month,
        least(enrolment.valid_to_month, {{ until_month('enrolment.left_on') }}) - 1 as last_month,
        0 as is_institution
    from ({{ record_versions('day_care_enrolment') }}) as enrolment
)

select
    care.elder_id,
    period.month_number,
    max(care.is_institution) = 1 as is_institution
from care
inner join {{ ref('int_period') }} as period
    on period.month_number between care.first_month and care.last_month
group by care.elder_id, period.month_number
