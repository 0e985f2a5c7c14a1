{# Every period of the build has rows: what is counted by division is counted everywhere, if with zero. #}
{% test every_period(model, rows) %}
select
    period.period,
    count(mart.period) as found
from {{ ref('int_period') }} as period
left join {{ model }} as mart on mart.period = period.period
group by period.period
having count(mart.period) < {{ rows }}
{% endtest %}
