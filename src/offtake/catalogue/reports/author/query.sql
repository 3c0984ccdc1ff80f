-- Authors whose posts were received in the timespan, with counts. The filters apply to each post and each response, so
-- the counts include only those that pass.
WITH matching_conversation AS (
    SELECT conversation.conversation_id, conversation.author_id
    FROM conversation
    LEFT JOIN queue ON queue.queue_id = conversation.queue_id
    WHERE
        chosen($priorities, conversation.priority)
        AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
),

document AS (
    SELECT
        post.kind,
        post.happened_at,
        post.conversation_id,
        post.author_id,
        post.in_reply_to_post_id,
        matching_conversation.author_id AS conversation_author_id
    FROM post
    LEFT JOIN matching_conversation ON matching_conversation.conversation_id = post.conversation_id
    WHERE
        (post.kind = 'incoming' OR post.kind = 'response' AND post.delivery IS DISTINCT FROM 'failed')
        AND post.happened_at >= $start
        AND post.happened_at < $end
        AND fits_business_hours($business_hours, post.happened_at)
        -- A conversation that the lake does not have has no priority, queue or view; it passes if none is requested.
        AND (
            matching_conversation.conversation_id IS NOT NULL
            OR $priorities IS NULL AND $queue_ids IS NULL AND $smart_view_id IS NULL
        )
),

incoming_totals AS (
    SELECT
        author_id,
        min(happened_at) AS first_post_at,
        max(happened_at) AS last_post_at,
        count(*) AS posts_count
    FROM document
    WHERE kind = 'incoming' AND author_id IS NOT NULL
    GROUP BY author_id
),

-- A separate aggregate, because distinct values inside the other counts cannot spill, and these can.
author_conversation AS (
    SELECT DISTINCT author_id, conversation_id
    FROM document
    WHERE kind = 'incoming' AND author_id IS NOT NULL
),

author_conversation_count AS (
    SELECT author_id, count(*) AS conversations_count
    FROM author_conversation
    GROUP BY author_id
),

answered_post AS (
    SELECT incoming.post_id, incoming.happened_at, incoming.author_id
    FROM post AS incoming
    WHERE
        incoming.kind = 'incoming'
        AND incoming.happened_at < $end
        AND incoming.post_id IN (SELECT in_reply_to_post_id FROM document WHERE kind = 'response')
),

response_totals AS (
    SELECT coalesce(answered_post.author_id, document.conversation_author_id) AS author_id, count(*) AS responses_count
    FROM document
    LEFT JOIN answered_post
        ON answered_post.post_id = document.in_reply_to_post_id AND answered_post.happened_at <= document.happened_at
    WHERE document.kind = 'response'
    GROUP BY coalesce(answered_post.author_id, document.conversation_author_id)
)

SELECT
    incoming_totals.author_id,
    author.number AS author_number,
    author.person_id,
    author.name AS author_name,
    author.screen_name,
    author.network,
    author.network_instance,
    author.network_author_id,
    author.profile_url,
    author.tags,
    author.notes_count,
    incoming_totals.first_post_at,
    incoming_totals.last_post_at,
    incoming_totals.posts_count,
    author_conversation_count.conversations_count,
    coalesce(response_totals.responses_count, 0) AS responses_count
FROM incoming_totals
INNER JOIN author_conversation_count ON author_conversation_count.author_id = incoming_totals.author_id
LEFT JOIN response_totals ON response_totals.author_id = incoming_totals.author_id
LEFT JOIN author ON author.author_id = incoming_totals.author_id
