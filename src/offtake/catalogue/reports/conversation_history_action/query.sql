-- Conversations with an action in the timespan, each with its whole history: from its first action, possibly years ago,
-- to the last one known when the export was created. The filters select conversations and leave no gap in a history.
WITH active_conversation AS (
    SELECT DISTINCT action.conversation_id
    FROM conversation_action AS action
    WHERE
        action.happened_at >= $start
        AND action.happened_at < $end
        AND in_partition(action.conversation_id)
        AND action.happened_at <= $as_of
        AND fits_business_hours($business_hours, action.happened_at)
),

-- The filters apply before the history is sorted, so that only rows of the result are sorted.
selected_conversation AS (
    SELECT
        active_conversation.conversation_id,
        conversation.number AS conversation_number,
        upper(conversation.status) AS status,
        conversation.priority,
        conversation.queue_id,
        number_or_id(queue.number, conversation.queue_id) AS published_queue_id,
        conversation.network,
        conversation.author_id
    FROM active_conversation
    LEFT JOIN conversation
        ON conversation.conversation_id = active_conversation.conversation_id
        AND in_partition(conversation.conversation_id)
    LEFT JOIN queue ON queue.queue_id = conversation.queue_id
    WHERE
        -- A conversation that the lake does not have has no priority, queue or view.
        chosen($priorities, conversation.priority)
        AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
),

history AS (
    SELECT
        action.*,
        row_number() OVER oldest_first AS sequence,
        lag(action.happened_at) OVER oldest_first AS previous_at,
        count(*) OVER (oldest_first ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS newer_actions
    FROM conversation_action AS action
    WHERE
        action.happened_at <= $as_of
        AND in_partition(action.conversation_id)
        AND action.conversation_id IN (SELECT conversation_id FROM selected_conversation)
    WINDOW oldest_first AS (PARTITION BY action.conversation_id ORDER BY action.happened_at, action.action_id)
),

named_post AS (
    -- The object of an action may be a post of any conversation and of any time, such as a draft that is sent later.
    SELECT post.post_id, post.number
    FROM post
    WHERE
        post.post_id IN (
            SELECT action.post_id
            FROM conversation_action AS action
            WHERE action.happened_at <= $as_of AND in_partition(action.conversation_id)
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
    selected_conversation.conversation_number,
    selected_conversation.status,
    selected_conversation.priority,
    selected_conversation.published_queue_id AS queue_id,
    queue.name AS queue_name,
    selected_conversation.network,
    selected_conversation.author_id,
    author.name AS author_name,
    post.number AS post_number,
    history.sequence,
    seconds_between(history.previous_at, history.happened_at) AS since_previous_seconds
FROM history
INNER JOIN selected_conversation ON selected_conversation.conversation_id = history.conversation_id
LEFT JOIN named_post AS post ON post.post_id = history.post_id
LEFT JOIN agent ON agent.agent_id = history.agent_id
LEFT JOIN team ON team.team_id = history.team_id
LEFT JOIN queue ON queue.queue_id = selected_conversation.queue_id
LEFT JOIN author ON author.author_id = selected_conversation.author_id
WHERE history.newer_actions < $actions_cap
