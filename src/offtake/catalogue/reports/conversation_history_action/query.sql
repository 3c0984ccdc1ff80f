-- Conversations with an action in the timespan, each with its whole history: from its first action, maybe years ago, to
-- the last one known when the export was ordered.
WITH touched AS (
    SELECT DISTINCT action.conversation_id
    FROM conversation_action AS action
    WHERE
        action.happened_at >= $start
        AND action.happened_at < $end
        AND in_partition(action.conversation_id)
        AND action.happened_at <= $as_of
),

-- Filters come before the history is put in order, so that only what is shown is sorted.
picked AS (
    SELECT
        touched.conversation_id,
        conversation.number AS conversation_number,
        upper(conversation.status) AS status,
        conversation.priority,
        conversation.queue_id,
        number_or_id(queue.number, conversation.queue_id) AS shown_queue_id,
        conversation.network,
        conversation.author_id
    FROM touched
    -- A month's file may hold conversations from after the timespan: which ones are seen must not depend on that.
    LEFT JOIN conversation
        ON conversation.conversation_id = touched.conversation_id
        AND conversation.created_at < $end
        AND in_partition(conversation.conversation_id)
    LEFT JOIN queue ON queue.queue_id = conversation.queue_id
    WHERE
        -- One that the lake does not know has no priority, no queue and no view.
        chosen($priorities, conversation.priority)
        AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
),

-- Numbers and gaps are those of the whole history. The filter by business hours then leaves out actions by their own time,
-- and the cap counts what is left, because it is there to keep the file small.
history AS (
    SELECT
        action.*,
        fits_business_hours($business_hours, action.happened_at) AS is_shown,
        row_number() OVER from_the_oldest AS sequence,
        lag(action.happened_at) OVER from_the_oldest AS previous_at,
        count(*) FILTER (WHERE fits_business_hours($business_hours, action.happened_at)) OVER (
            from_the_oldest ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS newer_actions
    FROM conversation_action AS action
    WHERE
        action.happened_at <= $as_of
        AND in_partition(action.conversation_id)
        AND action.conversation_id IN (SELECT conversation_id FROM picked)
    WINDOW from_the_oldest AS (PARTITION BY action.conversation_id ORDER BY action.happened_at, action.action_id)
),

numbered AS (
    -- What an action concerns may be a post of any conversation.
    SELECT post.post_id, post.number
    FROM post
    WHERE
        post.happened_at <= $as_of
        AND post.post_id IN (
            SELECT named.post_id
            FROM conversation_action AS named
            WHERE named.happened_at <= $as_of AND in_partition(named.conversation_id)
        )
)

SELECT
    history.action_id,
    history.happened_at,
    history.kind,
    history.detail,
    history.actor,
    number_or_id(agent.number, history.agent_id) AS agent_id,
    agent.name AS agent_name,
    agent.email AS agent_email,
    team.name AS team_name,
    history.old_value,
    history.new_value,
    history.conversation_id,
    picked.conversation_number,
    picked.status,
    picked.priority,
    picked.shown_queue_id AS queue_id,
    queue.name AS queue_name,
    picked.network,
    picked.author_id,
    author.name AS author_name,
    post.number AS post_number,
    history.sequence,
    seconds_between(history.previous_at, history.happened_at) AS since_previous_seconds
FROM history
INNER JOIN picked ON picked.conversation_id = history.conversation_id
LEFT JOIN numbered AS post ON post.post_id = history.post_id
LEFT JOIN agent ON agent.agent_id = history.agent_id
LEFT JOIN team ON team.team_id = history.team_id
LEFT JOIN queue ON queue.queue_id = picked.queue_id
LEFT JOIN author ON author.author_id = picked.author_id
WHERE history.is_shown AND history.newer_actions < $actions_cap
