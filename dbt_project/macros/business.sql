{# Business terms that more than one model uses. #}

{# A family bed that was opened; one closed without a date counts as never open, since nobody knows until when. #}
{% macro is_open_family_bed(bed) -%}
{{ bed }}.opened_on is not null and not ({{ bed }}.status = 'closed' and {{ bed }}.closed_on is null)
{%- endmacro %}

{# Joins the Chinese label of a code as <name>.label. #}
{% macro join_label(name, code_list, column) -%}
left join {{ ref('ref_code_label') }} as {{ name }}
    on {{ name }}.code_list = '{{ code_list }}' and {{ name }}.value = {{ column }}
{%- endmacro %}

{# WGS-84 to GCJ-02, as huiyang/geodesy.py (the test holds the two together); for points in China only. #}
{% macro gcj02_common(x) -%}
(20 * sin(6 * pi() * ({{ x }})) + 20 * sin(2 * pi() * ({{ x }}))) * 2 / 3
{%- endmacro %}

{% macro longitude_gcj02(longitude, latitude) -%}
{%- set x = '(' ~ longitude ~ ' - 105.0)' -%}
{%- set y = '(' ~ latitude ~ ' - 35.0)' -%}
{{ longitude }} + degrees(
    (
        300 + {{ x }} + 2 * {{ y }} + 0.1 * {{ x }} * {{ x }} + 0.1 * {{ x }} * {{ y }} + 0.1 * sqrt(abs({{ x }}))
        + {{ gcj02_common(x) }}
        + (20 * sin(pi() * {{ x }}) + 40 * sin(pi() / 3 * {{ x }})) * 2 / 3
        + (150 * sin(pi() / 12 * {{ x }}) + 300 * sin(pi() / 30 * {{ x }})) * 2 / 3
    )
    * sqrt(1 - 0.00669342162296594323 * power(sin(radians({{ latitude }})), 2))
    / (6378245.0 * cos(radians({{ latitude }})))
)
{%- endmacro %}

{% macro latitude_gcj02(longitude, latitude) -%}
{%- set x = '(' ~ longitude ~ ' - 105.0)' -%}
{%- set y = '(' ~ latitude ~ ' - 35.0)' -%}
{{ latitude }} + degrees(
    (
        -100 + 2 * {{ x }} + 3 * {{ y }} + 0.2 * {{ y }} * {{ y }} + 0.1 * {{ x }} * {{ y }} + 0.2 * sqrt(abs({{ x }}))
        + {{ gcj02_common(x) }}
        + (20 * sin(pi() * {{ y }}) + 40 * sin(pi() / 3 * {{ y }})) * 2 / 3
        + (160 * sin(pi() / 12 * {{ y }}) + 320 * sin(pi() / 30 * {{ y }})) * 2 / 3
    )
    * power(1 - 0.00669342162296594323 * power(sin(radians({{ latitude }})), 2), 1.5)
    / (6378245.0 * (1 - 0.00669342162296594323))
)
{%- endmacro %}

{# GB/T 37276, five grades; not rated and not stated read the same to a viewer. #}
{% macro grade_label(grade) -%}
case {{ grade }} when 1 then '一星' when 2 then '二星' when 3 then '三星' when 4 then '四星' when 5 then '五星' else '未评定' end
{%- endmacro %}

{# A mart by town added up by reporting unit and period; `sums` maps new names to expressions over `fact`. #}
{% macro by_unit(relation, sums) %}
    select
        unit_town.unit_code,
        fact.period,
        {%- for name, expression in sums.items() %}
        sum({{ expression }}) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }} as fact
    inner join {{ ref('int_unit_town') }} as unit_town on unit_town.town_code = fact.town_code
    group by unit_town.unit_code, fact.period
{% endmacro %}
