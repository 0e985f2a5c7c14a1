{# A variable of this build. A refresh gives them as JSON in the environment: a changed `--vars` makes dbt parse the
   whole project anew (seconds), a changed environment does not. Without it the values of dbt_project.yml hold. #}
{% macro setting(name) %}
    {%- set given = env_var('HUIYANG_BUILD', '') if execute else '' -%}
    {{ return(fromjson(given)[name] if given else var(name)) }}
{% endmacro %}
