{# What engines say differently. Another engine is another dispatch, not another model. #}

{% macro local_date(instant) -%} {{ return(adapter.dispatch('local_date')(instant)) }} {%- endmacro %}

{# The business date (Asia/Shanghai) of an instant. #}
{% macro default__local_date(instant) -%} cast({{ instant }} at time zone 'Asia/Shanghai' as date) {%- endmacro %}

{% macro month_number(day) -%} {{ return(adapter.dispatch('month_number')(day)) }} {%- endmacro %}

{# Months since the year 0: whole-month comparisons become those of integers. date_part is faster than extract here. #}
{% macro default__month_number(day) -%}
cast(date_part('year', {{ day }}) * 12 + date_part('month', {{ day }}) - 1 as integer)
{%- endmacro %}

{% macro median(expression) -%} {{ return(adapter.dispatch('median')(expression)) }} {%- endmacro %}

{% macro default__median(expression) -%} percentile_cont(0.5) within group (order by {{ expression }}) {%- endmacro %}

{% macro seconds_between(first, last) -%} {{ return(adapter.dispatch('seconds_between')(first, last)) }} {%- endmacro %}

{% macro default__seconds_between(first, last) -%} extract(epoch from {{ last }} - {{ first }}) {%- endmacro %}
