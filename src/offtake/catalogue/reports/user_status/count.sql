-- A stay has a row for its end and one for each start of a month that it contains.
WITH local_month_start AS (
    SELECT unnest(generate_series(
        date_trunc('month', $start AT TIME ZONE $account_zone),
        date_trunc('month', $end AT TIME ZONE $account_zone) + INTERVAL 1 MONTH,
        INTERVAL 1 MONTH
    )) AS midnight
),

month_start AS (
    SELECT instant_of_midnight(midnight, $account_zone) AS starts_at
    FROM local_month_start
)

SELECT coalesce(sum(
    CASE WHEN ended_at >= $start AND ended_at < $end THEN 1 ELSE 0 END
    + len(list_filter(
        (SELECT coalesce(list(starts_at), []) FROM month_start WHERE starts_at >= $start AND starts_at < $end),
        lambda month: started_at < month AND (ended_at > month OR ended_at IS NULL AND month <= $as_of)
    ))
), 0)
FROM agent_state
WHERE started_at < $end AND (ended_at >= $start OR ended_at IS NULL)
