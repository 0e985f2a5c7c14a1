-- Division: that of the elder. Files of one person that were merged each had a first contact: the leading file's stays.
with record as (
    {{ records_at_period_end('guardian', with_file_order=true) }}
),

leader as (
    select
        record.elder_id,
        min(record.file_order) as file_order
    from record
    where record.is_primary
        and record.elder_id in (select survivor.survivor_id from {{ ref('int_elder_survivor') }} as survivor)
    group by record.elder_id
)

select
    {{ record_columns_as_logged('guardian', {
        'is_primary': '(record.is_primary and coalesce(leader.file_order, record.file_order) = record.file_order)'
    }) }},
    parent.county_code,
    parent.town_code
from record
left join leader on leader.elder_id = record.elder_id
left join {{ ref('int_elder') }} as parent on parent.id = record.elder_id
