-- Division: that of the elder. Where merged files of one person speak of the same time, the leading file's word holds
-- and the other's is left out, whole: merged, not lost. An overlap within one file stays and is reported.
with record as (
    {{ records_at_period_end('economic_status', with_file_order=true) }}
),

merged as (
    select * from record
    where record.elder_id in (select survivor.survivor_id from {{ ref('int_elder_survivor') }} as survivor)
)

select
    {{ record_columns_as_logged('economic_status', {}) }},
    parent.county_code,
    parent.town_code
from record
left join {{ ref('int_elder') }} as parent on parent.id = record.elder_id
where not exists (
        select 1 from merged as leader
        where leader.elder_id = record.elder_id
            and leader.file_order < record.file_order
            and coalesce(leader.valid_from, date '0001-01-01') <= coalesce(record.valid_until, date '9999-12-31')
            and coalesce(record.valid_from, date '0001-01-01') <= coalesce(leader.valid_until, date '9999-12-31')
    )
