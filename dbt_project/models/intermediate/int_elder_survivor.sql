-- Merges are resolved as of the cut-off, whatever the period: two files of one person always were one person.
with recursive link as (
    select merged_id, survivor_id
    from (
        select
            merged_id,
            survivor_id,
            reverted_at,
            change_op,
            row_number() over (partition by id order by change_id desc) as recency
        from {{ ref('stg_elder_merge') }}
        where change_txid < {{ setting('cut_off') }}
    ) as latest
    where recency = 1 and change_op <> 'D' and reverted_at is null
),

-- A survivor may itself have been merged later; the bound ends a circle, which the app's rules exclude.
chain as (
    select merged_id, survivor_id, 1 as depth from link
    union all
    select
        chain.merged_id,
        link.survivor_id,
        chain.depth + 1 as depth
    from chain inner join link on link.merged_id = chain.survivor_id
    where chain.depth < 20
)

select chain.merged_id, chain.survivor_id
from chain
left join link on link.merged_id = chain.survivor_id
where link.merged_id is null
