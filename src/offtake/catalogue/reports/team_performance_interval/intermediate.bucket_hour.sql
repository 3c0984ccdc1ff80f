-- The buckets of the timespan: one row for each hour since 1970 that a bucket overlaps. Facts join their bucket by the
-- hour, so that millions of facts need not be sorted, for any kind of bucket.
WITH bucket_rule AS (
    SELECT $interval_milliseconds > 604800000 OR $interval_milliseconds IN (86400000, 604800000) AS is_by_calendar
),

local_midnight AS (
    -- Midnights in the zone: of days, of Mondays, of the first of each month.
    SELECT unnest(CASE
        WHEN $interval_milliseconds > 604800000 THEN generate_series(
            date_trunc('month', $start AT TIME ZONE $zone), $end AT TIME ZONE $zone + INTERVAL 1 DAY, INTERVAL 1 MONTH
        )
        WHEN $interval_milliseconds = 604800000 THEN generate_series(
            date_trunc('week', $start AT TIME ZONE $zone), $end AT TIME ZONE $zone + INTERVAL 1 DAY, INTERVAL 7 DAY
        )
        ELSE generate_series(
            date_trunc('day', $start AT TIME ZONE $zone), $end AT TIME ZONE $zone + INTERVAL 1 DAY, INTERVAL 1 DAY
        )
    END) AS midnight
    FROM bucket_rule
    WHERE bucket_rule.is_by_calendar
),

bucket_start AS (
    SELECT $start AS starts_at
    UNION
    SELECT instant_of_midnight(midnight, $zone) FROM local_midnight
    UNION
    SELECT make_timestamptz(unnest(range(
        epoch_us($start), epoch_us($end), 1000 * CAST($interval_milliseconds AS BIGINT)
    )))
    FROM bucket_rule
    WHERE NOT bucket_rule.is_by_calendar
),

bucket AS (
    SELECT
        starts_at,
        lead(starts_at, 1, $end) OVER (ORDER BY starts_at) AS ends_at,
        CAST(row_number() OVER (ORDER BY starts_at) AS INTEGER) AS number
    FROM bucket_start
    WHERE starts_at >= $start AND starts_at < $end
)

SELECT
    number AS bucket,
    starts_at,
    ends_at,
    epoch_us(starts_at) AS start_micros,
    epoch_us(ends_at) AS end_micros,
    unnest(range(epoch_us(starts_at) // 3600000000, (epoch_us(ends_at) - 1) // 3600000000 + 1)) AS hour
FROM bucket
