-- Posts received in the timespan, with the current state of their conversations.
WITH first_response AS (
    -- A response names the post that it answers. It is not earlier than that post, so the responses of the timespan are
    -- all that existed at its end. A failed response was not delivered.
    SELECT incoming.post_id, min(response.happened_at) AS sent_at
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
    GROUP BY incoming.post_id
)

SELECT
    post.post_id,
    post.number AS post_number,
    post.url,
    post.form,
    post.title,
    post.body,
    post.language,
    post.published_at,
    post.happened_at AS received_at,
    post.in_reply_to_post_id,
    post.is_private,
    post.is_source_deleted,
    in_business_hours(post.happened_at) AS is_in_business_hours,
    post.tags,
    post.sentiment,
    post.ingest_method,
    coalesce(conversation.network, author.network) AS network,
    -- A network instance belongs to one network, so both come from the same row.
    CASE
        WHEN conversation.network IS NULL THEN author.network_instance ELSE conversation.network_instance
    END AS network_instance,
    post.author_id,
    author.number AS author_number,
    author.name AS author_name,
    author.screen_name AS author_screen_name,
    post.conversation_id,
    conversation.number AS conversation_number,
    conversation.priority,
    number_or_id(queue.number, conversation.queue_id) AS queue_id,
    queue.name AS queue_name,
    first_response.sent_at IS NOT NULL AS is_answered,
    first_response.sent_at AS first_response_at
FROM post
LEFT JOIN conversation
    ON conversation.conversation_id = post.conversation_id
    AND in_partition(conversation.conversation_id)
LEFT JOIN author ON author.author_id = post.author_id
LEFT JOIN queue ON queue.queue_id = conversation.queue_id
LEFT JOIN first_response ON first_response.post_id = post.post_id
WHERE
    post.kind = 'incoming'
    AND post.happened_at >= $start
    AND post.happened_at < $end
    AND in_partition(post.conversation_id)
    AND fits_business_hours($business_hours, post.happened_at)
    -- The other filters apply to the conversation; one that the lake does not have has no priority, queue or view.
    AND chosen($priorities, conversation.priority)
    AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
    AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
