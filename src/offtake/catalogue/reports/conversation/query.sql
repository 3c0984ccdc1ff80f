-- Conversations that were open at the end of the timespan, or were closed or created in it. The attributes of a
-- conversation are the current ones; its events are counted up to the end of the timespan.
WITH listed_agent AS (
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

numbered_agent AS (
    SELECT
        listed_agent.agent_id,
        agent.number,
        agent.name,
        agent.email,
        row_number() OVER (ORDER BY listed_agent.agent_id) AS agent_index
    FROM listed_agent
    LEFT JOIN agent ON agent.agent_id = listed_agent.agent_id
),

closing_history AS (
    SELECT
        action.conversation_id,
        max(action.happened_at) FILTER (action.kind = 'CLOSED' AND action.happened_at < $end) AS closed_at,
        max(action.happened_at) FILTER (action.kind = 'REOPENED' AND action.happened_at < $end) AS reopened_at,
        min(action.happened_at) FILTER (action.kind = 'CLOSED' AND action.happened_at >= $end) AS next_closed_at,
        min(action.happened_at) FILTER (action.kind = 'REOPENED' AND action.happened_at >= $end) AS next_reopened_at,
        count(*) FILTER (action.kind = 'REOPENED' AND action.happened_at < $end) AS reopenings,
        bool_or(action.kind = 'CLOSED' AND action.happened_at >= $start AND action.happened_at < $end)
            AS is_closed_inside,
        -- The agent of the last closing. Of closings at the same instant the choice must be deterministic; an agent
        -- precedes a missing agent. Positions instead of ids keep the state of the aggregate small.
        arg_max(
            coalesce(numbered_agent.agent_index, 0),
            CAST(epoch_us(action.happened_at) AS HUGEINT) * 4294967296 + coalesce(numbered_agent.agent_index, 0)
        ) FILTER (action.kind = 'CLOSED' AND action.happened_at < $end) AS closing_agent_index
    FROM conversation_action AS action
    LEFT JOIN numbered_agent ON numbered_agent.agent_id = action.agent_id
    WHERE
        action.kind IN ('CLOSED', 'REOPENED')
        AND in_partition(action.conversation_id)
    GROUP BY action.conversation_id
),

selected_conversation AS MATERIALIZED ( -- the events of only these conversations are counted
    SELECT
        conversation.conversation_id,
        closing_history.closed_at,
        closing_history.reopened_at,
        closing_history.reopenings,
        closing_history.closing_agent_index
    FROM conversation
    LEFT JOIN closing_history ON closing_history.conversation_id = conversation.conversation_id
    LEFT JOIN queue ON queue.queue_id = conversation.queue_id
    WHERE
        in_partition(conversation.conversation_id)
        AND CASE $selection
            WHEN 'created' THEN conversation.created_at >= $start AND conversation.created_at < $end
            -- Every closing counts, also one that was undone; a conversation that was closed twice has one row.
            WHEN 'closed' THEN coalesce(closing_history.is_closed_inside, false)
            -- The history decides, because the row has the current status. Of a closing and a reopening at the same
            -- instant the reopening is the later one, so that no open conversation is missed.
            ELSE conversation.created_at < $end
                AND CASE
                    WHEN coalesce(closing_history.closed_at, closing_history.reopened_at) IS NOT NULL
                        THEN coalesce(
                            closing_history.reopened_at >= closing_history.closed_at, closing_history.closed_at IS NULL
                        )
                    -- Without a change before the end, the first one after it tells the state before: only an open
                    -- conversation is closed, and only a closed one is reopened.
                    WHEN coalesce(closing_history.next_closed_at, closing_history.next_reopened_at) IS NOT NULL
                        THEN coalesce(
                            closing_history.next_closed_at <= closing_history.next_reopened_at,
                            closing_history.next_reopened_at IS NULL
                        )
                    -- Without any, the current status is the only evidence.
                    ELSE conversation.status <> 'closed'
                END
        END
        AND fits_business_hours($business_hours, conversation.created_at)
        AND chosen($priorities, conversation.priority)
        AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
),

note_totals AS (
    SELECT action.conversation_id, count(*) AS notes
    FROM conversation_action AS action
    WHERE
        action.happened_at < $end
        AND action.kind = 'NOTE_ADDED'
        AND in_partition(action.conversation_id)
        AND action.conversation_id IN (SELECT conversation_id FROM selected_conversation)
    GROUP BY action.conversation_id
),

post_totals AS (
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
        AND post.conversation_id IN (SELECT conversation_id FROM selected_conversation)
    GROUP BY post.conversation_id
),

tagging AS (
    SELECT conversation_id, tag_id, attached_at, detached_at
    FROM conversation_tag
    WHERE
        attached_at < $end
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM selected_conversation)
),

