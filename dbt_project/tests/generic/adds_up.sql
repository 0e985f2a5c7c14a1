{# The parts add up to the whole in every row. #}
{% test adds_up(model, whole, parts) %}
select *
from {{ model }}
where {{ whole }} <> {{ parts | join(' + ') }}
{% endtest %}
