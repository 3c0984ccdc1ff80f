-- Conversations of shared inboxes with activity in the timespan, as they were at its end. Later events do not count.
WITH active_conversation AS (
    SELECT conversation_id
    FROM post
    WHERE
        happened_at >= $start
        AND happened_at < $end
        -- A failed response was not sent; a response that was removed later was sent.
        AND (kind = 'incoming' OR (kind = 'response' AND delivery IS DISTINCT FROM 'failed'))
        AND in_partition(conversation_id)
    UNION
    SELECT conversation_id
    FROM conversation_action
    WHERE
        happened_at >= $start
        AND happened_at < $end
        AND kind IN ('CLOSED', 'REOPENED')
        AND in_partition(conversation_id)
),

-- An unknown or inactive person is no viewer and sees no inbox.
viewer AS (
    SELECT agent_id FROM agent WHERE is_active AND lower(trim(email)) = $viewer_email
),

-- The inboxes of which the viewer is a member and, if the account shows them, those without members.
viewer_inbox AS (
    SELECT inbox_id FROM inbox_member WHERE agent_id IN (SELECT agent_id FROM viewer)
    UNION
    SELECT inbox_id
    FROM inbox
    WHERE
        $inboxes_without_members
        AND EXISTS (SELECT 1 FROM viewer)
        AND inbox_id NOT IN (SELECT inbox_id FROM inbox_member)
),

selected_conversation AS MATERIALIZED (
    SELECT
        conversation.conversation_id,
        conversation.subject,
        conversation.inbox_id,
        inbox.name AS inbox_name,
        conversation.status,
        conversation.direction,
        customer.email AS customer_email,
        customer.name AS customer_name,
        conversation.assigned_agent_id,
        conversation.created_at,
        conversation.is_sla_breached
    FROM conversation
    -- An inbox that the lake does not have may be personal, so its conversations are left out.
    INNER JOIN inbox ON inbox.inbox_id = conversation.inbox_id AND inbox.is_shared
    LEFT JOIN customer ON customer.customer_id = conversation.customer_id
    WHERE
        -- A month's file may contain later conversations; the result must not depend on the files that are read.
        conversation.created_at < $end
        AND in_partition(conversation.conversation_id)
        AND conversation.conversation_id IN (SELECT conversation_id FROM active_conversation)
        AND chosen($inbox_ids, conversation.inbox_id)
        AND chosen($customer_emails, lower(trim(customer.email)))
        AND ($viewer_email IS NULL OR conversation.inbox_id IN (SELECT inbox_id FROM viewer_inbox))
),

message_totals AS MATERIALIZED (
    SELECT
        conversation_id,
        min(happened_at) FILTER (WHERE kind = 'incoming') AS first_received_at,
        max(happened_at) FILTER (
            WHERE kind = 'incoming' OR (kind = 'response' AND delivery IS DISTINCT FROM 'failed')
        ) AS last_message_at,
        count(*) FILTER (WHERE kind = 'incoming' AND happened_at >= $start) AS received_count,
        count(*) FILTER (
            WHERE kind = 'response'
            AND agent_id IS NOT NULL
            AND delivery IS DISTINCT FROM 'failed'
            AND happened_at >= $start
        ) AS sent_count,
        count(*) FILTER (WHERE kind = 'comment' AND happened_at >= $start) AS comment_count
    FROM post
    WHERE
        happened_at < $end
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM selected_conversation)
    GROUP BY conversation_id
),

-- Only the turns count: the first of consecutive messages of the customer, and the answer that follows them. Of two
-- messages at the same instant, the customer's is the earlier one. The windows read only the selected conversations.
turn AS (
    SELECT conversation_id, post_id, kind, happened_at, agent_id
    FROM post
    WHERE
        happened_at < $end
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM selected_conversation)
        AND (
            kind = 'incoming'
            OR (kind = 'response' AND agent_id IS NOT NULL AND delivery IS DISTINCT FROM 'failed')
        )
    QUALIFY
        lag(kind, 1, 'response') OVER (PARTITION BY conversation_id ORDER BY happened_at, kind, post_id) <> kind
),

response_turn AS (
    SELECT
        *,
        lag(happened_at) OVER (PARTITION BY conversation_id ORDER BY happened_at, kind, post_id) AS customer_turn_at
    FROM turn
    QUALIFY kind = 'response'
),