named_tag AS (
    SELECT tag_id AS id, name FROM tag
)

SELECT
    conversation.conversation_id,
    upper(conversation.status) AS status,
    number_or_id(assigned_agent.number, conversation.assigned_agent_id) AS assigned_agent_id,
    conversation.number AS conversation_number,
    conversation.url,
    conversation.priority,
    number_or_id(queue.number, conversation.queue_id) AS queue_id,
    queue.name AS queue_name,
    tags_at_end.tag_names,
    conversation.network,
    conversation.network_instance,
    assigned_agent.name AS assigned_agent_name,
    assigned_agent.email AS assigned_agent_email,
    team.name AS assigned_team_name,
    conversation.author_id,
    author.name AS author_name,
    author.screen_name AS author_screen_name,
    conversation.created_at,
    conversation.response_timer_started_at,
    conversation.due_at,
    post_totals.first_response_at,
    post_totals.last_response_at,
    selected_conversation.closed_at,
    selected_conversation.reopened_at,
    conversation.snoozed_until_at,
    conversation.disposition,
    conversation.custom_disposition,
    number_or_id(closing_agent.number, closing_agent.agent_id) AS closed_by_agent_id,
    closing_agent.name AS closed_by_agent_name,
    coalesce(post_totals.incoming_posts, 0) AS incoming_posts,
    coalesce(post_totals.responses, 0) AS responses,
    coalesce(note_totals.notes, 0) AS notes,
    coalesce(selected_conversation.reopenings, 0) AS reopenings,
    -- A conversation into which another was merged may have a history from before its creation.
    CASE
        WHEN conversation.direction = 'inbound' AND post_totals.first_response_at IS NOT NULL
            THEN greatest(seconds_between(conversation.created_at, post_totals.first_response_at), 0)
    END AS time_to_first_response_seconds,
    CASE
        WHEN selected_conversation.closed_at IS NOT NULL
            THEN greatest(seconds_between(conversation.created_at, selected_conversation.closed_at), 0)
    END AS time_to_close_seconds,
    conversation.handle_milliseconds,
    conversation.needs_attention AS is_attention_needed,
    in_business_hours(conversation.created_at) AS is_created_in_business_hours,
    conversation.is_private
FROM conversation
INNER JOIN selected_conversation ON selected_conversation.conversation_id = conversation.conversation_id
LEFT JOIN note_totals ON note_totals.conversation_id = conversation.conversation_id
LEFT JOIN post_totals ON post_totals.conversation_id = conversation.conversation_id
LEFT JOIN attached_tags('tagging', 'named_tag', $end) AS tags_at_end
    ON tags_at_end.conversation_id = conversation.conversation_id
LEFT JOIN numbered_agent AS assigned_agent ON assigned_agent.agent_id = conversation.assigned_agent_id
LEFT JOIN numbered_agent AS closing_agent ON closing_agent.agent_index = selected_conversation.closing_agent_index
LEFT JOIN team ON team.team_id = conversation.assigned_team_id
LEFT JOIN queue ON queue.queue_id = conversation.queue_id
LEFT JOIN author ON author.author_id = conversation.author_id
WHERE in_partition(conversation.conversation_id)
