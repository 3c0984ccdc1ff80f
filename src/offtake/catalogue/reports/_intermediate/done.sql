-- The work of agents on conversations in each bucket: the sum of the partitions of `work`.
SELECT
    agent_id,
    bucket,
    CAST(sum(responses) AS BIGINT) AS responses,
    CAST(sum(actions) AS BIGINT) AS actions,
    CAST(sum(notes) AS BIGINT) AS notes,
    CAST(sum(responded) AS BIGINT) AS responded,
    CAST(sum(claimed) AS BIGINT) AS claimed,
    CAST(sum(closed) AS BIGINT) AS closed,
    CAST(sum(reopened) AS BIGINT) AS reopened,
    sum(waited) // nullif(sum(waits), 0) AS wait,
    sum(waited_first) // nullif(sum(first_waits), 0) AS first_wait,
    sum(time_to_close) // nullif(sum(times_to_close), 0) AS time_to_close,
    sum(handle_milliseconds) // nullif(sum(handle_times), 0) AS handle_milliseconds
FROM work
GROUP BY agent_id, bucket
