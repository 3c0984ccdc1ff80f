-- Conversations, in the state after their last event.
WITH conversation_state AS (
    SELECT
        k,
        arg_max(
            CASE what
                WHEN 'CLOSED' THEN 'closed'
                WHEN 'SNOOZE_SET' THEN 'snoozed'
                WHEN 'RESPONDED' THEN 'pending'  -- awaits the customer
                ELSE 'open'
            END,
            step
        ) FILTER (
            what IN ('incoming', 'CLOSED', 'REOPENED', 'SNOOZE_SET', 'SNOOZE_UNSET', 'SNOOZE_EXPIRED', 'RESPONSE_FAILED')
            OR what = 'RESPONDED' AND NOT is_failed
        ) AS status,
        -- -1 means no agent, because arg_max ignores nulls
        arg_max(coalesce(target, -1), step) FILTER (what IN ('CLAIMED', 'UNCLAIMED', 'ASSIGNED', 'UNASSIGNED')) AS agent,
        arg_max(coalesce(target_team, -1), step) FILTER (what IN ('CLAIMED', 'UNCLAIMED', 'ASSIGNED', 'UNASSIGNED')) AS team,
        bool_or(what = 'WORK_QUEUE_CHANGED') AS is_moved,
        bool_or(what = 'PRIORITY_CHANGED') AS is_raised,
        bool_or(what = 'NEEDS_ATTENTION') AS needs_attention,
        max(micros) FILTER (what = 'SNOOZE_SET') AS snoozed,
        max(micros) FILTER (what = 'incoming') AS asked,
        min(micros) FILTER (what = 'incoming') AS first_asked,
        coalesce(max(micros) FILTER (what = 'RESPONDED' AND NOT is_failed), 0) AS answered,
        min(micros) FILTER (what = 'RESPONDED' AND NOT is_failed AND answers IS NOT NULL) AS first_answered,
        arg_max(dice, step) FILTER (what = 'DISPOSITION_CHANGED') AS disposition_dice,
        sum(CASE WHEN actor = 'AGENT' THEN 5000 + uniform(dice, 3, 60000) ELSE 0 END) AS handled
    FROM conversation_event
    GROUP BY k
),
conversation_due AS (
    SELECT *, CASE WHEN k % 3 <> 0 THEN first_asked + 3600000000 * (1 + k % 24) END AS due FROM conversation_state
)
SELECT
    id_of('conversation', k) AS conversation_id,
    CASE WHEN k % 101 <> 100 THEN 100001 + k END AS number,
    at_micros(began) AS created_at,
    status,
    direction,
    CASE WHEN network = 'email' OR uniform(b, 3, 20) = 0 THEN word(getvariable('subjects'), roll('subject', k), 0) END AS subject,
    CASE WHEN is_raised THEN priority_later ELSE priority_first END AS priority,
    getvariable('queue_ids')[1 + CASE WHEN is_moved THEN queue_later ELSE queue_first END] AS queue_id,
    CASE WHEN inbox IS NOT NULL THEN id_of('inbox', inbox) END AS inbox_id,
    network,
    instance AS network_instance,
    CASE WHEN direction = 'inbound' OR k % 21 <> 20 THEN id_of('author', author) END AS author_id,
    CASE WHEN customer IS NOT NULL THEN id_of('customer', customer) END AS customer_id,
    getvariable('agent_ids')[1 + nullif(agent, -1)] AS assigned_agent_id,
    getvariable('team_ids')[1 + nullif(team, -1)] AS assigned_team_id,
    CASE WHEN k % 13 <> 12 THEN 'https://care.example/conversations/' || (100001 + k) END AS url,
    CASE WHEN k % 31 <> 30 THEN network IN ('email', 'chat') OR uniform(a, 3, 3) = 0 END AS is_private,
    CASE WHEN needs_attention OR k % 11 <> 10 THEN needs_attention END AS needs_attention,
    CASE
        WHEN disposition_dice IS NOT NULL THEN word(getvariable('dispositions'), disposition_dice, 2)
        WHEN status = 'closed' AND uniform(c, 3, 3) = 0 THEN word(getvariable('dispositions'), c, 2)
    END AS disposition,
    CASE WHEN status = 'closed' AND uniform(c, 3, 5) = 1 THEN word(getvariable('nested'), c, 0) END AS custom_disposition,
    CASE WHEN status <> 'closed' AND asked > answered THEN at_micros(asked) END AS response_timer_started_at,
    at_micros(due) AS due_at,
    CASE WHEN status = 'snoozed' THEN at_micros(snoozed + snooze_micros) END AS snoozed_until_at,
    CASE WHEN k % 17 <> 16 THEN CAST(handled AS BIGINT) END AS handle_milliseconds,
    coalesce(first_answered, getvariable('ends_at')) > due AS is_sla_breached,
    strftime(created_at, '%Y-%m') AS month
FROM conversation_plan JOIN conversation_due USING (k)
