-- What agents did to conversations in each bucket (`piece`): a row per agent and bucket in each part, so that the query that reads
-- it adds the parts up. Averages are kept as sums and counts for that. A fact whose conversation the lake does not know
-- counts as long as no filter about conversations is on.
WITH response AS (
    SELECT post.conversation_id, post.agent_id, post.happened_at, post.in_reply_to_post_id
    FROM post
    WHERE
        post.kind = 'response'
        AND post.delivery IS DISTINCT FROM 'failed'
        AND post.happened_at < $end
        AND in_partition(post.conversation_id)
),

asked AS (
    SELECT incoming.post_id, incoming.happened_at
    FROM post AS incoming
    WHERE
        incoming.kind = 'incoming'
        AND incoming.happened_at < $end
        AND incoming.post_id IN (
            SELECT in_reply_to_post_id FROM response WHERE happened_at >= $start AND agent_id IS NOT NULL
        )
),

first_response AS (
    SELECT conversation_id, min(happened_at) AS happened_at
    FROM response
    GROUP BY conversation_id
),

-- Conversations as far as they matter here, so that posts and actions meet one narrow row each.
about AS (
    SELECT
        conversation.conversation_id,
        conversation.created_at,
        CASE WHEN conversation.direction = 'inbound' THEN first_response.happened_at END AS first_response_at,
        conversation.handle_milliseconds,
        chosen($priorities, conversation.priority)
        AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
            AS is_wanted
    FROM conversation
    LEFT JOIN first_response ON first_response.conversation_id = conversation.conversation_id
    LEFT JOIN queue ON queue.queue_id = conversation.queue_id
    WHERE
        conversation.created_at < $end
        AND in_partition(conversation.conversation_id)
),

deed AS (
    SELECT
        response.agent_id,
        response.conversation_id,
        response.happened_at,
        'RESPONSE' AS kind,
        epoch_us(response.happened_at) - epoch_us(asked.happened_at) AS waited
    FROM response
    LEFT JOIN asked ON asked.post_id = response.in_reply_to_post_id AND asked.happened_at <= response.happened_at
    WHERE response.happened_at >= $start AND response.agent_id IS NOT NULL
    UNION ALL
    SELECT
        action.agent_id,
        action.conversation_id,
        action.happened_at,
        CASE WHEN action.kind IN ('CLAIMED', 'CLOSED', 'REOPENED', 'NOTE_ADDED') THEN action.kind ELSE 'OTHER' END,
        NULL
    FROM conversation_action AS action
    WHERE
        action.agent_id IS NOT NULL
        AND action.happened_at >= $start
        AND action.happened_at < $end
        AND in_partition(action.conversation_id)
),

touched AS (
    SELECT
        deed.agent_id,
        piece.bucket,
        deed.conversation_id,
        count(*) FILTER (deed.kind = 'RESPONSE') AS responses,
        count(*) FILTER (deed.kind <> 'RESPONSE') AS actions,
        count(*) FILTER (deed.kind = 'NOTE_ADDED') AS notes,
        count(*) FILTER (deed.kind = 'CLAIMED') AS claims,
        count(*) FILTER (deed.kind = 'CLOSED') AS closings,
        count(*) FILTER (deed.kind = 'REOPENED') AS reopenings,
        sum(deed.waited) AS waited,
        count(deed.waited) AS waits,
        -- A conversation that another was merged into may have a history from before its creation.
        sum(greatest(epoch_us(deed.happened_at) - epoch_us(about.created_at), 0))
            FILTER (deed.kind = 'RESPONSE' AND deed.happened_at = about.first_response_at) AS waited_first,
        count(*) FILTER (deed.kind = 'RESPONSE' AND deed.happened_at = about.first_response_at) AS first_waits,
        max(greatest(epoch_us(deed.happened_at) - epoch_us(about.created_at), 0))
            FILTER (deed.kind = 'CLOSED' AND about.created_at IS NOT NULL) AS time_to_close,
        max(about.handle_milliseconds) FILTER (deed.kind = 'CLOSED') AS handle_milliseconds
    FROM deed
    INNER JOIN piece
        ON piece.hour = epoch_us(deed.happened_at) // 3600000000
        AND piece.start_micros <= epoch_us(deed.happened_at)
        AND piece.end_micros > epoch_us(deed.happened_at)
    LEFT JOIN about ON about.conversation_id = deed.conversation_id
    WHERE
        fits_business_hours($business_hours, deed.happened_at)
        -- A conversation that the lake does not know has no priority, no queue and no view.
        AND coalesce(about.is_wanted, $priorities IS NULL AND $queue_ids IS NULL AND $smart_view_id IS NULL)
    GROUP BY deed.agent_id, piece.bucket, deed.conversation_id
)

SELECT
    agent_id,
    bucket,
    CAST(sum(responses) AS BIGINT) AS responses,
    CAST(sum(actions) AS BIGINT) AS actions,
    CAST(sum(notes) AS BIGINT) AS notes,
    count(*) FILTER (responses > 0) AS responded,
    count(*) FILTER (claims > 0) AS claimed,
    count(*) FILTER (closings > 0) AS closed,
    count(*) FILTER (reopenings > 0) AS reopened,
    sum(waited) AS waited,
    sum(waits) AS waits,
    sum(waited_first) AS waited_first,
    sum(first_waits) AS first_waits,
    sum(time_to_close) AS time_to_close,
    count(time_to_close) AS times_to_close,
    sum(handle_milliseconds) AS handle_milliseconds,
    count(handle_milliseconds) AS handle_times
FROM touched
GROUP BY agent_id, bucket
