-- Responses sent in the timespan, with the posts they answer and the current state of their conversations.
WITH timespan_response AS NOT MATERIALIZED ( -- reading ids twice takes less memory than storing them
    SELECT response.conversation_id, response.in_reply_to_post_id
    FROM post AS response
    WHERE
        response.kind = 'response'
        AND response.happened_at >= $start
        AND response.happened_at < $end
        AND in_partition(response.conversation_id)
),

answered_post AS (
    SELECT incoming.post_id, incoming.happened_at, incoming.author_id
    FROM post AS incoming
    WHERE
        incoming.kind = 'incoming'
        AND incoming.happened_at < $end
        AND incoming.post_id IN (SELECT in_reply_to_post_id FROM timespan_response)
),

first_response AS (
    -- The first response of a conversation; of two at the same instant, the one with the smaller id.
    SELECT min({'at': earlier.happened_at, 'id': earlier.post_id}).id AS post_id
    FROM post AS earlier
    WHERE
        earlier.kind = 'response'
        AND earlier.delivery IS DISTINCT FROM 'failed'
        AND earlier.happened_at < $end
        AND in_partition(earlier.conversation_id)
        AND earlier.conversation_id IN (SELECT conversation_id FROM timespan_response)
    GROUP BY earlier.conversation_id
),

tagging AS (
    SELECT conversation_id, tag_id, attached_at, detached_at
    FROM conversation_tag
    WHERE
        attached_at < $end
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM timespan_response)
),

named_tag AS (
    SELECT tag_id AS id, name FROM tag
)

SELECT
    agent.name AS agent_name,
    agent.email AS agent_email,
    post.post_id AS response_id,
    number_or_id(agent.number, post.agent_id) AS agent_id,
    team.name AS team_name,
    post.happened_at AS sent_at,
    post.body,
    post.url,
    post.delivery,
    post.in_reply_to_post_id,
    answered_post.happened_at AS in_reply_to_received_at,
    seconds_between(answered_post.happened_at, post.happened_at) AS time_to_respond_seconds,
    first_response.post_id IS NOT NULL AS is_first_response,
    post.is_private,
    in_business_hours(post.happened_at) AS is_in_business_hours,
    coalesce(conversation.network, author.network) AS network,
    coalesce(answered_post.author_id, conversation.author_id) AS author_id,
    author.number AS author_number,
    author.name AS author_name,
    author.screen_name AS author_screen_name,
    post.conversation_id,
    conversation.number AS conversation_number,
    conversation.priority,
    number_or_id(queue.number, conversation.queue_id) AS queue_id,
    queue.name AS queue_name,
    tags_at_end.tag_names AS conversation_tags
FROM post
LEFT JOIN conversation
    ON conversation.conversation_id = post.conversation_id
    AND in_partition(conversation.conversation_id)
LEFT JOIN answered_post
    ON answered_post.post_id = post.in_reply_to_post_id
    AND answered_post.happened_at <= post.happened_at
LEFT JOIN first_response ON first_response.post_id = post.post_id
LEFT JOIN attached_tags('tagging', 'named_tag', $end) AS tags_at_end
    ON tags_at_end.conversation_id = post.conversation_id
LEFT JOIN agent ON agent.agent_id = post.agent_id
LEFT JOIN team ON team.team_id = post.team_id
LEFT JOIN author ON author.author_id = coalesce(answered_post.author_id, conversation.author_id)
LEFT JOIN queue ON queue.queue_id = conversation.queue_id
WHERE
    post.kind = 'response'
    AND post.happened_at >= $start
    AND post.happened_at < $end
    AND in_partition(post.conversation_id)
    AND fits_business_hours($business_hours, post.happened_at)
    -- The other filters apply to the conversation; one that the lake does not have has no priority, queue or view.
    AND chosen($priorities, conversation.priority)
    AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
    AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
