{# Materialization `versioned`: a mart's rows go into an append-only store, one partition for each version.

   `store.<mart>` is list-partitioned by version_id. A version is mart x period x build; pipelines/release.py registers
   the versions of a build in release.version before dbt starts. Each partition is filled as a table of its own and
   then attached, which lets readers of the other partitions read on. The view `candidate.<mart>` shows the versions of
   this build: tests and the quality gate read it. Nothing that was published is touched. See docs/adr/0001. #}

{% macro mart_column_names() -%}
    {{ return(model.columns.values() | map(attribute='name') | list) }}
{%- endmacro %}

{% macro ensure_store(store) %}
    {% call statement('store', auto_begin=True) %}
        create table if not exists {{ store }} (
            version_id bigint not null,
            {% for column in model.columns.values() -%}
            {{ column.name }} {{ column.data_type }}{{ ',' if not loop.last }}
            {% endfor -%}
        ) partition by list (version_id)
    {% endcall %}
    {% set existing = adapter.get_columns_in_relation(store) | map(attribute='name') | list %}
    {% for column in model.columns.values() if column.name not in existing %}
        {% call statement('store_column') %}
            alter table {{ store }} add column {{ column.name }} {{ column.data_type }}
        {% endcall %}
    {% endfor %}
{% endmacro %}

{% materialization versioned, adapter='postgres' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set store = api.Relation.create(
        database=this.database, schema='store', identifier=this.identifier, type='table') -%}
    {%- set columns = mart_column_names() | join(', ') -%}
    {%- set versions = run_query(
        "select version_id, period from release.version where build_id = " ~ setting('build_id')
        ~ " and mart = '" ~ this.identifier ~ "' order by version_id").rows -%}
    {%- if not versions -%}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ ' has no versions in build ' ~ setting('build_id') ~ ': start a build with `huiyang refresh`') }}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {{ get_assert_columns_equivalent(sql) }}
    {% do ensure_store(store) %}

    {% call statement('main') %}
        create temporary table mart_rows on commit drop as
        select {{ columns }} from ({{ sql }}) as mart
    {% endcall %}

    {% for version in versions %}
        {%- set partition = store.incorporate(path={'identifier': this.identifier ~ '_v' ~ version['version_id']}) -%}
        {% call statement('partition') %}
            -- A retried step meets what its first try left.
            drop table if exists {{ partition }};
            create table {{ partition }} (
                like {{ store }} including all,
                constraint is_version check (version_id = {{ version['version_id'] }})
            );
            insert into {{ partition }} (version_id, {{ columns }})
            select {{ version['version_id'] }}, {{ columns }} from mart_rows where period = '{{ version["period"] }}';
            alter table {{ store }} attach partition {{ partition }} for values in ({{ version['version_id'] }});
            analyze {{ partition }};
            update release.version set row_count = (select count(*) from {{ partition }})
            where version_id = {{ version['version_id'] }}
        {% endcall %}
    {% endfor %}

    {% set strays = run_query(
        "select distinct period from mart_rows where period is null or period not in ('"
        ~ versions | map(attribute='period') | join("', '") ~ "')").rows %}
    {% if strays %}
        {{ exceptions.raise_compiler_error(this.identifier ~ ' has rows of periods that are not built: '
            ~ strays | map(attribute='period') | join(', ')) }}
    {% endif %}

    {% call statement('candidate') %}
        drop view if exists {{ target_relation }};
        create view {{ target_relation }} as
        select {{ columns }} from {{ store }}
        where version_id in ({{ versions | map(attribute='version_id') | join(', ') }})
    {% endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
