-- Authors of whom posts were received in the timespan, and how much. The filters look at each post and each response, so
-- the counts are of those that they let through.
WITH chosen_conversation AS (
    SELECT conversation.conversation_id, conversation.author_id
    FROM conversation
    LEFT JOIN queue ON queue.queue_id = conversation.queue_id
    WHERE
        -- A month's file may hold conversations from after the timespan: which are seen must not depend on that.
        conversation.created_at < $end
        AND chosen($priorities, conversation.priority)
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
        chosen_conversation.author_id AS conversation_author_id
    FROM post
    LEFT JOIN chosen_conversation ON chosen_conversation.conversation_id = post.conversation_id
    WHERE
        (post.kind = 'incoming' OR post.kind = 'response' AND post.delivery IS DISTINCT FROM 'failed')
        AND post.happened_at >= $start
        AND post.happened_at < $end
        AND fits_business_hours($business_hours, post.happened_at)
        -- A conversation that the lake does not know has no priority, no queue and no view: it passes where none is asked for.
        AND (
            chosen_conversation.conversation_id IS NOT NULL
            OR $priorities IS NULL AND $queue_ids IS NULL AND $smart_view_id IS NULL
        )
),

written AS (
    SELECT
        author_id,
        min(happened_at) AS first_post_at,
        max(happened_at) AS last_post_at,
        count(*) AS posts_count
    FROM document
    WHERE kind = 'incoming' AND author_id IS NOT NULL
    GROUP BY author_id
),

-- Apart from the other counts, because distinct values inside them would be kept in memory, and these can be spilled.
thread AS (
    SELECT DISTINCT author_id, conversation_id
    FROM document
    WHERE kind = 'incoming' AND author_id IS NOT NULL
),

thread_count AS (
    SELECT author_id, count(*) AS conversations_count
    FROM thread
    GROUP BY author_id
),

answered AS (
    SELECT incoming.post_id, incoming.happened_at, incoming.author_id
    FROM post AS incoming
    WHERE
        incoming.kind = 'incoming'
        AND incoming.happened_at < $end
        AND incoming.post_id IN (SELECT in_reply_to_post_id FROM document WHERE kind = 'response')
),

received AS (
    SELECT coalesce(answered.author_id, document.conversation_author_id) AS author_id, count(*) AS responses_count
    FROM document
    LEFT JOIN answered
        ON answered.post_id = document.in_reply_to_post_id AND answered.happened_at <= document.happened_at
    WHERE document.kind = 'response'
    GROUP BY coalesce(answered.author_id, document.conversation_author_id)
)

SELECT
    written.author_id,
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
    written.first_post_at,
    written.last_post_at,
    written.posts_count,
    thread_count.conversations_count,
    coalesce(received.responses_count, 0) AS responses_count
FROM written
INNER JOIN thread_count ON thread_count.author_id = written.author_id
LEFT JOIN received ON received.author_id = written.author_id
LEFT JOIN author ON author.author_id = written.author_id
