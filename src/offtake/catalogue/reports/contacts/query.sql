-- Contacts that ended in the timespan. The other legs of their interactions belong to the timespan in which they ended.

-- Either of two columns may have a list of queue ids.
WITH queue_list AS (
    SELECT queue_ids AS ids
    FROM contact
    WHERE ended_at >= $start AND ended_at < $end
    UNION
    SELECT handling_queue_ids
    FROM contact
    WHERE ended_at >= $start AND ended_at < $end
),

named_queue AS (
    SELECT queue_id AS id, name FROM queue
),

named_queue_list AS (
    SELECT ids, names FROM named_lists('queue_list', 'named_queue')
),

direct_agent_list AS (
    SELECT DISTINCT direct_agent_ids AS ids
    FROM contact
    WHERE ended_at >= $start AND ended_at < $end
),

named_agent AS (
    SELECT agent_id AS id, name FROM agent
)

SELECT
    contact.interaction_id,
    contact.contact_id,
    contact.company_number,
    contact.company_number_label,
    contact.customer_number,
    contact.forward_number,
    CASE contact.direction WHEN 'inbound' THEN 'IN' ELSE 'OUT' END AS direction,
    CASE contact.kind
        WHEN 'answered' THEN 'Answered'
        WHEN 'missed' THEN 'Missed'
        WHEN 'abandoned' THEN 'Abandoned'
        WHEN 'short_abandoned' THEN 'Short Abandoned'
        WHEN 'voicemail' THEN 'Voicemail'
        WHEN 'connected' THEN 'Connected'
        WHEN 'not_connected' THEN 'Not Connected'
    END AS kind,
    contact.started_at,
    contact.wait_seconds,
    contact.missed_seconds,
    contact.abandon_seconds,
    contact.short_abandon_seconds,
    contact.voicemail_seconds,
    contact.ringing_seconds,
    contact.connect_seconds,
    contact.answered_at,
    contact.connected_at,
    contact.talk_seconds,
    contact.hard_hold_seconds,
    contact.soft_hold_seconds,
    contact.hold_seconds,
    contact.after_call_seconds,
    contact.ended_at,
    seconds_between(contact.started_at, contact.ended_at) AS duration_seconds,
    contact.handle_seconds,
    contact.is_in_business_hours,
    contact.is_in_service_level,
    contact.is_within_threshold,
    contact.is_transferred_out,
    CASE contact.transfer_out_kind WHEN 'warm' THEN 'Warm' WHEN 'blind' THEN 'Blind' END AS transfer_out_kind,
    contact.is_transferred_in,
    CASE contact.transfer_in_kind WHEN 'warm' THEN 'Warm' WHEN 'blind' THEN 'Blind' END AS transfer_in_kind,
    contact.is_callback,
    target_queue_list.names AS queue_names,
    agent.name AS agent_name,
    direct_agents.names AS direct_agent_names,
    team.name AS team_name,
    contact.agent_id,
    CASE WHEN len(contact.direct_agent_ids) > 0 THEN contact.direct_agent_ids END AS direct_agent_ids,
    contact.team_id,
    handling_queue_list.names AS handling_queue_names,
    contact.agent_disconnected,
    contact.is_last,
    CASE WHEN contact.is_damaged THEN 'Damaged' ELSE 'Valid' END AS data_status
FROM contact
LEFT JOIN agent ON agent.agent_id = contact.agent_id
LEFT JOIN team ON team.team_id = contact.team_id
LEFT JOIN named_queue_list AS target_queue_list ON target_queue_list.ids = contact.queue_ids
LEFT JOIN named_queue_list AS handling_queue_list ON handling_queue_list.ids = contact.handling_queue_ids
LEFT JOIN named_lists('direct_agent_list', 'named_agent') AS direct_agents
    ON direct_agents.ids = contact.direct_agent_ids
WHERE contact.ended_at >= $start AND contact.ended_at < $end
