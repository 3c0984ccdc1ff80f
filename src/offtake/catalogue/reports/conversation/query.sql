-- Conversations that were open at the end of the timespan, or were closed or created in it. The attributes of a
-- conversation are the current ones; its events are counted up to the end of the timespan.
WITH agent_id AS (
    SELECT agent.agent_id
    FROM agent
    UNION
    -- All agents who closed a conversation, also those that the lake does not have.
    SELECT action.agent_id
    FROM conversation_action AS action
    WHERE
        action.happened_at < $end
        AND action.kind = 'CLOSED'
        AND action.agent_id IS NOT NULL
        AND in_partition(action.conversation_id)
),

person AS (
    SELECT
        agent_id.agent_id,
        agent.number,
        agent.name,
        agent.email,
        row_number() OVER (ORDER BY agent_id.agent_id) AS position
    FROM agent_id
    LEFT JOIN agent ON agent.agent_id = agent_id.agent_id
),

turn AS (
    SELECT
        action.conversation_id,
        max(action.happened_at) FILTER (action.kind = 'CLOSED') AS closed_at,
        max(action.happened_at) FILTER (action.kind = 'REOPENED') AS reopened_at,
        count(*) FILTER (action.kind = 'REOPENED') AS reopenings,
        bool_or(action.kind = 'CLOSED' AND action.happened_at >= $start) AS is_closed_inside,
        -- The agent of the last closing. Of closings at the same instant the choice must be deterministic; an agent
        -- precedes a missing agent. Positions instead of ids keep the state of the aggregate small.
        arg_max(
            coalesce(person.position, 0),
            CAST(epoch_us(action.happened_at) AS HUGEINT) * 4294967296 + coalesce(person.position, 0)
        ) FILTER (action.kind = 'CLOSED') AS closer
    FROM conversation_action AS action
    LEFT JOIN person ON person.agent_id = action.agent_id
    WHERE
        action.happened_at < $end
        AND action.kind IN ('CLOSED', 'REOPENED')
        AND in_partition(action.conversation_id)
    GROUP BY action.conversation_id
),

picked AS MATERIALIZED ( -- the events of only these conversations are counted
    SELECT
        conversation.conversation_id,
        turn.closed_at,
        turn.reopened_at,
        turn.reopenings,
        turn.closer
    FROM conversation
    LEFT JOIN turn ON turn.conversation_id = conversation.conversation_id
    LEFT JOIN queue ON queue.queue_id = conversation.queue_id
    WHERE
        conversation.created_at < $end
        AND in_partition(conversation.conversation_id)
        AND CASE $selection
            WHEN 'created' THEN conversation.created_at >= $start
            -- Every closing counts, also one that was undone; a conversation that was closed twice has one row.
            WHEN 'closed' THEN coalesce(turn.is_closed_inside, false)
            -- The history decides, because the row has the current status. Of a closing and a reopening at the same
            -- instant the reopening counts, so that no open conversation is missed.
            ELSE turn.closed_at IS NULL OR coalesce(turn.reopened_at >= turn.closed_at, false)
        END
        AND fits_business_hours($business_hours, conversation.created_at)
        AND chosen($priorities, conversation.priority)
        AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
),

noted AS (
    SELECT action.conversation_id, count(*) AS notes
    FROM conversation_action AS action
    WHERE
        action.happened_at < $end
        AND action.kind = 'NOTE_ADDED'
        AND in_partition(action.conversation_id)
        AND action.conversation_id IN (SELECT conversation_id FROM picked)
    GROUP BY action.conversation_id
),

written AS (
    SELECT
        post.conversation_id,
        count(*) FILTER (post.kind = 'incoming') AS incoming_posts,
        count(*) FILTER (post.kind = 'response') AS responses,
        min(post.happened_at) FILTER (post.kind = 'response') AS first_response_at,
        max(post.happened_at) FILTER (post.kind = 'response') AS last_response_at
    FROM post
    WHERE
        post.happened_at < $end
        AND (post.kind = 'incoming' OR post.kind = 'response' AND post.delivery IS DISTINCT FROM 'failed')
        AND in_partition(post.conversation_id)
        AND post.conversation_id IN (SELECT conversation_id FROM picked)
    GROUP BY post.conversation_id
),

tagging AS (
    SELECT conversation_id, tag_id, attached_at, detached_at
    FROM conversation_tag
    WHERE
        attached_at < $end
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM picked)
),

known_tag AS (
    SELECT tag_id AS id, name FROM tag
)

SELECT
    conversation.conversation_id,
    upper(conversation.status) AS status,
    number_or_id(assigned.number, conversation.assigned_agent_id) AS assigned_agent_id,
    conversation.number AS conversation_number,
    conversation.url,
    conversation.priority,
    number_or_id(queue.number, conversation.queue_id) AS queue_id,
    queue.name AS queue_name,
    carried.tag_names,
    conversation.network,
    conversation.network_instance,
    assigned.name AS assigned_agent_name,
    assigned.email AS assigned_agent_email,
    team.name AS assigned_team_name,
    conversation.author_id,
    author.name AS author_name,
    author.screen_name AS author_screen_name,
    conversation.created_at,
    conversation.response_timer_started_at,
    conversation.due_at,
    written.first_response_at,
    written.last_response_at,
    picked.closed_at,
    picked.reopened_at,
    conversation.snoozed_until_at,
    conversation.disposition,
    conversation.custom_disposition,
    number_or_id(closer.number, closer.agent_id) AS closed_by_agent_id,
    closer.name AS closed_by_agent_name,
    coalesce(written.incoming_posts, 0) AS incoming_posts,
    coalesce(written.responses, 0) AS responses,
    coalesce(noted.notes, 0) AS notes,
    coalesce(picked.reopenings, 0) AS reopenings,
    -- A conversation into which another was merged may have a history from before its creation.
    CASE
        WHEN conversation.direction = 'inbound' AND written.first_response_at IS NOT NULL
            THEN greatest(seconds_between(conversation.created_at, written.first_response_at), 0)
    END AS time_to_first_response_seconds,
    CASE
        WHEN picked.closed_at IS NOT NULL THEN greatest(seconds_between(conversation.created_at, picked.closed_at), 0)
    END AS time_to_close_seconds,
    conversation.handle_milliseconds,
    conversation.needs_attention AS is_attention_needed,
    in_business_hours(conversation.created_at) AS is_created_in_business_hours,
    conversation.is_private
FROM conversation
INNER JOIN picked ON picked.conversation_id = conversation.conversation_id
LEFT JOIN noted ON noted.conversation_id = conversation.conversation_id
LEFT JOIN written ON written.conversation_id = conversation.conversation_id
LEFT JOIN tags_carried('tagging', 'known_tag', $end) AS carried ON carried.conversation_id = conversation.conversation_id
LEFT JOIN person AS assigned ON assigned.agent_id = conversation.assigned_agent_id
LEFT JOIN person AS closer ON closer.position = picked.closer
LEFT JOIN team ON team.team_id = conversation.assigned_team_id
LEFT JOIN queue ON queue.queue_id = conversation.queue_id
LEFT JOIN author ON author.author_id = conversation.author_id
WHERE conversation.created_at < $end AND in_partition(conversation.conversation_id)
