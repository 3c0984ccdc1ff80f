-- Calls that ended in the timespan.
WITH agent_details AS (
    SELECT agent_id, name, email FROM agent
),

queue_list AS (
    SELECT DISTINCT queue_ids AS ids
    FROM call
    WHERE ended_at >= $start AND ended_at < $end
),

named_queue AS (
    SELECT queue_id AS id, name FROM queue
)

SELECT
    call.call_id,
    call.carrier_call_id,
    call.kind,
    call.started_at,
    call.ended_at,
    call.company_number,
    call.company_number_label,
    call.customer_number,
    call.agent_id,
    agent.name AS agent_name,
    agent.email AS agent_email,
    call.total_seconds,
    call.talk_seconds,
    call.wait_seconds,
    call.hold_seconds,
    call.abandon_seconds,
    call.ringing_seconds,
    call.disposition_code,
    call.notes,
    call.voice_rating,
    named_queue_list.names AS queue_names,
    call.ivr_options,
    call.is_in_business_hours,
    call.is_queue_callback,
    call.is_transfer,
    call.handling_agent_id,
    handling_agent.name AS handling_agent_name,
    handling_agent.email AS handling_agent_email,
    call.recording_url,
    call.is_external_transfer,
    call.is_no_answer_rule,
    call.is_forwarded,
    call.csat_score,
    call.csat_answered_at,
    call.team_id,
    team.name AS team_name,
    call.rating_reason,
    call.agent_disconnected,
    CASE WHEN call.is_damaged THEN 'Damaged' ELSE 'Valid' END AS data_status,
    call.integer_custom_1,
    call.integer_custom_2,
    call.decimal_custom_1,
    call.decimal_custom_2,
    call.text_custom_1,
    call.text_custom_2,
    call.text_custom_3,
    call.text_custom_4,
    call.instant_custom_1,
    call.disposition_set,
    call.nested_disposition,
    call.mood,
    call.is_mood_prompted
FROM call
LEFT JOIN agent_details AS agent ON agent.agent_id = call.agent_id
LEFT JOIN agent_details AS handling_agent ON handling_agent.agent_id = call.handling_agent_id
LEFT JOIN team ON team.team_id = call.team_id
LEFT JOIN named_lists('queue_list', 'named_queue') AS named_queue_list ON named_queue_list.ids = call.queue_ids
WHERE call.ended_at >= $start AND call.ended_at < $end
