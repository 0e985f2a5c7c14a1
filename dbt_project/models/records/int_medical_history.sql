-- Division: that of the elder. A condition that several merged files of one person hold counts once, as the leading
-- file has it. What is left out is not lost, it is merged; a repetition within one file stays and is reported.
with record as (
    {{ records_at_period_end('medical_history', with_file_order=true) }}
),

leader as (
    select
        record.elder_id,
        record.condition_group,
        min(record.file_order) as file_order
    from record
    where record.condition_group <> 'other'
        and record.elder_id in (select survivor.survivor_id from {{ ref('int_elder_survivor') }} as survivor)
    group by record.elder_id, record.condition_group
)

select
    {{ record_columns_as_logged('medical_history', {}) }},
    parent.county_code,
    parent.town_code
from record
left join leader on leader.elder_id = record.elder_id and leader.condition_group = record.condition_group
left join {{ ref('int_elder') }} as parent on parent.id = record.elder_id
where coalesce(leader.file_order, record.file_order) = record.file_order
