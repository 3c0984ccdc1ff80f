-- The history of a conversation is joined to it by grouping the rows of both tables.
WITH fact AS (
    SELECT conversation_id, created_at, status, NULL AS kind, NULL AS happened_at
    FROM conversation
    WHERE
        in_partition(conversation_id)
        AND fits_business_hours($business_hours, created_at)
        AND chosen($priorities, priority)
    UNION ALL
    SELECT conversation_id, NULL, NULL, kind, happened_at
    FROM conversation_action
    WHERE kind IN ('CLOSED', 'REOPENED') AND $selection <> 'created' AND in_partition(conversation_id)
),

history AS (
    SELECT
        max(created_at) AS created_at, -- null: the lake has actions only, or the filters exclude the conversation
        max(status) AS status,
        max(happened_at) FILTER (kind = 'CLOSED' AND happened_at < $end) AS closed_at,
        max(happened_at) FILTER (kind = 'REOPENED' AND happened_at < $end) AS reopened_at,
        min(happened_at) FILTER (kind = 'CLOSED' AND happened_at >= $end) AS next_closed_at,
        min(happened_at) FILTER (kind = 'REOPENED' AND happened_at >= $end) AS next_reopened_at
    FROM fact
    GROUP BY conversation_id
)

SELECT count(*)
FROM history
WHERE
    CASE $selection
        WHEN 'created' THEN created_at >= $start AND created_at < $end
        WHEN 'closed' THEN created_at IS NOT NULL AND closed_at >= $start
        ELSE created_at < $end
            AND CASE
                WHEN closed_at IS NOT NULL OR reopened_at IS NOT NULL
                    THEN coalesce(reopened_at >= closed_at, closed_at IS NULL)
                WHEN next_closed_at IS NOT NULL OR next_reopened_at IS NOT NULL
                    THEN coalesce(next_closed_at <= next_reopened_at, next_reopened_at IS NULL)
                ELSE status <> 'closed'
            END
    END
