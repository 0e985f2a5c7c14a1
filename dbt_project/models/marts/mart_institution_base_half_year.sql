-- Disclosure fields of each institution operating at the half-year's end.
with permit as (
    select
        qualification.organization_id,
        period.month_number,
        max(case when qualification.kind = 'fire' then 1 else 0 end) as has_fire,
        max(case when qualification.kind = 'food' then 1 else 0 end) as has_food,
        max(case when qualification.kind = 'medical' then 1 else 0 end) as has_medical,
        max(case when qualification.kind = 'institution_filing' then 1 else 0 end) as has_filing
    from ({{ record_versions('qualification') }}) as qualification
    inner join {{ ref('int_period') }} as period
        on period.month_number >= qualification.valid_from_month and period.month_number < qualification.valid_to_month
    where
        qualification.number is not null
        and (qualification.issued_on is null or qualification.issued_on <= period.period_end)
        and (qualification.expires_on is null or qualification.expires_on >= period.period_end)
    group by qualification.organization_id, period.month_number
)

select
    period.period,
    period.period_end,
    institution.id as institution_id,
    organization.name as institution_name,
    town.county_code,
    town.county_name,
    town.town_code,
    town.town_name,
    type_label.label as institution_type,
    nature_label.label as nature,
    institution.operator_name,
    {{ grade_label('institution.grade') }} as grade,
    institution.opened_on,
    {{ longitude_gcj02('organization.longitude_wgs84', 'organization.latitude_wgs84') }} as longitude_gcj02,
    {{ latitude_gcj02('organization.longitude_wgs84', 'organization.latitude_wgs84') }} as latitude_gcj02,
    institution.land_area_m2,
    institution.building_area_m2,
    institution.licensed_bed_count,
    institution.nursing_bed_count,
    institution.full_time_bed_count,
    institution.day_care_bed_count,
    cast(coalesce(stock.open_bed_count, 0) as bigint) as open_bed_count,
    cast(coalesce(stock.resident_count, 0) as bigint) as resident_count,
    cast(coalesce(stock.staff_count, 0) as bigint) as staff_count,
    cast(coalesce(stock.care_worker_count, 0) as bigint) as care_worker_count,
    institution.admits_self_reliant,
    institution.admits_partly_disabled,
    institution.admits_disabled,
    institution.admits_dementia,
    institution.has_liability_insurance,
    institution.bed_fee_min_yuan,
    institution.bed_fee_max_yuan,
    institution.nursing_fee_min_yuan,
    institution.nursing_fee_max_yuan,
    institution.meal_fee_min_yuan,
    institution.meal_fee_max_yuan,
    institution.deposit_min_yuan,
    institution.deposit_max_yuan,
    medical_label.label as medical_mode,
    institution.medical_insurance_designated,
    coalesce(permit.has_filing, 0) = 1 as has_filing,
    coalesce(permit.has_fire, 0) = 1 as has_fire_permit,
    coalesce(permit.has_food, 0) = 1 as has_food_permit,
    coalesce(permit.has_medical, 0) = 1 as has_medical_permit
from {{ ref('int_institution_spell') }} as institution
inner join {{ ref('int_period') }} as period
    on period.month_number between institution.first_month and institution.last_month
inner join {{ ref('int_town') }} as town on town.town_code = {{ town_code('institution.division_code') }}
left join {{ ref('int_organization_month') }} as organization
    on organization.organization_id = institution.organization_id
    and organization.month_number = period.month_number
left join {{ ref('int_institution_stock_month') }} as stock
    on stock.institution_id = institution.id and stock.month_number = period.month_number
left join permit
    on permit.organization_id = institution.organization_id and permit.month_number = period.month_number
{{ join_label('type_label', 'InstitutionType', 'institution.institution_type') }}
{{ join_label('nature_label', 'Nature', 'institution.nature') }}
{{ join_label('medical_label', 'MedicalMode', 'institution.medical_mode') }}
