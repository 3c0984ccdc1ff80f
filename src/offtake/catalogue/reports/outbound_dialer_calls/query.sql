-- Calls of the outbound dialer that ended in the timespan. A record that was dialled three times has three rows.
WITH agent_details AS (
    SELECT agent_id, name FROM agent
)

SELECT
    call.interaction_id,
    call.campaign_id,
    coalesce(campaign.name, call.campaign_id) AS campaign_name,
    call.agent_id,
    agent.name AS agent_name,
    call.transferred_agent_id,
    transferred_agent.name AS transferred_agent_name,
    call.record_id,
    call.record_list_name,
    call.attempt_number,
    call.started_at,
    call.ended_at,
    call.callback_mode,
    call.customer_number,
    call.company_number,
    call.notes,
    call.disposition,
    call.system_disposition,
    call.sip_hangup_code,
    team.name AS team_name,
    call.total_seconds,
    call.queue_seconds,
    call.agent_ringing_seconds,
    call.customer_ringing_seconds,
    call.record_extra_data,
    call.phone_type
FROM dialer_call AS call
LEFT JOIN campaign ON campaign.campaign_id = call.campaign_id
LEFT JOIN agent_details AS agent ON agent.agent_id = call.agent_id
LEFT JOIN agent_details AS transferred_agent ON transferred_agent.agent_id = call.transferred_agent_id
LEFT JOIN team ON team.team_id = call.team_id
WHERE call.ended_at >= $start AND call.ended_at < $end
