{# One row for each combination of the columns that are the grain. #}
{% test unique_grain(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
