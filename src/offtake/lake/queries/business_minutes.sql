-- A flag for each minute of the week, from Monday 00:00 on; null if the account has no business hours.
SELECT
    CASE
        WHEN EXISTS (SELECT 1 FROM business_hours) THEN list(is_open ORDER BY minute)
    END
FROM (
    SELECT
        minute,
        EXISTS (
            SELECT 1 FROM business_hours AS day
            WHERE CAST(day.weekday AS INTEGER) - 1 = minute // 1440
            AND minute % 1440 >= 60 * CAST(day.opens[1:2] AS INTEGER) + CAST(day.opens[4:5] AS INTEGER)
            AND minute % 1440 < 60 * CAST(day.closes[1:2] AS INTEGER) + CAST(day.closes[4:5] AS INTEGER)
        ) AS is_open
    FROM range(10080) AS week (minute)
)