response_totals AS MATERIALIZED (
    SELECT
        conversation_id,
        min(happened_at) AS first_response_at,
        arg_min(agent_id, happened_at) AS first_responder_id, -- a conversation has one answer at an instant
        count(*) FILTER (WHERE happened_at >= $start) AS responses,
        sum(epoch_us(happened_at) - epoch_us(customer_turn_at)) FILTER (WHERE happened_at >= $start)
            AS response_microseconds
    FROM response_turn
    GROUP BY conversation_id
),

-- The last of several actions decides; of two at the same instant, the one with the later id.
action_summary AS MATERIALIZED (
    SELECT
        conversation_id,
        max({'happened_at': happened_at, 'action_id': action_id, 'kind': kind, 'agent_id': agent_id}) FILTER (
            WHERE kind IN ('CLOSED', 'REOPENED')
        ) AS latest_resolution,
        max({'happened_at': happened_at, 'action_id': action_id, 'kind': kind}) FILTER (
            WHERE kind IN ('CLOSED', 'REOPENED', 'SNOOZE_SET', 'SNOOZE_UNSET', 'SNOOZE_EXPIRED')
        ) AS latest_status_change,
        max({
            'happened_at': happened_at,
            'action_id': action_id,
            'kind': kind,
            -- The assignee is the new value; without one, it is the agent of the action.
            'agent_id': coalesce(new_value, agent_id)
        }) FILTER (WHERE kind IN ('CLAIMED', 'ASSIGNED', 'UNCLAIMED', 'UNASSIGNED')) AS latest_assignment,
        count(*) FILTER (WHERE kind = 'REOPENED' AND happened_at >= $start) AS reopen_count
    FROM conversation_action
    WHERE
        happened_at < $end
        AND kind IN (
            'CLOSED', 'REOPENED', 'SNOOZE_SET', 'SNOOZE_UNSET', 'SNOOZE_EXPIRED',
            'CLAIMED', 'ASSIGNED', 'UNCLAIMED', 'UNASSIGNED'
        )
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM selected_conversation)
    GROUP BY conversation_id
),

-- If the account has a history of status changes, a conversation that was not resolved before the end was open then.
-- Without such a history, the current status is shown. The same applies to assignments.
account_history AS (
    SELECT
        coalesce(
            bool_or(kind IN ('CLOSED', 'REOPENED', 'SNOOZE_SET', 'SNOOZE_UNSET', 'SNOOZE_EXPIRED')), false
        ) AS has_status_changes,
        coalesce(bool_or(kind IN ('CLAIMED', 'ASSIGNED', 'UNCLAIMED', 'UNASSIGNED')), false) AS has_assignments
    FROM conversation_action
    WHERE happened_at < $end
),

agent_details AS (
    SELECT agent_id, name, email FROM agent
),

requested_agent AS (
    SELECT agent_id FROM agent_details WHERE chosen($agent_emails, lower(trim(email)))
),

-- The filter applies to agents who sent or resolved something; the file shows all agents who wrote or acted.
agent_activity AS (
    SELECT conversation_id, agent_id, kind = 'response' AND delivery IS DISTINCT FROM 'failed' AS is_sent_or_resolved
    FROM post
    WHERE
        happened_at >= $start
        AND happened_at < $end
        AND kind <> 'incoming'
        AND agent_id IS NOT NULL
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM selected_conversation)
    UNION
    SELECT conversation_id, agent_id, kind = 'CLOSED' AS is_sent_or_resolved
    FROM conversation_action
    WHERE
        happened_at >= $start
        AND happened_at < $end
        AND agent_id IS NOT NULL
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM selected_conversation)
),

active_agents AS MATERIALIZED (
    SELECT
        agent_activity.conversation_id,
        list(
            DISTINCT coalesce(agent.email, agent_activity.agent_id)
            ORDER BY coalesce(agent.email, agent_activity.agent_id)
        ) AS agent_emails
    FROM agent_activity
    LEFT JOIN agent_details AS agent ON agent.agent_id = agent_activity.agent_id
    GROUP BY agent_activity.conversation_id
),

attached_tag AS (
    SELECT DISTINCT conversation_id, tag_id
    FROM conversation_tag
    WHERE
        attached_at < $end
        AND (detached_at IS NULL OR detached_at >= $end)
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM selected_conversation)
),

conversation_tags AS MATERIALIZED (
    SELECT
        attached_tag.conversation_id,
        list(attached_tag.tag_id ORDER BY attached_tag.tag_id) AS tag_ids,
        list(coalesce(tag.name, attached_tag.tag_id) ORDER BY attached_tag.tag_id) AS tag_names
    FROM attached_tag
    LEFT JOIN tag ON tag.tag_id = attached_tag.tag_id
    GROUP BY attached_tag.conversation_id
),

