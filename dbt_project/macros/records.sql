{# Records from the change log: what was known at the cut-off and true at a month's end.

   A version of a record holds from its `effective_at` until the earliest `effective_at` of the versions recorded after
   it: a later word on the same time wins. The first one in time also holds before it began, because what we learned
   late was hardly otherwise before. A record whose deletion is known never was. Months are compared as numbers
   (macro month_number): every date before a month's end lies in this month or an earlier one. #}

{# Month numbers beyond every date. #}
{% macro first_month() -%} 0 {%- endmacro %}
{% macro last_month() -%} 999999 {%- endmacro %}

{# Bounds of a span of months, where an unknown date does not bound: first month in, first month out. #}
{% macro from_month(day) -%} coalesce({{ month_number(day) }}, {{ first_month() }}) {%- endmacro %}
{% macro until_month(day) -%} coalesce({{ month_number(day) }}, {{ last_month() }}) {%- endmacro %}

{# The target period's last month. #}
{% macro target_month() -%}
{%- set period_end = setting('period_end') -%}
{{ period_end[:4] | int * 12 + period_end[5:7] | int - 1 }}
{%- endmacro %}

{# Names of the columns of a logged table after the header, in the log's order. #}
{% macro logged_columns(table) %}
    {%- if not execute -%} {{ return(['id']) }} {%- endif -%}
    {%- set header = ['change_id', 'change_op', 'change_txid', 'recorded_at'] -%}
    {%- set node = graph.nodes['model.huiyang.stg_' ~ table] -%}
    {{ return(node.columns.keys() | reject('in', header) | list) }}
{% endmacro %}

{# The columns of a record, facts of a merged elder under the survivor's key. #}
{% macro record_columns(table, alias) -%}
    {%- for column in logged_columns(table) %}
        {%- if column == 'elder_id' -%}
        coalesce(survivor.survivor_id, {{ alias }}.elder_id) as elder_id
        {%- else -%}
        {{ alias }}.{{ column }}
        {%- endif -%}
        {{- ',\n' if not loop.last -}}
    {%- endfor -%}
    {%- if 'elder_id' in logged_columns(table) -%}
    ,
    case when survivor.survivor_id is null then 0 else {{ alias }}.elder_id end as file_order
    {%- endif -%}
{%- endmacro %}

{# `file_order`: which of a person's merged files a record stands in; the survivor's own leads with 0. #}
{% macro survivor_join(table, alias) -%}
    {%- set survivors = ref('int_elder_survivor') -%}
    {%- if 'elder_id' in logged_columns(table) -%}
    left join {{ survivors }} as survivor on survivor.merged_id = {{ alias }}.elder_id
    {%- elif table == 'elder' -%}
    left join {{ survivors }} as survivor on survivor.merged_id = {{ alias }}.id
    {%- endif -%}
{%- endmacro %}

{# Every version of every record of a table: its columns, valid_from_month and valid_to_month (half-open).
   A row of an append-only table is its one version. #}
{% macro record_versions(table) %}
{% if execute and 'effective_at' not in logged_columns(table) %}
select
    {{ record_columns(table, 'event') }},
    {{ first_month() }} as valid_from_month,
    {{ last_month() }} as valid_to_month
from {{ ref('stg_' ~ table) }} as event
{{ survivor_join(table, 'event') }}
where event.change_txid < {{ setting('cut_off') }}
{% else %}
select
    {{ record_columns(table, 'version') }},
    version.valid_from_month,
    version.valid_to_month
from (
    with known as (
        select * from {{ ref('stg_' ~ table) }}
        where change_txid < {{ setting('cut_off') }}
    ),

    revised as (select id from known group by id having count(*) > 1),

    spans as (
        select
            known.*,
            min(effective_at) over following as superseded_at,
            max(case when change_op = 'D' then 1 else 0 end) over (partition by id) as is_deleted
        from known inner join revised using (id)
        window following as (partition by id order by change_id rows between 1 following and unbounded following)
    ),

    months as (
        select
            spans.*,
            {{ month_number(local_date('effective_at')) }} as from_month,
            case
                when superseded_at is null then {{ last_month() }}
                else {{ month_number(local_date('superseded_at')) }}
            end as to_month
        from spans
        where is_deleted = 0
    )

    select
        {% for column in logged_columns(table) %}known.{{ column }}, {% endfor %}
        {{ first_month() }} as valid_from_month,
        {{ last_month() }} as valid_to_month
    from known
    where change_op <> 'D' and not exists (select 1 from revised where revised.id = known.id)
    union all
    select
        {% for column in logged_columns(table) %}months.{{ column }}, {% endfor %}
        case
            when row_number() over (partition by id order by from_month, change_id) = 1 then {{ first_month() }}
            else from_month
        end as valid_from_month,
        to_month as valid_to_month
    from months
    where from_month < to_month
) as version
{{ survivor_join(table, 'version') }}
{%- if table == 'elder' %}
where survivor.merged_id is null
{%- endif %}
{% endif %}
{% endmacro %}

{# The records of a table as known at the cut-off and true at the end of the target period; with `file_order` where
   merged files have to agree. #}
{% macro records_at_period_end(table, with_file_order=false) %}
select
    {% for column in logged_columns(table) %}record.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    {%- if with_file_order %}, record.file_order{% endif %}
from ({{ record_versions(table) }}) as record
where record.valid_from_month <= {{ target_month() }} and {{ target_month() }} < record.valid_to_month
{% endmacro %}

{# The columns of a record as logged, `replaced` mapping names to other expressions. #}
{% macro record_columns_as_logged(table, replaced) -%}
    {%- for column in logged_columns(table) %}
        {{ replaced[column] ~ ' as ' ~ column if column in replaced else 'record.' ~ column }}
        {{- ',\n' if not loop.last -}}
    {%- endfor -%}
{%- endmacro %}

{# Whether a business date lies in the target period. #}
{% macro in_period(day) -%}
{{ day }} between date '{{ setting('period_start') }}' and date '{{ setting('period_end') }}'
{%- endmacro %}

{# Divisions above a village, from its code (GB/T 2260 and its extension: 2+2+2+3+3 digits). #}
{% macro county_code(division_code) -%} left({{ division_code }}, 6) || '000000' {%- endmacro %}
{% macro town_code(division_code) -%} left({{ division_code }}, 9) || '000' {%- endmacro %}
