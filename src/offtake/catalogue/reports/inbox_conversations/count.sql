-- The activity of a conversation is joined to it by grouping the rows of the tables.
WITH viewer AS (
    SELECT agent_id FROM agent WHERE is_active AND lower(trim(email)) = $viewer_email
),

visible_inbox AS (
    SELECT inbox_id
    FROM inbox
    WHERE
        is_shared
        AND chosen($inbox_ids, inbox_id)
        AND (
            $viewer_email IS NULL
            OR inbox_id IN (SELECT inbox_id FROM inbox_member WHERE agent_id IN (SELECT agent_id FROM viewer))
            OR $inboxes_without_members
            AND EXISTS (SELECT 1 FROM viewer)
            AND inbox_id NOT IN (SELECT inbox_id FROM inbox_member)
        )
),

fact AS (
    SELECT conversation_id, true AS is_conversation
    FROM conversation
    WHERE in_partition(conversation_id) AND inbox_id IN (SELECT inbox_id FROM visible_inbox)
    UNION ALL
    SELECT conversation_id, false
    FROM post
    WHERE
        happened_at >= $start
        AND happened_at < $end
        AND (kind = 'incoming' OR (kind = 'response' AND delivery IS DISTINCT FROM 'failed'))
        AND in_partition(conversation_id)
    UNION ALL
    SELECT conversation_id, false
    FROM conversation_action
    WHERE
        happened_at >= $start
        AND happened_at < $end
        AND kind IN ('CLOSED', 'REOPENED')
        AND in_partition(conversation_id)
)

SELECT count(*)
FROM (
    SELECT conversation_id
    FROM fact
    GROUP BY conversation_id
    HAVING bool_or(is_conversation) AND NOT bool_and(is_conversation)
)
