-- The work of agents on conversations in each bucket (`bucket_hour`): one row per agent, bucket and partition.
-- `agent_work` adds the partitions up, so averages are stored as sums and counts. Work on a conversation that the lake
-- does not have counts unless a filter of conversations is set.
WITH response AS (
    SELECT post.post_id, post.conversation_id, post.agent_id, post.happened_at, post.in_reply_to_post_id
    FROM post
    WHERE
        post.kind = 'response'
        AND post.delivery IS DISTINCT FROM 'failed'
        AND post.happened_at < $end
        AND in_partition(post.conversation_id)
),

answered_post AS (
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
    -- The first response of a conversation; of two at the same instant, the one with the smaller id.
    SELECT min({'at': happened_at, 'id': post_id}).id AS post_id
    FROM response
    WHERE conversation_id IN (SELECT conversation_id FROM response WHERE happened_at >= $start AND agent_id IS NOT NULL)
    GROUP BY conversation_id
),

-- Only the columns of conversations that are needed, so that posts and actions join narrow rows.
conversation_facts AS (
    SELECT
        conversation.conversation_id,
        conversation.created_at,
        conversation.direction,
        conversation.handle_milliseconds,
        chosen($priorities, conversation.priority)
        AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
            AS passes_filters
    FROM conversation
    LEFT JOIN queue ON queue.queue_id = conversation.queue_id
    WHERE in_partition(conversation.conversation_id)
),

agent_action AS (
    SELECT
        response.agent_id,
        response.conversation_id,
        response.happened_at,
        'RESPONSE' AS kind,
        first_response.post_id IS NOT NULL AS is_first_response,
        epoch_us(response.happened_at) - epoch_us(answered_post.happened_at) AS response_microseconds
    FROM response
    LEFT JOIN first_response ON first_response.post_id = response.post_id
    LEFT JOIN answered_post
        ON answered_post.post_id = response.in_reply_to_post_id
        AND answered_post.happened_at <= response.happened_at
    WHERE response.happened_at >= $start AND response.agent_id IS NOT NULL
    UNION ALL
    SELECT
        action.agent_id,
        action.conversation_id,
        action.happened_at,
        CASE WHEN action.kind IN ('CLAIMED', 'CLOSED', 'REOPENED', 'NOTE_ADDED') THEN action.kind ELSE 'OTHER' END,
        false,
        NULL
    FROM conversation_action AS action
    WHERE
        action.agent_id IS NOT NULL
        AND action.happened_at >= $start
        AND action.happened_at < $end
        AND in_partition(action.conversation_id)
),

conversation_work AS (
    SELECT
        agent_action.agent_id,
        bucket_hour.bucket,
        agent_action.conversation_id,
        count(*) FILTER (agent_action.kind = 'RESPONSE') AS responses,
        count(*) FILTER (agent_action.kind <> 'RESPONSE') AS actions,
        count(*) FILTER (agent_action.kind = 'NOTE_ADDED') AS notes,
        count(*) FILTER (agent_action.kind = 'CLAIMED') AS claims,
        count(*) FILTER (agent_action.kind = 'CLOSED') AS closings,
        count(*) FILTER (agent_action.kind = 'REOPENED') AS reopenings,
        sum(agent_action.response_microseconds) AS response_microseconds,
        count(agent_action.response_microseconds) AS response_times,
        -- A conversation into which another was merged may have a history from before its creation.
        sum(greatest(epoch_us(agent_action.happened_at) - epoch_us(conversation_facts.created_at), 0))
            FILTER (agent_action.is_first_response AND conversation_facts.direction = 'inbound')
            AS first_response_microseconds,
        count(*) FILTER (agent_action.is_first_response AND conversation_facts.direction = 'inbound')
            AS first_response_times,
        max(greatest(epoch_us(agent_action.happened_at) - epoch_us(conversation_facts.created_at), 0))
            FILTER (agent_action.kind = 'CLOSED' AND conversation_facts.created_at IS NOT NULL) AS close_microseconds,
        max(conversation_facts.handle_milliseconds) FILTER (agent_action.kind = 'CLOSED') AS handle_milliseconds
    FROM agent_action
    INNER JOIN bucket_hour
        ON bucket_hour.hour = epoch_us(agent_action.happened_at) // 3600000000
        AND bucket_hour.start_micros <= epoch_us(agent_action.happened_at)
        AND bucket_hour.end_micros > epoch_us(agent_action.happened_at)
    LEFT JOIN conversation_facts ON conversation_facts.conversation_id = agent_action.conversation_id
    WHERE
        fits_business_hours($business_hours, agent_action.happened_at)
        -- A conversation that the lake does not have has no priority, queue or view.
        AND coalesce(
            conversation_facts.passes_filters,
            $priorities IS NULL AND $queue_ids IS NULL AND $smart_view_id IS NULL
        )
    GROUP BY agent_action.agent_id, bucket_hour.bucket, agent_action.conversation_id
)

SELECT
    agent_id,
    bucket,
    CAST(sum(responses) AS BIGINT) AS responses,
    CAST(sum(actions) AS BIGINT) AS actions,
    CAST(sum(notes) AS BIGINT) AS notes,
    count(*) FILTER (responses > 0) AS conversations_responded,
    count(*) FILTER (claims > 0) AS conversations_claimed,
    count(*) FILTER (closings > 0) AS conversations_closed,
    count(*) FILTER (reopenings > 0) AS conversations_reopened,
    sum(response_microseconds) AS response_microseconds,
    sum(response_times) AS response_times,
    sum(first_response_microseconds) AS first_response_microseconds,
    sum(first_response_times) AS first_response_times,
    sum(close_microseconds) AS close_microseconds,
    count(close_microseconds) AS close_times,
    sum(handle_milliseconds) AS handle_milliseconds,
    count(handle_milliseconds) AS handle_times
FROM conversation_work
GROUP BY agent_id, bucket
