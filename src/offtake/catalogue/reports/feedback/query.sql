-- Events of surveys in the timespan: a question that was sent and then answered has two rows, each at its own time.
SELECT
    feedback.happened_at,
    feedback.interaction_id,
    feedback.flow_name,
    feedback.component_id,
    feedback.component_name,
    feedback.component_type,
    feedback.component_text,
    feedback.response,
    feedback.response_state,
    feedback.is_kpi,
    feedback.is_about_agent,
    feedback.recording_url,
    agent.name AS agent_name,
    feedback.respondent_number,
    feedback.company_number,
    queue.name AS queue_name,
    team.name AS team_name,
    CASE feedback.interaction_direction
        WHEN 'inbound' THEN 'Inbound'
        WHEN 'outbound' THEN 'Outbound'
    END AS interaction_direction,
    feedback.survey_channel,
    feedback.sms_error,
    feedback.touch_point_id,
    feedback.touch_point_name,
    feedback.touch_point_value
FROM feedback
LEFT JOIN agent ON agent.agent_id = feedback.agent_id
LEFT JOIN team ON team.team_id = feedback.team_id
LEFT JOIN queue ON queue.queue_id = feedback.queue_id
WHERE feedback.happened_at >= $start AND feedback.happened_at < $end