conversation_state AS (
    SELECT
        selected_conversation.*,
        CASE
            WHEN NOT account_history.has_status_changes
                THEN CASE selected_conversation.status
                    WHEN 'closed' THEN 'Resolved' WHEN 'snoozed' THEN 'Snoozed' ELSE 'Open'
                END
            -- A resolve or a reopen ends a snooze; a snooze does not reopen a resolved conversation.
            WHEN action_summary.latest_resolution.kind = 'CLOSED' THEN 'Resolved'
            WHEN action_summary.latest_status_change.kind = 'SNOOZE_SET' THEN 'Snoozed'
            ELSE 'Open'
        END AS status_at_end,
        CASE
            WHEN NOT account_history.has_assignments THEN selected_conversation.assigned_agent_id
            WHEN action_summary.latest_assignment.kind IN ('CLAIMED', 'ASSIGNED')
                THEN action_summary.latest_assignment.agent_id
        END AS assignee_id,
        CASE
            WHEN action_summary.latest_resolution.kind = 'CLOSED' THEN action_summary.latest_resolution.happened_at
        END AS resolved_at,
        CASE
            WHEN action_summary.latest_resolution.kind = 'CLOSED' THEN action_summary.latest_resolution.agent_id
        END AS resolver_id,
        coalesce(action_summary.reopen_count, 0) AS reopen_count
    FROM selected_conversation
    CROSS JOIN account_history
    LEFT JOIN action_summary ON action_summary.conversation_id = selected_conversation.conversation_id
)

SELECT
    conversation_state.conversation_id,
    conversation_state.subject,
    conversation_state.inbox_id,
    conversation_state.inbox_name,
    conversation_state.status_at_end AS status,
    CASE conversation_state.direction WHEN 'inbound' THEN 'Inbound' ELSE 'Outbound' END AS direction,
    conversation_state.customer_email,
    conversation_state.customer_name,
    assignee.email AS assignee_email,
    assignee.name AS assignee_name,
    coalesce(active_agents.agent_emails, []) AS agent_emails,
    coalesce(conversation_tags.tag_ids, []) AS tag_ids,
    coalesce(conversation_tags.tag_names, []) AS tag_names,
    conversation_state.created_at,
    response_totals.first_response_at,
    coalesce(message_totals.last_message_at, conversation_state.created_at) AS last_message_at,
    conversation_state.resolved_at,
    coalesce(message_totals.received_count, 0) AS received_count,
    coalesce(message_totals.sent_count, 0) AS sent_count,
    coalesce(message_totals.comment_count, 0) AS comment_count,
    conversation_state.reopen_count,
    seconds_between(message_totals.first_received_at, response_totals.first_response_at) AS first_response_seconds,
    -- In integers, so that every machine rounds a half up.
    CASE
        WHEN response_totals.responses > 0
            THEN CAST(
                (2 * response_totals.response_microseconds + 100000 * response_totals.responses)
                // (200000 * response_totals.responses) AS DOUBLE
            ) / 10
    END AS average_seconds_per_response,
    seconds_between(conversation_state.created_at, conversation_state.resolved_at) AS resolution_seconds,
    first_responder.email AS first_responder_email,
    resolver.email AS resolved_by_email,
    conversation_state.is_sla_breached -- the lake has no history of it
FROM conversation_state
LEFT JOIN message_totals ON message_totals.conversation_id = conversation_state.conversation_id
LEFT JOIN response_totals ON response_totals.conversation_id = conversation_state.conversation_id
LEFT JOIN active_agents ON active_agents.conversation_id = conversation_state.conversation_id
LEFT JOIN conversation_tags ON conversation_tags.conversation_id = conversation_state.conversation_id
LEFT JOIN agent_details AS assignee ON assignee.agent_id = conversation_state.assignee_id
LEFT JOIN agent_details AS first_responder ON first_responder.agent_id = response_totals.first_responder_id
LEFT JOIN agent_details AS resolver ON resolver.agent_id = conversation_state.resolver_id
WHERE
    chosen_any($tag_ids, conversation_tags.tag_ids)
    AND (
        $agent_emails IS NULL
        OR conversation_state.assignee_id IN (SELECT agent_id FROM requested_agent)
        OR conversation_state.conversation_id IN (
            SELECT agent_activity.conversation_id
            FROM agent_activity
            INNER JOIN requested_agent ON requested_agent.agent_id = agent_activity.agent_id
            WHERE agent_activity.is_sent_or_resolved
        )
    )
