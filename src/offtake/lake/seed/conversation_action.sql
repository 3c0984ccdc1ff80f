-- Actions on conversations.
WITH action AS (
    SELECT
        conversation_event.*, conversation_plan.tags, conversation_plan.snooze_micros, conversation_plan.queue_first, conversation_plan.queue_later, conversation_plan.priority_first, conversation_plan.priority_later,
        -- the agent assigned until this step; null after the conversation was given back
        last_value(CASE
            WHEN conversation_event.what IN ('CLAIMED', 'ASSIGNED') THEN coalesce(conversation_event.target, -1)
            WHEN conversation_event.what IN ('UNCLAIMED', 'UNASSIGNED') THEN -1
        END IGNORE NULLS) OVER (PARTITION BY conversation_event.k ORDER BY conversation_event.step ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS holder
    FROM conversation_event JOIN conversation_plan ON conversation_plan.k = conversation_event.k
)
SELECT
    id_of('action', k || '/' || step) AS action_id,
    id_of('conversation', k) AS conversation_id,
    at_micros(micros) AS happened_at,
    what AS kind,
    CASE
        WHEN actor = 'RULE' THEN 'Rule "' || ['night', 'auto-tag', 'spam, likely'][1 + uniform(dice, 0, 3)] || '"'
        WHEN what = 'RESPONSE_FAILED' THEN 'The network refused the message.'
        WHEN uniform(dice, 3, 12) = 0 THEN word(getvariable('notes'), dice, 1)
    END AS detail,
    actor,
    getvariable('agent_ids')[1 + agent] AS agent_id,
    getvariable('team_ids')[1 + team] AS team_id,
    CASE what
        WHEN 'CLAIMED' THEN getvariable('agent_ids')[1 + nullif(holder, -1)]
        WHEN 'ASSIGNED' THEN getvariable('agent_ids')[1 + nullif(holder, -1)]
        WHEN 'UNCLAIMED' THEN getvariable('agent_ids')[1 + nullif(holder, -1)]
        WHEN 'UNASSIGNED' THEN getvariable('agent_ids')[1 + nullif(holder, -1)]
        WHEN 'CLOSED' THEN 'open'
        WHEN 'REOPENED' THEN 'closed'
        WHEN 'WORK_QUEUE_CHANGED' THEN getvariable('queue_ids')[1 + queue_first]
        WHEN 'PRIORITY_CHANGED' THEN CAST(priority_first AS VARCHAR)
        WHEN 'TAGS_DETACHED' THEN getvariable('tag_names')[1 + tags[1]]
    END AS old_value,
    CASE what
        WHEN 'CLAIMED' THEN getvariable('agent_ids')[1 + target]
        WHEN 'ASSIGNED' THEN coalesce(getvariable('agent_ids')[1 + target], getvariable('team_ids')[1 + target_team])
        WHEN 'CLOSED' THEN 'closed'
        WHEN 'REOPENED' THEN 'open'
        WHEN 'WORK_QUEUE_CHANGED' THEN getvariable('queue_ids')[1 + queue_later]
        WHEN 'PRIORITY_CHANGED' THEN CAST(priority_later AS VARCHAR)
        WHEN 'TAGS_ATTACHED' THEN array_to_string(list_transform(tags, lambda tag: getvariable('tag_names')[1 + tag]), ', ')
        WHEN 'SNOOZE_SET' THEN strftime(at_micros(micros + snooze_micros), '%Y-%m-%dT%H:%M:%SZ')
        WHEN 'DISPOSITION_CHANGED' THEN word(getvariable('dispositions'), dice, 2)
    END AS new_value,
    CASE
        WHEN is_post THEN id_of('post', k || '/' || step)
        WHEN what = 'RESPONSE_FAILED' THEN id_of('post', k || '/' || response)
    END AS post_id,
    strftime(happened_at, '%Y-%m') AS month
FROM action
WHERE what <> 'incoming'
