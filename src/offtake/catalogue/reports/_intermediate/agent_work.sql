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
    rounded_seconds(sum(response_microseconds), 1000000 * sum(response_times)) AS average_response_seconds,
    rounded_seconds(sum(first_response_microseconds), 1000000 * sum(first_response_times))
        AS average_first_response_seconds,
    rounded_seconds(sum(close_microseconds), 1000000 * sum(close_times)) AS average_close_seconds,
    rounded_seconds(sum(handle_milliseconds), 1000 * sum(handle_times)) AS average_handle_seconds
FROM partition_work
GROUP BY agent_id, bucket
