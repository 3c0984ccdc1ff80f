-- Actions in the timespan, with the current state of their conversations, which may have been created later: an
-- outbound conversation begins when its first message is sent.
WITH named_post AS (
    -- The object of an action may be a post of any conversation and of any time, such as a draft that is sent later.
    SELECT post.post_id, post.number
    FROM post
    WHERE
        post.post_id IN (
            SELECT action.post_id
            FROM conversation_action AS action
            WHERE
                action.happened_at >= $start
                AND action.happened_at < $end
                AND in_partition(action.conversation_id)
        )
)

SELECT
    action.action_id,
    action.happened_at,
    action.kind,
    action.detail,
    action.actor,
    number_or_id(agent.number, action.agent_id) AS agent_id,
    agent.name AS agent_name,
    agent.email AS agent_email,
    team.name AS team_name,
    action.old_value,
    action.new_value,
    action.conversation_id,
    conversation.number AS conversation_number,
    upper(conversation.status) AS status,
    conversation.priority,
    number_or_id(queue.number, conversation.queue_id) AS queue_id,
    queue.name AS queue_name,
    conversation.network,
    conversation.author_id,
    author.name AS author_name,
    post.number AS post_number
FROM conversation_action AS action
LEFT JOIN conversation
    ON conversation.conversation_id = action.conversation_id
    AND in_partition(conversation.conversation_id)
LEFT JOIN named_post AS post ON post.post_id = action.post_id
LEFT JOIN agent ON agent.agent_id = action.agent_id
LEFT JOIN team ON team.team_id = action.team_id
LEFT JOIN queue ON queue.queue_id = conversation.queue_id
LEFT JOIN author ON author.author_id = conversation.author_id
WHERE
    action.happened_at >= $start
    AND action.happened_at < $end
    AND in_partition(action.conversation_id)
    AND fits_business_hours($business_hours, action.happened_at)
    -- The filters apply to the conversation; one that the lake does not have has no priority, queue or view.
    AND chosen($priorities, conversation.priority)
    AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
    AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
