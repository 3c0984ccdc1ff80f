-- The timespan is the one bucket, by the hours since 1970 that it meets: as facts find it in `work`.
SELECT
    1 AS bucket,
    epoch_us($start) AS start_micros,
    epoch_us($end) AS end_micros,
    unnest(range(epoch_us($start) // 3600000000, (epoch_us($end) - 1) // 3600000000 + 1)) AS hour
