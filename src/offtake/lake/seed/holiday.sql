-- Holidays: New Year's Day and Christmas Day of the last two years, and the last Sunday of the plan's days, on which no
-- call counts as within business hours.
WITH last_day AS (
    SELECT at_micros(getvariable('ends_at') - 86400000000) AS midnight
)
SELECT strftime(make_date(year(midnight) - back, month, day), '%Y-%m-%d') AS day, name
FROM last_day, range(2) AS years (back), (VALUES (1, 1, 'New Year'), (12, 25, NULL)) AS feast (month, day, name)
UNION ALL
SELECT strftime(midnight - to_days(isodow(midnight) % 7), '%Y-%m-%d'), 'Företagets dag, "intern"'
FROM last_day
