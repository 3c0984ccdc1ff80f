-- Conversations of shared inboxes with something in the timespan, as they were at its end: nothing that happened later is
-- looked at.
WITH touched AS (
    SELECT conversation_id
    FROM post
    WHERE
        happened_at >= $start
        AND happened_at < $end
        -- A response that failed was never sent; one that was taken down later was.
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

-- The inboxes that the one who looks is a member of.
entered AS (
    SELECT inbox_member.inbox_id
    FROM inbox_member
    INNER JOIN agent ON agent.agent_id = inbox_member.agent_id
    WHERE lower(trim(agent.email)) = $viewer_email
),

picked AS MATERIALIZED (
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
    -- An inbox that the lake does not know may be personal: its conversations stay out until it does.
    INNER JOIN inbox ON inbox.inbox_id = conversation.inbox_id AND inbox.is_shared
    LEFT JOIN customer ON customer.customer_id = conversation.customer_id
    WHERE
        -- A month's file may hold conversations from after the timespan: which ones are seen must not depend on that.
        conversation.created_at < $end
        AND in_partition(conversation.conversation_id)
        AND conversation.conversation_id IN (SELECT conversation_id FROM touched)
        AND chosen($inbox_ids, conversation.inbox_id)
        AND chosen($customer_emails, lower(trim(customer.email)))
        -- An inbox with members is theirs alone.
        AND (
            $viewer_email IS NULL
            OR conversation.inbox_id IN (SELECT inbox_id FROM entered)
            OR conversation.inbox_id NOT IN (SELECT inbox_id FROM inbox_member)
        )
),

traffic AS MATERIALIZED (
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
        AND conversation_id IN (SELECT conversation_id FROM picked)
    GROUP BY conversation_id
),

-- Only the turns of the talk matter: the first message of each run of the customer's, and the answer that ends the run.
-- Of two at the same instant the customer's is the earlier one. The windows see the picked conversations only.
turn AS (
    SELECT conversation_id, post_id, kind, happened_at, agent_id
    FROM post
    WHERE
        happened_at < $end
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM picked)
        AND (
            kind = 'incoming'
            OR (kind = 'response' AND agent_id IS NOT NULL AND delivery IS DISTINCT FROM 'failed')
        )
    QUALIFY
        lag(kind, 1, 'response') OVER (PARTITION BY conversation_id ORDER BY happened_at, kind, post_id) <> kind
),

answer AS (
    SELECT
        *,
        lag(happened_at) OVER (PARTITION BY conversation_id ORDER BY happened_at, kind, post_id) AS asked_at
    FROM turn
    QUALIFY kind = 'response'
),

answering AS MATERIALIZED (
    SELECT
        conversation_id,
        min(happened_at) AS first_response_at,
        arg_min(agent_id, happened_at) AS first_responder_id, -- at one instant there is no second answer
        count(*) FILTER (WHERE happened_at >= $start) AS answers,
        sum(epoch_us(happened_at) - epoch_us(asked_at)) FILTER (WHERE happened_at >= $start) AS waited_microseconds
    FROM answer
    GROUP BY conversation_id
),

-- The last of several actions decides; of two at the same instant, the one with the later id.
course AS MATERIALIZED (
    SELECT
        conversation_id,
        max({'happened_at': happened_at, 'action_id': action_id, 'kind': kind, 'agent_id': agent_id}) FILTER (
            WHERE kind IN ('CLOSED', 'REOPENED')
        ) AS resolution,
        max({'happened_at': happened_at, 'action_id': action_id, 'kind': kind}) FILTER (
            WHERE kind IN ('CLOSED', 'REOPENED', 'SNOOZE_SET', 'SNOOZE_UNSET', 'SNOOZE_EXPIRED')
        ) AS change,
        max({
            'happened_at': happened_at,
            'action_id': action_id,
            'kind': kind,
            -- Who gets it is what stands there now; a source that does not say so means the agent of the action.
            'agent_id': coalesce(new_value, agent_id)
        }) FILTER (WHERE kind IN ('CLAIMED', 'ASSIGNED', 'UNCLAIMED', 'UNASSIGNED')) AS assignment,
        count(*) FILTER (WHERE kind = 'REOPENED' AND happened_at >= $start) AS reopen_count
    FROM conversation_action
    WHERE
        happened_at < $end
        AND kind IN (
            'CLOSED', 'REOPENED', 'SNOOZE_SET', 'SNOOZE_UNSET', 'SNOOZE_EXPIRED',
            'CLAIMED', 'ASSIGNED', 'UNCLAIMED', 'UNASSIGNED'
        )
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM picked)
    GROUP BY conversation_id
),

-- In an account that keeps a history, a conversation without a resolve before the end was open then, whatever became of it
-- later. Only an account without any such history shows what the conversations are today.
history AS (
    SELECT
        coalesce(
            bool_or(kind IN ('CLOSED', 'REOPENED', 'SNOOZE_SET', 'SNOOZE_UNSET', 'SNOOZE_EXPIRED')), false
        ) AS tells_status,
        coalesce(bool_or(kind IN ('CLAIMED', 'ASSIGNED', 'UNCLAIMED', 'UNASSIGNED')), false) AS tells_assignee
    FROM conversation_action
    WHERE happened_at < $end
),

people AS (
    SELECT agent_id, name, email FROM agent
),

wanted_agent AS (
    SELECT agent_id FROM people WHERE chosen($agent_emails, lower(trim(email)))
),

