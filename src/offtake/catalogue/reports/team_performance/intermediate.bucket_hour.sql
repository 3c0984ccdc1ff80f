-- The timespan as the only bucket: one row for each hour since 1970 that it overlaps. `partition_work` joins facts to
-- it by the hour.
SELECT
    1 AS bucket,
    epoch_us($start) AS start_micros,
    epoch_us($end) AS end_micros,
    unnest(range(epoch_us($start) // 3600000000, (epoch_us($end) - 1) // 3600000000 + 1)) AS hour
