-- Responses sent in the timespan, with what they answer and what their conversations are now.
WITH asked_for AS NOT MATERIALIZED ( -- reading ids again is cheaper than keeping them
    SELECT response.conversation_id, response.in_reply_to_post_id
    FROM post AS response
    WHERE
        response.kind = 'response'
        AND response.happened_at >= $start
        AND response.happened_at < $end
        AND in_partition(response.conversation_id)
),

answered AS (
    SELECT incoming.post_id, incoming.happened_at, incoming.author_id
    FROM post AS incoming
    WHERE
        incoming.kind = 'incoming'
        AND incoming.happened_at < $end
        AND incoming.post_id IN (SELECT in_reply_to_post_id FROM asked_for)
),

opener AS (
    -- The first response of a conversation: of two at the same instant the one with the smaller id, so that there is one.
    SELECT min({'at': earlier.happened_at, 'id': earlier.post_id}).id AS post_id
    FROM post AS earlier
    WHERE
        earlier.kind = 'response'
        AND earlier.delivery IS DISTINCT FROM 'failed'
        AND earlier.happened_at < $end
        AND in_partition(earlier.conversation_id)
        AND earlier.conversation_id IN (SELECT conversation_id FROM asked_for)
    GROUP BY earlier.conversation_id
),

tagging AS (
    SELECT conversation_id, tag_id, attached_at, detached_at
    FROM conversation_tag
    WHERE
        attached_at < $end
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM asked_for)
),

known_tag AS (
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
    answered.happened_at AS in_reply_to_received_at,
    seconds_between(answered.happened_at, post.happened_at) AS time_to_respond_seconds,
    opener.post_id IS NOT NULL AS is_first_response,
    post.is_private,
    in_business_hours(post.happened_at) AS is_in_business_hours,
    coalesce(conversation.network, author.network) AS network,
    coalesce(answered.author_id, conversation.author_id) AS author_id,
    author.number AS author_number,
    author.name AS author_name,
    author.screen_name AS author_screen_name,
    post.conversation_id,
    conversation.number AS conversation_number,
    conversation.priority,
    number_or_id(queue.number, conversation.queue_id) AS queue_id,
    queue.name AS queue_name,
    carried.tag_names AS conversation_tags
FROM post
-- A month's file may hold conversations from after the timespan: which ones are seen must not depend on that.
LEFT JOIN conversation
    ON conversation.conversation_id = post.conversation_id
    AND conversation.created_at < $end
    AND in_partition(conversation.conversation_id)
LEFT JOIN answered ON answered.post_id = post.in_reply_to_post_id AND answered.happened_at <= post.happened_at
LEFT JOIN opener ON opener.post_id = post.post_id
LEFT JOIN tags_carried('tagging', 'known_tag', $end) AS carried ON carried.conversation_id = post.conversation_id
LEFT JOIN agent ON agent.agent_id = post.agent_id
LEFT JOIN team ON team.team_id = post.team_id
LEFT JOIN author ON author.author_id = coalesce(answered.author_id, conversation.author_id)
LEFT JOIN queue ON queue.queue_id = conversation.queue_id
WHERE
    post.kind = 'response'
    AND post.happened_at >= $start
    AND post.happened_at < $end
    AND in_partition(post.conversation_id)
    AND fits_business_hours($business_hours, post.happened_at)
    -- The other filters look at the conversation: one that the lake does not know has no priority, no queue and no view.
    AND chosen($priorities, conversation.priority)
    AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
    AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