-- Those who sent or resolved something count for the filter; those who wrote or did anything are shown.
activity AS (
    SELECT conversation_id, agent_id, kind = 'response' AND delivery IS DISTINCT FROM 'failed' AS is_sent_or_resolved
    FROM post
    WHERE
        happened_at >= $start
        AND happened_at < $end
        AND kind <> 'incoming'
        AND agent_id IS NOT NULL
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM picked)
    UNION
    SELECT conversation_id, agent_id, kind = 'CLOSED' AS is_sent_or_resolved
    FROM conversation_action
    WHERE
        happened_at >= $start
        AND happened_at < $end
        AND agent_id IS NOT NULL
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM picked)
),

active AS MATERIALIZED (
    SELECT
        activity.conversation_id,
        list(DISTINCT coalesce(person.email, activity.agent_id) ORDER BY coalesce(person.email, activity.agent_id))
            AS agent_emails
    FROM activity
    LEFT JOIN people AS person ON person.agent_id = activity.agent_id
    GROUP BY activity.conversation_id
),

carried AS (
    SELECT DISTINCT conversation_id, tag_id
    FROM conversation_tag
    WHERE
        attached_at < $end
        AND (detached_at IS NULL OR detached_at >= $end)
        AND in_partition(conversation_id)
        AND conversation_id IN (SELECT conversation_id FROM picked)
),

tagging AS MATERIALIZED (
    SELECT
        carried.conversation_id,
        list(carried.tag_id ORDER BY carried.tag_id) AS tag_ids,
        list(coalesce(tag.name, carried.tag_id) ORDER BY carried.tag_id) AS tag_names
    FROM carried
    LEFT JOIN tag ON tag.tag_id = carried.tag_id
    GROUP BY carried.conversation_id
),

standing AS (
    SELECT
        picked.*,
        CASE
            WHEN NOT history.tells_status
                THEN CASE picked.status WHEN 'closed' THEN 'Resolved' WHEN 'snoozed' THEN 'Snoozed' ELSE 'Open' END
            -- A resolve or a reopen ends a snooze, and a snooze does not open what is resolved.
            WHEN course.resolution.kind = 'CLOSED' THEN 'Resolved'
            WHEN course.change.kind = 'SNOOZE_SET' THEN 'Snoozed'
            ELSE 'Open'
        END AS status_at_end,
        CASE
            WHEN NOT history.tells_assignee THEN picked.assigned_agent_id
            WHEN course.assignment.kind IN ('CLAIMED', 'ASSIGNED') THEN course.assignment.agent_id
        END AS assignee_id,
        CASE WHEN course.resolution.kind = 'CLOSED' THEN course.resolution.happened_at END AS resolved_at,
        CASE WHEN course.resolution.kind = 'CLOSED' THEN course.resolution.agent_id END AS resolver_id,
        coalesce(course.reopen_count, 0) AS reopen_count
    FROM picked
    CROSS JOIN history
    LEFT JOIN course ON course.conversation_id = picked.conversation_id
)

SELECT
    standing.conversation_id,
    standing.subject,
    standing.inbox_id,
    standing.inbox_name,
    standing.status_at_end AS status,
    CASE standing.direction WHEN 'inbound' THEN 'Inbound' ELSE 'Outbound' END AS direction,
    standing.customer_email,
    standing.customer_name,
    assignee.email AS assignee_email,
    assignee.name AS assignee_name,
    coalesce(active.agent_emails, []) AS agent_emails,
    coalesce(tagging.tag_ids, []) AS tag_ids,
    coalesce(tagging.tag_names, []) AS tag_names,
    standing.created_at,
    answering.first_response_at,
    coalesce(traffic.last_message_at, standing.created_at) AS last_message_at,
    standing.resolved_at,
    coalesce(traffic.received_count, 0) AS received_count,
    coalesce(traffic.sent_count, 0) AS sent_count,
    coalesce(traffic.comment_count, 0) AS comment_count,
    standing.reopen_count,
    seconds_between(traffic.first_received_at, answering.first_response_at) AS first_response_seconds,
    -- In whole numbers, so that every machine rounds a half alike: up.
    CASE
        WHEN answering.answers > 0
            THEN CAST(
                (2 * answering.waited_microseconds + 100000 * answering.answers) // (200000 * answering.answers) AS DOUBLE
            ) / 10
    END AS average_seconds_per_response,
    seconds_between(standing.created_at, standing.resolved_at) AS resolution_seconds,
    first_responder.email AS first_responder_email,
    resolver.email AS resolved_by_email,
    standing.is_sla_breached -- the lake keeps no history of it
FROM standing
LEFT JOIN traffic ON traffic.conversation_id = standing.conversation_id
LEFT JOIN answering ON answering.conversation_id = standing.conversation_id
LEFT JOIN active ON active.conversation_id = standing.conversation_id
LEFT JOIN tagging ON tagging.conversation_id = standing.conversation_id
LEFT JOIN people AS assignee ON assignee.agent_id = standing.assignee_id
LEFT JOIN people AS first_responder ON first_responder.agent_id = answering.first_responder_id
LEFT JOIN people AS resolver ON resolver.agent_id = standing.resolver_id
WHERE
    chosen_any($tag_ids, tagging.tag_ids)
    AND (
        $agent_emails IS NULL
        OR standing.assignee_id IN (SELECT agent_id FROM wanted_agent)
        OR standing.conversation_id IN (
            SELECT activity.conversation_id
            FROM activity
            INNER JOIN wanted_agent ON wanted_agent.agent_id = activity.agent_id
            WHERE activity.is_sent_or_resolved
        )
    )
