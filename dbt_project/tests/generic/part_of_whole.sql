{# No part is negative or greater than its whole. #}
{% test part_of_whole(model, whole, parts) %}
select *
from {{ model }}
where
    {{ whole }} < 0
    {% for part in parts -%}
    or {{ part }} < 0 or {{ part }} > {{ whole }}
    {% endfor %}
{% endtest %}
