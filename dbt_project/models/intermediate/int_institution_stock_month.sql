-- Beds, residents and staff of each institution at each month's end.
with bed_spell as (
    select
        institution_id,
        greatest(valid_from_month, {{ from_month('opened_on') }}) as first_month,
        least(valid_to_month, {{ until_month('closed_on') }}) - 1 as last_month,
        count(*) as beds
    from ({{ record_versions('bed') }}) as bed
    where not (status = 'closed' and closed_on is null)
    group by institution_id, first_month, last_month
),

residency_spell as (
    select
        institution_id,
        elder_id,
        greatest(valid_from_month, {{ from_month('admitted_on') }}) as first_month,
        least(valid_to_month, {{ until_month('discharged_on') }}) - 1 as last_month
    from ({{ record_versions('residency') }}) as residency
),

staff_spell as (
    select
        organization_id,
        greatest(valid_from_month, {{ from_month('employed_on') }}) as first_month,
        least(valid_to_month, {{ until_month('left_on') }}) - 1 as last_month,
        count(*) as staff,
        sum(case when occupation = 'care_worker' then 1 else 0 end) as care_workers
    from ({{ record_versions('staff') }}) as staff
    group by organization_id, first_month, last_month
),

parts as (
    select
        bed_spell.institution_id,
        period.month_number,
        sum(bed_spell.beds) as open_bed_count,
        0 as resident_count,
        0 as staff_count,
        0 as care_worker_count
    from bed_spell
    inner join {{ ref('int_period') }} as period
        on period.month_number between bed_spell.first_month and bed_spell.last_month
    group by bed_spell.institution_id, period.month_number
    union all
    select
        residency_spell.institution_id,
        period.month_number,
        0 as open_bed_count,
        count(distinct residency_spell.elder_id) as resident_count,
        0 as staff_count,
        0 as care_worker_count
    from residency_spell
    inner join {{ ref('int_period') }} as period
        on period.month_number between residency_spell.first_month and residency_spell.last_month
    group by residency_spell.institution_id, period.month_number
    union all
    select
        institution.id as institution_id,
        period.month_number,
        0 as open_bed_count,
        0 as resident_count,
        sum(staff_spell.staff) as staff_count,
        sum(staff_spell.care_workers) as care_worker_count
    from staff_spell
    inner join {{ ref('int_period') }} as period
        on period.month_number between staff_spell.first_month and staff_spell.last_month
    inner join {{ ref('int_institution_spell') }} as institution
        on institution.organization_id = staff_spell.organization_id
        and period.month_number between institution.first_month and institution.last_month
    group by institution.id, period.month_number
)

select
    institution_id,
    month_number,
    cast(sum(open_bed_count) as bigint) as open_bed_count,
    cast(sum(resident_count) as bigint) as resident_count,
    cast(sum(staff_count) as bigint) as staff_count,
    cast(sum(care_worker_count) as bigint) as care_worker_count
from parts
group by institution_id, month_number
