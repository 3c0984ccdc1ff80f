-- The work of agents on conversations in each bucket: the sum of the partitions of `partition_work`.
SELECT
    agent_id,
    bucket,
    CAST(sum(responses) AS BIGINT) AS responses,
    CAST(sum(actions) AS BIGINT) AS actions,
    CAST(sum(notes) AS BIGINT) AS notes,
    CAST(sum(conversations_responded) AS BIGINT) AS conversations_responded,
    CAST(sum(conversations_claimed) AS BIGINT) AS conversations_claimed,
    CAST(sum(conversations_closed) AS BIGINT) AS conversations_closed,
    CAST(sum(conversations_reopened) AS BIGINT) AS conversations_reopened,
    sum(response_microseconds) // nullif(sum(response_times), 0) AS average_response_microseconds,
    sum(first_response_microseconds) // nullif(sum(first_response_times), 0) AS average_first_response_microseconds,
    sum(close_microseconds) // nullif(sum(close_times), 0) AS average_close_microseconds,
    sum(handle_milliseconds) // nullif(sum(handle_times), 0) AS average_handle_milliseconds
FROM partition_work
GROUP BY agent_id, bucket
