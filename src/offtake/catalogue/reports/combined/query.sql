-- Incoming posts and responses of the timespan in one list, with what their conversations are now. The columns that both
-- have describe the document whichever way it went.
WITH asked_for AS NOT MATERIALIZED ( -- reading ids again is cheaper than keeping them
    SELECT document.conversation_id, document.in_reply_to_post_id, document.kind
    FROM post AS document
    WHERE
        document.kind IN ('incoming', 'response')
        AND document.happened_at >= $start
        AND document.happened_at < $end
        AND in_partition(document.conversation_id)
),

answered AS (
    SELECT incoming.post_id, incoming.happened_at, incoming.author_id
    FROM post AS incoming
    WHERE
        incoming.kind = 'incoming'
        AND incoming.happened_at < $end
        AND incoming.post_id IN (SELECT in_reply_to_post_id FROM asked_for WHERE kind = 'response')
),

answer AS (
    -- A response is not earlier than the post it answers, so those of the timespan are all that its posts had at its end;
    -- a failed one was not delivered.
    SELECT response.in_reply_to_post_id AS post_id, min(response.happened_at) AS first_at
    FROM post AS response
    INNER JOIN post AS asked
        ON asked.post_id = response.in_reply_to_post_id
        AND asked.kind = 'incoming'
        AND asked.happened_at <= response.happened_at
        AND asked.happened_at >= $start
        AND asked.happened_at < $end
        AND in_partition(asked.conversation_id)
    WHERE
        response.kind = 'response'
        AND response.delivery IS DISTINCT FROM 'failed'
        AND response.happened_at >= $start
        AND response.happened_at < $end
    GROUP BY response.in_reply_to_post_id
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
        AND earlier.conversation_id IN (SELECT conversation_id FROM asked_for WHERE kind = 'response')
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
),

document AS (
    SELECT
        post.*,
        post.kind = 'response' AS is_response,
        CASE
            WHEN post.kind = 'incoming' THEN post.author_id
            ELSE coalesce(answered.author_id, conversation.author_id)
        END AS other_side_id,
        answered.happened_at AS answered_at,
        conversation.conversation_id AS known_conversation_id,
        conversation.number AS conversation_number,
        conversation.priority,
        conversation.queue_id,
        conversation.network,
        conversation.network_instance
    FROM post
    -- A month's file may hold conversations from after the timespan: which ones are seen must not depend on that.
    LEFT JOIN conversation
        ON conversation.conversation_id = post.conversation_id
        AND conversation.created_at < $end
        AND in_partition(conversation.conversation_id)
    LEFT JOIN answered
        ON answered.post_id = CASE WHEN post.kind = 'response' THEN post.in_reply_to_post_id END
        AND answered.happened_at <= post.happened_at
    WHERE
        post.kind IN ('incoming', 'response')
        AND post.happened_at >= $start
        AND post.happened_at < $end
        AND in_partition(post.conversation_id)
        AND fits_business_hours($business_hours, post.happened_at)
)

SELECT
    CASE WHEN document.is_response THEN 'RESPONSE' ELSE 'INCOMING' END AS direction,
    document.post_id,
    document.number AS post_number,
    document.url,
    document.form,
    document.title,
    document.body,
    document.language,
    document.published_at,
    document.happened_at AS received_at,
    document.in_reply_to_post_id,
    document.is_private,
    document.is_source_deleted,
    in_business_hours(document.happened_at) AS is_in_business_hours,
    document.tags,
    document.sentiment,
    document.ingest_method,
    coalesce(document.network, author.network) AS network,
    -- A presence belongs to its network, so the two are taken from the same side.
    CASE WHEN document.network IS NULL THEN author.network_instance ELSE document.network_instance END AS network_instance,
    document.other_side_id AS author_id,
    author.number AS author_number,
    author.name AS author_name,
    author.screen_name AS author_screen_name,
    document.conversation_id,
    document.conversation_number,
    document.priority,
    number_or_id(queue.number, document.queue_id) AS queue_id,
    queue.name AS queue_name,
    CASE WHEN NOT document.is_response THEN answer.first_at IS NOT NULL END AS is_answered,
    answer.first_at AS first_response_at,
    CASE WHEN document.is_response THEN agent.name END AS agent_name,
    CASE WHEN document.is_response THEN agent.email END AS agent_email,
    CASE WHEN document.is_response THEN document.post_id END AS response_id,
    CASE WHEN document.is_response THEN number_or_id(agent.number, document.agent_id) END AS agent_id,
    CASE WHEN document.is_response THEN team.name END AS team_name,
    CASE WHEN document.is_response THEN document.happened_at END AS sent_at,
    CASE WHEN document.is_response THEN document.body END AS response_body,
    CASE WHEN document.is_response THEN document.url END AS response_url,
    CASE WHEN document.is_response THEN document.delivery END AS delivery,
    CASE WHEN document.is_response THEN document.in_reply_to_post_id END AS response_in_reply_to_post_id,
    document.answered_at AS in_reply_to_received_at,
    seconds_between(document.answered_at, document.happened_at) AS time_to_respond_seconds,
    CASE WHEN document.is_response THEN opener.post_id IS NOT NULL END AS is_first_response,
    CASE WHEN document.is_response THEN in_business_hours(document.happened_at) END AS is_sent_in_business_hours,
    carried.tag_names AS conversation_tags
FROM document
LEFT JOIN author ON author.author_id = document.other_side_id
LEFT JOIN queue ON queue.queue_id = document.queue_id
LEFT JOIN answer ON answer.post_id = document.post_id
LEFT JOIN opener ON opener.post_id = document.post_id
LEFT JOIN tags_carried('tagging', 'known_tag', $end) AS carried ON carried.conversation_id = document.conversation_id
LEFT JOIN agent ON agent.agent_id = document.agent_id
LEFT JOIN team ON team.team_id = document.team_id
WHERE
    -- The filters look at the conversation: one that the lake does not know has no priority, no queue and no view.
    chosen($priorities, document.priority)
    AND chosen($queue_ids, number_or_id(queue.number, document.queue_id))
    AND ($smart_view_id IS NULL OR document.known_conversation_id IN (SELECT conversation_id FROM in_smart_view))
