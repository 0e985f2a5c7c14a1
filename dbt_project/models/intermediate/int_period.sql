-- The periods of this build.
select
    period,
    period_end,
    {{ month_number('period_end') }} as month_number
from (
    values
    {% for period in setting('periods') %}
        (
            '{{ period.period }}',
            date '{{ period.period_end }}'
        ){{ ',' if not loop.last }}
    {% endfor %}
) as given (period, period_end)
