-- Incoming posts and responses of the timespan in one list, with the current state of their conversations. Columns that
-- both have describe the document, whether it was received or sent.
WITH timespan_document AS NOT MATERIALIZED ( -- reading ids twice takes less memory than storing them
    SELECT document.conversation_id, document.in_reply_to_post_id, document.kind
    FROM post AS document
    WHERE
        document.kind IN ('incoming', 'response')
        AND document.happened_at >= $start
        AND document.happened_at < $end
        AND in_partition(document.conversation_id)
),

answered_post AS (
    SELECT incoming.post_id, incoming.happened_at, incoming.author_id
    FROM post AS incoming
    WHERE
        incoming.kind = 'incoming'
        AND incoming.happened_at < $end
        AND incoming.post_id IN (SELECT in_reply_to_post_id FROM timespan_document WHERE kind = 'response')
),

first_response_to_post AS (
    -- A response is not earlier than its post, so the responses of the timespan are all that its posts had at its end.
    -- A failed response was not delivered.
    SELECT response.in_reply_to_post_id AS post_id, min(response.happened_at) AS sent_at
    FROM post AS response
    INNER JOIN post AS incoming
        ON incoming.post_id = response.in_reply_to_post_id
        AND incoming.kind = 'incoming'
        AND incoming.happened_at <= response.happened_at
        AND incoming.happened_at >= $start
        AND incoming.happened_at < $end
        AND in_partition(incoming.conversation_id)
    WHERE
        response.kind = 'response'
        AND response.delivery IS DISTINCT FROM 'failed'
        AND response.happened_at >= $start
        AND response.happened_at < $end
    GROUP BY response.in_reply_to_post_id
),

first_response_in_conversation AS (
    -- The first response of a conversation; of two at the same instant, the one with the smaller id.
    SELECT min({'at': earlier.happened_at, 'id': earlier.post_id}).id AS post_id
    FROM post AS earlier
    WHERE
        earlier.kind = 'response'
        AND earlier.delivery IS DISTINCT FROM 'failed'
        AND earlier.happened_at < $end
        AND in_partition(earlier.conversation_id)
        AND earlier.conversation_id IN (SELECT conversation_id FROM timespan_document WHERE kind = 'response')
    GROUP BY earlier.conversation_id
),

tagging AS (
    SELECT conversation_id, tag_id, attached_at, detached_at
    FROM conversation_tag
    WHERE
        attached_at < $end
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM timespan_document)
),

named_tag AS (
    SELECT tag_id AS id, name FROM tag
),

document AS (
    SELECT
        post.*,
        post.kind = 'response' AS is_response,
        CASE
            WHEN post.kind = 'incoming' THEN post.author_id
            ELSE coalesce(answered_post.author_id, conversation.author_id)
        END AS counterpart_id,
        answered_post.happened_at AS answered_post_received_at,
        conversation.conversation_id AS lake_conversation_id,
        conversation.number AS conversation_number,
        conversation.priority,
        conversation.queue_id,
        conversation.network,
        conversation.network_instance
    FROM post
    LEFT JOIN conversation
        ON conversation.conversation_id = post.conversation_id
        AND in_partition(conversation.conversation_id)
    LEFT JOIN answered_post
        ON answered_post.post_id = CASE WHEN post.kind = 'response' THEN post.in_reply_to_post_id END
        AND answered_post.happened_at <= post.happened_at
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
    -- A network instance belongs to one network, so both come from the same row.
    CASE
        WHEN document.network IS NULL THEN author.network_instance ELSE document.network_instance
    END AS network_instance,
    document.counterpart_id AS author_id,
    author.number AS author_number,
    author.name AS author_name,
    author.screen_name AS author_screen_name,
    document.conversation_id,
    document.conversation_number,
    document.priority,
    number_or_id(queue.number, document.queue_id) AS queue_id,
    queue.name AS queue_name,
    CASE WHEN NOT document.is_response THEN first_response_to_post.sent_at IS NOT NULL END AS is_answered,
    first_response_to_post.sent_at AS first_response_at,
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
    document.answered_post_received_at AS in_reply_to_received_at,
    seconds_between(document.answered_post_received_at, document.happened_at) AS time_to_respond_seconds,
    CASE WHEN document.is_response THEN first_response_in_conversation.post_id IS NOT NULL END AS is_first_response,
    CASE WHEN document.is_response THEN in_business_hours(document.happened_at) END AS is_sent_in_business_hours,
    tags_at_end.tag_names AS conversation_tags
FROM document
LEFT JOIN author ON author.author_id = document.counterpart_id
LEFT JOIN queue ON queue.queue_id = document.queue_id
LEFT JOIN first_response_to_post ON first_response_to_post.post_id = document.post_id
LEFT JOIN first_response_in_conversation
    ON first_response_in_conversation.post_id = document.post_id
LEFT JOIN attached_tags('tagging', 'named_tag', $end) AS tags_at_end
    ON tags_at_end.conversation_id = document.conversation_id
LEFT JOIN agent ON agent.agent_id = document.agent_id
LEFT JOIN team ON team.team_id = document.team_id
WHERE
    -- The filters apply to the conversation; one that the lake does not have has no priority, queue or view.
    chosen($priorities, document.priority)
    AND chosen($queue_ids, number_or_id(queue.number, document.queue_id))
    AND ($smart_view_id IS NULL OR document.lake_conversation_id IN (SELECT conversation_id FROM in_smart_view))
